"""Every store answers any question as DuckDB does over the same events.

`AGENTGAUGE_ORACLE_QUESTIONS=100000` asks that many instead of 300; `AGENTGAUGE_ORACLE_SEED` starts elsewhere.
"""

from __future__ import annotations

import math
import os
import random
from typing import TYPE_CHECKING, get_args

import pytest
from generate import DATASETS, END, condition, events, groupable, question
from held import RESTLESS, STORES, Delivery
from oracle import Expected, Oracle

from agentgauge.core.catalog import dataset
from agentgauge.core.query import OPERATORS, How, Query
from agentgauge.core.time import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agentgauge.core.table import Cell, Table

QUESTIONS = int(os.environ.get("AGENTGAUGE_ORACLE_QUESTIONS", "300"))
SEED = int(os.environ.get("AGENTGAUGE_ORACLE_SEED", "1"))
ROUND = 100
"""How many questions are put about one set of events."""


@pytest.mark.parametrize("name", RESTLESS)
@pytest.mark.parametrize("number", range(math.ceil(QUESTIONS / ROUND)))
@pytest.mark.timeout(600)
def test_any_question_is_answered_as_the_oracle_answers_it(name: str, number: int, tmp_path: Path) -> None:
    rng = random.Random(SEED * 1_000_003 + number)
    happened = events(rng, rng.choice((20, 150, 400)))
    held, oracle = RESTLESS[name](tmp_path), Oracle(happened)
    try:
        held.deliver(Delivery(happened, received=END))
        for _ in range(min(ROUND, QUESTIONS - number * ROUND)):
            asked = question(rng)
            compare(asked, held.store.query(asked), oracle.answer(asked))
    finally:
        oracle.close()
        held.close()


@pytest.mark.parametrize("name", STORES)
def test_any_listing_is_the_one_the_oracle_gives(name: str, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    happened = events(rng, 150)
    held, oracle = STORES[name](tmp_path), Oracle(happened)
    held.deliver(Delivery(happened, received=END))
    for _ in range(max(100, QUESTIONS // 3)):
        holder = dataset(rng.choice(DATASETS))
        where = tuple(condition(rng, holder) for _ in range(rng.choice((0, 1, 1, 2))))
        about = f"{holder.name} {where}"
        assert [row["id"] for row in held.store.rows(holder.name, where, most=9_999)] == oracle.ids(
            holder.name, where
        ), about
        field = rng.choice(groupable(holder))
        found, expected = (
            held.store.values(holder.name, field, where, most=9_999),
            oracle.values(holder.name, field, where),
        )
        assert list(found.counts) == expected, f"{field} of {about}"
        assert found.distinct == sum(value is not None for value, _ in expected), f"{field} of {about}"
        for each in holder.maps:
            assert held.store.keys(holder.name, each, where) == oracle.keys(holder.name, each, where), about
    oracle.close()
    held.close()


def test_the_questions_are_about_something() -> None:
    rng = random.Random(SEED)
    asked = [question(rng) for _ in range(2_000)]
    assert {condition.operator for each in asked for condition in each.where} == set(OPERATORS)
    assert {measure.how for each in asked for measure in each.measures} == set(get_args(How))
    assert {each.bucket.unit for each in asked if each.bucket} == set(UNITS)
    assert {len(each.group_by) for each in asked} == {0, 1, 2, 3}
    oracle = Oracle(events(rng, 150))
    answers = [oracle.answer(each) for each in asked[:200]]
    oracle.close()
    assert sum(len(each.rows) > 1 for each in answers) > 60
    assert sum(each.other is not None for each in answers) > 15


def compare(asked: Query, found: Table, expected: Expected) -> None:
    """Nothing, when the table says what the oracle says."""
    about = f"{asked}"
    labels = [each.label for each in asked.measures]
    assert list(found.edges) == expected.edges, about
    assert (found.window, found.group_by, found.measures) == (asked.window, asked.group_by, asked.measures), about
    assert found.exact, about
    assert found.rows_overlap == ("team" in asked.group_by), about
    if near_tie(expected.totals[labels[0]], found.totals[labels[0]], expected, found):
        return  # two sums that differ only by how they were rounded may stand in either order
    assert list(found.groups) == expected.groups, about
    for label in labels:
        same(found.totals[label], expected.totals[label], f"totals of {label}: {about}")
        same([found.total[label]], [expected.total[label]], f"total of {label}: {about}")
    spots = list(zip(found.at, found.of, strict=True))
    assert spots == sorted(expected.rows), about
    for label in labels:
        same(found.values[label], [expected.rows[spot][label] for spot in spots], f"values of {label}: {about}")
    if expected.other is None:
        assert found.other is None, about
        return
    assert found.other is not None, about
    assert found.other.groups == expected.cut, about
    assert list(found.other.at) == sorted(expected.other.parts), about
    for label in labels:
        same([found.other.totals[label]], [expected.other.totals[label]], f"other's total of {label}: {about}")
        parts = [expected.other.parts[at][label] for at in found.other.at]
        same(found.other.values[label], parts, f"other's values of {label}: {about}")


def same(found: Sequence[Cell], expected: Sequence[Cell], about: str) -> None:
    """Nothing, when the cells are equal: integers exactly, fractions to nine digits."""
    assert len(found) == len(expected), about
    for one, two in zip(found, expected, strict=True):
        if isinstance(two, float) and isinstance(one, int | float) and not isinstance(one, bool):
            assert math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9), f"{one} is not {two}: {about}"
        else:
            assert one == two and (type(one) is type(two)), f"{one!r} is not {two!r}: {about}"


def near_tie(wanted: Sequence[Cell], got: Sequence[Cell], expected: Expected, found: Table) -> bool:
    """Whether groups are in another order only where fractions are the same to nine digits."""
    if list(found.groups) == expected.groups or len(got) != len(wanted):
        return False
    pairs = zip(wanted, got, strict=True)
    return all(
        isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
        for a, b in pairs
    )
