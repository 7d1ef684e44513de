"""What AgentPhone counts, as parts that are asked side by side and added up. Pure.

Source: contract `agentphone` 2.2 and design section 3, "What counts as what".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from agentgauge.core.catalog import dataset
from agentgauge.core.query import Filter, Measure, Query
from agentgauge.core.table import Cell, Other, Table, cut, rank

Ask = Callable[[Query], Awaitable[Table]]
AskTogether = Callable[[Sequence[Query]], Awaitable[Table]]


@dataclass(frozen=True, slots=True)
class Part:
    """Some columns that one dataset gives; parts with the same label are added."""

    dataset: str
    measures: tuple[Measure, ...]
    where: tuple[Filter, ...] = ()


def _is(field: str, value: str) -> Filter:
    return Filter(field, "EQUAL", value)


def _sum(field: str, label: str = "") -> Measure:
    return Measure("sum", field, label or field)


SENT = (_is("direction", "outbound"), _is("status", "sent"))
RECEIVED = (_is("direction", "inbound"), _is("status", "received"))
MESSAGES = (
    Part("messages", (Measure("count", None, "messages"),), SENT),
    Part("messages", (Measure("count", None, "messages"),), RECEIVED),
)
CALLS = Part("calls", (Measure("count", None, "calls"),))
"""All calls: daily, monthly, by number and summary (contract 2.5, 9)."""
COMPLETED_CALLS = Part(
    "calls",
    (Measure("count", None, "calls"), _sum("duration_seconds", "call_seconds")),
    (_is("status", "completed"),),
)
WEBHOOKS = Part("webhooks", (Measure("count", None, "webhooks"),))

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
RUNS = Part("requests", (Measure("count", None, "runs"),))
MODEL_CALLS = Part(
    "model_calls",
    (Measure("count", None, "model_calls"), *(_sum(name) for name in TOKENS), _sum("cost_usd")),
)
TOOL_CALLS = Part("tool_calls", (Measure("count", None, "tool_calls"),))
RUN_COSTS = Part("requests", (_sum("input_tokens"), _sum("output_tokens"), _sum("cost_usd")))
"""Tokens and cost of the runs themselves, for stores whose model calls are not recorded."""

BY_AGENT = (*MESSAGES, COMPLETED_CALLS, RUNS, MODEL_CALLS, TOOL_CALLS)
BY_DAY = (*MESSAGES, CALLS, WEBHOOKS)
AGENT = ("agent_id", "agent_name")
"""What is asked for `agent`, so that an id can be shown by the name its events carry."""
NUMBER = ("number_id", "phone_number", "country", "status", "agent_id", "agent_name")
"""What is known of a phone number."""
STATS = {
    "totalMessages": "total_messages",
    "messagesLast24h": "messages_last_24h",
    "messagesLast7d": "messages_last_7d",
    "messagesLast30d": "messages_last_30d",
    "totalCalls": "total_calls",
    "callsLast24h": "calls_last_24h",
    "callsLast7d": "calls_last_7d",
    "callsLast30d": "calls_last_30d",
    "totalWebhookDeliveries": "total_webhook_deliveries",
    "successfulWebhookDeliveries": "successful_webhook_deliveries",
    "failedWebhookDeliveries": "failed_webhook_deliveries",
    "smsSegmentsLast30d": "sms_segments_last_30d",
}
"""The account's counts: what the wire calls each, and the column that holds it."""
USED = "numbers_used"
"""The column of how many phone numbers are active."""


def measures(parts: Sequence[Part]) -> tuple[Measure, ...]:
    """The columns the parts fill together, each once."""
    return tuple({each.label: each for part in parts for each in part.measures}.values())


def fitting(parts: Sequence[Part], names: Sequence[str]) -> tuple[Part, ...]:
    """The parts whose dataset has every one of those fields."""

    def has(part: Part, name: str) -> bool:
        holder = dataset(part.dataset)
        return name in holder.names() or name.partition(".")[0] in holder.maps

    return tuple(part for part in parts if all(has(part, name) for name in names))


