"""LangSmith's runs as events: JSON Lines of one run each, or the pages `{"runs": [...]}` of its API.

Above: `formats`, and `langsmith_wire` for runs as an SDK sends them. Below: `exported`. Facts 5.2: a parent's tokens
are the sum of its children's, so that only runs of type `llm` (and `embedding`) count; a root run is an agent run; any
other run is kept as a point with its duration. In an export, a run that is pending is left for the one that has its
end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agentgauge.ingest import exported, lenient
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.exported import column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SOURCE = "langsmith"
MODEL_CALLS: Mapping[str, str] = {"llm": "chat", "embedding": "embeddings"}
"""The run types that call a model, and the type of their request."""
DURATION = "langsmith.run.duration_ms"
"""The name of the points that the other runs are kept as."""
TELLTALE = ("run_type", "start_time")
"""The keys by which a run is told; with one of `dotted_order` and `trace_id`."""
_ERROR_TYPE = re.compile(r"([A-Za-z_][\w.]{0,99})\(")
"""How the text of an error begins that is the `repr` of an exception."""

COMMON = (
    column("agent_name", "extra.metadata.agent_name", "extra.metadata.lc_agent_name"),
    column("session_id", "extra.metadata.session_id", "extra.metadata.thread_id", "extra.metadata.conversation_id"),
    column("user", "extra.metadata.user_id"),
    column("trace_id", "trace_id"),
)
MODEL = (
    column("provider", "extra.metadata.ls_provider"),
    column(
        "model_name",
        "extra.metadata.ls_model_name",
        "extra.invocation_params.model",
        "extra.invocation_params.model_name",
    ),
    column("input_tokens", "prompt_tokens", "usage.input_tokens", read=exported.count),
    column("output_tokens", "completion_tokens", "usage.output_tokens", read=exported.count),
    column(
        "cache_read_tokens",
        "prompt_token_details.cache_read",
        "usage.input_token_details.cache_read",
        read=exported.count,
    ),
    column(
        "cache_write_tokens",
        "prompt_token_details.cache_creation",
        "usage.input_token_details.cache_creation",
        read=exported.count,
    ),
    column("cache_write_1h_tokens", "usage.input_token_details.ephemeral_1h_input_tokens", read=exported.count),
    column(
        "reasoning_tokens",
        "completion_token_details.reasoning",
        "usage.output_token_details.reasoning",
        read=exported.count,
    ),
    column("cost_usd", "total_cost", "usage.total_cost", read=exported.number),
)
RUN = (
    column("input_tokens", "prompt_tokens", read=exported.count),
    column("output_tokens", "completion_tokens", read=exported.count),
    column("cost_usd", "total_cost", read=exported.number),
)
ERROR_FIELDS: Mapping[str, str] = {"model_call": "error_code", "tool_call": "error_code", "request": "error_type"}
"""The fields that the type of an exception is put into."""
METADATA = (
    column("name", "name"),
    column("project", "session_name"),
    column("run_type", "run_type"),
    column("parent_run_id", "parent_run_id"),
)


def looks_like_runs(first_lines: Sequence[bytes]) -> bool:
    """Whether these lines are of an export of runs."""
    found = any(_is_run(each) for each in exported.first_records(first_lines))
    return found or exported.names_all(first_lines, (*TELLTALE, "dotted_order"))


def _is_run(record: Mapping[str, Any]) -> bool:
    return all(name in record for name in TELLTALE) and ("dotted_order" in record or "trace_id" in record)


def decode(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[dict[str, Any] | Rejected]:
    """The events of all runs of an import."""
    return exported.with_agents(_events(files))


def _events(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[dict[str, Any] | Rejected]:
    for _, raw_lines in files:
        for record in exported.records(raw_lines):
            if isinstance(record, Rejected):
                yield record
            elif record.get("status") != "pending":
                yield event(record)


def event(run: Mapping[str, Any]) -> dict[str, Any] | Rejected:
    """The event of a run, as far as the run is known; one that has ended outranks one that has not."""
    ts, end = exported.instant(run.get("start_time")), exported.instant(run.get("end_time"))
    run_id = lenient.key(lenient.text(run.get("id")))
    if ts is None or run_id is None:
        return Rejected("start_time" if run_id else "id", "missing, or not a time; a run has both.")
    error = lenient.text(run.get("error"))
    failed = run.get("status") == "error" or error is not None
    latency = end - ts if end is not None and end >= ts else None
    kind, own = _kind(run, ts, latency)
    found = _ERROR_TYPE.match(error or "")
    if found and (field := ERROR_FIELDS.get(kind)):
        own[field] = found[1]
    common = exported.fields(COMMON, run)
    about = exported.fields(METADATA, run)
    head = {"type": kind, "id": run_id, "ts": ts, "source": SOURCE, "call_key": f"{SOURCE}:{run_id}"}
    whole = head | common | lenient.present({"is_failure": failed, "latency_ms": latency} | own) | {"metadata": about}
    return whole | {"call_rank": exported.rank(whole, is_finished=end is not None or failed)}


def usage(run: Mapping[str, Any]) -> dict[str, Any]:
    """The usage of a run of type `llm`, wherever its integration puts it, under LangSmith's names."""
    outputs = lenient.mapping(run.get("outputs"))
    for place in (run.get("usage"), outputs.get("usage_metadata"), lenient.at(run, "extra.metadata.usage_metadata")):
        if found := lenient.mapping(place):
            return found
    for generations in lenient.items(outputs.get("generations")):  # LangChain: a list for each prompt
        for each in lenient.items(generations):
            if found := lenient.mapping(lenient.at(each, "message.kwargs.usage_metadata")):
                return found
    raw = lenient.mapping(outputs.get("usage")) or lenient.mapping(lenient.at(outputs, "llm_output.token_usage"))
    details = ("prompt_tokens_details.cached_tokens", "completion_tokens_details.reasoning_tokens")
    cached, reasoning = (lenient.at(raw, path) for path in details)
    return {
        "input_tokens": raw.get("prompt_tokens", raw.get("input_tokens")),
        "output_tokens": raw.get("completion_tokens", raw.get("output_tokens")),
        "input_token_details": {"cache_read": cached},
        "output_token_details": {"reasoning": reasoning},
    }


