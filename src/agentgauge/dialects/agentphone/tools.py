"""`get_usage`: AgentPhone's account summary, daily, monthly and by-number usage as one tool.

Semantics: contract `agentphone` 2.2 (`/v1/usage`, `/daily`, `/monthly`, `/by-number`) and 2.5.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from agentgauge.core.answer import Answer, Rest
from agentgauge.core.asking import DAY, agent_names, distinct_names, zone_of
from agentgauge.core.errors import InvalidValue
from agentgauge.core.fit import first_rows, most_rows, present
from agentgauge.core.operation import Tool
from agentgauge.core.parse import Limited, Zoned
from agentgauge.core.query import Query
from agentgauge.core.series import Series
from agentgauge.core.time import EARLIEST, Bucket, Unit, Window, edges, edges_before
from agentgauge.dialects.agentphone.translate import BY_DAY, joined, measures

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.table import Table


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
            ask=joined(BY_DAY, desk.ask_together),
        ),
        desk,
    )


async def _by_number(params: GetUsageParams, desk: Desk) -> Answer:
    """Lifetime messages and calls of each number; those without a number in a row of their own, where they are told."""
    from agentgauge.dialects.agentphone.contract import UsageRequest
    from agentgauge.dialects.agentphone.operations import BY_NUMBER

    table, labels = await desk.call(BY_NUMBER, UsageRequest()), ("messages", "calls")
    agents = await _agents(table, desk)
    rows: list[list[Any]] = []
    for index, (id, phone, _, status, agent, name) in enumerate(table.groups):
        counts = [table.totals[label][index] for label in labels]
        shown = name if agent is None else agents.get(str(agent), agent)
        if id is not None or any(counts):
            rows.append([id, phone, status, shown, *counts])
    answer = Answer(
        title="usage by number, all time",
        columns=["number", "phone_number", "status", "agent", *labels],
        window=await _lifetime(desk),
        tz=zone_of(params, desk),
        as_of=table.as_of,
        states_exact=table.exact is not None,
        total={label: table.total[label] for label in labels},
        has_total=True,
        notes=table.notes,
    )

    def draw(n: int) -> Answer:
        if n == len(rows):
            return replace(answer, rows=rows)
        rest = {label: sum(row[place] for row in rows[n:]) for place, label in enumerate(labels, -len(labels))}
        notes = (f"{n} of {len(rows)} numbers shown, the busiest first", *answer.notes)
        if n == 0:
            return replace(answer, columns=[], notes=notes)
        return replace(answer, rows=rows[:n], other=Rest(len(rows) - n, rest), notes=notes)

    return most_rows(min(params.limit, len(rows)), draw, params.budget)


async def _agents(table: Table, desk: Desk) -> dict[str, str]:
    """Agent id -> what to show for it; a desk without a registry has the names beside its numbers."""
    named = {str(key[4]): str(key[5]) for key in table.groups if key[4] is not None and key[5] is not None}
    return distinct_names(named) | await agent_names(desk)


async def _lifetime(desk: Desk) -> Window:
    """From the first to the last of what is counted; a vendor, which states neither, has counted until now."""
    if desk.offers is not None:
        return Window(EARLIEST, desk.now)
    held = [extent for extent in await desk.extents() if extent.dataset in ("messages", "calls", "webhooks")]
    firsts = [extent.first for extent in held if extent.first is not None]
    lasts = [extent.last for extent in held if extent.last is not None]
    if not firsts or not lasts:
        return Window(desk.now - DAY, desk.now)
    return Window(min(firsts), max(lasts) + 1)


async def _summary(params: GetUsageParams, desk: Desk) -> Answer:
    """AgentPhone's account overview; webhook deliveries that were not delivered count as failed."""
    from agentgauge.dialects.agentphone.contract import UsageRequest
    from agentgauge.dialects.agentphone.operations import SUMMARY

    table = await desk.call(SUMMARY, UsageRequest())
    unknown = "" if desk.offers is not None else "; plan and number limits are the vendor's and not known here"
    answer = Answer(
        title="usage summary",
        columns=["stat", "value"],
        rows=[[label, value] for label, value in table.total.items()],
        window=Window(max(EARLIEST, desk.now - 30 * DAY), desk.now),
        tz=zone_of(params, desk),
        as_of=table.as_of,
        states_exact=table.exact is not None,
        notes=(f"total_* are all time{unknown}", *table.notes),
    )
    return first_rows(answer, params.budget, "stats")


GET_USAGE = Tool(
    name="get_usage",
    title="Account usage",
    description="Account totals of messages, calls, webhooks and numbers: summary, daily, monthly or by number.",
    params=GetUsageParams,
    run=get_usage,
)
