"""Astropods' wire: requests, bodies and errors of an agent's observability (contract `astropods` 5.1, 5.2 and 5.4).

Above: `operations` reads and fills them, the REST face publishes them. Below: core.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NotRequired

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
from agentgauge.core.time import EARLIEST, FIXED, LATEST, SECOND, iso_z
from agentgauge.core.wire import Wire

INTERVAL = 60
LONGEST = LATEST // FIXED["minute"]
"""The longest interval, in minutes: from 1970 to 2100."""
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SPACED_OFFSET = re.compile(r" (\d\d:\d\d)$")
_MINUTES = re.compile(r"[+-]?\d{1,12}", re.ASCII)


class NotConfigured(GaugeError):
    """Raised when there are no traces at all: nothing sends any (5.2, 503)."""

    code = "NOT_CONFIGURED"


class AgentNotFound(NotFound):
    """Raised by an agent that nobody has (5.4, 6)."""

    code = "AGENT_NOT_FOUND"


def _instant(given: Any) -> Any:
    """An RFC 3339 date-time in ms; a `+` that was sent unencoded arrives as a space, and blank is left out."""
    if given is None or given == "":
        return None
    text = _SPACED_OFFSET.sub(r"+\1", given) if isinstance(given, str) else ""
    try:
        if not _RFC3339.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError("must be an RFC 3339 date-time") from None
    instant = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if not EARLIEST <= instant <= LATEST:
        raise ValueError("must lie between 1970 and 2100")
    return instant


def _minutes(given: Any) -> Any:
    if given == "":
        return INTERVAL
    if isinstance(given, str) and not _MINUTES.fullmatch(given):
        raise ValueError("must be a whole number of minutes")
    return given


def stamp(instant: int) -> str:
    """RFC 3339, with milliseconds only where there are any."""
    return iso_z(instant, milliseconds=instant % SECOND != 0)


Instant = Annotated[
    int | None,
    BeforeValidator(_instant),
    PlainSerializer(stamp, when_used="unless-none"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class SummaryRequest(Wire):
    """GET /api/v1/agents/{account}/{name}/observability/summary."""

    account: str
    name: str
    start_time: Instant = None
    end_time: Instant = None


class MetricsRequest(SummaryRequest):
    """GET /api/v1/agents/{account}/{name}/observability/metrics."""

    interval: Annotated[int, Field(ge=1, le=LONGEST), BeforeValidator(_minutes)] = INTERVAL


class TraceBucket(TypedDict):
    """The traces of one interval."""

    timestamp: str
    trace_count: int
    avg_latency_ms: float
    input_tokens: int
    output_tokens: int
    error_count: int


class TimeRange(TypedDict):
    """What was looked at."""

    start: str
    end: str


class MetricsBody(TypedDict):
    """The traces per interval."""

    buckets: list[TraceBucket]
    time_range: TimeRange
    interval_minutes: int


class SummaryBody(TypedDict):
    """The traces of the whole range."""

    total_traces: int
    avg_latency_ms: float
    error_rate: float
    time_range: TimeRange


class ErrorBody(TypedDict):
    """A failure."""

    error: str
    details: NotRequired[str]


MESSAGES: tuple[tuple[type[GaugeError], int, str], ...] = (
    (Unauthorized, 401, "Authentication required"),
    (Forbidden, 403, "Insufficient permissions for this account"),
    (AgentNotFound, 404, "agent not found"),
    (MethodNotAllowed, 405, "method not allowed"),
    (NotFound, 404, "not found"),
    (TooLarge, 413, "request body too large"),
    (WindowTooLarge, 400, "time range too large"),
    (CallerError, 400, "invalid request"),
    (NotConfigured, 503, "observability is not configured"),
    (StoreBusy, 503, "service unavailable"),
    (GaugeError, 500, "internal server error"),
)
"""The first kind that an error is: its status and message."""


def refuse(error: GaugeError, request_id: str) -> Refusal:
    """An error in Astropods' envelope (5.1); the message is never the cause of a 5xx."""
    status, message = next(found[1:] for found in MESSAGES if isinstance(error, found[0]))
    body: dict[str, Any] = {"error": message}
    if isinstance(error, InvalidRequest):
        body["details"] = "; ".join(f"{each.name}: {each.message}" for each in error.problems)
    elif status == 400:
        body["details"] = error.message.rstrip(".")
    return Refusal(status, body, {"Retry-After": "1"} if isinstance(error, StoreBusy) else {})
