"""The eleven questions of the store's benchmark: as our Query, and as the SQL that other engines are asked.

The SQL gives the number of the bucket, the groups, then the measures; what engines spell differently stands in braces
(see `Spelling`). Above: `engines.py`, `store.py`. Below: core.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from load import DATASET, DAY, END

from agentgauge.core.query import Filter, Measure, Query, Top, measure
from agentgauge.core.time import Bucket, Window, edges, offset

if TYPE_CHECKING:
    from agentgauge.core.table import Table

Row = tuple[Any, ...]

HOUR, MINUTE = 3_600_000, 60_000
NEW_YORK = "America/New_York"
TOLERANCE = 1e-9
"""How far two engines' floating point sums and averages may be apart, as a share."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How an engine writes what SQL has no common words for."""

    divide: str
    """A division of integers, rounded down."""
    quantile: str
    exact_rank: bool = True
    """Whether its quantile is the nearest rank, as ours is; one that takes the next rank cannot be compared."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question, put to every engine."""

    name: str
    text: str
    queries: tuple[Query, ...]
    """One, or two whose buckets follow one another."""
    sql: str

    def spelled(self, spelling: Spelling) -> str:
        """Its SQL for one engine."""
        first, last = self.queries[0], self.queries[-1]
        quantiles = {f"p{rank}": spelling.quantile.format(rank / 100) for rank in (50, 95, 99)}
        window = f"ts >= {first.window.start} and ts < {last.window.end}"
        return self.sql.format(bucket=_bucket(first, spelling.divide), window=window, table=DATASET.name, **quantiles)

    def until(self, end: int) -> Question:
        """The same question about windows of the same lengths, the last of which ends then, ms UTC."""
        later = end - self.queries[-1].window.end
        shifted = [Window(each.window.start + later, each.window.end + later) for each in self.queries]
        return replace(
            self,
            queries=tuple(replace(each, window=own) for each, own in zip(self.queries, shifted, strict=True)),
        )

    def rows(self, tables: Sequence[Table]) -> list[Row]:
        """The rows that the SQL gives, out of our own answers."""
        found: list[Row] = []
        before = 0
        for table in tables:
            columns = [table.values[each.label] for each in table.measures]
            values: Sequence[Row] = list(zip(*columns, strict=True))
            for at, of, row in zip(table.at, table.of, values, strict=True):
                head = (before + at,) if table.bucket else ()
                found.append((*head, *table.groups[of], *row))
            before += len(table.edges) - 1
        return found

    def difference(self, ours: Sequence[Row], theirs: Sequence[Row], *, quantiles: bool) -> str:
        """How two engines' rows differ; empty when they do not."""
        measures = self.queries[0].measures
        keep = [quantiles or each.how != "quantile" for each in measures]
        if len(ours) != len(theirs):
            return f"{len(ours)} rows and {len(theirs)}"
        for one, other in zip(_sorted(ours, len(measures)), _sorted(theirs, len(measures)), strict=True):
            heads = one[: -len(measures)], other[: -len(measures)]
            pairs = zip(one[-len(measures) :], other[-len(measures) :], keep, strict=True)
            if heads[0] != heads[1] or not all(_same(a, b) for a, b, kept in pairs if kept):
                return f"{one} and {other}"
        return ""


def _bucket(query: Query, divide: str) -> str:
    """The number of the bucket an instant lies in, from the start of the window."""
    bucket = query.bucket
    if bucket is None:
        return "0"
    start = edges(query.window, bucket)[0]
    if bucket.zone == "UTC":
        return divide.format(f"(ts - {start})", bucket.rough_ms)
    changes = [
        at for at in range(query.window.start, query.window.end, HOUR) if _shift(at, bucket) != _shift(at - 1, bucket)
    ]
    if len(changes) != 1:
        raise ValueError("the SQL knows one change of the clocks")
    shift = f"case when ts < {changes[0]} then {_shift(start, bucket)} else {_shift(changes[0], bucket)} end"
    return divide.format(f"(ts - {start + _shift(start, bucket)} + {shift})", DAY)


def _shift(instant: int, bucket: Bucket) -> int:
    return offset(instant, bucket.zone)


def _sorted(rows: Sequence[Row], measures: int) -> list[Row]:
    return sorted(rows, key=lambda row: [(each is None, str(each)) for each in row[:-measures]])


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return (
            isinstance(one, int | float)
            and isinstance(other, int | float)
            and math.isclose(one, other, rel_tol=TOLERANCE)
        )
    return one == other


