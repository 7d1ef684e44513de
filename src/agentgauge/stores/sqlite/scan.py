"""Answers a Query over columns in memory, exactly: design section 4 in numpy.

Above: the stores. Below: columns and sums. It does not know where columns come from: rows today, segments tomorrow.
Everything is computed per *cell* (a group, a bucket, a group in a bucket, or all rows), and only cells that have rows
are numbered, so a million groups over ten thousand buckets cost no more than their events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from agentgauge.core.query import Filter, Measure, Query, Scope
from agentgauge.core.table import Cell, Key, Other, Table
from agentgauge.core.time import edges
from agentgauge.stores.sqlite.columns import Array, Coded, Column, Columns, Lists, Numbers
from agentgauge.stores.sqlite.sums import compact, sum_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NARROW = 2**31
"""The widest range of integers that is coded by its offset and not by sorting."""


def answer(query: Query, columns: Columns, as_of: int | None) -> Table:
    """The answer. `columns` hold what the query names, rows ascending in time; rows outside the window are left out."""
    grid = edges(query.window, query.bucket) if query.bucket else [query.window.start, query.window.end]
    facts = _facts(query, columns, grid)
    groups = _grouped(query.group_by, facts)
    everything = Cells(np.zeros(facts.count, np.int64), 1)
    total = {each.label: measured(each, facts, everything)[0] for each in query.measures}
    order = _order(query.measures, facts, groups)
    kept = order[: query.top.n] if query.top and query.group_by else order
    place = np.full(len(order), len(kept), np.int64)
    place[kept] = np.arange(len(kept))
    spots = place[groups.cells.ids]
    shown = _first(groups.cells.rows, spots, len(kept))
    at, of, inside = _by_bucket(facts, shown)
    return Table(
        window=query.window,
        edges=grid,
        bucket=query.bucket,
        group_by=query.group_by,
        measures=query.measures,
        groups=groups.keys(kept),
        at=at,
        of=of,
        values={each.label: measured(each, facts, inside) for each in query.measures},
        totals=_totals(query, facts, shown, total),
        total=total,
        other=None if groups.overlap else _other(query, facts, spots, len(kept), len(order)),
        rows_overlap=groups.overlap,
        as_of=as_of,
    )


@dataclass(slots=True)
class Facts:
    """The rows that passed the window and the filters: the bucket of each, and the columns the question needs."""

    count: int
    buckets: int
    bucket: Array
    fields: Mapping[str, Column]
    ranks: dict[str, Ranks] = field(default_factory=dict[str, "Ranks"])

    def ranked(self, name: str) -> Ranks:
        """The field's values as codes in ascending order."""
        if name not in self.ranks:
            self.ranks[name] = _ranks(self.fields[name])
        return self.ranks[name]


@dataclass(frozen=True, slots=True)
class Ranks:
    """A code per row that orders and equals as the values do; a null's code means nothing."""

    codes: Array
    width: int
    low: int = 0
    values: Array | None = None
    """The value of each code; None where it is low + code."""

    def decode(self, codes: Array) -> list[Any]:
        """The values of those codes."""
        return (codes + self.low if self.values is None else self.values[codes]).tolist()


