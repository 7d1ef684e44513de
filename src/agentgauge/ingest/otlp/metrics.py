"""Metric points of OpenTelemetry as events: custom metric points that every question about `points` can answer.

Above: `ingest.otlp`. Below: `cumulative`, `histograms`. Source: facts/telemetry.md 0 (rule 9), 1.4 and 2.3.

| instrument | temporality | becomes |
|---|---|---|
| gauge | | a gauge |
| sum that only grows, up-down counter | delta | a counter of what was added |
| sum that only grows | cumulative | a counter of what was added since the newest point of its series |
| up-down counter | cumulative | a gauge: its level |
| histogram, exponential histogram | either | as many histogram values as were observed, with their exact sum |
| summary | (cumulative) | a gauge per quantile, counters `<name>.count` and `<name>.sum` |

They are points and nothing else: the tokens and costs that a program also reports in spans or logs are never counted
from its metrics (rule 3). A point's attributes are its labels, its service the agent; `gen_ai.*`, `mcp.*` and any other
instrument keep their names. The values of a histogram have the source BUCKETED, by which answers know that their
quantiles are approximate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import BUCKETED, LABELS, NAME_LENGTH, VALUE_LENGTH
from agentgauge.ingest.otlp import histograms
from agentgauge.ingest.otlp.cumulative import Numbers, Series, counted
from agentgauge.ingest.otlp.mapping.keys import record_id
from agentgauge.ingest.otlp.mapping.metadata import is_content
from agentgauge.ingest.otlp.records import CUMULATIVE, DELTA
from agentgauge.ingest.run import Memo

if TYPE_CHECKING:
    from agentgauge.ingest.otlp.records import MetricPoint

Event = dict[str, Any]
SOURCE = "otlp"
AGENT = ("gen_ai.agent.name", "agent.name")
SERVICE = "service.name"
SESSION = ("session.id", "gen_ai.conversation.id")
USER = ("user.email", "user.id", "enduser.id")
ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
_IDENTITY = ("service.name", "service.namespace", "service.instance.id", "session.id")
"""What of a resource tells series apart (facts 1.4)."""
_NS = 1_000_000


def points_to_events(points: Iterable[MetricPoint], series: Series) -> Iterator[Event | Memo]:
    """The events of some points, and after those of each series what is to be remembered of it."""
    for point in sorted(points, key=lambda each: each.time_ns):
        if point.recorded:
            yield from _events(point, series)


def _events(point: MetricPoint, series: Series) -> Iterator[Event | Memo]:
    key = _series_key(point)
    if not _is_added_up(point):
        yield from _WRITERS[point.type](point, counted(point), key)
        return
    added = series.added(key, point)
    if added is None:
        return
    yield from _WRITERS[point.type](point, added, key)
    yield Memo(key, series.memo(key))


def _is_added_up(point: MetricPoint) -> bool:
    """Whether its numbers have grown since a start and count only as far as they are new."""
    if point.type == "sum":
        return point.monotonic and point.temporality != DELTA
    return point.type == "summary" or (point.type != "gauge" and point.temporality != DELTA)


def _gauge(point: MetricPoint, _: Numbers, key: str) -> Iterator[Event]:
    if point.value is not None:
        yield _event(point, key, "gauge", point.value)


def _sum(point: MetricPoint, numbers: Numbers, key: str) -> Iterator[Event]:
    value = numbers["value"]
    if value is None:
        return
    is_level = not point.monotonic and point.temporality == CUMULATIVE
    if is_level or value:
        yield _event(point, key, "gauge" if is_level else "counter", value)


def _histogram(point: MetricPoint, numbers: Numbers, key: str) -> Iterator[Event]:
    buckets = histograms.explicit(point.bounds, numbers["buckets"], point.min, point.max)
    yield from _observed(point, buckets, numbers, key)


def _exponential(point: MetricPoint, numbers: Numbers, key: str) -> Iterator[Event]:
    yield from _observed(point, numbers["exponential"].buckets(), numbers, key)


def _observed(point: MetricPoint, buckets: list[histograms.Bucket], numbers: Numbers, key: str) -> Iterator[Event]:
    """A value per observation. Of too many, some stand for all, and count and sum are counters of their own."""
    narrowed = histograms.within(buckets, point.min, point.max)
    count = sum(each.n for each in narrowed)
    if count > histograms.MOST_VALUES:
        yield _event(point, key, "counter", count, name=f"{point.name}.count")
        if numbers["sum"] is not None:
            yield _event(point, key, "counter", numbers["sum"], name=f"{point.name}.sum")
    values = histograms.thinned(histograms.values(narrowed, numbers["sum"]))
    for index, value in enumerate(values):
        yield _event(point, f"{key}:{index}", "histogram", value, source=BUCKETED if count > 1 else SOURCE)


def _summary(point: MetricPoint, numbers: Numbers, key: str) -> Iterator[Event]:
    for quantile, value in point.quantiles:
        labels = {"quantile": f"{quantile:g}"}
        yield _event(point, f"{key}:{quantile:g}", "gauge", value, labels=labels)
    for part in ("count", "sum"):
        if numbers[part]:
            yield _event(point, key, "counter", numbers[part], name=f"{point.name}.{part}")


_WRITERS: Mapping[str, Callable[[MetricPoint, Numbers, str], Iterator[Event]]] = {
    "gauge": _gauge,
    "sum": _sum,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}


def _event(
    point: MetricPoint,
    key: str,
    kind: str,
    value: float | int,
    *,
    name: str = "",
    source: str = SOURCE,
    labels: Mapping[str, str] | None = None,
) -> Event:
    name = name or point.name
    attributes, resource = point.attributes, point.resource
    both = (attributes, resource)
    found: Event = {
        "type": "point",
        "id": record_id(key, name, point.time_ns),
        "ts": point.time_ns // _NS,
        "name": name[:NAME_LENGTH],
        "kind": kind,
        "value": value,
        "agent_name": _first(AGENT, *both) or _first((SERVICE,), resource),
        "session_id": _first(SESSION, *both),
        "user": _first(USER, *both),
        "environment_id": _first(ENVIRONMENT, *both),
        "labels": {**_labels(attributes), **(labels or {})},
        "metadata": {word: text for word, text in (("unit", point.unit), ("scope", point.scope)) if text},
        "source": source,
    }
    return {name: value for name, value in found.items() if value is not None}


def _first(names: Iterable[str], *places: Mapping[str, Any]) -> str | None:
    for place in places:
        for name in names:
            if (value := place.get(name)) not in (None, ""):
                return str(value)[:VALUE_LENGTH]
    return None


def _labels(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Its attributes as labels, but for what was said and what has a field of its own."""
    own = (*AGENT, *SESSION, *USER)
    names = [name for name in attributes if name not in own and not is_content(name) and attributes[name] is not None]
    return {name[:NAME_LENGTH]: _text(attributes[name]) for name in names[: LABELS - 1]}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JavaScript writes 3.0 as 3
    return str(value)[:VALUE_LENGTH]


def _series_key(point: MetricPoint) -> str:
    """What is one series: resource, scope, name, attributes and, of what grows, its start (facts 1.4)."""
    resource = {name: point.resource[name] for name in _IDENTITY if name in point.resource}
    start = point.start_ns if _is_added_up(point) else 0
    bounds = point.bounds if point.type == "histogram" else ()
    return record_id("series", resource, point.scope, point.name, point.attributes, start, bounds)
