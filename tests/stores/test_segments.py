"""The columnar index: it never changes an answer, whatever is written, damaged or killed, and it goes with its rows."""

from __future__ import annotations

import logging
import random
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from generate import events, question
from held import NOW
from oracle import Oracle
from test_oracle import compare

from agentgauge.core.query import Filter, Query, measure
from agentgauge.core.time import Window
from agentgauge.stores.sqlite import schema, spans, upkeep
from agentgauge.stores.sqlite.builder import Builder
from agentgauge.stores.sqlite.cache import ColumnCache
from agentgauge.stores.sqlite.reader import Index
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from agentgauge.core.table import Table

DAY = 86_400_000
MIDNIGHT = NOW - NOW % DAY
WINDOW = Window(MIDNIGHT - 10 * DAY, MIDNIGHT + 10 * DAY)
Event = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def call(ts: int, id: str = "", **fields: Any) -> Event:
    return {"type": "model_call", "ts": ts, "id": id or f"e{ts}", "latency_ms": 1, **fields}


def write(path: Path, happened: Sequence[Mapping[str, Any]], *, build: bool = False) -> None:
    with SqliteSink(path, clock=lambda: NOW) as sink:
        sink.write(happened)
        if build:
            Builder(sink).build(finish=True, least=1)


def build(path: Path, damaged: set[int] | None = None) -> int:
    """How many segments were built."""
    with SqliteSink(path, clock=lambda: NOW) as sink:
        return Builder(sink, damaged or set()).build(finish=True, least=1).segments


def found_spans(path: Path, name: str = "model_calls") -> list[spans.Span]:
    with closing(sqlite3.connect(path)) as connection:
        return spans.load(connection, name)


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(sql).rowcount


