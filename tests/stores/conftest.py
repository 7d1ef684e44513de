"""The stores that every promise of the design is held against, and how each comes to hold some events.

A new store adds one line to `STORES`: a name, and a factory that takes a folder and deliveries and gives a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from agentgauge.core.query import Receipt, Store
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore

NOW = 1_777_990_000_000  # 2026-05-05T14:06:40Z
Event = Mapping[str, Any]


@dataclass(slots=True)
class Delivery:
    """Events that arrive together, and when."""

    events: Sequence[Event]
    received: int = NOW


class Held(Protocol):
    """A store that can be given events and asked."""

    store: Store

    def deliver(self, delivery: Delivery) -> Receipt:
        """Takes events in."""
        ...

    def close(self) -> None:
        """Lets go of everything."""
        ...


class HeldBySqlite:
    """A file of its own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "store.db"
        self._store = SqliteStore(self._path)
        self.store: Store = self._store

    def deliver(self, delivery: Delivery) -> Receipt:
        with SqliteSink(self._path, clock=lambda: delivery.received) as sink:
            return sink.write(delivery.events)

    def close(self) -> None:
        self._store.close()


STORES: Mapping[str, Callable[[Path], Held]] = {"sqlite": HeldBySqlite}


@pytest.fixture(params=STORES)
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Held]:
    """An empty store of each kind, to be given events."""
    found = STORES[request.param](tmp_path)
    yield found
    found.close()
