"""Whether a segment may hold an event that passes a question's filters, from what is told beside its columns.

Above: the reader. Below: columns (a filter over a dictionary) and `segments.About`. It may say yes too often, never no.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agentgauge.stores.sqlite.columns import Coded, Lists

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentgauge.core.catalog import Dataset
    from agentgauge.core.query import Filter
    from agentgauge.stores.sqlite.segments import About

_RANGES: Mapping[str, Callable[[Any, Any, Any], bool]] = {
    "EQUAL": lambda low, high, value: low <= value <= high,
    "IN": lambda low, high, values: any(low <= value <= high for value in values),
    "BETWEEN": lambda low, high, values: low <= values[1] and values[0] <= high,
    "GREATER_THAN": lambda low, high, value: high > value,
    "GREATER_THAN_EQUAL": lambda low, high, value: high >= value,
    "LESS_THAN": lambda low, high, value: low < value,
    "LESS_THAN_EQUAL": lambda low, high, value: low <= value,
}
"""Whether some number from low to high can pass; by operator, those that leave any out."""


class Pruning:
    """The filters of one question."""

    def __init__(self, holder: Dataset, where: Sequence[Filter]) -> None:
        self._holder = holder
        self._where = where
        self._passing: dict[Filter, set[int]] = {}
        self.fields: Sequence[str] = list(dict.fromkeys(each.field for each in where))

    def may_pass(self, field: str, about: About | None, values: Sequence[Any]) -> bool:
        """Whether the column of a segment (None: it is null throughout) may pass every filter on that field."""
        return all(self._one(each, about, values) for each in self._where if each.field == field)

    def _one(self, condition: Filter, about: About | None, values: Sequence[Any]) -> bool:
        if about is None:
            return condition.operator == "ARRAY_HAS_NONE" or (condition.operator == "IS_NULL" and bool(condition.value))
        if condition.operator == "IS_NULL" and not condition.value:
            return True
        if condition.operator == "IS_NULL":
            return about.nulls > 0
        if self._holder.find(condition.field).measurable:
            if about.low is None or about.high is None or condition.operator not in _RANGES:
                return True
            return _RANGES[condition.operator](about.low, about.high, condition.value)
        if about.codes is None or not about.known:
            return True
        return not self._codes(condition, values).isdisjoint(about.codes)

    def _codes(self, condition: Filter, values: Sequence[Any]) -> set[int]:
        """The codes of a shared dictionary that pass."""
        if condition not in self._passing:
            every = np.arange(len(values) + 1)
            listed = self._holder.find(condition.field).type == "strings"
            column = Lists(every, values) if listed else Coded(every, values)
            self._passing[condition] = set(np.flatnonzero(column.fits(condition)).tolist())
        return self._passing[condition]
