"""Tables: rows made wide, several joined, and the order of groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.core.query import Measure
from agentgauge.core.table import Cell, Key, Other, Table, join, rank, sort_key
from agentgauge.core.time import Bucket, Window

HOUR = 3_600_000
COUNT = Measure("count", None, "n")
COST = Measure("avg", "cost_usd", "cost")


def table(
    measure: Measure, groups: list[Key], rows: list[tuple[int, int, Cell]], totals: list[Cell], **more: Any
) -> Table:
    """Three hours of one measure: rows are (bucket, group, value)."""
    return Table(
        window=Window(0, 3 * HOUR),
        edges=range(0, 3 * HOUR + 1, HOUR),
        bucket=Bucket("hour"),
        group_by=("agent",),
        measures=(measure,),
        groups=groups,
        at=[at for at, _, _ in rows],
        of=[of for _, of, _ in rows],
        values={measure.label: [value for _, _, value in rows]},
        totals={measure.label: totals},
        **more,
    )


RUNS = table(
    COUNT, [("a",), ("b",)], [(0, 0, 3), (0, 1, 1), (2, 0, 4)], [7, 1], total={"n": 8}, as_of=90, notes=("one",)
)
SPENT = table(
    COST,
    [("b",), ("c",)],
    [(0, 0, 0.5), (1, 1, 0.25)],
    [0.5, 0.25],
    total={"cost": 0.3},
    as_of=70,
    notes=("one", "two"),
)


def test_a_wide_series_has_a_value_per_bucket_and_zero_where_nothing_was_counted() -> None:
    assert RUNS.wide("n") == [[3, 0, 4], [1, 0, 0]]


def test_a_wide_series_of_an_average_has_null_where_nothing_was() -> None:
    assert SPENT.wide("cost") == [[0.5, None, None], [None, 0.25, None]]


@pytest.mark.parametrize(
    ("how", "nothing"),
    [
        ("count", 0),
        ("sum", 0),
        ("count_distinct", 0),
        ("avg", None),
        ("min", None),
        ("max", None),
        ("rate", None),
        ("quantile", None),
    ],
)
def test_counts_and_sums_of_nothing_are_zero_and_all_else_is_null(how: Any, nothing: Cell) -> None:
    assert table(Measure(how, "x", "x"), [], [], []).empty("x") == nothing


def test_the_rest_is_wide_too_and_empty_where_there_is_none() -> None:
    cut = table(COUNT, [("a",)], [], [0], other=Other(groups=2, totals={"n": 5}, at=[1], values={"n": [5]}))
    assert cut.wide_other("n") == [0, 5, 0]
    assert RUNS.wide_other("n") == [0, 0, 0]


def test_joined_tables_have_all_groups_and_all_measures() -> None:
    both = join([RUNS, SPENT])
    assert both.groups == [("a",), ("b",), ("c",)]
    assert both.measures == (COUNT, COST)
    assert both.totals == {"n": [7, 1, 0], "cost": [None, 0.5, 0.25]}
    assert both.total == {"n": 8, "cost": 0.3}
    assert both.wide("n") == [[3, 0, 4], [1, 0, 0], [0, 0, 0]]
    assert both.wide("cost") == [[None, None, None], [0.5, None, None], [None, 0.25, None]]


def test_the_rows_of_joined_tables_come_by_bucket_and_group() -> None:
    both = join([RUNS, SPENT])
    spots = list(zip(both.at, both.of, strict=True))
    assert spots == sorted(spots) == [(0, 0), (0, 1), (1, 2), (2, 0)]


def test_joined_groups_come_by_the_first_measure_then_by_value() -> None:
    runs = table(COUNT, [("m",), ("z",)], [], [2, 0])
    both = join([runs, table(COST, [("x",), ("b",), (None,)], [], [9.0, 8.0, 7.0])])
    assert both.groups == [("m",), ("b",), ("x",), ("z",), (None,)]
    assert both.totals == {"n": [2, 0, 0, 0, 0], "cost": [None, 8.0, 9.0, None, 7.0]}


def test_joined_tables_are_as_old_as_the_oldest_and_keep_each_note_once() -> None:
    both = join([RUNS, SPENT])
    assert both.as_of == 70
    assert both.notes == ("one", "two")


def test_joined_tables_know_no_instant_when_one_of_them_that_has_events_does_not() -> None:
    assert join([RUNS, replace(SPENT, as_of=None)]).as_of is None


def test_a_dataset_that_never_had_an_event_does_not_hide_how_fresh_the_others_are() -> None:
    assert join([RUNS, table(COST, [], [], [])]).as_of == RUNS.as_of


def test_joined_tables_are_as_exact_as_the_least() -> None:
    both = join([RUNS, table(COST, [], [], [], exact=False, bound=0.01, rows_overlap=True)])
    assert (both.exact, both.bound, both.rows_overlap) == (False, 0.01, True)


def test_one_table_joined_is_itself() -> None:
    alone = join([RUNS])
    assert (alone.groups, alone.totals, alone.total, alone.wide("n")) == (
        RUNS.groups,
        RUNS.totals,
        RUNS.total,
        RUNS.wide("n"),
    )


def test_groups_rank_by_total_descending_with_null_last() -> None:
    assert rank([("a",), ("b",), ("c",), ("d",)], [1, None, 3, -2]) == [2, 0, 3, 1]


def test_groups_of_one_total_rank_by_value_ascending_with_null_last() -> None:
    groups: list[Key] = [(None,), ("b",), ("",), ("B",), ("ä",), ("a",)]
    assert [groups[index] for index in rank(groups, [5] * 6)] == [("",), ("B",), ("a",), ("b",), ("ä",), (None,)]


def test_numbers_rank_as_numbers_and_true_after_false() -> None:
    groups: list[Key] = [(10,), (9,), (None,), (-1.5,)]
    assert [groups[index] for index in rank(groups, [1] * 4)] == [(-1.5,), (9,), (10,), (None,)]
    assert rank([(None,), (True,), (False,)], [0, 0, 0]) == [2, 1, 0]


def test_the_second_group_value_decides_where_the_first_is_the_same() -> None:
    groups: list[Key] = [("a", None), ("a", 2), (None, 1), ("a", 1)]
    assert [groups[index] for index in rank(groups, [1] * 4)] == [("a", 1), ("a", 2), ("a", None), (None, 1)]


def test_integers_that_no_float_can_tell_apart_keep_their_order() -> None:
    big = 2**53
    assert rank([(big + 1,), (big,)], [1, 1]) == [1, 0]
    assert rank([("a",), ("b",)], [big, big + 1]) == [1, 0]
    assert rank([("a",), ("b",)], [10**400, 10**400 + 1]) == [1, 0]
    assert sort_key((10**400,)) > sort_key((10**400 - 1,))


@given(
    st.lists(st.tuples(st.none() | st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans()), unique=True)
)
def test_any_group_values_have_an_order(groups: list[Key]) -> None:
    order = rank(groups, [None] * len(groups))
    assert sorted(order) == list(range(len(groups)))
    assert rank([groups[index] for index in order], [None] * len(groups)) == list(range(len(groups)))
