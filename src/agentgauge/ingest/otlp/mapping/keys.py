"""By what two copies of one happening are known, and which of them counts.

Above: the engine. Below: `core.catalog`, for the limits. A store keeps, of the events with one call key, the one with
the highest rank (design section 3), so the totals are the same in whatever order, and however often, copies arrive.

| happening | call key | why |
|---|---|---|
| model call with a response id | `<provider>:<response id>` | an SDK and an instrumentation both report it (rule 2) |
| Claude Code's | `anthropic:<request id>` | that of its transcripts |
| Codex's and Gemini CLI's | `ingest.local_keys` | those of their local logs |
| MCP request, MCP tool call | `mcp:<trace>:<request id>:<method or tool>` | client and server both report it |
| run, where every wrapper is marked as an agent | `run:<trace>` | a workflow and the agents in it are one run |
| anything else | none | its event's id is that of the span or of the record: sent again, it is a duplicate |

The rules are those of facts/telemetry.md 0. A rank orders the copies of a model call by their tokens (a stream's
wrapper that saw no usage loses), then by whether they report a cost, then by how much they know, then by their ids, so
that no two copies are equal. The tokens stand in the same bits as in `local_keys.rank`, which ranks the copies of
coding agents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from agentgauge.core.catalog import VALUE_LENGTH

FAMILIES: Mapping[str, str] = {
    "amazon-bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "az.ai.openai": "openai",
    "azure": "openai",
    "azure-openai": "openai",
    "azure.ai.openai": "openai",
    "azure_openai": "openai",
    "bedrock": "aws.bedrock",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex.agent": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "vertex_ai": "google",
    "vertexai": "google",
}
"""Providers that one instrumentation tells apart and another does not: the response ids are of one family."""
STRANGERS = frozenset({"", "fake", "function", "langchain", "langgraph", "litellm", "test", "unknown"})
"""What frameworks write where the provider belongs (facts 2.2)."""
OWNERS = (
    ("msg_", "anthropic"),
    ("req_", "anthropic"),
    ("chatcmpl-", "openai"),
    ("cmpl-", "openai"),
    ("resp_", "openai"),
)
"""Whose a response id is by its beginning, asked where the provider is not known."""

_TOKENS, _DETAILS, _TIES = 33, 6, 22


def response_key(provider: str | None, response_id: str) -> str:
    """The call key of a model call, whoever reports it."""
    name = provider or ""
    if name in STRANGERS:
        name = next((owner for beginning, owner in OWNERS if response_id.startswith(beginning)), name or "unknown")
    return f"{FAMILIES.get(name, name)}:{response_id}"


def bounded(key: str) -> str:
    """A call key no longer than a field may be: of one made of a longer id, a digest."""
    return key if len(key) <= VALUE_LENGTH else record_id(key)


def rank(tokens: int, *, is_cost_reported: bool, details: int, tie: int) -> int:
    """The rank of a copy of a model call, in 62 bits: 33 for tokens, 1, 6 for the number of known fields, 22."""
    known = min(details, 2**_DETAILS - 1)
    return min(tokens, 2**_TOKENS - 1) << 29 | is_cost_reported << 28 | known << _TIES | tie & (2**_TIES - 1)


def run_rank(*, is_named: bool, latency_ms: float, tie: int) -> int:
    """The rank of a wrapper of a run: an agent's that is named counts before a nameless one's, then the longest."""
    return is_named << 61 | min(int(latency_ms), 2**39 - 1) << _TIES | tie & (2**_TIES - 1)


def copy_rank(*, is_failure: bool, tie: int) -> int:
    """The rank of a copy of what two sides of a wire report: one that failed counts before one that did not."""
    return is_failure << _TIES | tie & (2**_TIES - 1)


def tie(hex_id: str) -> int:
    """The bits of an id that tell equal copies apart."""
    return int(hex_id[-6:], 16)


def record_id(*parts: Any) -> str:
    """An id for a record that has none: the same for the same record, however it was encoded.

    Numbers that are equal are written the same, because JavaScript's encoder writes 3.0 as 3 (facts 1.2).
    """
    import hashlib

    plain = _plain(list(parts))
    try:
        written = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a list too deep for it
        written = repr(plain).encode()
    return hashlib.blake2b(written, digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("Sequence[Any]", value)]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) else value
