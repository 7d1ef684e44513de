"""Langfuse as a source: three generations of metrics, from the bodies that its contract has, and what it cannot do.

The server here answers those bodies and no others: agentgauge does not serve Langfuse's wire.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from inline_snapshot import snapshot
from pair import listening
from served import NOW, at
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.errors import (
    SourceNotFound,
    SourceRefused,
    UnknownName,
    Unsupported,
    UpstreamGarbled,
    UpstreamLimited,
)
from agentgauge.core.query import Filter, Query
from agentgauge.core.time import Bucket, Window
from agentgauge.desks.requests import spelled
from agentgauge.dialects import DIALECTS
from agentgauge.dialects.astropods.tools import MEASURES
from agentgauge.dialects.langfuse.upstream import DAILY_NOTE, MOST_BUCKETS, UPSTREAM, V1_NOTE, V2_NOTE, plan
from agentgauge.sources import Sources

if TYPE_CHECKING:
    from starlette.requests import Request

    from agentgauge.core.answer import Answer

TOOL = "get_trace_metrics"
V2, V1, DAILY = "/api/public/v2/metrics", "/api/public/metrics", "/api/public/metrics/daily"
HOURS: dict[str, Any] = {"start": "2026-05-19T00:00Z", "end": "2026-05-19T03:00Z", "interval": "1h"}
DAYS: dict[str, Any] = {"start": "2026-05-18", "end": "2026-05-19", "interval": "1d"}
MISSING = {"message": "Not found", "error": "LangfuseNotFoundError"}


def observed(hour: int, root: Any, level: str, count: Any, latency: Any, given: Any, made: Any) -> dict[str, Any]:
    """A row of v2."""
    return {
        "time_dimension": f"2026-05-19T0{hour}:00:00Z",
        "isRootObservation": root,
        "level": level,
        "count_count": count,
        "avg_latency": latency,
        "sum_inputTokens": given,
        "sum_outputTokens": made,
    }


OBSERVATIONS = [
    observed(0, True, "DEFAULT", "3", 100.0, "0", "0"),
    observed(0, "true", "ERROR", "1", 300, "10", "2"),
    observed(0, False, "ERROR", "8", 40, "1000", "200"),
    observed(1, False, "", "0", 0, "0", "0"),
    observed(2, 1, "WARNING", 2, None, 5, 7),
]
"""Whole numbers as strings, as ClickHouse gives them; the hour that nothing ran in filled; a root without an end."""
TRACES = [
    {"time_dimension": "2026-05-18", "count_count": "6", "avg_latency": 150.5},
    {"time_dimension": "2026-05-19", "count_count": "0", "avg_latency": 0},
]
TOKENS = [{"time_dimension": "2026-05-18", "sum_inputTokens": "1015", "sum_outputTokens": 209}]
DEPRECATION = {
    "message": "This endpoint is deprecated.",
    "replacement": "/api/public/v2/metrics",
    "sunsetAt": "2026-11-16",
}


def day(date: str, traces: int, *usage: tuple[str | None, int, int]) -> dict[str, Any]:
    """A day of the daily metrics."""
    used = [{"model": model, "inputUsage": given, "outputUsage": made} for model, given, made in usage]
    return {"date": date, "countTraces": traces, "countObservations": 9, "totalCost": 0.5, "usage": used}


@dataclass
class Langfuse:
    """What is answered by path, and what was asked."""

    bodies: dict[str, Any] = field(default_factory=dict[str, Any])
    refusals: dict[str, Response] = field(default_factory=dict[str, Response])
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    keys: set[str] = field(default_factory=set[str])

    async def answer(self, request: Request) -> Response:
        """The body for a path, 404 where there is none."""
        path, words = request.url.path, dict(request.query_params)
        given: dict[str, Any] = orjson.loads(words["query"]) if "query" in words else words
        self.asked.append((path, given))
        self.keys.add(request.headers["authorization"])
        if path in self.refusals:
            return self.refusals[path]
        if path not in self.bodies:
            return JSONResponse(MISSING, 404)
        found = self.bodies[path]
        return JSONResponse(found(given) if callable(found) else found)

    @property
    def paths(self) -> list[str]:
        """The paths that were asked, in order."""
        return [path for path, _ in self.asked]


@dataclass
class Asker:
    """An agentgauge that has this Langfuse as a source."""

    langfuse: Langfuse
    address: str
    home: Path

    def configure(self, *more: str) -> None:
        """Writes its sources.toml."""
        self.home.mkdir(exist_ok=True)
        lines = ["[sources.traces]", 'dialect = "langfuse"', f'base_url = "{self.address}"']
        keys = ['user = "LANGFUSE_PUBLIC_KEY"', 'secret = "LANGFUSE_SECRET_KEY"']
        (self.home / "sources.toml").write_text("\n".join([*lines, *keys, *more]))

    async def ask(self, **words: Any) -> Answer:
        """The tool's answer from it."""
        async with App(Settings(home=self.home), clock=lambda: NOW).open() as app:
            return await app.call(TOOL, {"name": "weather-agent", "source": "traces", **words})


