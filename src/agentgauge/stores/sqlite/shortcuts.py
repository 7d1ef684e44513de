"""Where a question may read summaries in the place of a segment's rows: only where the answer is the same.

Above: the reader. Below: the catalog, summaries. A question fits when every field it groups, filters or counts distinct
values by is one that summaries can be by, and of its number fields it wants counts, sums, averages or extremes, or
quantiles of those that have orders. Hours that an edge of a bucket or of the window cuts are read from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentgauge.core.catalog import dataset
from agentgauge.core.time import edges
from agentgauge.stores.sqlite import rows
from agentgauge.stores.sqlite.summaries import HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgauge.core.query import Measure, Query
    from agentgauge.core.time import Window
    from agentgauge.stores.sqlite.columns import Array
    from agentgauge.stores.sqlite.rows import Stretch
    from agentgauge.stores.sqlite.summaries import Grain

_TOLD = frozenset({"count", "sum", "avg", "min", "max", "rate"})
"""The measures of a field that a summary tells without being by that field."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How one question may use summaries."""

    by: Sequence[str]
    """The fields that a summary must be by."""
    numbers: Sequence[str]
    """The number fields that it must have."""
    ordered: Sequence[str]
    """Those of them that must have an order."""
    always: frozenset[str]
    """Those of the fields that every summary is by."""
    _window: Window
    _cuts: Array
    """The instants at which rows part, ascending; the edges of buckets may reach beyond the window."""
    _hours: Array
    """The hours that one of them cuts, ascending, counted from 1970."""

    @classmethod
    def of(cls, query: Query) -> Shortcut | None:
        """That of a question; None when only its rows can answer it."""
        holder = dataset(query.dataset)
        if query.bucket is not None and query.bucket.rough_ms < HOUR:
            return None
        fields = {name: holder.find(name) for name in rows.needed(query)}
        numbers = [name for name, each in fields.items() if each.measurable]
        ordered = [name for name in numbers if any(_is_quantile(each, name) for each in query.measures)]
        told = {each.how for each in query.measures if each.field in numbers} <= {*_TOLD, "quantile"}
        if not told or not all(fields[name].ranked for name in ordered):
            return None
        if not {*query.group_by, *(each.field for each in query.where)}.isdisjoint(numbers):
            return None
        grid = edges(query.window, query.bucket) if query.bucket else ()
        cuts = np.unique(np.array([*grid, query.window.start, query.window.end], np.int64))
        return cls(
            [name for name in fields if name not in numbers],
            numbers,
            ordered,
            frozenset(name for name, each in fields.items() if each.type == "boolean" and not ordered),
            query.window,
            cuts,
            np.unique(cuts[cuts % HOUR != 0] // HOUR),
        )

    def grains(self, first: int, last: int) -> Sequence[Grain]:
        """The summaries that will do for a segment whose events are of first..last, the shortest first."""
        if self.is_undivided(first, last):
            return ("ordered",) if self.ordered else ("whole", "hours")
        if len(self.cut(first, last)) > last // HOUR - first // HOUR:
            return ()
        return ("ordered",) if self.ordered else ("hours",)

    def is_undivided(self, first: int, last: int) -> bool:
        """Whether first..last lies in one bucket."""
        low, high = np.searchsorted(self._cuts, [first, last], "right").tolist()
        return low == high

    def is_within(self, first: int, last: int) -> bool:
        """Whether first..last lies in the window, and no hour of it is cut."""
        return self._window.start <= first and last < self._window.end and not len(self.cut(first, last))

    def cut(self, first: int, last: int) -> Array:
        """The hours of first..last that are cut."""
        low = np.searchsorted(self._hours, first // HOUR)
        high = np.searchsorted(self._hours, last // HOUR, "right")
        return self._hours[low:high]


def _is_quantile(measure: Measure, name: str) -> bool:
    return measure.how == "quantile" and measure.field == name


def stretches(hours: Array) -> list[Stretch]:
    """The stretches of time of those hours."""
    return [(hour * HOUR, hour * HOUR + HOUR) for hour in hours.tolist()]
