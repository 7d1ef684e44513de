"""VoiceRun's custom metrics over the wire: whole bodies and refusals (contract `voicerun` 4.2, 4.3 and 4.6)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from world import HOUR, MINUTE, World, at, event

from agentgauge.core.errors import (
    DeadlineExceeded,
    Forbidden,
    GaugeError,
    InvalidRequest,
    NotFound,
    Problem,
    StoreBusy,
    TooLarge,
    Unauthorized,
    Unsupported,
)
from agentgauge.core.operation import Principal, Refusal
from agentgauge.core.wire import read
from agentgauge.dialects.voicerun import DIALECT
from agentgauge.dialects.voicerun.contract import refuse
from agentgauge.dialects.voicerun.operations import number_text

BASE = "/v1/custom-metrics/"
OPERATIONS = {each.path.removeprefix(BASE).partition("/")[0]: each for each in DIALECT.operations}
APRIL = {"startDate": "2025-04-01", "endDate": "2025-04-14"}
FIRST = 1_743_465_600
"""2025-04-01T00:00:00Z in seconds, as on the page."""


async def get(world: World, path: str, role: str = "owner", **params: Any) -> Any:
    """The data of an answer, as a client reads it."""
    operation, desk = OPERATIONS[path], replace(world.app.desk(), who=Principal(role=role))
    paths = frozenset({"sessionId"}) if path == "sessions" else frozenset[str]()
    request = read(operation.request, params, paths=paths)
    found = operation.encode(request, await operation.answer(request, desk), desk)
    TypeAdapter(operation.body).validate_python(found)
    assert list(found) == ["data"]
    return json.loads(json.dumps(found, allow_nan=False))["data"]


async def refused(world: World, path: str, role: str = "owner", **params: Any) -> Refusal:
    """The refusal of a request."""
    with pytest.raises(GaugeError) as caught:
        await get(world, path, role, **params)
    return refuse(caught.value, "r1")


def bad(*messages: str) -> Refusal:
    """The refusal of parameters."""
    return Refusal(400, {"statusCode": 400, "message": list(messages), "error": "Bad Request"})


def point(name: str, when: str | int = "2025-04-01T12:00", value: float = 1, /, **fields: Any) -> dict[str, Any]:
    """A counter's point; labels in `labels`."""
    return event("point", when, name=name, kind="counter", value=value) | fields


async def test_the_pages_names_are_alphabetical_and_each_once(world: World) -> None:
    names = ["sessions_handled", "faq_query", "booking_completed", "cancellation_attempt", "booking_attempt"]
    world.give(*(point(name, agent_id="agent_xyz") for name in [*names, *names]), point("cancellation_completed"))
    expected = [
        "booking_attempt",
        "booking_completed",
        "cancellation_attempt",
        "cancellation_completed",
        "faq_query",
        "sessions_handled",
    ]
    assert await get(world, "names") == expected
    assert await get(world, "names", agentId="") == expected
    assert await get(world, "names", agentId="agent_xyz") == [each for each in expected if "on_completed" not in each]
    assert await get(world, "names", agentId="nobody") == []


async def test_the_pages_aggregate_is_answered_to_the_letter(world: World) -> None:
    world.give(
        *(point("booking_attempt", agent_id="agent_xyz") for _ in range(5)),
        point("booking_completed", "2025-04-14T23:59", 2, agent_id="agent_xyz"),
        point("booking_completed", agent_id="agent_xyz"),
        point("booking_completed", "2025-04-15T00:00", agent_id="agent_xyz"),
        point("booking_completed", "2025-03-31T23:59", agent_id="agent_xyz"),
        point("booking_completed", agent_id="other"),
        point("faq_query", agent_id="agent_xyz"),
    )
    found = await get(world, "aggregate", metricNames="booking_attempt,booking_completed", agentId="agent_xyz", **APRIL)
    assert json.dumps(found) == '{"booking_attempt": 5, "booking_completed": 3}'


