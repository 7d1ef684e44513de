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
    Coder,
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

    from agentgauge.core.query import Query
    from agentgauge.stores.sqlite.rows import Stretch

CHUNK = 512
"""About how many rows a chunk has; smaller ones are read again together with what follows them."""
MOST = 131_072
"""The most rows kept of a dataset; longer stretches are read anew for each question."""

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
    columns: dict[str, Array | Numbers] = field(default_factory=dict[str, Array | Numbers])
    """Numbers, or codes of the field's dictionary."""

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
        return kept.read(connection, rows.needed(query), stretches, version)


class _Kept:
    """The chunks of one dataset."""

    def __init__(self, holder: Dataset, changes: int | None) -> None:
        self.changes = changes
        self._holder = holder
        self._chunks: list[_Chunk] = []
        self._dictionaries: dict[str, Numbering] = {}
        self._values: dict[str, list[Any]] = {}

    def read(
        self, connection: sqlite3.Connection, names: Sequence[str], stretches: Sequence[Stretch], version: Hashable
    ) -> Columns | None:
        """The named columns of the rows in those stretches, one after the other."""
        self._check(connection, stretches, version)
        missing = [gap for stretch in stretches for gap in self._missing(*stretch)]
        count = sum(self._count(connection, *gap) for gap in missing)
        if count + sum(len(each.ts) for each in self._chunks) > MOST:
            self._chunks, missing = [], list(stretches)
            self._dictionaries, self._values = {}, {}
            if sum(self._count(connection, *each) for each in stretches) > MOST:
                return None
        for gap in missing:
            self._load(connection, names, *gap, version)
        self._chunks.sort(key=lambda each: each.start)
        parts = [(each, each.cut(*stretch)) for stretch in stretches for each in self._meeting(*stretch)]
        for each, _ in parts:
            self._complete(connection, names, each)
        ts = np.concatenate([each.ts[cut] for each, cut in parts]) if parts else np.empty(0, np.int64)
        return Columns(ts, {name: self._column(name, parts) for name in names})

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
        ts, columns = self._rows(connection, names, first, end)
        if before and len(ts) > len(before.ts):
            self._chunks.remove(before)
        elif before or not len(ts):
            return
        at = 0
        while at < len(ts):
            newest: int = ts[min(at + CHUNK, len(ts)) - 1].item()
            upto, last = int(np.searchsorted(ts, newest, "right")), newest + 1  # no instant is in two
            cut = slice(at, upto)
            own = {name: each.take(cut) if isinstance(each, Numbers) else each[cut] for name, each in columns.items()}
            self._chunks.append(_Chunk(first, last, ts[cut], version, own))
            first, at = last, upto

    def _complete(self, connection: sqlite3.Connection, names: Sequence[str], chunk: _Chunk) -> None:
        """Reads the columns that a chunk lacks."""
        lacking = [name for name in names if name not in chunk.columns]
        if lacking:
            chunk.columns |= self._rows(connection, lacking, chunk.start, chunk.end)[1]

    def _rows(
        self, connection: sqlite3.Connection, names: Sequence[str], start: int, end: int
    ) -> tuple[Array, dict[str, Array | Numbers]]:
        """The instants and the named columns of a stretch, their codes those of the shared dictionaries."""
        holder = self._holder
        sources = {name: rows.stored(holder, name) for name in names}
        numeric = {sources[name] for name in names if holder.find(name).measurable}
        builders = {source: Counter() if source in numeric else Coder() for source in dict.fromkeys(sources.values())}
        instants = Counter()
        sql = _ROWS.format(columns="".join(f", {source}" for source in builders), table=holder.name)
        rows.fill(connection.execute(sql, [start, end]), [instants, *builders.values()])
        built = {source: each.done() for source, each in builders.items()}
        found: dict[str, Array | Numbers] = {}
        for name in names:
            column = rows.typed(holder, name, built[sources[name]])
            if isinstance(column, Numbers):
                found[name] = column
                continue
            known = self._dictionaries.setdefault(name, Numbering({None: 0}))
            found[name] = known.of((None, *column.dictionary))[column.codes]
            if len(self._values.get(name, ())) < len(known) - 1:
                self._values[name] = list(known)[1:]  # another list: answers that are being made still hold the old one
        return instants.done().values, found

    def _column(self, name: str, parts: Sequence[tuple[_Chunk, slice]]) -> Any:
        if self._holder.find(name).measurable:
            return join_numbers([each.columns[name].take(cut) for each, cut in parts])  # type: ignore[union-attr]
        codes: list[Any] = [each.columns[name][cut] for each, cut in parts]  # type: ignore[index]
        together = np.concatenate(codes) if codes else np.empty(0, np.int32)
        listed = self._holder.find(name).type == "strings"
        return (Lists if listed else Coded)(together, self._values.get(name, []))
