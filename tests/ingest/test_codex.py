"""Codex's rollouts count each model call, tool call and run once, and nothing of what a file replays of another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from agentgauge.ingest.codex import decode, find_rollouts, looks_like_rollout

if TYPE_CHECKING:
    from collections.abc import Iterable

THREAD = "019a1f00-0000-7000-8000-00000000000a"
CHILD = "019a1f00-0000-7000-8000-00000000000b"
SESSION = Path(__file__).parents[1] / f"fixtures/codex/rollout-2026-11-20T10-00-00-{THREAD}.jsonl"

Event = dict[str, Any]
Line = dict[str, Any]


def line(second: float, kind: str, payload: Line, **fields: Any) -> Line:
    return {"timestamp": f"2026-11-20T10:00:{second:06.3f}Z", "type": kind, "payload": payload} | fields


def meta(second: float = 0, thread: str = THREAD, **fields: Any) -> Line:
    return line(second, "session_meta", {"id": thread, "cwd": "/srv/shop", "cli_version": "0.169.0"} | fields)


def spawned(second: float = 0, **fields: Any) -> Line:
    """The first line of a subagent's file."""
    spawn = {"parent_thread_id": THREAD, "depth": 1, "agent_nickname": "Hypatia", "agent_role": "explorer"}
    return meta(second, CHILD, source={"subagent": {"thread_spawn": spawn}}, **fields)


def usage(given: int, cached: int = 0, output: int = 0, reasoning: int = 0) -> Line:
    return {
        "input_tokens": given,
        "cached_input_tokens": cached,
        "output_tokens": output,
        "reasoning_output_tokens": reasoning,
        "total_tokens": given + output,
    }


def counted(second: float, last: Line | None, total: Line | None = None) -> Line:
    info = {"last_token_usage": last, "total_token_usage": total}
    return line(second, "event_msg", {"type": "token_count", "info": {k: v for k, v in info.items() if v is not None}})


def recorded(second: float, used: Line, response_id: str, thread: str = THREAD) -> Line:
    return line(
        second, "token_usage_record", {"thread_id": thread, "turn_id": "t1", "response_id": response_id, "usage": used}
    )


def turn(second: float, model: str = "gpt-5", turn_id: str = "t1") -> Line:
    return line(second, "turn_context", {"turn_id": turn_id, "model": model, "cwd": "/srv/shop"})


def prompt(second: float, **fields: Any) -> Line:
    return line(second, "event_msg", {"type": "user_message", "message": "do it"} | fields)


def called(second: float, call_id: str, name: str = "shell_command", **fields: Any) -> Line:
    return line(
        second, "response_item", {"type": "function_call", "name": name, "call_id": call_id, "arguments": "{}"} | fields
    )


def answered(second: float, call_id: str, output: object) -> Line:
    return line(second, "response_item", {"type": "function_call_output", "call_id": call_id, "output": output})


def events_of(*files: Iterable[Line | bytes], kind: str | None = None) -> list[Event]:
    def encoded(lines: Iterable[Line | bytes]) -> list[bytes]:
        return [each if isinstance(each, bytes) else orjson.dumps(each) for each in lines]

    events = decode((f"/home/me/rollout-{n}.jsonl", encoded(lines)) for n, lines in enumerate(files))
    return [event for event in events if kind in (None, event["type"])]


def model_calls(*lines: Line | bytes) -> list[Event]:
    return events_of(lines, kind="model_call")


def tokens(*lines: Line | bytes) -> list[tuple[int, int, int]]:
    return [
        (each["input_tokens"], each["cache_read_tokens"], each["output_tokens"])
        for each in events_of(lines)
        if each["type"] == "model_call"
    ]


# A whole session


