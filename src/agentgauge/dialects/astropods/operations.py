"""Astropods' observability of one agent: its traces per interval, and over the whole range.

Semantics: contract `astropods` 5.2 and 5.4; a trace is an event of `requests` with that account and agent_name. Above:
the REST face. Below: the tool's measures, so that both give the same numbers. Everything is in UTC.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agentgauge.core.asking import DAY
from agentgauge.core.errors import InvalidRequest, Problem
from agentgauge.core.operation import Operation
from agentgauge.core.query import Filter, Query
from agentgauge.core.time import EARLIEST, Bucket, Window, edges
from agentgauge.dialects.astropods.contract import (
    AgentNotFound,
    MetricsBody,
    MetricsRequest,
    NotConfigured,
    SummaryBody,
    SummaryRequest,
    TimeRange,
    TraceBucket,
    stamp,
)
from agentgauge.dialects.astropods.decode import decode
from agentgauge.dialects.astropods.tools import MEASURES

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.table import Cell, Table

DATASET = "requests"


async def metrics(request: MetricsRequest, desk: Desk) -> Table:
    """The agent's traces per interval, on the epoch's grid."""
    window, bucket = _window(request, desk), Bucket("minute", request.interval)
    edges(window, bucket)
    return await _asked(request, window, bucket, desk)


async def summary(request: SummaryRequest, desk: Desk) -> Table:
    """The agent's traces over the range."""
    return await _asked(request, _window(request, desk), None, desk)


def _window(request: SummaryRequest, desk: Desk) -> Window:
    """The range asked for; without an end until now, without a start the 24 hours before the end (5.4, 1).

    Raises:
        InvalidRequest: if it is empty.
    """
    end = desk.now if request.end_time is None else request.end_time
    start = max(EARLIEST, end - DAY) if request.start_time is None else request.start_time
    if start >= end:
        raise InvalidRequest([Problem("start_time", "must be before end_time")])
    return Window(start, end)


async def _asked(request: SummaryRequest, window: Window, bucket: Bucket | None, desk: Desk) -> Table:
    where = (Filter("account", "EQUAL", request.account), Filter("agent_name", "EQUAL", request.name))
    table = await desk.ask(Query(DATASET, window, MEASURES, bucket, where=where))
    if not table.total["trace_count"]:
        await _check_known(request, where, desk)
    return table


async def _check_known(request: SummaryRequest, where: tuple[Filter, ...], desk: Desk) -> None:
    """Nothing, when somebody has that agent.

    Raises:
        NotConfigured: if there are no traces of any agent.
        AgentNotFound: if no trace and no registered agent has that account and name.
    """
    if not any(extent.dataset == DATASET and extent.count for extent in await desk.extents()):
        raise NotConfigured("no traces have been sent.", hint="Send request events.")
    if await desk.rows(DATASET, where, most=1):
        return
    agents = (await desk.registry("agents")).values()
    if not any((each.get("account"), each.get("name")) == (request.account, request.name) for each in agents):
        raise AgentNotFound("no such agent.")


def encode_metrics(request: MetricsRequest, table: Table, desk: Desk) -> MetricsBody:
    """Every bucket of the range, with zeros where nothing ran (5.4, 3)."""
    columns = [table.wide(each.label)[0] for each in MEASURES]
    buckets: list[TraceBucket] = [
        {
            "timestamp": stamp(start),
            "trace_count": _whole(count),
            "avg_latency_ms": _number(latency),
            "input_tokens": _whole(given),
            "output_tokens": _whole(made),
            "error_count": _whole(failed),
        }
        for start, count, latency, given, made, failed in zip(table.edges[:-1], *columns, strict=True)
    ]
    return {"buckets": buckets, "time_range": _range(table), "interval_minutes": request.interval}


def encode_summary(request: SummaryRequest, table: Table, desk: Desk) -> SummaryBody:
    """The whole range, with zeros where nothing ran (5.4, 7)."""
    count = _whole(table.total["trace_count"])
    return {
        "total_traces": count,
        "avg_latency_ms": _number(table.total["avg_latency_ms"]),
        "error_rate": _whole(table.total["error_count"]) / count if count else 0.0,
        "time_range": _range(table),
    }


def _range(table: Table) -> TimeRange:
    return {"start": stamp(table.window.start), "end": stamp(table.window.end)}


def _whole(value: Cell) -> int:
    return value if isinstance(value, int) else 0


def _number(value: Cell) -> float:
    """An average; 0 where there is none, because the vendor's schema has no null, and finite as JSON is."""
    return min(float(value), sys.float_info.max) if isinstance(value, int | float) else 0.0


_BASE = "/api/v1/agents/{account}/{name:path}/observability"
OPERATIONS = (
    Operation(
        name="get-observability-metrics",
        summary="Bucketed trace metrics of an agent over a time range",
        method="GET",
        path=f"{_BASE}/metrics",
        request=MetricsRequest,
        body=MetricsBody,
        answer=metrics,
        encode=encode_metrics,
        decode=decode,
    ),
    Operation(
        name="get-observability-summary",
        summary="Latency and error rate of an agent over a time range",
        method="GET",
        path=f"{_BASE}/summary",
        request=SummaryRequest,
        body=SummaryBody,
        answer=summary,
        encode=encode_summary,
    ),
)
