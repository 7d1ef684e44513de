"""The rows of one organisation's file: a window as columns, and listings of them.

Above: store. Below: core and sqlite3; numpy only once a window is read. Identifiers come from the catalog alone, values
are bound. `conditions` says in SQL what `Column.fits` says in numpy; a test holds the two together.
"""

from __future__ import annotations

import math
import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from agentgauge.core.catalog import DATASETS, DERIVED, Dataset, dataset
from agentgauge.core.errors import unknown_name
from agentgauge.core.query import Extent, Filter, Query, Scalar, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agentgauge.stores.sqlite.columns import Coder, Column, Columns, Counter

_Kind = TypeVar("_Kind", list[Any], dict[str, Any])
_Numbers = TypeVar("_Numbers", bound="Counter")

WINDOW = 'select e.ts{columns} from "{table}" as e where e.ts >= ? and e.ts < ?{where} order by e.ts'
LATE = """
select e.ts{columns} from index_late as l cross join "{table}" as e on e.ts = l.ts and e.id = l.id
where l.segment in (select value from json_each(?)) and l.ts >= ? and l.ts < ?{where} order by e.ts
"""
ANY_LATE = "select 1 from index_late limit 1"
ANY = 'select 1 from "{table}" where ts >= ? and ts < ? limit 1'
AS_OF = "select as_of from watermarks where dataset = ?"
EXTENT = 'select count(*), min(ts), max(ts) from "{table}"'
LAST = 'select max(ts) from "{table}"'
VALUES = """
select value, n, count(value) over () from (
  select {value} as value, count(*) as n from "{table}" as e where {where} group by 1
) order by n desc, value is null, value limit ?
"""
MEMBERS = """
select value, n, count(value) over () from (
  select t.value as value, count(*) as n
  from "{table}" as e left join json_each(e."{field}") as t where {where} group by 1
) order by n desc, value is null, value limit ?
"""
KEYS = """
select t.key, count(*) as n from "{table}" as e, json_each(e."{field}") as t where {where}
group by t.key order by n desc, t.key
"""
NEWEST = 'select e.id, max(e.ts), {columns} from "{table}" as e group by e.id order by e.id'
LISTING = 'select e.ts, e.id, {columns} from "{table}" as e where {where} order by e.ts, e.id limit ?'

_PORTION = 1_000
"""Rows turned into columns at a time, so that they never leave the processor's cache as tuples."""
_COMPARISONS: Mapping[str, str] = {
    "EQUAL": "{x} = ?",
    "NOT_EQUAL": "{x} <> ?",
    "GREATER_THAN": "{x} > ?",
    "LESS_THAN": "{x} < ?",
    "GREATER_THAN_EQUAL": "{x} >= ?",
    "LESS_THAN_EQUAL": "{x} <= ?",
    "STRING_CONTAINS": "instr({x}, ?) > 0",
    "STRING_NOT_CONTAINS": "instr({x}, ?) = 0",
    "STRING_STARTS_WITH": "substr({x}, 1, {n}) = ?",
    "STRING_NOT_STARTS_WITH": "substr({x}, 1, {n}) <> ?",
    "STRING_ENDS_WITH": "substr({x}, -{n}) = ?",
    "STRING_NOT_ENDS_WITH": "substr({x}, -{n}) <> ?",
}
_LISTS: Mapping[str, str] = {
    "IN": "{x} in ({marks})",
    "NOT_IN": "{x} is not null and {x} not in ({marks})",
    "BETWEEN": "{x} between ? and ?",
    "ARRAY_HAS_ANY": "exists (select 1 from json_each({x}) where value in ({marks}))",
    "ARRAY_HAS_NONE": "not exists (select 1 from json_each({x}) where value in ({marks}))",
}
_SELECTIVE = frozenset({"EQUAL", "IN"})
"""The filters SQLite tries too, so that fewer rows are read; the scan decides."""

Sql = tuple[str, list[Any]]


Stretch = tuple[int, int]
"""Instants from the first on to before the last, ms UTC."""


def read(connection: sqlite3.Connection | None, query: Query, stretches: Sequence[Stretch]) -> Columns:
    """The columns a question needs, of the rows in those stretches of time. No connection means no rows."""
    return _read(connection, query, WINDOW, [list(each) for each in stretches])


def late(connection: sqlite3.Connection, query: Query, segments: Sequence[int]) -> Columns | None:
    """The same of the rows that came to those segments after they were built; None when no segment has any."""
    if not segments or connection.execute(ANY_LATE).fetchone() is None:
        return None
    return _read(connection, query, LATE, [[orjson.dumps(segments), query.window.start, query.window.end]])