def test_a_session_comes_to_its_calls_its_tool_call_and_its_run() -> None:
    with SESSION.open("rb") as lines:
        events = list(decode([(str(SESSION), lines)]))
    assert [
        {name: value for name, value in event.items() if name not in ("call_rank", "id", "agent_name")}
        for event in events
    ] == snapshot(
        [
            {
                "type": "model_call",
                "ts": 1795168802500,
                "source": "codex",
                "call_key": "codex:019a1f00-0000-7000-8000-00000000000a:call:9000+7000+120+64:1",
                "agent_id": "codex",
                "session_id": "019a1f00-0000-7000-8000-00000000000a",
                "trace_id": "turn-1",
                "metadata": {
                    "project": "shop",
                    "git_branch": "main",
                    "version": "0.169.0",
                    "entrypoint": "codex_exec",
                    "response_id": "resp_1",
                },
                "provider": "openai",
                "model_name": "gpt-5",
                "request_type": "chat",
                "is_failure": False,
                "latency_ms": 2000,
                "input_tokens": 9000,
                "output_tokens": 120,
                "cache_read_tokens": 7000,
                "cache_write_tokens": 0,
                "reasoning_tokens": 64,
                "cost_usd": 0.004575,
                "cost_source": "computed",
            },
            {
                "type": "model_call",
                "ts": 1795168804100,
                "source": "codex",
                "call_key": "codex:019a1f00-0000-7000-8000-00000000000a:call:9200+9000+30+0:1",
                "agent_id": "codex",
                "session_id": "019a1f00-0000-7000-8000-00000000000a",
                "trace_id": "turn-1",
                "metadata": {
                    "project": "shop",
                    "git_branch": "main",
                    "version": "0.169.0",
                    "entrypoint": "codex_exec",
                    "response_id": "resp_2",
                },
                "provider": "openai",
                "model_name": "gpt-5",
                "request_type": "chat",
                "is_failure": False,
                "latency_ms": 1500,
                "input_tokens": 9200,
                "output_tokens": 30,
                "cache_read_tokens": 9000,
                "cache_write_tokens": 0,
                "reasoning_tokens": 0,
                "cost_usd": 0.001675,
                "cost_source": "computed",
            },
            {
                "type": "tool_call",
                "ts": 1795168802100,
                "source": "codex",
                "call_key": "codex:019a1f00-0000-7000-8000-00000000000a:tool:call_1:1",
                "agent_id": "codex",
                "session_id": "019a1f00-0000-7000-8000-00000000000a",
                "trace_id": "turn-1",
                "metadata": {"project": "shop", "git_branch": "main", "version": "0.169.0", "entrypoint": "codex_exec"},
                "tool_name": "shell_command",
                "is_failure": False,
                "latency_ms": 500,
            },
            {
                "type": "request",
                "ts": 1795168800500,
                "source": "codex",
                "call_key": "codex:019a1f00-0000-7000-8000-00000000000a:run:1",
                "agent_id": "codex",
                "session_id": "019a1f00-0000-7000-8000-00000000000a",
                "trace_id": "turn-1",
                "metadata": {"project": "shop", "git_branch": "main", "version": "0.169.0", "entrypoint": "codex_exec"},
                "account": "default",
                "agent_framework": "codex",
                "is_failure": False,
                "latency_ms": 3700,
                "input_tokens": 18200,
                "output_tokens": 150,
                "cost_usd": 0.00625,
            },
        ]
    )


def test_a_rollout_is_told_by_its_content() -> None:
    lines = SESSION.read_bytes().splitlines()
    assert looks_like_rollout(lines[:50])
    assert looks_like_rollout(lines[3:5])
    assert not looks_like_rollout([b'{"type":"message","id":"m1","ts":1}', b"", b"[1]", b"no JSON"])
    assert not looks_like_rollout([b'{"type":"assistant","timestamp":"2026-11-20T10:00:00Z","message":{}}'])


# What counts as a call


def test_the_last_usage_is_the_call_and_a_total_alone_is_taken_as_its_growth() -> None:
    assert tokens(
        meta(),
        turn(1),
        counted(2, usage(100, 40, 10), usage(100, 40, 10)),
        counted(3, None, usage(250, 90, 25)),
        counted(4, usage(10, 0, 1)),
    ) == [(100, 40, 10), (150, 50, 15), (10, 0, 1)]


