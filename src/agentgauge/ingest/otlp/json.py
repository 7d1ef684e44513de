"""The JSON encoding of OTLP: request bodies to records, and the messages that are sent back.

Above: `take`. Below: orjson. It is protobuf's JSON with exceptions (ids are hex, enums are numbers, names are camelCase
only), and senders differ: 64-bit integers come as numbers or as decimal strings, doubles without a fraction look like
integers, what is not a finite number comes as null or by name, empty fields are left out or null, and a string cut in
the middle of a character leaves half a surrogate pair, which no JSON parser but JavaScript's own and Python's takes.
Unknown keys are ignored. A record with a field of another form is given as an Unreadable, in its place.

Source: opentelemetry-proto 1.11, docs/specification.md "JSON Protobuf Encoding"; facts/telemetry.md 1.2.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import orjson

from agentgauge.core.errors import InvalidValue
from agentgauge.ingest.otlp.json_fields import (
    Object,
    as_object,
    attributes_of,
    count,
    double,
    enum_of,
    flag_of,
    id_of,
    list_of,
    numbers_of,
    optional_of,
    signed_of,
    text_of,
    unsigned_of,
    value_of,
)
from agentgauge.ingest.otlp.limits import refuse_values
from agentgauge.ingest.otlp.records import EMPTY, Buckets, LogRecord, MetricPoint, MetricType, Span, SpanEvent
from agentgauge.ingest.otlp.rules import SPAN_DIGITS, TRACE_DIGITS, Unreadable, finite, parent, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MEDIA_TYPE = "application/json"

_HALF = r"u[dD][{}][0-9a-fA-F]{{2}}"
_ESCAPE = re.compile(
    rf"\\(?:{_HALF.format('89abAB')}\\{_HALF.format('c-fC-F')}|({_HALF.format('89a-fA-F')})|.)", re.DOTALL
)
"""An escape of a JSON string: a surrogate pair, half of one (the group), or any other."""
_NO_RECORDED_VALUE = 1
"""The bit of a point's flags that says its series has no value now."""


def spans(body: bytes) -> Iterator[Span | Unreadable]:
    """The spans of an ExportTraceServiceRequest, in its order.

    Raises:
        InvalidValue: the body is no such request; before the first span.
        TooLarge: it holds more than `limits.MOST`; before the first span.
    """
    for record, origin in _records(body, "resourceSpans", "scopeSpans", "spans"):
        yield _attempt(_span, record, origin)


def log_records(body: bytes) -> Iterator[LogRecord | Unreadable]:
    """The records of an ExportLogsServiceRequest; see `spans`."""
    for record, origin in _records(body, "resourceLogs", "scopeLogs", "logRecords"):
        yield _attempt(_log_record, record, origin)


def metric_points(body: bytes) -> Iterator[MetricPoint | Unreadable]:
    """The data points of an ExportMetricsServiceRequest; see `spans`."""
    for metric, origin in _records(body, "resourceMetrics", "scopeMetrics", "metrics"):
        yield from _points(metric, origin)


def partial_success(rejected: int, message: str, counted: str) -> bytes:
    """A response that says how many records were rejected, and why.

    Args:
        rejected: how many; written as a decimal string, as 64-bit integers are.
        message: why.
        counted: the field that counts them, such as `rejectedSpans`.
    """
    partial_success = ({counted: str(rejected)} if rejected else {}) | {"errorMessage": message}
    return orjson.dumps({"partialSuccess": partial_success})


def status(message: str) -> bytes:
    """A google.rpc.Status with a message."""
    return orjson.dumps({"message": message})


# The envelope


class _Origin(NamedTuple):
    """Where the records of one group come from."""

    resource: Mapping[str, Any]
    scope: str
    scope_version: str
    scope_attributes: Mapping[str, Any]


T = TypeVar("T")


def _records(body: bytes, groups: str, parts: str, names: str) -> Iterator[tuple[Any, _Origin | Unreadable]]:
    """Every record (or metric) of a request, and where it comes from, or why that cannot be read."""
    request = _parsed(body)
    if not isinstance(request, dict):
        raise InvalidValue(f"the body must be a JSON object with {groups}.")
    for group in _met(cast("Object", request), groups):
        resource = _attempt(_resource, group)
        for part in _met(group, parts):
            origin = resource if isinstance(resource, Unreadable) else _attempt(_origin, part, resource)
            for record in _met(part, names):
                yield record, origin


def _met(holder: Any, name: str) -> list[Any]:
    """A list on the way to the records; one null where there is something else, so that it is met and rejected."""
    if not isinstance(holder, dict):
        return [None]
    try:
        return list_of(cast("Object", holder), name)
    except Unreadable:
        return [None]


def _attempt(make: Callable[..., T], *given: Any) -> T | Unreadable:
    """What is made of something, or why it cannot be: for its own sake, or because of where it comes from."""
    for each in given:
        if isinstance(each, Unreadable):
            return each
    try:
        return make(*given)
    except Unreadable as error:
        return error


def _resource(group: Any) -> Object:
    return attributes_of(as_object(as_object(group, "a group").get("resource"), "resource"))


def _origin(part: Any, resource: Object) -> _Origin:
    scope = as_object(as_object(part, "a scope's group").get("scope"), "scope")
    return _Origin(resource, text_of(scope, "name"), text_of(scope, "version"), attributes_of(scope) or EMPTY)


