"""Cells: a group in a bucket. Which cell each row falls into, and how cells fold into the rows of an answer.

Above: scan, tallies, quantiles. Below: codings, pieces. Where buckets times groups are few for the rows, every pair has
a cell and its number is simply computed; else only cells that have rows are numbered, so that a million groups over ten
thousand buckets cost no more than their events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from agentgauge.stores.sqlite.codings import Coding, Members, coding
from agentgauge.stores.sqlite.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentgauge.core.table import Cell, Key
    from agentgauge.stores.sqlite.columns import Array
    from agentgauge.stores.sqlite.pieces import Piece, Source

_DENSE = 2**16
"""So many cells are always numbered densely; more only while rows are not much fewer."""
_PER_ROW = 8
_MOST = 2**24
_FEW_BUCKETS = 32
"""Up to so many buckets of a piece are numbered one by one, by adding to a slice."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The rows of a piece, each as often as it counts, and the cell of each."""

    piece: Piece
    cells: Array
    """Counted from the start of `reach`; of the type that numpy indexes with."""
    reach: slice
    """The cells that they can lie in."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Cells put together: the target 0..count-1 of each of some cells."""

    cells: Array
    targets: Array
    count: int
    buckets: Array | None = None
    """The bucket of each target, ascending; None where targets are of all buckets."""
    places: Array | None = None
    """The place of each target within its bucket."""

    def among(self, size: int) -> Array:
        """The target of every cell, -1 for none."""
        found = np.full(size, -1, np.int64)
        found[self.cells] = self.targets
        return found


class Level(Protocol):
    """Cells, or what stands for them where buckets do not matter."""

    size: int
    has_buckets: bool

    def __len__(self) -> int: ...

    def entries(self, index: int) -> Entries:
        """The rows of a piece by cell."""
        ...


class Cells:
    """The cells of a question: `bucket * groups + group` when dense, else numbered in that order."""

    has_buckets = True

    def __init__(self, source: Source, names: Sequence[str]) -> None:
        self._source = source
        self._codings: list[tuple[str, Coding]] = [(name, coding(source, name)) for name in names]
        self.is_grouped = bool(names)
        self.buckets = source.buckets
        self.groups = 1
        for _, each in self._codings:
            self.groups *= each.size
        self.size = source.buckets * self.groups
        self._sparse: _Sparse | None = None
        if self.size > min(max(_DENSE, _PER_ROW * source.rows), _MOST):
            self._sparse = _numbered(list(self._spread()), [each.size for _, each in self._codings])
            self.size = len(self._sparse.buckets)
            self.groups = self._sparse.count

    def __len__(self) -> int:
        """How many pieces their rows come in."""
        return len(self._source)

    def entries(self, index: int) -> Entries:
        """The rows of a piece by cell."""
        if self._sparse is not None:
            piece, _ = self._spread_one(index)
            return Entries(piece, self._sparse.cells[index], slice(0, self.size))
        piece, codes = self._spread_one(index)
        buckets = len(piece.bounds) - 1
        reach = slice(piece.first * self.groups, (piece.first + buckets) * self.groups)
        cells = self._mixed(codes, piece.count)
        if buckets > _FEW_BUCKETS:
            cells += np.repeat(np.arange(buckets, dtype=np.intp) * self.groups, np.diff(piece.bounds))
        elif buckets > 1:
            ends = piece.bounds.tolist()
            for bucket in range(1, buckets):
                cells[ends[bucket] : ends[bucket + 1]] += bucket * self.groups
        return Entries(piece, cells, reach)

    def grouped(self, index: int) -> Entries:
        """The rows of a piece by group."""
        piece, codes = self._spread_one(index)
        if self._sparse is not None:
            return Entries(piece, self._sparse.groups[self._sparse.cells[index]], slice(0, self.groups))
        return Entries(piece, self._mixed(codes, piece.count), slice(0, self.groups))

    def places(self, cells: Array) -> tuple[Array, Array]:
        """The bucket and the group of each cell; groups are numbered anyhow."""
        if self._sparse is not None:
            return self._sparse.buckets[cells], self._sparse.groups[cells]
        return np.divmod(cells, self.groups)

    def ordered(self, groups: Array) -> tuple[Array, list[Key]]:
        """Those groups in the ascending order of their values, null last, and their keys."""
        if not self._codings:
            return groups, [()] * len(groups)
        columns: list[list[Cell]] = []
        ranks: list[Array] = []
        for codes, (_, each) in zip(self._parts(groups), self._codings, strict=True):
            distinct, where = np.unique(codes, return_inverse=True)
            values = each.values(distinct)
            order = sorted((at for at, value in enumerate(values) if value is not None), key=values.__getitem__)
            order += [at for at, value in enumerate(values) if value is None]
            rank = np.empty(len(order), np.int64)
            rank[order] = np.arange(len(order))
            ranks.append(rank[where])
            columns.append([values[at] for at in where.tolist()])
        sequence = np.lexsort(ranks[::-1])
        keys = list(zip(*columns, strict=True))
        return groups[sequence], [keys[at] for at in sequence.tolist()]

    def _parts(self, groups: Array) -> list[Array]:
        """Per grouped field, the code that each group has."""
        if self._sparse is not None:
            return [codes[groups] for codes in self._sparse.codes]
        found: list[Array] = []
        for _, each in reversed(self._codings):
            groups, codes = np.divmod(groups, each.size)
            found.append(codes)
        return found[::-1]

    def _mixed(self, codes: Sequence[Array], count: int) -> Array:
        """One number for the codes of all grouped fields."""
        mixed = scratch("cells", np.intp, count)
        mixed[...] = codes[0] if codes else 0
        for own, (_, each) in zip(codes[1:], self._codings[1:], strict=True):
            mixed *= each.size
            mixed += own
        return mixed

    def _spread(self) -> Iterator[tuple[Piece, list[Array]]]:
        return (self._spread_one(index) for index in range(len(self._source)))

    def _spread_one(self, index: int) -> tuple[Piece, list[Array]]:
        """A piece, its rows once for each of their members, and the codes of every grouped field."""
        piece = self._source[index]
        members: dict[str, Array] = {}
        for name, each in self._codings:
            if isinstance(each, Members):
                rows, members[name] = each.spread(piece.fields[name])  # type: ignore[arg-type]  # lists have members
                piece = piece.take(rows)
        return piece, [
            members[name] if isinstance(each, Members) else each.codes(piece.fields[name])
            for name, each in self._codings
        ]


