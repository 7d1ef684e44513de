"""How a person writes a time: `now-24h`, `today`, `2026-05-05`, ISO 8601, epoch seconds or milliseconds.

Above: tool arguments and the wires. Below: `core.time`. Rules: design section 5, "Common words".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from agentgauge.core.errors import InvalidValue, quote
from agentgauge.core.time import (
    FIXED,
    Bucket,
    Unit,
    Window,
    check_instant,
    edges,
    from_local,
    local_time,
    midnight,
    parse_bucket,
    zone,
)

SECONDS_BELOW = 100_000_000_000
"""An integer below this is epoch seconds, from it on milliseconds."""

_HINT = (
    "Write ISO 8601 (2026-05-05, 2026-05-05T14:00+02:00), now-24h, now-7d, today, yesterday, or epoch seconds or ms."
)
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?")
_RELATIVE = re.compile(
    r"(now|today|yesterday|tomorrow)((?:\s*[+-]\s*\d{1,7}\s*[A-Za-z]+)*)\s*(?:/\s*([A-Za-z]+))?",
    re.IGNORECASE | re.ASCII,
)
_STEP = re.compile(r"([+-])\s*(\d{1,7})\s*([A-Za-z]+)")
_DATES = {"today": 0, "yesterday": -1, "tomorrow": 1}


@dataclass(frozen=True, slots=True)
class When:
    """A time somebody wrote: the instant it starts at, and the instant it ends at when it names a whole day."""

    start: int
    end: int


def parse_when(text: object, *, now: int, tz: str) -> When:
    """What somebody meant by a time.

    A date stands for its whole day, so as an `end` it includes that day. A time without offset is in `tz`.

    Raises:
        InvalidValue: if it cannot be read, or lies outside 1970 to 2100.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise InvalidValue(f"{quote(str(text))} is not a time.", hint=_HINT)
    found = _parse_text(text.strip(), now, tz) if isinstance(text, str) else _epoch(text)
    check_instant(found.start)
    check_instant(found.end)
    return found


def parse_window(
    start: str | int | float | None, end: str | int | float | None, *, now: int, tz: str, default_ms: int
) -> Window:
    """The window of a start and an end as they were written; without a start, `default_ms` before the end.

    Raises:
        InvalidValue: if a time cannot be read or the window is empty.
    """
    zone(tz)
    to = parse_when(end, now=now, tz=tz).end if end is not None else None
    since = parse_when(start, now=now, tz=tz).start if start is not None else None
    if to is None:
        to = now if since is None or since < now else since + default_ms
    if since is None:
        since = max(0, to - default_ms)
    return Window(since, to)


def current_period(unit: Unit, *, now: int, tz: str) -> Window:
    """The calendar week (from Monday), month or year that `now` falls into, in that zone."""
    grid = edges(Window(now, now + 1), Bucket(unit, 1, tz))
    return Window(grid[0], grid[-1])


def _parse_text(text: str, now: int, tz: str) -> When:
    if _NUMBER.fullmatch(text) and not re.fullmatch(r"\d{4}|\d{8}", text):
        return _epoch(float(text) if "." in text else int(text))
    if relative := _RELATIVE.fullmatch(text):
        return _relative(relative, now, tz)
    return _iso(text, tz)


def _epoch(number: float) -> When:
    try:
        instant = int(number) if abs(number) >= SECONDS_BELOW else int(number * 1_000)
    except (OverflowError, ValueError):
        raise InvalidValue(f"{number!r} is not a time.", hint=_HINT) from None
    return When(instant, instant)


def _relative(match: re.Match[str], now: int, tz: str) -> When:
    word, steps, rounding = match[1].lower(), match[2], match[3]
    instant = now
    if word in _DATES:
        instant = midnight((local_time(now, tz) + timedelta(days=_DATES[word])).date(), tz)
    for sign, count, unit_word in _STEP.findall(steps or ""):
        instant = shift(instant, int(sign + count), parse_bucket(f"1{unit_word}").unit, tz)
    check_instant(instant)
    # A day is meant when the steps still end at its start: `today-7d` is a day, `today+3h` an instant.
    if rounding or (word in _DATES and instant == midnight(local_time(instant, tz).date(), tz)):
        unit = parse_bucket(f"1{rounding}").unit if rounding else "day"
        grid = edges(Window(instant, instant + 1), Bucket(unit, 1, tz))
        return When(grid[0], grid[-1])
    return When(instant, instant)


def _iso(text: str, tz: str) -> When:
    try:
        if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text):
            day = date.fromisoformat(text)
            return When(midnight(day, tz), midnight(day + timedelta(days=1), tz))
        if re.fullmatch(r"\d{4}-\d{2}", text):
            instant = midnight(date.fromisoformat(text + "-01"), tz)
            return When(instant, shift(instant, 1, "month", tz))
        # A "+" that went through a URL unencoded arrives as a space before the offset.
        moment = datetime.fromisoformat(re.sub(r" (\d{2}:\d{2})$", r"+\1", text) if "T" in text else text)
        if moment.tzinfo is None:
            instant = from_local(moment, tz)
        else:
            instant = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise InvalidValue(f"{quote(text)} is not a time.", hint=_HINT) from None
    return When(instant, instant)


def shift(instant: int, count: int, unit: Unit, tz: str) -> int:
    """The instant `count` units later: elapsed time for seconds to hours, the same wall clock for longer units."""
    if unit in FIXED:
        return instant + count * FIXED[unit]
    wall = local_time(check_instant(instant), tz)
    try:
        if unit in ("day", "week"):
            moved = wall + timedelta(days=count * (7 if unit == "week" else 1))
        else:
            months = wall.year * 12 + wall.month - 1 + count * (12 if unit == "year" else 1)
            moved = _clamped(wall, months // 12, months % 12 + 1)
        return from_local(moved, tz)
    except (OverflowError, ValueError):
        raise InvalidValue("a time must lie between 1970 and 2100.", hint=_HINT) from None


def _clamped(wall: datetime, year: int, month: int) -> datetime:
    """The same day of another month, or its last day where it has no such day."""
    for day in range(wall.day, 27, -1):
        try:
            return wall.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return wall.replace(year=year, month=month, day=min(wall.day, 28))
