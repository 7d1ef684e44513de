"""`describe_metrics` and `record_metrics`: our own tools (design 5)."""

from __future__ import annotations

from typing import Any

import pytest
from world import NOW, World, by, event, known_until, rows, sent

from agentgauge.core.errors import Forbidden, GaugeError, InvalidValue, UnknownName

DESCRIBE, RECORD = "describe_metrics", "record_metrics"
HERE = "2026-05-05T01:00"


async def test_an_empty_store_says_what_to_do(world: World) -> None:
    answer = await world.ask(DESCRIBE)
    assert answer.structured()["now"] == "2026-05-20T12:30Z"
    assert answer.structured()["sources"] == ["local"]
    assert answer.notes == ("the store is empty: import events, or see agentgauge demo",)


async def test_datasets_stand_with_their_extent_count_and_as_of(world: World) -> None:
    world.give(sent("2026-05-01T00:00"), sent(HERE), event("request", HERE), known_until("messages", NOW))
    answer = await world.ask(DESCRIBE)
    assert rows(answer) == [
        {
            "dataset": "messages",
            "events": 2,
            "first": "2026-05-01T00:00Z",
            "last": "2026-05-05T01:00Z",
            "as_of": "2026-05-20T12:30Z",
        },
        {
            "dataset": "requests",
            "events": 1,
            "first": "2026-05-05T01:00Z",
            "last": "2026-05-05T01:00Z",
            "as_of": "2026-05-05T01:00Z",
        },
    ]
    assert "calls" in answer.structured()["empty"]


async def test_fields_stand_with_their_commonest_values_or_their_range(world: World) -> None:
    world.give(
        *(sent(HERE, channel, cost_cents=cost) for channel, cost in (("sms", 0.5), ("sms", 2), ("mms", None))),
        sent(HERE, metadata={"project": "x"}),
    )
    answer = await world.ask(DESCRIBE, dataset="messages")
    found = by(answer, "values")
    assert found["channel"] == {"sms": 3, "mms": 1}
    assert found["cost_cents"] == {"min": 0.5, "max": 2}
    assert found["metadata.project"] == {"events": 1}
    assert "error_code" not in found


async def test_the_teams_of_a_dataset_are_shown_also_where_no_event_has_an_agent(world: World) -> None:
    world.give(sent(HERE, team=["red", "blue"]), sent(HERE, team=["red"]))
    assert by(await world.ask(DESCRIBE, dataset="messages"), "values")["team"] == {"red": 2, "blue": 1}


async def test_one_field_shows_its_values_and_how_many_there_are(world: World) -> None:
    world.give(*(sent(HERE, f"c{number % 20}") for number in range(30)))
    answer = await world.ask(DESCRIBE, dataset="messages", field="channel", limit=2)
    assert rows(answer) == [{"value": "c0", "events": 2}, {"value": "c1", "events": 2}]
    assert answer.structured()["distinct"] == 20


async def test_the_keys_of_metadata_are_the_values_of_the_field_metadata(world: World) -> None:
    world.give(sent(HERE, metadata={"project": "x", "team": "y"}), sent(HERE, metadata={"project": "z"}))
    answer = await world.ask(DESCRIBE, dataset="messages", field="metadata")
    assert by(answer, "events") == {"project": 2, "team": 1}
    assert by(await world.ask(DESCRIBE, dataset="messages", field="metadata.project"), "events") == {"x": 1, "z": 1}


async def test_a_search_finds_names_that_are_near(world: World) -> None:
    world.give(
        event("agent", HERE, id="a1", name="Support Agent"),
        sent(HERE, agent_id="a1"),
        event("model_call", HERE, model_name="claude-opus-4-5", metadata={"project": "x"}),
        event("point", HERE, name="booking_attempt", kind="counter", value=1),
    )
    for text, expected in (
        ("suport agent", ["agent", "Support Agent", "agents"]),
        ("opus", ["model_name", "claude-opus-4-5", "model_calls"]),
        ("bookings", ["metric", "booking_attempt", "points"]),
        ("projct", ["metadata key", "project", "model_calls"]),
        ("model call", ["dataset", "model_calls", None]),
    ):
        assert expected in (await world.ask(DESCRIBE, search=text)).structured()["rows"], text


