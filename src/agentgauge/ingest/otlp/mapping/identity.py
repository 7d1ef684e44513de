"""The call key and the rank of each happening, by what reports it.

Above: the engine. Below: `keys` and `ingest.local_keys`, whose tables say what is joined with what and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from agentgauge.ingest import local_keys
from agentgauge.ingest.otlp.mapping import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentgauge.ingest.local_keys import Program
    from agentgauge.ingest.otlp.mapping.happening import Happening

Fields: TypeAlias = "Mapping[str, Any]"
Identity: TypeAlias = "tuple[str, int] | None"
"""The call key and the rank; None for what is known by the id of its event alone."""


def of_model_call(source: str, found: Fields, at: Happening, tokens: int, cost: float | None) -> Identity:
    """A model call's; `found` are the fields as they were reported, `cost` the one that the source reported."""
    if (known := _MODEL_CALLS.get(source)) is not None:
        return known(found, at, tokens, cost)
    response_id = found.get("response_id")
    if response_id is None:
        return None
    key = keys.response_key(found.get("provider"), response_id)
    return key, keys.rank(tokens, is_cost_reported=cost is not None, details=len(found), tie=at.tie)


def of_tool_call(source: str, found: Fields, at: Happening, *, is_failure: bool) -> Identity:
    """A tool call's."""
    known = _TOOL_CALLS.get(source)
    return None if known is None else known(found, at, is_failure)


def of_run(source: str, found: Fields, at: Happening) -> Identity:
    """A run's, but for those that share a trace (`keys.run_rank`)."""
    known = _RUNS.get(source)
    return None if known is None else known(found, at)


def _claude_code_call(found: Fields, at: Happening, tokens: int, cost: float | None) -> Identity:
    """A span knows no cost, so that its rank is below that of the log. Where the log's numbers are the transcript's,
    the transcript counts: it knows the project, and what was cached for an hour."""
    request_id = found.get("response_id")
    return request_id and (f"anthropic:{request_id}", local_keys.rank(tokens, cost, local_keys.TELEMETRY))


def _claude_code_tool(found: Fields, at: Happening, is_failure: bool) -> Identity:
    """The log says whether it failed; a span without a failure does not say that there was none."""
    rank = local_keys.UNFINISHED if found.get("success") is None else local_keys.MEASURED
    return found.get("call_id") and (found["call_id"], rank)


def _claude_code_run(found: Fields, at: Happening) -> Identity:
    return f"claude_code:{found['run_id']}", 0


def _codex_call(found: Fields, at: Happening, tokens: int, cost: float | None) -> Identity:
    given = found.get("input_tokens")
    if given is None:
        return None
    cached = min(found.get("cache_read_tokens") or 0, given)
    numbers = (given, cached, found.get("output_tokens"), found.get("reasoning_tokens"))
    return _counted_call("codex", found, at, numbers, tokens)


def _gemini_call(found: Fields, at: Happening, tokens: int, cost: float | None) -> Identity:
    names = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens", "tool_tokens")
    numbers = tuple(found.get(name) for name in names)
    return _counted_call("gemini", found, at, numbers, tokens) if any(numbers) else None


def _counted_call(
    program: Program, found: Fields, at: Happening, numbers: tuple[int | None, ...], tokens: int
) -> Identity:
    session = found.get("session_id")
    if session is None:
        return None
    key = _counted(local_keys.call(program, session, *numbers), at)
    return key, local_keys.rank(tokens, None, local_keys.TELEMETRY)


def _codex_tool(found: Fields, at: Happening, is_failure: bool) -> Identity:
    session, call_id = found.get("session_id"), found.get("call_id")
    if session is None or call_id is None:
        return None
    return local_keys.nth(local_keys.tool("codex", session, call_id), 1), local_keys.MEASURED


def _gemini_tool(found: Fields, at: Happening, is_failure: bool) -> Identity:
    session, name = found.get("session_id"), found.get("tool_name")
    if session is None or name is None:
        return None
    about = local_keys.tool("gemini", session, name, "failed" if is_failure else "done")
    return _counted(about, at), local_keys.MEASURED


def _counted_run(program: Program) -> Callable[[Fields, Happening], Identity]:
    def of(found: Fields, at: Happening) -> Identity:
        session = found.get("session_id")
        return session and (_counted(local_keys.run(program, session), at), local_keys.run_rank(0, None))

    return of


def _mcp_tool(found: Fields, at: Happening, is_failure: bool) -> Identity:
    """The client's span and the server's are in one trace and name one request; either may be missing, and only one
    may know that it failed."""
    request_id = found.get("call_id")
    key = f"mcp:{at.trace_id}:{request_id}:{found.get('tool_name') or ''}"
    return request_id and (key, keys.copy_rank(is_failure=is_failure, tie=at.tie))


def _mcp_request(found: Fields, at: Happening) -> Identity:
    request_id = found.get("call_id")
    key = f"mcp:{at.trace_id}:{request_id}:{found.get('method') or ''}"
    return request_id and (key, keys.copy_rank(is_failure=at.is_failure, tie=at.tie))


def _counted(equal: str, at: Happening) -> str:
    return local_keys.nth(equal, at.ordinal(equal, at.end_ns))


_MODEL_CALLS: Mapping[str, Callable[[Fields, Happening, int, float | None], Identity]] = {
    "claude_code": _claude_code_call,
    "codex": _codex_call,
    "gemini": _gemini_call,
}
_TOOL_CALLS: Mapping[str, Callable[[Fields, Happening, bool], Identity]] = {
    "claude_code": _claude_code_tool,
    "codex": _codex_tool,
    "gemini": _gemini_tool,
    "mcp": _mcp_tool,
}
_RUNS: Mapping[str, Callable[[Fields, Happening], Identity]] = {
    "claude_code": _claude_code_run,
    "codex": _counted_run("codex"),
    "gemini": _counted_run("gemini"),
    "mcp": _mcp_request,
}
