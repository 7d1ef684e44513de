"""Which stretches of a dataset's time the columnar index covers, and how every write keeps that true.

Above: the sink (what it stores and deletes), the reader and the builder. Below: two small tables. Loads no numpy.

A *span* is a stretch of time, start <= ts < end, and the segment that holds its events. Of a span that is READY this
holds at every commit: its segment and its late events (`index_late`) together are the rows of the stretch, none of them
twice. So a writer notes the key of each event that lands in a span, in the same transaction; when it deletes a row out
of one, the span is STALE and its rows count alone until it is built again. A span that is BUILDING is watched likewise
from before its rows are read, and so needs no lock while they are.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agentgauge.stores.sqlite.fresh import Fresh

BUILDING, READY, STALE = range(3)
"""The states of a span."""
FORMAT = 2
"""What a segment's blobs look like; segments of another format are not read, and built again."""
MOST_EVENTS = 131_072
"""The most events of a segment (unless one millisecond has more)."""
DAY = 86_400_000
ALWAYS = 1 << 62
"""An instant after every event, ms UTC."""

_CHANGES = "select dataset, changes from index_changes where dataset not glob '*.rows'"
# A random number, not a count: no two states share it, not even those of a file and of a restored copy.
_CHANGED = """insert into index_changes (dataset, changes) values (?, random())
on conflict (dataset) do update set changes = excluded.changes"""
_ROW_CHANGES = "select changes from index_changes where dataset = ?"
_SPANS = """select id, dataset, start, "end", events, state, format from index_segments
where dataset = ? order by start"""
_ANY = "select 1 from index_segments limit 1"
_MEETS = 'select 1 from index_segments where dataset = ? and start < ? and "end" > ? limit 1'
_LATE = """insert or ignore into index_late (segment, ts, id)
select ?1, ?2, ?3 where not exists (select 1 from "{dataset}" where ts = ?2 and id = ?3)"""
_UNDO_LATE = "delete from index_late where segment = ? and ts = ? and id = ?"
_IS_LATE = "select 1 from index_late where segment = ? and ts = ? and id = ?"
_STALE = "update index_segments set state = ? where id = ?"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a dataset's time and the segment that holds its events."""

    id: int
    """Random, so that no two segments of any files share one."""
    dataset: str
    start: int
    end: int
    events: int
    state: int
    format: int

    @property
    def is_usable(self) -> bool:
        """Whether a question may be answered from it."""
        return self.state == READY and self.format == FORMAT


def changes(connection: sqlite3.Connection) -> dict[str, int]:
    """Per dataset a number that is another one after any change of its spans."""
    return dict(connection.execute(_CHANGES))


def changed(connection: sqlite3.Connection, dataset: str) -> None:
    """Says that the dataset's spans are others now."""
    connection.execute(_CHANGED, [dataset])


def row_changes(connection: sqlite3.Connection, dataset: str) -> int | None:
    """A number that is another one after any row of a dataset was deleted or given other values."""
    row = connection.execute(_ROW_CHANGES, [_of_rows(dataset)]).fetchone()
    return row[0] if row else None


def rows_changed(connection: sqlite3.Connection, dataset: str) -> None:
    """To be called in every turn that deletes rows of a dataset or gives them other values."""
    connection.execute(_CHANGED, [_of_rows(dataset)])


def _of_rows(dataset: str) -> str:
    """The name under which changes of the rows are told, which no dataset has."""
    return f"{dataset}.rows"


def load(connection: sqlite3.Connection, dataset: str) -> list[Span]:
    """Every span of a dataset, by time."""
    return [Span(*row) for row in connection.execute(_SPANS, [dataset])]


def any_meets(connection: sqlite3.Connection, dataset: str | None, start: int, end: int) -> bool:
    """Whether a span of a dataset (None: of any) shares an instant with start..end."""
    if dataset is None:
        return connection.execute(_ANY).fetchone() is not None
    return connection.execute(_MEETS, [dataset, end, start]).fetchone() is not None


