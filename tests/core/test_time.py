"""Edges of buckets, held against the zone database read second by second: any zone, any window, any bucket."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from zones import ALL, DAY, EARLIEST, HOUR, LATEST, NASTY, at, first_instant, instants, shift_of, switches, wall, zones

from agentgauge.core.errors import InvalidValue, UnknownName, WindowTooLarge
from agentgauge.core.time import (
    FIXED,
    MAX_BUCKETS,
    UNITS,
    Bucket,
    Window,
    align,
    edges,
    edges_before,
    from_local,
    is_regular,
    iso,
    iso_z,
    local_time,
    midnight,
    offset,
    parse_bucket,
    zone,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgauge.core.time import Unit

CALENDAR = ("day", "week", "month", "year")
STEPS = {"second": 90, "minute": 90, "hour": 50, "day": 40, "week": 9, "month": 15, "year": 5}


@st.composite
def questions(draw: st.DrawFn, units: Iterable[str] = UNITS, most: int = 30) -> tuple[Window, Bucket]:
    """A window and a bucket, of a few buckets and often near a jump of the clock."""
    name = draw(zones)
    among: list[Unit] = [each for each in UNITS if each in units]
    unit = draw(st.sampled_from(among))
    bucket = Bucket(unit, draw(st.just(1) | st.integers(1, STEPS[unit])), name)
    start = draw(instants(name))
    length = draw(st.integers(1, bucket.rough_ms * most))
    return Window(start, min(start + length, LATEST)), bucket


def beginning(day: date, bucket: Bucket) -> date:
    """The first day of the calendar bucket that holds the day: by counting, without our code."""
    if bucket.unit == "day":
        return day - timedelta(days=(day - date(1970, 1, 1)).days % bucket.n)
    if bucket.unit == "week":
        return day - timedelta(days=(day - date(1969, 12, 29)).days % (7 * bucket.n))
    if bucket.unit == "month":
        months = (day.year * 12 + day.month - 1) // bucket.n * bucket.n
        return date(months // 12, months % 12 + 1, 1)
    return date(day.year // bucket.n * bucket.n, 1, 1)


def after(day: date, bucket: Bucket) -> date:
    """The first day of the next calendar bucket."""
    if bucket.unit in ("day", "week"):
        return day + timedelta(days=bucket.n * (7 if bucket.unit == "week" else 1))
    months = day.year * 12 + day.month - 1 + bucket.n * (12 if bucket.unit == "year" else 1)
    return date(months // 12, months % 12 + 1, 1)


@given(questions())
def test_edges_rise_strictly_and_just_cover_the_window(question: tuple[Window, Bucket]) -> None:
    window, bucket = question
    grid = edges(window, bucket)
    assert all(a < b for a, b in pairwise(grid))
    assert grid[0] <= window.start < grid[1]
    assert grid[-2] < window.end <= grid[-1]


@pytest.mark.parametrize("name", ALL)
def test_days_of_every_zone_cover_a_window_over_its_jumps(name: str) -> None:
    for number in (0, 1, -1, -2):
        window = Window(at("1993-08-01T05:00Z") + number * 3_333 * DAY, at("1993-10-30T17:00Z") + number * 3_333 * DAY)
        grid = edges(window, Bucket("day", 1, name))
        assert grid[0] <= window.start < grid[1] <= grid[-2] < window.end <= grid[-1]
        dates = [wall(edge, name).date() for edge in grid]
        assert dates == sorted(set(dates))
        assert all(DAY - 3 * HOUR <= b - a <= DAY + 3 * HOUR for a, b in pairwise(grid)), name


@given(questions(tuple(FIXED)))
def test_seconds_minutes_and_hours_are_a_range_on_the_grid_of_the_zones_offset_at_the_start(
    question: tuple[Window, Bucket],
) -> None:
    window, bucket = question
    grid = edges(window, bucket)
    width = FIXED[bucket.unit] * bucket.n
    assert isinstance(grid, range)
    assert grid.step == width
    assert (grid[0] + shift_of(window.start, bucket.zone)) % width == 0


@given(questions(CALENDAR, most=4))
@example((Window(at("2011-12-30T09:59:59Z"), at("2011-12-30T10:00:01Z")), Bucket("day", 1, "Pacific/Apia")))
@example((Window(at("2011-12-28T00:00Z"), at("2012-01-03T00:00Z")), Bucket("day", 2, "Pacific/Apia")))
@example((Window(at("2010-11-07T02:45Z"), at("2010-11-08T02:45Z")), Bucket("day", 1, "America/St_Johns")))
@example((Window(at("1972-01-06T00:00Z"), at("1972-01-09T00:00Z")), Bucket("day", 1, "Africa/Monrovia")))
def test_a_calendar_bucket_starts_at_the_first_instant_whose_clock_reads_its_midnight_or_later(
    question: tuple[Window, Bucket],
) -> None:
    window, bucket = question
    grid = edges(window, bucket)
    for edge, following in pairwise(grid):
        first = beginning(wall(edge, bucket.zone).date(), bucket)
        assert first_instant(first, bucket.zone) == edge
        upcoming = after(first, bucket)
        while first_instant(upcoming, bucket.zone) == edge:  # a day which the zone skipped
            upcoming = after(upcoming, bucket)
        assert first_instant(upcoming, bucket.zone) == following


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-10-26", 24),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Antarctica/Troll", "2026-03-29", 22),
        ("Antarctica/Troll", "2026-10-25", 26),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("America/Sao_Paulo", "2019-02-16", 25),
        ("Asia/Kathmandu", "1986-01-01", 23.75),
        ("America/St_Johns", "2010-11-07", 25),
        ("Pacific/Apia", "2011-12-29", 24),
        ("UTC", "2026-03-29", 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_says(name: str, day: str, hours: float) -> None:
    start = midnight(date.fromisoformat(day), name)
    grid = edges(Window(start, start + 1), Bucket("day", 1, name))
    assert grid[0] == start
    assert grid[1] - grid[0] == hours * HOUR


@pytest.mark.parametrize(
    ("name", "day", "instant"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00Z"),  # 00:00 to 01:00
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00Z"),
        ("Africa/Cairo", "2023-04-28", "2023-04-27T22:00Z"),
        ("Asia/Kathmandu", "1986-01-01", "1985-12-31T18:30Z"),  # 00:00 to 00:15
        ("Africa/Monrovia", "1972-01-07", "1972-01-07T00:44:30Z"),  # 00:00 to 00:44:30
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00Z"),  # the whole day
        ("Pacific/Kwajalein", "1993-08-21", "1993-08-21T12:00Z"),  # the whole day
    ],
)
def test_a_midnight_that_does_not_exist_is_the_first_instant_after_the_gap(name: str, day: str, instant: str) -> None:
    assert midnight(date.fromisoformat(day), name) == at(instant)


@pytest.mark.parametrize(("name", "day"), [("Pacific/Apia", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21")])
def test_a_day_that_a_zone_skipped_has_no_bucket(name: str, day: str) -> None:
    skipped = date.fromisoformat(day)
    window = Window(midnight(skipped - timedelta(days=2), name), midnight(skipped + timedelta(days=3), name))
    days = [wall(edge, name).date() for edge in edges(window, Bucket("day", 1, name))]
    assert days == [skipped + timedelta(days=number) for number in (-2, -1, 1, 2, 3)]


def test_of_two_midnights_of_one_day_the_first_starts_it() -> None:
    # St. John's put its clocks back at 00:01, so 7 November 2010 began, went back to 23:01 and began again.
    assert midnight(date(2010, 11, 7), "America/St_Johns") == at("2010-11-07T02:30Z")
    grid = edges(Window(at("2010-11-07T03:00Z"), at("2010-11-07T04:00Z")), Bucket("day", 1, "America/St_Johns"))
    assert list(grid) == [at("2010-11-07T02:30Z"), at("2010-11-08T03:30Z")]


@given(questions(("week",)))
def test_weeks_start_on_mondays(question: tuple[Window, Bucket]) -> None:
    window, bucket = question
    for edge in edges(window, bucket):
        day = wall(edge, bucket.zone)
        # A Monday the zone skipped, or its skipped midnight, moves the start into the next day at most.
        assert day.weekday() == 0 or (
            day.weekday() == 1 and first_instant(day.date() - timedelta(days=1), bucket.zone) == edge
        )


@pytest.mark.parametrize(
    ("bucket", "first"),
    [
        (Bucket("month", 1), "2026-05-01"),
        (Bucket("month", 3), "2026-04-01"),
        (Bucket("month", 5), "2026-04-01"),  # May 2026 is month 24,316 of the calendar, 24,315 a multiple of 5
        (Bucket("month", 7), "2025-12-01"),
        (Bucket("year", 1), "2026-01-01"),
        (Bucket("year", 4), "2024-01-01"),
        (Bucket("year", 100), "2000-01-01"),
        (Bucket("day", 7), "2026-04-30"),  # a Thursday, as 1970-01-01 was
        (Bucket("week", 1), "2026-05-04"),
        (Bucket("hour", 1), "2026-05-05T13:00"),
        (Bucket("hour", 9), "2026-05-05T12:00"),  # hour 493,885 of the epoch
        (Bucket("minute", 15), "2026-05-05T13:30"),
    ],
)
def test_buckets_count_from_the_epoch_the_monday_or_january_of_year_zero(bucket: Bucket, first: str) -> None:
    instant = at("2026-05-05T13:37Z")
    assert iso(edges(Window(instant, instant + 1), bucket)[0])[: len(first)] == first


def test_hours_in_a_zone_of_half_hours_start_on_the_half_hour() -> None:
    grid = edges(Window(at("2026-05-05T00:10Z"), at("2026-05-05T02:10Z")), Bucket("hour", 1, "Asia/Kolkata"))
    assert list(grid) == [at(f"2026-05-0{text}Z") for text in ("4T23:30", "5T00:30", "5T01:30", "5T02:30")]


@settings(max_examples=settings().max_examples // 3)
@given(zones, st.sampled_from(["second", "minute", "hour", "day"]), st.data())
def test_ten_thousand_buckets_are_answered_and_one_more_is_refused(name: str, unit: Unit, data: st.DataObject) -> None:
    bucket = parse_bucket(unit, name)
    start = data.draw(st.integers(2 * DAY, LATEST - 4 * DAY - bucket.rough_ms * (MAX_BUCKETS + 1)))
    first, second = edges(Window(start, start + 1), bucket)
    if unit in FIXED:
        last = first + MAX_BUCKETS * bucket.rough_ms
    else:
        last = first_instant(wall(first, name).date() + timedelta(days=MAX_BUCKETS - 2), name)
    assert MAX_BUCKETS - 3 <= len(edges(Window(second - 1, last), bucket)) - 1 <= MAX_BUCKETS
    with pytest.raises(WindowTooLarge):
        edges(Window(second - 1, min(last + 3 * bucket.rough_ms, LATEST)), bucket)


@pytest.mark.parametrize(
    ("bucket", "length", "count"),
    [
        (Bucket("minute"), 10_001 * 60_000, 10_001),
        (Bucket("day"), 10_001 * DAY, 10_001),
        (Bucket("day"), 10_000 * DAY + 1, 10_001),
        (Bucket("day", 1, "Europe/Berlin"), 10_001 * DAY, 10_002),  # midnight to midnight UTC is no day of Berlin
        (Bucket("hour"), 30_000 * HOUR, 30_000),
        (Bucket("second"), 130 * 365 * DAY, 130 * 365 * 86_400),
    ],
)
def test_a_refused_window_says_how_many_buckets_it_holds_and_how_many_are_allowed(
    bucket: Bucket, length: int, count: int
) -> None:
    with pytest.raises(WindowTooLarge) as caught:
        edges(Window(0, length), bucket)
    assert caught.value.details == {"bucket_count": count, "max_buckets": 10_000}
    assert f"{count:,}" in caught.value.message


def test_ten_thousand_days_exactly_are_not_too_many() -> None:
    assert len(edges(Window(0, 10_000 * DAY), Bucket("day"))) == 10_001


def test_a_skipped_day_is_not_one_of_the_ten_thousand() -> None:
    first = date(1970, 6, 1)
    start, last = (midnight(first + timedelta(days=number), "Pacific/Kiritimati") for number in (0, 10_001))
    assert len(edges(Window(start, last), Bucket("day", 1, "Pacific/Kiritimati"))) == 10_001
    with pytest.raises(WindowTooLarge):
        edges(Window(start, last + 1), Bucket("day", 1, "Pacific/Kiritimati"))


@given(questions())
@example((Window(at("2011-12-31T00:00Z"), at("2012-01-03T00:00Z")), Bucket("day", 1, "Pacific/Apia")))
@example((Window(at("1993-08-22T00:00Z"), at("1993-08-24T00:00Z")), Bucket("day", 1, "Pacific/Kwajalein")))
def test_the_buckets_before_are_as_many_and_end_where_the_grid_starts(question: tuple[Window, Bucket]) -> None:
    window, bucket = question
    grid = edges(window, bucket)
    before = edges_before(grid, bucket)
    assert len(before) == len(grid)
    assert before[-1] == grid[0]
    assert all(a < b for a, b in pairwise(before))


@given(questions())
@example((Window(at("2012-01-01T00:00Z"), at("2012-01-05T00:00Z")), Bucket("day", 1, "Pacific/Apia")))
@example((Window(at("2010-11-08T12:00Z"), at("2010-11-10T12:00Z")), Bucket("day", 1, "America/St_Johns")))
def test_the_buckets_before_are_those_that_the_earlier_window_itself_has(question: tuple[Window, Bucket]) -> None:
    window, bucket = question
    grid = edges(window, bucket)
    before = edges_before(grid, bucket)
    assume(before[0] >= EARLIEST and before[-1] <= LATEST)
    if (
        bucket.unit in FIXED
    ):  # the grid of fixed buckets is that of the window's start, whatever the clock did before it
        width = bucket.rough_ms
        assume((shift_of(before[0], bucket.zone) - shift_of(window.start, bucket.zone)) % width == 0)
    assert list(edges(Window(before[0], before[-1]), bucket)) == list(before)


@given(questions())
def test_an_aligned_window_is_whole_buckets_and_stays_so(question: tuple[Window, Bucket]) -> None:
    window, bucket = question
    aligned = align(window, bucket)
    assert aligned.start <= window.start
    assert aligned.end >= window.end
    if bucket.unit not in FIXED:
        assert align(aligned, bucket) == aligned


@given(zones, st.data())
def test_a_wall_clock_time_is_the_first_instant_that_shows_it(name: str, data: st.DataObject) -> None:
    instant = data.draw(instants(name))
    shown = local_time(instant, name)
    assert shown == wall(instant, name)
    found = from_local(shown, name)
    assert wall(found, name) == shown
    assert found <= instant


@given(zones, st.data())
@example("Europe/Berlin", None)
def test_a_wall_clock_time_that_does_not_exist_is_the_first_instant_after_the_gap(
    name: str, data: st.DataObject | None
) -> None:
    gaps = [each for each in switches(name) if shift_of(each, name) > shift_of(each - 1, name)]
    assume(gaps)
    jump = data.draw(st.sampled_from(gaps)) if data else gaps[-1]
    length = shift_of(jump, name) - shift_of(jump - 1, name)
    into = data.draw(st.integers(0, length - 1)) if data else length // 3
    shown = wall(jump, name) - timedelta(milliseconds=length - into)
    assert from_local(shown, name) == jump


@given(zones, st.data())
def test_the_offset_is_the_zone_databases(name: str, data: st.DataObject) -> None:
    instant = data.draw(instants(name))
    assert offset(instant, name) == shift_of(instant, name)


@given(questions())
def test_a_printed_bucket_is_read_back_as_itself(question: tuple[Window, Bucket]) -> None:
    _, bucket = question
    assert parse_bucket(str(bucket), bucket.zone) == bucket


@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("1h", Bucket("hour")),
        ("5 minute", Bucket("minute", 5)),
        ("15m", Bucket("minute", 15)),
        ("15M", Bucket("month", 15)),
        ("3mo", Bucket("month", 3)),
        ("day", Bucket("day")),
        ("2 weeks", Bucket("week", 2)),
        (" 1 Hour ", Bucket("hour")),
        ("HOURLY", Bucket("hour")),
        ("90s", Bucket("second", 90)),
        ("yearly", Bucket("year")),
    ],
)
def test_intervals_are_read_as_people_write_them(text: str, bucket: Bucket) -> None:
    assert parse_bucket(text) == bucket


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0h",
        "-1h",
        "+1h",
        "1.5h",
        "1h30m",
        "h1",
        "1 fortnight",
        "999999999h",
        "1e3s",
        "PT1H",
        "1",
        "9" * 5_000 + "s",
    ],
)
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_bucket(text)


@given(st.text() | st.from_regex(r"\s*\d{0,12}\s*[A-Za-z]{0,8}\s*", fullmatch=True))
def test_text_that_is_no_interval_is_refused_and_never_crashes(text: str) -> None:
    try:
        bucket = parse_bucket(text)
    except InvalidValue:
        return
    assert bucket.n >= 1
    assert len(edges(Window(LATEST - 1, LATEST), bucket)) == 2


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5), (0, LATEST + 1), (-(10**30), 10**30), (10**30, 0)])
def test_a_window_is_never_empty_and_lies_between_1970_and_2100(start: int, end: int) -> None:
    with pytest.raises(InvalidValue):
        Window(start, end)


@given(
    st.text(max_size=40)
    | st.sampled_from(["", ".", "..", "/etc/passwd", "../UTC", "Europe", "europe/berlin", "UTC\0", "\ud800"])
)
def test_a_zone_that_does_not_exist_is_an_unknown_name(name: str) -> None:
    assume(name not in ALL)
    with pytest.raises(UnknownName):
        zone(name)


def test_a_misspelt_zone_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        zone("Europe/Berln")
    assert '"Europe/Berlin"' in caught.value.hint


@pytest.mark.parametrize(
    ("instant", "name", "text"),
    [
        ("2026-05-05T12:00:00Z", "UTC", "2026-05-05T12:00Z"),
        ("2026-05-05T12:00:01Z", "UTC", "2026-05-05T12:00:01Z"),
        ("2026-05-05T12:00:01.500Z", "UTC", "2026-05-05T12:00:01.500Z"),
        ("2026-05-05T12:00:00Z", "Europe/Berlin", "2026-05-05T14:00+02:00"),
        ("2026-05-05T12:00:00Z", "America/St_Johns", "2026-05-05T09:30-02:30"),
        ("1970-01-01T00:00:00Z", "Africa/Monrovia", "1969-12-31T23:15:30-00:44:30"),
    ],
)
def test_an_instant_is_printed_no_finer_than_it_needs(instant: str, name: str, text: str) -> None:
    assert iso(at(instant), name) == text


def test_wires_get_whole_seconds_or_milliseconds_and_a_z() -> None:
    assert iso_z(at("2026-05-05T12:00Z")) == "2026-05-05T12:00:00Z"
    assert iso_z(at("2026-05-05T12:00Z"), milliseconds=True) == "2026-05-05T12:00:00.000Z"


@pytest.mark.parametrize("name", NASTY)
def test_an_axis_of_days_can_be_said_in_words(name: str) -> None:
    bucket = Bucket("day", 1, name)
    assert is_regular(edges(Window(at("2011-12-01T00:00Z"), at("2012-12-01T00:00Z")), bucket), bucket)


def test_an_axis_whose_first_bucket_is_short_cannot_be_said_in_words() -> None:
    assert not is_regular([0, HOUR, DAY + HOUR, 2 * DAY + HOUR], Bucket("day"))


@given(st.data(), st.integers(1, 10**6))
def test_buckets_with_an_origin_lie_on_its_grid_and_cover_the_window(data: st.DataObject, n: int) -> None:
    bucket = Bucket("second", n, origin=data.draw(st.integers(EARLIEST, LATEST)))
    start = data.draw(st.integers(EARLIEST, LATEST - 1))
    window = Window(start, data.draw(st.integers(start + 1, min(LATEST, start + 5_000 * bucket.rough_ms))))
    grid = edges(window, bucket)
    assert bucket.origin is not None
    assert all((edge - bucket.origin) % bucket.rough_ms == 0 for edge in (grid[0], grid[-1]))
    assert grid[0] <= window.start < grid[1]
    assert grid[-2] < window.end <= grid[-1]
