"""Choosing an interval, and how many rows a budget holds. Whole answers and their budgets are in `tests/dialects`."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.core.answer import Answer
from agentgauge.core.fit import CHOSEN_BUCKETS, LADDER, chosen_bucket, first_rows
from agentgauge.core.time import LATEST, Window, parse_bucket

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("length", "chosen"),
    [
        (1, "1s"),
        (HOUR, "1m"),
        (HOUR + 1, "5m"),
        (DAY, "30m"),
        (7 * DAY, "3h"),
        (30 * DAY, "12h"),
        (365 * DAY, "1w"),
        (LATEST, "5y"),
    ],
)
def test_an_interval_is_the_finest_of_the_ladder_that_is_not_too_many(length: int, chosen: str) -> None:
    assert str(chosen_bucket(Window(0, length), "UTC")) == chosen


@given(st.integers(1, LATEST))
def test_a_chosen_interval_has_at_most_the_chosen_number_of_buckets(length: int) -> None:
    assert length <= CHOSEN_BUCKETS * chosen_bucket(Window(0, length), "UTC").rough_ms


def test_the_ladder_rises() -> None:
    assert all(a.rough_ms < b.rough_ms for a, b in pairwise(map(parse_bucket, LADDER)))


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(30, 400))
def test_a_listing_keeps_the_most_first_rows_that_fit(lengths: list[int], budget: int) -> None:
    rows = [["x" * length] for length in lengths]
    answer = Answer(title="names", columns=["name"], rows=rows)
    shown = first_rows(answer, budget)
    kept = len(shown.rows)
    assert list(shown.rows) == rows[:kept]
    assert shown.fits(budget) or not kept
    assert (kept == len(rows)) == (not shown.notes)
    if shown.notes:
        assert shown.notes == (f"{kept} of {len(rows)} rows shown to fit a budget of {budget} tokens",)
