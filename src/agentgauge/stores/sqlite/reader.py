"""What a question reads of the columnar index: parts of columns, and which stretches it must read from the rows.

Above: store, inside its read transaction. Below: spans, segments, dictionaries, the cache of columns. What the file
says of its segments is remembered for as long as it has not changed.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agentgauge.core.catalog import Dataset, dataset
from agentgauge.stores.sqlite import orders, rows, segments, spans, summaries
from agentgauge.stores.sqlite.columns import AnyColumn, Coded, Column, Columns, Lists, Numbers, recoded
from agentgauge.stores.sqlite.dictionaries import Shared
from agentgauge.stores.sqlite.orders import Order, Runs
from agentgauge.stores.sqlite.pruning import Pruning
from agentgauge.stores.sqlite.segments import TIME, About, Damaged
from agentgauge.stores.sqlite.shortcuts import Shortcut, stretches
from agentgauge.stores.sqlite.spans import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentgauge.core.query import Query
    from agentgauge.stores.sqlite.cache import ColumnCache
    from agentgauge.stores.sqlite.columns import Array
    from agentgauge.stores.sqlite.rows import Stretch
    from agentgauge.stores.sqlite.spans import Span
    from agentgauge.stores.sqlite.summaries import Grain, Summary

_log = logging.getLogger(__name__)

_COLUMN = "select about, checksum, blob from index_columns where segment = ? and field = ?"
_OF_MAP = """select field, about from index_columns
where segment = ? and (field = ? or (field >= ? and field < ?))"""
_BLOB = "select data from index_blobs where id = ?"
MERGES = 64
"""In so many segments a question puts runs together for those that come after it; a millisecond or two each."""
_STRING = 64
"""About what a Python string of a dictionary takes, in bytes."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the index has for a question."""

    parts: Sequence[Columns]
    segments: Sequence[int]
    """The segments whose late events belong to the answer as well, those that were left out among them."""
    stretches: Sequence[Stretch]
    """What no segment covers."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A column of a segment as it lies in the file."""

    about: About
    text: str
    checksum: int
    blob: int


