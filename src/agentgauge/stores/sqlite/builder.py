"""Builds the columnar index from the rows, off the write path: the stretches of time that no segment covers, and those
that late events or deletions have changed.

Above: imports, the server's background thread, the index command. Below: the sink (whose turns it takes), gather,
spans. Loads no numpy until there is something to build.

A stretch is built in three steps. A short turn of the writer notes its span as BUILDING, from when on writers tell what
they put into it; its rows are read and encoded without any lock; another short turn puts the segments in the place of
those they replace, if no row was deleted meanwhile. A build that dies leaves a span that nobody reads.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentgauge.core.catalog import DATASETS, Dataset
from agentgauge.stores.sqlite import dictionaries, files, rows, spans
from agentgauge.stores.sqlite.spans import BUILDING, DAY, FORMAT, READY, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from agentgauge.stores.sqlite.gather import Dictionary, Segment
    from agentgauge.stores.sqlite.sink import SqliteSink

_log = logging.getLogger(__name__)

ENOUGH = 8_192
"""So many of the newest events make a segment, and so many late ones make it anew, while more may still come."""
LEAST = 1_024
"""Fewer events than these of a day are read from the rows sooner than from a segment of their own."""
LATE = 256
"""So many late events make a segment anew when an import has come to its end."""
DENSE = 32
"""How many events a row of a summary must stand for, on average and for each field that it is by."""
_MANY = 7
"""So many small segments are made one with the next."""

_FIRST = 'select min(ts) from "{table}" where ts >= ? and ts < ?'
_NTH = 'select ts from "{table}" where ts >= ? and ts < ? order by ts limit 1 offset ?'
_LAST = 'select max(ts) from "{table}"'
_ROWS = 'select e.ts{columns} from "{table}" as e where e.ts >= ? and e.ts < ? order by e.ts, e.id'
_ANY = 'select 1 from "{table}" as e where e.ts >= ? and e.ts < ? and coalesce(null{columns}) not null limit 1'
_LATE = "select ts, id from index_late where segment = ?"
_LATE_COUNTS = "select segment, count(*) from index_late group by segment"
_ADD_SPAN = """insert into index_segments (id, dataset, start, "end", events, state, format)
values (?, ?, ?, ?, ?, ?, ?)"""
_ADD_BLOB = "insert into index_blobs (data) values (?)"
_ADD_COLUMN = "insert into index_columns (segment, field, about, checksum, blob) values (?, ?, ?, ?, ?)"
_MOVE_LATE = "update index_late set segment = ? where segment = ? and ts >= ? and ts < ?"
_TAKE_LATE = "delete from index_late where segment = ? and ts = ? and id = ?"
_DROP = (
    "delete from index_blobs where id in (select blob from index_columns where segment = ?)",
    "delete from index_columns where segment = ?",
    "delete from index_late where segment = ?",
    "delete from index_segments where id = ?",
)


@dataclass(slots=True)
class Built:
    """What a build did."""

    segments: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class _Policy:
    """How many events are worth a segment."""

    least: int
    """Of a stretch that others follow."""
    newest: int
    """Of the newest."""
    late: int
    """That came to a segment since it was built."""


@dataclass(slots=True)
class Builder:
    """Builds the index of the sink's file. One build at a time on a machine; a second one returns at once."""

    sink: SqliteSink
    damaged: set[int] = field(default_factory=set[int])
    """Segments that are to be built anew; they leave the set as they do."""
    dense: int = DENSE

    def build(
        self,
        *,
        finish: bool = False,
        going_on: bool = False,
        least: int = LEAST,
        on_built: Callable[[Built], None] | None = None,
        stop: Callable[[], bool] = bool,
    ) -> Built:
        """Builds what is worth it, stretches of `least` events and more.

        The newest events wait until they are many, and so do late ones, unless this is to `finish`; where an import is
        `going_on`, the newest wait until they are as many as a segment can have.

        Raises:
            StoreError: what was built before stays.
        """
        done = Built()
        policy = _Policy(least, max(ENOUGH, least), ENOUGH)
        if finish:
            policy = _Policy(least, least, min(LATE, least))
        elif going_on:
            policy = _Policy(least, spans.MOST_EVENTS, spans.MOST_EVENTS)
        with alone(self.sink.path, wait_s=0) as is_alone:
            for holder in DATASETS if is_alone else ():
                with files.translated(self.sink.path), closing(reader(self.sink.path)) as connection:
                    for segment in _Dataset(self, connection, holder, policy).build():
                        done.segments += 1
                        done.events += segment.events
                        if on_built is not None:
                            on_built(done)
                        if stop():
                            return done
        return done


