"""`agentgauge sources`: what is configured, and whether it answers, without a secret in sight."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from faults import Vendor, misbehaving, reply
from pair import SECRET, Pair
from served import event

KEY = "am_live_do_not_tell"


def run(home: Any, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    given = {**os.environ, "AGENTGAUGE_HOME": str(home), **env}
    command = [sys.executable, "-m", "agentgauge", *words]
    return subprocess.run(command, capture_output=True, text=True, env=given, timeout=60, check=False)


def test_without_a_file_it_says_how_to_write_one(tmp_path: Any) -> None:
    done = run(tmp_path, "sources", "list")
    assert done.returncode == 0
    assert "No sources are configured" in done.stdout
    assert "[sources.phone]\n" in run(tmp_path, "sources", "--help").stdout.replace("  [", "[")


def test_the_list_says_which_variable_holds_the_key_and_never_the_key(pair: Pair) -> None:
    done = run(pair.home, "sources", "list", **{SECRET: KEY})
    assert f"msg: agentmessage at {pair.address}\n  key {SECRET} set; organisations default; " in done.stdout
    assert KEY not in done.stdout + done.stderr
    row = json.loads(run(pair.home, "sources", "list", "--json").stdout)[0]
    assert (row["source"], row["dialect"], row["organisations"]) == ("msg", "agentmessage", "default")


def test_every_source_that_answers_is_ok(pair: Pair) -> None:
    pair.vendor.give(event("request", "2026-05-19T03:00", account="acme", agent_name="bot"))
    done = run(pair.home, "sources", "check", **{SECRET: KEY})
    assert done.returncode == 0, done.stdout + done.stderr
    named = [line.partition(":")[0] for line in done.stdout.splitlines()]
    assert named == list(json_sources(pair))
    assert all(": ok, " in line for line in done.stdout.splitlines())


def json_sources(pair: Pair) -> list[str]:
    """The names of the configured sources."""
    return [row["source"] for row in json.loads(run(pair.home, "sources", "list", "--json").stdout)]


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        (
            reply(401, {"message": "nope"}),
            2,
            "msg did not take the key (401: nope). Set MSG_KEY to a valid key for it.",
        ),
        (reply(500, b""), 3, "msg failed (500)"),
        (reply(200, {"data": []}), 3, "msg answered getMetricsMessages in a form that is not its documented one"),
    ],
    ids=["a wrong key", "a vendor that fails", "another vendor at that address"],
)
def test_what_is_wrong_with_a_source_is_said_with_what_to_do(tmp_path: Any, answers: Any, code: int, said: str) -> None:
    with misbehaving(answers) as vendor:
        configured(tmp_path, vendor)
        done = run(tmp_path, "sources", "check", "msg", MSG_KEY=KEY)
    assert done.returncode == code
    assert said in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_a_source_that_is_not_configured_is_refused(pair: Pair) -> None:
    done = run(pair.home, "sources", "check", "msgs")
    assert done.returncode == 2
    assert 'Did you mean "msg"?' in done.stdout + done.stderr


def configured(home: Any, vendor: Vendor) -> None:
    """Writes a file with that one source."""
    lines = ["[sources.msg]", 'dialect = "agentmessage"', f'base_url = "{vendor.address}"', 'secret = "MSG_KEY"']
    (home / "sources.toml").write_text("\n".join(lines))