def late(path: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("select ts, id from index_late order by ts").fetchall()


def asked(*, group_by: tuple[str, ...] = (), where: tuple[Filter, ...] = ()) -> Query:
    measures = (measure("count", None), measure("sum", "latency_ms"))
    return Query("model_calls", WINDOW, measures, group_by=group_by, where=where)


def ask(path: Path, query: Query, cache: ColumnCache | None = None) -> Table:
    store = SqliteStore(path, cache=cache or ColumnCache(1 << 30))
    try:
        return store.query(query)
    finally:
        store.close()


def counts(path: Path, field: str, *where: Filter) -> dict[Any, Any]:
    table = ask(path, asked(group_by=(field,), where=where))
    return {key[0]: count for key, count in zip(table.groups, table.totals["count"], strict=True)}


def from_segments(path: Path, query: Query) -> tuple[int, Sequence[tuple[int, int]]]:
    """How many segments a question reads, and which stretches of time it reads from the rows."""
    with closing(sqlite3.connect(path)) as connection:
        found = Index(ColumnCache(1 << 30)).find(connection, query)
        return len(found.parts), found.stretches


def test_a_day_is_a_segment_and_an_answer_reads_no_row_that_it_covers(path: Path) -> None:
    write(path, [call(MIDNIGHT + day * DAY + hour) for day in (0, 1, 2) for hour in range(5)], build=True)
    days = found_spans(path)
    assert [(each.start, each.end, each.events) for each in days] == [
        (MIDNIGHT, MIDNIGHT + DAY, 5),
        (MIDNIGHT + DAY, MIDNIGHT + 2 * DAY, 5),
        (MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY + 5, 5),
    ]
    assert from_segments(path, asked()) == (3, [(WINDOW.start, MIDNIGHT), (days[-1].end, WINDOW.end)])
    assert ask(path, asked()).total == {"count": 15, "sum_latency_ms": 15}


def test_a_segment_has_at_most_131_072_events_and_no_instant_is_in_two(path: Path) -> None:
    with SqliteSink(path, clock=lambda: NOW) as sink:
        with sink.turn() as connection:
            connection.executemany(
                "insert into points (ts, id, name, kind, value) values (?, ?, 'n', 'counter', 1)",
                [(MIDNIGHT + number // 3, f"{number:06}") for number in range(150_000)],
            )
        Builder(sink).build(finish=True)
    first, second = found_spans(path, "points")
    assert (first.events, second.events) == (131_070, 18_930)
    assert first.end == second.start == MIDNIGHT + 131_070 // 3
    total = ask(path, Query("points", WINDOW, (measure("sum", "value"),))).total
    assert total == {"sum_value": 150_000}


def test_few_events_of_a_day_stay_in_the_rows(path: Path) -> None:
    write(path, [call(MIDNIGHT + number) for number in range(1_023)])
    with SqliteSink(path, clock=lambda: NOW) as sink:
        assert Builder(sink).build(finish=True).segments == 0
        sink.write([call(MIDNIGHT - 1)])
        assert Builder(sink).build(finish=True).segments == 0
        sink.write([call(MIDNIGHT + 2_000)])
        assert Builder(sink).build().segments == 0, "the newest events wait for more"
        assert Builder(sink).build(finish=True).segments == 1


def test_a_late_event_is_in_the_next_answer_and_leaves_its_segment_as_it_is(path: Path) -> None:
    write(path, [call(MIDNIGHT + number) for number in range(100)], build=True)
    before = found_spans(path)
    write(path, [call(MIDNIGHT + 50, "late", agent_id="late"), call(MIDNIGHT + 50), call(MIDNIGHT + 500)])
    assert found_spans(path) == before
    assert late(path) == [(MIDNIGHT + 50, "late")], "neither the duplicate nor the newer one is late"
    assert counts(path, "agent_id") == {None: 101, "late": 1}
    build(path)
    assert late(path) == []
    assert sum(each.events for each in found_spans(path)) == 102
    assert counts(path, "agent_id") == {None: 101, "late": 1}


def test_a_better_copy_of_an_event_replaces_it_in_the_answer_too(path: Path) -> None:
    write(path, [call(MIDNIGHT + number, call_key=f"k{number}", call_rank=1) for number in range(10)], build=True)
    write(path, [call(MIDNIGHT + 3, call_key="k3", call_rank=2, latency_ms=1_000)])
    assert ask(path, asked()).total == {"count": 10, "sum_latency_ms": 1_009}
    write(path, [call(MIDNIGHT + 7, "moved", call_key="k3", call_rank=3, latency_ms=1_000)])
    assert ask(path, asked()).total == {"count": 10, "sum_latency_ms": 1_009}
    assert build(path) == 1
    assert ask(path, asked()).total == {"count": 10, "sum_latency_ms": 1_009}
    assert from_segments(path, asked())[0] == 1


def test_a_late_event_can_be_replaced_without_giving_its_segment_up(path: Path) -> None:
    write(path, [call(MIDNIGHT), call(MIDNIGHT + 9)], build=True)
    write(path, [call(MIDNIGHT + 5, call_key="k", call_rank=1)])
    write(path, [call(MIDNIGHT + 6, call_key="k", call_rank=2, latency_ms=50)])
    assert [each.state for each in found_spans(path)] == [spans.READY]
    assert late(path) == [(MIDNIGHT + 6, f"e{MIDNIGHT + 6}")]
    assert ask(path, asked()).total == {"count": 3, "sum_latency_ms": 52}


class Meddled(SqliteSink):
    """Lets others write something after its first turn, in which a builder says what it is about to build."""

    def __init__(self, path: Path, meanwhile: Sequence[Event]) -> None:
        super().__init__(path, clock=lambda: NOW)
        self._meanwhile = [*meanwhile]

    @contextmanager
    def turn(self) -> Generator[sqlite3.Connection]:
        with super().turn() as connection:
            yield connection
        meanwhile = [*self._meanwhile]
        self._meanwhile.clear()
        write(self.path, meanwhile)


def test_an_event_that_comes_while_its_day_is_built_is_counted_once(path: Path) -> None:
    write(path, [call(MIDNIGHT + number) for number in range(100)])
    with Meddled(path, [call(MIDNIGHT + 50, "late"), call(MIDNIGHT + 50), call(MIDNIGHT + 900)]) as sink:
        assert Builder(sink).build(finish=True, least=1).segments == 1
    assert ask(path, asked()).total == {"count": 102, "sum_latency_ms": 102}


def test_a_day_whose_event_is_replaced_while_it_is_built_is_left_to_the_rows(path: Path) -> None:
    write(path, [call(MIDNIGHT + number, call_key=f"k{number}", call_rank=1) for number in range(10)])
    with Meddled(path, [call(MIDNIGHT + 3, call_key="k3", call_rank=2, latency_ms=100)]) as sink:
        assert Builder(sink).build(finish=True, least=1).segments == 0
    assert found_spans(path) == []
    assert ask(path, asked()).total == {"count": 10, "sum_latency_ms": 109}
    assert build(path) == 1


def test_answers_are_right_while_one_writes_and_one_builds(path: Path) -> None:
    accepted, done = [0], threading.Event()

    def write_on() -> None:
        rng = random.Random(7)
        with SqliteSink(path, clock=lambda: NOW, wait_s=60) as sink:
            for number in range(150):
                some = [call(MIDNIGHT + rng.randrange(3 * DAY), f"{number}-{each}") for each in range(20)]
                replaced = call(MIDNIGHT + rng.randrange(3 * DAY), f"r{number}", call_key="k", call_rank=number)
                sink.write([*some, replaced])
                accepted[0] += len(some)
        done.set()

    def build_on() -> None:
        while not done.is_set():
            with SqliteSink(path, clock=lambda: NOW, wait_s=60) as sink:
                Builder(sink).build(finish=True, least=1)

    threads = [threading.Thread(target=each) for each in (write_on, build_on)]
    write(path, [call(MIDNIGHT, call_key="k")])
    for each in threads:
        each.start()
    store = SqliteStore(path, cache=ColumnCache(1 << 20))
    while not done.is_set():
        least = accepted[0]
        count: Any = store.query(asked()).total["count"]
        assert least + 1 <= count <= accepted[0] + 21
    for each in threads:
        each.join()
    assert store.query(asked()).total["count"] == 3_001
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "update index_blobs set data = zeroblob(length(data))",
        "update index_blobs set data = substr(data, 1, length(data) - 1)",
        "update index_blobs set data = 'text'",
        "delete from index_blobs",
        "update index_columns set about = replace(about, '|u1', '<u2')",
        "update index_columns set about = 'no json'",
        "update index_columns set checksum = checksum + 1",
        "update index_values set value = 'another'",
        "update index_values set value = '[7'",
        "delete from index_values where code = 1",
        "delete from index_values",
    ],
)
def test_a_damaged_segment_is_reported_answered_from_the_rows_and_built_anew(
    path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    happened = [call(MIDNIGHT + number, agent_id=f"a{number % 3}", team=["core"]) for number in range(30)]
    write(path, happened, build=True)
    change(path, damage)
    cache = ColumnCache(1 << 20)
    query = asked(group_by=("agent_id", "team"))
    with caplog.at_level(logging.WARNING):
        table = ask(path, query, cache)
    assert sorted(table.groups) == [("a0", "core"), ("a1", "core"), ("a2", "core")]
    assert table.totals["count"] == [10, 10, 10]
    assert "a segment of model_calls is damaged" in caplog.text
    assert len(cache.damaged) == 1
    with SqliteSink(path, clock=lambda: NOW) as sink:
        damaged = upkeep.verify(sink)
        assert len(damaged) == 1
        assert Builder(sink, damaged).build(finish=True, least=1).segments == 1
        assert upkeep.verify(sink) == set()
    caplog.clear()
    assert ask(path, query, cache).totals["count"] == [10, 10, 10]
    assert from_segments(path, query)[0] == 1
    assert not caplog.text


def test_a_reader_that_saw_damage_reads_what_was_built_anew(path: Path) -> None:
    write(path, [call(MIDNIGHT + number, agent_id="a") for number in range(30)], build=True)
    store = SqliteStore(path, cache=ColumnCache(1 << 20))
    query = asked(group_by=("agent_id",))
    assert store.query(query).groups == [("a",)]
    change(path, "delete from index_values")
    write(path, [call(MIDNIGHT - DAY, agent_id="b")], build=True)
    assert sorted(store.query(query).groups) == [("a",), ("b",)]
    with SqliteSink(path, clock=lambda: NOW) as sink:
        upkeep.clear_index(sink)
        Builder(sink).build(finish=True, least=1)
    assert sorted(store.query(query).groups) == [("a",), ("b",)]
    store.close()


def test_segments_of_another_format_are_not_read_and_built_anew(path: Path) -> None:
    write(path, [call(MIDNIGHT + number) for number in range(5)], build=True)
    change(path, "update index_segments set format = format + 1")
    assert from_segments(path, asked())[0] == 0
    assert ask(path, asked()).total["count"] == 5
    assert build(path) == 1
    assert from_segments(path, asked())[0] == 1


KILLED = """
import os, sys
from pathlib import Path
from agentgauge.stores.sqlite.builder import Builder
from agentgauge.stores.sqlite.sink import SqliteSink

class Doomed(SqliteSink):
    left = int(sys.argv[2])

    def turn(self):
        if self.left == 0:
            os._exit(9)
        self.left -= 1
        return super().turn()

with Doomed(Path(sys.argv[1]), clock=lambda: 0) as sink:
    Builder(sink).build(finish=True, least=1)
os._exit(0)
"""


def test_a_build_that_is_killed_at_any_turn_leaves_a_correct_store(path: Path) -> None:
    write(path, [call(MIDNIGHT + day * DAY + hour) for day in range(3) for hour in range(4)])
    for turns in range(20):
        code = subprocess.run([sys.executable, "-c", KILLED, str(path), str(turns)], check=False).returncode
        assert ask(path, asked()).total == {"count": 12 + turns, "sum_latency_ms": 12 + turns}
        write(path, [call(MIDNIGHT + 10 + turns)])
        assert ask(path, asked()).total["count"] == 13 + turns
        if code == 0:
            break
    else:
        pytest.fail("a build takes fewer turns than that")
    build(path)
    assert {each.state for each in found_spans(path)} == {spans.READY}


def test_a_day_that_grew_in_small_steps_becomes_one_segment_once_it_is_over(path: Path) -> None:
    for step in range(4):
        write(path, [call(MIDNIGHT + step * 100 + number) for number in range(10 - step)], build=True)
    assert len(found_spans(path)) == 4
    write(path, [call(MIDNIGHT + DAY)], build=True)
    build(path)
    assert [each.events for each in found_spans(path)] == [34, 1]
    assert ask(path, asked()).total["count"] == 35


def test_many_small_segments_of_a_day_are_made_one_while_it_grows(path: Path) -> None:
    for step in range(8):
        write(path, [call(MIDNIGHT + step * 100 + number) for number in range(10)], build=True)
    assert [each.events for each in found_spans(path)] == [80]


def test_any_key_of_a_map_is_found_however_many_there_are(path: Path) -> None:
    happened = [
        call(MIDNIGHT + number, metadata={"project": f"p{number % 2}", f"key {number}": str(number)})
        for number in range(400)
    ]
    write(path, happened, build=True)
    assert counts(path, "metadata.project") == {"p0": 200, "p1": 200}
    for number in (0, 17, 399):
        assert counts(path, f"metadata.key {number}") == {str(number): 1, None: 399}
        where = Filter(f"metadata.key {number}", "EQUAL", str(number))
        assert counts(path, "metadata.project", where) == {f"p{number % 2}": 1}
    assert counts(path, "metadata.nobody has it") == {None: 400}


def test_a_field_of_very_many_values_has_a_dictionary_in_each_segment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentgauge.stores.sqlite.dictionaries.MOST", 20)
    happened = [
        call(MIDNIGHT + day * DAY + number, session_id=f"s{day * 15 + number}", agent_id="a")
        for day in range(3)
        for number in range(15)
    ]
    write(path, happened, build=True)
    assert counts(path, "session_id") == {f"s{number}": 1 for number in range(45)}
    assert counts(path, "session_id", Filter("session_id", "IN", ("s3", "s40"))) == {"s3": 1, "s40": 1}
    distinct = Query("model_calls", WINDOW, (measure("countDistinct", "session_id"),))
    assert ask(path, distinct).total == {"count_distinct_session_id": 45}


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        (Filter("agent_id", "EQUAL", "a1"), 1),
        (Filter("agent_id", "NOT_IN", ("a0", "a2")), 1),
        (Filter("agent_id", "STRING_STARTS_WITH", "a"), 3),
        (Filter("agent_id", "IS_NULL", True), 0),
        (Filter("agent_id", "IS_NULL", False), 3),
        (Filter("latency_ms", "GREATER_THAN", 150), 1),
        (Filter("latency_ms", "GREATER_THAN_EQUAL", 100), 2),
        (Filter("latency_ms", "LESS_THAN", 0), 0),
        (Filter("latency_ms", "LESS_THAN_EQUAL", 0), 1),
        (Filter("latency_ms", "BETWEEN", (101, 199)), 0),
        (Filter("latency_ms", "IN", (0, 200)), 2),
        (Filter("latency_ms", "NOT_EQUAL", 0), 3),
        (Filter("team", "ARRAY_HAS_ANY", ("t2",)), 1),
        (Filter("team", "ARRAY_HAS_NONE", ("t2",)), 2),
        (Filter("cost_usd", "LESS_THAN", 5), 0),
        (Filter("is_failure", "EQUAL", True), 1),
        (Filter("metadata.k", "EQUAL", "v1"), 1),
        (Filter("metadata.none", "EQUAL", "v1"), 0),
        (Filter("agent", "EQUAL", "a2"), 1),
    ],
)
def test_segments_that_cannot_pass_a_filter_are_left_out(path: Path, where: Filter, parts: int) -> None:
    happened = [
        call(
            MIDNIGHT + day * DAY + number,
            agent_id=f"a{day}",
            latency_ms=100 * day,
            team=[f"t{day}"],
            is_failure=day == 1,
            metadata={"k": f"v{day}"},
        )
        for day in range(3)
        for number in range(4)
    ]
    write(path, happened)
    query = asked(where=(where,))
    expected = ask(path, query).total
    build(path)
    assert from_segments(path, query)[0] == parts
    assert ask(path, query).total == expected


