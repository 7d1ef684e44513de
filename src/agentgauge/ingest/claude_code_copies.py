"""What all transcripts of an import say, with every copy of one happening joined to one record.

Above it is `claude_code`, which makes events of the records. Below it is `claude_code_lines`. A reply is written once
for each of its content blocks, first half-written and then whole; a resumed session, a side question and a subagent's
progress repeat it. Which copy counts is decided by the rules that ccusage counts by; of equal copies the first read.
Only ids and counts are kept, because the transcripts themselves are hundreds of megabytes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from . import claude_code_lines as lines
from .claude_code_lines import Line, Usage
from .prices import price

SYNTHETIC = "<synthetic>"
DEEPEST_NESTING = 16
SEPARATOR = re.compile(r"[\\/]+")
AGENT_FILE = re.compile(r"agent-(.+)\.jsonl")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote a line, where and in which run; one object for all lines that have it in common."""

    session: str | None
    prompt: str | None
    run: str | None
    subagent: bool
    sidechain: bool
    agent: str | None
    project: str | None
    git_branch: str | None
    version: str | None
    entrypoint: str | None


@dataclass(slots=True)
class Call:
    ts: int
    """When the first of its copies was written, which stays the same while better copies follow."""
    identity: str
    message_id: str | None
    request_id: str | None
    origin: Origin
    usage: Usage
    raw_model: str | None
    reported_cost: float | None
    speed: str | None
    service_tier: str | None
    web_searches: int

    @property
    def model(self) -> str | None:
        return self.raw_model and re.sub(r"\[[^\]]*\]$", "", self.raw_model)

    def cost(self) -> float | None:
        if self.reported_cost is not None or not self.model:
            return self.reported_cost
        return price(
            "anthropic",
            self.model,
            self.ts,
            input_tokens=self.usage.input,
            output_tokens=self.usage.output,
            cache_read_tokens=self.usage.cache_read,
            cache_write_tokens=self.usage.cache_write,
            cache_write_1h_tokens=self.usage.cache_write_1h,
            speed=self.speed,
        )

    def beats(self, other: "Call") -> bool:
        if self.origin.sidechain != other.origin.sidechain:
            return other.origin.sidechain
        if self.usage.total != other.usage.total:
            return self.usage.total > other.usage.total
        if self._costs_by() != other._costs_by():  # asked first, because most copies are equal and prices take time
            mine, theirs = self.cost() or 0.0, other.cost() or 0.0
            if mine != theirs:
                return mine > theirs
        return self.speed is not None and other.speed is None

    def _costs_by(self) -> tuple[object, ...]:
        return self.usage, self.raw_model, self.speed, self.reported_cost


@dataclass(slots=True)
class Tool:
    ts: int
    name: str
    origin: Origin
    subagent_type: str | None


@dataclass(slots=True)
class Prompt:
    ts: int
    origin: Origin


@dataclass(slots=True)
class Work:
    """What has been done for one prompt so far."""

    last: int = 0
    last_reply: int = -1
    is_failure: bool = False
    error_type: str | None = None
    http_status: int | None = None


@dataclass(slots=True)
class _File:
    agent: str | None
    project: str | None
    prompt: str | None = None
    run: str | None = None
    nameless: Counter[str] = field(default_factory=lambda: Counter[str]())


