"""AgentMessage's API in place of a store: its three metrics routes, asked and read.

Semantics: contract `agentmessage` 1.2, 1.3, 1.5 and 1.6. Buckets are minutes, hours or days in UTC; a question's own
are made of the coarsest of them that fits. What the vendor has not aggregated yet comes as null and stays unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentgauge.core.time import FIXED, edges, iso_z
from agentgauge.core.upstream import Plan, Upstream, cannot
from agentgauge.dialects.agentmessage.contract import (
    MOST,
    Granularity,
    InboundRequest,
    MessagesRequest,
    MetricsRequest,
    WebhooksRequest,
)
from agentgauge.dialects.agentmessage.decode import VALUE
from agentgauge.dialects.agentmessage.operations import OPERATIONS
from agentgauge.dialects.agentmessage.translate import COUNTED, Metric, Traffic

if TYPE_CHECKING:
    from agentgauge.core.operation import Operation
    from agentgauge.core.query import Query

VENDOR = "AgentMessage"
REQUESTS: dict[Traffic, type[MetricsRequest]] = {
    "outbound": MessagesRequest,
    "inbound": InboundRequest,
    "webhooks": WebhooksRequest,
}
GROUPS: dict[Traffic, tuple[str, ...]] = {
    "outbound": ("channel", "error_code"),
    "inbound": ("channel",),
    "webhooks": ("endpoint_id", "kind", "http_status_class"),
}
ROUTES: dict[type[MetricsRequest], Operation[Any]] = {each.request: each for each in OPERATIONS}
GRANULARITIES: tuple[Granularity, ...] = ("day", "hour", "minute")


def plan(queries: Sequence[Query], now: int) -> Plan:
    """The one request that answers a question.

    Raises:
        Unsupported: for any other question, with what can be asked.
    """
    if len(queries) != 1:
        raise cannot(VENDOR, "answer several questions at once", "Ask get_message_metrics.")
    query = queries[0]
    traffic, metric = _metric(query)
    groups = _groups(query, traffic)
    granularity = _granularity(query)
    kind = REQUESTS[traffic]
    request = kind.model_validate(
        {
            "metric": metric,
            "from": iso_z(query.window.start),
            "to": iso_z(query.window.end),
            "granularity": granularity,
            "limit": MOST,
        }
        | ({"group_by": groups} if groups else {})
    )
    return Plan(endpoint=ROUTES[kind], request=request, columns={query.measures[0].label: VALUE.label})


def _metric(query: Query) -> tuple[Traffic, Metric]:
    """The metric that a question is about: its dataset, measure and filters, and no filter more.

    Raises:
        Unsupported: with what can be asked.
    """
    asked = query.measures[0]
    for (traffic, metric), what in COUNTED.items():
        same = (what.measure.how, what.measure.field) == (asked.how, asked.field)
        if len(query.measures) == 1 and what.dataset == query.dataset and same and set(what.where) <= set(query.where):
            if extra := set(query.where) - set(what.where):
                names = ", ".join(sorted({each.field for each in extra}))
                raise cannot(VENDOR, f"filter by {names}", f"Leave filters out{_or_group(traffic)}.")
            return traffic, metric
    raise cannot(VENDOR, f"answer that question about {query.dataset}", "Ask get_message_metrics.")


def _groups(query: Query, traffic: Traffic) -> str:
    if not query.group_by:
        return ""
    names = " and ".join(query.group_by)
    if names not in GROUPS[traffic]:
        raise cannot(VENDOR, f"group {traffic} by {names}", f"Leave group_by out{_or_group(traffic)}.")
    return names


def _or_group(traffic: Traffic) -> str:
    return f", or group by one of {', '.join(GROUPS[traffic])}"


def _granularity(query: Query) -> Granularity:
    """The coarsest granularity whose buckets make up the question's: every edge is one of its own, in UTC.

    Raises:
        Unsupported: if the edges are no whole minutes.
    """
    grid = edges(query.window, query.bucket) if query.bucket else (query.window.start, query.window.end)
    cut = {*grid[1:-1], query.window.start, query.window.end}
    for each in GRANULARITIES:
        width = FIXED["hour"] * 24 if each == "day" else FIXED[each]
        if all(edge % width == 0 for edge in cut):
            return each
    hint = "Give start and end as whole minutes, and an interval of whole minutes."
    raise cannot(VENDOR, "cut time finer than whole minutes", hint)


UPSTREAM = Upstream(
    base_url="https://api.agentmsg.io",
    offers={
        "get_message_metrics": "sent, delivered, failed, cost_cents by channel or error_code; received by channel; "
        "webhooks by endpoint_id, kind or http_status_class; buckets of whole minutes, no filters",
    },
    datasets=("messages", "webhooks"),
    plan=plan,
    refusals={
        "GRANULARITY_NOT_AVAILABLE": "Ask whole days: dates as start and end, and interval=1d. Every plan has those.",
        "WINDOW_TOO_LARGE": "Ask a shorter window, or a longer interval that divides start and end.",
    },
    check=(OPERATIONS[0], MessagesRequest.model_validate({"metric": "sent", "limit": 1})),
)
