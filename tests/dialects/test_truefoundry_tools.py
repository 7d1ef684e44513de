"""`query_datapoints`: TrueFoundry's metrics query over its six datasources and over our own datasets (contract
`truefoundry` 3.2 to 3.7)."""

from __future__ import annotations

from typing import Any

import pytest
from world import NOW, World, at, by, event, rows, sent, values

from agentgauge.core.errors import GaugeError, InvalidValue, UnknownName
from agentgauge.core.query import OPERATORS
from agentgauge.dialects.truefoundry.columns import DATASOURCES

TOOL = "query_datapoints"
DAY: dict[str, Any] = {"startTs": "2026-05-05T00:00:00.000Z", "endTs": "2026-05-06T00:00:00.000Z"}
HERE = "2026-05-05T01:00"


def request(when: str | int = HERE, /, **fields: Any) -> dict[str, Any]:
    """A gateway request."""
    return event("request", when, **fields)


def model_call(when: str | int = HERE, /, **fields: Any) -> dict[str, Any]:
    """A call of a model."""
    return event("model_call", when, **fields)


def where(field: str, operator: str, value: Any) -> list[dict[str, Any]]:
    """One filter."""
    return [{"field": field, "operator": operator, "value": value}]


async def test_without_aggregations_there_is_only_the_total(world: World) -> None:
    world.give(request(agent_name="a"), request(agent_name="a"), request())
    answer = await world.ask(TOOL, datasource="agentMetrics", type="distribution", groupBy=["agentName"], **DAY)
    assert rows(answer) == [{"agentName": "a", "total": 2}, {"agentName": None, "total": 1}]


async def test_without_groups_there_is_one_row(world: World) -> None:
    world.give(request(latency_ms=10), request(latency_ms=30))
    asked = {"datasource": "agentMetrics", "aggregations": [{"type": "avg", "column": "latencyMs"}]}
    assert (await world.ask(TOOL, **asked, **DAY)).total == {"total": 2, "avgLatencyMs": 20}


async def test_the_window_holds_its_start_and_not_its_end(world: World) -> None:
    world.give(request("2026-05-05T00:00"), request("2026-05-06T00:00"))
    assert (await world.ask(TOOL, datasource="agentMetrics", **DAY)).total == 1


async def test_keys_are_the_type_and_the_column_with_a_capital(world: World) -> None:
    world.give(*(request(latency_ms=number, agent_name=f"a{number % 3}", cost_usd=0.5) for number in range(1, 101)))
    types = [("p99", "latencyMs"), ("p50", "latencyMs"), ("countDistinct", "agentName"), ("count", "agentName")]
    types += [("sum", "costInUSD"), ("min", "latencyMs"), ("max", "latencyMs")]
    aggregations = [{"type": type, "column": column} for type, column in types]
    answer = await world.ask(TOOL, datasource="agentMetrics", aggregations=aggregations, **DAY)
    assert answer.total == {
        "total": 100,
        "p99LatencyMs": 99,
        "p50LatencyMs": 50,
        "countDistinctAgentName": 3,
        "countAgentName": 100,
        "sumCostInUSD": 50.0,
        "minLatencyMs": 1,
        "maxLatencyMs": 100,
    }


async def test_a_count_of_a_column_is_of_its_values(world: World) -> None:
    world.give(request(agent_name="a"), request())
    asked = {"datasource": "agentMetrics", "aggregations": [{"type": "count", "column": "agentName"}]}
    assert (await world.ask(TOOL, **asked, **DAY)).total == {"total": 2, "countAgentName": 1}


async def test_sums_of_nothing_are_zero_and_everything_else_is_null(world: World) -> None:
    world.give(request())
    types = ("sum", "countDistinct", "avg", "min", "max", "p50")
    aggregations = [{"type": type, "column": "latencyMs"} for type in types]
    total = (await world.ask(TOOL, datasource="agentMetrics", aggregations=aggregations, **DAY)).total
    assert isinstance(total, dict)
    assert list(total.values()) == [1, 0, 0, None, None, None, None]


