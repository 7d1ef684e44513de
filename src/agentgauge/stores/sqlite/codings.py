"""One code per value of a field over all parts of a question, whatever dictionaries and types the parts have.

Above: cells (groups), tallies (distinct values), quantiles. Below: columns, pieces. `Names` codes strings and booleans,
`Members` the members of lists, `Steps` numbers; null is code 0. A `Scale` turns numbers into ordinals in their order.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agentgauge.stores.sqlite.columns import Array, Coded, Lists, Numbers
from agentgauge.stores.sqlite.scratch import scratch
from agentgauge.stores.sqlite.sums import EXACT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgauge.stores.sqlite.pieces import Source

_SIGN = np.int64(2**63 - 1)


class Names:
    """The values of dictionaries. Parts that share the commonest one keep their codes."""

    def __init__(self, source: Source, name: str) -> None:
        columns = source.named(name)
        self._held: dict[int, Sequence[Any]] = {id(each.dictionary): each.dictionary for each in columns}
        rows = dict.fromkeys(self._held, 0)
        for each in columns:
            rows[id(each.dictionary)] += len(each.codes)
        self._common = max(rows, key=rows.__getitem__, default=0)
        self._values: list[Any] = [None, *self._held.get(self._common, ())]
        self._tables: dict[int, Array] = {}
        if len(self._held) > 1:
            self._merge(source, name)
        self.size = len(self._values)

    def _merge(self, source: Source, name: str) -> None:
        """Gives the values of the other dictionaries, as far as rows that pass have them, codes of the common one."""
        known = {value: code for code, value in enumerate(self._values)}
        used = {own: np.zeros(len(held) + 1, bool) for own, held in self._held.items() if own != self._common}
        for index, whole in enumerate(source.pieces(name)):
            assert isinstance(whole, Coded | Lists)
            if (own := id(whole.dictionary)) in used:
                column: Any = source[index].fields[name]
                used[own][column.codes] = True
        for own, marks in used.items():
            table = self._tables[own] = np.zeros(len(marks), np.int32)
            held = self._held[own]
            for code in np.flatnonzero(marks[1:]).tolist():
                table[code + 1] = known.setdefault(held[code], len(known))
        self._values = list(known)

    def codes(self, column: Any) -> Array:
        """The code of each row."""
        table = self._tables.get(id(column.dictionary))
        return column.codes if table is None else table[column.codes]

    def values(self, codes: Array) -> list[Any]:
        """What codes stand for."""
        return [self._values[code] for code in codes.tolist()]


class Members:
    """The members of lists, and which of them each list has; a list without members has the null one."""

    def __init__(self, source: Source, name: str) -> None:
        self._lists = Names(source, name)
        known: dict[Any, int] = {None: 0}
        lists = self._lists.values(np.arange(self._lists.size))
        flat = [[known.setdefault(member, len(known)) for member in each or ()] or [0] for each in lists]
        self._sizes = np.array([len(each) for each in flat], np.int64)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._members = np.array([code for each in flat for code in each], np.int64)
        self._values = list(known)
        self.size = len(known)

    def spread(self, column: Lists) -> tuple[Array, Array]:
        """A row and the code of a member, for each member of each row's list."""
        lists = self._lists.codes(column)
        sizes = self._sizes[lists]
        rows = np.repeat(np.arange(len(lists)), sizes)
        ends = np.cumsum(sizes)
        within = np.arange(len(rows)) - np.repeat(ends - sizes, sizes)
        return rows, self._members[np.repeat(self._starts[lists], sizes) + within]

    def values(self, codes: Array) -> list[Any]:
        """What codes stand for."""
        return [self._values[code] for code in codes.tolist()]


@dataclass(frozen=True, slots=True)
class Span:
    """What kind of numbers a field has in a question, and how far they reach."""

    kind: str
    """"int", "float" or "object" (integers beyond 2**53 beside floats)."""
    low: Any = 0
    high: Any = 0

    @classmethod
    def of(cls, columns: Sequence[Numbers]) -> Span:
        """The span of some columns; null rows may widen it."""
        ends = [(each.kind, *each.ends()) for each in columns if not each.is_empty]
        kinds = {kind for kind, _, _ in ends} or {"int"}
        low, high = min((low for _, low, _ in ends), default=0), max((high for _, _, high in ends), default=0)
        if kinds == {"int", "float"}:
            whole = [max(abs(low), abs(high)) for kind, low, high in ends if kind == "int"]
            return cls("float" if max(whole) <= EXACT else "object", low, high)
        return cls("object" if "object" in kinds else kinds.pop(), low, high)


