"""Rows of a stretch of time become the columns of segments.

Above: the builder. Below: the catalog, columns (how values become arrays), segments (how arrays become blobs).

A field has a column, so has each derived field, and each of the commonest keys of a map; what other keys a map has
stays together as the map's own column. Ids and the fields that are for counting right only (call_key, call_rank) stay
in the rows.
"""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import orjson

from agentgauge.core.catalog import DERIVED, Dataset
from agentgauge.stores.sqlite import condensing, dictionaries, rows, segments
from agentgauge.stores.sqlite.columns import Array, Coded, Coder, Column, Counter, Lists, Numbers
from agentgauge.stores.sqlite.spans import MOST_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentgauge.stores.sqlite.segments import About

KEYS = 256
"""The most keys of one map that have a column of their own in a segment."""


def sources(holder: Dataset) -> list[str]:
    """The fields a segment is made of: those stored, but for the internal ones, and those derived from them."""
    stored = [each.name for each in holder.fields if not each.internal]
    return stored + [name for name, how in DERIVED.items() if all(part in holder.by_name for part in how.parts)]


@dataclass(slots=True)
class Dictionary:
    """The shared dictionary of a field while segments are built: it only grows, by a segment at a time."""

    codes: dict[str, int]
    sums: list[int]
    """The checksum of the first n values, for every n."""
    stored: int = 0
    """How many of the values are in the file."""

    @classmethod
    def of(cls, values: Sequence[str]) -> Dictionary:
        """The one that has these values, all of them in the file."""
        codes = {value: code for code, value in enumerate(values, 1)}
        return cls(codes, [0, *dictionaries.sums(values)], len(values))

    def take(self, values: Sequence[str]) -> Array | None:
        """The codes of distinct values, new ones among them; None when they are too many for it."""
        new = [value for value in values if value not in self.codes]
        if len(self.codes) + len(new) > dictionaries.MOST:
            return None
        for value in new:
            self.codes[value] = len(self.codes) + 1
        self.sums += dictionaries.sums(new, self.sums[-1])
        return np.array([0, *(self.codes[value] for value in values)], np.uint32)

    def new(self) -> list[str]:
        """The values that are not in the file yet."""
        return list(self.codes)[self.stored :] if len(self.codes) > self.stored else []


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it will lie in the file."""

    start: int
    end: int
    events: int
    columns: Mapping[str, tuple[About, bytes]]


@dataclass(slots=True)
class Gathered:
    """Rows that come in portions, in the order of time, and leave as segments of one day."""

    holder: Dataset
    known: dict[str, Dictionary]
    """By field, or map and key."""
    names: Sequence[str]
    """Which of the `sources` they have; the others are null."""
    builders: list[Coder | Counter] = field(init=False)
    """What takes the rows in: instants and the values of `names`."""
    empty: list[str] = field(default_factory=list[str])
    """Which of the names turned out to be null throughout."""

    def __post_init__(self) -> None:
        numeric = [self._find(name) in ("integer", "number") for name in self.names]
        self.builders = [Counter(), *(Counter() if each else Coder() for each in numeric)]

    def done(self) -> tuple[Array, dict[str, Column]]:
        """The instants and the columns of all rows."""
        time, *stored = [each.done() for each in self.builders]
        assert isinstance(time, Numbers)
        return time.values, dict(zip(self.names, stored, strict=True))

    def segments(self, ts: Array, stored: Mapping[str, Column], start: int, end: int, dense: int) -> list[Segment]:
        """Rows as segments, which together cover start..end, and their summaries, of `dense` events a row."""
        columns = dict(self._columns(stored)) if len(ts) else {}
        found: list[Segment] = []
        cuts = _cuts(ts)
        for first, last in zip(cuts, [*cuts[1:], len(ts)], strict=True):
            begins = start if first == 0 else int(ts[first])
            ends = end if last == len(ts) else int(ts[last])
            part = slice(first, last)
            encoded = {name: self._encoded(name, column.take(part)) for name, column in columns.items()}
            blobs = {name: each for name, each in encoded.items() if each is not None}
            blobs[segments.TIME] = segments.encode_time(ts[part], int(ts[first]))
            blobs |= condensing.condensed(self.holder, blobs, last - first, dense)
            found.append(Segment(begins, ends, last - first, blobs))
        return found

    def _find(self, name: str) -> str:
        return self.holder.find(name).type

    def _columns(self, stored: Mapping[str, Column]) -> Iterable[tuple[str, Column]]:
        for name in self.names:
            column = stored.get(name)
            if column is None or not column.present().any():
                self.empty.append(name)
            elif isinstance(column, Coded) and self._find(name) == "map":
                yield from _by_key(name, column)
            else:
                yield name, column

    def _encoded(self, name: str, column: Column) -> tuple[About, bytes] | None:
        """A column as it will lie in the file, None when all of it is null."""
        if not column.present().any():
            return None
        if isinstance(column, Numbers):
            return segments.encode(column)
        assert isinstance(column, Coded)
        type = self._find(name)
        if type == "boolean":
            table = np.array([0, *(1 + bool(value) for value in column.values)], np.uint8)
            return segments.encode(Coded(table[column.codes], dictionaries.BOOLEANS), known=2)
        used, codes = _used(column)
        shared = None if type == "map" else self._shared(name).take(used)
        listed = type == "strings"
        if shared is None:
            if listed:
                return segments.encode(Lists(codes, [tuple(rows.decoded(text, list)) for text in used]))
            return segments.encode(Coded(codes, used))
        known = self._shared(name)
        column = Lists(shared[codes], ()) if listed else Coded(shared[codes], ())
        return segments.encode(column, known=len(known.codes), digest=known.sums[-1])

    def _shared(self, name: str) -> Dictionary:
        if name not in self.known:
            self.known[name] = Dictionary({}, [0])
        return self.known[name]


def _cuts(ts: Array) -> list[int]:
    """Where segments begin, so that no instant is in two."""
    cuts: list[int] = []
    at = 0
    while at < len(ts):
        cuts.append(at)
        at += MOST_EVENTS
        if at < len(ts):
            instant: int = ts[at].item()
            first = int(np.searchsorted(ts, instant))
            at = first if first > cuts[-1] else int(np.searchsorted(ts, instant, side="right"))
    return cuts


def _used(column: Coded) -> tuple[list[str], Array]:
    """The dictionary without the values that no row has, in the order of their codes, and the codes into it."""
    present = np.bincount(column.codes, minlength=len(column.values) + 1) > 0
    present[0] = False
    table = np.cumsum(present, dtype=np.uint32)
    table[~present] = 0
    return [column.values[code - 1] for code in np.flatnonzero(present).tolist()], table[column.codes]


def _by_key(name: str, column: Coded) -> Iterable[tuple[str, Column]]:
    """A column for each of a map's commonest keys, and one of what is left."""
    maps: list[dict[str, str]] = [rows.decoded(text, dict) for text in column.values]
    counts = np.bincount(column.codes, minlength=len(maps) + 1)[1:].tolist()
    tally: Tally[str] = Tally()
    for each, count in zip(maps, counts, strict=True):
        tally.update(dict.fromkeys(each, count))
    own = [key for key, _ in sorted(tally.items(), key=lambda item: (-item[1], item[0]))[:KEYS]]
    for key in own:
        yield f"{name}.{key}", _coded(column.codes, [each.get(key) for each in maps])
    if len(tally) > len(own):
        rest = [{key: value for key, value in each.items() if key not in own} for each in maps]
        yield name, _coded(column.codes, [orjson.dumps(each).decode() if each else None for each in rest])


def _coded(codes: Array, values: Sequence[str | None]) -> Coded:
    numbers: dict[str, int] = {}
    table = np.array(
        [0, *(0 if value is None else numbers.setdefault(value, len(numbers) + 1) for value in values)], np.uint32
    )
    return Coded(table[codes], list(numbers))