@pytest.mark.parametrize("interval", [{"interval": "1 hour"}, {"interval": "60 MINUTES"}, {"intervalInSeconds": 3600}])
async def test_a_timeseries_has_a_value_for_every_bucket(world: World, interval: dict[str, Any]) -> None:
    world.give(request("2026-05-05T00:59"), request("2026-05-05T01:00"))
    window = {"startTs": "2026-05-05T00:00Z", "endTs": "2026-05-05T03:00Z"}
    answer = await world.ask(TOOL, datasource="agentMetrics", type="timeseries", **window, **interval)
    assert values(answer) == [1, 1, 0]


async def test_buckets_lie_on_the_grid_and_rows_stay_in_the_window(world: World) -> None:
    world.give(request("2026-05-05T00:20"), request("2026-05-05T00:40"), request("2026-05-05T01:20"))
    window = {"startTs": "2026-05-05T00:30Z", "endTs": "2026-05-05T01:10Z"}
    answer = await world.ask(TOOL, datasource="agentMetrics", type="timeseries", interval="1 hour", **window)
    assert rows(answer) == [{"total": 1, "peak": "1@00", "values": [1, 0]}]
    assert answer.structured()["first_bucket"] == "2026-05-05T00:00Z"


async def test_a_distribution_takes_no_notice_of_an_interval(world: World) -> None:
    world.give(request())
    answer = await world.ask(TOOL, datasource="agentMetrics", type="distribution", interval="1 hour", **DAY)
    assert (answer.axis, answer.total) == (None, 1)


@pytest.mark.parametrize("interval", ["1 hour 30 minute", "1h30m", "0 minute", "-5 minute", "1 fortnight", "1.5 hour"])
async def test_a_malformed_interval_is_refused(world: World, interval: str) -> None:
    with pytest.raises(InvalidValue, match="is not an interval"):
        await world.ask(TOOL, datasource="agentMetrics", type="timeseries", interval=interval, **DAY)


async def test_a_request_of_two_teams_counts_once_for_each(world: World) -> None:
    world.give(request(team=["red", "blue"]), request(team=["red"]), request())
    answer = await world.ask(TOOL, datasource="agentMetrics", groupBy=["team"], **DAY)
    assert (by(answer, "total"), answer.total) == ({"red": 2, "blue": 1, None: 1}, 3)


async def test_user_and_virtual_account_in_one_grouping_are_refused(world: World) -> None:
    with pytest.raises(InvalidValue, match="groupBy fields userEmail and virtualaccount share one response key"):
        await world.ask(TOOL, datasource="modelMetrics", groupBy=["userEmail", "virtualaccount"], **DAY)


async def test_a_metadata_key_groups_and_filters_in_all_its_spellings(world: World) -> None:
    world.give(request(metadata={"env": "prod"}), request(metadata={"env": "dev"}), request())
    answer = await world.ask(TOOL, datasource="agentMetrics", groupBy=["metadata.env"], **DAY)
    assert by(answer, "total") == {"dev": 1, "prod": 1, None: 1}
    for field in ({"metadataKey": "env"}, {"fieldName": "metadata.env"}, {"field": "metadata.env"}):
        filters = [field | {"operator": "EQUAL", "value": "prod"}]
        assert (await world.ask(TOOL, datasource="agentMetrics", filters=filters, **DAY)).total == 1


async def test_cache_metrics_are_the_model_calls_that_looked_into_the_cache(world: World) -> None:
    world.give(model_call(cache_status="hit", cache_read_tokens=7), model_call(cache_status="miss"), model_call())
    asked = {"datasource": "cacheMetrics", "aggregations": [{"type": "sum", "column": "cacheReadInputTokens"}]}
    assert (await world.ask(TOOL, **asked, **DAY)).total == {"total": 2, "sumCacheReadInputTokens": 7}
    assert (await world.ask(TOOL, datasource="modelMetrics", **DAY)).total == 3


async def test_virtual_models_are_told_apart_by_a_null_filter(world: World) -> None:
    world.give(model_call(virtual_model_name="v"), model_call(), model_call())
    for is_null, total in ((True, 2), (False, 1)):
        filters = where("virtualModelName", "IS_NULL", is_null)
        assert (await world.ask(TOOL, datasource="modelMetrics", filters=filters, **DAY)).total == total


