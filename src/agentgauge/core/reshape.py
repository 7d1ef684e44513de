"""A vendor's answer in the shape of the question: its rows summed into the question's buckets and groups.

Above: the upstream desk. Below: `table`, `time`. Counts and sums add up exactly; averages combine by their counts; of
what does neither, a cell of the question must be one row of the answer, or it stays unknown.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agentgauge.core.errors import UpstreamError
from agentgauge.core.query import ADDS, ZERO_WHEN_NONE
from agentgauge.core.table import Cell, Key, Other, Table, rank
from agentgauge.core.time import edges

if TYPE_CHECKING:
    from agentgauge.core.query import Measure, Query
    from agentgauge.core.upstream import Plan

Row = tuple[Cell, ...]
"""One row of the vendor's answer: a cell per measure asked, then the weights."""
Spot = tuple[int, Key]
"""A bucket and a group of the question."""


def shape(raw: Table, plan: Plan, queries: Sequence[Query]) -> Table:
    """The answer to the questions from the decoded Table of their plan.

    Raises:
        UpstreamError: if the vendor's buckets do not lie in the question's.
    """
    query = queries[0]
    measures = tuple(each for one in queries for each in one.measures)
    grid = list(edges(query.window, query.bucket)) if query.bucket else [query.window.start, query.window.end]
    combine = _Combine(measures, plan)
    cells = _placed(raw, plan, query, grid, combine)
    of_key: dict[Key, list[Row]] = {} if query.group_by else {(): []}
    for (_, key), rows in cells.items():
        of_key.setdefault(key, []).extend(rows)
    totals = {key: combine.of(rows) for key, rows in of_key.items()}
    keys = list(totals)
    keys = [keys[index] for index in rank(keys, [totals[key][0] for key in keys])]
    place = {key: index for index, key in enumerate(keys)}
    spots = sorted(cells, key=lambda spot: (spot[0], place[spot[1]]))
    values = [combine.of(cells[spot]) for spot in spots]
    total = combine.of([row for rows in cells.values() for row in rows])
    labels = [each.label for each in measures]
    table = Table(
        window=query.window,
        edges=grid,
        bucket=query.bucket,
        group_by=query.group_by,
        measures=measures,
        groups=keys,
        at=[at for at, _ in spots],
        of=[place[key] for _, key in spots],
        values={label: [row[i] for row in values] for i, label in enumerate(labels)},
        totals={label: [totals[key][i] for key in keys] for i, label in enumerate(labels)},
        total=dict(zip(labels, total, strict=True)),
        as_of=raw.as_of,
        exact=raw.exact,
        bound=raw.bound,
        rows_overlap=raw.rows_overlap,
        notes=tuple(dict.fromkeys((*raw.notes, *plan.notes))),
    )
    return _cut(table, query.top.n, cells, combine) if query.top and query.group_by else table


def _placed(raw: Table, plan: Plan, query: Query, grid: Sequence[int], combine: _Combine) -> dict[Spot, list[Row]]:
    """The rows that hold something, by the bucket and group of the question that they fall into."""
    columns = [raw.values.get(name) if name else None for name in combine.columns]
    places = [raw.group_by.index(plan.groups.get(name, name)) for name in query.group_by]
    cells: dict[Spot, list[Row]] = {}
    for index, (at, of) in enumerate(zip(raw.at, raw.of, strict=True)):
        row = tuple(None if column is None else column[index] for column in columns)
        start, end = raw.edges[at], raw.edges[at + 1]
        if combine.is_nothing(row) or end <= query.window.start or start >= query.window.end:
            continue
        bucket = min(max(bisect_right(grid, start) - 1, 0), len(grid) - 2)
        if start < grid[0] or end > grid[bucket + 1]:
            raise UpstreamError(
                "the buckets that came back do not fit the question's.",
                hint="Ask whole hours or days, or another interval.",
            )
        key = tuple(raw.groups[of][place] for place in places)
        cells.setdefault((bucket, key), []).append(row)
    return cells


