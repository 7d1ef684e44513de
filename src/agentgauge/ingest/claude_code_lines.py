"""One line of a Claude Code transcript: what it says, leniently read.

Above it is `claude_code`, which joins the lines of all transcripts to events. Below it is `lenient`. The format is
internal to Claude Code and changes with its version, so nothing here is required of a line but what is read from it:
whatever does not fit is None, and a line that cannot be read is no line. What counts as usage is what ccusage counts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from .lenient import count as count
from .lenient import digest as digest
from .lenient import dollars as dollars
from .lenient import instant as instant
from .lenient import key as key
from .lenient import load as load
from .lenient import mapping as mapping
from .lenient import text as text

SEMVER = re.compile(r"\d+\.\d+\.\d")

# What Claude Code itself writes in the user's name: commands and their output, the shell mode, news of background work.
NOT_TYPED_BY_A_HUMAN = (
    "<bash-",
    "<command-",
    "<local-command-",
    "<system-reminder>",
    "<task-notification>",
    "<teammate-message",
    "[Request interrupted by user",
)


class Usage(NamedTuple):
    uncached: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int

    @property
    def input(self) -> int:
        return self.uncached + self.cache_read + self.cache_write

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Line:
    """A line with a message in it; one that reports an agent's progress is turned into the line that it wraps."""

    body: dict[str, Any]
    message: dict[str, Any]
    ts: int
    identity: str
    """The same for a copy of this line, another for any other line."""
    subagent: bool
    agent: str | None
    """The id of the subagent, not its name."""

    def text(self, key: str) -> str | None:
        return text(self.body.get(key))

    def is_true(self, key: str) -> bool:
        return self.body.get(key) is True

    @property
    def kind(self) -> str | None:
        return self.text("type")


def parse(raw: bytes, agent_of_file: str | None = None) -> Line | None:
    """The line, or None for one without a message, a time, or a readable form."""
    if b'"message"' not in raw:
        return None  # most of a transcript's bytes are attachments and snapshots; they need no parsing
    outer = load(raw)
    body, progress = _unwrap(outer)
    message, ts = mapping(body.get("message")), instant(body.get("timestamp"))
    if not message or ts is None or not _is_sound(body, message):
        return None
    agent = text(body.get("agentId")) or agent_of_file
    identity = key(text(body.get("uuid"))) or digest(raw.strip())
    subagent = progress or agent is not None or body.get("isSidechain") is True
    return Line(body, message, ts, identity, subagent, agent)


def _unwrap(outer: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    data = mapping(outer.get("data"))
    inner = mapping(data.get("message"))
    if not isinstance(inner.get("message"), dict):
        return outer, False
    about = {name: outer[name] for name in ("sessionId", "cwd", "gitBranch", "version", "entrypoint") if name in outer}
    agent = {"agentId": data["agentId"]} if "agentId" in data else {}
    return about | agent | inner, True


def _is_sound(body: dict[str, Any], message: dict[str, Any]) -> bool:
    version = body.get("version")
    if isinstance(version, str) and not SEMVER.match(version):
        return False
    return "" not in (body.get("sessionId"), body.get("requestId"), message.get("id"), message.get("model"))


def usage(line: Line) -> Usage | None:
    found = mapping(line.message.get("usage"))
    tokens = tuple(
        count(found.get(name, default))
        for name, default in (
            ("input_tokens", None),
            ("output_tokens", None),
            ("cache_read_input_tokens", 0),
            ("cache_creation_input_tokens", 0),
        )
    )
    uncached, output, read, write = tokens
    if uncached is None or output is None or read is None or write is None:
        return None
    if not isinstance(found.get("cache_creation"), dict):
        return Usage(uncached, output, read, write, 0)
    split = mapping(found["cache_creation"])
    short, long = count(split.get("ephemeral_5m_input_tokens", 0)), count(split.get("ephemeral_1h_input_tokens", 0))
    if short is None or long is None:
        return None
    return Usage(uncached, output, read, short + long, long)


def blocks(line: Line, kind: str) -> Iterator[dict[str, Any]]:
    content = line.message.get("content")
    if isinstance(content, list):
        for item in cast("list[object]", content):
            block = mapping(item)
            if block.get("type") == kind:
                yield block


def is_prompt(line: Line) -> bool:
    """Whether a human typed this, to this agent."""
    if line.kind != "user" or line.subagent or line.is_true("isMeta") or line.is_true("isCompactSummary"):
        return False
    said = line.message.get("content")
    if isinstance(said, str):
        return bool(said) and not said.lstrip().startswith(NOT_TYPED_BY_A_HUMAN)
    if not said or not isinstance(said, list) or any(blocks(line, "tool_result")):
        return False
    texts = [text(block.get("text")) or "" for block in blocks(line, "text")]
    # Reminders can stand before what was typed; a picture may be all that was sent.
    return not texts or any(not part.lstrip().startswith(NOT_TYPED_BY_A_HUMAN) for part in texts)


def is_command(line: Line) -> bool:
    said = line.message.get("content")
    return line.kind == "user" and isinstance(said, str) and said.lstrip().startswith(("<command-", "<bash-input>"))
