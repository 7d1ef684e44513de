"""`usage_by_agent` and `get_usage`: AgentPhone's usage family (contract `agentphone` 2.2, 2.5), widened by design 5."""

from __future__ import annotations

from typing import Any

import pytest
from world import DAY, HOUR, NOW, World, at, by, event, known_until, rows, sent

from agentgauge.core.errors import InvalidValue, UnknownName

USAGE, ACCOUNT = "usage_by_agent", "get_usage"
MONDAY = "2026-05-18T00:00"


def received(when: str | int, **fields: Any) -> dict[str, Any]:
    """An inbound message."""
    return event("message", when, direction="inbound", status="received", **fields)


def call(when: str | int, status: str = "completed", **fields: Any) -> dict[str, Any]:
    """A phone call."""
    return event("call", when, status=status, **fields)


def model_call(when: str | int, **fields: Any) -> dict[str, Any]:
    """A call of a model."""
    return event("model_call", when, **fields)


async def test_messages_are_those_sent_and_those_received(world: World) -> None:
    world.give(
        sent(NOW, agent_id="a"),
        received(NOW, agent_id="a"),
        event("message", NOW, direction="outbound", status="delivered", agent_id="a"),
        event("message", NOW, direction="inbound", status="sent", agent_id="a"),
    )
    assert rows(await world.ask(USAGE, period="week")) == [{"agent": "a", "messages": 2}]


async def test_calls_are_the_completed_ones_and_their_seconds(world: World) -> None:
    world.give(
        call(NOW, agent_id="a", duration_seconds=60.5),
        call(NOW, agent_id="a", duration_seconds=30),
        call(NOW, "failed", agent_id="a", duration_seconds=1_000),
        call(NOW, "busy", agent_id="b", duration_seconds=5),
    )
    assert rows(await world.ask(USAGE, period="week")) == [{"agent": "a", "calls": 2, "call_seconds": 90.5}]


async def test_columns_without_data_in_the_period_are_left_out(world: World) -> None:
    world.give(sent(NOW, agent_id="a"), call("2026-01-01T00:00", agent_id="a", duration_seconds=9))
    assert list((await world.ask(USAGE, period="week")).columns) == ["agent", "messages"]
    assert list((await world.ask(USAGE, period="year")).columns) == ["agent", "messages", "calls", "call_seconds"]


async def test_tokens_stand_with_the_cache_apart_and_the_cost(world: World) -> None:
    tokens = {"input_tokens": 1_000, "output_tokens": 50, "cache_read_tokens": 700, "cache_write_tokens": 200}
    world.give(*(model_call(NOW, agent_id="a", cost_usd=0.25, **tokens) for _ in range(3)))
    (row,) = rows(await world.ask(USAGE, period="month"))
    assert row == {"agent": "a", "model_calls": 3} | {name: 3 * n for name, n in tokens.items()} | {"cost_usd": 0.75}


async def test_runs_and_tool_calls_have_columns_of_their_own(world: World) -> None:
    world.give(
        event("request", NOW, agent_id="a"),
        event("tool_call", NOW, agent_id="a"),
        event("tool_call", NOW, agent_id="a"),
        model_call(NOW, agent_id="a"),
    )
    assert rows(await world.ask(USAGE, period="week")) == [{"agent": "a", "runs": 1, "model_calls": 1, "tool_calls": 2}]


async def test_tokens_are_those_of_the_runs_where_no_model_calls_are_recorded(world: World) -> None:
    world.give(event("request", NOW, agent_id="a", input_tokens=10, output_tokens=4, cost_usd=0.5))
    answer = await world.ask(USAGE, period="week")
    assert rows(answer) == [{"agent": "a", "runs": 1, "input_tokens": 10, "output_tokens": 4, "cost_usd": 0.5}]
    assert answer.notes == ("tokens and cost are those of the runs; no model calls are recorded",)


async def test_the_unassigned_are_in_a_row_of_their_own_which_is_last(world: World) -> None:
    world.give(
        sent(NOW, agent_id="a"), *(sent(NOW) for _ in range(5)), sent(NOW, agent_id="b"), sent(NOW, agent_id="b")
    )
    answer = await world.ask(USAGE, period="week")
    assert list(by(answer, "messages").items()) == [("b", 2), ("a", 1), (None, 5)]
    assert answer.total == 8
    assert "the row without agent is the unassigned" in answer.notes


