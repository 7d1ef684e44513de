"""VoiceRun's API in place of a store: sums of custom metrics, a timeseries of one, names, tags and sessions.

Semantics: contract `voicerun` 4.2 and 4.6. It states sums, and a timeseries in an aggregation that goes by the kind of
the metric; neither kinds nor numbers of points. So a question is about `SUM` or, as a timeseries, about `OWN`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import dataset
from agentgauge.core.query import Filter, Values
from agentgauge.core.time import FIXED, edges
from agentgauge.core.upstream import Listing, Plan, Upstream, cannot, only_filters
from agentgauge.dialects.voicerun.contract import NamesRequest, SumsRequest, TimeseriesRequest
from agentgauge.dialects.voicerun.decode import OWN
from agentgauge.dialects.voicerun.operations import AGGREGATE, DAILY, NAMES, TIMESERIES
from agentgauge.dialects.voicerun.ranges import dates, step_text, times
from agentgauge.dialects.voicerun.translate import SUM, SYSTEM

if TYPE_CHECKING:
    from agentgauge.core.query import Query
    from agentgauge.core.table import Table

VENDOR = "VoiceRun"
PARAMETERS = {"agent_id": "agentId", "environment_id": "environmentId"}
"""The system labels that have a parameter of their own."""
LOCAL = "source=local takes it."
Asked = dict[str, Any]
"""Parameters as the wire names them."""


def plan(queries: Sequence[Query], now: int) -> Plan:
    """The one request that answers a question about points.

    Raises:
        Unsupported: for what it cannot say, with what can be asked.
    """
    query = queries[0]
    measures = [(each.how, each.field) for one in queries for each in one.measures]
    if query.dataset != "points" or len(measures) != 1:
        raise cannot(VENDOR, "answer that question", "Ask query_custom_metrics.")
    if measures[0] == (SUM.how, SUM.field):
        return _sums(query)
    if measures[0] == (OWN.how, OWN.field):
        return _timeseries(query)
    raise cannot(VENDOR, f"tell the {query.measures[0].label} of points", "It tells sums.")


def _sums(query: Query) -> Plan:
    """Sums over the window, or per day of the bucket's zone.

    Raises:
        Unsupported: for buckets that are not made of days.
    """
    bucket = query.bucket
    if bucket and bucket.unit in FIXED:
        raise cannot(VENDOR, "sum by buckets finer than days", "Ask view=daily, or view=timeseries of one metric.")
    tz = bucket.zone if bucket else "UTC"
    asked: Asked = dates(query.window, tz) | _where(query)
    if bucket and tz != "UTC":
        asked["timezone"] = tz
    if groups := _labels(query, reserved=("date", "metrics") if bucket else ("metrics",)):
        asked["groupBy"] = ",".join(groups)
    return Plan(
        endpoint=DAILY if bucket else AGGREGATE,
        request=SumsRequest.model_validate(asked),
        columns={query.measures[0].label: SUM.label},
    )


def _timeseries(query: Query) -> Plan:
    """One metric in steps from the window's start; without buckets, in one step of the whole window.

    Raises:
        Unsupported: for several metrics, groups, or buckets that are no equal steps.
    """
    where = _where(query)
    names = where.pop("metricNames", "").split(",")
    if names == [""] or len(names) > 1:
        raise cannot(VENDOR, "show a timeseries of several metrics", "Name one in metric_names, or ask view=daily.")
    if _labels(query, reserved=()):
        raise cannot(VENDOR, "group a timeseries by tags", "Filter by tags, or ask view=daily or view=totals.")
    asked: Asked = {"metricName": names[0], "step": _step(query)} | times(query.window) | where
    # The time that endDate names begins one step more (4.6, 1), which lies outside the question and is not read.
    return Plan(
        endpoint=TIMESERIES,
        request=TimeseriesRequest.model_validate(asked),
        columns={query.measures[0].label: OWN.label},
    )


def _step(query: Query) -> str:
    window = query.window
    grid = edges(window, query.bucket) if query.bucket else (window.start, window.end)
    widths = {after - before for before, after in pairwise(grid)}
    step = step_text(widths.pop()) if len(widths) == 1 and (grid[0], grid[-1]) == (window.start, window.end) else None
    if step is None:
        hint = "Give start, end and an interval that divides the time between them, or a larger budget."
        raise cannot(VENDOR, "show a timeseries but in equal steps that fill the window", hint)
    return step


def _labels(query: Query, reserved: Sequence[str]) -> list[str]:
    """The labels grouped by, as the wire names them; the metric's name always is one.

    Raises:
        Unsupported: for a field that is no label, or a label that the wire has another meaning for.
    """
    found: list[str] = []
    for name in query.group_by:
        label = name.removeprefix("labels.")
        if name == "name":
            continue
        if label == name and name not in SYSTEM:
            raise cannot(VENDOR, f"group by {name}", f"It groups by tags and by {', '.join(SYSTEM)}.")
        if label != name and (label in SYSTEM or label in reserved):
            raise cannot(VENDOR, f"group by a tag called {label}", LOCAL)
        found.append(_listable(label))
    return found


def _where(query: Query) -> Asked:
    """The filters as parameters: names, agent, environment, and tags with one value each.

    Raises:
        Unsupported: for any other filter.
    """
    found: Asked = {}
    tags: dict[str, str] = {}
    for each in query.where:
        label = each.field.removeprefix("labels.")
        if each.field == "name":
            found["metricNames"] = _names(each)
            continue
        if label == each.field:
            only_filters(VENDOR, dataset("points"), (each,), ("name", *SYSTEM))
        elif label in SYSTEM:
            raise cannot(VENDOR, f"filter by a tag called {label}", LOCAL)
        value, parameter = _value(each, label), PARAMETERS.get(each.field)
        if (known := found.get(parameter) if parameter else tags.get(label)) is not None and known != value:
            raise cannot(VENDOR, f"filter by two values of {label}", LOCAL)
        (found if parameter else tags)[parameter or label] = value
    return found | ({"tags": tags} if tags else {})


def _names(each: Filter) -> str:
    if each.operator not in ("EQUAL", "IN"):
        raise cannot(VENDOR, f"filter names by {each.operator}", "Give the names in metric_names.")
    return ",".join(_listable(str(name)) for name in (each.value if isinstance(each.value, tuple) else (each.value,)))


def _listable(name: str) -> str:
    """The name itself, which must survive a comma-separated list.

    Raises:
        Unsupported: if it holds a comma, or begins or ends with a space.
    """
    if "," in name or name.strip() != name or not name:
        raise cannot(VENDOR, f"be asked for {name!r}, because it takes names separated by commas", LOCAL)
    return name


def _value(each: Filter, label: str) -> str:
    """The one value of a filter; an empty one would mean no filter at all."""
    values = each.value if isinstance(each.value, tuple) else (each.value,)
    if each.operator not in ("EQUAL", "IN") or len(values) != 1:
        raise cannot(VENDOR, f"filter {label} by anything but one value", "Ask once for each value.")
    if values[0] == "":
        raise cannot(VENDOR, f"filter {label} by an empty value", "Leave the filter out.")
    return str(values[0])


def list_values(name: str, field: str, where: Sequence[Filter], now: int) -> Listing:
    """The metric names, which are all that it lists of points.

    Raises:
        Unsupported: for any other field.
    """
    if (name, field) != ("points", "name"):
        raise cannot(VENDOR, f"list the values of {field}", "list_custom_metrics shows tags with their values.")
    only_filters(VENDOR, dataset("points"), where, ("agent_id",))
    agents = [_value(each, each.field) for each in where]
    request = NamesRequest.model_validate({"agentId": agents[0]} if agents else {})
    return Listing(endpoint=NAMES, request=request, read=_as_values)


def _as_values(table: Table) -> Values:
    """How often each was recorded is not stated, so they all count the same."""
    return Values("name", [(key[0], 1) for key in table.groups], len(table.groups))


UPSTREAM = Upstream(
    base_url="https://api.voicerun.com",
    offers={
        "list_custom_metrics": "names and tags; it does not state kinds",
        "query_custom_metrics": f"sums (totals, daily) by tags or {', '.join(SYSTEM)}; a timeseries of one metric; the "
        "points of one session; filters with one value each",
    },
    datasets=("points",),
    plan=plan,
    check=(NAMES, NamesRequest.model_validate({})),
    intervals=("1m", "5m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d", "2d", "1w"),
    list_values=list_values,
)
