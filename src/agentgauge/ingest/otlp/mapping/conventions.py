"""The conventions of SDKs, frameworks and gateways, whose spans say what their agents did.

Above: `spans`. Below: `convention`. One value each; the order of `SPANS` decides where a span follows several. For all
of these the spans are the one authority: their log records repeat the usage (ADK, `gen_ai.*` events), so none of those
is counted (facts/telemetry.md 0, rule 3). Source: facts 2.1, 2.2 and the columns of 2.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.ingest.otlp.mapping.claude_code import CLAUDE_CODE_SPANS
from agentgauge.ingest.otlp.mapping.codex import CODEX_SPANS
from agentgauge.ingest.otlp.mapping.convention import CHAT, EMBEDDINGS, POINT, RUN, TOOL, Convention, Role
from agentgauge.ingest.otlp.mapping.gemini import GEMINI_SPANS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgauge.ingest.otlp.mapping.convention import Names

OPERATIONS = (
    "gen_ai.operation.name",
    {
        "chat": CHAT,
        "llm_call": CHAT,
        "chat.completions": CHAT,
        "chat.streaming_completions": CHAT,
        "text_completion": Role("model_call", "text_completion"),
        "text.completions": Role("model_call", "text_completion"),
        "text.streaming_completions": Role("model_call", "text_completion"),
        "generate_content": Role("model_call", "generate_content"),
        "embeddings": EMBEDDINGS,
        "execute_tool": TOOL,
        "tool_call": TOOL,
        "invoke_agent": RUN,
    },
)
"""Everything else (invoke_workflow, create_agent, plan, Vercel's agent_step, Traceloop's execute_task) contains these
or is none of them. The names with a dot are Semantic Kernel's."""

GEN_AI: Mapping[str, Names] = {
    "agent_name": ("gen_ai.agent.name",),
    "session_id": ("session.id", "gen_ai.conversation.id", "gcp.vertex.agent.session_id"),
    "conversation_id": ("gen_ai.conversation.id",),
    "user": ("user.id", "enduser.id", "gen_ai.user.id"),
    "error_code": ("error.code", "error.type"),
    "http_status": ("http.response.status_code", "http.status_code"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "request_model": ("gen_ai.request.model",),
    "response_id": ("gen_ai.response.id",),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
    "cost_usd": ("gen_ai.cost.total_cost", "gen_ai.usage.cost", "operation.cost", "llm.cost.total"),
    "time_to_first_token_s": ("gen_ai.response.time_to_first_chunk",),
    "finish_reasons": ("gen_ai.response.finish_reasons",),
    "tool_name": ("gen_ai.tool.name",),
    "run_input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.aggregated_usage.input_tokens"),
    "run_output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.aggregated_usage.output_tokens"),
    "run_cost_usd": ("gen_ai.cost.total_cost", "gen_ai.usage.cost", "operation.cost"),
}
"""The attributes of the OpenTelemetry convention, new names before old ones; other conventions widen it."""


def _also(**names: Names) -> Mapping[str, Names]:
    """The fields of `GEN_AI`, with a convention's own names before them."""
    return {field: (*names.get(field, ()), *GEN_AI.get(field, ())) for field in {**GEN_AI, **names}}


OTEL = Convention(name="otel", marks=("gen_ai.operation.name",), roles_by=(OPERATIONS,), fields=GEN_AI)
"""OpenTelemetry's own: the genai-* instrumentations, the anthropic SDK, pydantic-ai, Vercel AI SDK 7."""

ADK = OTEL.like(
    name="google_adk",
    marks=(),
    scopes=("gcp.vertex.agent",),
    roles_by=(("gen_ai.tool.name", {"(merged tools)": POINT}), OPERATIONS),
    framework="google-adk",
)
"""Google ADK. Its `call_llm` wraps a `generate_content` and repeats its usage; it has no operation name. What it calls
merged tools are the tools that it called at once, each of which has a span of its own."""

ADK_UNVERSIONED = ADK.like(
    is_unversioned=True,
    roles={
        "call_llm": Role("model_call", "generate_content", needs=("response_id", "output_tokens")),
        "invocation": RUN,
    },
    fields=_also(response_id=("gen_ai.response.id", "gcp.vertex.agent.event_id")),
    is_trace_one_run=True,
)
"""Its early versions, whose scope names none: there `call_llm` is all that tells of a model call, and `invocation` of a
run. One event id is one call, should both spans of it come."""