async def test_the_unassigned_stay_in_sight_when_rows_are_cut(world: World) -> None:
    given = [sent(NOW, agent_id=f"a{number}") for number in range(4) for _ in range(number + 1)]
    world.give(*given, *(sent(NOW) for _ in range(7)))
    answer = await world.ask(USAGE, period="week", limit=2)
    assert sum(row["messages"] for row in rows(answer)) + answer.structured()["other"]["total"] == answer.total == 17


PERIODS = (
    # period, zone, first instant, first instant after
    ("week", "UTC", "2026-05-18T00:00", "2026-05-25T00:00"),
    ("week", "America/New_York", "2026-05-18T04:00", "2026-05-25T04:00"),
    ("month", "Asia/Kathmandu", "2026-04-30T18:15", "2026-05-31T18:15"),
    ("year", "Europe/Berlin", "2025-12-31T23:00", "2026-12-31T23:00"),
)


@pytest.mark.parametrize(("period", "tz", "first", "after"), PERIODS)
async def test_a_period_is_the_calendars_in_the_zone(
    world: World, period: str, tz: str, first: str, after: str
) -> None:
    inside = [sent(at(first), agent_id="a"), sent(at(after) - 1, agent_id="a")]
    world.give(*inside, sent(at(first) - 1, agent_id="a"), sent(at(after), agent_id="a"))
    answer = await world.ask(USAGE, period=period, tz=tz)
    assert (answer.total, answer.window and (answer.window.start, answer.window.end)) == (2, (at(first), at(after)))


async def test_a_week_with_a_change_of_clocks_is_an_hour_shorter(world: World) -> None:
    world.now = at("2026-03-25T12:00")
    world.give(sent("2026-03-22T22:59", agent_id="a"), sent("2026-03-22T23:00", agent_id="a"))
    world.give(sent("2026-03-29T21:59", agent_id="a"), sent("2026-03-29T22:00", agent_id="a"))
    answer = await world.ask(USAGE, period="week", tz="Europe/Berlin")
    assert answer.total == 2
    assert answer.window
    assert answer.window.length == 7 * DAY - HOUR


async def test_the_zone_of_the_settings_is_used_when_none_is_named(world: World) -> None:
    world.tz = "America/New_York"
    structured = (await world.ask(USAGE, period="week")).structured()
    assert (structured["start"], structured["tz"]) == ("2026-05-18T00:00-04:00", "America/New_York")


async def test_an_agent_is_called_by_its_name_in_the_registry_before_that_in_its_events(world: World) -> None:
    world.give(
        event("agent", MONDAY, id="a1", name="Old"),
        event("agent", "2026-05-19T00:00", id="a1", name="Alpha"),
        sent(NOW, agent_id="a1", agent_name="said by an event"),
        sent(NOW, agent_id="a2", agent_name="Beta"),
        sent(NOW, agent_name="Gamma"),
        sent(NOW, agent_name="Gamma"),
    )
    assert by(await world.ask(USAGE, period="week"), "messages") == {"Gamma": 2, "Alpha": 1, "Beta": 1}


async def test_events_of_one_agent_with_and_without_its_name_are_one_row(world: World) -> None:
    world.give(sent(NOW, agent_id="a2", agent_name="Beta"), sent(NOW, agent_id="a2"), call(NOW, agent_id="a2"))
    assert rows(await world.ask(USAGE, period="week")) == [{"agent": "Beta", "messages": 2, "calls": 1}]


async def test_agents_of_one_name_have_their_ids_beside_it(world: World) -> None:
    world.give(*(event("agent", MONDAY, id=id, name="Twin") for id in ("a1", "a2")))
    world.give(sent(NOW, agent_id="a1"), sent(NOW, agent_id="a2"))
    assert by(await world.ask(USAGE, period="week"), "messages") == {"Twin (a1)": 1, "Twin (a2)": 1}


async def test_agents_without_traffic_are_not_there(world: World) -> None:
    world.give(event("agent", MONDAY, id="a1", name="Idle"), sent(NOW, agent_id="a2"))
    assert by(await world.ask(USAGE, period="week"), "messages") == {"a2": 1}


