"""Claude Code's transcripts count each call, tool call and run once, however often it was written down."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgauge.ingest.claude_code import decode, find_transcripts, looks_like_transcript

FIXTURES = Path(__file__).parents[1] / "fixtures" / "claude_code"
SAMPLE = FIXTURES / "claude_code_2.1.197_session.jsonl"
SESSION = "/p/projects/-work-shop/s1.jsonl"

Event = dict[str, Any]
Line = dict[str, Any]


def events_of(files: Mapping[str, Iterable[Line | bytes]], kind: str | None = None) -> list[Event]:
    def encoded(lines: Iterable[Line | bytes]) -> list[bytes]:
        return [line if isinstance(line, bytes) else orjson.dumps(line) for line in lines]

    events = decode((name, encoded(lines)) for name, lines in files.items())
    return [event for event in events if kind in (None, event["type"])]


def model_calls(*lines: Line | bytes) -> list[Event]:
    return events_of({SESSION: lines}, "model_call")


def requests(*lines: Line | bytes) -> list[Event]:
    return events_of({SESSION: lines}, "request")


def at(second: float) -> str:
    return f"2026-11-20T12:00:{second:06.3f}Z"


def line(kind: str, second: float, content: object, **fields: Any) -> Line:
    message = {"role": kind, "content": content} | fields.pop("message", {})
    return {
        "type": kind,
        "timestamp": at(second),
        "sessionId": "s1",
        "cwd": "/srv/shop",
        "version": "2.1.197",
        "message": message,
    } | fields


def prompt(second: float, text: object = "do it", **fields: Any) -> Line:
    return line("user", second, text, **fields)


def reply(
    second: float,
    message_id: str | None = "m1",
    request_id: str | None = "r1",
    *,
    tokens: tuple[int, int] = (10, 5),
    usage: Line | None = None,
    model: str = "claude-opus-4-8",
    content: object = None,
    **fields: Any,
) -> Line:
    counted = {"input_tokens": tokens[0], "output_tokens": tokens[1]} | (usage or {})
    message: Line = {"model": model, "usage": counted}
    if message_id is not None:
        message["id"] = message_id
    if request_id is not None:
        fields["requestId"] = request_id
    return line("assistant", second, content or [], message=message, **fields)


def tool_use(tool_id: str, name: str, **arguments: Any) -> Line:
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


def tool_result(second: float, tool_id: str, *, is_error: bool = False, **fields: Any) -> Line:
    block = {"type": "tool_result", "tool_use_id": tool_id, "content": "...", "is_error": is_error}
    return line("user", second, [block], **fields)


def sample() -> tuple[str, list[bytes]]:
    return "/p/projects/-srv-projects-telemetry-proj/s.jsonl", SAMPLE.read_bytes().splitlines()


# The captured session


def test_the_captured_session_counts_each_of_its_calls_once():
    calls = [event for event in decode([sample()]) if event["type"] == "model_call"]
    assert len(calls) == 2
    assert sum(call["input_tokens"] for call in calls) == 43_024
    assert sum(call["output_tokens"] for call in calls) == 174
    assert sum(call["cache_read_tokens"] for call in calls) == 40_000
    assert sum(call["cache_write_tokens"] for call in calls) == 3_000
    assert sum(call["cache_write_1h_tokens"] for call in calls) == 1_000
    assert sum(call["cost_usd"] for call in calls) == pytest.approx(0.04697, abs=1e-9)
    total = sum(call["input_tokens"] + call["output_tokens"] for call in calls)
    assert total == 43_198  # adding up the three lines that carry usage would give 64,797


def test_the_captured_session_is_one_run_with_one_tool_call():
    events = list(decode([sample()]))
    (tool,) = (event for event in events if event["type"] == "tool_call")
    (run,) = (event for event in events if event["type"] == "request")
    about = {
        "source": "claude_code",
        "agent_id": "claude-code",
        "agent_name": "claude-code",
        "session_id": "8f1e2f94-3167-4263-95e0-f5dcc8ef99e8",
        "trace_id": "292a1b04-0c25-4ec6-9523-e2f4c8a98c1c",
        "metadata": {"project": "proj", "git_branch": "master", "version": "2.1.197", "entrypoint": "sdk-cli"},
    }
    assert tool == about | {
        "type": "tool_call",
        "id": "toolu_fake0001",
        "ts": 1795174475457,
        "call_key": "toolu_fake0001",
        "call_rank": 1,
        "tool_name": "Bash",
        "is_failure": False,
        "latency_ms": 133,
    }
    assert run == about | {
        "type": "request",
        "id": "292a1b04-0c25-4ec6-9523-e2f4c8a98c1c",
        "ts": 1795174475419,
        "call_key": "claude_code:292a1b04-0c25-4ec6-9523-e2f4c8a98c1c",
        "call_rank": run["call_rank"],
        "account": "default",
        "agent_framework": "claude-code",
        "is_failure": False,
        "latency_ms": 185,
        "input_tokens": 43_024,
        "output_tokens": 174,
        "cost_usd": pytest.approx(0.04697, abs=1e-9),
    }


def test_a_model_call_says_who_made_it_and_what_it_cost():
    first = next(decode([sample()]))
    assert first == {
        "type": "model_call",
        "id": "req_fake0001",
        "ts": 1795174475454,
        "source": "claude_code",
        "call_key": "anthropic:req_fake0001",
        "call_rank": first["call_rank"],
        "agent_id": "claude-code",
        "agent_name": "claude-code",
        "session_id": "8f1e2f94-3167-4263-95e0-f5dcc8ef99e8",
        "trace_id": "292a1b04-0c25-4ec6-9523-e2f4c8a98c1c",
        "metadata": {
            "project": "proj",
            "git_branch": "master",
            "version": "2.1.197",
            "entrypoint": "sdk-cli",
            "service_tier": "standard",
        },
        "provider": "anthropic",
        "model_name": "claude-opus-4-8",
        "provider_model_name": "claude-opus-4-8",
        "request_type": "chat",
        "is_failure": False,
        "input_tokens": 21_512,
        "output_tokens": 87,
        "cache_read_tokens": 20_000,
        "cache_write_tokens": 1_500,
        "cache_write_1h_tokens": 500,
        "cost_usd": 0.023485,
        "cost_source": "computed",
    }


def test_a_file_read_twice_or_copied_gives_the_same_events():
    once = list(decode([sample()]))
    name, lines = sample()
    assert list(decode([(name, lines), (name, lines)])) == once
    assert list(decode([(name, lines), ("/elsewhere/copy.jsonl", lines)])) == once


# Which copy of a call counts


def test_of_a_half_written_and_a_whole_reply_the_whole_one_counts_at_the_time_of_the_first():
    half, whole = reply(1, tokens=(10, 1)), reply(2, tokens=(10, 50))
    for lines in ((half, whole), (whole, half)):
        (call,) = model_calls(*lines)
        assert (call["output_tokens"], call["ts"] % 60_000) == (50, 1_000)


def test_a_better_copy_has_a_higher_rank_under_the_same_key():
    copies = [
        reply(1, tokens=(10, 1)),
        reply(1, tokens=(10, 2)),
        reply(1, tokens=(10, 2), usage={"speed": "standard"}),
        reply(1, tokens=(10, 2), costUSD=0.5),
        reply(1, tokens=(10, 2), costUSD=0.5, usage={"speed": "standard"}),
        reply(1, tokens=(10, 3), model="no-such-model"),
    ]
    calls = [model_calls(copy)[0] for copy in copies]
    ranks = [call["call_rank"] for call in calls]
    assert ranks == sorted(set(ranks))
    assert {(call["ts"], call["id"], call["call_key"]) for call in calls} == {(calls[0]["ts"], "r1", "anthropic:r1")}
    assert max(ranks) < 2**63


def test_of_copies_with_equal_tokens_the_dearer_counts():
    cheap, dear = reply(1, costUSD=0.1), reply(2, costUSD=0.2)
    for lines in ((cheap, dear), (dear, cheap)):
        assert [call["cost_usd"] for call in model_calls(*lines)] == [0.2]


def test_of_equal_copies_the_one_that_knows_its_speed_counts():
    plain = reply(1, usage={"service_tier": "plain"})
    speedy = reply(2, usage={"service_tier": "speedy", "speed": "standard"})
    for lines in ((plain, speedy), (speedy, plain)):
        assert [call["metadata"]["service_tier"] for call in model_calls(*lines)] == ["speedy"]


def test_the_same_message_under_two_request_ids_is_two_calls_of_the_main_conversation():
    assert len(model_calls(reply(1, "m1", "r1"), reply(2, "m1", "r2"))) == 2


def test_a_message_that_a_sidechain_replays_under_a_new_request_id_counts_once_as_the_original():
    original = reply(1, "m1", "r1", tokens=(10, 5))
    replay = reply(9, "m1", "r2", tokens=(1000, 5), isSidechain=True)
    for lines in ((original, replay), (replay, original)):
        (call,) = model_calls(*lines)
        assert (call["id"], call["input_tokens"], call["agent_name"]) == ("r1", 10, "claude-code")


def test_of_two_copies_of_one_request_the_main_conversations_counts():
    own, aside = reply(1, tokens=(10, 5)), reply(2, tokens=(10, 50), isSidechain=True)
    for lines in ((own, aside), (aside, own)):
        assert [call["output_tokens"] for call in model_calls(*lines)] == [5]


def test_a_message_replayed_by_sidechains_alone_counts_once():
    replays = [reply(n, "m1", f"r{n}", tokens=(10, n), isSidechain=True) for n in (1, 2, 3)]
    (call,) = model_calls(*replays)
    assert call["output_tokens"] == 3


def test_replies_without_a_message_id_are_never_taken_for_copies():
    assert len(model_calls(reply(1, None, "r1", uuid="u1"), reply(2, None, "r1", uuid="u2"))) == 2
    without_any_id = reply(1, None, None)
    calls = model_calls(without_any_id, without_any_id)
    assert len({(call["ts"], call["id"]) for call in calls}) == 2
    assert len({call["call_key"] for call in calls}) == 2


def test_a_copied_file_of_replies_without_ids_adds_nothing():
    nameless = [reply(1, None, None), reply(1, None, None), reply(2, None, "r1", uuid="u1")]
    once = events_of({SESSION: nameless})
    assert len(once) == 3
    assert events_of({SESSION: nameless, "/elsewhere/s1.jsonl": nameless}) == once


def test_two_replies_that_a_proxy_gave_one_request_id_stay_two():
    calls = model_calls(reply(1, "m1", "r1"), reply(2, "m2", "r1"))
    assert [(call["id"], call["call_key"]) for call in calls] == [("r1", "anthropic:r1"), ("m2", "anthropic:m2")]


# What a call counts


def test_cache_writes_are_the_sum_of_both_kinds_where_they_are_told_apart():
    split = {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200}
    (call,) = model_calls(reply(1, usage={"cache_creation_input_tokens": 999, "cache_creation": split}))
    assert (call["input_tokens"], call["cache_write_tokens"], call["cache_write_1h_tokens"]) == (510, 500, 200)


def test_cache_writes_that_are_not_told_apart_are_short_ones():
    (call,) = model_calls(reply(1, usage={"cache_creation_input_tokens": 300, "cache_read_input_tokens": 7}))
    assert (call["input_tokens"], call["cache_write_tokens"], call["cache_write_1h_tokens"]) == (317, 300, 0)


def test_a_cost_that_the_transcript_states_wins_over_a_computed_one():
    (call,) = model_calls(reply(1, costUSD=1.25))
    assert (call["cost_usd"], call["cost_source"]) == (1.25, "reported")


def test_an_unknown_model_has_no_cost_and_neither_has_its_run():
    (call,) = model_calls(reply(1, model="house-blend"))
    assert call["model_name"] == "house-blend"
    assert call.keys().isdisjoint({"cost_usd", "cost_source"})
    (run,) = requests(prompt(0), reply(1), reply(2, "m2", "r2", model="house-blend"))
    assert "cost_usd" not in run
    assert run["input_tokens"] == 20


def test_a_synthetic_model_is_no_model():
    (call,) = model_calls(reply(1, model="<synthetic>"))
    assert call.keys().isdisjoint({"model_name", "provider_model_name", "cost_usd"})
    assert call["input_tokens"] == 10


def test_a_notice_written_in_the_models_place_is_no_call():
    assert model_calls(reply(1, model="<synthetic>", tokens=(0, 0))) == []


def test_the_context_suffix_of_a_model_is_kept_apart():
    (call,) = model_calls(reply(1, model="claude-opus-4-8[1m]"))
    assert (call["model_name"], call["provider_model_name"]) == ("claude-opus-4-8", "claude-opus-4-8[1m]")
    assert call["cost_usd"] == pytest.approx(10 * 5e-6 + 5 * 25e-6, abs=1e-12)


def test_a_fast_call_says_so_and_costs_more():
    (call,) = model_calls(reply(1, usage={"speed": "fast"}))
    assert call["metadata"]["speed"] == "fast"
    assert call["cost_usd"] == pytest.approx(2 * (10 * 5e-6 + 5 * 25e-6), abs=1e-12)


def test_web_searches_are_told_when_there_were_any():
    (some,) = model_calls(reply(1, usage={"server_tool_use": {"web_search_requests": 3}}))
    (none,) = model_calls(reply(1, usage={"server_tool_use": {"web_search_requests": 0}}))
    assert some["metadata"]["web_search_requests"] == "3"
    assert "web_search_requests" not in none["metadata"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"timestamp": "yesterday"},
        {"timestamp": "2026-11-20T12:00:00"},
        {"timestamp": 1795174475454},
        {"version": "unknown"},
        {"sessionId": ""},
        {"requestId": ""},
    ],
)
def test_a_line_that_ccusage_skips_is_skipped(wrong: Line):
    assert model_calls(reply(1) | wrong) == []


@pytest.mark.parametrize(
    "usage", [{"input_tokens": "10"}, {"output_tokens": None}, {"input_tokens": -1}, {"input_tokens": True}]
)
def test_usage_of_another_form_is_no_usage(usage: Line):
    assert model_calls(reply(1, usage=usage)) == []


def test_malformed_lines_are_skipped_and_the_others_kept():
    good = orjson.dumps(reply(1))
    rubbish = [
        b"",
        b"\n",
        b"\xff\xfe",
        b'"message"',
        b"[1]",
        b'{"message":',
        good[:-20],
        b'{"message":{}}',
        b"[" * 5000,
    ]
    assert model_calls(*rubbish, good, *rubbish) == model_calls(good)


def test_half_an_emoji_does_not_cost_the_line_it_stands_in():
    whole = orjson.dumps(reply(1, content="@@"))
    (call,) = model_calls(whole.replace(b"@@", rb"\ud83d"))
    assert call["input_tokens"] == 10
    (named,) = model_calls(whole.replace(b'"s1"', rb'"s\ud83d"'))
    assert named["session_id"] == "s?"


def test_an_id_that_a_store_would_refuse_is_replaced_by_a_steady_one():
    for bad in ("r\n1", "x" * 200):
        (call,) = model_calls(reply(1, "m1", bad))
        assert [call] == model_calls(reply(1, "m1", bad))
        assert len(call["id"]) <= 128 and call["id"].isprintable()


# Who and where


def test_the_project_is_the_folder_where_the_session_began():
    lines = [prompt(0, cwd="/srv/shop"), reply(1, cwd="/srv/shop/api")]
    assert {event["metadata"]["project"] for event in events_of({SESSION: lines})} == {"shop"}


def test_the_project_of_a_windows_path_is_its_last_folder():
    (call,) = model_calls(reply(1, cwd="C:\\code\\shop\\"))
    assert call["metadata"]["project"] == "shop"


def test_without_a_working_folder_the_project_is_read_off_the_folder_of_the_file():
    bare = reply(1)
    del bare["cwd"]
    (call,) = events_of({"/p/projects/-work-shop/s1.jsonl": [bare]})
    assert call["metadata"]["project"] == "shop"
    (elsewhere,) = events_of({"s1.jsonl": [bare]})
    assert "project" not in elsewhere["metadata"]


AGENT_FILE = "/p/projects/-work-shop/s1/subagents/agent-a1.jsonl"


def spawning(result: Line, **arguments: Any) -> list[Line]:
    task = reply(1, content=[tool_use("t1", "Task", **arguments)])
    return [prompt(0, promptId="p1"), task, tool_result(8, "t1", toolUseResult=result)]


def by_subagent(**fields: Any) -> list[Line]:
    marks: dict[str, Any] = {"isSidechain": True} | fields
    work = reply(3, "m2", "r2", content=[tool_use("t2", "Read")], **marks)
    return [prompt(2, "look", **marks), work, tool_result(4, "t2", **marks)]


@pytest.mark.parametrize(
    ("parent", "child", "name"),
    [
        (spawning({"agentId": "a1"}, subagent_type="Explore"), by_subagent(agentId="a1"), "Explore"),
        (spawning({"agentId": "a1"}, subagent_type="Explore"), by_subagent(), "Explore"),
        (spawning({"agentId": "a1", "agentType": "Plan"}), by_subagent(agentId="a1"), "Plan"),
        (spawning({}), by_subagent(agentId="a1", attributionAgent="reviewer"), "reviewer"),
        (spawning({}), by_subagent(), "claude-code-subagent"),
    ],
    ids=["by agent id", "by file name", "by type of the result", "by attribution", "unnamed"],
)
def test_a_subagents_work_stands_under_its_own_name(parent: list[Line], child: list[Line], name: str):
    for files in ({SESSION: parent, AGENT_FILE: child}, {AGENT_FILE: child, SESSION: parent}):
        events = events_of(files)
        names = {event["id"]: (event["agent_id"], event["agent_name"]) for event in events}
        main = ("claude-code", "claude-code")
        assert names == {"r1": main, "t1": main, "p1": main, "r2": (name, name), "t2": (name, name)}


def test_a_subagents_prompt_is_no_run_and_its_calls_count_to_the_run_that_started_it():
    parent = spawning({"agentId": "a1"}, subagent_type="Explore")
    (run,) = events_of({AGENT_FILE: by_subagent(), SESSION: parent}, "request")
    assert (run["id"], run["input_tokens"], run["latency_ms"]) == ("p1", 20, 8_000)
    (linked,) = events_of({AGENT_FILE: by_subagent(promptId="p1"), SESSION: spawning({})}, "request")
    assert linked["input_tokens"] == 20


def test_a_subagent_that_claims_to_have_started_itself_belongs_to_no_run():
    lines = [
        reply(1, content=[tool_use("t1", "Task", subagent_type="Loop")], isSidechain=True, agentId="a1"),
        tool_result(2, "t1", toolUseResult={"agentId": "a1"}, isSidechain=True, agentId="a1"),
    ]
    assert [event["agent_name"] for event in events_of({AGENT_FILE: lines})] == ["Loop", "Loop"]


def test_an_agents_progress_is_read_and_counts_once_with_its_own_transcript():
    inner = reply(3, "m2", "r2", content=[tool_use("t2", "Read")], uuid="u2")
    del inner["sessionId"]
    progress = line("progress", 4, None, data={"type": "agent_progress", "agentId": "a1", "message": inner})
    del progress["message"]
    parent = [*spawning({"agentId": "a1"}, subagent_type="Explore"), progress]
    for files in ({SESSION: parent}, {SESSION: parent, AGENT_FILE: by_subagent(agentId="a1")}):
        calls = events_of(files, "model_call")
        assert [(call["id"], call["agent_name"], call["session_id"]) for call in calls] == [
            ("r1", "claude-code", "s1"),
            ("r2", "Explore", "s1"),
        ]


# Tool calls


def tool_calls(*lines: Line) -> list[Event]:
    return events_of({SESSION: lines}, "tool_call")


def test_a_tool_call_lasts_from_its_request_to_its_result():
    (tool,) = tool_calls(reply(1, content=[tool_use("t1", "Bash")]), tool_result(3.5, "t1", is_error=True))
    assert (tool["tool_name"], tool["latency_ms"], tool["is_failure"]) == ("Bash", 2_500, True)
    assert "mcp_server_name" not in tool and "method" not in tool


def test_a_result_dated_before_its_tool_call_tells_no_duration():
    (tool,) = tool_calls(reply(5, content=[tool_use("t1", "Bash")]), tool_result(1, "t1"))
    assert tool["is_failure"] is False and "latency_ms" not in tool


def test_a_tool_call_without_a_result_is_open_and_yields_to_the_finished_one():
    use = reply(1, content=[tool_use("t1", "Bash")])
    (started,) = tool_calls(use)
    (finished,) = tool_calls(use, tool_result(2, "t1"))
    assert started.keys().isdisjoint({"latency_ms", "is_failure"})
    assert (started["ts"], started["id"], started["call_key"]) == (finished["ts"], finished["id"], finished["call_key"])
    assert started["call_rank"] < finished["call_rank"]


@pytest.mark.parametrize(
    ("name", "server", "tool_name"),
    [
        ("mcp__github__create_issue", "github", "create_issue"),
        ("mcp__github__create__issue", "github", "create__issue"),
        ("mcp__github", None, "mcp__github"),
        ("mcp____create", None, "mcp____create"),
        ("my__own__tool", None, "my__own__tool"),
    ],
)
def test_the_server_of_an_mcp_tool_is_told_from_its_name(name: str, server: str | None, tool_name: str):
    (tool,) = tool_calls(reply(1, content=[tool_use("t1", name)]))
    assert (tool.get("mcp_server_name"), tool["tool_name"]) == (server, tool_name)
    assert tool.get("method") == (server and "tools/call")


def test_a_tool_call_that_is_written_twice_is_one():
    use, result = reply(1, content=[tool_use("t1", "Bash")]), tool_result(2, "t1")
    later = [line | {"timestamp": at(30), "isSidechain": True} for line in (use, result)]
    once = tool_calls(use, result)
    assert tool_calls(use, result, *later) == once
    assert tool_calls(*later, use, result) == once


# Runs


def test_a_run_lasts_from_the_prompt_to_the_last_line_before_the_next_one():
    first, second = requests(
        prompt(0, promptId="p1"), reply(1), tool_result(4, "t1"), prompt(30, promptId="p2"), reply(31, "m2", "r2")
    )
    assert (first["id"], first["latency_ms"], first["input_tokens"], first["output_tokens"]) == ("p1", 4_000, 10, 5)
    assert (second["id"], second["latency_ms"], second["input_tokens"], second["output_tokens"]) == ("p2", 1_000, 10, 5)


def test_a_prompt_without_an_id_goes_by_the_id_of_its_line():
    (run,) = requests(prompt(0, uuid="u1"), reply(1))
    assert (run["id"], run["call_key"], run["input_tokens"]) == ("u1", "claude_code:u1", 10)
    assert "trace_id" not in run


def test_calls_that_several_lines_repeat_are_summed_once():
    (run,) = requests(prompt(0), reply(1), reply(2), reply(3, tokens=(10, 6)), reply(4, "m2", "r2"))
    assert (run["input_tokens"], run["output_tokens"]) == (20, 11)


@pytest.mark.parametrize(
    "no_prompt",
    [
        prompt(5, isMeta=True),
        prompt(5, isCompactSummary=True),
        prompt(5, isSidechain=True),
        prompt(5, "<command-name>/clear</command-name>"),
        prompt(5, "<local-command-stdout>ok</local-command-stdout>"),
        prompt(5, [{"type": "text", "text": "[Request interrupted by user for tool use]"}]),
        prompt(5, "<task-notification>done</task-notification>"),
        prompt(5, ""),
        prompt(5, []),
        tool_result(5, "t1"),
    ],
)
def test_what_no_human_typed_starts_no_run(no_prompt: Line):
    assert len(requests(prompt(0), reply(1), no_prompt)) == 1


@pytest.mark.parametrize(
    "content",
    [
        "do it",
        [{"type": "text", "text": "do it"}],
        [{"type": "text", "text": "<system-reminder>mind</system-reminder>"}, {"type": "text", "text": "do it"}],
        [{"type": "image", "source": {}}],
    ],
)
def test_what_a_human_sent_starts_a_run_in_any_form(content: object):
    assert len(requests(prompt(0, content))) == 1


def test_what_a_command_sets_off_is_not_the_work_of_the_prompt_before_it():
    lines = [prompt(0), reply(1), prompt(40, "<command-name>/review</command-name>"), reply(50, "m2", "r2")]
    (run,) = requests(*lines)
    assert (run["latency_ms"], run["input_tokens"]) == (1_000, 10)


def test_a_prompt_without_an_answer_yet_is_a_run_without_a_duration():
    (run,) = requests(prompt(0))
    assert (run["input_tokens"], run["is_failure"], "latency_ms" in run) == (0, False, False)


def test_a_run_that_ends_in_an_api_error_has_failed():
    error = reply(
        5,
        "m9",
        None,
        model="<synthetic>",
        tokens=(0, 0),
        isApiErrorMessage=True,
        error="rate_limit",
        apiErrorStatus=429,
    )
    (failed,) = requests(prompt(0), reply(1), error)
    assert (failed["is_failure"], failed["error_type"], failed["http_status"]) == (True, "rate_limit", 429)
    assert failed["cost_usd"] == pytest.approx(10 * 5e-6 + 5 * 25e-6, abs=1e-12)
    (recovered,) = requests(prompt(0), error, reply(9))
    assert recovered["is_failure"] is False
    assert recovered.keys().isdisjoint({"error_type", "http_status"})


def test_a_shorter_copy_of_a_transcript_does_not_undo_how_the_run_ended():
    error = reply(2, "m9", None, model="<synthetic>", tokens=(0, 0), isApiErrorMessage=True)
    start: list[Line] = [prompt(0, promptId="p1"), error]
    (run,) = events_of({SESSION: [*start, reply(3)], "/p/projects/-work-shop/s2.jsonl": start}, "request")
    assert run["is_failure"] is False


def test_a_subagent_that_outlasts_its_run_does_not_lengthen_it():
    late = by_subagent(agentId="a1", promptId="p1")[1] | {"timestamp": at(50)}
    (run,) = events_of({SESSION: spawning({"agentId": "a1"}), AGENT_FILE: [late]}, "request")
    assert (run["latency_ms"], run["input_tokens"]) == (8_000, 20)


def test_a_run_that_has_grown_outranks_what_was_imported_before():
    lines = [prompt(0, promptId="p1"), reply(1), tool_result(3, "t1"), reply(5, "m2", "r2")]
    grown = [requests(*lines[:length])[0] for length in range(1, len(lines) + 1)]
    ranks = [run["call_rank"] for run in grown]
    assert ranks == sorted(set(ranks))
    assert len({(run["ts"], run["id"], run["call_key"]) for run in grown}) == 1


def test_ranks_stay_within_what_a_store_can_hold():
    huge = reply(59, tokens=(2**53, 2**53), costUSD=1e12)
    assert all(event["call_rank"] < 2**63 for event in events_of({SESSION: [prompt(0), huge]}))


# Nothing makes it fail

WORDS = (
    "type user assistant progress message data content usage input_tokens output_tokens cache_creation model id "
    "requestId sessionId uuid timestamp tool_use tool_result tool_use_id toolUseResult agentId input name costUSD "
    "isSidechain promptId cwd version text subagent_type speed mcp__a__b 2026-11-20T12:00:00Z 1.2.3"
).split()
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner)
)
REAL = [orjson.dumps(one) for one in (*spawning({"agentId": "a1"}), *by_subagent(agentId="a1"))]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real line of which one value, at any depth, is something else."""

    def damage(value: Any) -> Any:
        if not value or not isinstance(value, dict | list) or draw(st.integers(0, 4)) == 0:
            return draw(VALUES)
        if isinstance(value, dict):
            table = cast("Line", value)
            name = draw(st.sampled_from(sorted(table)))
            return table | {name: damage(table[name])}
        items = cast("list[Any]", value)
        place = draw(st.integers(0, len(items) - 1))
        return [*items[:place], damage(items[place]), *items[place + 1 :]]

    return json.dumps(damage(orjson.loads(draw(st.sampled_from(REAL))))).encode()


