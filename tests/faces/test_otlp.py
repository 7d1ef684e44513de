"""The OTLP receiver over HTTP: what exporters send in every form, and the statuses that keep their data from loss."""

from __future__ import annotations

import base64
import gzip
import json
import sys
import types
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from served import READ, WRITE, Home, at, facts

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    import httpx2

FIXTURES = Path(__file__).parent.parent / "fixtures/otlp"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
LIMIT = 64 << 20
T0 = at("2026-05-20T12:00") * 1_000_000
PATHS = ("/v1/traces", "/v1/metrics", "/v1/logs", "/api/public/otel/v1/traces")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A server over an empty folder."""
    return Home(tmp_path)


def span(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A model call of 100 tokens."""
    said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.response.id": f"r{number}"}
    attributes: list[dict[str, Any]] = [{"key": key, "value": {"stringValue": each}} for key, each in said.items()]
    attributes.append({"key": "gen_ai.usage.input_tokens", "value": {"intValue": 100}})
    ids = {"traceId": f"{number:032x}", "spanId": f"{number:016x}"}
    times = {"startTimeUnixNano": T0 + number * 1_000_000, "endTimeUnixNano": T0 + number * 1_000_000 + 5}
    return {**ids, "name": "chat", "kind": 3, **times, "attributes": attributes} | fields


def traces(*spans: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


async def send(home: Home, body: Any, path: str = "/v1/traces", kind: str = JSON, **headers: str) -> httpx2.Response:
    return await home.post(path, body, None, **({"Content-Type": kind} | headers))


async def model_calls(home: Home, token: str | None = None) -> tuple[Any, Any]:
    """How many model calls there are, and how many tokens went in."""
    asked = {
        "datasource": "model_calls",
        "aggregations": [{"type": "count"}, {"type": "sum", "column": "input_tokens"}],
        "start": "2026-01-01",
        "end": "2026-12-31",
    }
    async with home.mcp(token) as client:
        found = facts(await client.call_tool("query_datapoints", asked))
    return found["total"]["count"], found["total"]["sum_input_tokens"]


def status_of(response: httpx2.Response) -> str:
    """The message of the google.rpc.Status that a refusal is, in the encoding of its request."""
    if response.headers["Content-Type"] == JSON:
        body = response.json()
        assert list(body) == ["message"]
        return body["message"]
    assert response.headers["Content-Type"] == PROTOBUF
    tag, length, *text = response.content  # field 2, a string: less than 128 bytes, or two bytes of length
    assert tag == 0x12
    return bytes(text if length < 128 else text[1:]).decode()


# What is taken


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=utf-8", "Application/JSON"])
@pytest.mark.parametrize("packed", [False, True])
async def test_json_is_taken_plain_and_packed_and_answered_in_json(home: Home, kind: str, packed: bool) -> None:
    body = json.dumps(traces(span(1), span(2))).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    response = await send(home, gzip.compress(body) if packed else body, kind=kind, **headers)
    assert (response.status_code, response.headers["Content-Type"], response.content) == (200, JSON, b"{}")
    assert await model_calls(home) == (2, 200)


@pytest.mark.parametrize("packed", [False, True])
async def test_protobuf_is_taken_plain_and_packed_and_answered_with_nothing(home: Home, packed: bool) -> None:
    body = (FIXTURES / "pydantic_ai/001_traces.bin").read_bytes()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    response = await send(home, gzip.compress(body) if packed else body, kind=PROTOBUF, **headers)
    assert (response.status_code, response.headers["Content-Type"], response.content) == (200, PROTOBUF, b"")
    assert await model_calls(home) == (3, 3151)


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_without_records_is_a_success_everywhere(home: Home, path: str) -> None:
    for kind, body, answer in ((PROTOBUF, b"", b""), (JSON, b"{}", b"{}")):
        response = await send(home, body, path, kind)
        assert (response.status_code, response.content) == (200, answer)


async def test_a_body_in_chunks_of_no_stated_length_is_taken(home: Home) -> None:
    body = json.dumps(traces(*map(span, range(1, 40)))).encode()

    async def chunks() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), 1_000):
            yield body[start : start + 1_000]

    async with home.client() as client:
        response = await client.post("/v1/traces", content=chunks(), headers={"Content-Type": JSON})
    assert response.status_code == 200
    assert await model_calls(home) == (39, 3900)


async def test_the_same_request_again_changes_nothing(home: Home) -> None:
    for _ in range(3):
        assert (await send(home, traces(span(1), span(2), span(3)))).content == b"{}"
        assert await model_calls(home) == (3, 300)