def test_what_is_all_zero_counts_nothing() -> None:
    total_only = {"type": "token_count", "info": {"last_token_usage": {"total_tokens": 5_000}}}
    nothing = {"type": "token_count", "info": None}
    lines = [line(2, "event_msg", total_only), line(3, "event_msg", nothing), counted(4, usage(0))]
    assert tokens(meta(), turn(1), *lines) == []


def test_a_count_written_again_is_not_another_call() -> None:
    again = counted(2, usage(100, 0, 10), usage(100, 0, 10))
    assert len(tokens(meta(), turn(1), again, again)) == 1


def test_two_calls_with_equal_numbers_are_two() -> None:
    calls = model_calls(
        meta(),
        turn(1),
        counted(2, usage(100, 0, 10), usage(100, 0, 10)),
        counted(3, usage(100, 0, 10), usage(200, 0, 20)),
    )
    assert [each["call_key"] for each in calls] == [
        f"codex:{THREAD}:call:100+0+10+0:1",
        f"codex:{THREAD}:call:100+0+10+0:2",
    ]


def test_no_more_is_cached_than_was_given() -> None:
    assert tokens(meta(), turn(1), counted(2, usage(100, 400, 10))) == [(100, 100, 10)]


def test_the_model_is_that_of_the_latest_turn() -> None:
    calls = model_calls(
        meta(),
        turn(1, "gpt-5"),
        counted(2, usage(1)),
        turn(3, "gpt-5-codex"),
        counted(4, usage(2)),
        counted(5, usage(3)),
    )
    assert [each["model_name"] for each in calls] == ["gpt-5", "gpt-5-codex", "gpt-5-codex"]
    assert all("model_is_approximate" not in each["metadata"] for each in calls)


def test_without_a_turn_the_model_is_approximately_gpt_5() -> None:
    (call,) = model_calls(meta(), counted(2, usage(1_000_000)))
    assert (call["model_name"], call["metadata"]["model_is_approximate"]) == ("gpt-5", "true")
    assert call["cost_usd"] == pytest.approx(1.25)


@pytest.mark.parametrize("record_first", [True, False])
def test_a_usage_record_and_a_token_count_of_one_call_are_one(record_first: bool) -> None:
    both = [recorded(2, usage(100, 40, 10), "resp_1"), counted(2, usage(100, 40, 10))]
    (call,) = model_calls(meta(), turn(1), *(both if record_first else both[::-1]))
    assert call["metadata"]["response_id"] == "resp_1"


def test_calls_that_only_one_of_the_two_lines_tells_count_too() -> None:
    lines = [
        counted(2, usage(100)),  # an early version
        recorded(3, usage(200), "resp_2"),
        counted(3, usage(200)),
        recorded(4, usage(300), "resp_3"),  # a compaction
    ]
    assert [given for given, _, _ in tokens(meta(), turn(1), *lines)] == [100, 200, 300]


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b'"text"', b"[1]", b'{"timestamp":3,"type":"event_msg"}', b"\xff"])
def test_a_line_that_cannot_be_read_costs_no_other(raw: bytes) -> None:
    assert len(model_calls(meta(), raw, turn(1), raw, counted(2, usage(1)), raw)) == 1


@given(
    st.lists(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda deeper: st.dictionaries(
                st.sampled_from(
                    ["type", "payload", "info", "last_token_usage", "source", "subagent", "id", "output", "call_id"]
                ),
                deeper,
            ),
            max_leaves=12,
        ),
        max_size=5,
    )
)
def test_no_payload_is_a_failure(payloads: list[Any]) -> None:
    kinds = ("session_meta", "turn_context", "event_msg", "response_item", "token_usage_record")
    lines = [line(1, kind, payload) for payload in payloads for kind in kinds]
    events_of([orjson.dumps(each, default=str, option=orjson.OPT_NON_STR_KEYS) for each in lines if _fits(each)])