DATASOURCE_EVENTS = {
    "agentMetrics": "request",
    "modelMetrics": "model_call",
    "cacheMetrics": "model_call",
    "mcpMetrics": "tool_call",
    "guardrailMetrics": "guardrail_check",
    "configMetrics": "routing_decision",
}


@pytest.mark.parametrize("datasource", DATASOURCE_EVENTS)
async def test_a_datasource_counts_its_own_dataset_and_groups_by_all_its_columns(world: World, datasource: str) -> None:
    fields = {"cache_status": "hit"} if datasource == "cacheMetrics" else {}
    world.give(*(event(kind, HERE, **fields) for kind in sorted(set(DATASOURCE_EVENTS.values()))))
    for column in (*DATASOURCES[datasource].columns,):
        answer = await world.ask(TOOL, datasource=datasource, groupBy=[column], **DAY)
        assert (list(answer.columns), answer.total) == ([column, "total"], 1)


@pytest.mark.parametrize(
    ("datasource", "column"), [(name, column) for name in DATASOURCES for column in DATASOURCES[name].filters]
)
async def test_a_filter_takes_exactly_the_operators_of_its_field(world: World, datasource: str, column: str) -> None:
    held = DATASOURCES[datasource].filters[column]
    for operator in OPERATORS:
        value = operand(held.field, operator)
        asked = world.ask(TOOL, datasource=datasource, filters=where(column, operator, value), **DAY)
        if operator in held.operators:
            assert (await asked).total == 0
            continue
        with pytest.raises(InvalidValue, match=f'Field "{column}" does not support operator "{operator}"'):
            await asked


def operand(field: str, operator: str) -> Any:
    """A value of the right form for a field and an operator."""
    if operator == "IS_NULL":
        return False
    one: Any = 5 if field.endswith(("_ms", "_tokens", "cost_usd", "http_status", "savings")) else "pass"
    one = True if field == "is_failure" else one
    return [one, one] if operator in ("IN", "NOT_IN", "BETWEEN", "ARRAY_HAS_ANY", "ARRAY_HAS_NONE") else one


@pytest.mark.parametrize("operator", ["EQUAL", "NOT_EQUAL", "IS_NULL"])
async def test_agent_name_takes_no_equality_and_no_null(world: World, operator: str) -> None:
    value = True if operator == "IS_NULL" else "a"
    with pytest.raises(InvalidValue) as refused:
        await world.ask(TOOL, datasource="agentMetrics", filters=where("agentName", operator, value), **DAY)
    assert refused.value.message == f'Field "agentName" does not support operator "{operator}".'
    assert refused.value.hint.startswith("It takes: IN, NOT_IN, STRING_CONTAINS")


async def test_a_bare_value_for_agent_name_is_refused_as_the_equality_it_means(world: World) -> None:
    world.give(request(agent_name="a"))
    with pytest.raises(InvalidValue, match=r'"agentName" does not support operator "EQUAL".*It takes: IN'):
        await world.ask(TOOL, datasource="agentMetrics", filters={"agentName": "a"}, **DAY)


@pytest.mark.parametrize("field", ["httpStatusCode", "errorType", "latencyMs"])
async def test_config_metrics_refuse_the_filters_they_have_not(world: World, field: str) -> None:
    with pytest.raises(UnknownName, match=f"^UNKNOWN_NAME: Unsupported gateway config filter name: {field}\\. "):
        await world.ask(TOOL, datasource="configMetrics", filters=where(field, "EQUAL", 1), **DAY)


