"""Columns of some rows in memory, in the narrowest types that hold them, and which rows fit a condition.

Above: scan reads them, rows and segments build them. Below: numpy. Nothing here knows where the values come from.
How null is told stands here alone: code 0 of a dictionary, a mask beside numbers.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from agentgauge.stores.sqlite.sums import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agentgauge.core.query import Filter, Scalar
    from agentgauge.stores.sqlite.orders import Runs

Array = npt.NDArray[Any]

_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQUAL": lambda own, value: own == value,
    "NOT_EQUAL": lambda own, value: own != value,
    "IN": lambda own, values: own in values,
    "NOT_IN": lambda own, values: own not in values,
    "STRING_CONTAINS": lambda own, value: value in own,
    "STRING_NOT_CONTAINS": lambda own, value: value not in own,
    "STRING_STARTS_WITH": lambda own, value: own.startswith(value),
    "STRING_NOT_STARTS_WITH": lambda own, value: not own.startswith(value),
    "STRING_ENDS_WITH": lambda own, value: own.endswith(value),
    "STRING_NOT_ENDS_WITH": lambda own, value: not own.endswith(value),
    "ARRAY_HAS_ANY": lambda own, values: not values.isdisjoint(own),
    "ARRAY_HAS_NONE": lambda own, values: values.isdisjoint(own),
}
_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_EQUAL": operator.le,
}


@dataclass(frozen=True, slots=True)
class Coded:
    """A dimension: a code per row, 0 for null and c for `values[c - 1]` of a dictionary of distinct values."""

    codes: Array
    """Of any integer type that holds the codes."""
    values: Sequence[Any]
    """Parts that share one dictionary should share this very object: they are then scanned without recoding."""

    def take(self, rows: Array | slice) -> Coded:
        """The column of those rows only."""
        return Coded(self.codes[rows], self.values)

    def present(self) -> Array:
        """Per row, whether it has a value."""
        return self.codes != 0

    def fits(self, condition: Filter) -> Array:
        """Per row, whether the condition holds; it is tried once per distinct value."""
        return self.table(condition)[self.codes]

    @property
    def dictionary(self) -> Sequence[Any]:
        """What its codes stand for."""
        return self.values

    def table(self, condition: Filter) -> Array:
        """Per code, null's first, whether the condition holds."""
        if condition.operator == "IS_NULL":
            found = np.full(len(self.values) + 1, not condition.value)
            found[0] = condition.value
            return found
        return _tried(self.values, condition, null=False)


