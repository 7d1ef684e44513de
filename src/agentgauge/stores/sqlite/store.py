"""SqliteStore: answers questions from one organisation's SQLite file, which it only ever reads.

Above: desks, through core.query.Store. Below: rows (SQL) and scan (numpy), loaded with the first question. One
connection, one reader at a time, and every question in a read transaction of its own, so that its rows and its `as_of`
are of one moment.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import REGISTRIES, Dataset, dataset, names
from agentgauge.core.errors import DeadlineExceeded, InvalidValue, StoreBusy, StoreCorrupt, StoreError, unknown_name
from agentgauge.core.query import Extent, Filter, Query, Values, check, check_filter, measure
from agentgauge.core.table import nothing
from agentgauge.core.time import Window
from agentgauge.stores.sqlite import files, spans
from agentgauge.stores.sqlite.cache import DEFAULT_MIB, ColumnCache, shared
from agentgauge.stores.sqlite.schema import INDEXED, VERSION
from agentgauge.stores.sqlite.spans import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable, Mapping, Sequence
    from pathlib import Path

    from agentgauge.core.table import Table
    from agentgauge.stores.sqlite.columns import Columns
    from agentgauge.stores.sqlite.reader import Index
    from agentgauge.stores.sqlite.rowcache import RowCache
    from agentgauge.stores.sqlite.rows import Stretch

_STEPS = 20_000
"""How many of SQLite's own instructions pass between two looks at the clock."""
_TABLES = "select count(*) from sqlite_schema"
_RESTORE = "Restore a copy, or move it aside and import again."


