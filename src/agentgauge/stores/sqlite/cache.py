"""Decoded columns of segments, kept in memory up to a number of bytes.

Above: the stores of a process, which share one. Below: nothing. A segment's id is random and its content never changes,
so an entry is never wrong, only unused once its segment has been built anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentgauge.stores.sqlite.columns import Column

DEFAULT_MIB = 512
Key = tuple[int, str]
"""A segment and one of its columns."""


class ColumnCache:
    """Least recently used columns make room. Safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._turn = threading.Lock()
        self._held: OrderedDict[Key, tuple[Column, int]] = OrderedDict()
        self.size = 0
        """Bytes held."""
        self.damaged: set[int] = set()
        """Segments that were found damaged; a build in this process makes them anew."""

    def get(self, key: Key) -> Column | None:
        """The column, if it is held."""
        with self._turn:
            if (found := self._held.get(key)) is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Key, column: Column, size: int) -> None:
        """Holds a column of so many bytes, unless it alone is more than the limit."""
        if size > self._limit:
            return
        with self._turn:
            if key in self._held:
                return
            self._held[key] = column, size
            self.size += size
            while self.size > self._limit:
                _, (_, gone) = self._held.popitem(last=False)
                self.size -= gone


@cache
def shared(mib: int) -> ColumnCache:
    """The one cache of that size in this process."""
    return ColumnCache(mib << 20)
