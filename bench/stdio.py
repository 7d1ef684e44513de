"""What a call and a start over stdio cost above the bare SDK, side by side in one run.

    python bench/stdio.py [--short]

Runs agentgauge on an empty store and an empty tool of the same SDK in turn, and prints medians and the differences.
Budgets (design section 10): a call at most 0.5 ms above, a cold start at most 100 ms above. Prints, never judges.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

BARE = """
import anyio, mcp.types as t
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
async def tools(ctx, params): return t.ListToolsResult(tools=[t.Tool(name="empty", input_schema={"type": "object"})])
async def call(ctx, params):
    return t.CallToolResult(content=[t.TextContent(type="text", text="ok")], structured_content={"ok": True})
server = Server("bare", on_list_tools=tools, on_call_tool=call)
async def main():
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
anyio.run(main)
"""
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "get_message_metrics, 24 hours": ("get_message_metrics", {"metric": "sent", "interval": "1h"}),
    "query_datapoints": ("query_datapoints", {"datasource": "model_calls"}),
    "usage_by_agent": ("usage_by_agent", {"period": "month"}),
    "describe_metrics": ("describe_metrics", {}),
}
OURS = [sys.executable, "-m", "agentgauge"]
THEIRS = [sys.executable, "-c", BARE]


class Server:
    """One server process, spoken to in raw JSON lines, so that no client's cost is measured."""

    def __init__(self, command: list[str], home: str) -> None:
        began = time.perf_counter()
        env = {**os.environ, "AGENTGAUGE_HOME": home}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=env)
        self.id = 0
        client = {"name": "bench", "version": "0"}
        self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        self.cold_ms = (time.perf_counter() - began) * 1e3
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message: dict[str, Any]) -> None:
        """Writes one line."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """One request and its answer."""
        assert self.process.stdout
        self.id += 1
        self.send({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params})
        while True:
            answer: dict[str, Any] = json.loads(self.process.stdout.readline())
            if answer.get("id") == self.id:
                return answer

    def call_ms(self, tool: str, arguments: dict[str, Any]) -> float:
        """How long one call took."""
        began = time.perf_counter()
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments})
        took = (time.perf_counter() - began) * 1e3
        assert not answer["result"].get("isError"), answer
        return took

    def close(self) -> None:
        """Hangs up."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def cold(home: str, rounds: int) -> None:
    """Cold starts in turn."""
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(rounds):
        for name, command in (("bare", THEIRS), ("ours", OURS)):
            server = Server(command, home)
            server.close()
            times[name].append(server.cold_ms)
    ours, bare = statistics.median(times["ours"]), statistics.median(times["bare"])
    print(f"cold start to initialised: agentgauge {ours:.0f} ms, bare SDK {bare:.0f} ms, above {ours - bare:+.0f} ms")


def calls(home: str, rounds: int) -> None:
    """Calls in turn."""
    ours, bare = Server(OURS, home), Server(THEIRS, home)
    for label, (tool, arguments) in CALLS.items():
        mine: list[float] = []
        theirs: list[float] = []
        for index in range(rounds + 20):
            theirs.append(bare.call_ms("empty", {}))
            mine.append(ours.call_ms(tool, arguments))
            if index == 20:
                mine.clear()
                theirs.clear()
        a, b = statistics.median(mine), statistics.median(theirs)
        print(f"call, {label}: agentgauge {a:.3f} ms, empty tool {b:.3f} ms, above {a - b:+.3f} ms")
    ours.close()
    bare.close()


def main() -> None:
    """Runs both and prints medians."""
    short = "--short" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as home:
        cold(home, 3 if short else 15)
        calls(home, 100 if short else 1_000)


if __name__ == "__main__":
    main()
