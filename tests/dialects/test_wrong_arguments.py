"""Every wrong argument is a clear error, over all tools; none returns data for another question (design 5, issue 2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from promises import hold
from world import NOW, World, event, known_until, sent

from agentgauge.app import all_tools
from agentgauge.core.errors import CallerError, GaugeError, InvalidValue, UnknownName

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer

TOOLS = {tool.name: tool for tool in all_tools()}
NEEDED: Mapping[str, dict[str, Any]] = {
    "describe_metrics": {},
    "get_message_metrics": {"metric": "sent"},
    "usage_by_agent": {"period": "year"},
    "get_usage": {},
    "query_datapoints": {"datasource": "messages"},
    "list_custom_metrics": {},
    "query_custom_metrics": {},
    "get_trace_metrics": {"name": "weather"},
    "record_metrics": {"points": [{"name": "m", "value": 1}]},
}
"""The smallest right call of every tool."""
HERE = NOW - 3_600_000


def having(*words: str) -> list[str]:
    """The tools that take all of these words."""
    return [name for name, tool in TOOLS.items() if all(word in tool.params.model_fields for word in words)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world where something of everything has happened, once."""
    found = World(tmp_path, allow_write=True)
    found.give(*once_of_everything())
    return found


def once_of_everything() -> list[dict[str, Any]]:
    """An event of every dataset, with every field that tests name."""
    kinds = ("webhook", "call", "request", "model_call", "tool_call", "guardrail_check", "routing_decision")
    needed = {"webhook": {"status": "delivered"}, "call": {"status": "completed"}}
    common: dict[str, Any] = {"agent_id": "a1", "agent_name": "weather", "metadata": {"project": "x"}, "user": "ann"}
    return [
        sent(HERE, **common, session_id="s1", team=["red"]),
        *(event(kind, HERE, **common, **needed.get(kind, {})) for kind in kinds),
        event("point", HERE, name="bookings", kind="counter", value=1, labels={"origin": "web"}, agent_id="a1"),
        event("agent", HERE, id="a1", name="Alpha"),
        known_until("messages", NOW),
    ]


async def refused(world: World, tool: str, /, **arguments: Any) -> CallerError:
    """The error of a call, which says what was wrong, what is right and how to go on."""
    with pytest.raises(CallerError) as caught:
        await world.ask(tool, **NEEDED[tool] | arguments)
    error = caught.value
    assert error.code in ("UNKNOWN_NAME", "INVALID_VALUE", "WINDOW_TOO_LARGE", "UNSUPPORTED", "INVALID_INPUT")
    assert error.message
    assert error.hint or "Valid: " in error.message or "Known" in error.message, str(error)
    assert str(error).isprintable()
    return error


@pytest.mark.parametrize("tool", NEEDED)
async def test_every_tool_answers_its_smallest_call(world: World, tool: str) -> None:
    assert (await world.ask(tool, **NEEDED[tool])).title


def test_no_tool_is_left_out_here() -> None:
    assert set(NEEDED) == set(TOOLS)


@pytest.mark.parametrize("tool", NEEDED)
async def test_an_unknown_argument_is_refused_with_the_valid_ones(world: World, tool: str) -> None:
    error = await refused(world, tool, nonsense=1)
    assert f'"nonsense" is not an argument of {tool}. Valid: ' in error.message
    assert all(word in error.message for word in TOOLS[tool].params.model_fields)


@pytest.mark.parametrize(
    ("tool", "word"), [(tool, word) for tool in NEEDED for word in TOOLS[tool].params.model_fields]
)
async def test_a_misspelt_argument_is_refused_with_the_nearest(world: World, tool: str, word: str) -> None:
    arguments = NEEDED[tool] | {f"{word}x": "1"}
    with pytest.raises(UnknownName) as caught:
        await world.ask(tool, **arguments)
    assert f'Did you mean "{word}"?' in caught.value.hint


