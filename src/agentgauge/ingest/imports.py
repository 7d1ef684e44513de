"""Importing what was named: chooses a decoder by content, and takes everything in as one delivery.

Above: the import command, the demo. Below: `sources`, `events`, `formats`, `run`. All files of one format are decoded
together, because copies of one call lie in several of them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agentgauge.core.errors import InvalidValue
from agentgauge.ingest import events
from agentgauge.ingest.formats import LOCALS, Format, recognised
from agentgauge.ingest.run import Intake, Report
from agentgauge.ingest.sources import Source, find, opened

if TYPE_CHECKING:
    from agentgauge.core.query import Sink

_OBJECTS = 100_000
"""How many more containers than before may live until garbage is looked for."""


def sources_of(names: Sequence[str], env: Mapping[str, str], home: Path, *, wait: bool = False) -> list[Source]:
    """The sources that were named; `claude-code`, `codex` and `gemini` are all local logs of that program.

    Raises:
        InvalidValue: for a name that is no file and no folder, or when a program has no logs (unless `wait`).
    """
    found: list[Source] = []
    for name in names:
        if name in LOCALS and not Path(name).exists():
            form, local = LOCALS[name]
            paths = local.find(env, home)
            if not paths and not wait:
                raise InvalidValue(f"no {form.title} were found.", hint=local.where)
            found += [Source(str(path), path) for path in paths]
        else:
            found += find([name])
    return found


def import_sources(
    sources: Iterable[Source], sink: Sink, on_progress: Callable[[Report], None] | None = None
) -> Report:
    """Takes every source in, by its content: one of `formats`, else event lines.

    Raises:
        InvalidValue: a source that cannot be opened.
        StoreError: what was stored before stays.
    """
    files: dict[Format, list[Source]] = {}
    with _rare_collections(), Intake(sink, on_progress) as intake:
        for source in sources:
            with opened(source) as now:
                form = recognised(now.first_lines())
                if form is None:
                    intake.lines(events.decode(now.stream), source.name)
                elif source.path is None:
                    intake.events(form.decode([(source.name, now.stream)]), source.name)
                else:
                    files.setdefault(form, []).append(source)
        for form, found in files.items():
            intake.events(form.decode(lines_of(found)), form.title)
    return intake.report


@contextmanager
def _rare_collections() -> Generator[None]:
    """Lets garbage be looked for every few batches: events die by themselves, and the looking costs a fifth."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def lines_of(sources: Iterable[Source]) -> Iterator[tuple[str, Iterable[bytes]]]:
    """The sources as their names and lines, each open while it is read."""
    for source in sources:
        with opened(source) as now:
            yield source.name, now.stream
