"""The scan and its sums against cases worked out by hand, and against a plain reading of design section 4."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from fractions import Fraction
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.core.catalog import dataset
from agentgauge.core.query import BY_TYPE, LISTS, ZERO_WHEN_NONE, Filter, Measure, Query, Scope, Top, measure
from agentgauge.core.table import Cell, Key, Table, rank
from agentgauge.core.time import Bucket, Window, edges
from agentgauge.stores.sqlite.cells import Fold
from agentgauge.stores.sqlite.columns import (
    AnyColumn,
    Coded,
    Coder,
    Column,
    Columns,
    Lists,
    Numbers,
    join_numbers,
    numbers,
)
from agentgauge.stores.sqlite.filters import Conditions
from agentgauge.stores.sqlite.rows import listing, read
from agentgauge.stores.sqlite.scan import answer
from agentgauge.stores.sqlite.schema import table_sql
from agentgauge.stores.sqlite.sums import summing

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

HOUR = 3_600_000
WINDOW = Window(0, 4 * HOUR)
HOURLY = Bucket("hour")
NUMERIC = {"latency_ms", "input_tokens"}

Row = dict[str, Any]


def coded(values: Sequence[Any]) -> Coded:
    coder = Coder()
    coder.add(values)
    return coder.done()


def column(name: str, values: Sequence[Any]) -> Column:
    if name in NUMERIC:
        return numbers(values)
    if name == "team":
        lists = coded([None if value is None else tuple(value) for value in values])
        return Lists(lists.codes, lists.values)
    return coded(values)


def columns(rows: Sequence[Row]) -> Columns:
    ordered = sorted(rows, key=lambda row: row["ts"])
    names = ("agent_id", "user", "team", "is_failure", *NUMERIC)
    fields = {name: column(name, [row.get(name) for row in ordered]) for name in names}
    return Columns(np.array([row["ts"] for row in ordered], np.int64), fields)


def ask(rows: Sequence[Row], *measures: Measure, **more: Any) -> Table:
    """The answer over model calls at the given hours of a four-hour window."""
    more.setdefault("bucket", HOURLY)
    return answer(Query("model_calls", WINDOW, measures or (measure("count", None),), **more), [columns(rows)], 7)


def kept(rows: Sequence[Row], *where: Filter) -> int:
    total = ask(rows, where=where).total["count"]
    assert isinstance(total, int)
    return total


def sum_by(cells: Any, count: int, values: Any, cut: int = 7) -> list[int | float]:
    """The sum of each cell, the values handed over a few at a time."""
    ends = (values.min().item(), values.max().item()) if len(values) else (0, 0)
    sums = summing("int" if values.dtype == np.int64 else "float", *ends, count, len(values))
    for at in range(0, len(values), cut):
        sums.add(cells[at : at + cut], slice(0, count), values[at : at + cut])
    every = np.arange(count)
    return sums.fold(Fold(every, every, count))


def agents(*names: str | None) -> list[Row]:
    return [{"ts": index, "agent_id": name} for index, name in enumerate(names)]


# --- the shape of an answer -----------------------------------------------------------------------------------------


def test_a_table_is_sparse_and_ordered_by_bucket_then_group():
    rows = [
        {"ts": hour * HOUR, "agent_id": agent} for hour, agent in [(0, "b"), (0, "a"), (0, "a"), (3, "b"), (3, "b")]
    ]
    table = ask(rows, group_by=("agent_id",))
    assert table.groups == [("b",), ("a",)]
    assert (table.at, table.of, table.values["count"]) == ([0, 0, 3], [0, 1, 0], [1, 2, 2])
    assert (table.totals, table.total, table.other, table.as_of) == ({"count": [3, 2]}, {"count": 5}, None, 7)
    assert table.wide("count") == [[1, 0, 0, 2], [2, 0, 0, 0]]


def test_no_rows_without_grouping_is_one_empty_group():
    table = ask([], measure("count", None), measure("avg", "latency_ms"), measure("sum", "latency_ms"))
    assert (table.groups, table.at, table.total) == (
        [()],
        [],
        {"count": 0, "avg_latency_ms": None, "sum_latency_ms": 0},
    )
    assert table.totals == {"count": [0], "avg_latency_ms": [None], "sum_latency_ms": [0]}


def test_no_rows_with_grouping_is_no_group():
    for name in ("agent_id", "team", "latency_ms", "is_failure"):
        table = ask([], group_by=(name,), top=Top(3))
        assert (table.groups, table.at, table.totals, table.total) == ([], [], {"count": []}, {"count": 0})


def test_rows_outside_the_window_do_not_count_though_their_bucket_reaches_there():
    rows = [{"ts": ts} for ts in (0, HOUR // 2, HOUR - 1, HOUR)]
    query = Query("model_calls", Window(HOUR // 2, HOUR), (measure("count", None),), HOURLY)
    table = answer(query, [columns(rows)], None)
    assert (list(table.edges), table.at, table.values) == ([0, HOUR], [0], {"count": [2]})


def test_without_buckets_the_edges_are_the_windows_ends():
    table = ask([{"ts": 5}, {"ts": 3 * HOUR}], bucket=None)
    assert (table.edges, table.at, table.values) == ([0, 4 * HOUR], [0], {"count": [2]})


def test_groups_tie_by_value_with_null_last():
    assert ask(agents("b", None, "a"), group_by=("agent_id",)).groups == [("a",), ("b",), (None,)]


def test_group_keys_are_plain_python_values():
    rows = [{"ts": 0, "is_failure": True, "latency_ms": 5}, {"ts": 1, "is_failure": False, "latency_ms": 5}]
    table = ask(rows, group_by=("is_failure", "latency_ms"))
    assert table.groups == [(False, 5), (True, 5)]
    assert [[type(part) for part in key] for key in table.groups] == [[bool, int]] * 2


def test_top_keeps_n_groups_and_the_rest_is_other():
    rows = [{"ts": hour * HOUR, "agent_id": agent, "latency_ms": 10} for hour, agent in enumerate("aabc")]
    table = ask(
        [*rows, {"ts": 0, "agent_id": "a"}],
        measure("count", None),
        measure("avg", "latency_ms"),
        group_by=("agent_id",),
        top=Top(1),
    )
    assert table.groups == [("a",)]
    assert table.totals == {"count": [3], "avg_latency_ms": [10.0]}
    assert table.other is not None
    assert (table.other.groups, table.other.totals) == (2, {"count": 2, "avg_latency_ms": 10.0})
    assert (table.other.at, table.other.values["count"]) == ([2, 3], [1, 1])


def test_top_of_as_many_groups_as_there_are_has_no_other():
    assert ask(agents("a", "b"), group_by=("agent_id",), top=Top(2)).other is None


def test_a_row_counts_once_for_each_of_its_teams():
    rows: list[Row] = [
        {"ts": 0, "team": ["x", "y"]},
        {"ts": 0, "team": ["x"]},
        {"ts": 0, "team": None},
        {"ts": 0, "team": []},
    ]
    table = ask(rows, group_by=("team",))
    assert table.groups == [("x",), (None,), ("y",)]
    assert (table.totals["count"], table.total["count"], table.rows_overlap) == ([2, 2, 1], 4, True)


def test_top_teams_have_no_other():
    table = ask([{"ts": 0, "team": ["x", "y"]}], group_by=("team",), top=Top(1))
    assert (table.groups, table.other, table.rows_overlap) == ([("x",)], None, True)


def test_distinct_teams_are_members_not_lists():
    rows = [{"ts": 0, "team": ["x", "y"]}, {"ts": 1, "team": ["y"]}, {"ts": 2, "team": None}]
    table = ask(rows, measure("countDistinct", "team"), measure("count", "team"))
    assert table.total == {"count_distinct_team": 2, "count_team": 2}


def test_very_many_groups_take_no_room_for_buckets_times_groups():
    count = 200_000
    fields: Mapping[str, Column] = {
        "agent_id": Coded(np.arange(1, count + 1, dtype=np.uint32), list(map(str, range(count))))
    }
    query = Query(
        "model_calls", Window(0, count), (measure("count", None),), Bucket("second"), ("agent_id",), top=Top(2)
    )
    table = answer(query, [Columns(np.arange(count), fields)], None)
    assert (table.groups, table.other and table.other.groups) == ([("0",), ("1",)], count - 2)


# --- measures -------------------------------------------------------------------------------------------------------


def test_integers_stay_integers_and_any_float_makes_floats():
    rows = [{"ts": 0, "latency_ms": 2, "input_tokens": 2}, {"ts": 1, "latency_ms": 1.5, "input_tokens": 3}]
    total = ask(rows, *(measure(how, name) for how in ("sum", "min", "max", "p50") for name in NUMERIC)).total
    assert {label: type(value) for label, value in total.items() if "tokens" in label} == {
        f"{how}_input_tokens": int for how in ("sum", "min", "max", "p50")
    }
    assert (total["sum_latency_ms"], total["max_latency_ms"]) == (3.5, 2.0)


def test_sums_of_integers_pass_two_to_the_sixty_three():
    assert sum_by(np.array([0, 0, 1]), 3, np.array([2**63 - 1, 2**63 - 1, -5])) == [2**64 - 2, -5, 0]


def test_integers_too_large_for_a_float_beside_floats_are_kept_exactly():
    mixed = numbers([2**53 + 1, 0.5, None])
    assert mixed.values.tolist() == [2**53 + 1, 0.5, 0]
    assert mixed.fits(Filter("latency_ms", "EQUAL", 2**53)).tolist() == [False, False, False]
    rows = [{"ts": 0, "latency_ms": value} for value in (2**60 + 1, 0.5, 0.5, None)]
    table = ask(rows, *(measure(how, "latency_ms") for how in ("sum", "max", "p50", "countDistinct")))
    assert list(table.total.values()) == [float(2**60 + 2), 2**60 + 1, 0.5, 2]


def test_portions_of_integers_and_floats_join_to_the_narrowest_type():
    kinds = [np.array([1]), np.array([2**53 + 1]), np.array([0.5])]
    small, large, floats = map(Numbers, kinds)
    assert join_numbers([small, floats]).values.dtype == np.float64
    assert join_numbers([large, floats]).values.tolist() == [2**53 + 1, 0.5]
    assert join_numbers([numbers([None]), floats]).values.dtype == np.float64
    assert join_numbers([numbers([None]), large]).values.dtype == np.int64
    assert join_numbers([]).values.tolist() == []


def test_quantiles_are_the_nearest_rank():
    rows = [{"ts": 0, "latency_ms": value} for value in (10, 20, 30, 40)]
    words = ("p0.01", "p25", "p50", "p75", "p75.01", "p99.5", "p100")
    assert list(ask(rows, *(measure(word, "latency_ms") for word in words)).total.values()) == [
        10,
        10,
        20,
        30,
        40,
        40,
        40,
    ]


@pytest.mark.parametrize("top", [5e-324, 1e-310, 1.0, 1.7e308], ids=str)
@pytest.mark.parametrize("bottom", [0.0, -5e-324, -1.7e308], ids=str)
def test_quantiles_are_exact_however_narrow_or_wide_the_range(bottom: float, top: float):
    values = sorted([bottom, top, (bottom + top) / 2] * 3)
    rows = [{"ts": 0, "latency_ms": value} for value in values]
    words = ("p1", "p50", "p99")
    assert list(ask(rows, *(measure(word, "latency_ms") for word in words)).total.values()) == [
        values[0],
        values[4],
        values[8],
    ]


def test_a_rate_is_the_share_of_true_among_what_is_known():
    rows = [{"ts": 0, "is_failure": value} for value in (True, False, False, None)]
    total = ask(rows, measure("rate", "is_failure"), measure("avg", "is_failure"), measure("count", "is_failure")).total
    assert list(total.values()) == [1 / 3, 1 / 3, 3]
    assert ask([{"ts": 0}], measure("rate", "is_failure")).values == {"rate_is_failure": [None]}


def test_one_and_one_point_nought_are_one_value():
    rows = [
        {"ts": 0, "latency_ms": 1},
        {"ts": 1, "latency_ms": 1.0},
        {"ts": 2, "latency_ms": -0.0},
        {"ts": 3, "latency_ms": 0},
    ]
    table = ask(rows, measure("countDistinct", "latency_ms"), group_by=("latency_ms",))
    assert (table.groups, table.total) == ([(0,), (1,)], {"count_distinct_latency_ms": 2})


# --- filters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "value", "count"),
    [
        ("EQUAL", "ab", 1),
        ("NOT_EQUAL", "ab", 3),
        ("IN", ("ab", ""), 2),
        ("NOT_IN", ("ab", ""), 2),
        ("IN", (), 0),
        ("NOT_IN", (), 4),
        ("STRING_CONTAINS", "b", 2),
        ("STRING_CONTAINS", "%", 0),
        ("STRING_NOT_CONTAINS", "b", 2),
        ("STRING_STARTS_WITH", "a", 1),
        ("STRING_NOT_STARTS_WITH", "a", 3),
        ("STRING_ENDS_WITH", "", 4),
        ("STRING_ENDS_WITH", "b", 2),
        ("STRING_NOT_ENDS_WITH", "", 0),
        ("IS_NULL", True, 1),
        ("IS_NULL", False, 4),
    ],
)
def test_null_fails_every_string_operator_but_is_null(operator: Any, value: Any, count: int):
    assert kept(agents("ab", "AB", "bb", "", None), Filter("agent_id", operator, value)) == count


@pytest.mark.parametrize(
    ("operator", "value", "count"),
    [
        ("EQUAL", 1.0, 1),
        ("NOT_EQUAL", 1, 2),
        ("IN", (1.0, 2.5), 1),
        ("NOT_IN", (1.0, 2.5), 2),
        ("GREATER_THAN", 1.5, 2),
        ("GREATER_THAN_EQUAL", 1.5, 2),
        ("LESS_THAN", 1.5, 1),
        ("LESS_THAN_EQUAL", 2.0, 2),
        ("LESS_THAN", 10**30, 3),
        ("GREATER_THAN", math.inf, 0),
        ("EQUAL", math.inf, 0),
        ("EQUAL", 2**63, 0),
        ("GREATER_THAN", float(2**53), 1),
        ("EQUAL", float(2**53), 0),
        ("BETWEEN", (1, 2), 2),
        ("BETWEEN", (2, 1), 0),
        ("IS_NULL", True, 1),
        ("IS_NULL", False, 3),
    ],
)
def test_integers_compare_by_exact_value(operator: Any, value: Any, count: int):
    rows = [{"ts": 0, "latency_ms": each} for each in (1, 2, 2**53 + 1, None)]
    assert kept(rows, Filter("latency_ms", operator, value)) == count


@pytest.mark.parametrize(
    ("operator", "value", "count"),
    [
        ("EQUAL", 1, 1),
        ("EQUAL", 2**53 + 1, 0),
        ("GREATER_THAN_EQUAL", 2**53, 1),
        ("GREATER_THAN_EQUAL", 2**53 + 1, 0),
        ("LESS_THAN", 2**53 + 1, 2),
        ("LESS_THAN", 10**400, 2),
        ("NOT_IN", (1, 10**400), 1),
    ],
)
def test_floats_compare_by_exact_value(operator: Any, value: Any, count: int):
    rows = [{"ts": 0, "latency_ms": each} for each in (1.0, float(2**53), None)]
    assert kept(rows, Filter("latency_ms", operator, value)) == count


def test_booleans_are_filtered_by_truth():
    rows = [{"ts": 0, "is_failure": value} for value in (True, False, False, None)]
    assert kept(rows, Filter("is_failure", "EQUAL", False)) == 2
    assert kept(rows, Filter("is_failure", "NOT_EQUAL", False)) == 1
    assert kept(rows, Filter("is_failure", "IS_NULL", True)) == 1


def test_a_missing_team_list_is_an_empty_one():
    rows: list[Row] = [{"ts": 0, "team": team} for team in (["x", "y"], ["y"], [], None)]
    assert kept(rows, Filter("team", "ARRAY_HAS_ANY", ("x", "z"))) == 1
    assert kept(rows, Filter("team", "ARRAY_HAS_NONE", ("x", "z"))) == 3


def test_a_scope_shows_the_rows_of_the_user_or_of_any_of_the_teams():
    rows = [{"ts": 0, "user": "u"}, {"ts": 0, "user": "v", "team": ["x"]}, {"ts": 0, "user": "v"}, {"ts": 0}]
    seen = [
        ask(rows, scope=scope).total["count"]
        for scope in (Scope("u"), Scope("u", ("x",)), Scope(None, ("x",)), Scope(None))
    ]
    assert seen == [1, 2, 1, 0]


TEXTS = ["", "a", "ab", "ba", "b%", "_", "é", "e\u0301", "A", "\ud800"]
NUMBERS = [0, 1, 1.0, 1.5, -2, 2**53, 2**53 + 1, float(2**53), 1e300, math.inf]
OPERANDS: dict[str, list[Any]] = {
    "agent_id": TEXTS,
    "agent": TEXTS,
    "http_status_class": ["2xx", "xx", "5xx"],
    "metadata.k": TEXTS,
    "latency_ms": NUMBERS,
    "http_status": NUMBERS,
    "is_failure": [True, False],
    "team": TEXTS,
}


@st.composite
def conditions(draw: st.DrawFn) -> Filter:
    name = draw(st.sampled_from(sorted(OPERANDS)))
    operator: Any = draw(st.sampled_from(sorted(BY_TYPE[dataset("model_calls").find(name).type])))
    one = st.sampled_from(OPERANDS[name])
    if operator == "IS_NULL":
        return Filter(name, operator, draw(st.booleans()))
    if operator in LISTS:
        few = 2 if operator == "BETWEEN" else 0
        return Filter(name, operator, tuple(draw(st.lists(one, min_size=few, max_size=few or 3))))
    return Filter(name, operator, draw(one))


STORED = st.lists(
    st.tuples(
        *(st.none() | st.sampled_from(TEXTS[:-1]) for _ in range(2)),
        st.none() | st.sampled_from([200, 201, 503]),
        st.none() | st.sampled_from(NUMBERS),
        st.sampled_from([None, 0, 1]),
        st.sampled_from([None, "[]", '["a"]', '["ab","\u00e9"]']),
        st.sampled_from([None, "{}", '{"k":"a"}', '{"k":"b%","j":"x"}', '{"k":""}', '{"j":"a"}']),
    ),
    max_size=8,
)


@given(STORED, conditions())
def test_sql_and_the_scan_agree_on_every_filter(stored: list[tuple[Any, ...]], condition: Filter):
    holder = dataset("model_calls")
    names = "agent_id, agent_name, http_status, latency_ms, is_failure, team, metadata"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(table_sql(holder))
        insert = f"insert into model_calls (ts, id, {names}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        connection.executemany(insert, [(ts, f"e{ts}", *cells) for ts, cells in enumerate(stored)])
        found = [row["ts"] for row in listing(connection, holder, [condition], 100)]
        query = Query("model_calls", WINDOW, (measure("count", None),), where=(condition,))
        read_columns = read(connection, query, [(WINDOW.start, WINDOW.end)])
    mask = Conditions([condition]).passing(read_columns.fields, len(read_columns.ts))
    assert (read_columns.ts if mask is None else read_columns.ts[mask]).tolist() == found
    assert answer(query, [read_columns], None).total == {"count": len(found)}


# --- against a plain reading ----------------------------------------------------------------------------------------

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.lists(st.tuples(st.integers(0, 3), FLOATS), max_size=60))
def test_float_sums_are_those_of_fsum_in_any_order(pairs: list[tuple[int, float]]):
    for given_order in (pairs, pairs[::-1]):
        cells = np.array([cell for cell, _ in given_order], np.int64)
        values = np.array([value for _, value in given_order], np.float64)
        for cell, total in enumerate(sum_by(cells, 4, values)):
            own = [value for at, value in pairs if at == cell]
            assert total == _fsum(own)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)), max_size=60))
def test_integer_sums_are_exact(pairs: list[tuple[int, int]]):
    cells, values = np.array([cell for cell, _ in pairs], np.int64), np.array([value for _, value in pairs], np.int64)
    assert sum_by(cells, 4, values) == [sum(value for at, value in pairs if at == cell) for cell in range(4)]


def test_sums_of_very_many_floats_are_exact():
    values = np.random.default_rng(1).lognormal(size=100_000) * 1e-3
    assert sum_by(np.zeros(len(values), np.int64), 1, values, 65_536) == [math.fsum(values.tolist())]


def test_a_float_sum_too_large_is_infinite():
    assert sum_by(np.zeros(3, np.int64), 1, np.array([1e308] * 3)) == [math.inf]
    assert sum_by(np.zeros(4, np.int64), 1, np.array([1e308, 1e308, -1e308, 5.0])) == [1e308]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "ts": st.integers(-10, 4 * HOUR + 10),
            "agent_id": st.sampled_from(["a", "b", "c", "", None]),
            "user": st.sampled_from(["u", "v", None]),
            "team": st.none() | st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=3),
            "is_failure": st.sampled_from([True, False, None]),
            "latency_ms": st.none() | st.integers(-3, 5) | FLOATS,
            "input_tokens": st.none() | st.integers(0, 5) | st.integers(0, 2**62),
        }
    ),
    max_size=40,
)
MEASURES = (
    measure("count", None),
    *(measure(how, "latency_ms") for how in ("count", "sum", "min", "max", "countDistinct", "p1", "p50", "p99.5")),
    *(measure(how, "input_tokens") for how in ("sum", "avg", "min", "p90", "countDistinct")),
    *(measure("countDistinct", name) for name in ("agent_id", "team", "is_failure")),
    measure("rate", "is_failure"),
)
GROUPINGS = st.lists(st.sampled_from(["agent_id", "team", "is_failure", "input_tokens"]), unique=True, max_size=3)


@given(ROWS, GROUPINGS, st.sampled_from([None, 1, 2, 5]), st.sampled_from(MEASURES))
def test_the_scan_agrees_with_a_plain_reading(rows: list[Row], names: list[str], top: int | None, first: Measure):
    measures = (first, *(each for each in MEASURES if each != first))
    query = Query("model_calls", WINDOW, measures, HOURLY, tuple(names), top=Top(top) if top else None)
    table = answer(query, [columns(rows)], None)
    rows = [row for row in rows if 0 <= row["ts"] < 4 * HOUR]
    parts: dict[Key, list[Row]] = {} if names else {(): []}
    for row in rows:
        for key in _keys(row, names):
            parts.setdefault(key, []).append(row)
    keys = list(parts)
    order = rank(keys, [_plain(first, parts[key]) for key in keys])
    count = min(top or len(keys), len(keys)) if names else 1
    assert table.groups == [keys[index] for index in order[:count]]
    assert table.total == {each.label: _plain(each, rows) for each in measures}
    for place, index in enumerate(order[:count]):
        own = parts[keys[index]]
        assert {label: totals[place] for label, totals in table.totals.items()} == _all(measures, own)
    cells = {(at, of): index for index, (at, of) in enumerate(zip(table.at, table.of, strict=True))}
    assert list(cells) == sorted(cells)
    grid = list(edges(WINDOW, HOURLY))
    for at, (start, end) in enumerate(pairwise(grid)):
        for of, index in enumerate(order[:count]):
            own = [row for row in parts[keys[index]] if start <= row["ts"] < end]
            assert ((at, of) in cells) == bool(own)
            if own:
                assert {label: table.values[label][cells[at, of]] for label in table.values} == _all(measures, own)
    _check_other(table, rows, parts, [keys[index] for index in order[count:]])


NAMES = ("agent_id", "user", "team", "is_failure", *sorted(NUMERIC))
VALUES: dict[str, list[Any]] = {
    "agent_id": ["a", "b", "c", ""],
    "user": ["u", "v"],
    "team": [],
    "is_failure": [False, True],
}


def another(each: AnyColumn, name: str, rng: random.Random) -> AnyColumn:
    """The same values, held in another way."""
    if isinstance(each, Numbers):
        if each.kind != "int" or rng.random() < 0.3:
            return each
        offset = rng.choice([0, each.ends()[0], -7]) if len(each.stored) else 0
        shifted = [value - offset for value in each.values.tolist()]
        low, high = min(shifted, default=0), max(shifted, default=0)
        kinds = [kind for kind in ("u1", "i2", "u4", "i8") if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max]
        return Numbers(np.array(shifted, kinds[0]), each.null, offset) if kinds else each
    if not isinstance(each, Coded) or rng.random() < 0.3:
        return each
    values = [None, *each.values]
    known = VALUES[name] if rng.random() < 0.5 else rng.sample(VALUES[name], len(VALUES[name]))
    places = {value: code for code, value in enumerate((None, *known))}
    codes = [places[values[code]] for code in each.codes.tolist()]
    return Coded(np.array(codes, rng.choice(["u1", "i4", "u2"])), known)


@given(ROWS, GROUPINGS, st.sampled_from([None, 1, 3]), st.sampled_from(MEASURES), st.randoms(use_true_random=False))
def test_an_answer_does_not_depend_on_how_rows_are_cut_and_held(
    rows: list[Row], names: list[str], top: int | None, first: Measure, rng: random.Random
):
    measures = (first, *(each for each in MEASURES if each != first))
    where = rng.choice([(), (Filter("agent_id", "IN", ("a", "b")),), (Filter("input_tokens", "GREATER_THAN", 2),)])
    query = Query("model_calls", WINDOW, measures, HOURLY, tuple(names), where, Top(top) if top else None)
    parts: list[list[Row]] = [[] for _ in range(rng.randint(1, 4))]
    for row in rows:
        rng.choice(parts).append(row)
    held: list[Columns] = []
    for part in parts:
        plain = columns(part)
        since = rng.choice([0, -10, min((row["ts"] for row in part), default=0)])
        fields = {name: another(plain.fields[name], name, rng) for name in NAMES}
        held.append(Columns((plain.ts - since).astype(rng.choice(["i4", "i8"])), fields, since))
    assert answer(query, held, None) == answer(query, [columns(rows)], None)


UNUSED = [f"nobody {number}" for number in range(20_000)]


@given(ROWS, GROUPINGS, st.sampled_from([None, 1, 3]), st.sampled_from(MEASURES))
def test_an_answer_does_not_depend_on_how_many_cells_there_could_be(
    rows: list[Row], names: list[str], top: int | None, first: Measure
):
    measures = (first, *(each for each in MEASURES if each != first))
    grouping = tuple(dict.fromkeys(("agent_id", *names)))
    query = Query("model_calls", WINDOW, measures, HOURLY, grouping, top=Top(top) if top else None)
    plain = columns(rows)
    agent = plain.fields["agent_id"]
    assert isinstance(agent, Coded)
    wide = Coded(agent.codes, [*agent.values, *UNUSED])
    found = answer(query, [Columns(plain.ts, {**plain.fields, "agent_id": wide})], None)
    assert found == answer(query, [plain], None)


@pytest.mark.parametrize("kind", ["whole", "fraction", "signed", "few"])
@pytest.mark.parametrize("bucket", [HOURLY, Bucket("second", 2)])
def test_quantiles_of_very_many_rows_are_exact(kind: str, bucket: Bucket):
    rng = np.random.default_rng(7)
    count = 150_000
    drawn = rng.lognormal(6, 1.5, count)
    latency = {
        "whole": drawn.astype(np.int64),
        "fraction": drawn / 1e3,
        "signed": rng.normal(0, 1e6, count),
        "few": rng.integers(-3, 50, count),
    }[kind]
    ts = np.sort(rng.integers(0, WINDOW.end, count))
    agent = rng.choice([1, 1, 1, 2, 3, 0], count).astype(np.uint8)
    missing = rng.random(count) < 0.1
    parts: list[Columns] = []
    for own in (slice(0, 90_000), slice(90_000, 90_010), slice(90_010, count)):
        fields: dict[str, Column] = {
            "agent_id": Coded(agent[own], ["b", "a", "c"]),
            "latency_ms": Numbers(np.where(missing, 0, latency)[own], missing[own]),
        }
        parts.append(Columns(ts[own].astype(np.uint32), fields))
    ppnns = (1, 5_000, 9_900, 10_000)
    measures = tuple(Measure("quantile", "latency_ms", f"{ppnn}", ppnn) for ppnn in ppnns)
    query = Query("model_calls", WINDOW, measures, bucket, ("agent_id",), top=Top(2))
    table = answer(query, parts, None)
    names = ["?", "b", "a", "c"]

    def check(found: Mapping[str, Any], rows: Any) -> None:
        own = np.sort(latency[rows & ~missing])
        for ppnn in ppnns:
            assert found[f"{ppnn}"] == (own[(ppnn * len(own) + 9_999) // 10_000 - 1] if len(own) else None)

    assert table.other is not None
    check(table.total, np.ones(count, bool))
    codes = [names.index(key[0] or "?") for key in table.groups]  # type: ignore[arg-type]  # agents are strings
    rest = ~np.isin(agent, codes)
    check(table.other.totals, rest)
    for at, code in enumerate(codes):
        check({label: column[at] for label, column in table.totals.items()}, agent == code)
    buckets = np.searchsorted(np.array(table.edges), ts, "right") - 1
    for row in range(0, len(table.at), max(len(table.at) // 50, 1)):
        inside = (buckets == table.at[row]) & (agent == codes[table.of[row]])
        check({label: column[row] for label, column in table.values.items()}, inside)
    for row in range(0, len(table.other.at), max(len(table.other.at) // 50, 1)):
        inside = (buckets == table.other.at[row]) & rest
        check({label: column[row] for label, column in table.other.values.items()}, inside)


def _check_other(table: Table, rows: list[Row], parts: dict[Key, list[Row]], rest: list[Key]) -> None:
    assert table.rows_overlap == ("team" in table.group_by)
    if table.rows_overlap or not rest:
        assert table.other is None
        return
    assert table.other is not None
    left = [row for key in rest for row in parts[key]]
    assert (table.other.groups, dict(table.other.totals)) == (len(rest), _all(table.measures, left))
    assert sum(map(int, table.wide_other("count"))) == len(left)  # type: ignore[arg-type]
    shown = table.totals["count"]
    assert sum(map(int, shown)) + len(left) == table.total["count"] == len(rows)  # type: ignore[arg-type]
    for at, index in zip(table.other.at, range(len(table.other.at)), strict=True):
        own = [row for row in left if row["ts"] // HOUR == at]
        assert {label: table.other.values[label][index] for label in table.other.values} == _all(table.measures, own)


def _keys(row: Row, names: list[str]) -> list[Key]:
    keys: list[Key] = [()]
    for name in names:
        own: list[Any] = (row[name] or [None]) if name == "team" else [row[name]]
        keys = [(*key, part) for key in keys for part in own]
    return keys


def _all(measures: Sequence[Measure], rows: list[Row]) -> dict[str, Cell]:
    return {each.label: _plain(each, rows) for each in measures}


def _plain(each: Measure, rows: list[Row]) -> Cell:
    """One measure in the fewest words."""
    if each.field is None:
        return len(rows)
    found: list[Any] = [row[each.field] for row in rows if row[each.field] not in (None, [])]
    if each.field == "team":
        return len({member for members in found for member in members})
    if not found:
        return 0 if each.how in ZERO_WHEN_NONE else None
    if each.how == "quantile":
        return sorted(found)[(each.ppnn * len(found) + 9_999) // 10_000 - 1]
    floats = any(isinstance(value, float) for value in found)
    ways: dict[str, Any] = {
        "count": lambda: len(found),
        "count_distinct": lambda: len(set(found)),
        "sum": lambda: _fsum(found) if floats else sum(found),
        "avg": lambda: sum(found) / len(found),
        "rate": lambda: fmean(found),
        "min": lambda: min(found),
        "max": lambda: max(found),
    }
    return ways[each.how]()


def _fsum(values: list[Any]) -> float:
    """As math.fsum, which gives up when a partial sum overflows, though the sum may not."""
    try:
        return float(sum(map(Fraction, values), Fraction(0)))
    except OverflowError:
        return math.inf if sum(map(Fraction, values)) > 0 else -math.inf