@pytest.mark.parametrize(
    ("tool", "alias"), [(name, alias) for name, tool in TOOLS.items() for alias in tool.params.aliases]
)
async def test_an_alias_together_with_its_word_is_refused(world: World, tool: str, alias: str) -> None:
    word = TOOLS[tool].params.aliases[alias]
    error = await refused(world, tool, **{word: 1, alias: 1})
    assert (error.code, error.hint) == ("INVALID_VALUE", f"Give only '{word}'.")


@pytest.mark.parametrize("tool", NEEDED)
async def test_null_arguments_are_left_out(world: World, tool: str) -> None:
    nulls: dict[str, Any] = dict.fromkeys(TOOLS[tool].params.model_fields)
    assert (await world.ask(tool, **nulls | NEEDED[tool])).title


@pytest.mark.parametrize("tool", [tool for tool in NEEDED if NEEDED[tool]])
async def test_a_missing_word_is_asked_for(world: World, tool: str) -> None:
    with pytest.raises(InvalidValue, match=f"{tool} needs '{next(iter(NEEDED[tool]))}'"):
        await world.ask(tool)


@pytest.mark.parametrize("tool", having("group_by"))
@pytest.mark.parametrize("written", [["agent_id"], "agent_id", '["agent_id"]', "agent_id,", " agent_id "])
async def test_a_list_is_a_list_a_json_text_or_words_with_commas(world: World, tool: str, written: Any) -> None:
    answer = await world.ask(tool, **NEEDED[tool], group_by=written)
    assert "agent_id" in answer.columns


@pytest.mark.parametrize("tool", having("filters"))
@pytest.mark.parametrize(
    "written",
    [
        {"agent_id": "a1"},
        '{"agent_id": "a1"}',
        {"agent_id": ["a1"]},
        {"agent_id": {"STRING_STARTS_WITH": "a"}},
        [{"field": "agent_id", "operator": "EQUAL", "value": "a1"}],
        '[{"fieldName": "agent_id", "operator": "IN", "value": "a1,a2"}]',
        [{"metadataKey": "project", "operator": "=", "value": "x"}],
    ],
)
async def test_filters_may_be_an_object_a_list_or_their_json_text(world: World, tool: str, written: Any) -> None:
    answer = await world.ask(tool, **NEEDED[tool], filters=written)
    assert first(answer.total) == 1


def first(total: Any) -> Any:
    """The first measure of a total."""
    return next(iter(cast("dict[str, Any]", total).values())) if isinstance(total, dict) else total


WRONG_TYPES: Mapping[str, tuple[Any, ...]] = {
    "budget": (99, 8_001, 0, -1, "many", 1.5, True, [], {}),
    "limit": (0, 201, -1, "all", 2.5, True, [1]),
    "tz": ("Mars/Olympus", "", "europe berlin", 5, ["UTC"], "../UTC", "UTC\0"),
    "start": ("soon", "2026-13-01", "now-", "", [], {}, True, -5, 1e300, "9999-01-01", float("nan")),
    "end": ("later", "1969-12-31T00:00Z", "now+9999999d", [], False),
    "interval": ("soon", "1h30m", "0h", "-1h", "", [], True),
    "group_by": ("nonsense", ["channle"], [5], {"a": 1}, "metadata", "metadata.", "labels"),
    "filters": ("nonsense", [5], 5, {"channle": "sms"}, '{"a"', {"agent_id": {"NEAR": 1}}, {"agent_id": {}}),
    "compare_to": ("prior", "PRIOR_PERIOD", 1, True, ["prior_period"]),
    "source": ("upstream", ["local", "remote"], 5, {"a": 1}, True),
}


@pytest.mark.parametrize(
    ("tool", "word", "value"),
    [(tool, word, value) for word, wrong in WRONG_TYPES.items() for tool in having(word) for value in wrong],
)
async def test_a_common_word_with_a_wrong_value_is_refused(world: World, tool: str, word: str, value: Any) -> None:
    extra = {"view": "timeseries"} if word == "interval" and tool == "query_custom_metrics" else {}
    extra |= {"type": "timeseries"} if word == "interval" and tool == "query_datapoints" else {}
    await refused(world, tool, **extra | {word: value})