PYDANTIC_AI = OTEL.like(
    marks=(),
    scopes=("pydantic-ai",),
    roles={"agent run": RUN, "running tool": TOOL},
    fields=_also(agent_name=("gen_ai.agent.name", "agent_name")),
)
"""pydantic-ai, which until version 3 of its span names gave its runs and its tools no operation name."""

UNNAMED = Convention(name="otel", fields=GEN_AI, otherwise=Role("model_call", "chat", needs=("model", "output_tokens")))
"""Client spans with a model and its usage that name no operation, as older instrumentations wrote them."""

TRACELOOP = Convention(
    name="traceloop",
    marks=("traceloop.span.kind", "traceloop.workflow.name", "traceloop.entity.name", "llm.request.type"),
    roles_by=(
        ("gen_ai.operation.name", {"create_agent": POINT}),
        ("traceloop.span.kind", {"workflow": RUN, "agent": RUN, "tool": TOOL, "task": POINT}),
        OPERATIONS,
        (
            "llm.request.type",
            {"chat": CHAT, "completion": Role("model_call", "text_completion"), "embedding": EMBEDDINGS},
        ),
    ),
    fields=_also(
        agent_name=("gen_ai.agent.name", "traceloop.workflow.name", "traceloop.entity.name"),
        session_id=("traceloop.association.properties.session_id", "traceloop.association.properties.thread_id"),
        user=("traceloop.association.properties.user_id",),
        provider=(*GEN_AI["provider"], "llm.vendor"),
        model=(*GEN_AI["model"], "llm.response.model", "llm.request.model"),
        tool_name=("gen_ai.tool.name", "traceloop.entity.name"),
    ),
    is_trace_one_run=True,
)
"""Its LangChain marks the making of an agent as an agent; that is no run."""

OPENINFERENCE = Convention(
    name="openinference",
    marks=("openinference.span.kind",),
    roles_by=(("openinference.span.kind", {"llm": CHAT, "embedding": EMBEDDINGS, "tool": TOOL, "agent": RUN}),),
    fields=_also(
        agent_name=("agent.name", "metadata.lc_agent_name", "graph.node.id"),
        session_id=("session.id", "metadata.thread_id"),
        provider=("llm.provider", "llm.system"),
        model=("llm.response.model_name", "llm.model_name", "llm.request.model_name", "embedding.model_name"),
        request_model=("llm.request.model_name",),
        input_tokens=("llm.token_count.prompt",),
        output_tokens=("llm.token_count.completion",),
        cache_read_tokens=(
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ),
        cache_write_tokens=("llm.token_count.prompt_details.cache_write",),
        reasoning_tokens=("llm.token_count.completion_details.reasoning",),
        cost_usd=("llm.cost.total",),
        finish_reasons=("llm.finish_reason",),
        tool_name=("tool.name",),
        run_input_tokens=("llm.token_count.prompt",),
        run_output_tokens=("llm.token_count.completion",),
        run_cost_usd=("llm.cost.total",),
    ),
    objects=("metadata",),
    cost_parts=("llm.cost.prompt", "llm.cost.completion"),
    reads_ids_in="output.value",
    is_run_named_by_span=True,
    is_trace_one_run=True,
)

