"""One rollout file of Codex, read line by line: its model calls, tool calls and runs.

Above: `codex`, which joins the files of an import. Below: `lenient` and the records of `agent_log`. The rules are facts
3.3, which are ccusage's: a `token_count` adds its `last_token_usage`, or what its total grew by; all-zero counts
nothing; cached is never more than input; output includes reasoning; the model is that of the latest `turn_context`,
else gpt-5, marked approximate. A `token_usage_record` says the same call again with its response id, so the two are
paired by their numbers. What a subagent's or a forked file replays of its parent is left out. The latency of a call is
the time from the last prompt or tool result to its token count.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from . import lenient
from .agent_log import Call, Run, Tool, mcp_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FALLBACK_MODEL = "gpt-5"
SUBAGENT_MARK, SUBAGENT_HEAD = b"thread_spawn", 16 << 10
"""What stands in the first bytes of a subagent's file."""
SECOND = 1_000

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EXIT_CODE = re.compile(r"^(?:Exit code:|Process exited with code) (-?\d+)", re.MULTILINE)
_EXIT_CODE_WITHIN = 1_000
_NOT_TYPED = frozenset(("environment_context", "user_instructions"))
"""What Codex itself says in the user's name, by the `kind` that early versions wrote."""


class Usage(NamedTuple):
    """The numbers of one `TokenUsage` of Codex."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int

    def since(self, earlier: Usage | None) -> Usage:
        """What was added to an earlier total."""
        if earlier is None:
            return self
        return Usage(*(max(0, now - before) for now, before in zip(self, earlier, strict=True)))

    def sound(self) -> Usage:
        """The same with its parts no larger than what they are parts of."""
        cached = min(self.cached, self.input)
        return self._replace(cached=cached, cache_write=min(self.cache_write, self.input - cached))


def usage(value: object) -> Usage | None:
    """The usage of an object; a number that is missing is 0."""
    given = lenient.mapping(value)
    if not given:
        return None

    def number(*names: str) -> int:
        return next((found for name in names if (found := lenient.count(given.get(name))) is not None), 0)

    return Usage(
        input=number("input_tokens"),
        cached=number("cached_input_tokens", "cache_read_input_tokens"),
        cache_write=number("cache_write_input_tokens"),
        output=number("output_tokens"),
        reasoning=number("reasoning_output_tokens"),
    )


@dataclass(slots=True)
class Rollout:
    """What one file says. Made by `read`."""

    name: str
    thread: str | None = None
    """The id of the conversation; what the file is called where no line says it."""
    parent: str | None = None
    """The thread that started this one as its subagent."""
    role: str | None = None
    is_subagent: bool = False
    metadata: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    calls: list[Call] = field(default_factory=list[Call])
    tools: dict[str, Tool] = field(default_factory=dict[str, Tool])
    prompts: list[Run] = field(default_factory=list[Run])
    turns: list[Run] = field(default_factory=list[Run])

    @property
    def session(self) -> str:
        """The id of the conversation."""
        base = _last_folder(self.name) or self.name
        found = UUID.search(base)
        return self.thread or (found[0] if found else lenient.key(base)) or base

    @property
    def runs(self) -> list[Run]:
        """What a human asked for: each prompt; in a file that records none, each turn."""
        return [] if self.is_subagent else self.prompts or self.turns


def read(name: str, raw_lines: Iterable[bytes]) -> Rollout:
    """Everything that is counted of a file; lines that cannot be read are passed over."""
    reader = _Reader(Rollout(name))
    seen = 0
    for raw in raw_lines:
        if seen < SUBAGENT_HEAD and SUBAGENT_MARK in raw[: SUBAGENT_HEAD - seen]:
            reader.replays = True
        seen += len(raw)
        line = lenient.load(raw)
        ts = lenient.instant(line.get("timestamp"))
        if ts is not None:
            reader.line(line, ts)
    reader.leave_out_the_replay()
    return reader.found


class _Reader:
    """The state between two lines of a file."""

    def __init__(self, found: Rollout) -> None:
        self.found = found
        self.replays = False
        """Whether the file may begin with lines copied from another."""
        self._own_from: int | None = None
        """The ordinal of the first line that is not copied, where the file says it."""
        self._counted_at: list[int] = []
        """When its first two token counts were written."""
        self._is_first_repeated = False
        """Whether the second of them is the first one written again."""
        self._oldest = self._newest = 0
        self._provider = "openai"
        self._model: str | None = None
        self._turn: str | None = None
        self._total: Usage | None = None
        self._last_info: Mapping[str, Any] = {}
        self._waiting_since: int | None = None
        """When the model last got something to answer to."""
        self._unpaired_counts: defaultdict[Usage, list[Call]] = defaultdict(list)
        self._unpaired_records: Counter[Usage] = Counter()

    def line(self, line: Mapping[str, Any], ts: int) -> None:
        """Takes one line of the file."""
        self._oldest = self._oldest or ts
        self._newest = max(self._newest, ts)
        payload = lenient.mapping(line.get("payload"))
        kind = line.get("type")
        handler = _BY_LINE.get(kind) if isinstance(kind, str) else None
        if handler is None:
            inner = payload.get("type")
            handler = _BY_PAYLOAD.get((kind, inner)) if isinstance(kind, str) and isinstance(inner, str) else None
        if handler is not None and not self._is_copied(line):
            handler(self, payload, ts)

    def leave_out_the_replay(self) -> None:
        """Forgets what was copied: where the first two token counts share a second, all of that second."""
        if not self.replays or not self._counted_at or self._own_from is not None:
            return
        second = self._counted_at[0] // SECOND
        # With one count so far, and not one line later than it, the copying may still be going on.
        following = self._counted_at[1] if len(self._counted_at) > 1 else self._newest
        # A count that was only written again is no sign of copying, unless it is as old as the file.
        is_same_twice = self._is_first_repeated and self._oldest // SECOND != second
        if following // SECOND != second or is_same_twice:
            return
        found = self.found
        found.calls = [call for call in found.calls if call.ts // SECOND != second]
        found.tools = {key: tool for key, tool in found.tools.items() if tool.ts // SECOND != second}
        found.prompts = [run for run in found.prompts if run.ts // SECOND != second]
        found.turns = [run for run in found.turns if run.ts // SECOND != second]

    def _is_copied(self, line: Mapping[str, Any]) -> bool:
        ordinal = line.get("ordinal")
        return self._own_from is not None and isinstance(ordinal, int) and ordinal < self._own_from

    def session_meta(self, payload: Mapping[str, Any], ts: int) -> None:
        """The first one owns the file; a further one is that of a copied parent."""
        found = self.found
        if found.thread is not None:
            return
        subagent = lenient.at(payload, "source.subagent")
        spawn = lenient.mapping(lenient.at(subagent, "thread_spawn"))
        found.thread = lenient.key(lenient.text(payload.get("id")))
        found.parent = lenient.text(spawn.get("parent_thread_id")) or lenient.text(payload.get("parent_thread_id"))
        found.role = lenient.text(spawn.get("agent_role")) or lenient.text(subagent)
        found.is_subagent = bool(subagent)
        self.replays |= found.is_subagent or lenient.text(payload.get("forked_from_id")) is not None
        own_from = payload.get(
            "subagent_history_start_ordinal", lenient.at(payload, "history_base.end_ordinal_exclusive")
        )
        self._own_from = lenient.count(own_from)
        self._provider = lenient.text(payload.get("model_provider")) or self._provider
        found.metadata |= {
            "project": _last_folder(payload.get("cwd")),
            "git_branch": lenient.text(lenient.at(payload, "git.branch")),
            "version": lenient.text(payload.get("cli_version")),
            "entrypoint": lenient.text(payload.get("originator")),
        }

    def turn_context(self, payload: Mapping[str, Any], ts: int) -> None:
        self._model = lenient.text(payload.get("model")) or self._model
        self._begin_turn(payload)
        if not self.found.metadata.get("project"):
            self.found.metadata["project"] = _last_folder(payload.get("cwd"))
        self._waiting_since = ts

    def task_started(self, payload: Mapping[str, Any], ts: int) -> None:
        self._turn = None
        self._begin_turn(payload)
        self.found.turns.append(Run(ts, self._turn))
        self._waiting_since = ts

    def _begin_turn(self, payload: Mapping[str, Any]) -> None:
        self._turn = lenient.key(lenient.text(payload.get("turn_id"))) or self._turn

    def user_message(self, payload: Mapping[str, Any], ts: int) -> None:
        if payload.get("kind") not in _NOT_TYPED:
            self.found.prompts.append(Run(ts, self._turn))
        self._waiting_since = ts

    def token_count(self, payload: Mapping[str, Any], ts: int) -> None:
        info = lenient.mapping(payload.get("info"))
        total, last = usage(info.get("total_token_usage")), usage(info.get("last_token_usage"))
        if total is None and last is None:
            return
        # A change of the rate limits writes the count again; without a total, equal numbers may be another call.
        is_repeated = total is not None and info == self._last_info
        if len(self._counted_at) < 2:
            self._counted_at.append(ts)
            self._is_first_repeated = is_repeated
        before, self._total, self._last_info = self._total, total or self._total, info
        added = last or (total and total.since(before))
        if is_repeated or added is None or not any(added):
            return
        added = added.sound()
        self._model = lenient.text(payload.get("model")) or lenient.text(info.get("model")) or self._model
        if self._unpaired_records[added]:
            self._unpaired_records[added] -= 1
        else:
            self._unpaired_counts[added].append(self._add_call(added, ts))

    def token_usage_record(self, payload: Mapping[str, Any], ts: int) -> None:
        added, thread = usage(payload.get("usage")), lenient.key(lenient.text(payload.get("thread_id")))
        is_of_parent = thread is not None and self.found.thread not in (None, thread)
        if added is None or not any(added) or is_of_parent:
            return
        added = added.sound()
        if unpaired := self._unpaired_counts[added]:
            call = unpaired.pop()
        else:
            self._begin_turn(payload)
            call = self._add_call(added, ts)
            self._unpaired_records[added] += 1
        call.metadata["response_id"] = lenient.text(payload.get("response_id"))

    def _add_call(self, added: Usage, ts: int) -> Call:
        waited = None if self._waiting_since is None or self._waiting_since > ts else ts - self._waiting_since
        call = Call(
            ts=ts,
            numbers=(added.input, added.cached, added.output, added.reasoning),
            provider=self._provider,
            model=self._model or FALLBACK_MODEL,
            input=added.input,
            output=added.output,
            cached=added.cached,
            cache_write=added.cache_write,
            reasoning=min(added.reasoning, added.output),
            latency_ms=waited,
            turn=self._turn,
            metadata={"model_is_approximate": None if self._model else "true"},
        )
        self.found.calls.append(call)
        self._waiting_since = None
        self._work(ts, is_failure=False)
        return call

    def error(self, payload: Mapping[str, Any], ts: int) -> None:
        why = payload.get("codex_error_info")
        named = lenient.text(why) or next(iter(lenient.mapping(why)), None)
        self._work(ts, is_failure=True, error_type=named or "error")

    def reply(self, payload: Mapping[str, Any], ts: int) -> None:
        """Anything that shows that the agent is still at work on its run."""
        self._work(ts)

    def _work(self, ts: int, *, is_failure: bool | None = None, error_type: str | None = None) -> None:
        for runs in (self.found.prompts, self.found.turns):
            if runs:
                run = runs[-1]
                run.last = max(run.last, ts)
                run.turn = run.turn or self._turn
                if is_failure is not None:
                    run.is_failure, run.error_type = is_failure, error_type

    def tool_call(self, payload: Mapping[str, Any], ts: int) -> None:
        call_id = lenient.key(lenient.text(payload.get("call_id")) or lenient.text(payload.get("id")))
        name = lenient.text(payload.get("name")) or _UNNAMED_TOOLS.get(str(payload.get("type")))
        if call_id is None or name is None or call_id in self.found.tools:
            return
        server, tool = mcp_parts((lenient.text(payload.get("namespace")) or "") + name)
        self.found.tools[call_id] = Tool(ts, (call_id,), tool, server, turn=self._turn)
        self._work(ts)

    def tool_output(self, payload: Mapping[str, Any], ts: int) -> None:
        self._finish(payload, ts, failed(payload.get("output")))
        self._waiting_since = ts

    def tool_end(self, payload: Mapping[str, Any], ts: int) -> None:
        """The end of a command, a patch or an MCP call, which says better than its output how it went."""
        invocation = lenient.mapping(payload.get("invocation"))
        server, name = lenient.text(invocation.get("server")), lenient.text(invocation.get("tool"))
        call_id = lenient.key(lenient.text(payload.get("call_id")))
        if name and call_id:
            tool = self.found.tools.setdefault(call_id, Tool(ts, (call_id,), name, server, turn=self._turn))
            tool.name, tool.server = name, server
        result = lenient.mapping(payload.get("result"))
        is_error = (
            "Err" in result or lenient.at(result, "Ok.is_error") is True or lenient.at(result, "Ok.isError") is True
        )
        exit_code = payload.get("exit_code")
        wrong = is_error or payload.get("success") is False or (isinstance(exit_code, int) and exit_code != 0)
        self._finish(payload, ts, wrong, _milliseconds(payload.get("duration")))

    def _finish(self, payload: Mapping[str, Any], ts: int, wrong: bool, measured: int | None = None) -> None:
        tool = self.found.tools.get(lenient.key(lenient.text(payload.get("call_id"))) or "")
        if tool is not None:
            tool.is_failure = bool(tool.is_failure) or wrong
            if measured is not None:
                tool.latency_ms = measured
            elif tool.latency_ms is None and ts >= tool.ts:
                tool.latency_ms = ts - tool.ts
        self._work(ts)


_UNNAMED_TOOLS = {"local_shell_call": "local_shell", "web_search_call": "web_search"}
_BY_LINE: Mapping[str, Callable[[_Reader, Mapping[str, Any], int], None]] = {
    "session_meta": _Reader.session_meta,
    "turn_context": _Reader.turn_context,
    "token_usage_record": _Reader.token_usage_record,
}
_BY_PAYLOAD: Mapping[tuple[str, str], Callable[[_Reader, Mapping[str, Any], int], None]] = {
    ("event_msg", "user_message"): _Reader.user_message,
    ("event_msg", "task_started"): _Reader.task_started,
    ("event_msg", "turn_started"): _Reader.task_started,
    ("event_msg", "token_count"): _Reader.token_count,
    ("event_msg", "agent_message"): _Reader.reply,
    ("event_msg", "task_complete"): _Reader.reply,
    ("event_msg", "turn_complete"): _Reader.reply,
    ("event_msg", "turn_aborted"): _Reader.reply,
    ("event_msg", "error"): _Reader.error,
    ("event_msg", "exec_command_end"): _Reader.tool_end,
    ("event_msg", "patch_apply_end"): _Reader.tool_end,
    ("event_msg", "mcp_tool_call_end"): _Reader.tool_end,
    ("response_item", "function_call"): _Reader.tool_call,
    ("response_item", "custom_tool_call"): _Reader.tool_call,
    ("response_item", "local_shell_call"): _Reader.tool_call,
    ("response_item", "web_search_call"): _Reader.tool_call,
    ("response_item", "function_call_output"): _Reader.tool_output,
    ("response_item", "custom_tool_call_output"): _Reader.tool_output,
}
"""What is read of a file, by the type of a line and of its payload; everything else is content."""


def failed(output: object) -> bool:
    """Whether the output of a tool says that it failed: `success` false, or an exit code that is not 0."""
    if isinstance(output, str) and output.startswith("{"):
        try:
            output = json.loads(output)
        except (ValueError, RecursionError):
            return False
    if isinstance(output, str):
        code = _EXIT_CODE.search(output[:_EXIT_CODE_WITHIN])
        return code is not None and int(code[1]) != 0
    exit_code = lenient.at(output, "metadata.exit_code")
    return lenient.mapping(output).get("success") is False or (isinstance(exit_code, int) and exit_code != 0)


def _milliseconds(duration: object) -> int | None:
    """A duration as Rust writes it, `{"secs": 1, "nanos": 500000000}`."""
    seconds, nanos = lenient.count(lenient.at(duration, "secs")), lenient.count(lenient.at(duration, "nanos"))
    return None if seconds is None else seconds * 1_000 + (nanos or 0) // 1_000_000


def _last_folder(path: object) -> str | None:
    folder = lenient.text(path)
    return folder and (re.split(r"[\\/]+", folder.rstrip("\\/"))[-1] or None)