@dataclass(frozen=True, slots=True)
class _Measured:
    how: str
    at: int
    weight: int | None


class _Combine:
    """How rows of the answer become one cell of the question, a value per measure."""

    def __init__(self, measures: Sequence[Measure], plan: Plan) -> None:
        named = [plan.columns[each.label] for each in measures]
        weighing = [plan.weights.get(name or "") for name in named]
        weights = list(dict.fromkeys(each for each in weighing if each))
        self.columns: list[str | None] = [*named, *weights]
        self._measures = [
            _Measured(each.how, at, len(named) + weights.index(weight) if weight else None)
            for at, (each, weight) in enumerate(zip(measures, weighing, strict=True))
        ]

        self._adding = all(each.how in ADDS for each in measures)

    def is_nothing(self, row: Row) -> bool:
        """Whether a row says no more than that there were no events: a store would have no such row."""
        return not any(row) if self._adding else all(cell is None for cell in row)

    def of(self, rows: Sequence[Row]) -> list[Cell]:
        """A value per measure; None where it is not known."""
        return [self._one(each, rows) for each in self._measures]

    @staticmethod
    def _one(each: _Measured, rows: Sequence[Row]) -> Cell:
        known = [row for row in rows if row[each.at] is not None]
        if not known:
            return 0 if each.how in ZERO_WHEN_NONE else None
        if each.how in ADDS:
            return added([row[each.at] for row in known])
        if each.weight is not None:
            return _averaged([(row[each.at], row[each.weight]) for row in known])
        if each.how in ("min", "max"):
            return (min if each.how == "min" else max)(row[each.at] for row in known)  # type: ignore[type-var]
        return known[0][each.at] if len(rows) == 1 else None


def added(cells: Sequence[Cell]) -> Cell:
    """The sum of numbers: exact of integers, correctly rounded of others."""
    numbers = [each for each in cells if isinstance(each, int | float)]
    return math.fsum(numbers) if any(isinstance(each, float) for each in numbers) else sum(numbers)


def _averaged(pairs: Sequence[tuple[Cell, Cell]]) -> Cell:
    known = [(float(v), float(n)) for v, n in pairs if isinstance(v, int | float) and isinstance(n, int | float) and n]
    if len(known) == 1:
        return known[0][0]
    count = math.fsum(n for _, n in known)
    return math.fsum(value * n for value, n in known) / count if count else None


def unknown(table: Table, measures: Sequence[Measure], plan: Plan) -> list[Measure]:
    """The measures whose totals cannot be had from the table's own rows."""
    return [
        each
        for each in measures
        if each.how not in ADDS
        and plan.columns[each.label] not in plan.weights
        and each.how not in ("min", "max")
        and (table.bucket is not None or bool(table.group_by))
    ]


def _cut(table: Table, n: int, cells: Mapping[Spot, Sequence[Row]], combine: _Combine) -> Table:
    """The first n groups; the rest is `other`."""
    if len(table.groups) <= n:
        return table
    gone = set(table.groups[n:])
    rest: dict[int, list[Row]] = {}
    for (at, key), rows in cells.items():
        if key in gone:
            rest.setdefault(at, []).extend(rows)
    at = sorted(rest)
    lines = [combine.of(rest[bucket]) for bucket in at]
    whole = combine.of([row for rows in rest.values() for row in rows])
    labels = [each.label for each in table.measures]
    kept = [index for index, of in enumerate(table.of) if of < n]
    return replace(
        table,
        groups=table.groups[:n],
        at=[table.at[index] for index in kept],
        of=[table.of[index] for index in kept],
        values={label: [column[index] for index in kept] for label, column in table.values.items()},
        totals={label: column[:n] for label, column in table.totals.items()},
        other=Other(
            groups=len(gone),
            totals=dict(zip(labels, whole, strict=True)),
            at=at,
            values={label: [line[i] for line in lines] for i, label in enumerate(labels)},
        ),
    )