@contextmanager
def asking(folder: Path) -> Generator[Asker]:
    """An asker of a Langfuse that has nothing yet."""
    langfuse = Langfuse()
    app = Starlette(routes=[Route("/{path:path}", langfuse.answer)])
    with listening(app) as address:
        asker = Asker(langfuse, address, folder / "asker")
        asker.configure()
        yield asker


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Asker]:
    """An agentgauge with a Langfuse as its source."""
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-1")
    with asking(tmp_path) as made:
        yield made


def series(answer: Answer) -> dict[str, Any]:
    """Measure -> its values."""
    places = [list(answer.columns).index(name) for name in ("measure", "values")]
    return {row[places[0]]: row[places[1]] for row in answer.structured()["rows"]}


async def test_v2_counts_roots_as_runs_and_tokens_of_everything(asker: Asker) -> None:
    asker.langfuse.bodies[V2] = {"data": OBSERVATIONS}
    answer = await asker.ask(**HOURS)
    assert series(answer) == {
        "trace_count": [4, 0, 2],
        "avg_latency_ms": [150.0, None, None],
        "input_tokens": [1010, 0, 5],
        "output_tokens": [202, 0, 7],
        "error_count": [1, 0, 0],
    }
    assert answer.total == {
        "trace_count": 6,
        "avg_latency_ms": 150.0,
        "input_tokens": 1015,
        "output_tokens": 209,
        "error_count": 1,
    }
    assert V2_NOTE in answer.notes
    assert "as_of" not in answer.structured() or answer.structured()["as_of"] is None


async def test_the_whole_question_is_json_in_one_parameter_and_the_key_is_a_pair(asker: Asker) -> None:
    asker.langfuse.bodies[V2] = {"data": []}
    await asker.ask(**HOURS)
    assert asker.langfuse.asked == snapshot(
        [
            (
                "/api/public/v2/metrics",
                {
                    "view": "observations",
                    "dimensions": [{"field": "isRootObservation"}, {"field": "level"}],
                    "metrics": [
                        {"measure": "count", "aggregation": "count"},
                        {"measure": "latency", "aggregation": "avg"},
                        {"measure": "inputTokens", "aggregation": "sum"},
                        {"measure": "outputTokens", "aggregation": "sum"},
                    ],
                    "filters": [{"column": "traceName", "operator": "=", "value": "weather-agent", "type": "string"}],
                    "timeDimension": {"granularity": "hour"},
                    "fromTimestamp": "2026-05-19T00:00:00.000Z",
                    "toTimestamp": "2026-05-19T02:59:59.999Z",
                    "config": {"row_limit": 1000},
                },
            )
        ]
    )
    assert asker.langfuse.keys == {"Basic " + base64.b64encode(b"pk-lf-1:sk-lf-1").decode()}