def _read(connection: sqlite3.Connection | None, query: Query, select: str, times: Sequence[list[Any]]) -> Columns:
    from agentgauge.stores.sqlite.columns import Columns, Counter

    holder = dataset(query.dataset)
    names = needed(query)
    sources, builders = taking(holder, names, Counter)
    instants = Counter()
    if connection is not None:
        chosen = selective(holder, query.where)
        sql, bound = conditions(holder, chosen)
        where = f" and {sql}" if chosen else ""
        columns = "".join(f", {source}" for source in builders)
        sql = select.format(columns=columns, table=holder.name, where=where)
        for given in times:
            fill(connection.execute(sql, [*given, *bound]), [instants, *builders.values()])
    built = {source: each.done() for source, each in builders.items()}
    return Columns(instants.done().values, {name: typed(holder, name, built[sources[name]]) for name in names})


def taking(
    holder: Dataset, names: Sequence[str], number: type[_Numbers]
) -> tuple[dict[str, str], dict[str, Coder | _Numbers]]:
    """What to read for each field, and what takes it in: numbers with builders of that kind."""
    from agentgauge.stores.sqlite.columns import Coder

    sources = {name: stored(holder, name) for name in names}
    numeric = {sources[name] for name in names if holder.find(name).measurable}
    return sources, {source: number() if source in numeric else Coder() for source in dict.fromkeys(sources.values())}


def has_any(connection: sqlite3.Connection, name: str, stretches: Iterable[Stretch]) -> bool:
    """Whether a dataset has an event in any of the stretches."""
    sql = ANY.format(table=dataset(name).name)
    return any(connection.execute(sql, each).fetchone() for each in stretches)


def as_of(connection: sqlite3.Connection, name: str) -> int | None:
    """The instant up to which the dataset is known."""
    row = connection.execute(AS_OF, [name]).fetchone()
    return row[0] if row else None


def extents(connection: sqlite3.Connection) -> list[Extent]:
    """What is held of every dataset that has events."""
    found: list[Extent] = []
    for each in DATASETS:
        count, first, last = connection.execute(EXTENT.format(table=each.name)).fetchone()
        if count:
            found.append(Extent(each.name, count, first, last, as_of(connection, each.name)))
    return found


def after_last(connection: sqlite3.Connection, holder: Dataset) -> int:
    """The first instant after every event of a dataset."""
    (last,) = connection.execute(LAST.format(table=holder.name)).fetchone()
    return 1 if last is None else last + 1


def values(connection: sqlite3.Connection, holder: Dataset, name: str, where: Sequence[Filter], most: int) -> Values:
    """The commonest values of a field, null among them, and how many distinct ones there are, null not among them."""
    found, (condition, bound) = holder.find(name), conditions(holder, where)
    if found.type == "strings":
        sql, given = MEMBERS.format(field=name, table=holder.name, where=condition), bound
    else:
        value, keys = _expression(holder, name)
        sql, given = VALUES.format(value=value, table=holder.name, where=condition), [*keys, *bound]
    rows = connection.execute(sql, [*given, most]).fetchall()
    as_value: Callable[[Any], Scalar] = bool if found.type == "boolean" else _itself
    counts = [(None if value is None else as_value(value), n) for value, n, _ in rows]
    return Values(name, counts, rows[0][2] if rows else 0)


def keys(connection: sqlite3.Connection, holder: Dataset, name: str, where: Sequence[Filter]) -> dict[str, int]:
    """The keys of a map field and how many events have each, the most frequent first."""
    condition, bound = conditions(holder, where)
    return dict(connection.execute(KEYS.format(field=name, table=holder.name, where=condition), bound).fetchall())


def map_field(holder: Dataset, name: str) -> str:
    """The name itself.

    Raises:
        UnknownName: if the dataset has no such map field.
    """
    if name not in holder.maps:
        raise unknown_name("a map field", name, holder.maps, where=holder.name)
    return name


def newest(connection: sqlite3.Connection, holder: Dataset) -> dict[str, dict[str, Any]]:
    """The newest row of every id."""
    sql = NEWEST.format(columns=_all(holder), table=holder.name)
    return {row[0]: _event(holder, row[1], row[0], row[2:]) for row in connection.execute(sql)}


def listing(
    connection: sqlite3.Connection, holder: Dataset, where: Sequence[Filter], most: int
) -> list[dict[str, Any]]:
    """The rows that fit, oldest first."""
    condition, bound = conditions(holder, where)
    sql = LISTING.format(columns=_all(holder), table=holder.name, where=condition)
    return [_event(holder, row[0], row[1], row[2:]) for row in connection.execute(sql, [*bound, most])]


def conditions(holder: Dataset, where: Sequence[Filter]) -> Sql:
    """The filters as one SQL condition and the values it binds."""
    parts: list[str] = []
    bound: list[Any] = []
    for condition in where:
        sql, given = _condition(holder, condition)
        parts.append(f"({sql})")
        bound += given
    return " and ".join(parts) or "1", bound


