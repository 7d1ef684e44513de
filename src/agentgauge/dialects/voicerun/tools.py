"""`list_custom_metrics` and `query_custom_metrics`: VoiceRun's custom metrics.

Semantics: contract `voicerun` 4.2 and 4.6: totals and daily are plain sums; a timeseries sums counters, averages
gauges and takes the 95th percentile of histograms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from agentgauge.core.answer import Answer
from agentgauge.core.asking import DAY, agent_label, check_keys, interval_of, window_of, zone_of
from agentgauge.core.catalog import dataset
from agentgauge.core.errors import InvalidValue, quote, unknown_name
from agentgauge.core.fit import chosen_bucket, first_rows, present
from agentgauge.core.operation import Tool
from agentgauge.core.parse import TIMES, Bucketed, Common, Compared, Object, Words
from agentgauge.core.query import Filter, Measure, Query
from agentgauge.core.series import Series
from agentgauge.core.time import FIXED, Bucket, Window, align, iso
from agentgauge.dialects.voicerun.translate import BY_KIND, COUNT, EVER, SUM, label_field, system_filters, tag_filters

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.table import Key
    from agentgauge.dialects.voicerun import vendor

NAMES = 1_000
"""The most metric names looked at for a refusal."""
SESSION_POINTS = 1_000
"""The most points of one session that are read."""
WINDOWED = ("start", "end", "group_by", "compare_to")
"""The words that one session's points have no use for."""
TAKEN = frozenset(("metric", "kind", "measure", "total", "peak", "partial", "values", "count", "sum", "avg", "p95"))
"""Columns of an answer; a tag of that name is shown as `labels.<tag>`."""
_VENDOR = TIMES | {"startDate": "start", "endDate": "end", "agentId": "agent_id", "environmentId": "environment_id"}


class ListMetricsParams(Common):
    """Arguments of `list_custom_metrics`."""

    aliases: ClassVar = {"metricName": "metric_name", "agentId": "agent_id"}

    metric_name: str | None = None
    agent_id: str | None = None


class CustomMetricsParams(Compared, Bucketed):
    """Arguments of `query_custom_metrics`."""

    aliases: ClassVar = _VENDOR | {
        "metricNames": "metric_names",
        "metricName": "metric_names",
        "metric_name": "metric_names",
        "step": "interval",
        "sessionId": "session_id",
    }

    metric_names: Words | None = None
    view: Literal["totals", "daily", "timeseries", "session"] = "totals"
    agent_id: str | None = None
    environment_id: str | None = None
    session_id: str | None = None
    tags: Object | None = None
    group_by: Words | None = None


async def list_custom_metrics(params: ListMetricsParams, desk: Desk) -> Answer:
    """Names, kinds and tags with their commonest values."""
    where = system_filters(name=params.metric_name, agent_id=params.agent_id)
    if params.metric_name:
        await _known_names([params.metric_name], desk)
    query = Query("points", EVER, (COUNT,), group_by=("name", "kind"), where=where)
    if desk.offers is not None:
        from agentgauge.dialects.voicerun import vendor

        names, tags, notes = await vendor.listed(params.metric_name, params.agent_id, desk)
        keys: Sequence[Key] = [(name, None) for name in names]
        order = "in alphabetical order"
    else:
        keys, notes, order = (await desk.ask(query)).groups, (), "the commonest first"
        tags = {str(name): {} for name, _ in keys} | await _tags(where, desk)
    keys = sorted(keys, key=lambda key: tuple(str(part) for part in key))
    answer = Answer(title="custom metrics", columns=["metric", "kind", "tags"])
    for values in (10, 5, 3, 1, 0):
        answer = replace(
            answer,
            rows=[[*key, _shortened(tags[str(key[0])], values)] for key in keys],
            notes=(*notes, *((f"at most {values} values per tag shown, {order}",) if values < 10 else ())),
        )
        if answer.fits(params.budget):
            break
    return first_rows(answer, params.budget, "metrics") if keys else await check_keys(query, answer, desk)


async def _tags(where: tuple[Filter, ...], desk: Desk) -> dict[str, dict[str, list[str]]]:
    """Metric name -> label -> its values, the commonest first."""
    found: dict[str, dict[str, list[str]]] = {}
    for key in sorted(await desk.keys("points", "labels", where)):
        field = f"labels.{key}"
        table = await desk.ask(
            Query("points", EVER, (COUNT,), group_by=("name", field), where=(*where, Filter(field, "IS_NULL", False)))
        )
        for name, value in table.groups:
            found.setdefault(str(name), {}).setdefault(key, []).append(str(value))
    return found


