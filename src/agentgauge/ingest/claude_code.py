"""Claude Code's transcripts as events: its model calls, tool calls and runs, from the files it keeps by itself.

Above it is whoever imports events into a store. Below it are `claude_code_copies`, which joins the copies of what
happened, and `claude_code_lines`, which reads one line. It opens no file but to find it, and knows no store. The rules
that ccusage counts by decide which files are read and what is counted.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import Any

from . import claude_code_lines as lines
from . import local_keys
from .claude_code_copies import Call, Copies, Origin, Prompt, Tool, Work

AGENT = "claude-code"
UNNAMED_SUBAGENT = "claude-code-subagent"
SOURCE = "claude_code"

KNOWN_TYPES = frozenset(
    ("assistant", "attachment", "last-prompt", "progress", "queue-operation", "summary", "system", "user")
)


def find_transcripts(env: Mapping[str, str], home: Path) -> list[Path]:
    """All transcripts under the folders that Claude Code writes to."""
    found: set[Path] = set()
    for folder in _project_folders(env, home):
        found.update(_transcripts_below(folder))
    return sorted(found)


def _project_folders(env: Mapping[str, str], home: Path) -> Iterator[Path]:
    named = [name.strip() for name in env.get("CLAUDE_CONFIG_DIR", "").split(",") if name.strip()]
    if not named:
        yield Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "claude" / "projects"
        yield home / ".claude" / "projects"
    for name in named:
        folder = home / name[2:] if name.startswith("~/") else home if name == "~" else Path(name)
        yield folder if folder.name == "projects" else folder / "projects"


def _transcripts_below(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()  # a link to a folder above it would make the walk endless
    for path, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            file = Path(real, name)
            if name.endswith(".jsonl") and file.is_file():
                yield file.resolve() if file.is_symlink() else file  # resolving all would take most of the time


def project_folder(path: Path, first_lines: Sequence[bytes]) -> str:
    """The folder of the project: all copies of a call lie in it, a sidechain's replays beside their originals."""
    folder = next((each for each in path.parents if each.parent.name == "projects"), path.parent)
    return str(folder)


def looks_like_transcript(first_lines: Sequence[bytes]) -> bool:
    """Whether these lines are of a Claude Code transcript, whatever the file is called."""
    loaded = [lines.load(raw) for raw in first_lines]
    # Qwen Code writes the same lines around Gemini's form of a message.
    foreign = any("parts" in lines.mapping(line.get("message")) for line in loaded)
    return not foreign and any(map(_is_ours, loaded))


def _is_ours(line: Mapping[str, Any]) -> bool:
    message = lines.mapping(line.get("message"))
    if isinstance(line.get("timestamp"), str) and "input_tokens" in lines.mapping(message.get("usage")):
        return True
    kind = lines.text(line.get("type"))
    if kind == "summary":
        return "leafUuid" in line
    if kind == "file-history-snapshot":
        return "messageId" in line and "snapshot" in line
    return isinstance(line.get("sessionId"), str) and ("parentUuid" in line or kind in KNOWN_TYPES)


