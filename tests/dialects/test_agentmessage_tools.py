"""`get_message_metrics`: AgentMessage's three routes as one tool (contract `agentmessage` 1.2, 1.5 and 1.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from world import DAY, HOUR, MINUTE, NOW, World, at, by, event, known_until, rows, sent, values

from agentgauge.core.errors import InvalidValue, UnknownName, WindowTooLarge

TOOL = "get_message_metrics"
MORNING: dict[str, Any] = {"metric": "sent", "start": "2026-05-05T00:00Z", "end": "2026-05-05T04:00Z", "interval": "1h"}


def message(when: str, status: str, direction: str = "outbound", **fields: Any) -> dict[str, Any]:
    """A message event of any status."""
    return event("message", when, direction=direction, status=status, **fields)


async def test_a_bucket_is_half_open(world: World) -> None:
    world.give(
        sent("2026-05-05T00:00"),
        sent("2026-05-05T00:59:59.999"),
        sent("2026-05-05T01:00"),
        known_until("messages", NOW),
    )
    assert values(await world.ask(TOOL, **MORNING)) == [2, 1, 0, 0]


async def test_an_event_at_the_end_of_the_window_is_not_in_it(world: World) -> None:
    world.give(sent("2026-05-05T03:59:59.999"), sent("2026-05-05T04:00"), known_until("messages", NOW))
    answer = await world.ask(TOOL, **MORNING)
    assert (answer.total, values(answer)) == (1, [0, 0, 0, 1])


async def test_a_bucket_that_ends_after_as_of_is_null_and_its_count_is_partial(world: World) -> None:
    world.give(*(sent(f"2026-05-05T0{hour}:10") for hour in (0, 2, 2, 3)), known_until("messages", "2026-05-05T02:30"))
    (row,) = rows(await world.ask(TOOL, **MORNING))
    assert row == {"total": 4, "peak": "1@00", "partial": 3, "values": [1, 0, None, None]}


async def test_a_bucket_that_ends_at_as_of_is_known(world: World) -> None:
    world.give(sent("2026-05-05T00:10"), known_until("messages", "2026-05-05T02:00"))
    assert values(await world.ask(TOOL, **MORNING)) == [1, 0, None, None]


async def test_without_as_of_nothing_is_known_to_be_zero(world: World) -> None:
    answer = await world.ask(TOOL, **MORNING)
    assert (answer.total, values(answer)) == (0, [None] * 4)
    assert answer.structured()["as_of"] is None
    assert "as of: not stated" in answer.text()


async def test_values_and_partial_add_up_to_the_total_of_every_row(world: World) -> None:
    given = [sent(at("2026-05-05") + number * 7 * MINUTE, ("sms", "mms")[number % 3 == 0]) for number in range(40)]
    world.give(*given, known_until("messages", "2026-05-05T03:15"))
    answer = await world.ask(TOOL, **MORNING | {"group_by": "channel"})
    for row in rows(answer):
        assert sum(value or 0 for value in row["values"]) + row["partial"] == row["total"]
    assert sum(row["total"] for row in rows(answer)) == answer.total == 35


async def test_the_window_is_widened_to_whole_buckets_of_the_interval_asked_for(world: World) -> None:
    world.give(sent("2026-05-05T00:05"), sent("2026-05-05T02:50"), known_until("messages", NOW))
    asked = MORNING | {"start": "2026-05-05T00:20Z", "end": "2026-05-05T02:10Z"}
    answer = await world.ask(TOOL, **asked)
    structured = answer.structured()
    assert (structured["start"], structured["end"]) == ("2026-05-05T00:00Z", "2026-05-05T03:00Z")
    assert values(answer) == [1, 0, 1]


async def test_without_an_interval_the_window_stays_as_it_was_asked_for(world: World) -> None:
    world.give(sent("2026-05-05T00:05"), sent("2026-05-05T01:05"), known_until("messages", NOW))
    answer = await world.ask(TOOL, metric="sent", start="2026-05-05T00:20Z", end="2026-05-05T02:10Z")
    assert (answer.structured()["start"], answer.total) == ("2026-05-05T00:20Z", 1)


async def test_a_window_of_ten_thousand_buckets_is_answered_and_one_more_is_refused(world: World) -> None:
    world.give(sent("2026-05-05T00:05"), known_until("messages", NOW))
    start = at("2026-05-01")
    whole: dict[str, Any] = {"metric": "sent", "start": start, "interval": "1m"}
    assert (await world.ask(TOOL, **whole, end=start + 10_000 * MINUTE)).total == 1
    with pytest.raises(WindowTooLarge) as refused:
        await world.ask(TOOL, **whole, end=start + 10_001 * MINUTE)
    assert refused.value.code == "WINDOW_TOO_LARGE"
    assert refused.value.details == {"bucket_count": 10_001, "max_buckets": 10_000}


EVERY_METRIC = (
    ("sent", None, 2),
    ("sent", "outbound", 2),
    ("delivered", None, 1),
    ("delivered", "outbound", 1),
    ("delivered", "webhooks", 5),
    ("failed", None, 3),
    ("failed", "outbound", 3),
    ("failed", "webhooks", 1),
    ("cost_cents", None, 4.25),
    ("cost_cents", "outbound", 4.25),
    ("cost_cents", "inbound", 0.5),
    ("received", None, 2),
    ("received", "inbound", 2),
    ("retried", None, 2),
    ("retried", "webhooks", 2),
)


def every_kind() -> Iterator[dict[str, Any]]:
    """Messages of every status both ways, and deliveries of every status."""
    outbound = {"queued": 7, "sending": 6, "sent": 2, "delivered": 1, "read": 9, "failed": 2, "undelivered": 1}
    for status, count in outbound.items():
        yield from (message("2026-05-05T01:00", status) for _ in range(count))
    yield message("2026-05-05T01:00", "queued", cost_cents=4)
    yield message("2026-05-05T01:00", "read", cost_cents=0.25)
    yield message("2026-05-05T01:00", "received", "inbound", cost_cents=0.5)
    yield message("2026-05-05T01:00", "received", "inbound")
    yield message("2026-05-05T01:00", "sent", "inbound")
    for status, count in {"delivered": 5, "failed": 1, "retried": 2}.items():
        yield from (event("webhook", "2026-05-05T01:00", status=status) for _ in range(count))


@pytest.mark.parametrize(("metric", "traffic", "total"), EVERY_METRIC)
async def test_every_metric_counts_what_the_contract_says(
    world: World, metric: str, traffic: str | None, total: float
) -> None:
    world.give(*every_kind(), known_until("messages", NOW), known_until("webhooks", NOW))
    asked = MORNING | {"metric": metric} | ({"traffic": traffic} if traffic else {})
    answer = await world.ask(TOOL, **asked)
    assert (answer.total, values(answer)) == (total, [0, total, 0, 0])


@pytest.mark.parametrize(
    ("metric", "traffic"),
    [
        ("received", "outbound"),
        ("retried", "outbound"),
        ("sent", "inbound"),
        ("delivered", "inbound"),
        ("sent", "webhooks"),
        ("cost_cents", "webhooks"),
    ],
)
async def test_a_metric_that_the_traffic_has_not_is_refused_with_those_it_has(
    world: World, metric: str, traffic: str
) -> None:
    with pytest.raises(UnknownName, match=rf'"{metric}" is not a metric of {traffic} traffic. Valid: \w+'):
        await world.ask(TOOL, metric=metric, traffic=traffic)


async def test_an_event_is_counted_in_the_bucket_of_its_own_time(world: World) -> None:
    world.give(
        message("2026-05-05T00:10", "queued", message_id="m1"),
        message("2026-05-05T01:10", "sent", message_id="m1"),
        message("2026-05-05T03:10", "delivered", message_id="m1"),
        known_until("messages", NOW),
    )
    assert values(await world.ask(TOOL, **MORNING)) == [0, 1, 0, 0]
    assert values(await world.ask(TOOL, **MORNING | {"metric": "delivered"})) == [0, 0, 0, 1]


async def test_groups_come_by_their_total_and_the_one_without_a_value_is_null(world: World) -> None:
    channels = ("sms", "sms", "sms", "mms", None, None)
    world.give(*(sent("2026-05-05T01:00", channel) for channel in channels), known_until("messages", NOW))
    answer = await world.ask(TOOL, **MORNING | {"group_by": "channel"})
    assert [(row["channel"], row["total"]) for row in rows(answer)] == [("sms", 3), (None, 2), ("mms", 1)]
    assert "\n-,2,2@01,0,2,0,0" in answer.text()


async def test_webhooks_are_grouped_by_the_class_of_their_status(world: World) -> None:
    statuses = (200, 204, 301, 404, 500, 503, None)
    world.give(
        *(event("webhook", "2026-05-05T01:00", status="delivered", http_status=status) for status in statuses),
        known_until("webhooks", NOW),
    )
    asked = MORNING | {"metric": "delivered", "traffic": "webhooks", "group_by": "http_status_class"}
    assert by(await world.ask(TOOL, **asked), "total") == {"2xx": 2, "5xx": 2, "3xx": 1, "4xx": 1, None: 1}


async def test_failed_messages_are_grouped_by_error_code(world: World) -> None:
    world.give(
        message("2026-05-05T01:00", "failed", error_code=30003),
        message("2026-05-05T02:00", "undelivered", error_code="30003"),
        message("2026-05-05T02:00", "failed", error_code="30007"),
        known_until("messages", NOW),
    )
    answer = await world.ask(TOOL, **MORNING | {"metric": "failed", "group_by": ["error_code"]})
    assert by(answer, "values") == {"30003": [0, 1, 1, 0], "30007": [0, 0, 1, 0]}


async def test_agents_are_shown_by_the_name_in_the_registry(world: World) -> None:
    world.give(
        event("agent", "2026-05-01T00:00", id="a1", name="Alpha"),
        *(sent("2026-05-05T01:00", agent_id=id) for id in ("a1", "a1", "a2")),
        known_until("messages", NOW),
    )
    assert by(await world.ask(TOOL, **MORNING | {"group_by": "agent"}), "total") == {"Alpha": 2, "a2": 1}


async def test_an_agent_can_be_filtered_by_its_name_and_by_its_id(world: World) -> None:
    world.give(
        event("agent", "2026-05-01T00:00", id="a1", name="Alpha"),
        *(sent("2026-05-05T01:00", agent_id=id) for id in ("a1", "a1", "a2")),
        known_until("messages", NOW),
    )
    for name in ("Alpha", "a1"):
        assert (await world.ask(TOOL, **MORNING | {"filters": {"agent": name}})).total == 2


async def test_what_the_limit_cuts_away_is_other(world: World) -> None:
    channels = [channel for channel, count in {"a": 4, "b": 3, "c": 2, "d": 1}.items() for _ in range(count)]
    world.give(*(sent("2026-05-05T01:00", channel) for channel in channels), known_until("messages", NOW))
    answer = await world.ask(TOOL, **MORNING | {"group_by": "channel", "limit": 2})
    assert by(answer, "total") == {"a": 4, "b": 3}
    assert answer.structured()["other"] == {"groups": 2, "total": 3, "values": [0, 3, 0, 0]}


async def test_other_is_partial_where_its_rows_are(world: World) -> None:
    given = [sent("2026-05-05T00:10", "a"), *(sent("2026-05-05T00:10", channel) for channel in "aab")]
    world.give(*given, sent("2026-05-05T02:10", "b"), known_until("messages", "2026-05-05T02:30"))
    answer = await world.ask(TOOL, **MORNING | {"group_by": "channel", "limit": 1})
    assert answer.structured()["other"] == {"groups": 1, "total": 2, "partial": 1, "values": [1, 0, None, None]}


async def test_a_comparison_is_with_the_same_number_of_buckets_just_before(world: World) -> None:
    world.give(
        *(sent("2026-05-05T01:00") for _ in range(3)),
        *(sent("2026-05-04T20:00") for _ in range(2)),
        sent("2026-05-04T19:59"),
        known_until("messages", NOW),
    )
    answer = await world.ask(TOOL, **MORNING | {"compare_to": "prior_period"})
    assert answer.structured()["prior"] == {"total": 2, "change": 0.5}
    assert "total 3; prior period 2 (+50.0 %)" in answer.text()


async def test_only_what_is_finished_in_both_windows_is_compared(world: World) -> None:
    world.give(
        sent("2026-05-05T00:10"),
        *(sent("2026-05-05T02:10") for _ in range(5)),
        *(sent("2026-05-04T20:10") for _ in range(2)),
        *(sent("2026-05-04T22:10") for _ in range(9)),
        known_until("messages", "2026-05-05T02:30"),
    )
    answer = await world.ask(TOOL, **MORNING | {"compare_to": "prior_period"})
    assert answer.total == 6
    assert answer.structured()["prior"] == {
        "total": 2,
        "change": -0.5,
        "start": "2026-05-04T20:00Z",
        "end": "2026-05-04T22:00Z",
        "compared_with": 1,
    }


async def test_the_change_from_nothing_is_null(world: World) -> None:
    world.give(sent("2026-05-05T00:10"), known_until("messages", NOW))
    answer = await world.ask(TOOL, **MORNING | {"compare_to": "prior_period"})
    assert answer.structured()["prior"] == {"total": 0, "change": None}
    assert "total 1; prior period 0\n" in answer.text()


async def test_a_comparison_of_days_follows_the_calendar_over_a_change_of_clocks(world: World) -> None:
    # 29 March 2026 has 23 hours in Berlin; the day before it starts 24 hours earlier.
    world.give(sent("2026-03-27T23:00"), sent("2026-03-28T23:00"), known_until("messages", NOW))
    asked = {"metric": "sent", "start": "2026-03-29", "end": "2026-03-29", "interval": "1d", "tz": "Europe/Berlin"}
    answer = await world.ask(TOOL, **asked, compare_to="prior_period")
    assert (answer.total, answer.structured()["prior"]) == (1, {"total": 1, "change": 0.0})


async def test_by_default_it_is_the_last_day_up_to_the_running_bucket(world: World) -> None:
    world.give(sent(NOW - MINUTE), sent(NOW - DAY + HOUR), known_until("messages", NOW))
    answer = await world.ask(TOOL, metric="sent", interval="1h")
    structured = answer.structured()
    assert (structured["start"], structured["end"]) == ("2026-05-19T13:00Z", "2026-05-20T13:00Z")
    assert (answer.total, rows(answer)[0]["partial"]) == (2, 1)


async def test_by_default_it_is_thirty_days_where_days_are_asked_for(world: World) -> None:
    structured = (await world.ask(TOOL, metric="sent", interval="day")).structured()
    assert (structured["start"], structured["end"]) == ("2026-04-21T00:00Z", "2026-05-21T00:00Z")


async def test_the_default_days_are_whole_ones_over_a_change_of_clocks(world: World) -> None:
    world.now = at("2026-04-10T12:00")
    structured = (await world.ask(TOOL, metric="sent", interval="day", tz="Europe/Berlin")).structured()
    assert (structured["start"], structured["end"]) == ("2026-03-11T00:00+01:00", "2026-04-11T00:00+02:00")


async def test_days_of_a_zone_have_its_midnights(world: World) -> None:
    world.give(sent("2026-05-05T03:59"), sent("2026-05-05T04:00"), known_until("messages", NOW))
    asked = {"metric": "sent", "start": "2026-05-04", "end": "2026-05-05", "interval": "1d", "tz": "America/New_York"}
    answer = await world.ask(TOOL, **asked)
    assert values(answer) == [1, 1]
    assert answer.structured()["start"] == "2026-05-04T00:00-04:00"


async def test_the_vendors_own_words_are_taken(world: World) -> None:
    world.give(sent("2026-05-05T01:00"), known_until("messages", NOW))
    wire = {"from": "2026-05-05T00:00:00Z", "to": "2026-05-05T04:00:00Z", "granularity": "hour"}
    answer = await world.ask(TOOL, metric="sent", **wire, compare_to="prior_period", group_by="channel")
    assert by(answer, "values") == {"sms": [0, 1, 0, 0]}


async def test_a_cursor_is_refused_with_what_to_do_instead(world: World) -> None:
    with pytest.raises(UnknownName, match="never paged"):
        await world.ask(TOOL, metric="sent", cursor="abc")


async def test_rows_by_team_overlap_and_the_answer_says_so(world: World) -> None:
    world.give(
        sent("2026-05-05T01:00", team=["red", "blue"]),
        sent("2026-05-05T01:00", team=["red"]),
        sent("2026-05-05T01:00"),
        known_until("messages", NOW),
    )
    answer = await world.ask(TOOL, **MORNING | {"group_by": "team"})
    assert (by(answer, "total"), answer.total) == ({"red": 2, "blue": 1, None: 1}, 3)
    assert "an event counts once for each of its teams, so rows do not add up to total" in answer.notes


async def test_a_metadata_key_groups_and_filters(world: World) -> None:
    world.give(
        sent("2026-05-05T01:00", metadata={"project": "x"}),
        sent("2026-05-05T01:00", metadata={"project": "y"}),
        sent("2026-05-05T01:00"),
        known_until("messages", NOW),
    )
    answer = await world.ask(TOOL, **MORNING | {"group_by": "metadata.project"})
    assert by(answer, "total") == {"x": 1, "y": 1, None: 1}
    assert (await world.ask(TOOL, **MORNING | {"filters": {"metadata.project": "x"}})).total == 1


async def test_an_unfinished_cost_is_partial_too(world: World) -> None:
    world.give(
        message("2026-05-05T00:10", "queued", cost_cents=0.79),
        message("2026-05-05T01:10", "queued", cost_cents=1.5),
        known_until("messages", "2026-05-05T01:30"),
    )
    (row,) = rows(await world.ask(TOOL, **MORNING | {"metric": "cost_cents"}))
    assert (row["total"], row["partial"], row["values"]) == (2.29, 1.5, [0.79, None, None, None])


async def test_one_interval_longer_than_the_window_is_one_bucket(world: World) -> None:
    world.give(sent("2026-05-05T01:00"), sent("2026-05-20T01:00"), known_until("messages", NOW))
    answer = await world.ask(TOOL, **MORNING | {"interval": "1mo"})
    assert (answer.structured()["end"], rows(answer)[0]["partial"]) == ("2026-06-01T00:00Z", 2)


async def test_a_window_upside_down_is_refused(world: World) -> None:
    with pytest.raises(InvalidValue, match="is not before end"):
        await world.ask(TOOL, metric="sent", start="2026-05-06T00:00Z", end="2026-05-05T00:00Z")
