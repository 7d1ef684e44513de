"""MCP clients: where each keeps its configuration, and how agentgauge is written into it.

Above: the `install` command and the examples. Below: JSON files of the user's.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentgauge.core.errors import InvalidValue, StoreUnwritable

NAME = "agentgauge"
PASSED_ON = ("AGENTGAUGE_HOME", "AGENTGAUGE_ORG", "AGENTGAUGE_TZ")
"""The variables that are written into a client's configuration when they are set."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its name and its configuration file below the user's home."""

    title: str
    path: Callable[[Path], Path]
    also: str = ""
    """Another way to connect it, said beside the configuration."""


def _claude_desktop(home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library/Application Support/Claude/claude_desktop_config.json"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", home / "AppData/Roaming")) / "Claude/claude_desktop_config.json"
    return home / ".config/Claude/claude_desktop_config.json"


CLIENTS: Mapping[str, Client] = {
    "claude-code": Client(
        "Claude Code",
        lambda home: home / ".claude.json",
        f"Or run: claude mcp add --scope user {NAME} -- {{command}}",
    ),
    "claude-desktop": Client("Claude Desktop", _claude_desktop, "Restart Claude Desktop afterwards."),
    "cursor": Client("Cursor", lambda home: home / ".cursor/mcp.json"),
}


def entry(env: Mapping[str, str]) -> dict[str, Any]:
    """The server's entry: the command as it was found, and the variables that are set."""
    passed = {name: env[name] for name in PASSED_ON if env.get(name)}
    return {"command": command(), "args": [], **({"env": passed} if passed else {})}


def command() -> str:
    """The full path of the command, since clients start servers with a short PATH."""
    beside = Path(sys.executable).with_name("agentgauge.exe" if sys.platform == "win32" else "agentgauge")
    return str(beside) if beside.exists() else shutil.which("agentgauge") or "agentgauge"


def install(client: Client, home: Path, *, write: bool) -> str:
    """What to put where; with `write` it is merged in and the old file kept as a backup.

    Raises:
        InvalidValue: if the file there is not the JSON of a configuration; nothing is changed.
        StoreUnwritable: if it cannot be written.
    """
    path = client.path(home)
    servers = {NAME: entry(os.environ)}
    if not write:
        block = json.dumps({"mcpServers": servers}, indent=2)
        also = client.also.format(command=command())
        return "\n".join(
            [f"{client.title} reads {path}. Put this into it, or add --write:", block, *([also] if also else [])]
        )
    known = _read(path)
    listed = known.setdefault("mcpServers", {})
    if not isinstance(listed, dict):
        raise InvalidValue(
            f"{path} has mcpServers that are no object.", hint="Mend or move the file; nothing was changed."
        )
    if listed.get(NAME) == servers[NAME]:  # type: ignore[reportUnknownMemberType]  # JSON of another program
        return f"{client.title} already has agentgauge in {path}."
    listed.update(servers)  # type: ignore[reportUnknownMemberType]
    backup = _write(path, json.dumps(known, indent=2, ensure_ascii=False) + "\n")
    kept = f" The old file is {backup}." if backup else ""
    return f"{client.title} now has agentgauge in {path}.{kept} Restart it to use the new server."


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{path} cannot be read: {error}.", hint="Mend or move it; nothing was changed.") from None
    try:
        known = json.loads(text or "{}")
    except ValueError:
        known = None
    if not isinstance(known, dict):
        raise InvalidValue(f"{path} is not JSON of a configuration.", hint="Mend or move it; nothing was changed.")
    return known  # type: ignore[reportUnknownVariableType]


def _write(path: Path, text: str) -> Path | None:
    """Writes beside and renames, so that the file is never half there; gives the backup's path. A link stays a link."""
    path = path.resolve()
    backup = path.with_name(path.name + ".bak") if path.exists() else None
    number = 1
    while backup and backup.exists():
        backup, number = path.with_name(f"{path.name}.bak{number}"), number + 1
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.touch(mode=0o600)  # these files hold other servers' keys
        fresh.write_text(text, encoding="utf-8")
        if backup:
            shutil.copy2(path, backup)
            shutil.copymode(path, fresh)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise StoreUnwritable(
            f"{path} cannot be written: {error.strerror}.", hint="Check its permissions and the disk."
        ) from None
    return backup
