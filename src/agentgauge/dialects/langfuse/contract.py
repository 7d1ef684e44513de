"""Langfuse's wire: its metrics, in three generations, and what a key may see (contract `astropods` 5.3.1 and 5.3.2).

Above: `upstream` asks them, `decode` reads the answers. Below: core. Both ends of a metrics window are inclusive, so it
ends one millisecond before ours does; the daily metrics have it as we do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer

from agentgauge.core.time import Unit, Window, iso_z
from agentgauge.core.wire import Wire

Granularity = Literal["minute", "hour", "day", "week", "month"]
ROWS = 1_000
"""The most rows that v2 gives; 100 where none is asked for."""
DAYS = 100
"""The most days on a page of the daily metrics."""
LAST = 1
"""How many milliseconds before our end the last instant of a metrics window is."""


class Question(Wire):
    """What the metrics are asked: JSON in the one parameter `query`."""

    view: Literal["traces", "observations"]
    dimensions: list[dict[str, str]]
    metrics: list[dict[str, str]]
    filters: list[dict[str, Any]]
    time_dimension: dict[str, Granularity] | None = Field(None, alias="timeDimension")
    from_timestamp: str = Field(alias="fromTimestamp")
    to_timestamp: str = Field(alias="toTimestamp")
    config: dict[str, int] | None = None


def _text(question: Question) -> str:
    return question.model_dump_json(by_alias=True, exclude_none=True)


class MetricsRequest(Wire):
    """GET /api/public/v2/metrics, and GET /api/public/metrics."""

    query: Annotated[Question, PlainSerializer(_text)]


class DailyRequest(Wire):
    """GET /api/public/metrics/daily."""

    trace_name: str = Field(alias="traceName")
    from_timestamp: str = Field(alias="fromTimestamp")
    to_timestamp: str = Field(alias="toTimestamp")
    page: int = 1
    limit: int = DAYS


class ProjectsRequest(Wire):
    """GET /api/public/projects: the project that the key is of."""


def question(
    view: Literal["traces", "observations"],
    window: Window,
    granularity: Unit | None,
    metrics: Mapping[str, str],
    where: Mapping[str, str],
    *,
    dimensions: tuple[str, ...] = (),
    rows: int | None = None,
) -> MetricsRequest:
    """The request for those metrics (measure -> aggregation) of the rows that have those values."""
    asked: dict[str, Any] = {
        "view": view,
        "dimensions": [{"field": name} for name in dimensions],
        "metrics": [{"measure": measure, "aggregation": how} for measure, how in metrics.items()],
        "filters": [{"column": c, "operator": "=", "value": v, "type": "string"} for c, v in where.items()],
        "timeDimension": {"granularity": granularity} if granularity else None,
        "fromTimestamp": iso_z(window.start, milliseconds=True),
        "toTimestamp": iso_z(window.end - LAST, milliseconds=True),
        "config": {"row_limit": rows} if rows else None,
    }
    return MetricsRequest.model_validate({"query": asked})