def _parsed(body: bytes) -> object:
    """The value of a JSON text; half surrogate pairs are replaced, and Python's NaN and Infinity are read."""
    refuse_values(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(_ESCAPE.sub(_whole, body.decode("utf-8-sig", "replace")))
        except (ValueError, RecursionError):
            raise InvalidValue(f"the body is not JSON: {error.msg} (column {error.colno}).") from None


def _whole(escape: re.Match[str]) -> str:
    return "\\ufffd" if escape[1] else escape[0]


# Spans and log records


def _span(record: Any, origin: _Origin) -> Span:
    span = as_object(record, "a span")
    start, end = unsigned_of(span, "startTimeUnixNano"), unsigned_of(span, "endTimeUnixNano")
    status = as_object(span.get("status"), "status")
    return Span(
        id_of(span, "traceId"),
        id_of(span, "spanId"),
        parent(id_of(span, "parentSpanId")),
        text_of(span, "name"),
        enum_of(span, "kind"),
        start or end,
        end or start,
        enum_of(status, "code"),
        text_of(status, "message"),
        attributes_of(span),
        tuple(_event(as_object(each, "events")) for each in list_of(span, "events")),
        *origin,
    )


def _event(event: Object) -> SpanEvent:
    return SpanEvent(text_of(event, "name"), unsigned_of(event, "timeUnixNano"), attributes_of(event))


def _log_record(given: Any, origin: _Origin) -> LogRecord:
    record = as_object(given, "a log record")
    return LogRecord(
        unsigned_of(record, "timeUnixNano") or unsigned_of(record, "observedTimeUnixNano"),
        enum_of(record, "severityNumber"),
        text_of(record, "eventName"),
        value_of(as_object(record.get("body"), "body"), "body"),
        attributes_of(record),
        origin.resource,
        origin.scope,
        reference(id_of(record, "traceId"), TRACE_DIGITS),
        reference(id_of(record, "spanId"), SPAN_DIGITS),
        origin.scope_version,
        origin.scope_attributes,
    )


# Metrics


def _points(given: Any, origin: _Origin | Unreadable) -> Iterator[MetricPoint | Unreadable]:
    metric = _attempt(as_object, given, "a metric")
    if isinstance(metric, Unreadable):
        yield metric
        return
    for name, (kind, measured) in _FORMS.items():
        if metric.get(name) is not None:
            make = _attempt(_maker, metric, metric[name], kind, origin)
            for point in _met(metric[name], "dataPoints"):
                yield _attempt(_point, point, make, measured)


def _maker(metric: Object, given: Any, kind: MetricType, origin: _Origin) -> Callable[..., MetricPoint]:
    """What makes a point of its own fields, with what its metric says of all."""
    data = as_object(given, kind)
    return partial(
        MetricPoint,
        name=text_of(metric, "name"),
        unit=text_of(metric, "unit"),
        description=text_of(metric, "description"),
        type=kind,
        temporality=enum_of(data, "aggregationTemporality"),
        monotonic=flag_of(data, "isMonotonic"),
        **origin._asdict(),
    )


def _point(given: Any, make: Callable[..., MetricPoint], measured: Callable[[Object], Object]) -> MetricPoint:
    point = as_object(given, "a data point")
    return make(
        attributes=attributes_of(point),
        start_ns=unsigned_of(point, "startTimeUnixNano"),
        time_ns=unsigned_of(point, "timeUnixNano"),
        recorded=not unsigned_of(point, "flags") & _NO_RECORDED_VALUE,
        **measured(point),
    )


def _number(point: Object) -> Object:
    if point.get("asInt") is not None:
        return {"value": signed_of(point, "asInt")}
    return {"value": double(point["asDouble"], "asDouble") if "asDouble" in point else None}


def _histogram(point: Object) -> Object:
    bounds = numbers_of(point, "explicitBounds", double)
    return _extent(point) | {"bounds": bounds, "bucket_counts": numbers_of(point, "bucketCounts", count)}


def _exponential(point: Object) -> Object:
    return _extent(point) | {
        "scale": signed_of(point, "scale", 32),
        "zero_count": unsigned_of(point, "zeroCount"),
        "zero_threshold": optional_of(point, "zeroThreshold") or 0.0,
        "positive": _buckets(as_object(point.get("positive"), "positive")),
        "negative": _buckets(as_object(point.get("negative"), "negative")),
    }


def _buckets(side: Object) -> Buckets:
    return Buckets(signed_of(side, "offset", 32), numbers_of(side, "bucketCounts", count))


def _extent(point: Object) -> Object:
    found: Object = {name: optional_of(point, name) for name in ("sum", "min", "max")}
    return found | {"count": unsigned_of(point, "count")}


def _summary(point: Object) -> Object:
    pairs = [as_object(each, "quantileValues") for each in list_of(point, "quantileValues")]
    quantiles = tuple(
        (double(each.get("quantile", 0), "quantile"), double(each.get("value", 0), "value")) for each in pairs
    )
    return {
        "count": unsigned_of(point, "count"),
        "sum": finite(double(point.get("sum", 0), "sum")),
        "quantiles": quantiles,
    }


_FORMS: Mapping[str, tuple[MetricType, Callable[[Object], Object]]] = {
    "gauge": ("gauge", _number),
    "sum": ("sum", _number),
    "histogram": ("histogram", _histogram),
    "exponentialHistogram": ("exponential_histogram", _exponential),
    "summary": ("summary", _summary),
}
