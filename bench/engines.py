"""The engines of the store's benchmark: how each is loaded, opened and asked.

Above: `worker.py`, which holds one per process; `store.py`, which loads them. Below: our store, DuckDB, chDB; each is
imported when it is opened, so that none pays for another.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson
from load import DATASET, DAYS, END, VALUES, Via, days, fill
from questions import MINUTE, Question, Row, Spelling

Progress = Callable[[int], None]
THREADS = 2
ORG = "bench"
DEADLINE_S = 600


class Engine(Protocol):
    """One database, in a folder of its own."""

    name: str
    spelling: Spelling

    def load(self, folder: Path, total: int, progress: Progress) -> None:
        """Fills an empty folder with so many events."""
        ...

    def ready(self, folder: Path) -> None:
        """Brings what was loaded into the state in which it is asked, unless it is already."""
        ...

    def imports(self) -> None:
        """Loads the modules that asking needs, so that a first answer can be timed without them."""
        ...

    def open(self, folder: Path) -> None:
        """Opens it for reading."""
        ...

    def ask(self, question: Question) -> Any:
        """The answer as its users get it, as Python values."""
        ...

    def rows(self, question: Question, answer: Any) -> Sequence[Row]:
        """The rows of that answer, for comparing."""
        ...


class Agentgauge:
    """Our own store, through the public path: a Query in, a Table out."""

    name = "agentgauge"
    spelling = Spelling("", "")

    def __init__(self, via: Via = "bulk") -> None:
        self._via: Via = via
        self._store: Any = None

    def load(self, folder: Path, total: int, progress: Progress) -> None:
        fill(self.file(folder), total, self._via, progress)

    def ready(self, folder: Path) -> None:
        from agentgauge.stores.sqlite.builder import Builder
        from agentgauge.stores.sqlite.sink import SqliteSink

        with SqliteSink(self.file(folder), clock=lambda: END) as sink:
            Builder(sink).build()

    def imports(self) -> None:
        for name in ("store", "rows", "reader", "scan"):
            importlib.import_module(f"agentgauge.stores.sqlite.{name}")

    def open(self, folder: Path) -> None:
        from agentgauge.stores.sqlite.store import SqliteStore

        self._store = SqliteStore(self.file(folder), deadline_s=DEADLINE_S)

    def ask(self, question: Question) -> Any:
        return [self._store.query(query) for query in question.queries]

    def rows(self, question: Question, answer: Any) -> Sequence[Row]:
        return question.rows(answer)

    def newest(self) -> int:
        """The end of the minute of the newest event, ms UTC."""
        last: int = next(each.last for each in self._store.extents() if each.dataset == DATASET.name)
        return last - last % MINUTE + MINUTE

    @staticmethod
    def file(folder: Path) -> Path:
        """Where the store lies in a home folder."""
        return folder / "orgs" / f"{ORG}.db"


class DuckDB:
    """DuckDB on a file of its own; strings as varchar, rows in the order of time."""

    name = "duckdb"
    spelling = Spelling("{} // {}", "quantile_disc(latency_ms, {})")

    def __init__(self) -> None:
        self._connection: Any = None

    def load(self, folder: Path, total: int, progress: Progress) -> None:
        import duckdb
        import numpy as np

        with duckdb.connect(str(folder / "bench.duckdb"), config={"threads": THREADS}) as connection:
            connection.execute(f"create table {DATASET.name} ({_DUCKDB_COLUMNS})")
            for number, day in enumerate(days(total), 1):
                part = {"ts": day.ts, "id": np.array(day.ids), **day.codes, **day.numbers}
                connection.register("part", part)
                connection.execute(f"insert into {DATASET.name} select {_DUCKDB_VALUES} from part")
                connection.unregister("part")
                progress(number)

    def ready(self, folder: Path) -> None:
        """Nothing: it is when it is loaded."""

    def imports(self) -> None:
        importlib.import_module("duckdb")

    def open(self, folder: Path) -> None:
        import duckdb

        file = str(folder / "bench.duckdb")
        self._connection = duckdb.connect(file, read_only=True, config={"threads": THREADS})

    def ask(self, question: Question) -> Any:
        return self._connection.execute(question.spelled(self.spelling)).fetchall()

    def rows(self, question: Question, answer: Any) -> Sequence[Row]:
        return answer


class ChDB:
    """ClickHouse in the process, a MergeTree in the order of time; loaded from the file that DuckDB writes."""

    name = "chdb"
    spelling = Spelling("intDiv({}, {})", "quantileExact({})(latency_ms)", exact_rank=False)

    def __init__(self) -> None:
        self._session: Any = None

    def load(self, folder: Path, total: int, progress: Progress) -> None:
        import duckdb

        parquet = folder / "bench.parquet"
        with duckdb.connect(config={"threads": THREADS}) as connection:
            source = loaded(DuckDB(), folder.parent, total, lambda _: None) / "bench.duckdb"
            connection.execute(f"attach '{source}' as bench (read_only)")
            connection.execute(f"copy bench.{DATASET.name} to '{parquet}'")
        progress(DAYS // 2)
        self.open(folder)
        self._session.query(f"create table {DATASET.name} ({_CHDB_COLUMNS}) engine = MergeTree order by ts")
        self._session.query(f"insert into {DATASET.name} select * from file('{parquet}', Parquet)")
        self._session.query(f"optimize table {DATASET.name} final")
        self._session.close()
        parquet.unlink()
        progress(DAYS)

    def ready(self, folder: Path) -> None:
        """Nothing: it is when it is loaded."""

    def imports(self) -> None:
        importlib.import_module("chdb.session")

    def open(self, folder: Path) -> None:
        session: Any = importlib.import_module("chdb.session")
        self._session = session.Session(str(folder / "chdb"))
        self._session.query(f"set max_threads = {THREADS}")

    def ask(self, question: Question) -> Any:
        answer = self._session.query(question.spelled(self.spelling), "JSONCompact")
        return [tuple(row) for row in orjson.loads(answer.bytes())["data"]]

    def rows(self, question: Question, answer: Any) -> Sequence[Row]:
        return answer


_NUMBERS = {"latency_ms": "bigint", "input_tokens": "bigint", "output_tokens": "bigint", "cost_usd": "double"}


def _sql_list(values: Sequence[str | None]) -> str:
    return "[" + ", ".join("null" if each is None else f"'{each}'" for each in values) + "]"


_DUCKDB_COLUMNS = ", ".join(
    ["ts bigint", "id varchar", *(f'"{name}" varchar' for name in VALUES), "is_failure boolean"]
    + [f"{name} {kind}" for name, kind in _NUMBERS.items()]
)
_DUCKDB_VALUES = ", ".join(
    ["ts", "id", *(f'({_sql_list(values)})["{name}" + 1]' for name, values in VALUES.items()), "error_code < 12"]
    + list(_NUMBERS)
)
_CHDB_COLUMNS = ", ".join(
    ["ts Int64", "id String"]
    + [f'"{n}" LowCardinality({"Nullable(String)" if v[-1] is None else "String"})' for n, v in VALUES.items()]
    + ["is_failure Bool"]
    + [f"{name} {'Float64' if kind == 'double' else 'Int64'}" for name, kind in _NUMBERS.items()]
)

ENGINES: dict[str, Callable[[], Engine]] = {"agentgauge": Agentgauge, "duckdb": DuckDB, "chdb": ChDB}


def loaded(engine: Engine, folder: Path, total: int, progress: Progress) -> Path:
    """The engine's folder, ready to be asked: filled now, unless an earlier run has done so to its end."""
    home = folder / engine.name
    done = home / "loaded"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        engine.load(home, total, progress)
        done.touch()
    engine.ready(home)
    return home