def meeting(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    """The spans that share an instant with start..end."""
    return [each for each in spans if each.start < end and each.end > start]


def gaps(spans: Iterable[Span], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of start..end that none of the spans covers; spans by time, none over another."""
    at = start
    for each in spans:
        if each.start > at:
            yield at, min(each.start, end)
        at = max(at, each.end)
        if at >= end:
            return
    yield at, end


class Watch:
    """What a writer knows of the spans; an event newer than all of them costs it one comparison."""

    def __init__(self) -> None:
        self._changes: dict[str, int] = {}
        self._covered: dict[str, _Covered] = {}
        self._told: set[str] = set()
        """The datasets whose rows this turn has changed."""
        self.fresh: Fresh | None = None
        """What is kept of the events for the next build."""

    def begin(self, connection: sqlite3.Connection) -> None:
        """Learns, once a turn, whether spans are others than they were."""
        self._told.clear()
        if self.fresh is not None:
            self.fresh.begin(connection)
        found = changes(connection)
        if found != self._changes:
            self._changes, self._covered = found, {}

    def inserting(self, connection: sqlite3.Connection, dataset: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Notes the events that land in a span, before they are stored; a row begins with ts and id, rows ascend."""
        covered = self._of(connection, dataset)
        if not rows or covered is None or rows[0][0] >= covered.end:
            return
        late = [(span.id, row[0], row[1]) for row in rows for span in covered.at(row[0])]
        if late:
            connection.executemany(_LATE.format(dataset=dataset), late)

    def undone(self) -> None:
        """To be called when what a turn has written does not hold."""
        if self.fresh is not None:
            self.fresh.clear()

    def stored(self, dataset: str, columns: Mapping[str, Sequence[Any]], count: int) -> None:
        """To be called when rows were stored, ascending, that many of them; the others were there before."""
        if self.fresh is not None and len(columns["ts"]):
            if count == len(columns["ts"]):
                self.fresh.stored(dataset, columns)
            else:
                self.fresh.forget(dataset)

    def deleting(self, connection: sqlite3.Connection, dataset: str, key: tuple[int, str]) -> None:
        """Gives up the spans that hold this event; to be called when its row is deleted."""
        self._changing(connection, dataset)
        covered = self._of(connection, dataset)
        for span in list(covered.at(key[0])) if covered else ():
            was_late = span.state == READY and connection.execute(_UNDO_LATE, (span.id, *key)).rowcount
            if not was_late:  # a span being built may have read the row already
                self._give_up(connection, dataset, span)

    def changing(self, connection: sqlite3.Connection, dataset: str, key: tuple[int, str]) -> None:
        """Gives up the spans that hold this event; to be called when its row is given other values."""
        self._changing(connection, dataset)
        covered = self._of(connection, dataset)
        for span in list(covered.at(key[0])) if covered else ():
            is_late = span.state == READY and connection.execute(_IS_LATE, (span.id, *key)).fetchone()
            if not is_late:  # a late event is read from its row
                self._give_up(connection, dataset, span)

    def _changing(self, connection: sqlite3.Connection, dataset: str) -> None:
        """Tells those who keep rows, once a turn."""
        if self.fresh is not None:
            self.fresh.forget(dataset)
        if dataset not in self._told:
            self._told.add(dataset)
            rows_changed(connection, dataset)

    def _give_up(self, connection: sqlite3.Connection, dataset: str, span: Span) -> None:
        connection.execute(_STALE, [STALE, span.id])
        changed(connection, dataset)
        self._covered.pop(dataset, None)

    def _of(self, connection: sqlite3.Connection, dataset: str) -> _Covered | None:
        if dataset not in self._changes:
            return None
        if dataset not in self._covered:
            self._covered[dataset] = _Covered(load(connection, dataset))
        return self._covered[dataset]


class _Covered:
    """The spans of a dataset, found by an instant. Those that are READY never overlap; others lie over them."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._ready = [each for each in spans if each.state == READY]
        self._starts = [each.start for each in self._ready]
        self._building = [each for each in spans if each.state == BUILDING]
        self.end = max((each.end for each in spans), default=0)

    def at(self, ts: int) -> Iterator[Span]:
        """The spans that cover the instant."""
        place = bisect_right(self._starts, ts) - 1
        if place >= 0 and ts < self._ready[place].end:
            yield self._ready[place]
        for each in self._building:
            if each.start <= ts < each.end:
                yield each