class Copies:
    def __init__(self) -> None:
        self.tools: dict[str, Tool] = {}
        self.results: dict[str, tuple[int, bool]] = {}
        self.prompts: dict[str, Prompt] = {}
        self.work: dict[str, Work] = {}
        self.projects: dict[str, str] = {}
        self._calls: dict[str, dict[str | None, Call]] = {}
        self._nameless_calls: dict[str, Call] = {}
        self._origins: dict[Origin, Origin] = {}
        self._spawned_by: dict[str, str] = {}
        self._agent_types: dict[str, str] = {}
        self._attributed: dict[str, str] = {}

    def read(self, name: str, raw_lines: Iterable[bytes]) -> None:
        *folders, base = SEPARATOR.split(name)
        by_agent = AGENT_FILE.fullmatch(base)
        file = _File(lines.text(by_agent and by_agent[1]), _project_of_folder(folders))
        for raw in raw_lines:
            line = lines.parse(raw, file.agent)
            if line is not None:
                self._add(line, file)

    def calls(self) -> list[Call]:
        """Every call once, in the order of time."""
        named = (call for copies in self._calls.values() for call in _without_replays(list(copies.values())))
        calls = [*named, *self._nameless_calls.values()]
        return sorted(calls, key=lambda call: (call.ts, call.request_id or "", call.message_id or "", call.identity))

    def agent_name(self, origin: Origin) -> str | None:
        """The name of the subagent, or None for one that nobody named."""
        agent = origin.agent or ""
        tool = self.tools.get(self._spawned_by.get(agent, ""))
        return (tool and tool.subagent_type) or self._agent_types.get(agent) or self._attributed.get(agent)

    def run_of(self, origin: Origin) -> str | None:
        """The run that the work was done for, which for a subagent is the run of whoever started it."""
        for _ in range(DEEPEST_NESTING):
            if origin.run in self.prompts:
                return origin.run
            tool = self.tools.get(self._spawned_by.get(origin.agent or "", ""))
            if tool is None:
                return None
            origin = tool.origin
        return None

    def _add(self, line: Line, file: _File) -> None:
        prompt = lines.key(line.text("promptId"))
        is_prompt = lines.is_prompt(line)
        if is_prompt:
            file.prompt, file.run = prompt, prompt or line.identity
        elif prompt:
            file.prompt = file.run = prompt
        elif lines.is_command(line) and not line.subagent:
            file.prompt = file.run = None  # what a command starts is not the work of the prompt before it
        origin = self._origin(line, file)
        if is_prompt and file.run is not None:
            self._add_prompt(file.run, line, origin)
        self._add_call(line, origin, file)
        self._add_tools(line, origin)
        results = self._add_results(line)
        self._add_subagent(line, results)
        if file.run is not None and not line.subagent:
            self._add_work(self.work.setdefault(file.run, Work()), line, bool(results))

    def _origin(self, line: Line, file: _File) -> Origin:
        session, cwd = line.text("sessionId"), line.text("cwd")
        project = (cwd and SEPARATOR.split(cwd.rstrip("\\/"))[-1]) or file.project
        if session and project and not line.subagent:
            # An agent changes folders while it works; the project is where its session began.
            self.projects.setdefault(session, project)
        origin = Origin(
            session=session,
            prompt=file.prompt,
            run=file.run,
            subagent=line.subagent,
            sidechain=line.is_true("isSidechain"),
            agent=line.agent,
            project=project,
            git_branch=line.text("gitBranch"),
            version=line.text("version"),
            entrypoint=line.text("entrypoint"),
        )
        return self._origins.setdefault(origin, origin)

    def _add_prompt(self, run: str, line: Line, origin: Origin) -> None:
        known = self.prompts.setdefault(run, Prompt(line.ts, origin))
        known.ts = min(known.ts, line.ts)

    def _add_call(self, line: Line, origin: Origin, file: _File) -> None:
        call = _call(line, origin)
        if call is None:
            return
        if call.message_id is not None:
            copies = self._calls.setdefault(call.message_id, {})
            copies[call.request_id] = _better(copies.get(call.request_id), call)
            return
        if line.text("uuid") is None:
            # Without any id, two equal lines of one file are two calls, and the same two in a copy of it are no more.
            file.nameless[call.identity] += 1
            call.identity = f"{call.identity}-{file.nameless[call.identity]}"
        self._nameless_calls[call.identity] = _better(self._nameless_calls.get(call.identity), call)

    def _add_tools(self, line: Line, origin: Origin) -> None:
        for block in lines.blocks(line, "tool_use"):
            tool_id, name = lines.key(lines.text(block.get("id"))), lines.text(block.get("name"))
            if tool_id is None or name is None:
                continue
            subagent_type = lines.text(lines.mapping(block.get("input")).get("subagent_type"))
            known = self.tools.setdefault(tool_id, Tool(line.ts, name, origin, subagent_type))
            known.ts = min(known.ts, line.ts)
            if known.origin.sidechain and not origin.sidechain:
                known.origin = origin

    def _add_results(self, line: Line) -> list[str]:
        found: list[str] = []
        for block in lines.blocks(line, "tool_result"):
            tool_id = lines.key(lines.text(block.get("tool_use_id")))
            if tool_id is not None:
                result = (line.ts, block.get("is_error") is True)
                self.results[tool_id] = min(self.results.get(tool_id, result), result)
                found.append(tool_id)
        return found

    def _add_subagent(self, line: Line, results: list[str]) -> None:
        spawned = lines.mapping(line.body.get("toolUseResult"))
        agent, agent_type = lines.text(spawned.get("agentId")), lines.text(spawned.get("agentType"))
        if agent and results:
            self._spawned_by.setdefault(agent, results[0])
        if agent and agent_type:
            self._agent_types.setdefault(agent, agent_type)
        attributed = line.text("attributionAgent")
        if line.agent and attributed:
            self._attributed.setdefault(line.agent, attributed)

    def _add_work(self, work: Work, line: Line, is_result: bool) -> None:
        is_reply = line.kind == "assistant"
        if is_reply or is_result:
            work.last = max(work.last, line.ts)
        if is_reply and line.ts >= work.last_reply:
            status = lines.count(line.body.get("apiErrorStatus"))
            work.last_reply = line.ts
            work.is_failure = line.is_true("isApiErrorMessage")
            work.error_type = line.text("error") if work.is_failure else None
            work.http_status = status if work.is_failure and status and 100 <= status < 600 else None


def _call(line: Line, origin: Origin) -> Call | None:
    usage = lines.usage(line)
    model = lines.text(line.message.get("model"))
    if usage is None or (model == SYNTHETIC and not usage.total):
        return None  # a notice that Claude Code wrote in the model's place; no model was called
    about = lines.mapping(line.message.get("usage"))
    searches = lines.count(lines.mapping(about.get("server_tool_use")).get("web_search_requests"))
    return Call(
        ts=line.ts,
        identity=line.identity,
        message_id=lines.key(lines.text(line.message.get("id"))),
        request_id=lines.key(line.text("requestId")),
        origin=origin,
        usage=usage,
        raw_model=None if model == SYNTHETIC else model,
        reported_cost=lines.dollars(line.body.get("costUSD")),
        speed=lines.text(about.get("speed")),
        service_tier=lines.text(about.get("service_tier")),
        web_searches=searches or 0,
    )


def _better(known: Call | None, copy: Call) -> Call:
    if known is None:
        return copy
    first = min(known.ts, copy.ts)
    best = copy if copy.beats(known) else known
    best.ts = first
    return best


def _without_replays(copies: list[Call]) -> Iterator[Call]:
    """The calls of one message id: under several request ids, those of a sidechain replay the others."""
    own = [call for call in copies if not call.origin.sidechain]
    if own:
        yield from own
        return
    best = copies[0]
    for copy in copies[1:]:
        best = _better(best, copy)
    yield best


def _project_of_folder(folders: list[str]) -> str | None:
    """The project by the name of its folder, where Claude Code has put a dash for every separator of the path."""
    if "projects" not in folders[:-1]:
        return None
    folder = folders[folders.index("projects") + 1]
    return folder.rsplit("-", 1)[-1] or folder or None
