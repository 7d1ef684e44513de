"""OTLP requests of every shape, for hypothesis: protobuf messages, and the same in OTLP's JSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from google.protobuf.json_format import MessageToDict
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

Strategy: TypeAlias = "st.SearchStrategy[Any]"

REQUESTS: Mapping[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
IDS = ("traceId", "spanId", "parentSpanId")


def message(needed: Mapping[str, Strategy], **others: Strategy) -> Strategy:
    """The fields of a message: some always, others now and then."""
    return st.fixed_dictionaries(dict(needed), optional=others)


def some(strategy: Strategy, least: int = 0) -> Strategy:
    """Up to two of something."""
    return st.lists(strategy, min_size=least, max_size=2)


def pairs(value: Strategy) -> Strategy:
    """Keys and values."""
    return some(message({"key": texts, "value": value}))


texts, doubles, flags = st.text(max_size=8), st.floats(), st.booleans()
counts, int32, int64 = st.integers(0, 2**64 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
plain = {
    "string_value": texts,
    "bool_value": flags,
    "int_value": int64,
    "double_value": doubles,
    "bytes_value": st.binary(max_size=5),
}
values: Strategy = st.recursive(
    st.one_of(st.just({}), *(message({kind: each}) for kind, each in plain.items())),
    lambda inner: st.one_of(
        message({"array_value": message({"values": some(inner)})}),
        message({"kvlist_value": message({"values": pairs(inner)})}),
    ),
    max_leaves=4,
)
attributes = pairs(values)
scope = message({}, name=texts, version=texts, attributes=attributes)
resource = message({}, attributes=attributes)

trace_ids = st.one_of(st.just(b"t" * 16), st.binary(min_size=16, max_size=16), st.binary(max_size=17))
span_ids = st.one_of(st.just(b"s" * 8), st.binary(min_size=8, max_size=8), st.binary(max_size=9))
span = message(
    {"trace_id": trace_ids, "span_id": span_ids, "start_time_unix_nano": counts},
    parent_span_id=span_ids,
    name=texts,
    kind=st.integers(0, 5),
    end_time_unix_nano=counts,
    attributes=attributes,
    events=some(message({}, name=texts, attributes=attributes, time_unix_nano=counts)),
    status=message({}, code=st.integers(0, 2), message=texts),
)
log_record = message(
    {},
    trace_id=trace_ids,
    span_id=span_ids,
    time_unix_nano=counts,
    observed_time_unix_nano=counts,
    severity_number=st.integers(0, 24),
    event_name=texts,
    body=values,
    attributes=attributes,
)


def points(**fields: Strategy) -> Strategy:
    """Data points with a time."""
    common = {"attributes": attributes, "start_time_unix_nano": counts, "flags": st.integers(0, 3)}
    return some(message({"time_unix_nano": counts}, **common, **fields), 1)


temporality = {"aggregation_temporality": st.integers(0, 2)}
extent = {"count": counts, "sum": doubles, "min": doubles, "max": doubles}
side = message({}, offset=int32, bucket_counts=some(counts))
numbers = st.one_of(points(as_int=int64), points(as_double=doubles))
histograms = points(**extent, bucket_counts=st.lists(counts, max_size=3), explicit_bounds=some(doubles))
exponentials = points(**extent, scale=int32, zero_count=counts, zero_threshold=doubles, positive=side, negative=side)
quantiles = some(message({}, quantile=doubles, value=doubles))
measures = (
    message({"gauge": message({"data_points": numbers})}),
    message({"sum": message({"data_points": numbers}, is_monotonic=flags, **temporality)}),
    message({"histogram": message({"data_points": histograms}, **temporality)}),
    message({"exponential_histogram": message({"data_points": exponentials}, **temporality)}),
    message({"summary": message({"data_points": points(count=counts, sum=doubles, quantile_values=quantiles)})}),
)
_MEMBERS = {
    "traces": ("resource_spans", "scope_spans", "spans", span),
    "logs": ("resource_logs", "scope_logs", "log_records", log_record),
    "metrics": ("resource_metrics", "scope_metrics", "metrics", st.none()),
}


@st.composite
def metric(draw: st.DrawFn) -> dict[str, Any]:
    """A metric of any type."""
    named = message({"name": st.text(min_size=1, max_size=8)}, description=texts, unit=texts)
    return draw(named) | draw(st.one_of(*measures))


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Message]:
    """A signal and a request of it."""
    signal = draw(st.sampled_from(sorted(_MEMBERS)))
    groups, parts, records, strategy = _MEMBERS[signal]
    strategy = metric() if signal == "metrics" else strategy
    part = message({records: some(strategy, 1)}, scope=scope)
    group = message({parts: some(part, 1)}, resource=resource)
    return signal, REQUESTS[signal](**{groups: draw(some(group, 1))})


def in_json(request: Message) -> bytes:
    """A request as OTLP spells it: protobuf's own JSON, but for ids and enums."""
    return json.dumps(_with_hex_ids(MessageToDict(request, use_integers_for_enums=True))).encode()


def _with_hex_ids(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _with_hex_ids(each, key) for key, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_with_hex_ids(each) for each in cast("list[Any]", value)]
    return base64.b64decode(value).hex() if name in IDS else value
