"""The event lines that a file has grown by: read on from where the last reading ended, line by whole line.

Above: `watch`. Below: `events`. A last line without its end is left for the next reading, unless it is a whole JSON
object already: half of one never is.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import SEEK_END, BufferedReader, RawIOBase
from typing import TYPE_CHECKING, BinaryIO

import orjson

from agentgauge.ingest import events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Buffer

    from agentgauge.ingest.events import Item

BLOCK = 1 << 16


@dataclass(slots=True)
class Tail:
    """How far a file of event lines has been read."""

    offset: int = 0
    lines: int = 0
    """How many lines that was."""
    is_inside: bool = False
    """Whether the last of them had no line feed yet."""

    def read(self, path: Path) -> Iterator[Item]:
        """The lines after the last reading, numbered within the file; they count as read when all have been taken.

        Raises:
            OSError: when the file cannot be read.
        """
        with path.open("rb") as file:
            file.seek(self.offset)
            start = self.offset + (self.is_inside and file.read(1) == b"\n")
            end, is_whole = _end(file, start)
            if end <= start:
                return
            file.seek(start)
            part = _Part(file, end - start)
            for number, value in events.decode(BufferedReader(part, BLOCK)):
                yield self.lines + number, value
        self.offset, self.is_inside = end, not is_whole
        self.lines += part.lines + (not is_whole)


class _Part(RawIOBase):
    """The next bytes of a file, and how many line feeds were among them."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file = file
        self._left = left
        self.lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        room = memoryview(buffer).cast("B")
        found = self._file.read(min(len(room), self._left))
        room[: len(found)] = found
        self._left -= len(found)
        self.lines += found.count(b"\n")
        return len(found)


def _end(file: BinaryIO, start: int) -> tuple[int, bool]:
    """Where the last whole line ends, and whether with a line feed."""
    size = at = file.seek(0, SEEK_END)
    after = b""
    while at > start:
        began = max(start, at - BLOCK)
        file.seek(began)
        block = file.read(at - began)
        feed = block.rfind(b"\n")
        if feed >= 0:
            at = began + feed + 1
            after = block[feed + 1 :] + after
            break
        at, after = began, block + after
        if len(after) > events.LINE_LIMIT:
            after = after[-BLOCK:]  # too long to be taken; its beginning is of no use
    return (size, False) if after and _is_object(after) else (at, True)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
