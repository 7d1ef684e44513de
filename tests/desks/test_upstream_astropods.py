"""Astropods as a source: the same numbers as from the store, its seed sample, and what it cannot do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from faults import misbehaving, reply
from inline_snapshot import snapshot
from served import MINUTE, NOW, at, event, known_until

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.errors import SourceNotFound, Unsupported, UpstreamUnreachable
from agentgauge.core.query import Filter, Query
from agentgauge.core.time import Bucket, Window
from agentgauge.desks.requests import spelled
from agentgauge.dialects import DIALECTS
from agentgauge.dialects.astropods.contract import MetricsRequest
from agentgauge.dialects.astropods.decode import decode
from agentgauge.dialects.astropods.tools import MEASURES
from agentgauge.dialects.astropods.upstream import AVERAGED, UPSTREAM, plan
from agentgauge.sources import Sources

if TYPE_CHECKING:
    from pathlib import Path

    from pair import Pair

TOOL = "get_trace_metrics"
WEATHER = {"account": "astro-team", "name": "weather-agent"}
DAY = {"start": "2026-05-19", "end": "2026-05-19"}


def runs(pair: Pair) -> None:
    """Two days of an agent's runs, some failed; and another agent's."""
    start = at("2026-05-18")
    events = [known_until("requests", NOW)]
    for index in range(200):
        own = {"account": "astro-team", "agent_name": "weather-agent" if index % 5 else "weather/agent"}
        latency = {"latency_ms": 100 + index * 7 % 90, "input_tokens": index, "output_tokens": 2 * index}
        events.append(event("request", start + index * 14 * MINUTE, is_failure=index % 4 == 0, **own, **latency))
    pair.vendor.give(*events)


def plain(structured: dict[str, Any]) -> Any:
    """An answer to compare: without what the vendor does not state, and its averages, which are made of averages, to
    9 digits."""
    rounded = json.loads(json.dumps(structured), parse_float=lambda text: round(float(text), 9))
    return {name: value for name, value in rounded.items() if name not in ("as_of", "exact", "notes")}


QUESTIONS: tuple[dict[str, Any], ...] = (
    {"interval": "1h", **WEATHER, **DAY},
    {"interval": 90, **WEATHER, **DAY},
    {"interval": "1d", **WEATHER, "start": "2026-05-18", "end": "2026-05-19"},
    {"interval": "1d", **WEATHER, "tz": "America/New_York", "start": "2026-05-18", "end": "2026-05-19"},
    {"interval": "6h", **WEATHER, "tz": "Asia/Kolkata", "start": "2026-05-18T00:00", "end": "2026-05-19T00:00"},
    {"interval": "1h", **WEATHER, "compare_to": "prior_period", **DAY},
    {"interval": "1h", "account": "astro-team", "name": "weather/agent", **DAY},
    {"interval": "5m", **WEATHER, "start": "2026-05-19T06:00Z", "end": "2026-05-19T08:00Z"},
    {"interval": "1m", "budget": 300, **WEATHER, **DAY},
    {"interval": "1h", **WEATHER, "start": "2026-05-01", "end": "2026-05-01"},
)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_numbers_through_the_wire_are_those_of_the_store(pair: Pair, question: dict[str, Any]) -> None:
    runs(pair)
    there = (await pair.upstream(TOOL, "astro", **question)).structured()
    here = (await pair.local(TOOL, **question)).structured()
    assert plain(there) == plain(here)


async def test_a_window_that_is_no_whole_buckets_is_widened_and_shown(pair: Pair) -> None:
    runs(pair)
    answer = (
        await pair.upstream(TOOL, "astro", **WEATHER, start="2026-05-18T01:07", end="2026-05-18T08:01")
    ).structured()
    assert (answer["start"], answer["end"], answer["interval"]) == snapshot(
        ("2026-05-18T01:00Z", "2026-05-18T08:15Z", "15m")
    )
    whole = (await pair.local(TOOL, **WEATHER, start=answer["start"], end=answer["end"])).structured()
    assert plain(answer)["total"] == plain(whole)["total"]


SEED = json.loads("""
{ "buckets": [
    { "timestamp": "2024-04-01T00:00:00Z", "trace_count": 120, "avg_latency_ms": 250.5, "input_tokens": 15000,
      "output_tokens": 18000, "error_count": 3 },
    { "timestamp": "2024-04-01T01:00:00Z", "trace_count": 135, "avg_latency_ms": 230.2, "input_tokens": 16500,
      "output_tokens": 19500, "error_count": 1 },
    { "timestamp": "2024-04-01T02:00:00Z", "trace_count": 110, "avg_latency_ms": 245, "input_tokens": 14000,
      "output_tokens": 17000, "error_count": 0 } ],
  "time_range": { "start": "2024-04-01T00:00:00Z", "end": "2024-04-01T03:00:00Z" },
  "interval_minutes": 60 }
