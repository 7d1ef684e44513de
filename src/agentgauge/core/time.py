"""Instants, windows and buckets, and the words people use for them.

Above: everything. Below: `zoneinfo` alone. An instant is an int, milliseconds since 1970 in UTC; a window is half-open;
edges are computed here, so a store gets edges and never a zone. Rules: design section 4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from agentgauge.core.errors import InvalidValue, WindowTooLarge, quote, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

Unit = Literal["second", "minute", "hour", "day", "week", "month", "year"]
UNITS: tuple[Unit, ...] = get_args(Unit)

SECOND = 1_000
FIXED: dict[str, int] = {"second": SECOND, "minute": 60 * SECOND, "hour": 3_600 * SECOND}
"""The units whose length never changes, in ms; the others follow the calendar of a zone."""
ROUGH: dict[str, int] = FIXED | {
    "day": 86_400 * SECOND,
    "week": 7 * 86_400 * SECOND,
    "month": 30 * 86_400 * SECOND,
    "year": 365 * 86_400 * SECOND,
}
"""The usual length of every unit, in ms: for estimates and for ordering buckets by size only."""

EARLIEST = 0
LATEST = 4_102_444_800_000  # 2100-01-01T00:00Z
MAX_BUCKETS = 10_000
"""The most buckets one answer may hold (AgentMessage contract 1.4)."""

_SHORT: dict[str, Unit] = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
_LONG = {unit: short for short, unit in _SHORT.items()}
_UNIT_WORDS: dict[str, Unit] = {
    **_SHORT,
    **{unit: unit for unit in UNITS},
    **{unit + "s": unit for unit in UNITS},
    "sec": "second",
    "secs": "second",
    "min": "minute",
    "mins": "minute",
    "hr": "hour",
    "hrs": "hour",
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "yearly": "year",
    "M": "month",
}
_EPOCH_MONDAY = date(1969, 12, 29).toordinal()
_EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end): two instants in ms UTC, start strictly before end."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise InvalidValue(
                f"the window is empty: start {iso(self.start)} is not before end {iso(self.end)}.",
                hint="Windows are half-open, [start, end); swap them or move the end.",
            )
        for instant in (self.start, self.end):
            check_instant(instant)

    @property
    def length(self) -> int:
        """The window's length in ms."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Bucket:
    """N of a unit, in a zone: the grid that cuts a window into buckets."""

    unit: Unit
    n: int = 1
    zone: str = "UTC"
    origin: int | None = None
    """An instant that buckets of seconds, minutes or hours start from, instead of the epoch (VoiceRun's steps)."""

    @property
    def rough_ms(self) -> int:
        """The usual length in ms; exact for seconds, minutes and hours."""
        return ROUGH[self.unit] * self.n

    def __str__(self) -> str:
        return f"{self.n}{_LONG[self.unit]}"


def parse_bucket(text: str, zone: str = "UTC") -> Bucket:
    """The bucket of `1h`, `5 minute`, `15m`, `day`, `2 weeks`.

    Raises:
        InvalidValue: if it is not a positive whole number and a unit; compound forms (`1h30m`) are not taken.
    """
    match = re.fullmatch(r"\s*(\d{1,9})?\s*([A-Za-z]+)\s*", text)
    unit = (_UNIT_WORDS.get(match[2]) or _UNIT_WORDS.get(match[2].lower())) if match else None
    count = int(match[1]) if match and match[1] else 1
    if unit is None or count < 1:
        raise InvalidValue(
            f"{quote(text)} is not an interval.",
            hint=f"Write a positive whole number and a unit, like 5m, 1h or '15 minute'; units: {', '.join(UNITS)}.",
        )
    if count * ROUGH[unit] > LATEST:
        message = f"an interval of {quote(text)} is longer than the time agentgauge knows (1970 to 2100)."
        raise InvalidValue(message, hint="Take a shorter one, like 1d or 1mo.")
    return Bucket(unit, count, zone)


