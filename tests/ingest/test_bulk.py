"""Many lines at once are taken as each would be on its own, or left to be checked one by one."""

from __future__ import annotations

import copy
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentgauge.core.alike import Alike
from agentgauge.core.catalog import DATASETS, Dataset, Field
from agentgauge.ingest.bulk import plain
from agentgauge.ingest.check import Rejected, check
from agentgauge.ingest.run import TOGETHER, run
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TS = 1_780_000_000_000
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ("", "a\u0000b", "\u200b", "é", "x" * 1_025, "x" * 129, [], ["a", "a"], ["a", 1], {"a": 1}, {"a": "b"})
    ),
)
TIMES = st.one_of(
    st.sampled_from(
        (
            "2026-05-05T09:00:01.250Z",
            "2026-05-05T09:00:59.999Z",
            "2026-05-05T09:00:60.000Z",
            "2026-05-05T09:00:5 .000Z",
            "2026-05-05T09:00:01.25oZ",
            "2026-05-05T09:00:+1.250Z",
            "2026-05-05T09:00:1_.250Z",
            "2026-05-05T09:00:0٠.250Z",
            "2026-05-05 09:00:01.250Z",
            "2026-13-05T09:00:01.250Z",
            "2026-05-05T24:00:01.250Z",
            "2026-05-05T09:00:٠١.250Z",
            "2026-05-05T09:00:01Z",
            "2026-05-05T09:00:01.250+02:00",
            "1969-05-05T09:00:01.250Z",
        )
    ),
    st.integers(TS, TS + 10),
    ODD,
)


def fitting(field: Field) -> st.SearchStrategy[Any]:
    """Values that a machine would write."""
    if field.values:
        return st.sampled_from(field.values)
    return {
        "string": st.sampled_from(("a", "b", "ä")),
        "code": st.sampled_from(("30007", "x")),
        "integer": st.integers(0, 9),
        "number": st.one_of(st.integers(0, 9), st.sampled_from((0.5, 2.0))),
        "boolean": st.booleans(),
        "strings": st.sampled_from(([], ["a"], ["b"])),
        "map": st.sampled_from(({}, {"k": "v"}, {"k": "w", "l": "v"})),
    }[field.type]


@st.composite
def alike(draw: st.DrawFn) -> list[object]:
    """Lines of one type, mostly as they should be."""
    holder: Dataset = draw(st.sampled_from(DATASETS))
    names = draw(st.lists(st.sampled_from(holder.fields), unique_by=lambda each: each.name, max_size=6))
    fields = {each.name: each for each in (*names, *(each for each in holder.fields if each.required))}
    lines: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 6))):
        values = {name: draw(fitting(field)) for name, field in fields.items()}
        lines.append({"type": holder.type, "id": f"e{number}", "ts": TS + number, **values})
    others: list[object] = []
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):  # and now and then something else
        name = draw(st.sampled_from(("type", "id", "unknown", *fields, "ts")))
        draw(st.sampled_from(lines))[name] = draw(TIMES if name == "ts" else ODD)
        others += [draw(ODD)] if draw(st.booleans()) else []
    return [*lines, *others]


def one_by_one(lines: Sequence[object]) -> list[dict[str, Any]] | None:
    """What each comes to on its own; None when one is no event."""
    try:
        return [check(line) for line in lines]
    except Rejected:
        return None


@given(alike())
@example([{"type": "model_call", "id": "e", "ts": TS, "latency_ms": each} for each in (1.0, float("nan"), 2.0)])
@example([{"type": "webhook", "id": "e", "ts": TS, **more} for more in ({"status": "failed"}, {})])
@example([{"type": "model_call", "id": "e", "ts": TS, "input_tokens": 2**63}])
@example([{"type": "point", "id": "e", "ts": TS, "name": "n", "kind": "gauge", "value": 2**63}])
@example(
    [{"type": "point", "id": "e", "ts": TS, "name": "n", "kind": "gauge", "value": v} for v in (1, 2**63 + 1, 1e300)]
)
@example([{"type": "tool_call", "id": "e", "ts": TS, "team": [each]} for each in ("core", "équipe", 7)])
@example([{"type": "point", "id": "e", "ts": TS, "name": "", "kind": "gauge", "value": 1}])
@example([{"type": "as_of", "dataset": "messages", "ts": TS}])
def test_what_is_taken_at_once_is_what_each_line_is_on_its_own(lines: list[object]) -> None:
    expected = one_by_one(copy.deepcopy(lines))
    alike_events = plain(lines)
    if alike_events is not None:
        found = list(alike_events)
        assert [sorted(each.items(), key=str) for each in found] == [
            sorted(each.items(), key=str) for each in expected or ()
        ]
        for taken, each in zip(found, expected or (), strict=True):
            assert {name: type(value) for name, value in taken.items()} == {n: type(v) for n, v in each.items()}