VERCEL = Convention(
    name="vercel_ai",
    marks=("ai.operationId",),
    roles_by=(
        (
            "ai.operationId",
            {
                "dogenerate": CHAT,
                "dostream": CHAT,
                "doembed": EMBEDDINGS,
                "toolcall": TOOL,
                "generatetext": RUN,
                "streamtext": RUN,
                "generateobject": RUN,
                "streamobject": RUN,
            },
        ),
    ),
    fields=_also(
        agent_name=("ai.telemetry.functionId",),
        session_id=("ai.telemetry.metadata.sessionId",),
        user=("ai.telemetry.metadata.userId",),
        provider=("ai.model.provider",),
        model=("ai.response.model", "gen_ai.response.model", "ai.model.id"),
        request_model=("ai.model.id",),
        response_id=("ai.response.id",),
        input_tokens=("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        output_tokens=("ai.usage.outputTokens", "ai.usage.completionTokens"),
        cache_read_tokens=("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
        cache_write_tokens=("ai.usage.inputTokenDetails.cacheWriteTokens",),
        reasoning_tokens=("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
        time_to_first_token_ms=("ai.response.msToFirstChunk",),
        finish_reasons=("ai.response.finishReason",),
        tool_name=("ai.toolCall.name",),
        run_input_tokens=("ai.usage.inputTokens", "ai.usage.promptTokens"),
        run_output_tokens=("ai.usage.outputTokens", "ai.usage.completionTokens"),
    ),
    framework="vercel-ai",
)
"""Version 6 and before. Version 7 follows `OTEL`."""

LITELLM = Convention(
    name="litellm",
    scopes=("litellm",),
    roles_by=(OPERATIONS,),
    roles={"litellm_request": CHAT},
    fields=_also(user=("metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id")),
)
"""The SDK and the gateway. A `raw_gen_ai_request` has no operation name: it is the request inside of the call."""

LANGFUSE = Convention(
    name="langfuse",
    marks=("langfuse.observation.type",),
    roles_by=(
        ("langfuse.observation.type", {"generation": CHAT, "embedding": EMBEDDINGS, "tool": TOOL, "agent": RUN}),
    ),
    fields=_also(
        session_id=("session.id", "langfuse.session.id"),
        user=("user.id", "langfuse.user.id"),
        level=("langfuse.observation.level",),
        model=("langfuse.observation.model.name",),
        input_tokens=(
            "langfuse.observation.usage_details.input",
            "langfuse.observation.usage_details.prompt_tokens",
            "langfuse.observation.usage_details.input_tokens",
        ),
        output_tokens=(
            "langfuse.observation.usage_details.output",
            "langfuse.observation.usage_details.completion_tokens",
            "langfuse.observation.usage_details.output_tokens",
        ),
        cache_read_tokens=(
            "langfuse.observation.usage_details.cache_read_input_tokens",
            "langfuse.observation.usage_details.input_cached_tokens",
            "langfuse.observation.usage_details.input_cache_read",
            "langfuse.observation.usage_details.prompt_tokens_details.cached_tokens",
            "langfuse.observation.usage_details.input_tokens_details.cached_tokens",
        ),
        cache_write_tokens=(
            "langfuse.observation.usage_details.cache_creation_input_tokens",
            "langfuse.observation.usage_details.input_cache_creation",
        ),
        reasoning_tokens=(
            "langfuse.observation.usage_details.output_reasoning_tokens",
            "langfuse.observation.usage_details.reasoning_tokens",
            "langfuse.observation.usage_details.output_reasoning",
            "langfuse.observation.usage_details.completion_tokens_details.reasoning_tokens",
            "langfuse.observation.usage_details.output_tokens_details.reasoning_tokens",
        ),
        total_tokens=("langfuse.observation.usage_details.total",),
        cost_usd=("langfuse.observation.cost_details.total",),
    ),
    objects=(
        "langfuse.observation.cost_details",
        "langfuse.observation.usage_details",
        "langfuse.observation.usage_details.prompt_tokens_details",
        "langfuse.observation.usage_details.completion_tokens_details",
        "langfuse.observation.usage_details.input_tokens_details",
        "langfuse.observation.usage_details.output_tokens_details",
    ),
    cost_parts=tuple(
        f"langfuse.observation.cost_details.{part}"
        for part in ("input", "output", "cache_read_input_tokens", "cache_creation_input_tokens")
    ),
    framework="langfuse",
    is_run_named_by_span=True,
)

LANGSMITH = OTEL.like(
    name="langsmith",
    marks=("langsmith.span.kind",),
    roles_by=(
        ("langsmith.span.kind", {"llm": CHAT, "embedding": EMBEDDINGS, "tool": TOOL, "chain": POINT, "prompt": POINT}),
    ),
    fields=_also(session_id=("langsmith.trace.session_id",)),
)
"""Its runs of type chain add up those below them: only the leaves are counted (facts 5.2)."""

MCP = Convention(
    name="mcp",
    marks=("mcp.method.name",),
    roles_by=(
        (
            "mcp.method.name",
            {
                "tools/call": TOOL,
                "notifications/cancelled": POINT,
                "notifications/initialized": POINT,
                "notifications/message": POINT,
                "notifications/progress": POINT,
            },
        ),
    ),
    otherwise=Role("request", server_type="mcp"),
    fields=_also(
        session_id=("mcp.session.id",),
        error_code=("error.type", "rpc.response.status_code"),
        method=("mcp.method.name",),
        call_id=("jsonrpc.request.id",),
    ),
    framework="mcp",
)
"""A call of a tool is a tool call; every other request that an MCP server answered is a request."""

SPANS: tuple[Convention, ...] = (
    CLAUDE_CODE_SPANS,
    CODEX_SPANS,
    GEMINI_SPANS,
    LANGFUSE,
    LITELLM,
    VERCEL,
    OPENINFERENCE,
    MCP,
    LANGSMITH,
    ADK_UNVERSIONED,
    ADK,
    PYDANTIC_AI,
    TRACELOOP,
    OTEL,
)
"""In the order in which they are asked: a framework's own before what it is built on."""
