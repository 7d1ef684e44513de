"""Langfuse's observations and scores as events: pages `{"data": [...]}` of its API, JSON Lines, or one array.

Above: `formats`, and `langfuse_wire` for what SDKs send. Below: `exported`. Facts 5.1: generations and embeddings are
model calls; some SDKs count what the cache holds apart from `input` and thoughts apart from `output`, and where `total`
shows that they do, both are added; an AGENT is an agent run, and where a trace has none, its root is; any other
observation is kept as a point with its duration. A score is a point with the score's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgauge.ingest import exported, lenient
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.exported import column
from agentgauge.ingest.usage import beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SOURCE = "langfuse"
MODEL_CALLS: Mapping[str, str] = {"GENERATION": "chat", "EMBEDDING": "embeddings"}
"""The types that call a model, and the type of their request."""
DURATION = "langfuse.observation.duration_ms"
"""The name of the points that the other observations are kept as."""
OBSERVATION = ("traceId", "startTime", "type")
"""The keys by which an observation is told."""
SCORES = (("dataType", "value", "name"), ("traceId", "value", "name", "timestamp"))
"""The keys by which a score is told: as the API gives it, and as an SDK sends it."""
CACHE_READ = ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read", "cache_read")
CACHE_WRITE = ("cache_creation_input_tokens", "input_cache_creation", "cache_write", "cache_creation")
REASONING = ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens")
"""The keys of `usageDetails` under which SDKs put what the cache read and wrote, and what was thought."""


def _usage(*names: str) -> tuple[str, ...]:
    return tuple(f"usageDetails.{name}" for name in names)


COMMON = (
    column("session_id", "sessionId", "trace.sessionId"),
    column("user", "userId", "trace.userId"),
    column("trace_id", "traceId"),
)
MODEL = (
    column("model_name", "providedModelName", "model"),
    column(
        "input_tokens",
        *_usage("input", "prompt_tokens"),
        *("usage.input", "usage.promptTokens", "promptTokens"),
        read=exported.count,
    ),
    column(
        "output_tokens",
        *_usage("output", "completion_tokens"),
        *("usage.output", "usage.completionTokens", "completionTokens"),
        read=exported.count,
    ),
    column("cache_read_tokens", *_usage(*CACHE_READ), read=exported.count),
    column("cache_write_tokens", *_usage(*CACHE_WRITE), read=exported.count),
    column("reasoning_tokens", *_usage(*REASONING), read=exported.count),
    column(
        "cost_usd", "totalCost", "costDetails.total", "calculatedTotalCost", "usage.totalCost", read=exported.number
    ),
)
METADATA = (
    column("name", "name"),
    column("type", "type"),
    column("environment", "environment"),
    column("version", "version"),
    column("level", "level"),
    column("status_message", "statusMessage"),
    column("parent_observation_id", "parentObservationId"),
)
SCORE_METADATA = (
    column("score_source", "source"),
    column("data_type", "dataType"),
    column("observation_id", "observationId"),
    column("environment", "environment"),
)


def looks_like_export(first_lines: Sequence[bytes]) -> bool:
    """Whether these lines are of an export of observations or of scores."""
    if any(_is_ours(each) for each in exported.first_records(first_lines)):
        return True
    return any(exported.names_all(first_lines, telltale) for telltale in (OBSERVATION, *SCORES))


def _is_ours(record: Mapping[str, Any]) -> bool:
    return any(all(name in record for name in telltale) for telltale in (OBSERVATION, *SCORES))


def decode(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[dict[str, Any] | Rejected]:
    """The events of all observations and scores of an import; what a trace's run is shows only at the end."""
    return exported.with_agents(_events(files))


