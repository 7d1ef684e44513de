"""What the dates of a request mean, and how a window is written as dates (contract `voicerun` 4.6, 1 and 2). Pure.

Above: `operations` and `decode` read requests, `upstream` writes them. Below: `contract`, core.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from agentgauge.core.errors import InvalidRequest, Problem, WindowTooLarge
from agentgauge.core.time import LATEST, MAX_BUCKETS, SECOND, Window, iso_z, local_time, midnight
from agentgauge.dialects.voicerun.contract import STEPS, step_ms, when

if TYPE_CHECKING:
    from agentgauge.dialects.voicerun.contract import RangeRequest, TimeseriesRequest

STEP = "1h"
"""The step of a timeseries that names none."""


def window_of(request: RangeRequest, tz: str) -> Window:
    """The range of a request: a date-only end is that whole day, another is exclusive.

    Raises:
        InvalidRequest: if it is empty or lies outside 1970 to 2100.
    """
    start, end = _instant("startDate", request.start_date, tz)[0], _instant("endDate", request.end_date, tz)[1]
    if start >= end:
        raise InvalidRequest([Problem("endDate", "must be after startDate")])
    return Window(start, end)


def _instant(name: str, text: str, tz: str) -> tuple[int, int]:
    try:
        found = when(text, tz)
    except ValueError as error:
        raise InvalidRequest([Problem(name, str(error))]) from None
    return found.start, found.end


def step_of(request: TimeseriesRequest) -> int:
    """The length of its steps, in ms."""
    step = step_ms(request.step or STEP)
    assert step is not None
    return step


def stepped(request: TimeseriesRequest) -> Window:
    """From startDate to the end of the last step; a time as endDate is itself the last step.

    Raises:
        InvalidRequest: if endDate is before startDate.
        WindowTooLarge: if there would be more than 10,000 steps.
    """
    step = step_of(request)
    start, (last, end) = (
        _instant("startDate", request.start_date, "UTC")[0],
        _instant("endDate", request.end_date, "UTC"),
    )
    if end < start:
        raise InvalidRequest([Problem("endDate", "must not be before startDate")])
    if last == end:
        end = start + ((end - start) // step + 1) * step
    if (count := -((start - end) // step)) > MAX_BUCKETS:
        raise WindowTooLarge(f"the range holds {count:,} steps, more than {MAX_BUCKETS:,}.")
    if start >= LATEST or end <= start:
        raise InvalidRequest([Problem("endDate", "must be after startDate")])
    return Window(start, min(end, LATEST))


def dates(window: Window, tz: str) -> dict[str, str]:
    """A window as startDate and endDate: its first and last day where it is whole days of the zone, else two times."""
    first, after = (local_time(each, tz).date() for each in (window.start, window.end))
    if (midnight(first, tz), midnight(after, tz)) == (window.start, window.end):
        return {"startDate": first.isoformat(), "endDate": (after - timedelta(days=1)).isoformat()}
    return times(window)


def times(window: Window) -> dict[str, str]:
    """A window as two times."""
    start, end = (iso_z(each, milliseconds=bool(each % SECOND)) for each in (window.start, window.end))
    return {"startDate": start, "endDate": end}


def step_text(length: int) -> str | None:
    """The step of that many ms, in the largest unit that divides it; None for a length that is no whole seconds."""
    for unit, width in reversed(STEPS.items()):
        if length % width == 0:
            return f"{length // width}{unit}"
    return None
