"""What an OTLP request holds, in one neutral form: spans, log records and metric points.

Above: `mapping` (spans and logs to events) and `metrics` (points to events). Below: nothing. `protobuf` and `json`
build these from the two encodings and `rules` says which may pass, so that nothing above knows the encoding.
Named tuples, because a request holds hundreds of records: they cost a third of a frozen dataclass to make and cannot be
changed either.

Times are nanoseconds since 1970, UTC. Ids are lower-case hex. The records of one group share their `resource` and
`scope_attributes` objects: never change one; `id(record.resource)` may key a cache as long as the records are held.
Attribute values are str, int (exact, however large), float (finite or not), bool, bytes as base64 text, list, dict, or
None for an empty value. Strings have no lone surrogates.

Source: opentelemetry-proto 1.11, trace.proto, logs.proto, metrics.proto and common.proto.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

EMPTY: Mapping[str, Any] = MappingProxyType({})
"""The attributes of what has none, where nobody gave a dict."""

STATUS_ERROR = 2
"""The `Span.status_code` of a failure; 0 (unset) and 1 (ok) are successes."""
DELTA, CUMULATIVE = 1, 2
"""The values of `MetricPoint.temporality`; 0 is unspecified."""

MetricType: TypeAlias = Literal["gauge", "sum", "histogram", "exponential_histogram", "summary"]


class SpanEvent(NamedTuple):
    """Something that happened at one instant of a span, such as an exception."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any]


class Span(NamedTuple):
    """One operation of a trace."""

    trace_id: str
    """32 hex digits, not all zero."""
    span_id: str
    """16 hex digits, not all zero."""
    parent_span_id: str
    """16 hex digits; empty for a root."""
    name: str
    kind: int
    """0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer."""
    start_ns: int
    end_ns: int
    """Neither is 0: a sender that leaves one out means the other."""
    status_code: int
    """0 unset, 1 ok, 2 error."""
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[SpanEvent, ...]
    resource: Mapping[str, Any]
    scope: str
    """The name of the instrumentation scope; empty where there is none."""
    scope_version: str = ""
    scope_attributes: Mapping[str, Any] = EMPTY


class LogRecord(NamedTuple):
    """One log record, or event."""

    time_ns: int
    """When it happened; where the record does not say, when it was observed. Never 0."""
    severity: int
    """0 unspecified, 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal."""
    event_name: str
    """The field of that name; the attribute `event.name` and the body are other places of it (facts 1.5)."""
    body: Any
    """Any attribute value."""
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    scope: str
    trace_id: str = ""
    """32 hex digits; empty outside a trace."""
    span_id: str = ""
    """16 hex digits; empty outside a span."""
    scope_version: str = ""
    scope_attributes: Mapping[str, Any] = EMPTY


class Buckets(NamedTuple):
    """One side of an exponential histogram: bucket i covers (base^(offset+i), base^(offset+i+1)], base 2^(2^-scale)."""

    offset: int
    counts: tuple[int, ...]


NO_BUCKETS = Buckets(0, ())


class MetricPoint(NamedTuple):
    """One data point of a metric, with what its metric, scope and resource say of it.

    `value` belongs to gauges and sums; `count` and `sum` to the other three; `min` and `max` to both histograms;
    `bounds` and `bucket_counts` to histograms; `scale` to `negative` to exponential ones; `quantiles` to summaries.
    """

    name: str
    unit: str
    description: str
    type: MetricType
    temporality: int
    """DELTA, CUMULATIVE or 0; 0 for gauges and summaries."""
    monotonic: bool
    """Whether a sum only grows; False for the other types."""
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    scope: str
    start_ns: int
    """Where the aggregation began; 0 where the sender left it out."""
    time_ns: int
    value: int | float | None = None
    """Finite; None for the other types, and where nothing was recorded."""
    count: int = 0  # type: ignore[reportIncompatibleMethodOverride]  # the field's own name; nobody counts in a record
    sum: float | None = None
    min: float | None = None
    max: float | None = None
    bounds: tuple[float, ...] = ()
    """n upper bounds, ascending: bucket i covers (bounds[i-1], bounds[i]]."""
    bucket_counts: tuple[int, ...] = ()
    """n + 1 counts, or none at all."""
    scale: int = 0
    zero_count: int = 0
    zero_threshold: float = 0.0
    positive: Buckets = NO_BUCKETS
    negative: Buckets = NO_BUCKETS
    quantiles: tuple[tuple[float, float], ...] = ()
    """Pairs of a quantile (0 to 1) and its value."""
    recorded: bool = True
    """False for a point that says its series has no value at that time."""
    scope_version: str = ""
    scope_attributes: Mapping[str, Any] = EMPTY
