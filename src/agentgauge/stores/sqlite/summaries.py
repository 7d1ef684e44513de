"""Summaries: what many events of a segment come to together, so that a wide question need not look at each of them.

Above: the reader takes them in the place of a segment's rows; condensing makes them. Below: columns, and segments for
what a blob is. Nothing here knows SQL.

A summary is a small table beside a segment. Each of its rows stands for the events of one hour (or of the whole
segment) that agree in some fields: how many they are, and per number field how many of them have a value, the exact
sum, the smallest and the largest. So it is scanned as rows are, each row counting for its events, and the answer is the
same to the last bit. It lies among the segment's columns, under a name that no field has, and goes when they go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import orjson

from agentgauge.stores.sqlite import orders
from agentgauge.stores.sqlite.columns import AnyColumn, Array, Coded, Columns, Lists, Numbers, Totals, join_numbers
from agentgauge.stores.sqlite.segments import About, Damaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HOUR = 3_600_000
VERSION = 1
"""What a summary's blob looks like; one of another version is not read."""

_OBJECT = 200
"""About what an array takes beside its values, in bytes."""

Grain = Literal["hours", "whole", "ordered"]
"""Whether a row is of one hour, or of all hours of the segment; `ordered` is by hours too, and has orders beside it."""
_Plane = tuple[str, str, str]
"""What it tells (a field of Summary or Totals), of which field, and numpy's name of its type."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The rows of one summary, in the order of their hours."""

    events: Array
    """How many events each row stands for."""
    hours: Array
    """How many hours after that of the segment's first event; 0 throughout when it is of the whole segment."""
    codes: Mapping[str, Array]
    """Per field that its events agree in, the code, as the segment's column has it."""
    totals: Mapping[str, Totals]

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        planes = [self.events, self.hours, *self.codes.values()]
        for each in self.totals.values():
            planes += [each.counts, *(own.stored for own in (*each.sums, each.low, each.high))]
        return sum(plane.nbytes + _OBJECT for plane in planes)

    def starts(self, first: int) -> Array:
        """An instant for each row, in the hour that it is of, of a segment whose first event is at `first`."""
        hour = first - first % HOUR
        return np.maximum(hour + self.hours.astype(np.int64) * HOUR, first)


def named(grain: Grain, fields: Iterable[str]) -> str:
    """The name under which the summary by those fields stands among a segment's columns."""
    return grain + orjson.dumps(sorted(fields)).decode()


def named_order(fields: Iterable[str], field: str) -> str:
    """The name of the order of a field by the rows of the `ordered` summary by those fields."""
    return named("ordered", fields) + field


def named_values(field: str) -> str:
    """The name of the distinct values of a field, which its orders share."""
    return f"values:{field}"


def encode(summary: Summary) -> tuple[About, bytes]:
    """A summary as description and blob: the length of a JSON list of its planes, the list, the planes."""
    planes: list[tuple[str, str, Array]] = [("events", "", summary.events), ("hours", "", summary.hours)]
    planes += [("codes", name, codes) for name, codes in summary.codes.items()]
    for name, each in summary.totals.items():
        if not each.is_full:
            planes.append(("counts", name, each.counts))
        planes += [("low", name, each.low.stored), ("high", name, each.high.stored)]
        planes += [("sum", name, own.stored) for own in each.sums]
    narrow = [(what, name, _narrow(plane)) for what, name, plane in planes]
    told = [VERSION, len(summary.events), [(what, name, plane.dtype.str) for what, name, plane in narrow]]
    head = orjson.dumps(told)
    data = len(head).to_bytes(4, "little") + head + b"".join(plane.tobytes() for _, _, plane in narrow)
    return About("summary", ""), data


def decode(data: bytes) -> Summary | None:
    """The summary of a blob; None when it is of another version.

    Raises:
        Damaged: if it is none.
    """
    try:
        start = 4 + int.from_bytes(data[:4], "little")
        version, rows, planes = orjson.loads(data[4:start])
        return _decoded(data, start, rows, planes) if version == VERSION else None
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged("a summary is not as it is described") from error


def _decoded(data: bytes, start: int, rows: int, planes: Sequence[_Plane]) -> Summary:
    found: dict[tuple[str, str], list[Array]] = {}
    for what, name, kind in planes:
        plane = np.frombuffer(data, kind, rows, start)
        start += plane.nbytes
        found.setdefault((what, name), []).append(plane)
    events = found["events", ""][0]
    totals: dict[str, Totals] = {}
    for name in (name for what, name in found if what == "low"):
        (counts,) = found.get(("counts", name), (events,))
        null = counts == 0 if counts is not events else None
        totals[name] = Totals(
            counts,
            counts is events,
            Numbers(found["low", name][0], null),
            Numbers(found["high", name][0], null),
            tuple(map(Numbers, found["sum", name])),
        )
    codes = {name: own[0] for (what, name), own in found.items() if what == "codes"}
    return Summary(events, found["hours", ""][0], codes, totals)


def join(parts: Sequence[Columns]) -> Columns:
    """Parts that are summaries one after the other as one; in the order of time, their instants counted from 1970."""
    if len(parts) == 1:
        return parts[0]
    fields = {name: _joined([each.fields[name] for each in parts]) for name in parts[0].fields}
    events = np.concatenate([each.events for each in parts if each.events is not None])
    return Columns(np.concatenate([each.ts for each in parts]), fields, events=events)


def _joined(columns: Sequence[Any]) -> AnyColumn:
    first = columns[0]
    if isinstance(first, Coded):
        return Coded(np.concatenate([each.codes for each in columns]), first.values)
    if isinstance(first, Lists):
        return Lists(np.concatenate([each.codes for each in columns]), first.lists)
    widest = max(len(each.sums) for each in columns)
    sums = [[*each.sums, *[_zeros(len(each.counts))] * (widest - len(each.sums))] for each in columns]
    return Totals(
        np.concatenate([each.counts for each in columns]),
        all(each.is_full for each in columns),
        _one([each.low for each in columns]),
        _one([each.high for each in columns]),
        tuple(map(_one, zip(*sums, strict=True))),
        *(orders.join(each) for each in zip(*((own.runs, own.whole) for own in columns), strict=True)),
    )


def _one(parts: Sequence[Numbers]) -> Numbers:
    """Number columns one after the other: at once where all are integers or all are doubles."""
    if len({each.kind for each in parts}) > 1:
        return join_numbers(parts)
    null = None
    if any(each.null is not None for each in parts):
        null = np.concatenate([~each.present() for each in parts])
    return Numbers(np.concatenate([each.stored for each in parts]), null)


def _zeros(rows: int) -> Numbers:
    return Numbers(np.zeros(rows, np.uint8), np.ones(rows, bool))


def nothing(rows: int) -> Totals:
    """The totals of a field that none of the events has."""
    zeros = _zeros(rows)
    none = orders.Runs.none(rows)
    return Totals(zeros.stored, False, zeros, zeros, (Numbers(zeros.stored),), none, none)


def _narrow(plane: Array) -> Array:
    """Integers in the least type that holds them."""
    if plane.dtype.kind not in "iu" or not len(plane) or plane.min() < 0:
        return plane
    kind = np.min_scalar_type(int(plane.max()))
    return plane.astype(kind if kind.itemsize <= 4 else np.int64)