async def test_without_v2_the_older_metrics_are_asked_and_what_they_lack_is_not_known(asker: Asker) -> None:
    pages = {"traces": {"data": TRACES, "_deprecation": DEPRECATION}, "observations": {"data": TOKENS}}
    asker.langfuse.bodies[V1] = lambda query: pages[query["view"]]  # type: ignore[reportUnknownLambdaType]
    answer = await asker.ask(**DAYS)
    assert series(answer) == {
        "trace_count": [6, 0],
        "avg_latency_ms": [150.5, None],
        "input_tokens": [1015, 0],
        "output_tokens": [209, 0],
        "error_count": [None, None],
    }
    assert answer.total["error_count"] is None  # type: ignore[index]
    assert {V1_NOTE, "Langfuse says: This endpoint is deprecated."} <= set(answer.notes)
    assert asker.langfuse.paths == [V2, V1, V1]
    assert asker.langfuse.asked[1:] == snapshot(
        [
            (
                "/api/public/metrics",
                {
                    "view": "traces",
                    "dimensions": [],
                    "metrics": [
                        {"measure": "count", "aggregation": "count"},
                        {"measure": "latency", "aggregation": "avg"},
                    ],
                    "filters": [{"column": "name", "operator": "=", "value": "weather-agent", "type": "string"}],
                    "timeDimension": {"granularity": "day"},
                    "fromTimestamp": "2026-05-18T00:00:00.000Z",
                    "toTimestamp": "2026-05-19T23:59:59.999Z",
                },
            ),
            (
                "/api/public/metrics",
                {
                    "view": "observations",
                    "dimensions": [],
                    "metrics": [
                        {"measure": "inputTokens", "aggregation": "sum"},
                        {"measure": "outputTokens", "aggregation": "sum"},
                    ],
                    "filters": [{"column": "traceName", "operator": "=", "value": "weather-agent", "type": "string"}],
                    "timeDimension": {"granularity": "day"},
                    "fromTimestamp": "2026-05-18T00:00:00.000Z",
                    "toTimestamp": "2026-05-19T23:59:59.999Z",
                },
            ),
        ]
    )


async def test_without_either_the_daily_metrics_are_asked_page_by_page(asker: Asker) -> None:
    pages = {
        "1": [day("2026-05-19", 2, (None, 5, 7)), day("2026-05-18", 4, ("gpt", 10, 2), ("claude", 1000, 200))],
        "2": [day("2026-05-16", 1)],
    }
    meta = {"limit": 100, "totalItems": 3, "totalPages": 2}
    asker.langfuse.bodies[DAILY] = lambda words: {"data": pages[words["page"]], "meta": meta}  # type: ignore[reportUnknownLambdaType]
    answer = await asker.ask(**DAYS | {"start": "2026-05-16"})
    assert series(answer) == {
        "trace_count": [1, 0, 4, 2],
        "avg_latency_ms": [None, None, None, None],
        "input_tokens": [0, 0, 1010, 5],
        "output_tokens": [0, 0, 202, 7],
        "error_count": [None, None, None, None],
    }
    assert answer.total == {
        "trace_count": 7,
        "avg_latency_ms": None,
        "input_tokens": 1015,
        "output_tokens": 209,
        "error_count": None,
    }
    assert DAILY_NOTE in answer.notes
    assert asker.langfuse.paths == [V2, V1, DAILY, DAILY]
    assert asker.langfuse.asked[2][1] == snapshot(
        {
            "traceName": "weather-agent",
            "fromTimestamp": "2026-05-16T00:00:00.000Z",
            "toTimestamp": "2026-05-20T00:00:00.000Z",
            "page": "1",
            "limit": "100",
        }
    )


async def test_hours_are_not_made_up_of_days(asker: Asker) -> None:
    asker.langfuse.bodies[DAILY] = {"data": [], "meta": {"totalPages": 1}}
    with pytest.raises(SourceNotFound, match="take interval=1d and tz=UTC"):
        await asker.ask(**HOURS)
    assert asker.langfuse.paths == [V2, V1]


async def test_where_there_is_nothing_at_all_the_address_is_doubted(asker: Asker) -> None:
    with pytest.raises(SourceNotFound, match="None of its metrics are there: check base_url"):
        await asker.ask(**DAYS)


async def test_a_question_asked_again_costs_no_request_whatever_answered_it(asker: Asker) -> None:
    asker.langfuse.bodies[DAILY] = {"data": [day("2026-05-18", 4)], "meta": {"totalPages": 1}}
    first = await asker.ask(**DAYS)
    assert (await asker.ask(**DAYS)).structured() == first.structured()
    assert asker.langfuse.paths == [V2, V1, DAILY]


