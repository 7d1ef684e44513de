"""TrueFoundry's metrics query over the wire: whole bodies and refusals (contract `truefoundry` 3.2 to 3.7)."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    StoreCorrupt,
    TooLarge,
    Unauthorized,
)
from agentgauge.core.operation import Principal, Refusal
from agentgauge.core.query import OPERATORS
from agentgauge.core.wire import read
from agentgauge.dialects.truefoundry import DIALECT
from agentgauge.dialects.truefoundry.columns import DATASOURCES
from agentgauge.dialects.truefoundry.contract import AGGREGATIONS, Body, MetricsQuery, refuse

(QUERY,) = DIALECT.operations
BODY, DAY = TypeAdapter(Body), "2026-04-21"
WHOLE = {"startTs": f"{DAY}T00:00:00.000Z", "endTs": f"{DAY}T12:00:00Z", "type": "distribution"}
AGENTS = WHOLE | {"datasource": "agentMetrics"}
MODELS = WHOLE | {"datasource": "modelMetrics"}
HOURLY = {"type": "timeseries", "interval": "1 hour"}


async def post(world: World, body: Any, who: Principal | None = None) -> dict[str, Any]:
    """The answer to a body, as a client reads it."""
    desk = replace(world.app.desk(), who=who or Principal())
    request = read(QUERY.request, json.loads(json.dumps(body)), where="body")
    found = QUERY.encode(request, await QUERY.answer(request, desk), desk)
    BODY.validate_python(found)
    return json.loads(json.dumps(found, allow_nan=False))


async def points(world: World, body: Any, who: Principal | None = None) -> list[dict[str, Any]]:
    """The data points of the answer, which is nothing else."""
    found = await post(world, body, who)
    assert found == {"data": {"dataPoints": found["data"]["dataPoints"]}}
    return found["data"]["dataPoints"]


async def refused(world: World, body: Any) -> list[str]:
    """What is wrong with a body, in the envelope that says so."""
    with pytest.raises(GaugeError) as caught:
        await post(world, body)
    found = refuse(caught.value, "r1")
    assert found == Refusal(400, {"statusCode": 400, "message": "Invalid query", "details": found.body["details"]})
    return found.body["details"]


def run(hour: str, agent: str | None = "support-bot", **fields: Any) -> dict[str, Any]:
    """A gateway request at that time of the day."""
    return event("request", f"{DAY}T{hour}", agent_name=agent) | fields


def model(hour: str = "01:00", **fields: Any) -> dict[str, Any]:
    """A call of a model."""
    return event("model_call", f"{DAY}T{hour}", **fields)


def where(name: str, operator: str, value: Any) -> dict[str, Any]:
    """A body with one filter."""
    return {"filters": [{"fieldName": name, "operator": operator, "value": value}]}


async def test_the_pages_distribution_is_answered_to_the_letter(world: World) -> None:
    def runs(agent: str, half: int, low: float, high: float) -> list[dict[str, Any]]:
        return [run("01:00", agent, latency_ms=each) for each in [low] * half + [high] * half]

    world.give(*runs("research-agent", 190, 4220, 12480), *runs("support-bot", 620, 1820.5, 8240))
    body = AGENTS | {
        "groupBy": ["agentName"],
        "aggregations": [{"type": "p50", "column": "latencyMs"}, {"type": "p99", "column": "latencyMs"}],
    }
    found = await post(world, body)
    expected = (
        '{"data": {"dataPoints": ['
        '{"agentName": "support-bot", "total": 1240, "p50LatencyMs": 1820.5, "p99LatencyMs": 8240.0}, '
        '{"agentName": "research-agent", "total": 380, "p50LatencyMs": 4220.0, "p99LatencyMs": 12480.0}]}}'
    )
    assert json.dumps(found) == expected


async def test_the_pages_timeseries_is_answered_to_the_letter(world: World) -> None:
    world.give(*[run("00:59", latency_ms=8100)] * 52, *[run("01:00", latency_ms=8240)] * 61)
    body = AGENTS | HOURLY | {"groupBy": ["agentName"], "aggregations": [{"type": "p99", "column": "latencyMs"}]}
    found = await post(world, body)
    expected = (
        '{"data": {"dataPoints": ['
        '{"startTimestamp": "2026-04-21T00:00:00.000Z", "endTimestamp": "2026-04-21T01:00:00.000Z", '
        '"agentName": "support-bot", "total": 52, "p99LatencyMs": 8100.0}, '
        '{"startTimestamp": "2026-04-21T01:00:00.000Z", "endTimestamp": "2026-04-21T02:00:00.000Z", '
        '"agentName": "support-bot", "total": 61, "p99LatencyMs": 8240.0}]}}'
    )
    assert json.dumps(found) == expected


async def test_without_group_by_there_is_one_row_and_the_runs_of_no_agent_count(world: World) -> None:
    world.give(run("01:00"), run("02:00", None))
    assert await points(world, AGENTS) == [{"total": 2}]
    assert await points(world, AGENTS | {"groupBy": [], "aggregations": [], "filters": []}) == [{"total": 2}]
    assert await points(world, AGENTS | {"groupBy": None, "aggregations": None, "filters": None}) == [{"total": 2}]


async def test_empty_buckets_and_empty_answers_have_no_rows(world: World) -> None:
    assert await points(world, AGENTS) == []
    assert await points(world, AGENTS | HOURLY) == []
    world.give(run("01:30"), run("09:30"))
    starts = [each["startTimestamp"] for each in await points(world, AGENTS | HOURLY)]
    assert starts == [f"{DAY}T01:00:00.000Z", f"{DAY}T09:00:00.000Z"]


async def test_rows_come_by_bucket_then_total_then_group_with_null_last(world: World) -> None:
    for hour, counts in {"01": {"b": 1, "a": 1, None: 1, "c": 2}, "02": {"b": 3, "c": 1}}.items():
        world.give(*(run(f"{hour}:00", agent) for agent, n in counts.items() for _ in range(n)))
    found = await points(world, AGENTS | HOURLY | {"groupBy": ["agentName"]})
    assert [(each["startTimestamp"][11:13], each["agentName"], each["total"]) for each in found] == [
        ("01", "c", 2),
        ("01", "a", 1),
        ("01", "b", 1),
        ("01", None, 1),
        ("02", "b", 3),
        ("02", "c", 1),
    ]
    found = await points(world, AGENTS | {"groupBy": ["agentName"]})
    assert [(each["agentName"], each["total"]) for each in found] == [("b", 4), ("c", 3), ("a", 1), (None, 1)]


async def test_the_window_takes_its_start_and_not_its_end_and_buckets_lie_on_the_epoch(world: World) -> None:
    world.give(*(event("request", at(f"{DAY}T01:10") + ms) for ms in (-1, 0, 50 * MINUTE - 1, 50 * MINUTE)))
    body = AGENTS | HOURLY | {"startTs": f"{DAY}T01:10:00Z", "endTs": f"{DAY}T02:00:00Z"}
    assert await points(world, body) == [
        {"startTimestamp": f"{DAY}T01:00:00.000Z", "endTimestamp": f"{DAY}T02:00:00.000Z", "total": 2}
    ]


async def test_times_are_iso_8601_in_any_offset_or_epoch_milliseconds(world: World) -> None:
    world.give(run("01:00"))
    for start, end in (
        (f"{DAY}T03:00:00+02:00", f"{DAY}T03:00:01+02:00"),
        (f"{DAY}T01:00:00", f"{DAY}T01:00:00.001"),
        (DAY, "2026-04-22"),
        (at(f"{DAY}T01:00"), at(f"{DAY}T01:00") + 1),
        (float(at(f"{DAY}T01:00")), float(at(f"{DAY}T02:00"))),
    ):
        assert await points(world, AGENTS | {"startTs": start, "endTs": end}) == [{"total": 1}]


@pytest.mark.parametrize(
    ("given", "first", "second"),
    [
        ({"interval": "5 minute"}, "01:00", "01:05"),
        ({"interval": "90 SECONDS"}, "01:00", "01:01"),
        ({"interval": "2 hours"}, "00:00", "02:00"),
        ({"interval": "1 day"}, "00:00", "00:00"),
        ({"intervalInSeconds": 300}, "01:00", "01:05"),
        ({"intervalInSeconds": 300.0}, "01:00", "01:05"),
        ({"interval": "1 hour", "intervalInSeconds": 300}, "01:00", "02:00"),
        ({"interval": "1 hour", "intervalInSeconds": "x"}, "01:00", "02:00"),
    ],
)
async def test_an_interval_is_a_number_and_a_unit_and_wins_over_seconds(
    world: World, given: dict[str, Any], first: str, second: str
) -> None:
    world.give(run("01:00"))
    (found,) = await points(world, AGENTS | {"type": "timeseries"} | given)
    assert (found["startTimestamp"][11:16], found["endTimestamp"][11:16]) == (first, second)


async def test_weeks_start_on_monday_and_months_on_the_first(world: World) -> None:
    world.give(run("01:00"))
    for unit, start, end in (("week", "2026-04-20", "2026-04-27"), ("months", "2026-04-01", "2026-05-01")):
        assert await points(world, AGENTS | {"type": "timeseries", "interval": f"1 {unit}"}) == [
            {"startTimestamp": f"{start}T00:00:00.000Z", "endTimestamp": f"{end}T00:00:00.000Z", "total": 1}
        ]


async def test_a_distribution_ignores_the_interval(world: World) -> None:
    world.give(run("01:00"))
    assert await points(world, AGENTS | {"interval": "nonsense", "intervalInSeconds": -1}) == [{"total": 1}]


@pytest.mark.parametrize(
    "interval", ["1h30m", "1 hour 30 minute", "1 fortnight", "0 hour", "-1 hour", "hour", "1hour", "1  hour", "", 1, []]
)
async def test_another_interval_is_refused(world: World, interval: Any) -> None:
    assert await refused(world, AGENTS | {"type": "timeseries", "interval": interval}) == [
        "interval must be '<positive integer> <unit>' with a unit of second, minute, hour, day, week, month"
    ]


@pytest.mark.parametrize("seconds", [0, -60, 1.5, "60", True, []])
async def test_other_seconds_are_refused(world: World, seconds: Any) -> None:
    body = AGENTS | {"type": "timeseries", "intervalInSeconds": seconds}
    assert await refused(world, body) == ["intervalInSeconds must be a positive integer"]


async def test_a_timeseries_needs_an_interval_and_not_too_fine_a_one(world: World) -> None:
    assert await refused(world, AGENTS | {"type": "timeseries"}) == ["interval is required for a timeseries"]
    assert await refused(world, AGENTS | HOURLY | {"interval": "1 second"}) == [
        "the window holds 43,200 buckets of 1s, more than 10,000"
    ]
    assert await refused(world, AGENTS | HOURLY | {"interval": "999999999 day"}) == [
        "interval is longer than the time from 1970 to 2100"
    ]


async def test_sums_and_counts_of_nothing_are_zero_and_the_rest_null(world: World) -> None:
    world.give(run("01:00"))
    body = AGENTS | {"aggregations": [{"type": each, "column": "latencyMs"} for each in AGGREGATIONS]}
    zero = {"sumLatencyMs": 0, "countLatencyMs": 0, "countDistinctLatencyMs": 0}
    others = {f"{each}LatencyMs": None for each in AGGREGATIONS if each not in ("sum", "count", "countDistinct")}
    assert await points(world, body) == [{"total": 1} | zero | others]


async def test_a_sum_past_every_number_is_null(world: World) -> None:
    world.give(*(run("01:00", cost_usd=1.5e308) for _ in range(2)))
    body = AGENTS | {"aggregations": [{"type": "sum", "column": "costInUSD"}]}
    assert await points(world, body) == [{"total": 2, "sumCostInUSD": None}]


async def test_every_aggregation_has_its_key_and_its_value(world: World) -> None:
    world.give(*(run("01:00", latency_ms=each) for each in (10, 20, 20, 50)), run("01:00"))
    body = AGENTS | {"aggregations": [{"type": each, "column": "latencyMs"} for each in AGGREGATIONS] * 2}
    expected = {
        "sumLatencyMs": 100,
        "countLatencyMs": 4,
        "countDistinctLatencyMs": 3,
        "avgLatencyMs": 25.0,
        "minLatencyMs": 10,
        "maxLatencyMs": 50,
        "p50LatencyMs": 20.0,
        "p75LatencyMs": 20.0,
        "p90LatencyMs": 50.0,
        "p95LatencyMs": 50.0,
        "p99LatencyMs": 50.0,
    }
    (found,) = await points(world, body)
    assert found == {"total": 5} | expected
    assert list(found) == ["total", *expected]


async def test_the_attested_keys_of_every_datasource(world: World) -> None:
    hour = f"{DAY}T01:00"
    world.give(
        run("01:00", "support-bot"),
        model(cost_usd=0.5, model_name="m1", virtual_model_name="v1", cache_status="hit", potential_cost_savings=0.25),
        event("tool_call", hour, mcp_server_name="github", tool_name="t", method="tools/call"),
        event("guardrail_check", hour, guardrail_name="pii", result="fail", latency_ms=3),
        event("routing_decision", hour, status="ok", target_model="m1", loadbalance_target_attempt_count=3),
    )
    for datasource, groups, aggregation, expected in (
        ("agentMetrics", ["agentName"], ("count", "agentName"), {"agentName": "support-bot", "countAgentName": 1}),
        (
            "modelMetrics",
            ["virtualModel"],
            ("sum", "costInUSD"),
            {"virtualModelName": "v1", "sumCostInUSD": 0.5},
        ),
        (
            "cacheMetrics",
            ["modelName"],
            ("sum", "potentialCostSavings"),
            {"modelName": "m1", "sumPotentialCostSavings": 0.25},
        ),
        (
            "mcpMetrics",
            ["method"],
            ("countDistinct", "mcpServerName"),
            {"method": "tools/call", "countDistinctMcpServerName": 1},
        ),
        (
            "guardrailMetrics",
            ["guardrailResult"],
            ("p90", "latencyMs"),
            {"guardrailResult": "fail", "p90LatencyMs": 3.0},
        ),
        (
            "configMetrics",
            ["status"],
            ("avg", "loadbalanceTargetAttemptCount"),
            {"status": "ok", "avgLoadbalanceTargetAttemptCount": 3.0},
        ),
    ):
        how, column = aggregation
        body = WHOLE | {
            "datasource": datasource,
            "groupBy": groups,
            "aggregations": [{"type": how, "column": column}],
        }
        assert await points(world, body) == [{"total": 1} | expected], datasource


async def test_cache_metrics_are_the_model_calls_that_looked_into_a_cache(world: World) -> None:
    world.give(model(cache_status="hit"), model(cache_status="miss"), model())
    assert await points(world, WHOLE | {"datasource": "cacheMetrics"}) == [{"total": 2}]
    assert await points(world, MODELS) == [{"total": 3}]


async def test_users_and_virtual_accounts_are_created_by_subject_slugs(world: World) -> None:
    world.give(model(user="ada@x.io"), model(virtual_account="ci"))
    for name, slug in (("userEmail", "ada@x.io"), ("virtualaccount", "ci")):
        found = await points(world, MODELS | {"groupBy": [name]})
        assert found == [{"createdBySubjectSlug": slug, "total": 1}, {"createdBySubjectSlug": None, "total": 1}]
    assert await refused(world, MODELS | {"groupBy": ["userEmail", "virtualaccount"]}) == [
        "groupBy fields userEmail and virtualaccount share one response key"
    ]


async def test_a_team_is_one_of_a_rows_teams(world: World) -> None:
    world.give(model(team=["red", "blue"]), model(team=["red"]), model())
    assert await points(world, MODELS | {"groupBy": ["team"]}) == [
        {"team": "red", "total": 2},
        {"team": "blue", "total": 1},
        {"team": None, "total": 1},
    ]


async def test_metadata_is_grouped_and_filtered_by_its_keys(world: World) -> None:
    world.give(model(metadata={"env": "prod"}), model(metadata={"env": "dev"}), model())
    assert await points(world, MODELS | {"groupBy": ["metadata.env"]}) == [
        {"metadata.env": "dev", "total": 1},
        {"metadata.env": "prod", "total": 1},
        {"metadata.env": None, "total": 1},
    ]
    for naming in ({"metadataKey": "env"}, {"fieldName": "metadata.env"}):
        body = MODELS | {"filters": [naming | {"operator": "STRING_STARTS_WITH", "value": "pr"}]}
        assert await points(world, body) == [{"total": 1}]
        assert await refused(world, MODELS | {"filters": [naming | {"operator": "IS_NULL", "value": True}]}) == [
            'Field "metadata.env" does not support operator "IS_NULL"'
        ]


async def test_groups_keep_their_json_types(world: World) -> None:
    world.give(run("01:00", is_failure=True, http_status=500), run("01:00", is_failure=False, http_status=200))
    found = await points(world, AGENTS | {"groupBy": ["isFailure", "httpStatusCode"]})
    assert found == [
        {"isFailure": False, "httpStatusCode": 200, "total": 1},
        {"isFailure": True, "httpStatusCode": 500, "total": 1},
    ]
    assert [type(each["isFailure"]) for each in found] == [bool, bool]


@pytest.mark.parametrize(
    ("name", "operator", "value", "total"),
    [
        ("modelName", "EQUAL", "gpt", 1),
        ("modelName", "NOT_EQUAL", "gpt", 1),
        ("modelName", "IN", ["gpt", "opus"], 2),
        ("modelName", "NOT_IN", ["gpt"], 1),
        ("modelName", "STRING_CONTAINS", "pu", 1),
        ("modelName", "STRING_NOT_CONTAINS", "pu", 1),
        ("modelName", "STRING_STARTS_WITH", "g", 1),
        ("modelName", "STRING_NOT_STARTS_WITH", "g", 1),
        ("modelName", "STRING_ENDS_WITH", "s", 1),
        ("modelName", "STRING_NOT_ENDS_WITH", "s", 1),
        ("latencyMs", "EQUAL", 100, 1),
        ("latencyMs", "GREATER_THAN", 100, 1),
        ("latencyMs", "GREATER_THAN_EQUAL", 100, 2),
        ("latencyMs", "LESS_THAN", 200, 1),
        ("latencyMs", "LESS_THAN_EQUAL", 200.0, 2),
        ("latencyMs", "BETWEEN", [100, 150], 1),
        ("latencyMs", "IN", [100, 200.0], 2),
        ("latencyMs", "IS_NULL", True, 1),
        ("latencyMs", "IS_NULL", False, 2),
        ("errorCode", "EQUAL", "429", 1),
        ("errorCode", "IN", [429], 1),
        ("virtualModelName", "IS_NULL", True, 2),
        ("virtualModelName", "IS_NULL", False, 1),
        ("isFailure", "EQUAL", True, 1),
        ("traceId", "EQUAL", "t1", 1),
        ("team", "ARRAY_HAS_ANY", ["red"], 1),
        ("team", "ARRAY_HAS_NONE", ["red"], 2),
        ("virtualAccount", "EQUAL", "ci", 1),
        ("userEmail", "STRING_ENDS_WITH", "@x.io", 1),
    ],
)
async def test_every_operator_keeps_the_rows_it_says(
    world: World, name: str, operator: str, value: Any, total: int
) -> None:
    world.give(
        model(model_name="gpt", latency_ms=100, error_code=429, team=["red"], trace_id="t1", user="ada@x.io"),
        model(model_name="opus", latency_ms=200, virtual_model_name="v", is_failure=True, virtual_account="ci"),
        model(),
    )
    assert await points(world, MODELS | where(name, operator, value)) == [{"total": total}]


@pytest.mark.parametrize(
    ("datasource", "name", "operator", "value"),
    [
        ("agentMetrics", "agentName", "IS_NULL", True),
        ("agentMetrics", "agentName", "EQUAL", "a"),
        ("agentMetrics", "agentFramework", "NOT_EQUAL", "a"),
        ("agentMetrics", "isFailure", "IS_NULL", True),
        ("agentMetrics", "latencyMs", "STRING_CONTAINS", "1"),
        ("agentMetrics", "team", "IN", ["a"]),
        ("agentMetrics", "team", "IS_NULL", True),
        ("agentMetrics", "userEmail", "IS_NULL", True),
        ("agentMetrics", "agentName", "LIKE", "a"),
        ("agentMetrics", "agentName", "in", ["a"]),
        ("modelMetrics", "modelName", "IS_NULL", True),
        ("modelMetrics", "modelName", "GREATER_THAN", "a"),
        ("modelMetrics", "traceId", "IN", ["a"]),
        ("modelMetrics", "providerAccountType", "STRING_CONTAINS", "a"),
        ("mcpMetrics", "toolName", "EQUAL", "a"),
        ("guardrailMetrics", "guardrailResult", "EQUAL", "pass"),
        ("cacheMetrics", "cacheType", "EQUAL", "semantic"),
        ("configMetrics", "targetModel", "STRING_CONTAINS", "a"),
    ],
)
async def test_an_operator_that_a_field_does_not_take_is_named(
    world: World, datasource: str, name: str, operator: str, value: Any
) -> None:
    assert await refused(world, WHOLE | {"datasource": datasource} | where(name, operator, value)) == [
        f'Field "{name}" does not support operator "{operator}"'
    ]


@pytest.mark.parametrize(
    ("name", "operator", "value", "form"),
    [
        ("agentName", "IN", "support-bot", "a non-empty array of strings"),
        ("agentName", "IN", [], "a non-empty array of strings"),
        ("agentName", "IN", [1], "a non-empty array of strings"),
        ("agentName", "STRING_CONTAINS", ["a"], "a string value"),
        ("latencyMs", "BETWEEN", 5, "an array of two numbers"),
        ("latencyMs", "BETWEEN", [1, 2, 3], "an array of two numbers"),
        ("latencyMs", "EQUAL", "5", "a number value"),
        ("latencyMs", "IN", [True], "a non-empty array of numbers"),
        ("latencyMs", "IS_NULL", "true", "a boolean value"),
        ("isFailure", "EQUAL", "true", "a boolean value"),
        ("team", "ARRAY_HAS_ANY", "red", "a non-empty array of strings"),
    ],
)
async def test_a_value_of_another_form_is_refused(
    world: World, name: str, operator: str, value: Any, form: str
) -> None:
    assert await refused(world, AGENTS | where(name, operator, value)) == [
        f'Operator "{operator}" on field "{name}" requires {form}'
    ]


async def test_a_filter_without_its_parts_is_refused(world: World) -> None:
    shapeless = "A filter must be an object with either a fieldName or a metadataKey"
    entries: list[tuple[Any, str]] = [
        ("agentName", shapeless),
        ({"operator": "IN", "value": ["a"]}, shapeless),
        ({"field": "agentName", "operator": "IN", "value": ["a"]}, shapeless),
        ({"fieldName": "agentName", "metadataKey": "env", "operator": "IN", "value": ["a"]}, shapeless),
        ({"fieldName": "agentName", "value": ["a"]}, 'Filter on "agentName" must have an operator'),
        ({"fieldName": "agentName", "operator": "IN"}, 'Operator "IN" on field "agentName" requires a value'),
    ]
    for entry, sentence in entries:
        assert await refused(world, AGENTS | {"filters": [entry]}) == [sentence]


async def test_names_are_the_wires_own(world: World) -> None:
    assert await refused(world, AGENTS | where("agentNme", "IN", ["a"])) == ["Unknown filter field: agentNme"]
    assert await refused(world, AGENTS | where("agent_name", "IN", ["a"])) == ["Unknown filter field: agent_name"]
    assert await refused(world, AGENTS | {"groupBy": ["agent_name"]}) == ["Unknown groupBy field: agent_name"]
    assert await refused(world, AGENTS | {"groupBy": ["virtualAccount"]}) == ["Unknown groupBy field: virtualAccount"]
    assert await refused(world, MODELS | {"groupBy": ["virtualModelName"]}) == [
        "Unknown groupBy field: virtualModelName"
    ]
    (message,) = await refused(world, WHOLE | {"datasource": "model_calls"})
    assert message == f"datasource must be one of: {', '.join(DATASOURCES)}"
    for name in ("latencyMs", "httpStatusCode", "errorType"):
        body = WHOLE | {"datasource": "configMetrics"} | where(name, "EQUAL", 1)
        assert await refused(world, body) == [f"Unsupported gateway config filter name: {name}"]


@pytest.mark.parametrize(
    ("aggregation", "sentence"),
    [
        ({"type": "p42", "column": "latencyMs"}, "Unknown aggregation type: p42"),
        ({"type": "rate", "column": "isFailure"}, "Unknown aggregation type: rate"),
        ({"type": "sum", "column": "tokens"}, "Unknown aggregation column: tokens"),
        ({"type": "sum", "column": "agentName"}, 'Column "agentName" does not support aggregation "sum"'),
        ({"type": "p50", "column": "isFailure"}, 'Column "isFailure" does not support aggregation "p50"'),
        ({"type": "max", "column": "metadata.env"}, 'Column "metadata.env" does not support aggregation "max"'),
        ({"type": "count"}, "An aggregation must be an object with a type and a column"),
        ({"column": "latencyMs"}, "An aggregation must be an object with a type and a column"),
        ("p99", "An aggregation must be an object with a type and a column"),
    ],
)
async def test_another_aggregation_is_refused(world: World, aggregation: Any, sentence: str) -> None:
    assert await refused(world, AGENTS | {"aggregations": [aggregation]}) == [sentence]


async def test_token_columns_belong_to_no_tool_call(world: World) -> None:
    body = WHOLE | {"datasource": "mcpMetrics", "aggregations": [{"type": "sum", "column": "costInUSD"}]}
    assert await refused(world, body) == ["Unknown aggregation column: costInUSD"]


async def test_everything_that_is_wrong_is_said_at_once(world: World) -> None:
    assert await refused(world, {}) == [
        "startTs is required",
        "endTs is required",
        "type is required",
        "datasource is required",
    ]
    body = {
        "startTs": "yesterday",
        "endTs": "1969-01-01T00:00:00Z",
        "datasource": "agentMetrics",
        "type": "timeseries",
        "groupBy": ["nobody", 1],
        "aggregations": [{"type": "sum", "column": "agentName"}, {"type": "p0", "column": "nothing"}],
        "filters": [{"fieldName": "agentName", "operator": "IS_NULL", "value": True}, {"fieldName": "what"}],
    }
    assert await refused(world, body) == [
        "startTs must be an ISO 8601 timestamp",
        "endTs must lie between 1970 and 2100",
        "interval is required for a timeseries",
        "Unknown groupBy field: nobody",
        "groupBy must be an array of strings",
        'Column "agentName" does not support aggregation "sum"',
        "Unknown aggregation column: nothing",
        "Unknown aggregation type: p0",
        'Field "agentName" does not support operator "IS_NULL"',
        "Unknown filter field: what",
        'Filter on "what" must have an operator',
    ]


async def test_a_window_that_is_empty_and_lists_that_are_none_are_refused(world: World) -> None:
    for start, end in ((DAY, DAY), ("2026-04-22", DAY)):
        assert await refused(world, AGENTS | {"startTs": start, "endTs": end}) == ["startTs must be before endTs"]
    body: dict[str, Any] = AGENTS | {"groupBy": "agentName", "aggregations": {"type": "sum"}, "filters": "x"}
    assert await refused(world, body) == [
        "groupBy must be an array",
        "aggregations must be an array",
        "filters must be an array",
    ]
    assert await refused(world, AGENTS | {"type": "table"}) == ["type must be one of: distribution, timeseries"]
    for value in (True, [DAY], {"at": DAY}, "١٢٣", "2026-04-21T99:00", ""):
        assert await refused(world, AGENTS | {"startTs": value}) == ["startTs must be an ISO 8601 timestamp"]


async def test_a_body_that_is_no_object_is_refused(world: World) -> None:
    bodies: list[Any] = [[], "x", 1, None]
    for body in bodies:
        assert await refused(world, body) == ["The body must be a JSON object"]


async def test_unknown_words_beside_the_query_are_ignored(world: World) -> None:
    world.give(run("01:00"))
    assert await points(world, AGENTS | {"dataSource": 1, "limit": "x"}) == [{"total": 1}]


async def test_a_member_sees_own_rows_and_own_teams_rows(world: World) -> None:
    world.give(model(user="ada"), model(team=["red"]), model(user="bob", team=["blue"]), model())
    member = Principal(role="member", user="ada", teams=("red",))
    assert await points(world, MODELS, member) == [{"total": 2}]
    assert await points(world, MODELS, replace(member, teams=())) == [{"total": 1}]
    assert await points(world, MODELS, Principal(role="member")) == []
    assert await points(world, MODELS, Principal(role="admin")) == [{"total": 4}]


async def test_the_tool_gives_the_same_numbers(world: World) -> None:
    world.give(*(run(f"0{n % 5}:30", f"a{n % 3}", latency_ms=n * 7 % 11) for n in range(60)))
    wire = AGENTS | {"groupBy": ["agentName"], "aggregations": [{"type": "p90", "column": "latencyMs"}]}
    answer = await world.ask(
        "query_datapoints",
        datasource="agentMetrics",
        start=f"{DAY}T00:00Z",
        end=f"{DAY}T12:00Z",
        group_by=["agentName"],
        aggregations=[{"type": "p90", "column": "latencyMs"}],
    )
    told = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert [each | {"p90LatencyMs": int(each["p90LatencyMs"])} for each in await points(world, wire)] == told


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unauthorized("no key"), Refusal(401, {"statusCode": 401, "message": "Unauthorized"})),
        (Forbidden("no scope"), Refusal(403, {"statusCode": 403, "message": "Forbidden"})),
        (NotFound("no such path"), Refusal(404, {"statusCode": 404, "message": "Not Found"})),
        (TooLarge("too large"), Refusal(413, {"statusCode": 413, "message": "Payload Too Large"})),
        (
            InvalidRequest([Problem("body", "must be valid JSON", "json_invalid", "body")]),
            Refusal(400, {"statusCode": 400, "message": "Invalid query", "details": ["body: must be valid JSON"]}),
        ),
        (
            StoreBusy("busy"),
            Refusal(503, {"statusCode": 503, "message": "Service Unavailable"}, {"Retry-After": "1"}),
        ),
        (StoreCorrupt("secret"), Refusal(500, {"statusCode": 500, "message": "Internal Server Error"})),
        (DeadlineExceeded("secret"), Refusal(500, {"statusCode": 500, "message": "Internal Server Error"})),
        (GaugeError("secret"), Refusal(500, {"statusCode": 500, "message": "Internal Server Error"})),
    ],
)
def test_every_error_has_its_envelope(error: GaugeError, expected: Refusal) -> None:
    assert refuse(error, "r1") == expected
    assert DIALECT.served().refuse is refuse


def test_the_schema_of_the_request_names_what_is_required() -> None:
    schema = MetricsQuery.model_json_schema(by_alias=True)
    assert schema["required"] == ["startTs", "endTs", "datasource", "type"]
    assert schema["properties"]["intervalInSeconds"]["deprecated"] is True


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def some(names: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of the names, or rarely anything."""
    return st.sampled_from(names) | st.sampled_from(names) | ANYTHING