def test_numbers_are_exact_whatever_width_they_need(path: Path) -> None:
    kept = [
        [0, 255, 7],
        [-1, 254, None],
        [65_536, 2**32 - 1, 0],
        [2**62, -(2**62), 5],
        [2**53 + 1, 0.5, 3],
        [0.1, 2.5, None],
        [None, None, None],
        [10_000_000_000, 10_000_000_001, None],
    ]
    happened = [
        call(MIDNIGHT + day * DAY + number, latency_ms=value) | ({} if value is not None else {"latency_ms": None})
        for day, values in enumerate(kept)
        for number, value in enumerate(values)
    ]
    measures = tuple(measure(how, "latency_ms") for how in ("sum", "min", "max", "count", "p50", "countDistinct"))
    for first in range(len(kept)):
        part = happened[3 * first : 3 * first + 3]
        own = path.with_name(f"{first}.db")
        query = Query("model_calls", WINDOW, measures)
        write(own, part)
        expected = ask(own, query).total
        build(own)
        found = ask(own, query).total
        assert [(value, type(value)) for value in found.values()] == [(v, type(v)) for v in expected.values()]


def test_decoded_columns_stay_within_their_limit_and_the_last_used_stay(path: Path) -> None:
    write(path, [call(MIDNIGHT + day * DAY + number) for day in range(5) for number in range(1_000)], build=True)
    small, large = ColumnCache(20_000), ColumnCache(1 << 30)
    query = Query("model_calls", WINDOW, (measure("p50", "latency_ms"),))
    assert ask(path, query, small).total == ask(path, query, large).total == {"p50_latency_ms": 1}
    assert 0 < small.size <= 20_000 < large.size


