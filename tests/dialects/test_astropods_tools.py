"""`get_trace_metrics`: Astropods' bucketed trace metrics of one agent (contract `astropods` 5.2 and 5.4)."""

from __future__ import annotations

from typing import Any

import pytest
from world import HOUR, NOW, World, at, by, event, known_until

from agentgauge.core.errors import InvalidValue, UnknownName

TOOL = "get_trace_metrics"
HOURS: dict[str, Any] = {"name": "weather", "start": "2026-05-05T00:00Z", "end": "2026-05-05T03:00Z", "interval": 60}


def run(when: str | int, name: str = "weather", **fields: Any) -> dict[str, Any]:
    """An agent run."""
    return event("request", when, agent_name=name, **fields)


async def test_a_bucket_has_runs_latency_tokens_and_errors(world: World) -> None:
    world.give(
        run("2026-05-05T00:00", latency_ms=200, input_tokens=10, output_tokens=3),
        run("2026-05-05T00:59", latency_ms=301, input_tokens=20, output_tokens=4, is_failure=True),
        run("2026-05-05T02:00", latency_ms=50, is_failure=False),
        run("2026-05-05T03:00", latency_ms=9_999),
    )
    answer = await world.ask(TOOL, **HOURS)
    assert by(answer, "values") == {
        "trace_count": [2, 0, 1],
        "avg_latency_ms": [250.5, None, 50],
        "input_tokens": [30, 0, 0],
        "output_tokens": [7, 0, 0],
        "error_count": [1, 0, 0],
    }
    assert answer.total["avg_latency_ms"] == pytest.approx(551 / 3)  # pyright: ignore[reportIndexIssue, reportArgumentType, reportCallIssue, reportOptionalSubscript]


@pytest.mark.parametrize(
    ("interval", "said"), [(30, "30m"), ("30", "30m"), ("1h", "1h"), ("2 hours", "2h"), (1440, "1440m")]
)
async def test_a_bare_integer_interval_is_minutes(world: World, interval: str | int, said: str) -> None:
    world.give(run("2026-05-05T00:00"))
    assert (await world.ask(TOOL, **HOURS | {"interval": interval})).structured()["interval"] == said


@pytest.mark.parametrize("interval", [0, -5, "0", "1h30m", "soon", 1.5])
async def test_an_interval_that_is_none_is_refused(world: World, interval: Any) -> None:
    world.give(run("2026-05-05T00:00"))
    with pytest.raises(InvalidValue):
        await world.ask(TOOL, **HOURS | {"interval": interval})


async def test_an_unknown_agent_is_refused_with_the_nearest(world: World) -> None:
    world.give(run("2026-05-05T00:00", "weather-agent"), run("2026-05-05T00:00", "billing"))
    with pytest.raises(UnknownName, match=r'"wether-agent" is not an agent with runs.*Did you mean "weather-agent"\?'):
        await world.ask(TOOL, **HOURS | {"name": "wether-agent"})


async def test_several_accounts_are_refused_until_one_is_named(world: World) -> None:
    world.give(*(run("2026-05-05T00:00", account=account) for account in ("one", "two", "two")))
    with pytest.raises(InvalidValue, match=r'several accounts .*: "two", "one".*account='):
        await world.ask(TOOL, **HOURS)
    answer = await world.ask(TOOL, **HOURS, account="two")
    assert by(answer, "total")["trace_count"] == 2


async def test_the_only_account_need_not_be_named(world: World) -> None:
    world.give(run("2026-05-05T00:00", account="one"), run("2026-05-05T00:00", "billing", account="two"))
    assert by(await world.ask(TOOL, **HOURS), "total")["trace_count"] == 1


async def test_an_account_that_the_agent_is_not_in_is_refused(world: World) -> None:
    world.give(run("2026-05-05T00:00", account="one"), run("2026-05-05T00:00", "billing", account="two"))
    with pytest.raises(UnknownName, match=r'"two" is not an account of that agent. Known: "one"'):
        await world.ask(TOOL, **HOURS, account="two")


async def test_the_vendors_own_words_are_taken(world: World) -> None:
    world.give(run("2026-05-05T00:30"))
    wire = {"start_time": "2026-05-05T00:00:00Z", "end_time": "2026-05-05T02:00:00Z", "interval": "60"}
    assert by(await world.ask(TOOL, name="weather", **wire), "values")["trace_count"] == [1, 0]


async def test_by_default_it_is_the_last_day(world: World) -> None:
    world.give(run(NOW - 23 * HOUR), run(NOW - 25 * HOUR))
    answer = await world.ask(TOOL, name="weather")
    assert (answer.structured()["start"], by(answer, "total")["trace_count"]) == ("2026-05-19T12:30Z", 1)


async def test_an_unfinished_bucket_shows_what_is_there(world: World) -> None:
    world.give(run("2026-05-05T00:30"), run("2026-05-05T01:30"), known_until("requests", "2026-05-05T01:40"))
    answer = await world.ask(TOOL, **HOURS)
    assert by(answer, "values")["trace_count"] == [1, 1, 0]
    assert "partial" not in answer.columns


async def test_runs_are_grouped_and_filtered(world: World) -> None:
    world.give(
        *(run("2026-05-05T00:30", agent_framework=name) for name in ("crew", "crew", "graph")),
        run("2026-05-05T01:30", agent_framework="crew", is_failure=True),
    )
    answer = await world.ask(TOOL, **HOURS, group_by="agent_framework")
    assert by(answer, "total", "agent_framework", "measure")["crew", "trace_count"] == 3
    filtered = await world.ask(TOOL, **HOURS, filters={"is_failure": True})
    assert by(filtered, "values")["trace_count"] == [0, 1, 0]


async def test_a_comparison_has_every_measure(world: World) -> None:
    world.give(
        run("2026-05-05T00:30", latency_ms=100),
        *(run(at("2026-05-04T22:30"), latency_ms=latency) for latency in (50, 150, 250)),
        known_until("requests", NOW),
    )
    prior = (await world.ask(TOOL, **HOURS, compare_to="prior_period")).structured()["prior"]
    assert prior["total"] | {"x": 0} == {
        "trace_count": 3,
        "avg_latency_ms": 150,
        "input_tokens": 0,
        "output_tokens": 0,
        "error_count": 0,
        "x": 0,
    }
    assert (prior["change"]["trace_count"], prior["change"]["error_count"]) == (-0.6667, None)
