"""Astropods' API in place of a store: the bucketed trace metrics of one agent.

Semantics: contract `astropods` 5.2 and 5.4. Intervals are whole minutes on the epoch's grid in UTC. A question is asked
in the largest that all its edges lie on, at most a day, so that no bucket of the answer reaches over an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import TYPE_CHECKING

from agentgauge.core.asking import DAY
from agentgauge.core.catalog import dataset
from agentgauge.core.errors import quote
from agentgauge.core.time import FIXED, MAX_BUCKETS, edges
from agentgauge.core.upstream import Plan, Upstream, cannot, only_filters
from agentgauge.dialects.astropods.contract import MetricsRequest, stamp
from agentgauge.dialects.astropods.operations import DATASET, OPERATIONS
from agentgauge.dialects.astropods.tools import MEASURES

if TYPE_CHECKING:
    from agentgauge.core.query import Query

VENDOR = "Astropods"
METRICS = OPERATIONS[0]
KEYS = {"account": "account", "agent_name": "name"}
"""The filters that make up its address -> what the tool calls them."""
AVERAGED = "the average over several intervals of the vendor weighs each by its runs"


def plan(queries: Sequence[Query], now: int) -> Plan:
    """The one request that answers a question.

    Raises:
        Unsupported: for any other question, with what can be asked.
    """
    query = queries[0]
    columns = {(each.how, each.field): each.label for each in MEASURES}
    known = all((each.how, each.field) in columns for each in query.measures)
    if len(queries) != 1 or query.dataset != DATASET or not known:
        raise cannot(VENDOR, f"answer that question about {query.dataset}", "Ask get_trace_metrics.")
    if query.group_by:
        raise cannot(VENDOR, f"group runs by {' and '.join(query.group_by)}", "Leave group_by out.")
    account, name = _agent(query)
    interval = _interval(query)
    asked = {"start_time": stamp(query.window.start), "end_time": stamp(query.window.end), "interval": interval}
    return Plan(
        endpoint=METRICS,
        request=MetricsRequest.model_validate({"account": account, "name": name, **asked}),
        columns={each.label: columns[each.how, each.field] for each in query.measures},
        weights={"avg_latency_ms": "trace_count"},
        notes=(AVERAGED,) if query.window.length > interval * FIXED["minute"] else (),
        absent=f"No agent {quote(name)} of the account {quote(account)} is there, or base_url of the source is wrong.",
    )


def _agent(query: Query) -> tuple[str, str]:
    """The account and the name of the one agent that a question is about.

    Raises:
        Unsupported: if either is left open, or anything else is filtered by.
    """
    only_filters(VENDOR, dataset(DATASET), query.where, tuple(KEYS))
    found = {each.field: str(each.value) for each in query.where if each.operator == "EQUAL"}
    if len(found) < len(query.where):
        raise cannot(VENDOR, "answer for several agents at once", "Ask for one account and one name.")
    for field, word in KEYS.items():
        if field not in found:
            raise cannot(VENDOR, f"find an agent without its {word}", f"Say {word}=...")
        if not found[field] or {".", "..", ""} & set(found[field].split("/")):
            raise cannot(VENDOR, f"be asked for the {word} {quote(found[field])}", "It is part of an address there.")
    return found["account"], found["agent_name"]


def _interval(query: Query) -> int:
    """The largest interval, in minutes, on whose grid every edge of the question lies.

    Raises:
        Unsupported: if there is none, or it cuts the window into too many.
    """
    grid = edges(query.window, query.bucket) if query.bucket else ()
    width = gcd(DAY, query.window.start, query.window.end, *grid[1:-1])
    if width % FIXED["minute"]:
        hint = "Give start and end as whole minutes, and an interval of whole minutes."
        raise cannot(VENDOR, "cut time finer than whole minutes", hint)
    if query.window.length > MAX_BUCKETS * width:
        what = f"cut so long a window into {width // FIXED['minute']} minutes"
        raise cannot(VENDOR, what, "Give start, end and interval as whole hours or days.")
    return width // FIXED["minute"]


UPSTREAM = Upstream(
    base_url="https://astropods.com/api/v1",
    offers={
        "get_trace_metrics": "one agent by account and name; buckets of whole minutes, no groups, no filters",
    },
    datasets=(DATASET,),
    plan=plan,
    check=(METRICS, MetricsRequest(account="agentgauge", name="check", interval=60)),
    check_finds=False,
)