async def test_a_name_that_no_run_has_is_said(asker: Asker) -> None:
    asker.langfuse.bodies[V2] = {"data": [observed(0, False, "", "0", 0, "0", "0")]}
    assert "no run of that name is in this window" in (await asker.ask(**HOURS)).notes


async def test_without_an_interval_one_is_chosen_that_it_has(asker: Asker) -> None:
    asker.langfuse.bodies[V2] = {"data": []}
    answer = (await asker.ask()).structured()
    assert (answer["start"], answer["end"], answer["interval"]) == ("2026-05-19T12:00Z", "2026-05-20T13:00Z", "1h")


async def test_rows_that_were_cut_off_are_not_passed_off_as_whole(asker: Asker) -> None:
    asker.langfuse.bodies[V2] = {"data": OBSERVATIONS * 200}
    with pytest.raises(UpstreamGarbled, match="cut off at its row limit"):
        await asker.ask(**HOURS)


@pytest.mark.parametrize(
    "rows",
    [
        [{**OBSERVATIONS[0], "time_dimension": "2026-05-19T00:30:00Z"}],
        [{**OBSERVATIONS[0], "isRootObservation": "perhaps"}],
        [{key: value for key, value in OBSERVATIONS[0].items() if key != "count_count"}],
        [{**OBSERVATIONS[0], "count_count": "many"}],
    ],
    ids=["off its grid", "no truth", "no count", "no number"],
)
async def test_rows_that_cannot_be_read_are_not_guessed_at(asker: Asker, rows: Sequence[Any]) -> None:
    asker.langfuse.bodies[V2] = {"data": rows}
    with pytest.raises(UpstreamGarbled):
        await asker.ask(**HOURS)


async def test_its_refusals_are_passed_on_in_its_words(asker: Asker) -> None:
    limited = {"message": "Rate limit exceeded", "code": "rate_limited", "details": {"retryAfterSeconds": 7_200}}
    asker.langfuse.refusals[V2] = JSONResponse(limited, 429, {"Retry-After": "7200"})
    with pytest.raises(UpstreamLimited, match=r"rate_limited: Rate limit exceeded.*in 2 hours"):
        await asker.ask(**HOURS)
    asker.langfuse.refusals[V2] = JSONResponse({"message": "Invalid credentials"}, 401)
    with pytest.raises(SourceRefused, match=r"Invalid credentials.*LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY"):
        await asker.ask(**HOURS)
    advice = {"message": "Narrow the time range.", "error": "Request timed out"}
    asker.langfuse.refusals[V2] = JSONResponse(advice, 422)
    with pytest.raises(SourceRefused, match=r"Narrow the time range\.: Request timed out"):
        await asker.ask(**HOURS)


async def test_the_daily_budget_of_a_tier_is_kept_to(asker: Asker) -> None:
    asker.configure('tier = "hobby"')
    asker.langfuse.bodies[DAILY] = {"data": [], "meta": {"totalPages": 1}}
    for date in range(1, 10):
        await asker.ask(**DAYS | {"start": f"2026-05-0{date}"})
    with pytest.raises(UpstreamLimited, match=r"allows 9 such requests in 1 day \(Langfuse Cloud, hobby\)"):
        await asker.ask(**DAYS | {"start": "2026-05-10"})
    assert asker.langfuse.paths.count(DAILY) == 9


async def test_a_host_of_ones_own_has_no_limits(asker: Asker) -> None:
    asker.langfuse.bodies[DAILY] = {"data": [], "meta": {"totalPages": 1}}
    sources = Sources(asker.home / "sources.toml", DIALECTS, [TOOL], lambda: NOW)
    assert sources.connections["traces"].upstream.limits == ()
    text = (asker.home / "sources.toml").read_text().replace(asker.address, UPSTREAM.base_url)
    (asker.home / "sources.toml").write_text(text)
    cloud = Sources(asker.home / "sources.toml", DIALECTS, [TOOL], lambda: NOW)
    assert cloud.connections["traces"].upstream.limits == UPSTREAM.limits


