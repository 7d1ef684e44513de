"""The datasets and their fields, as data.

Above: stores make their tables from it, ingest checks lines against it, tools check names against it. Below: nothing.
Source: design section 3, the table of event types. A fact about a field stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from agentgauge.core.errors import unknown_name

Type = Literal["string", "code", "integer", "number", "boolean", "strings", "map"]
"""`code` is a string that may be sent as a number (error codes); `strings` a list of distinct ones; `map` string to
string."""

NUMERIC: frozenset[Type] = frozenset({"integer", "number"})
MAPS: tuple[str, ...] = ("metadata", "labels")
"""The fields whose keys can be named as `metadata.<key>`, `labels.<key>`."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a dataset."""

    name: str
    type: Type = "string"
    unit: str = ""
    values: tuple[str, ...] = ()
    """The only values it may have, where the design lists them."""
    required: bool = False
    internal: bool = False
    """Kept for counting right (call_key, call_rank), not shown as a dimension."""
    ranked: bool = False
    """Whether its quantiles are what is usually asked of it, so that a store does well to keep its values in order."""

    @property
    def measurable(self) -> bool:
        """Whether it can be summed, averaged and ranked."""
        return self.type in NUMERIC

    @property
    def groupable(self) -> bool:
        """Whether rows can be grouped by it."""
        return self.type != "map"


@dataclass(frozen=True)
class Dataset:
    """A table of immutable events of one type."""

    name: str
    type: str
    """The event lines' `type`."""
    fields: tuple[Field, ...]
    noun: str = "events"
    """What its rows are called in a title."""
    registry: bool = False
    """Newest wins: the events describe things (agents, numbers), they are not counted."""
    by_name: Mapping[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {each.name: each for each in self.fields})

    @property
    def maps(self) -> tuple[str, ...]:
        """Its map fields."""
        return tuple(name for name in MAPS if name in self.by_name)

    def names(self) -> Sequence[str]:
        """The names a question may use, in the order of declaration."""
        return self._names

    def find(self, name: str) -> Field:
        """The field of that name; `metadata.<key>` and `labels.<key>` are string fields, `agent` is derived.

        Raises:
            UnknownName: with the valid fields and the nearest.
        """
        if found := self.by_name.get(name):
            return found
        if name in DERIVED and all(part in self.by_name for part in DERIVED[name].parts):
            return Field(name, DERIVED[name].type)
        head, dot, key = name.partition(".")
        if dot and key and head in self.maps:
            return Field(name)
        raise unknown_name("a field", name, self.names(), where=self.name)

    @cached_property
    def _names(self) -> Sequence[str]:
        shown = [each.name for each in self.fields if not each.internal and each.type != "map"]
        derived = [name for name, how in DERIVED.items() if all(part in self.by_name for part in how.parts)]
        return shown + derived + [f"{name}.<key>" for name in self.maps]


@dataclass(frozen=True, slots=True)
class Derived:
    """A dimension computed from stored fields: the first of `parts` that is not null, or a class of an http status."""

    parts: tuple[str, ...]
    type: Type = "string"
    how: Literal["coalesce", "status_class"] = "coalesce"


DERIVED: Mapping[str, Derived] = {
    "agent": Derived(("agent_id", "agent_name")),
    "http_status_class": Derived(("http_status",), how="status_class"),
}

_COMMON = (
    Field("agent_id"),
    Field("agent_name"),
    Field("session_id"),
    Field("user"),
    Field("team", "strings"),
    Field("virtual_account"),
    Field("conversation_id"),
    Field("trace_id"),
)
_ORIGIN = (
    Field("metadata", "map"),
    Field("source"),
    Field("call_key", internal=True),
    Field("call_rank", "integer", internal=True),
)
MESSAGE_STATUSES = ("queued", "sending", "sent", "delivered", "read", "failed", "undelivered", "received")
CALL_STATUSES = ("completed", "failed", "busy", "no_answer", "canceled", "in_progress")
DIRECTIONS = ("outbound", "inbound")
BUCKETED = "otlp.histogram"
"""The `source` of points that stand for what histogram buckets counted: quantiles of them are approximate."""
POINT_KINDS = ("counter", "gauge", "histogram")


def _strings(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name) for name in names)


def _numbers(type: Type, unit: str, *names: str, ranked: bool = False) -> tuple[Field, ...]:
    return tuple(Field(name, type, unit, ranked=ranked) for name in names)


def _dataset(name: str, type: str, *own: Field, noun: str) -> Dataset:
    return Dataset(name, type, (*own, *_COMMON, *_ORIGIN), noun)


