"""A call of a tool, from raw arguments to an answer: the one path that every face takes.

Above: faces. Below: `parse`, the tool's own `run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentgauge.core.errors import Forbidden, unknown_name
from agentgauge.core.parse import Common, parse

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk, Tool


def find_tool(tools: Sequence[Tool[Any]], name: str) -> Tool[Any]:
    """The tool of that name.

    Raises:
        UnknownName: with the valid names and the nearest.
    """
    for tool in tools:
        if tool.name == name:
            return tool
    raise unknown_name("a tool", name, [tool.name for tool in tools])


async def call(tool: Tool[Any], arguments: Mapping[str, Any] | None, desk: Desk) -> Answer:
    """The tool's answer.

    Raises:
        GaugeError: whatever was wrong with the arguments, or went wrong with the store.
    """
    if tool.scope not in desk.who.scopes:
        raise Forbidden(f"{tool.name} needs the scope {tool.scope}.", hint="Use a key that has it.")
    params = parse(tool.name, tool.params, arguments)
    if isinstance(params, Common):
        for source in params.source or ():
            if source not in desk.sources:
                raise unknown_name("a source", source, desk.sources)
    return await tool.run(params, desk)