@cache
def zone_names() -> frozenset[str]:
    """Every IANA zone; found on the disk once, which takes 5 ms."""
    return frozenset(available_timezones())


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name.

    Raises:
        UnknownName: with the nearest zone, if there is none.
    """
    try:
        return ZoneInfo(name)
    except Exception:
        error = unknown_name("an IANA time zone", name, zone_names(), many=True)
        error.hint = (error.hint + " Use a name like Europe/Berlin, America/New_York or UTC.").strip()
        raise error from None


def edges(window: Window, bucket: Bucket) -> Sequence[int]:
    """The bucket boundaries that cover the window: strictly rising, first <= start, last >= end, no gap or overlap.

    Seconds, minutes and hours lie on the epoch grid shifted by the zone's offset at the window's start and come as a
    `range`; days count from 1970-01-01 local, weeks start on Mondays, months and years count from year 0 (design 4).

    Raises:
        WindowTooLarge: if there would be more than 10,000 buckets.
    """
    found = _fixed_edges(window, bucket) if bucket.unit in FIXED else _calendar_edges(window, bucket)
    if len(found) - 1 > MAX_BUCKETS:
        raise _too_large(len(found) - 1, bucket)
    return found


def align(window: Window, bucket: Bucket) -> Window:
    """The window widened to whole buckets (AgentMessage contract 1.6, 3)."""
    grid = edges(window, bucket)
    return Window(max(grid[0], EARLIEST), min(grid[-1], LATEST))


def edges_before(grid: Sequence[int], bucket: Bucket) -> Sequence[int]:
    """The same number of buckets just before a grid that `edges` made, on the same calendar."""
    count = len(grid) - 1
    if bucket.unit in FIXED:
        width = bucket.rough_ms
        return range(grid[0] - count * width, grid[0] + 1, width)
    first = _index(grid[0], bucket)
    # A few more than needed: a day that a zone skipped starts where the next one does.
    return sorted({_instant_of(first - back, bucket) for back in range(count + 3)})[-count - 1 :]


def _fixed_edges(window: Window, bucket: Bucket) -> range:
    width = bucket.rough_ms
    shift = (offset(window.start, bucket.zone) if bucket.origin is None else -bucket.origin) % width
    first = (window.start + shift) // width * width - shift
    count = -((first - window.end) // width)
    return range(first, first + count * width + 1, width)


def _calendar_edges(window: Window, bucket: Bucket) -> list[int]:
    index = _index(window.start, bucket)
    if (count := _index(window.end - 1, bucket) - index + 1) > MAX_BUCKETS + 1:
        raise _too_large(count, bucket)
    found = [_instant_of(index, bucket)]
    while found[-1] < window.end:
        index += 1
        edge = _instant_of(index, bucket)
        if edge <= window.start:  # the clock was put back over midnight: the next day had begun before
            found = [edge]
        elif edge > found[-1]:  # a day that a zone skipped has no length and no bucket
            found.append(edge)
    return found


def _index(instant: int, bucket: Bucket) -> int:
    """Which calendar bucket an instant falls into, counted from the bucket's origin."""
    local = local_time(instant, bucket.zone)
    if bucket.unit == "day":
        return (local.toordinal() - _EPOCH_DAY) // bucket.n
    if bucket.unit == "week":
        return (local.toordinal() - _EPOCH_MONDAY) // (7 * bucket.n)
    if bucket.unit == "month":
        return (local.year * 12 + local.month - 1) // bucket.n
    return local.year // bucket.n