async def test_the_pages_groups_are_answered_to_the_letter(world: World) -> None:
    for company, counts in {"abc": (3, 2, 5), "def": (2, 1, 4)}.items():
        names = ("booking_attempt", "booking_completed", "sessions_handled")
        world.give(
            *(
                point(*each, labels={"company_id": company})
                for each in zip(names, [at("2025-04-02")] * 3, counts, strict=True)
            )
        )
    found = await get(world, "aggregate", groupBy="company_id", **APRIL)
    expected = (
        '[{"company_id": "abc", "metrics": {"booking_attempt": 3, "booking_completed": 2, "sessions_handled": 5}}, '
        '{"company_id": "def", "metrics": {"booking_attempt": 2, "booking_completed": 1, "sessions_handled": 4}}]'
    )
    assert json.dumps(found) == expected


async def test_groups_come_by_their_first_metric_then_by_label(world: World) -> None:
    for topic, n in (("opening_hours", 8), ("cancellation_policy", 5), ("pricing", 12), ("allergies", 5)):
        world.give(*(point("faq_query", agent_id="agent_xyz", labels={"topic": topic}) for _ in range(n)))
    found = await get(world, "aggregate", metricNames="faq_query", agentId="agent_xyz", groupBy="topic", **APRIL)
    assert found == [
        {"topic": "pricing", "metrics": {"faq_query": 12}},
        {"topic": "opening_hours", "metrics": {"faq_query": 8}},
        {"topic": "allergies", "metrics": {"faq_query": 5}},
        {"topic": "cancellation_policy", "metrics": {"faq_query": 5}},
    ]


async def test_a_missing_label_is_empty_and_counts_with_the_empty_one(world: World) -> None:
    world.give(
        point("m", labels={"a": "x", "b": "y"}),
        point("m", labels={"a": ""}),
        point("m"),
        point("n", agent_id="agent_1"),
    )
    assert await get(world, "aggregate", groupBy="a,b", **APRIL) == [
        {"a": "", "b": "", "metrics": {"m": 2, "n": 1}},
        {"a": "x", "b": "y", "metrics": {"m": 1, "n": 0}},
    ]
    assert await get(world, "aggregate", groupBy=" agent_id ", metricNames="n", **APRIL) == [
        {"agent_id": "agent_1", "metrics": {"n": 1}}
    ]
    assert await get(world, "aggregate", groupBy="a", metricNames="nothing", **APRIL) == []


async def test_labels_named_like_our_fields_are_labels(world: World) -> None:
    world.give(point("m", labels={"kind": "vip", "date": "x", "user": "u"}), point("m", user="ada"))
    assert await get(world, "aggregate", groupBy="kind", **APRIL) == [
        {"kind": "", "metrics": {"m": 1}},
        {"kind": "vip", "metrics": {"m": 1}},
    ]
    assert await get(world, "aggregate", tags='{"user":"u"}', **APRIL) == {"m": 1}
    one = {"startDate": "2025-04-01", "endDate": "2025-04-01"}
    assert [each["date"] for each in await get(world, "daily", groupBy="date", **one)] == ["2025-04-01"] * 2


async def test_requested_metrics_without_points_are_zero_and_unknown_ones_left_out(world: World) -> None:
    world.give(point("m"), point("old", "2024-01-01T00:00"))
    assert await get(world, "aggregate", metricNames="old,unknown,m", **APRIL) == {"old": 0, "m": 1}
    assert await get(world, "aggregate", metricNames="unknown", **APRIL) == {}
    assert await get(world, "aggregate", metricNames=",", **APRIL) == {"m": 1}


async def test_sums_are_plain_for_every_kind_and_json_numbers(world: World) -> None:
    world.give(
        point("g", kind="gauge", labels={}),
        point("g", "2025-04-02T00:00", 2.5, kind="gauge"),
        point("h", "2025-04-02T00:00", 10.0, kind="histogram"),
        point("h", "2025-04-02T00:00", -4, kind="histogram"),
        *(point("huge", "2025-04-02T00:00", 1.5e308) for _ in range(2)),
    )
    found = await get(world, "aggregate", **APRIL)
    assert json.dumps(found) == '{"g": 3.5, "h": 6, "huge": 1.7976931348623157e+308}'


