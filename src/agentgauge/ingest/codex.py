"""Codex's rollout files as events: where they are, how one is told by its content, and what joins several.

Above: `formats`. Below: `codex_rollout`, which reads one file, and `agent_log`, which makes the events. It opens no
file but to find it, and knows no store.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import agent_log, codex_rollout, lenient
from .agent_log import Log, Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .codex_rollout import Rollout

AGENT = "codex"
UNNAMED_SUBAGENT = "codex-subagent"
ACTIVE, ARCHIVED = "sessions", "archived_sessions"
"""Where the files lie in a Codex home; of a file that lies in both, the active copy counts."""
DEEPEST_NESTING = 16

_TYPES = frozenset(
    ("session_meta", "turn_context", "event_msg", "response_item", "compacted", "token_usage_record", "world_state")
)


def find_rollouts(env: Mapping[str, str], home: Path) -> list[Path]:
    """All rollouts under `CODEX_HOME` (several homes by commas), else under `~/.codex`."""
    homes = [Path(name.strip()).expanduser() for name in env.get("CODEX_HOME", "").split(",") if name.strip()]
    found: set[Path] = set()
    for codex_home in homes or [home / ".codex"]:
        active = _below(codex_home / ACTIVE)
        archived = _below(codex_home / ARCHIVED)
        # Archiving drops the folders of the date; a name with the session's id tells the copies all the same.
        copied = {path.name for path in active.values() if codex_rollout.UUID.search(path.name)}
        found.update(active.values())
        found.update(path for at, path in archived.items() if at not in active and path.name not in copied)
    return sorted(found)


def _below(folder: Path) -> dict[Path, Path]:
    return {path.relative_to(folder): path.resolve() for path in folder.rglob("*.jsonl") if path.is_file()}


def root_thread(path: Path, first_lines: Sequence[bytes]) -> str:
    """The conversation that a human has, for whose runs its subagents work in files of their own."""
    for line in map(lenient.load, first_lines):
        if line.get("type") == "session_meta":
            meta = lenient.mapping(line.get("payload"))
            spawned_by = lenient.text(lenient.at(meta, "source.subagent.thread_spawn.parent_thread_id"))
            found = spawned_by or lenient.text(meta.get("session_id")) or lenient.text(meta.get("id"))
            return found or str(path)
    return str(path)


def looks_like_rollout(first_lines: Sequence[bytes]) -> bool:
    """Whether these lines are of a rollout, whatever the file is called."""
    return any(map(_is_ours, map(lenient.load, first_lines)))


def _is_ours(line: Mapping[str, Any]) -> bool:
    return line.get("type") in _TYPES and isinstance(line.get("payload"), dict) and "timestamp" in line


def decode(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[dict[str, Any]]:
    """The events of all rollouts of an import, each given as its name and its lines.

    They are read to the end before the first event, because the calls of a subagent's file belong to its parent's run.
    """
    by_thread: dict[str, Rollout] = {}
    for name, lines in files:
        rollout = codex_rollout.read(name, lines)
        known = by_thread.get(rollout.session)
        if known is None or len(rollout.calls) > len(known.calls):  # of two copies, the one that goes on longer
            by_thread[rollout.session] = rollout
    rollouts = list(by_thread.values())
    for rollout in rollouts:
        runs = _root(rollout, by_thread).runs
        started = [run.ts for run in runs]
        for call in rollout.calls:
            before = bisect_right(started, call.ts)
            call.run = runs[before - 1] if before else None
    return agent_log.events(map(_log, rollouts))


def _root(rollout: Rollout, by_thread: Mapping[str, Rollout]) -> Rollout:
    """The rollout of the human's own conversation, as far as it is among them."""
    for _ in range(DEEPEST_NESTING):
        parent = by_thread.get(rollout.parent or "")
        if not rollout.is_subagent or parent is None:
            break
        rollout = parent
    return rollout


def _log(rollout: Rollout) -> Log:
    agent = (rollout.role or UNNAMED_SUBAGENT) if rollout.is_subagent else AGENT
    session = Session("codex", rollout.session, agent, AGENT, rollout.metadata)
    return Log(session, rollout.calls, list(rollout.tools.values()), rollout.runs)
