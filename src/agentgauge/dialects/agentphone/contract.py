"""AgentPhone's wire: requests, bodies and errors of the usage family (contract `agentphone` 2.2, 2.3 and 2.5).

Above: `operations` reads and fills them, the REST face publishes them. Below: core.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, Field
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
    UnknownName,
)
from agentgauge.core.operation import Refusal
from agentgauge.core.time import zone
from agentgauge.core.wire import Text, Wire

Period = Literal["week", "month", "year"]
"""The calendar periods of usage by agent."""


def _known_zone(name: str | None) -> str | None:
    try:
        zone("UTC" if name is None else name)
    except UnknownName:
        raise ValueError("must be an IANA time zone, like America/New_York") from None
    return name


class UsageRequest(Wire):
    """GET /v1/usage and /v1/usage/by-number: no parameters."""


class DailyRequest(Wire):
    """GET /v1/usage/daily."""

    days: Annotated[int, Field(ge=1, le=365)] = 30


class MonthlyRequest(Wire):
    """GET /v1/usage/monthly."""

    months: Annotated[int, Field(ge=1, le=24)] = 6


class ByAgentRequest(Wire):
    """GET /v1/usage/by-agent."""

    period: Period
    tz: Annotated[Text, AfterValidator(_known_zone)] = None


class Limits(TypedDict):
    """What a plan allows."""

    numbers: int
    messagesPerMonth: int
    voiceMinutesPerMonth: int
    maxCallDurationMinutes: int
    concurrentCalls: int


class Plan(TypedDict):
    """The account's plan."""

    name: str
    limits: Limits


class Numbers(TypedDict):
    """How many phone numbers there are, and how many there may be."""

    used: int
    limit: int
    remaining: int


class Stats(TypedDict):
    """The account's counts."""

    totalMessages: int
    messagesLast24h: int
    messagesLast7d: int
    messagesLast30d: int
    totalCalls: int
    callsLast24h: int
    callsLast7d: int
    callsLast30d: int
    totalWebhookDeliveries: int
    successfulWebhookDeliveries: int
    failedWebhookDeliveries: int
    smsSegmentsLast30d: NotRequired[int]


class UsageBody(TypedDict):
    """GET /v1/usage."""

    plan: NotRequired[Plan]
    numbers: Numbers
    stats: Stats
    periodStart: str
    periodEnd: str
    reportGeneratedAt: NotRequired[str]


class Day(TypedDict):
    """One day in UTC."""

    date: str
    messages: int
    calls: int
    webhooks: int


class DailyBody(TypedDict):
    """GET /v1/usage/daily."""

    data: list[Day]
    days: int


class Month(TypedDict):
    """One month in UTC."""

    month: str
    messages: int
    calls: int
    webhooks: int


class MonthlyBody(TypedDict):
    """GET /v1/usage/monthly."""

    data: list[Month]
    months: int


class NumberUsage(TypedDict):
    """One phone number's lifetime."""

    numberId: str
    phoneNumber: str
    country: str
    status: str
    messages: int
    calls: int
    agentId: NotRequired[str | None]
    agentName: NotRequired[str | None]


class ByNumberBody(TypedDict):
    """GET /v1/usage/by-number."""

    data: list[NumberUsage]


class AgentUsage(TypedDict):
    """One agent's traffic, or that of no agent."""

    agentId: str | None
    agentName: str
    messages: int
    calls: int
    totalSeconds: int
    isOrphan: NotRequired[bool]


class ByAgentBody(TypedDict):
    """GET /v1/usage/by-agent."""

    data: list[AgentUsage]
    period: str
    periodStart: str
    periodEnd: str


class ValidationDetail(TypedDict):
    """One thing wrong with a request, as FastAPI says it."""

    loc: list[str | int]
    msg: str
    type: str


class ErrorItem(TypedDict):
    """The same, as the guides have it."""

    field: str
    message: str
    type: str


class UsageError(TypedDict):
    """What went wrong."""

    message: str
    code: str
    type: str
    details: list[ErrorItem]


class ErrorBody(TypedDict):
    """A failure in both of the vendor's shapes, because clients read the one or the other (2.3)."""

    detail: list[ValidationDetail] | str
    error: UsageError


MESSAGES: tuple[tuple[type[GaugeError], int, str, str, str], ...] = (
    (Unauthorized, 401, "UNAUTHORIZED", "authentication_error", "Invalid or missing API key"),
    (Forbidden, 403, "FORBIDDEN", "permission_error", "Insufficient permissions"),
    (MethodNotAllowed, 405, "METHOD_NOT_ALLOWED", "invalid_request", "Method Not Allowed"),
    (NotFound, 404, "NOT_FOUND", "not_found", "Not Found"),
    (TooLarge, 413, "PAYLOAD_TOO_LARGE", "validation_error", "Request body too large"),
    (CallerError, 422, "VALIDATION_ERROR", "validation_error", "Request validation failed"),
    (StoreBusy, 503, "SERVICE_UNAVAILABLE", "api_error", "Service temporarily unavailable"),
    (GaugeError, 500, "INTERNAL_ERROR", "api_error", "Internal server error"),
)
"""The first kind that an error is: its status, code, type and message."""


def refuse(error: GaugeError, request_id: str) -> Refusal:
    """An error in AgentPhone's two envelopes at once (2.5, 1); the message is never the cause of a 5xx."""
    status, code, kind, message = next(found[1:] for found in MESSAGES if isinstance(error, found[0]))
    problems: tuple[Problem, ...] = ()
    if isinstance(error, InvalidRequest):
        problems = error.problems
    elif status == 422:
        problems = (Problem("request", error.message),)
    body: dict[str, Any] = {
        "detail": [_detail(each) for each in problems] if status == 422 else message,
        "error": {
            "message": message,
            "code": code,
            "type": kind,
            "details": [{"field": each.name, "message": each.message, "type": "value_error"} for each in problems],
        },
    }
    return Refusal(status, body, {"Retry-After": "1"} if status == 503 else {})


def _detail(problem: Problem) -> ValidationDetail:
    return {"loc": [problem.where, problem.name], "msg": problem.message, "type": problem.kind}
