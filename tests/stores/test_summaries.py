"""Summaries of segments: an answer is the same to the last bit with and without them; a wide one reads no event."""

from __future__ import annotations

import logging
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from generate import END, HOUR, START, ZONES, events, question
from held import NOW

from agentgauge.core.query import Filter, Query, Top, measure
from agentgauge.core.time import Bucket, Window
from agentgauge.stores.sqlite import upkeep
from agentgauge.stores.sqlite.builder import Builder
from agentgauge.stores.sqlite.cache import ColumnCache
from agentgauge.stores.sqlite.reader import Index
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from agentgauge.core.table import Table

DAY = 24 * HOUR
MIDNIGHT = NOW - NOW % DAY
NEVER = 10**9
"""So many events a row that no summary is made."""
HOURS = Bucket("hour")
COUNT = measure("count", None)
ALL = (COUNT, *(measure(word, "cost_usd") for word in ("count", "sum", "avg", "min", "max")))


def calls(hours: int, each_hour: int) -> list[dict[str, Any]]:
    """Model calls of two models and two agents, some of them failures, each hour from midnight on."""
    rng = random.Random(7)
    return [
        {
            "type": "model_call",
            "id": f"{hour}-{number}",
            "ts": MIDNIGHT + hour * HOUR + number * (HOUR // each_hour),
            "model_name": rng.choice(("small", "large")),
            "agent_id": rng.choice(("a", "b")),
            "team": rng.choice((["core"], ["core", "web"], [])),
            "provider": "one",
            "is_failure": rng.random() < 0.2,
            "latency_ms": rng.randint(1, 2_000),
            **({"cost_usd": rng.random() / 7} if rng.random() < 0.8 else {}),
        }
        for hour in range(hours)
        for number in range(each_hour)
    ]


def store(path: Path, happened: Sequence[Mapping[str, Any]], dense: int = 1) -> Path:
    with SqliteSink(path, clock=lambda: NOW) as sink:
        sink.write(happened)
        Builder(sink, dense=dense).build(finish=True, least=1)
    return path


def ask(path: Path, query: Query) -> Table:
    asked = SqliteStore(path, cache=ColumnCache(1 << 30))
    try:
        return asked.query(query)
    finally:
        asked.close()


def reads(path: Path, query: Query) -> tuple[int, int]:
    """How many rows of summaries and how many events a question reads of the segments."""
    with closing(sqlite3.connect(path)) as connection:
        found = Index(ColumnCache(1 << 30)).find(connection, query)
    summed = [part for part in found.parts if part.events is not None]
    return sum(len(part.ts) for part in summed), sum(len(part.ts) for part in found.parts) - sum(
        len(part.ts) for part in summed
    )


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_is_the_same_to_the_last_bit_with_and_without_summaries(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    happened = events(rng, 300)
    first, second = (store(tmp_path / f"{dense}.db", happened, dense) for dense in (1, NEVER))
    stores = [SqliteStore(each, cache=ColumnCache(1 << 30)) for each in (first, second)]
    summed = 0
    for _ in range(100):
        asked = _on_the_hour(rng, question(rng))
        found, expected = (each.query(asked) for each in stores)
        assert found == expected, f"{asked}"
        summed += reads(first, asked)[0] > 0
    for each in stores:
        each.close()
    assert summed > 5


def _on_the_hour(rng: random.Random, asked: Query) -> Query:
    """A question whose window mostly begins and ends on the hour."""
    start, end = sorted(rng.sample(range(START, END + HOUR, HOUR), 2))
    odd = rng.choice((0, 0, 0, 1, 90_000))
    bucket = rng.choice((None, HOURS, Bucket("day", 1, rng.choice(ZONES)), Bucket("hour", 6), Bucket("minute", 90)))
    return replace(asked, window=Window(start + odd, end + odd), bucket=bucket)


def test_a_wide_question_reads_summaries_and_no_event(tmp_path: Path) -> None:
    path = store(tmp_path / "store.db", calls(24, 400), 64)
    asked = Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), ALL, bucket=HOURS, group_by=("model_name",))
    assert reads(path, asked) == (24 * 2 * 2, 0), "an hour, a model, failed or not"
    whole = replace(asked, bucket=None, where=(Filter("is_failure", "EQUAL", True),), top=Top(1))
    assert reads(path, whole) == (2 * 2, 0)
    assert reads(path, replace(whole, group_by=("provider", "error_code")))[1] == 0, "each is one value throughout"
    assert reads(path, replace(whole, group_by=("team", "agent_id")))[1] == 0
    plain = store(tmp_path / "plain.db", calls(24, 400), NEVER)
    assert ask(path, whole) == ask(plain, whole)