@dataclass(frozen=True, slots=True)
class Lists:
    """A column of lists of distinct strings: a code per row, 0 for a missing one and c for `lists[c - 1]`."""

    codes: Array
    lists: Sequence[tuple[str, ...]]

    def take(self, rows: Array | slice) -> Lists:
        """The column of those rows only."""
        return Lists(self.codes[rows], self.lists)

    def present(self) -> Array:
        """Per row, whether its list has a member."""
        return np.array([False, *map(bool, self.lists)], bool)[self.codes]

    def fits(self, condition: Filter) -> Array:
        """Per row, whether the condition holds; a missing list is an empty one."""
        return self.table(condition)[self.codes]

    @property
    def dictionary(self) -> Sequence[tuple[str, ...]]:
        """What its codes stand for."""
        return self.lists

    def table(self, condition: Filter) -> Array:
        """Per code, a missing list's first, whether the condition holds."""
        return _tried(self.lists, condition, null=condition.operator == "ARRAY_HAS_NONE")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Exact numbers: `stored + offset`, of any integer type up to int64 (also unsigned up to 32 bits), or float64, or
    Python objects where integers beyond 2**53 stand beside floats. Floats and objects have no offset."""

    stored: Array
    null: Array | None = None
    """Per row, whether it has no value (0 is then stored); None when all have."""
    offset: int = 0
    found_ends: list[Any] = field(default_factory=list[Any], compare=False, repr=False)
    """What `ends` found, once it was asked."""

    @property
    def kind(self) -> str:
        """int, float or object."""
        return {"f": "float", "O": "object"}.get(self.stored.dtype.kind, "int")

    def ends(self) -> tuple[Any, Any]:
        """The smallest and the largest value, the zeros of null rows among them; there must be a row."""
        if not self.found_ends:  # a column that stays in memory is asked again and again
            if self.stored.dtype == object:
                self.found_ends.extend((min(self.stored), max(self.stored)))
            else:
                self.found_ends.extend(each.item() + self.offset for each in (self.stored.min(), self.stored.max()))
        return self.found_ends[0], self.found_ends[1]

    @property
    def is_empty(self) -> bool:
        """Whether no row has a value."""
        return not len(self.stored) or (self.null is not None and bool(self.null.all()))

    @property
    def values(self) -> Array:
        """The values as int64, float64 or objects; those of null rows mean nothing."""
        if self.stored.dtype.kind not in "iu":
            return self.stored
        wide = self.stored.astype(np.int64, copy=False)
        return wide + self.offset if self.offset else wide

    def take(self, rows: Array | slice) -> Numbers:
        """The column of those rows only."""
        return Numbers(self.stored[rows], None if self.null is None else self.null[rows], self.offset)

    def present(self) -> Array:
        """Per row, whether it has a value."""
        return np.ones(len(self.stored), bool) if self.null is None else ~self.null

    def fits(self, condition: Filter) -> Array:
        """Per row, whether the condition holds, by exact numeric value."""
        name, value = condition.operator, condition.value
        if name == "IS_NULL":
            return ~self.present() if value else self.present()
        if name == "BETWEEN":
            low, high = value if isinstance(value, tuple) else (value, value)
            return self._ordered(operator.ge, low) & self._ordered(operator.le, high) & self.present()
        if compare := _ORDER.get(name):
            return self._ordered(compare, value) & self.present()
        same = self._among(value if isinstance(value, tuple) else (value,))
        return (same if name in ("EQUAL", "IN") else ~same) & self.present()

    def _ordered(self, compare: Callable[[Any, Any], Any], bound: Any) -> Array:
        stored = self.stored
        if stored.dtype.kind in "iu":
            if isinstance(bound, float) and math.isfinite(bound):
                compare, bound = _whole(compare, bound)
            bound -= self.offset
        elif stored.dtype == np.float64 and _as_float(bound) is None:
            stored = stored.astype(object)
        return np.asarray(compare(stored, bound), bool)

    def _among(self, wanted: Iterable[Any]) -> Array:
        if self.stored.dtype == object:
            known = set(wanted)
            return np.fromiter((each in known for each in self.stored), bool, len(self.stored))
        if self.stored.dtype == np.float64:
            exact = [each for each in map(_as_float, wanted) if each is not None]
        else:
            kind = np.iinfo(self.stored.dtype)
            shifted = [each - self.offset for each in map(_as_int, wanted) if each is not None]
            exact = [each for each in shifted if kind.min <= each <= kind.max]
        if len(exact) == 1:
            return self.stored == exact[0]
        return np.isin(self.stored, np.array(exact, self.stored.dtype))


@dataclass(frozen=True, slots=True)
class Totals:
    """A number field where each row stands for many events: what their values come to."""

    counts: Array
    """How many of a row's events have a value."""
    is_full: bool
    """Whether all have."""
    low: Numbers
    high: Numbers
    """The smallest and the largest value, null where there is none."""
    sums: tuple[Numbers, ...]
    """Together exactly the sum."""
    runs: Runs | None = None
    """All of the values in order, where they are known; a question for a quantile is not put to a field without."""
    whole: Runs | None = None
    """The same for where buckets do not matter, in fewer runs: those of a segment's rows that agree are one."""

    def take(self, rows: Array | slice) -> Totals:
        """The column of those rows only."""
        low, high, *sums = (each.take(rows) for each in (self.low, self.high, *self.sums))
        runs, whole = (each and each.take(rows) for each in (self.runs, self.whole))
        return Totals(self.counts[rows], self.is_full, low, high, tuple(sums), runs, whole)

    def present(self) -> Array:
        """Per row, whether any of its events has a value."""
        return self.counts > 0


Column = Coded | Numbers | Lists
"""A field of events."""
AnyColumn = Column | Totals
"""A field of rows, whatever they stand for."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A part of a dataset: some columns of some rows, the rows in ascending time."""

    ts: Array
    """Milliseconds after `since`, of any integer type, ascending."""
    fields: Mapping[str, AnyColumn]
    since: int = 0
    """Milliseconds UTC."""
    events: Array | None = None
    """How many events each row stands for; None when each row is an event."""


class Coder:
    """Builds a Coded column from values that come in portions."""

    def __init__(self) -> None:
        self._known = Numbering({None: 0})
        self._parts: list[Array] = []

    def add(self, values: Sequence[Any]) -> None:
        """Takes the next rows in."""
        self._parts.append(self._known.of(values))

    def done(self) -> Coded:
        """The column of all rows."""
        kind = np.min_scalar_type(len(self._known))
        codes = np.concatenate(self._parts, dtype=kind, casting="unsafe") if self._parts else np.empty(0, kind)
        return Coded(codes, list(self._known)[1:])


