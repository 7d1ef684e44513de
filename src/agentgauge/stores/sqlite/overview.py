"""What a store holds as a whole, told by its index where there is one: how much of each dataset, which keys maps have.

Above: store. Below: the reader's Index; rows, for what no segment covers and what came late to one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import orjson

from agentgauge.core.catalog import DATASETS, Dataset
from agentgauge.core.query import Extent
from agentgauge.stores.sqlite import rows, spans

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from agentgauge.stores.sqlite.reader import Index
    from agentgauge.stores.sqlite.spans import Span

_ENDS = 'select (select min(ts) from "{table}"), (select max(ts) from "{table}")'
_COUNT = 'select count(*) from "{table}" where ts >= ? and ts < ?'
_LATE = "select count(*) from index_late where segment = ?"
_IN = "e.ts >= ? and e.ts < ?"
_LATE_IN = "(e.ts, e.id) in (select ts, id from index_late where segment in (select value from json_each(?)))"


def extents(connection: sqlite3.Connection, index: Index) -> list[Extent]:
    """What is held of every dataset that has events."""
    found: list[Extent] = []
    for each in DATASETS:
        first, last = connection.execute(_ENDS.format(table=each.name)).fetchone()
        if first is not None:
            count = _count(connection, index.spans(connection, each.name), each, last + 1)
            found.append(Extent(each.name, count, first, last, rows.as_of(connection, each.name)))
    return found


def keys(connection: sqlite3.Connection, index: Index, holder: Dataset, name: str) -> dict[str, int] | None:
    """The keys of a map field and how many events have each; None where the index cannot tell."""
    usable = index.spans(connection, holder.name)
    tally: Counter[str] = Counter()
    for span in usable:
        for field, about in index.described(connection, span, name):
            if field == name:
                return None  # some keys of this segment have no column
            tally[field.removeprefix(f"{name}.")] += span.events - about.nulls
    wanted = [(_IN, stretch) for stretch in spans.gaps(usable, 0, spans.ALWAYS)]
    for where, given in [*wanted, (_LATE_IN, [orjson.dumps([each.id for each in usable]).decode()])]:
        sql = rows.KEYS.format(field=name, table=holder.name, where=where)
        tally.update(dict(connection.execute(sql, given).fetchall()))
    return dict(sorted(tally.items(), key=lambda item: (-item[1], item[0])))


def _count(connection: sqlite3.Connection, usable: Sequence[Span], holder: Dataset, end: int) -> int:
    covered = sum(each.events + connection.execute(_LATE, [each.id]).fetchone()[0] for each in usable)
    sql = _COUNT.format(table=holder.name)
    return covered + sum(connection.execute(sql, stretch).fetchone()[0] for stretch in spans.gaps(usable, 0, end))