async def test_requests_at_once_are_all_stored(home: Home) -> None:
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(send, home, traces(*[span(number * 50 + each) for each in range(1, 51)]))
    assert await model_calls(home) == (1_000, 100_000)


async def test_what_a_paths_vendor_sends_there_with_basic_credentials_is_taken(home: Home) -> None:
    body = (FIXTURES / "langfuse_sdk/001_traces.bin").read_bytes()
    headers = {"Authorization": "Basic cGstbGYtMTpzay1sZi0x", "Content-Encoding": "gzip"}
    packed = body if body.startswith(b"\x1f\x8b") else gzip.compress(body)
    response = await send(home, packed, "/api/public/otel/v1/traces", PROTOBUF, **headers)
    assert (response.status_code, response.content) == (200, b"")
    assert (await model_calls(home))[0] == 1


# Partial success


async def test_bad_records_are_counted_and_the_good_ones_kept(home: Home) -> None:
    response = await send(home, traces(span(1), span(2, traceId="no"), span(3, startTimeUnixNano="x"), span(4)))
    assert response.status_code == 200
    partial = response.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert "2 spans were rejected" in partial["errorMessage"]
    assert "traceId" in partial["errorMessage"]
    assert await model_calls(home) == (2, 200)


async def test_a_record_whose_event_is_refused_is_counted_too(home: Home) -> None:
    far = {"startTimeUnixNano": 2**63, "endTimeUnixNano": 2**63}  # the year 2262
    response = await send(home, traces(span(1), span(2, **far)))
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert "2100" in response.json()["partialSuccess"]["errorMessage"]
    assert await model_calls(home) == (1, 100)


async def test_a_clock_that_is_a_year_off_is_no_reason_to_refuse(home: Home) -> None:
    for years in (-1, 1):
        moved = T0 + years * 365 * 86_400 * 10**9
        number = 10 + years
        response = await send(home, traces(span(number, startTimeUnixNano=moved, endTimeUnixNano=moved)))
        assert response.content == b"{}"


BAD: dict[str, Any] = {
    "/v1/traces": traces(span(traceId="")),
    "/v1/metrics": {
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [1]}}]}]}]
    },
    "/v1/logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityNumber": 9}]}]}]},
}
"""A request with one bad record for each path."""


@pytest.mark.parametrize(
    ("path", "field", "kind"),
    [
        ("/v1/traces", "rejected_spans", ExportTraceServiceResponse),
        ("/v1/metrics", "rejected_data_points", ExportMetricsServiceResponse),
        ("/v1/logs", "rejected_log_records", ExportLogsServiceResponse),
    ],
)
async def test_each_signal_counts_in_its_own_field_in_either_encoding(
    home: Home, path: str, field: str, kind: Any
) -> None:
    camel = "".join([field.split("_")[0], *(each.title() for each in field.split("_")[1:])])
    assert (await send(home, BAD[path], path)).json()["partialSuccess"][camel] == "1"
    request = {"rejected_spans": b"\x0a\x04\x12\x02\x12\x00", "rejected_log_records": b"\x0a\x04\x12\x02\x12\x00"}
    point = b"\x0a\x0b\x12\x09\x12\x07\x0a\x01m\x2a\x02\x0a\x00"  # one gauge, m, with one empty point
    response = await send(home, request.get(field, point), path, PROTOBUF)
    partial = kind.FromString(response.content).partial_success
    assert (response.status_code, getattr(partial, field)) == (200, 1)
    assert partial.error_message


