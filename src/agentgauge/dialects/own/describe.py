"""`describe_metrics`: what is here, so that a model asks for what exists.

Above: the MCP face's resources show the same. Below: the desk's extents, values and keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentgauge.core.answer import Answer
from agentgauge.core.asking import by_agent_id, zone_of
from agentgauge.core.catalog import DATASETS, NUMERIC, Dataset, dataset
from agentgauge.core.catalog import Field as DataField
from agentgauge.core.errors import InvalidValue, Unsupported, nearest, unknown_name
from agentgauge.core.fit import first_rows
from agentgauge.core.operation import Tool
from agentgauge.core.parse import Limited, Zoned
from agentgauge.core.query import Filter, Measure, Query
from agentgauge.core.time import EARLIEST, LATEST, Window, iso

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.query import Extent

EVER = Window(EARLIEST, LATEST)
COUNT = Measure("count", None, "events")
SEARCHED = 500
"""The most values of one field that a search looks through."""
LISTED = 200
"""A field of more distinct values than this is an id: only their number is shown."""


class DescribeParams(Limited, Zoned):
    """Arguments of `describe_metrics`."""

    dataset: str | None = None
    field: str | None = None
    search: str | None = None
    agent: str | None = None


async def describe_metrics(params: DescribeParams, desk: Desk) -> Answer:
    """The datasets; the fields of one; the values of one field; or the names near a search. Of an upstream, what it can
    be asked."""
    if desk.offers is not None:
        return first_rows(_offered(params, desk, desk.offers), params.budget)
    if params.field is not None and params.dataset is None:
        raise InvalidValue("field needs a dataset.", hint=f"One of: {', '.join(each.name for each in DATASETS)}.")
    if params.search is not None and params.dataset is not None:
        raise InvalidValue("search looks through every dataset.", hint="Leave dataset and field out, or search out.")
    where = await _agent_filter(params.agent, desk)
    if params.search is not None:
        answer = await _search(params.search, params.limit, desk)
    elif params.dataset is None:
        answer = await _datasets(params, where, desk)
    elif params.field is None:
        answer = await _fields(_held(params.dataset), params.limit, where, desk)
    else:
        answer = await _values(_held(params.dataset), params.field, params.limit, where, desk)
    return first_rows(answer, params.budget)


def _offered(params: DescribeParams, desk: Desk, offers: Mapping[str, str]) -> Answer:
    """What an upstream can be asked.

    Raises:
        Unsupported: for what only a store knows of itself.
    """
    for word in ("dataset", "field", "search", "agent"):
        if getattr(params, word) is not None:
            raise Unsupported(f"{desk.name} does not list its {word}s.", hint=f"Leave {word} out, or ask source=local.")
    return Answer(
        title="what can be asked",
        facts={"now": iso(desk.now, zone_of(params, desk)), "sources": list(desk.sources)},
        columns=["tool"],
        rows=[[tool] for tool in offers],
        notes=tuple(f"{tool}: {words}" for tool, words in offers.items()),
    )


def _held(name: str) -> Dataset:
    found = dataset(name)
    if found.registry:
        raise unknown_name("a dataset", name, [each.name for each in DATASETS])
    return found


async def _agent_filter(agent: str | None, desk: Desk) -> tuple[Filter, ...]:
    """The filter of an agent's name or id.

    Raises:
        UnknownName: when nobody has that name, with the nearest.
    """
    if agent is None:
        return ()
    where = await by_agent_id((Filter("agent", "EQUAL", agent),), desk)
    for each in DATASETS:
        if await desk.rows(each.name, where, most=1):
            return where
    named = (Filter("agent_name", "EQUAL", agent),)
    for each in DATASETS:
        if await desk.rows(each.name, named, most=1):
            return named
    raise unknown_name("an agent", agent, await _agents(desk), many=True)


async def _agents(desk: Desk) -> list[str]:
    """The names and ids of every agent, each once."""
    found: dict[str, None] = {}
    for id, entry in (await desk.registry("agents")).items():
        found |= {str(entry.get("name") or id): None}
    for each in await desk.extents():
        for name in ("agent_name", "agent"):
            if not dataset(each.dataset).registry:
                found |= {str(value): None for value in await _known(each.dataset, name, desk)}
    return list(found)


async def _known(name: str, field: str, desk: Desk) -> list[str]:
    counts = (await desk.values(name, field, (Filter(field, "IS_NULL", False),), most=SEARCHED)).counts
    return [str(value) for value, _ in counts]


async def _datasets(params: DescribeParams, where: tuple[Filter, ...], desk: Desk) -> Answer:
    tz = zone_of(params, desk)
    held = [each for each in await desk.extents() if each.count and not dataset(each.dataset).registry]
    if where:
        return await _datasets_of(where, held, desk)
    rows = [
        [each.dataset, each.count, *(None if at is None else iso(at, tz) for at in (each.first, each.last, each.as_of))]
        for each in held
    ]
    facts: dict[str, Any] = {"now": iso(desk.now, tz), "zone": tz, "sources": list(desk.sources)}
    if empty := [each.name for each in DATASETS if each.name not in {row[0] for row in rows}]:
        facts["empty"] = empty
    return Answer(
        title="datasets",
        facts=facts,
        columns=["dataset", "events", "first", "last", "as_of"] if rows else [],
        rows=rows,
        notes=("dataset=<name> shows its fields",)
        if rows
        else ("the store is empty: import events, or see agentgauge demo",),
    )


async def _datasets_of(where: tuple[Filter, ...], held: Sequence[Extent], desk: Desk) -> Answer:
    """The datasets that have events of one agent."""
    counts = [(await desk.ask(Query(each.dataset, EVER, (COUNT,), where=where))).total["events"] for each in held]
    rows = [[each.dataset, count] for each, count in zip(held, counts, strict=True) if count]
    return Answer(title="datasets of one agent", columns=["dataset", "events"], rows=rows)


async def _fields(holder: Dataset, most: int, where: tuple[Filter, ...], desk: Desk) -> Answer:
    """Every field that has values, with its range or its commonest values; then the keys of its maps."""
    shown = [each for each in holder.fields if not each.internal and each.type != "map"]
    ranges = await _ranges(holder, [each for each in shown if each.type in NUMERIC], where, desk)
    rows: list[list[Any]] = []
    for each in shown:
        if each.type in NUMERIC:
            values: Any = ranges.get(each.name)
        else:
            few = min(most, 5)
            found = await desk.values(holder.name, each.name, (*where, *_present(each)), most=few + 1)
            values = _counts([pair for pair in found.counts if pair[0] is not None][:few], found.distinct)
        if values:
            rows.append([each.name, each.type, each.unit or None, values])
    for name in holder.maps:
        keys = await desk.keys(holder.name, name, where)
        rows += [[f"{name}.{key}", "string", None, {"events": count}] for key, count in list(keys.items())[:most]]
    return Answer(
        title=f"fields of {holder.name} that have values",
        columns=["field", "type", "unit", "values"],
        rows=rows,
        notes=() if rows else ("no events",),
    )


def _present(field: DataField) -> tuple[Filter, ...]:
    """Holds where the field has a value; no filter says so of a list."""
    return () if field.type == "strings" else (Filter(field.name, "IS_NULL", False),)


def _counts(counts: Iterable[tuple[Any, int]], distinct: int) -> dict[str, int]:
    """Value -> how many events have it, and how many values are not shown."""
    if distinct > LISTED:
        return {"distinct": distinct}
    found = {("true" if v else "false") if isinstance(v, bool) else str(v): n for v, n in counts}
    return found | ({"(other values)": distinct - len(found)} if distinct > len(found) else {})


async def _ranges(
    holder: Dataset, fields: Sequence[DataField], where: tuple[Filter, ...], desk: Desk
) -> Mapping[str, dict[str, Any]]:
    """The smallest and largest value of each number field that has any."""
    measures = tuple(Measure(how, each.name, f"{how}:{each.name}") for each in fields for how in ("min", "max"))
    if not measures:
        return {}
    total = (await desk.ask(Query(holder.name, EVER, measures, where=where))).total
    known = [each.name for each in fields if total[f"min:{each.name}"] is not None]
    return {name: {"min": total[f"min:{name}"], "max": total[f"max:{name}"]} for name in known}


async def _values(holder: Dataset, field: str, most: int, where: tuple[Filter, ...], desk: Desk) -> Answer:
    """The commonest values of one field."""
    found = holder.find(field)
    if not found.groupable:
        keys = await desk.keys(holder.name, field, where)
        rows = [[key, count] for key, count in list(keys.items())[:most]]
        return Answer(title=f"keys of {field} in {holder.name}", columns=["key", "events"], rows=rows)
    values = await desk.values(holder.name, field, where, most=most)
    head, _, key = field.partition(".")
    if key and head in holder.maps and all(value is None for value, _ in values.counts):
        known = await desk.keys(holder.name, head)
        if known and key not in known:
            raise unknown_name("a key", key, known, where=f"{head} in {holder.name}", many=True)
    return Answer(
        title=f"values of {field} in {holder.name}",
        facts={"type": found.type, "distinct": values.distinct} | ({"unit": found.unit} if found.unit else {}),
        columns=["value", "events"],
        rows=[[value, count] for value, count in values.counts],
    )


async def _search(text: str, most: int, desk: Desk) -> Answer:
    """Names that are near: datasets, fields, metrics, agents, and the values of the usual dimensions."""
    held = [each.dataset for each in await desk.extents() if not dataset(each.dataset).registry]
    places: list[tuple[str, str, Iterable[str]]] = [
        ("dataset", "", [each.name for each in DATASETS]),
        ("agent", "agents", await _agents(desk)),
    ]
    places += [("field", name, [f for f in dataset(name).names() if not f.endswith("<key>")]) for name in held]
    for name in held:
        holder = dataset(name)
        for field in ("name", "channel", "model_name", "tool_name", "mcp_server_name", "endpoint_id", "user", "team"):
            if field in holder.by_name:
                kind = "metric" if field == "name" else field
                places.append(
                    (kind, name, await _known(name, field, desk) if field != "team" else await _teams(name, desk))
                )
        for each in holder.maps:
            places.append((f"{each} key", name, await desk.keys(name, each)))
    rows = [[kind, name, where or None] for kind, where, names in places for name in nearest(text, names, most=5)]
    order = nearest(text, [str(row[1]) for row in rows], most=max(1, len(rows)))
    rows.sort(key=lambda row: order.index(row[1]) if row[1] in order else len(order))
    return Answer(
        title="names near the search",
        columns=["kind", "name", "in"] if rows else [],
        rows=rows[:most],
        notes=() if rows else ("no name is near; describe_metrics without search shows what is here",),
    )


async def _teams(name: str, desk: Desk) -> list[str]:
    counts = (await desk.values(name, "team", most=SEARCHED)).counts
    return [str(value) for value, _ in counts if value is not None]


DESCRIBE_METRICS = Tool(
    name="describe_metrics",
    title="What is here",
    description=(
        "Start here: datasets with extent, count and freshness; a dataset's fields with their commonest values; a "
        "field's values; or, with search, the names that are near."
    ),
    params=DescribeParams,
    run=describe_metrics,
    anywhere=True,
)
