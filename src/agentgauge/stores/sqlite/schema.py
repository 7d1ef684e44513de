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


INDEX = (
    """create table if not exists index_segments (
  id integer primary key,
  dataset text not null,
  start integer not null,
  "end" integer not null,
  events integer not null,
  state integer not null,
  format integer not null
)""",
    "create index if not exists index_segments_by_time on index_segments (dataset, start)",
    """create table if not exists index_columns (
  segment integer not null,
  field text not null,
  about text not null,
  checksum integer not null,
  blob integer not null,
  primary key (segment, field)
) without rowid""",
    "create table if not exists index_blobs (id integer primary key, data blob not null)",
    """create table if not exists index_values (
  dataset text not null,
  field text not null,
  code integer not null,
  value text not null,
  primary key (dataset, field, code)
) without rowid""",
    """create table if not exists index_late (
  segment integer not null,
  ts integer not null,
  id text not null,
  primary key (segment, ts, id)
) without rowid""",
    "create table if not exists index_changes (dataset text primary key, changes integer not null) without rowid",
)
"""The columnar index, derived from the rows: `spans` says what holds, `segments` and `summaries` what blobs are."""


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


def create_index(db: Database) -> None:
    """Version 2: the tables of the columnar index, empty; the next build fills them."""
    for statement in INDEX:
        db.conn.execute(statement)


def create_memos(db: Database) -> None:
    """Version 3: what decoders want to find again, such as the newest point of each cumulative series."""
    db.conn.execute("create table if not exists memos (key text primary key, value blob not null) without rowid")


STEPS = (create_tables, create_index, create_memos)
"""Every migration, oldest first; each runs once in the life of a file and is remembered by its name."""
VERSION = len(STEPS)
"""The `user_version` of a file that every step was applied to."""
INDEXED = 2
"""The version from which on a file has a columnar index; older ones are read by their rows alone."""


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
