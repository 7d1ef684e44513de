"""One question, two faces: REST and the matching tool over MCP give the same numbers, on a fleet's three days.

Each operation's comparison joins by itself once its dialect declares it; a new operation without one fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from served import HOUR, NOW, Home, at, facts

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.time import iso_z
from agentgauge.dialects import DIALECTS
from agentgauge.ingest.fleet import fleet
from agentgauge.ingest.run import run
from agentgauge.serving import OWNER

if TYPE_CHECKING:
    from mcp import Client

FROM, TO = at("2026-05-19"), at("2026-05-20")
WINDOW = {"start": iso_z(FROM), "end": iso_z(TO)}
WHOLE: dict[str, Any] = {"limit": 200, "budget": 8_000}
Row: TypeAlias = dict[str, Any]


class Faces:
    """Both faces of one server."""

    def __init__(self, home: Home, client: Client) -> None:
        self.home, self._client = home, client

    async def rest(self, path: str, /, **params: Any) -> Any:
        """The body of a GET."""
        response = await self.home.get(path, **params)
        assert response.status_code == 200, response.text
        return response.json()

    async def tool(self, name: str, /, **arguments: Any) -> list[Row]:
        """The rows of a tool's answer, every one of them."""
        found = facts(await self._client.call_tool(name, arguments))
        assert "other" not in found, found.get("notes")
        return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A server over three days of a fleet that end half an hour ago."""
    found = Home(tmp_path_factory.mktemp("parity"))
    with App(Settings(home=found.path), clock=lambda: NOW).sink() as sink:
        report = run(enumerate(fleet(NOW - HOUR // 2, days=3, seed=11), 1), sink)
    assert report.accepted > 5_000
    assert not report.rejected
    return found


@pytest.fixture
async def faces(home: Home) -> AsyncIterator[Faces]:
    """Its two faces."""
    async with home.mcp() as client:
        yield Faces(home, client)


_OUTBOUND = [
    ("messages", "outbound", metric, group)
    for metric in ("sent", "delivered", "failed", "cost_cents")
    for group in (None, "channel", "error_code")
]
_INBOUND = [
    ("inbound", "inbound", metric, group) for metric in ("received", "cost_cents") for group in (None, "channel")
]
_WEBHOOKS = [
    ("webhooks", "webhooks", metric, group)
    for metric in ("delivered", "failed", "retried")
    for group in (None, "endpoint_id", "kind", "http_status_class")
]
MESSAGES = [*_OUTBOUND, *_INBOUND, *_WEBHOOKS]


@pytest.mark.parametrize(("route", "traffic", "metric", "group"), MESSAGES)
async def test_messages_are_the_same(faces: Faces, route: str, traffic: str, metric: str, group: str | None) -> None:
    grouped = {"group_by": group} if group else {}
    asked = {"metric": metric, "granularity": "hour", "start": WINDOW["start"], "to": WINDOW["end"]}
    body = await faces.rest(f"/v1/metrics/{route}", **asked, **grouped)
    rows = await faces.tool(
        "get_message_metrics", metric=metric, traffic=traffic, interval="1h", **WINDOW, **grouped, **WHOLE
    )
    series = {row.get(group or ""): row["values"] for row in rows}
    for hour, bucket in enumerate(body["data"]["buckets"]):
        told = {each["key"]: each["value"] for each in bucket["groups"]} if group else {None: bucket["value"]}
        meant = {key: values[hour] for key, values in series.items()}
        assert _without_zeros(told) == pytest.approx(_without_zeros(meant), abs=0.5)  # cents are whole on the wire
    assert any(any(values) for values in series.values()) or (metric, traffic) == ("cost_cents", "inbound")


def _without_zeros(values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in values.items() if value and round(value)}


async def by_agent(faces: Faces) -> None:
    for period in ("week", "month", "year"):
        body = await faces.rest("/v1/usage/by-agent", period=period, tz="America/New_York")
        rows = await faces.tool("usage_by_agent", period=period, tz="America/New_York", **WHOLE)
        told = {
            None if each["isOrphan"] else each["agentName"]: (each["messages"], each["calls"], each["totalSeconds"])
            for each in body["data"]
        }
        names = ("messages", "calls", "call_seconds")
        meant = {row["agent"]: tuple(row[name] for name in names) for row in rows}
        orphan = meant.pop("Unassigned", None) or meant.pop("unassigned", None)
        if orphan:
            meant[None] = orphan
        assert {key: value for key, value in told.items() if any(value)} == {
            key: (value[0], value[1], pytest.approx(value[2], abs=0.5)) for key, value in meant.items() if any(value)
        }


async def usage(faces: Faces) -> None:
    body = await faces.rest("/v1/usage")
    rows = await faces.tool("get_usage", breakdown="summary")
    meant = {row["stat"]: row["value"] for row in rows}
    told = {_snake(name): value for name, value in body["stats"].items()}
    assert told == {name: meant[name] for name in told}
    assert body["numbers"]["used"] == meant["numbers_used"]


def _snake(name: str) -> str:
    text = "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
    return text.replace("_last24h", "_last_24h").replace("_last7d", "_last_7d").replace("_last30d", "_last_30d")


async def calendar(faces: Faces) -> None:
    for path, words in (("daily", {"days": 5}), ("monthly", {"months": 3})):
        body = await faces.rest(f"/v1/usage/{path}", **words)
        rows = await faces.tool("get_usage", breakdown=path, **words)
        meant = {row["measure"]: row["values"] for row in rows}
        for name in ("messages", "calls", "webhooks"):
            assert [each[name] for each in body["data"]][:-1] == meant[name][:-1]
            last = meant[name][-1]  # as_of falls into it: the tool may call it unfinished
            assert last is None or last == body["data"][-1][name]


async def by_number(faces: Faces) -> None:
    body = await faces.rest("/v1/usage/by-number")
    rows = await faces.tool("get_usage", breakdown="by_number", budget=8_000)
    meant = {row["number"]: (row["messages"], row["calls"], row["status"]) for row in rows if row["number"]}
    told = {each["numberId"]: (each["messages"], each["calls"], each["status"]) for each in body["data"]}
    assert told == meant


SOURCES = {
    "agentMetrics": ("agentName", "latencyMs"),
    "modelMetrics": ("modelName", "costInUSD"),
    "cacheMetrics": ("cacheType", "cacheLookupLatencyMs"),
    "mcpMetrics": ("toolName", "latencyMs"),
    "guardrailMetrics": ("guardrailResult", "latencyMs"),
    "configMetrics": ("targetModel", "loadbalanceTargetAttemptCount"),
}


async def data_points(faces: Faces) -> None:
    for name, (group, column) in SOURCES.items():
        words: dict[str, Any] = {
            "datasource": name,
            "groupBy": [group],
            "aggregations": [{"type": kind, "column": column} for kind in ("sum", "avg", "p99")],
        }
        question = words | {"type": "distribution", "startTs": WINDOW["start"], "endTs": WINDOW["end"]}
        response = await faces.home.post("/api/svc/v1/llm-gateway/metrics/query", question)
        assert response.status_code == 200, response.text
        told = {each.pop(group): each for each in response.json()["data"]["dataPoints"]}
        rows = await faces.tool("query_datapoints", **words, type="distribution", **WINDOW, **WHOLE)
        meant = {row.pop(group): row for row in rows}
        assert told == {key: pytest.approx(row) for key, row in meant.items()}
        series = await faces.home.post(
            "/api/svc/v1/llm-gateway/metrics/query",
            question | {"type": "timeseries", "interval": "6 hour", "groupBy": []},
        )
        counted = {each["startTimestamp"]: each["total"] for each in series.json()["data"]["dataPoints"]}
        plain = {"datasource": name, "type": "timeseries", "interval": "6 hour"}
        (row,) = await faces.tool("query_datapoints", **plain, **WINDOW, **WHOLE) or [{"values": []}]
        stamps = [iso_z(FROM + n * 6 * HOUR, milliseconds=True) for n in range(4)]
        assert {stamp: n for stamp, n in zip(stamps, row["values"], strict=False) if n} == counted


async def sums(faces: Faces) -> None:
    asked = {"startDate": WINDOW["start"], "endDate": WINDOW["end"]}
    told = (await faces.rest("/v1/custom-metrics/aggregate", **asked))["data"]
    rows = await faces.tool("query_custom_metrics", view="totals", **WINDOW, **WHOLE)
    assert told
    assert told == {row["metric"]: pytest.approx(row["sum"]) for row in rows}
    grouped = (await faces.rest("/v1/custom-metrics/aggregate", **asked, metricNames="faq_query", groupBy="topic"))[
        "data"
    ]
    rows = await faces.tool(
        "query_custom_metrics", metric_names=["faq_query"], view="totals", group_by=["topic"], **WINDOW, **WHOLE
    )
    assert {each["topic"]: each["metrics"]["faq_query"] for each in grouped} == {
        row["topic"] or "": row["sum"] for row in rows
    }


async def days(faces: Faces) -> None:
    zone = "Asia/Kolkata"
    asked = {"startDate": "2026-05-18", "endDate": "2026-05-19", "timezone": zone}
    told = (await faces.rest("/v1/custom-metrics/daily", **asked))["data"]
    rows = await faces.tool(
        "query_custom_metrics", view="daily", start="2026-05-18", end="2026-05-19", tz=zone, **WHOLE
    )
    assert [each["date"] for each in told] == ["2026-05-18", "2026-05-19"]
    for row in rows:
        assert [each["metrics"][row["metric"]] for each in told] == pytest.approx(row["values"])


async def steps(faces: Faces) -> None:
    for metric in ("booking_attempt", "queue_depth", "handle_seconds"):  # a counter, a gauge, a histogram
        asked = {"metricName": metric, "startDate": WINDOW["start"], "endDate": WINDOW["end"], "step": "6h"}
        (series,) = (await faces.rest("/v1/custom-metrics/timeseries", **asked))["data"]["result"]
        (row,) = await faces.tool(
            "query_custom_metrics", metric_names=[metric], view="timeseries", interval="6h", **WINDOW, **WHOLE
        )
        told = {stamp: float(value) for stamp, value in series["values"] if stamp * 1_000 < TO}
        meant = {(FROM + n * 6 * HOUR) // 1_000: value for n, value in enumerate(row["values"])}
        assert told == {stamp: pytest.approx(value) for stamp, value in meant.items() if value is not None}


async def listed(faces: Faces) -> None:
    rows = await faces.tool("list_custom_metrics", budget=8_000)
    assert (await faces.rest("/v1/custom-metrics/names"))["data"] == sorted(row["metric"] for row in rows)


async def tags(faces: Faces) -> None:
    (row,) = await faces.tool("list_custom_metrics", metric_name="faq_query", budget=8_000)
    told = (await faces.rest("/v1/custom-metrics/tags", metricName="faq_query"))["data"]
    assert {name: sorted(values) for name, values in row["tags"].items()} == told


async def session(faces: Faces) -> None:
    counts = (await faces.home.serving.desk(OWNER).values("points", "session_id")).counts
    name = next(value for value, _ in counts if value is not None)
    told = (await faces.rest(f"/v1/custom-metrics/sessions/{name}"))["data"]["result"]
    rows = await faces.tool("query_custom_metrics", view="session", session_id=name, budget=8_000)
    assert told
    assert sorted((each["metric"]["metric_name"], float(each["value"][1])) for each in told) == sorted(
        (row["metric"], row["value"]) for row in rows
    )


async def runs(faces: Faces) -> None:
    asked = {"start_time": WINDOW["start"], "end_time": WINDOW["end"], "interval": "360"}
    account, name = await _agent(faces)
    body = await faces.rest(f"/api/v1/agents/{account}/{name}/observability/metrics", **asked)
    rows = await faces.tool("get_trace_metrics", account=account, name=name, interval="6h", **WINDOW, **WHOLE)
    meant = {row["measure"]: row["values"] for row in rows}
    assert sum(meant["trace_count"]) > 0
    for measure in ("trace_count", "input_tokens", "output_tokens", "error_count", "avg_latency_ms"):
        told = [each[measure] for each in body["buckets"]]
        assert told == pytest.approx([value or 0 for value in meant[measure]])


async def all_runs(faces: Faces) -> None:
    account, name = await _agent(faces)
    asked = {"start_time": WINDOW["start"], "end_time": WINDOW["end"]}
    body = await faces.rest(f"/api/v1/agents/{account}/{name}/observability/summary", **asked)
    rows = await faces.tool("get_trace_metrics", account=account, name=name, interval="6h", **WINDOW, **WHOLE)
    meant = {row["measure"]: row["total"] for row in rows}
    assert body["total_traces"] == meant["trace_count"] > 0
    assert body["avg_latency_ms"] == pytest.approx(meant["avg_latency_ms"])
    assert body["error_rate"] == pytest.approx(meant["error_count"] / meant["trace_count"])


async def _agent(faces: Faces) -> tuple[str, str]:
    desk = faces.home.serving.desk(OWNER)
    account = (await desk.values("requests", "account")).counts[0][0]
    return str(account), "Research"


BY_PATH: dict[str, Callable[[Faces], Awaitable[None]] | None] = {
    "/v1/metrics/messages": None,  # a test of their own, above
    "/v1/metrics/inbound": None,
    "/v1/metrics/webhooks": None,
    "/v1/usage": usage,
    "/v1/usage/daily": calendar,
    "/v1/usage/monthly": calendar,
    "/v1/usage/by-number": by_number,
    "/v1/usage/by-agent": by_agent,
    "/api/svc/v1/llm-gateway/metrics/query": data_points,
    "/v1/custom-metrics/names": listed,
    "/v1/custom-metrics/aggregate": sums,
    "/v1/custom-metrics/daily": days,
    "/v1/custom-metrics/timeseries": steps,
    "/v1/custom-metrics/tags": tags,
    "/v1/custom-metrics/sessions/{sessionId}": session,
    "/api/v1/agents/{account}/{name}/observability/metrics": runs,
    "/api/v1/agents/{account}/{name}/observability/summary": all_runs,
}
PATHS = [each.path.replace(":path}", "}") for dialect in DIALECTS for each in dialect.operations]


@pytest.mark.parametrize("path", [path for path in PATHS if BY_PATH.get(path, path) is not None])
async def test_a_route_and_its_tool_give_the_same_numbers(faces: Faces, path: str) -> None:
    compare = BY_PATH.get(path)
    assert compare is not None, f"{path} has no comparison yet"
    await compare(faces)
