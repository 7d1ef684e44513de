"""TrueFoundry as a source: the same numbers as from the store, its seed samples, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from served import MINUTE, NOW, at, event, known_until

from agentgauge.core.catalog import dataset
from agentgauge.core.errors import Unsupported
from agentgauge.core.query import LISTS, Measure, Query
from agentgauge.core.time import Bucket, Window, iso_z
from agentgauge.core.wire import written
from agentgauge.desks.requests import spelled
from agentgauge.dialects.truefoundry.columns import DATASOURCES
from agentgauge.dialects.truefoundry.contract import AGGREGATIONS, UNITS, MetricsQuery
from agentgauge.dialects.truefoundry.decode import decode
from agentgauge.dialects.truefoundry.operations import query_of
from agentgauge.dialects.truefoundry.translate import TOTAL
from agentgauge.dialects.truefoundry.upstream import COUNTED_AGAIN, UPSTREAM, plan

if TYPE_CHECKING:
    from pair import Pair

TOOL = "query_datapoints"
DAY: dict[str, Any] = {"startTs": "2026-05-19T00:00:00.000Z", "endTs": "2026-05-20T00:00:00.000Z"}
HOST = "https://acme.truefoundry.cloud"


def traffic(pair: Pair) -> None:
    """Two days of everything that the gateway counts."""
    names, codes, models = (
        cycle(("support-bot", "research-agent", None)),
        cycle((200, 429, 500)),
        cycle(("gpt", "claude")),
    )
    events = [known_until(name, NOW) for name in UPSTREAM.datasets]
    for index in range(160):
        when = at("2026-05-18") + index * 17 * MINUTE
        who: dict[str, Any] = {"user": f"u{index % 3}@acme.io" if index % 4 else None}
        who |= {
            "virtual_account": f"va-{index % 2}" if index % 5 else None,
            "metadata": {"env": ("prod", "dev")[index % 2]},
        }
        who |= {"team": [["red"], ["red", "blue"], []][index % 3], "conversation_id": f"c{index % 7}"}
        how: dict[str, Any] = {
            "latency_ms": 50 + index * 13 % 97,
            "is_failure": index % 6 == 0,
            "http_status": next(codes),
        }
        events.append(event("request", when, agent_name=next(names), cost_usd=index / 8, **how, **who))
        cached = {"cache_status": "hit", "cache_type": "semantic", "potential_cost_savings": 0.25} if index % 2 else {}
        virtual = "router" if index % 3 else None
        model = {
            "model_name": next(models),
            "virtual_model_name": virtual,
            "input_tokens": index,
            "error_code": index % 4,
        }
        events.append(event("model_call", when + 1, output_tokens=2, **cached, **model, **how, **who))
        tool = {"mcp_server_name": "github", "method": "tools/call", "tool_name": f"tool_{index % 3}"}
        events.append(event("tool_call", when + 2, **tool, **how, **who))
        check = {"guardrail_name": "pii", "result": ("pass", "fail")[index % 2], "applied_on_entity_scope": "input"}
        events.append(event("guardrail_check", when + 3, latency_ms=index % 9, **check, **who))
        route = {"config_type": "loadbalance", "status": "ok", "target_model": f"m{index % 2}", "requested_model": "m"}
        events.append(event("routing_decision", when + 4, loadbalance_target_attempt_count=index % 3, **route, **who))
    pair.vendor.give(*events)


def of(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Aggregations."""
    return [{"type": type, "column": column} for type, column in pairs]


def where(field: str, operator: str, value: Any) -> dict[str, Any]:
    """One filter."""
    return {"field": field, "operator": operator, "value": value}