def _events(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[dict[str, Any] | Rejected]:
    containers: list[Mapping[str, Any]] = []
    for _, raw_lines in files:
        for record in exported.records(raw_lines):
            if isinstance(record, Rejected):
                yield record
            elif "startTime" not in record:
                yield score(record)
            elif record.get("type") in MODEL_CALLS or record.get("type") == "TOOL":
                yield observation(record, is_run=False)
            else:
                containers.append(_outline(record))
    with_agent = {each.get("traceId") for each in containers if each.get("type") == "AGENT"}
    for each in containers:
        is_root = each.get("isRootObservation") is True or each.get("parentObservationId") is None
        yield observation(
            each, is_run=each.get("type") == "AGENT" or (is_root and each.get("traceId") not in with_agent)
        )


def _outline(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record without its content, which would be held until the end."""
    return {name: value for name, value in record.items() if name not in ("input", "output", "metadata")}


def observation(record: Mapping[str, Any], *, is_run: bool) -> dict[str, Any] | Rejected:
    """The event of an observation; one that has ended outranks one that has not."""
    ts, end = exported.instant(record.get("startTime")), exported.instant(record.get("endTime"))
    observation_id = lenient.key(lenient.text(record.get("id")))
    if ts is None or observation_id is None:
        return Rejected("startTime" if observation_id else "id", "missing, or not a time; an observation has both.")
    latency = end - ts if end is not None and end >= ts else None
    own = {"latency_ms": latency, "is_failure": record.get("level") == "ERROR"}
    name = lenient.text(record.get("name")) or "unnamed"
    kind, of_kind = _kind(record, ts, name, latency, is_run=is_run)
    head = {"type": kind, "id": observation_id, "ts": ts, "source": SOURCE, "call_key": f"{SOURCE}:{observation_id}"}
    about = {"metadata": exported.fields(METADATA, record)}
    whole = head | exported.fields(COMMON, record) | lenient.present(own | of_kind) | about
    return whole | {"call_rank": exported.rank(whole, is_finished=end is not None)}


def _kind(
    record: Mapping[str, Any], ts: int, name: str, latency: int | None, *, is_run: bool
) -> tuple[str, dict[str, Any]]:
    found = lenient.text(record.get("type")) or ""
    if found in MODEL_CALLS:
        first = exported.instant(record.get("completionStartTime"))
        seconds = exported.number(record.get("timeToFirstToken"))
        waited = first - ts if first is not None and first >= ts else None if seconds is None else seconds * 1_000
        own = exported.priced(_model_call(record), ts)
        return "model_call", own | {"request_type": MODEL_CALLS[found], "time_to_first_token_ms": waited}
    if found == "TOOL":
        return "tool_call", {"tool_name": name}
    if is_run:
        return "request", {"account": "default", "agent_framework": SOURCE, "agent_id": name, "agent_name": name}
    if found == "GUARDRAIL":
        result = "error" if record.get("level") == "ERROR" else None
        return "guardrail_check", {"guardrail_name": name, "result": result, "is_failure": None}
    own = {"name": DURATION, "kind": "histogram", "value": latency or 0, "latency_ms": None, "is_failure": None}
    return "point", own | {"labels": {"name": name, "type": found}}


def _model_call(record: Mapping[str, Any]) -> dict[str, Any]:
    own = exported.fields(MODEL, record)
    total = exported.count(lenient.at(record, "usageDetails.total"))
    prompt, output = own.get("input_tokens", 0), own.get("output_tokens", 0)
    cache = own.get("cache_read_tokens", 0) + own.get("cache_write_tokens", 0)
    reasoning = own.get("reasoning_tokens", 0)
    parts = beside(total or 0, prompt, output, cached=cache, reasoning=reasoning)
    if parts.cache or cache > prompt:
        own["input_tokens"] = prompt + cache
    if parts.reasoning:
        own["output_tokens"] = output + reasoning
    return own


def score(record: Mapping[str, Any]) -> dict[str, Any] | Rejected:
    """The point of a score: a number as it is, true and false as 1 and 0, any other as 1 with its text as a label."""
    ts = exported.instant(record.get("timestamp")) or exported.instant(record.get("createdAt"))
    score_id, name = lenient.key(lenient.text(record.get("id"))), lenient.text(record.get("name"))
    if ts is None or score_id is None or name is None:
        return Rejected("timestamp" if score_id and name else "id", "missing; a score has an id, a name and a time.")
    value = record.get("stringValue") if record.get("value") is None else record["value"]
    if value is None:
        return Rejected("value", "missing; a score has one.")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    own = {
        "type": "point",
        "id": score_id,
        "ts": ts,
        "source": SOURCE,
        "name": name,
        "kind": "gauge",
        "value": value if is_number else int(value is not False),
        "metadata": exported.fields(SCORE_METADATA, record),
        "trace_id": lenient.text(record.get("traceId")) or lenient.text(lenient.at(record, "subject.traceId")),
        "session_id": lenient.text(record.get("sessionId")),
        "labels": {"value": value} if isinstance(value, str) else None,
    }
    return lenient.present(own)
