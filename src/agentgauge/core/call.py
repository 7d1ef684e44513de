"""A call of a tool, from raw arguments to an answer: the one path that every face takes.

Above: faces. Below: `parse`, the tool's own `run`, at the desk of each source that the call names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from agentgauge.core.errors import Forbidden, GaugeError, InvalidValue, Unsupported, unknown_name
from agentgauge.core.operation import LOCAL
from agentgauge.core.parse import LEAST_BUDGET, Common, parse

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk, Tool
    from agentgauge.core.parse import Params


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
    """The tool's answer, from one source or from several.

    Raises:
        GaugeError: whatever was wrong with the arguments, or went wrong with the source.
    """
    if tool.scope not in desk.who.scopes:
        raise Forbidden(f"{tool.name} needs the scope {tool.scope}.", hint="Use a key that has it.")
    params = parse(tool.name, tool.params, arguments)
    named = params.source if isinstance(params, Common) else None
    sources = list(dict.fromkeys(named or desk.default(tool.name)))
    for source in sources:
        if source not in desk.sources:
            raise unknown_name("a source", source, desk.sources)
    if len(sources) == 1:
        return await _one(tool, params, sources[0], desk)
    return await _several(tool, params, sources, desk)


async def _one(tool: Tool[Any], params: Params, source: str, desk: Desk) -> Answer:
    """The answer of one source.

    Raises:
        Unsupported: if it does not answer that tool.
    """
    if source == LOCAL:
        return await tool.run(params, desk)
    question = json.dumps([tool.name, desk.tz, params.model_dump(exclude={"source"})], sort_keys=True, default=str)
    there = desk.at(source, question)
    if there.offers is not None and tool.name not in there.offers and not tool.anywhere:
        raise Unsupported(
            f"{source} does not answer {tool.name}.",
            hint=f"It answers {', '.join(there.offers)}. source={LOCAL} answers every tool.",
        )
    return (await tool.run(params, there)).of_source(source)


async def _several(tool: Tool[Any], params: Common, sources: Sequence[str], desk: Desk) -> Answer:
    """The answers of several sources, asked at once; one that fails does not take the others with it.

    Raises:
        InvalidValue: if the budget is too small to share.
        GaugeError: what the first said, if none has an answer.
    """
    from agentgauge.core.across import Across

    share = params.budget // len(sources)
    if share < LEAST_BUDGET:
        raise InvalidValue(
            f"a budget of {params.budget} tokens is too small for {len(sources)} sources.",
            hint=f"Give budget={LEAST_BUDGET * len(sources)} or more.",
        )
    shared = params.model_copy(update={"budget": share})
    found: dict[str, Answer | GaugeError] = {}

    async def ask(source: str) -> None:
        try:
            found[source] = await _one(tool, shared, source, desk)
        except GaugeError as error:
            found[source] = error

    async with anyio.create_task_group() as tasks:
        for source in sources:
            tasks.start_soon(ask, source)
    parts = {source: found[source] for source in sources}
    errors = [each for each in parts.values() if isinstance(each, GaugeError)]
    if len(errors) == len(parts):
        raise errors[0]
    return Across(title=f"{tool.name} from {len(parts)} sources", parts=parts)