@dataclass(frozen=True, slots=True)
class _Sparse:
    """Cells that have rows, in the order of bucket and group."""

    cells: list[Array]
    """Per piece, the cell of each entry."""
    buckets: Array
    groups: Array
    codes: list[Array]
    """Per grouped field, the code of each group."""
    count: int
    """How many groups there are."""


class Groups:
    """The groups as cells: all buckets together."""

    has_buckets = False

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self.size = cells.groups

    def __len__(self) -> int:
        """How many pieces their rows come in."""
        return len(self._cells)

    def entries(self, index: int) -> Entries:
        """The rows of a piece by group."""
        return self._cells.grouped(index)


def _numbered(pieces: Sequence[tuple[Piece, list[Array]]], sizes: Sequence[int]) -> _Sparse:
    ends = np.cumsum([piece.count for piece, _ in pieces])
    ids, count = np.zeros(ends[-1] if len(ends) else 0, np.int64), 1
    columns = [_joined([codes[at] for _, codes in pieces]) for at in range(len(sizes))]
    for codes, size in zip(columns, sizes, strict=True):
        found, ids = compact(ids * size + codes, count * size)
        count = len(found)
    example = np.zeros(count, np.int64)
    example[ids] = np.arange(len(ids))
    buckets = _joined([np.repeat(np.arange(len(p.bounds) - 1) + p.first, np.diff(p.bounds)) for p, _ in pieces])
    last = int(buckets.max()) + 1 if len(buckets) else 1
    found, cells = compact(buckets * count + ids, last * max(count, 1))
    at, of = np.divmod(found, max(count, 1))
    return _Sparse(np.split(cells, ends[:-1]), at, of, [codes[example] for codes in columns], count)


def _joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate([each.astype(np.int64) for each in arrays]) if arrays else np.empty(0, np.int64)


def compact(keys: Array, size: int) -> tuple[Array, Array]:
    """The distinct keys (each in 0..size-1) ascending, and for every key its place among them."""
    if size <= 4 * len(keys) + 65_536:
        present = np.zeros(size, bool)
        present[keys] = True
        return np.flatnonzero(present), (np.cumsum(present) - 1)[keys]
    found, places = np.unique(keys, return_inverse=True)
    return found, places
