"""What a tool wants shown, and a table laid out as an answer with everything that it holds.

Above: `fit` draws it as often as the budget asks for; tools describe what they want with it. Below: `table`, `answer`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agentgauge.core.answer import Answer, Axis, Rest, Totals, peak
from agentgauge.core.query import Query, Top
from agentgauge.core.time import FIXED, Bucket

if TYPE_CHECKING:
    from agentgauge.core.table import Cell, Table

Ask = Callable[[Query], Awaitable["Table"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What a tool wants shown: a Query without bucket and top, and how to show it."""

    title: str
    query: Query
    tz: str
    budget: int
    limit: int
    timeline: bool = True
    """False asks for one row per group, its measures as columns."""
    interval: Bucket | None = None
    """None on a timeline: chosen."""
    compare: bool = False
    period: Bucket | None = None
    """The calendar period that the window is, where it is one: it is compared with the one before it."""
    nulls: bool = False
    """Whether a bucket that is not finished at `as_of` is null and its count `partial` (AgentMessage's rule)."""
    heads: Mapping[str, str] = field(default_factory=dict[str, str])
    """Column heading of a group-by name, where it differs."""
    label: Callable[[str, Cell], Cell] | None = None
    """What to show for a group value."""
    notes: tuple[str, ...] = ()
    ask: Ask | None = None
    """How the Query is put, where it is not `desk.ask`: a join of several datasets takes `query` as its template."""

    def at(self, bucket: Bucket | None, n: int) -> Query:
        """The Query of one plan: that bucket, the top n groups."""
        return replace(self.query, bucket=bucket, top=Top(n) if self.query.group_by else None)


def lay_out(want: Series, table: Table) -> Answer:
    """A table as an answer, with everything shown that it holds."""
    axis = Axis(table.bucket, table.edges) if table.bucket else None
    labels = [each.label for each in table.measures]
    heads = [want.heads.get(name, name) for name in table.group_by]
    finished = _finished(want, table)
    rest = table.other
    answer = Answer(
        title=want.title,
        window=table.window,
        tz=want.tz,
        axis=axis,
        as_of=table.as_of,
        states_exact=table.exact is not None,
        approximate=_approximate(table),
        total=_one_or_all(labels, table.total),
        has_total=True,
        notes=want.notes + table.notes + _overlap_notes(table),
    )
    if axis is None:
        rows = [
            [*_shown(want, table, key), *(table.totals[m][i] for m in labels)] for i, key in enumerate(table.groups)
        ]
        other = Rest(rest.groups, _one_or_all(labels, rest.totals)) if rest else None
        shown = rows if heads else []
        return replace(answer, columns=[*heads, *labels] if heads else [], rows=shown, other=other)
    partial = finished < len(table.edges) - 1
    columns = [
        *heads,
        *(["measure"] if len(labels) > 1 else []),
        "total",
        "peak",
        *(["partial"] if partial else []),
        "values",
    ]
    dated = table.window.length > 26 * FIXED["hour"]
    wide = {label: table.wide(label) for label in labels}
    rows = [
        [
            *_shown(want, table, key),
            *([label] if len(labels) > 1 else []),
            table.totals[label][index],
            *_cells(wide[label][index], axis, finished, dated=dated, partial=partial),
        ]
        for index, key in enumerate(table.groups)
        for label in labels
    ]
    return replace(answer, columns=columns, rows=rows, other=_rest(table, labels, finished, partial=partial))


def _cells(values: list[Cell], axis: Axis, finished: int, *, dated: bool, partial: bool) -> list[Any]:
    known = values[:finished]
    cells: list[Any] = [peak(known, axis, dated=dated)]
    if partial:
        cells.append(_sum(values[finished:]))
    return [*cells, known + [None] * (len(values) - finished)]


def _rest(table: Table, labels: Sequence[str], finished: int, *, partial: bool) -> Rest | None:
    if table.other is None:
        return None
    lines = {label: table.wide_other(label) for label in labels}
    known = {label: line[:finished] + [None] * (len(line) - finished) for label, line in lines.items()}
    late = {label: _sum(line[finished:]) for label, line in lines.items()} if partial else None
    total = _one_or_all(labels, table.other.totals)
    if len(labels) == 1:
        return Rest(table.other.groups, total, known[labels[0]], late[labels[0]] if late else None)
    return Rest(table.other.groups, total, known, late)


def _approximate(table: Table) -> str:
    """What is not exact, and how far it may be off where that is known."""
    if table.exact is not False:
        return ""
    return f"quantiles within {table.bound:.0%}" if table.bound else "quantiles from histogram buckets are approximate"


def _finished(want: Series, table: Table) -> int:
    """How many buckets, from the first, are complete."""
    if not want.nulls or table.bucket is None:
        return len(table.edges) - 1
    if table.as_of is None:
        return 0
    return sum(1 for edge in table.edges[1:] if edge <= table.as_of)


def _sum(values: Sequence[Cell]) -> Cell:
    return sum(value for value in values if isinstance(value, int | float))


def _one_or_all(labels: Sequence[str], totals: Totals) -> Cell | Totals:
    return totals[labels[0]] if len(labels) == 1 else {label: totals[label] for label in labels}


def _shown(want: Series, table: Table, key: tuple[Cell, ...]) -> list[Cell]:
    if want.label is None:
        return list(key)
    return [want.label(name, value) for name, value in zip(table.group_by, key, strict=True)]


def _overlap_notes(table: Table) -> tuple[str, ...]:
    notes: list[str] = []
    if table.rows_overlap:
        notes.append("an event counts once for each of its teams, so rows do not add up to total")
    if table.other and not all(each.adds for each in table.measures):
        names = ", ".join(each.label for each in table.measures if not each.adds)
        notes.append(f"{names}: rows and other do not add up to total")
    return tuple(notes)


def without_peak(answer: Answer) -> Answer:
    """The answer without the column that it can best do without."""
    if "peak" not in answer.columns:
        return answer
    place = list(answer.columns).index("peak")
    rows = [[*row[:place], *row[place + 1 :]] for row in answer.rows]
    return replace(answer, rows=rows, columns=[head for head in answer.columns if head != "peak"])
