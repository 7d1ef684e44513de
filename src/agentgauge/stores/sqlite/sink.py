"""The writer of a store's file: batches of checked events in, each durable when `write` returns.

Above: imports, the HTTP faces and tools that record. Below: `schema`, `watermarks`, `files`, SQLite. Knows no format
and checks no event; it decides what is a duplicate and which of two copies of one happening counts.

Writers of several processes take turns: a turn is one transaction of at most 10,000 events, under an advisory lock.
Everything that may reset the write-ahead log (checkpoints, closing) happens under it too, because SQLite before 3.51.3
may lose a log that two connections reset at once.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import orjson

from agentgauge.core.catalog import BY_NAME, BY_TYPE, Dataset
from agentgauge.core.errors import StoreBusy
from agentgauge.core.query import Receipt
from agentgauge.stores.sqlite import files, schema, watermarks
from agentgauge.stores.sqlite.files import WriterLock
from agentgauge.stores.sqlite.watermarks import Delivery, Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

Event: TypeAlias = "Mapping[str, Any]"
Row = tuple[Any, ...]
T = TypeVar("T")

AS_OF = "as_of"
"""The type of the events that move a watermark and are kept nowhere else."""
BATCH = 10_000
"""The most events one turn takes."""
WAL_LIMIT = 64 << 20
"""The length of the write-ahead log, in bytes, from which a turn ends with a checkpoint."""
PAGE = 16_384
CACHE_KIB = 32 << 10

_SETTINGS = (
    f"pragma page_size = {PAGE}",  # before the journal mode: a file in WAL mode keeps the size it has
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma wal_autocheckpoint = 0",
    "pragma mmap_size = 0",
    f"pragma cache_size = -{CACHE_KIB}",
)


class SqliteSink:
    """The one writer connection of this process to a store's file. A context manager; safe to use from several threads.

    From `with` to its end is one delivery (see `watermarks`); a sink that stays open starts another with `deliver`.
    """

    def __init__(self, path: Path, *, clock: Callable[[], int], wait_s: float = 5.0) -> None:
        self.path = path
        self._clock = clock
        self._wait_s = wait_s
        self._opened: tuple[WriterLock, sqlite3.Connection] | None = None
        self._delivery = Delivery()
        self._tables = {dataset.name: _Table(dataset) for dataset in BY_NAME.values()}

    def __enter__(self) -> SqliteSink:
        with files.translated(self.path):
            files.make_folder(self.path)
            lock = WriterLock(self.path, self._wait_s)
            with lock.held():
                self._opened = lock, self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Folds the write-ahead log into the file and lets go of it. What was written is durable without this."""
        if self._opened is None:
            return
        (lock, connection), self._opened = self._opened, None
        with suppress(StoreBusy, OSError, sqlite3.Error), lock.held():
            self._checkpoint(connection)
            connection.close()
        with suppress(sqlite3.Error):
            connection.close()

    def deliver(self) -> None:
        """Begins another delivery: from here on no as_of falls below what it is now."""
        self._delivery = Delivery()

    def write(self, events: Sequence[Event]) -> Receipt:
        """Stores checked events, 10,000 a turn; `(ts, id)` already there means duplicate.

        Raises:
            StoreError: the turns before this one are durable, of this one nothing is stored.
        """
        receipt = Receipt()
        for batch in _batches(events):
            with self.turn() as connection:
                marks = watermarks.load(connection)
                part, changed = self._store(connection, batch, marks)
                watermarks.save(connection, changed.items())
            self._delivery.keep(changed)
            receipt.accepted += part.accepted
            receipt.duplicate += part.duplicate
            receipt.replaced += part.replaced
        return receipt

    @contextmanager
    def turn(self) -> Generator[sqlite3.Connection]:
        """A transaction as the only writer: committed at the end, undone whole on any error."""
        if self._opened is None:
            raise ValueError("the sink is not open")
        lock, connection = self._opened
        with files.translated(self.path), lock.held():
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:  # SQLite ends it by itself when the disk is full
                    connection.execute("rollback")
                raise
            if files.wal_size(self.path) > WAL_LIMIT:
                self._checkpoint(connection)

    def _store(
        self, connection: sqlite3.Connection, batch: Sequence[Event], marks: Mapping[str, Mark]
    ) -> tuple[Receipt, dict[str, Mark]]:
        """What became of the events of a turn, and the marks that they moved."""
        receipt, now = Receipt(), self._clock()
        before: dict[str, Mark] = {}
        after: dict[str, Mark] = {}
        for name, events in _by_dataset(batch).items():
            table = self._tables[name]
            before[name] = after[name] = mark = marks.get(name, Mark())
            newest = table.insert(connection, events, receipt, watermarks.matters_above(mark, now))
            if newest is not None:
                after[name] = watermarks.seen(mark, newest, now)
        for event in batch:
            if event["type"] == AS_OF:
                name = event["dataset"]
                mark = after.get(name, before.setdefault(name, marks.get(name, Mark())))
                after[name] = watermarks.said(mark, event["ts"])
                receipt.accepted += after[name] is not mark
                receipt.duplicate += after[name] is mark
        changed = {name: mark for name, mark in after.items() if mark is not before[name]}
        return receipt, {name: self._delivery.settled(name, before[name], mark) for name, mark in changed.items()}

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Copies the log into the file as far as readers allow, and empties it when none still reads it.

        It waits for no reader; what is left is taken along by a later turn. The events are durable already, so that a
        failure here (a full disk) is not a failure of the batch.
        """
        with suppress(sqlite3.Error):
            connection.execute("pragma busy_timeout = 0")
            connection.execute("pragma wal_checkpoint(truncate)").fetchall()
        with suppress(sqlite3.Error):
            connection.execute(f"pragma busy_timeout = {int(self._wait_s * 1_000)}")

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self._wait_s, isolation_level=None, check_same_thread=False)
        try:
            if schema.is_foreign(connection):
                raise files.corrupt(self.path.name, "another program made this database")
            if (found := schema.version(connection)) > schema.VERSION:
                raise files.corrupt(self.path.name, f"it has version {found}, this program knows {schema.VERSION}")
            for setting in _SETTINGS:
                connection.execute(setting)
            if found < schema.VERSION:
                schema.upgrade(connection)
        except BaseException:
            connection.close()
            raise
        return connection


class _Table:
    """How events of one dataset become rows of its table."""

    def __init__(self, dataset: Dataset) -> None:
        names = schema.columns(dataset)
        self._names = names
        self._packed = tuple(names.index(each.name) for each in dataset.fields if each.type in schema.PACKED)
        self._keyed = "call_key" in dataset.by_name
        table = f'"{dataset.name}"'
        marks = ", ".join("?" * len(names))
        self._insert = f"insert or ignore into {table} values ({marks})"
        self._exists = f"select 1 from {table} where ts = ? and id = ?"
        self._delete = f"delete from {table} where ts = ? and id = ?"
        self._copy = f"select ts, id, coalesce(call_rank, 0) from {table} where call_key = ?"
        self._ranks = (
            f"select call_key, coalesce(call_rank, 0) from {table} where call_key in (select value from json_each(?))"
        )

    def insert(
        self, connection: sqlite3.Connection, events: Sequence[Event], receipt: Receipt, above: int
    ) -> int | None:
        """Stores events and counts them; gives the newest instant of those stored, if it is later than `above`."""
        fresh, copies = self._split(connection, events, receipt) if self._keyed else (events, [])
        newest = self._newest(connection, fresh, above)
        accepted = _changes(connection, self._insert, map(self._row, fresh))
        receipt.accepted += accepted
        receipt.duplicate += len(fresh) - accepted
        for event in copies:
            if self._settle(connection, event, receipt) and event["ts"] > above:
                newest = watermarks.later(newest, event["ts"])
        return newest

    def _split(
        self, connection: sqlite3.Connection, events: Sequence[Event], receipt: Receipt
    ) -> tuple[list[Event], list[Event]]:
        """The first events of their happenings, and the copies that may be better; the rest is counted."""
        keys = {key for event in events if (key := event.get("call_key")) is not None}
        if not keys:
            return list(events), []
        ranks: dict[str, int] = dict(connection.execute(self._ranks, (orjson.dumps(list(keys)).decode(),)))
        fresh: list[Event] = []
        copies: list[Event] = []
        for event in events:
            key = event.get("call_key")
            if key is None:
                fresh.append(event)
            elif key in ranks:
                if _rank(event) > ranks[key]:
                    copies.append(event)
                else:
                    receipt.duplicate += 1
            elif key in keys:
                keys.remove(key)
                fresh.append(event)
            else:
                copies.append(event)
        return fresh, copies

    def _newest(self, connection: sqlite3.Connection, events: Iterable[Event], above: int) -> int | None:
        """The newest instant later than `above` at which one of the events is not stored yet."""
        candidates = [(event["ts"], event["id"]) for event in events if event["ts"] > above]
        if not candidates:
            return None
        if not self._stored(connection, best := max(candidates)):  # so it is unless events are sent again
            return best[0]
        return next((key[0] for key in sorted(candidates, reverse=True) if not self._stored(connection, key)), None)

    def _stored(self, connection: sqlite3.Connection, key: tuple[int, str]) -> bool:
        return connection.execute(self._exists, key).fetchone() is not None

    def _settle(self, connection: sqlite3.Connection, event: Event, receipt: Receipt) -> bool:
        """Stores an event whose happening may be stored already, if it is the better copy; whether it was."""
        key = (event["ts"], event["id"])
        copy = connection.execute(self._copy, (event["call_key"],)).fetchone()
        if copy is None:
            stored = _changes(connection, self._insert, [self._row(event)]) == 1
            receipt.accepted += stored
            receipt.duplicate += not stored
            return stored
        old = copy[:2]
        taken = old != key and self._stored(connection, key)
        if taken or _rank(event) <= copy[2]:
            receipt.duplicate += 1
            return False
        connection.execute(self._delete, old)
        connection.execute(self._insert, self._row(event))
        receipt.replaced += 1
        return True

    def _row(self, event: Event) -> Row:
        values = list(map(event.get, self._names))
        for at in self._packed:
            if (value := values[at]) is not None:
                values[at] = orjson.dumps(value).decode() if value else None
        return tuple(values)


def _changes(connection: sqlite3.Connection, statement: str, rows: Iterable[Row]) -> int:
    before = connection.total_changes
    connection.executemany(statement, rows)
    return connection.total_changes - before


def _rank(event: Event) -> int:
    return event.get("call_rank") or 0


def _by_dataset(batch: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in batch:
        if (kind := event["type"]) != AS_OF:
            found.setdefault(BY_TYPE[kind].name, []).append(event)
    return found


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, BATCH)):
        yield batch