class _Dataset:
    """The build of one dataset."""

    def __init__(self, builder: Builder, reader: sqlite3.Connection, holder: Dataset, policy: _Policy) -> None:
        self._sink = builder.sink
        self._reader = reader
        self._holder = holder
        self._damaged = builder.damaged
        self._dense = builder.dense
        self._policy = policy
        self._values: dict[str, list[str]] = {}
        self._known: dict[str, Dictionary] = {}
        self._empty: list[str] = []
        """The fields that no event of the last stretch had: to fetch a null costs more than to find there is none."""

    def build(self) -> Iterator[Segment]:
        """The segments built, one after the other."""
        self._clean()
        stretches = self._stretches()
        if stretches and not self._load():
            stretches = self._stretches()
        at = 0
        for start, end in stretches:
            if (start := max(start, at)) < end:
                yield from self._stretch(start, end)
                at = end

    def _clean(self) -> None:
        """Drops what cannot be used: what another build left, another format, what deletions or damage spoiled."""
        found = spans.load(self._reader, self._holder.name)
        useless = [each for each in found if not each.is_usable or each.id in self._damaged]
        for each in useless:
            with self._sink.turn() as connection:
                drop(connection, [each])
            self._damaged.discard(each.id)

    def _load(self) -> bool:
        """Reads the shared dictionaries. If one is damaged, all that refers to them is dropped and this False."""
        name = self._holder.name
        for each in dictionaries.fields(self._reader, name):
            self._values[each] = values = dictionaries.load(self._reader, name, each)
            if not dictionaries.is_whole(self._reader, name, each, values):
                _log.warning("a dictionary of the index of %s is damaged; all of it is built anew", name)
                self._values = {}
                clear(self._sink, self._reader, name)
                return False
        return True

    def _stretches(self) -> list[tuple[int, int]]:
        """What is to be built, in the order of time."""
        last = self._one(_LAST)
        if last is None:
            return []
        found = spans.load(self._reader, self._holder.name)
        late = dict(self._reader.execute(_LATE_COUNTS))
        wanted = [(each.start, each.end) for each in found if late.get(each.id, 0) >= self._policy.late]
        wanted += self._crowded(found, last)
        for start, end in spans.gaps(found, 0, last + 1):
            wanted += self._gap(start, end, last, found)
        return sorted(wanted)

    def _gap(self, start: int, end: int, last: int, found: Sequence[Span]) -> Iterator[tuple[int, int]]:
        """The stretches of a gap that have enough events, none of them of two days or too many events."""
        while (first := self._one(_FIRST, start, end)) is not None:
            begins, ends = max(start, first - first % DAY), min(end, first - first % DAY + DAY)
            start = ends
            full = self._one(_NTH, first, ends, spans.MOST_EVENTS)
            if full is not None:
                start = ends = full if full > first else first + 1
                yield begins, ends
                continue
            least = self._policy.newest if ends > last else self._policy.least
            if self._one(_NTH, first, ends, least - 1) is not None:
                yield self._with_neighbours(begins, first, ends, found), ends

    def _with_neighbours(self, begins: int, first: int, ends: int, found: Sequence[Span]) -> int:
        """Where a stretch begins that takes small segments just before it along, once they are many or large together.

        So an event is encoded a few times at most, and a day that still grows has few segments.
        """
        start, size, taken = begins, self._count(first, ends), 0
        for each in reversed(found):
            if each.end == start and start % DAY and each.events <= size <= spans.MOST_EVENTS - each.events:
                start, size, taken = each.start, size + each.events, taken + 1
        return start if taken >= _MANY or size >= spans.MOST_EVENTS // 2 else begins

    def _crowded(self, found: Sequence[Span], last: int) -> Iterator[tuple[int, int]]:
        """The runs of segments of a day that is over, each of which would make one segment."""
        run: list[Span] = []
        for each in found:
            follows = bool(run) and each.start == run[-1].end and each.start % DAY != 0
            if not follows or sum(one.events for one in run) + each.events > spans.MOST_EVENTS:
                yield from _whole(run)
                run = []
            if each.start // DAY < last // DAY:
                run.append(each)
        yield from _whole(run)

    def _stretch(self, start: int, end: int) -> Iterator[Segment]:
        span = Span(secrets.randbits(62), self._holder.name, start, end, 0, BUILDING, FORMAT)
        with self._sink.turn() as connection:
            add(connection, span)
        try:
            built, late = self._read(span)
        except sqlite3.DataError:
            _log.exception("some events of %s cannot be indexed; questions read their rows", self._holder.name)
            built, late = [], []
        with self._sink.turn() as connection:
            if not built or not self._put(connection, span, built, late):
                drop(connection, [span])
                return
        for each in self._known.values():
            each.stored = len(each.codes)
        yield from built

    def _read(self, span: Span) -> tuple[list[Segment], list[tuple[int, str]]]:
        """The segments of a stretch, and the late events that are in them already."""
        from agentgauge.stores.sqlite.gather import Dictionary, Gathered, sources

        if self._values:
            self._known = {field: Dictionary.of(values) for field, values in self._values.items()}
            self._values = {}

        every = sources(self._holder)
        self._reader.execute("begin")
        try:
            late = self._reader.execute(_LATE, [span.id]).fetchall()
            fresh = self._sink.watch.fresh
            kept = fresh and fresh.take(self._reader, span.dataset, span.start, span.end)
            if self._empty and (kept or self._any(self._empty, span)):
                self._empty = []
            gathered = Gathered(self._holder, self._known, [name for name in every if name not in self._empty])
            if not kept:
                sql = _ROWS.format(columns=self._columns(gathered.names), table=span.dataset)
                rows.fill(self._reader.execute(sql, [span.start, span.end]), gathered.builders)
        finally:
            self._reader.execute("rollback")
        built = gathered.segments(*(kept or gathered.done()), span.start, span.end, self._dense)
        self._empty = [name for name in every if name in self._empty or name in gathered.empty]
        return built, late

    def _any(self, names: Sequence[str], span: Span) -> bool:
        """Whether any event of the stretch has one of the fields."""
        sql = _ANY.format(columns=self._columns(names), table=span.dataset)
        return self._reader.execute(sql, [span.start, span.end]).fetchone() is not None

    def _columns(self, names: Sequence[str]) -> str:
        return "".join(f", {rows.stored(self._holder, name)}" for name in names)

    def _put(
        self, connection: sqlite3.Connection, span: Span, built: Sequence[Segment], late: Iterable[tuple[int, str]]
    ) -> bool:
        """Puts segments in the place of those they replace, unless their rows have changed meanwhile."""
        from agentgauge.stores.sqlite.segments import checksum

        found = spans.load(connection, span.dataset)
        if not any(each.id == span.id and each.state == BUILDING for each in found):
            return False
        for name, known in self._known.items():
            dictionaries.append(connection, span.dataset, name, known.stored + 1, known.new())
        connection.executemany(_TAKE_LATE, ((span.id, *key) for key in late))
        for each in built:
            segment = Span(secrets.randbits(62), span.dataset, each.start, each.end, each.events, READY, FORMAT)
            add(connection, segment)
            connection.execute(_MOVE_LATE, [segment.id, span.id, each.start, each.end])
            blobs: dict[int, int | None] = {}
            for name, (about, data) in each.columns.items():
                if (blob := blobs.get(id(data))) is None:  # several names may stand for one blob
                    blob = blobs[id(data)] = connection.execute(_ADD_BLOB, [data]).lastrowid
                text = about.text()
                connection.execute(_ADD_COLUMN, [segment.id, name, text, checksum(text, data), blob])
        drop(connection, spans.meeting(found, span.start, span.end))
        return True

    def _one(self, sql: str, *given: int) -> int | None:
        row = self._reader.execute(sql.format(table=self._holder.name), given).fetchone()
        return row[0] if row else None

    def _count(self, start: int, end: int) -> int:
        sql = 'select count(*) from "{table}" where ts >= ? and ts < ?'
        return self._one(sql, start, end) or 0


