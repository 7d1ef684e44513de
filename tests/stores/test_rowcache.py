"""Rows that no segment has are decoded once, and an answer holds whatever has been written since."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from generate import END, START, events, question
from held import NOW
from seen import cells

from agentgauge.core.query import Filter, Query, measure
from agentgauge.core.time import Window
from agentgauge.stores.sqlite import rowcache, rows, upkeep
from agentgauge.stores.sqlite.builder import Builder
from agentgauge.stores.sqlite.cache import ColumnCache
from agentgauge.stores.sqlite.rowcache import CHUNK, RowCache
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from agentgauge.core.table import Table
    from agentgauge.stores.sqlite.columns import AnyColumn, Columns

Event = dict[str, Any]
COUNT = measure("count", None)
ALWAYS = Window(0, 4_000_000_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def call(at: int, **fields: Any) -> Event:
    return {"type": "model_call", "ts": NOW + at, "id": f"c{at}", "latency_ms": at, "model_name": "a", **fields}


def write(path: Path, happened: Sequence[Event]) -> None:
    with SqliteSink(path, clock=lambda: NOW) as sink:
        sink.write(happened)


class Reading:
    """A RowCache on a connection that tells which statements it runs."""

    def __init__(self, path: Path) -> None:
        self.cache = RowCache()
        self._connection = sqlite3.connect(path)
        self._connection.set_trace_callback(lambda sql: self._said.append(sql))
        self._said: list[str] = []

    def __call__(self, query: Query, version: int = 0) -> tuple[Columns | None, int]:
        """The columns, and how many statements read rows for them."""
        self._said.clear()
        stretch = query.window.start, query.window.end
        found = self.cache.read(self._connection, query, [stretch], version)
        return found, sum("order by" in each for each in self._said)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def reading(path: Path) -> Iterator[Callable[[], Reading]]:
    made: list[Reading] = []

    def make() -> Reading:
        made.append(Reading(path))
        return made[-1]

    yield make
    for each in made:
        each.close()


ASKED = Query("model_calls", ALWAYS, (COUNT, measure("sum", "latency_ms")), group_by=("model_name",))


def test_rows_are_read_once(path: Path, reading: Callable[[], Reading]) -> None:
    write(path, [call(at) for at in range(3 * CHUNK)])
    ask = reading()
    assert ask(ASKED)[1] == 1
    assert ask(ASKED, version=1)[1] == 1, "only what may have come after the last row"
    later = replace(ASKED, window=Window(NOW + 100, NOW + 2 * CHUNK))
    found, read = ask(later, version=2)
    assert read == 0
    assert found is not None
    assert found.ts.tolist() == list(range(NOW + 100, NOW + 2 * CHUNK))


def test_new_rows_are_read_alone_and_other_columns_when_they_are_asked_for(
    path: Path, reading: Callable[[], Reading]
) -> None:
    write(path, [call(at) for at in range(2 * CHUNK)])
    ask = reading()
    ask(ASKED)
    write(path, [call(at, model_name="b") for at in range(2 * CHUNK, 2 * CHUNK + 10)])
    found, read = ask(ASKED, version=1)
    assert read == 1
    assert found is not None
    assert len(found.ts) == 2 * CHUNK + 10
    other = replace(ASKED, group_by=("provider",))
    assert ask(other, version=1)[1] > 1, "a column more of every chunk"
    assert ask(other, version=1)[1] == 1


def test_new_rows_are_read_once_for_questions_that_take_turns(path: Path, reading: Callable[[], Reading]) -> None:
    write(path, [call(at) for at in range(10)])
    ask, other = reading(), replace(ASKED, group_by=("provider",))
    for each in (ASKED, other):
        ask(each)
    write(path, [call(at) for at in range(10, 10 + 3 * CHUNK)])
    assert ask(ASKED, version=1)[1] == 1
    assert ask(other, version=1)[1] == 1, "only what may have come after the last row"


def test_more_rows_than_are_kept_are_left_to_be_read_anew(
    path: Path, reading: Callable[[], Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, [call(at) for at in range(300)])
    monkeypatch.setattr(rowcache, "MOST", 200)
    ask = reading()
    assert ask(ASKED)[0] is None
    some = replace(ASKED, window=Window(NOW, NOW + 150))
    others = replace(ASKED, window=Window(NOW + 150, NOW + 300))
    for each in (some, others, some):  # each makes room for the other
        found, _ = ask(each)
        assert found is not None
        assert len(found.ts) == 150


def test_many_rows_of_one_instant_stay_together(path: Path, reading: Callable[[], Reading]) -> None:
    write(path, [{**call(at), "ts": NOW + at // (3 * CHUNK)} for at in range(7 * CHUNK)])
    ask = reading()
    for version in range(2):
        found, _ = ask(ASKED, version=version)
        assert found is not None
        assert len(found.ts) == 7 * CHUNK
    cut = replace(ASKED, window=Window(NOW + 1, NOW + 2))
    found, read = ask(cut)
    assert read == 0
    assert found is not None
    assert len(found.ts) == 3 * CHUNK


def same(found: Table, expected: Table) -> None:
    assert (list(found.at), list(found.of)) == (list(expected.at), list(expected.of))
    assert replace(found, at=(), of=()) == replace(expected, at=(), of=())


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_is_the_same_as_one_that_nothing_was_kept_for_whatever_is_done_between(
    seed: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rowcache, "CHUNK", 7)
    rng = random.Random(seed)
    happened = events(rng, 150)
    rng.shuffle(happened)
    keyed = [
        {
            **call(rng.randrange(-(9**9), 9**9), model_name=rng.choice("abc")),
            "id": f"k{n}",
            "call_key": f"k{n % 40}",
            "call_rank": n,
        }
        for n in range(120)
    ]
    kept = SqliteStore(path, cache=ColumnCache(1 << 30))

    def prune(sink: SqliteSink) -> None:
        upkeep.prune(sink, rng.randrange(START, END))

    def revise(sink: SqliteSink) -> None:
        sink.revise("model_calls", ["cost_usd"], lambda event: {"cost_usd": rng.choice((None, 1, 2.5))})

    def some(given: list[Event]) -> list[Event]:
        return [given.pop() for _ in range(min(len(given), rng.randint(1, 30)))]

    for step in range(45):
        with SqliteSink(path, clock=lambda: NOW) as sink:
            what = rng.choice(
                ("write", "write", "write", "copies", "build", "prune" if step > 30 else "write", "revise")
            )
            if what == "write":
                sink.write(some(happened))
            elif what == "copies":
                sink.write(some(keyed))
            elif what == "build":
                Builder(sink, dense=1).build(finish=True, least=rng.choice((1, 20)))
            else:
                {"prune": prune, "revise": revise}[what](sink)
        new = SqliteStore(path, cache=ColumnCache(1 << 30))
        for asked in (question(rng), replace(ASKED, group_by=(rng.choice(("model_name", "agent_id", "team")),))):
            same(kept.query(asked), new.query(asked))
        new.close()
    kept.close()


def test_a_row_that_takes_the_place_of_another_is_not_missed(path: Path) -> None:
    """As many rows as before, but not the same ones."""
    write(path, [call(at, call_key=f"k{at}", call_rank=1) for at in range(20)])
    store = SqliteStore(path)
    assert store.query(ASKED).total["sum_latency_ms"] == sum(range(20))
    write(path, [call(5, id="better", call_key="k5", call_rank=2, latency_ms=1_000)])
    assert store.query(ASKED).total["sum_latency_ms"] == sum(range(20)) + 995
    store.close()


def test_rows_that_came_in_the_place_of_pruned_ones_are_not_missed(path: Path) -> None:
    write(path, [call(at) for at in range(20)])
    store = SqliteStore(path)
    assert store.query(ASKED).total["sum_latency_ms"] == sum(range(20))
    with SqliteSink(path, clock=lambda: NOW) as sink:
        upkeep.prune(sink, NOW + 10)
        sink.write([call(at, latency_ms=1_000) for at in range(10)])
    assert store.query(ASKED).total["sum_latency_ms"] == sum(range(10, 20)) + 10_000
    store.close()


def test_a_filter_takes_effect_on_kept_rows(path: Path) -> None:
    write(path, [call(at, model_name="ab"[at % 2]) for at in range(10)])
    store = SqliteStore(path)
    for name in ("a", "b", "c"):
        where = (Filter("model_name", "EQUAL", name),)
        assert store.query(replace(ASKED, where=where)).total["count"] == (5 if name in "ab" else 0)
    store.close()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_is_what_reading_gives(seed: int, path: Path, reading: Callable[[], Reading]) -> None:
    """Rows, values and whether they are integers: those that a filter leaves out do not decide that."""
    rng = random.Random(seed)
    write(path, events(rng, 120))
    ask = reading()
    with closing(sqlite3.connect(path)) as connection:
        for version in range(80):
            query = question(rng)
            found, _ = ask(query, version)
            expected = rows.read(connection, query, [(query.window.start, query.window.end)])
            assert found is not None
            assert found.ts.tolist() == expected.ts.tolist()
            for name, column in expected.fields.items():
                assert cells(found.fields[name]) == cells(column), name
                assert kinds(found.fields[name]) == kinds(column)


def kinds(column: AnyColumn) -> set[type]:
    return {type(each) for each in cells(column)}
