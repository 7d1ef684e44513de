"""Bodies in and out: read with a limit after gzip and a deadline, written as compact JSON.

Above: the REST face. Below: Starlette's request, zlib, orjson.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import anyio
import orjson

from agentgauge.core.errors import InvalidRequest, Problem, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

LIMIT = 64 << 20
"""The most bytes of a body, after gzip (design section 8)."""
SLOW_S = 60.0
"""How long a client may take to send a body."""
_GZIP = 31
"""zlib's number for the largest window and a gzip header."""


async def read(request: Request, limit: int = LIMIT) -> bytes:
    """The whole body, unpacked.

    Raises:
        TooLarge: over the limit (in bytes), compressed or not; read no further than that.
        InvalidRequest: damaged gzip, another encoding, or a body that takes too long.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity", ""):
        raise InvalidRequest([Problem("Content-Encoding", "must be gzip or identity", where="header", given=encoding)])
    unpack = _Gunzip() if encoding == "gzip" else None
    chunks: list[bytes] = []
    size = 0
    try:
        with anyio.fail_after(SLOW_S):
            async for chunk in request.stream():
                for plain in unpack.unpacked(chunk, limit + 1 - size) if unpack else (chunk,):
                    size += len(plain)
                    if size > limit:
                        raise TooLarge(f"the body is over {limit >> 20} MiB.", hint="Send it in several parts.")
                    chunks.append(plain)
    except zlib.error:
        raise InvalidRequest([Problem("body", "is damaged gzip", where="body")]) from None
    except TimeoutError:
        raise InvalidRequest([Problem("body", f"did not arrive within {SLOW_S:.0f} s", where="body")]) from None
    if unpack and not unpack.ended:
        raise InvalidRequest([Problem("body", "is truncated gzip", where="body")])
    return b"".join(chunks)


class _Gunzip:
    """Unpacks gzip as it arrives. A body may be several members on end, as `cat a.gz b.gz` makes it."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self.ended = True
        """Whether what came so far is whole; nothing at all is."""

    def unpacked(self, chunk: bytes, most: int) -> Iterator[bytes]:
        """What is in a chunk, at most so many bytes of each member."""
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            yield self._member.decompress(chunk, most)
            self.ended = self._member.eof
            chunk = self._member.unused_data


def dumps(body: Any) -> bytes:
    """Compact JSON; integers past 64 bits, which orjson refuses, take the slower way."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
