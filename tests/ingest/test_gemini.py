"""Gemini CLI's chats count each model call, tool call and run once, however often its message was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from agentgauge.ingest.gemini import decode, find_chats, looks_like_chat

if TYPE_CHECKING:
    from collections.abc import Iterable

SESSION = "7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11"
CHAT = Path(__file__).parents[1] / "fixtures/gemini/session-2026-11-20T11-00-7d1b3f7e.jsonl"
NAME = "/home/me/.gemini/tmp/shop/chats/session-1.jsonl"

Event = dict[str, Any]
Line = dict[str, Any]


def about(session: str = SESSION, **fields: Any) -> Line:
    return {"sessionId": session, "projectHash": "ab" * 32, "startTime": at(0), "lastUpdated": at(0)} | fields


def at(second: float) -> str:
    return f"2026-11-20T11:00:{second:06.3f}Z"


def message(message_id: str, second: float, kind: str, **fields: Any) -> Line:
    return {"id": message_id, "timestamp": at(second), "type": kind} | fields


def said(message_id: str, second: float, content: object = "do it") -> Line:
    return message(message_id, second, "user", content=content)


def reply(message_id: str, second: float, given: int, output: int = 0, **tokens: int) -> Line:
    counted = {"input": given, "output": output, "cached": 0, "thoughts": 0, "tool": 0} | tokens
    return message(message_id, second, "gemini", content="", model="gemini-2.5-pro", tokens=counted)


def tool(tool_id: str, second: float, status: str = "success", name: str = "read_file") -> Line:
    return {"id": tool_id, "name": name, "args": {}, "status": status, "timestamp": at(second)}


def events_of(*lines: Line | bytes, kind: str | None = None, name: str = NAME) -> list[Event]:
    return events_of_files({name: lines}, kind)


def events_of_files(files: dict[str, Iterable[Line | bytes]], kind: str | None = None) -> list[Event]:
    def encoded(lines: Iterable[Line | bytes]) -> list[bytes]:
        return [each if isinstance(each, bytes) else orjson.dumps(each) + b"\n" for each in lines]

    events = decode((name, encoded(lines)) for name, lines in files.items())
    return [event for event in events if kind in (None, event["type"])]


# A whole session


def test_a_session_comes_to_its_calls_its_tool_call_and_its_run() -> None:
    with CHAT.open("rb") as lines:
        events = list(decode([(NAME, lines)]))
    assert [
        {name: value for name, value in event.items() if name not in ("call_rank", "id", "agent_name")}
        for event in events
    ] == snapshot(
        [
            {
                "type": "model_call",
                "ts": 1795172403000,
                "source": "gemini",
                "call_key": "gemini:7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11:call:1200+400+30+60+0:1",
                "agent_id": "gemini-cli",
                "session_id": "7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11",
                "trace_id": "m1",
                "metadata": {"project": "shop"},
                "provider": "google",
                "model_name": "gemini-2.5-pro",
                "request_type": "chat",
                "is_failure": False,
                "latency_ms": 2000,
                "input_tokens": 1200,
                "output_tokens": 90,
                "cache_read_tokens": 400,
                "cache_write_tokens": 0,
                "reasoning_tokens": 60,
                "cost_usd": 0.00195,
                "cost_source": "computed",
            },
            {
                "type": "model_call",
                "ts": 1795172405000,
                "source": "gemini",
                "call_key": "gemini:7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11:call:1300+1200+20+0+0:1",
                "agent_id": "gemini-cli",
                "session_id": "7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11",
                "trace_id": "m1",
                "metadata": {"project": "shop"},
                "provider": "google",
                "model_name": "gemini-2.5-pro",
                "request_type": "chat",
                "is_failure": False,
                "latency_ms": 1600,
                "input_tokens": 1300,
                "output_tokens": 20,
                "cache_read_tokens": 1200,
                "cache_write_tokens": 0,
                "reasoning_tokens": 0,
                "cost_usd": 0.000475,
                "cost_source": "computed",
            },
            {
                "type": "tool_call",
                "ts": 1795172403400,
                "source": "gemini",
                "call_key": "gemini:7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11:tool:list_directory:done:1",
                "agent_id": "gemini-cli",
                "session_id": "7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11",
                "metadata": {"project": "shop"},
                "tool_name": "list_directory",
                "is_failure": False,
            },
            {
                "type": "request",
                "ts": 1795172401000,
                "source": "gemini",
                "call_key": "gemini:7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11:run:1",
                "agent_id": "gemini-cli",
                "session_id": "7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11",
                "trace_id": "m1",
                "metadata": {"project": "shop"},
                "account": "default",
                "agent_framework": "gemini-cli",
                "is_failure": False,
                "latency_ms": 4000,
                "input_tokens": 2500,
                "output_tokens": 110,
                "cost_usd": 0.002425,
            },
        ]
    )


def test_a_chat_is_told_by_its_content() -> None:
    lines = CHAT.read_bytes().splitlines()
    assert looks_like_chat(lines[:50])
    assert looks_like_chat([lines[4]])
    indented = json.dumps(about(messages=[said("m1", 1)]), indent=2).encode().splitlines()
    assert looks_like_chat(indented)
    assert not looks_like_chat([b'{"type":"assistant","sessionId":"s1","parentUuid":null}', b"[]", b"no JSON"])


# What counts as a call


def test_thoughts_are_output_and_what_was_cached_is_input() -> None:
    (call,) = events_of(about(), reply("m1", 1, 1_000, 30, cached=400, thoughts=60), kind="model_call")
    assert (call["input_tokens"], call["output_tokens"]) == (1_000, 90)
    assert (call["cache_read_tokens"], call["reasoning_tokens"]) == (400, 60)


def test_what_geminis_own_tools_read_is_input_beside_the_prompt() -> None:
    (call,) = events_of(about(), reply("m1", 1, 1_000, tool=50), kind="model_call")
    assert call["input_tokens"] == 1_050


def test_a_message_that_is_written_again_counts_once_by_its_last_form() -> None:
    first = reply("m1", 1, 100)
    lines = [about(), first | {"tokens": None}, first, first | {"toolCalls": [tool("t1", 2)]}, reply("m2", 3, 200)]
    calls = events_of(*lines, kind="model_call")
    assert [each["input_tokens"] for each in calls] == [100, 200]
    assert len(events_of(*lines, kind="tool_call")) == 1


def test_a_patch_of_the_conversation_takes_no_call_out_of_it() -> None:
    summary = message("m9", 4, "gemini", content="what was said before")
    patch = {"$set": {"messages": [summary, reply("m2", 2, 200), reply("m3", 3, 300)], "lastUpdated": at(4)}}
    lines = [about(), reply("m1", 1, 100), reply("m2", 2, 200), patch, {"$rewindTo": "m2"}]
    assert [each["input_tokens"] for each in events_of(*lines, kind="model_call")] == [100, 200, 300]


def test_a_patch_may_bring_the_tokens_of_a_message() -> None:
    lines = [about(), reply("m1", 1, 0) | {"tokens": None}, {"id": "m1", "$set": {"tokens": {"input": 7, "output": 1}}}]
    assert [each["input_tokens"] for each in events_of(*lines, kind="model_call")] == [7]


def test_two_calls_with_equal_numbers_are_two() -> None:
    calls = events_of(about(), reply("m1", 1, 100, 5), reply("m2", 2, 100, 5), kind="model_call")
    assert [each["call_key"] for each in calls] == [
        f"gemini:{SESSION}:call:100+0+5+0+0:1",
        f"gemini:{SESSION}:call:100+0+5+0+0:2",
    ]


def test_an_early_chat_is_one_object_and_counts_once_beside_its_later_form() -> None:
    messages = [said("m1", 1), reply("m2", 2, 100)]
    early = json.dumps(about(messages=messages), indent=2).encode().splitlines(keepends=True)
    calls = events_of_files(
        {NAME.removesuffix("l"): early, NAME: [about(), *messages, reply("m3", 3, 200)]}, "model_call"
    )
    assert [each["input_tokens"] for each in calls] == [100, 200]


def test_a_call_without_a_model_is_that_of_the_one_before() -> None:
    calls = events_of(about(), reply("m1", 1, 1), reply("m2", 2, 2) | {"model": None}, kind="model_call")
    assert [each["model_name"] for each in calls] == ["gemini-2.5-pro", "gemini-2.5-pro"]
    (nameless,) = events_of(about(), reply("m1", 1, 1) | {"model": None}, kind="model_call")
    assert not {"model_name", "cost_usd"} & nameless.keys()


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b'"text"', b"[1]", b'{"id":3,"type":"gemini"}', b"\xff"])
def test_a_line_that_cannot_be_read_costs_no_other(raw: bytes) -> None:
    assert len(events_of(about(), raw, reply("m1", 1, 5), raw, kind="model_call")) == 1


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["id", "timestamp", "type", "tokens", "toolCalls", "content", "$set", "messages", "model"]),
            st.none()
            | st.sampled_from(["gemini", "user", at(1)])
            | st.lists(
                st.dictionaries(st.sampled_from(["id", "name", "input", "text"]), st.text(max_size=3)), max_size=2
            )
            | st.dictionaries(st.sampled_from(["input", "messages", "id"]), st.integers(-2, 9)),
        ),
        max_size=6,
    )
)
def test_no_record_is_a_failure(records: list[Line]) -> None:
    events_of(*records)


# Subagents


def test_a_subagents_calls_belong_to_its_parents_session_and_run() -> None:
    folder = "/home/me/.gemini/tmp/shop/chats"
    events = events_of_files(
        {
            f"{folder}/session-1.jsonl": [about(), said("m1", 1), reply("m2", 2, 100), reply("m3", 30, 100)],
            f"{folder}/{SESSION}/sub.jsonl": [about("sub", kind="subagent"), said("s1", 10), reply("s2", 12, 100)],
        }
    )
    calls = [each for each in events if each["type"] == "model_call"]
    assert [(each["agent_name"], each["session_id"]) for each in calls] == [
        ("gemini-cli", SESSION),
        ("gemini-cli", SESSION),
        ("gemini-cli-subagent", SESSION),
    ]
    assert len({each["call_key"] for each in calls}) == 3
    (run,) = (each for each in events if each["type"] == "request")
    assert run["input_tokens"] == 300


# Tools and runs


@pytest.mark.parametrize(("status", "failed"), [("success", False), ("error", True), ("cancelled", True)])
def test_a_tool_call_failed_by_its_status(status: str, failed: bool) -> None:
    (call,) = events_of(about(), reply("m1", 1, 1) | {"toolCalls": [tool("t1", 2, status)]}, kind="tool_call")
    assert (call["tool_name"], call["is_failure"]) == ("read_file", failed)


def test_each_prompt_is_a_run_until_the_last_that_was_done_for_it() -> None:
    lines = [about(), said("m1", 1), reply("m2", 3, 100, 10) | {"toolCalls": [tool("t1", 4)]}, reply("m3", 6, 200, 20)]
    runs = events_of(*lines, said("m4", 30), message("m5", 31, "error", content="quota"), kind="request")
    assert [(each["input_tokens"], each["latency_ms"], each["is_failure"]) for each in runs] == [
        (300, 5_000, False),
        (0, 1_000, True),
    ]


@pytest.mark.parametrize(
    "content",
    ["/help", "?", "", [{"text": "<session_context>today"}], [{"functionResponse": {"name": "read_file"}}], [], None],
)
def test_what_no_human_asked_for_is_no_run(content: object) -> None:
    assert events_of(about(), said("m1", 1, content), kind="request") == []


def test_the_project_is_its_folder_or_where_the_folder_is_a_hash_its_directory() -> None:
    lines = [about(), {"$set": {"directories": ["/srv/projects/shop"]}}, reply("m1", 1, 1)]
    hashed = f"/home/me/.gemini/tmp/{'ab' * 32}/chats/session-1.jsonl"
    assert [each["metadata"] for each in events_of(*lines, name=NAME)] == [{"project": "shop"}]
    assert [each["metadata"] for each in events_of(*lines, name=hashed)] == [{"project": "shop"}]


# Where the files are


def test_chats_are_found(tmp_path: Path) -> None:
    def put(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
        return path

    main = put(".gemini/tmp/shop/chats/session-1.jsonl")
    early = put(".gemini/tmp/shop/chats/session-0.json")
    sub = put(f".gemini/tmp/shop/chats/{SESSION}/sub.jsonl")
    put(".gemini/tmp/shop/logs.json")
    put(".gemini/settings.json")
    assert find_chats({}, tmp_path) == sorted([main, early, sub])
    other = put("elsewhere/shop/chats/session-1.jsonl")
    assert find_chats({"GEMINI_DATA_DIR": str(tmp_path / "elsewhere")}, tmp_path) == [other]
