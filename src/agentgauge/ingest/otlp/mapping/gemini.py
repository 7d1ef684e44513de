"""Gemini CLI's spans and log records.

Above: `conventions` and `logs`. Below: `convention`. Its log is the authority; its spans repeat the usage and share no
id with it, so they are kept as points (facts/telemetry.md 0, rule 3, and 3.4). Its output leaves the thoughts out
(rule 5), its input includes the cache.
"""

from __future__ import annotations

from agentgauge.ingest.otlp.mapping.convention import Convention, Role

AGENT = "gemini-cli"

GEMINI_SPANS = Convention(
    name="gemini",
    scopes=("gemini-cli",),
    fields={"session_id": ("session.id", "gen_ai.conversation.id"), "agent_name": ("gen_ai.agent.name",)},
    defaults={"agent_name": AGENT},
)

GEMINI_LOGS = Convention(
    name="gemini",
    scopes=("gemini-cli", "gemini_cli."),
    roles={
        "gemini_cli.api_response": Role("model_call", "chat"),
        "gemini_cli.api_error": Role("model_call", "chat", is_failure=True),
        "gemini_cli.tool_call": Role("tool_call"),
        "gemini_cli.user_prompt": Role("request"),
    },
    fields={
        "session_id": ("session.id",),
        "conversation_id": ("session.id",),
        "user": ("user.email", "user.id"),
        "success": ("success",),
        "error_code": ("error.type", "error_type", "error_code", "status_code"),
        "http_status": ("http.status_code", "status_code"),
        "duration_ms": ("duration_ms", "duration"),
        "model": ("model", "model_name"),
        "input_tokens": ("input_token_count",),
        "output_tokens": ("output_token_count",),
        "cache_read_tokens": ("cached_content_token_count",),
        "reasoning_tokens": ("thoughts_token_count",),
        "tool_tokens": ("tool_token_count",),
        "finish_reasons": ("finish_reasons",),
        "tool_name": ("function_name",),
        "mcp_server_name": ("mcp_server_name",),
    },
    defaults={"agent_name": AGENT, "provider": "google"},
    framework=AGENT,
    input_has_cache=True,
    output_excludes_reasoning=True,
)
