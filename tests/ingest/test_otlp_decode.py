"""OTLP bodies to records: both encodings say the same, every sender's spelling is read, and no record costs another."""

from __future__ import annotations

import base64
import csv
import gzip
import json as stdlib_json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_requests import REQUESTS, in_json, requests

from agentgauge.core.errors import InvalidValue, TooLarge
from agentgauge.ingest.otlp import json, protobuf, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

    from agentgauge.ingest.otlp.records import LogRecord, MetricPoint, Span

FIXTURES = Path(__file__).parent.parent / "fixtures/otlp"
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
T0 = 1_780_000_000_000_000_000


def decoded(signal: str, body: bytes, encoding: Any = json) -> tuple[list[Any], rules.Rejections]:
    """The records of a body that can be taken, and the count of the others."""
    decode: dict[str, tuple[Callable[[bytes], Iterator[Any]], Callable[[Any], str]]] = {
        "traces": (encoding.spans, rules.flaw_of_span),
        "metrics": (encoding.metric_points, rules.flaw_of_point),
        "logs": (encoding.log_records, rules.flaw_of_log_record),
    }
    rejections = rules.Rejections()
    read, flaw = decode[signal]
    return list(rules.kept(read(body), flaw, rejections)), rejections


def text(value: Any) -> bytes:
    return stdlib_json.dumps(value).encode()


def traces(*spans: Any, resource: Any = None, scope: Any = None) -> bytes:
    part = {"scope": scope, "spans": list(spans)}
    return text({"resourceSpans": [{"resource": resource, "scopeSpans": [part]}]})


