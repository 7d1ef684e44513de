"""The binary encoding of OTLP: request bodies to records, and the messages that are sent back.

Above: `take`. Below: opentelemetry-proto, which parses the bytes in C; it is imported when the first body arrives (it
takes 50 ms). What is left to Python is to read the fields, each of which costs about as much as a dictionary look-up:
so the common kinds of attribute value are tried in order of their frequency before protobuf is asked which one it is.

Source: opentelemetry-proto 1.11; the mapping of fields is that of `records`.
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from agentgauge.core.errors import InvalidValue
from agentgauge.ingest.otlp.records import EMPTY, Buckets, LogRecord, MetricPoint, Span, SpanEvent
from agentgauge.ingest.otlp.rules import SPAN_DIGITS, TRACE_DIGITS, finite, parent, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from google.protobuf.message import Message
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as wire
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

MEDIA_TYPE = "application/x-protobuf"

_NO_RECORDED_VALUE = 1
"""The bit of a point's flags that says its series has no value now."""

M = TypeVar("M", bound="Message")


def spans(body: bytes) -> Iterator[Span]:
    """The spans of an ExportTraceServiceRequest, in its order.

    Raises:
        InvalidValue: the body is no such request; before the first span.
    """
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for group in _parsed(ExportTraceServiceRequest, body).resource_spans:
        resource = _attributes(group.resource.attributes)
        for part in group.scope_spans:
            scope = _scope(part.scope)
            for span in part.spans:
                yield _span(span, resource, scope)


def log_records(body: bytes) -> Iterator[LogRecord]:
    """The records of an ExportLogsServiceRequest; see `spans`."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    for group in _parsed(ExportLogsServiceRequest, body).resource_logs:
        resource = _attributes(group.resource.attributes)
        for part in group.scope_logs:
            scope = _scope(part.scope)
            for record in part.log_records:
                yield _log_record(record, resource, scope)


def metric_points(body: bytes) -> Iterator[MetricPoint]:
    """The data points of an ExportMetricsServiceRequest; see `spans`."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    for group in _parsed(ExportMetricsServiceRequest, body).resource_metrics:
        resource = _attributes(group.resource.attributes)
        for part in group.scope_metrics:
            scope = _scope(part.scope)
            for metric in part.metrics:
                yield from _points(metric, resource, scope)


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


def _parsed(kind: type[M], body: bytes) -> M:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        raise InvalidValue(
            f"the body is no {kind.DESCRIPTOR.name} in protobuf.",
            hint="It may be truncated, of another signal, or JSON under the wrong Content-Type.",
        ) from None


# Attributes


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: (value := pair.value).string_value or value.int_value or _rarer(value) for pair in pairs}


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
    "kvlist_value": lambda value: _attributes(value.kvlist_value.values),
    "bytes_value": lambda value: b64encode(value.bytes_value).decode(),
}


class _Scope(NamedTuple):
    name: str
    version: str
    attributes: Mapping[str, Any]


def _scope(scope: InstrumentationScope) -> _Scope:
    return _Scope(scope.name, scope.version, _attributes(scope.attributes) if scope.attributes else EMPTY)


# Spans and log records


def _span(span: SpanMessage, resource: Mapping[str, Any], scope: _Scope) -> Span:
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
        _attributes(span.attributes),
        tuple(map(_event, events)) if events else (),
        resource,
        *scope,
    )


def _event(event: SpanMessage.Event) -> SpanEvent:
    return SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes))


def _log_record(record: LogMessage, resource: Mapping[str, Any], scope: _Scope) -> LogRecord:
    return LogRecord(
        record.time_unix_nano or record.observed_time_unix_nano,
        record.severity_number,
        record.event_name,
        _value(record.body),
        _attributes(record.attributes),
        resource,
        scope.name,
        reference(record.trace_id.hex(), TRACE_DIGITS),
        reference(record.span_id.hex(), SPAN_DIGITS),
        scope.version,
        scope.attributes,
    )


# Metrics


def _points(metric: wire.Metric, resource: Mapping[str, Any], scope: _Scope) -> Iterator[MetricPoint]:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data: Any = getattr(metric, kind)
    make = partial(
        MetricPoint,
        name=metric.name,
        unit=metric.unit,
        description=metric.description,
        type=kind,
        temporality=getattr(data, "aggregation_temporality", 0),
        monotonic=getattr(data, "is_monotonic", False),
        resource=resource,
        scope=scope.name,
        scope_version=scope.version,
        scope_attributes=scope.attributes,
    )
    for point in data.data_points:
        yield make(
            attributes=_attributes(point.attributes),
            start_ns=point.start_time_unix_nano,
            time_ns=point.time_unix_nano,
            recorded=not point.flags & _NO_RECORDED_VALUE,
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
