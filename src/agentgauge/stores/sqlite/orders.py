"""The values of a number field in ascending order, run after run, so that a quantile of many events is looked up.

Above: condensing makes an order beside a summary, the reader takes both, merging finds ranks. Below: columns, segments.
A run holds the values of the events that one row of a summary stands for.

An order is one ascending array of integers: the number of the run times how many distinct values there are, plus the
place of the value among them. So one binary search finds, for any runs at once, how many of their values are below a
bound, and a segment's distinct values are stored once, whatever it is ordered by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from agentgauge.stores.sqlite.columns import Array, Numbers
from agentgauge.stores.sqlite.segments import About, Damaged

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Order:
    """The runs of one summary of a segment, or of some rows."""

    keys: Array
    """Per event that has a value, `run * len(values) + place`, ascending."""
    values: Numbers
    """The distinct values, ascending."""
    starts: Array
    """Where in the keys each run starts, and where the last one ends."""

    @classmethod
    def of(cls, runs: Array, values: Numbers, count: int) -> Order:
        """The order of values, given the run 0..count-1 of each."""
        distinct, places = ranked(values)
        keys = ordered(runs, places, len(distinct.stored))
        return cls(keys, distinct, starts(np.bincount(runs, minlength=count)))

    def together(self, groups: Array) -> Order:
        """The order in which runs of one group are one run, given the group of each run; one more run is empty."""
        sizes = np.diff(self.starts)
        moved = groups - np.arange(len(groups))
        shifts = (moved * len(self.values.stored)).astype(self.keys.dtype)  # a run that moves down wraps around
        found, at = np.empty_like(self.keys), 0
        for run in np.argsort(groups, kind="stable").tolist():
            part = self.keys[self.starts[run] : self.starts[run + 1]]
            np.add(part, shifts[run], out=found[at : at + len(part)])
            at += len(part)
        found.sort(kind="stable")  # which merges runs that ascend already, several times as fast as sorting anew
        counts = np.bincount(groups, weights=sizes, minlength=int(groups.max(initial=-1)) + 2)
        return Order(found, self.values, starts(counts.astype(np.int64)))


@dataclass(frozen=True, slots=True)
class Runs:
    """A run for each row of a table, perhaps an empty one."""

    orders: tuple[Order, ...]
    of: Array
    """In which of the orders a row's run is."""
    number: Array
    """Which run of that order it is."""
    lengths: Array
    """How many values it has."""

    @classmethod
    def each(cls, order: Order) -> Runs:
        """The runs of an order, for as many rows."""
        return cls._some(order, np.arange(len(order.starts) - 1))

    @classmethod
    def together(cls, order: Order, codes: Array | None) -> Runs:
        """The same in one run for all rows of one code (None: for all rows), which stands with the first of them."""
        rows = len(order.starts) - 1
        codes = np.zeros(rows, np.uint8) if codes is None else codes
        found, first, groups = np.unique(codes, return_index=True, return_inverse=True)
        number = np.full(rows, len(found))
        number[first] = np.arange(len(found))
        return cls._some(order.together(groups), number)

    @classmethod
    def _some(cls, order: Order, number: Array) -> Runs:
        return cls((order,), np.zeros(len(number), np.int64), number, np.diff(order.starts)[number])

    @classmethod
    def none(cls, rows: int) -> Runs:
        """Empty runs, for so many rows."""
        zeros = np.zeros(rows, np.int64)
        return cls((), zeros, zeros, zeros)

    @property
    def size(self) -> int:
        """How many bytes they take beside the values of their orders."""
        planes = [self.of, self.number, self.lengths]
        for order in self.orders:
            planes += [order.keys, order.starts]
        return sum(plane.nbytes for plane in planes)

    def take(self, rows: Array | slice) -> Runs:
        """The runs of those rows only."""
        return Runs(self.orders, self.of[rows], self.number[rows], self.lengths[rows])


def join(parts: Sequence[Runs | None]) -> Runs | None:
    """The runs of tables one after the other; None when one of them has none."""
    orders: list[Order] = []
    found: list[Runs] = []
    for each in parts:
        if each is None:
            return None
        found.append(replace(each, of=each.of + len(orders)))
        orders += each.orders
    if not found:
        return Runs.none(0)
    of, number, lengths = (
        np.concatenate(own) for own in zip(*((r.of, r.number, r.lengths) for r in found), strict=True)
    )
    return Runs(tuple(orders), of, number, lengths)


def ranked(column: Numbers) -> tuple[Numbers, Array]:
    """The distinct values of a column without nulls, ascending, and the place of each row's value among them."""
    values = column.values
    if values.dtype.kind == "i" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low <= 4 * len(values) + 65_536:
            shifted = values - low
            present = np.zeros(high - low + 1, bool)
            present[shifted] = True
            return Numbers(np.flatnonzero(present) + low), (np.cumsum(present, dtype=np.int64) - 1)[shifted]
    if values.dtype.kind == "f":
        values = values + 0.0  # the two zeros are one
    distinct, places = np.unique(values, return_inverse=True)
    return Numbers(distinct), places


def ordered(runs: Array, places: Array, width: int) -> Array:
    """The keys of an order, given the run and the place of each value among so many distinct ones."""
    most = (int(runs.max(initial=0)) + 1) * width
    keys = np.multiply(runs, width, dtype=np.int64)
    keys += places
    keys = keys.astype(np.uint32 if most < 2**32 else np.int64)
    keys.sort()
    return keys


def starts(counts: Array) -> Array:
    """Where each of runs of so many values starts, and where the last one ends."""
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


def encode(keys: Array) -> tuple[About, bytes]:
    """The keys of an order as a column."""
    return About("numbers", keys.dtype.str), keys.tobytes()


def decode(about: About, data: bytes) -> Numbers:
    """The keys of an order, or the distinct values of a field, as they were encoded.

    Raises:
        Damaged: if they are something else.
    """
    try:
        return Numbers(np.frombuffer(data, about.width), None, about.offset)
    except (ValueError, TypeError) as error:
        raise Damaged("an order is not as it is described") from error