@pytest.mark.parametrize("holder", DATASETS, ids=lambda each: each.name)
def test_lines_as_machines_write_them_are_taken_at_once(holder: Dataset) -> None:
    values: dict[str, Any] = {
        "string": "text",
        "code": "7",
        "integer": 3,
        "number": 2.5,
        "boolean": True,
        "strings": ["core"],
        "map": {"key": "value"},
    }
    fields = {each.name: each.values[0] if each.values else values[each.type] for each in holder.fields}
    lines = [
        {"type": holder.type, "id": f"e{number}", "ts": f"2026-05-05T09:00:0{number}.250Z", **fields}
        for number in range(4)
    ]
    expected = one_by_one(copy.deepcopy(lines))
    assert list(plain(lines) or ()) == expected
    del lines[2][holder.fields[-1].name]
    assert plain([{**line, "ts": TS} for line in lines]) is not None, "not every line has every field"
    assert plain([{**line, "team": ["équipe"]} for line in lines]) is not None


@given(TIMES)
def test_a_time_is_read_the_same_however_it_is_written(ts: Any) -> None:
    """The quick reading of the common form and the slow one of every form agree."""
    given = {"type": "message", "id": "m", "direction": "outbound", "status": "sent"}
    found, slow = (
        one_by_one([{**given, "ts": each}]) for each in (ts, ts.replace("Z", "+00:00") if isinstance(ts, str) else ts)
    )
    assert found == slow


def message(at: int, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "id": f"m{at}", "ts": TS + at, "direction": "outbound", "status": "sent", **fields}


def test_events_that_come_alike_are_events_in_their_order() -> None:
    parts = [plain([message(at, **more) for at in range(start, start + 3)]) for start, more in PARTS]
    assert all(parts)
    joined = Alike.join([each for each in parts if each])
    expected = [message(at, **more) for start, more in PARTS for at in range(start, start + 3)]
    assert list(joined) == expected
    assert [joined[at] for at in range(len(joined))] == expected
    assert list(joined[2:7]) == expected[2:7]
    assert len(joined) == 9


PARTS: tuple[tuple[int, dict[str, Any]], ...] = ((0, {}), (3, {"channel": "sms"}), (6, {"agent_id": "a"}))


def test_whole_portions_of_different_types_go_to_their_own_tables(tmp_path: Path) -> None:
    point = {"type": "point", "name": "n", "kind": "gauge", "value": 1}
    lines = [message(at) for at in range(TOGETHER)]
    lines += [{**point, "id": f"p{at}", "ts": TS + at} for at in range(TOGETHER)]
    with SqliteSink(tmp_path / "store.db", clock=lambda: TS) as sink:
        report = run(enumerate(lines, 1), sink)
    assert report.datasets == {"messages": TOGETHER, "points": TOGETHER}
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        for table in report.datasets:
            assert connection.execute(f"select count(*) from {table}").fetchone() == (TOGETHER,)


def test_lines_of_several_types_and_wrong_ones_are_written_in_their_order(tmp_path: Path) -> None:
    """However they are taken, at once or one by one: of two with one key the first wins."""
    point = {"type": "point", "name": "n", "kind": "gauge", "value": 1}
    lines: list[object] = [message(at) for at in range(600)]
    lines += [
        {"type": "message", "id": "wrong", "ts": TS},
        message(600, channel="first"),
        message(600, channel="second"),
    ]
    lines += [{**point, "id": f"p{at}", "ts": TS + at} for at in range(1_200)]
    lines += [message(at, channel="again") for at in range(590, 1_300)]
    with SqliteSink(tmp_path / "store.db", clock=lambda: TS) as sink:
        report = run(enumerate(copy.deepcopy(lines), 1), sink)
    assert (report.accepted, report.duplicate, report.rejected) == (1_300 + 1_200, 12, 1)
    assert report.datasets == {"messages": 1_312, "points": 1_200}
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        channels = dict(connection.execute("select channel, count(*) from messages group by 1").fetchall())
    assert channels == {None: 600, "first": 1, "again": 699}
