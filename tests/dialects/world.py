"""A whole agentgauge over an empty folder, with a clock that stands still: what the tests of the tools ask.

Every answer that comes through `World.ask` has been held to what all answers promise (`promises.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promises import hold

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.time import iso_z
from agentgauge.ingest.run import Intake, Report

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer

Event = dict[str, Any]
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def at(text: str) -> int:
    """The instant of `2026-05-05T14:00` (UTC where no offset is given), in ms."""
    moment = datetime.fromisoformat(text if text[-6:-5] in ("+", "-") or "T" not in text else text + "+00:00")
    return (
        int(datetime.fromisoformat(f"{text}T00:00+00:00").timestamp() if "T" not in text else moment.timestamp())
        * 1_000
    )


NOW = at("2026-05-20T12:30")
"""A Wednesday."""


@dataclass
class World:
    """The application, and what has been put into it."""

    home: Path
    now: int = NOW
    tz: str = "UTC"
    allow_write: bool = False
    numbers: Iterable[int] = field(default_factory=itertools.count)

    @property
    def app(self) -> App:
        """The application with these settings."""
        settings = Settings(home=self.home, tz=self.tz, allow_write=self.allow_write)
        return App(settings, clock=lambda: self.now)

    def give(self, *events: Mapping[str, Any]) -> Report:
        """Imports event lines; an id is made up where there is none."""
        lines = [{"id": f"e{number}"} | dict(event) for number, event in zip(self.numbers, events, strict=False)]
        with self.app.sink() as sink, Intake(sink) as intake:
            intake.lines(enumerate(lines, 1))
        assert not intake.report.rejections
        return intake.report

    async def ask(self, tool: str, **arguments: Any) -> Answer:
        """The answer of a tool, held to what every answer promises."""
        answer = await self.app.call(tool, arguments)
        hold(answer, arguments.get("budget") or 800)
        return answer


def event(kind: str, when: str | int, /, **fields: Any) -> Event:
    """An event line."""
    return {"type": kind, "ts": when if isinstance(when, int) else iso_z(at(when))} | fields


def sent(when: str | int, channel: str | None = "sms", **fields: Any) -> Event:
    """An outbound message that was sent."""
    return event("message", when, direction="outbound", status="sent", channel=channel) | fields


def known_until(dataset: str, when: str | int) -> Event:
    """Says that everything of a dataset up to an instant is here."""
    return event("as_of", when, dataset=dataset)


def rows(answer: Answer) -> list[dict[str, Any]]:
    """The rows of an answer, each with its cells by column."""
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.structured().get("rows", [])]


def by(answer: Answer, column: str, *groups: str) -> dict[Any, Any]:
    """One column of an answer by its group, or by its groups."""
    names = groups or (answer.columns[0],)
    keys = [tuple(row[name] for name in names) for row in rows(answer)]
    return {key[0] if len(names) == 1 else key: row[column] for key, row in zip(keys, rows(answer), strict=True)}


def values(answer: Answer) -> list[Any]:
    """The values of the only series of an answer."""
    (row,) = rows(answer)
    return row["values"]
