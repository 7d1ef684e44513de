"""Every example works as its folder's README says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agentgauge.faces import clients

EXAMPLES = Path(__file__).parents[1] / "examples"
CONFIGURATIONS = {
    "claude-code": "mcp.json",
    "claude-desktop": "claude_desktop_config.json",
    "cursor": "cursor_mcp.json",
}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment whose store is empty."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AGENTGAUGE_")}
    return kept | {"AGENTGAUGE_HOME": str(tmp_path)}


def run(env: dict[str, str], *words: str) -> str:
    """What a Python command prints; it must end well and say nothing on stderr."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=env, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_event_lines_are_all_taken(env: dict[str, str]) -> None:
    lines = (EXAMPLES / "events.jsonl").read_text().splitlines()
    said = run(env, "-m", "agentgauge", "import", str(EXAMPLES / "events.jsonl"))
    assert said.startswith(f"{len(lines)} accepted, 0 duplicate, 0 rejected\n")


def test_the_python_client_lists_the_tools_and_prints_an_answer(env: dict[str, str]) -> None:
    run(env, "-m", "agentgauge", "import", str(EXAMPLES / "events.jsonl"))
    said = run(env, str(EXAMPLES / "python_client.py")).splitlines()
    assert said[0].startswith("tools: describe_metrics, get_message_metrics, ")
    assert said[1].startswith("messages sent by channel, 2026-05-05 00:00 to 2026-05-06 00:00 UTC, as of 14:00, exact")
    assert said[2] == "total 4"
    assert said[-1] == "total as data: 4"


def test_the_python_client_is_short() -> None:
    assert len((EXAMPLES / "python_client.py").read_text().splitlines()) < 40


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_each_clients_configuration_is_what_install_shows_with_the_bare_command(client: str, tmp_path: Path) -> None:
    example = json.loads((EXAMPLES / CONFIGURATIONS[client]).read_text())
    shown = clients.install(clients.CLIENTS[client], tmp_path, write=False)
    entry = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
    entry["mcpServers"]["agentgauge"] |= {"command": "agentgauge"}
    entry["mcpServers"]["agentgauge"].pop("env", None)
    assert example == entry


def test_the_readme_names_every_file_and_no_other() -> None:
    named = set(re.findall(r"^\| \[([^\]]+)\]\(\1\)", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    assert named == {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
