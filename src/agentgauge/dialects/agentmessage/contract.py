"""AgentMessage's wire: requests, bodies and errors, as contract `agentmessage` 1.2 to 1.4 has them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from typing_extensions import TypedDict

from agentgauge.core.errors import (
    CallerError,
    Forbidden,
    GaugeError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    StoreBusy,
    TooLarge,
    Unauthorized,
    WindowTooLarge,
)
from agentgauge.core.operation import Refusal
from agentgauge.core.time import iso_z
from agentgauge.core.wire import Wire, blank

Granularity = Literal["minute", "hour", "day"]
LIMIT, MOST = 1_000, 5_000
"""Buckets per page: the default and the most."""


class GranularityNotAvailable(Forbidden):
    """Raised by a granularity finer than the organisation's tier (1.5, tier gate)."""

    code = "GRANULARITY_NOT_AVAILABLE"


class InvalidCursor(CallerError):
    """Raised by a cursor that cannot be read, or whose query the other parameters disagree with."""

    code = "INVALID_INPUT"


def _instant(value: Any) -> Any:
    """An RFC 3339 date-time with an offset, in ms; a `+` that was sent unencoded arrives as a space."""
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 date-time")
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", value) if "T" in value else value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be an RFC 3339 date-time") from None
    if moment.tzinfo is None or len(text) < len("2026-05-05T00:00Z"):
        raise ValueError("must be an RFC 3339 date-time with an offset")
    return int(moment.timestamp()) * 1_000 + moment.microsecond // 1_000


Instant = Annotated[
    int, BeforeValidator(_instant), PlainSerializer(iso_z), WithJsonSchema({"type": "string", "format": "date-time"})
]


class MetricsRequest(Wire):
    """The parameters that all three routes share."""

    start: Annotated[Instant | None, BeforeValidator(blank)] = Field(None, alias="from")
    to: Annotated[Instant | None, BeforeValidator(blank)] = None
    granularity: Annotated[Granularity | None, BeforeValidator(blank)] = None
    cursor: Annotated[str | None, BeforeValidator(blank)] = None
    limit: Annotated[int, Field(ge=1, le=MOST)] = LIMIT
    compare_to: Annotated[Literal["prior_period"] | None, BeforeValidator(blank)] = None


class MessagesRequest(MetricsRequest):
    """GET /v1/metrics/messages."""

    metric: Literal["sent", "delivered", "failed", "cost_cents"]
    group_by: Annotated[Literal["channel", "error_code"] | None, BeforeValidator(blank)] = None


class InboundRequest(MetricsRequest):
    """GET /v1/metrics/inbound."""

    metric: Literal["received", "cost_cents"]
    group_by: Annotated[Literal["channel"] | None, BeforeValidator(blank)] = None


class WebhooksRequest(MetricsRequest):
    """GET /v1/metrics/webhooks."""

    metric: Literal["delivered", "failed", "retried"]
    group_by: Annotated[Literal["endpoint_id", "kind", "http_status_class"] | None, BeforeValidator(blank)] = None


class Group(TypedDict):
    """One group of a bucket."""

    key: str | None
    value: int


class BucketBody(TypedDict):
    """One bucket: `value`, or `groups` when grouping was asked; null when it is not aggregated yet."""

    bucket_start: str
    value: NotRequired[int | None]
    groups: NotRequired[list[Group] | None]


# `from` is a keyword, so these two bodies are written as calls.
Comparison = TypedDict("Comparison", {"from": str, "to": str, "buckets": list[BucketBody]})
Data = TypedDict(
    "Data",
    {
        "metric": str,
        "granularity": Granularity,
        "from": str,
        "to": str,
        "buckets": list[BucketBody],
        "comparison": NotRequired[Comparison],
    },
)


class Meta(TypedDict):
    """How far aggregation has come, and the page."""

    as_of: str
    limit: int
    next_cursor: str | None


class Body(TypedDict):
    """A success."""

    success: Literal[True]
    data: Data
    meta: Meta


class ErrorDetail(TypedDict):
    """What went wrong."""

    code: str
    message: str
    request_id: str
    details: NotRequired[dict[str, Any]]


class ErrorBody(TypedDict):
    """A failure."""

    success: Literal[False]
    error: ErrorDetail


MESSAGES: tuple[tuple[type[GaugeError], int, str, str], ...] = (
    (Unauthorized, 401, "UNAUTHORIZED", "authentication failed"),
    (GranularityNotAvailable, 422, "GRANULARITY_NOT_AVAILABLE", "granularity not available at this plan tier"),
    (Forbidden, 403, "FORBIDDEN", "missing required scope"),
    (WindowTooLarge, 422, "WINDOW_TOO_LARGE", "window holds too many buckets"),
    (InvalidRequest, 422, "VALIDATION_FAILED", "validation failed"),
    (InvalidCursor, 422, "INVALID_INPUT", "cursor does not match the request"),
    (MethodNotAllowed, 405, "METHOD_NOT_ALLOWED", "method not allowed"),
    (NotFound, 404, "NOT_FOUND", "not found"),
    (TooLarge, 413, "PAYLOAD_TOO_LARGE", "request body too large"),
    (CallerError, 422, "VALIDATION_FAILED", "validation failed"),
    (StoreBusy, 503, "SERVICE_UNAVAILABLE", "temporarily unavailable"),
    (GaugeError, 500, "INTERNAL_ERROR", "internal error"),
)
"""The first kind that an error is: its status, code and message (1.4)."""


def refuse(error: GaugeError, request_id: str) -> Refusal:
    """An error in AgentMessage's envelope; the message is never the cause of a 5xx."""
    status, code, message = next(found[1:] for found in MESSAGES if isinstance(error, found[0]))
    details: dict[str, Any] = dict(error.details)
    if isinstance(error, InvalidRequest):
        details = {each.name: each.message for each in error.problems}
    body: dict[str, Any] = {"code": code, "message": message, "request_id": request_id}
    if details and status == 422:
        body["details"] = details
    headers = {"Retry-After": "1"} if status == 503 else {}
    return Refusal(status, {"success": False, "error": body}, headers)
