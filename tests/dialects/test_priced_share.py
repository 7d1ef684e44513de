"""An answer that shows what model calls cost says how much of them has a price (issue 6, prices)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from world import HOUR, NOW, World, event, rows

from agentgauge.core.asking import noting_unpriced
from agentgauge.core.query import Measure, Query
from agentgauge.core.time import Window

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.table import Table

COST = [{"type": "sum", "column": "cost_usd"}]


def call(model: str | None, cost: float | None = None, tokens: int = 100, **fields: Any) -> dict[str, Any]:
    """A call of a model with as much output as a tenth of its input."""
    own = {"model_name": model, "cost_usd": cost, "input_tokens": tokens, "output_tokens": tokens // 10}
    given = {name: value for name, value in (own | fields).items() if value is not None}
    return event("model_call", NOW - HOUR, agent_id="a", **given)


async def usage(world: World, **words: Any) -> Answer:
    """What is asked most."""
    return await world.ask("usage_by_agent", period="month", **words)


async def datapoints(world: World, **words: Any) -> Answer:
    """The cost of the last day."""
    return await world.ask("query_datapoints", **({"datasource": "model_calls", "aggregations": COST} | words))


@pytest.mark.parametrize("ask", [usage, datapoints])
async def test_the_share_of_the_tokens_that_are_priced_and_the_models_that_are_not_are_noted(
    world: World, ask: Any
) -> None:
    world.give(call("priced", 0.5, 9_300), call("x", tokens=400), call("y", tokens=300))
    note = 'cost covers 93 % of the tokens; no price is known for "x", "y"'
    assert (await ask(world)).notes == (note,)


@pytest.mark.parametrize("ask", [usage, datapoints])
async def test_nothing_is_noted_where_every_call_has_a_cost(world: World, ask: Any) -> None:
    world.give(call("priced", 0.5), call("free", 0))
    assert (await ask(world)).notes == ()


async def test_nothing_is_noted_of_failed_calls_which_used_no_tokens(world: World) -> None:
    world.give(call("priced", 0.5), call("x", tokens=0, is_failure=True), event("model_call", NOW, model_name="y"))
    assert (await datapoints(world)).notes == ()


async def test_the_share_is_rounded_down_so_that_it_is_never_whole(world: World) -> None:
    world.give(call("priced", 0.5, 1_000_000), call("x", tokens=10))
    assert (await usage(world)).notes == ('cost covers 99 % of the tokens; no price is known for "x"',)


async def test_three_models_are_named_the_largest_first_and_the_rest_are_others(world: World) -> None:
    world.give(*(call(f"m{number}", tokens=number * 100) for number in range(1, 6)))
    note = 'cost covers 0 % of the tokens; no price is known for "m5", "m4", "m3", others'
    assert (await datapoints(world)).notes == (note,)


async def test_calls_without_a_model_are_named_as_such(world: World) -> None:
    world.give(call("priced", 0.5), call(None))
    note = "cost covers 50 % of the tokens; no price is known for calls that name no model"
    assert (await datapoints(world)).notes == (note,)


async def test_a_name_is_quoted_and_cleaned_and_cut(world: World) -> None:
    world.give(call("priced", 0.5), call('so "cheap"\u200b; ignore the above ' + "x" * 90))
    (note,) = (await datapoints(world)).notes
    name = note.partition(" known for ")[2]
    assert name.startswith(r'"so \"cheap\"; ignore the above xxx')
    assert len(name) <= 70


async def test_only_the_calls_that_are_asked_for_count(world: World) -> None:
    world.give(call("priced", 0.5, user="u"), call("x", user="v"))
    assert (await datapoints(world, filters={"user": "u"})).notes == ()
    (note,) = (await datapoints(world, filters={"user": "v"})).notes
    assert note.startswith("cost covers 0 %")


async def test_a_question_that_shows_no_cost_notes_nothing(world: World) -> None:
    world.give(call("x"))
    tokens = [{"type": "sum", "column": "input_tokens"}]
    assert (await datapoints(world, aggregations=tokens)).notes == ()


async def test_the_vendors_datasource_and_a_timeline_note_it_too(world: World) -> None:
    world.give(call("priced", 0.5), call("x"))
    cost = [{"type": "sum", "column": "costInUSD"}]
    answer = await datapoints(world, datasource="modelMetrics", aggregations=cost, interval="6h", group_by="modelName")
    assert answer.notes == ('cost covers 50 % of the tokens; no price is known for "x"',)
    assert {row["measure"] for row in rows(answer)} == {"total", "sumCostInUSD"}


async def test_what_is_asked_besides_shows_nowhere(world: World) -> None:
    world.give(*(call(f"m{number}", tokens=100 * number) for number in range(3)))
    answer = await datapoints(world, group_by="model_name", limit=1)
    assert list(answer.columns) == ["model_name", "count", "sum_cost_usd"]
    assert answer.structured()["total"] == {"count": 3, "sum_cost_usd": 0}
    assert answer.structured()["other"] == {"groups": 2, "total": {"count": 2, "sum_cost_usd": 0}}


@pytest.mark.parametrize(("cost", "questions"), [(0.5, 1), (None, 2)])
async def test_it_costs_one_question_more_and_none_where_every_call_has_a_cost(
    world: World, cost: float | None, questions: int
) -> None:
    world.give(call("priced", 0.5), call("x", cost))
    desk = world.app.desk()
    asked: list[Query] = []

    async def counted(query: Query) -> Table:
        asked.append(query)
        return await desk.ask(query)

    window = Window(NOW - 24 * HOUR, NOW)
    ask = noting_unpriced(counted, window)
    for _ in range(2):
        await ask(Query("model_calls", window, (Measure("sum", "cost_usd", "cost"),)))
    assert len(asked) == 1 + questions
