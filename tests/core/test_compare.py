"""Which parts of two windows are compared."""

from __future__ import annotations

import pytest

from agentgauge.core.compare import elapsed_in_both, finished_in_both
from agentgauge.core.time import Bucket, Window, edges

HOUR = 3_600_000
DAY = 24 * HOUR
START = 20_000 * DAY


@pytest.mark.parametrize(
    ("as_of", "first", "last"),
    [(4 * HOUR, 0, 4), (9 * HOUR, 0, 4), (4 * HOUR - 1, 0, 3), (HOUR, 0, 1)],
)
def test_whole_buckets_that_are_finished_are_compared(as_of: int, first: int, last: int) -> None:
    window = Window(START, START + 4 * HOUR)
    grid = edges(window, Bucket("hour"))
    now, before = finished_in_both(window, Bucket("hour"), grid, START + as_of) or (None, None)
    assert now == Window(START + first * HOUR, START + last * HOUR)
    assert before == Window(START + (first - 4) * HOUR, START + (last - 4) * HOUR)


def test_a_bucket_that_begins_before_the_window_is_left_out() -> None:
    window = Window(START + HOUR // 2, START + 3 * HOUR)
    pair = finished_in_both(window, Bucket("hour"), edges(window, Bucket("hour")), START + DAY)
    assert pair == (Window(START + HOUR, START + 3 * HOUR), Window(START - 2 * HOUR, START))


@pytest.mark.parametrize("as_of", [START, START - 1, START + HOUR - 1])
def test_nothing_finished_is_nothing_to_compare(as_of: int) -> None:
    window = Window(START, START + HOUR)
    assert finished_in_both(window, Bucket("hour"), edges(window, Bucket("hour")), as_of) is None


def test_a_window_without_buckets_is_compared_with_as_long_a_one() -> None:
    window = Window(START, START + 4 * HOUR)
    pair = finished_in_both(window, None, (), START + HOUR)
    assert pair == (Window(START, START + HOUR), Window(START - 4 * HOUR, START - 3 * HOUR))


def test_what_has_passed_of_a_longer_period_is_not_compared_with_more_than_the_whole_before() -> None:
    window = Window(START, START + 31 * DAY)
    pair = elapsed_in_both(window, START - 28 * DAY, START + 30 * DAY)
    assert pair == (Window(START, START + 30 * DAY), Window(START - 28 * DAY, START))


def test_before_1970_there_is_nothing_to_compare_with() -> None:
    assert finished_in_both(Window(HOUR, 3 * HOUR), None, (), DAY) is None
    window = Window(HOUR, 3 * HOUR)
    assert finished_in_both(window, Bucket("hour"), edges(window, Bucket("hour")), DAY) is None
