"""AgentPhone's usage family: the account, by day, month, number and agent.

Semantics: contract `agentphone` 2.2 and 2.5. Above: the REST face. Below: `translate` says what counts, for the tools
too. Only here are sums rounded, half even, because the wire's numbers are integers (design section 4).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from agentgauge.core.asking import DAY
from agentgauge.core.operation import Operation
from agentgauge.core.query import Filter, Measure, Query
from agentgauge.core.time import EARLIEST, LATEST, Bucket, Unit, Window, edges, iso_z
from agentgauge.core.when import current_period, shift
from agentgauge.dialects.agentphone.contract import (
    AgentUsage,
    ByAgentBody,
    ByAgentRequest,
    ByNumberBody,
    DailyBody,
    DailyRequest,
    MonthlyBody,
    MonthlyRequest,
    NumberUsage,
    Stats,
    UsageBody,
    UsageRequest,
)
from agentgauge.dialects.agentphone.decode import (
    UNLIMITED,
    decode_by_agent,
    decode_by_number,
    decode_daily,
    decode_monthly,
    decode_usage,
)
from agentgauge.dialects.agentphone.translate import (
    AGENT,
    BY_DAY,
    CALLS,
    COMPLETED_CALLS,
    MESSAGES,
    NUMBER,
    STATS,
    USED,
    WEBHOOKS,
    Part,
    joined,
    measures,
    together,
)

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.table import Cell, Table

EVER = Window(EARLIEST, LATEST)
UNASSIGNED = "Unassigned"
SEGMENTS = Part("messages", (Measure("sum", "segments", "segments"),), (Filter("channel", "EQUAL", "sms"),))
DELIVERED = Part("webhooks", (Measure("count", None, "delivered"),), (Filter("status", "EQUAL", "delivered"),))
SPANS = {"last_24h": 1, "last_7d": 7, "last_30d": 30}
"""The rolling windows of the summary, in days before now."""


async def _asked(parts: Sequence[Part], window: Window, desk: Desk, groups: tuple[str, ...] = ()) -> Table:
    """What the parts count in a window, side by side."""
    return await joined(parts, desk.ask_together)(Query(parts[0].dataset, window, measures(parts), group_by=groups))


async def usage(request: UsageRequest, desk: Desk) -> Table:
    """The account's counts; a webhook delivery that was not delivered failed, so that the two add up (2.2)."""
    stats: dict[str, Cell] = {}
    known: list[int] = []
    for what, parts in (("messages", MESSAGES), ("calls", (CALLS,))):
        windows = {f"total_{what}": EVER} | {f"{what}_{span}": _last(desk, days) for span, days in SPANS.items()}
        for label, window in windows.items():
            found = await _asked(parts, window, desk)
            stats[label] = found.total[what]
            known += [] if found.as_of is None else [found.as_of]
    hooks = (await _asked((WEBHOOKS, DELIVERED), EVER, desk)).total
    segments = await _asked((SEGMENTS,), _last(desk, SPANS["last_30d"]), desk)
    numbers = await desk.registry("numbers")
    stats |= {
        "total_webhook_deliveries": hooks["webhooks"],
        "successful_webhook_deliveries": hooks["delivered"],
        "failed_webhook_deliveries": _whole(hooks["webhooks"]) - _whole(hooks["delivered"]),
        "sms_segments_last_30d": segments.total["segments"],
        USED: sum(entry.get("status") == "active" for entry in numbers.values()),
    }
    columns = tuple(Measure("count", None, label) for label in stats)
    as_of = min(known, default=None)
    return replace(segments, window=_last(desk, SPANS["last_7d"]), measures=columns, total=stats, as_of=as_of)


def _last(desk: Desk, days: int) -> Window:
    return Window(max(EARLIEST, desk.now - days * DAY), desk.now)


