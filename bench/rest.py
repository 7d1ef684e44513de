"""Requests per second over HTTP, beside a route that returns a constant body of the same size, in one run.

    python bench/rest.py [--short | --fleets N]

Two uvicorn processes on loopback, one connection pool of 8 each, asked in turns; the store holds the demo's fleet of 30
days, or N of them one after another (about 64,000 events each). Budget (design section 10): a repeated question gets at
least half the requests per second of the constant. Questions that were never asked before are shown beside it. Prints,
never judges.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.time import iso_z
from agentgauge.ingest.fleet import fleet
from agentgauge.ingest.run import run

CONNECTIONS = 8
END = 1_779_278_400_000  # 2026-05-20T12:00Z
DAY, MINUTE = 86_400_000, 60_000
QUESTION = f"/v1/metrics/messages?metric=sent&granularity=hour&from={iso_z(END - DAY)}&to={iso_z(END)}"
CONSTANT = """
import socket, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
body = b"x" * int(sys.argv[1])
async def answer(request): return Response(body, media_type="application/json")
listener = socket.create_server(("127.0.0.1", 0))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
config = uvicorn.Config(Starlette(routes=[Route("/{rest:path}", answer)]), log_level="warning", access_log=False)
uvicorn.Server(config).run([listener])
"""


def distinct(number: int) -> str:
    """A question that was not asked before: another window of a day."""
    start = END - DAY * 29 + number * MINUTE
    return f"/v1/metrics/messages?metric=sent&granularity=hour&from={iso_z(start)}&to={iso_z(start + DAY)}&n={number}"


class Server:
    """A server process."""

    def __init__(self, command: list[str], home: str) -> None:
        env = {**os.environ, "AGENTGAUGE_HOME": home}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
        assert self.process.stdout
        said = self.process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        if not found:
            raise SystemExit(f"the server did not start: {said}")
        self.port = int(found[1])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def rate(self, path: Callable[[int], str], seconds: float, first: int = 0) -> tuple[float, int]:
        """Requests per second with all connections busy, and how many there were."""
        return asyncio.run(self._rate(path, seconds, first))

    async def _rate(self, path: Callable[[int], str], seconds: float, first: int) -> tuple[float, int]:
        began = time.perf_counter()
        numbers = iter(range(first, 1 << 60))
        loads = [self._load(path, numbers, began + seconds) for _ in range(CONNECTIONS)]
        done = sum(await asyncio.gather(*loads))
        return done / (time.perf_counter() - began), done

    async def _load(self, path: Callable[[int], str], numbers: Iterator[int], until: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        done = 0
        while time.perf_counter() < until:
            number = next(numbers)
            writer.write(f"GET {path(number)} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
            await self.read(reader)
            done += 1
        writer.close()
        return done

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """One response's body; raw, so that no client's cost is measured."""
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head)
        if not head.startswith(b"HTTP/1.1 200") or not found:
            raise SystemExit(f"not an answer: {head!r}")
        return await reader.readexactly(int(found[1]))

    def body(self, path: str) -> bytes:
        """The body of one answer."""

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
            try:
                return await self.read(reader)
            finally:
                writer.close()

        return asyncio.run(ask())


def main(rounds: int, seconds: float, fleets: int) -> None:
    """Fills a store, starts both servers, measures in turns and prints."""
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        with App(Settings(home=Path(home))).sink() as sink:
            months = (fleet(END - number * 30 * DAY) for number in range(fleets))
            report = run(enumerate(chain.from_iterable(months), 1), sink)
        ours = stack.enter_context(Server([sys.executable, "-m", "agentgauge", "serve", "--port", "0"], home))
        size = len(ours.body(QUESTION))
        theirs = stack.enter_context(Server([sys.executable, "-c", CONSTANT, str(size)], home))
        print(f"{report.accepted:,} events; {CONNECTIONS} connections; a body of {size:,} bytes")
        repeated: list[float] = []
        constant: list[float] = []
        others: list[float] = []
        asked = 0
        for _ in range(rounds):
            constant.append(theirs.rate(lambda _: QUESTION, seconds)[0])
            repeated.append(ours.rate(lambda _: QUESTION, seconds)[0])
            rate, done = ours.rate(distinct, seconds, asked)
            others.append(rate)
            asked += done
        ratios = [mine / its for mine, its in zip(repeated, constant, strict=True)]
        print(f"a constant body          {statistics.median(constant):8,.0f} requests/s")
        print(f"one question, repeated   {statistics.median(repeated):8,.0f} requests/s")
        print(f"  ratio                  {statistics.median(ratios):8.0%}   (budget: at least 50 %)")
        print(f"questions never asked    {statistics.median(others):8,.0f} requests/s")


if __name__ == "__main__":
    fleets = int(sys.argv[2]) if sys.argv[1:2] == ["--fleets"] else 1
    main(*((1, 0.5, 1) if "--short" in sys.argv else (5, 2.0, fleets)))
