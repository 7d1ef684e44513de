"""`list_custom_metrics` and `query_custom_metrics`: VoiceRun's custom metrics (contract `voicerun` 4.2 and 4.6)."""

from __future__ import annotations

from typing import Any

import pytest
from world import HOUR, NOW, World, at, by, event, rows, values

from agentgauge.core.errors import InvalidValue, UnknownName

LIST, QUERY = "list_custom_metrics", "query_custom_metrics"
APRIL: dict[str, Any] = {"startDate": "2025-04-01", "endDate": "2025-04-02"}
HERE = "2025-04-01T10:00"


def point(when: str | int, name: str, value: float = 1, kind: str = "counter", /, **fields: Any) -> dict[str, Any]:
    """A point of a custom metric; other words are its labels unless they are fields of a point."""
    own = {key: fields.pop(key) for key in ("agent_id", "session_id", "environment_id") if key in fields}
    return event("point", when, name=name, kind=kind, value=value, labels=fields) | own


async def test_totals_are_plain_sums_of_every_kind_with_the_average_and_p95_beside(world: World) -> None:
    world.give(
        *(point(HERE, "bookings", value) for value in (2, 3)),
        *(point(HERE, "queue", value, "gauge") for value in (4, 8)),
        *(point(HERE, "wait", value, "histogram") for value in range(1, 101)),
    )
    answer = await world.ask(QUERY, **APRIL)
    assert rows(answer) == [
        {"metric": "wait", "kind": "histogram", "sum": 5050, "count": 100, "avg": 50.5, "p95": 95},
        {"metric": "queue", "kind": "gauge", "sum": 12, "count": 2, "avg": 6, "p95": 8},
        {"metric": "bookings", "kind": "counter", "sum": 5, "count": 2, "avg": 2.5, "p95": 3},
    ]
    assert answer.total == 104


async def test_the_total_of_one_metric_is_its_sum(world: World) -> None:
    world.give(point(HERE, "bookings", 2), point(HERE, "bookings", 0.5), point(HERE, "other", 9))
    answer = await world.ask(QUERY, metricNames="bookings", **APRIL)
    assert answer.total == {"sum": 2.5, "count": 2}


async def test_daily_is_a_sum_per_day_of_the_zone(world: World) -> None:
    world.give(point("2025-03-31T16:00", "m"), point("2025-04-01T15:59", "m", 2), point("2025-04-01T16:00", "m", 4))
    answer = await world.ask(QUERY, view="daily", timezone="Asia/Singapore", **APRIL)
    assert by(answer, "values") == {"m": [3, 4]}