def encode_usage(request: UsageRequest, table: Table, desk: Desk) -> UsageBody:
    """The account's body; the vendor's plans limit, a local store does not."""
    used = _whole(table.total[USED])
    return {
        "plan": {
            "name": "local",
            "limits": {
                "numbers": UNLIMITED,
                "messagesPerMonth": UNLIMITED,
                "voiceMinutesPerMonth": UNLIMITED,
                "maxCallDurationMinutes": UNLIMITED,
                "concurrentCalls": UNLIMITED,
            },
        },
        "numbers": {"used": used, "limit": UNLIMITED, "remaining": max(0, UNLIMITED - used)},
        "stats": cast("Stats", {wire: _whole(table.total[label]) for wire, label in STATS.items()}),
        "periodStart": iso_z(table.window.start),
        "periodEnd": iso_z(table.window.end),
        "reportGeneratedAt": iso_z(desk.now),
    }


async def daily(request: DailyRequest, desk: Desk) -> Table:
    """Messages, calls and webhooks of the last days in UTC, today included."""
    return await _calendar("day", request.days, desk)


async def monthly(request: MonthlyRequest, desk: Desk) -> Table:
    """The same of the last months."""
    return await _calendar("month", request.months, desk)


async def _calendar(unit: Unit, count: int, desk: Desk) -> Table:
    bucket = Bucket(unit)
    running = edges(Window(desk.now, desk.now + 1), bucket)
    start = shift(running[0], 1 - count, unit, "UTC")
    window = Window(max(start, EARLIEST), running[-1])
    return await joined(BY_DAY, desk.ask_together)(Query("messages", window, measures(BY_DAY), bucket))


def _counts(table: Table) -> list[tuple[str, int, int, int]]:
    """Per bucket, when it starts and its counts; a bucket without events has zeros (2.5, 7)."""
    columns = [table.wide(each.label)[0] for each in measures(BY_DAY)]
    starts = [iso_z(edge) for edge in table.edges[:-1]]
    return [(start, _whole(m), _whole(c), _whole(w)) for start, m, c, w in zip(starts, *columns, strict=True)]


def encode_daily(request: DailyRequest, table: Table, desk: Desk) -> DailyBody:
    """A row per day, ascending."""
    rows = _counts(table)
    return {
        "data": [{"date": at[:10], "messages": m, "calls": c, "webhooks": w} for at, m, c, w in rows],
        "days": request.days,
    }


def encode_monthly(request: MonthlyRequest, table: Table, desk: Desk) -> MonthlyBody:
    """A row per month, ascending."""
    rows = _counts(table)
    return {
        "data": [{"month": at[:7], "messages": m, "calls": c, "webhooks": w} for at, m, c, w in rows],
        "months": request.months,
    }


async def by_number(request: UsageRequest, desk: Desk) -> Table:
    """Lifetime counts of every number that is registered or had traffic, the busiest first; and of no number."""
    table = await _asked((*MESSAGES, CALLS), EVER, desk, ("number_id",))
    numbers, names = await desk.registry("numbers"), await _names(desk)
    counted = {key[0]: index for index, key in enumerate(table.groups)}
    groups: list[tuple[Cell, ...]] = []
    totals: dict[str, list[Cell]] = {each.label: [] for each in table.measures}
    for id in dict.fromkeys([*counted, *numbers]):
        entry: Any = {} if id is None else numbers.get(str(id), {})
        agent = entry.get("agent_id")
        groups.append((id, *(entry.get(name) for name in NUMBER[1:4]), agent, names.get(str(agent))))
        for label, column in totals.items():
            column.append(table.totals[label][counted[id]] if id in counted else 0)
    return replace(table, group_by=NUMBER, groups=groups, totals=totals)


async def _names(desk: Desk) -> dict[str, str]:
    """Agent id -> its name in the registry."""
    entries = await desk.registry("agents")
    return {id: str(entry["name"]) for id, entry in entries.items() if entry.get("name")}


def encode_by_number(request: UsageRequest, table: Table, desk: Desk) -> ByNumberBody:
    """A row per number; the wire has none for messages and calls without one."""
    rows: list[NumberUsage] = []
    for index, (id, phone, country, status, agent, name) in enumerate(table.groups):
        if id is None:
            continue
        rows.append(
            {
                "numberId": str(id),
                "phoneNumber": str(phone or ""),
                "country": str(country or ""),
                "status": str(status or ""),
                "messages": _whole(table.totals["messages"][index]),
                "calls": _whole(table.totals["calls"][index]),
                "agentId": None if agent is None else str(agent),
                "agentName": None if name is None else str(name),
            }
        )
    return {"data": rows}


async def by_agent(request: ByAgentRequest, desk: Desk) -> Table:
    """Messages, calls and seconds of each agent in the running period; an agent is its id, or its name without one."""
    window = current_period(request.period, now=desk.now, tz=request.tz or "UTC")
    table = await _asked((*MESSAGES, COMPLETED_CALLS), window, desk, AGENT)
    names = await _names(desk)
    table = together(table, ("agent",), names)
    groups = [(key[0], names.get(str(key[0]), key[0])) for key in table.groups]
    return replace(table, group_by=AGENT, groups=groups)


def encode_by_agent(request: ByAgentRequest, table: Table, desk: Desk) -> ByAgentBody:
    """A row per agent by traffic, the unassigned last; the period ends with its last second (2.5, 2)."""
    rows: list[AgentUsage] = []
    for index, (id, name) in enumerate(table.groups):
        rows.append(
            {
                "agentId": None if id is None else str(id),
                "agentName": UNASSIGNED if id is None else str(name),
                "messages": _whole(table.totals["messages"][index]),
                "calls": _whole(table.totals["calls"][index]),
                "totalSeconds": _whole(table.totals["call_seconds"][index]),
                "isOrphan": id is None,
            }
        )
    rows.sort(key=lambda row: (row["agentId"] is None, -row["messages"] - row["calls"], row["agentName"]))
    return {
        "data": rows,
        "period": request.period,
        "periodStart": iso_z(table.window.start),
        "periodEnd": iso_z(table.window.end - 1_000),
    }


def _whole(value: Cell) -> int:
    """The nearest integer, half even; a sum past every float has none and is the largest."""
    if isinstance(value, float):
        return round(min(value, sys.float_info.max))
    return value if isinstance(value, int) else 0


SUMMARY = Operation(
    name="getUsage",
    summary="Account usage: messages, calls, webhook deliveries and numbers",
    method="GET",
    path="/v1/usage",
    request=UsageRequest,
    body=UsageBody,
    answer=usage,
    encode=encode_usage,
    decode=decode_usage,
)
DAILY = Operation(
    name="getDailyUsage",
    summary="Usage of the last days",
    method="GET",
    path="/v1/usage/daily",
    request=DailyRequest,
    body=DailyBody,
    answer=daily,
    encode=encode_daily,
    decode=decode_daily,
)
MONTHLY = Operation(
    name="getMonthlyUsage",
    summary="Usage of the last months",
    method="GET",
    path="/v1/usage/monthly",
    request=MonthlyRequest,
    body=MonthlyBody,
    answer=monthly,
    encode=encode_monthly,
    decode=decode_monthly,
)
BY_NUMBER = Operation(
    name="getUsageByNumber",
    summary="Lifetime usage of each phone number",
    method="GET",
    path="/v1/usage/by-number",
    request=UsageRequest,
    body=ByNumberBody,
    answer=by_number,
    encode=encode_by_number,
    decode=decode_by_number,
)
BY_AGENT = Operation(
    name="getUsageByAgent",
    summary="Usage of each agent in the running calendar week, month or year",
    method="GET",
    path="/v1/usage/by-agent",
    request=ByAgentRequest,
    body=ByAgentBody,
    answer=by_agent,
    encode=encode_by_agent,
    decode=decode_by_agent,
)
OPERATIONS = (SUMMARY, DAILY, MONTHLY, BY_NUMBER, BY_AGENT)