async def test_the_pages_days_are_answered_to_the_letter(world: World) -> None:
    names = ("sessions_handled", "booking_attempt", "booking_completed")
    days = {"2025-04-01": (12, 5, 3), "2025-04-02": (8, 4, 2), "2025-04-03": (15, 7, 6)}
    for day, counts in days.items():
        world.give(*(point(name, at(day), n, agent_id="agent_xyz") for name, n in zip(names, counts, strict=True)))
    found = await get(
        world,
        "daily",
        metricNames="sessions_handled,booking_attempt,booking_completed",
        agentId="agent_xyz",
        startDate="2025-04-01",
        endDate="2025-04-03",
    )
    expected = (
        '[{"date": "2025-04-01", "metrics": {"sessions_handled": 12, "booking_attempt": 5, "booking_completed": 3}}, '
        '{"date": "2025-04-02", "metrics": {"sessions_handled": 8, "booking_attempt": 4, "booking_completed": 2}}, '
        '{"date": "2025-04-03", "metrics": {"sessions_handled": 15, "booking_attempt": 7, "booking_completed": 6}}]'
    )
    assert json.dumps(found) == expected


async def test_days_are_dense_with_zeros_for_every_known_metric(world: World) -> None:
    world.give(point("m", "2025-04-02T00:00", 2), point("old", "2024-01-01T00:00"))
    three = {"startDate": "2025-04-01", "endDate": "2025-04-03"}
    assert await get(world, "daily", metricNames="m,old,unknown", **three) == [
        {"date": "2025-04-01", "metrics": {"m": 0, "old": 0}},
        {"date": "2025-04-02", "metrics": {"m": 2, "old": 0}},
        {"date": "2025-04-03", "metrics": {"m": 0, "old": 0}},
    ]
    assert await get(world, "daily", startDate="2025-05-01", endDate="2025-05-02") == [
        {"date": "2025-05-01", "metrics": {}},
        {"date": "2025-05-02", "metrics": {}},
    ]


async def test_grouped_days_have_their_labels(world: World) -> None:
    world.give(
        point("m", "2025-04-01T00:00", labels={"o": "web"}), point("m", "2025-04-02T00:00", 3, labels={"o": "phone"})
    )
    found = await get(world, "daily", groupBy="o", startDate="2025-04-01", endDate="2025-04-02")
    assert found == [
        {"date": "2025-04-01", "o": "phone", "metrics": {"m": 0}},
        {"date": "2025-04-01", "o": "web", "metrics": {"m": 1}},
        {"date": "2025-04-02", "o": "phone", "metrics": {"m": 3}},
        {"date": "2025-04-02", "o": "web", "metrics": {"m": 0}},
    ]
    assert list(found[0]) == ["date", "o", "metrics"]


async def test_dates_are_midnights_of_the_zone_and_a_time_as_end_is_exclusive(world: World) -> None:
    instants = ["2025-03-31T15:59", "2025-03-31T16:00", "2025-04-01T15:59", "2025-04-01T16:00"]
    world.give(*(point("m", each) for each in instants))
    day = {"startDate": "2025-04-01", "endDate": "2025-04-01", "timezone": "Asia/Singapore"}
    assert await get(world, "aggregate", **day) == {"m": 2}
    assert await get(world, "daily", **day) == [{"date": "2025-04-01", "metrics": {"m": 2}}]
    for start, end in (
        ("2025-03-31T16:00:00Z", "2025-04-01T16:00:00Z"),
        ("2025-04-01T00:00:00+08:00", "2025-04-02T00:00:00 08:00"),
        ("2025-04-01T00:00:00", "2025-04-02T00:00:00"),
    ):
        assert await get(world, "aggregate", **(day | {"startDate": start, "endDate": end})) == {"m": 2}
    assert await get(world, "aggregate", startDate="2025-03-31T15:59:00Z", endDate="2025-03-31T16:00:00Z") == {"m": 1}


async def test_days_where_the_clock_changes_are_days(world: World) -> None:
    world.give(*(point("m", at("2025-03-29T23:00") + n * HOUR) for n in range(48)))
    days = {"startDate": "2025-03-30", "endDate": "2025-03-31", "timezone": "Europe/Berlin"}
    assert await get(world, "daily", **days) == [
        {"date": "2025-03-30", "metrics": {"m": 23}},
        {"date": "2025-03-31", "metrics": {"m": 24}},
    ]


