"""The command `sources`: what upstream APIs are configured, and whether they answer. No secret is ever shown.

Above: the command line. Below: click, and whatever holds the configured sources.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import anyio
import click

from agentgauge.core.errors import CallerError, GaugeError

HELP = """Upstream APIs that answer in place of the local store.

\b
They stand in sources.toml in the data folder (AGENTGAUGE_HOME):
  [sources.phone]
  dialect = "agentphone"           # agentmessage, agentphone, truefoundry, voicerun, astropods, langfuse
  secret = "AGENTPHONE_API_KEY"    # the variable that holds the key, never the key itself
  user = "LANGFUSE_PUBLIC_KEY"     # langfuse: the variable of the public half of its pair
  tier = "hobby"                   # langfuse: what you pay for, by which its requests are limited
  base_url = "https://..."         # where the dialect has none of its own, or another host
  organisations = ["default"]      # who may ask it
  timeout = 30                     # seconds a question may take
  max_age = 60                     # seconds an answer is used again where the vendor does not say
  [defaults]
  usage_by_agent = ["local", "phone"]
"""
WRONG, FAILED = 2, 3


class Sources(Protocol):
    """What holds the configured sources."""

    def listing(self) -> Sequence[Mapping[str, Any]]:
        """A row per source."""
        ...

    async def check(self, name: str, org: str) -> float:
        """Asks a source something cheap; gives how long it took, in ms."""
        ...

    async def close(self) -> None:
        """Lets go of every connection."""
        ...


def sources_group(open_sources: Callable[[str | None], Sources]) -> click.Group:
    """The command group."""
    group = click.Group("sources", help=HELP)
    group.add_command(_list(open_sources))
    group.add_command(_check(open_sources))
    return group


def _list(open_sources: Callable[[str | None], Sources]) -> click.Command:
    @click.command("list")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def listing(as_json: bool) -> None:
        """Every configured source: its dialect, address, key variable, organisations and tools."""
        rows = open_sources(None).listing()
        if as_json:
            click.echo(json.dumps(rows))
            return
        for row in rows:
            click.echo(f"{row['source']}: {row['dialect']} at {row['base_url']}")
            click.echo(f"  key {row['key']}; organisations {row['organisations']}; answers {row['answers']}")
        if not rows:
            click.echo("No sources are configured; local is the store of this machine. See agentgauge sources --help.")

    return listing


def _check(open_sources: Callable[[str | None], Sources]) -> click.Command:
    @click.command("check")
    @click.argument("names", nargs=-1, metavar="[NAME]...")
    def check(names: tuple[str, ...]) -> None:
        """Ask every source (or those named) something cheap, and say whether address and key are right."""
        sys.exit(anyio.run(_checked, open_sources(None), names))

    return check


async def _checked(sources: Sources, names: Sequence[str]) -> int:
    """Checks them in turn; gives the exit code."""
    worst = 0
    try:
        for name in names or [row["source"] for row in sources.listing()]:
            try:
                click.echo(f"{name}: ok, {await sources.check(name, 'default'):.0f} ms")
            except GaugeError as error:
                click.echo(f"{name}: {error}")
                worst = max(worst, WRONG if isinstance(error, CallerError) else FAILED)
    finally:
        await sources.close()
    return worst
