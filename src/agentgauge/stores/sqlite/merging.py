"""Exact quantiles (nearest rank) of runs that are sorted already, by looking at few of their values.

Above: scan, where summaries have orders. Below: orders, cells, codings. What is read as single events becomes runs too.

A target is made of many runs. A sample of its values, evenly spaced in their runs, says between which two bounds a rank
lies; a binary search in each run counts what is really below them, and the few values between them are fetched and
sorted. Where the sample misled, the bounds are taken further apart. So the answer is exact whatever the values are, and
costs by the number of runs, hardly by that of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from agentgauge.stores.sqlite.codings import Span, cast
from agentgauge.stores.sqlite.columns import Array, Numbers, Totals
from agentgauge.stores.sqlite.orders import Order, Runs, join
from agentgauge.stores.sqlite.quantiles import nearest
from agentgauge.stores.sqlite.tallies import present

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentgauge.core.table import Cell
    from agentgauge.stores.sqlite.cells import Cells, Entries, Fold

Side = Literal["left", "right"]

_SURE = 3.0
"""How many standard deviations of the sample the bounds lie from where a rank is expected."""
_WIDER = 8
"""How much further apart bounds are taken that did not hold a rank."""


class Merging:
    """The values of one number field in the cells of a question, as runs."""

    def __init__(self, cells: Cells, name: str) -> None:
        self._name = name
        parts = [self._levels(cells.entries(number)) for number in range(len(cells))]
        self._fine, self._whole = (_Level.of([part[at] for part in parts]) for at in range(2))
        values = {id(order.values): order.values for each in (self._fine, self._whole) for order in each.runs.orders}
        kind = Span.of(list(values.values())).kind
        self._tables = {own: _table(each, kind) for own, each in values.items()}
        """The distinct values of each order, all of one kind."""

    def _levels(self, entries: Entries) -> tuple[_Level, _Level]:
        """The runs of a piece, and the fewer ones for where buckets do not matter."""
        column = entries.piece.fields[self._name]
        if isinstance(column, Totals):
            assert column.runs
            assert column.whole
            cells = entries.cells + entries.reach.start
            return _Level(cells, column.runs), _Level(cells, column.whole)
        assert isinstance(column, Numbers)
        mask = present(column)
        rows = np.arange(len(entries.cells)) if mask is None else np.flatnonzero(mask)
        found, numbers = np.unique(entries.cells[rows], return_inverse=True)
        runs = Runs.each(Order.of(numbers, column.take(rows), len(found))) if len(found) else Runs.none(0)
        level = _Level(found + entries.reach.start, runs)
        return level, level

    def quantiles(self, folds: Sequence[Fold], ppnns: Sequence[int]) -> list[dict[int, list[Cell]]]:
        """Per fold and quantile, the value of each target; null where it has none."""
        levels = [self._whole if fold.buckets is None else self._fine for fold in folds]
        return [each.targets(fold, self._tables).quantiles(ppnns) for each, fold in zip(levels, folds, strict=True)]


@dataclass(frozen=True, slots=True)
class _Level:
    """Runs, and the cell of each."""

    cells: Array
    runs: Runs

    @classmethod
    def of(cls, parts: Sequence[_Level]) -> _Level:
        """The levels of pieces as one, without the runs that are empty."""
        runs = join([each.runs for each in parts])
        assert runs
        kept = np.flatnonzero(runs.lengths)
        cells = np.concatenate([each.cells for each in parts]) if parts else np.empty(0, np.int64)
        return cls(cells[kept], runs.take(kept))

    def targets(self, fold: Fold, tables: Mapping[int, Array]) -> _Targets:
        """The runs of each target of a fold."""
        top = max(int(self.cells.max(initial=0)), int(fold.cells.max(initial=0))) + 1
        targets = fold.among(top)[self.cells]
        kept = np.flatnonzero(targets >= 0)
        own = [tables[id(order.values)] for order in self.runs.orders]
        return _Targets(self.runs.take(kept), targets[kept], fold.count, own)


@dataclass(frozen=True, slots=True)
class _Between:
    """Of some wanted ranks, those that are still sought, and where they must be."""

    wanted: Array
    """Which ranks they are."""
    low: Array
    """A value that the rank lies above, where there is one."""
    has_low: Array
    high: Array
    has_high: Array


class _Targets:
    """The runs of each target of a fold, in the order of targets."""

    def __init__(self, runs: Runs, targets: Array, count: int, tables: Sequence[Array]) -> None:
        sequence = np.argsort(targets, kind="stable")
        self._runs, self._of, self._orders = runs.take(sequence), targets[sequence], runs.orders
        self._order_of = self._runs.of.astype(np.min_scalar_type(len(self._orders)))  # of 16 bits they sort fastest
        self._tables, self._kind = tables, tables[0].dtype if tables else np.dtype(np.int64)
        self._starts = np.zeros(len(sequence), np.int64)
        for order, rows in self._by_order(np.arange(len(sequence))):
            self._starts[rows] = self._orders[order].starts[self._runs.number[rows]]
        self._ends = np.cumsum(self._runs.lengths)
        self._first = np.searchsorted(self._of, np.arange(count + 1))
        """Where each target's runs start, and where the last one's end."""
        before = np.concatenate(([0], self._ends))[self._first]
        self._before, self.sizes = before[:-1], np.diff(before)

    def quantiles(self, ppnns: Sequence[int]) -> dict[int, list[Cell]]:
        """Per quantile, the value of each target."""
        count = len(self.sizes)
        targets = np.tile(np.arange(count), len(ppnns))
        ranks = np.concatenate([nearest(ppnn, self.sizes) for ppnn in ppnns])
        values = np.zeros(len(ranks), self._kind)
        many = np.diff(self._first)[targets]
        alone = np.flatnonzero(many == 1)
        values[alone] = self._at(self._before[targets[alone]] + ranks[alone] - 1)
        left, spread = np.flatnonzero(many > 1), _SURE
        while len(left):
            bounds = self._bounds(targets[left], ranks[left], left, spread)
            left = self._settle(bounds, targets, ranks, values)
            spread *= _WIDER
        found: list[Any] = values.tolist()
        for at in np.flatnonzero(many == 0).tolist():
            found[at] = None
        return {ppnn: found[number * count : (number + 1) * count] for number, ppnn in enumerate(ppnns)}

    def _by_order(self, runs: Array) -> Iterator[tuple[int, Array]]:
        """Which of some runs each order has, as places among them."""
        of = self._order_of[runs]
        sequence = np.argsort(of, kind="stable")
        cuts = np.searchsorted(of[sequence], np.arange(len(self._orders)).astype(of.dtype)).tolist() + [len(of)]
        for order, (first, last) in enumerate(zip(cuts, cuts[1:], strict=False)):
            if last > first:
                yield order, sequence[first:last]

    def _at(self, positions: Array) -> Array:
        """The values at positions among those of all runs, one run after the other."""
        runs = np.searchsorted(self._ends, positions, "right")
        return self._values(runs, positions - (self._ends - self._runs.lengths)[runs])

    def _values(self, runs: Array, within: Array) -> Array:
        """The values at those places within runs."""
        places = self._starts[runs] + within
        found = np.zeros(len(places), self._kind)
        for order, rows in self._by_order(runs):
            table, keys = self._tables[order], self._orders[order].keys
            found[rows] = table[keys[places[rows]] % keys.dtype.type(len(table))]
        return found

    def _bounds(self, targets: Array, ranks: Array, wanted: Array, spread: float) -> _Between:
        """Two values for each rank, of a sample of its target's, between which it should lie."""
        own = np.unique(targets)
        many = np.diff(self._first)
        margin = 2 + spread * np.sqrt(many / 12)
        step = np.maximum(np.sqrt(self.sizes / (2 * margin)).astype(np.int64), 1)
        sizes = np.zeros(len(self.sizes), np.int64)
        sizes[own] = (self.sizes[own] + step[own] - 1 - step[own] // 2) // step[own]
        ends = np.cumsum(sizes)
        of = np.repeat(np.arange(len(sizes)), sizes)
        within = np.arange(len(of)) - (ends - sizes)[of]
        sample = self._at(self._before[of] + step[of] // 2 + within * step[of])
        sample = _sorted(of, sample)
        place = (ranks - 0.5) / step[targets] - 0.5
        low = np.floor(place - margin[targets]).astype(np.int64)
        high = np.ceil(place + margin[targets]).astype(np.int64)
        has_low, has_high = low >= 0, high < sizes[targets]
        first = (ends - sizes)[targets]
        least, most = (sample[np.where(has, first + at, 0)] for has, at in ((has_low, low), (has_high, high)))
        return _Between(wanted, least, has_low, most, has_high)

    def _settle(self, bounds: _Between, targets: Array, ranks: Array, values: Array) -> Array:
        """Fills in the values of ranks that lie within their bounds; gives those that do not."""
        own, sought = targets[bounds.wanted], ranks[bounds.wanted]
        of, runs = self._spread(own)
        upto = np.where(bounds.has_low[of], self._counted(bounds.low, "right", of, runs), 0)
        under = np.where(bounds.has_high[of], self._counted(bounds.high, "left", of, runs), self._runs.lengths[runs])
        before, within = (np.bincount(of, each, len(own)).astype(np.int64) for each in (upto, under))
        is_found = (sought > before) & (sought <= within)
        kept = is_found[of]
        sizes = (under - upto)[kept]
        belongs = np.repeat(of[kept], sizes)
        found = _sorted(belongs, self._values(np.repeat(runs[kept], sizes), _stretches(upto[kept], sizes)))
        first = np.searchsorted(belongs, np.flatnonzero(is_found))
        values[bounds.wanted[is_found]] = found[first + (sought - before)[is_found] - 1]
        ends: tuple[tuple[Array, Array, Side], ...] = (
            (sought <= before, bounds.low, "left"),
            (sought > within, bounds.high, "right"),
        )
        for missed, bound, side in ends:
            which = np.flatnonzero(missed)  # it may be the bound itself, which many rows may have
            of, runs = self._spread(own[which])
            counts = np.bincount(of, self._counted(bound[which], side, of, runs), len(which))
            hit = which[sought[which] > counts] if side == "left" else which[sought[which] <= counts]
            values[bounds.wanted[hit]] = bound[hit]
            is_found[hit] = True
        return bounds.wanted[~is_found]

    def _spread(self, targets: Array) -> tuple[Array, Array]:
        """The runs of some targets, and for each which of them it is of."""
        many = np.diff(self._first)[targets]
        return np.repeat(np.arange(len(targets)), many), _stretches(self._first[targets], many)

    def _counted(self, bounds: Array, side: Side, of: Array, runs: Array) -> Array:
        """Per run, how many of its values are below a bound, or up to it."""
        found = np.zeros(len(runs), np.int64)
        for order, rows in self._by_order(runs):
            table, keys = self._tables[order], self._orders[order].keys
            numbers = self._runs.number[runs[rows]]
            needles = numbers * len(table) + np.searchsorted(table, bounds[of[rows]], side)
            found[rows] = np.searchsorted(keys, needles.astype(keys.dtype)) - self._starts[runs[rows]]
        return found


def _table(values: Numbers, kind: str) -> Array:
    """Distinct values as that kind has them."""
    found = cast(values, kind)
    return found.copy() if kind == "int" else found  # integers lie in memory that is used again


def _stretches(starts: Array, sizes: Array) -> Array:
    """The numbers from each start on, so many of each."""
    return np.arange(int(sizes.sum())) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)


def _sorted(targets: Array, values: Array) -> Array:
    """The values of each target ascending; targets ascend already."""
    if values.dtype.kind == "i" and len(values):
        low = int(values.min())
        width = int(values.max()) - low + 1
        most = width * (int(targets[-1]) + 1)
        if most < 2**63:
            packed = (targets * width + (values - low)).astype(np.uint32 if most < 2**32 else np.int64)
            packed.sort()
            return (packed % packed.dtype.type(width)).astype(np.int64) + low
    by_value = np.argsort(values)
    return values[by_value[np.argsort(_small(targets[by_value]), kind="stable")]]


def _small(numbers: Array) -> Array:
    """The same in the least type: what has 16 bits is sorted in no time."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))