def joined(parts: Sequence[Part], ask: AskTogether) -> Ask:
    """A way to ask that puts the query's window, buckets, groups and filters to all parts together."""

    async def asked(query: Query) -> Table:
        own = [
            replace(
                query,
                dataset=part.dataset,
                measures=tuple(replace(each, label=f"{index}:{each.label}") for each in part.measures),
                where=part.where + query.where,
                top=None,
            )
            for index, part in enumerate(parts)
        ]
        table = ranked(added(await ask(own), measures(parts)))
        return cut(table, query.top.n) if query.top and query.bucket is None else table

    return asked


def added(table: Table, labels: Sequence[Measure]) -> Table:
    """A joined table with the columns that differ only by their part's number added up."""

    def parts_of(label: str) -> list[str]:
        return [each.label for each in table.measures if each.label.partition(":")[2] == label]

    def add(columns: Sequence[Sequence[Cell]]) -> list[Cell]:
        return [_plus(values) for values in zip(*columns, strict=True)]

    return replace(
        table,
        measures=tuple(labels),
        values={each.label: add([table.values[name] for name in parts_of(each.label)]) for each in labels},
        totals={each.label: add([table.totals[name] for name in parts_of(each.label)]) for each in labels},
        total={each.label: _plus([table.total[name] for name in parts_of(each.label)]) for each in labels},
    )


def _plus(values: Sequence[Cell]) -> Cell:
    return sum(value for value in values if isinstance(value, int | float))


def ranked(table: Table) -> Table:
    """Groups by their first column that has data, descending; the group without a name last."""
    first = next((each.label for each in table.measures if table.total[each.label]), table.measures[0].label)
    order = rank(table.groups, table.totals[first])
    order.sort(key=lambda index: bool(table.groups[index]) and all(part is None for part in table.groups[index]))
    place = {old: new for new, old in enumerate(order)}
    rows = sorted(range(len(table.at)), key=lambda row: (table.at[row], place[table.of[row]]))
    return replace(
        table,
        groups=[table.groups[index] for index in order],
        at=[table.at[row] for row in rows],
        of=[place[table.of[row]] for row in rows],
        values={label: [column[row] for row in rows] for label, column in table.values.items()},
        totals={label: [column[index] for index in order] for label, column in table.totals.items()},
    )


def together(table: Table, group_by: tuple[str, ...], names: dict[str, str]) -> Table:
    """A table without buckets that was asked by agent_id and agent_name, grouped by agent; fills in missing names.

    An agent is its id, or its name where events carry no id.
    """
    if "agent" not in group_by:
        return table
    place = table.group_by.index("agent_id")
    columns: dict[tuple[Cell, ...], list[int]] = {}
    for index, key in enumerate(table.groups):
        id, name = key[place], key[place + 1]
        if id is not None and name is not None:
            names.setdefault(str(id), str(name))
        columns.setdefault((*key[:place], name if id is None else id, *key[place + 2 :]), []).append(index)
    totals = {
        label: [_plus([column[index] for index in members]) for members in columns.values()]
        for label, column in table.totals.items()
    }
    merged = replace(
        table,
        group_by=group_by,
        groups=list(columns),
        at=[0] * len(columns),
        of=list(range(len(columns))),
        values=totals,
        totals=totals,
    )
    return ranked(merged)


def without_empty(table: Table) -> Table:
    """The table without the columns that no event fills; the first stays, so that nothing is still an answer."""
    kept = tuple(each for each in table.measures if table.total[each.label]) or table.measures[:1]
    labels = [each.label for each in kept]
    rest = table.other
    return replace(
        table,
        measures=kept,
        values={label: table.values[label] for label in labels},
        totals={label: table.totals[label] for label in labels},
        total={label: table.total[label] for label in labels},
        other=Other(groups=rest.groups, totals={label: rest.totals[label] for label in labels}) if rest else None,
    )