def logs(*records: Any) -> bytes:
    return text({"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]})


def metrics(*found: Any) -> bytes:
    return text({"resourceMetrics": [{"scopeMetrics": [{"metrics": list(found)}]}]})


def gauge(*points: Any) -> dict[str, Any]:
    return {"name": "m", "gauge": {"dataPoints": list(points)}}


def span(**fields: Any) -> dict[str, Any]:
    return {"traceId": TRACE, "spanId": SPAN, "name": "n", "startTimeUnixNano": T0, "endTimeUnixNano": T0 + 5} | fields


def attribute(value: Any) -> dict[str, Any]:
    return span(attributes=[{"key": "k", "value": value}])


def one_span(given: Any) -> Span:
    ((found,), rejections) = decoded("traces", traces(given))
    assert rejections.count == 0
    return found


def one_point(given: Any) -> MetricPoint:
    ((found,), rejections) = decoded("metrics", metrics(given))
    assert rejections.count == 0
    return found


def one_log(given: Any) -> LogRecord:
    ((found,), rejections) = decoded("logs", logs(given))
    assert rejections.count == 0
    return found


# What was recorded


def recorded() -> list[tuple[str, str, int]]:
    """File, signal and number of records of each recorded request."""
    with (FIXTURES / "MANIFEST.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    found: list[tuple[str, str, int]] = []
    for row in rows:
        signal = row["request_path"].rpartition("/")[2]
        if signal in REQUESTS:
            found.append((row["file"], signal, int(row["counts"].split()[0].partition("=")[2])))
    return found


@pytest.mark.parametrize(("file", "signal", "count"), recorded())
def test_every_recorded_request_gives_as_many_records_as_it_holds(file: str, signal: str, count: int) -> None:
    body = (FIXTURES / file).read_bytes()
    body = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
    found, rejections = decoded(signal, body, json if file.endswith(".json") else protobuf)
    assert len(found) + rejections.count == count
    assert rejections.count == (2 if file == "edge/001_metrics.json" else 0)


def test_the_example_of_the_specification_is_read_field_by_field() -> None:
    found, _ = decoded("logs", (FIXTURES / "spec_example_logs.json").read_bytes())
    assert [each._asdict() for each in found] == snapshot(
        [
            {
                "time_ns": 1544712660300000000,
                "severity": 10,
                "event_name": "",
                "body": "Example log record",
                "attributes": {
                    "string.attribute": "some string",
                    "boolean.attribute": True,
                    "int.attribute": 10,
                    "double.attribute": 637.704,
                    "array.attribute": ["many", "values"],
                    "map.attribute": {"some.map.key": "some value"},
                },
                "resource": {"service.name": "my.service"},
                "scope": "my.library",
                "trace_id": "5b8efff798038103d269b633813fc60c",
                "span_id": "eee19b7ec3c1b174",
                "scope_version": "1.0.0",
                "scope_attributes": {"my.scope.attribute": "some scope attribute"},
            }
        ]
    )


@pytest.mark.parametrize("file", ["py_sdk/001_traces.bin", "py_sdk/009_traces.json"])
def test_an_integer_past_53_bits_survives_in_either_encoding(file: str) -> None:
    found, _ = decoded("traces", (FIXTURES / file).read_bytes(), json if file.endswith(".json") else protobuf)
    assert found[2].attributes["gen_ai.usage.input_tokens"] == 9_007_199_254_740_993


# Both encodings say the same


@given(requests())
def test_both_encodings_of_a_request_give_the_same_records(given: tuple[str, Message]) -> None:
    signal, request = given
    binary, binary_rejections = decoded(signal, request.SerializeToString(), protobuf)
    read, rejections = decoded(signal, in_json(request))
    assert repr(read) == repr(binary)  # NaN is not itself, its text is
    assert rejections == binary_rejections


# The spellings of JSON senders


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"intValue": 1500}, 1500),
        ({"intValue": "1500"}, 1500),
        ({"intValue": 1500.0}, 1500),
        ({"intValue": 9_007_199_254_740_993}, 9_007_199_254_740_993),
        ({"intValue": "9007199254740993"}, 9_007_199_254_740_993),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": None}, 0),
        ({"doubleValue": 3}, 3.0),
        ({"doubleValue": "2.5e3"}, 2500.0),
        ({"doubleValue": "Infinity"}, math.inf),
        ({"doubleValue": "-Infinity"}, -math.inf),
        ({"boolValue": True}, True),
        ({"stringValue": ""}, ""),
        ({"stringValue": "héllo ✓ 日本\u0000"}, "héllo ✓ 日本\u0000"),
        ({"bytesValue": "AP8="}, "AP8="),
        ({"arrayValue": {"values": [{"intValue": 1}, {}, {"stringValue": "a"}]}}, [1, None, "a"]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": False}}]}}, {"a": False}),
        ({}, None),
        (None, None),
        ({"futureValue": 1}, None),
        ({"string_value": "snake"}, None),
    ],
)
def test_an_attribute_is_read_in_every_spelling(value: Any, expected: Any) -> None:
    found = one_span(attribute(value)).attributes["k"]
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("value", [None, "NaN"])
def test_a_double_that_is_no_number_is_nan(value: Any) -> None:
    assert math.isnan(one_span(attribute({"doubleValue": value})).attributes["k"])


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        (r"\ud83d", "\ufffd"),
        (r"\uDC00x", "\ufffdx"),
        (r"\ud83d\ude00", "😀"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\\ud83d\ud83d", "\\ud83d\ufffd"),
        (r"\"\ud83d\n", '"\ufffd\n'),
    ],
)
def test_half_a_surrogate_pair_is_replaced_and_nothing_else(literal: str, expected: str) -> None:
    body = traces(attribute({"stringValue": "HERE"})).replace(b"HERE", literal.encode())
    ((found,), _) = decoded("traces", body)
    assert found.attributes["k"] == expected


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    body = traces(span(name="HERE"), span()).replace(b"HERE", b"a\xff\xed\xa0\x80b")
    found, _ = decoded("traces", body)
    assert found[0].name.startswith("a\ufffd")
    assert [each.name for each in found[1:]] == ["n"]


