"""Up to which instant each dataset is known: the rules of design section 3, "Freshness", and their table.

Above: the sink, inside a batch's own transaction. Below: one small table. The rules are pure functions of a mark, what
a batch brought and when it was received; instants are ms UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

LIVE_MS = 600_000
"""A batch whose newest event is younger than this comes from a sender that is keeping up."""

_LOAD = "select dataset, as_of, explicit, implied, live from watermarks"
_SAVE = """insert into watermarks (dataset, as_of, explicit, implied, live) values (?, ?, ?, ?, ?)
on conflict (dataset) do update set
  as_of = excluded.as_of, explicit = excluded.explicit, implied = excluded.implied, live = excluded.live"""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known about a dataset's freshness."""

    as_of: int | None = None
    explicit: int | None = None
    """The newest `as_of` event."""
    implied: int | None = None
    """The newest event, or its receipt where it is dated after that."""
    live: int | None = None
    """The newest receipt of a batch that came live."""


def computed(mark: Mark) -> int | None:
    """The as_of that the three parts of a mark say."""
    return later(mark.implied if mark.explicit is None else mark.explicit, mark.live)


def later(one: int | None, other: int | None) -> int | None:
    """The later of two instants, of which either may be missing."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def said(mark: Mark, instant: int) -> Mark:
    """The mark after an `as_of` event; the same one when it says nothing new."""
    return mark if mark.explicit is not None and instant <= mark.explicit else replace(mark, explicit=instant)


def seen(mark: Mark, newest: int, receipt: int) -> Mark:
    """The mark after a batch whose newest accepted event is at `newest`."""
    live = later(mark.live, receipt) if newest > receipt - LIVE_MS else mark.live
    return replace(mark, implied=later(mark.implied, min(newest, receipt)), live=live)


def matters_above(mark: Mark, receipt: int) -> int:
    """The instant at or below which an event cannot change the mark."""
    return -1 if mark.implied is None else min(mark.implied, receipt - LIVE_MS)


@dataclass(slots=True)
class Delivery:
    """The marks of one delivery: within it an as_of is recomputed, but never falls below what it was before."""

    floors: dict[str, int | None] = field(default_factory=dict[str, int | None])
    left: dict[str, int | None] = field(default_factory=dict[str, int | None])
    """The as_of this delivery left behind; where another one is found, another delivery has come in between."""

    def settled(self, dataset: str, before: Mark, after: Mark) -> Mark:
        """The mark to store, with its as_of."""
        if dataset not in self.left or self.left[dataset] != before.as_of:
            self.floors[dataset] = before.as_of
        return replace(after, as_of=later(self.floors[dataset], computed(after)))

    def keep(self, stored: Mapping[str, Mark]) -> None:
        """Remembers what was stored, once it is durable."""
        self.left.update((dataset, mark.as_of) for dataset, mark in stored.items())


def load(connection: sqlite3.Connection) -> dict[str, Mark]:
    """The marks of every dataset that has one."""
    return {dataset: Mark(*parts) for dataset, *parts in connection.execute(_LOAD)}


def save(connection: sqlite3.Connection, marks: Iterable[tuple[str, Mark]]) -> None:
    """Stores the marks that changed."""
    connection.executemany(
        _SAVE, [(dataset, mark.as_of, mark.explicit, mark.implied, mark.live) for dataset, mark in marks]
    )
