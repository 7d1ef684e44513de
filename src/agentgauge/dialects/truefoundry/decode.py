"""TrueFoundry's answers, read into tables: the reverse of `operations.encode`. Pure and lenient.

Source: contract `truefoundry` 3.4 and 3.7. A bucket is where the vendor says it is: its own timestamps make the axis,
so that one which lies otherwise than asked is seen. Above: `operations`. Below: `translate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from agentgauge.core.query import ZERO_WHEN_NONE
from agentgauge.core.table import gathered
from agentgauge.core.time import Window, edges, parse_bucket
from agentgauge.core.wire import instant
from agentgauge.dialects.truefoundry.translate import TOTAL, aggregations, groups, source

if TYPE_CHECKING:
    from agentgauge.core.catalog import Field
    from agentgauge.core.query import Measure
    from agentgauge.core.table import Cell, Table
    from agentgauge.dialects.truefoundry.contract import MetricsQuery

Point = Mapping[str, Any]
Span = tuple[int, int]
"""A bucket: its start and its end."""
_SUBJECT = ("createdBySubjectSlug",)
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "userEmail": _SUBJECT,
    "virtualaccount": _SUBJECT,
    "virtualModel": ("virtualModelName",),
}
"""What a groupBy entry is called in an answer, besides its own name (3.4)."""


def decode(request: MetricsQuery, pages: Sequence[Any]) -> Table:
    """The data points as one table: a row each, in the buckets they state; groups by our field names.

    An older answer is a bare list of points with one `timestamp` and without `total`; then there is no column `total`.
    """
    of = source(request.datasource)
    named = groups(request.group_by, of)
    measures = aggregations(request.aggregations, of)
    window = Window(_instant(request.start_ts), _instant(request.end_ts))
    points = _points(pages[0])
    spelled = {name.casefold(): name for point in points for name in point}
    notes: tuple[str, ...] = ()
    if points and TOTAL.label not in spelled:
        measures = measures[1:]
        notes = ("the vendor's answer states no total",)
    whole = (window.start, window.end)
    spans = _spans(points, spelled, request, window) if request.type == "timeseries" else [whole] * len(points)
    grid = _grid(spans) or [window.start, window.end]
    place = {start: index for index, start in enumerate(grid)}
    fields = [of.holder.find(field) for field in named]
    keys: list[tuple[str, Field]] = []
    columns: list[tuple[str, Measure]] = []
    if points:
        keys = [(_stated(spelled, _names(name)), field) for name, field in zip(named.values(), fields, strict=True)]
        columns = [(_stated(spelled, (each.label, each.label + "Name")), each) for each in measures]
    rows = [
        (
            place[start],
            tuple([_value(point[name], field) for name, field in keys]),
            {each.label: _measured(point[name], each) for name, each in columns},
        )
        for point, (start, _) in zip(points, spans, strict=True)
    ]
    table = gathered(window, grid, measures, rows, group_by=tuple(named), notes=notes)
    return replace(table, rows_overlap=any(field.type == "strings" for field in fields))


def _points(body: Any) -> Sequence[Point]:
    """The points of either shape (3.4)."""
    data = body["data"]
    return cast("Sequence[Point]", data if isinstance(data, list) else data["dataPoints"])


def _spans(points: Sequence[Point], spelled: Mapping[str, str], request: MetricsQuery, window: Window) -> list[Span]:
    """The bucket that each point states; where only its start stands, it is one of the interval asked for."""
    if not points:
        return []
    start = _stated(spelled, ("startTimestamp", "timestamp"))
    stamps = {stamp: _instant(stamp) for stamp in {point[start] for point in points}}
    if end := spelled.get("endtimestamp"):
        stamps |= {stamp: _instant(stamp) for stamp in {point[end] for point in points}}
        return [(stamps[point[start]], stamps[point[end]]) for point in points]
    grid = edges(window, parse_bucket(request.interval))
    after = dict(zip(grid, grid[1:], strict=False))
    return [(stamps[point[start]], after[stamps[point[start]]]) for point in points]


def _grid(spans: Sequence[Span]) -> list[int]:
    """The edges of all buckets.

    Raises:
        ValueError: if two of them overlap.
    """
    grid = sorted({instant for span in spans for instant in span})
    after = dict(zip(grid, grid[1:], strict=False))
    if any(after.get(start) != end for start, end in spans):
        raise ValueError("buckets overlap")
    return grid


def _names(name: str) -> Sequence[str]:
    """What the value of a groupBy entry may stand under."""
    return [*_ALIASES.get(name, ()), name, name.removeprefix("metadata.")]


def _stated(spelled: Mapping[str, str], names: Sequence[str]) -> str:
    """The first of those names that the points have, as they spell it; case does not count.

    Raises:
        KeyError: if they have none.
    """
    return spelled[next((name.casefold() for name in names if name.casefold() in spelled), names[0])]


def _value(value: Any, field: Field) -> Cell:
    """A group value in the type of its field."""
    if value is None:
        return None
    if field.measurable:
        return _number(value)
    if field.type == "boolean":
        return value if isinstance(value, bool) else {"true": True, "false": False, "1": True, "0": False}[str(value)]
    return str(value)


def _measured(value: Any, each: Measure) -> Cell:
    """A measure of a point: null is none, and the count or sum of none is 0 (3.7, 9)."""
    found = _number(value)
    return 0 if found is None and each.how in ZERO_WHEN_NONE else found


def _number(value: Any) -> int | float | None:
    """A number, also where it comes as a string; null where it is none."""
    if value is None or isinstance(value, int):
        return value
    number = float(value)
    if not isfinite(number):
        return None
    return int(value) if isinstance(value, str) and number.is_integer() and "." not in value else number


def _instant(given: Any) -> int:
    """An ISO 8601 time, in UTC where it has no offset; or epoch milliseconds."""
    return int(given) if isinstance(given, int | float) else instant(given, in_utc=True)