def test_the_nan_and_the_byte_order_mark_of_sloppy_senders_are_read() -> None:
    body = b"\xef\xbb\xbf" + metrics(
        gauge({"timeUnixNano": T0, "asDouble": math.nan}, {"timeUnixNano": T0, "asInt": 1})
    )
    found, rejections = decoded("metrics", body)
    assert ([each.value for each in found], rejections.count) == ([1], 1)


def test_ids_are_hexadecimal_in_either_case() -> None:
    found = one_span(span(traceId=TRACE.upper(), spanId=SPAN.upper(), parentSpanId="0000000000000000"))
    assert (found.trace_id, found.span_id, found.parent_span_id) == (TRACE, SPAN, "")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"kind": 3, "status": {"code": 2, "message": "m"}}, (3, 2, "m")),
        ({"kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR"}}, (3, 2, "")),
        ({"kind": 77, "status": {}}, (77, 0, "")),
        ({"status": None}, (0, 0, "")),
    ],
)
def test_enums_are_numbers_and_names_are_taken_too(given: dict[str, Any], expected: Any) -> None:
    found = one_span(span(**given))
    assert (found.kind, found.status_code, found.status_message) == expected


@pytest.mark.parametrize(("severity", "number"), [(9, 9), ("SEVERITY_NUMBER_INFO", 9), ("SEVERITY_NUMBER_FATAL4", 24)])
def test_a_severity_is_a_number_or_its_name(severity: Any, number: int) -> None:
    assert one_log({"timeUnixNano": str(T0), "severityNumber": severity}).severity == number


def test_names_that_are_not_camel_case_are_unknown() -> None:
    assert decoded("traces", text({"resource_spans": [{}]})) == ([], rules.Rejections())
    found = one_span(span(start_time_unix_nano=1, parent_span_id=SPAN))
    assert (found.start_ns, found.parent_span_id) == (T0, "")


def test_one_end_of_a_span_stands_for_the_other() -> None:
    assert one_span(span(startTimeUnixNano=None)).start_ns == T0 + 5
    assert one_span(span(endTimeUnixNano="0")).end_ns == T0


def test_a_log_record_without_a_time_of_its_own_has_that_of_its_observation() -> None:
    assert one_log({"observedTimeUnixNano": T0, "timeUnixNano": "0"}).time_ns == T0


def test_the_invalid_trace_of_a_log_record_is_none() -> None:
    found = one_log({"timeUnixNano": T0, "traceId": "0" * 32, "spanId": "abcd"})
    assert (found.trace_id, found.span_id) == ("", "")


def test_records_of_one_group_share_what_the_group_says() -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]}
    one, other = decoded("traces", traces(span(), span(), resource=resource, scope={"name": "lib", "version": "1"}))[0]
    assert one.resource is other.resource
    assert (one.resource, one.scope, one.scope_version, one.scope_attributes) == ({"service.name": "s"}, "lib", "1", {})


@pytest.mark.parametrize(
    "given",
    [
        {"timeUnixNano": T0, "asInt": "7"},
        {"timeUnixNano": str(T0), "asDouble": 7},
        {"timeUnixNano": T0, "asDouble": "7.0", "asInt": None},
    ],
)
def test_a_number_is_an_integer_or_a_double_of_either_spelling(given: dict[str, Any]) -> None:
    assert one_point(gauge(given)).value == 7


def test_a_point_may_say_that_there_is_no_value_now() -> None:
    found = one_point(gauge({"timeUnixNano": T0, "flags": 1}))
    assert (found.recorded, found.value) == (False, None)


def test_what_is_not_finite_spoils_no_histogram() -> None:
    data = {"timeUnixNano": T0, "count": "2", "sum": None, "min": "NaN", "max": 3, "bucketCounts": ["1", 1]}
    found = one_point({"name": "h", "histogram": {"dataPoints": [data | {"explicitBounds": [2.5]}]}})
    assert (found.count, found.sum, found.min, found.max) == (2, None, None, 3.0)
    assert (found.bounds, found.bucket_counts) == ((2.5,), (1, 1))