async def test_a_record_that_our_own_code_trips_over_costs_only_itself(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentgauge.ingest.otlp import mapping

    true = mapping.spans_to_events

    def faulty(spans: Any) -> Any:
        for each in spans:
            if each.name == "poison":
                raise ZeroDivisionError
        return true(spans)

    monkeypatch.setitem(sys.modules, mapping.__name__, types.SimpleNamespace(spans_to_events=faulty))
    response = await send(home, traces(span(1), span(2, name="poison"), span(3)))
    assert response.status_code == 200
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"
    monkeypatch.undo()
    assert await model_calls(home) == (2, 200)


async def test_hostile_names_and_values_cost_no_good_record(home: Home) -> None:
    evil = "\u202e\x00'; drop table model_calls; --\ud83d" + "x" * 100_000
    attributes: list[Any] = [
        {"key": evil, "value": {"stringValue": evil}},
        {"key": "deep", "value": {"arrayValue": {"values": [{}]}}},
    ]
    bad = span(2, name=evil)
    bad["attributes"] += attributes
    response = await send(home, traces(span(1), bad, span(3)))
    assert response.status_code == 200
    assert (await model_calls(home))[0] >= 2


# What is refused, and how


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_cannot_be_decoded_is_a_bad_request(home: Home, path: str) -> None:
    whole = (FIXTURES / "mcp/001_traces.bin").read_bytes()
    for kind, body in ((PROTOBUF, whole[:-3]), (PROTOBUF, b"{}"), (JSON, b"{"), (JSON, b"[]"), (JSON, b"")):
        response = await send(home, body, path, kind)
        assert response.status_code == 400, (kind, body)
        assert status_of(response)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/grpc"])
async def test_another_content_type_is_unsupported(home: Home, kind: str) -> None:
    response = await send(home, traces(span()), kind=kind)
    assert response.status_code == 415
    assert PROTOBUF in status_of(response)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
async def test_another_content_encoding_is_unsupported(home: Home, encoding: str) -> None:
    response = await send(home, b"", kind=PROTOBUF, **{"Content-Encoding": encoding})
    assert response.status_code == 415
    assert "gzip" in status_of(response)


async def test_damaged_gzip_is_a_bad_request(home: Home) -> None:
    whole = gzip.compress(json.dumps(traces(span())).encode())
    for body in (b"no gzip", whole[:-9], whole + b"tail"):
        response = await send(home, body, **{"Content-Encoding": "gzip"})
        assert response.status_code == 400
        assert "gzip" in status_of(response)


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
async def test_a_bomb_is_too_large_once_unpacked(home: Home, kind: str) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(16 << 20)) for _ in range(5)) + packer.flush()
    response = await send(home, bomb, kind=kind, **{"Content-Encoding": "gzip"})
    assert response.status_code == 413
    assert "64 MiB" in status_of(response)


@pytest.mark.parametrize("path", PATHS)
async def test_another_method_is_not_allowed(home: Home, path: str) -> None:
    async with home.client() as client:
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            response = await client.request(method, path)
            if path == "/v1/metrics":  # a vendor's prefix, who has nothing there
                assert (response.status_code, response.json()["success"]) == (404, False)
            else:
                assert (response.status_code, response.headers["Allow"]) == (405, "POST")


class Impatient(App):
    """Waits less long for its turn to write."""

    def sink(self) -> SqliteSink:
        return SqliteSink(self.store_path, clock=self.clock, wait_s=0.05)


async def test_a_busy_store_is_worth_another_try(home: Home) -> None:
    home.serving.organisation("default").app = Impatient(Settings(home=home.path))
    assert (await send(home, traces(span(1)))).status_code == 200
    recorded = (FIXTURES / "mcp/001_traces.bin").read_bytes()
    with App(Settings(home=home.path)).sink() as other, other.turn():
        for kind, body in ((JSON, traces(span(2))), (PROTOBUF, recorded)):
            response = await send(home, body, kind=kind)
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "1"
            assert "busy" in status_of(response)
    assert (await send(home, traces(span(2)))).status_code == 200
    assert await model_calls(home) == (2, 200)


async def test_a_store_that_is_none_of_ours_is_no_fault_of_the_sender(home: Home) -> None:
    store = home.path / "orgs/default.db"
    store.parent.mkdir(parents=True)
    store.write_bytes(b"not a database" * 1_000)
    response = await send(home, traces(span()))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert status_of(response)


# Who may send


async def test_once_there_are_keys_a_sender_needs_one_that_writes(home: Home) -> None:
    writer, reader, acme = home.key(WRITE), home.key(READ), home.key(WRITE, READ, org="acme")
    body = traces(span(1))

    async def code(**headers: str) -> int:
        response = await send(home, body, **headers)
        if response.status_code != 200:
            assert status_of(response)
        return response.status_code

    assert await code() == 401
    assert await code(Authorization="Bearer wrong") == 401
    assert await code(Authorization=f"Bearer {reader}") == 403
    assert await code(Authorization=f"Bearer {writer}") == 200
    assert await code(Authorization=f"Basic {_basic('pk-anything', acme)}") == 200
    assert await code(Authorization=f"Basic {_basic(acme, 'sk-wrong')}") == 401
    assert await code(Authorization="Basic !!!") == 401
    assert await model_calls(home, acme) == (1, 100)
    assert await model_calls(home, reader) == (1, 100)


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
async def test_a_page_of_another_site_reaches_no_path(home: Home, path: str, headers: Mapping[str, str]) -> None:
    response = await send(home, traces(span()), path, **headers)
    assert response.status_code in (403, 421)
    async with home.mcp() as client:
        described = facts(await client.call_tool("describe_metrics", {}))
    assert "model_calls" not in str(described.get("rows"))
