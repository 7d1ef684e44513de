"""Asks agentgauge one question from Python, with the official MCP SDK. Run it with: python examples/python_client.py"""

from __future__ import annotations

import os
import sys

import anyio
from mcp import Client, StdioServerParameters
from mcp.types import TextContent


async def main() -> None:
    """Starts the server over stdio, lists its tools and asks one of them."""
    server = StdioServerParameters(command=sys.executable, args=["-m", "agentgauge"], env=dict(os.environ))
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        print("tools:", ", ".join(tool.name for tool in tools))

        question = {
            "metric": "sent",
            "group_by": "channel",
            "start": "2026-05-05",
            "end": "2026-05-05",
            "interval": "1h",
        }
        result = await client.call_tool("get_message_metrics", question)
        for part in result.content:
            if isinstance(part, TextContent):
                print(part.text)

        if result.structured_content:  # the same facts, as data
            print("total as data:", result.structured_content["total"])


if __name__ == "__main__":
    anyio.run(main)