_FAILURE = Field("is_failure", "boolean")
_HTTP_STATUS = Field("http_status", "integer")
_ERROR_CODE = Field("error_code", "code")
_LATENCY = Field("latency_ms", "number", "ms", ranked=True)
_COST_USD = Field("cost_usd", "number", "USD")
_COST_CENTS = Field("cost_cents", "number", "cents")
_TOKENS = _numbers("integer", "tokens", "input_tokens", "output_tokens")

DATASETS: tuple[Dataset, ...] = (
    _dataset(
        "messages",
        "message",
        Field("message_id"),
        Field("direction", values=DIRECTIONS, required=True),
        Field("channel"),
        Field("status", values=MESSAGE_STATUSES, required=True),
        _ERROR_CODE,
        _COST_CENTS,
        Field("number_id"),
        Field("segments", "integer"),
        noun="message events",
    ),
    _dataset(
        "calls",
        "call",
        Field("direction", values=DIRECTIONS),
        Field("status", values=CALL_STATUSES, required=True),
        Field("duration_seconds", "number", "s", ranked=True),
        Field("number_id"),
        _COST_CENTS,
        noun="calls",
    ),
    _dataset(
        "webhooks",
        "webhook",
        Field("endpoint_id"),
        Field("kind"),
        Field("status", values=("delivered", "failed", "retried"), required=True),
        _HTTP_STATUS,
        noun="webhook deliveries",
    ),
    _dataset(
        "requests",
        "request",
        *_strings("account", "agent_framework", "agent_server_type"),
        _FAILURE,
        _HTTP_STATUS,
        Field("error_type"),
        _LATENCY,
        *_TOKENS,
        _COST_USD,
        noun="agent runs",
    ),
    _dataset(
        "model_calls",
        "model_call",
        *_strings("provider", "model_name", "provider_model_name", "virtual_model_name"),
        *_strings("request_type", "provider_account_type"),
        _ERROR_CODE,
        _FAILURE,
        _HTTP_STATUS,
        _LATENCY,
        *_numbers("number", "ms", "time_to_first_token_ms", "inter_token_latency_ms", ranked=True),
        *_numbers("number", "ms", "time_per_output_token_ms", ranked=True),
        *_TOKENS,
        *_numbers("integer", "tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
        *_numbers("integer", "tokens", "reasoning_tokens"),
        _COST_USD,
        Field("cost_source", values=("reported", "computed")),
        *_strings("cache_status", "cache_type", "cache_namespace"),
        Field("cache_lookup_latency_ms", "number", "ms", ranked=True),
        Field("potential_cost_savings", "number", "USD"),
        noun="model calls",
    ),
    _dataset(
        "tool_calls",
        "tool_call",
        *_strings("mcp_server_name", "method", "tool_name"),
        _FAILURE,
        _HTTP_STATUS,
        _ERROR_CODE,
        _LATENCY,
        noun="tool calls",
    ),
    _dataset(
        "guardrail_checks",
        "guardrail_check",
        *_strings("guardrail_name", "applied_on_entity_scope"),
        Field("result", values=("pass", "fail", "error")),
        _LATENCY,
        noun="guardrail checks",
    ),
    _dataset(
        "routing_decisions",
        "routing_decision",
        *_strings("config_type", "status", "loadbalance_rule_id", "ratelimit_rule_id", "budget_rule_id"),
        *_strings("requested_model", "target_model"),
        Field("loadbalance_target_attempt_count", "integer"),
        noun="routing decisions",
    ),
    _dataset(
        "points",
        "point",
        Field("name", required=True),
        Field("kind", values=POINT_KINDS, required=True),
        Field("value", "number", required=True, ranked=True),
        Field("labels", "map"),
        Field("environment_id"),
        noun="metric points",
    ),
)
REGISTRIES: tuple[Dataset, ...] = (
    Dataset("agents", "agent", (Field("name"), Field("account"), Field("metadata", "map")), "agents", registry=True),
    Dataset(
        "numbers",
        "number",
        (*_strings("phone_number", "country", "status", "agent_id"), Field("metadata", "map")),
        "numbers",
        registry=True,
    ),
)
BY_NAME: Mapping[str, Dataset] = {each.name: each for each in (*DATASETS, *REGISTRIES)}
BY_TYPE: Mapping[str, Dataset] = {each.type: each for each in (*DATASETS, *REGISTRIES)}

KEY_FIELDS = ("ts", "id")
NAME_LENGTH = 128
"""The longest an id, a metric name and a label key may be, in characters."""
LABELS = 64
"""The most labels or metadata keys one event may have."""
VALUE_LENGTH = 1_024
"""The longest a string field may be, in characters."""


def dataset(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        UnknownName: with the valid names and the nearest.
    """
    if found := BY_NAME.get(name):
        return found
    raise unknown_name("a dataset", name, names(DATASETS))


def names(datasets: Iterable[Dataset]) -> list[str]:
    """The datasets' names."""
    return [each.name for each in datasets]
