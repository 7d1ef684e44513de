"""Astropods' observability over the wire: whole bodies and refusals (contract `astropods` 5.1, 5.2 and 5.4)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from world import HOUR, MINUTE, NOW, World, at, event

from agentgauge.core.errors import (
    DeadlineExceeded,
    Forbidden,
    GaugeError,
    InvalidRequest,
    NotFound,
    Problem,
    StoreBusy,
    StoreUnwritable,
    TooLarge,
    Unauthorized,
    Unsupported,
)
from agentgauge.core.operation import Refusal
from agentgauge.core.wire import read
from agentgauge.dialects.astropods import DIALECT
from agentgauge.dialects.astropods.contract import AgentNotFound, NotConfigured, refuse

METRICS, SUMMARY = DIALECT.operations
AGENT = {"account": "astro-team", "name": "weather-agent"}
PATHS = frozenset(AGENT)
RANGE = {"start_time": "2024-04-01T00:00:00Z", "end_time": "2024-04-01T03:00:00Z"}
EMPTY = {"trace_count": 0, "avg_latency_ms": 0, "input_tokens": 0, "output_tokens": 0, "error_count": 0}


async def get(world: World, operation: Any, **params: Any) -> dict[str, Any]:
    """The answer about an agent, as a client reads it."""
    desk = world.app.desk()
    request = read(operation.request, params | AGENT, paths=PATHS)
    found = operation.encode(request, await operation.answer(request, desk), desk)
    TypeAdapter(operation.body).validate_python(found, strict=True)
    return json.loads(json.dumps(found, allow_nan=False))


async def refused(world: World, operation: Any, **params: Any) -> Refusal:
    """The refusal of a question."""
    with pytest.raises(GaugeError) as caught:
        await get(world, operation, **params)
    return refuse(caught.value, "r1")


def bad(details: str, error: str = "invalid request") -> Refusal:
    """The refusal of parameters."""
    return Refusal(400, {"error": error, "details": details})


def run(when: str | int = "2024-04-01T00:30", /, **fields: Any) -> dict[str, Any]:
    """A trace of the agent."""
    return event("request", when, account="astro-team", agent_name="weather-agent") | fields


async def test_the_pages_sample_is_answered_to_the_letter(world: World) -> None:
    hours = [(120, 250.5, 15_000, 18_000, 3), (135, 230.2, 16_500, 19_500, 1), (110, 245, 14_000, 17_000, 0)]
    for hour, (count, latency, given_tokens, made, failed) in enumerate(hours):
        start = at("2024-04-01T00:00") + hour * HOUR
        world.give(
            *(
                run(
                    start + n * 1_000,
                    latency_ms=latency,
                    input_tokens=given_tokens if n == 0 else 0,
                    output_tokens=made if n == 1 else None,
                    is_failure=n < failed,
                )
                for n in range(count)
            )
        )
    assert await get(world, METRICS, **RANGE) == {
        "buckets": [
            {
                "timestamp": "2024-04-01T00:00:00Z",
                "trace_count": 120,
                "avg_latency_ms": 250.5,
                "input_tokens": 15000,
                "output_tokens": 18000,
                "error_count": 3,
            },
            {
                "timestamp": "2024-04-01T01:00:00Z",
                "trace_count": 135,
                "avg_latency_ms": 230.2,
                "input_tokens": 16500,
                "output_tokens": 19500,
                "error_count": 1,
            },
            {
                "timestamp": "2024-04-01T02:00:00Z",
                "trace_count": 110,
                "avg_latency_ms": 245,
                "input_tokens": 14000,
                "output_tokens": 17000,
                "error_count": 0,
            },
        ],
        "time_range": {"start": "2024-04-01T00:00:00Z", "end": "2024-04-01T03:00:00Z"},
        "interval_minutes": 60,
    }


async def test_every_bucket_is_there_and_an_empty_one_is_zeros(world: World) -> None:
    world.give(run("2024-04-01T01:59"))
    found = await get(world, METRICS, **RANGE)
    assert found["buckets"] == [
        {"timestamp": "2024-04-01T00:00:00Z"} | EMPTY,
        {"timestamp": "2024-04-01T01:00:00Z"} | EMPTY | {"trace_count": 1},
        {"timestamp": "2024-04-01T02:00:00Z"} | EMPTY,
    ]


async def test_buckets_lie_on_the_epochs_grid_and_the_range_is_half_open(world: World) -> None:
    first = at("2024-04-01T00:10")
    world.give(*(run(each) for each in (first - 1, first, first + 20 * MINUTE - 1, first + 20 * MINUTE)))
    times = {"start_time": "2024-04-01T00:10:00Z", "end_time": "2024-04-01T00:30:00Z"}
    found = await get(world, METRICS, interval="15", **times)
    assert found == {
        "buckets": [
            {"timestamp": "2024-04-01T00:00:00Z"} | EMPTY | {"trace_count": 1},
            {"timestamp": "2024-04-01T00:15:00Z"} | EMPTY | {"trace_count": 1},
        ],
        "time_range": {"start": "2024-04-01T00:10:00Z", "end": "2024-04-01T00:30:00Z"},
        "interval_minutes": 15,
    }


async def test_without_times_it_is_the_last_day_until_now(world: World) -> None:
    world.now = NOW + 250
    world.give(run(NOW), run(NOW - 25 * HOUR))
    found = await get(world, METRICS)
    assert found["time_range"] == {"start": "2026-05-19T12:30:00.250Z", "end": "2026-05-20T12:30:00.250Z"}
    assert found["interval_minutes"] == 60
    assert len(found["buckets"]) == 25
    assert found["buckets"][0] == {"timestamp": "2026-05-19T12:00:00Z"} | EMPTY
    assert sum(each["trace_count"] for each in found["buckets"]) == 1
    assert await get(world, METRICS, start_time="", end_time="", interval="") == found
    found = await get(world, METRICS, end_time="2026-05-20T00:00:00Z")
    assert found["time_range"] == {"start": "2026-05-19T00:00:00Z", "end": "2026-05-20T00:00:00Z"}
    found = await get(world, METRICS, start_time="2026-05-20T12:00:00Z")
    assert found["time_range"] == {"start": "2026-05-20T12:00:00Z", "end": "2026-05-20T12:30:00.250Z"}


async def test_a_time_may_have_any_offset(world: World) -> None:
    world.give(run())
    expected = await get(world, METRICS, **RANGE)
    for start in ("2024-04-01T02:00:00+02:00", "2024-04-01T02:00:00 02:00", "2024-03-31t19:00:00.000-05:00"):
        assert await get(world, METRICS, start_time=start, end_time=RANGE["end_time"]) == expected


async def test_a_summary_covers_the_whole_range(world: World) -> None:
    world.give(
        run(latency_ms=100, is_failure=True),
        run(latency_ms=201),
        run(),
        run(is_failure=False),
        run("2024-04-01T03:00", latency_ms=9_999),
    )
    times = {"start": "2024-04-01T00:00:00Z", "end": "2024-04-01T03:00:00Z"}
    assert await get(world, SUMMARY, **RANGE) == {
        "total_traces": 4,
        "avg_latency_ms": 150.5,
        "error_rate": 0.25,
        "time_range": times,
    }
    later = {"start_time": "2024-05-01T00:00:00Z", "end_time": "2024-05-02T00:00:00Z"}
    assert await get(world, SUMMARY, **later) == {
        "total_traces": 0,
        "avg_latency_ms": 0,
        "error_rate": 0,
        "time_range": {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"},
    }


async def test_only_that_agent_of_that_account_counts(world: World) -> None:
    world.give(run(), run(account="other"), run(agent_name="other"), run(account=None))
    assert (await get(world, SUMMARY, **RANGE))["total_traces"] == 1


async def test_an_average_past_every_number_is_the_largest(world: World) -> None:
    world.give(*(run(latency_ms=1.5e308) for _ in range(2)))
    assert (await get(world, SUMMARY, **RANGE))["avg_latency_ms"] == sys.float_info.max


@pytest.mark.parametrize("operation", [METRICS, SUMMARY])
async def test_without_traces_of_anybody_nothing_is_configured(world: World, operation: Any) -> None:
    expected = Refusal(503, {"error": "observability is not configured"})
    assert await refused(world, operation) == expected
    world.give(event("agent", NOW, id="a", **AGENT), event("model_call", NOW))
    assert await refused(world, operation) == expected


@pytest.mark.parametrize("operation", [METRICS, SUMMARY])
async def test_an_agent_that_nobody_has_is_not_found(world: World, operation: Any) -> None:
    world.give(run(account="other"), run(agent_name="weather"), event("agent", NOW, id="a", name="weather-agent"))
    assert await refused(world, operation, **RANGE) == Refusal(404, {"error": "agent not found"})
    world.give(event("agent", NOW, id="b", **AGENT))
    assert (await get(world, operation, **RANGE))["time_range"]["start"] == RANGE["start_time"]


async def test_an_agent_without_traces_in_the_range_is_zeros(world: World) -> None:
    world.give(run(NOW))
    found = await get(world, METRICS, **RANGE)
    assert [each["trace_count"] for each in found["buckets"]] == [0, 0, 0]


@pytest.mark.parametrize(
    ("params", "details"),
    [
        ({"interval": "0"}, "interval: Input should be greater than or equal to 1"),
        ({"interval": "-5"}, "interval: Input should be greater than or equal to 1"),
        ({"interval": "99999999999"}, "interval: Input should be less than or equal to 68374080"),
        ({"interval": "9" * 30}, "interval: must be a whole number of minutes"),
        ({"interval": "1.5"}, "interval: must be a whole number of minutes"),
        ({"interval": "1h"}, "interval: must be a whole number of minutes"),
        ({"interval": ["60", "60"]}, "interval: Input should be a valid integer"),
        ({"start_time": "2024-04-01"}, "start_time: must be an RFC 3339 date-time"),
        ({"start_time": "2024-04-01T00:00:00"}, "start_time: must be an RFC 3339 date-time"),
        ({"start_time": "1711929600"}, "start_time: must be an RFC 3339 date-time"),
        ({"start_time": "2024-13-01T00:00:00Z"}, "start_time: must be an RFC 3339 date-time"),
        ({"start_time": ["2024-04-01T00:00:00Z"] * 2}, "start_time: must be an RFC 3339 date-time"),
        ({"end_time": "9999-12-31T23:59:59-14:00"}, "end_time: must lie between 1970 and 2100"),
        ({"start_time": "0001-01-01T00:00:00+14:00"}, "start_time: must lie between 1970 and 2100"),
        ({"start_time": "2024-04-01T03:00:00Z"}, "start_time: must be before end_time"),
        ({"start_time": "2024-04-02T00:00:00Z"}, "start_time: must be before end_time"),
        (
            {"start_time": "x", "interval": "y"},
            "start_time: must be an RFC 3339 date-time; interval: must be a whole number of minutes",
        ),
    ],
)
async def test_a_wrong_parameter_is_refused(world: World, params: dict[str, Any], details: str) -> None:
    world.give(run())
    assert await refused(world, METRICS, **(RANGE | params)) == bad(details)


async def test_more_than_ten_thousand_buckets_are_refused(world: World) -> None:
    world.give(run())
    times = {"start_time": "2024-04-01T00:00:00Z", "end_time": "2024-04-07T22:41:00Z"}
    assert await refused(world, METRICS, interval="1", **times) == bad(
        "the window holds 10,001 buckets of 1m, more than 10,000", "time range too large"
    )
    times["end_time"] = "2024-04-07T22:40:00Z"
    assert len((await get(world, METRICS, interval="1", **times))["buckets"]) == 10_000


async def test_the_tool_gives_the_same_numbers(world: World) -> None:
    world.give(*(run(NOW - n * 7 * MINUTE, latency_ms=n, input_tokens=n, is_failure=n % 5 == 0) for n in range(100)))
    wire = (await get(world, METRICS, start_time="2026-05-20T00:00:00Z", end_time="2026-05-20T12:00:00Z"))["buckets"]
    told = await world.ask(
        "get_trace_metrics",
        name="weather-agent",
        start="2026-05-20T00:00Z",
        end="2026-05-20T12:00Z",
        interval=60,
        budget=8_000,
    )
    series = {row[told.columns.index("measure")]: row[-1] for row in told.rows}
    for name in ("trace_count", "avg_latency_ms", "input_tokens", "error_count"):
        assert [each[name] for each in wire] == series[name]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unauthorized("x"), Refusal(401, {"error": "Authentication required"})),
        (Forbidden("x"), Refusal(403, {"error": "Insufficient permissions for this account"})),
        (NotFound("x"), Refusal(404, {"error": "not found"})),
        (AgentNotFound("x"), Refusal(404, {"error": "agent not found"})),
        (TooLarge("x"), Refusal(413, {"error": "request body too large"})),
        (InvalidRequest([Problem("interval", "is wrong")]), bad("interval: is wrong")),
        (Unsupported("not here."), bad("not here")),
        (NotConfigured("x"), Refusal(503, {"error": "observability is not configured"})),
        (StoreBusy("x"), Refusal(503, {"error": "service unavailable"}, {"Retry-After": "1"})),
        (StoreUnwritable("secret"), Refusal(500, {"error": "internal server error"})),
        (DeadlineExceeded("secret"), Refusal(500, {"error": "internal server error"})),
        (GaugeError("secret"), Refusal(500, {"error": "internal server error"})),
    ],
)
def test_every_error_has_its_envelope(error: GaugeError, expected: Refusal) -> None:
    assert refuse(error, "r1") == expected
    assert DIALECT.served().refuse is refuse


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with some traces."""
    folder: Path = tmp_path_factory.mktemp("busy")
    world = World(folder)
    world.give(*(run(NOW - n * HOUR, latency_ms=n) for n in range(50)))
    return world


TEXTS = st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=3)
TIMES = st.sampled_from(["2026-05-19T00:00:00Z", "2026-05-20T00:00:00.5+05:30", "2026-05-21T10:00:00Z"])
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "start_time": TIMES | TIMES | TEXTS,
        "end_time": TIMES | TIMES | TEXTS,
        "interval": st.integers(-5, 10**9).map(str) | st.integers(1, 100).map(str) | TEXTS,
    },
)


@given(operation=st.sampled_from([METRICS, SUMMARY]), params=PARAMS)
async def test_any_parameters_are_answered_or_refused(busy: World, operation: Any, params: dict[str, Any]) -> None:
    try:
        await get(busy, operation, **params)
    except GaugeError as error:
        found = refuse(error, "r1")
        assert found.status == 400
        assert isinstance(found.body["details"], str)
