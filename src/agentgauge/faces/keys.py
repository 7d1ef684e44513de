"""The command `keys`: makes, lists and revokes the keys that HTTP callers send; a token is printed once.

Above: the composition root, which hangs it into the command line. Below: click, and whatever keeps the keys.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Protocol

import click

from agentgauge.core.errors import clean
from agentgauge.core.operation import READ
from agentgauge.core.time import iso_z

COLUMNS = ("id", "org", "scopes", "role", "tier", "name", "created", "revoked")


class Key(Protocol):
    """What may be shown of a key."""

    @property
    def id(self) -> str: ...
    @property
    def org(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def scopes(self) -> Sequence[str]: ...
    @property
    def role(self) -> str: ...
    @property
    def tier(self) -> str: ...
    @property
    def user(self) -> str | None: ...
    @property
    def teams(self) -> Sequence[str]: ...
    @property
    def created(self) -> int: ...
    @property
    def revoked(self) -> int | None: ...


class Keys(Protocol):
    """What keeps the keys."""

    def create(
        self,
        org: str,
        *,
        name: str,
        scopes: Sequence[str],
        role: str,
        tier: str,
        user: str | None,
        teams: Sequence[str],
        now: int,
    ) -> tuple[Key, str]:
        """A new key, and its token."""
        ...

    def list(self) -> Sequence[Key]:
        """Every key, the oldest first."""
        ...

    def revoke(self, id: str, now: int) -> Key:
        """The key, revoked."""
        ...

    def close(self) -> None:
        """Lets go of the file."""
        ...


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


def keys_group(open_control: Callable[[], Keys], *, clock: Callable[[], int] = _wall_clock) -> click.Group:
    """The command `keys` with its subcommands; `open_control` gives what keeps the keys, which is closed again."""
    group = click.Group(
        "keys",
        help="Make, list and revoke the keys that HTTP callers send. Once there is a key, every request needs one; "
        "a running server sees a new key and a revocation at its next request.",
    )
    group.add_command(_create(open_control, clock))
    group.add_command(_list(open_control))
    group.add_command(_revoke(open_control, clock))
    return group


def _create(open_control: Callable[[], Keys], clock: Callable[[], int]) -> click.Command:
    @click.command("create")
    @click.option("--org", metavar="NAME", help="The organisation it belongs to; else AGENTGAUGE_ORG, else default.")
    @click.option(
        "--scope",
        "scopes",
        multiple=True,
        default=[READ],
        show_default=True,
        metavar="SCOPE",
        help="What it may do: metrics:read (ask), metrics:write (send events). Repeat it for both.",
    )
    @click.option("--role", default="member", show_default=True, metavar="ROLE", help="member, admin or owner.")
    @click.option(
        "--tier",
        default="scale",
        show_default=True,
        metavar="TIER",
        help="starter, payg, growth, scale or custom: how fine the buckets may be that it asks for.",
    )
    @click.option("--user", metavar="USER", help="Whose rows a member sees.")
    @click.option("--team", "teams", multiple=True, metavar="TEAM", help="A team whose rows a member sees; repeat it.")
    @click.option("--name", default="", metavar="TEXT", help="What it is for, as `keys list` shows it.")
    @click.option("--json", "as_json", is_flag=True, help="Print the token and the key as JSON.")
    @click.pass_obj
    def create(obj: str | None, org: str | None, as_json: bool, **asked: Any) -> None:
        """Make a key and print its token, which is shown only now.

        What is not asked for is not given: the scope is metrics:read and the role member, unless you say otherwise.
        """
        with closing(open_control()) as keys:
            key, token = keys.create(_organisation(org, obj), now=clock(), **asked)
        click.echo(_json({"token": token, **_shown(key)}) if as_json else _made(key, token))

    return create


def _list(open_control: Callable[[], Keys]) -> click.Command:
    @click.command("list")
    @click.option("--json", "as_json", is_flag=True, help="Print a JSON array, users and teams included.")
    def show(as_json: bool) -> None:
        """List every key of this home, revoked ones too. Tokens are not kept and so not shown."""
        with closing(open_control()) as keys:
            found = keys.list()
        click.echo(_json([_shown(key) for key in found]) if as_json else _table(found))

    return show


def _revoke(open_control: Callable[[], Keys], clock: Callable[[], int]) -> click.Command:
    @click.command("revoke")
    @click.argument("id")
    def revoke(id: str) -> None:
        """Revoke the key of this id. A running server refuses it from its next request on."""
        with closing(open_control()) as keys:
            key = _shown(keys.revoke(id, clock()))
        click.echo(clean(f"{key['id']} of {key['org']} is revoked since {key['revoked']}."))

    return revoke


def _organisation(given: str | None, of_root: str | None) -> str:
    for name in (given, of_root, os.environ.get("AGENTGAUGE_ORG")):
        if name is not None:
            return name
    return "default"


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "org": key.org,
        "name": key.name,
        "scopes": list(key.scopes),
        "role": key.role,
        "tier": key.tier,
        "user": key.user,
        "teams": list(key.teams),
        "created": iso_z(key.created),
        "revoked": None if key.revoked is None else iso_z(key.revoked),
    }


def _made(key: Key, token: str) -> str:
    about = [f"organisation {key.org}", " and ".join(key.scopes), f"role {key.role}", f"tier {key.tier}"]
    about += [f"user {key.user}"] if key.user is not None else []
    about += [f"teams {', '.join(key.teams)}"] if key.teams else []
    return "\n".join(
        (
            token,
            "",
            "Copy the token: it is shown only now, and only a hash of it is kept.",
            f"Key {key.id}: {'; '.join(about)}.",
        )
    )


def _table(found: Sequence[Key]) -> str:
    if not found:
        return "No keys yet; `agentgauge keys create` makes one."
    rows = [COLUMNS, *map(_cells, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(key: Key) -> tuple[str, ...]:
    """What `COLUMNS` names, of one key."""
    revoked = "" if key.revoked is None else iso_z(key.revoked)
    texts = (key.id, key.org, ",".join(key.scopes), key.role, key.tier, key.name, iso_z(key.created), revoked)
    return tuple(clean(text) or "-" for text in texts)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
