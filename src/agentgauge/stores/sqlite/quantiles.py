"""Exact quantiles (nearest rank) of cells, without sorting where a histogram does.

Above: scan. Below: cells, codings, workers. Two ways, chosen by how many rows a cell has:

- many: the rows are counted by cell and *bin*, a monotone function of the value that is about a percent wide. The
  counts, folded as one likes, say which bin holds a rank; only the rows of such bins are then fetched and sorted.
- few: cell and value are packed into one integer and sorted, a stretch of buckets at a time, so that what is sorted
  stays in the processor's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agentgauge.stores.sqlite.codings import Scale, Span, scale
from agentgauge.stores.sqlite.columns import Array, Numbers
from agentgauge.stores.sqlite.scratch import scratch
from agentgauge.stores.sqlite.tallies import present
from agentgauge.stores.sqlite.workers import share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentgauge.core.table import Cell
    from agentgauge.stores.sqlite.cells import Entries, Fold, Level
    from agentgauge.stores.sqlite.pieces import Source

_NARROW = 2**12
"""Values that reach no further are their own bins."""
_EXACT = 2**7
"""The smallest values that have a bin each; above, there are as many bins in each doubling."""
_FEWEST = _EXACT.bit_length() + 126 << 7
"""The upper half of the float32 of `_EXACT`."""
_BINS = 2**22
"""The most counts, bins times cells; never many more than rows, but for a few."""
_FEW = 2**16
_STRETCH = 4_096
"""About how many rows are sorted at a time."""


class Bins:
    """Which bin the ordinals of a scale fall into."""

    def __init__(self, on: Scale) -> None:
        self._on = on
        self._logarithmic = on.is_even and on.width > _NARROW
        self._shift = max((on.width - 1).bit_length() - _NARROW.bit_length() + 1, 0)
        self.exact = on.width <= _NARROW
        self.count = int(self.of(np.array([on.width - 1], on.type))[0]) + 1

    def of(self, ordinals: Array) -> Array:
        """The bin of each, as unsigned 32-bit integers in scratch memory."""
        if not self._logarithmic:
            bins = scratch("bins", np.uint32, len(ordinals))
            return np.right_shift(ordinals, self._shift, out=bins, casting="unsafe")
        floats = scratch("bins", np.float32, len(ordinals))
        np.add(self._on.distances(ordinals), _EXACT, out=floats, dtype=np.float32, casting="unsafe")
        bins = floats.view(np.uint32)
        bins >>= 16
        bins -= _FEWEST
        return bins


class Ranked:
    """The values of one number field, ranked in the cells of a question."""

    def __init__(self, source: Source, cells: Level, name: str) -> None:
        self._name, self.cells = name, cells
        self._rows, self.buckets = source.rows, source.buckets
        self.scale = scale(source, name, Span.of(source.numbers(name)), 2**63 // max(cells.size, 1))
        self._bins = Bins(self.scale)
        self._counts: Array | None = None

    @property
    def is_binned(self) -> bool:
        """Whether the cells are few enough to be counted by bin."""
        return self.cells.size * self._bins.count <= min(_BINS, max(2 * self._rows, _FEW))

    def binned(self, folds: Sequence[Fold], ppnns: Sequence[int]) -> list[dict[int, list[Cell]]]:
        """Per fold and quantile, the value of each target, by counting."""
        ranks = [_Ranks(self._counted(), fold, ppnns) for fold in folds]
        if not self._bins.exact:
            wanted = np.zeros((self.cells.size, self._bins.count), bool)
            for each in ranks:
                each.mark(wanted)
            self._fetch(ranks, wanted.ravel())
        return [each.values(self) for each in ranks]

    def _counted(self) -> Array:
        """How many rows each cell has in each bin."""
        if self._counts is None:
            size = self.cells.size * self._bins.count

            def count(numbers: Iterator[int]) -> Array:
                counts = np.zeros(size, np.int64)
                for number in numbers:
                    keys, _, reach = self._keyed(number)
                    np.add.at(counts[reach], keys, 1)
                return counts

            total, *others = share(len(self.cells), count)
            for each in others:
                total += each
            self._counts = total.reshape(self.cells.size, self._bins.count)
        return self._counts

    def _fetch(self, ranks: Sequence[_Ranks], wanted: Array) -> None:
        def fetch(numbers: Iterator[int]) -> list[tuple[Array, Array]]:
            found: list[tuple[Array, Array]] = []
            for number in numbers:
                keys, ordinals, reach = self._keyed(number)
                marks = wanted[reach].take(keys, out=scratch("marks", bool, len(keys)), mode="clip")
                rows = np.flatnonzero(marks)
                found.append(((keys[rows] + reach.start) // self._bins.count, ordinals[rows]))
            return found

        pairs = [pair for found in share(len(self.cells), fetch) for pair in found]
        cells = np.concatenate([cells for cells, _ in pairs]) if pairs else np.empty(0, np.int64)
        ordinals = np.concatenate([own for _, own in pairs]) if pairs else np.empty(0, np.uint32)
        for each in ranks:
            each.sort(cells, ordinals, self.scale, self._bins)

    def _keyed(self, number: int) -> tuple[Array, Array, slice]:
        """Cell and bin of the rows of a piece as one number, the ordinals, and the numbers that there can be."""
        entries = self.cells.entries(number)
        _, cells, ordinals = self.ordinals(entries)
        width = self._bins.count
        keys = np.multiply(cells, width, out=scratch("keys", np.intp, len(cells)))
        np.add(keys, self._bins.of(ordinals), out=keys, casting="unsafe")
        return keys, ordinals, slice(entries.reach.start * width, entries.reach.stop * width)

    def ordinals(self, entries: Entries) -> tuple[Array | None, Array, Array]:
        """The rows that have a value (None: all), the cell and the ordinal of each."""
        column = entries.piece.fields[self._name]
        assert isinstance(column, Numbers)
        mask = present(column)
        if mask is None:
            return None, entries.cells, self.scale.ordinals(column)
        rows = np.flatnonzero(mask)
        return rows, entries.cells[rows], self.scale.ordinals(column.take(rows))


class _Ranks:
    """Where the wanted ranks of a fold's targets lie: in which bin, and how far into it."""

    def __init__(self, counts: Array, fold: Fold, ppnns: Sequence[int]) -> None:
        self._fold, self._ppnns = fold, ppnns
        merged = np.zeros((fold.count, counts.shape[1]), np.int64)
        np.add.at(merged, fold.targets, counts[fold.cells])
        upto = np.cumsum(merged, axis=1)
        self._sizes = upto[:, -1] if counts.shape[1] else np.zeros(fold.count, np.int64)
        self._bins: dict[int, Array] = {}
        self._into: dict[int, Array] = {}
        rows = np.arange(fold.count)
        for ppnn in ppnns:
            rank = nearest(ppnn, self._sizes)
            bins = np.minimum((upto < rank[:, None]).sum(axis=1), counts.shape[1] - 1)
            self._bins[ppnn] = bins
            self._into[ppnn] = rank - (upto[rows, bins] - merged[rows, bins]) - 1
        self._found: dict[int, Array] = self._bins
        self._cells = counts.shape[0]

    def mark(self, wanted: Array) -> None:
        """Marks the bins of the cells whose rows are needed."""
        for bins in self._bins.values():
            wanted[self._fold.cells, bins[self._fold.targets]] = True

    def sort(self, cells: Array, ordinals: Array, on: Scale, bins: Bins) -> None:
        """Finds the ranks among the rows of the marked bins."""
        targets = self._fold.among(self._cells)[cells]
        kept = targets >= 0
        packed = targets[kept].astype(np.uint64) * np.uint64(on.width) + ordinals[kept]
        packed.sort()
        owners, values = np.divmod(packed, np.uint64(on.width))
        keys = owners.astype(np.int64) * bins.count + bins.of(values)
        for ppnn in self._ppnns:
            starts = np.searchsorted(keys, np.arange(self._fold.count) * bins.count + self._bins[ppnn])
            spots = np.minimum(starts + self._into[ppnn], max(len(values) - 1, 0))
            self._found = {**self._found, ppnn: values[spots] if len(values) else np.zeros(self._fold.count, np.uint64)}

    def values(self, ranked: Ranked) -> dict[int, list[Cell]]:
        """Per quantile, the value of each target; null where it has none."""
        return {ppnn: decoded(ranked.scale, self._found[ppnn], self._sizes) for ppnn in self._ppnns}


