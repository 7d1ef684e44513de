"""Arguments: aliases, nulls, JSON text, and filters in every form. What tools refuse is in `tests/dialects`."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from agentgauge.core.catalog import dataset
from agentgauge.core.errors import CallerError, InvalidValue, UnknownName
from agentgauge.core.parse import SYNONYMS, Bucketed, Objects, Words, conditions, listed, operator, parse
from agentgauge.core.query import OPERATORS, Filter

REQUESTS = dataset("requests")


class Asked(Bucketed):
    """Arguments of a tool that does not exist."""

    aliases: ClassVar = {"seconds": "interval", "names": "words"}
    converts: ClassVar = {"seconds": lambda n: f"{n} second"}  # pyright: ignore[reportUnknownLambdaType]

    words: Words | None = None
    objects: Objects | None = None


def asked(**given: Any) -> dict[str, Any]:
    """The arguments that were read, without those that were left out."""
    return parse("a_tool", Asked, given).model_dump(exclude_unset=True)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["a", "b"], ["a", "b"]),
        ("a,b", ["a", "b"]),
        (" a , b ,", ["a", "b"]),
        ('["a", "b,c"]', ["a", "b,c"]),
        ("", []),
        ("[a", ["[a"]),
        ("5", ["5"]),
    ],
)
def test_a_list_of_words_is_read_in_every_form(given: Any, read: list[str]) -> None:
    assert asked(words=given) == {"words": read}


@pytest.mark.parametrize("given", [5, {"a": 1}, [1], [None], "[1]", [["a"]]])
def test_what_is_no_list_of_words_is_refused(given: Any) -> None:
    with pytest.raises(InvalidValue, match="words of a_tool cannot be"):
        asked(words=given)


def test_a_list_of_objects_may_be_json_text() -> None:
    assert asked(objects='[{"a": 1}]') == {"objects": [{"a": 1}]}


def test_an_alias_is_its_word_and_may_have_a_unit_of_its_own() -> None:
    assert asked(seconds=90, names="a") == {"interval": "90 second", "words": ["a"]}


def test_null_is_left_out_and_does_not_clash_with_an_alias() -> None:
    assert asked(interval=None, seconds=5, words=None) == {"interval": "5 second"}
    assert parse("a_tool", Asked, None).budget == 800


def test_a_value_in_an_error_is_quoted_cleaned_and_cut() -> None:
    with pytest.raises(InvalidValue) as refused:
        asked(limit="x\u202e" + "y" * 100)
    assert refused.value.message == f'limit of a_tool cannot be "{"x" + "y" * 63}".'
    assert refused.value.hint == "It takes a whole number from 1 to 200."


@pytest.mark.parametrize("word", [*OPERATORS, *SYNONYMS])
def test_operators_are_read_in_any_case_and_by_their_signs(word: str) -> None:
    assert operator(word) == operator(f" {word.lower()} ") == SYNONYMS.get(word, word)


@pytest.mark.parametrize("word", ["NEAR", "", None, 5, "~"])
def test_an_unknown_operator_is_refused(word: Any) -> None:
    with pytest.raises(UnknownName, match="is not an operator. Valid: EQUAL, "):
        operator(word)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"agent_name": "a"}, Filter("agent_name", "EQUAL", "a")),
        ({"agent_name": ["a", "b"]}, Filter("agent_name", "IN", ("a", "b"))),
        ({"agent_name": None}, Filter("agent_name", "IS_NULL", True)),
        ({"team": "red"}, Filter("team", "ARRAY_HAS_ANY", ("red",))),
        ({"agent_name": 5}, Filter("agent_name", "EQUAL", "5")),
        ({"latency_ms": "12.5"}, Filter("latency_ms", "EQUAL", 12.5)),
        ({"latency_ms": {">": 5}}, Filter("latency_ms", "GREATER_THAN", 5)),
        ({"latency_ms": {"BETWEEN": "1, 5"}}, Filter("latency_ms", "BETWEEN", (1, 5))),
        ({"is_failure": "True"}, Filter("is_failure", "EQUAL", True)),
        ({"metadata.x": {"is_null": False}}, Filter("metadata.x", "IS_NULL", False)),
    ],
)
def test_a_value_implies_its_operator_and_is_read_as_the_field_is(given: Any, made: Filter) -> None:
    assert conditions(given, REQUESTS) == (made,)


def test_several_operators_on_one_field_all_hold() -> None:
    made = conditions({"latency_ms": {"GREATER_THAN": 5, "LESS_THAN": 9}}, REQUESTS)
    assert [each.operator for each in made] == ["GREATER_THAN", "LESS_THAN"]


@pytest.mark.parametrize(
    "given",
    [
        {"latency_ms": {}},
        {"agent_name": []},
        {"agent_name": [None]},
        {"latency_ms": "NaN"},
        {"latency_ms": True},
        {"is_failure": 1},
        {"metadata": "x"},
        {"call_key": {"MATCHES": "x"}},
        [{"field": "agent_name", "metadataKey": "x", "operator": "EQUAL", "value": "a"}],
        [{"field": 5, "operator": "EQUAL", "value": "a"}],
    ],
)
def test_a_filter_that_could_mean_anything_is_refused(given: Any) -> None:
    with pytest.raises(CallerError):
        conditions(given, REQUESTS)


def test_filters_are_listed_one_by_one_before_their_fields_are_known() -> None:
    assert listed({"a": {"EQUAL": 1, "IN": [2]}, "b": 3}) == [("a", "EQUAL", 1), ("a", "IN", [2]), ("b", None, 3)]
    assert listed([{"metadataKey": "k", "operator": "EQUAL"}]) == [("metadata.k", "EQUAL", None)]
    assert listed(None) == []
