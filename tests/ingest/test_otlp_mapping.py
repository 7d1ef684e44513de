"""Recorded telemetry gives exactly the totals that its captures are documented with, however it is sent."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_world import FIXTURES, World, parts, recorded, recordings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp_world import Request

EXPECTED: Mapping[str, Mapping[str, Any]] = json.loads((FIXTURES / "EXPECTED.json").read_bytes())
OURS = {"input_incl_cache": "input"}
"""What the file calls otherwise than the totals."""
SPANS = [name for name in EXPECTED if name.endswith(("traces.bin", "traces.json"))]
FOLDERS = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir() and path.name != "transcripts")


def claims(name: str) -> dict[str, Any]:
    """The totals that a capture is documented with."""
    found = {OURS.get(key, key): value for key, value in EXPECTED[name].items()}
    return {key: found[key] for key in found.keys() & set(World.TOTALS)}


@pytest.mark.parametrize("name", SPANS)
def test_a_capture_has_exactly_the_totals_it_is_documented_with(name: str) -> None:
    with World() as world:
        world.send(recorded(FIXTURES / name))
        totals = world.totals()
    documented = claims(name)
    assert documented.keys() & {"llm_calls", "tool_calls"}
    assert {key: totals[key] for key in documented} == documented


def test_claude_code_has_its_totals_from_logs_alone_and_with_its_spans() -> None:
    documented = claims("claude_code/*")
    logs, spans = recorded(FIXTURES / "claude_code/002_logs.bin"), recorded(FIXTURES / "claude_code/001_traces.bin")
    for requests in ([logs], [logs, spans], [spans, logs]):
        with World() as world:
            world.send(*requests)
            totals = world.totals()
        assert {key: totals[key] for key in documented} == documented


def test_langfuse_usage_is_read_out_of_its_json() -> None:
    usage = EXPECTED["langfuse_sdk/001_traces.bin"]["usage_details"]
    with World() as world:
        world.send(*recordings("langfuse_sdk"))
        totals = world.totals()
    assert (totals["input"], totals["output"], totals["cache_read"]) == tuple(usage.values())


def test_every_request_of_an_mcp_server_is_kept_and_those_of_tools_are_tool_calls() -> None:
    documented = EXPECTED["mcp/001_traces.bin"]
    with World() as world:
        world.send(*recordings("mcp"))
        requests = world.ask("requests", filters=[{"field": "agent_server_type", "operator": "EQUAL", "value": "mcp"}])
        totals = world.totals()
    assert requests[0] + totals["tool_calls"] == documented["mcp_requests"]
    assert (totals["tool_calls"], totals["tool_errors"]) == (documented["tool_calls"], documented["tool_errors"])


def test_a_number_of_tokens_beyond_what_a_double_holds_is_exact() -> None:
    with World() as world:
        world.send(recorded(FIXTURES / "py_sdk/001_traces.bin"))
        of_claude = [{"field": "provider", "operator": "EQUAL", "value": "anthropic"}]
        assert world.ask("model_calls", "input_tokens", filters=of_claude) == [1, 9_007_199_254_740_993]


def test_the_session_of_a_langchain_thread_is_its_session() -> None:
    with World() as world:
        world.send(*recordings("langchain"))
        of_session = [
            {"field": "session_id", "operator": "EQUAL", "value": EXPECTED["langchain/001_traces.bin"]["session"]}
        ]
        assert world.ask("model_calls", filters=of_session) == [2]


@pytest.mark.parametrize("folder", FOLDERS)
def test_everything_sent_twice_changes_nothing(folder: str) -> None:
    with World() as world:
        world.send(*recordings(folder))
        once = world.totals()
        world.send(*recordings(folder))
        assert world.totals() == once


@settings(max_examples=12)
@given(folder=st.sampled_from(["claude_code", "py_sdk", "litellm", "openai_agents"]), seed=st.integers(0, 2**32))
def test_any_order_and_any_cut_into_requests_gives_the_same_totals(folder: str, seed: int) -> None:
    whole = recordings(folder)
    pieces: list[Request] = [piece for request in whole for piece in parts(request)]
    shuffled = random.Random(seed)
    shuffled.shuffle(pieces)
    pieces += shuffled.sample(pieces, k=len(pieces) // 2)
    with World() as world, World() as other:
        world.send(*whole)
        other.send(*pieces)
        assert other.totals() == world.totals()
