"""The oracle: DuckDB answers a Query too, by SQL written here from the words of the design, with nothing of a store.

Events are loaded into one table per dataset; bucket edges are handed over as a list. Integers are 128 bits wide, so
that sums of theirs are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

import duckdb

from agentgauge.core.catalog import BY_TYPE, DERIVED, Dataset, dataset
from agentgauge.core.time import edges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentgauge.core.query import Filter, Measure, Query, Scope
    from agentgauge.core.table import Cell, Key

SQL_TYPES = {
    "string": "varchar",
    "code": "varchar",
    "integer": "hugeint",
    "number": "double",
    "boolean": "boolean",
    "strings": "varchar[]",
    "map": "map(varchar, varchar)",
}
COMPARISONS = {"GREATER_THAN": ">", "LESS_THAN": "<", "GREATER_THAN_EQUAL": ">=", "LESS_THAN_EQUAL": "<="}
STRING_FUNCTIONS = {"CONTAINS": "contains", "STARTS_WITH": "starts_with", "ENDS_WITH": "suffix"}


@dataclass(slots=True)
class Side:
    """Measures over some rows: per label the whole, and per bucket (and group) the parts."""

    totals: dict[str, Cell]
    parts: dict[int, dict[str, Cell]]


@dataclass(slots=True)
class Expected:
    """What the answer must be."""

    groups: list[Key]
    totals: dict[str, list[Cell]]
    total: dict[str, Cell]
    rows: dict[tuple[int, int], dict[str, Cell]]
    """(bucket, group) -> label -> value."""
    other: Side | None
    cut: int
    """How many groups `other` stands for."""
    edges: list[int] = field(default_factory=list[int])


class Oracle:
    """Holds events and answers questions about them."""

    def __init__(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._db = duckdb.connect(":memory:", config={"threads": 1})
        by_dataset: dict[str, dict[tuple[int, str], Mapping[str, Any]]] = {}
        for event in events:
            rows = by_dataset.setdefault(BY_TYPE[event["type"]].name, {})
            rows.setdefault((event["ts"], event["id"]), event)  # of two with one key the first wins
        for name, rows in by_dataset.items():
            self._load(dataset(name), list(rows.values()))

    def close(self) -> None:
        self._db.close()

    def _load(self, holder: Dataset, rows: list[Mapping[str, Any]]) -> None:
        columns = ", ".join(f'"{each.name}" {SQL_TYPES[each.type]}' for each in holder.fields)
        self._db.execute(f"create table {holder.name} (ts bigint, id varchar, {columns})")
        marks = f"(?, ?, {', '.join(f'?::{SQL_TYPES[each.type]}' for each in holder.fields)})"
        for start in range(0, len(rows), 100):
            some = rows[start : start + 100]
            values = [
                value
                for row in some
                for value in (row["ts"], row["id"], *(row.get(each.name) for each in holder.fields))
            ]
            self._db.execute(f"insert into {holder.name} values {', '.join([marks] * len(some))}", values)

    def answer(self, query: Query) -> Expected:
        """The answer to a question."""
        question = _Question(query)
        ask = self._ask
        grouped = ask(question, "whole", bool(query.group_by))
        keys = [key for _, key in grouped]
        first = query.measures[0].label
        keys.sort(key=cmp_to_key(lambda a, b: _compare((grouped[0, a][first], a), (grouped[0, b][first], b))))
        if not query.group_by:
            keys = [()]
        kept = keys[: query.top.n] if query.top else keys
        zeros = ("count", "sum", "count_distinct")
        nothing: dict[str, Cell] = {each.label: 0 if each.how in zeros else None for each in query.measures}
        parts = ask(question, "bucket", bool(query.group_by))
        place = {key: index for index, key in enumerate(kept)}
        rest = None
        if len(kept) < len(keys) and "team" not in query.group_by:
            beyond = ask(question, "whole", False, without=kept)[0, ()]
            rest = Side(
                beyond, {at: values for (at, _), values in ask(question, "bucket", False, without=kept).items()}
            )
        return Expected(
            groups=kept,
            totals={label: [grouped.get((0, key), nothing)[label] for key in kept] for label in nothing},
            total=ask(question, "whole", False).get((0, ()), nothing),
            rows={(at, place[key]): values for (at, key), values in parts.items() if key in place},
            other=rest,
            cut=len(keys) - len(kept),
            edges=question.edges,
        )

    def ids(self, name: str, where: Sequence[Filter]) -> list[str]:
        """The events that pass, oldest first."""
        conditions, values = self._passing(name, where)
        found = self._db.execute(f"select id from {name} where {conditions} order by ts, id", values).fetchall()
        return [row[0] for row in found]

    def values(self, name: str, field: str, where: Sequence[Filter]) -> list[tuple[Cell, int]]:
        """Every value of a field and how many events have it, the most frequent first, null last."""
        conditions, values = self._passing(name, where)
        column = column_of(field)
        if field == "team":
            column = "unnest(case when coalesce(len(team), 0) = 0 then [null] else team end)"
        sql = f"select v, count(*) from (select {column} as v from {name} where {conditions}) group by 1"
        sql += " order by 2 desc, 1 nulls last"
        return [(row[0], row[1]) for row in self._db.execute(sql, values).fetchall()]

    def keys(self, name: str, field: str, where: Sequence[Filter]) -> dict[str, int]:
        """The keys of a map and how many events have each."""
        conditions, values = self._passing(name, where)
        sql = (
            f"select k, count(*) from (select unnest(map_keys({field})) as k from {name} where {conditions}) group by 1"
        )
        return {row[0]: row[1] for row in self._db.execute(sql, values).fetchall()}

    def _passing(self, name: str, where: Sequence[Filter]) -> tuple[str, list[Any]]:
        values: list[Any] = []
        return " and ".join(["true", *(_condition(each, values) for each in where)]), values

    def _ask(
        self, question: _Question, by: str, grouped: bool, *, without: Sequence[Key] = ()
    ) -> dict[tuple[int, Key], dict[str, Cell]]:
        sql, values, width = question.sql(by, grouped, without)
        found: dict[tuple[int, Key], dict[str, Cell]] = {}
        for row in self._db.execute(sql, values).fetchall():
            parts = iter(row[1 + width :])
            found[row[0], row[1 : 1 + width]] = {each.label: _finished(each, parts) for each in question.query.measures}
        return found


class _Question:
    def __init__(self, query: Query) -> None:
        self.query = query
        self.holder = dataset(query.dataset)
        self.edges = list(edges(query.window, query.bucket)) if query.bucket else [query.window.start, query.window.end]

    def sql(self, by: str, grouped: bool, without: Sequence[Key]) -> tuple[str, list[Any], int]:
        query, values = self.query, list[Any]()
        values.append(self.edges)
        conditions = ["ts >= ?", "ts < ?"]
        values += [query.window.start, query.window.end]
        conditions += [_condition(each, values) for each in query.where]
        if query.scope:
            conditions.append(_scoped(query.scope, values))
        spread = "team" in query.group_by and (grouped or bool(without))
        for key in without:
            same = " and ".join(f"{self._group(name)} is not distinct from ?" for name in query.group_by)
            conditions.append(f"not ({same})")
            values += key
        groups = [self._group(name) for name in query.group_by] if grouped else []
        at = "i" if by == "bucket" else "0"
        teams = (
            ", unnest(case when coalesce(len(team), 0) = 0 then [null] else team end) as t(one_team)" if spread else ""
        )
        measures = [part for each in query.measures for part in self._measure(each)]
        places = ", ".join(str(number) for number in range(1 if by == "bucket" else 2, 2 + len(groups)))
        grouping = f"group by {places}" if places else "having count(*) > 0"
        text = f"""
            with marks as (select ?::bigint[] as edges),
            grid as (select unnest(range(len(edges))) as i, unnest(edges) as edge from marks)
            select {", ".join([at, *groups, *measures])}
            from {self.holder.name} asof join grid on ts >= edge {teams}
            where {" and ".join(conditions)} {grouping}"""
        return text, values, len(groups)

    def _group(self, name: str) -> str:
        return "one_team" if name == "team" else column_of(name)

    def _measure(self, each: Measure) -> list[str]:
        if each.field is None:
            return ["count(*)"]
        column = column_of(each.field)
        kind = self.holder.find(each.field).type
        if each.how == "avg":
            number = f"{column}::int" if kind == "boolean" else column
            return [f"sum({number})", f"count({column})"]
        if each.how == "rate":
            return [f"count(*) filter (where {column})", f"count({column})"]
        if each.how == "quantile":
            rank = f"({each.ppnn} * count({column}) + 9999) // 10000"
            return [f"list_sort(list({column}) filter (where {column} is not null))[{rank}]"]
        if each.how == "count_distinct":
            if kind == "strings":
                return [f"coalesce(len(list_distinct(flatten(list({column}) filter (where {column} is not null)))), 0)"]
            return [f"count(distinct {column})"]
        if each.how == "sum":
            return [f"coalesce(sum({column}), 0)"]
        return [f"{each.how}({column})"]


def column_of(name: str) -> str:
    """The SQL of a dimension."""
    if how := DERIVED.get(name):
        if how.how == "status_class":
            return f"((({how.parts[0]} // 100)::varchar) || 'xx')"
        return f"coalesce({', '.join(how.parts)})"
    head, dot, key = name.partition(".")
    if dot:
        return f"{head}['{key}']"
    return f'"{name}"'


def _condition(each: Filter, values: list[Any]) -> str:
    column, operator, value = column_of(each.field), each.operator, each.value
    if operator == "IS_NULL":
        return f"{column} is {'' if value else 'not '}null"
    if isinstance(value, tuple):
        return _list_condition(column, operator, value, values)
    values.append(value)
    if operator in ("EQUAL", "NOT_EQUAL"):
        return f"coalesce({column} {'=' if operator == 'EQUAL' else '<>'} ?, false)"
    if operator in COMPARISONS:
        return f"coalesce({column} {COMPARISONS[operator]} ?, false)"
    negative = operator.startswith("STRING_NOT_")
    function = STRING_FUNCTIONS[operator.removeprefix("STRING_NOT_").removeprefix("STRING_")]
    return f"coalesce({'not ' if negative else ''}{function}({column}, ?), false)"


def _list_condition(column: str, operator: str, value: tuple[Any, ...], values: list[Any]) -> str:
    if operator == "BETWEEN":
        values += value
        return f"coalesce({column} >= ? and {column} <= ?, false)"
    values += value
    same = [f"list_contains({column}, ?)" if operator.startswith("ARRAY") else f"{column} = ?"] * len(value)
    some = f"({' or '.join(same)})" if same else "false"
    if operator == "ARRAY_HAS_ANY":
        return f"coalesce({some}, false)"
    if operator == "ARRAY_HAS_NONE":
        return f"not coalesce({some}, false)"
    return f"({column} is not null and {'not ' if operator == 'NOT_IN' else ''}{some})"


def _scoped(scope: Scope, values: list[Any]) -> str:
    allowed = ["false"]
    if scope.user is not None:
        allowed.append('coalesce("user" = ?, false)')
        values.append(scope.user)
    for team in scope.teams:
        allowed.append("coalesce(list_contains(team, ?), false)")
        values.append(team)
    return f"({' or '.join(allowed)})"


def _finished(each: Measure, parts: Any) -> Cell:
    value = next(parts)
    if each.how in ("avg", "rate"):
        count = next(parts)
        return value / count if count else None
    return value


def _compare(one: tuple[Cell, Key], two: tuple[Cell, Key]) -> int:
    """By value descending, null last; then by the groups' own values ascending, null last."""
    if one[0] != two[0]:
        if one[0] is None or two[0] is None:
            return 1 if one[0] is None else -1
        return -1 if one[0] > two[0] else 1  # type: ignore[operator]  # the values of a first measure are numbers
    for a, b in zip(one[1], two[1], strict=True):
        if a == b:
            continue
        if a is None or b is None:
            return 1 if a is None else -1
        return -1 if a < b else 1  # type: ignore[operator]  # the values of one group are of one type
    return 0
