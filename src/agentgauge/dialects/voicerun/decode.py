"""VoiceRun's answers, read into tables: the reverse of the encoders in `operations`. Pure and lenient.

Source: contract `voicerun` 4.2 and 4.6. Above: `operations` declares them. Below: `ranges`, `translate`, core.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentgauge.core.query import Measure
from agentgauge.core.table import gathered
from agentgauge.core.time import SECOND, Bucket, edges, local_time
from agentgauge.core.wire import number
from agentgauge.dialects.voicerun.ranges import step_of, stepped, window_of
from agentgauge.dialects.voicerun.translate import HIDDEN, POINT, SUM, TAG, listing, wire_label

if TYPE_CHECKING:
    from agentgauge.core.table import Cell, Key, Table
    from agentgauge.dialects.voicerun.contract import (
        NamesRequest,
        SessionRequest,
        SumsRequest,
        TagsRequest,
        TimeseriesRequest,
    )

OWN = Measure("avg", "value", "value")
"""A metric in the vendor's own aggregation, which goes by a kind that it does not state: never added up."""


def decode_names(request: NamesRequest, pages: Sequence[Any]) -> Table:
    """The names; how often each was recorded is not stated."""
    return listing(("name",), [(str(name),) for name in pages[0]["data"]])


def decode_tags(request: TagsRequest, pages: Sequence[Any]) -> Table:
    """A row per tag and value."""
    data: Mapping[str, Sequence[Any]] = pages[0]["data"]
    return listing(TAG, [(tag, str(value)) for tag, values in data.items() for value in values])


def decode_aggregate(request: SumsRequest, pages: Sequence[Any]) -> Table:
    """The sum of each metric, or of each metric and group."""
    window = window_of(request, request.timezone or "UTC")
    data: Any = pages[0]["data"]
    if isinstance(data, dict) and data and request.group_by:
        raise TypeError("sums without the groups that were asked for")
    listed: Sequence[Any] = [{"metrics": data}] if isinstance(data, dict) else data
    rows = [(0, *each) for row in listed for each in _sums(request, row)]
    return gathered(window, [window.start, window.end], (SUM,), rows, group_by=_groups(request))


def decode_daily(request: SumsRequest, pages: Sequence[Any]) -> Table:
    """The same per day of the zone; a day that was not asked for is left out."""
    tz = request.timezone or "UTC"
    window, bucket = window_of(request, tz), Bucket("day", 1, tz)
    grid = edges(window, bucket)
    place = {local_time(edge, tz).date().isoformat(): index for index, edge in enumerate(grid[:-1])}
    days = [(place.get(str(row["date"])[:10]), row) for row in pages[0]["data"]]
    rows = [(at, *each) for at, row in days if at is not None for each in _sums(request, row)]
    return gathered(window, grid, (SUM,), rows, bucket=bucket, group_by=_groups(request))


def _groups(request: SumsRequest) -> tuple[str, ...]:
    return ("name", *(wire_label(label) for label in request.group_by))


def _sums(request: SumsRequest, row: Any) -> list[tuple[Key, dict[str, Cell]]]:
    """Each metric of a row with its group. A label that is missing, null or empty is none (4.6, 5)."""
    labels = [None if row.get(label) in (None, "") else str(row[label]) for label in request.group_by]
    return [((name, *labels), {SUM.label: number(value)}) for name, value in row["metrics"].items()]


def decode_timeseries(request: TimeseriesRequest, pages: Sequence[Any]) -> Table:
    """A value per step; a point at t is of the step from t (4.6, 2). One outside the range is left out.

    Raises:
        ValueError: for a point that is not at the start of a step.
    """
    step = step_of(request)
    window = stepped(request)
    points = [
        (_ms(instant) - window.start, number(value))
        for series in pages[0]["data"]["result"]
        for instant, value in series["values"]
    ]
    if any(after % step for after, _ in points):
        raise ValueError("a point between two steps")
    bucket = Bucket("second", step // SECOND, origin=window.start)
    grid = edges(window, bucket)
    rows = [
        (after // step, (request.metric_name,), {OWN.label: value})
        for after, value in points
        if 0 <= after < grid[-1] - window.start
    ]
    return gathered(window, grid, (OWN,), rows, bucket=bucket, group_by=("name",))


def decode_session(request: SessionRequest, pages: Sequence[Any]) -> Table:
    """Every point of a session, oldest first."""
    rows: list[tuple[Key, Cell]] = []
    for each in pages[0]["data"]["result"]:
        labels: dict[str, Any] = dict(each["metric"])
        own = {name: str(value) for name, value in labels.items() if name not in HIDDEN}
        instant, value = each["value"]
        key = (labels["metric_name"], labels.get("agent_id"), json.dumps(own), _ms(instant))
        rows.append((key, number(value)))
    rows.sort(key=lambda row: float(row[0][3] or 0))
    return listing(POINT, [key for key, _ in rows], (SUM,), sum=[value for _, value in rows])


def _ms(instant: Any) -> int:
    """Epoch seconds, whole or not, as ms."""
    return round(float(instant) * SECOND)