OWN_WORDS = (
    ("get_message_metrics", {"metric": "send"}, 'Did you mean "sent"?'),
    ("get_message_metrics", {"metric": "received", "traffic": "outbond"}, 'Did you mean "outbound"?'),
    ("get_message_metrics", {"group_by": "chanel"}, 'Did you mean "channel"?'),
    ("get_message_metrics", {"filters": {"status": "deliverd"}}, 'Did you mean "delivered"?'),
    ("get_message_metrics", {"filters": {"chanel": "sms"}}, 'Did you mean "channel"?'),
    ("get_message_metrics", {"filters": {"metadata.projct": "x"}}, 'Did you mean "project"?'),
    ("usage_by_agent", {"period": "weekly"}, 'Did you mean "week"?'),
    ("usage_by_agent", {"filters": {"usr": "ann"}}, 'Did you mean "user"?'),
    ("usage_by_agent", {"group_by": "metadata.projct"}, 'Did you mean "project"?'),
    ("get_usage", {"breakdown": "by_numbers"}, 'Did you mean "by_number"?'),
    ("query_datapoints", {"datasource": "mesages"}, 'Did you mean "messages"?'),
    ("query_datapoints", {"type": "time_series"}, 'Did you mean "timeseries"?'),
    ("query_datapoints", {"group_by": "metadata.projct"}, 'Did you mean "project"?'),
    ("query_datapoints", {"aggregations": [{"type": "summ", "column": "cost_cents"}]}, 'Did you mean "sum"?'),
    ("query_datapoints", {"aggregations": [{"type": "sum", "column": "cost_cent"}]}, 'Did you mean "cost_cents"?'),
    ("query_custom_metrics", {"view": "total"}, 'Did you mean "totals"?'),
    ("query_custom_metrics", {"metric_names": "bookins"}, 'Did you mean "bookings"?'),
    ("query_custom_metrics", {"tags": {"orign": "web"}}, 'Did you mean "origin"?'),
    ("query_custom_metrics", {"group_by": "orign"}, 'Did you mean "origin"?'),
    ("list_custom_metrics", {"metric_name": "bookins"}, 'Did you mean "bookings"?'),
    ("get_trace_metrics", {"name": "wether"}, 'Did you mean "weather"?'),
    ("get_trace_metrics", {"filters": {"acount": "x"}}, 'Did you mean "account"?'),
    ("describe_metrics", {"dataset": "mesages"}, 'Did you mean "messages"?'),
    ("describe_metrics", {"dataset": "messages", "field": "chanel"}, 'Did you mean "channel"?'),
    ("describe_metrics", {"dataset": "messages", "field": "metadata.projct"}, 'Did you mean "project"?'),
    ("describe_metrics", {"agent": "Alpa"}, 'Did you mean "Alpha"?'),
)


@pytest.mark.parametrize(("tool", "arguments", "hint"), OWN_WORDS)
async def test_an_unknown_name_is_refused_with_the_nearest(
    world: World, tool: str, arguments: dict[str, Any], hint: str
) -> None:
    error = await refused(world, tool, **arguments)
    assert (error.code, error.hint) == ("UNKNOWN_NAME", hint)


@pytest.mark.parametrize("tool", having("start", "end"))
async def test_an_inverted_window_is_refused(world: World, tool: str) -> None:
    error = await refused(world, tool, start="2026-05-06T00:00Z", end="2026-05-05T00:00Z")
    assert "is not before end" in error.message


@pytest.mark.parametrize("tool", having("interval"))
async def test_a_window_of_too_many_buckets_is_refused(world: World, tool: str) -> None:
    view = {"view": "timeseries"} if tool == "query_custom_metrics" else {}
    error = await refused(world, tool, start="2026-01-01", end="2026-05-01", interval="1m", **view)
    assert (error.code, error.details["max_buckets"]) == ("WINDOW_TOO_LARGE", 10_000)