class SqliteStore:
    """Implements core.query.Store. A file that is not there yet is an empty store."""

    def __init__(self, path: Path, *, deadline_s: float = 10.0, cache: ColumnCache | None = None) -> None:
        self._path = path.absolute()
        self._cache = cache or shared(DEFAULT_MIB)
        self._index: Index | None = None
        self._kept: RowCache | None = None
        self._version = 0
        self._deadline_s = deadline_s
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._immutable = False
        self._extents: tuple[int, Sequence[Extent]] | None = None

    def query(self, query: Query) -> Table:
        """The answer to a question."""
        check(query)
        from agentgauge.stores.sqlite import rows

        with self._reading() as connection:
            as_of = rows.as_of(connection, query.dataset) if connection else None
            parts: Sequence[Columns] = self._parts(connection, query) if connection else ()
        if not parts:
            return nothing(query, as_of)
        from agentgauge.stores.sqlite import scan  # and numpy with it, once there is something to scan

        return scan.answer(query, parts, as_of)

    def extents(self) -> Sequence[Extent]:
        """What it holds, a row per dataset that has events; counted again only after a write."""
        from agentgauge.stores.sqlite import overview, rows

        with self._reading() as connection:
            if connection is None:
                return []
            version: int = connection.execute("pragma data_version").fetchone()[0]
            if self._extents is None or self._extents[0] != version:
                index = self._indexed(connection)
                found = overview.extents(connection, index) if index else rows.extents(connection)
                self._extents = version, found
            return self._extents[1]

    def values(self, dataset: str, field: str, where: Sequence[Filter] = (), *, most: int = 10) -> Values:
        """The values of one field over all time."""
        from agentgauge.stores.sqlite import rows

        holder = _checked(dataset, where)
        if not holder.find(field).groupable:
            raise InvalidValue(f"{field!r} has keys of its own.", hint=f"Ask for one of them: {field}.<key>.")
        with self._reading() as connection:
            if connection is None:
                return Values(field, [], 0)
            if holder.find(field).internal or not self._indexed(connection, dataset):
                return rows.values(connection, holder, field, where, most)
            every = Query(dataset, Window(0, rows.after_last(connection, holder)), (measure("count", None),))
            query = replace(every, group_by=(field,), where=tuple(where))
            parts = self._parts(connection, query)
        from agentgauge.stores.sqlite import scan

        table = scan.answer(query, parts, None)
        values = [key[0] for key in table.groups]
        counts: Any = zip(values, table.totals["count"], strict=True)
        return Values(field, list(islice(counts, most)), sum(value is not None for value in values))

    def keys(self, dataset: str, field: str, where: Sequence[Filter] = ()) -> Mapping[str, int]:
        """The keys of a map field and how many events have each."""
        from agentgauge.stores.sqlite import overview, rows

        holder = _checked(dataset, where)
        rows.map_field(holder, field)
        with self._reading() as connection:
            if connection is None:
                return {}
            index = None if where else self._indexed(connection, dataset)
            told = overview.keys(connection, index, holder, field) if index else None
            return rows.keys(connection, holder, field, where) if told is None else told

    def registry(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """The newest entry of each id of a registry."""
        from agentgauge.stores.sqlite import rows

        holder = next((each for each in REGISTRIES if each.name == name), None)
        if holder is None:
            raise unknown_name("a registry", name, names(REGISTRIES))
        with self._reading() as connection:
            return rows.newest(connection, holder) if connection else {}

    def rows(self, dataset: str, where: Sequence[Filter], *, most: int) -> Sequence[Mapping[str, Any]]:
        """The events themselves, oldest first, at most `most`."""
        from agentgauge.stores.sqlite import rows

        holder = _checked(dataset, where)
        with self._reading() as connection:
            return rows.listing(connection, holder, where, most) if connection else []

    def size(self) -> int:
        """The length of the file and of its write-ahead log, in bytes."""
        try:
            return self._path.stat().st_size + files.wal_size(self._path)
        except OSError:
            return 0

    def version(self) -> Hashable:
        """Something that is equal as long as nothing was written.

        Never waits: while a question runs it is new every time, so a store that is asked a lot is watched by a second
        one.
        """
        if not self._turn.acquire(blocking=False):
            return object()
        try:
            connection = self._connect()
            return connection and (self._file, connection.execute("pragma data_version").fetchone()[0])
        except (sqlite3.Error, StoreError):
            return object()  # the question itself will say what is wrong
        finally:
            self._turn.release()

    def close(self) -> None:
        """Lets go of the file; the next question opens it again."""
        with self._turn:
            self._close()

    def _parts(self, connection: sqlite3.Connection, query: Query) -> Sequence[Columns]:
        """What is in the window: of the segments, of what came late to them, and of what they do not cover."""
        from agentgauge.stores.sqlite import rows

        window = [(query.window.start, query.window.end)]
        index = self._indexed(connection, query.dataset, *window[0])
        if index is None:
            return self._rows(connection, query, window)
        found = index.find(connection, query)
        parts = list(found.parts)
        if (late := rows.late(connection, query, found.segments)) is not None:
            parts.append(late)
        return parts + self._rows(connection, query, found.stretches)

    def _rows(self, connection: sqlite3.Connection, query: Query, stretches: Sequence[Stretch]) -> list[Columns]:
        """What the rows of some stretches have; nothing, and no numpy loaded, where there are none."""
        from agentgauge.stores.sqlite import rows

        if not rows.has_any(connection, query.dataset, stretches):
            return []
        found = None
        if self._version >= INDEXED:
            if self._kept is None:
                from agentgauge.stores.sqlite.rowcache import RowCache

                self._kept = RowCache()
            version = connection.execute("pragma data_version").fetchone()[0]
            found = self._kept.read(connection, query, stretches, version)
        return [rows.read(connection, query, stretches) if found is None else found]

    def _indexed(
        self, connection: sqlite3.Connection, dataset: str | None = None, start: int = 0, end: int = ALWAYS
    ) -> Index | None:
        """The index, and numpy with it, if it has a segment of that dataset (or of any) in that time."""
        if self._version < INDEXED or not spans.any_meets(connection, dataset, start, end):
            return None
        if self._index is None:
            from agentgauge.stores.sqlite.reader import Index

            self._index = Index(self._cache)
        return self._index

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection | None]:
        """A connection inside a read transaction, None when there is nothing to read."""
        end = monotonic() + self._deadline_s
        if not self._turn.acquire(timeout=self._deadline_s):
            raise self._late()
        try:
            connection = self._connect()
            if connection is None:
                yield None
                return
            connection.set_progress_handler(lambda: monotonic() > end, _STEPS)
            connection.execute("begin")
            yield connection if self._has_tables(connection) else None
        except sqlite3.Error as error:
            self._close()
            raise self._explained(error) from error
        finally:
            self._end()
            self._turn.release()

    def _connect(self) -> sqlite3.Connection | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._close()
            return None
        except OSError as error:
            raise self._unreadable() from error
        if self._connection is None or self._file != (found.st_dev, found.st_ino):
            self._close()
            self._connection = self._open()
            self._file = found.st_dev, found.st_ino
        return self._connection

    def _open(self) -> sqlite3.Connection:
        try:
            return self._opened("mode=ro")
        except sqlite3.OperationalError as error:
            if not _name(error).startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) or self._has_log():
                raise
        # A write-ahead log needs a shared-memory file beside it, which a read-only folder cannot take.
        self._immutable = True
        return self._opened("mode=ro&immutable=1")

    def _opened(self, how: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?{how}",
            uri=True,
            timeout=self._deadline_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("pragma query_only=1")
            connection.execute(_TABLES).fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _has_log(self) -> bool:
        try:
            return self._path.with_name(self._path.name + "-wal").stat().st_size > 0
        except OSError:
            return False

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        version: int = connection.execute("pragma user_version").fetchone()[0]
        if version > VERSION:
            raise StoreCorrupt(
                f"{self._path.name} was written by a newer agentgauge (format {version}, this one reads {VERSION}).",
                hint="Upgrade agentgauge.",
            )
        self._version = version
        if version:
            return True
        if connection.execute(_TABLES).fetchone()[0]:
            raise self._corrupt("is no agentgauge file")
        return False

    def _end(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.rollback()
        if self._immutable:  # it would never see a change
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._file, self._immutable = None, None, False
        self._extents, self._index, self._kept = None, None, None

    def _explained(self, error: sqlite3.Error) -> StoreError:
        name, file = _name(error), self._path.name
        if name == "SQLITE_INTERRUPT":
            return self._late()
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StoreBusy(f"{file} is locked by another program.", hint="Try again in a moment.")
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
            return self._unreadable()
        if name in ("SQLITE_IOERR_DATA", "SQLITE_IOERR_CORRUPTFS"):
            return self._corrupt("fails its checksums")
        if name.startswith("SQLITE_NOTADB"):
            return self._corrupt("is no SQLite file")
        if name.startswith(("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_NOMEM")):
            return StoreError(
                f"{file} cannot be read from its disk ({name}).", hint="Check the disk and its free space."
            )
        return self._corrupt("is damaged")

    def _corrupt(self, how: str) -> StoreCorrupt:
        return StoreCorrupt(f"{self._path.name} {how}.", hint=_RESTORE)

    def _unreadable(self) -> StoreError:
        return StoreError(
            f"{self._path.name} cannot be opened.",
            hint="Check that this user may read the file and its folder, and write there while a -wal file exists.",
        )

    def _late(self) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"the question took longer than {self._deadline_s:g} seconds.",
            hint="Ask for a shorter window, or filter more.",
        )


def _checked(name: str, where: Sequence[Filter]) -> Dataset:
    holder = dataset(name)
    for condition in where:
        check_filter(holder.find(condition.field), condition)
    return holder


def _name(error: sqlite3.Error) -> str:
    """SQLite's name of the error; empty where Python raised it itself."""
    return getattr(error, "sqlite_errorname", None) or ""