# One bad record


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "traceId"),
        ([], "a span"),
        ("x", "a span"),
        (span(traceId="0" * 32), "traceId"),
        (span(traceId=TRACE[:-1]), "traceId"),
        (span(traceId="W47/95gDgQPSabYzgT/GDA=="), "hexadecimal"),
        (span(traceId="٣" * 32), "hexadecimal"),
        (span(traceId=5), "traceId"),
        (span(spanId=""), "spanId"),
        (span(parentSpanId="ab"), "parentSpanId"),
        (span(startTimeUnixNano=0, endTimeUnixNano=None), "startTimeUnixNano"),
        (span(startTimeUnixNano=-1), "startTimeUnixNano"),
        (span(startTimeUnixNano="1_0"), "startTimeUnixNano"),
        (span(startTimeUnixNano=2**64), "startTimeUnixNano"),
        (span(startTimeUnixNano=1.5), "startTimeUnixNano"),
        (span(startTimeUnixNano=True), "startTimeUnixNano"),
        (span(kind="client"), "kind"),
        (span(status="ok"), "status"),
        (span(name=1), "name"),
        (span(attributes={"a": 1}), "attributes"),
        (span(attributes=["a"]), "attributes"),
        (span(events=[1]), "events"),
        (attribute("text"), "value"),
        (attribute({"intValue": "9223372036854775808"}), "intValue"),
        (attribute({"intValue": 2.5}), "intValue"),
        (attribute({"doubleValue": "1_0"}), "doubleValue"),
        (attribute({"boolValue": 1}), "boolValue"),
        (attribute({"stringValue": 1}), "stringValue"),
        (attribute({"arrayValue": []}), "arrayValue"),
    ],
)
def test_a_span_that_cannot_be_read_costs_no_other(given: Any, reason: str) -> None:
    found, rejections = decoded("traces", traces(span(name="before"), given, span(name="after")))
    assert [each.name for each in found] == ["before", "after"]
    assert rejections.count == 1
    assert reason in rejections.reasons[0]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (gauge({"timeUnixNano": T0, "asDouble": None}), "finite"),
        (gauge({"timeUnixNano": T0, "asDouble": "Infinity"}), "finite"),
        (gauge({"timeUnixNano": T0}), "finite"),
        (gauge({"asInt": 1}), "timeUnixNano"),
        (gauge(None), "timeUnixNano"),
        (gauge({"timeUnixNano": T0, "asInt": 1}) | {"name": ""}, "name"),
        ({"name": "m", "gauge": {"dataPoints": 1}}, "timeUnixNano"),
        ({"name": 3, "gauge": {"dataPoints": [{"timeUnixNano": T0, "asInt": 1}]}}, "name"),
        ({"name": "h", "histogram": {"dataPoints": [{"timeUnixNano": T0, "bucketCounts": [1, 2]}]}}, "bucketCounts"),
        ({"name": "h", "histogram": {"dataPoints": [{"timeUnixNano": T0, "bucketCounts": [-1]}]}}, "bucketCounts"),
        ({"name": "h", "histogram": {"dataPoints": [{"timeUnixNano": T0, "explicitBounds": [2, 1]}]}}, "ascend"),
        ({"name": "h", "histogram": {"dataPoints": [{"timeUnixNano": T0, "explicitBounds": [None]}]}}, "ascend"),
        ("x", "a metric"),
    ],
)
def test_a_point_that_cannot_be_read_costs_no_other(given: Any, reason: str) -> None:
    good = gauge({"timeUnixNano": T0, "asInt": 1})
    found, rejections = decoded("metrics", metrics(good, given, good))
    assert [each.value for each in found] == [1, 1]
    assert rejections.count == 1
    assert reason in rejections.reasons[0]