def test_hours_that_an_edge_cuts_are_read_from_the_events(tmp_path: Path) -> None:
    path = store(tmp_path / "store.db", calls(24, 400), 64)
    plain = store(tmp_path / "plain.db", calls(24, 400), NEVER)
    window = Window(MIDNIGHT + 2 * HOUR + 60_000, MIDNIGHT + 20 * HOUR)
    asked = Query("model_calls", window, ALL, group_by=("model_name",))
    assert reads(path, asked) == (23 * 2 * 2, 400)
    nepal = replace(asked, bucket=Bucket("day", 1, "Asia/Kathmandu"))
    assert reads(path, nepal) == (22 * 2 * 2, 800), "midnight there is 18:15"
    for each in (asked, nepal):
        assert ask(path, each) == ask(plain, each)


@pytest.mark.parametrize(
    "query",
    [
        Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), (measure("p50", "cost_usd"),)),
        Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), (measure("countDistinct", "latency_ms"),)),
        Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), (COUNT,), bucket=Bucket("minute")),
        Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), (COUNT,), bucket=Bucket("hour", 1, "Asia/Kathmandu")),
        Query(
            "model_calls",
            Window(MIDNIGHT, MIDNIGHT + DAY),
            (COUNT,),
            where=(Filter("latency_ms", "GREATER_THAN", 9),),
        ),
        Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), (COUNT,), group_by=("team", "agent_id", "model_name")),
    ],
    ids=[
        "quantile of what is seldom ranked",
        "distinct numbers",
        "minutes",
        "hours off the hour",
        "filter of numbers",
        "three fields",
    ],
)
def test_a_question_that_summaries_cannot_answer_exactly_reads_the_events(query: Query, tmp_path: Path) -> None:
    path = store(tmp_path / "store.db", calls(24, 400), 64)
    assert reads(path, query) == (0, 24 * 400)


def test_few_events_have_no_summaries(tmp_path: Path) -> None:
    path = store(tmp_path / "store.db", calls(24, 4), 64)
    asked = Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), (COUNT,), group_by=("model_name",), bucket=HOURS)
    assert reads(path, asked) == (0, 96)


def test_a_damaged_summary_is_reported_and_its_rows_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = store(tmp_path / "store.db", calls(24, 400), 64)
    asked = Query("model_calls", Window(MIDNIGHT, MIDNIGHT + DAY), (COUNT,), group_by=("model_name",), bucket=HOURS)
    expected = ask(path, asked)
    damage = """update index_blobs set data = cast(substr(data, 1, length(data) - 1) || x'ff' as blob)
    where id = (select blob from index_columns where field = 'hours["model_name"]')"""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(damage).rowcount == 1
    with caplog.at_level(logging.WARNING):
        assert ask(path, asked) == expected
    assert "is damaged" in caplog.text
    rebuild_damaged(path)
    assert reads(path, asked) == (24 * 2 * 2, 0)


def rebuild_damaged(path: Path) -> None:
    """Builds the one damaged segment anew, which is found by its checksums."""
    with SqliteSink(path, clock=lambda: NOW) as sink:
        damaged = upkeep.verify(sink)
        assert len(damaged) == 1
        assert Builder(sink, damaged, dense=64).build(finish=True, least=1).segments == 1
        assert upkeep.verify(sink) == set()


def test_summaries_go_with_their_segment(tmp_path: Path) -> None:
    path = store(tmp_path / "store.db", calls(24, 400), 64)
    with SqliteSink(path, clock=lambda: NOW) as sink:
        upkeep.prune(sink, MIDNIGHT + DAY)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("index_columns", "index_blobs"):
            assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)
