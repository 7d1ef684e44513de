"""`python -m agentgauge` and the command `agentgauge`."""

from __future__ import annotations

import sys

from agentgauge.app import App
from agentgauge.config import load


def make(org: str | None = None) -> App:
    """The application, with settings from the environment."""
    return App(load(org=org))


def main() -> None:
    """The command line; without arguments and with a pipe on stdin, the MCP server."""
    from agentgauge.faces.cli import commands

    commands(make)(prog_name="agentgauge", args=sys.argv[1:])


if __name__ == "__main__":
    main()
