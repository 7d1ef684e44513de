"""VoiceRun's custom metrics: names, sums, days, a timeseries, tags and one session's points.

Semantics: contract `voicerun` 4.2 and 4.6. Above: the REST face. Below: `translate` says what is summed, for the tools
too. All of it is for admins and owners; what is not asked as a Query is held to the same guard here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from agentgauge.core.errors import WindowTooLarge
from agentgauge.core.operation import Operation
from agentgauge.core.query import Filter, Query
from agentgauge.core.time import SECOND, Bucket, local_time
from agentgauge.dialects.voicerun.contract import (
    AggregateBody,
    DailyBody,
    MatrixBody,
    NamesBody,
    NamesRequest,
    RangeRequest,
    Row,
    Sample,
    SessionRequest,
    Sums,
    SumsRequest,
    TagsBody,
    TagsRequest,
    TimeseriesRequest,
    VectorBody,
)
from agentgauge.dialects.voicerun.decode import (
    decode_aggregate,
    decode_daily,
    decode_names,
    decode_session,
    decode_tags,
    decode_timeseries,
)
from agentgauge.dialects.voicerun.ranges import step_of, stepped, window_of
from agentgauge.dialects.voicerun.translate import (
    BY_KIND,
    COUNT,
    EVER,
    HIDDEN,
    POINT,
    SUM,
    TAG,
    guard,
    listing,
    system_filters,
    wire_label,
)

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.table import Cell, Key, Table

POINTS = 100_000
"""The most points of one session, and the most rows of grouped days, that one answer holds."""


def _labels(request: SumsRequest) -> list[str]:
    return list(dict.fromkeys(request.group_by))


def _admit(desk: Desk) -> None:
    """Holds a listing to the guard of the questions.

    Raises:
        Forbidden: for a role that may not ask about points.
    """
    guard(Query("points", EVER, (COUNT,)), desk.who)


def _where(request: RangeRequest, *own: Filter) -> tuple[Filter, ...]:
    tags = tuple(Filter(wire_label(name), "EQUAL", value) for name, value in (request.tags or {}).items())
    return own + system_filters(agent_id=request.agent_id, environment_id=request.environment_id) + tags


async def names(request: NamesRequest, desk: Desk) -> Table:
    """Every metric name."""
    where = system_filters(agent_id=request.agent_id)
    return await desk.ask(Query("points", EVER, (COUNT,), group_by=("name",), where=where))


def encode_names(request: NamesRequest, table: Table, desk: Desk) -> NamesBody:
    """The names, alphabetically."""
    return {"data": sorted(str(key[0]) for key in table.groups)}


async def aggregate(request: SumsRequest, desk: Desk) -> Table:
    """The sum of each metric, and of each group."""
    return await _summed(request, None, desk)


async def daily(request: SumsRequest, desk: Desk) -> Table:
    """The same, per day of the zone."""
    return await _summed(request, Bucket("day", 1, request.timezone or "UTC"), desk)


async def _summed(request: SumsRequest, bucket: Bucket | None, desk: Desk) -> Table:
    window = window_of(request, request.timezone or "UTC")
    asked = tuple(dict.fromkeys(request.metric_names))
    where = _where(request, *((Filter("name", "IN", asked),) if asked else ()))
    groups = ("name", *(wire_label(name) for name in _labels(request)))
    table = await desk.ask(Query("points", window, (SUM,), bucket, groups, where))
    if bucket and len(groups) > 1 and len(table.groups) * (len(table.edges) - 1) > POINTS:
        raise WindowTooLarge(f"the answer would have more than {POINTS:,} rows.", hint="Take fewer days or groups.")
    found = {key[0] for key in table.groups}
    idle = [name for name in asked if name not in found] if len(groups) == 1 or found else []
    if not idle:
        return table
    known = await desk.values("points", "name", (Filter("name", "IN", tuple(idle)),), most=len(idle))
    # A metric that exists but has nothing here is one more group of zeros (4.6, 4).
    keys: list[Key] = [(name, *table.groups[0][1:]) if table.groups else (name,) for name, _ in known.counts]
    totals = {SUM.label: [*table.totals[SUM.label], *(0 for _ in keys)]}
    return replace(table, groups=[*table.groups, *keys], totals=totals)


def _metrics(request: SumsRequest, table: Table) -> list[str]:
    """The metrics of an answer: in the order asked for, else alphabetically."""
    found = {str(key[0]) for key in table.groups}
    return [name for name in dict.fromkeys(request.metric_names) if name in found] or sorted(found)


def _per_group(table: Table, columns: Sequence[Sequence[Cell]]) -> dict[tuple[str, ...], dict[str, list[float]]]:
    """Label values -> metric -> its sums, one per bucket; a missing label is "" (4.6, 5)."""
    found: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for key, column in zip(table.groups, columns, strict=True):
        group = found.setdefault(tuple("" if part is None else str(part) for part in key[1:]), {})
        before = group.get(str(key[0]), [0] * len(column))
        group[str(key[0])] = [a + b for a, b in zip(before, map(_value, column), strict=True)]
    return found


def _value(cell: Cell) -> float:
    return cell if isinstance(cell, int | float) else 0


def _sums(metrics: Sequence[str], group: Mapping[str, Sequence[float]], at: int) -> Sums:
    return {name: _number(group[name][at]) if name in group else 0 for name in metrics}


def _number(value: float) -> int | float:
    """A sum as JSON writes it: whole numbers without a fraction, and never past the largest float."""
    if isinstance(value, float):
        value = min(max(value, -sys.float_info.max), sys.float_info.max)
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value


def encode_aggregate(request: SumsRequest, table: Table, desk: Desk) -> AggregateBody:
    """Sums by metric; or a row per group, by the first metric descending, then by label (4.6, 11)."""
    metrics, labels = _metrics(request, table), _labels(request)
    groups = _per_group(table, [[total] for total in table.totals[SUM.label]])
    if not labels:
        return {"data": _sums(metrics, groups.get((), {}), 0)}
    rows = [(_sums(metrics, group, 0), values) for values, group in groups.items()]
    rows.sort(key=lambda row: (-row[0][metrics[0]], row[1]))
    return {"data": [_row(labels, values, sums) for sums, values in rows]}


def _row(labels: Sequence[str], values: Sequence[str], sums: Sums, **first: str) -> Row:
    # The date comes first, and is the date even where a label has its name.
    return {**first, **dict(zip(labels, values, strict=True)), **first, "metrics": sums}


def encode_daily(request: SumsRequest, table: Table, desk: Desk) -> DailyBody:
    """A row per day, or per day and group in the order of the whole range; zeros where nothing happened (4.6, 4)."""
    metrics, labels = _metrics(request, table), _labels(request)
    groups = _per_group(table, table.wide(SUM.label))
    order = sorted(groups, key=lambda values: (-sum(groups[values].get(metrics[0], ())), values))
    zone = request.timezone or "UTC"
    days = [local_time(edge, zone).date().isoformat() for edge in table.edges[:-1]]
    if not labels:
        return {"data": [_row((), (), _sums(metrics, groups.get((), {}), at), date=day) for at, day in enumerate(days)]}
    rows = [
        _row(labels, values, _sums(metrics, groups[values], at), date=day)
        for at, day in enumerate(days)
        for values in order
    ]
    return {"data": rows}


async def timeseries(request: TimeseriesRequest, desk: Desk) -> Table:
    """One metric per step from startDate: counters summed, gauges averaged, histograms by their p95 (4.2)."""
    window = stepped(request)
    where = _where(request, Filter("name", "EQUAL", request.metric_name))
    kinds = await desk.ask(Query("points", window, (COUNT,), group_by=("kind",), where=where))
    # A name that was recorded as several kinds is shown as the commonest: they have no aggregation in common.
    kind = str(kinds.groups[0][0]) if kinds.groups else "counter"
    query = Query("points", window, (BY_KIND[kind], COUNT), where=(*where, Filter("kind", "EQUAL", kind)))
    return await desk.ask(replace(query, bucket=Bucket("second", step_of(request) // SECOND, origin=window.start)))


def encode_timeseries(request: TimeseriesRequest, table: Table, desk: Desk) -> MatrixBody:
    """One series, its labels aggregated away but for those asked for (4.6, 14); none where there are no points."""
    asked = {"metric_name": request.metric_name, "agent_id": request.agent_id, "environment_id": request.environment_id}
    metric = {name: value for name, value in asked.items() if value is not None}
    column = table.values[table.measures[0].label]
    values = [_sample(table.edges[at], value) for at, value in zip(table.at, column, strict=True)]
    return {"data": {"resultType": "matrix", "result": [{"metric": metric, "values": values}] if values else []}}


def _sample(instant: int, value: Cell) -> Sample:
    return (instant / SECOND if instant % SECOND else instant // SECOND, number_text(_value(value)))


def number_text(value: float) -> str:
    """A number as Prometheus writes it: the shortest decimal, with an exponent only where it is far from 1."""
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    if isinstance(value, int) and abs(value) < 10**21:
        return str(value)
    value = float(value)
    if value and not 1e-6 <= abs(value) < 1e21:
        return repr(value)
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


async def tags(request: TagsRequest, desk: Desk) -> Table:
    """Every tag with each of its values."""
    _admit(desk)
    where = system_filters(name=request.metric_name, agent_id=request.agent_id)
    pairs: list[Key] = []
    for tag in sorted(set(await desk.keys("points", "labels", where)) - HIDDEN):
        field = f"labels.{tag}"
        present = (*where, Filter(field, "IS_NULL", False))
        found = await desk.ask(Query("points", EVER, (COUNT,), group_by=(field,), where=present))
        pairs += sorted((tag, str(key[0])) for key in found.groups)
    return listing(TAG, pairs)


def encode_tags(request: TagsRequest, table: Table, desk: Desk) -> TagsBody:
    """Tags and their values, both alphabetically."""
    found: dict[str, list[str]] = {}
    for tag, value in table.groups:
        found.setdefault(str(tag), []).append(str(value))
    return {"data": found}


async def session(request: SessionRequest, desk: Desk) -> Table:
    """Every point of a session, oldest first.

    Raises:
        WindowTooLarge: if the session has more points than one answer holds.
    """
    _admit(desk)
    points = await desk.rows("points", system_filters(session_id=request.session_id), most=POINTS + 1)
    if len(points) > POINTS:
        raise WindowTooLarge(f"the session has more than {POINTS:,} points.")
    rows: list[Key] = [
        (each["name"], each.get("agent_id"), json.dumps(each.get("labels") or {}), each["ts"]) for each in points
    ]
    values: list[Cell] = [each["value"] for each in points]
    return listing(POINT, rows, (SUM,), sum=values)


def encode_session(request: SessionRequest, table: Table, desk: Desk) -> VectorBody:
    """The points as a vector, each with its agent and its tags."""
    result: list[Any] = []
    for (name, agent, labels, ts), value in zip(table.groups, table.totals[SUM.label], strict=True):
        metric = {"metric_name": str(name)} | ({"agent_id": str(agent)} if agent is not None else {})
        own: dict[str, str] = json.loads(str(labels))
        result.append({"metric": {**metric, **own, **metric}, "value": _sample(int(_value(ts)), value)})
    return {"data": {"resultType": "vector", "result": result}}


_BASE = "/v1/custom-metrics"
NAMES = Operation(
    name="listMetricNames",
    summary="The names of the custom metrics",
    method="GET",
    path=f"{_BASE}/names",
    request=NamesRequest,
    body=NamesBody,
    answer=names,
    encode=encode_names,
    decode=decode_names,
)
AGGREGATE = Operation(
    name="getAggregateMetrics",
    summary="Summed totals of custom metrics over a range",
    method="GET",
    path=f"{_BASE}/aggregate",
    request=SumsRequest,
    body=AggregateBody,
    answer=aggregate,
    encode=encode_aggregate,
    decode=decode_aggregate,
)
DAILY = Operation(
    name="getDailyMetrics",
    summary="Daily sums of custom metrics over a range",
    method="GET",
    path=f"{_BASE}/daily",
    request=SumsRequest,
    body=DailyBody,
    answer=daily,
    encode=encode_daily,
    decode=decode_daily,
)
TIMESERIES = Operation(
    name="getMetricTimeseries",
    summary="One custom metric per step, aggregated as its kind asks",
    method="GET",
    path=f"{_BASE}/timeseries",
    request=TimeseriesRequest,
    body=MatrixBody,
    answer=timeseries,
    encode=encode_timeseries,
    decode=decode_timeseries,
)
TAGS = Operation(
    name="getMetricTags",
    summary="The tags of the custom metrics, and their values",
    method="GET",
    path=f"{_BASE}/tags",
    request=TagsRequest,
    body=TagsBody,
    answer=tags,
    encode=encode_tags,
    decode=decode_tags,
)
SESSION = Operation(
    name="getSessionMetrics",
    summary="The custom metrics recorded in one session",
    method="GET",
    path=f"{_BASE}/sessions/{{sessionId:path}}",
    request=SessionRequest,
    body=VectorBody,
    answer=session,
    encode=encode_session,
    decode=decode_session,
)
OPERATIONS = (NAMES, AGGREGATE, DAILY, TIMESERIES, TAGS, SESSION)
