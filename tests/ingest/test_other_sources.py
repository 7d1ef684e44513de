"""Runs, traces and scores as SDKs send them: what they come to, in whatever pieces and order they arrive."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from agentgauge.ingest import langfuse_wire, langsmith_wire, openai_agents
from agentgauge.ingest.deliveries import Delivery
from agentgauge.ingest.run import Intake
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgauge.ingest.deliveries import Decode

Record = dict[str, Any]
NOW = 1_779_280_200_000
BEGAN, ENDED = "2026-05-20T12:00:00.000Z", "2026-05-20T12:00:01.500Z"


def send(store: Path, decode: Decode, *bodies: Any) -> None:
    """Takes requests in, each as a delivery of its own."""
    with SqliteSink(store, clock=lambda: NOW) as sink:
        for body in bodies:
            with Intake(sink) as intake:
                decode(Delivery(json.dumps(body).encode(), NOW), intake)
            assert not intake.report.rejections


def rows(store: Path, query: str) -> list[Any]:
    """What the store holds."""
    connection = sqlite3.connect(store)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def span(span_id: str, kind: str, parent: str | None = None, error: object = None, **data: Any) -> Record:
    """A span of the OpenAI Agents SDK."""
    head = {"object": "trace.span", "id": span_id, "trace_id": "trace_1", "parent_id": parent, "error": error}
    return head | {"started_at": BEGAN, "ended_at": ENDED, "span_data": {"type": kind} | data}


TRACE = {
    "object": "trace",
    "id": "trace_1",
    "workflow_name": "shop",
    "group_id": "thread-1",
    "metadata": {"env": "dev"},
}


# OpenAI Agents


def test_a_call_whose_agent_still_runs_is_put_down_to_the_workflow_of_its_trace(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    usage = {"input_tokens": 10, "output_tokens": 5}
    first = span("span_1", "response", "span_9", response_id="resp_0123456789abcdef", usage=usage)
    second = span("span_2", "generation", "span_9", model="litellm/anthropic/claude-sonnet-4-5", usage=usage)
    send(store, openai_agents.take, {"data": [TRACE]}, {"data": [first]})
    send(store, openai_agents.take, {"data": [second, span("span_9", "agent", name="concierge")]})
    asked = "select agent_name, session_id, provider, model_name, cost_usd, metadata from model_calls order by id"
    assert rows(store, asked) == snapshot(
        [
            (
                "shop",
                "thread-1",
                "openai",
                None,
                None,
                '{"workflow_name":"shop","parent_span_id":"span_9","env":"dev"}',
            ),
            (
                "concierge",
                "thread-1",
                "anthropic",
                "claude-sonnet-4-5",
                0.000105,
                '{"workflow_name":"shop","parent_span_id":"span_9","env":"dev"}',
            ),
        ]
    )


@pytest.mark.parametrize(
    "usage",
    [
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
            "output_tokens_details": {"reasoning_tokens": 7},
        },
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 60},
            "completion_tokens_details": {"reasoning_tokens": 7},
            "cache_write_input_tokens": 10,
        },
    ],
)
@pytest.mark.parametrize("of_response", [False, True])
def test_usage_counts_by_kind_under_any_of_its_names(tmp_path: Path, usage: Record, of_response: bool) -> None:
    data: Record = (
        {"response": {"id": "resp_1", "model": "gpt-4o-mini", "usage": usage}} if of_response else {"usage": usage}
    )
    send(tmp_path / "store.db", openai_agents.take, {"data": [span("span_1", "response", **data)]})
    kinds = "input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, latency_ms"
    assert rows(tmp_path / "store.db", f"select {kinds} from model_calls") == [(100, 20, 60, 10, 7, 1_500)]


def test_response_ids_join_a_call_with_its_other_reports_unless_they_are_too_short_to_be_unique(tmp_path: Path) -> None:
    spans = [
        span("span_1", "response", response_id="resp_0123456789abcdef"),
        span("span_2", "response", response_id="resp_1"),
        span("span_3", "response", response_id="resp_1"),
    ]
    send(tmp_path / "store.db", openai_agents.take, {"data": spans})
    assert rows(tmp_path / "store.db", "select call_key from model_calls order by id") == [
        ("openai:resp_0123456789abcdef",),
        (None,),
        (None,),
    ]


def test_errors_are_failures_and_their_details_are_not_kept(tmp_path: Path) -> None:
    error = {"message": "Error running tool", "data": {"error": "secret"}}
    kinds = [
        span(f"span_{kind}", kind, None, error, name="x") for kind in ("function", "agent", "response", "guardrail")
    ]
    store = tmp_path / "store.db"
    send(store, openai_agents.take, {"data": kinds})
    for table, field in (("tool_calls", "error_code"), ("requests", "error_type"), ("model_calls", "error_code")):
        assert rows(store, f"select is_failure, {field} from {table}") == [(1, "Error running tool")]
    assert rows(store, "select result from guardrail_checks") == [("error",)]
    assert b"secret" not in store.read_bytes()


def test_spans_that_name_one_another_as_parents_end(tmp_path: Path) -> None:
    circle = [
        span("span_1", "response", "span_2"),
        span("span_2", "custom", "span_1"),
        span("span_3", "custom", "span_3"),
    ]
    send(tmp_path / "store.db", openai_agents.take, {"data": circle})
    assert rows(tmp_path / "store.db", "select agent_name from model_calls") == [(None,)]


# LangSmith


def run(run_id: str, **fields: Any) -> Record:
    """The beginning of a run."""
    about = {"id": run_id, "trace_id": "root", "name": run_id, "parent_run_id": "root", "run_type": "llm"}
    return (
        about
        | {"start_time": BEGAN, "inputs": {"x": "secret"}, "extra": {"metadata": {"ls_provider": "openai"}}}
        | fields
    )


USAGE = {"input_tokens": 100, "output_tokens": 20, "input_token_details": {"cache_read": 60}}
GENERATIONS = {"generations": [[{"message": {"kwargs": {"usage_metadata": USAGE}}}]]}
RAW = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 60}}
ANTHROPIC = USAGE | {
    "input_token_details": {"cache_read": 60, "ephemeral_5m_input_tokens": 8, "ephemeral_1h_input_tokens": 4}
}


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"outputs": {"usage_metadata": USAGE}}, 0),
        ({"outputs": GENERATIONS}, 0),
        ({"outputs": {"llm_output": {"token_usage": RAW}}}, 0),
        ({"outputs": {"usage": RAW}}, 0),
        ({"extra": {"metadata": {"usage_metadata": USAGE}}}, 0),
        ({"outputs": {"usage_metadata": ANTHROPIC}}, 12),
        ({"prompt_tokens": 100, "completion_tokens": 20, "prompt_token_details": {"cache_read": 60}}, 0),
    ],
)
def test_the_usage_of_a_run_is_found_wherever_it_stands(tmp_path: Path, fields: Record, written: int) -> None:
    store = tmp_path / "store.db"
    send(store, langsmith_wire.batch, {"post": [run("m")]}, {"patch": [{"id": "m", "end_time": ENDED} | fields]})
    kinds = "input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, latency_ms"
    assert rows(store, f"select {kinds} from model_calls") == [(100, 20, 60, written, 1_500)]
    assert b"secret" not in store.read_bytes()


PIECES = [
    {"post": [run("root", run_type="chain", parent_run_id=None, name="concierge")]},
    {"post": [run("m")]},
    {"post": [run("t", run_type="tool", end_time=ENDED, error="KeyError('x')")]},
    {"patch": [{"id": "m", "end_time": ENDED, "outputs": {"usage_metadata": USAGE}}]},
    {"patch": [{"id": "root", "end_time": ENDED}]},
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([*PIECES, *PIECES]))
def test_pieces_in_any_order_and_twice_are_the_same_runs(tmp_path_factory: pytest.TempPathFactory, order: Any) -> None:
    store = tmp_path_factory.mktemp("pieces") / "store.db"
    send(store, langsmith_wire.batch, *order)
    assert rows(store, "select id, input_tokens, output_tokens, latency_ms from model_calls") == [("m", 100, 20, 1_500)]
    assert rows(store, "select id, is_failure, error_code, latency_ms from tool_calls") == [("t", 1, "KeyError", 1_500)]
    assert rows(store, "select agent_name, latency_ms from requests") == [("concierge", 1_500)]


def test_a_run_that_has_ended_is_never_taken_for_one_that_has_not(tmp_path: Path) -> None:
    store, about = tmp_path / "store.db", {"metadata": {"session_id": "s", "user_id": "u", "agent_name": "a"}}
    whole = run("t", run_type="tool", end_time=ENDED, extra={})
    send(store, langsmith_wire.batch, {"post": [whole]}, {"post": [run("t", run_type="tool", extra=about)]})
    assert rows(store, "select latency_ms from tool_calls") == [(1_500,)]


def test_of_runs_that_are_whole_only_the_name_of_their_root_stays_remembered(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    send(store, langsmith_wire.batch, *PIECES)
    assert rows(store, "select key, value from memos") == [
        ("langsmith:root", b'{"begun":{"name":"concierge","extra":{"metadata":{}}}}')
    ]


# Langfuse


def observed(kind: str, **body: Any) -> Record:
    """A batch of one event."""
    return {"batch": [{"id": f"event of {kind}", "timestamp": ENDED, "type": kind, "body": body}]}


OBSERVED = [
    observed("trace-create", id="t", name="shop", sessionId="s"),
    observed("span-create", id="root", traceId="t", name="concierge", startTime=BEGAN),
    observed(
        "generation-create", id="g", traceId="t", parentObservationId="root", startTime=BEGAN, model="gpt-4o-mini"
    ),
    observed("generation-update", id="g", endTime=ENDED, usageDetails={"input": 100, "output": 20}, level="ERROR"),
    observed("span-update", id="root", endTime=ENDED),
    observed("score-create", id="score", traceId="t", name="helpful", value=0.9),
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([*OBSERVED, *OBSERVED]))
def test_batches_in_any_order_and_twice_are_the_same_observations(
    tmp_path_factory: pytest.TempPathFactory, order: Sequence[Any]
) -> None:
    store = tmp_path_factory.mktemp("batches") / "store.db"
    send(store, langfuse_wire.batch, *order)
    asked = "select id, model_name, input_tokens, output_tokens, latency_ms, is_failure from model_calls"
    assert rows(store, asked) == [("g", "gpt-4o-mini", 100, 20, 1_500, 1)]
    assert rows(store, "select agent_name, latency_ms from requests") == [("concierge", 1_500)]
    assert rows(store, "select name, value from points") == [("helpful", 0.9)]
