"""The traces of the OpenAI Agents SDK, as its own exporter sends them: `POST /v1/traces/ingest`, `{"data": [...]}`.

Above: `wires`. Below: `exported`, `prices`, and the call keys that OTLP has too. Facts 2.5: usage counts where the type
of a span is response or generation; the `custom` spans named turn and task repeat it, and are kept as points, as is
every other span. An agent's span is a run.

A trace comes when it begins, a span when it ends, and so before the agent that it belongs to. The name of a trace is
therefore remembered: a span whose agent is not in the same request is put down to its trace's workflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson

from agentgauge.core.catalog import VALUE_LENGTH
from agentgauge.ingest import exported, lenient
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.deliveries import must_be, receipt, taken
from agentgauge.ingest.exported import column
from agentgauge.ingest.otlp.mapping import coerce, keys, metadata
from agentgauge.ingest.run import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentgauge.ingest.deliveries import Delivery, Reply
    from agentgauge.ingest.run import Intake

    Span = Mapping[str, Any]

SOURCE = "openai_agents"
FRAMEWORK = "openai-agents"
DURATION = "openai_agents.span.duration_ms"
"""The name of the points that spans are kept as which are no call, no run and no check."""
SHORTEST_ID = 20
"""Response ids are longer; a test's `resp_1` is not unique, so that nothing is joined by it."""

_USAGE = ("span_data.usage", "span_data.response.usage")
MODEL = (
    column("model_name", "span_data.response.model", "span_data.model", read=coerce.raw_model),
    column("response_id", "span_data.response_id", "span_data.response.id"),
    column(
        "input_tokens",
        *(f"{usage}.{name}" for usage in _USAGE for name in ("input_tokens", "prompt_tokens")),
        read=exported.count,
    ),
    column(
        "output_tokens",
        *(f"{usage}.{name}" for usage in _USAGE for name in ("output_tokens", "completion_tokens")),
        read=exported.count,
    ),
    column(
        "cache_read_tokens",
        *(
            f"{usage}.{name}"
            for usage in _USAGE
            for name in (
                "input_tokens_details.cached_tokens",
                "prompt_tokens_details.cached_tokens",
                "details.input_tokens_details.cached_tokens",
                "cached_input_tokens",
            )
        ),
        read=exported.count,
    ),
    column(
        "cache_write_tokens",
        *(
            f"{usage}.{name}"
            for usage in _USAGE
            for name in (
                "input_tokens_details.cache_write_tokens",
                "details.input_tokens_details.cache_write_tokens",
                "cache_write_input_tokens",
            )
        ),
        read=exported.count,
    ),
    column(
        "reasoning_tokens",
        *(
            f"{usage}.{name}"
            for usage in _USAGE
            for name in (
                "output_tokens_details.reasoning_tokens",
                "completion_tokens_details.reasoning_tokens",
                "details.output_tokens_details.reasoning_tokens",
            )
        ),
        read=exported.count,
    ),
)
LABELS = (
    column("type", "span_data.type"),
    column("name", "span_data.name"),
    column("from_agent", "span_data.from_agent"),
    column("to_agent", "span_data.to_agent"),
    column("server", "span_data.server"),
    column("model", "span_data.model"),
)
"""What tells the points of spans apart."""


def take(delivery: Delivery, intake: Intake) -> Reply:
    """Takes a request of traces and spans in."""
    found = lenient.mapping(delivery.json()).get("data")
    if not isinstance(found, list):
        raise must_be('{"data": [...]} with a list of traces and spans')
    records = [lenient.mapping(each) for each in cast("list[object]", found)]
    _remember_traces(records, intake)
    agents = _Agents(records, intake)
    for record in records:
        if record.get("object") != "trace":
            taken(intake, _event(record, agents), lenient.text(record.get("id")) or "")
    return receipt(intake, len(records))


def _memo_key(trace_id: str) -> str:
    return f"{SOURCE}:{trace_id}"


def _remember_traces(records: list[dict[str, Any]], intake: Intake) -> None:
    for record in records:
        trace_id = lenient.key(lenient.text(record.get("id")))
        if record.get("object") == "trace" and trace_id is not None:
            about: dict[str, Any] = {name: lenient.text(record.get(name)) for name in ("workflow_name", "group_id")}
            about["metadata"] = exported.metadata(record.get("metadata"))
            intake.events([Memo(_memo_key(trace_id), orjson.dumps(about))])


class _Agents:
    """Which agent a span belongs to: the nearest above it that is in the request, else its trace's workflow."""

    def __init__(self, records: list[dict[str, Any]], intake: Intake) -> None:
        self._spans = {each.get("id"): each for each in records if isinstance(each.get("id"), str)}
        self._intake = intake
        self._traces: dict[str, dict[str, Any]] = {}

    def of(self, span: Span) -> str | None:
        seen: set[object] = set()
        at: Span | None = span
        while at is not None and (parent := at.get("parent_id")) not in seen and isinstance(parent, str):
            seen.add(parent)
            at = self._spans.get(parent)
            if at is not None and (name := _agent_of(at)):
                return name
        return lenient.text(self.trace(span).get("workflow_name"))

    def trace(self, span: Span) -> dict[str, Any]:
        """What is known of a span's trace."""
        trace_id = lenient.key(lenient.text(span.get("trace_id")))
        if trace_id is None:
            return {}
        if trace_id not in self._traces:
            self._traces[trace_id] = lenient.load(self._intake.recall(_memo_key(trace_id)) or b"")
        return self._traces[trace_id]