def _shortened(tags: vendor.TagValues | None, most: int) -> dict[str, Any] | None:
    return tags and {
        key: [*values[:most], *([f"+{len(values) - most}"] if len(values) > most else [])]
        for key, values in tags.items()
    }


async def query_custom_metrics(params: CustomMetricsParams, desk: Desk) -> Answer:
    """The view asked for."""
    if (params.session_id is not None) != (params.view == "session"):
        raise InvalidValue("session_id and view=session go together.", hint="Give both or neither.")
    if params.view in ("totals", "daily", "session") and params.interval is not None:
        raise InvalidValue(
            f"interval goes with view=timeseries, not {params.view}.", hint="Leave it out, or ask view=timeseries."
        )
    if params.view == "session" and (given := [word for word in WINDOWED if getattr(params, word) is not None]):
        raise InvalidValue(
            f"{given[0]} does not go with view=session, which shows all points of the session.",
            hint=f"Leave {given[0]} out, or ask another view.",
        )
    if params.metric_names:
        await _known_names(params.metric_names, desk)
    if params.view == "session":
        return await _session(params, desk)
    names = (Filter("name", "IN", tuple(params.metric_names)),) if params.metric_names else ()
    where = (
        names
        + system_filters(agent_id=params.agent_id, environment_id=params.environment_id)
        + tag_filters(params.tags)
    )
    labels = tuple(dict.fromkeys(label_field(name) for name in params.group_by or ()))
    for label in labels:
        dataset("points").find(label)
    tz = zone_of(params, desk)
    window = window_of(params, desk, tz, default_ms=7 * DAY)
    query = Query("points", window, (SUM,), group_by=("name", *labels), where=where)
    if params.view == "totals":
        return await _totals(params, desk, query)
    if params.view == "timeseries":
        return await _timeseries(params, desk, query, tz)
    answer = await present(await _series(params, desk, query, Bucket("day", 1, tz)), desk)
    return await check_keys(query, answer, desk)


async def _timeseries(params: CustomMetricsParams, desk: Desk, query: Query, tz: str) -> Answer:
    """One value per step, aggregated as the metric's kind asks."""
    bucket = _steps(interval_of(params, tz), query.window)
    if desk.offers is None:
        query = replace(query, measures=(await _measure(query.window, query.where, desk),))
        answer = await present(await _series(params, desk, query, bucket), desk)
        return await check_keys(query, answer, desk)
    from agentgauge.dialects.voicerun import vendor

    bucket = bucket or chosen_bucket(query.window, tz, ladder=desk.intervals)
    query = replace(query, window=align(query.window, bucket))  # a vendor's steps are whole
    query, ask, notes = await vendor.timeseries(replace(query, bucket=bucket), desk)
    series = await _series(params, desk, query, bucket)
    return await present(replace(series, ask=ask, notes=notes), desk)


def _steps(interval: Bucket | None, window: Window) -> Bucket | None:
    """The interval asked for, counted from the window's start as VoiceRun counts its steps (contract 4.6, 2)."""
    return replace(interval, origin=window.start) if interval and interval.unit in FIXED else interval


async def _series(params: CustomMetricsParams, desk: Desk, query: Query, bucket: Bucket | None) -> Series:
    measure = query.measures[0]
    tags = [name for name in query.group_by if name.startswith("labels.") and name.removeprefix("labels.") not in TAKEN]
    heads = {"name": "metric"} | {name: name.removeprefix("labels.") for name in tags}
    timeline = params.view != "totals"
    return Series(
        title=f"custom metrics, {measure.label}" if timeline else "custom metrics, totals",
        query=query,
        tz=zone_of(params, desk),
        budget=params.budget,
        limit=params.limit,
        timeline=timeline,
        interval=bucket,
        compare=params.compare_to is not None,
        heads=heads,
        label=await agent_label(query.group_by, desk),
    )


async def _totals(params: CustomMetricsParams, desk: Desk, query: Query) -> Answer:
    """Sums and counts per metric; beside them the average of gauges and the p95 of histograms."""
    if desk.offers is not None:
        from agentgauge.dialects.voicerun import vendor

        answer = await present(await _series(params, desk, query, None), desk)
        shown = {row[0] for row in answer.rows}
        one = len(params.metric_names or ()) == 1 or (len(shown) < 2 and not answer.other)
        return vendor.summed(answer, several=not one)
    kinds = await _kinds(query.window, query.where, desk)
    beside = tuple(measure for kind, measure in BY_KIND.items() if kind != "counter" and kind in kinds)
    groups = ("name", "kind", *query.group_by[1:])
    query = replace(query, measures=(SUM, COUNT, *beside), group_by=groups)
    answer = await present(await _series(params, desk, query, None), desk)
    if len({name for names in kinds.values() for name in names}) > 1:
        answer = _counting(answer)
    return await check_keys(query, answer, desk)


