"""The MCP face: any tool over the official SDK's low-level server, both protocol eras.

Above: the composition root runs it over stdio. Below: mcp, and a Backend that answers calls. The low-level server is
used because arguments are checked by `core.call` and nowhere else, and because it costs less per call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import mcp.types as t
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from agentgauge import __version__
from agentgauge.core.errors import GaugeError, UnknownName
from agentgauge.faces import guide
from agentgauge.faces.render import definition

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk, Tool

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
FAULT = "INTERNAL: agentgauge failed at this question. Its log on stderr says why; please report it."


class Backend(Protocol):
    """What the face needs of the composition root."""

    @property
    def tools(self) -> Sequence[Tool[Any]]:
        """The tools on offer."""
        ...

    def desk(self) -> Desk:
        """The caller's desk, now."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any] | None) -> Answer:
        """A tool's answer."""
        ...


def build(backend: Backend) -> Server[Any]:
    """The server of a backend."""
    names = {tool.name for tool in backend.tools}

    @cache
    def tools() -> t.ListToolsResult:
        """Made when they are first asked for, so that their schemas do not delay the start."""
        return t.ListToolsResult(tools=[t.Tool.model_validate(definition(tool)) for tool in backend.tools])

    async def list_tools(_: ServerRequestContext[Any], params: t.PaginatedRequestParams | None) -> t.ListToolsResult:
        return tools()

    async def call_tool(_: ServerRequestContext[Any], params: t.CallToolRequestParams) -> t.CallToolResult:
        try:
            answer = await backend.call(params.name, params.arguments)
            text = t.TextContent(type="text", text=answer.text())
            return t.CallToolResult(content=[text], structured_content=answer.structured())
        except UnknownName as error:
            if params.name not in names:
                raise MCPError(code=t.INVALID_PARAMS, message=str(error)) from None
            return _refused(str(error))
        except GaugeError as error:
            return _refused(str(error))
        except Exception:
            log.exception("the tool %s failed", params.name)
            return _refused(FAULT)

    async def list_resources(
        _: ServerRequestContext[Any], params: t.PaginatedRequestParams | None
    ) -> t.ListResourcesResult:
        return t.ListResourcesResult(resources=[t.Resource.model_validate(each) for each in guide.resources()])

    async def list_templates(
        _: ServerRequestContext[Any], params: t.PaginatedRequestParams | None
    ) -> t.ListResourceTemplatesResult:
        templates = [t.ResourceTemplate.model_validate(each) for each in guide.TEMPLATES]
        return t.ListResourceTemplatesResult(resource_templates=templates)

    async def read_resource(_: ServerRequestContext[Any], params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
        call = guide.resource_call(str(params.uri))
        if call is None:
            raise MCPError(
                code=t.INVALID_PARAMS,
                message=f"Unknown resource. Known: {guide.RESOURCE_WORDS}",
                data={"uri": str(params.uri)},
            )
        try:
            text = (await backend.call(*call)).text()
        except GaugeError as error:
            raise MCPError(code=t.INTERNAL_ERROR, message=str(error)) from None
        except Exception:
            log.exception("the resource %s failed", params.uri)
            raise MCPError(code=t.INTERNAL_ERROR, message=FAULT) from None
        return t.ReadResourceResult(
            contents=[t.TextResourceContents(uri=params.uri, mime_type="text/plain", text=text)]
        )

    async def list_prompts(
        _: ServerRequestContext[Any], params: t.PaginatedRequestParams | None
    ) -> t.ListPromptsResult:
        return t.ListPromptsResult(prompts=[t.Prompt.model_validate(each.listed()) for each in guide.PROMPTS])

    async def get_prompt(_: ServerRequestContext[Any], params: t.GetPromptRequestParams) -> t.GetPromptResult:
        try:
            prompt = guide.find_prompt(params.name)
            text = prompt.text(params.arguments or {})
        except GaugeError as error:
            raise MCPError(code=t.INVALID_PARAMS, message=str(error)) from None
        message = t.PromptMessage(role="user", content=t.TextContent(type="text", text=text))
        return t.GetPromptResult(description=prompt.description, messages=[message])

    async def complete(_: ServerRequestContext[Any], params: t.CompleteRequestParams) -> t.CompleteResult:
        try:
            found = await guide.completions(params.argument.name, params.argument.value, backend.desk())
        except GaugeError:
            found = []  # a completion is a help while typing; the call itself says what is wrong
        completion = t.Completion(values=found[:100], total=len(found), has_more=len(found) > 100)
        return t.CompleteResult(completion=completion)

    fixed, changing = CacheHint(ttl_ms=HOUR_MS, scope="public"), CacheHint(ttl_ms=0, scope="private")
    return Server(
        "agentgauge",
        version=__version__,
        title="agentgauge",
        instructions=guide.INSTRUCTIONS,
        cache_hints={
            "tools/list": fixed,
            "prompts/list": fixed,
            "resources/list": fixed,
            "resources/templates/list": fixed,
            "resources/read": changing,
        },
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
    )


async def run_stdio(backend: Backend) -> None:
    """Serves one client over stdin and stdout until it hangs up, which it may do in the middle of an answer."""
    server = build(backend)
    try:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    except* BrokenPipeError:
        log.info("the client hung up before it had its answer")


def _refused(text: str) -> t.CallToolResult:
    return t.CallToolResult(content=[t.TextContent(type="text", text=text)], is_error=True)
