"""What an import has just stored, kept as columns for a while, so that the builder need not read those rows back.

Above: the Watch of a sink, which is told of every write; the builder takes it. Below: batches, and numpy with it, once
there is something worth keeping.

It is a copy, and used only while it must be equal to the rows. It is forgotten as soon as another connection has
written to the file, or a row was deleted or changed; events that do not follow in time on those before them begin it
anew; and the builder takes a stretch of time only if the table has as many rows in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import BY_NAME
from agentgauge.stores.sqlite.spans import MOST_EVENTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from agentgauge.stores.sqlite.batches import Batch, Kept
    from agentgauge.stores.sqlite.columns import Array

LEAST = 1_024
"""Fewer events than these at a time are not kept."""
MANY = 4 * MOST_EVENTS
"""So many events of a dataset are worth a build, after which only the newest stay."""

_VERSION = "pragma data_version"
_COUNT = 'select count(*) from "{table}" where ts >= ? and ts < ?'


class Fresh:
    """The rows that one sink has stored."""

    def __init__(self) -> None:
        self._batches: dict[str, list[Batch]] = {}
        self._version: int | None = None
        self._in_order = True

    @property
    def events(self) -> int:
        """How many are kept."""
        return sum(map(_events, self._batches.values()))

    @property
    def is_full(self) -> bool:
        """Whether a build is worth while now. Not once events came that lie before others: more such may come, and
        would have what was built meanwhile be built anew."""
        return self._in_order and max(map(_events, self._batches.values()), default=0) >= MANY

    def begin(self, connection: sqlite3.Connection) -> None:
        """To be called in each turn of the sink, so that what others have written meanwhile is noticed."""
        (version,) = connection.execute(_VERSION).fetchone()
        if version != self._version:
            self.clear()
            self._version = version

    def stored(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Keeps rows that are all in a dataset's table now, ascending by ts and id."""
        if BY_NAME[name].registry:
            return
        batches = self._batches.setdefault(name, [])
        if batches and (columns["ts"][0], columns["id"][0]) <= batches[-1].last:
            batches.clear()
            self._in_order = False
        if len(columns["ts"]) >= LEAST:
            from agentgauge.stores.sqlite.batches import Batch

            batches.append(Batch.of(BY_NAME[name], columns))

    def clear(self) -> None:
        """Keeps nothing any longer."""
        self._batches.clear()

    def forget(self, name: str) -> None:
        """Keeps nothing of a dataset any longer."""
        self._batches.pop(name, None)

    def trim(self) -> None:
        """Keeps only the newest events of each dataset, at most as many as make a segment."""
        for name, batches in self._batches.items():
            kept, first = 0, len(batches)
            while first and kept + len(batches[first - 1].ts) <= MOST_EVENTS:
                first -= 1
                kept += len(batches[first].ts)
            self._batches[name] = batches[first:]

    def take(self, reader: sqlite3.Connection, name: str, start: int, end: int) -> tuple[Array, dict[str, Kept]] | None:
        """The instants and the columns of a dataset's rows of start..end; None where some of them are not kept."""
        batches = self._batches.get(name, ())
        met = [each for each in batches if each.first[0] < end and each.last[0] >= start]
        if not met:
            return None
        (events,) = reader.execute(_COUNT.format(table=name), [start, end]).fetchone()
        from agentgauge.stores.sqlite.batches import columns

        found = columns(BY_NAME[name], met, start, end)
        return found if len(found[0]) == events else None


def _events(batches: Sequence[Batch]) -> int:
    return sum(len(each.ts) for each in batches)
