"""The dictionaries that the segments of a dataset share: one for each field of few values, whose codes never change.

Above: the builder, which appends to them; the reader. Below: one table. A value's code is its number there, from 1; 0
is null. A field of more values than `MOST` has a dictionary in each further segment instead.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

MOST = 65_535
"""The most values of a shared dictionary: with null they fit 16 bits."""
BOOLEANS = (False, True)
"""The dictionary of every boolean field, which is not stored."""

_VALUES = "select code, value from index_values where dataset = ? and field = ? and code > ? order by code"
_FIELDS = "select distinct field from index_values where dataset = ?"
_COUNT = "select count(*) from index_values where dataset = ? and field = ?"
_ADD = "insert into index_values (dataset, field, code, value) values (?, ?, ?, ?)"


class Shared:
    """What a reader has seen of a file's dictionaries. Each is one object for as long as nothing was appended to it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}

    def values(self, connection: sqlite3.Connection, dataset: str, field: str, type: str, least: int) -> Sequence[Any]:
        """The values of a field's codes; at least so many of them, unless some are lost."""
        if type == "boolean":
            return BOOLEANS
        known = self._known.setdefault((dataset, field), _Known([], [0]))
        if len(known.values) < least:
            more = load(connection, dataset, field, len(known.values))
            values = [*known.values, *(map(_members, more) if type == "strings" else more)]
            known = self._known[dataset, field] = _Known(values, [*known.sums, *sums(more, known.sums[-1])])
        return known.values

    def forget(self, dataset: str, field: str) -> None:
        """Reads a dictionary anew when it is asked for next."""
        self._known.pop((dataset, field), None)

    def is_sound(self, dataset: str, field: str, known: int, digest: int) -> bool:
        """Whether the first values are those that were there when a segment was built."""
        found = self._known.get((dataset, field))
        return found is None or (known < len(found.sums) and found.sums[known] == digest)


@dataclass(frozen=True, slots=True)
class _Known:
    values: list[Any]
    sums: list[int]
    """The checksum of the first n values, for every n."""


def sums(values: Iterable[str], start: int = 0) -> Iterator[int]:
    """The checksum after each value."""
    for value in values:
        start = zlib.crc32(b"\0", zlib.crc32(value.encode(), start))
        yield start


def load(connection: sqlite3.Connection, dataset: str, field: str, after: int = 0) -> list[str]:
    """The values of a field's dictionary as they are stored, from the code `after` + 1 on, up to the first code that is
    missing."""
    found = connection.execute(_VALUES, [dataset, field, after]).fetchall()
    return [value for place, (code, value) in enumerate(found, after + 1) if code == place]


def is_whole(connection: sqlite3.Connection, dataset: str, field: str, values: Sequence[str]) -> bool:
    """Whether those are all values of a field's dictionary, and no two of them the same."""
    return connection.execute(_COUNT, [dataset, field]).fetchone() == (len(set(values)),)


def fields(connection: sqlite3.Connection, dataset: str) -> list[str]:
    """The fields that have a dictionary."""
    return [field for (field,) in connection.execute(_FIELDS, [dataset])]


def clear(connection: sqlite3.Connection, dataset: str) -> None:
    """Drops a dataset's dictionaries; no segment may be left that refers to them."""
    connection.execute("delete from index_values where dataset = ?", [dataset])


def append(connection: sqlite3.Connection, dataset: str, field: str, first: int, values: Iterable[str]) -> None:
    """Appends values, the first of which gets the code `first`."""
    connection.executemany(_ADD, ((dataset, field, code, value) for code, value in enumerate(values, first)))


def _members(text: str) -> tuple[str, ...]:
    try:
        return tuple(orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError):
        return ()  # its checksum is another one then, and no segment is read with it
