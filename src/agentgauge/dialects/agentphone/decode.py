"""AgentPhone's answers, read into tables: the reverse of the encoders in `operations`. Pure and lenient.

Source: contract `agentphone` 2.2 and 2.5. Above: `operations` declares them. Below: `translate`, core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from agentgauge.core.errors import UpstreamError
from agentgauge.core.query import Measure
from agentgauge.core.table import Cell, Table, gathered
from agentgauge.core.time import EARLIEST, LATEST, Bucket, Unit, Window, edges, from_local, iso, midnight
from agentgauge.core.when import current_period
from agentgauge.core.wire import number
from agentgauge.dialects.agentphone.translate import (
    AGENT,
    BY_DAY,
    CALLS,
    COMPLETED_CALLS,
    MESSAGES,
    NUMBER,
    STATS,
    USED,
    measures,
)

if TYPE_CHECKING:
    from agentgauge.dialects.agentphone.contract import ByAgentRequest, DailyRequest, MonthlyRequest, UsageRequest

EVER = Window(EARLIEST, LATEST)
UNLIMITED = 2**31 - 1
"""A limit that is none: the largest number that every client's integers hold."""
PLAN = {
    "numbers": "numbers",
    "messagesPerMonth": "messages a month",
    "voiceMinutesPerMonth": "voice minutes a month",
    "maxCallDurationMinutes": "minutes a call",
    "concurrentCalls": "calls at once",
}
"""What a plan limits, and how that is said."""
OPTIONAL = frozenset({"smsSegmentsLast30d"})
"""Counts that older answers have not (2.2)."""
SECONDS = {"messages": "messages", "calls": "calls", "totalSeconds": "call_seconds"}
COUNTS = {"messages": "messages", "calls": "calls"}
DAYS = COUNTS | {"webhooks": "webhooks"}


def decode_usage(request: UsageRequest, pages: Sequence[Any]) -> Table:
    """The account's counts. What the period beside them means is not documented, so it is not read (2.5, 10)."""
    body = pages[0]
    stats: dict[str, Cell] = {
        label: number(body["stats"].get(wire) if wire in OPTIONAL else body["stats"][wire])
        for wire, label in STATS.items()
    }
    stats[USED] = number(body["numbers"]["used"])
    columns = tuple(Measure("count", None, label) for label in stats)
    notes = [f"the plan allows {limits}"] if (limits := _limits(body.get("plan") or {})) else []
    if made := body.get("reportGeneratedAt"):
        notes.append(f"the vendor made this report at {iso(_instant(datetime.fromisoformat(made), 'UTC'))}")
    table = gathered(EVER, [EVER.start, EVER.end], columns, [], notes=tuple(notes))
    return replace(table, total=stats)  # not added up: a count that is not stated is null, not zero


def _limits(plan: Any) -> str:
    """What a plan limits, in words; newer answers have no plan (2.2)."""
    limits: Any = plan.get("limits") or {}
    found = {words: number(limits.get(wire)) for wire, words in PLAN.items()}
    return ", ".join(f"{most:,} {words}" for words, most in found.items() if most is not None and most < UNLIMITED)


def decode_daily(request: DailyRequest, pages: Sequence[Any]) -> Table:
    """Messages, calls and webhooks of each day in UTC, in whatever order they come."""
    return _calendar(pages[0]["data"], "date", "day")


def decode_monthly(request: MonthlyRequest, pages: Sequence[Any]) -> Table:
    """The same of each month, which is written `2026-05` (2.5, 8)."""
    return _calendar(pages[0]["data"], "month", "month")


def _calendar(data: Sequence[Any], word: str, unit: Unit) -> Table:
    starts = [midnight(date.fromisoformat(f"{row[word]}-01"[:10]), "UTC") for row in data]
    if not starts:
        return gathered(EVER, [EVER.start, EVER.end], measures(BY_DAY), [])
    bucket = Bucket(unit)
    grid = edges(Window(min(starts), max(starts) + 1), bucket)
    place = {edge: index for index, edge in enumerate(grid)}
    rows = [(place[start], (), _counted(row, DAYS)) for start, row in zip(starts, data, strict=True)]
    return gathered(Window(grid[0], grid[-1]), grid, measures(BY_DAY), rows, bucket=bucket)


def _counted(row: Any, names: Mapping[str, str]) -> dict[str, Cell]:
    return {label: number(row[wire]) for wire, label in names.items()}


def decode_by_number(request: UsageRequest, pages: Sequence[Any]) -> Table:
    """Lifetime counts of each number, the busiest first; of two as busy, the one that the vendor has first."""
    columns = measures((*MESSAGES, CALLS))
    rows = [(_number(row), _counted(row, COUNTS)) for row in pages[0]["data"]]
    busiest = next((each for each in COUNTS.values() if any(counts[each] for _, counts in rows)), "messages")
    rows.sort(key=lambda row: -float(row[1][busiest] or 0))
    notes = ("messages and calls without a number are in no row and not in the total",)
    found = [(0, key, counts) for key, counts in rows]
    return gathered(EVER, [EVER.start, EVER.end], columns, found, group_by=NUMBER, notes=notes)


def _number(row: Any) -> tuple[Cell, ...]:
    """What is known of a number; the agent may be absent or null (2.2)."""
    agent = (row.get("agentId"), row.get("agentName"))
    return (row["numberId"], *(row.get(name) or None for name in ("phoneNumber", "country", "status")), *agent)


def decode_by_agent(request: ByAgentRequest, pages: Sequence[Any]) -> Table:
    """Messages, calls and seconds of each agent in the running period; the unassigned have no id and no name."""
    body = pages[0]
    window, notes = _period(request, datetime.fromisoformat(body["periodStart"]))
    rows = [(0, _agent(row), _counted(row, SECONDS)) for row in body["data"]]
    columns = measures((*MESSAGES, COMPLETED_CALLS))
    return gathered(window, [window.start, window.end], columns, rows, group_by=AGENT, notes=notes)


def _agent(row: Any) -> tuple[Cell, Cell]:
    id = row["agentId"]
    return (None, None) if id is None else (id, row.get("agentName"))


def _period(request: ByAgentRequest, stated: datetime) -> tuple[Window, tuple[str, ...]]:
    """The calendar period that the vendor counted, by its start; and what is doubtful about it.

    The page's sample asks for New York and shows midnights in UTC, so these are taken too, and noted (2.2).

    Raises:
        UpstreamError: if it is no calendar period with weeks from Monday.
    """
    tz, unit = request.tz or "UTC", request.period
    start = _instant(stated, tz)
    window = current_period(unit, now=start, tz=tz)
    if window.start == start:
        return window, ()
    start = from_local(stated.replace(tzinfo=None), tz)
    window = current_period(unit, now=start, tz=tz)
    if window.start == start:
        return window, (f"the vendor dates this {unit} from midnight in UTC: it may not have counted days of {tz}",)
    raise UpstreamError(
        f"the vendor counted from {iso(start, tz)}, where no {unit} of {tz} begins (weeks begin on Mondays).",
        hint="Ask another period, or source=local.",
    )


def _instant(moment: datetime, tz: str) -> int:
    return from_local(moment, tz) if moment.tzinfo is None else int(moment.timestamp() * 1_000)
