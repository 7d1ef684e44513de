"""What an import says: a progress bar while it is long, the counts at its end, and every rejected line.

Above: the command line. Below: rich, which is imported only for the bar.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from agentgauge.core.errors import clean


class Rejection(Protocol):
    """A line that was not taken."""

    @property
    def source(self) -> str: ...
    @property
    def line(self) -> int | None: ...
    @property
    def field(self) -> str: ...
    @property
    def reason(self) -> str: ...


class Report(Protocol):
    """What became of an import's lines."""

    accepted: int
    duplicate: int
    replaced: int
    rejected: int
    cleaned: int

    @property
    def rejections(self) -> Sequence[Rejection]: ...
    @property
    def datasets(self) -> Mapping[str, int]: ...


@contextmanager
def shown() -> Generator[Callable[[Any], None] | None]:
    """A progress bar on stderr, from the first 10,000 events on, when somebody is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("events stored", total=None)
        yield lambda report: bar.update(task, completed=report.accepted + report.duplicate + report.replaced)


def summary(report: Report) -> str:
    """The counts, and what they came to per dataset."""
    parts = [f"{report.accepted:,} accepted", f"{report.duplicate:,} duplicate"]
    parts += [f"{report.replaced:,} replaced by a better copy"] if report.replaced else []
    parts.append(f"{report.rejected:,} rejected")
    parts += [f"{report.cleaned:,} cleaned of control characters"] if report.cleaned else []
    lines = [", ".join(parts)]
    if report.datasets:
        lines.append("  " + ", ".join(f"{name} {count:,}" for name, count in sorted(report.datasets.items())))
    return "\n".join(lines)


def passed(report: Report, files: int) -> str:
    """The line of a pass over files that are followed: when it was, in local time, and what it brought."""
    now = datetime.now(UTC).astimezone()
    counts = "; ".join(line.strip() for line in summary(report).splitlines())
    return f"{now:%H:%M:%S}  {files:,} files: {counts}"


def rejections(report: Report, most: int) -> list[str]:
    """A line per rejected line: where, which field, why."""
    lines = [_line(each) for each in report.rejections[:most]]
    if report.rejected > len(lines):
        lines.append(f"... and {report.rejected - len(lines):,} more rejected lines")
    return lines


def _line(each: Rejection) -> str:
    where = each.source if each.line is None else f"{each.source}:{each.line}"
    return clean(f"{where}: {each.field + ': ' if each.field else ''}{each.reason}")