NAMES = ("alpha", "Alpha", "beta", "", None)
STRING_RULES = (
    ("EQUAL", "alpha", 1),
    ("NOT_EQUAL", "alpha", 3),
    ("IN", ["alpha", "beta"], 2),
    ("NOT_IN", ["alpha", "beta"], 2),
    ("STRING_CONTAINS", "lph", 2),
    ("STRING_NOT_CONTAINS", "lph", 2),
    ("STRING_STARTS_WITH", "A", 1),
    ("STRING_NOT_STARTS_WITH", "A", 3),
    ("STRING_ENDS_WITH", "ta", 1),
    ("STRING_NOT_ENDS_WITH", "ta", 3),
    ("IS_NULL", True, 1),
    ("IS_NULL", False, 4),
    ("STRING_CONTAINS", "%", 0),
    ("STRING_CONTAINS", "_", 0),
)


@pytest.mark.parametrize(("operator", "value", "total"), STRING_RULES)
async def test_strings_are_compared_as_they_stand_and_null_fails_all_but_is_null(
    world: World, operator: str, value: Any, total: int
) -> None:
    world.give(*(model_call(virtual_model_name=name) for name in NAMES))
    filters = where("virtualModelName", operator, value)
    assert (await world.ask(TOOL, datasource="modelMetrics", filters=filters, **DAY)).total == total


NUMBER_RULES = (
    ("EQUAL", 20, 1),
    ("NOT_EQUAL", 20, 2),
    ("IN", [10, 20], 2),
    ("NOT_IN", [10, 20], 1),
    ("GREATER_THAN", 20, 1),
    ("GREATER_THAN_EQUAL", 20, 2),
    ("LESS_THAN", 20, 1),
    ("LESS_THAN_EQUAL", 20, 2),
    ("BETWEEN", [10, 20], 2),
    ("BETWEEN", [20, 10], 0),
    ("IS_NULL", True, 1),
    ("EQUAL", "20", 1),
    (">=", 20, 2),
    ("GREATER_THAN", 19.5, 2),
)


@pytest.mark.parametrize(("operator", "value", "total"), NUMBER_RULES)
async def test_numbers_are_compared_as_numbers(world: World, operator: str, value: Any, total: int) -> None:
    world.give(*(request(latency_ms=latency) for latency in (10, 20, 30, None)))
    filters = where("latencyMs", operator, value)
    assert (await world.ask(TOOL, datasource="agentMetrics", filters=filters, **DAY)).total == total


@pytest.mark.parametrize(
    ("operator", "value", "total"), [("ARRAY_HAS_ANY", ["red", "grey"], 2), ("ARRAY_HAS_NONE", ["red"], 2)]
)
async def test_a_missing_list_of_teams_is_an_empty_one(world: World, operator: str, value: Any, total: int) -> None:
    world.give(request(team=["red", "blue"]), request(team=["red"]), request(team=["blue"]), request())
    filters = where("team", operator, value)
    assert (await world.ask(TOOL, datasource="agentMetrics", filters=filters, **DAY)).total == total


async def test_filters_are_joined_by_and(world: World) -> None:
    world.give(*(request(latency_ms=latency, is_failure=bad) for latency in (10, 20) for bad in (True, False)))
    filters = [*where("latencyMs", "GREATER_THAN", 15), *where("isFailure", "EQUAL", True)]
    assert (await world.ask(TOOL, datasource="agentMetrics", filters=filters, **DAY)).total == 1


@pytest.mark.parametrize(
    "filters",
    [
        where("latencyMs", "BETWEEN", [1]),
        where("latencyMs", "IN", 5),
        where("latencyMs", "EQUAL", [5]),
        where("latencyMs", "EQUAL", "fast"),
        where("latencyMs", "EQUAL", None),
        where("isFailure", "EQUAL", "maybe"),
        where("userEmail", "EQUAL", {"a": 1}),
        where("userEmail", "IS_NULL", "yes"),
        [{"field": "latencyMs", "value": 5}],
        [{"operator": "EQUAL", "value": 5}],
        [{"field": "latencyMs", "operator": "EQUAL", "valeu": 5}],
        [{"field": "latencyMs", "fieldName": "isFailure", "operator": "EQUAL", "value": 5}],
        where("latencyMs", "NEAR", 5),
        where("latency", "EQUAL", 5),
        where("metadata.", "EQUAL", "x"),
        [5],
        "latencyMs > 5",
        {"latencyMs": {"GREATER_THAN": "fast"}},
        {"latencyMs": {}},
        {"userEmail": []},
    ],
)
async def test_a_filter_of_another_form_is_refused(world: World, filters: Any) -> None:
    world.give(request(latency_ms=1, user="ann"))
    with pytest.raises(GaugeError) as refused:
        await world.ask(TOOL, datasource="agentMetrics", filters=filters, **DAY)
    assert refused.value.code in ("INVALID_VALUE", "UNKNOWN_NAME")