@pytest.mark.parametrize(
    ("group_by", "head", "expected"),
    [
        ("model", "model", {"gpt": 2, "opus": 1}),
        ("session", "session", {"s1": 1, "s2": 2}),
        ("user", "user", {"ann": 3}),
        ("metadata.project", "metadata.project", {"x": 1, None: 2}),
        ("provider", "provider", {"openai": 2, None: 1}),
    ],
)
async def test_usage_is_grouped_by_what_is_asked_for(world: World, group_by: str, head: str, expected: Any) -> None:
    world.give(
        model_call(NOW, model_name="gpt", session_id="s1", user="ann", metadata={"project": "x"}, provider="openai"),
        model_call(NOW, model_name="gpt", session_id="s2", user="ann", provider="openai"),
        model_call(NOW, model_name="opus", session_id="s2", user="ann"),
    )
    answer = await world.ask(USAGE, period="week", group_by=group_by)
    assert by(answer, "model_calls", head) == expected


async def test_usage_by_model_counts_only_what_has_models(world: World) -> None:
    world.give(sent(NOW, agent_id="a"), model_call(NOW, model_name="gpt", input_tokens=5))
    answer = await world.ask(USAGE, period="week", group_by="model")
    assert rows(answer) == [{"model": "gpt", "model_calls": 1, "input_tokens": 5}]


async def test_usage_by_agent_and_model_has_a_row_for_each_pair(world: World) -> None:
    world.give(*(model_call(NOW, agent_id=agent, model_name=model) for agent, model in ("ag", "ag", "bo", "bg")))
    answer = await world.ask(USAGE, period="week", group_by=["agent", "model"])
    assert by(answer, "model_calls", "agent", "model") == {("a", "g"): 2, ("b", "g"): 1, ("b", "o"): 1}


async def test_a_filter_holds_for_every_column(world: World) -> None:
    world.give(
        *(event("agent", MONDAY, id=id, name=id.upper()) for id in "ab"),
        *(sent(NOW, agent_id=id) for id in "aab"),
        call(NOW, agent_id="b"),
        call(NOW, agent_id="a"),
    )
    answer = await world.ask(USAGE, period="week", filters={"agent": "A"})
    assert rows(answer) == [{"agent": "A", "messages": 2, "calls": 1}]


async def test_usage_is_compared_with_the_period_before(world: World) -> None:
    world.give(sent(NOW - HOUR, agent_id="a"), *(sent("2026-05-11T00:00", agent_id="a") for _ in range(4)))
    world.give(known_until("messages", NOW))
    prior = (await world.ask(USAGE, period="week", compare_to="prior_period")).structured()["prior"]
    assert (prior["total"], prior["change"], prior["end"]) == (4, -0.75, "2026-05-13T12:30Z")


async def test_a_month_is_compared_with_the_calendar_month_before(world: World) -> None:
    world.give(sent("2026-05-02T00:00", agent_id="a"), sent("2026-04-01T00:00", agent_id="a"))
    world.give(sent("2026-03-31T23:59", agent_id="a"), sent("2026-04-20T12:30", agent_id="a"))
    world.give(known_until("messages", NOW))
    prior = (await world.ask(USAGE, period="month", compare_to="prior_period")).structured()["prior"]
    assert prior == {
        "total": 1,
        "change": 0.0,
        "start": "2026-04-01T00:00Z",
        "end": "2026-04-20T12:30Z",
        "compared_with": 1,
    }


async def test_a_comparison_that_cannot_be_made_says_so(world: World) -> None:
    world.give(sent("2026-04-02T00:00", agent_id="a"))
    answer = await world.ask(USAGE, period="week", compare_to="prior_period")
    assert answer.prior is None
    assert "no comparison: nothing is finished in both this window and the one before" in answer.notes


async def test_usage_of_an_empty_store_is_zero(world: World) -> None:
    answer = await world.ask(USAGE, period="month")
    assert (rows(answer), answer.total) == ([], 0)