""")
"""The vendor's page, to the letter: it was asked for six hours."""
ASKED = MetricsRequest.model_validate(
    {**WEATHER, "start_time": "2024-04-01T00:00:00Z", "end_time": "2024-04-01T06:00:00Z", "interval": 60}
)


def test_the_seed_sample_is_read_in_its_own_range() -> None:
    table = decode(ASKED, [SEED])
    assert list(table.edges) == [at(f"2024-04-01T0{hour}:00") for hour in range(4)]
    assert table.values == {
        "trace_count": [120, 135, 110],
        "avg_latency_ms": [250.5, 230.2, 245],
        "input_tokens": [15_000, 16_500, 14_000],
        "output_tokens": [18_000, 19_500, 17_000],
        "error_count": [3, 1, 0],
    }
    assert (table.total["trace_count"], table.total["error_count"]) == (365, 4)
    assert (table.as_of, table.exact) == (None, None)


def test_what_is_left_out_is_zero_and_what_is_null_is_not_known() -> None:
    hour = {"timestamp": "2024-04-01T00:00:00Z"}
    body = {
        "buckets": [
            {**hour, "trace_count": "2", "avg_latency_ms": "10.5", "error_count": 1},
            {**hour, "timestamp": "2024-04-01T01:00:00Z", "trace_count": 4},
            {**hour, "timestamp": "2024-04-01T02:00:00.000+00:00", "trace_count": 0, "avg_latency_ms": 0},
            {**hour, "timestamp": "2024-04-01T05:00:00Z", "trace_count": None, "avg_latency_ms": None},
        ]
    }
    table = decode(ASKED, [body])
    assert table.values["trace_count"] == [2, 4, 0, None]
    assert table.values["avg_latency_ms"] == [10.5, None, None, None]
    assert table.values["error_count"] == [1, 0, 0, 0]
    assert table.notes == (
        "the vendor's answer states no input_tokens",
        "the vendor's answer states no output_tokens",
        "the vendor states no trace_count for 1 of 4 intervals",
    )


async def test_a_field_that_no_bucket_has_is_not_known_and_not_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRO_KEY", "key")
    renamed = json.loads(json.dumps(SEED).replace("error_count", "errors"))
    with misbehaving(reply(200, renamed)) as vendor:
        lines = ["[sources.astro]", 'dialect = "astropods"', f'base_url = "{vendor.address}"', 'secret = "ASTRO_KEY"']
        (tmp_path / "sources.toml").write_text("\n".join(lines))
        words = {"name": "weather-agent", "account": "astro-team", "source": "astro", "interval": "1h"}
        async with App(Settings(home=tmp_path), clock=lambda: NOW).open() as app:
            answer = await app.call(TOOL, words | {"start": "2024-04-01T00:00Z", "end": "2024-04-01T03:00Z"})
    total = answer.structured()["total"]
    assert (total["trace_count"], total["error_count"]) == (365, None)
    assert "the vendor's answer states no error_count" in answer.structured()["notes"]


@pytest.mark.parametrize("body", [{"buckets": []}, {"buckets": None, "time_range": SEED["time_range"]}])
def test_an_answer_without_buckets_is_one_of_nothing(body: Any) -> None:
    assert not decode(ASKED, [body]).at


@pytest.mark.parametrize(
    "buckets",
    [
        [{"timestamp": "2024-04-01T00:00:00Z"}, {"timestamp": "2024-04-01T00:30:00Z"}],
        [{"timestamp": "2024-04-01T00:00:00"}],
        [{"trace_count": 1}],
    ],
    ids=["overlapping", "without offset", "without timestamp"],
)
def test_buckets_that_cannot_be_placed_are_not_guessed_at(buckets: Any) -> None:
    with pytest.raises((ValueError, KeyError)):
        decode(ASKED, [{"buckets": buckets, "interval_minutes": 60}])