@dataclass(slots=True)
class Cells:
    """Which cell, 0..count-1, each entry falls into; an entry is a row, or a row once more for its next team."""

    ids: Array
    count: int
    rows: Array | None = None
    """The row of each entry; None when entries are the rows."""
    sorted: dict[str, tuple[Array, Array]] = field(default_factory=dict[str, "tuple[Array, Array]"])

    def of(self, per_row: Array) -> Array:
        """What was given per row, per entry."""
        return per_row if self.rows is None else per_row[self.rows]

    def where(self, keep: Array) -> tuple[Array, Array | slice]:
        """The cell and the row of the entries whose row is marked."""
        if keep.all():
            return self.ids, slice(None) if self.rows is None else self.rows
        marked = self.of(keep)
        return self.ids[marked], np.flatnonzero(marked) if self.rows is None else self.rows[marked]


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that occur, numbered in ascending order of their values, null last."""

    cells: Cells
    parts: Sequence[tuple[Array, Sequence[Cell]]]
    """Per grouped field: the code of each group and the values of the codes."""
    overlap: bool

    def keys(self, kept: Array) -> list[Key]:
        """The keys of those groups."""
        if not self.parts:
            return [()]
        columns: list[list[Cell]] = [[values[code] for code in codes[kept].tolist()] for codes, values in self.parts]
        return list(zip(*columns, strict=True))


def _facts(query: Query, columns: Columns, grid: Sequence[int]) -> Facts:
    first, last = np.searchsorted(columns.ts, [query.window.start, query.window.end]).tolist()
    ts = columns.ts[first:last]
    bounds = np.searchsorted(ts, np.asarray(grid, np.int64))
    bucket = np.repeat(np.arange(len(grid) - 1), np.diff(bounds))
    inside = {name: each.take(slice(first, last)) for name, each in columns.fields.items()}
    mask = passing(inside, len(ts), query.where, query.scope)
    if mask.all():
        return Facts(len(ts), len(grid) - 1, bucket, inside)
    rows = np.flatnonzero(mask)
    needed = {each.field for each in query.measures} | set(query.group_by)
    taken = {name: each.take(rows) for name, each in inside.items() if name in needed}
    return Facts(len(rows), len(grid) - 1, bucket[rows], taken)


def passing(fields: Mapping[str, Column], count: int, where: Sequence[Filter], scope: Scope | None) -> Array:
    """Per row, whether it fits every condition and lies in the scope."""
    mask = np.ones(count, bool)
    for condition in where:
        mask &= fields[condition.field].fits(condition)
    if scope is not None:
        seen = fields["team"].fits(Filter("team", "ARRAY_HAS_ANY", scope.teams))
        if scope.user is not None:
            seen = seen | fields["user"].fits(Filter("user", "EQUAL", scope.user))
        mask &= seen
    return mask


def _grouped(names: Sequence[str], facts: Facts) -> Groups:
    rows, members = None, None
    overlap = any(isinstance(facts.fields[name], Lists) for name in names)
    ids, count = np.zeros(facts.count, np.int64), 1
    parts: list[tuple[Array, Sequence[Cell]]] = []
    for name in names:
        column = facts.fields[name]
        if isinstance(column, Lists) and rows is None:
            rows, members = column.members()
            ids = ids[rows]
            parts = [(codes[rows], values) for codes, values in parts]
        codes, values = _in_order(members if isinstance(column, Lists) and members else column)
        if rows is not None and not isinstance(column, Lists):
            codes = codes[rows]
        parts.append((codes, values))
        found, ids = compact(ids * len(values) + codes, count * len(values))
        count = len(found)
    example = np.zeros(count, np.int64)
    example[ids] = np.arange(len(ids))
    return Groups(Cells(ids, count, rows), [(codes[example], values) for codes, values in parts], overlap)


def _in_order(column: Column) -> tuple[Array, list[Cell]]:
    """Per row a code, and the values of the codes ascending with null last."""
    if isinstance(column, Coded):
        present = np.bincount(column.codes + 1, minlength=len(column.values) + 1)[1:] > 0
        used = sorted(np.flatnonzero(present).tolist(), key=column.values.__getitem__)
        table = np.full(len(column.values) + 1, len(used), np.int64)
        table[used] = np.arange(len(used))
        return table[column.codes], [*(column.values[each] for each in used), None]
    assert isinstance(column, Numbers)
    values, codes = np.unique(column.values, return_inverse=True)
    return np.where(column.present(), codes, len(values)), [*values.tolist(), None]


def _order(measures: Sequence[Measure], facts: Facts, groups: Groups) -> Array:
    """The groups by core.table.rank: they are numbered by value already, so a stable sort by the total is enough."""
    if not measures or not groups.parts:
        return np.arange(groups.cells.count)
    totals: list[Any] = measured(measures[0], facts, groups.cells)
    down = [np.inf if total is None else -total for total in totals]
    return np.array(sorted(range(len(down)), key=down.__getitem__), np.int64)


def _first(rows: Array | None, ids: Array, count: int) -> Cells:
    """The entries of the first cells only."""
    mask = ids < count
    if mask.all():
        return Cells(ids, count, rows)
    return Cells(ids[mask], count, np.flatnonzero(mask) if rows is None else rows[mask])


def _by_bucket(facts: Facts, cells: Cells) -> tuple[list[int], list[int], Cells]:
    """The cells cut by bucket: the bucket and the old cell of each new one, in that order, and the new ones."""
    width = max(cells.count, 1)
    found, ids = compact(cells.of(facts.bucket) * width + cells.ids, facts.buckets * width)
    return (found // width).tolist(), (found % width).tolist(), Cells(ids, len(found), cells.rows)


def _totals(query: Query, facts: Facts, cells: Cells, total: Mapping[str, Cell]) -> dict[str, list[Cell]]:
    if not query.group_by:
        return {label: [value] for label, value in total.items()}
    return {each.label: measured(each, facts, cells) for each in query.measures}


def _other(query: Query, facts: Facts, spots: Array, kept: int, groups: int) -> Other | None:
    if groups <= kept:
        return None
    rows = np.flatnonzero(spots >= kept)
    rest = Cells(np.zeros(len(rows), np.int64), 1, rows)
    at, _, inside = _by_bucket(facts, rest)
    return Other(
        groups=groups - kept,
        totals={each.label: measured(each, facts, rest)[0] for each in query.measures},
        at=at,
        values={each.label: measured(each, facts, inside) for each in query.measures},
    )


def measured(each: Measure, facts: Facts, cells: Cells) -> list[Cell]:
    """The measure of every cell, as plain Python values."""
    if each.field is None:
        return np.bincount(cells.ids, minlength=cells.count).tolist()
    column = facts.fields[each.field]
    if each.how == "count_distinct":
        return _distinct(each.field, facts, cells)
    ids, rows = cells.where(column.present())
    counts = np.bincount(ids, minlength=cells.count)
    if each.how == "count":
        return counts.tolist()
    if isinstance(column, Coded):
        true = np.array([*map(bool, column.values), False])[column.codes[rows]]
        trues = np.bincount(ids[true], minlength=cells.count).tolist()
        return trues if each.how == "sum" else _shares(trues, counts)
    assert isinstance(column, Numbers)
    if each.how in ("min", "max"):
        return _extreme(each.how, ids, counts, column.values[rows])
    if each.how == "quantile":
        return _quantile(each, facts, cells)
    sums = sum_by(ids, cells.count, column.values[rows])
    return list(sums) if each.how == "sum" else _shares(sums, counts)


def _shares(sums: Sequence[int | float], counts: Array) -> list[Cell]:
    return [total / n if n else None for total, n in zip(sums, counts.tolist(), strict=True)]


def _distinct(name: str, facts: Facts, cells: Cells) -> list[Cell]:
    column = facts.fields[name]
    if isinstance(column, Lists):
        rows, members = column.take(cells.of(np.arange(facts.count))).members()
        present = members.present()
        ids, codes, width = cells.ids[rows][present], members.codes[present], len(members.values)
    else:
        ids, rows = cells.where(column.present())
        ranks = facts.ranked(name)
        codes, width = ranks.codes[rows], ranks.width
    width = max(width, 1)
    found, _ = compact(ids * width + codes, cells.count * width)
    return np.bincount(found // width, minlength=cells.count).tolist()


def _extreme(how: str, ids: Array, counts: Array, values: Array) -> list[Cell]:
    if values.dtype == np.int64:
        first: Any = np.iinfo(np.int64).max if how == "min" else np.iinfo(np.int64).min
    else:
        first = np.inf if how == "min" else -np.inf
    found = np.full(len(counts), first, values.dtype)
    (np.minimum if how == "min" else np.maximum).at(found, ids, values)
    return [value if n else None for value, n in zip(found.tolist(), counts.tolist(), strict=True)]


def _quantile(each: Measure, facts: Facts, cells: Cells) -> list[Cell]:
    """The nearest rank of each cell: cell and value packed into one integer, sorted once for all quantiles."""
    assert each.field is not None
    ranks = facts.ranked(each.field)
    if each.field not in cells.sorted:
        ids, rows = cells.where(facts.fields[each.field].present())
        packed = ids * ranks.width + ranks.codes[rows]
        packed.sort()
        cells.sorted[each.field] = packed, np.bincount(ids, minlength=cells.count)
    packed, counts = cells.sorted[each.field]
    if not len(packed):
        return [None] * cells.count
    starts = np.cumsum(counts) - counts
    nearest = starts + np.maximum((each.ppnn * counts + 9_999) // 10_000, 1) - 1
    values = ranks.decode(packed[np.minimum(nearest, len(packed) - 1)] % ranks.width)
    return [value if n else None for value, n in zip(values, counts.tolist(), strict=True)]


def _ranks(column: Column) -> Ranks:
    assert not isinstance(column, Lists)
    if isinstance(column, Coded):
        return Ranks(column.codes.astype(np.int64), max(len(column.values), 1))
    values = column.values
    if values.dtype == np.int64 and len(values):
        low = int(values.min())
        if (width := int(values.max()) - low + 1) <= _NARROW:
            return Ranks(values - low, width, low)
    table, codes = np.unique(values, return_inverse=True)
    return Ranks(codes, max(len(table), 1), values=table)
