"""Table: what a question comes back as. Columns of values, never an object per point.

Above: answers and wires render it. Below: stores and upstreams fill it. It describes itself (window, edges, groups,
which measures add up) and holds no Query, so joins, bundles and decoded upstream pages are tables too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agentgauge.core.catalog import dataset
from agentgauge.core.query import ZERO_WHEN_NONE, Measure, Scalar
from agentgauge.core.time import edges

if TYPE_CHECKING:
    from agentgauge.core.query import Query
    from agentgauge.core.time import Bucket, Window

Cell = Scalar | None
Key = tuple[Cell, ...]
"""The group values of one group, in the order of `group_by`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """What the groups that a top-N cut away come to together."""

    groups: int
    totals: Mapping[str, Cell]
    """Measure label -> the measure over all their rows."""
    at: Sequence[int] = ()
    values: Mapping[str, Sequence[Cell]] = field(default_factory=dict[str, Sequence[Cell]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The answer to one question, long and sparse: a row exists only where events exist.

    `groups` are in order: the first measure over the window descending (null last), then group values ascending (null
    last). Row i says: in bucket `at[i]`, group `of[i]` has `values[label][i]`. Rows come in (bucket, group) order.
    Counts are raw: which bucket is not finished yet is for the reader of `as_of` to decide.
    """

    window: Window
    edges: Sequence[int]
    """Bucket i is [edges[i], edges[i+1]); without buckets the window's own two ends."""
    bucket: Bucket | None
    group_by: tuple[str, ...]
    measures: tuple[Measure, ...]
    groups: Sequence[Key]
    """Without grouping, one empty key (also when there are no rows at all)."""
    at: Sequence[int] = ()
    of: Sequence[int] = ()
    values: Mapping[str, Sequence[Cell]] = field(default_factory=dict[str, Sequence[Cell]])
    totals: Mapping[str, Sequence[Cell]] = field(default_factory=dict[str, Sequence[Cell]])
    """Measure label -> per group, the measure over the whole window."""
    total: Mapping[str, Cell] = field(default_factory=dict[str, Cell])
    """Measure label -> the measure over every row of every group, each event once."""
    other: Other | None = None
    rows_overlap: bool = False
    """True when an event may count in several groups (team), so that rows do not add up to `total`."""
    prior: Table | None = None
    """The same question over the window just before, where a wire asks for both at once."""
    as_of: int | None = None
    exact: bool | None = True
    """None: whoever gave it does not say."""
    bound: float = 0.0
    """When not exact: how far a quantile may be off, as a share of its value."""
    notes: tuple[str, ...] = ()

    def empty(self, label: str) -> Cell:
        """What the measure of no rows is: 0 for counts and sums, else null."""
        how = next(each.how for each in self.measures if each.label == label)
        return 0 if how in ZERO_WHEN_NONE else None

    def wide(self, label: str) -> list[list[Cell]]:
        """Per group, one value per bucket; what no row fills is `empty`."""
        nothing, width = self.empty(label), len(self.edges) - 1
        series: list[list[Cell]] = [[nothing] * width for _ in self.groups]
        for bucket, group, value in zip(self.at, self.of, self.values[label], strict=True):
            series[group][bucket] = value
        return series

    def wide_other(self, label: str) -> list[Cell]:
        """The same for `other`."""
        line: list[Cell] = [self.empty(label)] * (len(self.edges) - 1)
        if self.other:
            for bucket, value in zip(self.other.at, self.other.values.get(label, ()), strict=False):
                line[bucket] = value
        return line


def nothing(query: Query, as_of: int | None) -> Table:
    """The answer to a question about a window without events; what a store says without reading on."""
    lone = not query.group_by
    none: dict[str, Cell] = {each.label: 0 if each.how in ZERO_WHEN_NONE else None for each in query.measures}
    return Table(
        window=query.window,
        edges=edges(query.window, query.bucket) if query.bucket else [query.window.start, query.window.end],
        bucket=query.bucket,
        group_by=query.group_by,
        measures=query.measures,
        groups=[()] if lone else [],
        values={label: [] for label in none},
        totals={label: [value] if lone else [] for label, value in none.items()},
        total=none,
        rows_overlap=any(dataset(query.dataset).find(name).type == "strings" for name in query.group_by),
        as_of=as_of,
    )


def gathered(
    window: Window,
    grid: Sequence[int],
    measures: Sequence[Measure],
    rows: Iterable[tuple[int, Key, Mapping[str, Cell]]],
    *,
    bucket: Bucket | None = None,
    group_by: tuple[str, ...] = (),
    as_of: int | None = None,
    notes: tuple[str, ...] = (),
) -> Table:
    """A Table of rows as a vendor's pages have them: bucket, group and a value per measure, in any order.

    Totals are those of the measures that add; of the others they are null where a group has several rows. What a
    vendor does not state about exactness is not claimed.
    """
    listed = list(rows)
    groups = list(dict.fromkeys(key for _, key, _ in listed)) if group_by else [()]
    place = {key: index for index, key in enumerate(groups)}
    spots = [(at, place[key], cells) for at, key, cells in listed]
    spots.sort(key=lambda spot: spot[:2])
    of_group: list[list[Mapping[str, Cell]]] = [[] for _ in groups]
    for _, of, cells in spots:
        of_group[of].append(cells)
    return Table(
        window=window,
        edges=grid,
        bucket=bucket,
        group_by=group_by,
        measures=tuple(measures),
        groups=groups,
        at=[at for at, _, _ in spots],
        of=[of for _, of, _ in spots],
        values={each.label: [cells.get(each.label) for _, _, cells in spots] for each in measures},
        totals={each.label: [_whole(each, own) for own in of_group] for each in measures},
        total={each.label: _whole(each, [cells for _, _, cells in spots]) for each in measures},
        as_of=as_of,
        exact=None,
        notes=notes,
    )


def _whole(each: Measure, rows: Sequence[Mapping[str, Cell]]) -> Cell:
    column = [row.get(each.label) for row in rows]
    if each.adds:
        return _added(column)
    return column[0] if len(column) == 1 else None


def join(tables: Sequence[Table]) -> Table:
    """Several datasets side by side: the union of their groups, all their measures, the oldest `as_of`.

    They must share window, edges and group_by, and carry distinct labels; nothing may be cut to a top.
    """
    first = tables[0]
    leading = first.measures[0].label
    known_totals = dict(zip(first.groups, first.totals[leading], strict=True))
    groups = list(dict.fromkeys(key for table in tables for key in table.groups))
    groups = [groups[index] for index in rank(groups, [known_totals.get(key, first.empty(leading)) for key in groups])]
    place = {key: index for index, key in enumerate(groups)}
    measures = tuple(each for table in tables for each in table.measures)
    rows: dict[tuple[int, int], dict[str, Cell]] = {}
    totals: dict[str, list[Cell]] = {}
    for table in tables:
        for label in (each.label for each in table.measures):
            column = totals[label] = [table.empty(label)] * len(groups)
            for key, value in zip(table.groups, table.totals[label], strict=True):
                column[place[key]] = value
            for at, of, value in zip(table.at, table.of, table.values[label], strict=True):
                rows.setdefault((at, place[table.groups[of]]), {})[label] = value
    order = sorted(rows)
    # A dataset that never had an event has no freshness, and none to hold the others back.
    known = [table.as_of for table in tables if table.as_of is not None or any(table.total.values())]
    joined = replace(
        first,
        measures=measures,
        groups=groups,
        at=[at for at, _ in order],
        of=[of for _, of in order],
        values={},
        totals=totals,
        total={label: value for table in tables for label, value in table.total.items()},
        other=None,
        as_of=None if None in known else min((each for each in known if each is not None), default=None),
        exact=_all_exact([table.exact for table in tables]),
        bound=max(table.bound for table in tables),
        rows_overlap=any(table.rows_overlap for table in tables),
        notes=tuple(dict.fromkeys(note for table in tables for note in table.notes)),
    )
    values = {m.label: [rows[spot].get(m.label, joined.empty(m.label)) for spot in order] for m in measures}
    return replace(joined, values=values)


def cut(table: Table, n: int) -> Table:
    """The first n groups of a table without buckets whose measures all add up; the rest is `other`."""
    if len(table.groups) <= n:
        return table
    rest = {label: _added(column[n:]) for label, column in table.totals.items()}
    return replace(
        table,
        groups=table.groups[:n],
        at=[at for at, of in zip(table.at, table.of, strict=True) if of < n],
        of=[of for of in table.of if of < n],
        values={
            label: [value for value, of in zip(column, table.of, strict=True) if of < n]
            for label, column in table.values.items()
        },
        totals={label: column[:n] for label, column in table.totals.items()},
        other=Other(groups=len(table.groups) - n, totals=rest),
    )


def _all_exact(given: Sequence[bool | None]) -> bool | None:
    """True when all are exact, False when one is known not to be, else not stated."""
    return False if False in given else None if None in given else True


def _added(column: Sequence[Cell]) -> Cell:
    known = [value for value in column if isinstance(value, int | float)]
    return math.fsum(known) if any(isinstance(value, float) for value in known) else sum(known)


def sort_key(key: Key) -> tuple[tuple[bool, bool, float, str], ...]:
    """Orders group values ascending with null last; numbers before text."""
    return tuple(
        (False, True, 0, part) if isinstance(part, str) else (part is None, False, part or 0, "") for part in key
    )


def rank(groups: Sequence[Key], totals: Sequence[Cell]) -> list[int]:
    """The order of groups: their total descending, null last, then group values ascending."""

    def place(index: int) -> tuple[bool, float, tuple[tuple[bool, bool, float, str], ...]]:
        value = totals[index]
        number = 0 if value is None or isinstance(value, str) else value
        return value is None, -number, sort_key(groups[index])

    return sorted(range(len(groups)), key=place)
