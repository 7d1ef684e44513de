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
    from starlette.requests import Request

LIMIT = 64 << 20
"""The most bytes of a body, after gzip (design section 8)."""
SLOW_S = 60.0
"""How long a client may take to send a body."""


async def read(request: Request) -> bytes:
    """The whole body, unpacked.

    Raises:
        TooLarge: over 64 MiB, compressed or not; read no further than that.
        InvalidRequest: damaged gzip, another encoding, or a body that takes too long.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity", ""):
        raise InvalidRequest([Problem("Content-Encoding", "must be gzip or identity", where="header", given=encoding)])
    unpack = zlib.decompressobj(31) if encoding == "gzip" else None
    chunks: list[bytes] = []
    size = 0
    try:
        with anyio.fail_after(SLOW_S):
            async for chunk in request.stream():
                plain = unpack.decompress(chunk, LIMIT + 1 - size) if unpack else chunk
                size += len(plain)
                if size > LIMIT:
                    raise TooLarge(f"the body is over {LIMIT >> 20} MiB.", hint="Send it in several parts.")
                chunks.append(plain)
    except zlib.error:
        raise InvalidRequest([Problem("body", "is damaged gzip", where="body")]) from None
    except TimeoutError:
        raise InvalidRequest([Problem("body", f"did not arrive within {SLOW_S:.0f} s", where="body")]) from None
    if unpack and chunks and not unpack.eof:
        raise InvalidRequest([Problem("body", "is truncated gzip", where="body")])
    return b"".join(chunks)


def dumps(body: Any) -> bytes:
    """Compact JSON; integers past 64 bits, which orjson refuses, take the slower way."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
