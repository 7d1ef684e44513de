"""Bodies that are made to exhaust a server, sent to a real one: it refuses them, stays small and goes on."""

from __future__ import annotations

import gzip
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import httpx2
import pytest
from exported import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MIB = 1 << 20
GZIP = {"Content-Encoding": "gzip"}
MOST_MIB = 700

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")


def peak_mib(process: int) -> int:
    """The most memory that a process has had resident."""
    status = Path(f"/proc/{process}/status").read_text()
    (peak_kib,) = re.findall(r"VmHWM:\s+(\d+)", status)
    return int(peak_kib) // 1_024


def bomb() -> bytes:
    """A mebibyte that unpacks to a gibibyte."""
    return gzip.compress(bytes(32 * MIB), 9) * 32


def endless() -> Iterator[bytes]:
    """A gibibyte in chunks, of no stated length."""
    for _ in range(1_024):
        yield bytes(MIB)


@pytest.mark.parametrize("kind", ["application/x-protobuf", "application/json"])
def test_bombs_are_refused_and_the_server_stays_small_and_up(tmp_path: Path, kind: str) -> None:
    packed = bomb()
    with serving(tmp_path) as (server, url), ThreadPoolExecutor(4) as pool:

        def send(body: bytes | Iterator[bytes], **headers: str) -> int:
            try:
                headers["Content-Type"] = kind
                return httpx2.post(f"{url}/v1/traces", content=body, headers=headers, timeout=60).status_code
            except httpx2.WriteError:  # the connection ends while the body is still being sent
                return 413

        assert [each.result() for each in [pool.submit(send, packed, **GZIP) for _ in range(8)]] == [413] * 8
        assert send(endless()) == 413
        assert send(b"{}" if kind.endswith("json") else b"") == 200
        assert peak_mib(server.process.pid) < MOST_MIB


ROOM = 64 * MIB - 64
"""The bytes that fit a body, with those around them."""
SPAN_IDS = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that holds bytes, or another message."""
    size, rest = len(content), b""
    while size >= 0x80:
        rest, size = rest + bytes((size & 0x7F | 0x80,)), size >> 7
    return bytes((number << 3 | 2,)) + rest + bytes((size,)) + content


def within(content: bytes, *numbers: int) -> bytes:
    """Some fields, within messages within messages: the numbers of their fields, the outermost first."""
    for number in reversed(numbers):
        content = field(number, content)
    return content


def filled(unit: bytes) -> bytes:
    """As many as fit a body."""
    return unit * (ROOM // len(unit))


Bodies: TypeAlias = "Mapping[str, tuple[str, Callable[[], bytes]]]"
"""What a body is full of, the signal that it is sent as, and what makes it."""

PROTOBUF_BODIES: Bodies = {
    "groups": ("traces", lambda: filled(b"\x0a\0")),
    "spans": ("traces", lambda: within(filled(b"\x12\0"), 1, 2)),
    "attributes": ("traces", lambda: within(SPAN_IDS + filled(b"\x4a\0")[100:], 1, 2, 2)),
    "values of one attribute": ("traces", lambda: within(filled(b"\x0a\0"), 1, 2, 2, 9, 2, 5)),
    "log records": ("logs", lambda: within(filled(b"\x12\0"), 1, 2)),
    "values of a log record's body": ("logs", lambda: within(filled(b"\x0a\0"), 1, 2, 2, 5, 5)),
    "data points": ("metrics", lambda: within(filled(b"\x0a\0"), 1, 2, 2, 5)),
    "buckets": ("metrics", lambda: within(filled(b"\x01"), 1, 2, 2, 10, 1, 8, 2)),
}
JSON_BODIES: Bodies = {
    "groups": ("traces", lambda: b'{"resourceSpans":[' + filled(b"{},") + b"{}]}"),
    "numbers": ("traces", lambda: b'{"resourceSpans":[' + filled(b"1.5,") + b"0]}"),
    "lists": ("logs", lambda: b'{"resourceLogs":[' + filled(b"[],") + b"[]]}"),
}


@pytest.mark.parametrize(
    ("kind", "bodies"), [("application/x-protobuf", PROTOBUF_BODIES), ("application/json", JSON_BODIES)]
)
def test_millions_of_empty_messages_are_refused_before_they_are_built(
    tmp_path: Path, kind: str, bodies: Bodies
) -> None:
    with serving(tmp_path) as (server, url):
        for name, (signal, body) in bodies.items():
            packed = gzip.compress(body(), 1)
            response = httpx2.post(
                f"{url}/v1/{signal}", content=packed, headers={"Content-Type": kind, **GZIP}, timeout=60
            )
            assert response.status_code == 413, name
            assert b"2,000,000" in response.content, name
        assert peak_mib(server.process.pid) < MOST_MIB
