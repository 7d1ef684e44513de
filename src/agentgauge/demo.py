"""`agentgauge demo`: a store in a temporary place, asked through the real server over stdio by the official client.

Above: the command line. Below: the composition root, the synthetic fleet, mcp's client. Nothing leaves the machine, and
nothing stays on it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgauge.app import App, wall_clock
from agentgauge.config import Settings
from agentgauge.ingest import claude_code
from agentgauge.ingest.fleet import fleet
from agentgauge.ingest.run import Intake

if TYPE_CHECKING:
    from agentgauge.ingest.run import Report

Say = Callable[[str], None]
Questions = Sequence[tuple[str, str, Mapping[str, Any]]]

YOURS, FLEET = "yours", "default"
"""The organisations: your own Claude Code runs, and the synthetic fleet. One organisation is one file: never mixed."""

ABOUT_YOURS: Questions = (
    (
        "What did Claude Code use and cost this month, by model?",
        "usage_by_agent",
        {"period": "month", "group_by": "model"},
    ),
    (
        "In which projects, these last 30 days?",
        "query_datapoints",
        {
            "datasource": "model_calls",
            "aggregations": [{"type": "sum", "column": "input_tokens"}, {"type": "sum", "column": "cost_usd"}],
            "group_by": ["metadata.project"],
            "start": "now-30d",
        },
    ),
)
ABOUT_FLEET: Questions = (
    ("What is here?", "describe_metrics", {}),
    ("What did my agents do and cost this month?", "usage_by_agent", {"period": "month"}),
    (
        "Which messages failed this week, by channel?",
        "get_message_metrics",
        {
            "metric": "failed",
            "interval": "1d",
            "group_by": "channel",
            "start": "now-7d/d",
            "compare_to": "prior_period",
        },
    ),
    (
        "What did each agent's models cost per day, these last 10 days?",
        "query_datapoints",
        {
            "datasource": "model_calls",
            "aggregations": [{"type": "sum", "column": "cost_usd"}],
            "group_by": "agent",
            "interval": "1d",
            "start": "now-10d/d",
            "limit": 4,
        },
    ),
    (
        "How long do calls take to handle, and how deep are the queues?",
        "query_custom_metrics",
        {"view": "totals", "start": "now-30d"},
    ),
)


async def run(say: Say) -> None:
    """Makes the stores, asks, and says each question with its answer."""
    with tempfile.TemporaryDirectory(prefix="agentgauge-demo-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        transcripts = claude_code.find_transcripts(os.environ, Path.home())
        if transcripts:
            report = _app(home, YOURS).import_names([str(path) for path in transcripts])
            say(f"YOUR OWN Claude Code runs: {report.accepted:,} events from {len(transcripts):,} transcripts.\n")
            await _ask(home, YOURS, ABOUT_YOURS, say)
        began = time.perf_counter()
        report = _fleet(home)
        say(f"A SYNTHETIC fleet: {report.accepted:,} events of 30 days in {time.perf_counter() - began:.1f} s.\n")
        await _ask(home, FLEET, ABOUT_FLEET, say)
    say("That was the real server over stdio. Connect it: agentgauge install claude-code | claude-desktop | cursor")


def _app(home: Path, org: str) -> App:
    return App(Settings(home=home, org=org, tz=os.environ.get("AGENTGAUGE_TZ") or "UTC"))


def _fleet(home: Path) -> Report:
    with _app(home, FLEET).sink() as sink, Intake(sink) as intake:
        intake.events(fleet(wall_clock()))
    return intake.report


async def _ask(home: Path, org: str, questions: Questions, say: Say) -> None:
    """Starts the real server on a store and puts the questions to it through the official client."""
    from mcp import Client, StdioServerParameters
    from mcp.types import TextContent

    env = {**os.environ, "AGENTGAUGE_HOME": str(home), "AGENTGAUGE_ORG": org}
    server = StdioServerParameters(command=sys.executable, args=["-m", "agentgauge"], env=env)
    async with Client(server) as client:
        for question, tool, arguments in questions:
            result = await client.call_tool(tool, dict(arguments))
            words = " ".join(f"{name}={_word(value)}" for name, value in arguments.items())
            say(f"Q: {question}\n   {tool} {words}".rstrip())
            say("".join(part.text for part in result.content if isinstance(part, TextContent)) + "\n")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else str(value).replace("'", '"').replace(", ", ",").replace(": ", ":")
