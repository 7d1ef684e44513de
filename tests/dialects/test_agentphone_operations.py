"""AgentPhone's usage family over the wire: whole bodies and refusals (contract `agentphone` 2.2, 2.3 and 2.5)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from world import DAY, HOUR, NOW, World, at, event, sent

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
from agentgauge.core.operation import Refusal
from agentgauge.core.wire import read
from agentgauge.dialects.agentphone import DIALECT
from agentgauge.dialects.agentphone.contract import refuse

OPERATIONS = {each.path.removeprefix("/v1/usage"): each for each in DIALECT.operations}
MANY = 2_147_483_647


async def get(world: World, path: str, **params: Any) -> dict[str, Any]:
    """The answer of a path, as a client reads it."""
    operation, desk = OPERATIONS[path], world.app.desk()
    request = read(operation.request, params)
    found = operation.encode(request, await operation.answer(request, desk), desk)
    TypeAdapter(operation.body).validate_python(found, strict=True)
    return json.loads(json.dumps(found, allow_nan=False))


async def refused(world: World, path: str, **params: Any) -> Refusal:
    """The refusal of a request."""
    with pytest.raises(GaugeError) as caught:
        await get(world, path, **params)
    return refuse(caught.value, "r1")


def wrong(name: str, message: str, kind: str) -> Refusal:
    """The refusal of one parameter, in both shapes."""
    return Refusal(
        422,
        {
            "detail": [{"loc": ["query", name], "msg": message, "type": kind}],
            "error": {
                "message": "Request validation failed",
                "code": "VALIDATION_ERROR",
                "type": "validation_error",
                "details": [{"field": name, "message": message, "type": "value_error"}],
            },
        },
    )


def received(when: str | int, **fields: Any) -> dict[str, Any]:
    """An inbound message."""
    return event("message", when, direction="inbound", status="received", **fields)


def call(when: str | int, status: str = "completed", **fields: Any) -> dict[str, Any]:
    """A phone call."""
    return event("call", when, status=status, **fields)


def agent(id: str | None, name: str, messages: int = 0, calls: int = 0, seconds: int = 0) -> dict[str, Any]:
    """A row by agent."""
    counts = {"messages": messages, "calls": calls, "totalSeconds": seconds}
    return {"agentId": id, "agentName": name, **counts, "isOrphan": id is None}


async def test_the_pages_sample_is_answered_to_the_letter(world: World) -> None:
    world.now = at("2024-06-15T12:00")
    rows: list[tuple[str | None, str, int, int, int]] = [
        ("a1b2c3d4-e5f6-7890-ab12-cd34ef567890", "Support Agent Alpha", 152, 47, 7320),
        ("b2c3d4e5-f678-9012-ab34-cd56ef789012", "Sales Agent Beta", 98, 30, 5400),
        (None, "Unassigned", 25, 5, 600),
    ]
    for id, name, messages, calls, seconds in rows:
        if id:
            world.give(event("agent", "2024-01-01T00:00", id=id, name=name))
        half = messages // 2
        world.give(
            *(sent("2024-06-01T00:00", agent_id=id) for _ in range(half)),
            *(received("2024-06-14T00:00", agent_id=id) for _ in range(messages - half)),
            *(call("2024-06-02T00:00", agent_id=id, duration_seconds=seconds / calls) for _ in range(calls)),
        )
    found = await get(world, "/by-agent", period="month")
    expected = {
        "data": [
            {
                "agentId": "a1b2c3d4-e5f6-7890-ab12-cd34ef567890",
                "agentName": "Support Agent Alpha",
                "messages": 152,
                "calls": 47,
                "totalSeconds": 7320,
                "isOrphan": False,
            },
            {
                "agentId": "b2c3d4e5-f678-9012-ab34-cd56ef789012",
                "agentName": "Sales Agent Beta",
                "messages": 98,
                "calls": 30,
                "totalSeconds": 5400,
                "isOrphan": False,
            },
            {
                "agentId": None,
                "agentName": "Unassigned",
                "messages": 25,
                "calls": 5,
                "totalSeconds": 600,
                "isOrphan": True,
            },
        ],
        "period": "month",
        "periodStart": "2024-06-01T00:00:00Z",
        "periodEnd": "2024-06-30T23:59:59Z",
    }
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    ("period", "tz", "start", "end"),
    [
        ("week", None, "2026-05-18T00:00:00Z", "2026-05-24T23:59:59Z"),
        ("month", None, "2026-05-01T00:00:00Z", "2026-05-31T23:59:59Z"),
        ("year", None, "2026-01-01T00:00:00Z", "2026-12-31T23:59:59Z"),
        ("week", "", "2026-05-18T00:00:00Z", "2026-05-24T23:59:59Z"),
        ("week", "America/New_York", "2026-05-18T04:00:00Z", "2026-05-25T03:59:59Z"),
        ("month", "Asia/Kolkata", "2026-04-30T18:30:00Z", "2026-05-31T18:29:59Z"),
        ("year", "America/New_York", "2026-01-01T05:00:00Z", "2027-01-01T04:59:59Z"),
        ("year", "Pacific/Kiritimati", "2025-12-31T10:00:00Z", "2026-12-31T09:59:59Z"),
    ],
)
async def test_a_period_is_that_of_the_calendar_in_its_zone(
    world: World, period: str, tz: str | None, start: str, end: str
) -> None:
    zone = {} if tz is None else {"tz": tz}
    first, last = at(start.removesuffix("Z")), at(end.removesuffix("Z"))
    world.give(*(sent(each, agent_id="a") for each in (first - 1, first, last + 999, last + 1_000)))
    assert await get(world, "/by-agent", period=period, **zone) == {
        "data": [agent("a", "a", messages=2)],
        "period": period,
        "periodStart": start,
        "periodEnd": end,
    }


async def test_only_sent_and_received_messages_and_completed_calls_count(world: World) -> None:
    world.give(
        sent(NOW, agent_id="a"),
        received(NOW, agent_id="a"),
        event("message", NOW, direction="outbound", status="delivered", agent_id="a"),
        event("message", NOW, direction="inbound", status="sent", agent_id="b"),
        call(NOW, agent_id="a", duration_seconds=60.2),
        call(NOW, agent_id="a", duration_seconds=30.3),
        call(NOW, agent_id="a"),
        call(NOW, "failed", agent_id="b", duration_seconds=1_000),
    )
    found = await get(world, "/by-agent", period="week")
    assert found["data"] == [agent("a", "a", messages=2, calls=3, seconds=90)]


async def test_seconds_are_rounded_half_even_once(world: World) -> None:
    world.give(*(call(NOW, agent_id=id, duration_seconds=n) for id, n in (("a", 0.25), ("a", 0.25), ("b", 1.5))))
    found = await get(world, "/by-agent", period="week")
    assert found["data"] == [agent("a", "a", calls=2, seconds=0), agent("b", "b", calls=1, seconds=2)]


async def test_seconds_past_every_number_are_the_largest(world: World) -> None:
    world.give(*(call(NOW, agent_id="a", duration_seconds=1.5e308) for _ in range(2)))
    ((found,),) = [(await get(world, "/by-agent", period="week"))["data"]]
    assert found["totalSeconds"] == int(sys.float_info.max)


async def test_agents_come_by_their_traffic_and_the_unassigned_last(world: World) -> None:
    world.give(
        event("agent", "2026-01-01T00:00", id="a", name="Ada"),
        *(sent(NOW) for _ in range(9)),
        *(call(NOW, agent_id="a") for _ in range(3)),
        *(sent(NOW, agent_id="b", agent_name="Bob") for _ in range(2)),
        sent(NOW, agent_name="nameless"),
        event("agent", "2026-01-01T00:00", id="idle", name="Idle"),
    )
    found = await get(world, "/by-agent", period="week")
    assert found["data"] == [
        agent("a", "Ada", calls=3),
        agent("b", "Bob", messages=2),
        agent("nameless", "nameless", messages=1),
        agent(None, "Unassigned", messages=9),
    ]


async def test_without_traffic_there_are_no_agents_and_no_orphan(world: World) -> None:
    assert (await get(world, "/by-agent", period="week"))["data"] == []
    world.give(sent(NOW, agent_id="a"))
    assert (await get(world, "/by-agent", period="week"))["data"] == [agent("a", "a", messages=1)]


async def test_days_are_as_many_as_asked_ascending_until_today(world: World) -> None:
    world.give(
        sent("2026-05-19T23:59", agent_id="a"),
        sent("2026-05-20T00:00"),
        received(NOW),
        call("2026-05-18T00:00", "failed"),
        event("webhook", "2026-05-18T12:00", status="retried"),
        sent("2026-05-17T23:59"),
    )
    assert await get(world, "/daily", days="3") == {
        "data": [
            {"date": "2026-05-18", "messages": 0, "calls": 1, "webhooks": 1},
            {"date": "2026-05-19", "messages": 1, "calls": 0, "webhooks": 0},
            {"date": "2026-05-20", "messages": 2, "calls": 0, "webhooks": 0},
        ],
        "days": 3,
    }


@pytest.mark.parametrize(("given", "days"), [({}, 30), ({"days": "1"}, 1), ({"days": 365}, 365)])
async def test_days_are_zero_where_nothing_happened(world: World, given: dict[str, Any], days: int) -> None:
    found = await get(world, "/daily", **given)
    assert found["days"] == len(found["data"]) == days
    assert found["data"][-1] == {"date": "2026-05-20", "messages": 0, "calls": 0, "webhooks": 0}
    dates = [at(each["date"]) for each in found["data"]]
    assert dates == list(range(dates[0], dates[0] + days * DAY, DAY))


async def test_months_are_as_many_as_asked_ascending_until_this_one(world: World) -> None:
    world.give(sent("2026-03-31T23:59"), sent("2026-04-01T00:00"), call("2026-05-01T00:00", "busy"))
    assert await get(world, "/monthly", months="2") == {
        "data": [
            {"month": "2026-04", "messages": 1, "calls": 0, "webhooks": 0},
            {"month": "2026-05", "messages": 0, "calls": 1, "webhooks": 0},
        ],
        "months": 2,
    }
    found = await get(world, "/monthly")
    assert [each["month"] for each in found["data"]] == [
        f"{y}-{m:02}" for y, m in ((2025, 12), *((2026, n) for n in range(1, 6)))
    ]
    assert found["months"] == 6
    assert len((await get(world, "/monthly", months=24))["data"]) == 24


async def test_numbers_have_their_lifetime_and_their_agent(world: World) -> None:
    number = {"phone_number": "+15551234567", "country": "US", "status": "active", "agent_id": "agent_1"}
    world.give(
        event("agent", "2020-01-01T00:00", id="agent_1", name="Support"),
        event("number", "2020-01-01T00:00", id="num_1", **number),
        event("number", "2020-01-01T00:00", id="num_2", phone_number="+4915112345678", country="DE", status="released"),
        sent("2021-01-01T00:00", number_id="num_1"),
        call(NOW, "failed", number_id="num_1"),
        received(NOW, number_id="num_1"),
        sent(NOW, number_id="num_9"),
        sent(NOW),
    )
    assert await get(world, "/by-number") == {
        "data": [
            {
                "numberId": "num_1",
                "phoneNumber": "+15551234567",
                "country": "US",
                "status": "active",
                "messages": 2,
                "calls": 1,
                "agentId": "agent_1",
                "agentName": "Support",
            },
            {
                "numberId": "num_9",
                "phoneNumber": "",
                "country": "",
                "status": "",
                "messages": 1,
                "calls": 0,
                "agentId": None,
                "agentName": None,
            },
            {
                "numberId": "num_2",
                "phoneNumber": "+4915112345678",
                "country": "DE",
                "status": "released",
                "messages": 0,
                "calls": 0,
                "agentId": None,
                "agentName": None,
            },
        ]
    }


async def test_the_account_has_rolling_windows_and_numbers_that_add_up(world: World) -> None:
    ages = [HOUR, 2 * DAY, 10 * DAY, 100 * DAY]
    world.give(
        *(sent(NOW - age, segments=2) for age in ages),
        sent(NOW - HOUR, "whatsapp", segments=9),
        *(call(NOW - age, "failed") for age in ages[1:]),
        *(event("webhook", NOW - DAY, status=status) for status in ("delivered", "delivered", "failed", "retried")),
        event("number", "2020-01-01T00:00", id="n1", status="active"),
        event("number", "2020-01-01T00:00", id="n2", status="released"),
    )
    limits = ("numbers", "messagesPerMonth", "voiceMinutesPerMonth", "maxCallDurationMinutes", "concurrentCalls")
    assert await get(world, "") == {
        "plan": {"name": "local", "limits": dict.fromkeys(limits, MANY)},
        "numbers": {"used": 1, "limit": MANY, "remaining": MANY - 1},
        "stats": {
            "totalMessages": 5,
            "messagesLast24h": 2,
            "messagesLast7d": 3,
            "messagesLast30d": 4,
            "totalCalls": 3,
            "callsLast24h": 0,
            "callsLast7d": 1,
            "callsLast30d": 2,
            "totalWebhookDeliveries": 4,
            "successfulWebhookDeliveries": 2,
            "failedWebhookDeliveries": 2,
            "smsSegmentsLast30d": 6,
        },
        "periodStart": "2026-05-13T12:30:00Z",
        "periodEnd": "2026-05-20T12:30:00Z",
        "reportGeneratedAt": "2026-05-20T12:30:00Z",
    }


async def test_an_empty_account_is_all_zeros(world: World) -> None:
    found = await get(world, "")
    assert set(found["stats"].values()) == {0}
    assert found["numbers"] == {"used": 0, "limit": MANY, "remaining": MANY}
    assert await get(world, "/by-number") == {"data": []}


async def test_the_tools_give_the_same_numbers(world: World) -> None:
    world.give(
        *(sent(NOW - n * HOUR, agent_id=f"a{n % 3}", number_id=f"n{n % 2}", segments=1) for n in range(40)),
        *(call(NOW - n * DAY, agent_id=f"a{n % 2}", duration_seconds=n) for n in range(40)),
        *(event("webhook", NOW - n * DAY, status="delivered") for n in range(40)),
    )
    told = await world.ask("usage_by_agent", period="month", budget=8_000)
    found = (await get(world, "/by-agent", period="month"))["data"]
    assert {each["agentId"]: [each["messages"], each["calls"], each["totalSeconds"]] for each in found} == {
        row[0]: list(row[1:]) for row in told.rows
    }
    stats = {row[0]: row[1] for row in (await world.ask("get_usage", budget=8_000)).rows}
    wire = (await get(world, ""))["stats"]
    assert [wire[name] for name in ("totalMessages", "messagesLast7d", "callsLast30d", "smsSegmentsLast30d")] == [
        stats[name] for name in ("total_messages", "messages_last_7d", "calls_last_30d", "sms_segments_last_30d")
    ]
    days = await world.ask("get_usage", breakdown="daily", days=14, budget=8_000)
    series = {row[days.columns.index("measure")]: row[-1] for row in days.rows}
    wire_days = (await get(world, "/daily", days=14))["data"]
    for name in ("messages", "calls", "webhooks"):
        assert [each[name] for each in wire_days] == series[name]


async def test_a_period_is_needed_and_one_of_three(world: World) -> None:
    assert await refused(world, "/by-agent") == wrong("period", "Field required", "missing")
    literal = "Input should be 'week', 'month' or 'year'"
    for text in ("day", "", "WEEK", ["week", "month"]):
        assert await refused(world, "/by-agent", period=text) == wrong("period", literal, "literal_error")


async def test_a_zone_that_is_none_is_refused_by_its_name(world: World) -> None:
    for tz in ("Mars/Olympus", "../etc/passwd", "EST5EDT4", "utc\x00", "a" * 5_000):
        assert await refused(world, "/by-agent", period="week", tz=tz) == wrong(
            "tz", "must be an IANA time zone, like America/New_York", "value_error"
        )
    assert await refused(world, "/by-agent", period="week", tz=["UTC", "UTC"]) == wrong(
        "tz", "Input should be a valid string", "string_type"
    )


async def test_two_wrong_parameters_are_two_details(world: World) -> None:
    found = await refused(world, "/by-agent", period="x", tz="y")
    assert [each["loc"] for each in found.body["detail"]] == [["query", "period"], ["query", "tz"]]
    assert [each["field"] for each in found.body["error"]["details"]] == ["period", "tz"]


@pytest.mark.parametrize(("path", "name", "most"), [("/daily", "days", 365), ("/monthly", "months", 24)])
async def test_counts_have_limits(world: World, path: str, name: str, most: int) -> None:
    least = wrong(name, "Input should be greater than or equal to 1", "greater_than_equal")
    for text in ("0", "-5"):
        assert await refused(world, path, **{name: text}) == least
    over = wrong(name, f"Input should be less than or equal to {most}", "less_than_equal")
    for text in (str(most + 1), "9" * 30):
        assert await refused(world, path, **{name: text}) == over
    for text in ("", "x", "1.5"):
        assert (await refused(world, path, **{name: text})).body["detail"][0]["loc"] == ["query", name]
    assert (await refused(world, path, **{name: ["3", "4"]})).body["detail"][0]["type"] == "int_type"


async def test_unknown_parameters_are_ignored(world: World) -> None:
    assert await get(world, "/by-number", days="x", limit=["1", "2"]) == {"data": []}


def envelope(status: int, code: str, kind: str, message: str, headers: dict[str, str] | None = None) -> Refusal:
    """A refusal that is about no parameter."""
    error: dict[str, Any] = {"message": message, "code": code, "type": kind, "details": []}
    return Refusal(status, {"detail": message, "error": error}, headers or {})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unauthorized("x"), envelope(401, "UNAUTHORIZED", "authentication_error", "Invalid or missing API key")),
        (Forbidden("x"), envelope(403, "FORBIDDEN", "permission_error", "Insufficient permissions")),
        (NotFound("x"), envelope(404, "NOT_FOUND", "not_found", "Not Found")),
        (TooLarge("x"), envelope(413, "PAYLOAD_TOO_LARGE", "validation_error", "Request body too large")),
        (InvalidRequest([Problem("days", "is wrong", "int_parsing")]), wrong("days", "is wrong", "int_parsing")),
        (Unsupported("not here."), wrong("request", "not here.", "value_error")),
        (
            StoreBusy("x"),
            envelope(503, "SERVICE_UNAVAILABLE", "api_error", "Service temporarily unavailable", {"Retry-After": "1"}),
        ),
        (DeadlineExceeded("secret"), envelope(500, "INTERNAL_ERROR", "api_error", "Internal server error")),
        (GaugeError("secret"), envelope(500, "INTERNAL_ERROR", "api_error", "Internal server error")),
    ],
)
def test_every_error_has_its_envelope(error: GaugeError, expected: Refusal) -> None:
    assert refuse(error, "r1") == expected
    assert DIALECT.served().refuse is refuse


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with some traffic."""
    folder: Path = tmp_path_factory.mktemp("busy")
    world = World(folder)
    world.give(*(sent(NOW - n * HOUR, agent_id=str(n % 3)) for n in range(50)), call(NOW, duration_seconds=1e300))
    return world


TEXTS = st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=3)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "period": st.sampled_from(["week", "month", "year"]) | TEXTS,
        "tz": st.sampled_from(["Asia/Kolkata", "Pacific/Apia", "Africa/Cairo", "UTC"]) | TEXTS,
        "days": st.integers(-5, 400).map(str) | TEXTS,
        "months": st.integers(-5, 40).map(str) | TEXTS,
    },
)


@given(path=st.sampled_from(list(OPERATIONS)), params=PARAMS, now=st.integers(DAY, at("2099-12-01")))
async def test_any_parameters_are_answered_or_refused(busy: World, path: str, params: dict[str, Any], now: int) -> None:
    world = World(busy.home, now=now)
    try:
        await get(world, path, **params)
    except GaugeError as error:
        assert refuse(error, "r1").status == 422