async def test_tags_agents_and_environments_filter_together(world: World) -> None:
    labels = {"origin": "phone", "company_id": "abc"}
    world.give(
        point("m", labels=labels, agent_id="a", environment_id="e"),
        point("m", labels={"origin": "phone"}, agent_id="a", environment_id="e"),
        point("m", labels=labels, agent_id="a"),
        point("m", labels=labels, environment_id="e"),
    )
    tags = json.dumps(labels)
    assert await get(world, "aggregate", tags=tags, **APRIL) == {"m": 3}
    assert await get(world, "aggregate", tags=tags, agentId="a", environmentId="e", **APRIL) == {"m": 1}
    assert await get(world, "aggregate", tags='{"agent_id":"a"}', **APRIL) == {"m": 3}
    assert await get(world, "aggregate", tags="", **APRIL) == {"m": 4}
    assert await get(world, "aggregate", tags="{}", **APRIL) == {"m": 4}


async def test_the_pages_timeseries_is_answered_to_the_letter(world: World) -> None:
    start = FIRST * 1_000
    for hour, n in enumerate((2, 1, 3)):
        world.give(*(point("booking_attempt", start + hour * HOUR + i * MINUTE) for i in range(n)))
    operation, desk = OPERATIONS["timeseries"], world.app.desk()
    day = {"startDate": "2025-04-01T00:00:00Z", "endDate": "2025-04-02T00:00:00Z"}
    request = read(operation.request, {"metricName": "booking_attempt", "step": "1h", **day})
    found = operation.encode(request, await operation.answer(request, desk), desk)
    expected = (
        '{"data": {"resultType": "matrix", "result": [{"metric": {"metric_name": "booking_attempt"}, '
        '"values": [[1743465600, "2"], [1743469200, "1"], [1743472800, "3"]]}]}}'
    )
    assert json.dumps(found) == expected


@pytest.mark.parametrize(("kind", "text"), [("counter", "103.5"), ("gauge", "25.875"), ("histogram", "100")])
async def test_a_timeseries_aggregates_as_its_kind_asks(world: World, kind: str, text: str) -> None:
    world.give(*(point("m", "2025-04-01T00:30", value, kind=kind) for value in (1, 0.5, 2, 100)))
    found = await get(world, "timeseries", metricName="m", **APRIL)
    assert found["result"] == [{"metric": {"metric_name": "m"}, "values": [[FIRST, text]]}]


async def test_a_name_of_several_kinds_is_shown_as_the_commonest(world: World) -> None:
    world.give(
        point("m", "2025-04-01T00:00", 50, kind="gauge"), point("m", "2025-04-01T00:00"), point("m", "2025-04-01T00:00")
    )
    found = await get(world, "timeseries", metricName="m", **APRIL)
    assert found["result"][0]["values"] == [[FIRST, "2"]]


async def test_a_time_as_end_is_the_last_step_and_a_date_is_its_day(world: World) -> None:
    world.give(*(point("m", FIRST * 1_000 + n * 30 * MINUTE) for n in range(100)))

    async def stamps(**params: str) -> list[float]:
        found = await get(world, "timeseries", metricName="m", **params)
        return [stamp - FIRST for stamp, _ in found["result"][0]["values"]]

    assert await stamps(startDate="2025-04-01T00:00:00Z", endDate="2025-04-01T02:00:00Z") == [0, 3_600, 7_200]
    assert await stamps(startDate="2025-04-01T00:00:00Z", endDate="2025-04-01T00:00:00Z") == [0]
    assert await stamps(startDate="2025-04-01", endDate="2025-04-01", step="12h") == [0, 43_200]
    assert await stamps(startDate="2025-04-01", endDate="2025-04-02", step="1w") == [0]