@settings(max_examples=300, deadline=None)
@given(st.lists(damaged() | st.binary() | st.sampled_from(REAL), max_size=8), st.text())
def test_no_line_makes_it_fail_and_every_event_is_well_formed(lines: list[bytes], name: str):
    looks_like_transcript(lines)
    for event in decode([(name, lines)]):
        orjson.dumps(event)
        assert 1 <= len(event["id"]) <= 128
        assert 0 <= event["call_rank"] < 2**63
        assert isinstance(event["ts"], int)
        assert all(isinstance(value, str) for value in event["metadata"].values())


# Finding and recognising


def test_the_captured_session_is_recognised_by_its_content():
    lines = SAMPLE.read_bytes().splitlines()
    assert all(looks_like_transcript([line]) for line in lines)


@pytest.mark.parametrize(
    "first",
    [
        b'{"timestamp":"2026-11-20T12:00:00Z","message":{"usage":{"input_tokens":1,"output_tokens":1}}}',
        b'{"type":"summary","summary":"x","leafUuid":"u"}',
        b'{"type":"file-history-snapshot","messageId":"m","snapshot":{}}',
    ],
)
def test_a_transcript_that_begins_otherwise_is_recognised_too(first: bytes):
    assert looks_like_transcript([b"not json", first])


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"[1,2]",
        b'{"type":"model_call","id":"a","ts":1,"session_id":"s"}',
        b'{"type":"message","id":"a","ts":1,"direction":"outbound"}',
        b'{"timestamp":"2026-11-20T12:00:00Z","type":"session_meta","payload":{"id":"x"}}',
        b'{"sessionId":"s","projectHash":"h","startTime":"2026-11-20T12:00:00Z"}',
        b'{"id":"1","timestamp":"2026-11-20T12:00:00Z","type":"user","content":"hi"}',
        b'{"sessionId":"s","uuid":"u","parentUuid":null,"type":"user","message":{"role":"user","parts":[]}}',
    ],
)
def test_other_files_are_not_taken_for_transcripts(foreign: bytes):
    assert not looks_like_transcript([foreign])