def test_pruning_drops_rows_and_segments_together_and_keeps_registries(path: Path) -> None:
    registry = {"type": "agent", "id": "a", "ts": MIDNIGHT - 9 * DAY, "name": "A"}
    happened = [call(MIDNIGHT + day * DAY + number) for day in range(3) for number in range(100)]
    write(path, [registry, *happened], build=True)
    write(path, [call(MIDNIGHT + 7, "late")])
    before = MIDNIGHT + DAY + 50
    assert upkeep.older(path, before) == {"model_calls": 151}
    with SqliteSink(path, clock=lambda: NOW) as sink:
        assert upkeep.prune(sink, before) == {"model_calls": 151}
        assert upkeep.prune(sink, before) == {}
    assert [each.start for each in found_spans(path)] == [MIDNIGHT + 2 * DAY]
    assert ask(path, asked()).total["count"] == 150
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from index_late").fetchone() == (0,)
        assert connection.execute("select count(*) from agents").fetchone() == (1,)
        blobs = connection.execute("select count(*) from index_blobs").fetchone()
        assert blobs == connection.execute("select count(*) from index_columns").fetchone()
    assert build(path) == 1
    assert ask(path, asked()).total["count"] == 150
    write(path, [call(MIDNIGHT)])
    assert ask(path, asked()).total["count"] == 151


