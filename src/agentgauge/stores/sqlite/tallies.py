"""What is counted per cell while the rows go by: one tally for each thing that the measures of a question need.

Above: scan. Below: sums, codings, cells. A tally takes the pieces in any order, merges with those of other workers, and
folds its cells into groups, into buckets, into all: nothing that adds up is scanned twice. Rows of summaries, which
stand for many events each, are counted in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from agentgauge.stores.sqlite.cells import compact
from agentgauge.stores.sqlite.codings import Coding, Members, Span, cast, coding
from agentgauge.stores.sqlite.columns import AnyColumn, Array, Coded, Numbers, Totals
from agentgauge.stores.sqlite.scratch import scratch
from agentgauge.stores.sqlite.sums import folded, summing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentgauge.core.query import Measure
    from agentgauge.core.table import Cell
    from agentgauge.stores.sqlite.cells import Entries, Fold
    from agentgauge.stores.sqlite.pieces import Source

_FLAGS = 2**24
"""Up to so many pairs of a cell and a value are marked in a table of flags; more are listed and sorted."""


class Tally(Protocol):
    """One thing counted per cell."""

    def add(self, entries: Entries) -> None:
        """Counts the rows of a piece."""
        ...

    def merge(self, other: Any) -> None:
        """Adds what another worker counted."""
        ...

    def fold(self, fold: Fold) -> list[Any]:
        """What each target comes to."""
        ...


class Rows:
    """How many rows."""

    def __init__(self, size: int) -> None:
        self.counts = np.zeros(size, np.int64)

    def add(self, entries: Entries) -> None:
        """Counts the rows of a piece."""
        self.count(entries.cells, entries.reach, entries.piece.events)

    def count(self, cells: Array, reach: slice, events: Array | None) -> None:
        """Counts rows that stand for so many events each (None: for one)."""
        many = 1 if events is None else events.astype(np.int64)  # numpy is thirty times slower with another type
        np.add.at(self.counts[reach], cells, many)

    def merge(self, other: Rows) -> None:
        """Adds what another worker counted."""
        self.counts += other.counts

    def fold(self, fold: Fold) -> list[int]:
        """The count of each target."""
        return folded(self.counts, fold).tolist()


class Present(Rows):
    """How many rows have a value of a field; with `true`, how many have a true one."""

    def __init__(self, size: int, name: str, *, true: bool = False) -> None:
        super().__init__(size)
        self._name, self._true = name, true

    def add(self, entries: Entries) -> None:
        """Counts the rows of a piece."""
        column, cells, events = entries.piece.fields[self._name], entries.cells, entries.piece.events
        if isinstance(column, Totals):
            self.count(cells, entries.reach, column.counts)
            return
        mask = _true(column) if self._true else present(column)
        if mask is not None:
            cells, events = cells[mask], None if events is None else events[mask]
        self.count(cells, entries.reach, events)


class Added:
    """The sum of a number field."""

    def __init__(self, size: int, name: str, span: Span, rows: int) -> None:
        self._name, self._span = name, span
        self._sums = summing(span.kind, span.low, span.high, size, rows)

    def add(self, entries: Entries) -> None:
        """Adds the values of a piece."""
        column = entries.piece.fields[self._name]
        for each in column.sums if isinstance(column, Totals) else (column,):
            cells, values = valued(entries.cells, each, self._span.kind)
            self._sums.add(cells, entries.reach, values)

    def merge(self, other: Added) -> None:
        """Adds what another worker added."""
        self._sums.merge(other._sums)

    def fold(self, fold: Fold) -> list[int | float]:
        """The sum of each target."""
        return self._sums.fold(fold)


class Extreme:
    """The smallest or the largest value of a number field."""

    def __init__(self, size: int, name: str, how: str, span: Span) -> None:
        self._name, self._how, self._kind = name, how, span.kind
        self._pick: Any = np.minimum if how == "min" else np.maximum
        sign = 1 if how == "min" else -1
        kind = np.dtype({"int": np.int64, "float": np.float64}.get(span.kind, np.object_))
        ends = np.iinfo(np.int64)
        self._none: Any = (ends.max if how == "min" else ends.min) if span.kind == "int" else sign * np.inf
        self._found = np.full(size, self._none, kind)

    def add(self, entries: Entries) -> None:
        """Looks at the values of a piece."""
        column = entries.piece.fields[self._name]
        if isinstance(column, Totals):
            column = column.low if self._how == "min" else column.high
        cells, values = valued(entries.cells, column, self._kind)
        self._pick.at(self._found[entries.reach], cells, values)

    def merge(self, other: Extreme) -> None:
        """Adds what another worker found."""
        self._found = self._pick(self._found, other._found)

    def fold(self, fold: Fold) -> list[Any]:
        """The extreme of each target; of no values, anything."""
        found = np.full(fold.count, self._none, self._found.dtype)
        self._pick.at(found, fold.targets, self._found[fold.cells])
        return found.tolist()


class Distinct:
    """How many distinct values a field has: the pairs of a cell and a value that occur."""

    def __init__(self, size: int, name: str, codes: Coding) -> None:
        self._name, self._codes = name, codes
        self._flags = np.zeros(size * codes.size, bool) if size * codes.size <= _FLAGS else None
        self._pairs: list[Array] = []

    def add(self, entries: Entries) -> None:
        """Marks the values of a piece."""
        column, cells = entries.piece.fields[self._name], entries.cells
        if isinstance(self._codes, Members):
            rows, codes = self._codes.spread(column)  # type: ignore[arg-type]  # lists have members
            cells = cells[rows]
        else:
            codes = self._codes.codes(column)
        if self._flags is not None:
            pairs = np.multiply(cells, self._codes.size, out=scratch("keys", np.intp, len(cells)))
            pairs += codes
            self._flags[entries.reach.start * self._codes.size :][pairs] = True
            return
        self._pairs.append(np.unique((cells + entries.reach.start) * self._codes.size + codes))

    def merge(self, other: Distinct) -> None:
        """Adds what another worker marked."""
        self._pairs += other._pairs
        if self._flags is not None:
            self._flags |= other._flags

    def fold(self, fold: Fold) -> list[int]:
        """How many distinct values each target has."""
        width = self._codes.size
        if self._flags is not None:
            pairs = np.flatnonzero(self._flags)
        else:
            self._pairs = [np.unique(np.concatenate(self._pairs))] if self._pairs else []
            pairs = self._pairs[0] if self._pairs else np.empty(0, np.int64)
        cells, codes = np.divmod(pairs, width)
        top = max(int(cells.max(initial=0)), int(fold.cells.max(initial=0))) + 1
        targets = fold.among(top)[cells]
        kept = (targets >= 0) & (codes > 0)
        found, _ = compact(targets[kept] * width + codes[kept], fold.count * width)
        return np.bincount(found // width, minlength=fold.count).tolist()


def valued(cells: Array, column: AnyColumn, kind: str) -> tuple[Array, Array]:
    """The cells and the values, as that kind has them, of the rows that have one."""
    assert isinstance(column, Numbers)
    mask = present(column)
    if mask is None:
        return cells, cast(column, kind)
    rows = np.flatnonzero(mask)
    return cells[rows], cast(column.take(rows), kind)


def present(column: AnyColumn) -> Array | None:
    """Per row, whether it has a value; None when all have, and all events that a row stands for."""
    if (isinstance(column, Numbers) and column.null is None) or (isinstance(column, Totals) and column.is_full):
        return None
    if isinstance(column, Totals):
        return column.present()
    mask = column.present()
    return None if mask.all() else mask


def _true(column: AnyColumn) -> Array:
    assert isinstance(column, Coded)
    return np.array([False, *map(bool, column.values)])[column.codes]


def plan(measures: Sequence[Measure], source: Source) -> dict[tuple[str, str | None], Callable[[int], Tally]]:
    """What the measures need counted, by how and field, and what makes the tally of so many cells.

    Quantiles are for their own module.
    """
    found: dict[tuple[str, str | None], Callable[[int], Tally]] = {("rows", None): Rows}
    for each in measures:
        if (name := each.field) is None:
            continue
        columns: Sequence[Any] = source.columns(name)
        boolean = bool(columns) and isinstance(columns[0], Coded)
        if each.how == "count_distinct":
            codes = coding(source, name)
            found["distinct", name] = lambda size, name=name, codes=codes: Distinct(size, name, codes)
            continue
        if not all(present(column) is None for column in columns):
            found["present", name] = lambda size, name=name: Present(size, name)
        if each.how == "rate" or (boolean and each.how in ("sum", "avg")):
            found["true", name] = lambda size, name=name: Present(size, name, true=True)
        elif each.how in ("sum", "avg"):
            added = [part for column in columns for part in _parts(column, "sum")]
            span, rows = Span.of(added), sum(len(each.stored) for each in added)
            found["sum", name] = lambda size, name=name, span=span, rows=rows: Added(size, name, span, rows)
        elif each.how in ("min", "max"):
            how = each.how
            span = Span.of([part for column in columns for part in _parts(column, how)])
            found[how, name] = lambda size, name=name, span=span, how=how: Extreme(size, name, how, span)
    return found


def _parts(column: Any, how: str) -> Sequence[Numbers]:
    """The numbers that a measure of a column is made of."""
    if isinstance(column, Totals):
        return column.sums if how == "sum" else (column.low if how == "min" else column.high,)
    return (column,)


class Tallies:
    """All that is counted for a question."""

    def __init__(self, makers: dict[tuple[str, str | None], Callable[[int], Tally]], size: int) -> None:
        self._made = {key: make(size) for key, make in makers.items()}

    @property
    def counts(self) -> Array:
        """How many rows each cell has."""
        rows = self._made["rows", None]
        assert isinstance(rows, Rows)
        return rows.counts

    def add(self, entries: Entries) -> None:
        """Counts the rows of a piece."""
        for each in self._made.values():
            each.add(entries)

    def merge(self, other: Tallies) -> None:
        """Adds what another worker counted."""
        for key, each in self._made.items():
            each.merge(other._made[key])

    def present(self, name: str, fold: Fold) -> list[int]:
        """How many values of a field each target has: as many as rows, where no row lacks one."""
        return self._made.get(("present", name), self._made["rows", None]).fold(fold)

    def fold(self, each: Measure, fold: Fold) -> list[Cell]:
        """The measure of each target."""
        if each.field is None:
            return self._made["rows", None].fold(fold)
        if each.how == "count_distinct":
            return self._made["distinct", each.field].fold(fold)
        counts = self.present(each.field, fold)
        if each.how == "count":
            return list(counts)
        if each.how in ("min", "max"):
            found = self._made[each.how, each.field].fold(fold)
            return [value if n else None for value, n in zip(found, counts, strict=True)]
        key = "true" if ("true", each.field) in self._made else "sum"
        sums = self._made[key, each.field].fold(fold)
        if each.how == "sum":
            return [total if n else 0 for total, n in zip(sums, counts, strict=True)]
        return [total / n if n else None for total, n in zip(sums, counts, strict=True)]
