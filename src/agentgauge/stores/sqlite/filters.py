"""Which rows a question's conditions and scope let pass.

Above: pieces. Below: columns. What a condition says of a dictionary's values is worked out once per question, however
many parts share the dictionary, and looked up in the rows by comparing codes where that is cheaper than a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agentgauge.core.query import Filter
from agentgauge.stores.sqlite.columns import AnyColumn, Array, Numbers, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentgauge.core.query import Scope

_FEW = 4
"""Up to so many stretches of codes are compared; more are looked up in a table, which costs as much."""


class Conditions:
    """The conditions of one question."""

    def __init__(self, where: Sequence[Filter], scope: Scope | None = None) -> None:
        self._where = where
        self._anyone = scope is None
        self._seen: list[Filter] = []
        if scope is not None:
            self._seen.append(Filter("team", "ARRAY_HAS_ANY", scope.teams))
            if scope.user is not None:
                self._seen.append(Filter("user", "EQUAL", scope.user))
        self._known: dict[tuple[Filter, int], tuple[Sequence[Any], Array]] = {}

    def passing(self, fields: Mapping[str, AnyColumn], count: int) -> Array | None:
        """Per row, whether it fits every condition and lies in the scope; None when all do."""
        mask: Array | None = None
        for condition in self._where:
            mask = _both(mask, self._fits(fields[condition.field], condition))
        if self._anyone:
            return mask
        seen = np.zeros(count, bool)
        for condition in self._seen:
            found = self._fits(fields[condition.field], condition)
            seen = np.ones(count, bool) if found is None else seen | found
        return _both(mask, seen)

    def _fits(self, column: AnyColumn, condition: Filter) -> Array | None:
        assert not isinstance(column, Totals)  # a question that filters by it reads rows
        if isinstance(column, Numbers):
            return column.fits(condition)
        key = condition, id(column.dictionary)
        if key not in self._known:  # the dictionary is kept beside its table, so that its id stays its own
            self._known[key] = column.dictionary, column.table(condition)
        return marked(column.codes, self._known[key][1])


def marked(codes: Array, table: Array) -> Array | None:
    """`table[codes]`, None when all of the table is true."""
    changes = np.flatnonzero(table[1:] != table[:-1]) + 1
    if not len(changes):
        return None if table[0] else np.zeros(len(codes), bool)
    if len(changes) > 2 * _FEW:
        return table.take(codes)
    ends = [*changes.tolist(), len(table)]
    truths = ends[0 if table[0] else 1 :: 2]
    starts = [0, *changes.tolist()][0 if table[0] else 1 :: 2]
    found: Array | None = None
    for start, end in zip(starts, truths, strict=True):
        inside = _between(codes, start, end - 1, len(table) - 1)
        found = inside if found is None else np.logical_or(found, inside, out=found)
    return found


def _between(codes: Array, low: int, high: int, last: int) -> Array:
    if low == high:
        return codes == low
    if low == 0:
        return codes <= high
    return codes >= low if high == last else (codes >= low) & (codes <= high)


def _both(mask: Array | None, more: Array | None) -> Array | None:
    if mask is None or more is None:
        return more if mask is None else mask
    return np.logical_and(mask, more, out=mask)
