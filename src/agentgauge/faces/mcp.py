"""The MCP face: any tool over the official SDK's low-level server, both protocol eras.

Above: the composition root runs it over stdio. Below: mcp, and a Backend that answers calls. The low-level server is
used because arguments are checked by `core.call` and nowhere else, and because it costs less per call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

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

Ctx: TypeAlias = "ServerRequestContext[Any, Any]"
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


def build(backend: Backend, of: Callable[[Any], Backend] | None = None) -> Server[Any]:
    """The server of a backend.

    `of` gives the backend of one caller from the HTTP request that carries a message (None over stdio); without it
    every caller has the same.
    """
    face = _Face(backend, of or (lambda _: backend))
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
        on_list_tools=face.list_tools,
        on_call_tool=face.call_tool,
        on_list_resources=face.list_resources,
        on_list_resource_templates=face.list_templates,
        on_read_resource=face.read_resource,
        on_list_prompts=face.list_prompts,
        on_get_prompt=face.get_prompt,
        on_completion=face.complete,
    )


class _Face:
    """The handlers, one per request of the protocol; errors are in our words, and a fault never shows its text."""

    def __init__(self, backend: Backend, of: Callable[[Any], Backend]) -> None:
        self._backend, self._of = backend, of
        self._names = {tool.name for tool in backend.tools}

    @cached_property
    def _tools(self) -> t.ListToolsResult:
        """Made when they are first asked for, so that their schemas do not delay the start."""
        return t.ListToolsResult(tools=[t.Tool.model_validate(definition(tool)) for tool in self._backend.tools])

    async def list_tools(self, _: Ctx, params: t.PaginatedRequestParams | None) -> t.ListToolsResult:
        """tools/list."""
        return self._tools

    async def call_tool(self, ctx: Ctx, params: t.CallToolRequestParams) -> t.CallToolResult:
        """tools/call."""
        try:
            answer = await self._of(ctx.request).call(params.name, params.arguments)
            text = t.TextContent(type="text", text=answer.text())
            return t.CallToolResult(content=[text], structured_content=answer.structured())
        except UnknownName as error:
            if params.name not in self._names:
                raise MCPError(code=t.INVALID_PARAMS, message=str(error)) from None
            return _refused(str(error))
        except GaugeError as error:
            return _refused(str(error))
        except Exception:
            log.exception("the tool %s failed", params.name)
            return _refused(FAULT)

    async def list_resources(self, _: Ctx, params: t.PaginatedRequestParams | None) -> t.ListResourcesResult:
        """resources/list."""
        return t.ListResourcesResult(resources=[t.Resource.model_validate(each) for each in guide.resources()])

    async def list_templates(self, _: Ctx, params: t.PaginatedRequestParams | None) -> t.ListResourceTemplatesResult:
        """resources/templates/list."""
        templates = [t.ResourceTemplate.model_validate(each) for each in guide.TEMPLATES]
        return t.ListResourceTemplatesResult(resource_templates=templates)

    async def read_resource(self, ctx: Ctx, params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
        """resources/read: what describe_metrics says."""
        call = guide.resource_call(str(params.uri))
        if call is None:
            message = f"Unknown resource. Known: {guide.RESOURCE_WORDS}"
            raise MCPError(code=t.INVALID_PARAMS, message=message, data={"uri": str(params.uri)})
        try:
            text = (await self._of(ctx.request).call(*call)).text()
        except GaugeError as error:
            raise MCPError(code=t.INTERNAL_ERROR, message=str(error)) from None
        except Exception:
            log.exception("the resource %s failed", params.uri)
            raise MCPError(code=t.INTERNAL_ERROR, message=FAULT) from None
        contents = t.TextResourceContents(uri=params.uri, mime_type="text/plain", text=text)
        return t.ReadResourceResult(contents=[contents])

    async def list_prompts(self, _: Ctx, params: t.PaginatedRequestParams | None) -> t.ListPromptsResult:
        """prompts/list."""
        return t.ListPromptsResult(prompts=[t.Prompt.model_validate(each.listed()) for each in guide.PROMPTS])

    async def get_prompt(self, _: Ctx, params: t.GetPromptRequestParams) -> t.GetPromptResult:
        """prompts/get."""
        try:
            prompt = guide.find_prompt(params.name)
            text = prompt.text(params.arguments or {})
        except GaugeError as error:
            raise MCPError(code=t.INVALID_PARAMS, message=str(error)) from None
        message = t.PromptMessage(role="user", content=t.TextContent(type="text", text=text))
        return t.GetPromptResult(description=prompt.description, messages=[message])

    async def complete(self, ctx: Ctx, params: t.CompleteRequestParams) -> t.CompleteResult:
        """completion/complete."""
        try:
            desk = self._of(ctx.request).desk()
            found = await guide.completions(params.argument.name, params.argument.value, desk)
        except GaugeError:
            found = []  # a completion is a help while typing; the call itself says what is wrong
        completion = t.Completion(values=found[:100], total=len(found), has_more=len(found) > 100)
        return t.CompleteResult(completion=completion)


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
