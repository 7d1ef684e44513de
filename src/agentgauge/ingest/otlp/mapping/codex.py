"""Codex CLI's spans and log records.

Above: `conventions` and `logs`. Below: `convention`. Its log is the authority: of the two records that tell that a
response is complete, the one that has the tokens. A run of two calls sends 527 spans, nearly all of them of its own
inner workings, and a span with usage that names no model: of the spans none is counted and only that one is kept
(facts/telemetry.md 0, rule 3, and 3.3).
"""

from __future__ import annotations

from agentgauge.ingest.otlp.mapping.convention import NOTHING, POINT, Convention, Role

AGENT = "codex"

CODEX_SPANS = Convention(
    name="codex",
    scopes=("codex",),
    roles={"handle_responses": POINT},
    otherwise=NOTHING,
    fields={"session_id": ("conversation.id",), "conversation_id": ("conversation.id",)},
    defaults={"agent_name": AGENT},
)

CODEX_LOGS = Convention(
    name="codex",
    scopes=("codex",),
    roles_by=(("event.kind", {"response.failed": Role("model_call", "chat", is_failure=True, needs=("error_code",))}),),
    roles={
        "codex.sse_event": Role(
            "model_call", "chat", needs=("input_tokens", "session_id"), only_if=("event.kind", "response.completed")
        ),
        "codex.api_request": Role("model_call", "chat", is_failure=True, needs_one=("error_code", "refused_status")),
        "codex.tool_result": Role("tool_call"),
        "codex.user_prompt": Role("request", needs=("session_id",)),
    },
    fields={
        "session_id": ("conversation.id",),
        "conversation_id": ("conversation.id",),
        "user": ("user.email", "user.account_id"),
        "success": ("success",),
        "error_code": ("error.message",),
        "http_status": ("http.response.status_code",),
        "refused_status": ("http.response.status_code",),
        "duration_ms": ("duration_ms",),
        "model": ("model", "slug"),
        "input_tokens": ("input_token_count",),
        "output_tokens": ("output_token_count",),
        "cache_read_tokens": ("cached_token_count",),
        "cache_write_tokens": ("cache_write_token_count",),
        "reasoning_tokens": ("reasoning_token_count",),
        "tool_name": ("tool_name",),
        "call_id": ("call_id",),
    },
    defaults={"agent_name": AGENT, "provider": "openai"},
    framework=AGENT,
    input_has_cache=True,
)
"""What it calls `tool_token_count` is the total. A reply may fail after its request succeeded."""
