"""What the local log of a coding agent says (model calls, tool calls, runs), and the events that it comes to.

Above: `codex` and `gemini`, which read the files into these records. Below: `local_keys`, `prices`. Knows no file and
no format. The events are those that `claude_code` makes of its transcripts: a run is what a human asked for once, and
its tokens and cost are the sums of its model calls, those of its subagents included.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import fsum
from typing import TYPE_CHECKING, Any

from . import lenient, local_keys
from .prices import price

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .local_keys import Program


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation with one agent, which a file records."""

    program: Program
    """Which program's keys and name as `source`."""
    id: str
    agent: str
    framework: str
    metadata: Mapping[str, str | None]


@dataclass(slots=True)
class Run:
    """What was done for one prompt so far."""

    ts: int
    turn: str | None = None
    last: int = 0
    """When the last reply or tool result came."""
    is_failure: bool = False
    error_type: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    costs: list[float | None] = field(default_factory=list[float | None])

    @property
    def latency_ms(self) -> int | None:
        return self.last - self.ts if self.last >= self.ts else None

    def cost(self) -> float | None:
        """What its calls cost in USD; None when one of them has no price."""
        known = [cost for cost in self.costs if cost is not None]
        return fsum(known) if len(known) == len(self.costs) else None


@dataclass(slots=True)
class Call:
    """One model call. `input` is all of it, cached or not; `output` includes reasoning."""

    ts: int
    numbers: tuple[int, ...]
    """The numbers that its call key is made of (`local_keys`)."""
    provider: str
    model: str | None
    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    latency_ms: int | None = None
    turn: str | None = None
    metadata: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    run: Run | None = None

    def cost(self) -> float | None:
        """Its computed cost in USD, if the model has a price."""
        if self.model is None:
            return None
        return price(
            self.provider,
            self.model,
            self.ts,
            input_tokens=self.input,
            output_tokens=self.output,
            cache_read_tokens=self.cached,
            cache_write_tokens=self.cache_write,
        )


@dataclass(slots=True)
class Tool:
    """One tool call. `is_failure` is None while its result is not known."""

    ts: int
    key: tuple[str, ...]
    """What its call key is made of (`local_keys`)."""
    name: str
    server: str | None = None
    is_failure: bool | None = None
    latency_ms: int | None = None
    turn: str | None = None


@dataclass(slots=True)
class Log:
    """All that one file says of its session."""

    session: Session
    calls: list[Call] = field(default_factory=list[Call])
    tools: list[Tool] = field(default_factory=list[Tool])
    runs: list[Run] = field(default_factory=list[Run])


def mcp_parts(name: str) -> tuple[str | None, str]:
    """The server and the tool of a name like `mcp__server__tool`; a name of any other form is the tool's."""
    prefix, server, tool = (name.split("__", 2) + ["", ""])[:3]
    return (server, tool) if prefix == "mcp" and server and tool else (None, name)


def events(logs: Iterable[Log]) -> Iterator[dict[str, Any]]:
    """The events of all logs of an import. Runs come last, when all of their calls are known."""
    held = list(logs)
    ordinals: Counter[str] = Counter()
    for make in (_model_calls, _tool_calls, _requests):
        for log in held:
            yield from make(log, ordinals)


def _model_calls(log: Log, ordinals: Counter[str]) -> Iterator[dict[str, Any]]:
    for call in log.calls:
        cost = call.cost()
        if call.run is not None:
            call.run.input_tokens += call.input
            call.run.output_tokens += call.output
            call.run.costs.append(cost)
        key = _next(ordinals, local_keys.call(log.session.program, log.session.id, *call.numbers))
        own = {
            "provider": call.provider,
            "model_name": call.model,
            "request_type": "chat",
            "is_failure": False,
            "latency_ms": call.latency_ms,
            "input_tokens": call.input,
            "output_tokens": call.output,
            "cache_read_tokens": call.cached,
            "cache_write_tokens": call.cache_write,
            "reasoning_tokens": call.reasoning,
            "cost_usd": cost,
            "cost_source": None if cost is None else "computed",
        }
        rank = local_keys.rank(call.input + call.output, cost, local_keys.LOCAL)
        yield _event("model_call", call.ts, key, rank, log.session, call.turn, own, call.metadata)


def _tool_calls(log: Log, ordinals: Counter[str]) -> Iterator[dict[str, Any]]:
    for tool in log.tools:
        key = _next(ordinals, local_keys.tool(log.session.program, log.session.id, *tool.key))
        own = {
            "tool_name": tool.name,
            "mcp_server_name": tool.server,
            "method": None if tool.server is None else "tools/call",
            "is_failure": tool.is_failure,
            "latency_ms": tool.latency_ms,
        }
        rank = local_keys.UNFINISHED if tool.is_failure is None else local_keys.FINISHED
        yield _event("tool_call", tool.ts, key, rank, log.session, tool.turn, own)


def _requests(log: Log, ordinals: Counter[str]) -> Iterator[dict[str, Any]]:
    for run in log.runs:
        key = _next(ordinals, local_keys.run(log.session.program, log.session.id))
        own = {
            "account": "default",
            "agent_framework": log.session.framework,
            "is_failure": run.is_failure,
            "error_type": run.error_type,
            "latency_ms": run.latency_ms,
            "input_tokens": run.input_tokens,
            "output_tokens": run.output_tokens,
            "cost_usd": run.cost(),
        }
        rank = local_keys.run_rank(run.input_tokens + run.output_tokens, run.latency_ms)
        yield _event("request", run.ts, key, rank, log.session, run.turn, own)


def _next(ordinals: Counter[str], equal: str) -> str:
    ordinals[equal] += 1
    return local_keys.nth(equal, ordinals[equal])


def _event(
    kind: str,
    ts: int,
    call_key: str,
    call_rank: int,
    session: Session,
    turn: str | None,
    own: Mapping[str, Any],
    metadata: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    head = {"type": kind, "id": lenient.key(call_key), "ts": ts, "source": session.program}
    about = {
        "call_key": call_key,
        "call_rank": call_rank,
        "agent_id": session.agent,
        "agent_name": session.agent,
        "session_id": session.id,
        "trace_id": turn,
        "metadata": lenient.present({**session.metadata, **(metadata or {})}),
    }
    return head | lenient.present({**about, **own})
