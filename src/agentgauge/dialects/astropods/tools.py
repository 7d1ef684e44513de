"""`get_trace_metrics`: Astropods' bucketed trace metrics of one agent.

Semantics: contract `astropods` 5.2 and 5.4; a trace is one agent run, an event of `requests` with that account and
agent_name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from agentgauge.core.asking import check_keys, groups_of, interval_of, window_of, zone_of
from agentgauge.core.catalog import dataset
from agentgauge.core.errors import InvalidValue, quote, unknown_name
from agentgauge.core.fit import chosen_bucket, present
from agentgauge.core.operation import Tool
from agentgauge.core.parse import TIMES, Bucketed, Compared, Conditions, Words, conditions
from agentgauge.core.query import Filter, Measure, Query
from agentgauge.core.series import Series
from agentgauge.core.time import align

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk

MEASURES = (
    Measure("count", None, "trace_count"),
    Measure("avg", "latency_ms", "avg_latency_ms"),
    Measure("sum", "input_tokens", "input_tokens"),
    Measure("sum", "output_tokens", "output_tokens"),
    Measure("sum", "is_failure", "error_count"),
)
ACCOUNTS = 20
"""The most accounts looked through for one agent name."""


class TraceParams(Compared, Bucketed):
    """Arguments of `get_trace_metrics`. A bare integer `interval` is minutes, as on the vendor's wire."""

    aliases: ClassVar = TIMES | {"start_time": "start", "end_time": "end"}

    name: str
    account: str | None = None
    interval: str | int | None = Field(None, description="1h, 1d; a number is minutes")  # type: ignore[assignment]  # the vendor's minutes beside our words
    group_by: Words | None = None
    filters: Conditions | None = None


async def get_trace_metrics(params: TraceParams, desk: Desk) -> Answer:
    """Runs, latency, tokens and errors of one agent, per bucket."""
    tz = zone_of(params, desk)
    interval = interval_of(params.model_copy(update={"interval": _interval(params.interval)}), tz)
    holder = dataset("requests")
    groups = groups_of(params.group_by, holder)
    window = window_of(params, desk, tz)
    if desk.offers is not None:  # a vendor has buckets of its own, which the window is widened to
        interval = interval or chosen_bucket(window, tz, ladder=desk.intervals)
        window = align(window, interval)
    query = Query(
        dataset="requests",
        window=window,
        measures=MEASURES,
        group_by=groups,
        where=await _agent(params, desk) + conditions(params.filters, holder),
    )
    answer = await present(
        Series(
            title="agent runs" + (f" by {' and '.join(groups)}" if groups else ""),
            query=query,
            tz=tz,
            budget=params.budget,
            limit=params.limit,
            interval=interval,
            compare=params.compare_to is not None,
        ),
        desk,
    )
    return await check_keys(query, answer, desk)


def _interval(given: str | int | None) -> str | None:
    """The interval in words; a bare integer is minutes (contract 5.2)."""
    return f"{given} minute" if isinstance(given, int) or (given or "").strip().isdecimal() else given


async def _agent(params: TraceParams, desk: Desk) -> tuple[Filter, ...]:
    """The filters of the one agent. Whose account is left open is looked up here; a vendor takes it as it is given."""
    named = Filter("agent_name", "EQUAL", params.name)
    account = params.account if desk.offers is not None else await _account(params, desk)
    if account is not None:
        return named, Filter("account", "EQUAL", account)
    return (named,) if desk.offers is not None else (named, Filter("account", "IS_NULL", True))


async def _account(params: TraceParams, desk: Desk) -> str | None:
    """The account of the agent; None where its runs carry none.

    Raises:
        UnknownName: when nobody has that name, or not in that account, with the nearest.
        InvalidValue: when several accounts have it and none was named.
    """
    named = (Filter("agent_name", "EQUAL", params.name),)
    accounts = [value for value, _ in (await desk.values("requests", "account", named, most=ACCOUNTS)).counts]
    if not accounts:
        known = await desk.values("requests", "agent_name", (Filter("agent_name", "IS_NULL", False),), most=1_000)
        raise unknown_name("an agent with runs", params.name, [str(value) for value, _ in known.counts], many=True)
    if params.account is not None:
        if params.account not in accounts:
            listed = [str(each) for each in accounts if each is not None]
            raise unknown_name("an account of that agent", params.account, listed, many=True)
        return params.account
    if len(accounts) > 1:
        listed = ", ".join(quote(str(each)) for each in accounts[:5])
        raise InvalidValue(f"several accounts have an agent of that name: {listed}.", hint="Say which: account=...")
    return None if accounts[0] is None else str(accounts[0])


GET_TRACE_METRICS = Tool(
    name="get_trace_metrics",
    title="Trace metrics",
    description="Runs, average latency, tokens and errors of one agent (name), per bucket. Default: the last 24 h.",
    params=TraceParams,
    run=get_trace_metrics,
)
