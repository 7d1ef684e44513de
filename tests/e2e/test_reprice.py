"""`agentgauge reprice`: which costs it computes again, and what it says."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from running import command_line

from agentgauge.app import App
from agentgauge.config import load

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_795_219_200_000
DAY = 86_400_000
TOKENS = {"input_tokens": 1_500, "cache_read_tokens": 1_024, "output_tokens": 25}
COST = 0.0001632
"""What these tokens cost of gpt-4o-mini, by hand (facts/telemetry.md 4)."""


class Shell:
    """Runs commands over a home of its own, at an instant that stands still."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._variables = {name: None for name in os.environ if name.startswith("AGENTGAUGE_")}
        self._commands = command_line(lambda org: App(load(org=org), clock=lambda: NOW))

    def run(self, *words: str) -> Result:
        env = self._variables | {"AGENTGAUGE_HOME": str(self._home)}
        return CliRunner().invoke(self._commands, words, env=env, prog_name="agentgauge")

    def give(self, *calls: dict[str, Any]) -> None:
        """Imports model calls, of gpt-4o-mini a day ago where they do not say otherwise."""
        own = {"type": "model_call", "ts": NOW - DAY, "provider": "openai", "model_name": "gpt-4o-mini", **TOKENS}
        lines = [json.dumps(own | {"id": f"c{number}"} | call) for number, call in enumerate(calls)]
        file = self._home / "calls.jsonl"
        file.write_text("\n".join(lines))
        assert self.run("import", str(file)).exit_code == 0

    def reprice(self, *words: str) -> list[str]:
        result = self.run("reprice", *words)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    def costs(self) -> dict[str, Any]:
        """Each user's cost."""
        words = ("period=year", "group_by=user", "--json")
        answer = json.loads(self.run("ask", "usage_by_agent", *words).stdout)
        return {row[0]: dict(zip(answer["columns"], row, strict=True)).get("cost_usd") for row in answer["rows"]}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell over an empty home."""
    return Shell(tmp_path)


def test_a_call_without_a_cost_gets_the_one_of_the_list_and_one_with_another_cost_a_new_one(shell: Shell) -> None:
    shell.give({"user": "none"}, {"user": "old", "cost_usd": 1.0, "cost_source": "computed"})
    said = "model calls without a reported cost: 2, repriced: 2; 1.000000 USD before, 0.000326 USD now"
    assert shell.reprice() == [said]
    assert shell.costs() == {"none": COST, "old": COST}


def test_the_second_time_nothing_changes(shell: Shell) -> None:
    shell.give({"user": "none"})
    shell.reprice()
    said = "model calls without a reported cost: 1, repriced: 0; 0.000163 USD before, 0.000163 USD now"
    assert shell.reprice() == [said]


@pytest.mark.parametrize("source", [{"cost_source": "reported"}, {}])
def test_a_cost_that_was_reported_is_never_touched(shell: Shell, source: dict[str, str]) -> None:
    shell.give({"user": "u", "cost_usd": 1.0} | source)
    assert shell.reprice()[0].startswith("model calls without a reported cost: 0, repriced: 0;")
    assert shell.costs() == {"u": 1.0}


def test_a_model_without_a_price_keeps_what_it_has_and_is_named_where_that_is_nothing(shell: Shell) -> None:
    shell.give(
        {"user": "kept", "model_name": "made-up", "cost_usd": 1.0, "cost_source": "computed"},
        {"user": "none", "model_name": 'new"one'},
    )
    assert shell.reprice() == [
        "model calls without a reported cost: 2, repriced: 0; 1.000000 USD before, 1.000000 USD now",
        r'still without a price: 1, of "new\"one"',
    ]
    assert shell.costs() == {"kept": 1.0, "none": 0}


def test_a_hit_in_a_gateways_cache_costs_what_it_cost(shell: Shell) -> None:
    shell.give({"user": "u", "cache_status": "hit", "cost_usd": 0, "cost_source": "computed"}, {"user": "v"})
    shell.reprice()
    assert shell.costs() == {"u": 0, "v": COST}


def test_a_call_in_fast_mode_is_priced_as_one(shell: Shell) -> None:
    claude = {"provider": "anthropic", "model_name": "claude-opus-4-8"}
    shell.give({"user": "plain"} | claude, {"user": "fast", "metadata": {"speed": "fast"}} | claude)
    shell.reprice()
    assert shell.costs()["fast"] == pytest.approx(2 * shell.costs()["plain"])


def test_since_leaves_what_was_before(shell: Shell) -> None:
    shell.give({"user": "old", "ts": NOW - 9 * DAY}, {"user": "new"})
    assert shell.reprice("--since", "now-2d")[0].startswith("model calls without a reported cost: 1, repriced: 1;")
    assert shell.costs() == {"old": 0, "new": COST}


def test_another_organisation_is_another_store(shell: Shell) -> None:
    shell.give({"user": "u"})
    assert shell.reprice("--org", "acme")[0].startswith("model calls without a reported cost: 0,")
    assert shell.costs() == {"u": None}


def test_a_time_that_cannot_be_read_is_refused(shell: Shell) -> None:
    result = shell.run("reprice", "--since", "lately")
    assert (result.exit_code, result.stdout) == (2, "")
    assert '"lately" is not a time.' in result.stderr


def test_a_store_that_is_not_there_is_not_made(shell: Shell, tmp_path: Path) -> None:
    shell.reprice()
    assert not (tmp_path / "orgs").exists()
