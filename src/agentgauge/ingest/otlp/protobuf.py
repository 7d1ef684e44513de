"""The binary encoding of OTLP: request bodies to records, and the messages that are sent back.

Above: `take`. Below: `lean`, whose messages protobuf parses in C and whose attributes are read when a record is; it is
imported when the first body arrives (it takes 50 ms). `limits` has looked at a large body before. A record with an
attribute that cannot be read is given as an Unreadable, in its place.

Source: opentelemetry-proto 1.11; the mapping of fields is that of `records`.
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from agentgauge.core.errors import InvalidValue
from agentgauge.ingest.otlp.lean import Attributes, request_of
from agentgauge.ingest.otlp.limits import refuse_messages
from agentgauge.ingest.otlp.records import EMPTY, Buckets, LogRecord, MetricPoint, MetricType, Span, SpanEvent
from agentgauge.ingest.otlp.rules import SPAN_DIGITS, TRACE_DIGITS, R, Unreadable, finite, parent, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as wire

MEDIA_TYPE = "application/x-protobuf"

_NO_RECORDED_VALUE = 1
"""The bit of a point's flags that says its series has no value now."""

T = TypeVar("T")


def spans(body: bytes) -> Iterator[Span | Unreadable]:
    """The spans of an ExportTraceServiceRequest, in its order.

    Raises:
        InvalidValue: the body is no such request; before the first span.
        TooLarge: it holds more than `limits.MOST`; before the first span.
    """
    attributes = Attributes(_pair)
    for group in _parsed("trace", body).resource_spans:
        resource = _attempt(attributes.of, group.resource.attributes)
        for part in group.scope_spans:
            yield from _each(_span, part.spans, resource, _attempt(_scope, part.scope, attributes), attributes)


def log_records(body: bytes) -> Iterator[LogRecord | Unreadable]:
    """The records of an ExportLogsServiceRequest; see `spans`."""
    attributes = Attributes(_pair)
    for group in _parsed("logs", body).resource_logs:
        resource = _attempt(attributes.of, group.resource.attributes)
        for part in group.scope_logs:
            scope = _attempt(_scope, part.scope, attributes)
            yield from _each(_log_record, part.log_records, resource, scope, attributes)


def metric_points(body: bytes) -> Iterator[MetricPoint | Unreadable]:
    """The data points of an ExportMetricsServiceRequest; see `spans`."""
    attributes = Attributes(_pair)
    for group in _parsed("metrics", body).resource_metrics:
        resource = _attempt(attributes.of, group.resource.attributes)
        for part in group.scope_metrics:
            scope = _attempt(_scope, part.scope, attributes)
            for metric in part.metrics:
                if (kind := metric.WhichOneof("data")) is not None:
                    make = partial(_point, metric, getattr(metric, kind), kind)
                    yield from _each(make, getattr(metric, kind).data_points, resource, scope, attributes)


def partial_success(rejected: int, message: str, counted: str) -> bytes:
    """A response that says how many records were rejected, and why.

    Args:
        rejected: how many.
        message: why.
        counted: the name of the field that counts them, which has the same number in all three signals.
    """
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTracePartialSuccess,
        ExportTraceServiceResponse,
    )

    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


def status(message: str) -> bytes:
    """A google.rpc.Status with a message."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess

    # Its definition is not in opentelemetry-proto; a number as field 1 and a message as field 2, like this one.
    return ExportTracePartialSuccess(error_message=message).SerializeToString()


def _parsed(signal: str, body: bytes) -> Any:
    """A request; of the same fields as those of opentelemetry-proto, but for the attributes."""
    from google.protobuf.message import DecodeError

    kind = request_of(signal)
    refuse_messages(body, kind.DESCRIPTOR)
    try:
        return kind.FromString(body)
    except DecodeError:
        raise InvalidValue(
            f"the body is no {kind.DESCRIPTOR.name} in protobuf.",
            hint="It may be truncated, of another signal, or JSON under the wrong Content-Type.",
        ) from None


def _attempt(make: Callable[..., T], *given: Any) -> T | Unreadable:
    """What a group or a part of it says of its records, or why that cannot be read."""
    try:
        return make(*given)
    except Unreadable as error:
        return error


def _each(
    make: Callable[..., R], records: Iterable[Any], resource: Any, scope: Any, attributes: Attributes
) -> Iterator[R | Unreadable]:
    """What is made of each record of a part, or why nothing is: for its own sake, or for that of where it is from."""
    flaw = next((each for each in (resource, scope) if isinstance(each, Unreadable)), None)
    for record in records:
        try:
            yield flaw or make(record, resource, scope, attributes)
        except Unreadable as error:
            yield error


# Attributes


def _pair(given: bytes) -> tuple[str, Any]:
    """An attribute of any form."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    try:
        pair = KeyValue.FromString(given)
    except DecodeError:
        raise Unreadable("attributes: must be pairs of a key and a value.") from None
    return pair.key, _value(pair.value)


