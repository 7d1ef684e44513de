"""What vendors answered lately: one small file per organisation, so that the same question soon again costs nothing.

Above: the HTTP channel. Below: sqlite3. Kept are answers as long as their Cache-Control allows, the instant that a
question was first put at (`now-24h` stays the same window while its answer may be used again), and the requests that
vendors count. It is a help, never a need: a file that cannot be read or written is as if nothing were kept.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MOST_BYTES = 64 << 20
"""The size of answers, in bytes, from which the oldest are let go."""
_TABLES = """
create table if not exists answers (key text primary key, until integer not null, body blob not null) without rowid;
create table if not exists questions (key text primary key, until integer not null, now integer not null) without rowid;
create table if not exists requests (meter text not null, at integer not null);
create index if not exists requests_at on requests (meter, at);
"""
_OLDEST = """
delete from answers where key in (
  select key from (select key, sum(length(body)) over (order by until desc, key) as size from answers) where size > ?
)"""
_INSTANT = "select now from questions where key = ? and until > ?"
_FORGET = "delete from requests where meter = ? and at <= ?"


class Kept:
    """The file of one organisation, or nothing that is kept. Safe to use from several threads and processes.

    Instants are ms UTC.
    """

    def __init__(self, path: Path | None, clock: Callable[[], int]) -> None:
        self._path, self._clock = path, clock
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._grown = 0
        """Bytes kept since it was last cleared."""

    def answer(self, key: str) -> bytes | None:
        """The body that was kept under that key, while it may be used."""
        found = self._try(
            lambda db: db.execute("select body from answers where key = ? and until > ?", (key, self._clock()))
        )
        return found[0][0] if found else None

    def keep(self, key: str, body: bytes, seconds: float) -> None:
        """Keeps a body for so long."""
        if seconds <= 0:
            return
        until = self._clock() + int(seconds * 1_000)
        self._try(lambda db: db.execute("insert or replace into answers values (?, ?, ?)", (key, until, body)))
        self._grown += len(body)
        if self._grown > MOST_BYTES >> 4:
            self._clear()

    def instant(self, question: str, now: int, seconds: float) -> int:
        """The instant at which the question was first put, within so many seconds; from now on, this one."""
        found = self._try(
            lambda db: db.execute("select now from questions where key = ? and until > ?", (question, now))
        )
        if found:
            return int(found[0][0])
        row = (question, now + int(seconds * 1_000), now)
        self._try(lambda db: db.execute("insert or replace into questions values (?, ?, ?)", row))
        return now

    def spent(self, meter: str, seconds: int) -> tuple[int, int | None]:
        """How many requests a meter counted in the last so many seconds, and when the oldest of them was."""
        after = self._clock() - seconds * 1_000
        sql = "select count(*), min(at) from requests where meter = ? and at > ?"
        found = self._try(lambda db: db.execute(sql, (meter, after)))
        return (found[0][0], found[0][1]) if found else (0, None)

    def spend(self, meter: str, seconds: int) -> None:
        """Counts a request, and forgets those that are older than so many seconds."""
        now = self._clock()
        self._try(
            lambda db: db.execute("delete from requests where meter = ? and at <= ?", (meter, now - seconds * 1_000))
        )
        self._try(lambda db: db.execute("insert into requests values (?, ?)", (meter, now)))

    def close(self) -> None:
        """Lets go of the file."""
        if self._connection is not None:
            self._clear()
        with self._turn:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _clear(self) -> None:
        """Forgets what is too old, and the oldest of what is too much."""
        self._grown = 0
        now = self._clock()
        self._try(lambda db: db.execute("delete from answers where until <= ?", (now,)))
        self._try(lambda db: db.execute("delete from questions where until <= ?", (now,)))
        self._try(lambda db: db.execute(_OLDEST, (MOST_BYTES,)))

    def _try(self, ask: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> Sequence[Any]:
        if self._path is None:
            return ()
        with self._turn:
            try:
                return ask(self._opened(self._path)).fetchall()
            except (sqlite3.Error, OSError):
                return ()

    def _opened(self, path: Path) -> sqlite3.Connection:
        if self._connection is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            try:
                # What is lost with the machine's power is asked again.
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = off")
                connection.executescript(_TABLES)
                path.chmod(0o600)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection
