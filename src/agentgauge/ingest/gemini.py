"""Gemini CLI's chat files as events: where they are, how one is told by its content, and what each counts.

Above: `formats`. Below: `lenient` and `agent_log`, which makes the events. It opens no file but to find it. The rules
are facts 3.4: a message is written again whenever it grows, so its last form counts, by its id; `$set` patches rewrite
the conversation, and `$rewindTo` takes messages out of it, but what was called was called; input includes what was
cached; thoughts are output; what a tool of Gemini's own read (`tool`) is input beside `input`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import agent_log, lenient
from .agent_log import Call, Log, Run, Session, Tool, mcp_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

AGENT = "gemini-cli"
SUBAGENT = "gemini-cli-subagent"
NOT_TYPED_BY_A_HUMAN = ("<session_context>", "<hook_context>", "/", "?")
"""How messages begin that Gemini CLI writes in the user's name, and commands to the program itself."""
DONE, FAILED = "done", "failed"

_ENDINGS = (".json", ".jsonl")
_FINAL_STATUSES = {"success": DONE, "error": FAILED, "cancelled": FAILED}
_HASH = re.compile(r"[0-9a-f]{64}")
_SEPARATOR = re.compile(r"[\\/]+")


def find_chats(env: Mapping[str, str], home: Path) -> list[Path]:
    """All chats under `GEMINI_DATA_DIR` (several folders by commas), else under `~/.gemini/tmp`."""
    named = [name.strip() for name in env.get("GEMINI_DATA_DIR", "").split(",") if name.strip()]
    found: set[Path] = set()
    for folder in [Path(name).expanduser() for name in named] or [home / ".gemini" / "tmp"]:
        for path in folder.rglob("*"):
            if path.suffix in _ENDINGS and "chats" in path.parts and path.is_file():
                found.add(path.resolve())
    return sorted(found)


def chats_folder(path: Path, first_lines: Sequence[bytes]) -> str:
    """The folder of a project's chats, where a subagent's file lies below its parent's."""
    return str(next((each for each in path.parents if each.name == "chats"), path.parent))


def looks_like_chat(first_lines: Sequence[bytes]) -> bool:
    """Whether these lines are of a chat, whatever the file is called; early versions wrote one indented object."""
    if any(map(_is_ours, map(lenient.load, first_lines))):
        return True
    head = b"\n".join(first_lines).lstrip()
    return head.startswith(b"{") and all(name in head for name in (b'"sessionId"', b'"projectHash"', b'"messages"'))


def _is_ours(line: Mapping[str, Any]) -> bool:
    if "sessionId" in line and "projectHash" in line:
        return True
    if line.get("type") == "gemini":
        return "id" in line and "timestamp" in line
    return "$rewindTo" in line


def decode(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[dict[str, Any]]:
    """The events of all chats of an import, each given as its name and its lines.

    They are read to the end before the first event: a resumed chat of an early version goes on in another file.
    """
    chats: dict[tuple[str, str], _Chat] = {}
    for name, raw_lines in files:
        read = _read(name, raw_lines)
        known = chats.setdefault((read.session, read.id or ""), read)
        if known is not read:
            known.take_over(read)
    logs = [chat.log() for chat in chats.values()]
    main = {log.session.id: log.runs for log in logs if log.runs}
    for log in logs:
        runs = main.get(log.session.id, [])
        started = [run.ts for run in runs]
        for call in log.calls:
            before = bisect_right(started, call.ts)
            if before:
                call.run = runs[before - 1]
                call.turn = call.run.turn
    return agent_log.events(logs)


@dataclass(slots=True)
class _Chat:
    """One conversation, the latest form of each of its messages by its id, in the order in which they began."""

    name: str
    id: str | None = None
    project_hash: str | None = None
    kind: str | None = None
    directories: list[str] = field(default_factory=list[str])
    messages: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def is_subagent(self) -> bool:
        return self.kind == "subagent"

    @property
    def session(self) -> str:
        """The session that telemetry names. A subagent's file lies in a folder called as its parent's session."""
        *folders, base = _SEPARATOR.split(self.name)
        own = lenient.key(self.id) or lenient.key(base) or base
        return folders[-1] if self.is_subagent and folders and folders[-1] != "chats" else own

    @property
    def project(self) -> str | None:
        """The project's folder: early versions named it by a hash, later ones by its name."""
        folders = _SEPARATOR.split(self.name)[:-1]
        named = folders[folders.index("chats") - 1] if "chats" in folders[1:] else None
        if named is not None and not _HASH.fullmatch(named):
            return named
        return next((_SEPARATOR.split(path.rstrip("\\/"))[-1] for path in self.directories), None) or named

    def take(self, record: Mapping[str, Any]) -> None:
        """Takes one record of the file: what is known of the chat, one of its messages, or a change of either."""
        changes = lenient.mapping(record.get("$set"))
        message_id = lenient.text(record.get("id"))
        if changes and message_id is not None:
            self._message({**changes, "id": message_id})
        elif changes:
            self._about(changes)
        elif message_id is not None:
            self._message(record)
        else:
            self._about(record)

    def _about(self, record: Mapping[str, Any]) -> None:
        self.id = lenient.text(record.get("sessionId")) or self.id
        self.project_hash = lenient.text(record.get("projectHash")) or self.project_hash
        self.kind = lenient.text(record.get("kind")) or self.kind
        self.directories = [
            path for each in lenient.items(record.get("directories")) if (path := lenient.text(each))
        ] or self.directories
        for message in lenient.items(record.get("messages")):
            self._message(lenient.mapping(message))

    def _message(self, message: Mapping[str, Any]) -> None:
        """A later form of a message leaves out nothing that an earlier one counted."""
        message_id = lenient.text(message.get("id"))
        if message_id is not None:
            known = self.messages.setdefault(message_id, {})
            known.update({name: message[name] for name in _READ if message.get(name) is not None})

    def take_over(self, other: _Chat) -> None:
        """Adds what another file says of the same chat."""
        self.directories = self.directories or other.directories
        for message in other.messages.values():
            self._message(message)

    def log(self) -> Log:
        """What it comes to."""
        agent = SUBAGENT if self.is_subagent else AGENT
        log = Log(Session("gemini", self.session, agent, AGENT, {"project": self.project}))
        waiting_since: int | None = None
        model: str | None = None
        known: set[str] = set()
        for message in self.messages.values():
            ts = lenient.instant(message.get("timestamp"))
            if ts is None:
                continue
            if message.get("type") == "gemini":
                model = lenient.text(message.get("model")) or model
                tools = list(_tools(message, ts, known))
                last = max([ts, *(tool.ts for tool in tools)])
                if call := _call(message, ts, model, waiting_since):
                    log.calls.append(call)
                log.tools += tools
                waiting_since = last if tools else None
                _work(log.runs, last, is_failure=False)
            elif message.get("type") == "error":
                _work(log.runs, ts, is_failure=True)
            elif message.get("type") == "user" and _is_prompt(message.get("content")):
                waiting_since = ts
                if not self.is_subagent:
                    log.runs.append(Run(ts, lenient.key(lenient.text(message.get("id")))))
        return log


_READ = ("id", "timestamp", "type", "content", "tokens", "model", "toolCalls")
"""What is read of a message."""


def _read(name: str, raw_lines: Iterable[bytes]) -> _Chat:
    chat = _Chat(name)
    unread: list[bytes] = []
    for raw in raw_lines:
        record = lenient.load(raw)
        if record:
            chat.take(record)
        elif not chat.messages and chat.id is None:
            unread.append(raw)
    if unread and chat.id is None:
        chat.take(lenient.load(b"".join(unread)))  # one object over many lines
    return chat


def _call(message: Mapping[str, Any], ts: int, model: str | None, waiting_since: int | None) -> Call | None:
    tokens = lenient.mapping(message.get("tokens"))
    given, output, cached, thoughts, tool = (
        lenient.count(tokens.get(name)) or 0 for name in ("input", "output", "cached", "thoughts", "tool")
    )
    if not (given or output or cached or thoughts or tool):
        return None
    return Call(
        ts=ts,
        numbers=(given, cached, output, thoughts, tool),
        provider="google",
        model=model,
        input=given + tool,
        output=output + thoughts,
        cached=min(cached, given),
        reasoning=thoughts,
        latency_ms=None if waiting_since is None or waiting_since > ts else ts - waiting_since,
    )


def _tools(message: Mapping[str, Any], ts: int, known: set[str]) -> Iterator[Tool]:
    for each in lenient.items(message.get("toolCalls")):
        about = lenient.mapping(each)
        tool_id, name = lenient.text(about.get("id")), lenient.text(about.get("name"))
        if name is None or tool_id is None or tool_id in known:
            continue
        known.add(tool_id)
        status = _FINAL_STATUSES.get(str(about.get("status")))
        server, tool = mcp_parts(name)
        yield Tool(
            ts=lenient.instant(about.get("timestamp")) or ts,
            key=(name, status or DONE),
            name=tool,
            server=server,
            is_failure=None if status is None else status == FAILED,
        )


def _work(runs: list[Run], ts: int, *, is_failure: bool) -> None:
    if runs:
        run = runs[-1]
        run.last = max(run.last, ts)
        run.is_failure, run.error_type = is_failure, "error" if is_failure else None


def _is_prompt(content: object) -> bool:
    """Whether a human typed this. A tool's response goes to the model in the user's name too."""
    if isinstance(content, str):
        said = [content]
    else:
        parts = [lenient.mapping(part) for part in lenient.items(content)]
        if not parts or any("functionResponse" in part for part in parts):
            return False
        said = [text for part in parts if (text := lenient.text(part.get("text"))) is not None]
    return not said or any(text.strip() and not text.lstrip().startswith(NOT_TYPED_BY_A_HUMAN) for text in said)
