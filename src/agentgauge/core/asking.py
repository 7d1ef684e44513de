"""What tools have in common between their words and a Query: zone, window, interval, groups, filters, and the checks
that keep a misspelt key from looking like an empty answer.

Above: the dialects' tools. Below: `parse`, `when`, `series`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import MAPS, Dataset, dataset
from agentgauge.core.errors import quote, unknown_name
from agentgauge.core.fit import chosen_bucket
from agentgauge.core.query import Filter, Measure, Top
from agentgauge.core.time import FIXED, Bucket, Window, align, edges, parse_bucket, zone
from agentgauge.core.when import parse_window

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk
    from agentgauge.core.parse import Bucketed, Windowed, Zoned
    from agentgauge.core.query import Query
    from agentgauge.core.table import Cell, Table

DAY = 24 * FIXED["hour"]
UNPRICED_NAMED = 3
"""How many models without a price a note names."""
_COVER = (
    Measure("count", None, "cover:calls"),
    Measure("count", "cost_usd", "cover:priced"),
    Measure("sum", "input_tokens", "cover:input"),
    Measure("sum", "output_tokens", "cover:output"),
)
"""What is asked besides a cost, to know whether and how much of it is known."""


def zone_of(params: Zoned, desk: Desk) -> str:
    """The zone of a question: the one it names, else the desk's.

    Raises:
        UnknownName: with the nearest zone.
    """
    name = desk.tz if params.tz is None else params.tz
    zone(name)
    return name


def interval_of(params: Bucketed, tz: str) -> Bucket | None:
    """The interval asked for, or None where one is to be chosen."""
    return None if params.interval is None else parse_bucket(params.interval, tz)


def window_of(params: Windowed, desk: Desk, tz: str, *, default_ms: int = DAY) -> Window:
    """The window asked for; without a start, `default_ms` before the end; without an end, until now."""
    return parse_window(params.start, params.end, now=desk.now, tz=tz, default_ms=default_ms)


def recent_buckets(now: int, bucket: Bucket | None, tz: str, *, default_ms: int) -> Window:
    """The window of a question that names neither start nor end: whole buckets up to the one that is running
    (AgentMessage contract 1.6, 1)."""
    grid = bucket or chosen_bucket(Window(now - default_ms, now), tz)
    end = edges(Window(now, now + 1), grid)[-1]
    return align(Window(end - default_ms, end), grid)


def groups_of(words: Sequence[str] | None, holder: Dataset) -> tuple[str, ...]:
    """The dimensions to group by, checked and each once.

    Raises:
        UnknownName: with the dataset's dimensions and the nearest.
    """
    names = tuple(dict.fromkeys(words or ()))
    for name in names:
        holder.find(name)
    return names


async def agent_names(desk: Desk) -> dict[str, str]:
    """Agent id -> what to show for it: its name in the registry, with the id beside a name that several agents have."""
    known = {id: str(entry["name"]) for id, entry in (await desk.registry("agents")).items() if entry.get("name")}
    return distinct_names(known)


async def agent_label(groups: Sequence[str], desk: Desk) -> Callable[[str, Cell], Cell] | None:
    """How to show group values: agents by their names; None where no agents are shown."""
    if "agent" not in groups:
        return None
    return label_with(await agent_names(desk))


def label_with(names: Mapping[str, str]) -> Callable[[str, Cell], Cell]:
    """Shows the values of the dimension `agent` by these names, all others as they are."""
    return lambda field, value: names.get(str(value), value) if field == "agent" and value is not None else value


def distinct_names(names: Mapping[str, str]) -> dict[str, str]:
    """The same names, with the id beside each that is not unique."""
    times = Counter(names.values())
    return {id: f"{name} ({id})" if times[name] > 1 else name for id, name in names.items()}


async def by_agent_id(where: tuple[Filter, ...], desk: Desk) -> tuple[Filter, ...]:
    """The same filters, with agents that were called by their name in the registry called by their id."""
    if not any(each.field == "agent" and each.operator in ("EQUAL", "IN") for each in where):
        return where
    entries = await desk.registry("agents")
    ids: dict[Any, list[str]] = {}
    for id, entry in entries.items():
        ids.setdefault(entry.get("name"), []).append(id)

    def called_by_id(each: Filter) -> Filter:
        if each.field != "agent" or each.operator not in ("EQUAL", "IN"):
            return each
        given = each.value if isinstance(each.value, tuple) else (each.value,)
        meant = [id for value in given for id in ([value] if value in entries else ids.get(value, [value]))]
        return replace(each, operator="IN", value=tuple(meant))

    return tuple(called_by_id(each) for each in where)


async def check_keys(query: Query, answer: Answer, desk: Desk) -> Answer:
    """The same answer, once it is sure that its emptiness is not a misspelt key; a value nobody has is noted.

    Raises:
        UnknownName: a metadata or label key that no event has, with the nearest that exist.
    """
    if desk.offers is not None:  # a vendor refuses what it does not know by itself
        return answer
    used = [name for name in (*query.group_by, *(each.field for each in query.where)) if name.partition(".")[0] in MAPS]
    if used and (_looks_empty(query, answer) or any(each.operator == "IS_NULL" for each in query.where)):
        for name in dict.fromkeys(used):
            head, _, key = name.partition(".")
            known = await desk.keys(query.dataset, head)
            if known and key not in known:
                raise unknown_name("a key", key, known, where=f"{head} in {query.dataset}", many=True)
    if query.where and _is_nothing(answer):
        return replace(answer, notes=answer.notes + await _unmatched(query.dataset, query.where, desk))
    return answer


def _is_nothing(answer: Answer) -> bool:
    total: Any = answer.total
    values: list[Cell] = list(total.values()) if isinstance(total, dict) else [total]  # type: ignore[reportUnknownVariableType]
    return not any(values)


def _looks_empty(query: Query, answer: Answer) -> bool:
    places = [index for index, name in enumerate(query.group_by) if name.partition(".")[0] in MAPS]
    return _is_nothing(answer) or any(all(row[place] is None for row in answer.rows) for place in places)


async def _unmatched(name: str, where: Sequence[Filter], desk: Desk) -> tuple[str, ...]:
    """A note for each filter value that no event has."""
    notes: list[str] = []
    for each in where:
        if each.operator not in ("EQUAL", "IN", "ARRAY_HAS_ANY") or dataset(name).find(each.field).values:
            continue
        operator = "ARRAY_HAS_ANY" if each.operator == "ARRAY_HAS_ANY" else "EQUAL"
        for value in each.value if isinstance(each.value, tuple) else (each.value,):
            operand = (value,) if operator == "ARRAY_HAS_ANY" else value
            if not await desk.rows(name, (replace(each, operator=operator, value=operand),), most=1):
                notes.append(f"no event has {quote(str(value))} as {each.field}")
    return tuple(notes[:5])


def noting_unpriced(ask: Callable[[Query], Awaitable[Table]], window: Window) -> Callable[[Query], Awaitable[Table]]:
    """A way to ask that notes, for a cost of model calls in this window, the share of tokens priced and what is not.

    It asks one more question, once, where some calls have no cost; and none where all of them have one.
    """
    notes: list[tuple[str, ...]] = []

    async def asked(query: Query) -> Table:
        shows_cost = query.dataset == "model_calls" and any(each.field == "cost_usd" for each in query.measures)
        if not shows_cost or query.window != window:
            return await ask(query)
        table = await ask(replace(query, measures=(*query.measures, *_COVER)))
        if not notes:
            notes.append(await _unpriced(query, table.total, ask))
        return _without_cover(replace(table, notes=table.notes + notes[0]))

    return asked


def _without_cover(table: Table) -> Table:
    hidden = {each.label for each in _COVER}

    def shown(columns: Mapping[str, Any]) -> dict[str, Any]:
        return {label: column for label, column in columns.items() if label not in hidden}

    other = table.other and replace(table.other, totals=shown(table.other.totals), values=shown(table.other.values))
    return replace(
        table,
        measures=tuple(each for each in table.measures if each.label not in hidden),
        values=shown(table.values),
        totals=shown(table.totals),
        total=shown(table.total),
        other=other,
    )


async def _unpriced(
    query: Query, total: Mapping[str, Cell], ask: Callable[[Query], Awaitable[Table]]
) -> tuple[str, ...]:
    """How much of the cost is known, in tokens; nothing where that is all of it."""
    if total["cover:calls"] == total["cover:priced"]:
        return ()
    table = await ask(
        replace(
            query,
            measures=_COVER[2:],
            bucket=None,
            group_by=("model_name",),
            where=(*query.where, Filter("cost_usd", "IS_NULL", True)),
            top=Top(UNPRICED_NAMED),
        )
    )
    unpriced, tokens = _tokens(table.total), _tokens(total)
    if not unpriced:  # failed calls have neither tokens nor a cost
        return ()
    used = [
        key[0]
        for key, *counts in zip(table.groups, table.totals["cover:input"], table.totals["cover:output"], strict=True)
        if any(counts)
    ]
    names = [quote(str(name)) if name is not None else "calls that name no model" for name in used]
    names += ["others"] if table.other and _tokens(table.other.totals) else []
    share = math.floor(100 * (tokens - unpriced) / tokens)  # never 100 while something is missing
    return (f"cost covers {share} % of the tokens; no price is known for {', '.join(names)}",)


def _tokens(totals: Mapping[str, Cell]) -> int:
    return sum(count for name in ("cover:input", "cover:output") if isinstance(count := totals[name], int))
