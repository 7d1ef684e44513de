"""What a tool through an upstream costs above the bare HTTP requests that it sends, in one run.

    python bench/upstream.py [--short]

Another agentgauge serves the demo's fleet on loopback. Every question is asked once to learn its requests (and to warm
the server's own cache); then the bare requests, over a kept connection, and the tool, with an answer cache that does
not know them yet, take turns. Budget (issue "Ask the five real APIs as upstreams"): 2 ms. Prints, never judges.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.time import iso_z
from agentgauge.ingest.fleet import fleet
from agentgauge.ingest.run import run

END = 1_779_235_200_000  # 2026-05-20
DAY, HOUR = 86_400_000, 3_600_000
SECRET = "BENCH_KEY"


def day(number: int) -> dict[str, Any]:
    """A window of a day, another one for every number."""
    start = END - 29 * DAY + number * HOUR
    return {"start": iso_z(start), "end": iso_z(start + DAY)}


@dataclass(frozen=True)
class Case:
    """One kind of question: the tool, the dialect that answers it, and its words."""

    tool: str
    dialect: str
    words: Callable[[int], dict[str, Any]]


CASES = (
    Case(
        "get_message_metrics",
        "agentmessage",
        lambda n: {"metric": "sent", "interval": "1h", "group_by": "channel"} | day(n),
    ),
    Case(
        "query_datapoints",
        "truefoundry",
        lambda n: {"datasource": "modelMetrics", "interval": "1h", "group_by": "modelName"} | day(n),
    ),
    Case("query_custom_metrics", "voicerun", lambda n: {"view": "totals", "metric_names": "booking_attempt"} | day(n)),
)


def started(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server over a store that holds the demo's fleet, and its address."""
    app = App(Settings(home=home), clock=lambda: END)
    with app.sink() as sink:
        run(enumerate(fleet(END), 1), sink)
    command = [sys.executable, "-m", "agentgauge", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "AGENTGAUGE_HOME": str(home)})
    assert process.stdout
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline().decode())
    if not found:
        raise SystemExit("the server did not start")
    return process, found[0]


def asker(folder: Path, address: str) -> App:
    """An application that knows the server by the name of each dialect."""
    folder.mkdir()
    lines = [
        f'[sources.{case.dialect}]\ndialect = "{case.dialect}"\nbase_url = "{address}"\nsecret = "{SECRET}"\n'
        for case in CASES
    ]
    (folder / "sources.toml").write_text("\n".join(lines))
    return App(Settings(home=folder), clock=lambda: END)


async def measure(case: Case, count: int, folder: Path, address: str) -> tuple[float, float, float]:
    """Requests per question, and the median ms of the bare requests and of the tool."""
    sent: list[list[httpx2.Request]] = []
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(asker(folder / f"{case.dialect}-1", address).open())

        async def learn(request: httpx2.Request) -> None:
            await request.aread()
            sent[-1].append(request)

        first.sources.connections[case.dialect].client.event_hooks["request"].append(learn)
        for number in range(count):
            sent.append([])
            await first.call(case.tool, case.words(number) | {"source": case.dialect})
        second = await stack.enter_async_context(asker(folder / f"{case.dialect}-2", address).open())
        client = await stack.enter_async_context(httpx2.AsyncClient())
        bare: list[float] = []
        tool: list[float] = []

        async def ask_bare(number: int) -> None:
            for each in sent[number]:
                response = await client.request(each.method, each.url, content=each.content, headers=each.headers)
                response.json()

        async def ask_tool(number: int) -> None:
            await second.call(case.tool, case.words(number) | {"source": case.dialect})

        pair = [(ask_bare, bare), (ask_tool, tool)]
        for number in range(count):
            for ask, times in pair if number % 2 else reversed(pair):
                began = time.perf_counter()
                await ask(number)
                times.append((time.perf_counter() - began) * 1_000)
    requests = statistics.mean(len(each) for each in sent)
    return requests, statistics.median(bare[5:]), statistics.median(tool[5:])


async def main(count: int) -> None:
    """Prints a line per kind of question."""
    os.environ[SECRET] = "any"
    with tempfile.TemporaryDirectory() as folder:
        process, address = started(Path(folder) / "vendor")
        try:
            for case in CASES:
                requests, bare, tool = await measure(case, count, Path(folder), address)
                print(
                    f"{case.tool:22} {requests:4.1f} requests  bare {bare:6.2f} ms  tool {tool:6.2f} ms  "
                    f"above {tool - bare:+6.2f} ms"
                )
        finally:
            process.terminate()
            process.wait(10)


if __name__ == "__main__":
    anyio.run(main, 40 if "--short" in sys.argv else 300)
