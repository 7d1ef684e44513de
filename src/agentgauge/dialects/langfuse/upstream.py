"""Langfuse's API in place of a store: the runs of one agent, from whichever generation of metrics a Langfuse has.

Semantics: contract `astropods` 5.3.1, 5.3.2 and 5.3.4. Metrics v2 is asked first. A Langfuse without it answers 404:
then v1, then the daily metrics. Each states less than the one before; what it does not state stays unknown and is said.

What a run is there: in v2, which has no traces, a root observation (its latency is the run's, its level says whether
the run failed), with the tokens of everything under that trace name; in v1 and the daily metrics, a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentgauge.core.catalog import dataset
from agentgauge.core.operation import Endpoint
from agentgauge.core.time import Bucket, Unit, edges, iso_z
from agentgauge.core.upstream import Limit, Plan, Upstream, cannot, only_filters
from agentgauge.dialects.langfuse.contract import (
    DAYS,
    ROWS,
    DailyRequest,
    MetricsRequest,
    ProjectsRequest,
    question,
)
from agentgauge.dialects.langfuse.decode import (
    COUNT,
    ERRORS,
    INPUT,
    LATENCY,
    OUTPUT,
    decode_daily,
    decode_v1,
    decode_v2,
    next_page_daily,
    next_page_v1,
)

if TYPE_CHECKING:
    from agentgauge.core.query import Query

VENDOR = "Langfuse"
DATASET = "requests"
UNITS: tuple[Unit, ...] = ("month", "week", "day", "hour", "minute")
"""Its granularities, coarsest first."""
DAY_S, HOUR_S = 86_400, 3_600
MOST_BUCKETS = (ROWS - 1) // 8
"""As many buckets as v2 has rows for: each may have four levels, of roots and of others."""

PROJECTS = Endpoint(name="projects", method="GET", path="/api/public/projects", request=ProjectsRequest)
V2 = Endpoint(name="metricsV2", method="GET", path="/api/public/v2/metrics", request=MetricsRequest, decode=decode_v2)
V1 = Endpoint(
    name="metrics",
    method="GET",
    path="/api/public/metrics",
    request=MetricsRequest,
    decode=decode_v1,
    next_page=next_page_v1,
)
DAILY = Endpoint(
    name="metricsDaily",
    method="GET",
    path="/api/public/metrics/daily",
    request=DailyRequest,
    decode=decode_daily,
    next_page=next_page_daily,
)

COLUMNS = {(each.how, each.field): each.label for each in (COUNT, LATENCY, INPUT, OUTPUT, ERRORS)}
V2_NOTE = (
    "a run is a root observation of that trace name, error_count those at level ERROR, tokens those of all observations"
)
V1_NOTE = "this Langfuse has metrics v1 only, which state no errors of traces: error_count is not known"
DAILY_NOTE = "this Langfuse has daily metrics only, which state neither latency nor errors: they are not known"
AVERAGED = "an average over several of its rows weighs each by its runs"
NO_DAYS = (
    "It has neither metrics v2 nor v1, and its daily metrics are of whole days in UTC: take interval=1d and tz=UTC. "
    "Or base_url of the source is wrong."
)
NOWHERE = "None of its metrics are there: check base_url of the source."


def plan(queries: Sequence[Query], now: int) -> Plan:
    """The request to v2 that answers a question, with those to ask where there is no v2.

    Raises:
        Unsupported: for any other question, with what can be asked.
    """
    query = queries[0]
    known = all((each.how, each.field) in COLUMNS for each in query.measures)
    if len(queries) != 1 or query.dataset != DATASET or not known:
        raise cannot(VENDOR, f"answer that question about {query.dataset}", "Ask get_trace_metrics.")
    if query.group_by:
        raise cannot(VENDOR, f"group runs by {' and '.join(query.group_by)}", "Leave group_by out.")
    name, granularity = _name(query), _granularity(query)
    daily = _plan(query, DAILY, _days(query, name), (DAILY_NOTE,), absent=NOWHERE)
    by_day = granularity is None or UNITS.index(granularity) <= UNITS.index("day")
    traces = question("traces", query.window, granularity, {"count": "count", "latency": "avg"}, {"name": name})
    first = _plan(query, V1, traces, (V1_NOTE, AVERAGED), otherwise=daily if by_day else None, absent=NO_DAYS)
    return _plan(query, V2, _roots(query, name, granularity), (V2_NOTE, AVERAGED), otherwise=first)


def _plan(
    query: Query,
    endpoint: Endpoint[MetricsRequest] | Endpoint[DailyRequest],
    request: MetricsRequest | DailyRequest,
    notes: tuple[str, ...],
    *,
    otherwise: Plan | None = None,
    absent: str = "",
) -> Plan:
    return Plan(
        endpoint=endpoint,
        request=request,
        columns={each.label: COLUMNS[each.how, each.field] for each in query.measures},
        weights={LATENCY.label: COUNT.label},
        notes=notes,
        otherwise=otherwise,
        absent=absent,
    )


def _roots(query: Query, name: str, granularity: Unit | None) -> MetricsRequest:
    """Everything at once: the observations of the runs, told apart by whether they are roots and by their level."""
    metrics = {"count": "count", "latency": "avg", "inputTokens": "sum", "outputTokens": "sum"}
    told_apart = ("isRootObservation", "level")
    return question(
        "observations", query.window, granularity, metrics, {"traceName": name}, dimensions=told_apart, rows=ROWS
    )


def _days(query: Query, name: str) -> DailyRequest:
    ends = {"fromTimestamp": query.window.start, "toTimestamp": query.window.end}
    asked = {key: iso_z(instant, milliseconds=True) for key, instant in ends.items()}
    return DailyRequest.model_validate({"traceName": name, **asked, "page": 1, "limit": DAYS})


def _name(query: Query) -> str:
    """The one name that a question is about.

    Raises:
        Unsupported: if anything else is filtered by.
    """
    only_filters(VENDOR, dataset(DATASET), query.where, ("agent_name", "account"))
    if any(each.field == "account" for each in query.where):
        raise cannot(VENDOR, "tell accounts apart", "Leave account out: the key is of one project.")
    if [each.operator for each in query.where] != ["EQUAL"]:
        raise cannot(VENDOR, "answer for several agents at once", "Ask for one name.")
    return str(query.where[0].value)


def _granularity(query: Query) -> Unit | None:
    """The coarsest granularity whose buckets make up the question's; None where it has only one.

    Raises:
        Unsupported: if there is none, or the answer would have too many rows.
    """
    cut = set(edges(query.window, query.bucket)[1:-1]) if query.bucket else set[int]()
    if not cut:
        return None
    for unit in UNITS:
        if query.window.length > MOST_BUCKETS * Bucket(unit).rough_ms:
            what = f"cut that window into {query.bucket}: it gives at most {MOST_BUCKETS} {unit}s at once"
            raise cannot(VENDOR, what, "Take a shorter window, or an interval of whole hours or days in UTC.")
        if cut <= set(edges(query.window, Bucket(unit))):
            return unit
    raise cannot(VENDOR, "cut time finer than whole minutes", "Take an interval of whole minutes, hours or days.")


def _tier(name: str, v1: int, v2: tuple[int, int], daily: int) -> tuple[Limit, ...]:
    """The limits of what a customer pays for. One request less than the vendor's number passes (5.3.4)."""
    why = f"Langfuse Cloud, {name}"
    return (
        Limit(frozenset({V1.name}), v1 - 1, DAY_S, why),
        Limit(frozenset({V2.name}), v2[0] - 1, v2[1], why),
        Limit(frozenset({DAILY.name}), daily - 1, DAY_S, why),
    )


TIERS = {
    "hobby": _tier("hobby", 100, (100, DAY_S), 10),
    "core": _tier("core", 2_000, (100, HOUR_S), 200),
    **{name: _tier(name, 2_000, (500, HOUR_S), 200) for name in ("pro", "team", "enterprise")},
}

UPSTREAM = Upstream(
    base_url="https://cloud.langfuse.com",
    offers={
        "get_trace_metrics": "the traces of one name; buckets of whole minutes, hours, days, weeks or months in UTC; "
        "no account, no groups, no filters",
    },
    datasets=(DATASET,),
    plan=plan,
    check=(PROJECTS, ProjectsRequest()),
    auth="basic",
    max_age_s=300,
    intervals=("1m", "1h", "1d", "1w", "1mo"),
    limits=_tier("any tier", 2_000, (500, HOUR_S), 200),
    limits_at="langfuse.com",
    tiers=TIERS,
)
