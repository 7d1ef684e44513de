"""`agentgauge install`: what it shows, what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mcp import Client, StdioServerParameters
from running import Machine, command_line

CLIENTS = ("claude-code", "claude-desktop", "cursor")
PLACES = {
    "claude-code": ".claude.json",
    "claude-desktop": {
        "darwin": "Library/Application Support/Claude/claude_desktop_config.json",
        "win32": "AppData/Roaming/Claude/claude_desktop_config.json",
    }.get(sys.platform, ".config/Claude/claude_desktop_config.json"),
    "cursor": ".cursor/mcp.json",
}
OTHERS: dict[str, Any] = {
    "numStartups": 41,
    "projects": {"/home/me/ünïcode": {"allowedTools": []}},
    "mcpServers": {"files": {"command": "npx", "args": ["-y", "files"], "env": {"ROOT": "/"}}},
    "last": None,
}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    """Each client that can be connected."""
    return request.param


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty home."""
    return Machine(tmp_path)


def install(machine: Machine, client: str, *options: str) -> Result:
    """Runs the command in this process."""
    env: dict[str, str | None] = {name: None for name in os.environ if name.startswith("AGENTGAUGE_")}
    env |= machine.env | {"APPDATA": str(machine.home / "AppData/Roaming")}
    result = CliRunner().invoke(command_line(), ["install", client, *options], env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def config(machine: Machine, client: str) -> Path:
    return machine.home / PLACES[client]


def put(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return text


def test_it_shows_a_configuration_and_where_it_belongs(machine: Machine, client: str) -> None:
    result = install(machine, client)
    assert result.exit_code == 0
    assert str(config(machine, client)) in result.stdout.splitlines()[0]
    block = result.stdout[result.stdout.index("{") : result.stdout.rindex("}") + 1]
    entry = json.loads(block)["mcpServers"]["agentgauge"]
    assert entry["args"] == []
    assert entry["env"] == {"AGENTGAUGE_HOME": str(machine.home / "data")}
    assert list(machine.home.iterdir()) == []


def written(machine: Machine, client: str) -> StdioServerParameters:
    """How to start the server, from what was written."""
    assert install(machine, client, "--write").exit_code == 0
    entry = json.loads(config(machine, client).read_text())["mcpServers"]["agentgauge"]
    if shutil.which(entry["command"]) is None:
        pytest.skip("agentgauge is not installed beside this Python")
    return StdioServerParameters(**entry)


async def test_what_it_writes_starts_the_server(machine: Machine, client: str) -> None:
    async with Client(written(machine, client)) as connected:
        assert "usage_by_agent" in [tool.name for tool in (await connected.list_tools()).tools]


def test_it_merges_into_what_is_there_and_keeps_a_backup(machine: Machine, client: str) -> None:
    path = config(machine, client)
    before = put(path, json.dumps(OTHERS))
    result = install(machine, client, "--write")
    assert result.exit_code == 0
    after = json.loads(path.read_text(encoding="utf-8"))
    written = after["mcpServers"].pop("agentgauge")
    assert after == OTHERS
    assert list(after) == list(OTHERS)
    assert Path(written["command"]).name.startswith("agentgauge")
    backup = path.with_name(path.name + ".bak")
    assert backup.read_text(encoding="utf-8") == before
    assert str(backup) in result.stdout
    assert sorted(each.name for each in path.parent.iterdir() if each.is_file()) == sorted([path.name, backup.name])


def test_a_second_time_changes_nothing_and_says_so(machine: Machine, client: str) -> None:
    install(machine, client, "--write")
    path = config(machine, client)
    before = path.read_bytes()
    result = install(machine, client, "--write")
    assert (result.exit_code, path.read_bytes()) == (0, before)
    assert "already has agentgauge" in result.stdout
    assert not path.with_name(path.name + ".bak").exists()


def test_other_settings_replace_the_entry_and_every_backup_is_kept(machine: Machine, client: str) -> None:
    path = config(machine, client)
    put(path, json.dumps(OTHERS))
    install(machine, client, "--write")
    machine.variables["AGENTGAUGE_ORG"] = "acme"
    install(machine, client, "--write")
    entry = json.loads(path.read_text(encoding="utf-8"))["mcpServers"]["agentgauge"]
    assert entry["env"]["AGENTGAUGE_ORG"] == "acme"
    kept = [json.loads(path.with_name(path.name + end).read_text(encoding="utf-8")) for end in (".bak", ".bak1")]
    assert kept[0] == OTHERS
    assert "AGENTGAUGE_ORG" not in kept[1]["mcpServers"]["agentgauge"]["env"]


@pytest.mark.parametrize(
    "text",
    ["{half", "[]", '"words"', '{"mcpServers": []}', '{"mcpServers": {"a": 1}, // a comment\n}', "\udcff"],
    ids=["half", "list", "string", "servers in a list", "comments", "not UTF-8"],
)
def test_a_file_it_cannot_understand_is_left_alone(machine: Machine, client: str, text: str) -> None:
    path = config(machine, client)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(errors="surrogateescape"))
    before = path.read_bytes()
    result = install(machine, client, "--write")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"INVALID_VALUE: {path} ")
    assert "othing was changed" in result.stderr
    assert path.read_bytes() == before
    assert [each for each in path.parent.iterdir() if each.is_file()] == [path]


def test_an_empty_file_is_an_empty_configuration(machine: Machine, client: str) -> None:
    put(config(machine, client), "")
    assert install(machine, client, "--write").exit_code == 0
    assert list(json.loads(config(machine, client).read_text())) == ["mcpServers"]


def test_a_place_that_cannot_be_read_is_said(machine: Machine, client: str) -> None:
    in_the_way = machine.home / "file"
    in_the_way.write_text("not a folder")
    machine.home = in_the_way
    result = install(machine, client, "--write")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"INVALID_VALUE: {config(machine, client)} cannot be read: ")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here, where nobody may make a file")
def test_a_place_that_cannot_be_written_is_said(machine: Machine, client: str) -> None:
    machine.home = Path("/proc/agentgauge")
    result = install(machine, client, "--write")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"STORE_UNWRITABLE: {config(machine, client)} cannot be written: ")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_configuration_that_is_a_link_stays_one(machine: Machine, client: str) -> None:
    real = machine.home / "dotfiles/config.json"
    put(real, json.dumps(OTHERS))
    path = config(machine, client)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(real)
    assert install(machine, client, "--write").exit_code == 0
    assert path.is_symlink()
    assert "agentgauge" in json.loads(real.read_text(encoding="utf-8"))["mcpServers"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_who_may_read_a_configuration_stays_so(machine: Machine, client: str, mode: int) -> None:
    path = config(machine, client)
    put(path, json.dumps(OTHERS))
    path.chmod(mode)
    install(machine, client, "--write")
    files = (path, path.with_name(path.name + ".bak"))
    assert [each.stat().st_mode & 0o777 for each in files] == [mode, mode]


@pytest.mark.skipif(shutil.which("claude") is None, reason="the command claude is not here")
def test_the_command_it_shows_for_claude_code_is_taken_by_claude(machine: Machine) -> None:
    last = install(machine, "claude-code").stdout.splitlines()[-1]
    words = last.removeprefix("Or run: ").split()
    assert subprocess.run(words, env=machine.env, check=False).returncode == 0
