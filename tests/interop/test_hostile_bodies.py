"""Bodies that are made to exhaust a server, sent to a real one: it refuses them, stays small and goes on."""

from __future__ import annotations

import gzip
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from exported import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

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
