"""The first minute: a coding agent's own logs on this machine answer what it used, also while they grow."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from running import Machine, command_line

from agentgauge.app import App
from agentgauge.config import load

if TYPE_CHECKING:
    from subprocess import Popen

FIXTURES = Path(__file__).parents[1] / "fixtures"
LOGS = {
    "claude-code": ("claude_code/claude_code_2.1.197_session.jsonl", ".claude/projects/-srv-shop/session.jsonl"),
    "codex": (
        "codex/rollout-2026-11-20T10-00-00-019a1f00-0000-7000-8000-00000000000a.jsonl",
        ".codex/sessions/2026/11/20/rollout-2026-11-20T10-00-00-019a1f00-0000-7000-8000-00000000000a.jsonl",
    ),
    "gemini": ("gemini/session-2026-11-20T11-00-7d1b3f7e.jsonl", ".gemini/tmp/shop/chats/session-1.jsonl"),
}
"""The fixture of each program, and where the program would have put it."""
ANSWERS = {
    "claude-code": ["claude-opus-4-8", 2, 43_024, 174, 0.04697],
    "codex": ["gpt-5", 2, 18_200, 150, 0.00625],
    "gemini": ["gemini-2.5-pro", 2, 2_500, 110, 0.002425],
}
"""Model, calls, input, output and cost in USD of each."""
COLUMNS = ("model", "model_calls", "input_tokens", "output_tokens", "cost_usd")
NOW = 1_795_219_200_000  # 2026-11-21T00:00Z


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A home folder without any logs."""
    return Machine(tmp_path, {"CODEX_HOME": "", "GEMINI_DATA_DIR": ""})


def put(machine: Machine, program: str) -> Path:
    fixture, place = LOGS[program]
    path = machine.home / place
    path.parent.mkdir(parents=True)
    shutil.copy(FIXTURES / fixture, path)
    return path


def usage(machine: Machine) -> list[list[Any]]:
    """What `ask` says the day after the logs were written."""
    command = command_line(lambda org: App(load(machine.env, org=org), clock=lambda: NOW))
    words = ["ask", "usage_by_agent", "--json", "period=month", "group_by=model"]
    asked = CliRunner().invoke(command, words)
    assert asked.exit_code == 0, asked.output
    answer = json.loads(asked.stdout)
    rows = [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
    return [[row[name] for name in COLUMNS] for row in rows]


@pytest.mark.parametrize("program", LOGS)
def test_a_programs_logs_are_found_and_answer_with_tokens_and_cost(machine: Machine, program: str) -> None:
    put(machine, program)
    for _ in range(2):
        taken = machine.run("import", program)
        assert taken.code == 0, taken.err
    (row,) = usage(machine)
    assert row == pytest.approx(ANSWERS[program])


@pytest.mark.parametrize("program", LOGS)
def test_a_log_is_recognised_whatever_it_is_called(machine: Machine, program: str) -> None:
    renamed = put(machine, program).rename(machine.home / "something.txt")
    assert machine.run("import", str(renamed)).code == 0
    (row,) = usage(machine)
    assert row == pytest.approx(ANSWERS[program])


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("codex", "no Codex rollouts were found. They lie in ~/.codex/sessions"),
        ("gemini", "no Gemini CLI chats were found. They lie in ~/.gemini/tmp/*/chats"),
    ],
)
def test_a_program_without_logs_says_where_they_would_lie(machine: Machine, program: str, reason: str) -> None:
    done = machine.run("import", program)
    assert done.code == 2
    assert reason in done.err


def said(process: Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode()


def test_a_log_is_followed_while_it_grows_until_ctrl_c(machine: Machine) -> None:
    log = put(machine, "codex")
    whole = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(whole[:9]))
    process = machine.start("import", "codex", "--watch")
    try:
        assert said(process).startswith("watching codex; Ctrl-C ends it")
        assert "1 files: 3 accepted" in said(process)
        log.write_bytes(b"".join(whole))
        assert "1 accepted, 0 duplicate, 2 replaced by a better copy" in said(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, b"", b"")
    finally:
        process.kill()
    (row,) = usage(machine)
    assert row == pytest.approx(ANSWERS["codex"])