def _whole(run: Sequence[Span]) -> Iterator[tuple[int, int]]:
    if len(run) > 1:
        yield run[0].start, run[-1].end


def add(connection: sqlite3.Connection, span: Span) -> None:
    """Notes a span."""
    connection.execute(_ADD_SPAN, [span.id, span.dataset, span.start, span.end, span.events, span.state, span.format])
    spans.changed(connection, span.dataset)


def drop(connection: sqlite3.Connection, found: Iterable[Span]) -> None:
    """Drops spans, their segments and the notes of their late events."""
    for span in found:
        for statement in _DROP:
            connection.execute(statement, [span.id])
        spans.changed(connection, span.dataset)


def clear(sink: SqliteSink, source: sqlite3.Connection, dataset: str) -> None:
    """Drops the index of a dataset, a segment a turn."""
    for span in spans.load(source, dataset):
        with sink.turn() as connection:
            drop(connection, [span])
    with sink.turn() as connection:
        dictionaries.clear(connection, dataset)
        spans.changed(connection, dataset)


@contextmanager
def alone(path: Path, *, wait_s: float) -> Generator[bool]:
    """Whether nobody else builds or drops the file's index, now or until the end; waits so long for those who do."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(path.name + ".index.lock"), thread_local=False)
    with files.translated(path):
        try:
            lock.acquire(timeout=wait_s)
        except Timeout:
            yield False
            return
    try:
        yield True
    finally:
        lock.release()


def reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("pragma query_only=1")
    return connection
