"""The stores that every promise of the design is held against, and how each comes to hold some events.

A new store adds one line to `STORES`: a name, and a factory that takes a folder and deliveries and gives a store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agentgauge.core.query import Receipt
from agentgauge.stores.sqlite import upkeep
from agentgauge.stores.sqlite.builder import Builder
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from agentgauge.core.query import Store

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
    """A file of its own, whose rows are read."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self._store = SqliteStore(self.path)
        self.store: Store = self._store

    def deliver(self, delivery: Delivery) -> Receipt:
        with SqliteSink(self.path, clock=lambda: delivery.received) as sink:
            return sink.write(delivery.events)

    def close(self) -> None:
        self._store.close()


class HeldBySegments(HeldBySqlite):
    """The same, with everything in segments of the columnar index."""

    def deliver(self, delivery: Delivery) -> Receipt:
        with SqliteSink(self.path, clock=lambda: delivery.received) as sink:
            receipt = sink.write(delivery.events)
            Builder(sink, dense=1).build(finish=True, least=1)
            return receipt


class HeldByBoth(HeldBySqlite):
    """The same, with about half of the events in segments, and what came after them late or new."""

    def deliver(self, delivery: Delivery) -> Receipt:
        with SqliteSink(self.path, clock=lambda: delivery.received) as sink:
            receipt = sink.write([each for each in delivery.events if not _is_second(each)])
            Builder(sink, dense=1).build(finish=True, least=1)
            rest = sink.write([each for each in delivery.events if _is_second(each)])
        return Receipt(
            receipt.accepted + rest.accepted, receipt.duplicate + rest.duplicate, receipt.replaced + rest.replaced
        )


def _is_second(event: Event) -> bool:
    """Whether it is of the second half; events that are copies of one another are of the same."""
    return sum(map(ord, event.get("call_key") or event.get("id", ""))) % 2 == 1


class HeldWhileBuilding(HeldBySqlite):
    """The same, while another thread builds the index and drops it, over and over."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._closing = threading.Event()
        self._builds = threading.Thread(target=self._build)
        self._builds.start()

    def close(self) -> None:
        self._closing.set()
        self._builds.join()
        super().close()

    def _build(self) -> None:
        while not self._closing.wait(0.001):
            if self.path.exists():
                with SqliteSink(self.path, clock=lambda: NOW, wait_s=60) as sink:
                    Builder(sink, dense=1).build(finish=True, least=1, stop=self._closing.is_set)
                    upkeep.clear_index(sink)


STORES: Mapping[str, Callable[[Path], Held]] = {
    "rows": HeldBySqlite,
    "segments": HeldBySegments,
    "both": HeldByBoth,
}
RESTLESS: Mapping[str, Callable[[Path], Held]] = {**STORES, "building": HeldWhileBuilding}
"""With those that change while they are asked; too slow for promises that no such change could break."""
