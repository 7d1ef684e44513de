"""Where an organisation's files lie, whose turn it is to write, and what a failing disk or file is called.

Above: the sink, the store, the composition root. Below: the file system. Knows no table and no event.

`<home>/orgs/<org>.db` is the store; beside it lie SQLite's own `-wal` and `-shm` and two empty lock files, which stay.
"""

from __future__ import annotations

import errno
import re
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentgauge.core.errors import InvalidValue, StoreBusy, StoreCorrupt, StoreError, StoreUnwritable, quote

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNWRITABLE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR})
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_POLL_S = 0.002
BUSY_HINT = "Try again in a few seconds; an import gives way after every 10,000 events."


def organisation(name: str) -> str:
    """The name itself, once it is one that an organisation may have.

    Raises:
        InvalidValue: saying what a name may look like.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            f"{quote(name)} is not a name for an organisation.",
            hint="It takes 1 to 63 of a-z, 0-9, _ and -, and starts with a letter or digit.",
        )
    return name


def store_path(home: Path, org: str) -> Path:
    """The file of an organisation; it need not exist, and no file is an empty store."""
    return home / "orgs" / f"{organisation(org)}.db"


def organisations(home: Path) -> list[str]:
    """The organisations that have a file, sorted."""
    return sorted(each.stem for each in (home / "orgs").glob("*.db") if _NAME.fullmatch(each.stem))


def make_folder(path: Path) -> None:
    """Makes the folder that a store's file lies in, and its home, for their owner alone."""
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def lock_path(path: Path) -> Path:
    """The file whose lock makes its holder the only writer."""
    return path.with_name(path.name + ".lock")


def queue_path(path: Path) -> Path:
    """The file whose lock makes its holder the next writer."""
    return path.with_name(path.name + ".next.lock")


def wal_size(path: Path) -> int:
    """How long the write-ahead log is, in bytes."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


class WriterLock:
    """Makes one thread of one process on the machine the only writer of a store's file.

    A second lock is the queue: who wants a turn waits for it there, so that a writer that has just finished stands
    behind those who wait already, and an import of millions lets a single event through.
    """

    def __init__(self, path: Path, wait_s: float) -> None:
        from filelock import FileLock  # 90 ms that only writers pay

        self._path = path
        self._wait_s = wait_s
        self._thread = threading.Lock()
        self._queue = FileLock(queue_path(path), thread_local=False)
        self._writer = FileLock(lock_path(path), thread_local=False)

    @contextmanager
    def held(self) -> Generator[None]:
        """A turn.

        Raises:
            StoreBusy: when others had theirs for as long as this one may wait.
        """
        until = time.monotonic() + self._wait_s
        if not self._thread.acquire(timeout=self._wait_s):
            raise self._busy()
        try:
            self._acquire(until)
            try:
                yield
            finally:
                self._writer.release()
        finally:
            self._thread.release()

    def _acquire(self, until: float) -> None:
        from filelock import Timeout

        try:
            with self._queue.acquire(timeout=_left(until), poll_interval=_POLL_S):
                self._writer.acquire(timeout=_left(until), poll_interval=_POLL_S)
        except Timeout:
            raise self._busy() from None

    def _busy(self) -> StoreBusy:
        message = f"{self._path.name} was busy for {self._wait_s:g} s: another writer holds it."
        return StoreBusy(message, hint=BUSY_HINT)


def _left(until: float) -> float:
    return max(0.0, until - time.monotonic())


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Turns what SQLite and the system raise about a store's file into a StoreError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(error, path.name) from error
    except OSError as error:
        raise _of_system(error, path.name) from error


def _of_sqlite(error: sqlite3.Error, name: str) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return _full(name)
    if code in _BUSY:
        return StoreBusy(f"{name} is in use by another program.", hint=BUSY_HINT)
    if code in _CORRUPT:
        return corrupt(name, str(error))
    if code in _UNWRITABLE:
        return _unwritable(name, str(error))
    return StoreError(f"{name}: {error}.")


def _of_system(error: OSError, name: str) -> StoreError:
    if error.errno in _DISK_FULL:
        return _full(name)
    return _unwritable(name, error.strerror or type(error).__name__)


def corrupt(name: str, why: str) -> StoreCorrupt:
    """The refusal of a file that is damaged or is no store of ours."""
    return StoreCorrupt(
        f"{name} cannot be read as a store of agentgauge: {why}.",
        hint="Move it (and its -wal and -shm, if any) away or restore all of it from a backup, then try again.",
    )


def _full(name: str) -> StoreUnwritable:
    return StoreUnwritable(
        f"the disk that holds {name} is full; the last batch was not stored.",
        hint="Free some space and send the batch again; what was acknowledged before is kept.",
    )


def _unwritable(name: str, why: str) -> StoreUnwritable:
    return StoreUnwritable(
        f"{name} cannot be written: {why}.",
        hint="Check that it and its folder are yours and writable, or set AGENTGAUGE_HOME to another folder.",
    )
