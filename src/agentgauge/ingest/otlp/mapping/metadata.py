"""What is kept of the attributes that no field takes: as metadata, within limits, without what was said.

Above: the engine. Below: `core.catalog`, for the limits. Prompts, replies, arguments and results may hold anything a
human or a tool said; they are dropped by default, as are stack traces and command lines (facts 2.2, 3.4). Everything
else stays: at most 64 keys of at most 128 characters, values of at most 1,024; longer ones are cut, and how many
attributes found no place stands under `dropped_attributes`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from agentgauge.core.catalog import LABELS, NAME_LENGTH, VALUE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DROPPED = "dropped_attributes"

CONTENT = frozenset(
    {
        "ai.prompt",
        "ai.schema",
        "all_messages_events",
        "error.stack_trace",
        "events",
        "exception.stacktrace",
        "final_result",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.tool.definitions",
        "hidden_params",
        "input-json",
        "llm.invocation_parameters",
        "llm.tools",
        "logfire.json_schema",
        "logfire.msg",
        "metadata.usage_object",
        "model_request_parameters",
        "output-json",
        "process.command",
        "prompt",
        "response",
        "response_text",
        "tool.parameters",
        "tool_arguments",
        "tool_input",
        "tool_parameters",
        "tool_response",
        "traceloop.entity.input",
        "traceloop.entity.output",
        "user_prompt",
    }
)
PREFIXES = (
    "ai.embedding",
    "ai.prompt.",
    "ai.request.body",
    "ai.request.headers",
    "ai.response.files",
    "ai.response.object",
    "ai.response.reasoning",
    "ai.response.text",
    "ai.response.toolCalls",
    "ai.result",
    "ai.toolCall.args",
    "ai.toolCall.result",
    "ai.value",
    "embedding.embeddings",
    "gcp.vertex.agent.data",
    "gcp.vertex.agent.llm_re",
    "gcp.vertex.agent.tool_",
    "gen_ai.completion.",
    "gen_ai.prompt.",
    "input.",
    "langfuse.observation.input",
    "langfuse.observation.output",
    "langfuse.trace.input",
    "langfuse.trace.output",
    "llm.choices",
    "llm.completions",
    "llm.input_messages",
    "llm.output_messages",
    "llm.prompt",
    "output.",
    "process.command_",
    "pydantic_ai.all_messages",
    "reranker.",
    "retrieval.documents",
)
SUFFIXES = (
    ".arguments",
    ".content",
    ".messages",
    ".raw_response",
    "stringified_raw_response",
    ".choices",
    ".extra_body",
)
RESOURCE_NOISE = ("container.", "host.", "os.", "process.", "service.instance.id", "telemetry.")
"""What a resource says of the machine and the SDK, and not of the agent."""


def is_content(name: str) -> bool:
    """Whether an attribute may hold what a human, a model or a tool said."""
    return _is_content(name) if len(name) <= NAME_LENGTH else _is_content.__wrapped__(name)


@lru_cache(maxsize=16_384)
def _is_content(name: str) -> bool:
    """Remembered for short names only: a cache of long ones would be a way to fill the memory."""
    return name in CONTENT or name.startswith(PREFIXES) or name.endswith(SUFFIXES)


def of_resource(resource: Mapping[str, Any]) -> dict[str, str]:
    """What is kept of a resource: its service and what its owner added (`OTEL_RESOURCE_ATTRIBUTES`), at most 32."""
    names = (name for name in resource if not name.startswith(RESOURCE_NOISE) and not is_content(name))
    return gathered(resource, names, {}, most=LABELS // 2)


def gathered(
    attributes: Mapping[str, Any], names: Iterable[str], also: dict[str, str], *, most: int = LABELS
) -> dict[str, str]:
    """The metadata of an event: these attributes, none of which is content, as text, added to `also`. Empty values say
    nothing and are left out."""
    left_out = 0
    for name in names:
        value = attributes[name]
        if value is None or value == "":
            continue
        if len(also) >= most - 1:
            left_out += 1
        else:
            also.setdefault(name[:NAME_LENGTH], value[:VALUE_LENGTH] if type(value) is str else _text(value))
    if left_out:
        also[DROPPED] = str(left_out)
    return also


def _text(value: Any) -> str:
    if type(value) is float:
        return repr(value)  # JSON has no NaN
    try:
        return str(value) if type(value) is int else orjson.dumps(value).decode()[:VALUE_LENGTH]
    except (TypeError, ValueError):  # too deep a list, or an integer of more digits than Python writes
        return f"a value of type {type(value).__name__}"
