"""`query_datapoints`: TrueFoundry's metrics query, over its six datasources and over every dataset of ours.

Semantics: contract `truefoundry` 3.2 to 3.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from agentgauge.core.asking import (
    agent_label,
    by_agent_id,
    check_keys,
    interval_of,
    noting_unpriced,
    window_of,
    zone_of,
)
from agentgauge.core.fit import present
from agentgauge.core.operation import Tool
from agentgauge.core.parse import TIMES, Bucketed, Compared, Conditions, Objects, Words
from agentgauge.core.query import OPERATORS, Query
from agentgauge.core.series import Series
from agentgauge.dialects.truefoundry.translate import aggregations, filters, groups, source

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk


class DatapointParams(Compared, Bucketed):
    """Arguments of `query_datapoints`."""

    aliases: ClassVar = TIMES | {"startTs": "start", "endTs": "end", "intervalInSeconds": "interval"}
    converts: ClassVar = {"intervalInSeconds": lambda seconds: f"{seconds} second"}  # type: ignore[reportUnknownLambdaType]

    datasource: str
    type: Literal["distribution", "timeseries"] | None = None
    aggregations: Objects | None = Field(
        None, description="[{type, column}]: count, countDistinct, sum, avg, min, max, p50-p99"
    )
    group_by: Words | None = None
    filters: Conditions | None = Field(
        None, description="[{field, operator, value}], AND. Operators: " + ", ".join(OPERATORS)
    )


async def query_datapoints(params: DatapointParams, desk: Desk) -> Answer:
    """Count and aggregations per group, over the window or per bucket."""
    tz = zone_of(params, desk)
    of = source(params.datasource)
    named = groups(params.group_by, of)
    timeline = params.type == "timeseries" or (params.type is None and params.interval is not None)
    query = Query(
        dataset=of.holder.name,
        window=window_of(params, desk, tz),
        measures=aggregations(params.aggregations, of),
        group_by=tuple(named),
        where=await by_agent_id(filters(params.filters, of), desk),
    )
    answer = await present(
        Series(
            title=f"{of.name}" + (f" by {' and '.join(named.values())}" if named else ""),
            query=query,
            tz=tz,
            budget=params.budget,
            limit=params.limit,
            timeline=timeline,
            interval=interval_of(params, tz) if timeline else None,
            compare=params.compare_to is not None,
            heads=named,
            label=await agent_label(tuple(named), desk),
            ask=noting_unpriced(desk.ask, query.window) if desk.offers is None else None,
        ),
        desk,
    )
    return await check_keys(query, answer, desk)


QUERY_DATAPOINTS = Tool(
    name="query_datapoints",
    title="Query datapoints",
    description=(
        "Any dataset: aggregate, group and filter, as a distribution or a timeseries. datasource: messages, calls, "
        "webhooks, requests, model_calls, tool_calls, guardrail_checks, routing_decisions, points (fields in "
        "describe_metrics), or agentMetrics, modelMetrics, cacheMetrics, mcpMetrics, guardrailMetrics, configMetrics."
    ),
    params=DatapointParams,
    run=query_datapoints,
)
