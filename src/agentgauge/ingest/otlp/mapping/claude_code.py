"""Claude Code's spans and log records.

Above: `conventions` and `logs`. Below: `convention`. Model calls share the request id of its transcripts, tool calls
the tool use id, runs the prompt id: all copies of one happening count once (facts/telemetry.md 3.1, 3.2). The log is
the authority: it knows the cost, and whether a tool failed. Its input leaves the cache out (facts 0, rule 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.ingest.otlp.mapping.convention import Convention, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgauge.ingest.otlp.mapping.convention import Names

AGENT = "claude-code"

FIELDS: Mapping[str, Names] = {
    "agent_name": ("agent.name",),
    "session_id": ("session.id",),
    "user": ("user.email", "user.id"),
    "success": ("success",),
    "error_code": ("error_type", "status_code", "error"),
    "http_status": ("status_code",),
    "duration_ms": ("duration_ms",),
    "model": ("model", "gen_ai.request.model"),
    "response_id": ("request_id", "gen_ai.response.id"),
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "cache_read_tokens": ("cache_read_tokens",),
    "cache_write_tokens": ("cache_creation_tokens",),
    "cost_usd": ("cost_usd",),
    "speed": ("speed",),
    "time_to_first_token_ms": ("ttft_ms",),
    "finish_reasons": ("stop_reason", "gen_ai.response.finish_reasons"),
    "tool_name": ("tool_name", "gen_ai.tool.name"),
    "call_id": ("tool_use_id", "gen_ai.tool.call.id"),
    "run_id": ("prompt.id",),
}

CLAUDE_CODE_SPANS = Convention(
    name="claude_code",
    scopes=("com.anthropic.claude_code",),
    roles={
        "claude_code.llm_request": Role("model_call", "chat", needs=("response_id",)),
        "claude_code.tool": Role("tool_call", needs=("call_id",)),
    },
    fields=FIELDS,
    defaults={"agent_name": AGENT, "provider": "anthropic"},
    framework=AGENT,
    input_has_cache=False,
)
"""A request without its id failed, and the log tells of it too; an interaction is the log's user_prompt."""

_EVENTS: Mapping[str, Role] = {
    "api_request": Role("model_call", "chat"),
    "api_error": Role("model_call", "chat", is_failure=True),
    "tool_result": Role("tool_call"),
    "user_prompt": Role("request", needs=("run_id",), unless="command_name"),
}
CLAUDE_CODE_LOGS = CLAUDE_CODE_SPANS.like(
    scopes=("com.anthropic.claude_code", "claude_code."),
    roles={f"{prefix}{name}": role for name, role in _EVENTS.items() for prefix in ("", "claude_code.")},
)
"""The attribute `event.name` leaves the prefix out, the body has it."""
