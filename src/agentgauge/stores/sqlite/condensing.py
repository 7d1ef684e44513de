"""Makes the summaries of a segment: of all its events, by each field of few values, and by pairs of such fields.

Above: gather, for each segment as it is built. Below: summaries (what one is), sums, segments. A summary is kept only
where each of its rows stands for many events, so that a day of few events costs nothing; every summary is also by the
boolean fields, which hardly make it longer, so that rates and failures are told by any of them. Of a field that has one
value throughout the segment nothing is kept: it is known. Beside the summaries by hour and at most one field lie the
values of the fields that quantiles are asked of, in the order of their rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from agentgauge.core.catalog import DERIVED
from agentgauge.stores.sqlite import orders, segments
from agentgauge.stores.sqlite.cells import compact
from agentgauge.stores.sqlite.columns import Array, Coded, Lists, Numbers, Totals
from agentgauge.stores.sqlite.segments import TIME
from agentgauge.stores.sqlite.summaries import HOUR, Summary, encode, named, named_order, named_values
from agentgauge.stores.sqlite.sums import PIECE, summing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentgauge.core.catalog import Dataset
    from agentgauge.stores.sqlite.segments import About
    from agentgauge.stores.sqlite.summaries import Grain

_PAIRED = 8
"""Of so many fields, those of the fewest values, pairs are tried; derived ones say what others do."""
_PLANES = 24
"""The most orders of a segment; each takes four bytes an event."""
_LONG = 2
"""A summary by hours that is at most so many times as long is taken for that of the whole segment as well."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """What a summary can be by: for each event the number of its value, and what those numbers stand for."""

    numbers: Array
    codes: Array

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.codes)

    def parts_as(self, other: _Axis) -> bool:
        """Whether it numbers the events alike."""
        return self.size == other.size and np.array_equal(self.numbers, other.numbers)

    @classmethod
    def of(cls, codes: Array) -> _Axis:
        """The axis of a column's codes."""
        present = np.flatnonzero(np.bincount(codes))
        table = np.zeros(int(present[-1]) + 1, np.intp)
        table[present] = np.arange(len(present))
        return cls(table[codes], present)


@dataclass(frozen=True, slots=True)
class _Field:
    """A number field: the events that have a value (None: all of them), and those values."""

    rows: Array | None
    values: Array

    @classmethod
    def of(cls, column: Numbers) -> _Field:
        """The field of a column."""
        if column.null is None:
            return cls(None, column.values)
        rows = np.flatnonzero(~column.null)
        return cls(rows, column.values[rows])

    def present(self, places: Array) -> Array:
        """What is given for each event, for those that have a value."""
        return places if self.rows is None else places[self.rows]

    def totals(self, places: Array, events: Array) -> Totals | None:
        """What the values come to per place; None where that cannot be told exactly in a few numbers."""
        size = len(events)
        places = self.present(places)
        kind = "float" if self.values.dtype.kind == "f" else "int"
        low, high = self.values.min().item(), self.values.max().item()
        sums = summing(kind, low, high, size, len(self.values))
        for at in range(0, len(places), PIECE):
            sums.add(places[at : at + PIECE], slice(0, size), self.values[at : at + PIECE])
        if (planes := sums.planes()) is None:
            return None
        least, most = np.full(size, high), np.full(size, low)
        np.minimum.at(least, places, self.values)
        np.maximum.at(most, places, self.values)
        counts = events if self.rows is None else np.bincount(places, minlength=size)
        null = counts == 0
        ends = [Numbers(np.where(null, 0, each), null) for each in (least, most)]
        return Totals(counts, counts is events, ends[0], ends[1], tuple(map(Numbers, planes)))


def condensed(
    holder: Dataset, columns: Mapping[str, tuple[About, bytes]], events: int, dense: int
) -> dict[str, tuple[About, bytes]]:
    """The summaries of a segment, given its columns as they lie in the file: by name, as columns of it.

    A row of a summary stands for at least `dense` events on average, of one by two fields for twice as many.
    """
    made = _Making(holder, columns, events, dense)
    found = {
        named(grain, fields): encode(summary)
        for fields in made.choices()
        for grain, summary in made.summaries(fields).items()
    }
    return found | made.orders()


