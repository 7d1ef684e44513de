"""VoiceRun's wire: requests, bodies and errors of the custom metrics (contract `voicerun` 4.2, 4.3 and 4.6).

Above: `operations` reads and fills them, the REST face publishes them. Below: core.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
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
from agentgauge.core.time import EARLIEST, FIXED, LATEST, ROUGH, from_local, midnight, zone
from agentgauge.core.when import When
from agentgauge.core.wire import Text, Wire

STEPS = {"s": FIXED["second"], "m": FIXED["minute"], "h": FIXED["hour"], "d": ROUGH["day"], "w": ROUGH["week"]}
"""The units of `step`, in ms: Prometheus durations, which know no calendar (4.6, 3)."""
_STEP = re.compile(r"(\d{1,12})([smhdw])", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SPACED_OFFSET = re.compile(r" (\d\d:\d\d)$")
_YEARS = range(1969, 2101)
OUTSIDE = "must lie between 1970 and 2100"


def when(text: str, tz: str) -> When:
    """A date, which stands for its whole day in the zone, or a time, in the zone where it has no offset (4.6, 1).

    Raises:
        ValueError: if it is neither, or lies outside 1970 to 2100.
    """
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            found = When(midnight(day, tz), midnight(day + timedelta(days=1), tz)) if _near(day) else None
        else:
            found = _instant(text, tz)
    except (ValueError, OverflowError):
        raise ValueError("must be a valid ISO 8601 date string") from None
    if found is None or found.start < EARLIEST or found.end > LATEST:
        raise ValueError(OUTSIDE)
    return found


def _instant(text: str, tz: str) -> When | None:
    # A "+" that was sent unencoded arrives as a space.
    moment = datetime.fromisoformat(_SPACED_OFFSET.sub(r"+\1", text))
    if "T" not in text:
        raise ValueError
    if not _near(moment):
        return None
    if moment.tzinfo is None:
        instant = from_local(moment, tz)
    else:
        instant = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return When(instant, instant)


def _near(day: date) -> bool:
    # The last years of the calendar have no room for a zone's offset.
    return day.year in _YEARS


def _dated(text: str) -> str:
    try:
        when(text, "UTC")
    except ValueError as error:
        if str(error) != OUTSIDE:  # what is outside in UTC may lie inside in the request's zone
            raise
    return text


def _zone(name: str | None) -> str | None:
    try:
        zone("UTC" if name is None else name)
    except UnknownName:
        raise ValueError("must be a valid IANA time-zone") from None
    return name


def _step(text: str | None) -> str | None:
    if text is not None and step_ms(text) is None:
        raise ValueError("must be a positive integer and a unit of s, m, h, d or w")
    return text


def step_ms(text: str) -> int | None:
    """A step's length; None if it is none, or longer than the time from 1970 to 2100."""
    match = _STEP.fullmatch(text)
    length = int(match[1]) * STEPS[match[2]] if match else 0
    return length if 0 < length <= LATEST else None


def _named(given: Any) -> Any:
    if not isinstance(given, str):
        raise ValueError("must be a string")
    return [name for name in (part.strip() for part in given.split(",")) if name]


def _tags(given: Any) -> Any:
    if given is None or given == "":
        return None
    found: Any = given
    if isinstance(given, str):
        try:
            found = json.loads(given)
        except (ValueError, RecursionError):
            raise ValueError("must be a valid JSON object") from None
    if not isinstance(found, dict):
        raise ValueError("must be a valid JSON object")
    if not all(isinstance(each, str) for each in found.values()):  # type: ignore[reportUnknownVariableType]
        raise ValueError("must be a JSON object whose values are strings")
    return found  # type: ignore[reportUnknownVariableType]


def _compact(tags: dict[str, str]) -> str:
    return json.dumps(tags, ensure_ascii=False, separators=(",", ":"))


Date = Annotated[str, AfterValidator(_dated)]
Names = Annotated[list[str], BeforeValidator(_named), PlainSerializer(",".join), WithJsonSchema({"type": "string"})]
"""Comma-separated names."""
Tags = Annotated[
    dict[str, str] | None,
    BeforeValidator(_tags),
    PlainSerializer(_compact),
    WithJsonSchema({"type": "string", "contentMediaType": "application/json"}),
]