@pytest.mark.parametrize("tool", having("filters"))
async def test_a_value_that_nobody_has_is_answered_with_a_note(world: World, tool: str) -> None:
    answer = await world.ask(tool, **NEEDED[tool], filters={"agent_id": "zed"})
    assert not first(answer.total)
    assert 'no event has "zed" as agent_id' in answer.notes


@pytest.mark.parametrize("tool", having("filters"))
@pytest.mark.parametrize(
    "wrong",
    [
        {"metadata.projct": "x"},
        {"metadata.projct": {"IS_NULL": True}},
        {"metadata.projct": {"NOT_EQUAL": "x"}},
        {"metadata.project": "x", "agnt_id": "a1"},
        {"agent_id": "a1", "metadata.projct": None},
    ],
)
async def test_a_misspelt_filter_never_returns_unfiltered_data(world: World, tool: str, wrong: Any) -> None:
    error = await refused(world, tool, filters=wrong)
    assert error.code == "UNKNOWN_NAME"


async def test_an_unknown_tool_is_refused_with_the_nearest(world: World) -> None:
    with pytest.raises(UnknownName, match=r'"get_mesage_metrics" is not a tool.*Did you mean "get_message_metrics"\?'):
        await world.ask("get_mesage_metrics")


async def test_a_refusal_quotes_at_most_five_stored_names_cleaned_and_cut(world: World) -> None:
    names = [f"weather {'x' * 90} \u202e\u200b\x07 {number}" for number in range(20)]
    world.give(*(event("request", HERE, agent_name=name) for name in names))
    error = await refused(world, "get_trace_metrics", name="weather xxxxxxx")
    quoted = json.loads(f"[{error.message.partition('Known (of 21): ')[2].removesuffix('.')}]")
    assert 1 <= len(quoted) <= 5
    assert all(len(name) <= 64 and name.isprintable() for name in quoted)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(("now-1h", "today", "2026-05-20", "1h", "day", "agent_id", "local", "UTC", "prior_period", "sent")),
    st.lists(st.sampled_from(("agent_id", "channel", "zed", 5, None)), max_size=3),
    st.dictionaries(
        st.sampled_from(("agent_id", "channel", "zed", "field", "operator", "value", "type", "column", "metadata.x")),
        st.one_of(st.none(), st.text(max_size=3), st.integers(), st.lists(st.integers(), max_size=2)),
        max_size=3,
    ),
    st.lists(
        st.fixed_dictionaries(
            {
                "field": st.sampled_from(("agent_id", "cost_cents", "metadata.project", "zed", "team")),
                "operator": st.sampled_from(
                    ("EQUAL", "IN", "BETWEEN", "IS_NULL", "STRING_CONTAINS", "ARRAY_HAS_ANY", "?")
                ),
                "value": st.one_of(st.none(), st.text(max_size=3), st.floats(), st.lists(st.integers(), max_size=3)),
            }
        ),
        max_size=2,
    ),
)
CALLS = st.sampled_from(sorted(set(NEEDED) - {"record_metrics"})).flatmap(
    lambda tool: st.tuples(
        st.just(tool),
        st.dictionaries(
            st.sampled_from(sorted({*TOOLS[tool].params.model_fields, *TOOLS[tool].params.aliases})), VALUES
        ),
    )
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One world for all random calls: they only read."""
    found = World(tmp_path_factory.mktemp("home"))
    found.give(*once_of_everything())
    return found


@pytest.mark.parametrize("needed", [True, False])
@settings(max_examples=300)
@given(call=CALLS)
async def test_whatever_is_asked_is_answered_or_refused_in_our_words(
    shared: World, needed: bool, call: tuple[str, dict[str, Any]]
) -> None:
    tool, arguments = call
    arguments = arguments | NEEDED[tool] if needed else arguments
    try:
        answer: Answer = await shared.app.call(tool, arguments)
    except GaugeError as error:
        assert isinstance(error, CallerError)
        return
    budget = arguments.get("budget")
    hold(answer, 800 if budget is None else int(budget))
    if arguments.get("filters") and isinstance(arguments["filters"], dict):
        assert "zed" not in arguments["filters"]