class Index:
    """What one connection has seen of a file's index."""

    def __init__(self, cache: ColumnCache) -> None:
        self._cache = cache
        self._shared = Shared()
        self._changes: dict[str, int | None] = {}
        self._spans: dict[str, Sequence[Span]] = {}
        self._stored: dict[int, dict[str, _Stored | None]] = {}

    def spans(self, connection: sqlite3.Connection, name: str) -> list[Span]:
        """The spans of a dataset that can be used now, by time."""
        found = spans.changes(connection).get(name)
        if name not in self._spans or self._changes.get(name) != found:
            before = self._spans.get(name, [])
            after = self._spans[name] = [each for each in spans.load(connection, name) if each.is_usable]
            self._changes[name] = found
            for gone in {each.id for each in before}.difference(each.id for each in after):
                self._stored.pop(gone, None)
        return [each for each in self._spans[name] if each.id not in self._cache.damaged]

    def find(self, connection: sqlite3.Connection, query: Query) -> Found:
        """The parts of the segments that a question meets; a damaged one is reported and left to the rows."""
        start, end = query.window.start, query.window.end
        met = spans.meeting(self.spans(connection, query.dataset), start, end)
        reading = _Reading(self, connection, query)
        parts: list[Columns] = []
        summed: list[Columns] = []
        sound: list[Span] = []
        for each in reading.described(met):
            try:
                for part in reading.part(each):
                    (parts if part.events is None else summed).append(part)
                sound.append(each)
            except Damaged as error:
                self.damaged(each, error)
        if summed:
            parts.append(summaries.join(summed))
        return Found(parts, [each.id for each in sound], list(spans.gaps(sound, start, end)))

    def damaged(self, span: Span, error: Damaged) -> None:
        """Remembers and reports that a segment cannot be read."""
        self._cache.damaged.add(span.id)
        _log.warning(
            "a segment of %s is damaged (%s); its rows are read instead, agentgauge index builds it anew",
            span.dataset,
            error,
        )

    def stored(self, connection: sqlite3.Connection, span: Span, field: str) -> _Stored | None:
        """A column of a segment, None when all of it is null.

        Raises:
            Damaged: if its description cannot be read.
        """
        known = self._stored.setdefault(span.id, {})
        if field not in known:
            row = connection.execute(_COLUMN, [span.id, field]).fetchone()
            known[field] = _Stored(segments.told(row[0]), *row) if row else None
        return known[field]

    def described(self, connection: sqlite3.Connection, span: Span, name: str) -> list[tuple[str, About]]:
        """The columns that a segment has of a map field: those of its keys, and perhaps one of the rest."""
        found = connection.execute(_OF_MAP, [span.id, name, f"{name}.", f"{name}/"]).fetchall()
        try:
            return [(field, segments.told(about)) for field, about in found]
        except Damaged as error:
            self.damaged(span, error)
            return [(name, About("codes", ""))]

    def values(
        self, connection: sqlite3.Connection, holder: Dataset, field: str, longest: About | None
    ) -> Sequence[Any]:
        """The shared dictionary of a field, at least as long as that column's; shorter only if it is damaged."""
        known, digest = (longest.known, longest.digest) if longest else (0, 0)
        type = holder.find(field).type
        found = self._shared.values(connection, holder.name, field, type, known)
        if known and not self._shared.is_sound(holder.name, field, known, digest):
            self._shared.forget(holder.name, field)  # it may have been built anew since it was read
            return self._shared.values(connection, holder.name, field, type, known)
        return found

    def column(self, connection: sqlite3.Connection, span: Span, field: str, values: Sequence[Any]) -> Column | None:
        """A column of a segment, decoded and checked once; None when all of it is null.

        Raises:
            Damaged: if it is not as it was written.
        """
        stored = self.stored(connection, span, field)
        if stored is None:
            return None
        about = stored.about
        held: Any = self._cache.get((span.id, field))
        if held is None:
            data = _checked(connection, stored)
            held = segments.decode(about, span.events, data, ())
            self._cache.put((span.id, field), held, len(data) + _weight(held))
        if not about.known:
            return held
        self.check(span, field, stored)
        return Lists(held.codes, values) if isinstance(held, Lists) else Coded(held.codes, values)

    def check(self, span: Span, field: str, stored: _Stored) -> None:
        """Nothing, when the shared dictionary of a column's codes is the one it was written with.

        Raises:
            Damaged: if it is not.
        """
        if not self._shared.is_sound(span.dataset, field, stored.about.known, stored.about.digest):
            raise Damaged("its dictionary is another one")

    def summary(self, connection: sqlite3.Connection, span: Span, name: str) -> Summary | None:
        """A summary of a segment, decoded and checked once; None when it has none of that name.

        Raises:
            Damaged: if it is not as it was written.
        """
        stored = self.stored(connection, span, name)
        if stored is None:
            return None
        held: Any = self._cache.get((span.id, name))
        if held is None:
            held = summaries.decode(_checked(connection, stored))
            if held is not None:
                self._cache.put((span.id, name), held, held.size)
        return held

    def runs(
        self, connection: sqlite3.Connection, span: Span, by: Sequence[str], field: str, summary: Summary
    ) -> Runs | None:
        """The values of a field in order, for each row of the `ordered` summary by at most one field; decoded and
        checked once. None when they are not kept.

        Raises:
            Damaged: if they are not as they were written.
        """
        name = summaries.named_order(by, field)
        held: Any = self._cache.get((span.id, name))
        if held is None:
            stored, values = self.stored(connection, span, name), self._distinct(connection, span, field)
            if stored is None or values is None:
                return None
            keys = orders.decode(stored.about, _checked(connection, stored))
            held = Runs.each(Order(keys.stored, values, orders.starts(summary.totals[field].counts)))
            self._cache.put((span.id, name), held, held.size)
        return held

    def has_runs(self, span: Span, by: Sequence[str], field: str) -> bool:
        """Whether `runs` has them at hand."""
        return self._cache.get((span.id, summaries.named_order(by, field))) is not None

    def together(self, span: Span, by: Sequence[str], field: str) -> Runs | None:
        """The same in one run for all rows that agree, where they have been put together already."""
        held: Any = self._cache.get((span.id, f"together {summaries.named_order(by, field)}"))
        return held

    def put_together(self, span: Span, by: Sequence[str], field: str, runs: Runs, summary: Summary) -> Runs:
        """Puts them together and remembers it."""
        made: Any = Runs.together(runs.orders[0], next(iter(summary.codes.values()), None))
        self._cache.put((span.id, f"together {summaries.named_order(by, field)}"), made, made.size)
        return made

    def _distinct(self, connection: sqlite3.Connection, span: Span, field: str) -> Numbers | None:
        """The distinct values that the orders of a field share."""
        name = summaries.named_values(field)
        held: Any = self._cache.get((span.id, name))
        stored = self.stored(connection, span, name)
        if held is None and stored is not None:
            held = orders.decode(stored.about, _checked(connection, stored))
            self._cache.put((span.id, name), held, held.stored.nbytes)
        return held