def nearest(ppnn: int, sizes: Array) -> Array:
    """The nearest rank of a quantile among so many values, counted from 1."""
    return np.maximum((ppnn * sizes + 9_999) // 10_000, 1)


def decoded(on: Scale, ordinals: Array, sizes: Array) -> list[Cell]:
    """The values of ordinals, null where there are no values."""
    found = on.numbers(np.where(sizes == 0, 0, ordinals))
    for at in np.flatnonzero(sizes == 0).tolist():
        found[at] = None
    return found


def sorted_out(ranked: Ranked, fold: Fold, buckets: Array, sizes: Array, ppnns: Sequence[int]) -> dict[int, list[Cell]]:
    """Per quantile, the value of each target, by sorting.

    Targets ascend by their bucket, which is given for each, and so is how many rows of it have a value.
    """
    blocks = _Blocks(ranked, fold, buckets, sizes)
    blocks.fill()
    found = {ppnn: np.zeros(fold.count, blocks.type) for ppnn in ppnns}
    spots = {ppnn: blocks.starts + nearest(ppnn, sizes) - 1 for ppnn in ppnns}

    def sort(numbers: Iterator[int]) -> None:
        for number in numbers:
            keys = blocks.keys(number)
            targets = slice(blocks.ends[number], blocks.ends[number + 1])
            if not len(keys):
                continue
            for ppnn in ppnns:
                found[ppnn][targets] = keys[np.minimum(spots[ppnn][targets], len(keys) - 1)]

    share(len(blocks.ends) - 1, sort)
    return {ppnn: decoded(ranked.scale, found[ppnn] - blocks.bases, sizes) for ppnn in ppnns}


class _Blocks:
    """The targets of a fold in blocks of whole buckets, each sorted on its own."""

    def __init__(self, ranked: Ranked, fold: Fold, buckets: Array, sizes: Array) -> None:
        self._ranked, self._fold = ranked, fold
        width = ranked.scale.width
        total = ranked.buckets if ranked.cells.has_buckets else 1
        many = np.bincount(buckets, minlength=total)
        most = int(many.max(initial=1))
        narrow = 2**32 // width - most
        self.type = np.dtype(np.uint32 if narrow > 0 else np.uint64)
        rows = np.bincount(buckets, weights=np.maximum(sizes, 1), minlength=total)
        before = np.cumsum(rows) - rows
        _, self._block = np.unique(before // min(_STRETCH, narrow if narrow > 0 else _STRETCH), return_inverse=True)
        """The block of each bucket."""
        own = self._block[buckets]
        count = int(own[-1]) + 1 if len(own) else 0
        self.ends = np.searchsorted(own, np.arange(count + 1))
        """Where each block's targets start, and where the last one's end."""
        first = self.ends[:-1][own]
        self.bases = ((np.arange(fold.count) - first) * width).astype(self.type)
        """What stands for each target in its block's keys."""
        filled = np.cumsum(sizes) - sizes
        self.starts = filled - filled[first] if len(filled) else filled
        """How many rows of its block lie before each target's."""
        self._parts: list[list[Array]] = [[] for _ in range(count)]

    def fill(self) -> None:
        """Hands every row to its block."""
        cells = self._ranked.cells
        bases = np.zeros(cells.size, self.type)
        bases[self._fold.cells] = self.bases[self._fold.targets]
        kept = np.zeros(cells.size, bool)
        kept[self._fold.cells] = True

        def fill(numbers: Iterator[int]) -> list[tuple[int, Array]]:
            found: list[tuple[int, Array]] = []
            for number in numbers:
                found += self._split(cells.entries(number), bases, kept)
            return found

        for each in share(len(cells), fill):
            for block, keys in each:
                self._parts[block].append(keys)

    def keys(self, number: int) -> Array:
        """The rows of a block in the order of target and value."""
        parts = self._parts[number]
        keys = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, self.type)
        keys.sort()
        return keys

    def _split(self, entries: Entries, bases: Array, kept: Array) -> Iterator[tuple[int, Array]]:
        rows, cells, ordinals = self._ranked.ordinals(entries)
        marks = kept[entries.reach].take(cells, out=scratch("marks", bool, len(cells)), mode="clip")
        keys = bases[entries.reach].take(cells)
        keys += ordinals
        bounds = entries.piece.bounds
        if rows is not None:
            bounds = np.searchsorted(rows, bounds)
        if not marks.all():
            keys, bounds = keys[marks], np.concatenate(([0], np.cumsum(marks)))[bounds]
        first = entries.piece.first if self._ranked.cells.has_buckets else 0
        if not self._ranked.cells.has_buckets:
            bounds = bounds[[0, -1]]
        own = self._block[first : first + len(bounds) - 1]
        starts = np.flatnonzero(np.diff(own, prepend=-1))
        ends = [*starts[1:].tolist(), len(own)]
        for start, end in zip(starts.tolist(), ends, strict=True):
            low, high = int(bounds[start]), int(bounds[end])
            if high > low:
                yield int(own[start]), keys[low:high]