LATENCIES = of(*((how, "latencyMs") for how in ("p50", "p99", "avg", "min", "max", "sum", "count")))
QUESTIONS: dict[str, dict[str, Any]] = {
    "total": {"datasource": "agentMetrics"},
    "latencies": {"datasource": "agentMetrics", "groupBy": ["agentName"], "aggregations": LATENCIES},
    "by user": {"datasource": "agentMetrics", "groupBy": ["userEmail"]},
    "by virtual account": {"datasource": "modelMetrics", "groupBy": ["virtualaccount", "modelName"]},
    "by team": {"datasource": "agentMetrics", "groupBy": ["team"], "aggregations": of(("countDistinct", "agentName"))},
    "by metadata": {"datasource": "agentMetrics", "groupBy": ["metadata.env", "httpStatusCode"]},
    "by truth": {"datasource": "agentMetrics", "groupBy": ["isFailure"], "aggregations": of(("avg", "isFailure"))},
    "by virtual model": {
        "datasource": "modelMetrics",
        "groupBy": ["virtualModel", "errorCode"],
        "aggregations": of(("sum", "inputTokens"), ("countDistinct", "virtualModel"), ("count", "modelName")),
    },
    "hours": {"datasource": "agentMetrics", "interval": "2 hour", "aggregations": of(("p99", "latencyMs"))},
    "hours of agents": {
        "datasource": "agentMetrics",
        "interval": "6h",
        "groupBy": ["agentName"],
        "aggregations": of(("sum", "costInUSD"), ("p50", "latencyMs")),
    },
    "hours elsewhere": {
        "datasource": "agentMetrics",
        "interval": "2h",
        "tz": "Europe/Berlin",
        "aggregations": LATENCIES,
    },
    "half hours": {"datasource": "agentMetrics", "interval": "6h", "tz": "Asia/Kolkata", "aggregations": LATENCIES[3:]},
    "days elsewhere": {
        "datasource": "agentMetrics",
        "interval": "1d",
        "tz": "America/New_York",
        "aggregations": of(("sum", "costInUSD"), ("max", "latencyMs")),
        "startTs": "2026-05-18",
        "endTs": "2026-05-19",
    },
    "from the middle": {"datasource": "mcpMetrics", "interval": "1h", "startTs": "2026-05-19T03:25Z"},
    "a month": {"datasource": "agentMetrics", "interval": "1 month", "startTs": "2026-05-18"},
    "compared": {"datasource": "agentMetrics", "interval": "4h", "compare_to": "prior_period"},
    "filtered": {
        "datasource": "agentMetrics",
        "filters": [
            where("agentName", "STRING_STARTS_WITH", "support"),
            where("httpStatusCode", "BETWEEN", [200, 450]),
            where("virtualAccount", "IN", ["va-0", "va-1"]),
            where("userEmail", "NOT_EQUAL", "u1@acme.io"),
            where("isFailure", "EQUAL", False),
            where("metadata.env", "EQUAL", "prod"),
        ],
    },
    "by their teams": {"datasource": "agentMetrics", "filters": [where("team", "ARRAY_HAS_NONE", ["blue"])]},
    "models alone": {
        "datasource": "modelMetrics",
        "groupBy": ["modelName"],
        "filters": [where("virtualModelName", "IS_NULL", True), where("inputTokens", "GREATER_THAN", 10)],
    },
    "cache": {
        "datasource": "cacheMetrics",
        "groupBy": ["cacheType"],
        "aggregations": of(("sum", "potentialCostSavings")),
        "filters": [where("cacheLookupStatus", "EQUAL", "hit")],
    },
    "tools": {"datasource": "mcpMetrics", "groupBy": ["toolName", "method"], "aggregations": of(("p90", "latencyMs"))},
    "guardrails": {"datasource": "guardrailMetrics", "groupBy": ["guardrailResult", "appliedOnEntityScope"]},
    "routes": {
        "datasource": "configMetrics",
        "groupBy": ["targetModel"],
        "aggregations": of(("avg", "loadbalanceTargetAttemptCount"), ("countDistinct", "targetModel")),
    },
    "our own words": {
        "datasource": "model_calls",
        "groupBy": ["model_name"],
        "aggregations": of(("p95", "latency_ms"), ("sum", "output_tokens")),
        "filters": {"virtual_model_name": "router"},
    },
    "a value where only lists are taken": {"datasource": "requests", "filters": {"agent_name": "support-bot"}},
    "the first of many": {"datasource": "agentMetrics", "groupBy": ["conversationID"], "limit": 3},
    "nothing": {
        "datasource": "agentMetrics",
        "aggregations": LATENCIES,
        "startTs": "2026-04-01",
        "endTs": "2026-04-02",
    },
    "the first of the teams": {"datasource": "agentMetrics", "groupBy": ["team"], "interval": "6h", "limit": 1},
    "no hours": {"datasource": "agentMetrics", "interval": "1h", "startTs": "2026-04-01", "endTs": "2026-04-01"},
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_numbers_through_the_wire_are_those_of_the_store(pair: Pair, question: dict[str, Any]) -> None:
    traffic(pair)
    asked = {**DAY, **question, "budget": 4_000}
    there, here = await pair.upstream(TOOL, "tfy", **asked), await pair.local(TOOL, **asked)
    notes = tuple(note for note in there.notes if note != COUNTED_AGAIN)
    shown = replace(there, as_of=here.as_of, states_exact=True, notes=notes)
    assert shown.structured() == here.structured()
    assert shown.text() == here.text()


DISTRIBUTION = orjson.loads("""
{ "data": { "dataPoints": [
    { "agentName": "support-bot", "total": 1240, "p50LatencyMs": 1820.5, "p99LatencyMs": 8240.0 },
    { "agentName": "research-agent", "total": 380, "p50LatencyMs": 4220.0, "p99LatencyMs": 12480.0 } ] } }
""")
TIMESERIES = orjson.loads("""
{ "data": { "dataPoints": [
    { "startTimestamp": "2026-04-21T00:00:00.000Z", "endTimestamp": "2026-04-21T01:00:00.000Z",
      "agentName": "support-bot", "total": 52, "p99LatencyMs": 8100.0 },
    { "startTimestamp": "2026-04-21T01:00:00.000Z", "endTimestamp": "2026-04-21T02:00:00.000Z",
      "agentName": "support-bot", "total": 61, "p99LatencyMs": 8240.0 } ] } }
""")
"""The vendor's page, to the letter."""
OLDER = {
    "data": [
        {"timestamp": "2026-04-21T00:00:00.000Z", "agentName": "support-bot", "p99LatencyMs": "8100"},
        {"timestamp": "2026-04-21T03:00:00Z", "agentName": None, "p99LatencyMs": None},
    ]
}
"""The shape that an older copy of the page has (contract 3.4)."""


def wire(**more: Any) -> MetricsQuery:
    """A query about a day, as the wire has it."""
    day = {"startTs": "2026-04-21T00:00:00.000Z", "endTs": "2026-04-22T00:00:00.000Z", "datasource": "agentMetrics"}
    return MetricsQuery.model_validate({**day, "type": "distribution", **more})


HOURLY = wire(type="timeseries", interval="1 hour", groupBy=["agentName"], aggregations=of(("p99", "latencyMs")))


def test_the_seed_distribution_is_read() -> None:
    table = decode(
        wire(groupBy=["agentName"], aggregations=of(("p50", "latencyMs"), ("p99", "latencyMs"))), [DISTRIBUTION]
    )
    assert table.groups == [("support-bot",), ("research-agent",)]
    assert table.totals == {"total": [1240, 380], "p50LatencyMs": [1820.5, 4220.0], "p99LatencyMs": [8240.0, 12480.0]}
    assert table.total == {"total": 1620, "p50LatencyMs": None, "p99LatencyMs": None}
    assert (table.as_of, table.exact, table.group_by) == (None, None, ("agent_name",))


def test_the_seed_timeseries_is_read_where_it_says_it_lies() -> None:
    table = decode(HOURLY, [TIMESERIES])
    assert list(table.edges) == [at(f"2026-04-21T0{hour}:00") for hour in range(3)]
    assert (list(table.at), table.values) == ([0, 1], {"total": [52, 61], "p99LatencyMs": [8100.0, 8240.0]})


def test_the_older_shape_is_read_and_its_missing_total_is_not_known() -> None:
    table = decode(HOURLY, [OLDER])
    assert table.groups == [("support-bot",), (None,)]
    assert [(table.edges[i], table.edges[i + 1]) for i in table.at] == [
        (at("2026-04-21T00:00"), at("2026-04-21T01:00")),
        (at("2026-04-21T03:00"), at("2026-04-21T04:00")),
    ]
    assert table.values == {"p99LatencyMs": [8100, None]}
    assert table.notes == ("the vendor's answer states no total",)


@pytest.mark.parametrize("data", [{"dataPoints": []}, []], ids=["newer", "older"])
def test_an_empty_answer_of_either_shape_is_nothing(data: Any) -> None:
    assert decode(HOURLY, [{"data": data}]).total == {"total": 0, "p99LatencyMs": None}


POINTS: dict[str, tuple[MetricsQuery, dict[str, Any], tuple[Any, ...]]] = {
    "a user": (wire(groupBy=["userEmail"]), {"createdBySubjectSlug": "ada"}, ("ada",)),
    "a virtual account": (wire(groupBy=["virtualaccount"]), {"createdBySubjectSlug": "va"}, ("va",)),
    "a user by its own name": (wire(groupBy=["userEmail"]), {"userEmail": "ada"}, ("ada",)),
    "a virtual model": (wire(datasource="modelMetrics", groupBy=["virtualModel"]), {"virtualModelName": "r"}, ("r",)),
    "its older key": (wire(datasource="modelMetrics", groupBy=["virtualModel"]), {"virtualModel": None}, (None,)),
    "metadata": (wire(groupBy=["metadata.env"]), {"metadata.env": "prod"}, ("prod",)),
    "metadata by its key": (wire(groupBy=["metadata.env"]), {"env": "prod"}, ("prod",)),
    "a conversation": (wire(groupBy=["conversationID"]), {"conversationId": "c1"}, ("c1",)),
    "a truth as text": (wire(groupBy=["isFailure"]), {"isFailure": "true"}, (True,)),
    "a status as text": (wire(groupBy=["httpStatusCode"]), {"httpStatusCode": "429"}, (429,)),
    "a code as a number": (wire(datasource="modelMetrics", groupBy=["errorCode"]), {"errorCode": 429}, ("429",)),
}


@pytest.mark.parametrize(("request_", "point", "key"), POINTS.values(), ids=POINTS)
def test_a_group_is_found_under_every_name_it_may_have(
    request_: MetricsQuery, point: dict[str, Any], key: tuple[Any, ...]
) -> None:
    table = decode(request_, [{"data": {"dataPoints": [{**point, "total": "3"}]}}])
    assert (table.groups, table.total["total"]) == ([key], 3)


def test_counts_and_sums_of_nothing_are_zero_and_all_else_is_null() -> None:
    hows = ("count", "sum", "countDistinct", "avg", "p50", "max")
    point = {f"{how}LatencyMs": None for how in hows} | {"total": 1}
    table = decode(wire(aggregations=of(*((how, "latencyMs") for how in hows))), [{"data": {"dataPoints": [point]}}])
    assert [table.total[f"{how}LatencyMs"] for how in hows] == [0, 0, 0, None, None, None]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {}},
        {"data": {"dataPoints": [{"agentName": "a", "total": 1}]}},
        {"data": {"dataPoints": [{**TIMESERIES["data"]["dataPoints"][0], "total": "many"}]}},
        {
            "data": {
                "dataPoints": [
                    {**TIMESERIES["data"]["dataPoints"][0], "endTimestamp": "2026-04-21T01:30:00Z"},
                    *TIMESERIES["data"]["dataPoints"],
                ]
            }
        },
        {
            "data": {
                "dataPoints": [
                    {key: value for key, value in TIMESERIES["data"]["dataPoints"][0].items() if key != "agentName"}
                ]
            }
        },
        {"data": [{**OLDER["data"][0], "timestamp": "2026-04-21T00:10:00Z"}]},
    ],
    ids=["nothing", "no points", "no bucket", "no number", "overlapping", "no group", "off its grid"],
)
def test_a_page_that_cannot_be_read_is_not_guessed_at(body: Any) -> None:
    with pytest.raises((KeyError, ValueError)):
        decode(HOURLY, [body])


