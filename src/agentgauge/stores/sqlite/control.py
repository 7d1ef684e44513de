"""The control file: who may ask what over HTTP, and the secrets that this home's servers share.

Above: the composition root, which hands it to the HTTP faces and to the command `keys`. Below: `files`, SQLite. Knows
no request and no event.

`<home>/control.db` holds a row per key and of each token only the hash of its secret: a token is
`ag_<id>_<secret>`, and the secret's 256 random bits are what makes a plain SHA-256 enough. No file means no keys. The
file is in rollback mode and not in WAL mode: it is written a few times in its life, and then has no second file that
could be lost or left behind in a backup.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import sqlite3
import string
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from agentgauge.core.errors import InvalidValue, clean, quote, unknown_name
from agentgauge.core.operation import READ, WRITE, Principal
from agentgauge.stores.sqlite import files

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

SCOPES = (READ, WRITE)
ROLES = ("member", "admin", "owner")
TIERS = ("starter", "payg", "growth", "scale", "custom")
LONGEST = 128
"""The most characters of a name, a user or a team."""
VERSION = 1
"""The `user_version` of a file that this program makes."""

_ID_BYTES = 8
_LETTERS = string.ascii_letters + string.digits
_LETTERS_OF_SECRET = 43  # log2(62 ** 43) = 256 bits
_TOKEN = re.compile(f"ag_([0-9a-f]{{{2 * _ID_BYTES}}})_([0-9A-Za-z]{{{_LETTERS_OF_SECRET}}})")
_SECRET_BYTES = 32
_MOST_KNOWN = 4_096

_TABLES = (
    """create table if not exists keys (
  id text primary key,
  org text not null,
  name text not null,
  hash blob not null,
  scopes text not null,
  role text not null,
  tier text not null,
  user text,
  teams text not null,
  created integer not null,
  revoked integer
) without rowid""",
    "create table if not exists secrets (name text primary key, value blob not null) without rowid",
    f"pragma user_version = {VERSION}",
)
_COLUMNS = "id, org, name, scopes, role, tier, user, teams, created, revoked, hash"
_ALL = f"select {_COLUMNS} from keys order by created, id"
_ONE = f"select {_COLUMNS} from keys where id = ?"
_ANY = "select 1 from keys limit 1"
_INSERT = f"insert into keys ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REVOKE = "update keys set revoked = ? where id = ? and revoked is null"
_SECRET = "select value from secrets where name = ?"
_KEEP_SECRET = "insert or ignore into secrets values (?, ?)"

_MAKING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; neither its token nor its hash."""

    id: str
    org: str
    name: str
    scopes: tuple[str, ...]
    role: str
    tier: str
    user: str | None
    teams: tuple[str, ...]
    created: int
    revoked: int | None = None

    @property
    def principal(self) -> Principal:
        """Who asks with it."""
        return Principal(self.org, frozenset(self.scopes), self.role, self.tier, self.user, self.teams)


_Held = tuple[bytes, Principal | None]
"""The hash of a key's secret, and who holds it: None once it is revoked."""
_NOBODY: _Held = bytes(hashlib.sha256().digest_size), None


