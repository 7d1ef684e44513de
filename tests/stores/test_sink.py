"""The SQLite sink: what it counts as what, up to when a dataset is known, and what survives what."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st

import agentgauge
from agentgauge.core.catalog import BY_NAME, BY_TYPE
from agentgauge.core.errors import InvalidValue, StoreBusy, StoreCorrupt, StoreUnwritable
from agentgauge.core.query import Receipt
from agentgauge.stores.sqlite import files, schema, watermarks
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.watermarks import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Event = dict[str, Any]
MINUTE = 60_000
NOW = 1_780_000_000_000
OLD = NOW - 24 * 60 * MINUTE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return files.store_path(tmp_path, "acme")


def message(ts: int = OLD, id: str = "m1", **fields: Any) -> Event:
    return {"type": "message", "id": id, "ts": ts, "direction": "outbound", "status": "sent", **fields}


def model_call(rank: int, ts: int = OLD, id: str = "c1", key: str = "anthropic:msg_1", **fields: Any) -> Event:
    return {"type": "model_call", "id": id, "ts": ts, "call_key": key, "call_rank": rank, **fields}


def as_of(ts: int, dataset: str = "messages") -> Event:
    return {"type": "as_of", "dataset": dataset, "ts": ts}


def deliver(path: Path, *batches: list[Event], now: int = NOW) -> Receipt:
    """One delivery, and what became of its events."""
    total = Receipt()
    with SqliteSink(path, clock=lambda: now) as sink:
        for batch in batches:
            part = sink.write(batch)
            total.accepted += part.accepted
            total.duplicate += part.duplicate
            total.replaced += part.replaced
    return total


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def mark(path: Path, dataset: str = "messages") -> int | None:
    found = rows(path, f"select as_of from watermarks where dataset = '{dataset}'")
    return found[0][0] if found else None


# What is stored


def test_every_field_comes_back_as_it_was_given(path: Path) -> None:
    event = message(
        error_code="30003", cost_cents=1.5, segments=2, team=["a", "b"], metadata={"näme": "x"}, agent_id="agent_1"
    )
    deliver(path, [event, message(id="m2", cost_cents=3, team=[], metadata={})])
    stored = rows(path, "select error_code, cost_cents, segments, team, metadata, agent_id from messages order by id")
    assert stored[0] == ("30003", 1.5, 2, '["a","b"]', '{"näme":"x"}', "agent_1")
    assert stored[1] == (None, 3, None, None, None, None)
    assert isinstance(stored[1][1], int)


def test_a_whole_double_stays_a_double(path: Path) -> None:
    deliver(path, [message(cost_cents=3.0)])
    assert rows(path, "select typeof(cost_cents) from messages") == [("real",)]


def test_a_boolean_is_stored_as_0_or_1(path: Path) -> None:
    deliver(path, [model_call(0, is_failure=True), model_call(0, id="c2", key="other", is_failure=False)])
    assert rows(path, "select is_failure from model_calls order by id") == [(1,), (0,)]


def test_every_dataset_of_the_catalog_has_its_table(path: Path) -> None:
    deliver(path)
    for dataset in BY_NAME.values():
        assert [each[1] for each in rows(path, f"pragma table_info({dataset.name})")] == list(schema.columns(dataset))
    assert rows(path, "pragma user_version") == [(schema.VERSION,)]


def test_every_type_of_event_is_taken(path: Path) -> None:
    events = [{"type": kind, "id": "x", "ts": OLD} for kind in BY_TYPE]
    assert deliver(path, events) == Receipt(accepted=len(events))


def test_the_file_is_in_wal_mode_with_large_pages_and_the_log_is_folded_in_at_the_end(path: Path) -> None:
    deliver(path, [message()])
    assert rows(path, "pragma journal_mode") == [("wal",)]
    assert rows(path, "pragma page_size") == [(16_384,)]
    assert files.wal_size(path) == 0


def test_the_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    deliver(files.store_path(home, "acme"))
    assert [each.stat().st_mode & 0o777 for each in (home, home / "orgs")] == [0o700, 0o700]


def test_a_file_of_the_newest_version_opens_without_sqlite_utils(path: Path) -> None:
    deliver(path, [message()])
    script = "import sys; deliver(message(id='m2')); assert 'sqlite_utils' not in sys.modules"
    child = run_child(path, script)
    child.communicate()
    assert child.returncode == 0
    assert rows(path, "select count(*) from messages") == [(2,)]


@pytest.mark.parametrize("name", ["", "-a", "Acme", "a/b", "..", "a" * 64, "a\n", "ä"])
def test_a_name_that_no_organisation_may_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValue):
        files.store_path(tmp_path, name)


def test_organisations_are_the_files_with_a_name_that_one_may_have(tmp_path: Path) -> None:
    for name in ("b", "a-1"):
        deliver(files.store_path(tmp_path, name))
    (tmp_path / "orgs" / "Not One.db").touch()
    assert files.organisations(tmp_path) == ["a-1", "b"]


# What counts as a duplicate


def test_sending_the_same_events_again_changes_nothing(path: Path) -> None:
    events = [message(OLD + n, f"m{n}") for n in range(50)] + [as_of(OLD + 20)]
    assert deliver(path, events) == Receipt(accepted=51)
    before = rows(path, "select * from messages"), rows(path, "select * from watermarks")
    assert deliver(path, events, now=NOW + MINUTE) == Receipt(duplicate=51)
    assert (rows(path, "select * from messages"), rows(path, "select * from watermarks")) == before


def test_of_two_with_one_key_the_first_wins(path: Path) -> None:
    assert deliver(path, [message(channel="sms")], [message(channel="rcs")]) == Receipt(accepted=1, duplicate=1)
    assert rows(path, "select channel from messages") == [("sms",)]


def test_of_two_with_one_key_in_one_batch_the_first_wins(path: Path) -> None:
    assert deliver(path, [message(channel="sms"), message(channel="rcs")]) == Receipt(accepted=1, duplicate=1)
    assert rows(path, "select channel from messages") == [("sms",)]


def test_in_a_batch_out_of_order_the_first_of_two_with_one_key_wins_whole(path: Path) -> None:
    first, second = message(OLD, "x", channel="sms"), message(OLD, "x", user="late", team=["core"])
    batch = [message(OLD + 9, "y", segments=2), first, message(OLD + 5, "z", user="u"), second]
    assert deliver(path, batch) == Receipt(accepted=3, duplicate=1)
    stored = rows(path, "select id, channel, user, team, segments from messages")
    assert stored == [("x", "sms", None, None, None), ("z", None, "u", None, None), ("y", None, None, None, 2)]


def test_the_same_id_at_another_time_or_in_another_dataset_is_another_event(path: Path) -> None:
    events = [message(OLD, "x"), message(OLD + 1, "x"), {"type": "call", "id": "x", "ts": OLD, "status": "busy"}]
    assert deliver(path, events) == Receipt(accepted=3)


def test_more_than_a_batch_is_split_and_counted_as_one(path: Path) -> None:
    events = [message(OLD + n, "m") for n in range(25_000)]
    with SqliteSink(path, clock=lambda: NOW) as sink:
        assert sink.write([*events, *events[:10]]) == Receipt(accepted=25_000, duplicate=10)


# Copies of one happening


def test_a_better_copy_replaces_the_row_and_moves_it(path: Path) -> None:
    copies = [model_call(1, OLD, "half", output_tokens=3), model_call(2, OLD + 5, "whole", output_tokens=90)]
    assert deliver(path, copies[:1], copies[1:]) == Receipt(accepted=1, replaced=1)
    assert rows(path, "select ts, id, output_tokens, call_rank from model_calls") == [(OLD + 5, "whole", 90, 2)]


def test_a_better_copy_with_the_same_id_and_time_replaces_the_row(path: Path) -> None:
    assert deliver(path, [model_call(1, output_tokens=3)], [model_call(2, output_tokens=9)]).replaced == 1
    assert rows(path, "select output_tokens from model_calls") == [(9,)]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_copy_that_is_no_better_is_a_duplicate(path: Path, rank: int) -> None:
    assert deliver(path, [model_call(1, id="a")], [model_call(rank, OLD + 9, "b")]) == Receipt(accepted=1, duplicate=1)
    assert rows(path, "select id from model_calls") == [("a",)]


def test_a_copy_without_a_rank_is_the_worst(path: Path) -> None:
    bare = {"type": "model_call", "id": "bare", "ts": OLD, "call_key": "anthropic:msg_1"}
    assert deliver(path, [bare, model_call(1, id="better")]) == Receipt(accepted=1, replaced=1)


def test_a_copy_does_not_take_the_place_of_another_happening(path: Path) -> None:
    other = model_call(1, OLD, "taken", key="other")
    receipt = deliver(path, [model_call(1, OLD, "mine"), other], [model_call(2, OLD, "taken")])
    assert receipt == Receipt(accepted=2, duplicate=1)
    assert rows(path, "select id, call_key from model_calls order by id") == [
        ("mine", "anthropic:msg_1"),
        ("taken", "other"),
    ]


def test_the_same_call_key_in_two_datasets_is_two_happenings(path: Path) -> None:
    tool = {"type": "tool_call", "id": "t", "ts": OLD, "call_key": "anthropic:msg_1", "call_rank": 1}
    assert deliver(path, [model_call(1), tool]) == Receipt(accepted=2)


@given(
    copies=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from(["k1", "k2", None])), max_size=12),
    cut=st.integers(0, 12),
)
def test_in_any_order_and_any_batches_the_best_copy_of_each_happening_stays(
    tmp_path_factory: pytest.TempPathFactory, copies: list[tuple[int, int, str | None]], cut: int
) -> None:
    """Copies of one happening have ids of their own, so that the first of the best is the one to stay."""
    events: list[Event] = []
    for rank, ts, key in copies:
        event = model_call(rank, OLD + ts, f"{key}-{rank}", key or "")
        events.append(event if key else {name: each for name, each in event.items() if name != "call_key"})
    path = files.store_path(tmp_path_factory.mktemp("home"), "acme")
    receipt = deliver(path, events[:cut], events[cut:])

    best: dict[Any, Event] = {}
    for event in events:
        happening = event.get("call_key") or (event["ts"], event["id"])
        if happening not in best or event["call_rank"] > best[happening]["call_rank"]:
            best[happening] = event
    stored = rows(path, "select ts, id from model_calls order by ts, id")
    assert stored == sorted((event["ts"], event["id"]) for event in best.values())
    assert receipt.accepted == len(best)
    assert receipt.accepted + receipt.duplicate + receipt.replaced == len(events)


# Up to when a dataset is known


def test_a_dataset_without_events_has_no_as_of(path: Path) -> None:
    deliver(path)
    assert mark(path) is None


def test_without_an_as_of_line_the_newest_event_says_it(path: Path) -> None:
    deliver(path, [message(OLD + 7), message(OLD, "m2")])
    assert mark(path) == OLD + 7


def test_an_as_of_line_says_it_though_newer_events_came_before(path: Path) -> None:
    deliver(path, [message(OLD + 7)], [message(OLD + 8, "m2")], [as_of(OLD + 3)])
    assert mark(path) == OLD + 3


def test_an_as_of_line_may_lie_after_the_last_event(path: Path) -> None:
    deliver(path, [message(OLD), as_of(OLD + 99)])
    assert mark(path) == OLD + 99


def test_events_after_an_as_of_line_do_not_move_it(path: Path) -> None:
    deliver(path, [as_of(OLD)], [message(OLD + 7)])
    deliver(path, [message(OLD + 8, "m2")])
    assert mark(path) == OLD


def test_as_of_never_falls_below_what_it_was_before_the_delivery(path: Path) -> None:
    deliver(path, [message(OLD + 7)])
    deliver(path, [message(OLD + 9, "m2")], [as_of(OLD + 3)])
    assert mark(path) == OLD + 7


def test_an_older_or_equal_as_of_line_is_a_duplicate(path: Path) -> None:
    assert deliver(path, [as_of(OLD)], [as_of(OLD), as_of(OLD - 1), as_of(OLD + 1)]) == Receipt(2, 2)
    assert mark(path) == OLD + 1


def test_an_event_of_the_future_does_not_move_it_past_its_receipt(path: Path) -> None:
    deliver(path, [message(NOW + 99 * MINUTE)])
    assert mark(path) == NOW


def test_a_live_batch_is_known_up_to_its_receipt(path: Path) -> None:
    deliver(path, [message(NOW - 9 * MINUTE)])
    assert mark(path) == NOW


def test_a_batch_whose_newest_event_is_ten_minutes_old_is_not_live(path: Path) -> None:
    deliver(path, [message(NOW - 10 * MINUTE)])
    assert mark(path) == NOW - 10 * MINUTE


def test_a_live_batch_moves_a_dataset_with_an_as_of_line_too(path: Path) -> None:
    deliver(path, [as_of(OLD)])
    deliver(path, [message(NOW - MINUTE)])
    assert mark(path) == NOW


def test_a_live_event_that_was_sent_before_says_nothing_new(path: Path) -> None:
    deliver(path, [message(NOW - MINUTE)])
    deliver(path, [message(NOW - MINUTE), message(OLD, "late")], now=NOW + 5 * MINUTE)
    assert mark(path) == NOW


def test_a_live_event_among_repeated_ones_is_noticed(path: Path) -> None:
    known = [message(NOW - MINUTE - n, f"m{n}") for n in range(5)]
    deliver(path, known)
    deliver(path, [*known, message(NOW - 2 * MINUTE, "new")], now=NOW + 5 * MINUTE)
    assert mark(path) == NOW + 5 * MINUTE


def test_datasets_have_marks_of_their_own(path: Path) -> None:
    deliver(path, [message(OLD), as_of(OLD + 5, "calls")])
    assert (mark(path), mark(path, "calls"), mark(path, "points")) == (OLD, OLD + 5, None)


def test_a_replacement_counts_as_news(path: Path) -> None:
    deliver(path, [model_call(1, OLD)], [model_call(2, OLD + 9, "c2")])
    assert mark(path, "model_calls") == OLD + 9


def test_an_open_sink_can_begin_another_delivery(path: Path) -> None:
    with SqliteSink(path, clock=lambda: NOW) as sink:
        sink.write([message(OLD + 7)])
        sink.deliver()
        sink.write([message(OLD + 9, "m2"), as_of(OLD)])
    assert mark(path) == OLD + 7


def test_a_delivery_keeps_what_another_one_reached_in_the_meantime(path: Path) -> None:
    with SqliteSink(path, clock=lambda: NOW) as sink:
        sink.write([message(OLD)])
        deliver(path, [message(OLD + 7, "m2")])
        sink.write([as_of(OLD + 3)])
    assert mark(path) == OLD + 7


INSTANTS = st.one_of(st.none(), st.integers(0, 50))


@given(INSTANTS, INSTANTS, INSTANTS, INSTANTS, st.integers(0, 50))
def test_no_event_at_or_below_the_line_that_matters_changes_a_mark(
    explicit: int | None, implied: int | None, live: int | None, newest: int | None, receipt: int
) -> None:
    before = Mark(None, explicit, implied, live)
    receipt *= watermarks.LIVE_MS // 20
    newest = (newest or 0) * (watermarks.LIVE_MS // 20)
    if newest <= watermarks.matters_above(before, receipt):
        assert watermarks.seen(before, newest, receipt) == before


# What goes wrong


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"type,id,ts\n" * 2_000)
    with pytest.raises(StoreCorrupt, match=r"acme\.db") as refused:
        deliver(path, [message()])
    assert refused.value.hint
    assert path.read_bytes() == b"type,id,ts\n" * 2_000


@pytest.mark.parametrize("user_version", [0, schema.VERSION])
def test_a_database_of_another_program_is_refused_and_left_alone(path: Path, user_version: int) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table notes (text)")
        connection.execute(f"pragma user_version = {user_version}")
    with pytest.raises(StoreCorrupt, match="another program"):
        deliver(path)
    assert rows(path, "select name from sqlite_master") == [("notes",)]
    assert rows(path, "pragma journal_mode") == [("delete",)]


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    deliver(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma user_version = {schema.VERSION + 1}")
    with pytest.raises(StoreCorrupt, match="version"):
        deliver(path)


def test_a_damaged_page_is_told_as_such_and_nothing_of_the_batch_is_stored(path: Path) -> None:
    deliver(path, [message(OLD + n, f"m{n}", user="u" * 500) for n in range(500)])
    with path.open("r+b") as file:
        file.seek(16_384)
        file.write(b"\xff" * (path.stat().st_size - 16_384))
    with pytest.raises(StoreCorrupt):
        deliver(path, [message(OLD + 250, "new")])


def test_a_folder_that_cannot_be_made_is_told_as_unwritable(tmp_path: Path) -> None:
    (tmp_path / "orgs").write_text("")
    with pytest.raises(StoreUnwritable, match=r"acme\.db"):
        deliver(files.store_path(tmp_path, "acme"))


def test_a_writer_that_others_keep_waiting_says_so(path: Path) -> None:
    with SqliteSink(path, clock=lambda: NOW) as holder, SqliteSink(path, clock=lambda: NOW, wait_s=0.05) as waiting:
        with holder.turn(), pytest.raises(StoreBusy, match="0.05 s"):
            waiting.write([message()])
        assert waiting.write([message()]) == Receipt(accepted=1)


def test_a_program_that_locks_the_database_itself_is_told_as_busy(path: Path) -> None:
    with SqliteSink(path, clock=lambda: NOW, wait_s=0.05) as sink, closing(sqlite3.connect(path)) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreBusy):
            sink.write([message()])
        other.rollback()
        assert sink.write([message()]) == Receipt(accepted=1)


def test_a_failed_turn_leaves_nothing_behind_and_the_next_one_works(path: Path) -> None:
    with SqliteSink(path, clock=lambda: NOW) as sink:
        with pytest.raises(KeyError):
            sink.write([message(), {"type": "message", "id": "no time"}])
        assert sink.write([message()]) == Receipt(accepted=1)
    assert rows(path, "select count(*) from messages") == [(1,)]


def test_a_reader_neither_stops_the_writer_nor_sees_half_a_batch(path: Path) -> None:
    deliver(path, [message()])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("begin")
        assert reader.execute("select count(*) from messages").fetchone() == (1,)
        deliver(path, [message(OLD + n, f"n{n}") for n in range(100)])
        assert reader.execute("select count(*) from messages").fetchone() == (1,)
        reader.execute("commit")
        assert reader.execute("select count(*) from messages").fetchone() == (101,)


def test_the_log_stays_bounded_while_a_sink_stays_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 1 << 20
    monkeypatch.setattr("agentgauge.stores.sqlite.sink.WAL_LIMIT", limit)
    sizes: list[int] = []
    with SqliteSink(path, clock=lambda: NOW) as sink:
        for start in range(0, 20_000, 1_000):
            sink.write([message(OLD + start + n, "m", user="u" * 100) for n in range(1_000)])
            sizes.append(files.wal_size(path))
    assert max(sizes) <= limit
    assert path.stat().st_size > 2 * limit


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """A disk of 3 MiB, and what mounts it again with other options."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if os.geteuid() != 0 or not mount("size=3m"):
        pytest.skip("needs a small disk, and this user may not mount one")
    try:
        yield disk, lambda options: None if mount(f"remount,{options}") else pytest.fail("could not mount again")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_loses_no_acknowledged_batch(small_disk: tuple[Path, Callable[[str], None]]) -> None:
    disk, remount = small_disk
    path = files.store_path(disk, "acme")
    batches = [[message(OLD + batch, f"{n}", user="u" * 200) for n in range(1_000)] for batch in range(60)]
    with SqliteSink(path, clock=lambda: NOW) as sink:
        stored = 0
        with pytest.raises(StoreUnwritable, match="full"):
            for batch in batches:
                stored += sink.write(batch).accepted
        assert stored == rows(path, "select count(*) from messages")[0][0]
        remount("size=90m")
        again = sum(sink.write(batch).accepted for batch in batches)
    assert stored + again == 60_000 == rows(path, "select count(*) from messages")[0][0]


