"""How people write times: what is read, what is refused, and that nothing but a refusal ever comes of nonsense."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from zones import DAY, EARLIEST, HOUR, LATEST, NASTY, at, first_instant, instants, wall, zones

from agentgauge.core.errors import CallerError, InvalidValue
from agentgauge.core.time import Window, iso
from agentgauge.core.when import When, current_period, parse_when, parse_window, shift

NOW = at("2026-05-05T12:34:56.789Z")
TUESDAY = at("2026-05-05T00:00Z")


def read(text: str | float, tz: str = "UTC", now: int = NOW) -> When:
    return parse_when(text, now=now, tz=tz)


@given(zones, st.data())
@example("Africa/Monrovia", None)
def test_a_printed_instant_is_read_back_as_itself_in_every_zone(name: str, data: st.DataObject | None) -> None:
    instant = data.draw(instants(name)) if data else 0
    for step in (1, 1_000, 60_000, HOUR):
        whole = instant // step * step
        assert read(iso(whole, name), "Asia/Kathmandu") == When(whole, whole)


@given(zones, st.data())
def test_a_time_without_offset_is_the_first_instant_the_zones_clock_shows_it(name: str, data: st.DataObject) -> None:
    instant = data.draw(instants(name))
    text = wall(instant, name).isoformat()
    assume(len(text) > 4 and EARLIEST <= instant - 27 * HOUR)
    found = read(text, name).start
    assert wall(found, name).isoformat() == text
    assert found <= instant


@given(zones, st.data())
@example("America/Sao_Paulo", None)
def test_a_date_is_the_whole_day_from_its_first_instant_to_the_next_days(name: str, data: st.DataObject | None) -> None:
    instant = data.draw(instants(name)) if data else at("2018-11-04T12:00Z")
    assume(2 * DAY < instant < LATEST - 3 * DAY)
    day = wall(instant, name).date()
    found = read(day.isoformat(), name)
    assert found == When(first_instant(day, name), first_instant(day + timedelta(days=1), name))


def test_a_date_as_an_end_includes_that_day() -> None:
    window = parse_window("2026-05-04", "2026-05-05", now=NOW, tz="Europe/Berlin", default_ms=DAY)
    assert window == Window(at("2026-05-04T00:00+02:00"), at("2026-05-06T00:00+02:00"))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("now", NOW, NOW),
        ("now-24h", NOW - DAY, NOW - DAY),
        ("NOW-24H", NOW - DAY, NOW - DAY),
        ("now - 15 minutes", NOW - 15 * 60_000, NOW - 15 * 60_000),
        ("now+1h", NOW + HOUR, NOW + HOUR),
        ("now-1d+1h", NOW - DAY + HOUR, NOW - DAY + HOUR),
        ("now-7d", NOW - 7 * DAY, NOW - 7 * DAY),
        ("now-1M", at("2026-04-05T12:34:56.789Z"), at("2026-04-05T12:34:56.789Z")),
        ("now-1m", NOW - 60_000, NOW - 60_000),
        ("now-1y", at("2025-05-05T12:34:56.789Z"), at("2025-05-05T12:34:56.789Z")),
        ("now/d", TUESDAY, TUESDAY + DAY),
        ("now-1d/d", TUESDAY - DAY, TUESDAY),
        ("now/w", at("2026-05-04T00:00Z"), at("2026-05-11T00:00Z")),
        ("now/M", at("2026-05-01T00:00Z"), at("2026-06-01T00:00Z")),
        ("now/month", at("2026-05-01T00:00Z"), at("2026-06-01T00:00Z")),
        ("now/y", at("2026-01-01T00:00Z"), at("2027-01-01T00:00Z")),
        ("today", TUESDAY, TUESDAY + DAY),
        ("Today", TUESDAY, TUESDAY + DAY),
        ("yesterday", TUESDAY - DAY, TUESDAY),
        ("tomorrow", TUESDAY + DAY, TUESDAY + 2 * DAY),
        ("today-7d", TUESDAY - 7 * DAY, TUESDAY - 6 * DAY),
        ("today+3h", TUESDAY + 3 * HOUR, TUESDAY + 3 * HOUR),
        ("2026-05-05", TUESDAY, TUESDAY + DAY),
        ("20260505", TUESDAY, TUESDAY + DAY),
        ("2026-05", at("2026-05-01T00:00Z"), at("2026-06-01T00:00Z")),
        ("2026-05-05T14:00+02:00", TUESDAY + 12 * HOUR, TUESDAY + 12 * HOUR),
        ("2026-05-05T14:00 02:00", TUESDAY + 12 * HOUR, TUESDAY + 12 * HOUR),
        ("2026-05-05 14:00", TUESDAY + 14 * HOUR, TUESDAY + 14 * HOUR),
        ("2026-05-05T14:00:00.250Z", TUESDAY + 14 * HOUR + 250, TUESDAY + 14 * HOUR + 250),
        ("  1777939200 ", TUESDAY, TUESDAY),
        ("1777939200000", TUESDAY, TUESDAY),
        ("1777939200.25", TUESDAY + 250, TUESDAY + 250),
        (1_777_939_200, TUESDAY, TUESDAY),
        (1_777_939_200_000, TUESDAY, TUESDAY),
        (1_777_939_200.5, TUESDAY + 500, TUESDAY + 500),
        (0, 0, 0),
        (4_102_444_800, LATEST, LATEST),
        (100_000_000_000, 100_000_000_000, 100_000_000_000),
    ],
)
def test_times_are_read_as_people_write_them(text: str | float, start: int, end: int) -> None:
    assert read(text) == When(start, end)


@given(st.integers(0, LATEST // 1_000))
def test_an_integer_below_1e11_is_seconds(seconds: int) -> None:
    assert read(seconds).start == seconds * 1_000
    if seconds >= 100_000_000_000:
        raise AssertionError("no second of the time we know is that large")


@given(st.integers(100_000_000_000, LATEST))
def test_an_integer_from_1e11_on_is_milliseconds(instant: int) -> None:
    assert read(instant).start == instant
    assert read(str(instant)).start == instant


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "now-",
            "now-1",
            "now--1h",
            "now-1x",
            "soon",
            10**10,
            99_999_999_999,
            "99999999999",
            "-1",
            -1,
            -1.5,
            "1969-12-31T23:59:59Z",
            "2100-01-01T00:01Z",
        ),
        *(
            "2026-02-30",
            "2026-13",
            "2026-05-05T25:00",
            "20261305",
            "99999999999999999999",
            1e300,
            float("inf"),
            float("nan"),
        ),
        *(
            "now-9999999y",
            "now+9999999y",
            "now-1h30m",
            "now/fortnight",
            "today/",
            "2026",
            "0001-01-01",
            "9999-12-31",
            "0001-01",
        ),
        *("0001-01-01T00:00", "9999-12-31T23:59:59", "9" * 5_000, "-" + "9" * 5_000 + ".5", True, "now\x00", "²"),
    ],
)
@pytest.mark.parametrize("tz", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_what_is_no_time_between_1970_and_2100_is_refused_with_a_hint(text: str | float, tz: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read(text, tz)
    assert caught.value.hint


NONSENSE = (
    st.text()
    | st.integers()
    | st.floats()
    | st.from_regex(
        r"\s*(now|today|yesterday|tomorrow)(\s*[+-]\s*\d{1,7}\s*[a-zA-Z]{1,3}){0,2}(/[a-zM]{1,2})?\s*", fullmatch=True
    )
    | st.from_regex(r"(now|today)([+-]\d{1,7}(s|m|h|d|w|M|y)){0,3}(/(h|d|w|M|y))?", fullmatch=True)
    | st.from_regex(r"-?\d{1,30}(\.\d{0,4})?", fullmatch=True)
    | st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9])?([+-][0-2][0-9]:?[0-5][0-9])?)?",
        fullmatch=True,
    )
    | st.datetimes().map(datetime.isoformat)
    | st.dates().map(date.isoformat)
)


@given(NONSENSE, zones, st.sampled_from([0, NOW, LATEST]) | st.integers(EARLIEST, LATEST))
@example("today", "UTC", LATEST)
@example("now-2025y", "Asia/Tokyo", at("2025-12-31T15:00Z"))
@example("now+7973y", "America/New_York", at("2027-01-01T04:00Z"))
@example("tomorrow", "Asia/Tokyo", LATEST)
@example("now/y", "Asia/Tokyo", 0)
def test_whatever_is_written_is_a_time_we_know_or_a_refusal(text: str | float, tz: str, now: int) -> None:
    try:
        found = read(text, tz, now)
    except CallerError:
        return
    assert EARLIEST <= found.start <= found.end <= LATEST


@given(st.none() | NONSENSE, st.none() | NONSENSE, st.text(max_size=9) | zones, st.integers(EARLIEST, LATEST))
def test_whatever_window_is_written_is_a_window_or_a_refusal(
    start: str | float | None, end: str | float | None, tz: str, now: int
) -> None:
    try:
        window = parse_window(start, end, now=now, tz=tz, default_ms=DAY)
    except CallerError:
        return
    assert window.start < window.end


@pytest.mark.parametrize(
    ("now", "tz", "start", "end"),
    [
        ("2018-11-04T12:00Z", "America/Sao_Paulo", "2018-11-04T03:00Z", "2018-11-05T02:00Z"),
        ("2026-03-29T12:00Z", "Asia/Beirut", "2026-03-28T22:00Z", "2026-03-29T21:00Z"),
        ("2023-04-28T12:00Z", "Africa/Cairo", "2023-04-27T22:00Z", "2023-04-28T21:00Z"),
        ("2026-10-25T12:00Z", "Europe/Berlin", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
    ],
)
def test_today_is_the_whole_local_day_even_where_its_midnight_does_not_exist(
    now: str, tz: str, start: str, end: str
) -> None:
    assert read("today", tz, at(now)) == When(at(start), at(end))


@pytest.mark.parametrize("name", NASTY)
def test_yesterday_ends_where_today_starts(name: str) -> None:
    for day in range(366):
        now = at("2026-01-01T12:00Z") + day * DAY
        assert read("yesterday", name, now).end == read("today", name, now).start
        assert read("today", name, now).end == read("tomorrow", name, now).start


def test_a_day_ago_is_the_same_wall_clock_time_where_the_clock_changed() -> None:
    monday = at("2026-10-26T08:00+01:00")
    assert read("now-1d", "Europe/Berlin", monday).start == at("2026-10-25T08:00+01:00")
    assert read("now-2d", "Europe/Berlin", monday).start == at("2026-10-24T08:00+02:00")
    assert read("now-48h", "Europe/Berlin", monday).start == at("2026-10-24T09:00+02:00")


@pytest.mark.parametrize(
    ("start", "count", "unit", "end"),
    [
        ("2026-03-31T10:00Z", -1, "month", "2026-02-28T10:00Z"),
        ("2024-03-31T10:00Z", -1, "month", "2024-02-29T10:00Z"),
        ("2026-01-31T10:00Z", 3, "month", "2026-04-30T10:00Z"),
        ("2024-02-29T10:00Z", 1, "year", "2025-02-28T10:00Z"),
        ("2024-02-29T10:00Z", 4, "year", "2028-02-29T10:00Z"),
        ("2026-01-15T10:00Z", -13, "month", "2024-12-15T10:00Z"),
        ("2026-01-15T10:00Z", 2, "week", "2026-01-29T10:00Z"),
        ("2026-01-15T10:00Z", -90, "second", "2026-01-15T09:58:30Z"),
    ],
)
def test_months_that_have_no_such_day_give_their_last(start: str, count: int, unit: str, end: str) -> None:
    assert shift(at(start), count, unit, "UTC") == at(end)  # type: ignore[arg-type]  # the unit is one of the words


def test_without_times_the_window_is_the_default_length_up_to_now() -> None:
    assert parse_window(None, None, now=NOW, tz="UTC", default_ms=DAY) == Window(NOW - DAY, NOW)


def test_without_an_end_the_window_reaches_to_now() -> None:
    assert parse_window("now-3h", None, now=NOW, tz="UTC", default_ms=DAY) == Window(NOW - 3 * HOUR, NOW)


def test_without_a_start_the_window_is_the_default_length_before_the_end() -> None:
    assert parse_window(None, "now-3h", now=NOW, tz="UTC", default_ms=DAY) == Window(
        NOW - 3 * HOUR - DAY, NOW - 3 * HOUR
    )


def test_a_window_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(InvalidValue):
        parse_window("today", "yesterday", now=NOW, tz="UTC", default_ms=DAY)


@pytest.mark.parametrize(
    ("unit", "start", "end"),
    [
        ("day", "2026-05-05T00:00+02:00", "2026-05-06T00:00+02:00"),
        ("week", "2026-05-04T00:00+02:00", "2026-05-11T00:00+02:00"),
        ("month", "2026-05-01T00:00+02:00", "2026-06-01T00:00+02:00"),
        ("year", "2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00"),
    ],
)
def test_the_current_period_is_the_zones_calendar(unit: str, start: str, end: str) -> None:
    found = current_period(unit, now=NOW, tz="Europe/Berlin")  # type: ignore[arg-type]  # the unit is one of the words
    assert found == Window(at(start), at(end))