class Control:
    """The control file of a home. Opens it when it is needed; safe to use from several threads and processes."""

    def __init__(self, path: Path, *, wait_s: float = 5.0) -> None:
        self.path = path
        self._wait_s = wait_s
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, ...] = ()
        self._version = 0
        self._known: dict[str, _Held] = {}
        self._had_keys = False
        self._has_none = False

    def __enter__(self) -> Control:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file; the next call opens it again."""
        with self._turn:
            self._close()

    def verify(self, token: str) -> Principal | None:
        """Who holds the token, as the file says now; None when it is malformed, unknown or revoked."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        id, secret = match.groups()
        given = _hash(secret)
        with self._reading() as connection:
            stored, principal = _NOBODY if connection is None else self._held(connection, id)
        return principal if hmac.compare_digest(stored, given) else None

    def any_keys(self) -> bool:
        """Whether there is a key or has been one: revoked ones count.

        Once it is true it stays true for the life of this object, so that a file that goes away locks a running server
        instead of opening it to everybody.
        """
        if not self._had_keys:
            with self._reading() as connection:
                if connection is not None and not self._has_none:
                    self._had_keys = connection.execute(_ANY).fetchone() is not None
                    self._has_none = not self._had_keys
        return self._had_keys

    def list(self) -> Sequence[Key]:
        """Every key, the oldest first."""
        with self._reading() as connection:
            return [] if connection is None else [self._read(row)[0] for row in connection.execute(_ALL)]

    def create(
        self,
        org: str,
        *,
        name: str = "",
        scopes: Iterable[str],
        role: str,
        tier: str,
        user: str | None = None,
        teams: Iterable[str] = (),
        now: int,
    ) -> tuple[Key, str]:
        """A new key, and its token, which is kept nowhere.

        Raises:
            InvalidValue, UnknownName: saying what is valid.
            StoreError: the key was not made.
        """
        key = Key(
            id=secrets.token_hex(_ID_BYTES),
            org=files.organisation(org),
            name=_text("the name of a key", name) if name else "",
            scopes=_scopes(scopes),
            role=_one_of("a role", role, ROLES),
            tier=_one_of("a tier", tier, TIERS),
            user=None if user is None else _text("a user", user),
            teams=tuple(dict.fromkeys(_text("a team", team) for team in teams)),
            created=now,
        )
        secret = "".join(secrets.choice(_LETTERS) for _ in range(_LETTERS_OF_SECRET))
        with self._writing() as connection:
            connection.execute(_INSERT, _row(key, _hash(secret)))
        return key, f"ag_{key.id}_{secret}"

    def revoke(self, id: str, now: int) -> Key:
        """The key, revoked; one that was revoked before keeps the instant at which it was. Takes a whole token too.

        Raises:
            UnknownName: when there is no such key.
        """
        if match := _TOKEN.fullmatch(id):
            id = match[1]
        known = [key.id for key in self.list()]
        if id not in known:
            raise unknown_name("the id of a key", id, known, many=True)
        with self._writing() as connection:
            connection.execute(_REVOKE, (now, id))
            return self._read(connection.execute(_ONE, (id,)).fetchone())[0]

    def secret(self, name: str) -> bytes:
        """The 32 random bytes of that name, made when they are first asked for and the same ever after."""
        with self._reading() as connection:
            found = None if connection is None else connection.execute(_SECRET, (name,)).fetchone()
        if found is None:
            with self._writing() as connection:
                connection.execute(_KEEP_SECRET, (name, secrets.token_bytes(_SECRET_BYTES)))
                found = connection.execute(_SECRET, (name,)).fetchone()
        return found[0]

    def _held(self, connection: sqlite3.Connection, id: str) -> _Held:
        held = self._known.get(id)
        if held is None:
            row = connection.execute(_ONE, (id,)).fetchone()
            if row is None:
                return _NOBODY  # not remembered: there is no end of ids that do not exist
            key, stored = self._read(row)
            held = stored, key.principal if key.revoked is None else None
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[id] = held
        return held

    def _read(self, row: Sequence[Any]) -> tuple[Key, bytes]:
        try:
            id, org, name, scopes, role, tier, user, teams, created, revoked, stored = row
            scopes, teams = tuple(orjson.loads(scopes)), tuple(orjson.loads(teams))
            return Key(id, org, name, scopes, role, tier, user, teams, created, revoked), memoryview(stored).tobytes()
        except (TypeError, ValueError) as error:
            raise files.corrupt(self.path.name, "a key in it is damaged") from error

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection | None]:
        """The file as it is now, to one thread at a time; None when there is none."""
        with self._turn, files.translated(self.path):
            yield self._connect()

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        """A transaction, committed at the end, undone whole on any error. Makes the file when there is none."""
        with self._reading() as found:
            try:
                connection = found or self._make()
                with _transaction(connection):
                    yield connection
            finally:
                self._close()  # a connection does not see its own commits in `data_version`

    def _connect(self) -> sqlite3.Connection | None:
        """The open connection, with nothing remembered that another process has changed since."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._close()
            return None
        # Another file in its place is seen here, and so is one that was overwritten by something else than SQLite.
        file = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
        if self._connection is None or file != self._file:
            self._close()
            self._connection = self._open()
            self._file = file
        if self._connection is not None:
            version = self._connection.execute("pragma data_version").fetchone()[0]
            if version != self._version:
                self._forget()
                self._version = version
        return self._connection

    def _open(self) -> sqlite3.Connection | None:
        """A connection to the file, which exists; None while it is still empty."""
        connection = self._connection_to_it()
        try:
            if self._is_ours(connection):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def _connection_to_it(self) -> sqlite3.Connection:
        # For writing in any case: whoever comes first after a crash has to undo what was half written.
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=self._wait_s,
            isolation_level=None,
            check_same_thread=False,
        )

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        connection.execute("begin")  # another process may be making the tables between the two questions
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        version = int(connection.execute("pragma user_version").fetchone()[0])
        connection.execute("rollback")
        if not tables and not version:
            return False
        if not tables >= {"keys", "secrets"}:
            raise files.corrupt(self.path.name, "another program made this database")
        if version > VERSION:
            raise files.corrupt(self.path.name, f"it has version {version}, this program knows {VERSION}")
        return True

    def _make(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite would make it readable for everybody. The lock is for our own threads: to close a file anywhere in a
        # process drops every lock that the process has on it.
        with _MAKING, suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._connection = connection = self._connection_to_it()
        with _transaction(connection):
            for statement in _TABLES:
                connection.execute(statement)
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._forget()
        if connection is not None:
            connection.close()

    def _forget(self) -> None:
        """Drops what was learnt from a state of the file that may be over."""
        self._known.clear()
        self._has_none = False


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("pragma synchronous = full")  # a revocation outlives a power cut
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself when the disk is full
            connection.execute("rollback")
        raise


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _row(key: Key, stored: bytes) -> tuple[Any, ...]:
    scopes, teams = orjson.dumps(key.scopes).decode(), orjson.dumps(key.teams).decode()
    return (
        *(key.id, key.org, key.name, scopes, key.role, key.tier, key.user, teams, key.created, key.revoked),
        stored,
    )


def _scopes(given: Iterable[str]) -> tuple[str, ...]:
    wanted = {_one_of("a scope", scope, SCOPES) for scope in given}
    if not wanted:
        raise InvalidValue("A key needs a scope.", hint=f"Valid: {', '.join(SCOPES)}.")
    return tuple(scope for scope in SCOPES if scope in wanted)


def _one_of(kind: str, given: str, valid: Sequence[str]) -> str:
    if given not in valid:
        raise unknown_name(kind, given, valid)
    return given


def _text(what: str, given: str) -> str:
    text = clean(given)
    if not text.strip() or len(text) > LONGEST:
        raise InvalidValue(
            f"{quote(given)} is not {what}.", hint=f"It takes 1 to {LONGEST} characters that can be seen."
        )
    return text
