"""The engine: what happened, as one event, by the declarations of its convention.

Above: `spans` and `logs`, which make a `Happening` of a record. Below: `shapes`, by which its attributes are read;
`convention`, `identity`, `metadata`, `prices`. It knows no convention by name. Events are as of design section 3,
without the fields that have no value; who stores them checks them.

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
from agentgauge.ingest.otlp.mapping.shapes import Shape, Shapes
from agentgauge.ingest.prices import price
from agentgauge.ingest.usage import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agentgauge.ingest.otlp.mapping.convention import Convention, Kind, Names, Role

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


_WIDENED: Shapes[Convention] = Shapes(lambda convention, _: convention)
"""The shapes of attributes with those of their JSON objects."""


def _first(_: str, __: int) -> int:
    return 1


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
    ordinal: Callable[[str, int], int] = _first
    """Counts what is equal but for its instant (`local_keys.Ordinals.of`)."""


def origin_of(resource: Mapping[str, Any], scope: str) -> Origin:
    """What a resource and a scope say of their records; an agent without a name of its own is called by its service."""
    about = metadata.of_resource(resource)
    if scope := scope[:VALUE_LENGTH]:
        about[SCOPE] = scope
    service = coerce.text(resource.get("service.name"))
    return Origin(scope, None if service is None or service.startswith(NAMELESS) else service, about)


def event_of(shape: Shape, happening: Happening) -> dict[str, Any] | None:
    """The event of a happening, by the shape of its attributes; None for one that is not kept."""
    convention, attributes = shape.convention, happening.attributes
    if convention.objects and not attributes.keys().isdisjoint(convention.objects):
        attributes = _widened(convention, attributes)
        shape = _WIDENED.of(convention, attributes)
    role = convention.role(happening.name, attributes)
    if role.kind == "nothing":
        return None
    found, rest = shape.read(role.kind, attributes)
    if role.is_conditional and not _is_met(role, found, attributes):
        role = POINT
        found, rest = shape.read("point", attributes)
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
    rest: Iterable[str]
    """The attributes that gave no field and may be kept."""
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
    """The attributes, with the keys of JSON objects as attributes of their own; those may be objects in their turn."""
    for name in convention.objects:
        if name in attributes:
            object_of = coerce.json_object(attributes[name])
            attributes = {**attributes, **{f"{name}.{key}": value for key, value in object_of.items()}}
    return attributes


def _is_met(role: Role, found: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Whether a record has what its role asks of it."""
    if role.only_if is not None and attributes.get(role.only_if[0]) != role.only_if[1]:
        return False
    if role.unless and role.unless in attributes:
        return False
    if role.needs_one and not any(field in found for field in role.needs_one):
        return False
    return all(field in found for field in role.needs)


def _model_call(record: _Record) -> dict[str, Any]:
    convention, role, happening, attributes, found, *_ = record
    if convention.reads_ids_in and "response_id" not in found:
        _read_id(attributes.get(convention.reads_ids_in), found)
    raw = found.get("model")
    for name, value in convention.defaults.items():
        found.setdefault(name, value)
    if "total_tokens" in found:
        _add_parts(found)
    input_tokens, cache_read = _input(convention, found)
    output_tokens = found.get("output_tokens")
    if convention.output_excludes_reasoning and found.get("reasoning_tokens"):
        output_tokens = (output_tokens or 0) + found["reasoning_tokens"]
    reported = found.get("cost_usd")
    if reported is None and convention.cost_parts:
        reported = _sum_of(convention.cost_parts, attributes)
    event = _event("model_call", happening.end_ns // NS_PER_MS, record)
    event["request_type"] = role.request_type
    event["latency_ms"] = record.latency_ms
    if raw is not None:
        event["model_name"], event["provider_model_name"] = coerce.model(raw), raw
    for name, value in (
        ("time_to_first_token_ms", _first_token(found)),
        ("input_tokens", input_tokens),
        ("output_tokens", output_tokens),
        ("cache_read_tokens", cache_read),
    ):
        if value is not None:
            event[name] = value
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


_ERRORS: Mapping[Kind, str] = {"model_call": "error_code", "tool_call": "error_code", "request": "error_type"}
"""The field that says what went wrong."""
_EVERY = ("session_id", "conversation_id", "user")
_AS_FOUND: Mapping[Kind, Names] = {
    "model_call": (
        *_EVERY,
        "http_status",
        "provider",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "reasoning_tokens",
    ),
    "tool_call": (*_EVERY, "http_status"),
    "request": (*_EVERY, "http_status"),
    "point": _EVERY,
}
"""The fields of an event that are as the attributes gave them; the builder of its kind makes the others."""


def _event(kind: Kind, ts: int, record: _Record) -> dict[str, Any]:
    """What events of every type have. Coding agents have their name as id too, as in their local logs."""
    convention, happening, found = record.convention, record.happening, record.found
    agent = found.get("agent_name")
    if agent is None:
        agent = happening.name if kind == "request" and convention.is_run_named_by_span else None
        agent = agent or convention.defaults.get("agent_name") or happening.origin.service
    event: dict[str, Any] = {
        "type": kind,
        "id": happening.id,
        "ts": ts,
        "source": convention.name,
        "agent_name": agent,
        "metadata": _metadata(record),
    }
    if "agent_name" in convention.defaults:
        event["agent_id"] = agent
    if happening.trace_id:
        event["trace_id"] = happening.trace_id
    if kind != "point":
        event["is_failure"] = record.is_failure
        if record.error is not None:
            event[_ERRORS[kind]] = record.error
    for name in _AS_FOUND[kind]:
        if name in found:
            event[name] = found[name]
    return event


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


def _add_parts(found: dict[str, Any]) -> None:
    """The parts that the total shows to stand beside the input and the output are added to them."""
    given, output, reasoning = (found.get(f"{name}_tokens", 0) for name in ("input", "output", "reasoning"))
    cached = found.get("cache_read_tokens", 0) + found.get("cache_write_tokens", 0)
    parts = beside(found["total_tokens"], given, output, cached=cached, reasoning=reasoning)
    if parts.cache:
        found["input_tokens"] = given + cached
    if parts.reasoning:
        found["output_tokens"] = output + reasoning


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
    model, given, output = event.get("model_name"), event.get("input_tokens"), event.get("output_tokens")
    if reported is not None:
        event["cost_usd"], event["cost_source"] = reported, "reported"
    elif model is not None and (given is not None or output is not None):
        cost = price(
            event.get("provider"),
            model,
            event["ts"],
            input_tokens=given or 0,
            output_tokens=output or 0,
            cache_read_tokens=event.get("cache_read_tokens", 0),
            cache_write_tokens=event.get("cache_write_tokens", 0),
            cache_write_1h_tokens=event.get("cache_write_1h_tokens", 0),
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
