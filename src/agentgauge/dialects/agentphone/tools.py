"""`get_usage`: AgentPhone's account summary, daily, monthly and by-number usage as one tool.

Semantics: contract `agentphone` 2.2 (`/v1/usage`, `/daily`, `/monthly`, `/by-number`) and 2.5.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from agentgauge.core.answer import Answer, Rest
from agentgauge.core.asking import DAY, agent_names, zone_of
from agentgauge.core.errors import InvalidValue
from agentgauge.core.fit import first_rows, most_rows, present
from agentgauge.core.operation import Tool
from agentgauge.core.parse import Limited, Zoned
from agentgauge.core.query import Filter, Measure, Query
from agentgauge.core.series import Series
from agentgauge.core.time import EARLIEST, LATEST, Bucket, Unit, Window, edges, edges_before
from agentgauge.dialects.agentphone.translate import BY_DAY, CALLS, MESSAGES, WEBHOOKS, Part, joined, measures

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk

EVER = Window(EARLIEST, LATEST)
SEGMENTS = Part("messages", (Measure("sum", "segments", "sms_segments"),), (Filter("channel", "EQUAL", "sms"),))


class GetUsageParams(Limited, Zoned):
    """Arguments of `get_usage`."""

    aliases: ClassVar = {"timezone": "tz"}

    breakdown: Literal["summary", "daily", "monthly", "by_number"] = "summary"
    days: int | None = Field(None, ge=1, le=365)
    months: int | None = Field(None, ge=1, le=24)


async def get_usage(params: GetUsageParams, desk: Desk) -> Answer:
    """The breakdown asked for."""
    for word, wanted in (("days", "daily"), ("months", "monthly")):
        if getattr(params, word) is not None and params.breakdown != wanted:
            raise InvalidValue(
                f"{word} goes with breakdown={wanted}, not {params.breakdown}.",
                hint=f"Leave {word} out, or ask breakdown={wanted}.",
            )
    if params.breakdown == "summary":
        return await _summary(params, desk)
    if params.breakdown == "by_number":
        return await _by_number(params, desk)
    if params.breakdown == "daily":
        return await _calendar("day", params.days or 30, params, desk)
    return await _calendar("month", params.months or 6, params, desk)


async def _calendar(unit: Unit, count: int, params: GetUsageParams, desk: Desk) -> Answer:
    """Messages, calls and webhooks of the last `count` days or months, the running one included."""
    tz = zone_of(params, desk)
    bucket = Bucket(unit, 1, tz)
    grid = edges(Window(desk.now, desk.now + 1), bucket)
    for _ in range(count - 1):
        grid = [edges_before(grid[:2], bucket)[0], *grid]
    query = Query(dataset="messages", window=Window(max(grid[0], EARLIEST), grid[-1]), measures=measures(BY_DAY))
    return await present(
        Series(
            title=f"usage by {unit}",
            query=query,
            tz=tz,
            budget=params.budget,
            limit=params.limit,
            interval=bucket,
            ask=joined(BY_DAY, desk.ask),
        ),
        desk,
    )


async def _by_number(params: GetUsageParams, desk: Desk) -> Answer:
    """Lifetime messages and calls of each number, the registry's numbers first asked by name."""
    numbers, agents = await desk.registry("numbers"), await agent_names(desk)
    parts, labels = (*MESSAGES, CALLS), ("messages", "calls")
    window = await _lifetime(desk)
    query = Query(dataset="messages", window=window, measures=measures(parts), group_by=("number_id",))
    ask = joined(parts, desk.ask)
    table = await ask(query)
    counted = {key[0]: index for index, key in enumerate(table.groups)}
    rows: list[list[Any]] = []
    for id in dict.fromkeys([*counted, *numbers]):
        entry = numbers.get(str(id), {})
        agent = entry.get("agent_id")
        counts = [table.totals[label][counted[id]] if id in counted else 0 for label in labels]
        if id is not None or any(counts):
            rows.append([id, entry.get("phone_number"), entry.get("status"), agents.get(str(agent), agent), *counts])
    answer = Answer(
        title="usage by number, all time",
        columns=["number", "phone_number", "status", "agent", *labels],
        window=window,
        tz=zone_of(params, desk),
        as_of=table.as_of,
        total={label: table.total[label] for label in labels},
        has_total=True,
    )

    def draw(n: int) -> Answer:
        if n == len(rows):
            return replace(answer, rows=rows)
        rest = {label: sum(row[place] for row in rows[n:]) for place, label in enumerate(labels, -len(labels))}
        note = f"{n} of {len(rows)} numbers shown, the busiest first"
        if n == 0:
            return replace(answer, columns=[], notes=(note,))
        return replace(answer, rows=rows[:n], other=Rest(len(rows) - n, rest), notes=(note,))

    return most_rows(min(params.limit, len(rows)), draw, params.budget)


async def _lifetime(desk: Desk) -> Window:
    held = [extent for extent in await desk.extents() if extent.dataset in ("messages", "calls", "webhooks")]
    firsts = [extent.first for extent in held if extent.first is not None]
    lasts = [extent.last for extent in held if extent.last is not None]
    if not firsts or not lasts:
        return Window(desk.now - DAY, desk.now)
    return Window(min(firsts), max(lasts) + 1)


async def _summary(params: GetUsageParams, desk: Desk) -> Answer:
    """AgentPhone's account overview; webhook deliveries that were not delivered count as failed."""
    tz = zone_of(params, desk)
    spans = {"": EVER, "_last_24h": _last(desk, 1), "_last_7d": _last(desk, 7), "_last_30d": _last(desk, 30)}
    rows: list[list[Any]] = []
    as_of: int | None = None
    for what, parts in (("messages", MESSAGES), ("calls", (CALLS,))):
        for suffix, window in spans.items():
            table = await joined(parts, desk.ask)(Query("messages", window, measures(parts)))
            name = f"{what}{suffix}" if suffix else f"total_{what}"
            rows.append([name, table.total[what]])
            as_of = table.as_of if as_of is None else min(as_of, table.as_of or as_of)
    hooks = await desk.ask(Query("webhooks", EVER, WEBHOOKS.measures))
    delivered = await desk.ask(
        Query("webhooks", EVER, WEBHOOKS.measures, where=(Filter("status", "EQUAL", "delivered"),))
    )
    total, good = hooks.total["webhooks"], delivered.total["webhooks"]
    assert isinstance(total, int)
    assert isinstance(good, int)
    segments = await joined((SEGMENTS,), desk.ask)(Query("messages", spans["_last_30d"], SEGMENTS.measures))
    numbers = await desk.registry("numbers")
    rows += [
        ["total_webhook_deliveries", total],
        ["successful_webhook_deliveries", good],
        ["failed_webhook_deliveries", total - good],
        ["sms_segments_last_30d", segments.total["sms_segments"]],
        ["numbers_used", sum(entry.get("status") == "active" for entry in numbers.values())],
    ]
    answer = Answer(
        title="usage summary",
        columns=["stat", "value"],
        rows=rows,
        window=spans["_last_30d"],
        tz=tz,
        as_of=as_of,
        notes=("total_* are all time; plan and number limits are the vendor's and not known here",),
    )
    return first_rows(answer, params.budget, "stats")


def _last(desk: Desk, days: int) -> Window:
    return Window(max(EARLIEST, desk.now - days * DAY), desk.now)


GET_USAGE = Tool(
    name="get_usage",
    title="Account usage",
    description="Account totals of messages, calls, webhooks and numbers: summary, daily, monthly or by number.",
    params=GetUsageParams,
    run=get_usage,
)