def _query(length: int, *measures: Measure, **parts: Any) -> Query:
    return Query(DATASET.name, Window(END - length, END), measures, **parts)


def _before(query: Query) -> Query:
    start = query.window.start
    return replace(query, window=Window(start - query.window.length, start))


_COUNT = measure("count", None)
_P50, _P95, _P99 = (measure(word, "latency_ms") for word in ("p50", "p95", "p99"))
_SUMS = tuple(measure("sum", name) for name in ("input_tokens", "output_tokens", "cost_usd"))
_WEEK = _query(7 * DAY, _COUNT, _P95, bucket=Bucket("day"))

QUESTIONS: Mapping[str, Question] = {
    each.name: each
    for each in (
        Question(
            "Q1",
            "24 h by hour and agent: count",
            (_query(DAY, _COUNT, bucket=Bucket("hour"), group_by=("agent_id",)),),
            "select {bucket}, agent_id, count(*) from {table} where {window} group by 1, 2",
        ),
        Question(
            "Q2",
            "7 d by hour and agent: p99",
            (_query(7 * DAY, _P99, bucket=Bucket("hour"), group_by=("agent_id",)),),
            "select {bucket}, agent_id, {p99} from {table} where {window} group by 1, 2",
        ),
        Question(
            "Q3",
            "30 d by model: p50, p99",
            (_query(30 * DAY, _P50, _P99, group_by=("model_name",)),),
            "select model_name, {p50}, {p99} from {table} where {window} group by 1",
        ),
        Question(
            "Q4",
            "30 d of failures by agent and error: count",
            (
                _query(
                    30 * DAY,
                    _COUNT,
                    group_by=("agent_id", "error_code"),
                    where=(Filter("is_failure", "EQUAL", True),),
                ),
            ),
            "select agent_id, error_code, count(*) from {table} where {window} and is_failure group by 1, 2",
        ),
        Question(
            "Q5",
            "24 h by minute of one agent: average",
            (
                _query(
                    DAY,
                    measure("avg", "latency_ms"),
                    bucket=Bucket("minute"),
                    where=(Filter("agent_id", "EQUAL", "agent-00"),),
                ),
            ),
            "select {bucket}, avg(latency_ms) from {table} where {window} and agent_id = 'agent-00' group by 1",
        ),
        Question(
            "Q6",
            "90 d by New York day and model: 3 sums",
            (_query(90 * DAY, *_SUMS, bucket=Bucket("day", 1, NEW_YORK), group_by=("model_name",)),),
            "select {bucket}, model_name, sum(input_tokens), sum(output_tokens), sum(cost_usd) from {table}"
            " where {window} group by 1, 2",
        ),
        Question(
            "Q7",
            "30 d by user, the 10 largest: sum",
            (_query(30 * DAY, measure("sum", "cost_usd"), group_by=("user",), top=Top(10)),),
            'select "user", sum(cost_usd) from {table} where {window} group by 1 order by 2 desc limit 10',
        ),
        Question(
            "Q8",
            "30 d by day, contains and in: count",
            (
                _query(
                    30 * DAY,
                    _COUNT,
                    bucket=Bucket("day"),
                    where=(
                        Filter("model_name", "STRING_CONTAINS", "mini"),
                        Filter("request_type", "IN", ("chat", "completion")),
                    ),
                ),
            ),
            "select {bucket}, count(*) from {table} where {window} and model_name like '%mini%'"
            " and request_type in ('chat', 'completion') group by 1",
        ),
        Question(
            "Q9",
            "30 d by day: distinct users",
            (_query(30 * DAY, measure("countDistinct", "user"), bucket=Bucket("day")),),
            'select {bucket}, count(distinct "user") from {table} where {window} group by 1',
        ),
        Question(
            "Q10",
            "7 d and the 7 d before, by day: count, p95",
            (_before(_WEEK), _WEEK),
            "select {bucket}, count(*), {p95} from {table} where {window} group by 1",
        ),
        Question(
            "Q11",
            "10,000 minutes by provider: count, p95",
            (_query(10_000 * MINUTE, _COUNT, _P95, bucket=Bucket("minute"), group_by=("provider",)),),
            "select {bucket}, provider, count(*), {p95} from {table} where {window} group by 1, 2",
        ),
    )
}
