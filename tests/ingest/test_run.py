"""From lines to a store: what is counted as what, in which batches, and that nothing gets lost or raises."""

from __future__ import annotations

import gc
import io
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.core.catalog import BY_NAME, BY_TYPE
from agentgauge.core.errors import StoreBusy
from agentgauge.core.query import Receipt
from agentgauge.ingest import events
from agentgauge.ingest.check import Rejected, check
from agentgauge.ingest.imports import import_sources, sources_of
from agentgauge.ingest.run import BATCH, Intake, Rejection, Report, run
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TS = 1_780_000_000_000


class Recorder:
    """A Sink that keeps the batches it was handed, and is busy when it has taken `most`."""

    def __init__(self, most: int = 99) -> None:
        self.batches: list[list[Mapping[str, Any]]] = []
        self._most = most

    def recall(self, key: str) -> bytes | None:
        return None

    def write(self, events: Sequence[Mapping[str, Any]], memos: Mapping[str, bytes] | None = None) -> Receipt:
        if len(self.batches) == self._most:
            raise StoreBusy("busy")
        self.batches.append(list(events))
        return Receipt(accepted=len(events))


def message(n: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "id": f"m{n}", "ts": TS + n, "direction": "outbound", "status": "sent", **fields}


def lines(*objects: object) -> bytes:
    return b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in objects)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SqliteSink]:
    with SqliteSink(tmp_path / "orgs" / "acme.db", clock=lambda: TS) as sink:
        yield sink


def test_every_line_is_counted_once(sink: SqliteSink) -> None:
    body = lines(
        message(1),
        message(2),
        message(1),
        b"{torn\n",
        message(3, status="lost"),
        {"type": "as_of", "dataset": "messages", "ts": TS},
    )
    report = run(events.decode_body(body), sink, source="day.jsonl")
    assert (report.accepted, report.duplicate, report.replaced, report.rejected) == (3, 1, 0, 2)
    assert report.datasets == {"messages": 3, "as_of": 1}
    assert [(each.source, each.line, each.field) for each in report.rejections] == [
        ("day.jsonl", 4, ""),
        ("day.jsonl", 5, "status"),
    ]


def test_of_many_rejections_the_first_hundred_are_told(sink: SqliteSink) -> None:
    report = run(events.decode_body(b"no\n" * 250), sink)
    assert report.rejected == 250
    assert [each.line for each in report.rejections] == list(range(1, 101))


def test_events_whose_names_were_cleaned_are_counted_once_each(sink: SqliteSink) -> None:
    body = lines(
        message(1, user="a\u200b", channel="b\u200b"), message(2, user="\n", segments=-1), message(3, user="a")
    )
    report = run(events.decode_body(body), sink)
    assert (report.accepted, report.rejected, report.cleaned) == (2, 1, 1)


def test_events_are_written_in_batches_that_may_span_sources() -> None:
    sink, seen = Recorder(), list[int]()
    with Intake(sink, lambda report: seen.append(report.accepted)) as intake:
        intake.lines(((n, message(n)) for n in range(BATCH - 5)), "a")
        intake.events([message(n) for n in range(10)], "b")
    assert [len(batch) for batch in sink.batches] == [BATCH, 5]
    assert seen == [BATCH, BATCH + 5]


def test_derived_events_are_checked_like_lines_and_have_no_line_number(sink: SqliteSink) -> None:
    good = {"type": "model_call", "id": "c1", "ts": TS, "source": "claude_code", "call_key": "k", "call_rank": 1}
    with Intake(sink) as intake:
        intake.events([good, {**good, "call_rank": 2}, {**good, "input_tokens": -1}], "log")
        intake.reject("log", 7, Rejected("", "torn"))
    assert (intake.report.accepted, intake.report.replaced, intake.report.rejected) == (1, 1, 2)
    assert [(each.line, each.field) for each in intake.report.rejections] == [(None, "input_tokens"), (7, "")]


def test_a_busy_store_ends_it_and_the_report_tells_what_is_durable() -> None:
    intake = Intake(Recorder(most=1))
    with pytest.raises(StoreBusy), intake:
        intake.events(message(n) for n in range(BATCH * 3))
    assert intake.report.accepted == BATCH


