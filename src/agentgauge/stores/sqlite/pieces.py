"""The rows of a question's parts, cut to its window and into pieces that the processor's cache holds.

Above: scan and what it measures with. Below: columns, filters. A piece knows how many rows each of its buckets has
instead of the bucket of each row.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from agentgauge.stores.sqlite.columns import AnyColumn, Array, Coded, Columns, Lists, Numbers
from agentgauge.stores.sqlite.filters import Conditions
from agentgauge.stores.sqlite.sums import PIECE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentgauge.core.query import Query


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows in ascending time, and the columns a question needs of them."""

    count: int
    first: int
    """The bucket of the first row."""
    bounds: Array
    """Where each bucket from the first on starts, and where the last ends."""
    fields: Mapping[str, AnyColumn]
    events: Array | None = None
    """How many events each row stands for; None when each row is an event."""

    def take(self, rows: Array, names: Sequence[str] | None = None) -> Piece:
        """Those rows only (ascending, each any number of times), with the named columns, else with all."""
        fields = {name: self.fields[name].take(rows) for name in (names or self.fields)}
        events = None if self.events is None else self.events[rows]
        return replace(self, count=len(rows), bounds=np.searchsorted(rows, self.bounds), fields=fields, events=events)


class Source:
    """The rows of a question. Pieces are made anew each time they are asked for, so that none stays in memory."""

    def __init__(self, query: Query, parts: Sequence[Columns], grid: Sequence[int]) -> None:
        self.buckets = len(grid) - 1
        needed = [*query.group_by, *(each.field for each in query.measures if each.field)]
        self.needed = tuple(dict.fromkeys(needed))
        self._conditions = Conditions(query.where, query.scope)
        self._parts = parts
        self._pieces: list[Piece] = []
        for part in parts:
            self._pieces += _cut(part, grid, query.window.start, query.window.end)
        self.rows = sum(each.count for each in self._pieces)
        """How many rows lie in the window, those that do not pass among them."""

    def __len__(self) -> int:
        return len(self._pieces)

    def __getitem__(self, index: int) -> Piece:
        """A piece, with the rows that pass."""
        piece = self._pieces[index]
        mask = self._conditions.passing(piece.fields, piece.count)
        return piece if mask is None else piece.take(np.flatnonzero(mask), self.needed)

    def __iter__(self) -> Iterator[Piece]:
        return (self[index] for index in range(len(self)))

    def columns(self, name: str) -> list[AnyColumn]:
        """A column of every part, with the rows that lie outside the window or do not pass."""
        return [each.fields[name] for each in self._parts]

    def named(self, name: str) -> list[Coded | Lists]:
        """The same of a field that has a dictionary."""
        return [each for each in self.columns(name) if isinstance(each, Coded | Lists)]

    def numbers(self, name: str) -> list[Numbers]:
        """The same of a number field."""
        return [each for each in self.columns(name) if isinstance(each, Numbers)]

    def pieces(self, name: str) -> list[AnyColumn]:
        """A column of every piece, with the rows that do not pass."""
        return [each.fields[name] for each in self._pieces]


def _cut(part: Columns, grid: Sequence[int], start: int, end: int) -> Iterator[Piece]:
    first, last = _place(part, start), _place(part, end)
    if first == last:
        return
    low, high = (int(part.ts[at]) + part.since for at in (first, last - 1))
    bucket, after = bisect_right(grid, low) - 1, bisect_right(grid, high)
    inner = np.arange(0)
    if after - bucket > 1:
        edges = np.array(grid[bucket + 1 : after], np.int64) - part.since
        inner = np.searchsorted(part.ts, edges.astype(part.ts.dtype))
    bounds = np.concatenate(([first], inner, [last]))
    for at in range(first, last, PIECE):
        upto = min(at + PIECE, last)
        one, two = int(np.searchsorted(bounds, at, "right")) - 1, int(np.searchsorted(bounds, upto))
        fields = {name: each.take(slice(at, upto)) for name, each in part.fields.items()}
        own = bounds[one : two + 1] - at
        own[0], own[-1] = 0, upto - at
        events = None if part.events is None else part.events[at:upto]
        yield Piece(upto - at, bucket + one, own, fields, events)


def _place(part: Columns, instant: int) -> int:
    """How many rows lie before an instant."""
    if not len(part.ts) or instant <= int(part.ts[0]) + part.since:
        return 0
    if instant > int(part.ts[-1]) + part.since:
        return len(part.ts)
    sought = np.array([instant - part.since]).astype(part.ts.dtype)  # of one type, lest the times be copied
    return int(np.searchsorted(part.ts, sought)[0])
