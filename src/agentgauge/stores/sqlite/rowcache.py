"""Columns of the rows that no segment covers, kept from one question to the next, so that each row is decoded once.

Above: store, inside its read transaction. Below: rows (SQL), columns. A store that is asked while events arrive would
else read all of its newest events again for every question.

Rows are kept in chunks of time. Before a chunk is used after a write it is counted, which costs a tenth of reading it:
rows are only ever added, and whoever deletes or changes one says so (`spans.rows_changed`). So a chunk that has as many
rows as before holds the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from agentgauge.core.catalog import Dataset, dataset
from agentgauge.stores.sqlite import rows, spans
from agentgauge.stores.sqlite.columns import (
    Array,
    Coded,
    Columns,
    Counter,
    Lists,
    Numbering,
    Numbers,
    join_numbers,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Hashable, Iterator, Sequence

    from agentgauge.core.query import Filter, Query
    from agentgauge.stores.sqlite.rows import Stretch

CHUNK = 512
"""About how many rows a chunk has; smaller ones are read again together with what follows them."""
MOST = 131_072
"""The most rows kept of a dataset; longer stretches are read anew for each question."""
ASKED = 16
"""The fields that new rows are read with."""
CELLS = 32 * MOST
"""The most values kept of a dataset; then all are let go."""

_COUNT = 'select count(*) from "{table}" where ts >= ? and ts < ?'
_ROWS = 'select e.ts{columns} from "{table}" as e where e.ts >= ? and e.ts < ? order by e.ts, e.id'


@dataclass(slots=True)
class _Chunk:
    """The rows of start <= ts < end, and those of their fields that were asked for."""

    start: int
    end: int
    ts: Array
    seen: Hashable
    """The version of the file at which it was as the rows are."""
    codes: dict[str, Array] = field(default_factory=dict[str, Array])
    """Per field that has a dictionary, the codes of it."""
    numbers: dict[str, tuple[Numbers, Array]] = field(default_factory=dict[str, tuple[Numbers, Array]])
    """Per number field, its values, and which of them are integers."""

    @property
    def cells(self) -> int:
        """How many values it holds."""
        return len(self.ts) * (1 + len(self.codes) + len(self.numbers))

    def cut(self, start: int, end: int) -> slice:
        """Which of its rows are of start..end."""
        if start <= self.start and end >= self.end:
            return slice(0, len(self.ts))
        first, last = np.searchsorted(self.ts, [start, end]).tolist()
        return slice(first, last)


class RowCache:
    """What one store has read of its rows. Not for several threads at once."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def read(
        self, connection: sqlite3.Connection, query: Query, stretches: Sequence[Stretch], version: Hashable
    ) -> Columns | None:
        """The columns a question needs, of the rows in those stretches of time; None where they are too many to keep.
        The version is another one after every write."""
        kept = self._kept.get(query.dataset)
        changes = spans.row_changes(connection, query.dataset)
        if kept is None or kept.changes != changes:
            kept = self._kept[query.dataset] = _Kept(dataset(query.dataset), changes)
        return kept.read(connection, query, stretches, version)