class _Making:
    """The summaries of one segment."""

    def __init__(self, holder: Dataset, columns: Mapping[str, tuple[About, bytes]], events: int, dense: int) -> None:
        self._events, self._dense = events, dense
        self._axes: dict[str, _Axis] = {}
        self._always: dict[str, _Axis] = {}
        self._fields: dict[str, _Field] = {}
        self._ranked: dict[str, tuple[Numbers, Array]] = {}
        for name, (about, data) in columns.items():
            if name == TIME:
                plane = np.frombuffer(data, about.width, events)
                hours = (plane + np.int64(about.offset % HOUR)) // HOUR
                self._hours = _Axis.of(hours)
            elif about.kind == "numbers":
                column = segments.decode(about, events, data, ())
                assert isinstance(column, Numbers)
                self._fields[name] = field = _Field.of(column)
                if holder.find(name).ranked:
                    self._ranked[name] = orders.ranked(Numbers(field.values))
            elif about.known and not about.is_constant:
                column = segments.decode(about, events, data, ())
                assert isinstance(column, Coded | Lists)
                axis = _Axis.of(column.codes)
                (self._always if holder.find(name).type == "boolean" else self._axes)[name] = axis

    def choices(self) -> Iterator[tuple[str, ...]]:
        """What summaries may be by: nothing, single fields, pairs."""
        names = sorted(self._single(self._axes), key=lambda name: (self._axes[name].size, name))
        paired = [name for name in names if name not in DERIVED][:_PAIRED]
        yield ()
        yield from combinations(names, 1)
        yield from combinations(paired, 2)

    def summaries(self, fields: Sequence[str]) -> dict[Grain, Summary]:
        """The summaries by those fields that pay, by their grain."""
        axes = {name: self._axes[name] for name in fields} | self._always
        found: dict[Grain, Summary] = {}
        ids, size = np.zeros(self._events, np.int64), 1
        for each in axes.values():
            ids, size = ids * each.size + each.numbers, size * each.size
            if size > 2**31:
                return found
        most = self._events // (self._dense * max(len(fields), 1))
        hourly = self._hours.numbers * size + ids
        by_hour = self._one(axes, hourly, size * self._hours.size, most) if self._hours.size > 1 else None
        if by_hour is not None:
            found["hours"] = by_hour
        whole = self._one(axes, ids, size, len(by_hour.events) // _LONG if by_hour else most)
        if whole is not None:
            found["whole"] = whole
        return found

    def orders(self) -> dict[str, tuple[About, bytes]]:
        """The summaries by hour and at most one field, each with the orders of its rows, and the values they share."""
        found: dict[str, tuple[About, bytes]] = {}
        if not self._ranked:
            return found
        found |= {named_values(name): segments.encode(values) for name, (values, _) in self._ranked.items()}
        every = self._axes | self._always
        made: list[tuple[_Axis | None, tuple[str, ...]]] = []
        for fields in ((), *((name,) for name in self._by_use(every))):
            axes = {name: every[name] for name in fields}
            ids, size = self._hours.numbers, self._hours.size
            for each in axes.values():
                ids, size = ids * each.size + each.numbers, size * each.size
            rows, places = compact(ids, size)
            axis = axes[fields[0]] if fields else None
            same = next((other for known, other in made if axis and known and axis.parts_as(known)), None)
            is_too_much = same is None and (len(made) + 1) * len(self._ranked) > _PLANES
            if is_too_much or len(rows) > self._events // self._dense:
                continue
            found[named("ordered", fields)] = encode(self._summed(axes, rows, places))
            for name, (values, ranks) in self._ranked.items():
                if same is not None:  # what parts the events alike has the same order
                    found[named_order(fields, name)] = found[named_order(same, name)]
                    continue
                runs = self._fields[name].present(places)
                found[named_order(fields, name)] = orders.encode(orders.ordered(runs, ranks, len(values.stored)))
            made += [] if same is not None else [(axis, fields)]
        return found

    def _by_use(self, axes: Mapping[str, _Axis]) -> list[str]:
        """The fields of few values, those first that are asked by most: of the catalog, then derived, then keys."""

        def place(name: str) -> tuple[bool, bool, int, str]:
            return "." in name, name in DERIVED, axes[name].size, name

        return sorted(self._single(axes), key=place)

    def _single(self, axes: Mapping[str, _Axis]) -> list[str]:
        """The fields of so few values that each is that of many events."""
        return [name for name, axis in axes.items() if axis.size * self._dense <= self._events]

    def _one(self, axes: Mapping[str, _Axis], ids: Array, size: int, most: int) -> Summary | None:
        """The summary of events that are numbered by what they agree in; None when it is longer than that."""
        rows, places = compact(ids, size)
        return self._summed(axes, rows, places) if len(rows) <= most else None

    def _summed(self, axes: Mapping[str, _Axis], rows: Array, places: Array) -> Summary:
        """The summary of those rows, which are numbered by what their events agree in, given the row of each event."""
        events = np.bincount(places, minlength=len(rows))
        codes: dict[str, Array] = {}
        left = rows
        for name, axis in reversed(list(axes.items())):
            left, numbers = np.divmod(left, axis.size)
            codes[name] = axis.codes[numbers]
        totals = {name: field.totals(places, events) for name, field in self._fields.items()}
        known = {name: each for name, each in totals.items() if each is not None}
        return Summary(events, self._hours.codes[left], codes, known)