def asked(**more: Any) -> Any:
    """What is sent for a question of the tool, as method, address and body."""
    found = plan([query_of(wire(**more))], NOW)
    method, url, query, body = spelled(HOST, found.endpoint, found.request)
    assert not query
    return method, url, orjson.loads(body)


def test_requests_are_spelled_as_the_vendor_documents_them() -> None:
    assert asked(
        type="timeseries",
        interval="5 minutes",
        datasource="modelMetrics",
        aggregations=of(("sum", "costInUSD"), ("p99", "latencyMs"), ("countDistinct", "virtualModel")),
        groupBy=["virtualModel", "virtualaccount", "metadata.env"],
        filters=[
            {"fieldName": "virtualModelName", "operator": "IS_NULL", "value": False},
            {"fieldName": "virtualAccount", "operator": "EQUAL", "value": "va"},
            {"fieldName": "metadata.env", "operator": "IN", "value": ["prod"]},
            {"fieldName": "latencyMs", "operator": "BETWEEN", "value": [1, 2.5]},
        ],
    ) == snapshot(
        (
            "POST",
            "https://acme.truefoundry.cloud/api/svc/v1/llm-gateway/metrics/query",
            {
                "startTs": "2026-04-21T00:00:00.000Z",
                "endTs": "2026-04-22T00:00:00.000Z",
                "datasource": "modelMetrics",
                "type": "timeseries",
                "interval": "5 minute",
                "aggregations": [
                    {"type": "sum", "column": "costInUSD"},
                    {"type": "p99", "column": "latencyMs"},
                    {"type": "countDistinct", "column": "virtualModel"},
                ],
                "groupBy": ["virtualModel", "virtualaccount", "metadata.env"],
                "filters": [
                    {"fieldName": "virtualModelName", "operator": "IS_NULL", "value": False},
                    {"fieldName": "virtualAccount", "operator": "EQUAL", "value": "va"},
                    {"metadataKey": "env", "operator": "IN", "value": ["prod"]},
                    {"fieldName": "latencyMs", "operator": "BETWEEN", "value": [1, 2.5]},
                ],
            },
        )
    )
    assert asked(datasource="cacheMetrics") == snapshot(
        (
            "POST",
            "https://acme.truefoundry.cloud/api/svc/v1/llm-gateway/metrics/query",
            {
                "startTs": "2026-04-21T00:00:00.000Z",
                "endTs": "2026-04-22T00:00:00.000Z",
                "datasource": "cacheMetrics",
                "type": "distribution",
            },
        )
    )


