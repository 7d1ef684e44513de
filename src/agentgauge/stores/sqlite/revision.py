"""Other values in fields of events that are stored already, such as a cost that a newer price list knows.

Above: the sink's `revise`. Below: the sink's turns. An event is immutable but for what was only ever computed from it;
what that is, the caller's rule knows. Neither keys nor `as_of` change, so no watermark moves; the segments of what
changed are given up, and built again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from agentgauge.core.catalog import KEY_FIELDS, Dataset, dataset
from agentgauge.stores.sqlite.schema import PACKED

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from agentgauge.stores.sqlite.sink import SqliteSink

PORTION = 10_000
"""The most events one turn looks at."""

_PORTION = 'select ts, id, {fields} from "{table}" where (ts, id) > (?, ?) order by ts, id limit ?'
_REVISE = 'update "{table}" set {fields} where ts = ? and id = ?'


def revise(
    sink: SqliteSink,
    name: str,
    fields: Sequence[str],
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    since: int,
) -> int:
    """Puts a rule's values in the place of those stored, portion by portion; how many events have others now.

    Raises:
        UnknownName: a field that the dataset has not.
        StoreError: the portions before this one are durable, of this one nothing has changed.
    """
    holder = dataset(name)
    columns = [holder.find(each).name for each in fields]
    portion = _PORTION.format(table=name, fields=", ".join(map(_quoted, columns)))
    changed, last = 0, (since, "")  # no id is empty, so that the first event at `since` comes after this
    while True:
        with sink.turn() as connection:
            rows = connection.execute(portion, (*last, PORTION)).fetchall()
            for row in rows:
                if _revise(connection, holder, columns, row, change):
                    sink.watch.changing(connection, name, row[:2])
                    changed += 1
        if len(rows) < PORTION:
            return changed
        last = rows[-1][:2]


def _revise(
    connection: sqlite3.Connection,
    holder: Dataset,
    columns: Sequence[str],
    row: Sequence[Any],
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> bool:
    """Whether the rule gave an event values that it has not."""
    names = (*KEY_FIELDS, *columns)
    stored = {name: _unpacked(holder, name, value) for name, value in zip(names, row, strict=True)}
    other = {name: value for name, value in change(stored).items() if stored[name] != value}
    if not other:
        return False
    fields = ", ".join(f"{_quoted(name)} = ?" for name in other)
    values = [_packed(holder, name, value) for name, value in other.items()]
    connection.execute(_REVISE.format(table=holder.name, fields=fields), (*values, stored["ts"], stored["id"]))
    return True


def _unpacked(holder: Dataset, name: str, value: Any) -> Any:
    return orjson.loads(value) if value is not None and _is_packed(holder, name) else value


def _packed(holder: Dataset, name: str, value: Any) -> Any:
    return (orjson.dumps(value).decode() if value else None) if _is_packed(holder, name) else value


def _is_packed(holder: Dataset, name: str) -> bool:
    return name in holder.by_name and holder.by_name[name].type in PACKED


def _quoted(name: str) -> str:
    return f'"{name}"'