def _map(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _rarer(value: AnyValue) -> Any:
    """A value that is neither a string with something in it nor an integer but 0."""
    kind = value.WhichOneof("value")
    read = _READERS.get(kind or "")
    return read(value) if read else None


def _value(value: AnyValue) -> Any:
    return value.string_value or value.int_value or _rarer(value)


_READERS: Mapping[str, Callable[[AnyValue], Any]] = {
    "string_value": lambda value: value.string_value,
    "bool_value": lambda value: value.bool_value,
    "int_value": lambda value: value.int_value,
    "double_value": lambda value: value.double_value,
    "array_value": lambda value: [_value(each) for each in value.array_value.values],
    "kvlist_value": lambda value: _map(value.kvlist_value.values),
    "bytes_value": lambda value: b64encode(value.bytes_value).decode(),
}


class _Scope(NamedTuple):
    name: str
    version: str
    attributes: Mapping[str, Any]


def _scope(scope: Any, attributes: Attributes) -> _Scope:
    return _Scope(scope.name, scope.version, attributes.of(scope.attributes) or EMPTY)


# Spans and log records


def _span(span: Any, resource: Mapping[str, Any], scope: _Scope, attributes: Attributes) -> Span:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    status, events = span.status, span.events
    return Span(
        span.trace_id.hex(),
        span.span_id.hex(),
        parent(span.parent_span_id.hex()),
        span.name,
        span.kind,
        start or end,
        end or start,
        status.code,
        status.message,
        attributes.of(span.attributes),
        tuple(_event(each, attributes) for each in events) if events else (),
        resource,
        *scope,
    )


def _event(event: Any, attributes: Attributes) -> SpanEvent:
    return SpanEvent(event.name, event.time_unix_nano, attributes.of(event.attributes))


def _log_record(record: Any, resource: Mapping[str, Any], scope: _Scope, attributes: Attributes) -> LogRecord:
    return LogRecord(
        record.time_unix_nano or record.observed_time_unix_nano,
        record.severity_number,
        record.event_name,
        _value(record.body),
        attributes.of(record.attributes),
        resource,
        scope.name,
        reference(record.trace_id.hex(), TRACE_DIGITS),
        reference(record.span_id.hex(), SPAN_DIGITS),
        scope.version,
        scope.attributes,
    )


# Metrics


def _point(
    metric: Any,
    data: Any,
    kind: MetricType,
    point: Any,
    resource: Mapping[str, Any],
    scope: _Scope,
    attributes: Attributes,
) -> MetricPoint:
    """A data point, with what its metric says of all: `data` is the field of that kind."""
    return MetricPoint(
        name=metric.name,
        unit=metric.unit,
        description=metric.description,
        type=kind,
        temporality=getattr(data, "aggregation_temporality", 0),
        monotonic=getattr(data, "is_monotonic", False),
        attributes=attributes.of(point.attributes),
        resource=resource,
        scope=scope.name,
        start_ns=point.start_time_unix_nano,
        time_ns=point.time_unix_nano,
        recorded=not point.flags & _NO_RECORDED_VALUE,
        scope_version=scope.version,
        scope_attributes=scope.attributes,
        **_MEASURED[kind](point),
    )


def _number(point: wire.NumberDataPoint) -> dict[str, Any]:
    kind = point.WhichOneof("value")
    return {"value": getattr(point, kind) if kind else None}


def _histogram(point: wire.HistogramDataPoint) -> dict[str, Any]:
    return {
        **_extent(point),
        "bounds": tuple(point.explicit_bounds),
        "bucket_counts": tuple(point.bucket_counts),
    }


def _exponential(point: wire.ExponentialHistogramDataPoint) -> dict[str, Any]:
    return {
        **_extent(point),
        "scale": point.scale,
        "zero_count": point.zero_count,
        "zero_threshold": finite(point.zero_threshold) or 0.0,
        "positive": Buckets(point.positive.offset, tuple(point.positive.bucket_counts)),
        "negative": Buckets(point.negative.offset, tuple(point.negative.bucket_counts)),
    }


def _extent(point: wire.HistogramDataPoint | wire.ExponentialHistogramDataPoint) -> dict[str, Any]:
    return {
        "count": point.count,
        "sum": finite(point.sum) if point.HasField("sum") else None,
        "min": finite(point.min) if point.HasField("min") else None,
        "max": finite(point.max) if point.HasField("max") else None,
    }


def _summary(point: wire.SummaryDataPoint) -> dict[str, Any]:
    pairs = tuple((each.quantile, each.value) for each in point.quantile_values)
    return {"count": point.count, "sum": finite(point.sum), "quantiles": pairs}


_MEASURED: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
