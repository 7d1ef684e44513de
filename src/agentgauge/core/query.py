"""A question, and who answers it: Query, its parts, and the Store and Sink protocols.

Above: desks and dialects make queries. Below: stores answer them. Semantics: design section 4, stated once more in the
contract suite that runs over every store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from agentgauge.core.catalog import Field, dataset
from agentgauge.core.errors import InvalidValue, unknown_name

if TYPE_CHECKING:
    from agentgauge.core.table import Table
    from agentgauge.core.time import Bucket, Window

Scalar = str | int | float | bool

How = Literal["count", "sum", "avg", "min", "max", "count_distinct", "rate", "quantile"]
"""`count` of rows or of a field's values; `rate` the share of rows whose boolean field is true, `sum` of a boolean
field how many are."""
ADDS: frozenset[str] = frozenset({"count", "sum"})
"""The measures that add up over buckets and groups."""
ZERO_WHEN_NONE: frozenset[str] = frozenset({"count", "sum", "count_distinct"})
"""The measures of no values that are 0; every other is null."""

Operator = Literal[
    "EQUAL",
    "NOT_EQUAL",
    "IN",
    "NOT_IN",
    "STRING_CONTAINS",
    "STRING_NOT_CONTAINS",
    "STRING_STARTS_WITH",
    "STRING_NOT_STARTS_WITH",
    "STRING_ENDS_WITH",
    "STRING_NOT_ENDS_WITH",
    "GREATER_THAN",
    "LESS_THAN",
    "GREATER_THAN_EQUAL",
    "LESS_THAN_EQUAL",
    "BETWEEN",
    "IS_NULL",
    "ARRAY_HAS_ANY",
    "ARRAY_HAS_NONE",
]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
EQUALITY = frozenset({"EQUAL", "NOT_EQUAL"})
MEMBERSHIP = frozenset({"IN", "NOT_IN"})
STRINGS = frozenset(each for each in OPERATORS if each.startswith("STRING_"))
ORDER = frozenset({"GREATER_THAN", "LESS_THAN", "GREATER_THAN_EQUAL", "LESS_THAN_EQUAL", "BETWEEN"})
ARRAYS = frozenset({"ARRAY_HAS_ANY", "ARRAY_HAS_NONE"})
NULL = frozenset({"IS_NULL"})
BY_TYPE: Mapping[str, frozenset[str]] = {
    "string": EQUALITY | MEMBERSHIP | STRINGS | NULL,
    "code": EQUALITY | MEMBERSHIP | STRINGS | NULL,
    "integer": EQUALITY | MEMBERSHIP | ORDER | NULL,
    "number": EQUALITY | MEMBERSHIP | ORDER | NULL,
    "boolean": EQUALITY | NULL,
    "strings": ARRAYS,
}
"""The operators a field of each type takes."""
LISTS = MEMBERSHIP | ARRAYS | {"BETWEEN"}
"""The operators whose value is a list."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number to compute per row of the answer."""

    how: How
    field: str | None = None
    """None counts rows."""
    label: str = ""
    """The column it fills."""
    ppnn: int = 0
    """For a quantile: its percent in hundredths, 9950 for p99.5."""

    @property
    def adds(self) -> bool:
        """Whether values of several buckets or groups add up to the value of all."""
        return self.how in ADDS


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; conditions are joined by AND. Null fails every operator but IS_NULL."""

    field: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Top:
    """Keep the n groups with the largest first measure over the whole window; the rest is `other`."""

    n: int


@dataclass(frozen=True, slots=True)
class Scope:
    """What a member may see: the rows of a user, or of any of the teams."""

    user: str | None
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """One question over one dataset. Every store gives the same Table for it."""

    dataset: str
    window: Window
    measures: tuple[Measure, ...]
    bucket: Bucket | None = None
    group_by: tuple[str, ...] = ()
    where: tuple[Filter, ...] = ()
    top: Top | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """What a store holds of one dataset. Instants in ms UTC, None where there is nothing."""

    dataset: str
    count: int
    first: int | None
    last: int | None
    as_of: int | None


@dataclass(frozen=True, slots=True)
class Values:
    """The values one field takes, the most frequent first, and how many distinct ones there are."""

    field: str
    counts: Sequence[tuple[Scalar | None, int]]
    distinct: int


class Store(Protocol):
    """Answers questions. Every method reads one consistent state and raises StoreError when it cannot."""

    def query(self, query: Query) -> Table:
        """The answer to a question."""
        ...

    def extents(self) -> Sequence[Extent]:
        """What it holds, a row per dataset that has events."""
        ...

    def values(self, dataset: str, field: str, where: Sequence[Filter] = (), *, most: int = 10) -> Values:
        """The values of one field over all time."""
        ...

    def keys(self, dataset: str, field: str, where: Sequence[Filter] = ()) -> Mapping[str, int]:
        """The keys of a map field (metadata, labels) and how many events have each."""
        ...

    def registry(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """The newest entry of each id of a registry (`agents`, `numbers`)."""
        ...

    def rows(self, dataset: str, where: Sequence[Filter], *, most: int) -> Sequence[Mapping[str, Any]]:
        """The events themselves, oldest first, at most `most`; for what is a listing, not a sum."""
        ...

    def size(self) -> int:
        """How large it is, in bytes; 0 when there is nothing. Costs next to nothing."""
        ...


@dataclass(slots=True)
class Receipt:
    """What became of the events of a delivery."""

    accepted: int = 0
    duplicate: int = 0
    replaced: int = 0
    """Better copies that took the place of an event with the same call_key."""


class Sink(Protocol):
    """Takes events in. A batch is durable when `write` returns."""

    def write(self, events: Sequence[Mapping[str, Any]], memos: Mapping[str, bytes] | None = None) -> Receipt:
        """Stores checked events, at most 10,000, perhaps as columns (`core.alike`); `(ts, id)` already there means
        duplicate. What is to be remembered (see `recall`) is stored together with them, or not at all."""
        ...

    def recall(self, key: str) -> bytes | None:
        """What was remembered last under a key."""
        ...


def measure(how: str, field_name: str | None, label: str = "") -> Measure:
    """The measure of a word such as `count`, `sum`, `p95`, `countDistinct`.

    Raises:
        UnknownName: with the valid words and the nearest.
    """
    word = {"countDistinct": "count_distinct", "average": "avg", "mean": "avg", "median": "p50"}.get(how, how)
    label = label or (f"{word}_{field_name}" if field_name else word)
    if word in get_args(How) and word != "quantile":
        return Measure(word, field_name, label)  # type: ignore[arg-type]  # checked by the line above
    if word[:1] == "p" and word[1:].replace(".", "", 1).isdecimal() and word.isascii():
        whole, _, fraction = word[1:].partition(".")
        fits = 0 < len(whole) <= 3 and len(fraction) <= 2
        if fits and 0 < (ppnn := int(whole) * 100 + int(fraction.ljust(2, "0"))) <= 10_000:
            return Measure("quantile", field_name, label, ppnn)
    valid = ("count", "sum", "avg", "min", "max", "countDistinct", "rate", "p50", "p75", "p90", "p95", "p99")
    raise unknown_name("an aggregation", how, valid)


def check(query: Query) -> Query:
    """The same query, once its names, operators and value types are known to fit the catalog.

    Raises:
        UnknownName: a field that the dataset has not.
        InvalidValue: a measure or an operator that the field does not take, or a value of the wrong type.
    """
    holder = dataset(query.dataset)
    for each in query.measures:
        if each.field is not None:
            _check_measure(holder.find(each.field), each)
    for name in query.group_by:
        if not holder.find(name).groupable:
            raise InvalidValue(f"{name!r} has keys of its own.", hint=f"Group by one of them: {name}.<key>.")
    for condition in query.where:
        check_filter(holder.find(condition.field), condition)
    return query


def _check_measure(found: Field, each: Measure) -> None:
    fits = {"count": True, "count_distinct": found.type != "map", "rate": found.type == "boolean"}
    if not fits.get(each.how, found.measurable or (each.how in ("avg", "sum") and found.type == "boolean")):
        numbers = "a boolean field" if each.how == "rate" else "a number field"
        raise InvalidValue(
            f"{each.how} needs {numbers}; {found.name!r} is {_article(found.type)}.",
            hint="count and countDistinct take any field.",
        )


def check_filter(found: Field, condition: Filter, allowed: frozenset[str] | None = None) -> None:
    """Nothing, when the operator and the value fit the field.

    Raises:
        InvalidValue: saying which operators or what value the field takes.
    """
    takes = BY_TYPE.get(found.type, frozenset()) if allowed is None else allowed
    if condition.operator not in takes:
        valid = ", ".join(each for each in OPERATORS if each in takes) or "none"
        raise InvalidValue(
            f'Field "{found.name}" does not support operator "{condition.operator}".', hint=f"It takes: {valid}."
        )
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    if condition.operator in LISTS and not isinstance(condition.value, tuple):
        raise InvalidValue(f"{condition.operator} on {found.name!r} takes a list.", hint="Write [value, value].")
    if condition.operator not in LISTS and isinstance(condition.value, tuple):
        raise InvalidValue(
            f"{condition.operator} on {found.name!r} takes one value, not a list.", hint="IN takes a list."
        )
    if condition.operator == "BETWEEN" and len(values) != 2:
        raise InvalidValue(
            f"BETWEEN on {found.name!r} takes a list of two numbers, [low, high].", hint="Both ends are included."
        )
    if condition.operator == "IS_NULL":
        if not isinstance(condition.value, bool):
            raise InvalidValue(
                f"IS_NULL on {found.name!r} takes true or false.", hint="true asks for null, false for any value."
            )
        return
    for value in values:
        if not fits_type(found, value):
            raise InvalidValue(f"{condition.operator} on {found.name!r} takes {_article(found.type)}, not {value!r}.")


def fits_type(found: Field, value: Scalar) -> bool:
    """Whether a filter value is of the field's type."""
    if found.type in ("integer", "number"):
        return isinstance(value, int | float) and not isinstance(value, bool) and value == value
    if found.type == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str)


def _article(type_name: str) -> str:
    return {
        "string": "a string",
        "code": "a string",
        "integer": "a number",
        "number": "a number",
        "boolean": "true or false",
        "strings": "strings",
        "map": "a map",
    }[type_name]
