"""Columns of one window in memory, and which of their rows fit a condition.

Above: scan reads them, rows builds them. Below: numpy. Nothing here knows where the values come from.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from agentgauge.stores.sqlite.sums import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agentgauge.core.query import Filter, Scalar

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
    """A dimension: a code per row into a dictionary of distinct values, -1 for null."""

    codes: Array
    values: Sequence[Any]

    def take(self, rows: Array | slice) -> Coded:
        """The column of those rows only."""
        return Coded(self.codes[rows], self.values)

    def present(self) -> Array:
        """Per row, whether it has a value."""
        return self.codes >= 0

    def fits(self, condition: Filter) -> Array:
        """Per row, whether the condition holds; it is tried once per distinct value."""
        if condition.operator == "IS_NULL":
            return (self.codes < 0) == condition.value
        return _tried(self.values, condition, null=False)[self.codes]


@dataclass(frozen=True, slots=True)
class Lists:
    """A column of lists of distinct strings: a code per row into the distinct lists, -1 for a missing one."""

    codes: Array
    lists: Sequence[tuple[str, ...]]

    def take(self, rows: Array | slice) -> Lists:
        """The column of those rows only."""
        return Lists(self.codes[rows], self.lists)

    def present(self) -> Array:
        """Per row, whether its list has a member."""
        return np.array([*map(bool, self.lists), False], bool)[self.codes]

    def fits(self, condition: Filter) -> Array:
        """Per row, whether the condition holds; a missing list is an empty one."""
        return _tried(self.lists, condition, null=condition.operator == "ARRAY_HAS_NONE")[self.codes]

    def members(self) -> tuple[Array, Coded]:
        """A row index and a member for each member of each list, and one null for a list without members."""
        known: dict[str, int] = {}
        flat = [[known.setdefault(member, len(known)) for member in each] or [-1] for each in (*self.lists, ())]
        sizes = np.array([len(each) for each in flat], np.int64)
        starts = np.cumsum(sizes) - sizes
        members = np.array([code for each in flat for code in each], np.int32)
        own = sizes[self.codes]
        rows = np.repeat(np.arange(len(self.codes)), own)
        ends = np.cumsum(own)
        within = np.arange(len(rows)) - np.repeat(ends - own, own)
        return rows, Coded(members[np.repeat(starts[self.codes], own) + within], list(known))


@dataclass(frozen=True, slots=True)
class Numbers:
    """Exact numbers: int64, or float64, or Python objects where integers beyond 2**53 stand beside floats."""

    values: Array
    null: Array | None = None
    """Per row, whether it has no value (the value is then 0); None when all have."""

    def take(self, rows: Array | slice) -> Numbers:
        """The column of those rows only."""
        return Numbers(self.values[rows], None if self.null is None else self.null[rows])

    def present(self) -> Array:
        """Per row, whether it has a value."""
        return np.ones(len(self.values), bool) if self.null is None else ~self.null

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
        values = self.values
        if values.dtype == np.int64 and isinstance(bound, float) and math.isfinite(bound):
            if bound.is_integer():
                bound = int(bound)
            elif compare in (operator.gt, operator.ge):
                compare, bound = operator.gt, math.floor(bound)
            else:
                compare, bound = operator.lt, math.ceil(bound)
        elif values.dtype == np.float64 and _as_float(bound) is None:
            values = values.astype(object)
        return np.asarray(compare(values, bound), bool)

    def _among(self, wanted: Iterable[Any]) -> Array:
        if self.values.dtype == object:
            known = set(wanted)
            return np.fromiter((each in known for each in self.values), bool, len(self.values))
        fit = _as_int if self.values.dtype == np.int64 else _as_float
        exact = [each for each in map(fit, wanted) if each is not None]
        if len(exact) == 1:
            return self.values == exact[0]
        return np.isin(self.values, np.array(exact, self.values.dtype))


Column = Coded | Numbers | Lists


@dataclass(frozen=True, slots=True)
class Columns:
    """Some columns of a dataset's rows, the rows in ascending time."""

    ts: Array
    fields: Mapping[str, Column]


class Coder:
    """Builds a Coded column from values that come in portions."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = _Numbering({None: 0})
        self._parts: list[Array] = []

    def add(self, values: Sequence[Any]) -> None:
        """Takes the next rows in."""
        self._parts.append(np.fromiter(map(self._known.__getitem__, values), np.int32, len(values)))

    def done(self) -> Coded:
        """The column of all rows."""
        codes = np.concatenate(self._parts) if self._parts else np.empty(0, np.int32)
        return Coded(codes - np.int32(1), list(self._known)[1:])


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


class _Numbering(dict[Any, int]):
    def __missing__(self, key: Any) -> int:
        self[key] = number = len(self)
        return number


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
    known: dict[Any, int] = _Numbering({None: 0})
    table = np.fromiter((known[value] for value in (*values, None)), np.int32) - np.int32(1)
    return Coded(table[column.codes], list(known)[1:])


def _tried(values: Sequence[Any], condition: Filter, *, null: bool) -> Array:
    """The condition for each value of a dictionary, and last, where code -1 finds it, for null."""
    test = _TESTS[condition.operator]
    given = frozenset(condition.value) if isinstance(condition.value, tuple) else condition.value
    return np.array([*(test(each, given) for each in values), null], bool)


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