class Counter:
    """Builds a Numbers column from values that come in portions."""

    def __init__(self) -> None:
        self._parts: list[Numbers] = []

    def add(self, values: Sequence[Any]) -> None:
        """Takes the next rows in."""
        self._parts.append(numbers(values))

    def done(self) -> Numbers:
        """The column of all rows."""
        return join_numbers(self._parts)


class Numbering(dict[Any, int]):
    """Values by their numbers, in the order in which they first came."""

    def __missing__(self, key: Any) -> int:
        self[key] = number = len(self)
        return number

    def of(self, values: Sequence[Any]) -> Array:
        """The number of each value."""
        return np.fromiter(map(self.__getitem__, values), np.int32, len(values))


def numbers(values: Sequence[int | float | None]) -> Numbers:
    """The column of those values.

    Raises:
        TypeError: if one of them is no number.
    """
    types = set(map(type, values))
    if wrong := types - {int, float, type(None)}:
        raise TypeError(f"a number column holds {wrong.pop().__name__}")
    if types == {int}:
        return Numbers(np.array(values, np.int64))
    floats = np.array(values, np.float64)  # None becomes NaN, which SQLite cannot hold
    null = np.isnan(floats) if type(None) in types else None
    if null is not None:
        floats[null] = 0.0
    if int not in types:
        return Numbers(floats if float in types else floats.astype(np.int64), null)
    small = bool(np.abs(floats).max() < EXACT)
    if float not in types:
        return Numbers(floats.astype(np.int64) if small else np.array([each or 0 for each in values], np.int64), null)
    if small or all(abs(each) <= EXACT for each in values if isinstance(each, int)):
        return Numbers(floats, null)
    return Numbers(_boxed([0 if each is None else each for each in values]), null)


def join_numbers(parts: Sequence[Numbers]) -> Numbers:
    """Several columns one after the other, in the narrowest type that holds all of them exactly."""
    if not parts:
        return Numbers(np.empty(0, np.int64))
    valued = [each.values for each in parts if each.present().any()]
    kinds = {each.dtype for each in valued} or {np.dtype(np.int64)}
    if len(kinds) == 1:
        (kind,) = kinds
    elif np.dtype(object) not in kinds and all(map(_fits_float, valued)):
        kind = np.dtype(np.float64)
    else:
        kind = np.dtype(object)
    values = np.concatenate([_cast(each.values, kind) for each in parts])
    null = None
    if any(each.null is not None for each in parts):
        null = np.concatenate([~each.present() for each in parts])
    return Numbers(values, null)


def recoded(column: Coded, values: Iterable[Scalar | None]) -> Coded:
    """The column with each dictionary value replaced; equal replacements share a code, None is null."""
    known = Numbering({None: 0})
    table = [known[value] for value in (None, *values)]
    return Coded(np.array(table, np.min_scalar_type(len(known)))[column.codes], list(known)[1:])


def _tried(values: Sequence[Any], condition: Filter, *, null: bool) -> Array:
    """The condition for each code of a dictionary, first that of null."""
    test = _TESTS[condition.operator]
    given = frozenset(condition.value) if isinstance(condition.value, tuple) else condition.value
    return np.array([null, *(test(each, given) for each in values)], bool)


def _whole(compare: Callable[[Any, Any], Any], bound: float) -> tuple[Callable[[Any, Any], Any], int]:
    """The same comparison of integers with an integer."""
    if bound.is_integer():
        return compare, int(bound)
    if compare in (operator.gt, operator.ge):
        return operator.gt, math.floor(bound)
    return operator.lt, math.ceil(bound)


def _fits_float(values: Array) -> bool:
    return values.dtype == np.float64 or max(int(values.max()), -int(values.min())) <= EXACT


def _cast(values: Array, kind: np.dtype[Any]) -> Array:
    return _boxed(values.tolist()) if kind == np.dtype(object) else values.astype(kind, copy=False)


def _boxed(values: Sequence[Any]) -> Array:
    boxed = np.empty(len(values), object)
    boxed[:] = values
    return boxed


def _as_int(value: Any) -> int | None:
    """The value as an int64, None when no int64 equals it."""
    if isinstance(value, float) and not value.is_integer():
        return None
    whole = int(value)
    return whole if -(2**63) <= whole < 2**63 else None


def _as_float(value: Any) -> float | None:
    """The value as a float64, None when no float64 equals it."""
    try:
        near = float(value)
    except OverflowError:
        return None
    return near if near == value else None
