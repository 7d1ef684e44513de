"""Event lines: bytes to objects, each with the number of its line.

Above: `run` checks and stores the objects. Below: orjson. A body is JSON Lines or one JSON array; what cannot be read
comes out as a Rejected in its place, so that one bad line never costs another. Knows no field of an event.
"""

from __future__ import annotations

import gzip
import json
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import orjson

from agentgauge.ingest.check import TYPES, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedIOBase, BufferedReader

LINE_LIMIT = 1 << 20
"""The longest a line may be, in bytes."""
ARRAY_LIMIT = 64 << 20
"""The longest a JSON array may be, in bytes; JSON Lines have no limit."""

Item: TypeAlias = "tuple[int, object]"
"""The number of a line (of an element, in an array) from 1, and what stands there: any JSON value, or a Rejected."""
_BLOCK = 1 << 18
"""So many bytes are read and parted into lines at once."""
_BOM = b"\xef\xbb\xbf"
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
_PREFIX = json.JSONDecoder()


def decode(stream: BufferedReader[Any]) -> Iterator[Item]:
    """The objects of a stream of JSON Lines, or of one JSON array."""
    try:
        start = stream.peek().removeprefix(_BOM).lstrip()
        if not start.startswith(b"["):
            yield from _lines(stream)
            return
        body = stream.read(ARRAY_LIMIT + 1)
    except _DAMAGED as error:
        yield 1, _damaged(error)
        return
    if len(body) > ARRAY_LIMIT:
        reason = f"a JSON array longer than {ARRAY_LIMIT >> 20} MiB."
        yield 1, Rejected("", reason, "Write one object a line instead.")
        return
    yield from decode_body(body)


def decode_body(body: bytes) -> Iterator[Item]:
    """The objects of a body that is at hand already."""
    text = body.removeprefix(_BOM).lstrip()
    value = _loads(text) if text.startswith(b"[") else None
    if isinstance(value, list):
        yield from enumerate(cast("list[object]", value), 1)
    else:
        yield from _lines(BytesIO(body))


def looks_like_events(first_lines: Sequence[bytes]) -> bool:
    """Whether an event line is among the first lines of a file, or in the array that they begin."""
    texts = [line.removeprefix(_BOM).decode(errors="replace") for line in first_lines]
    if texts and texts[0].lstrip().startswith("["):
        texts.append("\n".join(texts))
    return any(_is_event(text.lstrip(" \t\r\n[")) for text in texts)


def _is_event(text: str) -> bool:
    try:
        value, _ = _PREFIX.raw_decode(text)  # not orjson: an array's first element has others after it
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    given = cast("dict[str, Any]", value)
    kind = given.get("type")
    return isinstance(kind, str) and kind in TYPES and "ts" in given


def _loads(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _lines(stream: BufferedIOBase) -> Iterator[Item]:
    number, rest = 0, b""
    try:
        while block := stream.read1(_BLOCK):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield from _objects(lines, number)
            number += len(lines)
            if len(rest) > LINE_LIMIT + len(b"\r"):
                number += 1
                yield number, _too_long()
                rest = _after_line(stream)
    except _DAMAGED as error:
        yield number + 1, _damaged(error)
        return
    yield from _objects(rest.split(b"\n"), number)


def _objects(lines: Sequence[bytes], number: int) -> Iterator[Item]:
    """What stands in lines, the first of which comes after so many; nothing for those that are blank."""
    for line in lines:
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) > LINE_LIMIT and len(line.removesuffix(b"\r")) > LINE_LIMIT:
            yield number, _too_long()
            continue
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if line and not line.isspace():
                yield number, Rejected("", f"not JSON: {error.msg} (column {error.colno}).")


def _after_line(stream: BufferedIOBase) -> bytes:
    """What was read beyond the end of a line that nobody wants."""
    while block := stream.read1(_BLOCK):
        if (end := block.find(b"\n")) >= 0:
            return block[end + 1 :]
    return b""


def _too_long() -> Rejected:
    return Rejected("", f"the line is longer than {LINE_LIMIT >> 20} MiB.")


def _damaged(error: Exception) -> Rejected:
    return Rejected("", f"the compressed data is damaged from here on: {error}.")
