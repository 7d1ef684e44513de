"""The spans of each SDK, framework and gateway count as what they are, and each call once, whoever reports it."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot
from otlp_world import World, event, span

if TYPE_CHECKING:
    from agentgauge.ingest.otlp.records import Span

CALL: dict[str, Any] = {
    "gen_ai__operation__name": "chat",
    "gen_ai__provider__name": "openai",
    "gen_ai__request__model": "gpt-4o-mini",
    "gen_ai__usage__input_tokens": 1_500,
    "gen_ai__usage__output_tokens": 25,
}


def called(**changes: Any) -> dict[str, Any]:
    """The attributes of `CALL`, some of them others."""
    return {**CALL, **changes}


def totals(*spans: Span) -> dict[str, Any]:
    """The totals of spans, without those that are zero."""
    with World() as world:
        report = world.give(*spans)
        assert not report.rejections, report.rejections
        return {name: value for name, value in world.totals().items() if value}


def test_a_call_has_every_field_that_its_span_gives() -> None:
    call = span(
        "chat gpt-4o-mini",
        kind=3,
        lasts_ms=812.5,
        gen_ai__operation__name="chat",
        gen_ai__provider__name="openai",
        gen_ai__request__model="gpt-4o-mini",
        gen_ai__response__model="gpt-4o-mini-2024-07-18",
        gen_ai__response__id="chatcmpl-1",
        gen_ai__response__finish_reasons=["stop"],
        gen_ai__response__time_to_first_chunk=0.25,
        gen_ai__usage__input_tokens=1_523,
        gen_ai__usage__output_tokens=211,
        gen_ai__usage__cache_read__input_tokens=1_024,
        gen_ai__usage__reasoning__output_tokens=64,
        gen_ai__agent__name="support",
        gen_ai__conversation__id="conv_42",
        gen_ai__input__messages="[...]",
        user__id="u1",
        server__port=443,
    )
    assert event(call) == snapshot(
        {
            "type": "model_call",
            "id": "00000000000000000000000000000001:0000000000000001",
            "ts": 1795176000812,
            "source": "otel",
            "agent_name": "support",
            "session_id": "conv_42",
            "conversation_id": "conv_42",
            "user": "u1",
            "trace_id": "00000000000000000000000000000001",
            "metadata": {
                "service.name": "shop",
                "finish_reasons": "stop",
                "request_model": "gpt-4o-mini",
                "server.port": "443",
            },
            "provider": "openai",
            "model_name": "gpt-4o-mini-2024-07-18",
            "provider_model_name": "gpt-4o-mini-2024-07-18",
            "request_type": "chat",
            "is_failure": False,
            "latency_ms": 812.5,
            "time_to_first_token_ms": 250.0,
            "input_tokens": 1523,
            "output_tokens": 211,
            "cache_read_tokens": 1024,
            "reasoning_tokens": 64,
            "cost_usd": 0.00027825,
            "cost_source": "computed",
            "call_key": "openai:chatcmpl-1",
            "call_rank": 930992881665,
        }
    )


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", "model_call"),
        ("text_completion", "model_call"),
        ("generate_content", "model_call"),
        ("chat.completions", "model_call"),
        ("embeddings", "model_call"),
        ("llm_call", "model_call"),
        ("execute_tool", "tool_call"),
        ("tool_call", "tool_call"),
        ("invoke_agent", "request"),
        ("create_agent", "point"),
        ("invoke_workflow", "point"),
        ("agent_step", "point"),
        ("execute_task", "point"),
        ("plan", "point"),
        ("retrieval", "point"),
    ],
)
def test_only_inference_leaves_tools_and_agents_are_counted(operation: str, kind: str) -> None:
    assert event(span(gen_ai__operation__name=operation))["type"] == kind


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("input_tokens", "gen_ai.usage.prompt_tokens"),
        ("output_tokens", "gen_ai.usage.completion_tokens"),
        ("cache_read_tokens", "gen_ai.usage.cache_read_input_tokens"),
        ("cache_write_tokens", "gen_ai.usage.cache_creation.input_tokens"),
        ("cache_write_tokens", "gen_ai.usage.cache_write.input_tokens"),
        ("reasoning_tokens", "gen_ai.usage.details.reasoning_tokens"),
        ("reasoning_tokens", "gen_ai.usage.reasoning_tokens"),
    ],
)
def test_old_names_are_read_like_new_ones(field: str, name: str) -> None:
    usage: dict[str, Any] = {name: 7}
    assert event(span(gen_ai__operation__name="chat", **usage))[field] == 7


def test_a_new_name_wins_over_an_old_one_whichever_comes_first() -> None:
    names: dict[str, Any] = {"gen_ai__usage__input_tokens": 9, "gen_ai__usage__prompt_tokens": 7}
    for order in itertools.permutations(names.items()):
        assert event(span(gen_ai__operation__name="chat", **dict(order)))["input_tokens"] == 9


def test_a_client_span_of_an_old_instrumentation_needs_no_operation() -> None:
    usage: dict[str, Any] = {"gen_ai__request__model": "gpt-4o", "gen_ai__usage__completion_tokens": 3}
    assert event(span(kind=3, **usage))["type"] == "model_call"
    assert event(span(kind=1, **usage))["type"] == "point"


def test_the_spans_of_the_anthropic_sdk_and_of_an_instrumentation_are_one_call() -> None:
    usage: dict[str, Any] = {
        "gen_ai__operation__name": "chat",
        "gen_ai__response__model": "claude-sonnet-4-5",
        "gen_ai__response__id": "msg_01",
        "gen_ai__usage__input_tokens": 20_162,
        "gen_ai__usage__output_tokens": 40,
        "gen_ai__usage__cache_read__input_tokens": 20_000,
    }
    native = span(
        "chat",
        trace=1,
        id=1,
        scope="com.anthropic.sdk.python",
        gen_ai__provider__name="anthropic",
        gen_ai__usage__cache_write__input_tokens=150,
        **usage,
    )
    parent = span("chat", trace=1, id=2, scope="opentelemetry.instrumentation.genai.anthropic", **usage)
    traceloop = span(
        "anthropic.chat",
        trace=2,
        id=3,
        scope="opentelemetry.instrumentation.anthropic",
        gen_ai__system="Anthropic",
        gen_ai__usage__cache_creation__input_tokens=150,
        **usage,
    )
    other = span("chat", trace=1, id=4, gen_ai__response__id="chatcmpl-7", **CALL)
    for order in itertools.permutations([native, parent, traceloop, other]):
        found = totals(*order)
        assert (found["llm_calls"], found["input"], found["cache_write"]) == (2, 21_662, 150)


def test_a_wrapper_that_saw_no_usage_does_not_replace_the_call_that_did() -> None:
    wrapper = span(id=1, gen_ai__operation__name="chat", gen_ai__provider__name="openai", gen_ai__response__id="r1")
    call = span(id=2, gen_ai__response__id="r1", **CALL)
    for order in ([wrapper, call], [call, wrapper]):
        assert totals(*order)["input"] == 1_500


def test_of_equal_copies_the_one_that_reports_a_cost_counts() -> None:
    plain = span(id=2, gen_ai__response__id="r1", user__id="u", session__id="s", **CALL)
    gateway = span(
        "litellm_request", id=1, scope="litellm", gen_ai__response__id="r1", gen_ai__cost__total_cost=0.5, **CALL
    )
    for order in ([plain, gateway], [gateway, plain]):
        assert totals(*order)["cost_usd"] == 0.5


def test_one_response_id_of_two_providers_is_two_calls() -> None:
    mine = span(id=1, gen_ai__response__id="r1", **CALL)
    theirs = span(id=2, gen_ai__response__id="r1", **called(gen_ai__provider__name="groq"))
    assert totals(mine, theirs)["llm_calls"] == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("openai", "azure.ai.openai"),
        ("az.ai.openai", "azure-openai.responses"),
        ("gcp.gemini", "gcp.vertex_ai"),
        ("google_genai", "vertexai"),
        ("aws.bedrock", "AWS"),
        ("OpenAI", "openai.chat"),
    ],
)
def test_two_names_of_one_provider_are_one_call(one: str, other: str) -> None:
    copies = [
        span(id=number, gen_ai__response__id="r1", **called(gen_ai__provider__name=name))
        for number, name in enumerate((one, other), 1)
    ]
    assert totals(*copies)["llm_calls"] == 1


def test_a_framework_in_the_providers_place_is_no_other_provider() -> None:
    mine = span(id=1, gen_ai__response__id="chatcmpl-1", **CALL)
    framework = span(id=2, gen_ai__response__id="chatcmpl-1", **called(gen_ai__provider__name="langchain"))
    assert totals(mine, framework)["llm_calls"] == 1


def test_calls_without_a_response_id_are_as_many_as_their_spans() -> None:
    spans = [span(id=number, **CALL) for number in (1, 2, 3)]
    assert totals(*spans, *spans)["llm_calls"] == 3


def test_a_run_of_vercel_7_repeats_the_usage_of_its_calls_and_adds_nothing() -> None:
    run: dict[str, Any] = {
        "gen_ai__operation__name": "invoke_agent",
        "gen_ai__agent__name": "orders",
        "gen_ai__usage__input_tokens": 3_000,
        "gen_ai__usage__output_tokens": 50,
    }
    spans = [
        span("chat gpt-4o-mini", id=1, scope="ai", **CALL),
        span("execute_tool getOrder", id=2, scope="ai", gen_ai__operation__name="execute_tool", gen_ai__tool__name="g"),
        span("chat gpt-4o-mini", id=3, scope="ai", **CALL),
        span("agent_step", id=4, scope="ai", gen_ai__operation__name="agent_step", gen_ai__usage__input_tokens=1_500),
        span("invoke_agent orders", id=5, scope="ai", **run),
    ]
    found = totals(*spans)
    assert (found["llm_calls"], found["tool_calls"], found["agent_runs"], found["input"]) == (2, 1, 1, 3_000)
    reported = event(spans[-1])
    assert (reported["input_tokens"], reported["output_tokens"], reported["agent_name"]) == (3_000, 50, "orders")


@pytest.mark.parametrize("end", ["doGenerate", "doStream", "doEmbed"])
@pytest.mark.parametrize("whole", ["generateText", "streamText", "generateObject", "streamObject", "embed"])
def test_a_call_of_vercel_6_is_what_it_does_and_not_what_it_is_for(whole: str, end: str) -> None:
    call = event(span(ai__operationId=f"ai.{whole}.{end}", ai__model__provider="openai.chat"))
    assert (call["type"], call["provider"]) == ("model_call", "openai")
    assert event(span(ai__operationId=f"ai.{whole}"))["type"] == ("point" if whole == "embed" else "request")


def test_the_usage_of_vercel_4_has_its_old_names() -> None:
    call = event(
        span(ai__operationId="ai.streamText.doStream", ai__usage__promptTokens=5, ai__usage__completionTokens=6)
    )
    assert (call["input_tokens"], call["output_tokens"]) == (5, 6)


def test_a_workflow_of_traceloop_and_the_agent_in_it_are_one_run() -> None:
    scope = "traceloop.tracer"
    named: dict[str, Any] = {"traceloop__workflow__name": "orders", "traceloop__entity__name": "orders"}
    call: dict[str, Any] = {
        "gen_ai__system": "OpenAI",
        "llm__request__type": "chat",
    }
    spans = [
        span(
            "openai.chat",
            id=1,
            kind=3,
            scope="opentelemetry.instrumentation.openai.v1",
            gen_ai__usage__prompt_tokens=1_500,
            **call,
        ),
        span("look_up.tool", id=2, scope=scope, traceloop__span__kind="tool", traceloop__entity__name="look_up"),
        span("step.task", id=3, scope=scope, traceloop__span__kind="task", **named),
        span("orders.agent", id=4, scope=scope, lasts_ms=20, traceloop__span__kind="agent", **named),
        span("orders.workflow", id=5, scope=scope, lasts_ms=30, traceloop__span__kind="workflow", **named),
        span("orders.workflow", id=6, scope=scope, trace=2, traceloop__span__kind="workflow", **named),
    ]
    for order in (spans, spans[::-1]):
        found = totals(*order)
        assert found == {"llm_calls": 1, "tool_calls": 1, "agent_runs": 2, "points": 1, "input": 1_500}
    assert event(spans[1])["tool_name"] == "look_up"


def test_the_making_of_an_agent_is_no_run_though_traceloop_marks_it_as_one() -> None:
    made = span("create_agent a", gen_ai__operation__name="create_agent", traceloop__span__kind="agent")
    assert event(made)["type"] == "point"


def test_the_oldest_names_of_traceloop_name_the_model_and_its_provider() -> None:
    call = event(
        span(
            kind=3,
            llm__request__type="chat",
            llm__vendor="OpenAI",
            llm__request__model="gpt-4o-mini",
            llm__usage__prompt_tokens=1_500,
            llm__usage__completion_tokens=25,
        )
    )
    assert (call["provider"], call["model_name"], call["cost_usd"]) == ("openai", "gpt-4o-mini", 0.00024)


def test_the_agents_session_and_user_of_traceloop_are_its_associations() -> None:
    call = event(
        span(
            traceloop__workflow__name="orders",
            traceloop__association__properties__thread_id="t1",
            traceloop__association__properties__user_id="u1",
            **CALL,
        )
    )
    assert (call["agent_name"], call["session_id"], call["user"]) == ("orders", "t1", "u1")


def test_the_reply_that_openinference_keeps_joins_it_with_the_sdks_own_span() -> None:
    reply_id = "msg_01XFDUDYJgAACzvnptvVoYEL"
    native = span(id=1, gen_ai__response__id=reply_id, **called(gen_ai__provider__name="anthropic"))
    kept: dict[str, Any] = {
        "openinference__span__kind": "LLM",
        "llm__provider": "anthropic",
        "llm__token_count__prompt": 1_500,
    }
    other = span(id=2, trace=2, output__value=f'{{"id": "{reply_id}", "type": "message"}}', **kept)
    assert totals(native, other)["llm_calls"] == 1
    short = [span(id=number, output__value='{"id":"chatcmpl-9"}', **kept) for number in (1, 2)]
    assert totals(*short)["llm_calls"] == 2


@pytest.mark.parametrize("kind", ["CHAIN", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT", "UNKNOWN"])
def test_what_is_neither_call_nor_tool_nor_agent_in_openinference_is_kept_as_a_point(kind: str) -> None:
    assert event(span(openinference__span__kind=kind, llm__token_count__prompt=9))["type"] == "point"


def test_a_cost_given_in_parts_is_their_sum() -> None:
    parts: dict[str, Any] = {"llm__cost__prompt": 0.25, "llm__cost__completion": 0.5}
    call = event(span(openinference__span__kind="LLM", **parts))
    assert (call["cost_usd"], call["cost_source"]) == (0.75, "reported")


def test_the_merged_tools_of_adk_are_no_tool_call_and_its_call_llm_is_no_model_call() -> None:
    scope = "gcp.vertex.agent"
    usage: dict[str, Any] = {"gen_ai__usage__input_tokens": 100, "gen_ai__usage__output_tokens": 39}
    model: dict[str, Any] = {"gen_ai__system": "gcp.vertex.agent", "gen_ai__request__model": "gemini-2.5-flash"}
    spans = [
        span("generate_content", id=1, scope=scope, gen_ai__operation__name="generate_content", **model, **usage),
        span("call_llm", id=2, scope=scope, **model, **usage),
        span("execute_tool a", id=3, scope=scope, gen_ai__operation__name="execute_tool", gen_ai__tool__name="a"),
        span(
            "execute_tool (merged tools)",
            id=4,
            scope=scope,
            gen_ai__operation__name="execute_tool",
            gen_ai__tool__name="(merged tools)",
        ),
        span("invoke_agent a", id=5, scope=scope, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="a"),
        span("invocation", id=6, scope=scope),
    ]
    found = totals(*spans)
    assert (found["llm_calls"], found["tool_calls"], found["agent_runs"], found["output"]) == (1, 1, 1, 39)


def test_the_call_llm_of_an_early_adk_is_its_model_call_and_the_invocation_its_run() -> None:
    scope = "gcp.vertex.agent"
    usage: dict[str, Any] = {"gen_ai__usage__input_tokens": 100, "gen_ai__usage__output_tokens": 39}
    about: dict[str, Any] = {"gen_ai__system": scope, "gcp__vertex__agent__event_id": "e1", **usage}
    call = span("call_llm", id=1, scope=scope, gen_ai__request__model="gemini-2.0-flash", **about)
    early = [call, span("agent_run [weather]", id=2, scope=scope), span("invocation", id=3, scope=scope)]
    found = totals(*early)
    assert (found["llm_calls"], found["agent_runs"], found["input"], found["output"]) == (1, 1, 100, 39)
    inner = span("generate_content", id=4, scope=scope, gen_ai__operation__name="generate_content", **about)
    assert totals(call, inner)["llm_calls"] == 1
    assert event(call._replace(scope_version="2.13.0"))["type"] == "point"


def test_the_early_spans_of_pydantic_ai_are_known_by_their_names() -> None:
    scope = "pydantic-ai"
    usage: dict[str, Any] = {"gen_ai__usage__input_tokens": 1_500, "gen_ai__usage__output_tokens": 25}
    spans = [
        span("chat gpt-4o-mini", id=1, kind=3, scope=scope, **CALL),
        span("running tool", id=2, scope=scope, status=2, exception="ValueError", gen_ai__tool__name="get_order"),
        span("running 1 tool", id=3, scope=scope, tools=["get_order"]),
        span("agent run", id=4, scope=scope, agent_name="orders", model_name="gpt-4o-mini", **usage),
    ]
    found = totals(*spans)
    counts = [found[name] for name in ("llm_calls", "tool_calls", "tool_errors", "agent_runs", "input", "output")]
    assert counts == [1, 1, 1, 1, 1_500, 25]
    assert (event(spans[1])["tool_name"], event(spans[3])["agent_name"]) == ("get_order", "orders")


def test_the_same_mcp_call_seen_by_client_and_server_is_one_tool_call() -> None:
    call: dict[str, Any] = {
        "mcp__method__name": "tools/call",
        "gen_ai__operation__name": "execute_tool",
        "gen_ai__tool__name": "add",
        "jsonrpc__request__id": "3",
    }
    client, server = span("tools/call add", id=1, kind=3, **call), span("tools/call add", id=2, kind=2, **call)
    for order in ([client, server], [server, client]):
        assert totals(*order) == {"tool_calls": 1}
    assert totals(client, span(trace=2, id=3, kind=2, **call)) == {"tool_calls": 2}


def test_a_request_seen_by_mcp_client_and_server_is_one_and_failed_if_either_says_so() -> None:
    listed: dict[str, Any] = {"mcp__method__name": "tools/list"}
    called: dict[str, Any] = {"mcp__method__name": "tools/call", "jsonrpc__request__id": 2, "gen_ai__tool__name": "a"}
    both = [
        span("tools/list", id=1, kind=3, jsonrpc__request__id=1, **listed),
        span("tools/list", id=2, kind=2, jsonrpc__request__id="1", **listed),
        span("tools/call a", id=4, kind=3, **called),
        span("tools/call a", id=3, kind=2, status=2, **called),
    ]
    for order in (both, both[::-1]):
        assert totals(*order) == {"agent_runs": 1, "tool_calls": 1, "tool_errors": 1}


def test_a_failed_langfuse_observation_says_so_by_its_level() -> None:
    observed = event(span("run", langfuse__observation__type="agent", langfuse__observation__level="ERROR"))
    assert (observed["is_failure"], observed["agent_name"]) == (True, "run")


@pytest.mark.parametrize(
    ("given", "output", "of_input", "of_output"),
    [
        ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"),
        ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"),
    ],
)
def test_langfuses_openai_client_reports_usage_as_openai_does(
    given: str, output: str, of_input: str, of_output: str
) -> None:
    usage = {given: 1_500, output: 25, of_input: {"cached_tokens": 1_024}, of_output: {"reasoning_tokens": 9}}
    found = event(
        span(
            langfuse__observation__type="generation",
            langfuse__observation__model__name="gpt-4o-mini",
            langfuse__observation__usage_details=json.dumps(usage),
        )
    )
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens", "cost_usd")
    assert [found[name] for name in names] == [1_500, 25, 1_024, 9, 0.0001632]


@pytest.mark.parametrize("read", [1_024, 100])
def test_what_langfuses_langchain_callback_counts_beside_input_and_output_is_added(read: int) -> None:
    usage = {"input": 1_500 - read, "input_cache_read": read, "output": 11, "output_reasoning": 14, "total": 1_525}
    found = event(
        span(langfuse__observation__type="generation", langfuse__observation__usage_details=json.dumps(usage))
    )
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens")
    assert [found[name] for name in names] == [1_500, 25, read, 14]


def test_success_is_every_status_but_error() -> None:
    assert [event(span(status=status, **CALL))["is_failure"] for status in (0, 1, 2)] == [False, False, True]


def test_an_exception_names_the_error_of_a_span_without_an_error_type() -> None:
    assert event(span(status=2, exception="TimeoutError", **CALL))["error_code"] == "TimeoutError"
    assert "error_code" not in event(span(status=1, exception="TimeoutError", **CALL))


def test_input_that_is_less_than_its_cache_leaves_the_cache_out() -> None:
    usage = called(gen_ai__usage__input_tokens=12, gen_ai__usage__cache_read_input_tokens=20_000)
    assert event(span(**usage))["input_tokens"] == 20_012


def test_a_span_about_no_agent_is_a_point_and_no_run() -> None:
    assert event(span("GET", kind=3, scope="http", status=2, lasts_ms=12, http__response__status_code=504)) == snapshot(
        {
            "type": "point",
            "id": "00000000000000000000000000000001:0000000000000001",
            "ts": 1795176000000,
            "source": "otel",
            "agent_name": "shop",
            "trace_id": "00000000000000000000000000000001",
            "metadata": {"service.name": "shop", "otel.scope": "http", "http.response.status_code": "504"},
            "name": "otel.span.duration_ms",
            "kind": "histogram",
            "value": 12.0,
            "labels": {"span": "GET", "scope": "http", "status": "error"},
        }
    )


def test_a_model_that_is_not_known_is_that_of_the_request() -> None:
    call = event(span(gen_ai__response__model="unknown", **CALL))
    assert (call["model_name"], call["provider_model_name"]) == ("gpt-4o-mini", "gpt-4o-mini")


def test_a_model_nobody_has_a_price_for_has_no_cost() -> None:
    call = event(span(**called(gen_ai__request__model="no-such-model")))
    assert "cost_usd" not in call
    assert "cost_source" not in call
