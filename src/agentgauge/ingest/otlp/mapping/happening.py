"""The engine: what happened, as one event, by the declarations of its convention.

Above: `spans` and `logs`, which make a `Happening` of a record. Below: `convention`, `identity`, `metadata`, `prices`.
It knows no convention by name. Events are as of design section 3; who stores them checks them.

The instant of a model call is that of its reply, that of a tool call or a run the one at which it began: so have it the
transcripts and the logs of the coding agents, and so a call is in the bucket in which it was paid for.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgauge.core.catalog import NAME_LENGTH, VALUE_LENGTH
from agentgauge.ingest.agent_log import mcp_parts
from agentgauge.ingest.otlp.mapping import coerce, identity, keys, metadata
from agentgauge.ingest.otlp.mapping.convention import POINT
from agentgauge.ingest.prices import price

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentgauge.ingest.otlp.mapping.convention import Convention, Kind, Role, Target

NS_PER_MS = 1_000_000
SPAN_POINT, LOG_POINT = "otel.span.duration_ms", "otel.log"
"""The metrics under which spans and log records are kept that are no call, no tool call and no run."""
PLAIN_SPEEDS = frozenset({"normal", "standard"})
SCOPE = "otel.scope"
NAMELESS = "unknown_service"
"""How the names begin that SDKs give to services without one."""

_SHORTEST_ID = 20
_REPLY_ID = re.compile(r'\s*\{\s*"id":\s*"((?:chatcmpl-|cmpl-|msg_|resp_)[\w-]{1,100})"')
_FRAMEWORK_PREFIXES = (
    "openinference.instrumentation.",
    "opentelemetry.instrumentation.",
    "@opentelemetry/instrumentation-",
)


class Origin(NamedTuple):
    """What the records of one group have in common."""

    scope: str
    service: str | None
    about: Mapping[str, str]
    """The metadata of each of its events."""


class Happening(NamedTuple):
    """One span or log record, as far as its convention does not matter."""

    id: str
    name: str
    attributes: Mapping[str, Any]
    start_ns: int
    end_ns: int
    """For a log record the same as `start_ns`: when it was written, which is when what it tells of was over."""
    trace_id: str
    tie: int
    """The bits that tell equal copies apart."""
    origin: Origin
    is_failure: bool = False
    error_type: str | None = None
    is_log: bool = False
    severity: int = 0


def origin_of(resource: Mapping[str, Any], scope: str) -> Origin:
    """What a resource and a scope say of their records; an agent without a name of its own is called by its service."""
    about = metadata.of_resource(resource)
    if scope := scope[:VALUE_LENGTH]:
        about[SCOPE] = scope
    service = coerce.text(resource.get("service.name"))
    return Origin(scope, None if service is None or service.startswith(NAMELESS) else service, about)


def event_of(convention: Convention, happening: Happening) -> dict[str, Any] | None:
    """The event of a happening; None for one that is not kept."""
    attributes = _widened(convention, happening.attributes)
    role = convention.role(happening.name, attributes)
    if role.kind == "nothing":
        return None
    found, rest = _read(convention.targets[role.kind], attributes)
    if role.is_conditional and not _is_met(role, found, attributes):
        role = POINT
        found, rest = _read(convention.targets["point"], attributes)
    failed = happening.is_failure or role.is_failure or found.get("success") is False
    is_failure = failed or found.get("level") == "ERROR"
    error = (found.get("error_code") or happening.error_type) if is_failure else None
    return _BUILDERS[role.kind](_Record(convention, role, happening, attributes, found, rest, is_failure, error))


class _Record(NamedTuple):
    """A happening with what was read of it."""

    convention: Convention
    role: Role
    happening: Happening
    attributes: Mapping[str, Any]
    found: dict[str, Any]
    rest: list[str]
    """The attributes that gave no field."""
    is_failure: bool
    error: str | None
    """The code or the type of what went wrong; whatever did not go wrong has none."""

    @property
    def latency_ms(self) -> float | int | None:
        happening = self.happening
        if happening.is_log:
            return self.found.get("duration_ms")
        return (happening.end_ns - happening.start_ns) / NS_PER_MS

    def began_ms(self) -> int:
        """When it began; a log record is written when it is over."""
        duration = self.found.get("duration_ms") if self.happening.is_log else None
        return self.happening.start_ns // NS_PER_MS - int(duration or 0)


def _widened(convention: Convention, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes, with the keys of JSON objects as attributes of their own."""
    for name in convention.objects:
        if name in attributes:
            object_of = coerce.json_object(attributes[name])
            attributes = {**attributes, **{f"{name}.{key}": value for key, value in object_of.items()}}
    return attributes


