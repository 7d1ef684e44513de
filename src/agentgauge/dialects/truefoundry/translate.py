"""TrueFoundry's words to a Query's: columns, aggregations, groups, filters. Pure.

Semantics: contract `truefoundry` 3.2 to 3.4 and 3.7. A datasource is one of the vendor's six, or any of our datasets
with its own field names and every operator its type takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import BY_NAME, DATASETS, Dataset, dataset, names
from agentgauge.core.errors import InvalidValue, unknown_name
from agentgauge.core.parse import condition, conditions, implied, listed, operator
from agentgauge.core.query import Filter, Measure, Query, Scope, measure
from agentgauge.dialects.truefoundry.columns import DATASOURCES, FULL, Datasource

if TYPE_CHECKING:
    from agentgauge.core.operation import Principal

COUNT = Measure("count", None, "count")
TOTAL = replace(COUNT, label="total")
"""The implicit COUNT(*) of every row, by the vendor's key (contract 3.4); our own datasets call it count."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is asked: a dataset, and the vendor's view of it where one was named."""

    name: str
    holder: Dataset
    wire: Datasource | None


def source(name: str) -> Source:
    """The datasource or dataset of that name.

    Raises:
        UnknownName: with the valid ones and the nearest.
    """
    if wire := DATASOURCES.get(name):
        return Source(name, dataset(wire.dataset), wire)
    if name in BY_NAME and not BY_NAME[name].registry:
        return Source(name, BY_NAME[name], None)
    raise unknown_name("a datasource", name, [*DATASOURCES, *names(DATASETS)])


def groups(asked: Sequence[str] | None, of: Source) -> dict[str, str]:
    """What to group by: our field -> the name it was asked by.

    Raises:
        UnknownName: a column that the datasource does not group by.
        InvalidValue: userEmail together with virtualaccount, which share one response key (contract 3.7, 16).
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(asked or ()):
        found[_column(name, of, "a column to group by")] = name
    if of.wire and {"userEmail", "virtualaccount"} <= set(asked or ()):
        raise InvalidValue(
            "groupBy fields userEmail and virtualaccount share one response key.", hint="Group by one of them."
        )
    return found


def aggregations(asked: Sequence[Mapping[str, Any]] | None, of: Source) -> tuple[Measure, ...]:
    """COUNT(*) and the measures asked for, labelled as the vendor keys them (`p99LatencyMs`; ours `p99_latency_ms`).

    Raises:
        UnknownName: an aggregation or a column that does not exist.
        InvalidValue: an entry of another form.
    """
    found = [TOTAL if of.wire else COUNT]
    for each in asked or ():
        if not isinstance(each.get("type"), str) or set(each) - {"type", "column"}:
            raise InvalidValue(
                "an aggregation is {type, column}.", hint='For example {"type":"p99","column":"latencyMs"}.'
            )
        name = each.get("column")
        if name is None and each["type"] != "count":
            raise InvalidValue(f"the aggregation {each['type']!r} needs a column.", hint="Only count can do without.")
        made = measure(each["type"], _column(str(name), of, "a column") if name else None)
        label = _label(each["type"], str(name), of) if name else found[0].label
        if label not in {known.label for known in found}:
            found.append(replace(made, label=label))
    return tuple(found)


def _label(type: str, name: str, of: Source) -> str:
    if of.wire is None:
        return f"{measure(type, None).label}_{name}"
    return f"{type}{name[0].upper()}{name[1:]}"


def filters(asked: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None, of: Source) -> tuple[Filter, ...]:
    """The filters, each with the operators its field takes, and the datasource's implied ones.

    Raises:
        UnknownName: a field or operator that does not exist.
        InvalidValue: an operator that the field does not take, or a value of another form.
    """
    if of.wire is None:
        return conditions(asked, of.holder)
    found: list[Filter] = []
    for name, word, operand in listed(asked):
        column = of.wire.filters.get(name)
        if column is None and not (name.startswith("metadata.") and len(name) > len("metadata.")):
            error = unknown_name("a filter field", name, [*of.wire.filters, "metadata.<key>"], where=of.name)
            error.message = f"{of.wire.unknown_filter.format(name)}. {error.message}"
            raise error
        held = of.holder.find(column.field if column else name)
        shown = replace(held, name=name) if column else held
        meant = implied(held, operand) if word is None else operator(word)
        made = condition(shown, meant, operand, column.operators if column else FULL)
        found.append(replace(made, field=held.name))
    return of.wire.implied + tuple(found)


def _column(name: str, of: Source, kind: str) -> str:
    if of.wire is None:
        return of.holder.find(name).name
    if name.startswith("metadata.") and len(name) > len("metadata."):
        return name
    if column := of.wire.columns.get(name):
        return column.field
    raise unknown_name(kind, name, [*of.wire.columns, "metadata.<key>"], where=of.name)


def guard(query: Query, who: Principal) -> Query:
    """A member sees the rows of their own and of their teams (contract 3.1, RBAC); all others see all."""
    if who.role != "member" or query.dataset not in {each.dataset for each in DATASOURCES.values()}:
        return query
    return replace(query, scope=Scope(who.user, who.teams))
