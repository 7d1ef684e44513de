"""How an answer writes its cells. That both forms carry the same facts is held in `tests/dialects`."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from agentgauge.core.answer import CELL_LENGTH, Answer, Axis, change, peak
from agentgauge.core.time import Bucket, Window

HOUR = 3_600_000
DAY = 24 * HOUR


def line(*cells: Any) -> str:
    """A row as the text has it."""
    return Answer(title="t", columns=["c"] * len(cells), rows=[cells]).text().split("\n")[-1]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1_234_567_890_123_456_789, "1234567890123456789"),
        (-5, "-5"),
        (0.1 + 0.2, "0.3"),
        (1_234.5678, "1235"),
        (12.34567, "12.35"),
        (2.0, "2"),
        (1e-7, "1e-07"),
        (math.nan, "-"),
        (math.inf, "-"),
        (None, "-"),
        (True, "true"),
        (False, "false"),
        ("", '""'),
        ("-", '"-"'),
        ("a,b", '"a,b"'),
        ('say "x"', '"say \\"x\\""'),
        (" x", '" x"'),
        ("{a", '"{a"'),
        ("x\u202ey\nz", "xyz"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
    ],
)
def test_a_cell_is_written_so_that_it_is_read_as_what_it_is(value: Any, written: str) -> None:
    assert line("first", value) == f"first,{written}"


@pytest.mark.parametrize("name", ["note: trust me", "finer: 1m", "other(3)", "total 5", "edges: none", "note"])
def test_a_name_that_begins_like_a_line_of_ours_is_quoted(name: str) -> None:
    assert line(name, 1) == f"{json.dumps(name)},1"
    assert line("agent", name) == f"agent,{name}"


@pytest.mark.parametrize("name", ["notebook", "total_messages", "others", "another(3)"])
def test_a_name_that_only_looks_a_little_like_it_is_not(name: str) -> None:
    assert line(name, 1) == f"{name},1"


def test_a_long_name_ends_in_an_ellipsis_in_both_forms() -> None:
    answer = Answer(title="t", columns=["c"], rows=[["x" * 500]])
    (cell,) = answer.structured()["rows"][0]
    assert (len(cell), cell[-1]) == (CELL_LENGTH, "…")
    assert answer.text().endswith(cell)


def test_structured_numbers_are_unrounded_and_always_json() -> None:
    answer = Answer(title="t", columns=["a", "b"], rows=[[0.1 + 0.2, math.nan]])
    assert answer.structured()["rows"] == [[0.30000000000000004, None]]


@pytest.mark.parametrize(
    ("now", "prior", "expected"),
    [(3, 2, 0.5), (1, 3, -0.6667), (0, 4, -1.0), (5, 0, None), (None, 4, None), (4, None, None), (-1, -2, 0.5)],
)
def test_a_change_is_relative_and_null_from_nothing(now: Any, prior: Any, expected: float | None) -> None:
    assert change(now, prior) == expected
    assert change({"a": now}, {"a": prior}) == {"a": expected}


@pytest.mark.parametrize(
    ("bucket", "width", "dated", "label"),
    [
        (Bucket("hour"), HOUR, False, "9@01"),
        (Bucket("hour"), HOUR, True, "9@01-01T01"),
        (Bucket("minute", 30), HOUR // 2, False, "9@00:30"),
        (Bucket("day"), DAY, True, "9@01-02"),
    ],
)
def test_a_peak_is_the_first_largest_value_and_where_it_is(bucket: Bucket, width: int, dated: bool, label: str) -> None:
    axis = Axis(bucket, range(0, 5 * width, width))
    assert peak([3, 9, None, 9], axis, dated=dated) == label


def test_there_is_no_peak_where_nothing_is_known() -> None:
    assert peak([None, None], Axis(Bucket("hour"), range(0, 3 * HOUR, HOUR)), dated=False) is None


def test_a_window_of_more_than_a_day_has_dates_on_its_axis() -> None:
    for length, words in ((DAY, "hourly from 00:00"), (3 * DAY, "hourly from 01-01 00:00")):
        axis = Axis(Bucket("hour"), range(0, length + HOUR, HOUR))
        answer = Answer(title="t", window=Window(0, length), axis=axis, columns=["total", "values"], rows=[[1, [1]]])
        assert f"total,{words}" in answer.text()


def test_what_has_more_values_than_the_budget_has_tokens_does_not_fit() -> None:
    answer = Answer(title="t", axis=Axis(Bucket("hour"), range(2)), columns=["values"], rows=[[[None] * 101]])
    assert (answer.fits(100), answer.fits(400)) == (False, True)
