"""A vendor's answer in the shape of the question: its rows summed into the question's buckets and groups.

Above: the upstream desk. Below: `table`, `time`. Counts and sums add up exactly; averages combine by their counts; of
what does neither, a cell of the question must be one row of the answer, or it stays unknown.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
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
OTHER_PERIOD = "the vendor counted this period; by this machine's clock another one is running"


def shape(raw: Table, plan: Plan, queries: Sequence[Query]) -> Table:
    """The answer to the questions from the decoded Table of their plan.

    Raises:
        UpstreamError: if the vendor's buckets do not lie in the question's, or none of them in its window.
    """
    query, notes = queries[0], (*raw.notes, *plan.notes)
    if plan.running and raw.window != query.window:
        query, notes = replace(query, window=raw.window), (*notes, OTHER_PERIOD)
    measures = tuple(each for one in queries for each in one.measures)
    grid = list(edges(query.window, query.bucket)) if query.bucket else [query.window.start, query.window.end]
    combine = _Combine(measures, plan, raw)
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
        notes=tuple(dict.fromkeys(notes)),
    )
    return _cut(table, query.top.n, cells, combine) if query.top and query.group_by else table


def _placed(raw: Table, plan: Plan, query: Query, grid: Sequence[int], combine: _Combine) -> dict[Spot, list[Row]]:
    """The rows that hold something, by the bucket and group of the question that they fall into."""
    nulls = [None] * len(raw.at)
    columns = [raw.values.get(name, nulls) if name else nulls for name in combine.columns]
    places = [raw.group_by.index(plan.groups.get(name, name)) for name in query.group_by]
    keys = [tuple(group[place] for place in places) for group in raw.groups]
    buckets = _buckets(raw.edges, query, grid)
    if raw.at and all(bucket is None for bucket in buckets):
        raise UpstreamError(
            "what came back is about another time than was asked.", hint="Check this machine's clock, and ask again."
        )
    cells: dict[Spot, list[Row]] = {}
    for at, of, row in zip(raw.at, raw.of, zip(*columns, strict=True), strict=True):
        if combine.is_nothing(row) or (bucket := buckets[at]) is None:
            continue
        if bucket < 0:
            raise UpstreamError(
                "the buckets that came back do not fit the question's.",
                hint="Ask whole hours or days, or another interval.",
            )
        cells.setdefault((bucket, keys[of]), []).append(row)
    return cells


def _buckets(given: Sequence[int], query: Query, grid: Sequence[int]) -> list[int | None]:
    """Per bucket of the answer, that of the question it lies in; None outside the window, -1 across an edge."""
    found: list[int | None] = []
    for start, end in pairwise(given):
        if end <= query.window.start or start >= query.window.end:
            found.append(None)
            continue
        bucket = min(max(bisect_right(grid, start) - 1, 0), len(grid) - 2)
        found.append(bucket if start >= grid[0] and end <= grid[bucket + 1] else -1)
    return found


@dataclass(frozen=True, slots=True)
class _Measured:
    how: str
    at: int
    weight: int | None
    stated: bool
    """False of a column that the answer lacks: what it would say is not known."""


class _Combine:
    """How rows of the answer become one cell of the question, a value per measure."""

    def __init__(self, measures: Sequence[Measure], plan: Plan, raw: Table) -> None:
        named = [plan.columns[each.label] for each in measures]
        weighing = [plan.weights.get(name or "") for name in named]
        weights = list(dict.fromkeys(each for each in weighing if each))
        self.columns: list[str | None] = [*named, *weights]
        self._measures = [
            _Measured(
                each.how,
                at,
                len(named) + weights.index(weight) if weight else None,
                stated=named[at] is None or named[at] in raw.values,
            )
            for at, (each, weight) in enumerate(zip(measures, weighing, strict=True))
        ]

        self._empty: list[Cell] = [0 if each.how in ZERO_WHEN_NONE and each.stated else None for each in self._measures]
        """Of one row, what its nulls mean."""
        self._adding = all(each.how in ADDS for each in measures)

    def is_nothing(self, row: Row) -> bool:
        """Whether a row says no more than that there were no events: a store would have no such row."""
        return not any(row) if self._adding else all(cell is None for cell in row)

    def of(self, rows: Sequence[Row]) -> list[Cell]:
        """A value per measure; None where it is not known."""
        if len(rows) == 1:
            (row,) = rows
            return [self._empty[at] if row[at] is None else row[at] for at in range(len(self._measures))]
        return [self._one(each, rows) for each in self._measures]

    @staticmethod
    def _one(each: _Measured, rows: Sequence[Row]) -> Cell:
        known = [row for row in rows if row[each.at] is not None]
        if not known:
            return 0 if each.how in ZERO_WHEN_NONE and (each.stated or not rows) else None
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
    if table.rows_overlap:
        return list(measures)
    return [
        each
        for each in measures
        if each.how not in ADDS
        and plan.columns[each.label] not in plan.weights
        and each.how not in ("min", "max")
        and (table.bucket is not None or bool(table.group_by))
    ]


def _cut(table: Table, n: int, cells: Mapping[Spot, Sequence[Row]], combine: _Combine) -> Table:
    """The first n groups; the rest is `other`, where the rows add up. What does not add up is not known of it."""
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
    lost = [each.label for each, value in zip(table.measures, whole, strict=True) if value is None]
    notes = (f"the vendor states no {', '.join(lost)} of the groups that are not shown",) if lost else ()
    kept = [index for index, of in enumerate(table.of) if of < n]
    return replace(
        table,
        groups=table.groups[:n],
        at=[table.at[index] for index in kept],
        of=[table.of[index] for index in kept],
        values={label: [column[index] for index in kept] for label, column in table.values.items()},
        totals={label: column[:n] for label, column in table.totals.items()},
        other=None
        if table.rows_overlap
        else Other(
            groups=len(gone),
            totals=dict(zip(labels, whole, strict=True)),
            at=at,
            values={label: [line[i] for line in lines] for i, label in enumerate(labels)},
        ),
        notes=table.notes if table.rows_overlap else (*table.notes, *notes),
    )