@pytest.mark.parametrize(
    ("step", "seconds"), [("90s", 90), ("7m", 420), ("1h", 3_600), ("1d", 86_400), ("2w", 1_209_600)]
)
@pytest.mark.parametrize("start", ["2025-04-01T00:00:00Z", "2025-04-01T00:10:00Z", "2025-04-01T00:00:00.250Z"])
async def test_steps_start_at_the_start_date(world: World, step: str, seconds: int, start: str) -> None:
    first = FIRST * 1_000 + {"00:00Z": 0, "10:00Z": 10 * MINUTE, "0.250Z": 250}[start[-6:]]
    instants = [first + n * 4 * MINUTE for n in range(30)]
    world.give(*(point("m", each, 2.5, kind="gauge") for each in instants))
    found = await get(world, "timeseries", metricName="m", startDate=start, endDate="2025-04-01T05:00:00Z", step=step)
    wanted = sorted({first + (each - first) // (seconds * 1_000) * seconds * 1_000 for each in instants})
    assert found["result"][0]["values"] == [[each / 1_000, "2.5"] for each in wanted]


async def test_a_series_has_no_labels_but_those_asked_for(world: World) -> None:
    world.give(point("m", "2025-04-01T00:00", agent_id="a", environment_id="e", labels={"x": "y"}))
    found = await get(world, "timeseries", metricName="m", agentId="a", environmentId="e", tags='{"x":"y"}', **APRIL)
    assert found == {
        "resultType": "matrix",
        "result": [{"metric": {"metric_name": "m", "agent_id": "a", "environment_id": "e"}, "values": [[FIRST, "1"]]}],
    }
    assert await get(world, "timeseries", metricName="unknown", **APRIL) == {"resultType": "matrix", "result": []}


async def test_the_pages_tags_are_alphabetical_and_without_system_labels(world: World) -> None:
    world.give(
        point("m", labels={"origin": "web", "company_id": "def", "branch_id": "branch-2", "agent_id": "x"}),
        point("m", labels={"origin": "phone", "company_id": "abc", "branch_id": "branch-1"}, agent_id="a"),
        point("n", labels={"origin": "web", "organization_id": "o", "session_id": "s"}),
    )
    expected = {"branch_id": ["branch-1", "branch-2"], "company_id": ["abc", "def"], "origin": ["phone", "web"]}
    found = await get(world, "tags")
    assert found == expected
    assert list(found) == list(expected)
    assert await get(world, "tags", metricName="n") == {"origin": ["web"]}
    assert await get(world, "tags", agentId="a") == {
        "branch_id": ["branch-1"],
        "company_id": ["abc"],
        "origin": ["phone"],
    }
    assert await get(world, "tags", metricName="unknown") == {}


async def test_the_pages_session_is_answered_to_the_letter(world: World) -> None:
    own = {"session_id": "session_abc123", "agent_id": "agent_xyz", "labels": {"company_id": "abc"}}
    world.give(point("booking_completed", FIRST * 1_000, **own), point("other", FIRST * 1_000, session_id="s2"))
    found = await get(world, "sessions", sessionId="session_abc123")
    expected = (
        '{"resultType": "vector", "result": [{"metric": {"metric_name": "booking_completed", '
        '"agent_id": "agent_xyz", "company_id": "abc"}, "value": [1743465600, "1"]}]}'
    )
    assert json.dumps(found) == expected
    assert await get(world, "sessions", sessionId="unknown") == {"resultType": "vector", "result": []}


async def test_a_session_has_every_point_oldest_first(world: World) -> None:
    world.give(
        point("b", FIRST * 1_000 + 1_500, 0.5, session_id="s/1", labels={"metric_name": "x"}),
        point("a", FIRST * 1_000, 2, session_id="s/1"),
    )
    assert (await get(world, "sessions", sessionId="s/1"))["result"] == [
        {"metric": {"metric_name": "a"}, "value": [FIRST, "2"]},
        {"metric": {"metric_name": "b"}, "value": [FIRST + 1.5, "0.5"]},
    ]


PLENTY: dict[str, dict[str, Any]] = {
    "names": {},
    "aggregate": APRIL,
    "daily": APRIL,
    "timeseries": APRIL | {"metricName": "m"},
    "tags": {},
    "sessions": {"sessionId": "s"},
}


@pytest.mark.parametrize("path", list(OPERATIONS))
async def test_only_admins_and_owners_may_ask(world: World, path: str) -> None:
    world.give(point("m", session_id="s"))
    for role in ("admin", "owner"):
        await get(world, path, role, **PLENTY[path])
    for role in ("member", ""):
        found = await refused(world, path, role, **PLENTY[path])
        assert found == Refusal(403, {"statusCode": 403, "message": "Insufficient permissions", "error": "Forbidden"})


async def test_what_is_missing_is_said_in_the_pages_words(world: World) -> None:
    both = ("startDate must be a string", "endDate must be a string")
    assert await refused(world, "aggregate") == bad(*both)
    assert await refused(world, "daily") == bad(*both)
    assert await refused(world, "timeseries") == bad(*both, "metricName must be a string")
    assert await refused(world, "timeseries", **APRIL) == bad("metricName must be a string")
    assert await refused(world, "aggregate", startDate=["2025-04-01"] * 2, endDate="2025-04-02") == bad(both[0])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"startDate": "April"}, "startDate must be a valid ISO 8601 date string"),
        ({"startDate": ""}, "startDate must be a valid ISO 8601 date string"),
        ({"startDate": "2025-02-30"}, "startDate must be a valid ISO 8601 date string"),
        ({"startDate": "1743465600"}, "startDate must be a valid ISO 8601 date string"),
        ({"startDate": "20250401"}, "startDate must be a valid ISO 8601 date string"),
        ({"startDate": "0001-01-01"}, "startDate must lie between 1970 and 2100"),
        ({"endDate": "9999-12-31T23:59:59-14:00"}, "endDate must lie between 1970 and 2100"),
        ({"endDate": "2100-01-01"}, "endDate must lie between 1970 and 2100"),
        ({"endDate": "2025-03-31"}, "endDate must be after startDate"),
        ({"endDate": "2025-04-01T00:00:00Z"}, "endDate must be after startDate"),
        ({"timezone": "Mars/Olympus"}, "timezone must be a valid IANA time-zone"),
        ({"tags": "{origin:phone}"}, "tags must be a valid JSON object"),
        ({"tags": "[]"}, "tags must be a valid JSON object"),
        ({"tags": "[" * 100_000}, "tags must be a valid JSON object"),
        ({"tags": '{"a":1}'}, "tags must be a JSON object whose values are strings"),
        ({"tags": '{"a":["b"]}'}, "tags must be a JSON object whose values are strings"),
        ({"metricNames": ["a", "b"]}, "metricNames must be a string"),
        ({"groupBy": ["a", "b"]}, "groupBy must be a string"),
        ({"agentId": ["a", "b"]}, "agentId must be a string"),
    ],
)
async def test_a_wrong_parameter_is_named(world: World, params: dict[str, Any], message: str) -> None:
    for path in ("aggregate", "daily"):
        assert await refused(world, path, **(APRIL | params)) == bad(message)