WORDS = st.text(min_size=1, max_size=5)


@st.composite
def filters(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A filter that a datasource takes."""
    source = DATASOURCES[name]
    wire_name = draw(st.sampled_from(sorted(source.filters)))
    column = source.filters[wire_name]
    operator = draw(st.sampled_from(sorted(column.operators)))
    field = dataset(source.dataset).find(column.field)
    one = st.integers(0, 999) if field.measurable else st.booleans() if field.type == "boolean" else WORDS
    many = st.lists(one, min_size=2, max_size=2) if operator == "BETWEEN" else st.lists(one, min_size=1, max_size=3)
    value = draw(st.booleans() if operator == "IS_NULL" else many if operator in LISTS else one)
    return {"fieldName": wire_name, "operator": operator, "value": value}


@st.composite
def wire_queries(draw: st.DrawFn) -> MetricsQuery:
    """A query that the wire takes."""
    name = draw(st.sampled_from(sorted(DATASOURCES)))
    source = DATASOURCES[name]
    columns = draw(st.lists(st.sampled_from(sorted(source.columns)), unique=True, max_size=3))
    numbers = [wire for wire, each in source.columns.items() if dataset(source.dataset).find(each.field).measurable]
    start = draw(st.integers(at("2025-01-01"), at("2026-01-01")))
    pairs = [(draw(st.sampled_from(AGGREGATIONS)), draw(st.sampled_from(sorted(numbers)))) for _ in columns]
    body: dict[str, Any] = {
        "startTs": iso_z(start, milliseconds=True),
        "endTs": iso_z(start + draw(st.integers(1, 8_000_000)), milliseconds=True),
        "datasource": name,
        "type": draw(st.sampled_from(["distribution", "timeseries"])),
        "groupBy": columns if not {"userEmail", "virtualaccount"} <= set(columns) else [],
        "aggregations": of(*dict.fromkeys(pairs)),
        "filters": draw(st.lists(filters(name), max_size=3)),
    }
    if body["type"] == "timeseries":
        body["interval"] = f"{draw(st.integers(1, 90))} {draw(st.sampled_from(UNITS))}"
    return MetricsQuery.model_validate(body)


@given(wire_queries())
def test_a_question_comes_back_from_its_own_request(request_: MetricsQuery) -> None:
    query = query_of(request_)
    found = plan([query], NOW)
    again = query_of(found.request)  # type: ignore[arg-type]  # it is the request of this endpoint
    assert again == query
    assert MetricsQuery.model_validate(written(found.request)) == found.request


CANNOT: dict[str, tuple[dict[str, Any], str]] = {
    "another dataset": ({"datasource": "messages"}, "be asked about messages."),
    "a field of ours": ({"datasource": "requests", "group_by": ["session_id"]}, "group agentMetrics by session_id."),
    "an agent by id": ({"datasource": "requests", "filters": {"agent": "a"}}, "filter agentMetrics by agent."),
    "a filter that is no column": (
        {"datasource": "model_calls", "filters": {"cache_type": "semantic"}},
        "filter modelMetrics by cache_type.",
    ),
    "an operator": (
        {"datasource": "requests", "filters": [where("agent_name", "IS_NULL", True)]},
        "filter agentMetrics by IS_NULL on agent_name.",
    ),
    "a percentile": (
        {"datasource": "agentMetrics", "aggregations": of(("p10", "latencyMs"))},
        "give p10 of latency_ms.",
    ),
    "a rate": ({"datasource": "agentMetrics", "aggregations": of(("rate", "isFailure"))}, "give rate of is_failure."),
    "medians of days elsewhere": (
        {
            **DAY,
            "datasource": "agentMetrics",
            "interval": "1d",
            "tz": "Asia/Kolkata",
            "aggregations": of(("p50", "latencyMs")),
        },
        "give p50LatencyMs per 1d of Asia/Kolkata: its buckets are in UTC.",
    ),
}


@pytest.mark.parametrize(("words", "why"), CANNOT.values(), ids=CANNOT)
async def test_what_the_vendor_cannot_do_is_said(pair: Pair, words: dict[str, Any], why: str) -> None:
    with pytest.raises(Unsupported) as refused:
        await pair.upstream(TOOL, "tfy", **words)
    assert refused.value.message == f"TrueFoundry cannot {why}"
    assert refused.value.hint


def test_another_datasource_that_has_the_field_is_named() -> None:
    cached = Query("model_calls", Window(at("2026-05-01"), NOW), (TOTAL,), None, ("cache_type",))
    with pytest.raises(Unsupported) as refused:
        plan([cached], NOW)
    assert refused.value.hint.endswith("cacheMetrics has it.")


async def test_what_no_answer_states_of_the_groups_that_are_not_shown_is_said(pair: Pair) -> None:
    traffic(pair)
    words = {"groupBy": ["conversationID"], "limit": 2, "aggregations": of(("p50", "latencyMs"), ("sum", "costInUSD"))}
    answer = (await pair.upstream(TOOL, "tfy", datasource="agentMetrics", **words, **DAY)).structured()
    here = (await pair.local(TOOL, datasource="agentMetrics", **words, **DAY)).structured()
    assert answer["other"]["total"] == {**here["other"]["total"], "p50LatencyMs": None}
    assert "the vendor states no p50LatencyMs of the groups that are not shown" in answer["notes"]


def test_years_are_asked_as_months() -> None:
    query = Query("requests", Window(at("2024-03-01"), NOW), (Measure("avg", "latency_ms", "x"),), Bucket("year", 2))
    assert written(plan([query], NOW).request)["interval"] == "24 month"