@pytest.mark.parametrize(
    "aggregations",
    [
        [{"type": "p99"}],
        [{"column": "latencyMs"}],
        [{"type": "p99", "column": "latency_ms"}],
        [{"type": "p999", "column": "latencyMs"}],
        [{"type": "p0", "column": "latencyMs"}],
        [{"type": "median of", "column": "latencyMs"}],
        [{"type": "sum", "column": "agentName"}],
        [{"type": "p50", "column": "isFailure"}],
        [{"type": "sum", "column": "latencyMs", "as": "x"}],
        ["p99"],
        "p99",
    ],
)
async def test_an_aggregation_of_another_form_is_refused(world: World, aggregations: Any) -> None:
    with pytest.raises(GaugeError) as refused:
        await world.ask(TOOL, datasource="agentMetrics", aggregations=aggregations, **DAY)
    assert refused.value.code in ("INVALID_VALUE", "UNKNOWN_NAME")


async def test_our_own_datasets_have_their_own_words(world: World) -> None:
    world.give(sent(HERE, cost_cents=0.5), sent(HERE, "mms", cost_cents=2), sent(HERE, "mms"))
    asked = {"datasource": "messages", "group_by": "channel", "aggregations": [{"type": "sum", "column": "cost_cents"}]}
    answer = await world.ask(TOOL, **asked, **DAY)
    assert rows(answer) == [
        {"channel": "mms", "count": 2, "sum_cost_cents": 2},
        {"channel": "sms", "count": 1, "sum_cost_cents": 0.5},
    ]


async def test_our_own_fields_take_every_operator_of_their_type(world: World) -> None:
    world.give(request(agent_name="a"), request(agent_name="b"), request())
    for operator, value, total in (("EQUAL", "a", 1), ("NOT_EQUAL", "a", 1), ("IS_NULL", True, 1), ("IN", ["b"], 1)):
        filters = where("agent_name", operator, value)
        assert (await world.ask(TOOL, datasource="requests", filters=filters, **DAY)).total == total


async def test_rows_come_by_the_first_measure_and_then_by_their_groups(world: World) -> None:
    world.give(*(request(agent_name=name) for name in ("b", "b", "a", "c", "c")), request(), request())
    answer = await world.ask(TOOL, datasource="agentMetrics", groupBy="agentName", **DAY)
    assert list(by(answer, "total")) == ["b", "c", None, "a"]


async def test_what_does_not_add_up_is_marked(world: World) -> None:
    world.give(*(request(agent_name=f"a{number}", latency_ms=number) for number in range(5)))
    asked = {"datasource": "agentMetrics", "groupBy": "agentName", "limit": 2}
    answer = await world.ask(TOOL, **asked, aggregations=[{"type": "p50", "column": "latencyMs"}], **DAY)
    assert answer.structured()["other"] == {"groups": 3, "total": {"total": 3, "p50LatencyMs": 3}}
    assert "p50LatencyMs: rows and other do not add up to total" in answer.notes


@pytest.mark.parametrize("name", ["agentmetrics", "modelMetric", "agents", "numbers", "message"])
async def test_an_unknown_datasource_is_refused_with_the_valid_ones(world: World, name: str) -> None:
    with pytest.raises(UnknownName, match=r"is not a datasource. Valid: agentMetrics, .*routing_decisions, points"):
        await world.ask(TOOL, datasource=name, **DAY)


async def test_numbers_of_milliseconds_are_taken_as_times(world: World) -> None:
    world.give(request())
    window = {"startTs": at("2026-05-05"), "endTs": NOW}
    assert (await world.ask(TOOL, datasource="agentMetrics", **window)).total == 1
