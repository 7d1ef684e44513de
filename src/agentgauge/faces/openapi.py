"""OpenAPI of every operation, and a page for people, from the declarations.

Above: the REST face. Below: pydantic's schemas of the request models and body types.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from agentgauge import __version__
from agentgauge.faces import intakes, otlp
from agentgauge.ingest.otlp import JSON, PROTOBUF
from agentgauge.ingest.wires import WIRES, Wire

if TYPE_CHECKING:
    from agentgauge.core.operation import Dialect, Operation

REFS = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {name: {"type": "string"} for name in ("code", "message", "hint", "request_id")},
        }
    },
}
_RECEIPT = {
    "type": "object",
    "required": ["accepted", "duplicate", "replaced", "rejected", "rejections"],
    "properties": {
        **{name: {"type": "integer"} for name in ("accepted", "duplicate", "replaced", "rejected", "cleaned")},
        "rejections": {"type": "array", "items": {"type": "object"}},
    },
}


def document(dialects: Sequence[Dialect]) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    paths: dict[str, Any] = _own_paths()
    schemas: dict[str, Any] = {"Error": _ERROR, "Receipt": _RECEIPT}
    for dialect in dialects:
        for operation in dialect.operations:
            path = re.sub(r"\{(\w+):path\}", r"{\1}", operation.path)
            paths.setdefault(path, {})[operation.method.lower()] = _operation(dialect, operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "agentgauge", "version": __version__, "description": "The metrics server for AI agents."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "agentgauge keys create"}},
        },
        "security": [{"key": []}, {}],
    }


def _operation(dialect: Dialect, operation: Operation[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    request = operation.request.model_json_schema(by_alias=True, ref_template=REFS)
    schemas |= request.pop("$defs", {})
    in_path = re.findall(r"\{(\w+)", operation.path)
    properties: dict[str, Any] = request["properties"]
    required = request.get("required", [])
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [dialect.name],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": _plain(properties.get(name, {"type": "string"}))}
            for name in in_path
        ],
        "responses": {"200": _response("Success", operation.body, schemas)},
    }
    for status in dialect.served().statuses:
        found["responses"][str(status)] = _response("Refused", dialect.served().error_body, schemas)
    outside = {name: each for name, each in properties.items() if name not in in_path}
    if operation.method == "POST":
        body = {**request, "properties": outside, "required": [name for name in required if name in outside]}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    else:
        found["parameters"] += [
            {"name": name, "in": "query", "required": name in required, "schema": _plain(each)}
            for name, each in outside.items()
        ]
    return found


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema without null: it is left out instead."""
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    kept = {name: value for name, value in schema.items() if name not in ("anyOf", "title", "default")}
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    return kept | options[0] if len(options) == 1 else kept | ({"anyOf": options} if options else {})


def _response(description: str, body: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if body is None:
        return {"description": description}
    schema = TypeAdapter(body).json_schema(ref_template=REFS)
    schemas |= schema.pop("$defs", {})
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _own_paths() -> dict[str, Any]:
    def refused(*statuses: int) -> dict[str, Any]:
        reference = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        return {str(status): {"description": "Refused", "content": reference} for status in statuses}

    receipt = {"application/json": {"schema": {"$ref": "#/components/schemas/Receipt"}}}
    events = {"description": "Event lines: a JSON array, or one object a line; plain or gzip."}
    lines = {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}, "application/x-ndjson": {}}
    healthy = {"application/json": {"schema": {"type": "object"}}}
    return {
        **_exports(),
        **_intakes(),
        "/health": {
            "get": {
                "operationId": "health",
                "summary": "Whether the server is up",
                "security": [],
                "responses": {"200": {"description": "It is", "content": healthy}},
            }
        },
        "/v1/events": {
            "post": {
                "operationId": "postEvents",
                "summary": "Store event lines; the same lines again change nothing",
                "requestBody": {"required": True, **events, "content": lines},
                "responses": {
                    "200": {"description": "What became of each line", "content": receipt},
                    **refused(400, 401, 403, 413, 500, 503),
                },
            }
        },
    }


