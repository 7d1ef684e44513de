"""Following logs as they grow: what was named is looked at again and again, and what is new of it is taken in.

Above: the import command with `--watch`. Below: `imports`, `formats`, `tail`, `run`. It keeps no state on disk: after a
restart everything is read once more, and the ids and call keys of the events make that a repetition of nothing.

Event lines are read on from where the last pass ended. Files of the other formats are decoded again when they have
changed, together with those that they are `related` to, because a better copy of a call, or the run that it belongs to,
may lie in another file; of what comes out, only what this watch has not delivered yet, or not as good, goes to the
store.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgauge.core.errors import InvalidValue, StoreBusy
from agentgauge.ingest import events
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.formats import LOCALS, Format, recognised
from agentgauge.ingest.imports import lines_of, sources_of
from agentgauge.ingest.run import REJECTIONS, Intake, Report
from agentgauge.ingest.sources import STDIN, Source, opened
from agentgauge.ingest.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from agentgauge.core.query import Sink

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
PAUSE_PER_PASS = 29
"""How many times longer than a pass the pause after it is, within these bounds: watching takes 3 % of a core."""
HEAD = 256
"""How many first bytes tell that a file is still the same one."""


class Stamp(NamedTuple):
    """What changes when a file does."""

    inode: int
    size: int
    modified_ns: int


@dataclass(slots=True)
class Followed:
    """What is remembered of a file between two passes."""

    path: Path
    name: str
    stamp: Stamp
    form: Format | None
    """None for event lines."""
    group: str
    """What it has in common with the files that it is decoded with."""
    head: bytes
    is_stream: bool
    """Whether it grows line by line: event lines, neither packed nor one array."""
    tail: Tail = field(default_factory=Tail)

    def goes_on(self, stamp: Stamp, head: bytes) -> bool:
        """Whether a file that looks like this now is the same one, only longer."""
        same = stamp.inode == self.stamp.inode and stamp.size >= max(self.stamp.size, self.tail.offset)
        return same and head.startswith(self.head)


@dataclass(slots=True)
class Watch:
    """Follows what was named, pass by pass."""

    names: Sequence[str]
    env: Mapping[str, str]
    home: Path
    open_sink: Callable[[], AbstractContextManager[Sink]]
    """Opened for each pass that has something to store, so that other writers get their turn in between."""
    files: dict[Path, Followed] = field(default_factory=dict[Path, Followed])
    _moved: dict[Path, Followed] = field(default_factory=dict[Path, Followed])
    """Files of event lines that another one took the name of, and what of them has not been read yet."""
    _delivered: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """The rank with which a decoder's event went to the store, by its type and call key."""

    def run(self, on_pass: Callable[[Report, int], None], pause: Callable[[float], bool]) -> None:
        """Makes passes until `pause`, given seconds to wait, says that it is enough.

        `on_pass` is told of the first pass, and of each that found something: its report, and how many files there are.

        Raises:
            InvalidValue: a name that is no file and no folder, or standard input.
            StoreError: other than that the store is busy, which is tried again.
        """
        if STDIN in self.names:
            raise InvalidValue("standard input cannot be watched.", hint="Name files, folders or a program's logs.")
        sources_of(self.names, self.env, self.home, wait=True)
        is_first = True
        while True:
            began = time.perf_counter()
            report = self.look()
            if is_first or report.accepted or report.replaced or report.rejected:
                on_pass(report, len(self.files))
            is_first = False
            if pause(_pause_after(time.perf_counter() - began)):
                return

    def look(self) -> Report:
        """One pass: takes in what is new since the last. What cannot be read or stored now is left for the next.

        Raises:
            StoreError: other than that the store is busy.
        """
        report = Report()
        for group in self._changed_groups():
            before = [copy(file.tail) for file in group]
            try:
                with self.open_sink() as sink, Intake(sink) as intake:
                    fresh = self._take(group, intake)
            except (StoreBusy, InvalidValue, OSError):
                for file, tail in zip(group, before, strict=True):
                    file.tail, file.stamp = tail, file.stamp._replace(modified_ns=-1)
                continue
            self._delivered |= fresh
            for file in group:
                self._moved.pop(file.path, None)
            _add(report, intake.report)
        return report

    def _changed_groups(self) -> list[list[Followed]]:
        """The files that have changed, each with those that it is decoded with."""
        found = self._found()
        for path in self.files.keys() - found.keys():
            self._let_go(self.files.pop(path))
        changed = [self.files[path] for path, source in found.items() if self._has_changed(path, source)]
        groups: dict[tuple[Format | None, str], list[Followed]] = {(file.form, file.group): [] for file in changed}
        for path in sorted(self.files):
            file = self.files[path]
            if (members := groups.get((file.form, file.group))) is not None:
                members.append(file)
        return [*([file] for file in self._moved.values()), *groups.values()]

    def _found(self) -> dict[Path, Source]:
        there = [name for name in self.names if name in LOCALS or Path(name).exists()]
        sources = sources_of(there, self.env, self.home, wait=True)
        return {source.path: source for source in sources if source.path is not None}

    def _has_changed(self, path: Path, source: Source) -> bool:
        """Whether a file is new, longer or another than before; it is remembered as it is now."""
        known = self.files.get(path)
        try:
            stat = path.stat()
            stamp = Stamp(stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if known is not None and known.stamp == stamp:
                return False
            with opened(source) as now:
                first_lines, is_packed = now.first_lines(), now.is_packed
        except (OSError, InvalidValue):
            return False  # it went away, or may not be read
        head = b"\n".join(first_lines)[:HEAD]
        if known is not None and known.goes_on(stamp, head):
            known.stamp, known.head = stamp, head
            return True
        form = recognised(first_lines)
        if form is None and len(first_lines) < 2 and not events.looks_like_events(first_lines):
            return False  # its first line is still being written, so that nobody knows yet what it is
        if known is not None and known.stamp.inode != stamp.inode:
            self._let_go(known)
        group = str(path) if form is None else form.related(path, first_lines)
        is_stream = form is None and not is_packed and not head.lstrip().startswith(b"[")
        self.files[path] = Followed(path, source.name, stamp, form, group, head, is_stream)
        return True

    def _let_go(self, file: Followed) -> None:
        """What a file has grown by before it was renamed is still to be read, under its new name."""
        if file.is_stream and (moved := _now_called(file.path, file.stamp.inode)) is not None:
            file.path = moved
            self._moved[moved] = file

    def _take(self, group: Sequence[Followed], intake: Intake) -> dict[tuple[str, str], int]:
        """Gives the new events of a group to the intake; what they are, by their keys and ranks."""
        fresh: dict[tuple[str, str], int] = {}
        for file in group:
            if file.is_stream:
                intake.lines(file.tail.read(file.path), file.name)
            elif file.form is None:
                with opened(Source(file.name, file.path)) as now:
                    intake.lines(events.decode(now.stream), file.name)
        form = group[0].form
        if form is not None:
            decoded = form.decode(lines_of(Source(file.name, file.path) for file in group))
            intake.events(self._undelivered(decoded, fresh), form.title)
        return fresh

    def _undelivered(self, decoded: Iterable[Any], fresh: dict[tuple[str, str], int]) -> Iterator[Any]:
        for event in decoded:
            if isinstance(event, Rejected):
                yield event
                continue
            key, rank = (event["type"], event.get("call_key") or event["id"]), event.get("call_rank", 0)
            if self._delivered.get(key, -1) < rank:
                fresh[key] = rank
                yield event


def _pause_after(seconds: float) -> float:
    return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, seconds * PAUSE_PER_PASS))


def _now_called(path: Path, inode: int) -> Path | None:
    """Where the file lies that had this name, when it was renamed within its folder, as logs are rotated."""
    with suppress(OSError), os.scandir(path.parent) as entries:
        return next((Path(entry.path) for entry in entries if entry.inode() == inode), None)
    return None


def _add(report: Report, part: Report) -> None:
    """Adds the counts of a part to a report."""
    report.accepted += part.accepted
    report.duplicate += part.duplicate
    report.replaced += part.replaced
    report.rejected += part.rejected
    report.cleaned += part.cleaned
    report.rejections += part.rejections[: REJECTIONS - len(report.rejections)]
    report.datasets.update(part.datasets)