def _read(targets: Mapping[str, tuple[Target, ...]], attributes: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields that attributes give, and the attributes that gave none: unknown ones, and values that do not fit."""
    found: dict[str, Any] = {}
    preferences: dict[str, int] = {}
    rest: list[str] = []
    for name, value in attributes.items():
        fields = targets.get(name)
        if fields is None:
            rest.append(name)
            continue
        for field, preference, coercion in fields:
            if preference and preferences.get(field, preference) < preference:
                continue
            fitting = coercion(value)
            if fitting is None:
                rest.append(name)
            else:
                found[field], preferences[field] = fitting, preference
    return found, rest


def _is_met(role: Role, found: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Whether a record has what its role asks of it."""
    if role.only_if is not None and attributes.get(role.only_if[0]) != role.only_if[1]:
        return False
    if role.unless and role.unless in attributes:
        return False
    return all(field in found for field in role.needs)


def _model_call(record: _Record) -> dict[str, Any]:
    convention, role, happening, attributes, found, *_ = record
    if convention.reads_ids_in and "response_id" not in found:
        _read_id(attributes.get(convention.reads_ids_in), found)
    raw = found.get("model")
    for name, value in convention.defaults.items():
        found.setdefault(name, value)
    input_tokens, cache_read = _input(convention, found)
    output_tokens, reasoning = found.get("output_tokens"), found.get("reasoning_tokens")
    if convention.output_excludes_reasoning and reasoning:
        output_tokens = (output_tokens or 0) + reasoning
    reported = found.get("cost_usd")
    if reported is None and convention.cost_parts:
        reported = _sum_of(convention.cost_parts, attributes)
    event = _event("model_call", happening.end_ns // NS_PER_MS, record)
    event |= {
        "provider": found.get("provider"),
        "model_name": raw and coerce.model(raw),
        "provider_model_name": raw,
        "request_type": role.request_type,
        "error_code": record.error,
        "is_failure": record.is_failure,
        "http_status": found.get("http_status"),
        "latency_ms": record.latency_ms,
        "time_to_first_token_ms": _first_token(found),
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_read_tokens": cache_read,
        "cache_write_tokens": found.get("cache_write_tokens"),
        "cache_write_1h_tokens": found.get("cache_write_1h_tokens"),
        "reasoning_tokens": reasoning,
    }
    _add_cost(event, reported, found.get("speed"))
    tokens = (input_tokens or 0) + (output_tokens or 0)
    _identify(event, identity.of_model_call(convention.name, found, happening, tokens, reported))
    return event


def _tool_call(record: _Record) -> dict[str, Any]:
    convention, found = record.convention, record.found
    server, name = mcp_parts(found.get("tool_name") or record.happening.name)
    server = found.get("mcp_server_name") or server
    event = _event("tool_call", record.began_ms(), record)
    event |= {
        "mcp_server_name": server,
        "method": found.get("method") or ("tools/call" if server else None),
        "tool_name": name,
        "is_failure": record.is_failure,
        "http_status": found.get("http_status"),
        "error_code": record.error,
        "latency_ms": record.latency_ms,
    }
    _identify(event, identity.of_tool_call(convention.name, found, record.happening, is_failure=record.is_failure))
    return event


def _request(record: _Record) -> dict[str, Any]:
    """A run has the tokens that it reported itself. Those of its model calls are theirs, and never added to it."""
    convention, role, happening, _, found, *_ = record
    latency = record.latency_ms
    event = _event("request", record.began_ms(), record)
    event |= {
        "account": "default",
        "agent_framework": convention.framework or _framework(happening.origin.scope),
        "agent_server_type": role.server_type or None,
        "is_failure": record.is_failure,
        "http_status": found.get("http_status"),
        "error_type": record.error,
        "latency_ms": latency,
        "input_tokens": found.get("run_input_tokens"),
        "output_tokens": found.get("run_output_tokens"),
        "cost_usd": found.get("run_cost_usd"),
    }
    if convention.is_trace_one_run:
        rank = keys.run_rank(is_named="agent_name" in found, latency_ms=latency or 0, tie=happening.tie)
        _identify(event, (f"run:{happening.trace_id}", rank))
    else:
        _identify(event, identity.of_run(convention.name, found, happening))
    return event


def _point(record: _Record) -> dict[str, Any]:
    happening = record.happening
    event = _event("point", happening.start_ns // NS_PER_MS, record)
    if happening.is_log:
        labels = {"event": happening.name, "severity": str(happening.severity)}
        return event | {"name": LOG_POINT, "kind": "counter", "value": 1, "labels": labels}
    labels = {"span": happening.name, "scope": happening.origin.scope, "status": "error" if record.is_failure else "ok"}
    return event | {"name": SPAN_POINT, "kind": "histogram", "value": record.latency_ms or 0, "labels": labels}


_BUILDERS: Mapping[Kind, Callable[[_Record], dict[str, Any]]] = {
    "model_call": _model_call,
    "tool_call": _tool_call,
    "request": _request,
    "point": _point,
}


def _event(kind: Kind, ts: int, record: _Record) -> dict[str, Any]:
    """What events of every type have. Coding agents have their name as id too, as in their local logs."""
    convention, happening, found = record.convention, record.happening, record.found
    agent = found.get("agent_name")
    if agent is None:
        agent = happening.name if kind == "request" and convention.is_run_named_by_span else None
        agent = agent or convention.defaults.get("agent_name") or happening.origin.service
    return {
        "type": kind,
        "id": happening.id,
        "ts": ts,
        "source": convention.name,
        "agent_id": agent if "agent_name" in convention.defaults else None,
        "agent_name": agent,
        "session_id": found.get("session_id"),
        "conversation_id": found.get("conversation_id"),
        "user": found.get("user"),
        "trace_id": happening.trace_id or None,
        "metadata": _metadata(record),
    }


def _metadata(record: _Record) -> dict[str, str]:
    happening, found = record.happening, record.found
    also = dict(happening.origin.about)
    if record.role.server_type and "method" in found:
        also["method"] = found["method"]
    if "finish_reasons" in found:
        also["finish_reasons"] = found["finish_reasons"]
    asked = found.get("request_model")
    if asked is not None and asked != found.get("model"):
        also["request_model"] = asked
    if (speed := found.get("speed", "normal")) not in PLAIN_SPEEDS:
        also["speed"] = speed  # its price is another; `reprice` looks for it here
    return metadata.gathered(record.attributes, record.rest, also)


def _identify(event: dict[str, Any], known: tuple[str, int] | None) -> None:
    if known is not None:
        event["call_key"], event["call_rank"] = keys.bounded(known[0]), known[1]


def _input(convention: Convention, found: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """All of the input, and the part that was read from the cache."""
    given, read = found.get("input_tokens"), found.get("cache_read_tokens")
    cached = (read or 0) + (found.get("cache_write_tokens") or 0)
    if given is None:
        return (cached or None), read
    total = given + (found.get("tool_tokens") or 0)
    if convention.input_has_cache:
        return total, None if read is None else min(read, given)
    return (total + cached if convention.input_has_cache is False or cached > given else total), read


def _add_cost(event: dict[str, Any], reported: float | None, speed: str | None) -> None:
    """The cost that the source reported, else the one computed from a price, if there is one."""
    model, given, output = event["model_name"], event["input_tokens"], event["output_tokens"]
    if reported is not None:
        event["cost_usd"], event["cost_source"] = reported, "reported"
    elif model is not None and (given is not None or output is not None):
        cost = price(
            event["provider"],
            model,
            event["ts"],
            input_tokens=given or 0,
            output_tokens=output or 0,
            cache_read_tokens=event["cache_read_tokens"] or 0,
            cache_write_tokens=event["cache_write_tokens"] or 0,
            cache_write_1h_tokens=event["cache_write_1h_tokens"] or 0,
            speed=None if speed in PLAIN_SPEEDS else speed,
        )
        if cost is not None:
            event["cost_usd"], event["cost_source"] = cost, "computed"


def _sum_of(names: tuple[str, ...], attributes: Mapping[str, Any]) -> float | None:
    parts = [part for name in names if (part := coerce.number(attributes.get(name))) is not None]
    return sum(parts) if parts else None


def _first_token(found: Mapping[str, Any]) -> float | None:
    seconds = found.get("time_to_first_token_s")
    return found.get("time_to_first_token_ms") if seconds is None else seconds * 1_000


def _read_id(reply: Any, found: dict[str, Any]) -> None:
    """The response id at the beginning of a reply; one that is too short to be unique is none."""
    match = _REPLY_ID.match(reply) if type(reply) is str else None
    if match is not None and len(match[1]) >= _SHORTEST_ID:
        found["response_id"] = match[1]


@lru_cache(maxsize=1024)
def _framework(scope: str) -> str | None:
    """What an instrumentation scope is named for: `openinference.instrumentation.langchain` for langchain."""
    for prefix in _FRAMEWORK_PREFIXES:
        scope = scope.removeprefix(prefix)
    return scope[:NAME_LENGTH] or None
