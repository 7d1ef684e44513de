"""Importing what was named: chooses a decoder by content, and takes everything in as one delivery.

Above: the import command, the demo. Below: `sources`, `events`, `claude_code`, `run`. All transcripts of an import are
decoded together, because copies of one call lie in several of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agentgauge.core.errors import InvalidValue
from agentgauge.ingest import claude_code, events
from agentgauge.ingest.run import Intake, Report
from agentgauge.ingest.sources import Source, find, opened

if TYPE_CHECKING:
    from agentgauge.core.query import Sink

CLAUDE_CODE = "claude-code"
"""The word that stands for the local Claude Code transcripts, wherever they are."""


def sources_of(names: Sequence[str], env: Mapping[str, str], home: Path) -> list[Source]:
    """The sources that were named; `claude-code` is every local transcript.

    Raises:
        InvalidValue: for a name that is no file and no folder, or when there are no transcripts.
    """
    found: list[Source] = []
    for name in names:
        if name == CLAUDE_CODE and not Path(name).exists():
            transcripts = claude_code.find_transcripts(env, home)
            if not transcripts:
                raise InvalidValue(
                    "no Claude Code transcripts were found.",
                    hint="They lie in ~/.claude/projects; set CLAUDE_CONFIG_DIR when yours are elsewhere.",
                )
            found += [Source(str(path), path) for path in transcripts]
        else:
            found += find([name])
    return found


def import_sources(
    sources: Iterable[Source], sink: Sink, on_progress: Callable[[Report], None] | None = None
) -> Report:
    """Takes every source in, by its content: Claude Code transcripts, else event lines.

    Raises:
        InvalidValue: a source that cannot be opened.
        StoreError: what was stored before stays.
    """
    transcripts: list[Source] = []
    with Intake(sink, on_progress) as intake:
        for source in sources:
            with opened(source) as now:
                if not claude_code.looks_like_transcript(now.first_lines()):
                    intake.lines(events.decode(now.stream), source.name)
                elif source.path is None:
                    intake.events(claude_code.decode([(source.name, now.stream)]), source.name)
                else:
                    transcripts.append(source)
        if transcripts:
            intake.events(claude_code.decode(_lines(transcripts)), "Claude Code transcripts")
    return intake.report


def _lines(sources: Iterable[Source]) -> Iterator[tuple[str, Iterable[bytes]]]:
    for source in sources:
        with opened(source) as now:
            yield source.name, now.stream
