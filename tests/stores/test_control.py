"""The control file: what it keeps of a key, whom it lets in, and how soon a change in another process counts."""

from __future__ import annotations

import hmac
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agentgauge.core.errors import InvalidValue, StoreBusy, StoreCorrupt, StoreError, StoreUnwritable, UnknownName
from agentgauge.core.operation import READ, WRITE, Principal
from agentgauge.stores.sqlite import control
from agentgauge.stores.sqlite.control import Control, Key
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

NOW = 1_780_000_000_000
UNKNOWN = "ag_" + "0" * 16 + "_" + "a" * 43
ASKS = "\n".join(
    (
        "import pathlib, sys",
        "from agentgauge.stores.sqlite.control import Control",
        "keys = Control(pathlib.Path(sys.argv[1]))",
        "for line in sys.stdin:",
        "    print(keys.verify(line.strip()) is not None, keys.any_keys(), flush=True)",
    )
)
CREATES = "\n".join(
    (
        "import pathlib, sys",
        "from agentgauge.stores.sqlite.control import Control",
        "keys = Control(pathlib.Path(sys.argv[1]))",
        "print('ready', flush=True)",
        "sys.stdin.readline()",
        "for at in range(20):",
        "    print(keys.create('acme', scopes=['metrics:read'], role='member', tier='scale', now=at)[1], flush=True)",
    )
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "control.db"


@pytest.fixture
def keys(path: Path) -> Iterator[Control]:
    with Control(path) as opened:
        yield opened


def create(keys: Control, org: str = "acme", **asked: Any) -> tuple[Key, str]:
    usual: dict[str, Any] = {"scopes": [READ], "role": "member", "tier": "scale", "now": NOW}
    return keys.create(org, **{**usual, **asked})


@contextmanager
def other_process(program: str, path: Path) -> Generator[subprocess.Popen[str]]:
    """Another Python that runs the program on the file."""
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[str], line: str) -> str:
    """What the process answers to a line."""
    assert process.stdin is not None and process.stdout is not None
    print(line, file=process.stdin, flush=True)
    return process.stdout.readline().strip()


def change(path: Path, sql: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql, values)
        connection.commit()


# What a key is


def test_a_token_is_answered_with_what_its_key_allows(keys: Control) -> None:
    key, token = create(
        keys, scopes=[WRITE, READ], role="admin", tier="payg", user="ann@acme.io", teams=["ops", "web"], name="CI"
    )
    assert key == Key(
        id=key.id,
        org="acme",
        name="CI",
        scopes=(READ, WRITE),
        role="admin",
        tier="payg",
        user="ann@acme.io",
        teams=("ops", "web"),
        created=NOW,
    )
    assert keys.verify(token) == Principal(
        "acme", frozenset({READ, WRITE}), "admin", "payg", "ann@acme.io", ("ops", "web")
    )


def test_each_token_is_answered_with_its_own_key(keys: Control) -> None:
    tokens = {org: create(keys, org)[1] for org in ("acme", "globex", "initech")}
    for org, token in [*tokens.items(), *tokens.items()]:
        assert (who := keys.verify(token)) and who.org == org


def test_keys_are_listed_with_the_oldest_first(keys: Control) -> None:
    late, early = create(keys, now=NOW + 1)[0], create(keys, now=NOW)[0]
    assert keys.list() == [early, late]


def test_keys_outlive_the_process_that_made_them(path: Path, keys: Control) -> None:
    key, token = create(keys)
    keys.close()
    with Control(path) as again:
        assert again.verify(token) and again.list() == [key]


def test_a_token_is_long_random_and_safe_in_a_header(keys: Control) -> None:
    first, second = create(keys)[1], create(keys)[1]
    prefix, id, secret = first.split("_")
    assert (prefix, len(id), len(secret)) == ("ag", 16, 43)
    assert first.isascii() and secret.isalnum() and secret != second.split("_")[2]


# What the file holds


def test_the_file_holds_neither_the_token_nor_its_secret(path: Path, keys: Control) -> None:
    key, token = create(keys)
    keys.close()
    held = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert key.id.encode() in held
    assert token.encode() not in held and token.split("_")[2].encode() not in held


def test_file_and_folder_are_their_owners_alone(path: Path, keys: Control) -> None:
    before = os.umask(0)
    try:
        create(keys)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_reading_makes_no_file(path: Path, keys: Control) -> None:
    assert (keys.any_keys(), keys.list(), keys.verify(UNKNOWN)) == (False, [], None)
    with pytest.raises(UnknownName):
        keys.revoke("0" * 16, NOW)
    assert not path.parent.exists()