def test_after_another_error_nothing_more_is_written() -> None:
    sink = Recorder()
    with pytest.raises(ZeroDivisionError), Intake(sink) as intake:
        intake.events([message(1)])
        raise ZeroDivisionError
    assert sink.batches == []


NAMES = st.sampled_from(sorted({field.name for dataset in BY_NAME.values() for field in dataset.fields}))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["sent", "2026-05-05T14:00:00Z"]),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.text(max_size=4), SCALARS, max_size=3),
    st.integers(2**62, 2**65),
)
SOUND: dict[str, dict[str, Any]] = {
    "message": {"direction": "inbound", "status": "sent"},
    "call": {"status": "busy"},
    "webhook": {"status": "failed"},
    "point": {"name": "n", "kind": "gauge", "value": 1},
    "as_of": {"dataset": "calls"},
}
"""What an event of the type needs beside its key."""


def event_of(kind: str, id: str, ts: int, call_key: str | None, call_rank: int) -> dict[str, Any]:
    return {"type": kind, "id": id, "ts": ts, **SOUND.get(kind, {}), "call_key": call_key, "call_rank": call_rank}


EVENTS = st.builds(
    event_of,
    st.sampled_from([*BY_TYPE, "as_of"]),
    st.text("abcé", min_size=1, max_size=3),
    st.integers(0, TS),
    st.sampled_from([None, None, "a", "b"]),
    st.integers(0, 2),
)
OTHERS = st.dictionaries(st.one_of(NAMES, st.text(max_size=4)), VALUES, max_size=3)


def and_others(event: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    return {**event, **others}


NEARLY = st.one_of(EVENTS, st.builds(and_others, EVENTS, OTHERS))


def as_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


LINES = st.one_of(EVENTS.map(as_bytes), NEARLY.map(as_bytes), VALUES.map(as_bytes), st.binary(max_size=20))


def test_whatever_the_lines_are_nothing_raises_and_the_counts_add_up(sink: SqliteSink) -> None:
    accepted = {"all": 0}

    @given(st.lists(EVENTS.map(as_bytes), min_size=2), st.lists(LINES), st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
    def holds(sound: list[bytes], others: list[bytes], end: bytes) -> None:
        body = end.join([*others, *sound])
        objects = list(events.decode(io.BufferedReader(io.BytesIO(body))))
        report = run(objects, sink)
        assert report.accepted + report.duplicate + report.replaced + report.rejected == len(objects)
        assert report.accepted + report.duplicate + report.replaced == sum(report.datasets.values())
        again = run(objects, sink)
        assert (again.accepted, again.replaced, again.rejected) == (0, 0, report.rejected)
        accepted["all"] += report.accepted

    holds()
    assert accepted["all"] > 50, "the lines were hardly ever events"


@given(NEARLY)
def test_what_a_check_gives_passes_the_check_unchanged(line: dict[str, Any]) -> None:
    try:
        event = check(json.loads(json.dumps(line)))
    except Rejected as rejected:
        assert rejected.reason
        return
    assert check(event) == event


def test_an_import_is_in_the_file_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "orgs" / "acme.db"
    with SqliteSink(path, clock=lambda: TS) as sink:
        report = run(events.decode_body(lines(*map(message, range(100)))), sink)
    assert report == Report(accepted=100, datasets=report.datasets)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from messages").fetchone() == (100,)


def test_an_import_that_fails_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "day.jsonl").write_bytes(lines(message(1)))
    before = gc.get_threshold()
    with pytest.raises(StoreBusy):
        import_sources(sources_of([str(tmp_path / "day.jsonl")], {}, tmp_path), Recorder(most=0))
    assert gc.get_threshold() == before


def test_a_rejection_says_what_a_person_needs_to_find_the_line() -> None:
    intake = Intake(Recorder())
    intake.lines([(12, message(1, cost_cents="free"))], "day.jsonl")
    assert intake.report.rejections == [Rejection("day.jsonl", 12, "cost_cents", '"free" is not a number.')]
