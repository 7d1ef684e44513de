"""`python -m agentgauge` and the command `agentgauge`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agentgauge.app import App
from agentgauge.config import load
from agentgauge.faces.cli import commands

if TYPE_CHECKING:
    from agentgauge.faces.keys import Keys


def make(org: str | None = None) -> App:
    """The application, with settings from the environment."""
    return App(load(org=org))


async def demo(say: Callable[[str], None]) -> None:
    """The demo, imported only when it is asked for."""
    from agentgauge.demo import run

    await run(say)


async def serve(host: str, port: int, hosts: Sequence[str], say: Callable[[str], None]) -> None:
    """The HTTP server, imported only when it is started."""
    from agentgauge.serving import serve

    await serve(load(), host, port, hosts, say)


def open_keys() -> Keys:
    """The keys of this home."""
    from agentgauge.stores.sqlite.control import Control

    return Control(load().home / "control.db")


def main() -> None:
    """The command line; without arguments and with a pipe on stdin, the MCP server."""
    commands(make, demo, serve, open_keys)(prog_name="agentgauge", args=sys.argv[1:])


if __name__ == "__main__":
    main()