def test_an_empty_file_is_one_without_keys(path: Path, keys: Control) -> None:
    path.parent.mkdir()
    path.touch()
    assert (keys.any_keys(), keys.list(), keys.verify(UNKNOWN)) == (False, [], None)
    assert keys.verify(create(keys)[1])


# Whom it lets in


@pytest.mark.parametrize(
    "token",
    [
        "",
        "ag_",
        "nonsense",
        UNKNOWN,
        UNKNOWN.upper(),
        "ag_\u0660" + UNKNOWN[4:],
        "ag_" + "é" * 16 + "_" + "ü" * 43,
        "\ud800",
        "\0" * 63,
        "' or 1=1 --",
        "ag_" * 1_000_000,
        "a" * 10_000_000,
    ],
    ids=lambda token: ascii(token[:12]),
)
def test_a_token_that_is_unknown_or_none_at_all_is_nobody(keys: Control, token: str) -> None:
    create(keys)
    assert keys.verify(token) is None


def test_a_token_with_anything_more_less_or_else_is_nobody(keys: Control) -> None:
    token = create(keys)[1]
    other = "a" if token[-1] != "a" else "b"
    assert keys.verify(token)
    for wrong in (token[:-1], token + "a", token + "\n", " " + token, token[:-1] + other, token.swapcase()):
        assert keys.verify(wrong) is None


def test_the_id_of_one_key_with_the_secret_of_another_is_nobody(keys: Control) -> None:
    (mine, _), (_, theirs) = create(keys), create(keys, "globex")
    assert keys.verify(f"ag_{mine.id}_{theirs.split('_')[2]}") is None


def test_secrets_are_compared_in_constant_time_whether_the_key_exists_or_not(keys: Control) -> None:
    token = create(keys)[1]
    for asked in (token, token, token[:-43] + "a" * 43, UNKNOWN):
        called: list[Any] = []
        sys.setprofile(lambda frame, event, what, to=called: to.append(what) if event == "c_call" else None)
        try:
            keys.verify(asked)
        finally:
            sys.setprofile(None)
        assert hmac.compare_digest in called


def test_more_keys_than_are_remembered_are_let_in(path: Path, keys: Control) -> None:
    key, token = create(keys)
    copies = [f"{at:016x}" for at in range(5_000)]
    with closing(sqlite3.connect(path)) as connection:
        row = list(connection.execute("select * from keys").fetchone())
        marks = ", ".join("?" * len(row))
        connection.executemany(f"insert into keys values ({marks})", ([id, *row[1:]] for id in copies))
        connection.commit()
    tokens = [token.replace(key.id, id) for id in copies]
    assert all(keys.verify(each) for each in [token, *tokens, token, *tokens[-10:]])


# Revoking


def test_a_revoked_key_is_nobodys_and_stays_in_the_list(keys: Control) -> None:
    key, token = create(keys)
    assert keys.verify(token)
    assert keys.revoke(key.id, NOW + 5).revoked == NOW + 5
    assert keys.verify(token) is None
    assert [each.revoked for each in keys.list()] == [NOW + 5]


def test_only_the_named_key_is_revoked(keys: Control) -> None:
    (key, _), (_, kept) = create(keys), create(keys)
    keys.revoke(key.id, NOW)
    assert keys.verify(kept)


def test_to_revoke_twice_keeps_the_first_instant(keys: Control) -> None:
    key, _ = create(keys)
    assert keys.revoke(key.id, NOW + 1) == keys.revoke(key.id, NOW + 2)


def test_a_leaked_token_can_be_revoked_by_itself(keys: Control) -> None:
    key, token = create(keys)
    assert keys.revoke(token, NOW).id == key.id
    assert keys.verify(token) is None


def test_to_revoke_an_unknown_id_names_the_nearest_and_no_secret(keys: Control) -> None:
    key, token = create(keys)
    wrong = key.id[:-1] + ("0" if key.id[-1] != "0" else "1")
    with pytest.raises(UnknownName) as refused:
        keys.revoke(token.replace(key.id, wrong), NOW)
    assert refused.value.hint == f'Did you mean "{key.id}"?'
    assert token.split("_")[2] not in str(refused.value)


def test_revoked_keys_count_as_keys(path: Path, keys: Control) -> None:
    key, _ = create(keys)
    keys.revoke(key.id, NOW)
    with Control(path) as again:
        assert again.any_keys()


# A running server


def test_another_open_control_sees_a_new_key_and_a_revocation_at_once(path: Path, keys: Control) -> None:
    with Control(path) as server:
        assert not server.any_keys()
        for _ in range(20):
            key, token = create(keys)
            assert server.any_keys() and server.verify(token)
            keys.revoke(key.id, NOW)
            assert server.verify(token) is None


