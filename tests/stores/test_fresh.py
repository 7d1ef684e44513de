"""What an import keeps for the index: the index is the same as one made of the rows, or it is made of the rows."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from generate import events, question
from held import NOW
from seen import cells

from agentgauge.core.catalog import DATASETS
from agentgauge.stores.sqlite import dictionaries, segments
from agentgauge.stores.sqlite import fresh as kept
from agentgauge.stores.sqlite.builder import Builder
from agentgauge.stores.sqlite.cache import ColumnCache
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore
from agentgauge.stores.sqlite.upkeep import clear_index, prune

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from agentgauge.stores.sqlite.fresh import Fresh

Event = dict[str, Any]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets few events be enough to be kept."""
    monkeypatch.setattr(kept, "LEAST", 1)


def in_time(happened: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(happened, key=lambda each: (each["type"], each["ts"], each["id"]))


def once(happened: Sequence[Event]) -> list[Event]:
    """The events without those that are sent again."""
    return list({(each["type"], each["ts"], each["id"]): each for each in reversed(happened)}.values())


def index(path: Path) -> dict[tuple[Any, ...], list[Any] | None]:
    """The values of every column of the segments of a file, by dataset, stretch and field; of what is derived from
    columns, only that it is there."""
    sql = """select dataset, start, "end", field, about, events, data from index_segments as s
    join index_columns as c on c.segment = s.id join index_blobs as b on b.id = c.blob"""
    found: dict[tuple[Any, ...], list[Any] | None] = {}
    with closing(sqlite3.connect(path)) as connection:
        for dataset, start, end, field, text, events, data in connection.execute(sql):
            is_column = "[" not in field and ":" not in field
            values = dictionaries.load(connection, dataset, field) or (False, True)
            column = segments.decode(segments.told(text), events, data, values) if is_column else None
            found[dataset, start, end, field] = column and cells(column)
    return found


def rebuilt(path: Path) -> dict[tuple[Any, ...], list[Any] | None]:
    """The same after the index was dropped and made of the rows."""
    with SqliteSink(path, clock=lambda: NOW) as sink:
        clear_index(sink)
        Builder(sink, dense=1).build(finish=True, least=1)
    return index(path)


def held(fresh: Fresh, path: Path) -> list[str]:
    """The datasets of which all rows are kept."""
    with closing(sqlite3.connect(path)) as connection:
        return [each.name for each in DATASETS if fresh.take(connection, each.name, 0, 1 << 50) is not None]


@pytest.mark.parametrize("seed", range(3))
def test_the_index_is_what_the_rows_would_make_it(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    happened = in_time(once(events(random.Random(seed), 200)))
    with SqliteSink(path, clock=lambda: NOW) as sink:
        fresh = sink.keep()
        for start in range(0, len(happened), 70):
            sink.write(happened[start : start + 70])
        assert held(fresh, path) == ["messages", "requests", "model_calls", "tool_calls", "points"]
        Builder(sink, dense=1).build(finish=True, least=1)
    assert index(path) == rebuilt(path)


def test_a_stretch_of_some_of_the_batches_is_cut_out_of_them(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    happened = in_time([each for each in once(events(random.Random(5), 400)) if each["type"] == "message"])
    with SqliteSink(path, clock=lambda: NOW) as sink:
        fresh = sink.keep()
        for start in range(0, len(happened), 30):
            sink.write(happened[start : start + 30])
        first, last = happened[100]["ts"], happened[300]["ts"]
        with closing(sqlite3.connect(path)) as connection:
            found = fresh.take(connection, "messages", first, last)
            assert found is not None
            rows = connection.execute(
                "select ts, channel, cost_cents, coalesce(agent_id, agent_name) from messages where ts >= ? and ts < ?"
                " order by ts, id",
                [first, last],
            ).fetchall()
    ts, columns = found
    channel, cost, agent = (columns[name] for name in ("channel", "cost_cents", "agent"))
    assert list(zip(ts.tolist(), cells(channel), cells(cost), cells(agent), strict=True)) == rows


def message(ts: int, id: str, **fields: Any) -> Event:
    return {"type": "message", "ts": ts, "id": id, "direction": "outbound", "status": "sent", **fields}


ONES = [message(NOW + at, f"m{at}") for at in range(10)]
MORE = [message(NOW + at, f"m{at}") for at in range(10, 20)]


def kept_after(path: Path, *then: Callable[[SqliteSink], None]) -> bool:
    """Whether two batches are still kept once something else has happened between them."""
    with SqliteSink(path, clock=lambda: NOW) as sink:
        fresh = sink.keep()
        sink.write(ONES)
        for each in then:
            each(sink)
        sink.write(MORE)
        return held(fresh, path) == ["messages"]


def test_what_nothing_touched_is_kept(tmp_path: Path) -> None:
    assert kept_after(tmp_path / "store.db")


def test_what_another_connection_may_have_changed_is_forgotten(tmp_path: Path) -> None:
    def change(sink: SqliteSink) -> None:
        with closing(sqlite3.connect(sink.path, isolation_level=None)) as other:
            other.execute("update messages set channel = 'sms' where id = 'm3'")

    assert not kept_after(tmp_path / "store.db", change)


def test_what_the_sink_itself_changed_is_forgotten(tmp_path: Path) -> None:
    def change(sink: SqliteSink) -> None:
        assert sink.revise("messages", ["channel"], lambda event: {"channel": "sms"}) == len(ONES)

    assert not kept_after(tmp_path / "store.db", change)


def test_a_better_copy_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    calls = [
        {"type": "model_call", "ts": NOW + at, "id": f"c{at}", "call_key": f"k{at}", "call_rank": 1, "latency_ms": at}
        for at in range(20)
    ]
    better = {**calls[4], "id": "better", "call_rank": 2, "latency_ms": 1_000}
    with SqliteSink(path, clock=lambda: NOW) as sink:
        sink.keep()
        sink.write(calls)
        assert sink.write([better]).replaced == 1
        Builder(sink, dense=1).build(finish=True, least=1)
    assert index(path) == rebuilt(path)


def test_values_that_were_not_taken_are_not_kept(tmp_path: Path) -> None:
    with SqliteSink(tmp_path / "store.db", clock=lambda: NOW) as sink:
        sink.write([{**ONES[3], "channel": "email"}])
        fresh = sink.keep()
        assert sink.write(ONES).duplicate == 1
        assert held(fresh, sink.path) == []


def test_rows_that_were_there_before_are_read_with_those_that_are_kept(tmp_path: Path) -> None:
    with SqliteSink(tmp_path / "store.db", clock=lambda: NOW) as sink:
        sink.write([message(NOW + 3, "between")])
        fresh = sink.keep()
        sink.write(ONES)
        assert held(fresh, sink.path) == []


def test_rows_that_were_pruned_are_not_kept(tmp_path: Path) -> None:
    def drop(sink: SqliteSink) -> None:
        assert prune(sink, NOW + 5) == {"messages": 5}

    assert not kept_after(tmp_path / "store.db", drop)


def test_events_sent_again_are_read_from_the_rows(tmp_path: Path) -> None:
    def again(sink: SqliteSink) -> None:
        assert sink.write(ONES[5:]).duplicate == 5

    assert not kept_after(tmp_path / "store.db", again)


def test_events_that_come_before_those_kept_begin_anew(tmp_path: Path) -> None:
    def before(sink: SqliteSink) -> None:
        assert sink.write([message(NOW - 1, "before")]).accepted == 1

    assert not kept_after(tmp_path / "store.db", before)


def test_what_a_failed_turn_wrote_is_forgotten(tmp_path: Path) -> None:
    def fail(sink: SqliteSink) -> None:
        with suppress(ZeroDivisionError):
            sink.write([message(NOW + 9, "z")], memos=Failing())

    assert not kept_after(tmp_path / "store.db", fail)


class Failing(dict[str, bytes]):
    """Memos that cannot be written."""

    def __bool__(self) -> bool:
        raise ZeroDivisionError


def test_a_long_import_keeps_no_more_than_a_segment_after_a_build(tmp_path: Path) -> None:
    with SqliteSink(tmp_path / "store.db", clock=lambda: NOW) as sink:
        fresh = sink.keep()
        for start in range(0, 200_000, 10_000):
            sink.write([message(NOW + at, f"m{at:06}") for at in range(start, start + 10_000)])
        assert fresh.events == 200_000
        Builder(sink).build(going_on=True)
        fresh.trim()
        assert fresh.events == 130_000
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("select events from index_segments").fetchall() == [(131_072,)]


def test_an_import_is_not_indexed_as_it_goes_once_events_step_back_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MANY", 10)
    with SqliteSink(tmp_path / "store.db", clock=lambda: NOW) as sink:
        fresh = sink.keep()
        sink.write(ONES)
        assert fresh.is_full
        sink.write([message(NOW - 1, "before")])
        sink.write(MORE)
        assert fresh.events > 10
        assert not fresh.is_full


def test_answers_are_the_same_after_an_import_that_was_indexed_as_it_went_on(tmp_path: Path) -> None:
    rng = random.Random(3)
    happened = in_time(once(events(rng, 300)))
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    with SqliteSink(one, clock=lambda: NOW) as sink:
        sink.keep()
        for start in range(0, len(happened), 100):
            sink.write(happened[start : start + 100])
            Builder(sink, dense=1).build(least=1, going_on=start % 200 == 0)
    with SqliteSink(other, clock=lambda: NOW) as sink:
        sink.write(happened)
    stores = [SqliteStore(path, cache=ColumnCache(1 << 30)) for path in (one, other)]
    for _ in range(60):
        asked = question(rng)
        found, expected = (each.query(asked) for each in stores)
        assert (list(found.at), list(found.of)) == (list(expected.at), list(expected.of))
        assert replace(found, at=(), of=()) == replace(expected, at=(), of=())
    for each in stores:
        each.close()