@pytest.mark.parametrize("step", ["1", "h", "0h", "-1h", "1.5h", "1h30m", "1 hour", "1ms", "1y", "9999999999w"])
async def test_a_step_is_a_prometheus_duration(world: World, step: str) -> None:
    assert await refused(world, "timeseries", metricName="m", step=step, **APRIL) == bad(
        "step must be a positive integer and a unit of s, m, h, d or w"
    )


async def test_too_much_is_refused(world: World) -> None:
    assert await refused(world, "timeseries", metricName="m", step="1s", **APRIL) == bad(
        "the range holds 1,209,600 steps, more than 10,000"
    )
    assert (await refused(world, "daily", startDate="1970-01-01", endDate="2099-01-01")).status == 400
    assert await refused(world, "timeseries", metricName="m", startDate="2025-04-02", endDate="2025-03-01") == bad(
        "endDate must not be before startDate"
    )
    world.give(*(point("m", "2025-04-01T00:00", labels={"x": str(n)}) for n in range(300)))
    assert await refused(world, "daily", groupBy="x", startDate="2025-01-01", endDate="2025-12-31") == bad(
        "the answer would have more than 100,000 rows"
    )


async def test_the_tools_give_the_same_numbers(world: World) -> None:
    world.give(*(point("m", FIRST * 1_000 + n * HOUR, n / 4, labels={"o": str(n % 3)}) for n in range(100)))
    wire = await get(world, "aggregate", groupBy="o", **APRIL)
    told = await world.ask(
        "query_custom_metrics", metric_names=["m"], group_by=["o"], start="2025-04-01", end="2025-04-14"
    )
    at_o, at_sum = told.columns.index("o"), told.columns.index("sum")
    assert {each["o"]: each["metrics"]["m"] for each in wire} == {row[at_o]: row[at_sum] for row in told.rows}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (2, "2"),
        (0.1, "0.1"),
        (-1.5, "-1.5"),
        (0.0, "0"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (10**21, "1e+21"),
        (2**63, "9223372036854775808"),
        (0.000001, "0.000001"),
        (1.5e-7, "1.5e-07"),
        (123456.789, "123456.789"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_numbers_are_written_as_prometheus_writes_them(value: float, text: str) -> None:
    assert number_text(value) == text


@given(st.floats(allow_nan=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    assert float(number_text(value)) == value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unauthorized("x"), Refusal(401, {"statusCode": 401, "message": "Unauthorized"})),
        (
            Forbidden("x"),
            Refusal(403, {"statusCode": 403, "message": "Insufficient permissions", "error": "Forbidden"}),
        ),
        (NotFound("x"), Refusal(404, {"statusCode": 404, "message": "Not Found"})),
        (TooLarge("x"), Refusal(413, {"statusCode": 413, "message": "Payload Too Large"})),
        (InvalidRequest([Problem("tags", "are wrong")]), bad("tags are wrong")),
        (Unsupported("not here."), bad("not here")),
        (
            StoreBusy("x"),
            Refusal(503, {"statusCode": 503, "message": "Service Unavailable"}, {"Retry-After": "1"}),
        ),
        (DeadlineExceeded("secret"), Refusal(500, {"statusCode": 500, "message": "Internal server error"})),
        (GaugeError("secret"), Refusal(500, {"statusCode": 500, "message": "Internal server error"})),
    ],
)
def test_every_error_has_its_envelope(error: GaugeError, expected: Refusal) -> None:
    assert refuse(error, "r1") == expected
    assert DIALECT.served().refuse is refuse


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with points of every kind."""
    folder: Path = tmp_path_factory.mktemp("busy")
    world = World(folder)
    kinds = ("counter", "gauge", "histogram")
    world.give(
        *(
            point(kind, FIRST * 1_000 + n * 17 * MINUTE, n * 4e306, kind=kind, labels={"a": str(n % 3)}, session_id="s")
            for kind in kinds
            for n in range(40)
        )
    )
    return world


TEXTS = st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=3)
DATES = st.sampled_from(["2025-04-01", "2025-04-02", "2025-04-01T00:00:00.001Z", "2025-04-03T10:00:00+05:30"])
PARAMS = st.fixed_dictionaries(
    {"startDate": DATES | DATES | TEXTS, "endDate": DATES | DATES | TEXTS},
    optional={
        "metricName": st.sampled_from(["counter", "gauge", "histogram", "none"]) | TEXTS,
        "metricNames": st.sampled_from(["counter,gauge", "none", ","]) | TEXTS,
        "agentId": TEXTS,
        "environmentId": TEXTS,
        "tags": st.sampled_from(['{"a":"1"}', "{}", '{"":""}']) | TEXTS,
        "timezone": st.sampled_from(["Asia/Kolkata", "Pacific/Apia", "UTC"]) | TEXTS,
        "groupBy": st.sampled_from(["a", "a,b", "agent_id", "metadata.x", "labels."]) | TEXTS,
        "step": st.sampled_from(["1h", "7m", "1d", "1w"]) | TEXTS,
        "sessionId": st.sampled_from(["s"]) | TEXTS,
    },
)


@given(path=st.sampled_from(list(OPERATIONS)), params=PARAMS)
async def test_any_parameters_are_answered_or_refused(busy: World, path: str, params: dict[str, Any]) -> None:
    try:
        await get(busy, path, **params)
    except GaugeError as error:
        found = refuse(error, "r1")
        assert found.status == 400
        assert all(isinstance(each, str) for each in found.body["message"])
