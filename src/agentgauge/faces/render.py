"""What every face says about a tool, from its declaration.

Above: the MCP face, tools.json, the README's table. Below: `schema`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgauge.core.schema import ANSWER_SCHEMA, input_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgauge.core.operation import Tool


def definition(tool: Tool[Any]) -> dict[str, Any]:
    """A tool in the shape of MCP's `Tool`."""
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": input_schema(tool.params),
        "outputSchema": ANSWER_SCHEMA,
        "annotations": {
            "title": tool.title,
            "readOnlyHint": not tool.writes,
            "destructiveHint": False,
            "idempotentHint": not tool.writes,
            "openWorldHint": False,
        },
    }


def table(tools: Iterable[Tool[Any]]) -> str:
    """The tools as a Markdown table."""
    rows = [f"| `{tool.name}` | {tool.description.replace('<', '&lt;')} | {_words(tool)} |" for tool in tools]
    return "\n".join(["| tool | answers | its words (required in bold) |", "|---|---|---|", *rows])


def _words(tool: Tool[Any]) -> str:
    schema = input_schema(tool.params)
    required = schema.get("required", ())
    return ", ".join(f"**{name}**" if name in required else name for name in schema["properties"])
