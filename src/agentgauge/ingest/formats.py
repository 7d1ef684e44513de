"""The formats that an import can read besides event lines, as data: how each is told, decoded, found and followed.

Above: `imports`, `watch`. Below: one module per format. A new format is one module and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from agentgauge.ingest import claude_code, codex, gemini, helicone, langfuse, langsmith

Lines: TypeAlias = "Iterable[tuple[str, Iterable[bytes]]]"
"""Files, each as its name and its lines."""


@dataclass(frozen=True, slots=True)
class Local:
    """The logs that a program keeps on this machine."""

    word: str
    """What stands for all of them on the command line."""
    find: Callable[[Mapping[str, str], Path], list[Path]]
    """All files, by the environment and the home folder."""
    where: str
    """Where they lie, for who has none."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format whose files are decoded together, because what one says may concern another."""

    title: str
    looks_like: Callable[[Sequence[bytes]], bool]
    """Whether a file is of this format, by its first lines."""
    decode: Callable[[Lines], Iterator[Any]]
    """The events of files; a `Rejected` in the place of a record that cannot be read."""
    related: Callable[[Path, Sequence[bytes]], str] = lambda path, first_lines: str(path)
    """What files that have to be decoded together have in common, when only some of them have changed."""
    local: Local | None = None


FORMATS: tuple[Format, ...] = (
    Format(
        "Claude Code transcripts",
        claude_code.looks_like_transcript,
        claude_code.decode,
        claude_code.project_folder,
        Local(
            "claude-code",
            claude_code.find_transcripts,
            "They lie in ~/.claude/projects; set CLAUDE_CONFIG_DIR when yours are elsewhere.",
        ),
    ),
    Format(
        "Codex rollouts",
        codex.looks_like_rollout,
        codex.decode,
        codex.root_thread,
        Local("codex", codex.find_rollouts, "They lie in ~/.codex/sessions; set CODEX_HOME when yours are elsewhere."),
    ),
    Format(
        "Gemini CLI chats",
        gemini.looks_like_chat,
        gemini.decode,
        gemini.chats_folder,
        Local(
            "gemini",
            gemini.find_chats,
            "They lie in ~/.gemini/tmp/*/chats; set GEMINI_DATA_DIR when yours are elsewhere.",
        ),
    ),
    Format("LangSmith runs", langsmith.looks_like_runs, langsmith.decode),
    Format("Langfuse export", langfuse.looks_like_export, langfuse.decode),
    Format("Helicone requests", helicone.looks_like_requests, helicone.decode),
)
LOCALS: Mapping[str, tuple[Format, Local]] = {
    each.local.word: (each, each.local) for each in FORMATS if each.local is not None
}
"""The formats whose files can be found by a word."""


def recognised(first_lines: Sequence[bytes]) -> Format | None:
    """The format of a file, by its first lines; None for event lines, and for what is nothing we know."""
    return next((each for each in FORMATS if each.looks_like(first_lines)), None)
