"""Spans per second that `agentgauge serve` takes over OTLP/HTTP in protobuf, per core of its own CPU time.

    python bench/otlp.py [--short]

Batches of 512 spans of model calls (the most that exporters send at once by default), gzip, into a new store; every
span is mapped, checked, deduplicated and durable before its batch is acknowledged. The server's CPU time is read from
the operating system (Linux), so that the sender's own does not count; the elapsed rate stands beside it. Decoding alone
is timed in this process in the same run. Budget (design section 10): 30,000 spans/s. Prints, never judges.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from agentgauge.ingest.otlp import protobuf

SPANS = 512
CONNECTIONS = 8
START = 1_779_278_400_000_000_000  # 2026-05-20T12:00Z
MS = 1_000_000
RESOURCE = {"service.name": "bench", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "python"}


def value(given: Any) -> dict[str, Any]:
    """An attribute's value."""
    if isinstance(given, list):
        return {"array_value": {"values": [value(each) for each in given]}}  # type: ignore[reportUnknownVariableType]
    return {"string_value" if isinstance(given, str) else "int_value": given}


def pairs(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes."""
    return [{"key": key, "value": value(each)} for key, each in given.items()]


def model_call(chance: random.Random, at_ms: int) -> Span:
    """A span as OpenTelemetry's instrumentation of a model's client writes it."""
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": f"chatcmpl-{chance.getrandbits(64):x}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 1_500 + chance.randrange(500),
        "gen_ai.usage.output_tokens": 25 + chance.randrange(200),
        "gen_ai.usage.cache_read.input_tokens": 1_024,
        "gen_ai.conversation.id": f"conversation-{chance.randrange(50)}",
        "server.address": "api.openai.com",
    }
    start = START + at_ms * MS
    return Span(
        trace_id=chance.randbytes(16),
        span_id=chance.randbytes(8),
        parent_span_id=chance.randbytes(8),
        name="chat gpt-4o-mini",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 700 * MS,
        attributes=cast("Any", pairs(said)),
    )


def batch(number: int) -> bytes:
    """A request of 512 spans, none of which was sent before."""
    chance = random.Random(number)
    part = {"scope": {"name": "bench"}, "spans": [model_call(chance, number * SPANS + at) for at in range(SPANS)]}
    group: Any = {"resource": {"attributes": pairs(RESOURCE)}, "scope_spans": [part]}
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


class Server:
    """`agentgauge serve` in a process of its own."""

    def __init__(self, home: str) -> None:
        command = [sys.executable, "-m", "agentgauge", "serve", "--port", "0"]
        env = {**os.environ, "AGENTGAUGE_HOME": home}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
        assert self.process.stdout
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said := self.process.stdout.readline().decode())
        if not found:
            raise SystemExit(f"the server did not start: {said}")
        self.port = int(found[1])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)

    def cpu_s(self) -> float:
        """The processor time it has used; 0 where the system does not say."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def send(self, bodies: list[bytes]) -> None:
        """Sends every body once, over a few connections at once."""
        waiting = iter(bodies)
        await asyncio.gather(*(self._send(waiting) for _ in range(CONNECTIONS)))

    async def _send(self, bodies: Iterator[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for body in bodies:
            head = (
                f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/x-protobuf\r\n"
                f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200") or b"content-length: 0\r\n" not in answer:
                raise SystemExit(f"not taken: {answer!r}")
        writer.close()


def decode_rate(body: bytes, rounds: int) -> float:
    """Spans per second of CPU time that are decoded in this process, at best."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        count = sum(1 for _ in protobuf.spans(body))
        best = min(best, (time.process_time() - began) / count)
    return 1 / best


def main(rounds: int, batches: int) -> None:
    """Starts a server on an empty home, sends in rounds and prints."""
    plain = batch(0)
    print(f"{SPANS} spans in {len(plain):,} bytes, {len(gzip.compress(plain, 6)):,} packed; {CONNECTIONS} connections")
    print(f"decoding alone           {decode_rate(plain, 10 * rounds):8,.0f} spans/s of one core")
    with tempfile.TemporaryDirectory() as home, Server(home) as server:
        asyncio.run(server.send([gzip.compress(plain, 6)]))  # imports, and makes the store
        per_cpu: list[float] = []
        elapsed: list[float] = []
        for number in range(rounds):
            first = 1 + number * batches
            bodies = [gzip.compress(batch(each), 6) for each in range(first, first + batches)]
            cpu, began = server.cpu_s(), time.perf_counter()
            asyncio.run(server.send(bodies))
            elapsed.append(SPANS * batches / (time.perf_counter() - began))
            per_cpu.append(SPANS * batches / ((server.cpu_s() - cpu) or float("inf")))
        print(f"taken, per core          {statistics.median(per_cpu):8,.0f} spans/s   (budget: 30,000)")
        print(f"taken, by the clock      {statistics.median(elapsed):8,.0f} spans/s")


if __name__ == "__main__":
    main(*((1, 20) if "--short" in sys.argv else (5, 60)))