async def test_a_tier_that_there_is_not_is_refused(asker: Asker) -> None:
    asker.configure('tier = "gold"')
    with pytest.raises(UnknownName, match="Valid: hobby, core, pro, team, enterprise"):
        await asker.ask(**HOURS)


async def test_the_check_of_a_source_costs_none_of_its_metrics(asker: Asker) -> None:
    asker.langfuse.bodies["/api/public/projects"] = {"data": [{"id": "p1", "name": "weather"}]}
    sources = Sources(asker.home / "sources.toml", DIALECTS, [TOOL], lambda: NOW)
    assert await sources.check("traces", "default") > 0
    await sources.close()
    assert asker.langfuse.paths == ["/api/public/projects"]


def query(bucket: Bucket | None, start: str, end: str) -> Query:
    """A Query about the weather agent."""
    named = (Filter("agent_name", "EQUAL", "weather-agent"),)
    return Query("requests", Window(at(start), at(end)), MEASURES, bucket, where=named)


@pytest.mark.parametrize(
    ("bucket", "start", "end", "granularity"),
    [
        (Bucket("month"), "2026-01-15", "2026-04-15", "month"),
        (Bucket("week", 2), "2026-04-06", "2026-05-04", "week"),
        (Bucket("day"), "2026-05-01", "2026-05-03", "day"),
        (Bucket("hour", 6), "2026-05-01", "2026-05-03", "hour"),
        (Bucket("day", 1, "Europe/Berlin"), "2026-05-01T22:00", "2026-05-03T22:00", "hour"),
        (Bucket("minute", 5), "2026-05-01T01:00", "2026-05-01T03:00", "minute"),
        (Bucket("hour"), "2026-05-01T01:20", "2026-05-01T01:40", None),
        (None, "2026-05-01T01:20", "2026-05-03T01:40", None),
    ],
    ids=str,
)
def test_the_coarsest_granularity_is_asked_that_makes_up_the_buckets(
    bucket: Bucket | None, start: str, end: str, granularity: str | None
) -> None:
    found = plan([query(bucket, start, end)], NOW)
    _, _, words, _ = spelled(UPSTREAM.base_url, found.endpoint, found.request)
    assert orjson.loads(words["query"]).get("timeDimension") == ({"granularity": granularity} if granularity else None)


def test_the_last_millisecond_of_a_window_is_its_end_there() -> None:
    found = plan([query(None, "2026-05-01", "2026-05-02")], NOW)
    _, address, words, _ = spelled("https://us.cloud.langfuse.com/api/public", found.endpoint, found.request)
    asked = orjson.loads(words["query"])
    assert address == "https://us.cloud.langfuse.com/api/public/v2/metrics"
    assert (asked["fromTimestamp"], asked["toTimestamp"]) == ("2026-05-01T00:00:00.000Z", "2026-05-01T23:59:59.999Z")


CANNOT: dict[str, tuple[dict[str, Any], str]] = {
    "an account": ({"account": "astro-team"}, "tell accounts apart."),
    "groups": ({"group_by": "user"}, "group runs by user."),
    "a filter": ({"filters": {"user": "ada"}}, "filter requests by user."),
    "several agents": ({"filters": {"agent_name": ["a", "b"]}}, "answer for several agents at once."),
    "seconds": ({"interval": "30s", "start": "now-1h"}, "cut time finer than whole minutes."),
    "too fine": (
        {"interval": "30m", "start": "now-24h"},
        f"cut that window into 30m: it gives at most {MOST_BUCKETS} minutes at once.",
    ),
}


@pytest.mark.parametrize(("words", "why"), CANNOT.values(), ids=CANNOT)
async def test_what_the_vendor_cannot_do_is_said_and_nothing_asked(
    asker: Asker, words: dict[str, Any], why: str
) -> None:
    with pytest.raises(Unsupported) as refused:
        await asker.ask(**words)
    assert refused.value.message == f"Langfuse cannot {why}"
    assert refused.value.hint
    assert not asker.langfuse.asked