@pytest.mark.parametrize(
    ("kind", "expected"), [("counter", [10, 0, 7]), ("gauge", [2.5, None, 7]), ("histogram", [4, None, 7])]
)
async def test_a_timeseries_aggregates_as_the_kind_asks_for(world: World, kind: str, expected: list[Any]) -> None:
    hour = at("2025-04-01")
    world.give(
        *(point(hour + HOUR // 2, "m", value, kind) for value in (1, 2, 3, 4)), point(hour + 2 * HOUR, "m", 7, kind)
    )
    window = {"startDate": "2025-04-01T00:00:00Z", "endDate": "2025-04-01T03:00:00Z"}
    answer = await world.ask(QUERY, view="timeseries", metricName="m", step="1h", **window)
    assert by(answer, "values") == {"m": expected}


async def test_metrics_of_several_kinds_have_no_timeseries_in_common(world: World) -> None:
    world.give(point(HERE, "m", 1), point(HERE, "n", 1, "gauge"))
    with pytest.raises(InvalidValue, match=r'several kinds .*(counter: "m"; gauge: "n"|gauge: "n"; counter: "m")'):
        await world.ask(QUERY, view="timeseries", **APRIL)
    answer = await world.ask(QUERY, view="timeseries", metric_names=["n"], **APRIL)
    assert by(answer, "total") == {"n": 1}


async def test_tags_are_joined_by_and(world: World) -> None:
    world.give(
        point(HERE, "m", 1, origin="phone", company="abc"),
        point(HERE, "m", 2, origin="phone", company="def"),
        point(HERE, "m", 4, origin="web", company="abc"),
        point(HERE, "m", 8),
    )
    for tags, total in (({"origin": "phone"}, 3), ({"origin": "phone", "company": "abc"}, 1), ('{"origin":"web"}', 4)):
        assert by(await world.ask(QUERY, tags=tags, **APRIL), "sum") == {"m": total}
    assert by(await world.ask(QUERY, tags={"origin": ["phone", "web"]}, **APRIL), "sum") == {"m": 7}


@pytest.mark.parametrize("tags", ["{broken", [1], {"origin": {"a": 1}}, {"origin": None}, "phone"])
async def test_tags_of_another_form_are_refused(world: World, tags: Any) -> None:
    world.give(point(HERE, "m", origin="phone"))
    with pytest.raises(InvalidValue):
        await world.ask(QUERY, tags=tags, **APRIL)


async def test_a_tag_that_no_point_has_is_refused_and_a_value_that_none_has_is_noted(world: World) -> None:
    world.give(point(HERE, "m", origin="phone"))
    with pytest.raises(UnknownName, match=r'"orgin" is not a key of labels in points. Known: "origin"'):
        await world.ask(QUERY, tags={"orgin": "phone"}, **APRIL)
    answer = await world.ask(QUERY, tags={"origin": "fax"}, **APRIL)
    assert answer.notes == ('no event has "fax" as labels.origin',)


@pytest.mark.parametrize("group_by", ["origin", ["origin"], '["origin"]', "labels.origin"])
async def test_totals_are_grouped_by_tags(world: World, group_by: Any) -> None:
    world.give(point(HERE, "m", 5, origin="phone"), point(HERE, "m", 2, origin="web"), point(HERE, "m"))
    answer = await world.ask(QUERY, groupBy=group_by, **APRIL)
    assert by(answer, "sum", "metric", "origin") == {("m", "phone"): 5, ("m", "web"): 2, ("m", None): 1}


@pytest.mark.parametrize("view", ["totals", "daily", "timeseries"])
@pytest.mark.parametrize("label", ["peak", "total", "values", "metric", "measure", "partial", "sum"])
async def test_a_tag_with_the_name_of_a_column_stays_apart_from_it(world: World, view: str, label: str) -> None:
    world.give(point(HERE, "m", 5, **{label: "x"}), point(HERE, "m", 5, **{label: "y"}))
    answer = await world.ask(QUERY, view=view, group_by=[label], budget=200, **APRIL)
    assert len(set(answer.columns)) == len(answer.columns)
    assert {row[f"labels.{label}"] for row in rows(answer)} == {"x", "y"}


async def test_agent_and_environment_filter_and_group(world: World) -> None:
    world.give(
        point(HERE, "m", 1, agent_id="a", environment_id="prod"),
        point(HERE, "m", 2, agent_id="a", environment_id="dev"),
        point(HERE, "m", 4, agent_id="b", environment_id="prod"),
    )
    assert by(await world.ask(QUERY, agentId="a", **APRIL), "sum") == {"m": 3}
    assert by(await world.ask(QUERY, environmentId="prod", agent_id="a", **APRIL), "sum") == {"m": 1}
    assert by(await world.ask(QUERY, group_by="agent_id", **APRIL), "sum", "agent_id") == {"a": 3, "b": 4}


async def test_a_date_only_end_includes_that_day_and_a_full_one_is_exclusive(world: World) -> None:
    world.give(point("2025-04-02T23:59", "m"), point("2025-04-02T00:00", "m", 2))
    assert by(await world.ask(QUERY, **APRIL), "sum") == {"m": 3}
    full = APRIL | {"endDate": "2025-04-02T00:00:00Z"}
    assert (await world.ask(QUERY, **full)).rows == []


async def test_dates_are_midnights_in_the_zone(world: World) -> None:
    world.give(point("2025-04-02T15:59", "m"), point("2025-04-02T16:00", "m", 2))
    assert by(await world.ask(QUERY, timezone="Asia/Singapore", **APRIL), "sum") == {"m": 1}


async def test_by_default_it_is_the_last_seven_days(world: World) -> None:
    world.give(point(NOW - HOUR, "m"), point(NOW - 7 * 24 * HOUR - 1, "m", 2))
    assert by(await world.ask(QUERY), "sum") == {"m": 1}


async def test_a_session_shows_its_points_oldest_first(world: World) -> None:
    world.give(
        point("2025-04-01T11:00", "n", 2.5, "gauge", session_id="s1", agent_id="a"),
        point("2025-04-01T10:00", "m", 1, session_id="s1", origin="phone"),
        point("2025-04-01T10:30", "m", 9, session_id="s2"),
    )
    answer = await world.ask(QUERY, view="session", sessionId="s1")
    assert rows(answer) == [
        {
            "metric": "m",
            "kind": "counter",
            "at": "2025-04-01T10:00Z",
            "value": 1,
            "agent_id": None,
            "tags": {"origin": "phone"},
        },
        {"metric": "n", "kind": "gauge", "at": "2025-04-01T11:00Z", "value": 2.5, "agent_id": "a", "tags": {}},
    ]


async def test_an_unknown_session_is_empty_and_says_so(world: World) -> None:
    world.give(point(HERE, "m", session_id="s1"))
    answer = await world.ask(QUERY, view="session", session_id="s9")
    assert (answer.rows, answer.notes) == ([], ("no point has that session and those filters",))


@pytest.mark.parametrize(
    "arguments",
    [
        {"view": "session"},
        {"session_id": "s1"},
        {"view": "daily", "interval": "1h"},
        {"view": "totals", "step": "1h"},
        {"view": "session", "session_id": "s1", "start": "2025-04-01"},
        {"view": "session", "session_id": "s1", "group_by": "origin"},
        {"view": "session", "session_id": "s1", "compare_to": "prior_period"},
    ],
)
async def test_a_word_that_the_view_does_not_honour_is_refused(world: World, arguments: dict[str, Any]) -> None:
    world.give(point(HERE, "m", session_id="s1", origin="x"))
    with pytest.raises(InvalidValue):
        await world.ask(QUERY, **arguments)


@pytest.mark.parametrize(("tool", "word"), [(LIST, "metricName"), (QUERY, "metricNames")])
async def test_an_unknown_metric_is_refused_with_the_nearest(world: World, tool: str, word: str) -> None:
    world.give(point(HERE, "booking_attempt"), point(HERE, "faq_query"))
    with pytest.raises(UnknownName, match=r'"booking_atempt" is not a metric.*Did you mean "booking_attempt"\?'):
        await world.ask(tool, **{word: "booking_atempt"})


async def test_the_list_has_names_kinds_and_tags_with_their_values(world: World) -> None:
    world.give(
        *(point(HERE, "faq", topic=topic) for topic in ("price", "price", "hours")),
        point(HERE, "faq", topic="price", origin="web"),
        point(HERE, "queue", 3, "gauge", agent_id="a"),
    )
    assert rows(await world.ask(LIST)) == [
        {"metric": "faq", "kind": "counter", "tags": {"origin": ["web"], "topic": ["price", "hours"]}},
        {"metric": "queue", "kind": "gauge", "tags": {}},
    ]
    assert [row["metric"] for row in rows(await world.ask(LIST, agentId="a"))] == ["queue"]
    assert [row["metric"] for row in rows(await world.ask(LIST, metric_name="faq"))] == ["faq"]


async def test_an_agent_that_nobody_is_gets_a_note_not_an_empty_list(world: World) -> None:
    world.give(point(HERE, "m", agent_id="a"))
    assert (await world.ask(LIST, agent_id="z")).notes == ('no event has "z" as agent_id',)
    assert (await world.ask(QUERY, agent_id="z", **APRIL)).notes == ('no event has "z" as agent_id',)


async def test_a_long_list_is_shortened_and_says_so(world: World) -> None:
    world.give(*(point(HERE, f"metric_{n % 50}", topic=f"topic {n}") for n in range(500)))
    answer = await world.ask(LIST, budget=400)
    assert any("shown to fit a budget of 400 tokens" in note for note in answer.notes)


async def test_a_comparison_is_with_the_days_before(world: World) -> None:
    world.give(point(HERE, "m", 3), point("2025-03-31T10:00", "m", 2), point(NOW, "m"))
    prior = (await world.ask(QUERY, metric_names="m", compare_to="prior_period", **APRIL)).structured()["prior"]
    assert (prior["total"], prior["change"]) == ({"sum": 2, "count": 1}, {"sum": 0.5, "count": 0})


async def test_several_metrics_are_compared_and_cut_by_their_number_of_points(world: World) -> None:
    world.give(*(point(HERE, name, 5) for name in "mmno"), point("2025-03-31T10:00", "m", 2), point(NOW, "m"))
    answer = await world.ask(QUERY, compare_to="prior_period", limit=1, **APRIL)
    assert (answer.total, answer.structured()["prior"]) == (4, {"total": 1, "change": 3.0})
    assert answer.structured()["other"] == {"groups": 2, "total": {"count": 2}}


async def test_a_step_may_be_the_last_of_the_window(world: World) -> None:
    world.give(point("2025-04-01T01:59", "m", 2))
    window = {"startDate": "2025-04-01T00:00:00Z", "endDate": "2025-04-01T02:00:00Z"}
    assert values(await world.ask(QUERY, view="timeseries", step="1h", metric_names="m", **window)) == [0, 2]