def question(bucket: Bucket | None, start: str, end: str, **more: Any) -> Query:
    """A Query about the weather agent."""
    where = (Filter("agent_name", "EQUAL", "weather-agent"), Filter("account", "EQUAL", "astro-team"))
    return Query("requests", Window(at(start), at(end)), MEASURES, bucket, where=where, **more)


def test_the_request_is_spelled_as_the_vendor_documents_it() -> None:
    asked = plan([question(Bucket("hour"), "2024-04-01T00:00", "2024-04-01T06:00")], NOW)
    assert spelled(UPSTREAM.base_url, asked.endpoint, asked.request) == (
        "GET",
        "https://astropods.com/api/v1/agents/astro-team/weather-agent/observability/metrics",
        {"start_time": "2024-04-01T00:00:00Z", "end_time": "2024-04-01T06:00:00Z", "interval": "60"},
        b"",
    )
    assert asked.notes == (AVERAGED,)


@pytest.mark.parametrize(
    ("bucket", "start", "end", "minutes"),
    [
        (Bucket("day"), "2026-05-01", "2026-05-03", 1440),
        (Bucket("week"), "2026-05-04", "2026-05-18", 1440),
        (Bucket("day", 1, "Asia/Kolkata"), "2026-05-01T18:30", "2026-05-03T18:30", 30),
        (None, "2026-05-01T00:10", "2026-05-01T00:15", 5),
        (Bucket("minute", 90), "2026-05-01T00:00", "2026-05-01T03:00", 90),
    ],
    ids=str,
)
def test_the_largest_interval_is_asked_on_whose_grid_every_edge_lies(
    bucket: Bucket | None, start: str, end: str, minutes: int
) -> None:
    request = plan([question(bucket, start, end)], NOW).request
    assert isinstance(request, MetricsRequest)
    assert request.interval == minutes


CANNOT: dict[str, tuple[dict[str, Any], str]] = {
    "no account": ({"name": "weather-agent"}, "cannot find an agent without its account."),
    "groups": ({**WEATHER, "group_by": "user"}, "cannot group runs by user."),
    "a filter": ({**WEATHER, "filters": {"user": "ada"}}, "cannot filter requests by user."),
    "another agent too": (
        {**WEATHER, "filters": {"agent_name": ["a", "b"]}},
        "cannot answer for several agents at once.",
    ),
    "a name that leads elsewhere": (
        {"account": "astro-team", "name": "../../deployments"},
        'cannot be asked for the name "../../deployments".',
    ),
    "seconds": ({**WEATHER, "interval": "30s", "start": "now-1h"}, "cannot cut time finer than whole minutes."),
    "too many": (
        {**WEATHER, "tz": "Asia/Kathmandu", "interval": "1d", "start": "2025-05-01", "end": "2026-05-01"},
        "cannot cut so long a window into 15 minutes.",
    ),
}


@pytest.mark.parametrize(("words", "why"), CANNOT.values(), ids=CANNOT)
async def test_what_the_vendor_cannot_do_is_said(pair: Pair, words: dict[str, Any], why: str) -> None:
    with pytest.raises(Unsupported) as refused:
        await pair.upstream(TOOL, "astro", **words)
    assert refused.value.message == f"Astropods {why}"
    assert refused.value.hint


async def test_an_agent_that_nobody_has_is_refused_by_its_name(pair: Pair) -> None:
    runs(pair)
    with pytest.raises(
        SourceNotFound, match=r"404: agent not found.*No agent \"nobody\" of the account \"astro-team\""
    ):
        await pair.upstream(TOOL, "astro", account="astro-team", name="nobody")


async def test_a_vendor_without_observability_says_so(pair: Pair) -> None:
    with pytest.raises(UpstreamUnreachable, match=r"not available \(503: observability is not configured\)"):
        await pair.upstream(TOOL, "astro", **WEATHER)


async def test_the_check_of_a_source_needs_no_agent(pair: Pair) -> None:
    runs(pair)
    sources = Sources(pair.home / "sources.toml", DIALECTS, [TOOL], lambda: NOW)
    assert await sources.check("astro", "default") > 0
    await sources.close()
