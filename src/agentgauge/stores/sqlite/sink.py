"""The writer of a store's file: batches of checked events in, each durable when `write` returns.

Above: imports, the HTTP faces and tools that record. Below: `schema`, `watermarks`, `spans`, `files`, SQLite. Knows no
format and checks no event; it decides what is a duplicate and which of two copies of one happening counts.

Writers of several processes take turns: a turn is one transaction of at most 10,000 events, under an advisory lock.
Everything that may reset the write-ahead log (checkpoints, closing) happens under it too, because SQLite before 3.51.3
may lose a log that two connections reset at once.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import orjson

from agentgauge.core.alike import Alike
from agentgauge.core.catalog import BY_NAME, BY_TYPE, Dataset, Type
from agentgauge.core.errors import StoreBusy
from agentgauge.core.query import Receipt
from agentgauge.stores.sqlite import files, revision, schema, watermarks
from agentgauge.stores.sqlite.files import WriterLock
from agentgauge.stores.sqlite.spans import Watch
from agentgauge.stores.sqlite.watermarks import Delivery, Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from agentgauge.stores.sqlite.fresh import Fresh

Event: TypeAlias = "Mapping[str, Any]"
T = TypeVar("T")

AS_OF = "as_of"
"""The type of the events that move a watermark and are kept nowhere else."""
BATCH = 10_000
"""The most events one turn takes."""
WAL_LIMIT = 64 << 20
"""The length of the write-ahead log, in bytes, from which a turn ends with a checkpoint."""
PAGE = 16_384
CACHE_KIB = 32 << 10

_kind = itemgetter("type")
_key = itemgetter("ts", "id")
_KEY = itemgetter(0, 1)
"""The key of a row."""

_RECALL = "select value from memos where key = ?"
_REMEMBER = "insert or replace into memos (key, value) values (?, ?)"
_FORGET = "delete from memos where key = ?"
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
        self.watch = Watch()
        self._tables = {dataset.name: _Table(dataset, self.watch) for dataset in BY_NAME.values()}

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

    def keep(self) -> Fresh:
        """Begins to keep what is stored, for the index that is built at once after it."""
        from agentgauge.stores.sqlite.fresh import Fresh

        self.watch.fresh = Fresh()
        return self.watch.fresh

    def deliver(self) -> None:
        """Begins another delivery: from here on no as_of falls below what it is now."""
        self._delivery = Delivery()

    def recall(self, key: str) -> bytes | None:
        """What was remembered last under a key."""
        if self._opened is None:
            raise ValueError("the sink is not open")
        with files.translated(self.path):
            row = self._opened[1].execute(_RECALL, (key,)).fetchone()
        return row[0] if row else None

    def write(self, events: Sequence[Event], memos: Mapping[str, bytes] | None = None) -> Receipt:
        """Stores checked events, 10,000 a turn; `(ts, id)` already there means duplicate. Memos go with the last turn;
        an empty one is forgotten.

        Raises:
            StoreError: the turns before this one are durable, of this one nothing is stored.
        """
        receipt = Receipt()
        left = len(events)
        for batch in _batches(events):
            left -= len(batch)
            with self.turn() as connection:
                if memos and not left:
                    connection.executemany(_REMEMBER, memos.items())
                    connection.executemany(_FORGET, [(key,) for key, value in memos.items() if not value])
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
                self.watch.begin(connection)
                yield connection
                connection.execute("commit")
            except BaseException:
                self.watch.undone()
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
        kinds = {batch.type} if isinstance(batch, Alike) else set(map(_kind, batch))
        for name, events in _by_dataset(batch, kinds).items():
            table = self._tables[name]
            before[name] = after[name] = mark = marks.get(name, Mark())
            newest = table.insert(connection, events, receipt, watermarks.matters_above(mark, now))
            if newest is not None:
                after[name] = watermarks.seen(mark, newest, now)
        for event in batch if AS_OF in kinds else ():
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

    def revise(
        self, dataset: str, fields: Sequence[str], change: Callable[[Event], Mapping[str, Any]], *, since: int = 0
    ) -> int:
        """Puts what a rule computes in the place of what is stored, 10,000 events a turn; how many are others now.

        The rule is given `ts`, `id` and the named fields of each event from `since` (ms UTC) on, and gives those of the
        fields that are to have another value.

        Raises:
            StoreError: what the turns before this one changed is durable, of this one nothing is.
        """
        return revision.revise(self, dataset, fields, change, since)


class _Table:
    """How events of one dataset become rows of its table.

    A statement names only the columns that its events fill: binding a null costs as much as three values.
    """

    def __init__(self, dataset: Dataset, watch: Watch) -> None:
        self._name, self._watch = dataset.name, watch
        self._names = schema.columns(dataset)
        self._stored_as = {each.name: _STORED_AS[each.type] for each in dataset.fields if each.type in _STORED_AS}
        self._keyed = "call_key" in dataset.by_name
        table = f'"{dataset.name}"'
        self._insert = f"insert or ignore into {table} ({{}}) values ({{}})"
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
        accepted = self._add(connection, fresh)
        receipt.accepted += accepted
        receipt.duplicate += len(fresh) - accepted
        for event in copies:
            if self._settle(connection, event, receipt) and event["ts"] > above:
                newest = watermarks.later(newest, event["ts"])
        return newest

    def _add(self, connection: sqlite3.Connection, events: Sequence[Event]) -> int:
        """Stores the events whose keys are not there yet; how many that were."""
        if not events:
            return 0
        filled = events.columns.keys() if isinstance(events, Alike) else set[str]().union(*events)
        names = [name for name in self._names if name in filled]
        columns = [self._column(name, events) for name in names]
        rows = list(zip(*columns, strict=True))
        ordered = sorted(rows, key=_KEY)  # stable, so that of two with one key the first is still first
        if ordered != rows:
            rows, columns = ordered, list(zip(*ordered, strict=True))
        self._watch.inserting(connection, self._name, rows)
        before = connection.total_changes
        connection.executemany(self._insert.format(", ".join(map(_quoted, names)), ", ".join("?" * len(names))), rows)
        stored = connection.total_changes - before
        self._watch.stored(self._name, dict(zip(names, columns, strict=True)), stored)
        return stored

    def _column(self, name: str, events: Sequence[Event]) -> Sequence[Any]:
        if isinstance(events, Alike):
            values = events.columns[name]
        else:
            values = [event.get(name) for event in events]
        stored_as = self._stored_as.get(name)
        return values if stored_as is None else list(map(stored_as, values))

    def _split(
        self, connection: sqlite3.Connection, events: Sequence[Event], receipt: Receipt
    ) -> tuple[Sequence[Event], list[Event]]:
        """The first events of their happenings, and the copies that may be better; the rest is counted."""
        if isinstance(events, Alike) and "call_key" not in events.columns:
            return events, []
        keys = {key for event in events if (key := event.get("call_key")) is not None}
        if not keys:
            return events, []
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

    def _newest(self, connection: sqlite3.Connection, events: Sequence[Event], above: int) -> int | None:
        """The newest instant later than `above` at which one of the events is not stored yet."""
        best = max(_keys(events), default=(above, ""))
        if best[0] <= above or not self._stored(connection, best):  # not stored, unless events are sent again
            return best[0] if best[0] > above else None
        candidates = sorted((key for key in _keys(events) if key[0] > above), reverse=True)
        return next((key[0] for key in candidates if not self._stored(connection, key)), None)

    def _stored(self, connection: sqlite3.Connection, key: tuple[int, str]) -> bool:
        return connection.execute(self._exists, key).fetchone() is not None

    def _settle(self, connection: sqlite3.Connection, event: Event, receipt: Receipt) -> bool:
        """Stores an event whose happening may be stored already, if it is the better copy; whether it was."""
        key = _key(event)
        copy = connection.execute(self._copy, (event["call_key"],)).fetchone()
        if copy is None:
            stored = self._add(connection, [event]) == 1
            receipt.accepted += stored
            receipt.duplicate += not stored
            return stored
        old = copy[:2]
        taken = old != key and self._stored(connection, key)
        if taken or _rank(event) <= copy[2]:
            receipt.duplicate += 1
            return False
        self._watch.deleting(connection, self._name, old)
        connection.execute(self._delete, old)
        self._add(connection, [event])
        receipt.replaced += 1
        return True


def _keys(events: Sequence[Event]) -> Iterable[tuple[int, str]]:
    if isinstance(events, Alike):
        return zip(events.columns["ts"], events.columns["id"], strict=True)
    return map(_key, events)


def _packed(value: object) -> str | None:
    """A list or a map as JSON text; an empty one as null."""
    return orjson.dumps(value).decode() if value else None


_STORED_AS: Mapping[Type, Callable[[Any], Any]] = {
    "boolean": {True: 1, False: 0}.get,  # as SQLite keeps it; Python takes six times as long to bind a boolean
    **dict.fromkeys(schema.PACKED, _packed),
}
"""What becomes of a value, or of None, where the column does not hold it as it is."""


def _quoted(name: str) -> str:
    return f'"{name}"'


def _rank(event: Event) -> int:
    return event.get("call_rank") or 0


def _by_dataset(batch: Sequence[Event], kinds: set[str]) -> dict[str, Sequence[Event]]:
    if len(kinds) == 1 and AS_OF not in kinds:
        return {BY_TYPE[kind].name: batch for kind in kinds}
    found: dict[str, list[Event]] = {}
    for event in batch:
        if (kind := event["type"]) != AS_OF:
            found.setdefault(BY_TYPE[kind].name, []).append(event)
    return {**found}


def _batches(events: Sequence[T]) -> list[Sequence[T]]:
    """What the turns take, of nothing one that has nothing."""
    return [events[at : at + BATCH] for at in range(0, len(events), BATCH)] or [events]
