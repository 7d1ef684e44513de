"""Random questions in the words of the tools, and their answers computed by DuckDB from the words alone.

Nothing of agentgauge is used here but the names of its fields: edges, filters, measures and totals are all done anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

FIRST, LAST = date(2026, 10, 20), date(2026, 10, 29)  # summer time ends in Europe on the 25th
HOUR = 3_600_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
AS_OF = datetime(2026, 10, 28, 9, 30, tzinfo=UTC)
"""Until when the messages are known."""
MODELS = ("opus", "sonnet", "Sonnet", "gpt-5", "")
PROJECTS = ("site", "app", "日本", "o'hare")

Question = dict[str, Any]
Cells = list[Any]


def events(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Model calls and messages; fractions are such that sums of theirs are exact."""
    start = int(datetime.combine(FIRST, time(), UTC).timestamp()) * 1_000
    length = (LAST - FIRST).days * 24 * HOUR

    def common(kind: str, number: int) -> dict[str, Any]:
        ts = start + (rng.randrange(length // HOUR) * HOUR if rng.random() < 0.2 else rng.randrange(length))
        found: dict[str, Any] = {"type": kind, "id": f"{kind}-{number}", "ts": ts}
        if rng.random() < 0.8:
            found["agent_id"] = f"agent-{rng.randrange(4)}"
        if rng.random() < 0.7:
            found["metadata"] = {"project": rng.choice(PROJECTS)}
        return found

    made: list[dict[str, Any]] = []
    for number in range(count):
        call = common("model_call", number) | {"model_name": rng.choice(MODELS), "provider": rng.choice(("one", "two"))}
        call |= {"input_tokens": rng.randrange(50_000), "is_failure": rng.random() < 0.2}
        call |= {"latency_ms": rng.randrange(64_000) / 64} if rng.random() < 0.9 else {}
        call |= {"cost_usd": rng.randrange(640) / 64} if rng.random() < 0.6 else {}
        call |= {"http_status": rng.choice((200, 404, 429, 500))} if rng.random() < 0.7 else {}
        message = common("message", number) | {"direction": rng.choice(("outbound", "outbound", "inbound"))}
        message |= {"status": rng.choice(("queued", "sent", "delivered", "failed", "undelivered", "received"))}
        message |= {"channel": rng.choice(("sms", "mms", "rcs"))} if rng.random() < 0.9 else {}
        message |= {"error_code": rng.choice(("30007", "007"))} if rng.random() < 0.3 else {}
        message |= {"cost_cents": rng.randrange(64) / 8} if rng.random() < 0.5 else {}
        made += [call, message]
    made.append({"type": "as_of", "id": "known", "dataset": "messages", "ts": int(AS_OF.timestamp()) * 1_000})
    return made


@dataclass(frozen=True)
class Column:
    """One field: what our datasets and the vendor's call it, its SQL and the operators that filters on it take."""

    own: str
    wire: str
    sql: str
    kind: str
    values: Sequence[Any] = ()
    wire_filter: bool = True
    """Whether the vendor filters by it."""


MODEL_CALLS = (
    Column("model_name", "modelName", "model_name", "string", MODELS),
    Column("provider", "provider", "provider", "string", ("one", "two"), wire_filter=False),
    Column("agent", "", "agent_id", "string", ("agent-1", "agent-2")),
    Column("metadata.project", "metadata.project", "metadata['project']", "string", PROJECTS),
    Column("http_status", "httpStatusCode", "http_status", "integer", (200, 404, 429)),
    Column("is_failure", "isFailure", "is_failure", "boolean", (True, False)),
    Column("input_tokens", "inputTokens", "input_tokens", "number", (1_000, 25_000, 25_000.5)),
    Column("latency_ms", "latencyMs", "latency_ms", "number", (100, 500.25, 900)),
    Column("cost_usd", "costInUSD", "cost_usd", "number", (1, 2.5)),
)
MESSAGES = (
    Column("channel", "", "channel", "string", ("sms", "mms")),
    Column("agent", "", "agent_id", "string", ("agent-1", "agent-2")),
    Column("error_code", "", "error_code", "string", ("30007", "007")),
    Column("metadata.project", "", "metadata['project']", "string", PROJECTS),
)
MEASURES = ("sum", "avg", "min", "max", "p50", "p90", "p99", "count", "countDistinct")
EQUALITY = ("EQUAL", "NOT_EQUAL", "IN", "NOT_IN")
OPERATORS = {
    "string": (*EQUALITY, "STRING_CONTAINS", "STRING_NOT_CONTAINS", "STRING_STARTS_WITH", "STRING_NOT_ENDS_WITH"),
    "integer": (*EQUALITY, "GREATER_THAN", "LESS_THAN_EQUAL", "BETWEEN", "IS_NULL"),
    "number": ("GREATER_THAN", "GREATER_THAN_EQUAL", "LESS_THAN", "LESS_THAN_EQUAL", "BETWEEN", "IS_NULL"),
    "boolean": ("EQUAL",),
}
COMPARED = {
    "EQUAL": "=",
    "NOT_EQUAL": "<>",
    "GREATER_THAN": ">",
    "GREATER_THAN_EQUAL": ">=",
    "LESS_THAN": "<",
    "LESS_THAN_EQUAL": "<=",
}
STATUSES = {
    "sent": ("sent",),
    "delivered": ("delivered",),
    "failed": ("failed", "undelivered"),
    "received": ("received",),
}


@dataclass
class Asked:
    """A question: the tool, its words, and the SQL that answers it."""

    tool: str
    words: Question
    table: str
    groups: Sequence[str]
    """SQL of each group."""
    measures: Mapping[str, str]
    """Label -> SQL."""
    conditions: list[str]
    edges: list[int]
    """Of the buckets on a timeline, else of the window."""
    start: int
    end: int
    timeline: bool
    known_until: int | None = None
    operators: list[str] = field(default_factory=list[str])


def question(rng: random.Random) -> Asked:
    """Any question that the two tools take."""
    return _datapoints(rng) if rng.random() < 0.65 else _messages(rng)


def _datapoints(rng: random.Random) -> Asked:
    wire = rng.random() < 0.4
    columns = [each for each in MODEL_CALLS if each.wire or not wire]
    named = {each: each.wire if wire else each.own for each in columns}
    words: Question = {"datasource": "modelMetrics" if wire else "model_calls"}
    measures = {"total" if wire else "count": "count(*)"}
    for _ in range(rng.choice((0, 1, 1, 2))):
        how, over = rng.choice(MEASURES), rng.choice([each for each in columns if each.kind == "number"])
        words.setdefault("aggregations", []).append({"type": how, "column": named[over]})
        own = how.replace("countDistinct", "count_distinct")
        label = f"{how}{over.wire[0].upper()}{over.wire[1:]}" if wire else f"{own}_{over.own}"
        measures[label] = _measure(how, over.sql)
    groups = rng.sample([each for each in columns if each.kind != "number"], rng.choice((0, 1, 1, 2)))
    if groups:
        words[rng.choice(("group_by", "groupBy"))] = [named[each] for each in groups]
    conditions, operators = _filters(rng, words, [each for each in columns if each.wire_filter or not wire], named)
    tz, start, end = _window(rng, words, rng.choice((1, 2, 6, 9)))
    timeline = rng.random() < 0.6
    edges = [start, end]
    if timeline:
        days = (end - start) / (24 * HOUR)
        step = rng.choice(("1h", "6h") if days < 3 else ("1d", "1w", "1mo"))
        edges = _edges(start, end, step, tz)
        words["interval"] = step
    return Asked(
        tool="query_datapoints",
        words=words,
        table="model_calls",
        groups=[each.sql for each in groups],
        measures=measures,
        conditions=conditions,
        edges=edges,
        start=start,
        end=end,
        timeline=timeline,
        operators=operators,
    )


def _messages(rng: random.Random) -> Asked:
    metric = rng.choice(("sent", "delivered", "failed", "received", "cost_cents"))
    direction = "inbound" if metric == "received" else "outbound"
    words: Question = {"metric": metric}
    if metric == "cost_cents" and rng.random() < 0.4:
        words["traffic"] = direction = "inbound"
    conditions = [f"direction = '{direction}'"]
    if metric in STATUSES:
        conditions.append(_condition("status", "IN", STATUSES[metric]))
    groups = rng.sample(MESSAGES, rng.choice((0, 1, 1, 2)))
    if groups:
        words["group_by"] = ",".join(each.own for each in groups)
    more, operators = _filters(rng, words, MESSAGES, {each: each.own for each in MESSAGES})
    tz, start, end = _window(rng, words, rng.choice((1, 2, 6)))
    step = rng.choice(("1h", "6h") if end - start < 60 * HOUR else ("1d", "1w"))
    words["interval"] = step
    edges = _edges(start, end, step, tz)
    measure = {"count": "count(*)"} if metric in STATUSES else {"cost_cents": "coalesce(sum(cost_cents), 0)"}
    return Asked(
        tool="get_message_metrics",
        words=words,
        table="messages",
        groups=[each.sql for each in groups],
        measures=measure,
        conditions=conditions + more,
        edges=edges,
        start=edges[0],
        end=edges[-1],
        timeline=True,
        known_until=int(AS_OF.timestamp()) * 1_000,
        operators=operators,
    )


def _window(rng: random.Random, words: Question, days: int) -> tuple[str, int, int]:
    """Whole days of a zone."""
    tz = rng.choice(ZONES)
    first = FIRST + timedelta(days=rng.randrange((LAST - FIRST).days))
    last = first + timedelta(days=days - 1)
    words |= {"start": first.isoformat(), "end": last.isoformat()} | ({"tz": tz} if tz != "UTC" else {})
    return tz, _midnight(first, tz), _midnight(last + timedelta(days=1), tz)


def _midnight(day: date, tz: str) -> int:
    return int(datetime.combine(day, time(), ZoneInfo(tz)).timestamp()) * 1_000


def _edges(start: int, end: int, step: str, tz: str) -> list[int]:
    """The edges of buckets that cover a window of whole days."""
    if step.endswith("h"):
        wide = int(step[:-1]) * HOUR
        return list(range(start, end + wide - 1, wide))
    day = datetime.fromtimestamp(start / 1_000, ZoneInfo(tz)).date()
    if step == "1w":
        day -= timedelta(days=day.weekday())
    elif step == "1mo":
        day = day.replace(day=1)
    found = [_midnight(day, tz)]
    while found[-1] < end:
        if step == "1mo":
            day = (day + timedelta(days=31)).replace(day=1)
        else:
            day += timedelta(days=7 if step == "1w" else 1)
        found.append(_midnight(day, tz))
    return found


def _measure(how: str, sql: str) -> str:
    if how == "count":
        return f"count({sql})"
    if how == "countDistinct":
        return f"count(distinct {sql})"
    if how == "sum":
        return f"coalesce(sum({sql}), 0)"
    if how.startswith("p"):
        return f"list_sort(list({sql}) filter ({sql} is not null))[({how[1:]} * count({sql}) + 99) // 100]"
    return f"{how}({sql})"


def _filters(
    rng: random.Random, words: Question, columns: Sequence[Column], named: Mapping[Column, str]
) -> tuple[list[str], list[str]]:
    """Adds filters to the words, in one of the forms that are taken; gives their SQL and operators."""
    chosen = rng.sample(columns, rng.choice((0, 0, 1, 1, 2)))
    made: list[tuple[str, str, Any]] = []
    conditions: list[str] = []
    for each in chosen:
        operator = rng.choice(OPERATORS[each.kind])
        value: Any = rng.choice(each.values)
        if operator in ("IN", "NOT_IN"):
            value = rng.sample(each.values, 2)
        elif operator == "BETWEEN":
            value = sorted(rng.sample(each.values, 2))
        elif operator == "IS_NULL":
            value = rng.random() < 0.5
        elif operator.startswith("STRING_"):
            value = value[:1]
        made.append((named[each], operator, value))
        conditions.append(_condition(each.sql, operator, value))
    if made:
        listed = [{"field": name, "operator": operator, "value": value} for name, operator, value in made]
        words["filters"] = listed if rng.random() < 0.5 else {name: {operator: value} for name, operator, value in made}
    return conditions, [operator for _, operator, _ in made]


def _condition(sql: str, operator: str, value: Any) -> str:
    if operator == "IS_NULL":
        return f"{sql} is {'' if value else 'not '}null"
    if operator == "BETWEEN":
        return f"{sql} between {value[0]} and {value[1]}"
    if operator in ("IN", "NOT_IN"):
        return f"{sql} {'not ' if operator == 'NOT_IN' else ''}in ({', '.join(map(_literal, value))})"
    if operator in COMPARED:
        return f"{sql} {COMPARED[operator]} {_literal(value)}"
    function = {"CONTAINS": "contains", "STARTS_WITH": "starts_with", "ENDS_WITH": "ends_with"}
    name = operator.removeprefix("STRING_").removeprefix("NOT_")
    return f"{'not ' if 'NOT_' in operator else ''}{function[name]}({sql}, {_literal(value)})"


def _literal(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


@dataclass
class Expected:
    """Group key -> label -> (the whole, the parts per bucket); the key () is everything."""

    series: dict[tuple[Any, ...], dict[str, tuple[Any, Cells]]]
    total: dict[str, Any]


class Oracle:
    """The events in DuckDB."""

    def __init__(self, made: Sequence[Mapping[str, Any]]) -> None:
        self._db = duckdb.connect(":memory:", config={"threads": 1})
        columns = {
            "model_calls": "model_name varchar, provider varchar, input_tokens bigint, is_failure boolean, "
            "latency_ms double, cost_usd double, http_status bigint",
            "messages": "direction varchar, status varchar, channel varchar, error_code varchar, cost_cents double",
        }
        for table, own in columns.items():
            self._db.execute(
                f"create table {table} (ts bigint, agent_id varchar, metadata map(varchar, varchar), {own})"
            )
            names = [each.split()[0] for each in own.split(", ")]
            rows = [each for each in made if f"{each['type']}s" == table]
            marks = ", ".join("?" for _ in names)
            values = [[each["ts"], each.get("agent_id"), each.get("metadata"), *map(each.get, names)] for each in rows]
            self._db.executemany(f"insert into {table} values (?, ?, ?, {marks})", values)

    def close(self) -> None:
        self._db.close()

    def answer(self, asked: Asked) -> Expected:
        """What the answer must be."""
        whole = self._ask(asked, asked.groups, asked.start, asked.end)
        if not asked.groups and not whole:
            whole = {(): self._nothing(asked)}
        parts: list[dict[tuple[Any, ...], Cells]] = []
        if asked.timeline:
            spans = zip(asked.edges, asked.edges[1:], strict=False)
            parts = [self._ask(asked, asked.groups, max(a, asked.start), min(b, asked.end)) for a, b in spans]
        series = {
            key: {
                label: (values[at], [part.get(key, self._nothing(asked))[at] for part in parts])
                for at, label in enumerate(asked.measures)
            }
            for key, values in whole.items()
        }
        everything = self._ask(asked, [], asked.start, asked.end).get((), self._nothing(asked))
        return Expected(series, dict(zip(asked.measures, everything, strict=True)))

    def _ask(self, asked: Asked, groups: Sequence[str], start: int, end: int) -> dict[tuple[Any, ...], Cells]:
        """Group key -> the value of each measure, for the groups that have any event."""
        where = " and ".join([f"ts >= {start}", f"ts < {end}", *(f"({each})" for each in asked.conditions)])
        chosen = ", ".join([*groups, *asked.measures.values()])
        places = ", ".join(str(number + 1) for number in range(len(groups)))
        tail = f"group by {places}" if groups else "having count(*) > 0"
        rows = self._db.execute(f"select {chosen} from {asked.table} where {where} {tail}").fetchall()
        return {row[: len(groups)]: list(row[len(groups) :]) for row in rows}

    @staticmethod
    def _nothing(asked: Asked) -> Cells:
        return [0 if sql.startswith(("count", "coalesce")) else None for sql in asked.measures.values()]