async def test_the_summary_has_every_number_of_the_vendors(world: World) -> None:
    world.give(
        *(sent(NOW - age, channel, segments=2) for age, channel in ((HOUR, "sms"), (2 * DAY, "sms"), (8 * DAY, "mms"))),
        received(NOW - 40 * DAY),
        *(call(NOW - age, status) for age, status in ((HOUR, "failed"), (3 * DAY, "completed"), (60 * DAY, "busy"))),
        *(event("webhook", NOW - 90 * DAY, status=status) for status in ("delivered", "failed", "retried")),
        *(event("number", MONDAY, id=f"n{n}", status=status) for n, status in enumerate(("active", "active", "gone"))),
    )
    assert by(await world.ask(ACCOUNT), "value") == {
        "total_messages": 4,
        "messages_last_24h": 1,
        "messages_last_7d": 2,
        "messages_last_30d": 3,
        "total_calls": 3,
        "calls_last_24h": 1,
        "calls_last_7d": 2,
        "calls_last_30d": 2,
        "total_webhook_deliveries": 3,
        "successful_webhook_deliveries": 1,
        "failed_webhook_deliveries": 2,
        "sms_segments_last_30d": 4,
        "numbers_used": 2,
    }


async def test_daily_usage_has_a_row_for_every_day_up_to_today(world: World) -> None:
    world.give(sent(NOW), sent(NOW - DAY), call(NOW - DAY, "failed"), event("webhook", NOW - 2 * DAY, status="failed"))
    answer = await world.ask(ACCOUNT, breakdown="daily", days=3)
    assert by(answer, "values") == {"messages": [0, 1, 1], "calls": [0, 1, 0], "webhooks": [1, 0, 0]}
    assert answer.structured()["start"] == "2026-05-18T00:00Z"


@pytest.mark.parametrize(("breakdown", "count", "start"), [("daily", 30, "2026-04-21"), ("monthly", 6, "2025-12-01")])
async def test_the_vendors_defaults_hold(world: World, breakdown: str, count: int, start: str) -> None:
    answer = await world.ask(ACCOUNT, breakdown=breakdown)
    assert answer.structured()["start"] == f"{start}T00:00Z"
    assert {len(line) for line in by(answer, "values").values()} == {count}


async def test_monthly_usage_follows_the_months_of_the_zone(world: World) -> None:
    world.give(sent("2026-04-30T21:59"), sent("2026-04-30T22:00"), sent("2026-03-31T22:00"))
    answer = await world.ask(ACCOUNT, breakdown="monthly", months=2, tz="Europe/Berlin")
    assert by(answer, "values")["messages"] == [2, 1]


async def test_usage_by_number_is_that_of_all_time_with_what_the_registry_knows(world: World) -> None:
    world.give(
        event("number", MONDAY, id="n1", phone_number="+15550001", country="US", status="active", agent_id="a1"),
        event("number", MONDAY, id="n2", phone_number="+15550002", status="active"),
        event("agent", MONDAY, id="a1", name="Alpha"),
        sent("2020-01-01T00:00", number_id="n1"),
        received(NOW, number_id="n1"),
        call(NOW, "busy", number_id="n1"),
        sent(NOW, number_id="n3"),
        sent(NOW),
    )
    answer = await world.ask(ACCOUNT, breakdown="by_number")
    assert answer.structured()["rows"] == [
        ["n1", "+15550001", "active", "Alpha", 2, 1],
        ["n3", None, None, None, 1, 0],
        [None, None, None, None, 1, 0],
        ["n2", "+15550002", "active", None, 0, 0],
    ]
    assert answer.total == {"messages": 4, "calls": 1}


async def test_numbers_that_are_cut_away_are_other(world: World) -> None:
    world.give(*(sent(NOW, number_id=f"n{number}") for number in range(5) for _ in range(number + 1)))
    answer = await world.ask(ACCOUNT, breakdown="by_number", limit=2)
    assert by(answer, "messages") == {"n4": 5, "n3": 4}
    assert answer.structured()["other"] == {"groups": 3, "total": {"messages": 6, "calls": 0}}


@pytest.mark.parametrize(
    "arguments", [{"days": 7}, {"months": 2, "breakdown": "daily"}, {"days": 3, "breakdown": "by_number"}]
)
async def test_days_and_months_go_with_their_breakdown(world: World, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="goes with breakdown="):
        await world.ask(ACCOUNT, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [{"breakdown": "daily", "days": 0}, {"breakdown": "daily", "days": 366}, {"breakdown": "monthly", "months": 25}],
)
async def test_days_and_months_have_the_vendors_ranges(world: World, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="out of range"):
        await world.ask(ACCOUNT, **arguments)


async def test_a_grouping_that_no_dataset_has_is_refused(world: World) -> None:
    with pytest.raises(UnknownName, match=r'"modle" is not something to group by .* Did you mean "model"\?'):
        await world.ask(USAGE, period="week", group_by="modle")
