"""`agentgauge demo`: it needs nothing, leaves nothing, and says what is real and what is made up."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from running import Machine

TRANSCRIPT = Path(__file__).parents[1] / "fixtures/claude_code/claude_code_2.1.197_session.jsonl"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty home, with a folder of its own for temporary files and no way out to any network."""
    (tmp_path / "tmp").mkdir()
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    return Machine(tmp_path, {"TMPDIR": str(tmp_path / "tmp")} | nowhere)


def test_it_prints_questions_and_answers_in_an_empty_home_and_leaves_nothing(machine: Machine) -> None:
    done = machine.run("demo")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("A SYNTHETIC fleet: ")
    assert "YOUR OWN" not in done.out
    blocks = done.out.split("\nQ: ")[1:]
    assert len(blocks) == 5
    for block in blocks:
        question, asked, title, *_ = block.splitlines()
        assert question.endswith("?")
        assert asked.startswith("   ")
        assert title
    assert not [line for line in done.out.splitlines() if line.split(":")[0].isupper() and "_" in line.split(":")[0]]
    assert "\ntotal messages " in blocks[1]
    assert done.out.rstrip().endswith("agentgauge install claude-code | claude-desktop | cursor")
    assert [path for path in machine.home.rglob("*") if path.name != "tmp"] == []


def test_your_own_claude_code_runs_come_first_and_are_told_apart(machine: Machine) -> None:
    folder = machine.home / ".claude/projects/-work-one"
    folder.mkdir(parents=True)
    today = f"{datetime.now(UTC):%Y-%m-%d}"  # the demo asks about this month
    (folder / "session.jsonl").write_text(TRANSCRIPT.read_text().replace("2026-11-20", today))
    done = machine.run("demo")
    assert done.code == 0
    own, made_up = done.out.split("A SYNTHETIC fleet: ")
    assert own.startswith("YOUR OWN Claude Code runs: ")
    assert "usage by model" in own
    assert "43024" in own
    assert "0.04697" in own
    assert "Support Alpha" not in own
    assert "Support Alpha" in made_up
    assert "claude-code" not in made_up.partition("Connect it")[0]
    assert sorted(path.name for path in machine.home.iterdir()) == [".claude", "tmp"]
