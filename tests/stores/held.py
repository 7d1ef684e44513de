"""The stores that every promise of the design is held against, and how each comes to hold some events.

A new store adds one line to `STORES`: a name, and a factory that takes a folder and deliveries and gives a store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from agentgauge.core.query import Receipt, Store

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
