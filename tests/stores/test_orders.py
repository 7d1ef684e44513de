"""Quantiles out of values that lie in order beside summaries: exact whatever the values are, and no event is read."""

from __future__ import annotations

import logging
import math
import random
import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from held import NOW
from test_summaries import DAY, HOURS, MIDNIGHT, NEVER, calls, reads, rebuild_damaged, store

from agentgauge.core.query import Filter, Query, Top, measure
from agentgauge.core.time import Bucket, Window
from agentgauge.stores.sqlite.cache import ColumnCache
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agentgauge.core.table import Table

HOUR = DAY // 24
DAYS = Window(MIDNIGHT - DAY, MIDNIGHT + DAY)
PERCENTS = {"p1": 100, "p50": 5_000, "p95": 9_500, "p99.5": 9_950, "p100": 10_000}
ORDERED = tuple(measure(word, "value") for word in PERCENTS)
EACH = 12_000

SHAPES: dict[str, Callable[[random.Random, int], Any]] = {
    "spread evenly": lambda rng, at: rng.randint(0, 10**6),
    "rising with time": lambda rng, at: at,
    "falling, so that runs have nothing in common": lambda rng, at: -(at // 100),
    "one value": lambda rng, at: 7,
    "two values": lambda rng, at: rng.choice((0, 1)),
    "nearly always one value": lambda rng, at: 5 if rng.random() < 0.97 else rng.randint(0, 9),
    "the same early and late, else other": lambda rng, at: 0 if at % EACH < 300 else rng.randint(10, 20),
    "doubles": lambda rng, at: rng.lognormvariate(0, 2),
    "zeros of both signs": lambda rng, at: rng.choice((0.0, -0.0, 0, 1.5, -1.5)),
    "a zero with a sign": lambda rng, at: rng.choice((-0.0, 1.5, -1.5)),
    "integers beside doubles": lambda rng, at: rng.randint(-50, 50) if at < EACH else rng.random() * 100 - 50,
    "integers that no double is": lambda rng, at: 2**53 + rng.randint(0, 5) if at < EACH else rng.random() * 2**54,
    "the ends of the range": lambda rng, at: rng.choice((-(2**63), 2**63 - 1, 0)) if at < EACH else at,
}

TOO_WIDE = ("integers that no double is", "the ends of the range")


def points(shape: str) -> list[dict[str, Any]]:
    """Points of two days, in time, of three names; every tenth has another label."""
    rng = random.Random(shape)
    return [
        {
            "type": "point",
            "id": str(at),
            "ts": MIDNIGHT - DAY + at * (2 * DAY // (2 * EACH)),
            "name": rng.choice(("wait", "size", "size", "price")),
            "kind": "gauge",
            "value": SHAPES[shape](rng, at),
            "labels": {"tenth": str(at % 10 == 0)},
        }
        for at in range(2 * EACH)
    ]


def ask(path: Path, query: Query) -> Table:
    """The answer, which is the same the first time and when runs have been put together."""
    asked = SqliteStore(path, cache=ColumnCache(1 << 30))
    try:
        first, *others = (asked.query(query) for _ in range(3))
    finally:
        asked.close()
    assert all(each == first for each in others)
    return first


def nearest(values: Sequence[Any], ppnn: int) -> Any:
    return sorted(values)[max(math.ceil(ppnn * len(values) / 10_000), 1) - 1]


@pytest.mark.parametrize("shape", SHAPES)
def test_quantiles_of_many_events_are_exact_whatever_their_values(shape: str, tmp_path: Path) -> None:
    happened = points(shape)
    path = store(tmp_path / "store.db", happened, 32)
    asked = Query("points", DAYS, ORDERED, bucket=Bucket("hour", 6), group_by=("name",))
    assert reads(path, asked)[1] == (EACH * (shape in TOO_WIDE)), "no event is read, unless sums have no few numbers"
    values: dict[Any, list[Any]] = defaultdict(list)
    for each in happened:
        for key in (each["name"], None, (each["name"], (each["ts"] - DAYS.start) // (6 * HOUR))):
            values[key].append(each["value"])
    table = ask(path, asked)
    for label, ppnn in ((each.label, PERCENTS[each.label.partition("_")[0]]) for each in ORDERED):
        assert table.total[label] == nearest(values[None], ppnn)
        for at, (name,) in enumerate(table.groups):
            assert table.totals[label][at] == nearest(values[name], ppnn)
        for at, of, value in zip(table.at, table.of, table.values[label], strict=True):
            assert str(value) != "-0.0"
            assert value == nearest(values[table.groups[of][0], at], ppnn)
    assert table.exact is True


@pytest.mark.parametrize("each_hour", [3, 7, 8, 9, 10, 11, 15, 24])
def test_quantiles_are_exact_where_the_sample_misleads(each_hour: int, tmp_path: Path) -> None:
    """A sample that is evenly spaced sees the same place of every run, when runs are as long as its step."""
    happened = [
        {
            "type": "point",
            "id": f"{hour}-{at}",
            "ts": MIDNIGHT + hour * HOUR + at,
            "name": "wait",
            "kind": "gauge",
            "value": at * at,
        }
        for hour in range(400)
        for at in range(each_hour)
    ]
    path = store(tmp_path / "store.db", happened, 1)
    wanted = tuple(measure(f"p{percent}", "value") for percent in (1, 10, 25, 40, 50, 60, 75, 90, 99))
    table = ask(path, Query("points", Window(MIDNIGHT, MIDNIGHT + 400 * HOUR), wanted))
    values = [each["value"] for each in happened]
    assert [table.total[each.label] for each in wanted] == [nearest(values, each.ppnn) for each in wanted]


@pytest.mark.parametrize("shape", ["spread evenly", "integers beside doubles", "nearly always one value"])
def test_events_that_no_segment_has_and_hours_that_are_cut_are_ranked_with_the_rest(shape: str, tmp_path: Path) -> None:
    happened = points(shape)
    path = store(tmp_path / "store.db", happened[: EACH // 2 * 3], 32)
    with SqliteSink(path, clock=lambda: NOW) as sink:
        sink.write(happened[EACH // 2 * 3 :])
        sink.write([{**happened[at], "id": f"late {at}"} for at in range(0, EACH, 50)])
    whole = store(tmp_path / "plain.db", [], NEVER)
    with SqliteSink(whole, clock=lambda: NOW) as sink:
        sink.write(happened)
        sink.write([{**happened[at], "id": f"late {at}"} for at in range(0, EACH, 50)])
    windows = (
        DAYS,
        Window(DAYS.start + 5 * HOUR, DAYS.end - 3 * HOUR),
        Window(DAYS.start + 1_000, DAYS.end - 7_777_777),
    )
    for window in windows:
        for bucket in (None, HOURS, Bucket("day", 1, "Asia/Kathmandu"), Bucket("hour", 5)):
            for group_by in ((), ("name",)):
                asked = Query("points", window, ORDERED, bucket=bucket, group_by=group_by, top=Top(2))
                summed, events = reads(path, asked)
                assert summed
                assert events < EACH
                assert ask(path, asked) == ask(whole, asked)


def test_a_quantile_by_or_of_one_value_of_a_field_reads_no_event(tmp_path: Path) -> None:
    happened = calls(24, 400)
    path, plain = store(tmp_path / "store.db", happened, 64), store(tmp_path / "plain.db", happened, NEVER)
    wanted = (measure("count", None), measure("p95", "latency_ms"), measure("sum", "cost_usd"))
    window = Window(MIDNIGHT, MIDNIGHT + DAY)
    for query in (
        Query("model_calls", window, wanted, bucket=HOURS, group_by=("model_name",)),
        Query("model_calls", window, wanted, where=(Filter("agent_id", "EQUAL", "a"),)),
        Query("model_calls", window, wanted, where=(Filter("is_failure", "EQUAL", False),)),
        Query("model_calls", window, wanted, group_by=("provider", "team")),
    ):
        assert reads(path, query)[1] == 0
        assert ask(path, query) == ask(plain, query)


@pytest.mark.parametrize("half", [0, 12])
def test_a_window_that_ends_within_a_bucket_holds_no_values_beyond_it(half: int, tmp_path: Path) -> None:
    happened = [{**each, "latency_ms": 100 if each["ts"] < MIDNIGHT + 12 * HOUR else 9_000} for each in calls(24, 400)]
    path = store(tmp_path / "store.db", happened, 64)
    window = Window(MIDNIGHT + half * HOUR, MIDNIGHT + (half + 12) * HOUR)
    asked = Query(
        "model_calls", window, (measure("p95", "latency_ms"),), bucket=Bucket("day"), group_by=("model_name",)
    )
    table = ask(path, asked)
    assert table.total == {"p95_latency_ms": 9_000 if half else 100}
    assert table.values == {"p95_latency_ms": [9_000 if half else 100] * 2}


def test_a_window_that_a_segment_has_no_events_in_is_empty(tmp_path: Path) -> None:
    happened = [each for each in calls(24, 400) if each["ts"] >= MIDNIGHT + 12 * HOUR]
    path = store(tmp_path / "store.db", happened, 64)
    for group_by in ((), ("model_name",)):
        asked = Query(
            "model_calls",
            Window(MIDNIGHT, MIDNIGHT + 6 * HOUR),
            (measure("count", None), measure("p95", "latency_ms")),
            bucket=HOURS,
            group_by=group_by,
        )
        assert ask(path, asked).total == {"count": 0, "p95_latency_ms": None}


def test_hundreds_of_segments_are_told_apart(tmp_path: Path) -> None:
    """One model is in the first ones only, another in all of them."""
    days = 300
    happened = [
        {
            "type": "model_call",
            "id": f"{day}-{at}",
            "ts": MIDNIGHT + day * DAY + at,
            "model_name": "late" if at % 2 or day >= 200 else "early",
            "latency_ms": 9_000 + day if at % 2 == 0 and day < 200 else 10,
        }
        for day in range(days)
        for at in range(8)
    ]
    path = store(tmp_path / "store.db", happened, 1)
    wanted = (measure("p50", "latency_ms"),)
    window = Window(MIDNIGHT, MIDNIGHT + days * DAY)
    table = ask(path, Query("model_calls", window, wanted, bucket=Bucket("day"), group_by=("model_name",), top=Top(1)))
    assert table.groups == [("early",)]
    assert table.values == {"p50_latency_ms": [9_000 + day for day in range(200)]}
    assert table.other is not None
    assert table.other.totals == {"p50_latency_ms": 10}


def test_fields_that_part_events_alike_share_one_order(tmp_path: Path) -> None:
    happened = [
        {**each, "metadata": {f"key{key}": "abc"[(index + key) % 3] for key in range(30)}}
        for index, each in enumerate(calls(6, 400))
    ]
    names, blobs = orders_of(store(tmp_path / "store.db", happened, 64))
    assert len(names) == 5 + 1 + 30, "of all, by model, agent_id, team, is_failure; by agent; by the keys"
    assert blobs == 5 + 1, "the agent is its id, and all keys part alike"


def test_a_segment_has_only_so_many_orders_and_those_by_keys_come_last(tmp_path: Path) -> None:
    rng = random.Random(1)
    happened = [{**each, "metadata": {f"key{key}": rng.choice("abc") for key in range(30)}} for each in calls(6, 400)]
    names, blobs = orders_of(store(tmp_path / "store.db", happened, 64))
    assert blobs == 24
    assert 'ordered["agent"]latency_ms' in names
    assert sum("metadata" in name for name in names) == 24 - 5


def orders_of(path: Path) -> tuple[list[str], int]:
    """The names of the orders of latencies, and how many planes they are."""
    sql = "select field, blob from index_columns where field like 'ordered%latency_ms'"
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(sql).fetchall()
    return [name for name, _ in found], len({blob for _, blob in found})


def test_a_quantile_by_two_fields_reads_the_events(tmp_path: Path) -> None:
    path = store(tmp_path / "store.db", calls(24, 400), 64)
    window = Window(MIDNIGHT, MIDNIGHT + DAY)
    both = Query("model_calls", window, (measure("p95", "latency_ms"),), group_by=("model_name", "agent_id"))
    assert reads(path, both) == (0, 24 * 400)


def test_a_field_without_values_has_null_quantiles(tmp_path: Path) -> None:
    path = store(tmp_path / "store.db", calls(24, 400), 64)
    wanted = (measure("p95", "latency_ms"), measure("p95", "time_to_first_token_ms"))
    asked = Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), wanted, bucket=HOURS)
    assert reads(path, asked)[1] == 0
    table = ask(path, asked)
    assert table.total[wanted[0].label] is not None
    assert table.total[wanted[1].label] is None
    assert set(table.values[wanted[1].label]) == {None}


@pytest.mark.parametrize("field", ['ordered["model_name"]latency_ms', "values:latency_ms"])
def test_a_damaged_order_is_reported_and_its_rows_are_read(
    field: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = store(tmp_path / "store.db", calls(24, 400), 64)
    window = Window(MIDNIGHT, MIDNIGHT + DAY)
    asked = Query("model_calls", window, (measure("p50", "latency_ms"),), group_by=("model_name",), bucket=HOURS)
    expected = ask(path, asked)
    damage = """update index_blobs set data = cast(substr(data, 1, length(data) - 1) || x'ff' as blob)
    where id = (select blob from index_columns where field = ?)"""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(damage, [field]).rowcount == 1
    with caplog.at_level(logging.WARNING):
        assert ask(path, asked) == expected
    assert "is damaged" in caplog.text
    rebuild_damaged(path)
