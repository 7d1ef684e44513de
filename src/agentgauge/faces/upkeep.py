"""The commands that look after a store: `index` builds what makes wide questions fast, `prune` drops what is old.

Above: the command line. Below: click, and an Application from the composition root.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import click

from agentgauge.core.errors import InvalidValue

ORG = click.option(
    "--org", metavar="NAME", help="The organisation whose store it is; else AGENTGAUGE_ORG, else default."
)


class Built(Protocol):
    """What a build did."""

    segments: int
    events: int


class Upkeep(Protocol):
    """What these commands need of the composition root."""

    def index(self, *, rebuild: bool, on_built: Callable[[Any], None] | None = None) -> tuple[int, Built]:
        """Checks and builds the index; how many segments were damaged, and what was built."""
        ...

    def older(self, before: str) -> tuple[int, Mapping[str, int]]:
        """The instant that somebody wrote, and how many events of each dataset are older."""
        ...

    def prune(self, before: int, on_dropped: Callable[[int], None] | None = None) -> Mapping[str, int]:
        """Drops every event before an instant; how many of each dataset."""
        ...


def index_command(make: Callable[[str | None], Upkeep]) -> click.Command:
    """`agentgauge index`."""

    @click.command("index")
    @click.option("--rebuild", is_flag=True, help="Drop the whole index first.")
    @ORG
    @click.pass_obj
    def index(obj: str | None, rebuild: bool, org: str | None) -> None:
        """Check the columnar index and build what it lacks. `import` and `serve` do so by themselves."""
        with _counting("events indexed") as count:
            damaged, built = make(org or obj).index(rebuild=rebuild, on_built=lambda done: count(done.events))
        if damaged:
            click.echo(f"{damaged:,} damaged segments found and built anew")
        click.echo(f"{built.segments:,} segments built of {built.events:,} events")

    return index


def prune_command(make: Callable[[str | None], Upkeep]) -> click.Command:
    """`agentgauge prune`."""

    @click.command("prune")
    @click.option("--before", required=True, metavar="TIME", help="2026-05-05, now-90d, today-12months ...")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @ORG
    @click.pass_obj
    def prune(obj: str | None, before: str, yes: bool, org: str | None) -> None:
        """Drop every event before a time, for good. Agents, numbers and keys stay."""
        application = make(org or obj)
        instant, counts = application.older(before)
        moment = datetime.fromtimestamp(instant / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        if not counts:
            click.echo(f"there are no events before {moment}")
            return
        if not yes and not _agreed(f"Drop {_told(counts)} before {moment}?"):
            click.echo("nothing was dropped")
            return
        with _counting("events dropped") as count:
            dropped = application.prune(instant, count)
        click.echo(f"dropped {_told(dropped)} before {moment}; the space is used again for new events")

    return prune


def _agreed(question: str) -> bool:
    try:
        return click.confirm(question)
    except click.Abort:
        raise InvalidValue("nobody answered; nothing was dropped.", hint="Give --yes to drop without asking.") from None


def _told(counts: Mapping[str, int]) -> str:
    parts = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    return f"{sum(counts.values()):,} events ({parts})"


@contextmanager
def _counting(what: str) -> Generator[Callable[[int], None]]:
    """Shows a count that grows, on stderr, when somebody is watching."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        yield lambda count: click.echo(f"\r{count:,} {what}", nl=False, err=True)
    finally:
        click.echo(err=True)