COLUMNS = sorted({name for each in DATASOURCES.values() for name in (*each.columns, *each.filters)}) + ["metadata.a"]
VALUES = ANYTHING | st.sampled_from([["a"], [1, 2], 5, "a", True, [10**30], -(10**400), "\ud800"])
BODIES = st.fixed_dictionaries(
    {
        "startTs": some([DAY, 0]) | st.sampled_from([-1, 10**400, "0001-01-01T00:00:00+14:00"]),
        "endTs": some(["2026-04-22", 4_102_444_800_000]) | st.just("9999-12-31T23:59:59-14:00"),
        "datasource": some(list(DATASOURCES)),
        "type": some(["distribution", "timeseries"]),
    },
    optional={
        "interval": some(["1 hour", "999999999 month", "5 minutes", "9 week"]),
        "intervalInSeconds": st.sampled_from([3_600, 10**400, 1.5e300]) | ANYTHING,
        "groupBy": st.lists(some(COLUMNS), max_size=3) | ANYTHING,
        "aggregations": st.lists(
            st.fixed_dictionaries({"type": some(AGGREGATIONS), "column": some(COLUMNS)}) | ANYTHING, max_size=3
        ),
        "filters": st.lists(
            st.fixed_dictionaries({"fieldName": some(COLUMNS), "operator": some(OPERATORS), "value": VALUES})
            | ANYTHING,
            max_size=3,
        ),
    },
)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with some events of every datasource."""
    folder: Path = tmp_path_factory.mktemp("busy")
    world = World(folder)
    kinds = ("request", "model_call", "tool_call", "guardrail_check", "routing_decision")
    world.give(
        *(
            event(kind, at(DAY) + n * HOUR, latency_ms=n, team=["a"][: n % 2], metadata={"a": str(n)}, error_code=n)
            for kind in kinds
            for n in range(20)
        )
    )
    return world


@given(body=BODIES)
async def test_any_body_is_answered_or_refused(busy: World, body: dict[str, Any]) -> None:
    request = read(QUERY.request, body, where="body")
    desk = busy.app.desk()
    try:
        BODY.validate_python(QUERY.encode(request, await QUERY.answer(request, desk), desk))
    except GaugeError as error:
        found = refuse(error, "r1")
        assert found.status == 400
        assert all(isinstance(each, str) for each in found.body["details"])


@st.composite
def sound(draw: st.DrawFn) -> dict[str, Any]:
    """A body that nothing is wrong with."""
    name = draw(st.sampled_from(list(DATASOURCES)))
    columns, filters = list(DATASOURCES[name].columns), DATASOURCES[name].filters
    groups = draw(st.lists(st.sampled_from([*columns, "metadata.a"]), max_size=2))
    field = draw(st.sampled_from(list(filters)))
    operator = draw(st.sampled_from(sorted(filters[field].operators)))
    fits = {"IS_NULL": True, "BETWEEN": [3, 9.5], "ARRAY_HAS_ANY": ["a"], "ARRAY_HAS_NONE": ["a"]}
    numeric = field in ("httpStatusCode", "latencyMs", "costInUSD") or field.endswith("Tokens")
    one: Any = 5 if numeric or field == "cacheLookupLatencyMs" else True if field == "isFailure" else "5"
    value = fits.get(operator, [one] if operator in ("IN", "NOT_IN") else one)
    return {
        "startTs": DAY,
        "endTs": "2026-04-22",
        "datasource": name,
        "type": draw(st.sampled_from(["distribution", "timeseries"])),
        "interval": draw(st.sampled_from(["1 hour", "5 minutes", "1 week"])),
        "groupBy": [] if {"userEmail", "virtualaccount"} <= set(groups) else groups,
        "aggregations": [{"type": draw(st.sampled_from(["count", "countDistinct"])), "column": columns[0]}],
        "filters": draw(st.sampled_from([[], [{"fieldName": field, "operator": operator, "value": value}]])),
    }


@given(body=sound())
async def test_groups_and_buckets_of_a_sound_body_add_up_to_its_total(busy: World, body: dict[str, Any]) -> None:
    whole = await points(busy, body | {"type": "distribution", "groupBy": []})
    found = await points(busy, body)
    keys = [tuple(value for name, value in each.items() if name != "total") for each in found]
    assert len(set(keys)) == len(keys)
    if "team" not in body["groupBy"]:
        assert sum(each["total"] for each in found) == sum(each["total"] for each in whole)