def test_a_log_record_without_any_time_costs_no_other() -> None:
    found, rejections = decoded("logs", logs({"body": {"stringValue": "a"}}, {"timeUnixNano": T0}))
    assert (len(found), rejections.count) == (1, 1)
    assert "observedTimeUnixNano" in rejections.reasons[0]


def test_a_group_whose_resource_cannot_be_read_costs_its_own_records_only() -> None:
    bad = {"resource": {"attributes": 1}, "scopeSpans": [{"spans": [span(), span()]}, {"spans": 3}]}
    ugly = {"scopeSpans": [{"scope": {"name": 1}, "spans": [span()]}, 5]}
    good = {"scopeSpans": [{"spans": [span()]}]}
    found, rejections = decoded("traces", text({"resourceSpans": [bad, "x", good, ugly]}))
    assert (len(found), rejections.count) == (1, 6)


def test_a_value_nested_without_end_costs_its_own_span_only() -> None:
    deep: Any = {"intValue": 1}
    for _ in range(200):
        deep = {"arrayValue": {"values": [deep]}}
    found, rejections = decoded("traces", traces(attribute(deep), span()))
    assert (len(found), rejections.count) == (1, 1)
    assert "nested" in rejections.reasons[0]


def test_reasons_are_told_once_each_and_counted_all() -> None:
    _, rejections = decoded("traces", traces(*[span(traceId="")] * 500, *[span(spanId="")] * 20))
    assert (rejections.count, len(rejections.reasons)) == (520, 2)


# Bodies that are no request


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"x", b"{", b"[]", b'"a"', b"null", b"1", b"\xff\xfe{\x00}\x00", b'{"resourceSpans":[{]}'),
        *(b"[" * 100_000, b'{"a":' * 100_000, b'{"resourceSpans":NaNN}'),
    ],
)
def test_a_body_that_is_not_the_json_of_a_request_is_refused_whole(body: bytes) -> None:
    with pytest.raises(InvalidValue):
        decoded("traces", body)


@pytest.mark.parametrize("body", [b"{}", b'{"resourceSpans":[]}', b'{"resourceSpans":null}', b' {"other":1}\n'])
def test_a_json_request_without_records_is_one(body: bytes) -> None:
    assert decoded("traces", body) == ([], rules.Rejections())


def test_an_empty_body_is_a_request_in_protobuf() -> None:
    for signal in REQUESTS:
        assert decoded(signal, b"", protobuf) == ([], rules.Rejections())


@pytest.mark.parametrize(
    "body", [b"{}", b"\x0a\xff", b"\x0a\x05\x0a\x03\x0a\x01", b"\xff" * 20, b"\x0a\x04\x12\x02\x12\x07"]
)
def test_a_body_that_is_not_the_protobuf_of_a_request_is_refused_whole(body: bytes) -> None:
    with pytest.raises(InvalidValue, match="ExportTraceServiceRequest"):
        decoded("traces", body, protobuf)


def test_a_protobuf_body_cut_anywhere_gives_no_more_than_it_holds() -> None:
    body = (FIXTURES / "mcp/001_traces.bin").read_bytes()
    whole, _ = decoded("traces", body, protobuf)
    for end in range(len(body)):
        try:
            found, _ = decoded("traces", body[:end], protobuf)
        except InvalidValue:
            continue
        assert repr(found) == repr(whole[: len(found)])


@pytest.mark.parametrize("encoding", [json, protobuf])
def test_a_prompt_may_be_long_and_full_of_what_begins_a_value(encoding: Any) -> None:
    prompt = '{"a":[1,2]},' * 300_000
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(start_time_unix_nano=T0)
    span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    span.attributes.add(key="gen_ai.input.messages").value.string_value = prompt
    body = in_json(request) if encoding is json else request.SerializeToString()
    (found,), _ = decoded("traces", body, encoding)
    assert found.attributes == {"gen_ai.input.messages": prompt}