def _instant_of(index: int, bucket: Bucket) -> int:
    """The instant at which that calendar bucket starts."""
    number = index * bucket.n
    if bucket.unit == "day":
        day = date.fromordinal(max(1, number + _EPOCH_DAY))
    elif bucket.unit == "week":
        day = date.fromordinal(max(1, number * 7 + _EPOCH_MONDAY))
    elif bucket.unit == "month":
        day = _date(number // 12, number % 12 + 1)
    else:
        day = _date(number, 1)
    return midnight(day, bucket.zone)


def _date(year: int, month: int) -> date:
    return date(min(max(year, 1), 9999), month, 1)


def midnight(day: date, zone_name: str) -> int:
    """The instant a local day starts: its midnight, or where that does not exist the first instant after the gap."""
    return from_local(datetime(day.year, day.month, day.day), zone_name)  # noqa: DTZ001 - a wall-clock time on purpose


def from_local(wall: datetime, zone_name: str) -> int:
    """The instant of a wall-clock time; the earlier of two, or the first instant after the gap it falls into."""
    if zone_name == "UTC":
        return _ms(wall.replace(tzinfo=UTC))
    tz = zone(zone_name)
    late = _ms(wall.replace(tzinfo=tz, fold=0))
    if local_time(late, zone_name) == wall:
        return late
    early, after = _ms(wall.replace(tzinfo=tz, fold=1)), offset(late, zone_name)
    while early < late:  # the transition lies between the two readings of a time that does not exist
        middle = (early + late) // 2
        if offset(middle, zone_name) == after:
            late = middle
        else:
            early = middle + 1
    return late


def local_time(instant: int, zone_name: str) -> datetime:
    """The wall-clock time of an instant, without a zone."""
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant)
    return (utc if zone_name == "UTC" else utc.astimezone(zone(zone_name))).replace(tzinfo=None)


def offset(instant: int, zone_name: str) -> int:
    """The zone's offset from UTC at that instant, in ms."""
    if zone_name == "UTC":
        return 0
    return _ms(local_time(instant, zone_name).replace(tzinfo=UTC, fold=0)) - instant


def is_regular(grid: Sequence[int], bucket: Bucket) -> bool:
    """Whether the axis can be said in words: every bucket is as long as its unit is, give or take a clock change."""
    if isinstance(grid, range) or bucket.unit in ("month", "year"):
        return True
    slack = 2 * FIXED["hour"]
    return all(abs(b - a - bucket.rough_ms) <= slack for a, b in pairwise(grid))


def check_instant(instant: int) -> int:
    """The instant itself.

    Raises:
        InvalidValue: if it is outside 1970 to 2100.
    """
    if not EARLIEST <= instant <= LATEST:
        raise InvalidValue(
            "a time must lie between 1970 and 2100.",
            hint="Integers below 1e11 are read as seconds, larger ones as milliseconds.",
        )
    return instant


def iso(instant: int, zone_name: str = "UTC") -> str:
    """The instant as ISO 8601 with an offset, no finer than it needs: minutes, seconds or milliseconds."""
    try:
        local = local_time(instant, zone_name)
    except (OverflowError, ValueError):
        return str(instant)
    # The local time decides: where a zone was off by seconds, a whole minute of UTC is none there.
    spec = "milliseconds" if local.microsecond else "seconds" if local.second else "minutes"
    return local.isoformat(timespec=spec) + offset_text(instant, zone_name)


def iso_z(instant: int, *, milliseconds: bool = False) -> str:
    """The instant in UTC with whole seconds (or milliseconds) and a Z, as most wires want it."""
    return local_time(instant, "UTC").isoformat(timespec="milliseconds" if milliseconds else "seconds") + "Z"


def offset_text(instant: int, zone_name: str) -> str:
    """`Z` for UTC, else `+HH:MM` (or with seconds where a zone had them)."""
    shift = offset(instant, zone_name) // SECOND
    if zone_name == "UTC":
        return "Z"
    sign, shift = ("-", -shift) if shift < 0 else ("+", shift)
    hours, minutes, seconds = shift // 3600, shift // 60 % 60, shift % 60
    return f"{sign}{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _too_large(count: int, bucket: Bucket) -> WindowTooLarge:
    return WindowTooLarge(
        f"the window holds {count:,} buckets of {bucket}, more than {MAX_BUCKETS:,}.",
        hint="Take a larger interval or a shorter window, or leave interval out.",
        details={"bucket_count": count, "max_buckets": MAX_BUCKETS},
    )