def test_a_change_within_one_tick_of_the_files_clock_is_seen(path: Path, keys: Control) -> None:
    with Control(path) as server:
        key, token = create(keys)
        os.utime(path, ns=(NOW, NOW))
        assert server.verify(token) and keys.verify(token)
        keys.revoke(key.id, NOW)
        os.utime(path, ns=(NOW, NOW))
        assert server.verify(token) is None and keys.verify(token) is None


def test_another_process_sees_a_new_key_and_a_revocation_at_once(path: Path, keys: Control) -> None:
    with other_process(ASKS, path) as server:
        assert say(server, UNKNOWN) == "False False"
        for _ in range(5):
            key, token = create(keys)
            assert [say(server, token), say(server, token)] == ["True True", "True True"]
            keys.revoke(key.id, NOW)
            assert say(server, token) == "False True"


def test_a_file_put_in_the_place_of_another_is_the_one_that_counts(tmp_path: Path, path: Path, keys: Control) -> None:
    (_, old), other = create(keys), tmp_path / "other" / "control.db"
    with Control(other) as elsewhere:
        _, new = create(elsewhere)
    assert keys.verify(old)
    other.replace(path)
    assert keys.verify(old) is None and keys.verify(new)


def test_a_backup_copied_over_the_file_counts_even_if_sqlite_cannot_tell(tmp_path: Path, path: Path) -> None:
    with Control(path) as keys, Control(path) as server:
        create(keys)
        shutil.copy(path, backup := tmp_path / "backup.db")
        _, token = create(keys)  # the file's change counter goes from n to n + 1
        assert server.verify(token)
        shutil.copy(backup, path)
        _, after = create(keys)  # and again
        assert server.verify(token) is None and server.verify(after)


def test_a_file_that_goes_away_locks_a_running_server(path: Path, keys: Control) -> None:
    _, token = create(keys)
    assert keys.any_keys() and keys.verify(token)
    path.unlink()
    assert keys.any_keys() and keys.verify(token) is None


# Several at once


def test_threads_that_create_at_once_in_a_new_home_all_get_their_key(path: Path) -> None:
    opened = [Control(path) for _ in range(3)]
    start = threading.Barrier(9)
    tokens: list[str] = []

    def work(keys: Control) -> None:
        start.wait()
        for _ in range(3):
            token = create(keys)[1]
            tokens.append(token)
            assert keys.verify(token)

    threads = [threading.Thread(target=work, args=(opened[at % 3],)) for at in range(9)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(tokens)) == 27 == len(opened[0].list())
    assert all(keys.verify(token) for keys in opened for token in tokens)
    for keys in opened:
        keys.close()


def test_processes_that_create_at_once_in_a_new_home_all_get_their_key(path: Path, keys: Control) -> None:
    with other_process(CREATES, path) as one, other_process(CREATES, path) as two:
        for each in (one, two):
            assert each.stdout is not None and each.stdout.readline() == "ready\n"
        for each in (one, two):
            assert each.stdin is not None
            print(file=each.stdin, flush=True)
        tokens = [token for each in (one, two) for token in each.communicate()[0].split()]
    assert len(set(tokens)) == 40 == len(keys.list())
    assert all(keys.verify(token) for token in tokens)


def test_a_server_lets_in_and_signs_while_another_process_is_about_to_write(path: Path, keys: Control) -> None:
    _, token = create(keys)
    secret = keys.secret("cursors")
    with Control(path, wait_s=0.05) as server, closing(sqlite3.connect(path)) as other:
        other.execute("begin immediate")
        assert server.verify(token) and server.secret("cursors") == secret


# Secrets


def test_a_secret_is_made_once_and_the_same_for_every_server(path: Path, keys: Control) -> None:
    first = keys.secret("cursors")
    with Control(path) as other:
        assert other.secret("cursors") == first == keys.secret("cursors")
    assert len(first) == 32 and keys.secret("others") != first


