"""`get_message_metrics`: AgentMessage's three metrics routes as one tool.

Semantics: contract `agentmessage` 1.5 and 1.6; half-open buckets, null against zero by `as_of`, 10,000 buckets at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from agentgauge.core.asking import (
    DAY,
    agent_label,
    by_agent_id,
    check_keys,
    groups_of,
    interval_of,
    recent_buckets,
    window_of,
    zone_of,
)
from agentgauge.core.catalog import dataset
from agentgauge.core.fit import chosen_bucket, present
from agentgauge.core.operation import Tool
from agentgauge.core.parse import TIMES, Bucketed, Compared, Conditions, Words, conditions
from agentgauge.core.query import Query
from agentgauge.core.series import Series
from agentgauge.core.time import ROUGH, Bucket, Window, align
from agentgauge.dialects.agentmessage.translate import Metric, Traffic, counted

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk


class MessageParams(Compared, Bucketed):
    """Arguments of `get_message_metrics`."""

    aliases: ClassVar = TIMES | {"granularity": "interval"}
    hints: ClassVar = {"cursor": "Answers are never paged: ask a shorter window, a larger interval or a larger budget."}

    metric: Metric
    traffic: Traffic | None = None
    group_by: Words | None = None
    filters: Conditions | None = None


async def get_message_metrics(params: MessageParams, desk: Desk) -> Answer:
    """One metric over the window, per bucket and group."""
    tz = zone_of(params, desk)
    what = counted(params.metric, params.traffic)
    holder = dataset(what.dataset)
    groups = groups_of(params.group_by, holder)
    interval = interval_of(params, tz)
    query = Query(
        dataset=what.dataset,
        window=_window(params, desk, tz, interval),
        measures=(what.measure,),
        group_by=groups,
        where=what.where + await by_agent_id(conditions(params.filters, holder), desk),
    )
    named = " by " + " and ".join(groups) if groups else ""
    answer = await present(
        Series(
            title=what.title + named,
            query=query,
            tz=tz,
            budget=params.budget,
            limit=params.limit,
            interval=interval,
            compare=params.compare_to is not None,
            nulls=True,
            label=await agent_label(groups, desk),
        ),
        desk,
    )
    return await check_keys(query, answer, desk)


def _window(params: MessageParams, desk: Desk, tz: str, interval: Bucket | None) -> Window:
    """The window, widened to whole buckets of the interval asked for (contract 1.6, 3)."""
    default = 30 * DAY if interval and interval.rough_ms >= ROUGH["day"] else DAY
    if params.start is None and params.end is None:
        return recent_buckets(desk.now, interval, tz, default_ms=default)
    window = window_of(params, desk, tz, default_ms=default)
    if interval is None and desk.offers is not None:  # the vendor's own buckets are at least minutes
        interval = max(chosen_bucket(window, tz), Bucket("minute"), key=lambda each: each.rough_ms)
    return align(window, interval) if interval else window


GET_MESSAGE_METRICS = Tool(
    name="get_message_metrics",
    title="Message metrics",
    description=(
        "Messages sent, delivered, failed, received and their cost, and webhook deliveries, per bucket and group "
        "(channel, error_code, agent, endpoint_id, http_status_class, metadata.<key>). Default: the last 24 h."
    ),
    params=MessageParams,
    run=get_message_metrics,
)