def write(*parts: str | Path) -> Path:
    path = Path(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}\n")
    return path.resolve()


def test_transcripts_are_found_in_both_default_folders_at_any_depth(tmp_path: Path):
    expected = [
        write(tmp_path, ".claude/projects/-work-shop/s1.jsonl"),
        write(tmp_path, ".claude/projects/-work-shop/s1/subagents/agent-a1.jsonl"),
        write(tmp_path, ".config/claude/projects/-work-shop/s2.jsonl"),
    ]
    write(tmp_path, ".claude/projects/-work-shop/notes.txt")
    write(tmp_path, ".claude/history.jsonl")
    assert find_transcripts({}, tmp_path) == sorted(expected)


def test_the_configuration_folder_can_lie_elsewhere(tmp_path: Path):
    write(tmp_path, ".config/claude/projects/a/s.jsonl")
    moved = write(tmp_path, "xdg/claude/projects/a/s.jsonl")
    assert find_transcripts({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, tmp_path) == [moved]


def test_named_folders_replace_the_default_ones(tmp_path: Path):
    write(tmp_path, ".claude/projects/a/s.jsonl")
    one, two = write(tmp_path, "one/projects/a/s.jsonl"), write(tmp_path, "two/projects/a/s.jsonl")
    env = {"CLAUDE_CONFIG_DIR": f" {tmp_path / 'one'} , ~/two/projects,, {tmp_path / 'missing'}"}
    assert find_transcripts(env, tmp_path) == [one, two]


def test_a_transcript_reached_by_two_ways_is_found_once(tmp_path: Path):
    real = write(tmp_path, ".claude/projects/a/s.jsonl")
    (tmp_path / ".config").mkdir()
    os.symlink(tmp_path / ".claude", tmp_path / ".config" / "claude")
    for loop in ("loop", "another"):  # one alone would end where the system refuses to go deeper
        os.symlink(tmp_path / ".claude" / "projects", real.parent / loop)
    os.symlink(real, real.with_name("alias.jsonl"))
    os.symlink(tmp_path / "gone.jsonl", real.with_name("dangling.jsonl"))
    assert find_transcripts({}, tmp_path) == [real]


def test_a_machine_without_transcripts_has_none(tmp_path: Path):
    assert find_transcripts({}, tmp_path) == []
