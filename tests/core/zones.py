"""Zones and times for the tests of time: the zone database read directly, with nothing of ours in between."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = 0
LATEST = 4_102_444_800_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

NASTY = (
    "UTC",
    "Africa/Cairo",  # clocks go forward at midnight
    "Africa/Casablanca",
    "Africa/Monrovia",  # 44 minutes 30 seconds behind until 1972
    "America/Asuncion",
    "America/Havana",
    "America/New_York",
    "America/Sao_Paulo",  # midnight gaps
    "America/Scoresbysund",
    "America/St_Johns",  # back at 00:01, so that one midnight happens twice
    "Antarctica/Troll",  # two hours of summer time
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",  # no 30 December 2011
    "Pacific/Chatham",
    "Pacific/Kiritimati",  # no 31 December 1994
    "Pacific/Kwajalein",  # no 21 August 1993
)
ALL = sorted(available_timezones())


def at(text: str) -> int:
    """The instant of an ISO time with offset, in ms."""
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // timedelta(milliseconds=1)


def wall(instant: int, zone: str) -> datetime:
    """What a clock on the wall of that zone shows."""
    return (EPOCH + timedelta(milliseconds=instant)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def shift_of(instant: int, zone: str) -> int:
    """How far that clock is ahead of UTC, in ms."""
    return (wall(instant, zone).replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1) - instant


def first_instant(day: date, zone: str) -> int:
    """The first instant at which the zone's clock reads midnight of that day or later, looked for second by second."""
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall clock's time
    instant = (midnight.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1) - 16 * HOUR
    assert wall(instant, zone) < midnight
    while wall(instant, zone) < midnight:
        instant += MINUTE
    instant -= MINUTE
    while wall(instant, zone) < midnight:
        instant += 1_000
    return instant


@cache
def switches(zone: str) -> tuple[int, ...]:
    """The instants between 1970 and 2100 at which the zone's clock jumps."""
    found: list[int] = []
    step = 12 * DAY
    for start in range(EARLIEST, LATEST, step):
        low, high = start, min(start + step, LATEST)
        if shift_of(low, zone) != shift_of(high, zone):
            while high - low > 1_000:
                middle = (low + high) // 2_000 * 1_000
                low, high = (middle, high) if shift_of(middle, zone) == shift_of(low, zone) else (low, middle)
            found.append(high)
    return tuple(found)


zones = st.sampled_from(NASTY) | st.sampled_from(ALL)


@st.composite
def instants(draw: st.DrawFn, zone: str) -> int:
    """An instant between 1970 and 2100: anywhere, or within some hours of a jump of that zone's clock."""
    jumps = switches(zone)
    if not jumps or draw(st.booleans()):
        return draw(st.integers(EARLIEST, LATEST - 1))
    near = draw(st.sampled_from(jumps)) + draw(st.integers(-30, 30)) * HOUR // 4 + draw(st.integers(-1, 1))
    return min(max(near, EARLIEST), LATEST - 1)