def _condition(holder: Dataset, condition: Filter) -> Sql:
    name, value = condition.operator, condition.value
    x, given = _expression(holder, condition.field)
    if name == "IS_NULL":
        return f"{x} is {'' if value else 'not '}null", given
    if isinstance(value, tuple):
        wanted = [_bindable(each) for each in value if name == "BETWEEN" or _storable(each)]
        sql = _LISTS[name].format(x=x, marks=", ".join("?" * len(wanted)))
        return sql, [*given * sql.count(x), *wanted]
    if not _storable(value) or (value == "" and name.endswith(("_WITH", "CONTAINS"))):
        holds = ("_NOT_" in name or name.startswith("NOT_")) is (value != "")
        return (f"{x} is not null", given) if holds else ("0", [])
    length = len(value) if isinstance(value, str) else 0
    return _COMPARISONS[name].format(x=x, n=length), [*given, _bindable(value)]


def _storable(value: Scalar) -> bool:
    """Whether a stored value can equal it: half a surrogate pair has no UTF-8."""
    return not isinstance(value, str) or not any("\ud800" <= char <= "\udfff" for char in value)


def _bindable(value: Scalar) -> Scalar:
    if not isinstance(value, int) or -(2**63) <= value < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def selective(holder: Dataset, where: Sequence[Filter]) -> list[Filter]:
    """The filters that rows are left out by before they become columns; what is left decides their types."""
    return [
        each
        for each in where
        if each.operator in _SELECTIVE and each.field in holder.by_name and not holder.find(each.field).measurable
    ]


def needed(query: Query) -> list[str]:
    """The fields that a question names."""
    names = [each.field for each in query.measures if each.field is not None]
    names += [*query.group_by, *(each.field for each in query.where)]
    if query.scope is not None:
        names += ["team", "user"]
    return list(dict.fromkeys(names))


def _expression(holder: Dataset, name: str) -> Sql:
    """A field as SQL: a column, a derived one, or one key of a map."""
    head, dot, key = name.partition(".")
    if dot and name not in holder.by_name:
        return f'(select value from json_each(e."{head}") where key = ?)', [key]
    return stored(holder, name), []


def stored(holder: Dataset, name: str) -> str:
    """What to read for a field: its column, the whole map for one of its keys, or what derives it."""
    if name in holder.by_name:
        return f'e."{name}"'
    if name in DERIVED:
        parts = [f'e."{part}"' for part in DERIVED[name].parts]
        return f"({parts[0]} / 100) || 'xx'" if DERIVED[name].how == "status_class" else f"coalesce({', '.join(parts)})"
    return f'e."{name.partition(".")[0]}"'


def fill(cursor: sqlite3.Cursor, builders: Sequence[Coder | Counter]) -> None:
    """Takes every row in, each of its values with a builder of its own.

    Raises:
        sqlite3.DataError: if what should be a number is none.
    """
    while portion := cursor.fetchmany(_PORTION):
        for builder, column in zip(builders, zip(*portion, strict=True), strict=True):
            try:
                builder.add(column)
            except TypeError as error:
                raise sqlite3.DataError("a number column holds something else") from error


def typed(holder: Dataset, name: str, column: Column) -> Column:
    """The stored column as the field's type asks."""
    from agentgauge.stores.sqlite.columns import Coded, Lists, recoded

    if not isinstance(column, Coded):
        return column
    if holder.find(name).type == "boolean":
        return recoded(column, [bool(value) for value in column.values])
    if holder.find(name).type == "strings":
        return Lists(column.codes, [tuple(decoded(text, list)) for text in column.values])
    _, dot, key = name.partition(".")
    if dot and name not in holder.by_name:
        return recoded(column, of_key(column.values, key))
    return column


def of_key(texts: Iterable[str], key: str) -> list[str | None]:
    """What each map, as it is stored, has under a key."""
    return [decoded(text, dict).get(key) for text in texts]


def decoded(text: str, kind: type[_Kind]) -> _Kind:
    """A list or map as it is stored.

    Raises:
        sqlite3.DataError: if it is something else.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise sqlite3.DataError("a list or map is no JSON") from error
    if not isinstance(found, kind):
        raise sqlite3.DataError("a list or map is something else")
    return found


def _all(holder: Dataset) -> str:
    return ", ".join(f'e."{each.name}"' for each in holder.fields)


def _event(holder: Dataset, ts: int, id: str, cells: Sequence[Any]) -> dict[str, Any]:
    event: dict[str, Any] = {"ts": ts, "id": id}
    for each, value in zip(holder.fields, cells, strict=True):
        if value is None or each.type not in _DECODE:
            event[each.name] = value
        else:
            event[each.name] = _DECODE[each.type](value)
    return event


def _itself(value: Scalar) -> Scalar:
    return value


_DECODE: Mapping[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "strings": lambda text: decoded(text, list),
    "map": lambda text: decoded(text, dict),
}
