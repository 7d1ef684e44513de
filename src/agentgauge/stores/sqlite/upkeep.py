"""What is done to a store by hand: drop what is old, check the index, drop the index.

Above: the prune and index commands. Below: the sink, whose turns all of it takes, and the index's tables.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from agentgauge.core.catalog import DATASETS, Dataset
from agentgauge.core.errors import StoreBusy
from agentgauge.stores.sqlite import dictionaries, files, spans
from agentgauge.stores.sqlite.builder import alone, clear, drop, reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agentgauge.stores.sqlite.sink import SqliteSink
    from agentgauge.stores.sqlite.spans import Span

PORTION = 10_000
"""The most events that one turn drops."""

_OLD = 'select count(*) from "{table}" where ts < ?'
_DROP = 'delete from "{table}" where (ts, id) in (select ts, id from "{table}" where ts < ? order by ts, id limit ?)'
_COLUMNS = "select about, checksum, field, data from index_columns left join index_blobs on id = blob where segment = ?"


def older(path: Path, before: int) -> dict[str, int]:
    """How many events each dataset has before an instant; those that have none are left out."""
    if not path.exists():
        return {}
    with files.translated(path), closing(reader(path)) as connection:
        counts = {
            each.name: connection.execute(_OLD.format(table=each.name), [before]).fetchone()[0] for each in DATASETS
        }
    return {name: count for name, count in counts.items() if count}


def prune(sink: SqliteSink, before: int, on_dropped: Callable[[int], None] | None = None) -> dict[str, int]:
    """Drops every event before an instant, and the segments that hold one; how many events of each dataset.

    Registries stay: they say what agents and numbers are, not what happened. Segments go first, so that at every commit
    an answer counts exactly the rows that are left.

    Raises:
        StoreError: what was dropped before stays dropped.
    """
    dropped: dict[str, int] = {}
    with alone(sink.path, wait_s=5.0) as is_alone:
        if not is_alone:
            raise StoreBusy(f"the index of {sink.path.name} is being built.", hint="Try again in a moment.")
        for holder in DATASETS:
            with files.translated(sink.path), closing(reader(sink.path)) as connection:
                found = spans.meeting(spans.load(connection, holder.name), 0, before)
            for span in found:
                with sink.turn() as connection:
                    drop(connection, [span])
            while count := _drop_some(sink, holder, before):
                dropped[holder.name] = dropped.get(holder.name, 0) + count
                if on_dropped is not None:
                    on_dropped(sum(dropped.values()))
    return dropped


def verify(sink: SqliteSink) -> set[int]:
    """The segments whose checksums, or whose dictionaries' checksums, fail."""
    bad: set[int] = set()
    with files.translated(sink.path), closing(reader(sink.path)) as connection:
        for holder in DATASETS:
            found = [each for each in spans.load(connection, holder.name) if each.is_usable]
            if found:
                sums = {
                    field: [0, *dictionaries.sums(dictionaries.load(connection, holder.name, field))]
                    for field in dictionaries.fields(connection, holder.name)
                }
                bad |= {each.id for each in found if not _is_sound(connection, each, holder, sums)}
    return bad


def clear_index(sink: SqliteSink) -> None:
    """Drops the whole index; every question reads rows until it is built again."""
    with files.translated(sink.path), closing(reader(sink.path)) as connection:
        for holder in DATASETS:
            clear(sink, connection, holder.name)


def _drop_some(sink: SqliteSink, holder: Dataset, before: int) -> int:
    with sink.turn() as connection:
        spans.rows_changed(connection, holder.name)
        return connection.execute(_DROP.format(table=holder.name), [before, PORTION]).rowcount


def _is_sound(connection: sqlite3.Connection, span: Span, holder: Dataset, sums: dict[str, list[int]]) -> bool:
    from agentgauge.stores.sqlite.segments import Damaged, checksum, told

    try:
        for text, expected, field, data in connection.execute(_COLUMNS, [span.id]):
            if not isinstance(data, bytes) or checksum(text, data) != expected:
                return False
            about = told(text)
            if about.known and holder.find(field).type != "boolean":
                found = sums.get(field, [])
                if about.known >= len(found) or found[about.known] != about.digest:
                    return False
    except (Damaged, sqlite3.DatabaseError):
        return False
    return True
