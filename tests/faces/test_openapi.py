"""The OpenAPI document and its page; and that the server keeps to what the document says, whatever it is asked.

`AGENTGAUGE_FUZZ_CASES=5000 pytest tests/faces/test_openapi.py` asks so many generated requests instead of about 100.
"""

# schemathesis leaves its checks and cases without type arguments
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import anyio
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from served import NOW, Home, event, known_until, received, sent

from agentgauge.dialects import DIALECTS
from agentgauge.faces import openapi

if TYPE_CHECKING:
    import httpx2

DOCUMENT = openapi.document(DIALECTS)
OPERATIONS = [(dialect, each) for dialect in DIALECTS for each in dialect.operations]
CASES = int(os.environ.get("AGENTGAUGE_FUZZ_CASES", "100"))
CHECKS: list[Any] = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with something of everything."""
    home, when = Home(tmp_path_factory.mktemp("openapi")), NOW - 3_600_000
    for n in range(5):
        home.give(
            sent(when + n, agent_id=f"a{n % 2}"),
            received(when + n),
            event("call", when + n, status="completed", duration_seconds=10.5, agent_id="a1"),
            event("webhook", when + n, status="delivered", endpoint_id="e", http_status=200),
            event("request", when + n, agent_name="bot", account="acme", latency_ms=12.5, is_failure=False),
            event("model_call", when + n, model_name="m", user="ann", team=["x", "y"], cost_usd=0.1, latency_ms=5),
            event("tool_call", when + n, mcp_server_name="s", method="tools/call", tool_name="t", latency_ms=5),
            event("guardrail_check", when + n, guardrail_name="g", result="pass", latency_ms=1),
            event("routing_decision", when + n, config_type="c", status="ok", target_model="m"),
            event("point", when + n, name="p", kind="counter", value=2, labels={"topic": "x"}, session_id="s"),
            event("number", when + n, id=f"n{n}", phone_number="+12025550101", country="US", status="active"),
            event("agent", when + n, id=f"a{n}", name=f"Agent {n}", account="acme"),
        )
    home.give(known_until("messages", NOW))
    return home


@schemathesis.serializer("application/x-ndjson")
def json_lines(ctx: Any, value: Any) -> bytes:
    """A generated body as event lines."""
    lines = cast("list[Any]", value) if isinstance(value, list) else [value]
    return b"".join(json.dumps(line, default=str).encode() + b"\n" for line in lines)


@schemathesis.serializer("application/x-protobuf")
def protobuf(ctx: Any, value: Any) -> bytes:
    """A generated body as bytes that are hardly ever protobuf."""
    return json.dumps(value, default=str).encode()


@schemathesis.serializer("application/x-www-form-urlencoded", "multipart/form-data")
def form(ctx: Any, value: Any) -> bytes:
    """A generated body as parameters of a form, which one of several parts is not."""
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {"MessageSid": value}
    return urlencode({name: str(each) for name, each in given.items()}, errors="replace").encode()


schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])


def answered(home: Home, case: Any) -> Response:
    """What the server says to a generated request."""
    asked: dict[str, Any] = case.as_transport_kwargs(base_url="http://127.0.0.1:8377")
    asked.pop("cookies", None)
    body = asked.pop("data", None)
    if isinstance(body, str):
        body = body.encode(errors="surrogatepass")
    if "json" in asked:
        body = json.dumps(asked.pop("json")).encode()
        asked["headers"]["Content-Type"] = "application/json"

    async def ask() -> tuple[httpx2.Response, httpx2.Request]:
        async with home.client() as client:
            headers = [(str(name).encode(), str(value).encode("utf-8")) for name, value in asked["headers"].items()]
            request = client.build_request(
                asked["method"], asked["url"], params=asked.get("params") or None, headers=headers, content=body
            )
            return await client.send(request), request

    response, request = anyio.run(ask)
    headers = {name: [value] for name, value in response.headers.items()}
    return Response(
        status_code=response.status_code,
        headers=headers,
        content=response.content,
        request=requests.Request(request.method, str(request.url)).prepare(),
        elapsed=0.0,
        verify=False,
        http_version="1.1",
    )


@schema.parametrize()
@settings(
    max_examples=max(1, CASES // (len(OPERATIONS) + 2)),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    derandomize="AGENTGAUGE_FUZZ_CASES" not in os.environ,
    database=None,
)
def test_no_request_gets_what_the_document_does_not_say(home: Home, case: Any) -> None:
    case.validate_response(answered(home, case), checks=CHECKS)


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    schema.validate()


def test_every_operation_is_in_the_document_with_every_status_it_may_answer() -> None:
    for dialect, operation in OPERATIONS:
        found = DOCUMENT["paths"][operation.path.replace(":path}", "}")][operation.method.lower()]
        assert found["operationId"] == operation.name
        assert set(found["responses"]) == {"200", *map(str, dialect.served().statuses)}
        for response in found["responses"].values():
            assert response["content"]["application/json"]["schema"]
    names = [each["operationId"] for path in DOCUMENT["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


def test_no_reference_of_the_document_leads_nowhere() -> None:
    text = json.dumps(DOCUMENT)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in DOCUMENT["components"]["schemas"]


async def test_what_is_served_is_the_document(home: Home) -> None:
    response = await home.get("/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == DOCUMENT


@pytest.mark.parametrize("operation", [each for _, each in OPERATIONS], ids=lambda each: each.name)
async def test_the_page_for_people_lists_every_operation(home: Home, operation: Any) -> None:
    response = await home.get("/docs")
    assert response.headers["Content-Type"].startswith("text/html")
    assert f"<code>{operation.path}</code>" in response.text
    assert "<script" not in response.text


def test_the_parameters_are_those_of_the_pages() -> None:
    get = DOCUMENT["paths"]["/v1/metrics/messages"]["get"]
    shown = {each["name"]: each for each in get["parameters"]}
    assert set(shown) == {"metric", "from", "to", "granularity", "group_by", "cursor", "limit", "compare_to"}
    assert [name for name, each in shown.items() if each["required"]] == ["metric"]
    assert shown["metric"]["schema"]["enum"] == ["sent", "delivered", "failed", "cost_cents"]
    assert shown["from"]["schema"] == {"type": "string", "format": "date-time"}
    limit = {name: shown["limit"]["schema"][name] for name in ("type", "minimum", "maximum", "default")}
    assert limit == {"type": "integer", "minimum": 1, "maximum": 5000, "default": 1000}
