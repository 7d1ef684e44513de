"""`python -m agentgauge` and the command `agentgauge`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from agentgauge.app import App
from agentgauge.config import load
from agentgauge.faces.cli import commands


def make(org: str | None = None) -> App:
    """The application, with settings from the environment."""
    return App(load(org=org))


async def demo(say: Callable[[str], None]) -> None:
    """The demo, imported only when it is asked for."""
    from agentgauge.demo import run

    await run(say)


def main() -> None:
    """The command line; without arguments and with a pipe on stdin, the MCP server."""
    commands(make, demo)(prog_name="agentgauge", args=sys.argv[1:])


if __name__ == "__main__":
    main()