class _Reading:
    """One question's way through the segments."""

    def __init__(self, index: Index, connection: sqlite3.Connection, query: Query) -> None:
        self._index = index
        self._connection = connection
        self._holder = dataset(query.dataset)
        self._names = rows.needed(query)
        self._pruning = Pruning(self._holder, query.where)
        self._shortcut = Shortcut.of(query)
        self._values: dict[str, Sequence[Any]] = {}
        self._merges = MERGES

    def described(self, met: Iterable[Span]) -> list[Span]:
        """The segments whose columns are described soundly; after that every field has one dictionary for all."""
        sound: list[Span] = []
        longest: dict[str, About] = {}
        for span in met:
            try:
                for name in self._names:
                    stored = self._index.stored(self._connection, span, name)
                    if stored and (name not in longest or stored.about.known > longest[name].known):
                        longest[name] = stored.about
                sound.append(span)
            except Damaged as error:
                self._index.damaged(span, error)
        for name in self._names:
            if not self._holder.find(name).measurable:
                self._values[name] = self._index.values(self._connection, self._holder, name, longest.get(name))
        return sound

    def part(self, span: Span) -> list[Columns]:
        """The segment's columns, or summaries of its hours and the columns of hours that are cut; none when no event
        of it passes the filters.

        Raises:
            Damaged: if one of them cannot be read.
        """
        for name in self._pruning.fields:
            stored = self._index.stored(self._connection, span, name)
            if not self._pruning.may_pass(name, stored.about if stored else None, self._values.get(name, ())):
                if stored is not None or self._residual(span, name) is None:
                    return []
        return self._summed(span) or [self._columns(span)]

    def _columns(self, span: Span) -> Columns:
        time = self._index.column(self._connection, span, TIME, ())
        if not isinstance(time, Numbers):
            raise Damaged("it has no instants")
        fields = {name: self._column(span, name) for name in self._names}
        return Columns(time.stored, fields, time.offset)

    def _summed(self, span: Span) -> list[Columns]:
        """A part for the hours that a summary tells of, and parts for the others; nothing when no summary fits.

        Raises:
            Damaged: if it cannot be read.
        """
        time = self._index.stored(self._connection, span, TIME)
        if self._shortcut is None or time is None or time.about.low is None or time.about.high is None:
            return []
        first, last = int(time.about.low), int(time.about.high)
        for grain in self._shortcut.grains(first, last):
            if summary := self._summary(span, grain, first, last):
                break
        else:
            return []
        whole = Columns(summary.starts(first), self._told(span, summary), events=summary.events)
        if grain == "whole" or not len(cut := self._shortcut.cut(first, last)):
            return [whole]
        kept = np.isin(whole.ts // summaries.HOUR, cut, invert=True)
        events = self._columns(span)
        return [_rows(whole, np.flatnonzero(kept)), *(_between(events, *each) for each in stretches(cut))]

    def _summary(self, span: Span, grain: Grain, first: int, last: int) -> Summary | None:
        """The summary of a segment, whose events are of first..last, that has all the question needs."""
        assert self._shortcut
        by: list[str] = []
        for name in self._shortcut.by:
            stored = self._index.stored(self._connection, span, name)
            if stored is None and self._residual(span, name) is not None:
                return None
            if stored is not None:
                self._index.check(span, name, stored)
            if stored is not None and name not in self._shortcut.always and not stored.about.is_constant:
                by.append(name)
        found = self._index.summary(self._connection, span, summaries.named(grain, by))
        if found is None:
            return None
        for name in self._shortcut.numbers:
            if name not in found.totals and self._index.stored(self._connection, span, name) is not None:
                return None
        return self._in_order(span, by, found, first, last) if self._shortcut.ordered else found

    def _in_order(self, span: Span, by: Sequence[str], summary: Summary, first: int, last: int) -> Summary | None:
        """The summary with the values that the question wants quantiles of; None when they are not kept."""
        assert self._shortcut
        totals = {**summary.totals}
        for name in totals.keys() & set(self._shortcut.ordered):
            again = self._index.has_runs(span, by, name)
            runs = whole = self._index.runs(self._connection, span, by, name, summary)
            if runs is None:
                return None
            if self._shortcut.is_within(first, last):
                whole = self._index.together(span, by, name) or runs
                if whole is runs and again and self._merges:  # asked once, it is answered sooner without
                    self._merges -= 1
                    whole = self._index.put_together(span, by, name, runs, summary)
            is_one = self._shortcut.is_undivided(first, last)
            totals[name] = replace(totals[name], runs=whole if is_one else runs, whole=whole)
        return replace(summary, totals=totals)

    def _told(self, span: Span, summary: Summary) -> dict[str, AnyColumn]:
        """The columns of a summary."""
        assert self._shortcut
        size = len(summary.events)
        found: dict[str, AnyColumn] = {
            name: summary.totals.get(name) or summaries.nothing(size) for name in self._shortcut.numbers
        }
        for name in self._shortcut.by:
            codes = summary.codes.get(name)
            if codes is None:
                stored = self._index.stored(self._connection, span, name)
                codes = np.full(size, stored.about.codes[0] if stored and stored.about.codes else 0, np.uint16)
            listed = self._holder.find(name).type == "strings"
            found[name] = (Lists if listed else Coded)(codes, self._values.get(name, ()))
        return found

    def _column(self, span: Span, name: str) -> Column:
        found = self._index.column(self._connection, span, name, self._values.get(name, ()))
        if found is not None:
            return found
        if residual := self._residual(span, name):
            texts = self._index.column(self._connection, span, name.partition(".")[0], ())
            assert isinstance(texts, Coded)
            return recoded(texts, rows.of_key(texts.values, residual))
        return _nothing(span.events, self._holder.find(name).type, self._values.get(name, ()))

    def _residual(self, span: Span, name: str) -> str | None:
        """The key, where it may be among those of a map that have no column of their own."""
        head, dot, key = name.partition(".")
        if not dot or name in self._holder.by_name:
            return None
        return key if self._index.stored(self._connection, span, head) else None


def _rows(part: Columns, kept: Array) -> Columns:
    """Those rows of a part."""
    fields = {name: each.take(kept) for name, each in part.fields.items()}
    return Columns(part.ts[kept], fields, part.since, None if part.events is None else part.events[kept])


def _between(part: Columns, start: int, end: int) -> Columns:
    """The rows of a part from start to before end."""
    ends = np.clip([start - part.since, end - part.since], 0, DAY)  # no segment is longer
    low, high = np.searchsorted(part.ts, ends.astype(part.ts.dtype))
    fields = {name: each.take(slice(low, high)) for name, each in part.fields.items()}
    return Columns(part.ts[low:high], fields, part.since)


def _checked(connection: sqlite3.Connection, stored: _Stored) -> bytes:
    """A blob as it was written."""
    data = _blob(connection, stored.blob)
    if segments.checksum(stored.text, data) != stored.checksum:
        raise Damaged("its checksum is another one")
    return data


def _blob(connection: sqlite3.Connection, blob: int) -> bytes:
    try:
        row = connection.execute(_BLOB, [blob]).fetchone()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        raise Damaged("its page cannot be read") from error
    if row is None or not isinstance(row[0], bytes):
        raise Damaged("its blob is missing")
    return row[0]


def _weight(column: Column) -> int:
    """What a column takes in memory beside its blob, in bytes, about."""
    if isinstance(column, Numbers):
        return 0 if column.null is None else column.null.nbytes
    return _STRING * len(column.lists if isinstance(column, Lists) else column.values)


def _nothing(events: int, type: str, values: Sequence[Any]) -> Column:
    """A column of nulls."""
    zeros = np.zeros(events, np.uint8)
    if type in ("integer", "number"):
        return Numbers(zeros, np.ones(events, bool))
    return Lists(zeros, values) if type == "strings" else Coded(zeros, values)