async def test_one_agent_narrows_what_is_described(world: World) -> None:
    world.give(event("agent", HERE, id="a1", name="Alpha"), sent(HERE, agent_id="a1"), sent(HERE, agent_id="a2"))
    world.give(event("request", HERE, agent_name="Run"))
    assert by(await world.ask(DESCRIBE, agent="Alpha"), "events") == {"messages": 1}
    assert by(await world.ask(DESCRIBE, agent="Run"), "events") == {"requests": 1}
    with pytest.raises(UnknownName, match=r'"Alhpa" is not an agent.*Did you mean "Alpha"\?'):
        await world.ask(DESCRIBE, agent="Alhpa")


@pytest.mark.parametrize(
    "arguments",
    [{"field": "channel"}, {"search": "x", "dataset": "messages"}, {"dataset": "agents"}, {"dataset": "mesages"}],
)
async def test_words_that_do_not_go_together_are_refused(world: World, arguments: dict[str, Any]) -> None:
    with pytest.raises(GaugeError) as refused:
        await world.ask(DESCRIBE, **arguments)
    assert refused.value.hint or "Valid" in refused.value.message


async def test_writing_is_off_until_it_is_switched_on(world: World) -> None:
    with pytest.raises(Forbidden, match="AGENTGAUGE_ALLOW_WRITE=1"):
        await world.ask(RECORD, points=[{"name": "m", "value": 1}])
    assert RECORD not in [tool.name for tool in world.app.tools]
    world.allow_write = True
    assert RECORD in [tool.name for tool in world.app.tools]


async def test_points_are_recorded_as_counters_of_now_unless_they_say_otherwise(world: World) -> None:
    world.allow_write = True
    points = [
        {"name": "m", "value": 2, "labels": {"origin": "web"}},
        {"name": "g", "value": -1.5, "kind": "gauge", "ts": "2026-05-19T00:00:00Z", "agent_id": "a"},
    ]
    answer = await world.ask(RECORD, points=points)
    assert answer.facts == {"accepted": 2, "duplicate": 0, "rejected": 0}
    world.now += 1
    found = await world.ask("query_custom_metrics", group_by=["agent_id"])
    assert by(found, "sum", "metric", "kind", "agent_id") == {("m", "counter", None): 2, ("g", "gauge", "a"): -1.5}


async def test_good_points_are_kept_beside_bad_ones(world: World) -> None:
    world.allow_write = True
    points = [{"name": "m", "value": 1}, {"name": "", "value": 1}, {"value": 1}, {"name": "m", "value": "many"}]
    answer = await world.ask(RECORD, points=points)
    assert answer.facts == {"accepted": 1, "duplicate": 0, "rejected": 3}
    assert [row["point"] for row in rows(answer)] == [2, 3, 4]
    assert [row["field"] for row in rows(answer)] == ["name", "name", "value"]


async def test_every_rejected_point_is_counted_also_where_not_all_are_told(world: World) -> None:
    world.allow_write = True
    answer = await world.ask(RECORD, points=[{"name": "m"} for _ in range(150)] + [{"name": "m", "value": 1}])
    assert answer.facts == {"accepted": 1, "duplicate": 0, "rejected": 150}
    assert "only the first 100 rejections are told" in answer.notes


async def test_the_same_id_and_time_again_changes_nothing(world: World) -> None:
    world.allow_write = True
    points = [{"name": "m", "value": 1, "id": "p1", "ts": NOW}]
    await world.ask(RECORD, points=points)
    assert (await world.ask(RECORD, points=points)).facts == {"accepted": 0, "duplicate": 1, "rejected": 0}


@pytest.mark.parametrize("points", [[], [{"name": "m", "value": 1}] * 1001, "m", [1], {"name": "m"}])
async def test_points_of_another_form_are_refused(world: World, points: Any) -> None:
    world.allow_write = True
    with pytest.raises(InvalidValue):
        await world.ask(RECORD, points=points)


async def test_only_points_are_recorded(world: World) -> None:
    world.allow_write = True
    with pytest.raises(InvalidValue, match="point 1 has the type"):
        await world.ask(RECORD, points=[sent(HERE)])