class _Kept:
    """The chunks of one dataset."""

    def __init__(self, holder: Dataset, changes: int | None) -> None:
        self.changes = changes
        self._holder = holder
        self._chunks: list[_Chunk] = []
        self._dictionaries: dict[str, Numbering] = {}
        self._values: dict[str, list[Any]] = {}
        self._asked: dict[str, None] = {}
        """The fields of the last questions; new rows are read with all of them, since they are asked in turns."""

    def read(
        self, connection: sqlite3.Connection, query: Query, stretches: Sequence[Stretch], version: Hashable
    ) -> Columns | None:
        """The columns a question needs of the rows in those stretches, one after the other."""
        names = rows.needed(query)
        if sum(each.cells for each in self._chunks) > CELLS:
            self._clear()
        self._check(connection, stretches, version)
        missing = [gap for stretch in stretches for gap in self._missing(*stretch)]
        count = sum(self._count(connection, *gap) for gap in missing)
        if count + sum(len(each.ts) for each in self._chunks) > MOST:
            self._clear()
            missing = list(stretches)
            if sum(self._count(connection, *each) for each in stretches) > MOST:
                return None
        for name in names:
            self._asked.pop(name, None)
            self._asked[name] = None
        asked = list(self._asked)[-max(ASKED, len(names)) :]
        self._asked = dict.fromkeys(asked)
        for gap in missing:
            self._load(connection, asked, *gap, version)
        self._chunks.sort(key=lambda each: each.start)
        parts = [(each, each.cut(*stretch)) for stretch in stretches for each in self._meeting(*stretch)]
        for each, _ in parts:
            self._complete(connection, names, each)
        return self._columns(names, parts, rows.selective(self._holder, query.where))

    def _clear(self) -> None:
        self._chunks, self._dictionaries, self._values = [], {}, {}

    def _check(self, connection: sqlite3.Connection, stretches: Sequence[Stretch], version: Hashable) -> None:
        """Drops the chunks that a question needs and that are not as their rows are any longer."""
        for start, end in stretches:
            met = [each for each in self._meeting(start, end) if each.seen != version]
            if not met:
                continue
            follow = all(one.end == other.start for one, other in zip(met, met[1:], strict=False))
            if not follow or self._count(connection, met[0].start, met[-1].end) != sum(len(each.ts) for each in met):
                gone = {id(each) for each in met if self._count(connection, each.start, each.end) != len(each.ts)}
                self._chunks = [each for each in self._chunks if id(each) not in gone]
            for each in met:
                each.seen = version

    def _meeting(self, start: int, end: int) -> list[_Chunk]:
        """The chunks that share an instant with start..end."""
        return [each for each in self._chunks if each.start < end and each.end > start]

    def _missing(self, start: int, end: int) -> Iterator[Stretch]:
        """The stretches of start..end that no chunk covers."""
        at = start
        for each in self._meeting(start, end):
            if each.start > at:
                yield at, each.start
            at = each.end
        if at < end:
            yield at, end

    def _count(self, connection: sqlite3.Connection, start: int, end: int) -> int:
        return connection.execute(_COUNT.format(table=self._holder.name), [start, end]).fetchone()[0]

    def _load(
        self, connection: sqlite3.Connection, names: Sequence[str], start: int, end: int, version: Hashable
    ) -> None:
        """Reads a stretch into chunks, a small chunk just before it along with it."""
        before = next((each for each in self._chunks if each.end == start and len(each.ts) < CHUNK), None)
        first = before.start if before else start
        read = self._rows(connection, names, first, end, version)
        ts = read.ts
        if before and len(ts) > len(before.ts):
            self._chunks.remove(before)
        elif before or not len(ts):
            return
        at = 0
        while at < len(ts):
            newest: int = ts[min(at + CHUNK, len(ts)) - 1].item()
            upto, last = int(np.searchsorted(ts, newest, "right")), newest + 1  # no instant is in two
            cut = slice(at, upto)
            numbers = {name: (own.take(cut), whole[cut]) for name, (own, whole) in read.numbers.items()}
            codes = {name: own[cut] for name, own in read.codes.items()}
            self._chunks.append(_Chunk(first, last, ts[cut], version, codes, numbers))
            first, at = last, upto

    def _complete(self, connection: sqlite3.Connection, names: Sequence[str], chunk: _Chunk) -> None:
        """Reads the columns that a chunk lacks."""
        if lacking := [name for name in names if name not in chunk.codes and name not in chunk.numbers]:
            read = self._rows(connection, lacking, chunk.start, chunk.end, chunk.seen)
            chunk.codes |= read.codes
            chunk.numbers |= read.numbers

    def _rows(
        self, connection: sqlite3.Connection, names: Sequence[str], start: int, end: int, version: Hashable
    ) -> _Chunk:
        """The rows of a stretch, with those fields."""
        holder, instants = self._holder, Counter()
        sources, builders = rows.taking(holder, names, _Exact)
        sql = _ROWS.format(columns="".join(f", {source}" for source in builders), table=holder.name)
        rows.fill(connection.execute(sql, [start, end]), [instants, *builders.values()])
        found = _Chunk(start, end, instants.done().values, version)
        built = {source: each.done() for source, each in builders.items()}
        for name in names:
            builder, column = builders[sources[name]], rows.typed(holder, name, built[sources[name]])
            if isinstance(builder, _Exact):
                found.numbers[name] = builder.done(), builder.whole()
            else:
                found.codes[name] = self._coded(name, column)
        return found

    def _coded(self, name: str, column: Any) -> Array:
        """A column's codes in the dictionary that all chunks share."""
        known = self._dictionaries.setdefault(name, Numbering({None: 0}))
        codes: Array = known.of((None, *column.dictionary))[column.codes]
        if len(self._values.get(name, ())) < len(known) - 1:
            self._values[name] = list(known)[1:]  # another list: answers that are being made still hold the old one
        return codes

    def _columns(
        self, names: Sequence[str], parts: Sequence[tuple[_Chunk, slice]], chosen: Sequence[Filter]
    ) -> Columns:
        """The named columns of rows, without those that a filter leaves out, as reading would leave them out."""
        ts = _joined([each.ts[cut] for each, cut in parts], np.int64)
        codes = {
            name: _joined([each.codes[name][cut] for each, cut in parts], np.int32)
            for name in names
            if not self._holder.find(name).measurable
        }
        mask = np.ones(len(ts), bool)
        for each in chosen:
            wanted = each.value if isinstance(each.value, tuple) else (each.value,)
            known = self._dictionaries.get(each.field, Numbering())
            mask &= np.isin(codes[each.field], [known[value] for value in wanted if value in known])
        kept = slice(None) if mask.all() else np.flatnonzero(mask)
        found: dict[str, Any] = {}
        for name in names:
            field = self._holder.find(name)
            if field.measurable:
                found[name] = _exact([(each.numbers[name], cut) for each, cut in parts], kept)
            else:
                values = self._values.get(name, [])
                found[name] = (Lists if field.type == "strings" else Coded)(codes[name][kept], values)
        return Columns(ts[kept], found)


class _Exact(Counter):
    """Builds a column of numbers and remembers which are integers, where others of the column are not."""

    def __init__(self) -> None:
        super().__init__()
        self._whole: list[Array] = []

    def add(self, values: Sequence[Any]) -> None:
        """Takes the next rows in."""
        super().add(values)
        self._whole.append(np.fromiter((type(each) is int for each in values), bool, len(values)))

    def whole(self) -> Array:
        """Per row, whether it has an integer."""
        return _joined(self._whole, bool)


def _exact(parts: Sequence[tuple[tuple[Numbers, Array], slice]], kept: Array | slice) -> Numbers:
    """Those rows of a column of numbers: integers, if all of them are, whatever stood beside them."""
    column = join_numbers([own.take(cut) for (own, _), cut in parts]).take(kept)
    whole = _joined([flags[cut] for (_, flags), cut in parts], bool)[kept]
    present = column.present()
    if column.kind == "int" or not bool(np.all(whole | ~present)):
        return column
    return Numbers(np.where(present, column.values, 0).astype(np.int64), column.null)


def _joined(arrays: Sequence[Array], kind: Any) -> Array:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
