"""What every store promises (design 3, 4 and 7): each promise by a few events and an answer worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from held import NOW, Delivery, Held

from agentgauge.core.errors import CallerError, InvalidValue, UnknownName
from agentgauge.core.query import Filter, Query, Scope, Top, measure
from agentgauge.core.time import Bucket, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgauge.core.table import Cell, Table

HOUR, DAY = 3_600_000, 86_400_000
T0 = 1_777_939_200_000  # 2026-05-05T00:00Z
WHOLE = Window(T0, T0 + DAY)


def request(number: int, **fields: Any) -> dict[str, Any]:
    """An agent run, one minute after the one before it."""
    return {"type": "request", "id": f"r{number}", "ts": T0 + number * 60_000, **fields}


def requests(field: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """Runs with one field each; None leaves it out."""
    return [request(number, **({} if value is None else {field: value})) for number, value in enumerate(values)]


def ask(held: Held, *words: str, dataset: str = "requests", window: Window = WHOLE, **more: Any) -> Table:
    """The answer about `count`, `sum cost_usd`, `p99 latency_ms` ..."""
    measures = tuple(measure(how, name or None, word) for word in words for how, _, name in [word.partition(" ")])
    return held.store.query(Query(dataset, window, measures, **more))


def total(held: Held, *words: str, **more: Any) -> Cell | list[Cell]:
    """The totals of an answer; of one measure the value itself."""
    found = [ask(held, *words, **more).total[word] for word in words]
    return found if len(found) > 1 else found[0]


def matching(held: Held, name: str, operator: Any, value: Any, *, dataset: str = "requests") -> list[str]:
    """The numbers of the events that a filter lets through, by the listing; the count must agree with it."""
    where = (Filter(name, operator, value),)
    ids = [str(row["id"]) for row in held.store.rows(dataset, where, most=1_000)]
    assert total(held, "count", dataset=dataset, where=where) == len(ids)
    return [each.lstrip("r") for each in ids]


# Filters


def test_null_never_equals_anything_and_never_differs_from_anything(held: Held) -> None:
    held.deliver(Delivery(requests("account", ["a", None, "b", ""])))
    assert matching(held, "account", "EQUAL", "a") == ["0"]
    assert matching(held, "account", "NOT_EQUAL", "a") == ["2", "3"]
    assert matching(held, "account", "IN", ("a", "")) == ["0", "3"]
    assert matching(held, "account", "NOT_IN", ("a", "")) == ["2"]
    assert matching(held, "account", "NOT_IN", ()) == ["0", "2", "3"]
    assert matching(held, "account", "IN", ()) == []


@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("STRING_CONTAINS", "b", ["0", "1"]),
        ("STRING_NOT_CONTAINS", "b", ["2", "4"]),
        ("STRING_STARTS_WITH", "ab", ["0"]),
        ("STRING_NOT_STARTS_WITH", "ab", ["1", "2", "4"]),
        ("STRING_ENDS_WITH", "c", ["0"]),
        ("STRING_NOT_ENDS_WITH", "c", ["1", "2", "4"]),
        ("STRING_CONTAINS", "", ["0", "1", "2", "4"]),
        ("STRING_NOT_CONTAINS", "", []),
        ("STRING_STARTS_WITH", "", ["0", "1", "2", "4"]),
        ("STRING_ENDS_WITH", "", ["0", "1", "2", "4"]),
        ("STRING_NOT_ENDS_WITH", "", []),
        ("STRING_ENDS_WITH", "xxabc", []),
    ],
)
def test_null_fails_every_string_operator_the_negative_ones_too(
    held: Held, operator: str, value: str, found: list[str]
) -> None:
    held.deliver(Delivery(requests("account", ["abc", "b", "", None, "ca"])))
    assert matching(held, "account", operator, value) == found


@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("STRING_CONTAINS", "A", ["1", "2"]),
        ("STRING_CONTAINS", "B", ["1"]),
        ("STRING_CONTAINS", "%", ["3"]),
        ("STRING_CONTAINS", "_", ["4"]),
        ("STRING_STARTS_WITH", "a%", ["3"]),
        ("STRING_STARTS_WITH", "a_", ["4"]),
        ("STRING_ENDS_WITH", "*", ["7"]),
        ("STRING_CONTAINS", "?", []),
        ("STRING_CONTAINS", "é", ["5"]),
        ("STRING_CONTAINS", "e\u0301", ["6"]),
        ("STRING_STARTS_WITH", "cafe", ["6"]),
        ("EQUAL", "cafe\u0301", ["6"]),
        ("EQUAL", "AB", ["1"]),
        ("IN", ("ab ", "Ab"), ["2"]),
        ("STRING_ENDS_WITH", "👍", ["8"]),
        ("STRING_NOT_STARTS_WITH", "日", ["0", "1", "2", "3", "4", "5", "6", "7"]),
        ("EQUAL", "ss", []),
    ],
)
def test_string_operators_compare_code_points_without_case_wildcards_or_normalisation(
    held: Held, operator: str, value: Any, found: list[str]
) -> None:
    held.deliver(Delivery(requests("account", ["ab", "AB", "Ab", "a%b", "a_b", "café", "cafe\u0301", "ß*", "日本👍"])))
    assert matching(held, "account", operator, value) == found


def test_an_empty_string_is_a_value_not_a_null(held: Held) -> None:
    held.deliver(Delivery(requests("account", ["", None, "a"])))
    assert matching(held, "account", "IS_NULL", True) == ["1"]
    assert matching(held, "account", "IS_NULL", False) == ["0", "2"]
    assert matching(held, "account", "EQUAL", "") == ["0"]
    assert ask(held, "count", group_by=("account",)).groups == [("",), ("a",), (None,)]
    assert total(held, "count account", "countDistinct account") == [2, 2]


def test_between_takes_both_its_ends(held: Held) -> None:
    held.deliver(Delivery(requests("latency_ms", [9.99, 10, 15, 20, 20.01, None, -15])))
    assert matching(held, "latency_ms", "BETWEEN", (10, 20)) == ["1", "2", "3"]
    assert matching(held, "latency_ms", "BETWEEN", (20, 10)) == []
    assert matching(held, "latency_ms", "BETWEEN", (10.0, 10.0)) == ["1"]


@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("GREATER_THAN", 0, ["2", "3"]),
        ("GREATER_THAN_EQUAL", 0, ["1", "2", "3"]),
        ("LESS_THAN", 0, ["0"]),
        ("LESS_THAN_EQUAL", 0, ["0", "1"]),
        ("LESS_THAN", 0.5, ["0", "1"]),
        ("EQUAL", 2.5, ["3"]),
        ("EQUAL", 1.0, ["2"]),
        ("NOT_EQUAL", 1, ["0", "1", "3"]),
        ("NOT_IN", (1, 2.5), ["0", "1"]),
        ("IS_NULL", True, ["4"]),
        ("GREATER_THAN", 1e300, []),
        ("LESS_THAN", float("inf"), ["0", "1", "2", "3"]),
        ("LESS_THAN", 10**30, ["0", "1", "2", "3"]),
        ("GREATER_THAN", -(10**30), ["0", "1", "2", "3"]),
        ("EQUAL", 10**30, []),
        ("NOT_EQUAL", 10**30, ["0", "1", "2", "3"]),
        ("IN", (10**30, 1), ["2"]),
    ],
)
@pytest.mark.parametrize("name", ["latency_ms"])
def test_numbers_compare_as_numbers_whatever_their_type(
    held: Held, name: str, operator: str, value: Any, found: list[str]
) -> None:
    held.deliver(Delivery(requests(name, [-1, 0, 1, 2.5, None])))
    assert matching(held, name, operator, value) == found


def test_integers_past_2_to_the_53_are_told_apart(held: Held) -> None:
    big = 2**53
    held.deliver(Delivery(requests("input_tokens", [big, big + 1, big + 2, 2**63 - 1, -(2**63), None])))
    assert matching(held, "input_tokens", "EQUAL", big + 1) == ["1"]
    assert matching(held, "input_tokens", "GREATER_THAN", big) == ["1", "2", "3"]
    assert matching(held, "input_tokens", "IN", (big, big + 2)) == ["0", "2"]
    assert matching(held, "input_tokens", "BETWEEN", (big + 1, big + 1)) == ["1"]
    assert matching(held, "input_tokens", "LESS_THAN", 10**30) == ["0", "1", "2", "3", "4"]
    assert matching(held, "input_tokens", "LESS_THAN", -(10**30)) == []
    assert matching(held, "input_tokens", "GREATER_THAN", 0.5) == ["0", "1", "2", "3"]
    grouped = ask(held, "count", group_by=("input_tokens",)).groups
    assert grouped == [(-(2**63),), (big,), (big + 1,), (big + 2,), (2**63 - 1,), (None,)]


def test_a_boolean_is_true_false_or_null(held: Held) -> None:
    held.deliver(Delivery(requests("is_failure", [True, False, None])))
    assert matching(held, "is_failure", "EQUAL", True) == ["0"]
    assert matching(held, "is_failure", "NOT_EQUAL", True) == ["1"]
    assert matching(held, "is_failure", "IS_NULL", True) == ["2"]
    groups = ask(held, "count", group_by=("is_failure",)).groups
    assert groups == [(False,), (True,), (None,)]
    assert [type(key[0]) for key in groups] == [bool, bool, type(None)]


def test_a_list_of_teams_has_any_or_none_of_some(held: Held) -> None:
    held.deliver(Delivery(requests("team", [["core", "growth"], ["growth"], [], None, [""]])))
    assert matching(held, "team", "ARRAY_HAS_ANY", ("core", "x")) == ["0"]
    assert matching(held, "team", "ARRAY_HAS_ANY", ("growth", "")) == ["0", "1", "4"]
    assert matching(held, "team", "ARRAY_HAS_NONE", ("core",)) == ["1", "2", "3", "4"]
    assert matching(held, "team", "ARRAY_HAS_NONE", ("core", "growth", "")) == ["2", "3"]
    assert matching(held, "team", "ARRAY_HAS_ANY", ()) == []
    assert matching(held, "team", "ARRAY_HAS_NONE", ()) == ["0", "1", "2", "3", "4"]
    assert matching(held, "team", "ARRAY_HAS_ANY", ("cor", "Core", '"core"')) == []


def test_conditions_are_joined_by_and(held: Held) -> None:
    held.deliver(
        Delivery(
            [
                request(0, account="a", latency_ms=1),
                request(1, account="a", latency_ms=2),
                request(2, account="b", latency_ms=2),
            ]
        )
    )
    where = (Filter("account", "EQUAL", "a"), Filter("latency_ms", "GREATER_THAN", 1))
    assert [row["id"] for row in held.store.rows("requests", where, most=9)] == ["r1"]
    assert total(held, "count", where=where) == 1


def test_metadata_and_label_keys_are_strings_to_filter_and_group_by(held: Held) -> None:
    held.deliver(
        Delivery(
            requests(
                "metadata", [{"project": "x"}, {"project": ""}, {"Project": "x"}, {}, None, {"a.b": "c", 'q"': "d"}]
            )
        )
    )
    assert matching(held, "metadata.project", "EQUAL", "x") == ["0"]
    assert matching(held, "metadata.project", "NOT_EQUAL", "x") == ["1"]
    assert matching(held, "metadata.project", "IS_NULL", True) == ["2", "3", "4", "5"]
    assert matching(held, "metadata.a.b", "EQUAL", "c") == ["5"]
    assert matching(held, 'metadata.q"', "EQUAL", "d") == ["5"]
    found = ask(held, "count", group_by=("metadata.project",))
    assert list(zip(found.groups, found.totals["count"], strict=True)) == [((None,), 4), (("",), 1), (("x",), 1)]
    assert held.store.keys("requests", "metadata") == {"project": 2, "Project": 1, "a.b": 1, 'q"': 1}


def test_an_agent_is_its_id_or_else_its_name(held: Held) -> None:
    events = [
        request(0, agent_id="a1", agent_name="Anna"),
        request(1, agent_name="Anna"),
        request(2),
        request(3, agent_id="", agent_name="x"),
    ]
    held.deliver(Delivery(events))
    assert matching(held, "agent", "EQUAL", "Anna") == ["1"]
    assert matching(held, "agent", "IS_NULL", True) == ["2"]
    assert ask(held, "count", group_by=("agent",)).groups == [("",), ("Anna",), ("a1",), (None,)]
    assert total(held, "countDistinct agent") == 3


def test_an_http_status_has_a_class(held: Held) -> None:
    held.deliver(Delivery(requests("http_status", [200, 204, 404, None, 503, 599])))
    found = ask(held, "count", group_by=("http_status_class",))
    assert list(zip(found.groups, found.totals["count"], strict=True)) == [
        (("2xx",), 2),
        (("5xx",), 2),
        (("4xx",), 1),
        ((None,), 1),
    ]
    assert matching(held, "http_status_class", "NOT_EQUAL", "2xx") == ["2", "4", "5"]


def test_a_member_sees_own_rows_and_those_of_own_teams(held: Held) -> None:
    held.deliver(
        Delivery(
            [
                request(0, user="ann"),
                request(1, team=["core"]),
                request(2, user="bob", team=["core", "ops"]),
                request(3),
                request(4, user=""),
            ]
        )
    )
    assert total(held, "count", scope=Scope("ann")) == 1
    assert total(held, "count", scope=Scope("ann", ("core",))) == 3
    assert total(held, "count", scope=Scope("bob", ("ops",))) == 1
    assert total(held, "count", scope=Scope(None, ("core",))) == 2
    assert total(held, "count", scope=Scope(None)) == 0
    assert total(held, "count", scope=Scope("")) == 1
    found = ask(held, "count", scope=Scope("ann", ("core",)), group_by=("user",))
    assert list(zip(found.groups, found.totals["count"], strict=True)) == [(("ann",), 1), (("bob",), 1), ((None,), 1)]


# Measures


@pytest.mark.parametrize(
    ("count", "rank"),
    [(1, 1), (2, 2), (100, 99), (101, 100), (199, 198), (200, 198)],
)
def test_the_p99_is_the_value_of_the_nearest_rank(held: Held, count: int, rank: int) -> None:
    held.deliver(Delivery(requests("latency_ms", [float(value) for value in range(count, 0, -1)])))
    assert total(held, "p99 latency_ms") == rank


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("p50", 20),
        ("p75", 30),
        ("p90", 40),
        ("p25", 10),
        ("p25.01", 20),
        ("p1", 10),
        ("p0.01", 10),
        ("p100", 40),
        ("median", 20),
    ],
)
def test_a_quantile_is_always_one_of_the_values(held: Held, word: str, value: float) -> None:
    held.deliver(Delivery(requests("latency_ms", [40, 10, None, 30, 20])))
    assert total(held, f"{word} latency_ms") == value


def test_the_rank_of_a_quantile_does_not_fall_to_rounding(held: Held) -> None:
    # In doubles 0.07 * 100 is 7.000000000000001, which would be rank 8.
    held.deliver(Delivery(requests("input_tokens", list(range(1, 101)))))
    assert total(held, "p7 input_tokens", "p29 input_tokens", "p57 input_tokens", "p58 input_tokens") == [7, 29, 57, 58]


def test_counts_and_sums_of_nothing_are_zero_and_every_other_measure_is_null(held: Held) -> None:
    held.deliver(Delivery([request(0)]))
    words = (
        "count latency_ms",
        "sum latency_ms",
        "countDistinct latency_ms",
        "avg latency_ms",
        "min latency_ms",
        "max latency_ms",
    )
    assert total(held, *words, "p99 latency_ms", "rate is_failure") == [0, 0, 0, None, None, None, None, None]
    assert total(held, *words, "p99 latency_ms", "rate is_failure", window=Window(1, 2)) == [
        0,
        0,
        0,
        None,
        None,
        None,
        None,
        None,
    ]


def test_nulls_take_no_part_in_any_measure(held: Held) -> None:
    held.deliver(Delivery(requests("latency_ms", [None, 4, None, 2, None])))
    words = (
        "count",
        "count latency_ms",
        "sum latency_ms",
        "avg latency_ms",
        "min latency_ms",
        "max latency_ms",
        "p50 latency_ms",
    )
    assert total(held, *words) == [5, 2, 6, 3, 2, 4, 2]


def test_zero_is_a_value(held: Held) -> None:
    held.deliver(Delivery(requests("latency_ms", [0, 0.0, None, 3])))
    assert total(held, "count latency_ms", "avg latency_ms", "min latency_ms", "countDistinct latency_ms") == [
        3,
        1,
        0,
        2,
    ]


def test_a_rate_is_the_share_of_rows_that_say_true_among_those_that_say(held: Held) -> None:
    held.deliver(Delivery(requests("is_failure", [True, False, False, None, True, False])))
    assert total(held, "rate is_failure", "avg is_failure", "count is_failure") == [0.4, 0.4, 5]


def test_distinct_values_are_told_apart_by_their_code_points(held: Held) -> None:
    held.deliver(Delivery(requests("account", ["a", "A", "a ", "ä", "a\u0308", "", None, "a"])))
    assert total(held, "countDistinct account") == 6


def test_distinct_teams_are_counted_over_all_lists(held: Held) -> None:
    held.deliver(Delivery(requests("team", [["a", "b"], ["b", "c"], [], None])))
    assert total(held, "countDistinct team") == 3


def test_a_sum_past_2_to_the_53_is_exact(held: Held) -> None:
    held.deliver(Delivery(requests("input_tokens", [2**53, 1, 1, 1])))
    assert total(held, "sum input_tokens", "max input_tokens", "p100 input_tokens") == [2**53 + 3, 2**53, 2**53]


def test_integers_past_2_to_the_53_stay_exact_in_every_measure(held: Held) -> None:
    big = 2**53 + 1
    held.deliver(Delivery(requests("input_tokens", [big, big + 1, big + 2, -big, 2**63 - 1])))
    words = ("min input_tokens", "p25 input_tokens", "p50 input_tokens", "p75 input_tokens", "max input_tokens")
    assert total(held, *words, "countDistinct input_tokens") == [-big, big, big + 1, big + 2, 2**63 - 1, 5]
    found = ask(held, *words, bucket=Bucket("hour"))
    assert [found.values[word][0] for word in words] == [-big, big, big + 1, big + 2, 2**63 - 1]


def test_integers_past_2_to_the_53_stay_exact_beside_fractions(held: Held) -> None:
    big = 2**53
    held.deliver(Delivery(requests("latency_ms", [big, big + 1, 0.5, None])))
    assert total(held, "max latency_ms", "min latency_ms", "countDistinct latency_ms") == [big + 1, 0.5, 3]
    assert ask(held, "count", group_by=("latency_ms",)).groups == [(0.5,), (big,), (big + 1,), (None,)]
    assert matching(held, "latency_ms", "EQUAL", big + 1) == ["1"]


def test_one_and_one_point_zero_are_one_value(held: Held) -> None:
    held.deliver(Delivery(requests("latency_ms", [1, 1.0, 2, 2.5])))
    assert total(held, "countDistinct latency_ms") == 3
    found = ask(held, "count", group_by=("latency_ms",))
    assert list(zip(found.groups, found.totals["count"], strict=True)) == [((1,), 2), ((2,), 1), ((2.5,), 1)]
    assert [(value, count) for value, count in held.store.values("requests", "latency_ms").counts] == [
        (1, 2),
        (2, 1),
        (2.5, 1),
    ]


def test_a_sum_past_2_to_the_63_is_exact(held: Held) -> None:
    held.deliver(Delivery(requests("input_tokens", [2**63 - 1] * 5 + [1])))
    found = ask(held, "sum input_tokens", bucket=Bucket("minute", 2), group_by=("account",))
    assert found.total["sum input_tokens"] == 5 * (2**63 - 1) + 1
    assert found.totals["sum input_tokens"] == [5 * (2**63 - 1) + 1]
    assert found.values["sum input_tokens"] == [2 * (2**63 - 1), 2 * (2**63 - 1), 2**63]


def test_a_sum_below_minus_2_to_the_63_is_exact(held: Held) -> None:
    held.deliver(Delivery(requests("input_tokens", [-(2**63)] * 3 + [2**63 - 1])))
    assert total(held, "sum input_tokens") == -(2**64) - 1


def test_sums_of_integers_are_integers_and_sums_of_fractions_are_not_rounded(held: Held) -> None:
    held.deliver(Delivery([request(0, input_tokens=3, cost_usd=0.125), request(1, input_tokens=4, cost_usd=0.0625)]))
    found = total(held, "sum input_tokens", "sum cost_usd", "avg input_tokens")
    assert found == [7, 0.1875, 3.5]
    assert isinstance(found, list)
    assert [type(each) for each in found] == [int, float, float]


def test_sums_of_decimals_lose_nothing_to_their_order(held: Held) -> None:
    held.deliver(Delivery(requests("cost_usd", [0.1] * 10)))
    found = total(held, "sum cost_usd")
    assert isinstance(found, float)
    assert abs(found - 1.0) < 1e-12


# Groups


def test_an_ungrouped_answer_has_one_empty_group_even_without_rows(held: Held) -> None:
    held.deliver(Delivery([request(0)]))
    assert ask(held, "count").groups == [()]
    nothing = ask(held, "count", "avg latency_ms", window=Window(1, 2))
    assert (nothing.groups, nothing.totals, nothing.total) == (
        [()],
        {"count": [0], "avg latency_ms": [None]},
        {"count": 0, "avg latency_ms": None},
    )
    assert (list(nothing.at), list(nothing.of)) == ([], [])


def test_a_grouped_answer_without_rows_has_no_groups(held: Held) -> None:
    held.deliver(Delivery([request(0)]))
    nothing = ask(held, "count", group_by=("account",), window=Window(1, 2), top=Top(3))
    assert (nothing.groups, nothing.totals, nothing.total, nothing.other) == ([], {"count": []}, {"count": 0}, None)


def test_groups_come_by_the_first_measure_descending_then_by_value_ascending_with_null_last(held: Held) -> None:
    accounts = ["b", "b", "a", None, "Z", "ä", "c", "c", "c"]
    held.deliver(Delivery(requests("account", accounts)))
    found = ask(held, "count", "countDistinct account", group_by=("account",))
    assert found.groups == [("c",), ("b",), ("Z",), ("a",), ("ä",), (None,)]
    assert found.totals["count"] == [3, 2, 1, 1, 1, 1]


def test_groups_whose_first_measure_is_null_come_last(held: Held) -> None:
    events = [
        request(0, account="a"),
        request(1, account="b", cost_usd=-1),
        request(2, account="c", cost_usd=2),
        request(3),
    ]
    held.deliver(Delivery(events))
    found = ask(held, "max cost_usd", group_by=("account",))
    assert found.groups == [("c",), ("b",), ("a",), (None,)]
    assert found.totals["max cost_usd"] == [2, -1, None, None]


def test_groups_of_numbers_come_as_numbers(held: Held) -> None:
    held.deliver(Delivery(requests("http_status", [500, 99, 1000, None])))
    assert ask(held, "count", group_by=("http_status",)).groups == [(99,), (500,), (1000,), (None,)]


def test_groups_of_several_fields_are_the_combinations_that_exist(held: Held) -> None:
    events = [
        request(0, account="a", user="x"),
        request(1, account="a"),
        request(2, account="b", user="x"),
        request(3, account="a", user="x"),
    ]
    held.deliver(Delivery(events))
    found = ask(held, "count", group_by=("account", "user"))
    assert found.groups == [("a", "x"), ("a", None), ("b", "x")]
    assert found.totals["count"] == [2, 1, 1]


def test_a_row_counts_once_for_each_of_its_teams_and_once_in_the_total(held: Held) -> None:
    events = [
        request(0, team=["core", "ops"], input_tokens=1),
        request(1, team=["core"], input_tokens=10),
        request(2, team=[], input_tokens=100),
        request(3, input_tokens=1_000),
    ]
    held.deliver(Delivery(events))
    found = ask(held, "sum input_tokens", "count", group_by=("team",), bucket=Bucket("hour"))
    assert found.groups == [(None,), ("core",), ("ops",)]
    assert found.totals == {"sum input_tokens": [1_100, 11, 1], "count": [2, 2, 1]}
    assert found.total == {"sum input_tokens": 1_111, "count": 4}
    assert found.rows_overlap
    cut = ask(held, "sum input_tokens", group_by=("team",), top=Top(1))
    assert (cut.groups, cut.other, cut.total) == ([(None,)], None, {"sum input_tokens": 1_111})


def test_rows_that_are_not_grouped_by_team_do_not_overlap(held: Held) -> None:
    held.deliver(Delivery([request(0, team=["a", "b"], account="x")]))
    found = ask(held, "count", group_by=("account",))
    assert not found.rows_overlap
    assert found.totals == {"count": [1]}


def test_team_and_another_field_group_together(held: Held) -> None:
    held.deliver(
        Delivery(
            [request(0, team=["a", "b"], account="x"), request(1, team=["b"], account="y"), request(2, account="x")]
        )
    )
    found = ask(held, "count", group_by=("account", "team"))
    assert found.groups == [("x", "a"), ("x", "b"), ("x", None), ("y", "b")]


def test_the_top_groups_and_other_add_up_to_the_total(held: Held) -> None:
    events = [
        request(number, account=name, cost_usd=cost)
        for number, (name, cost) in enumerate([("a", 8), ("b", 4), ("c", 2), ("d", 1), ("a", 16)])
    ]
    held.deliver(Delivery(events))
    found = ask(
        held,
        "sum cost_usd",
        "count",
        "max cost_usd",
        "countDistinct account",
        group_by=("account",),
        top=Top(2),
        bucket=Bucket("minute", 3),
    )
    assert found.groups == [("a",), ("b",)]
    assert found.totals["sum cost_usd"] == [24, 4]
    assert found.other is not None
    assert found.other.groups == 2
    assert found.other.totals == {"sum cost_usd": 3, "count": 2, "max cost_usd": 2, "countDistinct account": 2}
    assert found.total == {"sum cost_usd": 31, "count": 5, "max cost_usd": 16, "countDistinct account": 4}
    assert list(found.other.at) == [0, 1]
    assert found.other.values["sum cost_usd"] == [2, 1]


def test_a_top_that_holds_every_group_has_no_other(held: Held) -> None:
    held.deliver(Delivery(requests("account", ["a", "b"])))
    assert ask(held, "count", group_by=("account",), top=Top(2)).other is None
    assert ask(held, "count", group_by=("account",), top=Top(9)).other is None


def test_the_top_is_of_the_whole_window_not_of_a_bucket(held: Held) -> None:
    held.deliver(Delivery(requests("account", ["burst", "burst", "burst", "slow", "slow", "slow", "slow"])))
    found = ask(held, "count", group_by=("account",), top=Top(1), bucket=Bucket("minute", 3))
    assert found.groups == [("slow",)]
    assert found.wide("count")[0][:3] == [0, 3, 1]


def test_a_quantile_of_other_is_that_of_its_rows(held: Held) -> None:
    values = [("a", 100), ("a", 100), ("a", 100), ("b", 1), ("b", 2), ("c", 30)]
    held.deliver(
        Delivery([request(number, account=name, latency_ms=value) for number, (name, value) in enumerate(values)])
    )
    found = ask(held, "count", "p50 latency_ms", "avg latency_ms", group_by=("account",), top=Top(1))
    assert found.other is not None
    assert found.other.totals == {"count": 3, "p50 latency_ms": 2, "avg latency_ms": 11}


# Windows and buckets


def test_a_window_holds_its_start_and_not_its_end(held: Held) -> None:
    held.deliver(
        Delivery([{"type": "request", "id": str(ts), "ts": ts} for ts in (T0 - 1, T0, T0 + HOUR - 1, T0 + HOUR)])
    )
    assert total(held, "count", window=Window(T0, T0 + HOUR)) == 2
    assert total(held, "count", window=Window(T0, T0 + 1)) == 1
    assert total(held, "count", window=Window(T0 - 1, T0)) == 1


def test_an_event_on_an_edge_belongs_to_the_bucket_that_starts_there(held: Held) -> None:
    held.deliver(
        Delivery([{"type": "request", "id": str(ts), "ts": ts} for ts in (T0, T0 + HOUR - 1, T0 + HOUR, T0 + 2 * HOUR)])
    )
    found = ask(held, "count", bucket=Bucket("hour"), window=Window(T0, T0 + 3 * HOUR))
    assert (list(found.at), found.values["count"]) == ([0, 1, 2], [2, 1, 1])


def test_a_bucket_that_the_window_cuts_counts_only_what_the_window_holds(held: Held) -> None:
    held.deliver(Delivery([{"type": "request", "id": str(ts), "ts": T0 + ts} for ts in range(0, HOUR, 600_000)]))
    found = ask(held, "count", bucket=Bucket("hour"), window=Window(T0 + 600_000, T0 + 1_800_000))
    assert list(found.edges) == [T0, T0 + HOUR]
    assert found.values["count"] == [2]


def test_rows_exist_only_where_events_do_and_come_by_bucket_then_group(held: Held) -> None:
    events = [
        {"type": "request", "id": f"{hour}{name}", "ts": T0 + hour * HOUR, "account": name}
        for hour, name in [(0, "b"), (3, "a"), (3, "b"), (5, "a"), (5, "b"), (5, "c")]
    ]
    held.deliver(Delivery(events))
    found = ask(held, "count", "avg latency_ms", group_by=("account",), bucket=Bucket("hour"))
    assert found.groups == [("b",), ("a",), ("c",)]
    assert list(zip(found.at, found.of, strict=True)) == [(0, 0), (3, 0), (3, 1), (5, 0), (5, 1), (5, 2)]
    assert found.values == {"count": [1] * 6, "avg latency_ms": [None] * 6}


def test_without_buckets_the_window_is_the_one_bucket(held: Held) -> None:
    held.deliver(Delivery(requests("account", ["a", "b", "b"])))
    found = ask(held, "count", group_by=("account",))
    assert (list(found.edges), found.bucket) == ([WHOLE.start, WHOLE.end], None)
    assert found.wide("count") == [[2], [1]]


def test_days_follow_the_zone_through_a_change_of_its_clock(held: Held) -> None:
    start = 1_792_879_200_000  # 2026-10-24T22:00Z, midnight in Berlin; 25 October has 25 hours
    held.deliver(Delivery([{"type": "request", "id": str(hour), "ts": start + hour * HOUR} for hour in range(49)]))
    found = ask(held, "count", bucket=Bucket("day", 1, "Europe/Berlin"), window=Window(start, start + 49 * HOUR))
    assert found.values["count"] == [25, 24]


def test_values_of_buckets_add_up_to_totals_and_totals_to_the_total(held: Held) -> None:
    events = [
        {"type": "request", "id": str(n), "ts": T0 + n * 1_234_567 % DAY, "account": "abc"[n % 3], "input_tokens": n}
        for n in range(500)
    ]
    held.deliver(Delivery(events))
    found = ask(held, "sum input_tokens", group_by=("account",), bucket=Bucket("minute", 7), window=WHOLE)
    assert [sum(line) for line in found.wide("sum input_tokens")] == found.totals["sum input_tokens"]  # type: ignore[arg-type]  # sums are numbers
    assert sum(found.totals["sum input_tokens"]) == found.total["sum input_tokens"] == sum(range(500))  # type: ignore[arg-type]


# What counts once


def test_an_event_sent_twice_counts_once_and_the_first_wins(held: Held) -> None:
    first = held.deliver(Delivery([request(0, account="first"), request(0, account="second")]))
    again = held.deliver(Delivery([request(0, account="third"), request(1)]))
    assert (first.accepted, first.duplicate) == (1, 1)
    assert (again.accepted, again.duplicate) == (1, 1)
    assert [row.get("account") for row in held.store.rows("requests", (), most=9)] == ["first", None]


def test_a_delivery_larger_than_a_batch_is_stored_whole(held: Held) -> None:
    events = [
        {"type": "request", "id": str(number), "ts": T0 + number // 2, "input_tokens": number}
        for number in range(20_001)
    ]
    receipt = held.deliver(Delivery([*events, *events[:7]]))
    assert (receipt.accepted, receipt.duplicate) == (20_001, 7)
    assert total(held, "count", "sum input_tokens") == [20_001, 20_000 * 20_001 // 2]


def test_an_empty_delivery_changes_nothing(held: Held) -> None:
    receipt = held.deliver(Delivery([]))
    assert (receipt.accepted, receipt.duplicate, receipt.replaced) == (0, 0, 0)
    assert (total(held, "count"), ask(held, "count").as_of, list(held.store.extents())) == (0, None, [])


def test_one_id_at_two_instants_is_two_events(held: Held) -> None:
    receipt = held.deliver(
        Delivery([{"type": "request", "id": "x", "ts": T0}, {"type": "request", "id": "x", "ts": T0 + 1}])
    )
    assert receipt.accepted == 2
    assert total(held, "count") == 2


def test_one_key_in_two_datasets_is_two_events(held: Held) -> None:
    held.deliver(Delivery([{"type": "request", "id": "x", "ts": T0}, {"type": "tool_call", "id": "x", "ts": T0}]))
    assert (total(held, "count"), total(held, "count", dataset="tool_calls")) == (1, 1)


def call(number: int, key: str, rank: int | None, **fields: Any) -> dict[str, Any]:
    more = {} if rank is None else {"call_rank": rank}
    return {"type": "model_call", "id": f"c{number}", "ts": T0 + number, "call_key": key, **more, **fields}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3)])
def test_of_several_copies_of_one_call_the_highest_rank_counts(held: Held, apart: bool, order: tuple[int, ...]) -> None:
    copies = [call(number, "openai:r1", rank, output_tokens=rank) for number, rank in enumerate(order)]
    for events in [[each] for each in copies] if apart else [copies]:
        held.deliver(Delivery(events))
    assert total(held, "count", "sum output_tokens", dataset="model_calls") == [1, 3]


def test_of_two_copies_of_one_rank_the_first_counts(held: Held) -> None:
    held.deliver(
        Delivery(
            [call(0, "k", 1, output_tokens=1), call(1, "k", 1, output_tokens=2), call(2, "k", None, output_tokens=4)]
        )
    )
    receipt = held.deliver(Delivery([call(3, "k", 1, output_tokens=8)]))
    assert (receipt.accepted, receipt.duplicate, receipt.replaced) == (0, 1, 0)
    assert total(held, "sum output_tokens", dataset="model_calls") == 1


def test_a_better_copy_replaces_the_row_and_the_worse_one_sent_again_changes_nothing(held: Held) -> None:
    worse, better = call(0, "k", 1, output_tokens=5), call(9, "k", 2, output_tokens=50)
    held.deliver(Delivery([worse]))
    receipt = held.deliver(Delivery([better]))
    assert (receipt.accepted, receipt.replaced) == (0, 1)
    held.deliver(Delivery([worse, better]))
    assert [row["id"] for row in held.store.rows("model_calls", (), most=9)] == ["c9"]


def test_a_better_copy_may_have_the_key_of_the_one_it_replaces(held: Held) -> None:
    held.deliver(Delivery([call(0, "k", 1, output_tokens=5)]))
    receipt = held.deliver(Delivery([call(0, "k", 2, output_tokens=50)]))
    assert receipt.replaced == 1
    assert total(held, "sum output_tokens", "count", dataset="model_calls") == [50, 1]


def test_calls_without_a_key_and_calls_of_other_keys_are_calls_of_their_own(held: Held) -> None:
    loose = [{"type": "model_call", "id": f"l{n}", "ts": T0 + n} for n in range(3)]
    held.deliver(Delivery([*loose, call(10, "a", 1), call(11, "b", 1), call(12, "A", 1)]))
    assert total(held, "count", dataset="model_calls") == 6


# Freshness


def test_the_newest_event_says_up_to_when_a_dataset_is_known(held: Held) -> None:
    held.deliver(Delivery([request(0), request(5), request(3)], received=NOW))
    assert ask(held, "count").as_of == T0 + 5 * 60_000


def test_nothing_received_means_nothing_known(held: Held) -> None:
    assert ask(held, "count").as_of is None
    held.deliver(Delivery([request(0)]))
    assert ask(held, "count", dataset="messages").as_of is None


def test_an_event_of_the_future_moves_freshness_to_its_receipt_only(held: Held) -> None:
    held.deliver(Delivery([request(0), {"type": "request", "id": "f", "ts": NOW + DAY}], received=NOW))
    assert ask(held, "count").as_of == NOW


def test_an_explicit_as_of_counts_instead_of_the_newest_event(held: Held) -> None:
    said = T0 + 3 * 60_000 + 7
    held.deliver(Delivery([request(0), request(5), {"type": "as_of", "dataset": "requests", "ts": said}], received=NOW))
    assert ask(held, "count").as_of == said


def test_the_newest_explicit_as_of_counts_and_freshness_never_goes_back(held: Held) -> None:
    for instant in (T0 + 2 * HOUR, T0 + 3 * HOUR, T0 + HOUR):
        held.deliver(Delivery([{"type": "as_of", "dataset": "requests", "ts": instant}]))
    assert ask(held, "count").as_of == T0 + 3 * HOUR


def test_an_explicit_as_of_before_what_is_known_already_does_not_take_it_back(held: Held) -> None:
    held.deliver(Delivery([request(5)]))
    held.deliver(Delivery([{"type": "as_of", "dataset": "requests", "ts": T0 + 60_000}]))
    assert ask(held, "count").as_of == T0 + 5 * 60_000


def test_after_an_explicit_as_of_a_later_event_that_is_not_live_does_not_move_it(held: Held) -> None:
    held.deliver(Delivery([{"type": "as_of", "dataset": "requests", "ts": T0 + 60_000}]))
    held.deliver(Delivery([request(5)]))
    assert ask(held, "count").as_of == T0 + 60_000


def test_a_live_batch_counts_beside_an_explicit_as_of(held: Held) -> None:
    held.deliver(Delivery([{"type": "as_of", "dataset": "requests", "ts": T0}]))
    held.deliver(Delivery([{"type": "request", "id": "x", "ts": NOW - 1}], received=NOW))
    assert ask(held, "count").as_of == NOW


def test_a_live_batch_is_known_up_to_its_receipt(held: Held) -> None:
    held.deliver(Delivery([{"type": "request", "id": "x", "ts": NOW - 599_999}], received=NOW))
    assert ask(held, "count").as_of == NOW


def test_a_batch_of_ten_minutes_ago_is_not_live(held: Held) -> None:
    held.deliver(Delivery([{"type": "request", "id": "x", "ts": NOW - 600_000}], received=NOW))
    assert ask(held, "count").as_of == NOW - 600_000


def test_a_duplicate_does_not_make_a_dataset_fresh(held: Held) -> None:
    held.deliver(Delivery([request(0)], received=NOW))
    held.deliver(Delivery([request(0)], received=T0 + 60_000))
    assert ask(held, "count").as_of == T0


# What is there


def test_a_store_of_nothing_answers_everything_with_nothing(held: Held) -> None:
    assert total(held, "count", "sum cost_usd", "avg cost_usd", "p99 latency_ms") == [0, 0, None, None]
    assert ask(held, "count", group_by=("team", "account"), bucket=Bucket("hour")).groups == []
    assert list(held.store.extents()) == []
    assert (
        list(held.store.values("requests", "account").counts),
        held.store.values("requests", "account").distinct,
    ) == ([], 0)
    assert held.store.keys("requests", "metadata") == {}
    assert held.store.registry("agents") == {}
    assert list(held.store.rows("requests", (), most=5)) == []


def test_what_was_delivered_can_be_asked_at_once(held: Held) -> None:
    assert total(held, "count") == 0
    held.deliver(Delivery([request(0)]))
    assert total(held, "count") == 1
    held.deliver(Delivery([request(1)]))
    assert total(held, "count") == 2
    assert held.store.extents()[0].count == 2


def test_extents_say_how_much_there_is_from_when_to_when(held: Held) -> None:
    held.deliver(
        Delivery(
            [
                request(7),
                request(2),
                {"type": "message", "id": "m", "ts": T0, "direction": "outbound", "status": "sent"},
            ]
        )
    )
    found = {each.dataset: (each.count, each.first, each.last, each.as_of) for each in held.store.extents()}
    assert found["requests"] == (2, T0 + 120_000, T0 + 420_000, T0 + 420_000)
    assert found["messages"] == (1, T0, T0, T0)
    assert set(found) == {"requests", "messages"}


def test_the_values_of_a_field_come_by_frequency_then_by_value_with_null_last(held: Held) -> None:
    held.deliver(Delivery(requests("account", ["b", "a", "b", None, "", "c"])))
    found = held.store.values("requests", "account")
    assert list(found.counts) == [("b", 2), ("", 1), ("a", 1), ("c", 1), (None, 1)]
    assert (found.field, found.distinct) == ("account", 4)
    assert list(held.store.values("requests", "account", most=2).counts) == [("b", 2), ("", 1)]
    assert held.store.values("requests", "account", most=2).distinct == 4
    assert list(held.store.values("requests", "account", (Filter("account", "NOT_EQUAL", "b"),)).counts) == [
        ("", 1),
        ("a", 1),
        ("c", 1),
    ]


def test_the_values_of_teams_booleans_numbers_keys_and_derived_fields_are_known_too(held: Held) -> None:
    held.deliver(
        Delivery(
            [
                request(
                    0,
                    team=["a", "b"],
                    is_failure=True,
                    http_status=404,
                    metadata={"k": "v"},
                    agent_name="x",
                    latency_ms=0.5,
                ),
                request(1, team=["b"]),
            ]
        )
    )
    assert list(held.store.values("requests", "team").counts) == [("b", 2), ("a", 1)]
    assert list(held.store.values("requests", "is_failure").counts) == [(True, 1), (None, 1)]
    assert held.store.values("requests", "is_failure").counts[0][0] is True
    assert list(held.store.values("requests", "http_status").counts) == [(404, 1), (None, 1)]
    assert list(held.store.values("requests", "http_status_class").counts) == [("4xx", 1), (None, 1)]
    assert list(held.store.values("requests", "metadata.k").counts) == [("v", 1), (None, 1)]
    assert list(held.store.values("requests", "agent").counts) == [("x", 1), (None, 1)]
    assert list(held.store.values("requests", "latency_ms").counts) == [(0.5, 1), (None, 1)]


def test_rows_are_the_events_as_they_were_sent_oldest_first(held: Held) -> None:
    sent = request(
        3,
        account="é\u0301",
        team=["b", "a"],
        metadata={"k": "v", "日": ""},
        is_failure=False,
        latency_ms=0.1,
        input_tokens=2**60,
        http_status=200,
    )
    held.deliver(Delivery([sent, request(1), request(2)]))
    found = held.store.rows("requests", (), most=9)
    assert [row["id"] for row in found] == ["r1", "r2", "r3"]
    known = {name: value for name, value in found[2].items() if value is not None}
    assert {name: known[name] for name in sent if name != "type"} == {
        name: value for name, value in sent.items() if name != "type"
    }
    assert known["is_failure"] is False
    assert [row["id"] for row in held.store.rows("requests", (), most=2)] == ["r1", "r2"]


def test_of_a_registry_the_newest_entry_of_each_id_counts(held: Held) -> None:
    def agent(ts: int, **fields: Any) -> dict[str, Any]:
        return {"type": "agent", "ts": T0 + ts, **fields}

    held.deliver(
        Delivery(
            [agent(2, id="a", name="Anna", account="x"), agent(1, id="a", name="old"), agent(1, id="b", name="Bob")]
        )
    )
    held.deliver(Delivery([agent(3, id="b", name="Rob", metadata={"k": "v"})]))
    found = held.store.registry("agents")
    assert set(found) == {"a", "b"}
    assert (found["a"]["name"], found["a"]["account"]) == ("Anna", "x")
    assert (found["b"]["name"], found["b"].get("account"), found["b"]["metadata"]) == ("Rob", None, {"k": "v"})
    assert held.store.registry("numbers") == {}


# Refusals


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (Query("request", WHOLE, (measure("count", None),)), UnknownName),
        (Query("requests", WHOLE, (measure("sum", "latency"),)), UnknownName),
        (Query("requests", WHOLE, (measure("count", None),), group_by=("chanel",)), UnknownName),
        (Query("requests", WHOLE, (measure("count", None),), group_by=("labels.x",)), UnknownName),
        (Query("requests", WHOLE, (measure("count", None),), group_by=("metadata",)), InvalidValue),
        (Query("requests", WHOLE, (measure("sum", "account"),)), InvalidValue),
        (Query("requests", WHOLE, (measure("rate", "latency_ms"),)), InvalidValue),
        (
            Query("requests", WHOLE, (measure("count", None),), where=(Filter("account", "GREATER_THAN", "a"),)),
            InvalidValue,
        ),
        (
            Query("requests", WHOLE, (measure("count", None),), where=(Filter("latency_ms", "EQUAL", "fast"),)),
            InvalidValue,
        ),
        (Query("requests", WHOLE, (measure("count", None),), where=(Filter("team", "EQUAL", "core"),)), InvalidValue),
        (Query("requests", WHOLE, (measure("count", None),), where=(Filter("is_failure", "EQUAL", 1),)), InvalidValue),
        (
            Query("requests", WHOLE, (measure("count", None),), where=(Filter("latency_ms", "BETWEEN", (1,)),)),
            InvalidValue,
        ),
    ],
)
def test_a_question_that_does_not_fit_the_catalog_is_refused_whether_or_not_there_are_events(
    held: Held, query: Query, error: type[CallerError]
) -> None:
    with pytest.raises(error):
        held.store.query(query)
    held.deliver(Delivery([request(0)]))
    with pytest.raises(error):
        held.store.query(query)