def _fits(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits, half of a pair of surrogates
        return False
    return True


# Copies


def test_a_subagents_file_leaves_out_what_it_replays_of_its_parent() -> None:
    parent = [meta(), turn(1), prompt(1), counted(2, usage(1_000)), counted(3, usage(500))]
    child = [
        spawned(30),
        meta(30),
        prompt(30.1),
        called(30.1, "call_1"),
        counted(30.2, usage(1_000), usage(1_000)),
        counted(30.3, usage(500), usage(1_500)),
        turn(31),
        counted(40, None, usage(1_600)),
        counted(50, usage(50), usage(1_650)),
    ]
    calls = events_of(parent, child, kind="model_call")
    assert [(each["input_tokens"], each["agent_name"]) for each in calls] == [
        (1_000, "codex"),
        (500, "codex"),
        (100, "explorer"),
        (50, "explorer"),
    ]
    assert events_of(child, kind="tool_call") == []


def test_a_count_that_a_subagents_file_has_twice_is_its_own_unless_it_is_as_old_as_the_file() -> None:
    again = counted(10, usage(100), usage(100))
    assert tokens(spawned(), again, again, counted(20, usage(5), usage(105))) == [(100, 0, 0), (5, 0, 0)]
    assert tokens(spawned(10), again, again, counted(20, usage(5), usage(105))) == [(5, 0, 0)]


def test_of_a_copy_that_is_still_being_written_nothing_counts() -> None:
    assert events_of([spawned(30), counted(30.2, usage(1_000))], kind="model_call") == []
    assert len(events_of([spawned(30), counted(30.2, usage(1_000)), turn(31)], kind="model_call")) == 1


def test_lines_before_the_history_of_its_own_are_its_parents() -> None:
    lines = [counted(20, usage(1_000)), counted(31, usage(500)), counted(40, usage(10))]
    child = [spawned(subagent_history_start_ordinal=3)] + [
        each | {"ordinal": ordinal} for ordinal, each in enumerate(lines, 1)
    ]
    assert tokens(*child) == [(10, 0, 0)]


def test_a_parents_usage_record_is_not_the_subagents() -> None:
    assert tokens(spawned(), recorded(10, usage(1_000), "r1"), recorded(20, usage(10), "r2", CHILD)) == [(10, 0, 0)]


def test_two_files_of_one_conversation_count_once() -> None:
    whole = [meta(), turn(1), counted(2, usage(100)), counted(3, usage(200))]
    assert len(events_of(whole[:3], whole, kind="model_call")) == 2


def test_a_session_that_goes_on_keeps_the_keys_of_what_it_had() -> None:
    lines = [meta(), turn(1), prompt(1), called(1.5, "c1"), counted(2, usage(100)), counted(3, usage(100))]
    before = {event["call_key"] for event in events_of(lines[:5])}
    assert before < {event["call_key"] for event in events_of(lines)}


# Tools


@pytest.mark.parametrize(
    ("output", "failed"),
    [
        ("Exit code: 0\nWall time: 0 seconds\nOutput:\n", False),
        ("Exit code: 2\nWall time: 0 seconds\nOutput:\n", True),
        ("Chunk ID: 1\nProcess exited with code 1\nOutput:\n", True),
        ('{"output":"no","metadata":{"exit_code":1,"duration_seconds":0.1}}', True),
        ('{"output":"yes","metadata":{"exit_code":0,"duration_seconds":0.1}}', False),
        ({"content": "no", "success": False}, True),
        ([{"type": "input_text", "text": "a picture"}], False),
        ("{not JSON", False),
    ],
)
def test_a_tool_call_failed_when_its_output_says_so(output: object, failed: bool) -> None:
    (tool,) = events_of([meta(), called(1, "c1"), answered(1.25, "c1", output)], kind="tool_call")
    assert (tool["is_failure"], tool["latency_ms"]) == (failed, 250)


def test_a_tool_call_without_its_result_says_nothing_of_it_yet() -> None:
    (open_call,) = events_of([meta(), called(1, "c1")], kind="tool_call")
    (done,) = events_of([meta(), called(1, "c1"), answered(2, "c1", "")], kind="tool_call")
    assert "is_failure" not in open_call
    assert open_call["call_key"] == done["call_key"]
    assert open_call["call_rank"] < done["call_rank"]


def test_an_mcp_tool_is_named_with_its_server() -> None:
    end: Line = {
        "type": "mcp_tool_call_end",
        "call_id": "c3",
        "invocation": {"server": "docs", "tool": "find"},
        "duration": {"secs": 1, "nanos": 500_000_000},
        "result": {"Ok": {"is_error": True, "content": []}},
    }
    lines = [called(1, "c1", "mcp__docs__search"), called(2, "c2", "search", namespace="mcp__docs__")]
    tools = events_of([meta(), *lines, line(4, "event_msg", end)], kind="tool_call")
    assert [(each["mcp_server_name"], each["tool_name"]) for each in tools] == [
        ("docs", "search"),
        ("docs", "search"),
        ("docs", "find"),
    ]
    assert (tools[2]["is_failure"], tools[2]["latency_ms"]) == (True, 1_500)


# Runs


def test_each_prompt_is_a_run_with_the_sums_of_its_calls_and_of_its_subagents() -> None:
    parent = [meta(), turn(1), prompt(1), counted(2, usage(100, 0, 10)), prompt(20), counted(50, usage(7, 0, 1))]
    child = [spawned(25), turn(26), prompt(26), counted(30, usage(1_000, 0, 100)), counted(32, usage(2_000, 0, 200))]
    runs = events_of(parent, child, kind="request")
    assert [(each["input_tokens"], each["output_tokens"], each["latency_ms"]) for each in runs] == [
        (100, 10, 1_000),
        (3_007, 301, 30_000),
    ]


def test_a_run_that_ended_in_an_error_failed() -> None:
    error = line(3, "event_msg", {"type": "error", "message": "no", "codex_error_info": "usage_limit_exceeded"})
    (run,) = events_of([meta(), turn(1), prompt(1), error], kind="request")
    assert (run["is_failure"], run["error_type"]) == (True, "usage_limit_exceeded")


def test_what_codex_says_in_the_users_name_is_no_run() -> None:
    lines = [meta(), prompt(1, kind="environment_context"), prompt(2, kind="plain")]
    assert len(events_of(lines, kind="request")) == 1


def test_where_no_prompt_is_recorded_a_turn_is_a_run() -> None:
    lines = [line(1, "event_msg", {"type": "task_started", "turn_id": "t1"}), counted(2, usage(100))]
    (run,) = events_of([meta(), *lines], kind="request")
    assert (run["trace_id"], run["input_tokens"]) == ("t1", 100)


# Where the files are


def test_rollouts_are_found_and_the_active_copy_wins(tmp_path: Path) -> None:
    def put(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
        return path

    active = put(f".codex/sessions/2026/11/20/rollout-2026-11-20T10-00-00-{THREAD}.jsonl")
    put(f".codex/archived_sessions/rollout-2026-11-20T10-00-00-{THREAD}.jsonl")
    archived = put(f".codex/archived_sessions/rollout-2026-11-19T10-00-00-{CHILD}.jsonl")
    put(".codex/history.jsonl")
    assert find_rollouts({}, tmp_path) == [archived, active]
    other = put("work/sessions/2026/11/20/session.jsonl")
    put("work/archived_sessions/2026/11/20/session.jsonl")
    assert find_rollouts({"CODEX_HOME": str(tmp_path / "work")}, tmp_path) == [other]
    both = f"{tmp_path / 'work'}, {tmp_path / '.codex'}"
    assert find_rollouts({"CODEX_HOME": both}, tmp_path) == [archived, active, other]