def test_a_json_request_of_more_than_two_million_values_is_too_large() -> None:
    with pytest.raises(TooLarge, match="2,000,000 values"):
        decoded("traces", b'{"resourceSpans":[' + b"0," * 2_000_000 + b"0]}")


@pytest.mark.parametrize(("links", "is_taken"), [(1_999_997, True), (1_999_998, False)])
def test_a_protobuf_request_has_at_most_two_million_messages(links: int, is_taken: bool) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()  # three messages
    span.trace_id, span.span_id, span.start_time_unix_nano = bytes.fromhex(TRACE), bytes.fromhex(SPAN), T0
    span.MergeFromString(b"\x6a\0" * links)
    body = request.SerializeToString()
    if is_taken:
        assert len(decoded("traces", body, protobuf)[0]) == 1
    else:
        with pytest.raises(TooLarge, match="2,000,000 messages"):
            decoded("traces", body, protobuf)


def test_an_attribute_that_is_none_costs_its_own_span_only() -> None:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in (1, 2, 3):
        spans.add(trace_id=b"t" * 16, span_id=bytes([number] * 8), start_time_unix_nano=T0)
        spans[-1].attributes.add(key="name").value.string_value = f"text {number}"
    body = request.SerializeToString().replace(b"text 2", b"text\xff2")
    found, rejections = decoded("traces", body, protobuf)
    assert [each.attributes["name"] for each in found] == ["text 1", "text 3"]
    assert rejections.reasons == ["attributes: must be pairs of a key and a value."]


ATTRIBUTE_VALUES = st.one_of(
    st.text(max_size=200), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.binary(max_size=5), st.none()
)


@given(st.dictionaries(st.text(max_size=200), ATTRIBUTE_VALUES, max_size=5))
def test_attributes_are_read_as_protobuf_itself_reads_them(attributes: dict[str, Any]) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.start_time_unix_nano = bytes.fromhex(TRACE), bytes.fromhex(SPAN), T0
    fields = {str: "string_value", int: "int_value", bool: "bool_value", bytes: "bytes_value"}
    for key, value in attributes.items():
        pair = span.attributes.add(key=key)
        if value is not None:
            setattr(pair.value, fields[type(value)], value)
    (found,), _ = decoded("traces", request.SerializeToString(), protobuf)
    assert found.attributes == {
        key: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for key, value in attributes.items()
    }


@given(st.sampled_from(sorted(REQUESTS)), st.binary(max_size=60), st.sampled_from([json, protobuf]))
def test_any_bytes_are_decoded_or_refused(signal: str, body: bytes, encoding: Any) -> None:
    try:
        decoded(signal, body, encoding)
    except InvalidValue as error:
        assert error.message


KEYS = st.sampled_from(
    "resourceSpans scopeSpans spans resource scope attributes key value values traceId spanId startTimeUnixNano "
    "stringValue intValue arrayValue kvlistValue resourceMetrics scopeMetrics metrics gauge histogram dataPoints name "
    "bucketCounts timeUnixNano asDouble status code events resourceLogs scopeLogs logRecords body".split()
)
ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just(TRACE)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)


@given(st.sampled_from(["resourceSpans", "resourceMetrics", "resourceLogs"]), ANY)
def test_any_json_below_a_request_is_read_or_rejected(name: str, value: Any) -> None:
    signal = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceLogs": "logs"}[name]
    records = {"resourceSpans": "spans", "resourceMetrics": "metrics", "resourceLogs": "logRecords"}[name]
    parts = {"resourceSpans": "scopeSpans", "resourceMetrics": "scopeMetrics", "resourceLogs": "scopeLogs"}[name]
    for body in ({name: value}, {name: [{parts: value}]}, {name: [{parts: [{records: value}]}]}):
        _, rejections = decoded(signal, text(body))
        assert len(rejections.reasons) <= max(rejections.count, 0)
