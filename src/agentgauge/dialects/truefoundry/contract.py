"""TrueFoundry's wire: the query's body, the answer's and the errors (contract `truefoundry` 3.2, 3.4 and 3.5).

Above: `operations` reads and fills them, the REST face publishes them. Below: core. The request is taken as it comes
and checked in `operations`, because a refusal states everything that is wrong with a query, not the first thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import TypedDict

from agentgauge.core.errors import (
    CallerError,
    Forbidden,
    GaugeError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    StoreBusy,
    TooLarge,
    Unauthorized,
)
from agentgauge.core.operation import Refusal
from agentgauge.core.query import OPERATORS
from agentgauge.core.wire import Wire
from agentgauge.dialects.truefoundry.columns import DATASOURCES

AGGREGATIONS = ("sum", "count", "countDistinct", "avg", "min", "max", "p50", "p75", "p90", "p95", "p99")
"""The aggregations the wire takes (3.2 and 3.7, 17)."""
TYPES = ("distribution", "timeseries")
UNITS = ("second", "minute", "hour", "day", "week", "month")
"""The units of `interval`, in the singular (3.7, 1)."""


class InvalidQuery(InvalidRequest):
    """Raised by a query that is wrong, with one sentence for each thing that is."""

    def __init__(self, details: Sequence[str]) -> None:
        super().__init__([Problem("body", each, where="body") for each in details])


_TIME = WithJsonSchema({"type": "string", "format": "date-time"})
_AGGREGATION = {
    "type": "object",
    "properties": {"type": {"type": "string", "enum": list(AGGREGATIONS)}, "column": {"type": "string"}},
    "required": ["type", "column"],
}
_FILTER = {
    "type": "object",
    "properties": {
        "fieldName": {"type": "string"},
        "metadataKey": {"type": "string"},
        "operator": {"type": "string", "enum": list(OPERATORS)},
        "value": {"type": ["string", "number", "boolean", "array"], "items": {"type": ["string", "number"]}},
    },
    "required": ["operator", "value"],
}


def _stated(schema: dict[str, Any]) -> None:
    """Says in the schema what `operations` holds a query to: null is no value, and these are needed."""
    schema["required"] = ["startTs", "endTs", "datasource", "type"]
    for each in schema["properties"].values():
        del each["default"]


class MetricsQuery(Wire):
    """POST /api/svc/v1/llm-gateway/metrics/query."""

    model_config = ConfigDict(json_schema_extra=_stated)

    start_ts: Annotated[Any, _TIME] = Field(None, alias="startTs")
    end_ts: Annotated[Any, _TIME] = Field(None, alias="endTs")
    datasource: Annotated[Any, WithJsonSchema({"type": "string", "enum": list(DATASOURCES)})] = None
    type: Annotated[Any, WithJsonSchema({"type": "string", "enum": list(TYPES)})] = None
    interval: Annotated[Any, WithJsonSchema({"type": "string"})] = None
    interval_in_seconds: Annotated[Any, WithJsonSchema({"type": "integer", "deprecated": True})] = Field(
        None, alias="intervalInSeconds"
    )
    aggregations: Annotated[Any, WithJsonSchema({"type": "array", "items": _AGGREGATION})] = None
    group_by: Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "string"}})] = Field(
        None, alias="groupBy"
    )
    filters: Annotated[Any, WithJsonSchema({"type": "array", "items": _FILTER})] = None


@with_config(ConfigDict(extra="allow"))
class DataPoint(TypedDict):
    """One row: a key per groupBy entry and per aggregation beside these; the bucket only in a timeseries."""

    startTimestamp: NotRequired[str]
    endTimestamp: NotRequired[str]
    total: int


class DataPoints(TypedDict):
    """The rows."""

    dataPoints: list[DataPoint]


class Body(TypedDict):
    """A success."""

    data: DataPoints


class ErrorBody(TypedDict):
    """A failure; `details` in a 400 only."""

    statusCode: int
    message: str
    details: NotRequired[list[str]]


MESSAGES: tuple[tuple[type[GaugeError], int, str], ...] = (
    (Unauthorized, 401, "Unauthorized"),
    (Forbidden, 403, "Forbidden"),
    (MethodNotAllowed, 405, "Method Not Allowed"),
    (NotFound, 404, "Not Found"),
    (TooLarge, 413, "Payload Too Large"),
    (CallerError, 400, "Invalid query"),
    (StoreBusy, 503, "Service Unavailable"),
    (GaugeError, 500, "Internal Server Error"),
)
"""The first kind that an error is: its status and message."""


def refuse(error: GaugeError, request_id: str) -> Refusal:
    """An error in TrueFoundry's envelope; the message is never the cause of a 5xx."""
    status, message = next(found[1:] for found in MESSAGES if isinstance(error, found[0]))
    body: dict[str, Any] = {"statusCode": status, "message": message}
    if status == 400:
        body["details"] = _details(error)
    return Refusal(status, body, {"Retry-After": "1"} if status == 503 else {})


def _details(error: GaugeError) -> list[str]:
    if isinstance(error, InvalidQuery):
        return [each.message for each in error.problems]
    if isinstance(error, InvalidRequest):
        return [_sentence(each) for each in error.problems]
    return [error.message.rstrip(".")]


def _sentence(problem: Problem) -> str:
    if problem.kind in ("model_type", "model_attributes_type"):
        return "The body must be a JSON object"
    return f"{problem.name}: {problem.message}"