def _model_call(run: Mapping[str, Any]) -> dict[str, Any]:
    own = exported.fields(MODEL, run)
    details = lenient.mapping(lenient.at(run, "usage.input_token_details"))
    if not own.get("cache_write_tokens"):  # Anthropic's integrations state it by how long it is kept
        kept = [exported.count(each) or 0 for name, each in details.items() if name.startswith("ephemeral_")]
        own |= {"cache_write_tokens": sum(kept)} if kept else {}
    cache = own.get("cache_read_tokens", 0) + own.get("cache_write_tokens", 0)
    if cache > own.get("input_tokens", cache):
        own["input_tokens"] += cache
    return own


def _kind(run: Mapping[str, Any], ts: int, latency: int | None) -> tuple[str, dict[str, Any]]:
    run_type, name = lenient.text(run.get("run_type")) or "", lenient.text(run.get("name")) or "unnamed"
    if run_type in MODEL_CALLS:
        own = exported.priced(_model_call({**run, "usage": usage(run)}), ts)
        first = exported.instant(run.get("first_token_time"))
        waited = first - ts if first is not None and first >= ts else None
        return "model_call", own | {"request_type": MODEL_CALLS[run_type], "time_to_first_token_ms": waited}
    if run_type == "tool":
        return "tool_call", {"tool_name": name}
    if not run.get("parent_run_id") and not run.get("parent_run_ids"):
        agent = exported.fields(COMMON, run).get("agent_name", name)
        own = exported.fields(RUN, run) | {"account": "default", "agent_framework": SOURCE}
        return "request", own | {"agent_id": agent, "agent_name": agent}
    own = {"name": DURATION, "kind": "histogram", "value": latency or 0, "latency_ms": None, "is_failure": None}
    return "point", own | {"labels": {"name": name, "run_type": run_type}}
