"""What a column of a segment is as a blob, and what is told beside it so that whole segments can be left out.

Above: the builder writes them, the reader reads them. Below: columns and numpy. Nothing here knows SQL.

A blob is a plane of integers or doubles of the least width, one per row, ready to be scanned as it lies there; then, if
some rows are null, a bit per row; then, for a column with a dictionary of its own, the dictionary as JSON. All
little-endian. Planes are not compressed: reading them costs less than unpacking would (facts/storage.md, section 6).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import orjson

from agentgauge.stores.sqlite.columns import Array, Coded, Column, Lists, Numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW = 64
"""Up to so many codes a column tells which of them it has."""
TIME = "ts"
"""The name under which a segment's instants stand among its columns."""

Kind = Literal["codes", "lists", "numbers", "boxed", "summary"]


@dataclass(frozen=True, slots=True)
class About:
    """What is told of a column beside its blob."""

    kind: Kind
    width: str
    """numpy's name of the plane's type; empty for boxed numbers, which are JSON."""
    nulls: int = 0
    offset: int = 0
    """What to add to each integer."""
    known: int = 0
    """How many values of the shared dictionary its codes reach into; 0 when it has one of its own."""
    digest: int = 0
    """The checksum of those values."""
    low: int | float | None = None
    high: int | float | None = None
    """The least and greatest number; None where it has none."""
    codes: list[int] | None = None
    """Which codes occur, null's among them, where they are few."""

    @property
    def is_constant(self) -> bool:
        """Whether it is a column of codes that has one value, or null, throughout."""
        return self.codes is not None and len(self.codes) == 1 and self.known > 0

    def text(self) -> str:
        """As it is stored."""
        return orjson.dumps(self).decode()


class Damaged(Exception):
    """A blob is not what its checksum or its description says."""


def told(text: str) -> About:
    """A description that was stored.

    Raises:
        Damaged: if it is none.
    """
    try:
        return About(**orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise Damaged("a description cannot be read") from error


def checksum(text: str, data: bytes) -> int:
    """The checksum of a column: of its description and its blob."""
    return zlib.crc32(data, zlib.crc32(text.encode()))


def encode(column: Column, *, known: int = 0, digest: int = 0) -> tuple[About, bytes]:
    """A column as description and blob; `known` and `digest` tell of the shared dictionary of its codes, if any."""
    if isinstance(column, Numbers):
        return _numbers(column)
    codes = column.codes
    present = np.flatnonzero(np.bincount(codes, minlength=1))
    plane = codes.astype(np.min_scalar_type(int(present[-1])) if len(present) else np.uint8)
    own = b"" if known else orjson.dumps(list(column.lists if isinstance(column, Lists) else column.values))
    about = About(
        kind="lists" if isinstance(column, Lists) else "codes",
        width=plane.dtype.str,
        nulls=int(np.count_nonzero(codes == 0)),
        known=known,
        digest=digest,
        codes=present.tolist() if len(present) <= FEW else None,
    )
    return about, plane.tobytes() + own


def decode(about: About, events: int, data: bytes, values: Sequence[Any]) -> Column:
    """The column of a blob; `values` is the shared dictionary.

    Raises:
        Damaged: if the blob is too short.
    """
    try:
        return _decoded(about, events, data, values)
    except (ValueError, TypeError) as error:
        raise Damaged("a blob is not as it is described") from error


def encode_time(ts: Array, since: int) -> tuple[About, bytes]:
    """The instants of a segment, ascending, counted from `since`."""
    plane = (ts - since).astype(np.uint32)
    return About("numbers", plane.dtype.str, low=int(ts[0]), high=int(ts[-1]), offset=since), plane.tobytes()


def _numbers(column: Numbers) -> tuple[About, bytes]:
    present, values = column.present(), column.values
    nulls = len(values) - int(np.count_nonzero(present))
    mask = b"" if nulls in (0, len(values)) else np.packbits(~present).tobytes()
    if values.dtype == object:
        boxed = [value if has else None for value, has in zip(values.tolist(), present.tolist(), strict=True)]
        return About("boxed", "", nulls), orjson.dumps(boxed)
    some = values[present]
    low, high = (some.min().item(), some.max().item()) if len(some) else (None, None)
    if values.dtype == np.float64:
        return About("numbers", "<f8", nulls, low=low, high=high), values.tobytes() + mask
    width, offset = _narrowest(low or 0, high or 0)
    plane = np.where(present, values - offset, 0).astype(width)
    return About("numbers", plane.dtype.str, nulls, offset, low=low, high=high), plane.tobytes() + mask


def _narrowest(low: int, high: int) -> tuple[np.dtype[Any], int]:
    """The type of a plane that holds low..high, and the offset of its values: none where that costs no width."""
    for width in (np.uint8, np.uint16, np.uint32):
        most = int(np.iinfo(width).max)
        if 0 <= low and high <= most:
            return np.dtype(width), 0
        if high - low <= most:
            return np.dtype(width), low
    return np.dtype(np.int64), 0


def _decoded(about: About, events: int, data: bytes, values: Sequence[Any]) -> Column:
    if about.kind == "boxed":
        return _boxed(orjson.loads(data), events)
    plane = np.frombuffer(data, about.width, events)
    rest = memoryview(data)[plane.nbytes :]
    if about.kind == "numbers":
        null = None
        if about.nulls:
            null = np.ones(events, bool) if about.nulls == events else _bits(rest, events)
        return Numbers(plane, null, about.offset)
    own = values if about.known else orjson.loads(rest)
    if about.kind == "lists":
        return Lists(plane, own if about.known else [tuple(each) for each in own])
    return Coded(plane, own)


def _bits(packed: memoryview, events: int) -> Array:
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=events).view(bool)


def _boxed(found: list[Any], events: int) -> Numbers:
    values = np.empty(events, object)
    values[:] = [0 if each is None else each for each in found]
    return Numbers(values, np.array([each is None for each in found], bool))
