"""What `SqliteSink.revise` changes, and what it leaves alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agentgauge.core.errors import UnknownName
from agentgauge.stores.sqlite import files, revision
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOW = 1_780_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return files.store_path(tmp_path, "acme")


def opened(path: Path) -> SqliteSink:
    return SqliteSink(path, clock=lambda: NOW)


def call(number: int, **fields: Any) -> dict[str, Any]:
    return {"type": "model_call", "id": f"c{number:05}", "ts": NOW + number // 10, "input_tokens": number, **fields}


def rows(path: Path, columns: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(f"select {columns} from model_calls order by ts, id").fetchall()


def test_every_event_is_looked_at_once_over_several_turns(path: Path) -> None:
    count = 2 * revision.PORTION
    seen: list[str] = []

    def double(event: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.append(event["id"])
        return {"output_tokens": 2 * event["input_tokens"]}

    with opened(path) as sink:
        sink.write([call(number) for number in range(count)])
        assert sink.revise("model_calls", ["input_tokens", "output_tokens"], double) == count
    assert seen == [f"c{number:05}" for number in range(count)]
    assert rows(path, "output_tokens") == [(2 * number,) for number in range(count)]


def test_what_is_given_as_it_is_already_changes_nothing(path: Path) -> None:
    with opened(path) as sink:
        sink.write([call(1, cost_usd=0.5)])
        assert sink.revise("model_calls", ["cost_usd"], lambda _: {"cost_usd": 0.5}) == 0
        assert sink.revise("model_calls", ["cost_usd"], lambda _: {}) == 0


def test_a_map_is_given_and_taken_as_one_and_every_other_field_stays(path: Path) -> None:
    def tagged(event: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"metadata": (event["metadata"] or {}) | {"b": "2"}}

    with opened(path) as sink:
        sink.write([call(1, metadata={"a": "1"}, team=["x"]), call(2)])
        assert sink.revise("model_calls", ["metadata"], tagged) == 2
    assert rows(path, "metadata, team, input_tokens") == [('{"a":"1","b":"2"}', '["x"]', 1), ('{"b":"2"}', None, 2)]


def test_events_before_since_are_not_looked_at(path: Path) -> None:
    with opened(path) as sink:
        sink.write([call(number) for number in (5, 10, 20)])
        assert sink.revise("model_calls", ["cost_usd"], lambda _: {"cost_usd": 1.0}, since=NOW + 1) == 2
    assert rows(path, "cost_usd") == [(None,), (1.0,), (1.0,)]


def test_a_rule_that_fails_undoes_its_turn(path: Path) -> None:
    def failing(event: Mapping[str, Any]) -> Mapping[str, Any]:
        if event["id"] == "c00002":
            raise RuntimeError("broken")
        return {"cost_usd": 1.0}

    with opened(path) as sink:
        sink.write([call(1), call(2)])
        with pytest.raises(RuntimeError):
            sink.revise("model_calls", ["cost_usd"], failing)
    assert rows(path, "cost_usd") == [(None,), (None,)]


def test_the_freshness_of_the_dataset_stays(path: Path) -> None:
    def marks() -> list[Any]:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute("select * from watermarks").fetchall()

    with opened(path) as sink:
        sink.write([call(1)])
        before = marks()
        sink.revise("model_calls", ["cost_usd"], lambda _: {"cost_usd": 1.0})
        assert marks() == before


def test_a_field_that_the_dataset_has_not_is_refused(path: Path) -> None:
    with opened(path) as sink, pytest.raises(UnknownName):
        sink.revise("model_calls", ["price"], lambda _: {})