def test_servers_that_ask_for_a_new_secret_at_once_get_the_same(path: Path) -> None:
    start = threading.Barrier(8)
    found: list[bytes] = []

    def work() -> None:
        with Control(path) as keys:
            start.wait()
            found.append(keys.secret("cursors"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_a_secret_is_no_key(keys: Control) -> None:
    keys.secret("cursors")
    assert not keys.any_keys() and keys.list() == []


def test_a_secret_outlives_new_keys(keys: Control) -> None:
    first = keys.secret("cursors")
    create(keys)
    assert keys.secret("cursors") == first


# What is refused


@pytest.mark.parametrize(
    ("asked", "kind", "says"),
    [
        ({"org": "Acme"}, InvalidValue, "starts with a letter or digit"),
        ({"org": ""}, InvalidValue, "1 to 63"),
        ({"org": "../acme"}, InvalidValue, "a-z"),
        ({"scopes": []}, InvalidValue, "metrics:read, metrics:write"),
        ({"scopes": ["metrics:reed"]}, UnknownName, 'Did you mean "metrics:read"?'),
        ({"scopes": [READ, "admin"]}, UnknownName, "metrics:read, metrics:write"),
        ({"role": "Owner"}, UnknownName, "member, admin, owner"),
        ({"role": ""}, UnknownName, "member, admin, owner"),
        ({"tier": "pro"}, UnknownName, "starter, payg, growth, scale, custom"),
        ({"user": ""}, InvalidValue, "1 to 128"),
        ({"user": " "}, InvalidValue, "1 to 128"),
        ({"user": "\u200b"}, InvalidValue, "1 to 128"),
        ({"user": "u" * 129}, InvalidValue, "1 to 128"),
        ({"teams": ["web", ""]}, InvalidValue, "1 to 128"),
        ({"teams": ["t" * 129]}, InvalidValue, "1 to 128"),
        ({"name": "n" * 129}, InvalidValue, "1 to 128"),
        ({"name": "\u202e"}, InvalidValue, "1 to 128"),
    ],
    ids=str,
)
def test_what_no_key_may_have_is_refused_with_what_is_valid(
    path: Path, keys: Control, asked: dict[str, Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind) as refused:
        create(keys, **asked)
    assert says in str(refused.value)
    assert not path.exists()


def test_names_users_and_teams_are_kept_without_what_nobody_sees(keys: Control) -> None:
    key, _ = create(keys, name="C\u202eI", user="an\u200bn", teams=["o\x1bps", "ops", "w" * 128])
    assert (key.name, key.user, key.teams) == ("CI", "ann", ("ops", "w" * 128))


# A file that cannot be used


@pytest.mark.parametrize("content", [b"not a database at all" * 400, b"SQLite format 3\0" + b"\xff" * 9_000])
def test_a_damaged_file_is_corrupt_and_is_let_in_again_once_restored(path: Path, keys: Control, content: bytes) -> None:
    _, token = create(keys)
    assert keys.verify(token)
    good = path.read_bytes()
    path.write_bytes(content)
    for ask in (lambda: keys.verify(token), keys.list, lambda: create(keys), lambda: keys.secret("cursors")):
        with pytest.raises(StoreCorrupt):
            ask()
    path.write_bytes(good)
    assert keys.verify(token)


@pytest.mark.parametrize(
    "sql", ["update keys set scopes = '[oops'", "update keys set teams = 7", "update keys set hash = 'text'"]
)
def test_a_damaged_key_is_corrupt(path: Path, keys: Control, sql: str) -> None:
    _, token = create(keys)
    change(path, sql)
    for ask in (lambda: keys.verify(token), keys.list):
        with pytest.raises(StoreCorrupt):
            ask()


def test_the_database_of_another_program_is_left_alone(path: Path, keys: Control) -> None:
    with SqliteSink(path, clock=lambda: NOW):
        pass
    with pytest.raises(StoreCorrupt, match="another program"):
        create(keys)


def test_a_file_of_a_newer_program_is_left_alone(path: Path, keys: Control) -> None:
    _, token = create(keys)
    change(path, f"pragma user_version = {control.VERSION + 1}")
    with pytest.raises(StoreCorrupt, match="this program knows"):
        keys.verify(token)


def test_a_locked_file_is_busy_and_gives_way_later(path: Path, keys: Control) -> None:
    _, token = create(keys)
    with Control(path, wait_s=0.05) as server, closing(sqlite3.connect(path)) as other:
        assert server.verify(token)
        other.execute("begin exclusive")
        for ask in (lambda: server.verify(token), lambda: create(server)):
            with pytest.raises(StoreBusy):
                ask()
        other.rollback()
        assert server.verify(token)


def test_where_no_file_can_be_made_the_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    (tmp_path / "folder" / "control.db").mkdir(parents=True)
    for path in (tmp_path / "home" / "control.db", tmp_path / "folder" / "control.db"):
        with Control(path) as keys, pytest.raises(StoreUnwritable):
            create(keys)


def test_a_key_that_the_disk_refuses_is_not_there(path: Path, keys: Control) -> None:
    _, token = create(keys)
    change(path, "create trigger no before insert on keys begin select raise(abort, 'no'); end")
    with pytest.raises(StoreError):
        create(keys)
    assert len(keys.list()) == 1 and keys.verify(token)
