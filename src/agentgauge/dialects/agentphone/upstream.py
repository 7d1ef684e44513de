"""AgentPhone's API in place of a store: usage by agent, by day, by month, by number, and the account's summary.

Semantics: contract `agentphone` 2.2 and 2.5. What it counts as messages we count as two questions (sent, received), so
both stand in one column of its answers. Every window of its ends with the running day or period.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from agentgauge.core.catalog import dataset
from agentgauge.core.time import Bucket, Unit, Window, edges
from agentgauge.core.upstream import Plan, Upstream, cannot, only_filters
from agentgauge.core.when import current_period
from agentgauge.dialects.agentphone.contract import ByAgentRequest, DailyRequest, MonthlyRequest, Period, UsageRequest
from agentgauge.dialects.agentphone.operations import BY_AGENT, DAILY, MONTHLY, SUMMARY
from agentgauge.dialects.agentphone.translate import AGENT, BY_DAY, COMPLETED_CALLS, MESSAGES, Part

if TYPE_CHECKING:
    from agentgauge.core.query import Query

VENDOR = "AgentPhone"
DAYS, MONTHS = 365, 24
"""The most days and months that it looks back (2.2)."""
PERIODS: tuple[Period, ...] = get_args(Period)
OF_AGENTS = (*MESSAGES, COMPLETED_CALLS)
"""What it counts of each agent."""
Columns = dict[str, str | None]


def plan(queries: Sequence[Query], now: int) -> Plan:
    """The one request that answers questions about messages, calls and webhooks together.

    Raises:
        Unsupported: for any other question, with what can be asked.
    """
    query = queries[0]
    if other := [name for name in query.group_by if name not in AGENT]:
        raise cannot(VENDOR, f"group usage by {' and '.join(other)}", "It groups by agent; source=local by any field.")
    _check_filters(queries)
    if columns := _columns(queries, OF_AGENTS):
        return _of_period(query, columns, now)
    if not query.group_by and (columns := _columns(queries, BY_DAY)):
        return _of_calendar(query, columns, now)
    names = ", ".join(dict.fromkeys(each.dataset for each in queries))
    raise cannot(VENDOR, f"answer that question about {names}", "It counts messages, calls and webhook deliveries.")


def _check_filters(queries: Sequence[Query]) -> None:
    own = {each for part in (*OF_AGENTS, *BY_DAY) for each in part.where}
    for query in queries:
        only_filters(VENDOR, dataset(query.dataset), [each for each in query.where if each not in own], ())


def _columns(queries: Sequence[Query], parts: Sequence[Part]) -> Columns:
    """Label -> the vendor's column that holds it, or None where another label's column has it already; empty if the
    questions are not those parts, or only one half of what the vendor counts as messages."""
    left, found = list(parts), Columns()
    for query in queries:
        asked = [(each.how, each.field) for each in query.measures]
        part = next((each for each in left if _is(query, asked, each)), None)
        if part is None:
            return {}
        left.remove(part)
        for own, each in zip(part.measures, query.measures, strict=True):
            found[each.label] = None if own.label in found.values() else own.label
    return {} if sum(each in left for each in MESSAGES) == 1 else found


def _is(query: Query, asked: Sequence[tuple[str, str | None]], part: Part) -> bool:
    same = query.dataset == part.dataset and query.where == part.where
    return same and asked == [(each.how, each.field) for each in part.measures]


def _of_period(query: Query, columns: Columns, now: int) -> Plan:
    """Each agent's usage in the running week, month or year. The question's one bucket is that period in its zone.

    Raises:
        Unsupported: for any other time.
    """
    tz = query.bucket.zone if query.bucket else "UTC"
    for period in PERIODS:
        if query.bucket == Bucket(period, 1, tz) and query.window == current_period(period, now=now, tz=tz):
            request = ByAgentRequest(period=period, tz=tz)
            return Plan(endpoint=BY_AGENT, request=request, columns=columns, running=True)
    raise cannot(
        VENDOR,
        "look at any time but the running week, month or year",
        "Leave compare_to out; source=local compares with the period before.",
    )


def _of_calendar(query: Query, columns: Columns, now: int) -> Plan:
    """The account's usage by month or by day in UTC, up to the running one.

    Raises:
        Unsupported: if the question's buckets are not made of those.
    """
    inner = edges(query.window, query.bucket)[1:-1] if query.bucket else ()
    cuts = (*inner, query.window.start, query.window.end)
    months, days = _last(cuts, "month", now), _last(cuts, "day", now)
    if 0 < months <= MONTHS:
        return Plan(endpoint=MONTHLY, request=MonthlyRequest(months=months), columns=columns)
    if 0 < days <= DAYS:
        return Plan(endpoint=DAILY, request=DailyRequest(days=days), columns=columns)
    hint = f"Ask breakdown=daily (days up to {DAYS}) or monthly (months up to {MONTHS}), with tz=UTC."
    raise cannot(VENDOR, "count but whole days and months in UTC, the last of them the running one", hint)


def _last(cuts: Sequence[int], unit: Unit, now: int) -> int:
    """How many whole units in UTC, the running one the last, these instants lie on; 0 if they do not."""
    bucket = Bucket(unit)
    start, end = min(cuts), max(cuts)
    if end != edges(Window(now, now + 1), bucket)[-1]:
        return 0
    grid = edges(Window(start, end), bucket)
    return len(grid) - 1 if set(cuts) <= set(grid) else 0


UPSTREAM = Upstream(
    base_url="https://api.agentphone.ai",
    offers={
        "usage_by_agent": "messages, completed calls and their seconds by agent in the running week, month or year of "
        "a zone; no filters, no compare_to",
        "get_usage": f"summary, by_number; daily (up to {DAYS}) and monthly (up to {MONTHS}) in UTC",
    },
    datasets=("messages", "calls", "webhooks"),
    plan=plan,
    check=(SUMMARY, UsageRequest()),
)