def _exports() -> dict[str, Any]:
    spelt: dict[str, Any] = {JSON.media_type: {"schema": {"type": "object"}}, PROTOBUF.media_type: {}}
    return {
        path: {
            "post": {
                "operationId": "export" + "".join(part.title() for part in path.split("/")),
                "summary": f"Store OpenTelemetry {signal} (OTLP/HTTP); the same request again changes nothing",
                "requestBody": {
                    "required": True,
                    "description": "An Export...ServiceRequest, in protobuf or JSON, plain or gzip.",
                    "content": spelt,
                },
                "responses": {
                    "200": {
                        "description": "Taken; partial_success counts the records that were not",
                        "content": spelt,
                    },
                    **{
                        str(status): {"description": "Refused; a google.rpc.Status", "content": spelt}
                        for status in otlp.STATUSES
                    },
                },
            }
        }
        for path, signal in otlp.PATHS.items()
    }


def _intakes() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wire in WIRES:
        found.setdefault(wire.path, {})[wire.method.lower()] = _intake(wire)
    return found


def _intake(wire: Wire) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": REFS.format(model="Error")}}}
    return {
        "operationId": wire.method.lower() + re.sub(r"\W", "", wire.path.title()),
        "summary": wire.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", wire.path)
        ],
        **({} if wire.method == "GET" else {"requestBody": {"required": True, "content": {wire.media_type: {}}}}),
        "responses": {
            "2XX": {"description": "Taken, as far as it could be read", "content": {wire.replies_in: {}}},
            **{str(status): {"description": "Refused", "content": error} for status in (*intakes.STATUSES, 500)},
        },
    }


def page(dialects: Sequence[Dialect]) -> str:
    """The same for people: every path with its parameters, on one page without scripts."""
    rows: list[str] = []
    for dialect in dialects:
        for each in dialect.operations:
            schema = each.request.model_json_schema(by_alias=True)
            needed = schema.get("required", [])
            words = [
                f"<b>{html.escape(name)}</b>" if name in needed else html.escape(name) for name in schema["properties"]
            ]
            cells = (each.method, f"<code>{html.escape(each.path)}</code>", html.escape(each.summary), ", ".join(words))
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return _PAGE.replace("ROWS", "\n".join(rows)).replace("VERSION", __version__)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>agentgauge API</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2530 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .5rem .6rem; vertical-align: top }
tr + tr td { border-top: 1px solid #dde3ea } th { color: #5b6774; font-weight: 500 }
code { font: 14px ui-monospace, monospace; word-break: break-word }
pre { background: #f3f6f9; padding: .8rem 1rem; overflow-x: auto }
@media (prefers-color-scheme: dark) {
  body { background: #12181f; color: #dbe3ec } tr + tr td { border-color: #2a3541 } pre { background: #1a232d }
}
</style></head><body>
<h1>agentgauge API <small>VERSION</small></h1>
<p>The paths of five public APIs, answered from the local store. Required parameters are bold. The machine-readable
form is <a href="/openapi.json">/openapi.json</a>; MCP is served at <code>/mcp</code>.</p>
<table><tr><th>method</th><th>path</th><th>what</th><th>parameters</th></tr>
ROWS
</table>
<h2>Send events</h2>
<pre>curl -H 'Content-Type: application/x-ndjson' --data-binary @events.jsonl http://127.0.0.1:8377/v1/events</pre>
<h2>Send OpenTelemetry</h2>
<pre>OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:8377 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf</pre>
<h2>Keys</h2>
<p>On this machine no key is needed until one exists.
<code>agentgauge keys create --org acme --scope metrics:read</code> prints one; send it as
<code>Authorization: Bearer ...</code>.</p>
</body></html>
"""
