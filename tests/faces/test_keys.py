"""The command `keys`: what it prints, what it never prints, and what it ends with."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner, Result

from agentgauge.core.operation import Principal
from agentgauge.faces.cli import DONE, FAILED, WRONG, Commands
from agentgauge.faces.keys import keys_group
from agentgauge.stores.sqlite.control import ROLES, SCOPES, TIERS, Control

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_780_000_000_000
TOKEN = re.compile(r"ag_[0-9a-f]{16}_[0-9A-Za-z]{43}")


class Shell:
    """The command line of a home, with a clock that a test may set."""

    def __init__(self, home: Path) -> None:
        self.path = home / "control.db"
        self.now = NOW
        self._commands = Commands("agentgauge", params=[click.Option(["--org"])], callback=_root)
        self._commands.add_command(keys_group(lambda: Control(self.path), clock=lambda: self.now))

    def run(self, *words: str, ends: int = DONE, ambient: str | None = None) -> Result:
        result = CliRunner().invoke(self._commands, words, env={"AGENTGAUGE_ORG": ambient})
        assert result.exit_code == ends, result.output
        return result

    def made(self, *words: str) -> dict[str, Any]:
        return json.loads(self.run("keys", "create", "--json", *words).stdout)

    def who(self, token: str) -> Principal | None:
        with Control(self.path) as control:
            return control.verify(token)


@click.pass_context
def _root(ctx: click.Context, org: str | None) -> None:
    ctx.obj = org


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


def test_create_prints_the_token_once_and_says_that_it_is_shown_only_now(shell: Shell) -> None:
    printed = shell.run("keys", "create", "--org", "acme", "--role", "admin", "--user", "ann", "--team", "ops").output
    (token,) = TOKEN.findall(printed)
    assert printed.splitlines()[0] == token and "shown only now" in printed
    assert "organisation acme; metrics:read; role admin; tier scale; user ann; teams ops." in printed
    assert shell.who(token) == Principal("acme", frozenset({"metrics:read"}), "admin", "scale", "ann", ("ops",))


def test_create_as_json_is_the_token_and_what_it_allows(shell: Shell) -> None:
    words = "--org acme --scope metrics:read --scope metrics:write --role owner --tier payg --name CI --team b --team a"
    made = shell.made(*words.split())
    assert made == {
        "token": made["token"],
        "id": made["token"].split("_")[1],
        "org": "acme",
        "name": "CI",
        "scopes": ["metrics:read", "metrics:write"],
        "role": "owner",
        "tier": "payg",
        "user": None,
        "teams": ["b", "a"],
        "created": "2026-05-28T20:26:40Z",
        "revoked": None,
    }
    assert shell.who(made["token"])


def test_create_gives_nothing_that_was_not_asked_for(shell: Shell) -> None:
    who = shell.who(shell.made()["token"])
    assert who == Principal("default", frozenset({"metrics:read"}), "member", "scale")


def test_the_organisation_is_the_nearest_that_was_named(shell: Shell) -> None:
    for words, ambient, org in (
        (("--org", "outer", "keys", "create", "--org", "inner"), "ambient", "inner"),
        (("--org", "outer", "keys", "create"), "ambient", "outer"),
        (("keys", "create"), "ambient", "ambient"),
        (("keys", "create"), None, "default"),
    ):
        assert json.loads(shell.run(*words, "--json", ambient=ambient).stdout)["org"] == org


def test_list_shows_every_key_and_no_token_or_hash(shell: Shell) -> None:
    first = shell.made("--org", "acme", "--name", "CI", "--scope", "metrics:read", "--scope", "metrics:write")
    shell.now += 60_000
    second = shell.made("--role", "admin", "--tier", "custom")
    shell.run("keys", "revoke", second["id"])
    head, *rows = (re.split(" {2,}", line) for line in shell.run("keys", "list").output.splitlines())
    assert head == ["id", "org", "scopes", "role", "tier", "name", "created", "revoked"]
    assert rows == [
        [first["id"], "acme", "metrics:read,metrics:write", "member", "scale", "CI", "2026-05-28T20:26:40Z", "-"],
        [
            *(second["id"], "default", "metrics:read", "admin", "custom", "-"),
            *("2026-05-28T20:27:40Z", "2026-05-28T20:27:40Z"),
        ],
    ]


def test_list_as_json_is_what_create_printed_without_the_token(shell: Shell) -> None:
    made = [shell.made("--user", "ann"), shell.made("--team", "ops")]
    for each in made:
        del each["token"]
    listed = json.loads(shell.run("keys", "list", "--json").stdout)
    assert sorted(listed, key=str) == sorted(made, key=str)


def test_list_without_keys_says_how_to_make_one_and_makes_no_file(shell: Shell) -> None:
    assert "agentgauge keys create" in shell.run("keys", "list").output
    assert json.loads(shell.run("keys", "list", "--json").stdout) == []
    assert not shell.path.exists()


def test_list_sends_no_control_characters_to_the_terminal(shell: Shell) -> None:
    shell.made()
    with closing(sqlite3.connect(shell.path)) as connection:
        connection.execute("update keys set name = ?", ("red \x1b[31m",))
        connection.commit()
    printed = shell.run("keys", "list").output
    assert "red [31m" in printed and "\x1b" not in printed


def test_revoke_ends_a_key_and_says_since_when(shell: Shell) -> None:
    made = shell.made("--org", "acme")
    said = f"{made['id']} of acme is revoked since 2026-05-28T20:26:40Z.\n"
    assert shell.run("keys", "revoke", made["id"]).output == said
    shell.now += 60_000
    assert shell.run("keys", "revoke", made["id"]).output == said
    assert shell.who(made["token"]) is None


def test_revoke_of_a_whole_token_does_not_print_it(shell: Shell) -> None:
    made = shell.made()
    assert made["token"] not in shell.run("keys", "revoke", made["token"]).output
    assert shell.who(made["token"]) is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("create", "--org", "A B"), "INVALID_VALUE"),
        (("create", "--org", ""), "INVALID_VALUE"),
        (("create", "--scope", "metrics:all"), "UNKNOWN_NAME"),
        (("create", "--role", "boss"), "UNKNOWN_NAME"),
        (("create", "--tier", "gold"), "UNKNOWN_NAME"),
        (("create", "--user", ""), "INVALID_VALUE"),
        (("create", "--team", "t" * 129), "INVALID_VALUE"),
        (("revoke", "nobody"), "UNKNOWN_NAME"),
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_one_line_on_stderr_and_makes_nothing(shell: Shell, words: tuple[str, ...], code: str) -> None:
    result = shell.run("keys", *words, ends=WRONG)
    assert result.stdout == "" and result.stderr.startswith(f"{code}: ") and result.stderr.count("\n") == 1
    assert not shell.path.exists()


@pytest.mark.parametrize("words", [("create",), ("create", "--json"), ("list",), ("revoke", "0" * 16)], ids=" ".join)
def test_a_damaged_file_ends_with_a_failure(shell: Shell, words: tuple[str, ...]) -> None:
    shell.path.parent.mkdir()
    shell.path.write_text("no database" * 100)
    result = shell.run("keys", *words, ends=FAILED)
    assert result.stdout == "" and result.stderr.startswith("STORE_CORRUPT: ")


def test_help_names_every_scope_role_and_tier_and_what_is_given_unasked(shell: Shell) -> None:
    text = " ".join(shell.run("keys", "create", "--help").output.split())
    assert all(name in text for name in (*SCOPES, *ROLES, *TIERS))
    assert all(f"[default: {given}]" in text for given in ("metrics:read", "member", "scale"))
    assert "shown only now" in text