def decode(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[dict[str, Any]]:
    """The events of all transcripts of an import, each given as its name and its lines.

    They are read to the end before the first event, because any later line may be a better copy of an earlier one.
    """
    copies = Copies()
    for name, raw_lines in files:
        copies.read(name, raw_lines)
    runs = {run: _Sums() for run in copies.prompts}
    taken: set[str] = set()
    for call in copies.calls():
        cost = call.cost()
        run = runs.get(copies.run_of(call.origin) or "")
        if run is not None:
            run.add(call, cost)
        yield _model_call(copies, call, cost, _free_id(call, taken))
    for tool_id, tool in copies.tools.items():
        yield _tool_call(copies, tool_id, tool)
    for run_id, prompt in copies.prompts.items():
        yield _request(copies, run_id, prompt, runs[run_id])


class _Sums:
    """What the model calls of one run add up to."""

    def __init__(self) -> None:
        self.input_tokens = 0
        self.output_tokens = 0
        self.costs: list[float | None] = []

    def add(self, call: Call, cost: float | None) -> None:
        self.input_tokens += call.usage.input
        self.output_tokens += call.usage.output
        self.costs.append(cost)

    def cost(self) -> float | None:
        known = [cost for cost in self.costs if cost is not None]
        return fsum(known) if len(known) == len(self.costs) else None


def _free_id(call: Call, taken: set[str]) -> str:
    """The request id, under which telemetry reports the call too, unless a proxy gave it to several replies."""
    names = (call.request_id, call.message_id, call.identity)
    chosen = next((name for name in names if name is not None and name not in taken), call.identity)
    taken.add(chosen)
    return chosen


def _model_call(copies: Copies, call: Call, cost: float | None, call_id: str) -> dict[str, Any]:
    usage, speed = call.usage, call.speed
    about = {
        "speed": speed if speed != "standard" else None,
        "service_tier": call.service_tier,
        "web_search_requests": str(call.web_searches) if call.web_searches else None,
    }
    own = {
        "provider": "anthropic",
        "model_name": call.model,
        "provider_model_name": call.raw_model,
        "request_type": "chat",
        "is_failure": False,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "cost_usd": cost,
        "cost_source": None if cost is None else "computed" if call.reported_cost is None else "reported",
    }
    rank = local_keys.rank(usage.total, cost, int(speed is not None))
    key = f"anthropic:{call_id}"
    return _event("model_call", call_id, call.ts, key, rank, _about(copies, call.origin, about), own)


def _tool_call(copies: Copies, tool_id: str, tool: Tool) -> dict[str, Any]:
    prefix, server, name = (tool.name.split("__", 2) + ["", ""])[:3]
    is_mcp = prefix == "mcp" and server != "" and name != ""
    own: dict[str, Any] = {
        "tool_name": name if is_mcp else tool.name,
        "mcp_server_name": server if is_mcp else None,
        "method": "tools/call" if is_mcp else None,
    }
    result = copies.results.get(tool_id)
    if result is not None:
        own["is_failure"] = result[1]
        own["latency_ms"] = result[0] - tool.ts if result[0] >= tool.ts else None
    rank = 0 if result is None else 1
    return _event("tool_call", tool_id, tool.ts, tool_id, rank, _about(copies, tool.origin, {}), own)


def _request(copies: Copies, run_id: str, prompt: Prompt, sums: _Sums) -> dict[str, Any]:
    work = copies.work.get(run_id, Work())
    latency = work.last - prompt.ts if work.last >= prompt.ts else None
    own = {
        "account": "default",
        "agent_framework": AGENT,
        "is_failure": work.is_failure,
        "http_status": work.http_status,
        "error_type": work.error_type,
        "latency_ms": latency,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cost_usd": sums.cost(),
    }
    rank = local_keys.run_rank(sums.input_tokens + sums.output_tokens, latency)
    return _event("request", run_id, prompt.ts, f"{SOURCE}:{run_id}", rank, _about(copies, prompt.origin, {}), own)


def _about(copies: Copies, origin: Origin, metadata: Mapping[str, str | None]) -> dict[str, Any]:
    agent = (copies.agent_name(origin) or UNNAMED_SUBAGENT) if origin.subagent else AGENT
    return {
        "agent_id": agent,
        "agent_name": agent,
        "session_id": origin.session,
        "trace_id": origin.prompt,
        "metadata": _present(
            {
                "project": copies.projects.get(origin.session or "", origin.project or "") or None,
                "git_branch": origin.git_branch,
                "version": origin.version,
                "entrypoint": origin.entrypoint,
                **metadata,
            }
        ),
    }


def _event(
    kind: str, event_id: str, ts: int, call_key: str, call_rank: int, about: dict[str, Any], own: dict[str, Any]
) -> dict[str, Any]:
    head = {"type": kind, "id": event_id, "ts": ts, "source": SOURCE, "call_key": call_key, "call_rank": call_rank}
    return head | _present(about | own)


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