def _agent_of(span: Span) -> str | None:
    """The agent whose span this is, or the one whose turn."""
    data = lenient.mapping(span.get("span_data"))
    name = data.get("name") if data.get("type") == "agent" else lenient.at(data, "data.agent_name")
    return lenient.text(name)


def _event(span: Span, agents: _Agents) -> dict[str, Any] | Rejected:
    began, ended = exported.instant(span.get("started_at")), exported.instant(span.get("ended_at"))
    span_id = lenient.key(lenient.text(span.get("id")))
    if began is None or span_id is None:
        return Rejected("started_at" if span_id else "id", "missing, or not a time; a span has both.")
    ended = began if ended is None else max(began, ended)
    data = lenient.mapping(span.get("span_data"))
    kind, own = _KINDS.get(lenient.text(data.get("type")) or "", _point)(span, data, ended - began, ended)
    trace = agents.trace(span)
    head = {
        "type": kind,
        "id": span_id,
        "ts": ended if kind == "model_call" else began,
        "source": SOURCE,
        "agent_name": agents.of(span),
        "session_id": lenient.text(trace.get("group_id")),
        "trace_id": lenient.key(lenient.text(span.get("trace_id"))),
        "metadata": _about(span, trace) or None,
    }
    return lenient.present(head | own)


def _about(span: Span, trace: Mapping[str, Any]) -> dict[str, str]:
    given = lenient.mapping(trace.get("metadata"))
    workflow = lenient.text(trace.get("workflow_name"))
    also = {} if workflow is None else {"workflow_name": workflow[:VALUE_LENGTH]}
    if (parent := lenient.text(span.get("parent_id"))) is not None:
        also["parent_span_id"] = parent[:VALUE_LENGTH]
    return metadata.gathered(given, given, also)


def _failure(span: Span) -> str | None:
    """What an error says in short; its details may quote what was said."""
    error = span.get("error")
    if error is None:
        return None
    return coerce.text(lenient.mapping(error).get("message")) or "error"


Kind = tuple[str, dict[str, Any]]


def _model_call(span: Span, data: Span, latency: int, ended: int) -> Kind:
    found = exported.fields(MODEL, span)
    response_id = found.pop("response_id", None)
    is_response = data.get("type") == "response"
    provider = "openai" if is_response else None
    if "model_name" in found:
        found["provider_model_name"] = found["model_name"]
        named, found["model_name"] = _split(coerce.model(found["model_name"]))
        provider = named or provider
    error = _failure(span)
    own = lenient.present({"provider": provider} | found) | {
        "request_type": "responses" if is_response else "chat",
        "is_failure": error is not None,
        "error_code": error,
        "latency_ms": latency,
    }
    own = exported.priced(own, ended)
    if response_id is not None and len(response_id) >= SHORTEST_ID:
        tokens = own.get("input_tokens", 0) + own.get("output_tokens", 0)
        tie = int(lenient.digest(str(span.get("id")).encode())[:6], 16)
        own["call_key"] = keys.bounded(keys.response_key(provider, response_id))
        own["call_rank"] = keys.rank(tokens, is_cost_reported=False, details=len(found), tie=tie)
    return "model_call", own


def _split(model: str) -> tuple[str | None, str]:
    """The provider and the model of `litellm/anthropic/claude-sonnet-4-5`."""
    provider, slash, name = model.removeprefix("litellm/").rpartition("/")
    return (provider.partition("/")[0].lower(), name) if slash and provider and name else (None, model)


def _tool_call(span: Span, data: Span, latency: int, ended: int) -> Kind:
    server = coerce.text(lenient.at(data, "mcp_data.server"))
    error = _failure(span)
    return "tool_call", {
        "tool_name": coerce.text(data.get("name")) or "unnamed",
        "mcp_server_name": server,
        "method": "tools/call" if server else None,
        "is_failure": error is not None,
        "error_code": error,
        "latency_ms": latency,
    }


def _run(span: Span, data: Span, latency: int, ended: int) -> Kind:
    error = _failure(span)
    return "request", {
        "agent_name": coerce.text(data.get("name")) or "unnamed",
        "account": "default",
        "agent_framework": FRAMEWORK,
        "is_failure": error is not None,
        "error_type": error,
        "latency_ms": latency,
    }


def _guardrail_check(span: Span, data: Span, latency: int, ended: int) -> Kind:
    result = "error" if _failure(span) is not None else "fail" if data.get("triggered") is True else "pass"
    name = coerce.text(data.get("name")) or "unnamed"
    return "guardrail_check", {"guardrail_name": name, "result": result, "latency_ms": latency}


def _point(span: Span, data: Span, latency: int, ended: int) -> Kind:
    labels = exported.fields(LABELS, span) | {"status": "ok" if _failure(span) is None else "error"}
    own = {"name": DURATION, "kind": "histogram", "value": latency}
    return "point", own | {"labels": {name: value[:VALUE_LENGTH] for name, value in labels.items()}}


_KINDS: Mapping[str, Callable[[Span, Span, int, int], Kind]] = {
    "response": _model_call,
    "generation": _model_call,
    "function": _tool_call,
    "agent": _run,
    "guardrail": _guardrail_check,
}
