"""Astropods' answers, read into tables: the reverse of `operations.encode_metrics`. Pure and lenient.

Source: contract `astropods` 5.2 and 5.4. No property of an answer is required there, and none is ruled out to be null:
a count that some buckets leave out is 0 there, one that is null or that no bucket has is not known, and the average of
no traces, stated as 0, is none. Above: `operations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentgauge.core.query import ZERO_WHEN_NONE
from agentgauge.core.table import gathered
from agentgauge.core.time import FIXED, Window
from agentgauge.core.wire import instant, number
from agentgauge.dialects.astropods.tools import MEASURES

if TYPE_CHECKING:
    from agentgauge.core.table import Cell, Table
    from agentgauge.dialects.astropods.contract import MetricsRequest

COUNT, LATENCY = MEASURES[0], MEASURES[1]


def decode(request: MetricsRequest, pages: Sequence[Any]) -> Table:
    """The buckets as one table, each from its own timestamp on and as long as the answer says."""
    body = pages[0]
    width = int(body.get("interval_minutes") or request.interval) * FIXED["minute"]
    buckets = {instant(each["timestamp"]): each for each in body["buckets"] or ()}
    starts = sorted(buckets)
    if any(after - start < width for start, after in zip(starts, starts[1:], strict=False)):
        raise ValueError("buckets overlap")
    grid = sorted({*starts, *(start + width for start in starts)}) or _range(request, body, width)
    place = {start: index for index, start in enumerate(grid)}
    rows = [(place[start], (), _cells(buckets[start])) for start in starts]
    stated = [each for each in MEASURES if not rows or any(each.label in bucket for bucket in buckets.values())]
    unknown = tuple(f"the vendor's answer states no {each.label}" for each in MEASURES if each not in stated)
    notes = (*unknown, *_lacking([cells for _, _, cells in rows]))
    return gathered(Window(grid[0], grid[-1]), grid, stated, rows, notes=notes)


def _cells(bucket: Mapping[str, Any]) -> dict[str, Cell]:
    cells = {each.label: _number(bucket.get(each.label, 0 if each.adds else None), each.how) for each in MEASURES}
    return cells if cells[COUNT.label] else cells | {LATENCY.label: None}


def _lacking(rows: Sequence[Mapping[str, Cell]]) -> tuple[str, ...]:
    """A note for each count or sum that is null somewhere: there it is not known, and what is shown leaves it out."""
    counted = [each.label for each in MEASURES if each.adds]
    times = {label: sum(cells[label] is None for cells in rows) for label in counted}
    return tuple(f"the vendor states no {label} for {n} of {len(rows)} intervals" for label, n in times.items() if n)


def _number(value: Any, how: str) -> Cell:
    """A count, exact however large, or an average."""
    found = number(value)
    return found if found is None or how in ZERO_WHEN_NONE else float(found)


def _range(request: MetricsRequest, body: Mapping[str, Any], width: int) -> list[int]:
    """The ends of an answer without buckets."""
    if stated := body.get("time_range"):
        return [instant(stated["start"]), instant(stated["end"])]
    start = request.start_time or 0
    return [start, request.end_time or start + width]
