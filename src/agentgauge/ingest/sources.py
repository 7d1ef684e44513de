"""What was named on the command line, opened: a file, `-` for standard input, or every log of a folder.

Above: the import command, which looks at a source's first lines to choose a decoder. Below: the file system, gzip.
Knows no format but gzip, which it tells by its first bytes, and streams everything.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agentgauge.core.errors import InvalidValue, quote

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from typing_extensions import Buffer

    Stream = BufferedReader[Any] | gzip.GzipFile

STDIN = "-"
ENDINGS = tuple(f"{ending}{packed}" for ending in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz"))
"""The names that a folder is searched for; a file that is named itself may be called anything."""
HEAD, HEAD_LINES = 1 << 20, 50
"""How much of a source may be looked at before it is read, in bytes and in lines."""
_GZIP = b"\x1f\x8b"
_BUFFER = 1 << 18


@dataclass(frozen=True, slots=True)
class Source:
    """Something that can be read once."""

    name: str
    """As the report names it."""
    path: Path | None
    """None is standard input."""


class Opened:
    """A source's bytes, unpacked, of which the first lines can be looked at without taking them away."""

    def __init__(self, name: str, rest: Stream) -> None:
        self.name = name
        self.is_packed = isinstance(rest, gzip.GzipFile)
        chained = _Chained(rest)
        self._head = chained.head
        self.stream: BufferedReader[Any] = BufferedReader(chained, _BUFFER)

    def first_lines(self, most: int = HEAD_LINES) -> list[bytes]:
        """The first lines, as far as they lie in the first MiB."""
        return self._head.split(b"\n", most)[:most]


class _Chained(RawIOBase):
    """The first lines of a stream, then the rest of it, and its failure only when all before it has been read."""

    def __init__(self, rest: Stream) -> None:
        self._rest = rest
        self._failure: Exception | None = None
        self.head = self._first_lines()
        self._left = memoryview(self.head)

    def _first_lines(self) -> bytes:
        head = bytearray()
        while len(head) < HEAD and head.count(b"\n") < HEAD_LINES and (found := self._read(_BUFFER)):
            head += found
        return bytes(head)

    def _read(self, most: int) -> bytes:
        try:
            return self._rest.read1(most)
        except (EOFError, OSError, zlib.error) as failure:
            self._failure = failure
            return b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        room = memoryview(buffer).cast("B")
        found = self._left[: len(room)] or self._read(len(room))
        self._left = self._left[len(room) :]
        if not found and self._failure is not None:
            raise self._failure
        room[: len(found)] = found
        return len(found)


def find(names: Sequence[str]) -> Iterator[Source]:
    """The sources of what was named, in that order; a folder's files sorted.

    Raises:
        InvalidValue: for a name that is no file and no folder, before any source is given.
    """
    paths = [(name, Path(name)) for name in names]
    for name, path in paths:
        if name != STDIN and not path.exists():
            hint = "Name a file, a folder, or - for standard input."
            raise InvalidValue(f"there is no file or folder {quote(name)}.", hint=hint)
    return _found(paths)


def _found(paths: Sequence[tuple[str, Path]]) -> Iterator[Source]:
    for name, path in paths:
        if name == STDIN:
            yield Source("standard input", None)
        elif path.is_dir():
            inside = (each for each in path.rglob("*") if each.name.lower().endswith(ENDINGS) and each.is_file())
            yield from (Source(str(each), each) for each in sorted(inside))
        else:
            yield Source(name, path)


@contextmanager
def opened(source: Source) -> Generator[Opened]:
    """The source, open for reading.

    Raises:
        InvalidValue: when it cannot be opened.
    """
    try:
        file = cast("BufferedReader", sys.stdin.buffer) if source.path is None else source.path.open("rb")
    except OSError as error:
        reason = f"{source.name} cannot be opened: {error.strerror}."
        raise InvalidValue(reason, hint="Check its permissions.") from None
    try:
        packed = file.peek(len(_GZIP)).startswith(_GZIP)
        yield Opened(source.name, gzip.GzipFile(fileobj=file) if packed else file)
    finally:
        if source.path is not None:
            file.close()