class NamesRequest(Wire):
    """GET /v1/custom-metrics/names."""

    agent_id: Text = Field(None, alias="agentId")


class TagsRequest(NamesRequest):
    """GET /v1/custom-metrics/tags."""

    metric_name: Text = Field(None, alias="metricName")


class RangeRequest(Wire):
    """What the three routes over a range share."""

    start_date: Date = Field(alias="startDate")
    end_date: Date = Field(alias="endDate")
    agent_id: Text = Field(None, alias="agentId")
    environment_id: Text = Field(None, alias="environmentId")
    tags: Tags = None


class SumsRequest(RangeRequest):
    """GET /v1/custom-metrics/aggregate and /v1/custom-metrics/daily."""

    metric_names: Names = Field(default_factory=list[str], alias="metricNames")
    timezone: Annotated[Text, AfterValidator(_zone)] = None
    group_by: Names = Field(default_factory=list[str], alias="groupBy")


class TimeseriesRequest(RangeRequest):
    """GET /v1/custom-metrics/timeseries."""

    metric_name: str = Field(alias="metricName")
    step: Annotated[Text, AfterValidator(_step)] = None


class SessionRequest(Wire):
    """GET /v1/custom-metrics/sessions/{sessionId}."""

    session_id: str = Field(alias="sessionId")


class NamesBody(TypedDict):
    """GET /v1/custom-metrics/names."""

    data: list[str]


class TagsBody(TypedDict):
    """GET /v1/custom-metrics/tags: label -> its values."""

    data: dict[str, list[str]]


Sums = dict[str, int | float]
"""Metric -> the sum of its values."""
Row = dict[str, str | Sums]
"""`metrics` beside the value of each label grouped by, and the `date` of a day."""


class AggregateBody(TypedDict):
    """GET /v1/custom-metrics/aggregate: sums, or a row of sums per group."""

    data: Sums | list[Row]


class DailyBody(TypedDict):
    """GET /v1/custom-metrics/daily."""

    data: list[Row]


Sample = tuple[int | float, str]
"""Epoch seconds and the value as text, as Prometheus writes them."""


class Series(TypedDict):
    """One series of a matrix."""

    metric: dict[str, str]
    values: list[Sample]


class Matrix(TypedDict):
    """A timeseries."""

    resultType: str
    result: list[Series]


class MatrixBody(TypedDict):
    """GET /v1/custom-metrics/timeseries."""

    data: Matrix


class Point(TypedDict):
    """One point of a vector."""

    metric: dict[str, str]
    value: Sample


class Vector(TypedDict):
    """The points of a session."""

    resultType: str
    result: list[Point]


class VectorBody(TypedDict):
    """GET /v1/custom-metrics/sessions/{sessionId}."""

    data: Vector


class ErrorBody(TypedDict):
    """A failure: a sentence per problem in a 400, else one."""

    statusCode: int
    message: list[str] | str
    error: NotRequired[str]


MESSAGES: tuple[tuple[type[GaugeError], int, str, str], ...] = (
    (Unauthorized, 401, "Unauthorized", ""),
    (Forbidden, 403, "Insufficient permissions", "Forbidden"),
    (MethodNotAllowed, 405, "Method Not Allowed", ""),
    (NotFound, 404, "Not Found", ""),
    (TooLarge, 413, "Payload Too Large", ""),
    (CallerError, 400, "", "Bad Request"),
    (StoreBusy, 503, "Service Unavailable", ""),
    (GaugeError, 500, "Internal server error", ""),
)
"""The first kind that an error is: its status, message and name."""


def refuse(error: GaugeError, request_id: str) -> Refusal:
    """An error in VoiceRun's envelope (4.3); the message is never the cause of a 5xx."""
    status, message, name = next(found[1:] for found in MESSAGES if isinstance(error, found[0]))
    body: dict[str, Any] = {"statusCode": status, "message": message}
    if isinstance(error, InvalidRequest):
        body["message"] = [_sentence(each) for each in error.problems]
    elif status == 400:
        body["message"] = [error.message.rstrip(".")]
    if name:
        body["error"] = name
    return Refusal(status, body, {"Retry-After": "1"} if status == 503 else {})


def _sentence(problem: Problem) -> str:
    if problem.kind in ("missing", "string_type"):
        return f"{problem.name} must be a string"
    return f"{problem.name} {problem.message}"
