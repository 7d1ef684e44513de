"""The real command in a process of its own, with a home that holds nothing but what a test puts there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from agentgauge import __main__ as main
from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.faces.cli import Application, commands
from agentgauge.ingest.run import Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import click

Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")
COMMAND: tuple[str, ...] = (sys.executable, "-m", "agentgauge")


@dataclass(frozen=True)
class Finished:
    """How a process ended and what it said."""

    code: int
    out: str
    err: str


@dataclass
class Machine:
    """A user's home folder and environment."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def store(self) -> Path:
        """The file of the organisation `default`."""
        return self.home / "data/orgs/default.db"

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, but for what would lead to somebody's own data or settings."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AGENTGAUGE_", "CLAUDE_", "XDG_"))
        }
        return kept | {"HOME": str(self.home), "AGENTGAUGE_HOME": str(self.home / "data")} | self.variables

    def run(self, *words: str, given: bytes = b"") -> Finished:
        """Runs the command to its end."""
        done = subprocess.run(
            [*COMMAND, *words], input=given, capture_output=True, env=self.env, timeout=60, check=False
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Starts the command with pipes."""
        pipe = subprocess.PIPE
        return subprocess.Popen([*COMMAND, *words], stdin=pipe, stdout=pipe, stderr=pipe, env=self.env)

    def connect(self, era: Era = "auto") -> Client:
        """The official client, which starts the server over stdio."""
        command, *words = COMMAND
        return Client(StdioServerParameters(command=command, args=words, env=self.env), mode=era)

    def hold(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Puts event lines into the store, from this process."""
        with App(Settings(home=self.home / "data")).sink() as sink, Intake(sink) as intake:
            intake.lines(enumerate(lines, 1))

    def file(self, name: str, lines: Iterable[Mapping[str, Any]]) -> Path:
        """A file of event lines."""
        path = self.home / name
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path


def command_line(make: Callable[[str | None], Application] = main.make) -> click.Group:
    """The command itself, to be run in this process."""
    return commands(make, main.demo, main.serve, main.open_keys)


def text(result: CallToolResult) -> str:
    """The words of an answer or of a refusal."""
    (part,) = result.content
    assert isinstance(part, TextContent)
    return part.text


def structured(result: CallToolResult) -> dict[str, Any]:
    """The structured form of an answer."""
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    return result.structured_content


def messages(numbers: Iterable[int], **fields: Any) -> list[dict[str, Any]]:
    """Outbound messages that were sent, one a second from 2026-05-05T10:00Z on."""
    start = 1_777_975_200_000
    same = {"type": "message", "direction": "outbound", "status": "sent", "channel": "sms"} | fields
    return [same | {"id": f"m{number}", "ts": start + number * 1_000} for number in numbers]


COUNTED: dict[str, Any] = {"metric": "sent", "start": "2026-05-05", "end": "2026-05-05"}
"""The words of get_message_metrics that count those messages."""