def test_an_older_file_is_read_as_it_is_and_indexed_once_it_is_written_to(path: Path) -> None:
    write(path, [call(MIDNIGHT + number) for number in range(5)])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        tables = "select name from sqlite_master where name like 'index%' and type = 'table'"
        for (name,) in connection.execute(tables).fetchall():
            connection.execute(f"drop table {name}")
        connection.execute("delete from _sqlite_migrations where name = 'create_index'")
        connection.execute("pragma user_version = 1")
    assert ask(path, asked()).total["count"] == 5
    write(path, [call(MIDNIGHT + 10)], build=True)
    assert ask(path, asked()).total["count"] == 6
    assert len(found_spans(path)) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert schema.version(connection) == schema.VERSION


def test_several_readers_see_every_build_and_every_write(path: Path) -> None:
    write(path, [call(MIDNIGHT + number) for number in range(5)])
    readers = [SqliteStore(path, cache=ColumnCache(1 << 20)) for _ in range(2)]
    for step in range(6):
        if step % 2:
            build(path)
        else:
            write(path, [call(MIDNIGHT + DAY + step)])
        for each in readers:
            assert each.query(asked()).total["count"] == 6 + step // 2
    for each in readers:
        each.close()


def test_a_restored_copy_with_another_history_is_read_as_it_is(path: Path) -> None:
    write(path, [call(MIDNIGHT + number, agent_id="a") for number in range(5)], build=True)
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    cache = ColumnCache(1 << 20)
    for each, agent in ((path, "b"), (copy, "c")):
        write(each, [call(MIDNIGHT - DAY, agent_id=agent)], build=True)
    store = SqliteStore(path, cache=cache)
    assert sorted(store.query(asked(group_by=("agent_id",))).groups) == [("a",), ("b",)]
    copy.replace(path)
    assert sorted(store.query(asked(group_by=("agent_id",))).groups) == [("a",), ("c",)]
    store.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
def test_answers_never_depend_on_what_was_built_when(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    left = events(rng, 120)
    rng.shuffle(left)
    taken: list[Event] = []
    path = tmp_path / "store.db"
    store = SqliteStore(path, cache=ColumnCache(rng.choice((0, 1 << 16, 1 << 30))))
    while left:
        count = rng.randrange(60, 300)
        some, left = left[:count], left[count:]
        write(path, some)
        taken += some
        if rng.random() < 0.7:
            with SqliteSink(path, clock=lambda: NOW) as sink:
                Builder(sink).build(finish=rng.random() < 0.5, least=rng.choice((1, 5, 40)))
        oracle = Oracle(taken)
        for _ in range(20):
            one = question(rng)
            compare(one, store.query(one), oracle.answer(one))
        oracle.close()
    store.close()