class Scale:
    """Numbers as ordinals 0..width-1 that order and equal as the numbers do."""

    def __init__(self, span: Span, table: Array | None = None) -> None:
        self._span = span
        self._table = table
        if table is not None:
            self._low, self.width = 0, len(table)
        elif span.kind == "int":
            self._low, self.width = span.low, span.high - span.low + 1
        else:
            ends = _ordered(np.array([span.low, span.high], np.float64)).tolist()
            self._low, self.width = ends[0], ends[1] - ends[0] + 1
        self.type = np.dtype(np.uint32 if self.width <= 2**32 else np.uint64)
        self.is_even = table is None and math.isfinite(span.high) and math.isfinite(span.low)
        """Whether how far apart two numbers are can be told."""

    def ordinals(self, column: Numbers) -> Array:
        """The ordinal of each row; of a row without a value, any."""
        if self._table is not None:
            return np.searchsorted(self._table, cast(column, self._span.kind)).astype(self.type)
        if self._span.kind == "int":
            shift = (column.offset - self._low) % 2 ** (8 * self.type.itemsize)
            found = scratch("ordinals", self.type, len(column.stored))
            found[...] = column.stored
            return np.add(found, self.type.type(shift), out=found)
        return (_ordered(cast(column, "float")) - np.int64(self._low)).astype(self.type)

    def distances(self, ordinals: Array) -> Array:
        """How far above the smallest number each is: integers by ones, floats by millionths of their range."""
        if self._span.kind == "int":
            return ordinals
        # Halves, because a range may be wider than any float; no share beyond them, because it may be next to none.
        low, width = self._span.low / 2, self._span.high / 2 - self._span.low / 2
        share = min(2.0**20 / max(width, sys.float_info.min), sys.float_info.max)
        return (self._floats(ordinals) / 2 - low) * share

    def _floats(self, ordinals: Array) -> Array:
        bits = ordinals.astype(np.int64) + np.int64(self._low)
        return np.where(bits < 0, bits ^ _SIGN, bits).view(np.float64)

    def numbers(self, ordinals: Array) -> list[Any]:
        """What ordinals stand for."""
        if self._table is not None:
            return self._table[ordinals.astype(np.int64)].tolist()
        if self._span.kind == "int":
            return (ordinals.astype(np.int64) + np.int64(self._low)).tolist()
        return self._floats(ordinals).tolist()


def scale(source: Source, name: str, span: Span, room: int) -> Scale:
    """The scale of a field: at most `room` wide, or at least as narrow as the values that occur allow."""
    if span.kind != "object":
        found = Scale(span)
        if found.width <= room:
            return found
    values = [cast(each.fields[name], span.kind).copy() for each in source]  # type: ignore[arg-type]  # a number field
    return Scale(span, np.unique(np.concatenate([*values, np.zeros(1, np.int64)])))


def cast(column: Numbers, kind: str) -> Array:
    """The values as that kind has them; integers lie in scratch memory."""
    if kind == "int":
        whole = scratch("values", np.int64, len(column.stored))
        return np.add(column.stored, column.offset, out=whole, dtype=np.int64, casting="unsafe")
    values = column.values
    if kind == "object" and values.dtype != object:
        boxed = np.empty(len(values), object)
        boxed[:] = values.tolist()
        return boxed
    return values.astype(np.float64) if kind == "float" and values.dtype != np.float64 else values


def _ordered(values: Array) -> Array:
    """int64s in the order of floats: their bits, those of negative ones turned over. The two zeros are one."""
    bits = (values + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ _SIGN, bits)


class Steps:
    """Numbers as groups: their ordinals, and null."""

    def __init__(self, source: Source, name: str) -> None:
        self._scale = scale(source, name, Span.of(source.numbers(name)), 2**16)
        self.size = self._scale.width + 1

    def codes(self, column: Any) -> Array:
        """The code of each row."""
        codes = self._scale.ordinals(column).astype(np.int64) + 1
        return codes if column.null is None else np.where(column.null, 0, codes)

    def values(self, codes: Array) -> list[Any]:
        """What codes stand for."""
        found = self._scale.numbers((codes - 1).clip(0))
        return [value if code else None for value, code in zip(found, codes.tolist(), strict=True)]


Coding = Names | Steps | Members
"""A field's values as codes 1..size-1, and null as 0."""


def coding(source: Source, name: str) -> Coding:
    """The codes of a field's values."""
    columns = source.columns(name)
    if columns and isinstance(columns[0], Lists):
        return Members(source, name)
    return Steps(source, name) if columns and isinstance(columns[0], Numbers) else Names(source, name)
