"""The tables of a store's file, made from the catalog, and how an older file becomes a newer one.

Above: the sink, which upgrades a file before it writes. Below: sqlite-utils. A fact about a field stands in
`core.catalog` only; here is just what a type is in SQLite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.catalog import BY_NAME, KEY_FIELDS, Dataset, Type

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from sqlite_utils import Database

COLUMN_TYPES: Mapping[Type, str] = {
    "string": "text",
    "code": "text",
    "integer": "integer",
    "number": "",  # no affinity: an integer stays one and a double stays one
    "boolean": "integer",
    "strings": "text",
    "map": "text",
}
PACKED: frozenset[Type] = frozenset({"strings", "map"})
"""The types that a column holds as JSON text."""
WATERMARKS = """create table if not exists watermarks (
  dataset text primary key,
  as_of integer,
  explicit integer,
  implied integer,
  live integer
) without rowid"""


def columns(dataset: Dataset) -> tuple[str, ...]:
    """The columns of a dataset's table, in order."""
    return (*KEY_FIELDS, *(each.name for each in dataset.fields))


def table_sql(dataset: Dataset) -> str:
    """The statement that makes a dataset's table."""
    lines = ["ts integer not null", "id text not null"]
    lines += [f'"{each.name}" {COLUMN_TYPES[each.type]}'.rstrip() for each in dataset.fields]
    lines.append("primary key (ts, id)")
    return f'create table if not exists "{dataset.name}" (\n  ' + ",\n  ".join(lines) + "\n) without rowid"


def call_key_sql(dataset: Dataset) -> str:
    """The index that keeps one copy of each happening, and finds it."""
    return (
        f'create unique index if not exists "{dataset.name}_call_key" on "{dataset.name}" (call_key) '
        "where call_key is not null"
    )


def create_tables(db: Database) -> None:
    """Version 1: a table for each dataset and registry, and the watermarks.

    A field that joins the catalog later needs a step of its own that adds the column where it is missing: this one
    gives it to new files only.
    """
    for dataset in BY_NAME.values():
        db.conn.execute(table_sql(dataset))
        if "call_key" in dataset.by_name:
            db.conn.execute(call_key_sql(dataset))
    db.conn.execute(WATERMARKS)


STEPS = (create_tables,)
"""Every migration, oldest first; each runs once in the life of a file and is remembered by its name."""
VERSION = len(STEPS)
"""The `user_version` of a file that every step was applied to."""


def version(connection: sqlite3.Connection) -> int:
    """The version of a file, 0 when it is new."""
    return int(connection.execute("pragma user_version").fetchone()[0])


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether some other program made this database."""
    tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    return bool(tables or version(connection)) and "watermarks" not in tables


def upgrade(connection: sqlite3.Connection) -> None:
    """Brings a file to the newest version, in one transaction."""
    from sqlite_utils import Database, Migrations  # 138 ms that only a new or an old file has to pay

    migrations = Migrations("agentgauge")
    for step in STEPS:
        migrations()(step)
    db = Database(connection, recursive_triggers=False, execute_plugins=False)
    with db.atomic():
        migrations.apply(db)
        connection.execute(f"pragma user_version = {VERSION}")
