"""The command `reprice`: computes again what the price list says that model calls cost.

Above: the command line. Below: click, and an Application from the composition root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import click


class Repriced(Protocol):
    """What became of the calls."""

    def lines(self) -> Sequence[str]:
        """The figures, as they are printed."""
        ...


class Application(Protocol):
    """What the command needs of the composition root."""

    def reprice(self, since: str | None) -> Repriced:
        """Computes the costs again, all of them or those from an instant on."""
        ...


def reprice_command(make: Callable[[str | None], Application]) -> click.Command:
    """The command; `make` gives the application of an organisation."""

    @click.command("reprice")
    @click.option("--since", metavar="TIME", help="Only calls from then on: 2026-05-05, now-30d, today ...")
    @click.option("--org", metavar="NAME", help="The organisation; else AGENTGAUGE_ORG, else default.")
    @click.pass_obj
    def reprice(obj: str | None, since: str | None, org: str | None) -> None:
        """Compute the cost of model calls again, from the prices of the installed genai-prices.

        After an upgrade of it (pip install -U genai-prices) this prices calls of models that were too new before. A
        cost that the source reported stays as it is.
        """
        for line in make(org or obj).reprice(since).lines():
            click.echo(line)

    return reprice
