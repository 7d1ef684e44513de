"""What coding agents send as spans and as log records, and what they write down themselves, counts once."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from otlp_world import FIXTURES, MS, NOON_NS, Request, World, event, events, log, recordings, span

from agentgauge.ingest import claude_code
from agentgauge.ingest.otlp import JSON

if TYPE_CHECKING:
    from agentgauge.ingest.otlp.records import LogRecord, Span

CODEX, GEMINI, CLAUDE = "codex_otel.log_only", "gemini-cli", "com.anthropic.claude_code.events"
TRANSCRIPT = FIXTURES / "transcripts" / "claude_code_2.1.197_session.jsonl"


def codex_reply(at_ms: int, session: str = "c1", **attributes: Any) -> LogRecord:
    """The record of a finished response that has its tokens."""
    usage: dict[str, Any] = {
        "input_token_count": "9000",
        "output_token_count": "120",
        "cached_token_count": 7_000,
        "reasoning_token_count": 64,
        "tool_token_count": 9_120,
    }
    named: dict[str, Any] = {"conversation__id": session, "event__kind": "response.completed", "model": "gpt-5.2-codex"}
    return log("codex.sse_event", scope=CODEX, at_ms=at_ms, **named | usage | attributes)


def gemini_reply(at_ms: int, **attributes: Any) -> LogRecord:
    """The record of a response of Gemini CLI."""
    usage: dict[str, Any] = {
        "input_token_count": 1_000,
        "output_token_count": 30,
        "cached_content_token_count": 400,
        "thoughts_token_count": 60,
        "tool_token_count": 0,
        "total_token_count": 1_090,
    }
    named: dict[str, Any] = {
        "session__id": "g1",
        "model": "gemini-2.5-pro",
        "duration_ms": 900,
        "prompt_id": "g1########0",
    }
    return log("gemini_cli.api_response", scope=GEMINI, at_ms=at_ms, **named | usage | attributes)


def test_a_session_of_claude_code_counts_once_over_transcript_log_and_spans_in_any_order() -> None:
    spans, logs = recordings("claude_code")
    for order in itertools.permutations(["transcript", "spans", "logs"]):
        with World() as world:
            for each in order:
                if each == "transcript":
                    with TRANSCRIPT.open("rb") as lines:
                        world.take(claude_code.decode([(TRANSCRIPT.name, lines)]))
                else:
                    world.send(spans if each == "spans" else logs)
            totals = world.totals()
        assert (totals["llm_calls"], totals["tool_calls"], totals["agent_runs"]) == (2, 1, 1)
        assert (totals["input"], totals["output"], totals["cost_usd"]) == (43_024, 174, 0.04697)
        assert totals["tool_errors"] == 0


def test_the_input_of_claude_code_includes_its_cache() -> None:
    usage: dict[str, Any] = {
        "input_tokens": 12,
        "output_tokens": 87,
        "cache_read_tokens": "20000",
        "cache_creation_tokens": 1_500,
    }
    call = event(log("api_request", scope=CLAUDE, body="claude_code.api_request", cost_usd=0.5, **usage))
    assert (call["input_tokens"], call["cost_usd"], call["cost_source"]) == (21_512, 0.5, "reported")


def test_the_long_context_variant_is_the_same_model() -> None:
    call = event(
        span(
            "claude_code.llm_request",
            scope="com.anthropic.claude_code.tracing",
            model="claude-opus-4-8[1m]",
            request_id="r",
        )
    )
    assert (call["model_name"], call["provider_model_name"]) == ("claude-opus-4-8", "claude-opus-4-8[1m]")


@pytest.mark.parametrize(
    "name", ["claude_code.interaction", "claude_code.tool.execution", "claude_code.tool.blocked_on_user"]
)
def test_spans_around_and_inside_of_the_work_of_claude_code_are_points(name: str) -> None:
    assert event(span(name, scope="com.anthropic.claude_code.tracing"))["type"] == "point"


def test_a_failed_request_of_claude_code_is_a_failed_call_without_tokens() -> None:
    call = event(log("api_error", scope=CLAUDE, model="claude-opus-4-8", error="Overloaded", status_code="529"))
    assert (call["type"], call["is_failure"], call["http_status"]) == ("model_call", True, 529)
    assert "input_tokens" not in call


def test_the_result_of_a_tool_of_claude_code_says_in_words_whether_it_failed() -> None:
    tool = event(
        log(
            "tool_result",
            scope=CLAUDE,
            tool_name="mcp__github__search",
            success="false",
            duration_ms="79",
            tool_use_id="t",
        )
    )
    assert (tool["is_failure"], tool["latency_ms"]) == (True, 79.0)
    assert (tool["mcp_server_name"], tool["tool_name"], tool["method"]) == ("github", "search", "tools/call")


@pytest.mark.parametrize(
    ("record", "agent"),
    [
        (log("api_request", scope=CLAUDE), "claude-code"),
        (codex_reply(0), "codex"),
        (gemini_reply(0), "gemini-cli"),
        (span("claude_code.interaction", scope="com.anthropic.claude_code.tracing"), "claude-code"),
    ],
)
def test_a_coding_agent_is_called_as_in_its_local_log(record: LogRecord | Span, agent: str) -> None:
    found = event(record)
    assert (found["agent_id"], found["agent_name"]) == (agent, agent)


def test_a_command_to_claude_code_itself_is_no_run() -> None:
    asked: dict[str, Any] = {"prompt__id": "p1", "prompt": "/clear"}
    assert event(log("user_prompt", scope=CLAUDE, **asked))["type"] == "request"
    assert event(log("user_prompt", scope=CLAUDE, command_name="clear", **asked))["type"] == "point"


def test_only_the_record_with_the_tokens_is_a_call_of_codex() -> None:
    completed: dict[str, Any] = {"conversation__id": "c1", "event__kind": "response.completed"}
    with World() as world:
        world.give(
            codex_reply(0),
            log("codex.sse_event", scope=CODEX, at_ms=1, **completed),
            log("codex.sse_event", scope=CODEX, at_ms=2, conversation__id="c1", event__kind="response.created"),
            codex_reply(80),
            log("codex.api_request", scope=CODEX, at_ms=3, conversation__id="c1", http__response__status_code=200),
            log(
                "codex.tool_result", scope=CODEX, conversation__id="c1", call_id="k", tool_name="shell", success="true"
            ),
            log("codex.user_prompt", scope=CODEX, conversation__id="c1", prompt="fix it"),
        )
        world.give(codex_reply(80), codex_reply(0))
        totals = world.totals()
    assert (totals["llm_calls"], totals["tool_calls"], totals["agent_runs"]) == (2, 1, 1)
    assert (totals["input"], totals["output"], totals["cache_read"], totals["reasoning"]) == (18_000, 240, 14_000, 128)


@pytest.mark.parametrize(
    "said", [{"http__response__status_code": "429"}, {"error__message": "connection refused"}], ids=["status", "error"]
)
def test_a_request_of_codex_that_was_refused_or_never_arrived_is_a_failed_call(said: dict[str, Any]) -> None:
    failed = event(log("codex.api_request", scope=CODEX, conversation__id="c1", attempt=0, **said))
    assert (failed["type"], failed["is_failure"]) == ("model_call", True)


def test_a_reply_that_fails_after_its_request_is_a_failed_call_of_codex() -> None:
    failed = event(
        log("codex.sse_event", scope=CODEX, event__kind="response.failed", error__message="overloaded", model="gpt-5")
    )
    assert (failed["type"], failed["is_failure"], failed["error_code"]) == ("model_call", True, "overloaded")


def test_the_place_in_the_source_that_codex_calls_an_event_name_is_none() -> None:
    record = codex_reply(0)._replace(event_name="event otel/src/events/session_telemetry.rs:703")
    assert event(record)["type"] == "model_call"


def test_of_the_spans_of_codex_the_one_with_usage_is_kept_and_not_counted() -> None:
    assert events(span("fs.read", scope="codex_exec")) == []
    assert event(span("handle_responses", scope="codex_exec", gen_ai__usage__input_tokens=9_000))["type"] == "point"


def test_the_thoughts_of_gemini_are_output() -> None:
    call = event(gemini_reply(0))
    assert (call["input_tokens"], call["output_tokens"], call["reasoning_tokens"]) == (1_000, 90, 60)
    assert (call["cache_read_tokens"], call["latency_ms"], call["provider"]) == (400, 900, "google")


def test_the_spans_of_gemini_repeat_its_log_and_are_not_counted() -> None:
    usage: dict[str, Any] = {"gen_ai__usage__input_tokens": 1_000, "gen_ai__usage__output_tokens": 30}
    repeated = span(
        "llm_call", scope=GEMINI, gen_ai__operation__name="llm_call", gen_ai__conversation__id="g1", **usage
    )
    for order in ([gemini_reply(0), repeated], [repeated, gemini_reply(0)]):
        with World() as world:
            world.give(*order, log("gen_ai.client.inference.operation.details", scope=GEMINI, **usage))
            totals = world.totals()
        assert (totals["llm_calls"], totals["output"]) == (1, 90)


def test_a_failed_request_of_gemini_is_a_failed_call() -> None:
    failed = log("gemini_cli.api_error", scope=GEMINI, model_name="gemini-2.5-pro", status_code=429, duration=12)
    call = event(failed)
    assert (call["is_failure"], call["http_status"], call["model_name"], call["latency_ms"]) == (
        True,
        429,
        "gemini-2.5-pro",
        12,
    )


def test_the_log_records_of_an_sdk_repeat_its_spans_and_are_points() -> None:
    details = log(
        "gen_ai.client.inference.operation.details", gen_ai__operation__name="chat", gen_ai__usage__input_tokens=5
    )
    assert event(details)["type"] == "point"


def test_equal_records_of_one_instant_count_once_and_of_several_instants_each() -> None:
    same = log("api_request", scope=CLAUDE, input_tokens=1, output_tokens=2)
    later = log("api_request", scope=CLAUDE, input_tokens=1, output_tokens=2)._replace(time_ns=same.time_ns + 1)
    with World() as world:
        world.give(same, later, same)
        assert world.totals()["llm_calls"] == 2


def test_a_session_counts_on_in_the_next_request_whoever_takes_it() -> None:
    def prompts(*minutes: int) -> Request:
        named = {"event.name": "gemini_cli.user_prompt", "session.id": "s1"}
        attributes = [{"key": name, "value": {"stringValue": value}} for name, value in named.items()]
        times = [str(NOON_NS + minute * 60_000 * MS) for minute in minutes]
        records = [{"timeUnixNano": time, "attributes": attributes} for time in times]
        body = {"resourceLogs": [{"scopeLogs": [{"scope": {"name": "gemini-cli"}, "logRecords": records}]}]}
        return Request("logs", JSON, json.dumps(body).encode())

    with World() as world:
        world.send(prompts(0, 1))
        world.send(prompts(2), prompts(1))
        world.send(prompts(3, 0), prompts(2))
        assert world.totals()["agent_runs"] == 4


def test_what_a_log_record_says_is_not_kept() -> None:
    said = event(log("app.event", body="my secret diary", prompt="hello", level="high"))
    assert said["labels"] == {"event": "app.event", "severity": "9"}
    assert said["metadata"] == {"service.name": "cli", "event.name": "app.event", "level": "high"}


def test_a_tool_that_failed_by_the_log_failed_whatever_its_span_leaves_open() -> None:
    by_span = span("claude_code.tool", scope="com.anthropic.claude_code.tracing", tool_name="Bash", tool_use_id="t1")
    by_log = log("tool_result", scope=CLAUDE, tool_name="Bash", tool_use_id="t1", success="false", duration_ms="79")
    for order in ([by_span, by_log], [by_log, by_span]):
        with World() as world:
            world.give(*order)
            totals = world.totals()
        assert (totals["tool_calls"], totals["tool_errors"]) == (1, 1)


def test_the_name_of_an_event_may_stand_in_the_field_or_in_the_body_but_a_sentence_is_no_name() -> None:
    record = log("x", body="claude_code.api_request")._replace(attributes={"input_tokens": 5})
    assert event(record)["type"] == "model_call"
    assert event(record._replace(body=None, event_name="claude_code.api_request"))["type"] == "model_call"
    assert event(record._replace(body="the user said hello"))["labels"]["event"] == ""


def test_a_record_is_the_same_in_both_encodings_of_its_numbers() -> None:
    record = log("api_request", scope=CLAUDE, duration_ms=3, nested=[{"a": 1}])
    whole = record._replace(attributes={**record.attributes, "duration_ms": 3.0, "nested": [{"a": 1.0}]})
    other = record._replace(attributes={**record.attributes, "duration_ms": 4})
    assert event(record)["id"] == event(whole)["id"] != event(other)["id"]
