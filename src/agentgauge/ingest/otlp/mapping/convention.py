"""What a convention is: how its records are known, what each of them is, and which attribute gives which field.

Above: the declarations (`conventions`, `claude_code`, `codex`, `gemini`) and the engine that interprets them. Below:
`coerce`. A declaration is data only: to take in another convention is to add one value to a table.

Source: facts/telemetry.md 2.4, whose rows are the fields here and whose columns are the conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from agentgauge.ingest.otlp.mapping import coerce

Kind: TypeAlias = Literal["model_call", "tool_call", "request", "point", "nothing"]
"""The event a record becomes: an inference, a tool call, a run; a point that keeps what is none of these; nothing."""
Names: TypeAlias = tuple[str, ...]
Coercion: TypeAlias = Callable[[Any], Any]
Target: TypeAlias = tuple[str, int, Coercion]
"""A field that an attribute gives, how much it is preferred (0 most), and how its value is read."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a record is counted as."""

    kind: Kind
    request_type: str = ""
    """Of a model call: chat, embeddings ..."""
    server_type: str = ""
    """Of a request: what served it, where that was no agent."""
    is_failure: bool = False
    """Whether such a record tells of a failure by itself."""
    needs: Names = ()
    """Fields without which it is kept as a point: it cannot be told from a copy, or is a copy without the numbers."""
    needs_one: Names = ()
    """Fields of which it needs at least one."""
    only_if: tuple[str, str] | None = None
    """An attribute and the value it must have; with another the record is kept as a point."""
    unless: str = ""
    """An attribute that it must not have."""

    @property
    def is_conditional(self) -> bool:
        """Whether it asks anything of a record."""
        return bool(self.needs or self.needs_one or self.only_if or self.unless)


CHAT = Role("model_call", "chat")
EMBEDDINGS = Role("model_call", "embeddings")
TOOL = Role("tool_call")
RUN = Role("request")
POINT = Role("point")
NOTHING = Role("nothing")

FIELDS: Mapping[str, Coercion] = {
    # what every event may have
    "agent_name": coerce.text,
    "session_id": coerce.text,
    "conversation_id": coerce.text,
    "user": coerce.text,
    "success": coerce.flag,
    "level": coerce.text,
    "error_code": coerce.text,
    "http_status": coerce.http_status,
    "refused_status": coerce.refused_status,
    "duration_ms": coerce.number,
    # a model call's
    "provider": coerce.provider,
    "model": coerce.raw_model,
    "request_model": coerce.raw_model,
    "response_id": coerce.text,
    "input_tokens": coerce.count,
    "output_tokens": coerce.count,
    "cache_read_tokens": coerce.count,
    "cache_write_tokens": coerce.count,
    "cache_write_1h_tokens": coerce.count,
    "reasoning_tokens": coerce.count,
    "tool_tokens": coerce.count,
    "total_tokens": coerce.count,
    "cost_usd": coerce.number,
    "speed": coerce.text,
    "time_to_first_token_ms": coerce.number,
    "time_to_first_token_s": coerce.number,
    "finish_reasons": coerce.words,
    # a tool call's
    "tool_name": coerce.text,
    "mcp_server_name": coerce.text,
    "method": coerce.text,
    "call_id": coerce.text,
    # a run's
    "run_id": coerce.text,
    "run_input_tokens": coerce.count,
    "run_output_tokens": coerce.count,
    "run_cost_usd": coerce.number,
}
"""Every field that a convention may name attributes for, and how their values are read."""

_EVERY: Names = tuple(FIELDS)[: tuple(FIELDS).index("provider")]
_TOOLS: Names = tuple(FIELDS)[tuple(FIELDS).index("tool_name") : tuple(FIELDS).index("run_id")]
_RUNS: Names = tuple(FIELDS)[tuple(FIELDS).index("run_id") :]
_CALLS: Names = tuple(FIELDS)[tuple(FIELDS).index("provider") : tuple(FIELDS).index("tool_name")]
_OF_KIND: Mapping[Kind, Names] = {
    "model_call": _EVERY + _CALLS,
    "tool_call": _EVERY + _TOOLS,
    "request": (*_EVERY, "method", "call_id", *_RUNS),
    "point": _EVERY,
    "nothing": (),
}


@dataclass(frozen=True, eq=False)
class Convention:
    """One way in which agents are reported."""

    name: str
    """The `source` of its events."""
    marks: Names = ()
    """Attributes of which any one shows that a span follows this convention."""
    scopes: Names = ()
    """Beginnings of the names of its instrumentation scopes."""
    is_unversioned: bool = False
    """Whether only scopes of no version are its."""
    roles_by: tuple[tuple[str, Mapping[str, Role]], ...] = ()
    """Attributes that say what a record is, in order of preference, and what their values mean. A value is looked up in
    lower case, whole and then from its last dot on."""
    roles: Mapping[str, Role] = field(default_factory=dict[str, Role])
    """What a record of this name is, where no attribute of `roles_by` says it."""
    otherwise: Role = POINT
    """What every other record is."""
    fields: Mapping[str, Names] = field(default_factory=dict[str, Names])
    """The attributes of each field, in order of preference."""
    objects: Names = ()
    """Attributes that are a JSON object: their keys are read as attributes `<name>.<key>`."""
    reads_ids_in: str = ""
    """An attribute with the provider's reply as JSON, which begins with the response id."""
    cost_parts: Names = ()
    """Attributes that add up to the cost, where no attribute gives all of it."""
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The values of fields that no attribute gives."""
    framework: str = ""
    """What its runs have as `agent_framework`; left out, the instrumentation scope says it."""
    input_has_cache: bool | None = None
    """Whether the input includes the cache's tokens (facts 0, rule 4). None where it should: it is added all the same
    where there would be more of it than of input."""
    output_excludes_reasoning: bool = False
    """Whether the thoughts are to be added to the output (facts 0, rule 5)."""
    is_run_named_by_span: bool = False
    """Whether the name of an agent's span is the agent's, where no attribute names it."""
    is_trace_one_run: bool = False
    """Whether wrappers are marked as agents are, so that nested ones cannot be told from runs of their own."""
    targets: Mapping[Kind, Mapping[str, tuple[Target, ...]]] = field(init=False, repr=False, compare=False)
    """For each kind, what its attributes give. An attribute that says what a record is, or that is read as an object,
    gives nothing more."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", {kind: self._targets(names) for kind, names in _OF_KIND.items()})

    def _targets(self, fields: Names) -> Mapping[str, tuple[Target, ...]]:
        read = (*(attribute for attribute, _ in self.roles_by), *self.objects)
        found: dict[str, tuple[Target, ...]] = dict.fromkeys(read, ())
        for name in fields:
            for preference, attribute in enumerate(self.fields.get(name, ())):
                found[attribute] = (*found.get(attribute, ()), (name, preference, FIELDS[name]))
        return found

    def role(self, name: str, attributes: Mapping[str, Any]) -> Role:
        """What a record is."""
        for attribute, roles in self.roles_by:
            value = attributes.get(attribute)
            if type(value) is str:
                value = value.lower()
                found = roles.get(value) or roles.get(value.rpartition(".")[2])
                if found is not None:
                    return found
        return self.roles.get(name, self.otherwise)

    def like(self, **changes: Any) -> Convention:
        """This convention but for some of it."""
        return replace(self, **changes)