def test_a_read_only_disk_is_told_as_unwritable(small_disk: tuple[Path, Callable[[str], None]]) -> None:
    disk, remount = small_disk
    path = files.store_path(disk, "acme")
    deliver(path, [message()])
    remount("ro")
    with pytest.raises(StoreUnwritable, match=r"acme\.db"):
        deliver(path, [message(id="m2")])


# Several writers


CHILD = """
import sys
from pathlib import Path
from agentgauge.stores.sqlite.sink import SqliteSink

NOW, OLD, path = {now}, {old}, Path(sys.argv[1])

def message(ts=OLD, id="m1"):
    return {{"type": "message", "id": id, "ts": ts, "direction": "outbound", "status": "sent"}}

def deliver(*events):
    with SqliteSink(path, clock=lambda: NOW) as sink:
        sink.write(events)

"""
MANY_BATCHES = """
with SqliteSink(path, clock=lambda: NOW, wait_s=60) as sink:
    for batch in range(int(sys.argv[2])):
        sink.write([message(OLD + batch, f"{sys.argv[3]}-{n}") for n in range(500)])
        print(batch + 1, flush=True)
"""


def run_child(path: Path, script: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own that has `path`, `message` and `deliver`."""
    source = CHILD.format(now=NOW, old=OLD) + script
    environment = {**os.environ, "PYTHONPATH": str(Path(agentgauge.__file__).parents[1])}
    command = [sys.executable, "-c", source, str(path), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_two_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    children = [run_child(path, MANY_BATCHES, "40", name) for name in ("a", "b")]
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0]
    assert rows(path, "select count(*) from messages") == [(2 * 40 * 500,)]
    assert rows(path, "pragma integrity_check") == [("ok",)]


def test_a_writer_that_has_just_finished_stands_behind_one_that_waits(path: Path) -> None:
    with SqliteSink(path, clock=lambda: NOW) as one, SqliteSink(path, clock=lambda: NOW, wait_s=60) as other:
        waiting = threading.Thread(target=lambda: other.write([message()]))
        with one.turn():
            waiting.start()
            assert is_taken(files.queue_path(path))
        with one.turn() as connection:
            assert connection.execute("select count(*) from messages").fetchone() == (1,)
        waiting.join()


def is_taken(lock: Path) -> bool:
    """Whether somebody holds the lock, now or before long."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            with FileLock(lock).acquire(blocking=False):
                pass
        except Timeout:
            return True
    return False


def test_threads_may_share_a_sink(path: Path) -> None:
    with SqliteSink(path, clock=lambda: NOW, wait_s=60) as sink:

        def keep_writing(name: str) -> None:
            for n in range(50):
                sink.write([message(OLD + n, name)])

        threads = [threading.Thread(target=keep_writing, args=name) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert rows(path, "select count(*) from messages") == [(200,)]


def test_kill_9_in_the_middle_of_a_batch_keeps_every_acknowledged_one(path: Path) -> None:
    child = run_child(path, MANY_BATCHES, "100000", "a")
    assert child.stdout is not None
    for _ in range(25):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    acknowledged = 25 + len(child.stdout.read().split())
    child.wait()
    child.stdout.close()
    assert rows(path, "pragma integrity_check") == [("ok",)]
    [(stored,)] = rows(path, "select count(*) from messages")
    assert stored >= acknowledged * 500
    assert stored % 500 == 0
    assert deliver(path, [message(id="after")]) == Receipt(accepted=1)