def _counting(answer: Answer) -> Answer:
    """The totals of several metrics: their values do not add up to anything; their number does."""

    def count(total: Any) -> Any:
        return None if total is None else total["count"]

    rest, prior = answer.other, answer.prior
    if prior:
        compared = count(prior.compared)
        prior = replace(prior, total=count(prior.total), change=count(prior.change), compared=compared)
    return replace(
        answer,
        title="custom metrics, totals (total counts points)",
        total=count(answer.total),
        prior=prior,
        other=rest and replace(rest, total={"count": count(rest.total)}),
    )


async def _kinds(window: Window, where: tuple[Filter, ...], desk: Desk) -> dict[str, list[str]]:
    """Kind -> the metrics of that kind in the window."""
    table = await desk.ask(Query("points", window, (COUNT,), group_by=("kind", "name"), where=where))
    found: dict[str, list[str]] = {}
    for kind, name in table.groups:
        found.setdefault(str(kind), []).append(str(name))
    return found


async def _measure(window: Window, where: tuple[Filter, ...], desk: Desk) -> Measure:
    """The aggregation of a timeseries, by the kind of what is asked.

    Raises:
        InvalidValue: metrics of several kinds have none in common.
    """
    kinds = await _kinds(window, where, desk)
    if len(kinds) > 1:
        examples = "; ".join(f"{kind}: {', '.join(quote(name) for name in names[:2])}" for kind, names in kinds.items())
        raise InvalidValue(
            f"metrics of several kinds have no aggregation in common ({examples}).",
            hint="Ask metric_names of one kind at a time, or view=totals.",
        )
    return BY_KIND[next(iter(kinds), "counter")]


async def _session(params: CustomMetricsParams, desk: Desk) -> Answer:
    """The points of one session, oldest first."""
    assert params.session_id is not None
    tz = zone_of(params, desk)
    names = (Filter("name", "IN", tuple(params.metric_names)),) if params.metric_names else ()
    where = system_filters(agent_id=params.agent_id, environment_id=params.environment_id)
    where += names + tag_filters(params.tags)
    said: tuple[str, ...] = ()
    if desk.offers is not None:
        from agentgauge.dialects.voicerun import vendor

        points = (await vendor.session_points(params.session_id, where, desk))[:SESSION_POINTS]
        said = (vendor.NO_KINDS,)
    else:
        own = system_filters(session_id=params.session_id)
        points = await desk.rows("points", own + where, most=SESSION_POINTS)
    rows: list[list[Any]] = [
        [each["name"], each["kind"], iso(each["ts"], tz), each["value"], each.get("agent_id"), each.get("labels") or {}]
        for each in points
    ]
    notes = () if rows else ("no point has that session and those filters",)
    if len(rows) == SESSION_POINTS:
        notes = (f"only the first {SESSION_POINTS:,} points were read",)
    answer = Answer(
        title="custom metrics of one session",
        columns=["metric", "kind", "at", "value", "agent_id", "tags"],
        rows=rows,
        notes=(*notes, *said),
    )
    return first_rows(answer, params.budget, "points")


async def _known_names(names: Sequence[str], desk: Desk) -> None:
    """Nothing, when every metric name exists.

    Raises:
        UnknownName: with the nearest.
    """
    known = [str(value) for value, _ in (await desk.values("points", "name", most=NAMES)).counts]
    for name in names:
        if name not in known:
            raise unknown_name("a metric", name, known, many=True)


LIST_CUSTOM_METRICS = Tool(
    name="list_custom_metrics",
    title="Custom metric names",
    description="Names, kinds (counter, gauge, histogram) and tags of the custom metrics, with the tags' values.",
    params=ListMetricsParams,
    run=list_custom_metrics,
)
QUERY_CUSTOM_METRICS = Tool(
    name="query_custom_metrics",
    title="Custom metrics",
    description=(
        "Custom metrics: totals, daily sums, a timeseries (sum of counters, average of gauges, p95 of histograms), or "
        "one session's points; filter by tags, group by tags or agent_id. Default: the last 7 days."
    ),
    params=CustomMetricsParams,
    run=query_custom_metrics,
)
