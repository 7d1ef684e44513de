"""`usage_by_agent`: what each agent did and cost in the current calendar week, month or year.

Semantics: contract `agentphone` 2.2 and 2.5 (calendar periods in a zone, the unassigned in a row of their own), widened
by design section 5 to runs, model calls, tokens and cost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from agentgauge.core.asking import (
    agent_names,
    by_agent_id,
    check_keys,
    distinct_names,
    groups_of,
    label_with,
    noting_unpriced,
    zone_of,
)
from agentgauge.core.catalog import DATASETS, dataset
from agentgauge.core.errors import unknown_name
from agentgauge.core.fit import present
from agentgauge.core.operation import Tool
from agentgauge.core.parse import Compared, Conditions, Limited, Words, Zoned, conditions, listed
from agentgauge.core.query import Query
from agentgauge.core.series import Ask, Series
from agentgauge.core.table import Table, cut, join
from agentgauge.core.time import Bucket, Window
from agentgauge.core.when import current_period
from agentgauge.dialects.agentphone.translate import (
    AGENT,
    BY_AGENT,
    MODEL_CALLS,
    RUN_COSTS,
    Part,
    fitting,
    joined,
    measures,
    together,
    without_empty,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk
    from agentgauge.core.query import Filter
    from agentgauge.core.table import Cell

SHORT = {"agent": "agent", "model": "model_name", "session": "session_id", "user": "user"}
"""What `group_by` calls the usual dimensions here, and the fields they are."""


class UsageParams(Compared, Limited, Zoned):
    """Arguments of `usage_by_agent`."""

    aliases: ClassVar = {"timezone": "tz", "groupBy": "group_by"}
    hints: ClassVar = dict.fromkeys(
        ("start", "end", "from", "to"),
        "It looks at the running week, month or year; query_datapoints takes any window.",
    )

    period: Literal["week", "month", "year"]
    group_by: Words | None = None
    filters: Conditions | None = None


async def usage_by_agent(params: UsageParams, desk: Desk) -> Answer:
    """One row per agent (or model, session, user, metadata key), a column for everything that has data."""
    tz = zone_of(params, desk)
    window = current_period(params.period, now=desk.now, tz=tz)
    groups = _groups(params.group_by)
    parts, where = await _parts(groups, params, window, desk)
    query = Query(dataset=parts[0].dataset, window=window, measures=measures(parts), group_by=groups, where=where)
    fields = {field: word for word, field in SHORT.items()}
    heads = {name: fields.get(name, name) for name in groups}
    period = Bucket(params.period, 1, tz)
    names = await agent_names(desk) if "agent" in groups else {}

    def label(field: str, value: Cell) -> Cell:
        return label_with(distinct_names(names))(field, value)

    answer = await present(
        Series(
            title=f"usage by {' and '.join(heads.values())}, this {params.period}",
            query=query,
            tz=tz,
            budget=params.budget,
            limit=params.limit,
            timeline=False,
            compare=params.compare_to is not None,
            period=period,
            heads=heads,
            label=label,
            notes=_notes(groups, parts),
            ask=_asking(parts, names, period, window, desk),
        ),
        desk,
    )
    if any(row and row[0] is None for row in answer.rows):
        answer = replace(answer, notes=(*answer.notes, f"the row without {heads[groups[0]]} is the unassigned"))
    return await check_keys(query, answer, desk)


def _asking(parts: Sequence[Part], names: dict[str, str], period: Bucket, window: Window, desk: Desk) -> Ask:
    """A way to ask the parts together, without the columns that are empty in the window that is shown.

    Agents are asked by id; what their events call them is added to `names`.
    """
    kept: tuple[str, ...] = ()
    # A vendor is asked for its running period in a zone; a store, which knows no zones, for a window.
    whole = period if desk.offers is not None else None
    noting = noting_unpriced(desk.ask, window)

    async def ask_parts(queries: Sequence[Query]) -> Table:
        """At a vendor all at once; from a store one by one, so that what has no price is noted."""
        if desk.offers is not None:
            return await desk.ask_together(queries)
        return join([await noting(each) for each in queries])

    async def ask(asked: Query) -> Table:
        nonlocal kept
        apart = tuple(part for name in asked.group_by for part in (AGENT if name == "agent" else (name,)))
        table = await joined(parts, ask_parts)(replace(asked, bucket=whole, group_by=apart, top=None))
        table = together(replace(table, bucket=None), asked.group_by, names)
        if not kept:
            kept = tuple(each.label for each in without_empty(table).measures)
        table = _only(table, kept)
        return cut(table, asked.top.n) if asked.top else table

    return ask


def _groups(words: Sequence[str] | None) -> tuple[str, ...]:
    """The fields to group by; a short name or any field that some dataset has."""
    names = tuple(dict.fromkeys(SHORT.get(word, word) for word in words or ("agent",)))
    for name in names:
        if not fitting([Part(each.name, ()) for each in DATASETS], (name,)):
            raise unknown_name("something to group by", name, [*SHORT, *_dimensions()], where="usage_by_agent")
    return names


def _dimensions() -> list[str]:
    return [*SHORT.values(), "team", "provider", "account", "conversation_id", "metadata.<key>"]


async def _parts(
    groups: tuple[str, ...], params: UsageParams, window: Window, desk: Desk
) -> tuple[tuple[Part, ...], tuple[Filter, ...]]:
    """The parts that can be grouped and filtered so and have data, with the filters that fit them all."""
    raw = [name for name, _, _ in listed(params.filters)]
    parts = fits = fitting(BY_AGENT, [*groups, *raw])
    if not parts:
        raise unknown_name("a filter that goes with this grouping", ", ".join(raw or groups), _dimensions())
    present_now = {extent.dataset for extent in await desk.extents() if extent.count}
    if "model_calls" not in present_now and MODEL_CALLS in parts:
        parts = (*(part for part in parts if part is not MODEL_CALLS), *fitting((RUN_COSTS,), [*groups, *raw]))
    held = tuple(part for part in parts if part.dataset in present_now) or fits[:1]
    holder = dataset(held[0].dataset)
    groups_of(groups, holder)
    return held, await by_agent_id(conditions(params.filters, holder), desk)


def _notes(groups: tuple[str, ...], parts: tuple[Part, ...]) -> tuple[str, ...]:
    if RUN_COSTS in parts:
        return ("tokens and cost are those of the runs; no model calls are recorded",)
    return ()


def _only(table: Table, labels: Sequence[str]) -> Table:
    return replace(
        table,
        measures=tuple(each for each in table.measures if each.label in labels),
        values={label: table.values[label] for label in labels},
        totals={label: table.totals[label] for label in labels},
        total={label: table.total[label] for label in labels},
    )


USAGE_BY_AGENT = Tool(
    name="usage_by_agent",
    title="Usage by agent",
    description=(
        "What each agent did and cost this calendar week, month or year: messages, calls, runs, model calls, tokens "
        "(input includes cache), cost_usd. group_by: agent (default), model, session, user or metadata.<key>."
    ),
    params=UsageParams,
    run=usage_by_agent,
)
