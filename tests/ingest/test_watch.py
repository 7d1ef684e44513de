"""Following files: what is new is taken in once, wherever it stands, and nothing of what is half written."""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agentgauge.core.errors import InvalidValue
from agentgauge.ingest import watch
from agentgauge.ingest.watch import Watch
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from agentgauge.ingest.run import Report

START = 1_795_168_800_000


def message(number: int) -> str:
    line = {"type": "message", "id": f"m{number}", "ts": START + number, "direction": "outbound", "status": "sent"}
    return json.dumps(line) + "\n"


@pytest.fixture
def store(tmp_path: Path) -> Callable[[], SqliteSink]:
    """Opens the writer of a store, again and again."""
    return lambda: SqliteSink(tmp_path / "data/default.db", clock=lambda: START)


@pytest.fixture
def watched(tmp_path: Path, store: Callable[[], SqliteSink]) -> Callable[..., Watch]:
    """A watch of files in the test's folder, or of the logs of a program."""

    def make(*names: str) -> Watch:
        named = [name if name in ("claude-code", "codex", "gemini") else str(tmp_path / name) for name in names]
        return Watch(named, {}, tmp_path, store)

    return make


def accepted(report: Report) -> int:
    assert report.rejected == 0, report.rejections
    return report.accepted


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


# Event lines


def test_lines_are_taken_as_they_come(tmp_path: Path, watched: Callable[..., Watch]) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(message(1) + message(2))
    follower = watched("log.jsonl")
    assert accepted(follower.look()) == 2
    assert follower.look().datasets == {}
    append(log, message(3))
    report = follower.look()
    assert (report.accepted, report.duplicate) == (1, 0)


def test_a_half_written_line_is_waited_for(tmp_path: Path, watched: Callable[..., Watch]) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(message(1) + message(2)[:30])
    follower = watched("log.jsonl")
    assert accepted(follower.look()) == 1
    append(log, message(2)[30:-1])
    assert accepted(follower.look()) == 1
    append(log, "\n" + message(3) + "no JSON\n")
    report = follower.look()
    assert (report.accepted, report.rejected, report.rejections[0].line) == (1, 1, 4)


def test_a_file_whose_first_line_is_half_written_is_not_judged_yet(
    tmp_path: Path, watched: Callable[..., Watch]
) -> None:
    log = tmp_path / "log.jsonl"
    follower = watched("log.jsonl")
    for text in ("", message(1)[:20]):
        log.write_text(text)
        assert accepted(follower.look()) == 0
    log.write_text(message(1))
    assert accepted(follower.look()) == 1


def test_a_file_that_was_rewritten_or_cut_is_read_from_its_start(tmp_path: Path, watched: Callable[..., Watch]) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(message(1) + message(2))
    follower = watched("log.jsonl")
    follower.look()
    log.write_text(message(3))
    assert accepted(follower.look()) == 1
    log.write_text(message(4) + message(5) + message(6))
    assert accepted(follower.look()) == 3


@pytest.mark.parametrize("is_seen_missing", [True, False])
def test_of_a_file_that_was_rotated_nothing_is_lost(
    tmp_path: Path, watched: Callable[..., Watch], is_seen_missing: bool
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(message(1))
    follower = watched("log.jsonl")
    follower.look()
    append(log, message(2))
    log.rename(tmp_path / "log.jsonl.1")
    before = follower.look().accepted if is_seen_missing else 0
    log.write_text(message(3))
    report = follower.look()
    assert (before + report.accepted, report.duplicate) == (2, 0)
    assert follower.look().datasets == {}


def test_new_files_of_a_folder_are_noticed_and_those_that_go_are_forgotten(
    tmp_path: Path, watched: Callable[..., Watch]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    follower = watched("logs")
    assert accepted(follower.look()) == 0
    (folder / "one.jsonl").write_text(message(1))
    (folder / "two.jsonl.gz").write_bytes(gzip.compress(message(2).encode()))
    (folder / "three.json").write_text(f"[{message(3)}, {message(4)}]")
    assert accepted(follower.look()) == 4
    (folder / "one.jsonl").unlink()
    follower.look()
    assert {path.name for path in follower.files} == {"two.jsonl.gz", "three.json"}


def test_a_watch_that_starts_again_stores_nothing_twice(tmp_path: Path, watched: Callable[..., Watch]) -> None:
    (tmp_path / "log.jsonl").write_text(message(1) + message(2))
    watched("log.jsonl").look()
    report = watched("log.jsonl").look()
    assert (report.accepted, report.duplicate) == (0, 2)


def test_what_a_busy_store_did_not_take_is_offered_again(tmp_path: Path) -> None:
    def sink() -> SqliteSink:
        return SqliteSink(tmp_path / "data/default.db", clock=lambda: START, wait_s=0)

    is_held = True

    @contextmanager
    def opened() -> Generator[SqliteSink]:
        with sink() as writer, other.turn() if is_held else nullcontext():
            yield writer

    (tmp_path / "log.jsonl").write_text(message(1) + message(2))
    follower = Watch([str(tmp_path / "log.jsonl")], {}, tmp_path, opened)
    with sink() as other:
        assert follower.look().accepted == 0
        is_held = False
        assert follower.look().accepted == 2


def test_what_cannot_be_watched_is_refused(watched: Callable[..., Watch], tmp_path: Path) -> None:
    def never(report: Report, files: int) -> None:
        raise AssertionError

    with pytest.raises(InvalidValue, match="no file or folder"):
        watched("nothing.jsonl").run(never, lambda _: True)
    with pytest.raises(InvalidValue, match="standard input cannot be watched"):
        Watch(["-"], {}, tmp_path, watched("x").open_sink).run(never, lambda _: True)


def test_it_rests_longer_than_it_works(tmp_path: Path, watched: Callable[..., Watch]) -> None:
    (tmp_path / "log.jsonl").write_text(message(1))
    pauses: list[float] = []
    passes: list[int] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 3

    watched("log.jsonl").run(lambda report, files: passes.append(files), pause)
    assert all(watch.SHORTEST_PAUSE_S <= each <= watch.LONGEST_PAUSE_S for each in pauses)
    assert passes == [1]  # the two passes that found nothing say nothing


# Local logs


def reply(message_id: str, request_id: str, *, sidechain: bool = False, tokens: int = 10) -> str:
    line = {
        "type": "assistant",
        "timestamp": "2026-11-20T12:00:00.000Z",
        "sessionId": "s1",
        "cwd": "/srv/shop",
        "isSidechain": sidechain,
        "requestId": request_id,
        "message": {
            "id": message_id,
            "model": "claude-opus-4-8",
            "usage": {"input_tokens": tokens, "output_tokens": 5},
        },
    }
    return json.dumps(line) + "\n"


def rows(tmp_path: Path, table: str = "model_calls") -> list[tuple[Any, ...]]:
    import sqlite3

    with sqlite3.connect(tmp_path / "data/default.db") as connection:
        return connection.execute(f"select session_id, input_tokens from {table} order by ts, id").fetchall()


def test_a_replay_that_comes_in_a_later_pass_is_the_call_that_it_replays(
    tmp_path: Path, watched: Callable[..., Watch]
) -> None:
    folder = tmp_path / ".claude/projects/-srv-shop"
    folder.mkdir(parents=True)
    (folder / "s1.jsonl").write_text(reply("m1", "r1"))
    follower = watched("claude-code")
    assert accepted(follower.look()) == 1
    (folder / "agent-aside.jsonl").write_text(reply("m1", "r2", sidechain=True) + reply("m2", "r3", sidechain=True))
    assert accepted(follower.look()) == 1
    assert rows(tmp_path) == [("s1", 10), ("s1", 10)]


def test_a_better_copy_that_comes_in_a_later_pass_replaces(tmp_path: Path, watched: Callable[..., Watch]) -> None:
    folder = tmp_path / ".claude/projects/-srv-shop"
    folder.mkdir(parents=True)
    (folder / "s1.jsonl").write_text(reply("m1", "r1"))
    follower = watched("claude-code")
    follower.look()
    append(folder / "s1.jsonl", reply("m1", "r1", tokens=20) + reply("m2", "r2")[:40])
    report = follower.look()
    assert (report.accepted, report.replaced, report.duplicate, report.rejected) == (0, 1, 0, 0)
    assert rows(tmp_path) == [("s1", 20)]


def test_logs_that_come_later_are_waited_for(tmp_path: Path, watched: Callable[..., Watch]) -> None:
    follower = watched("codex", "gemini", "claude-code")
    assert accepted(follower.look()) == 0
    folder = tmp_path / ".codex/sessions/2026/11/20"
    folder.mkdir(parents=True)
    fixture = next((Path(__file__).parents[1] / "fixtures/codex").glob("*.jsonl"))
    lines = fixture.read_text().splitlines(keepends=True)
    (folder / fixture.name).write_text("".join(lines[:9]))
    assert follower.look().datasets == {"model_calls": 1, "tool_calls": 1, "requests": 1}
    append(folder / fixture.name, "".join(lines[9:]))
    report = follower.look()
    assert (report.accepted, report.replaced, report.duplicate) == (1, 2, 0)
    assert [tokens for _, tokens in rows(tmp_path, "requests")] == [18_200]


def test_a_subagents_tokens_reach_the_run_of_its_parent(tmp_path: Path, watched: Callable[..., Watch]) -> None:
    def line(second: int, kind: str, payload: dict[str, Any]) -> str:
        return json.dumps({"timestamp": f"2026-11-20T10:00:{second:02}Z", "type": kind, "payload": payload}) + "\n"

    def counted(second: int, given: int) -> str:
        info = {"last_token_usage": {"input_tokens": given, "output_tokens": 1}}
        return line(second, "event_msg", {"type": "token_count", "info": info})

    folder = tmp_path / ".codex/sessions"
    folder.mkdir(parents=True)
    prompt = line(1, "event_msg", {"type": "user_message", "message": "go"})
    (folder / "parent.jsonl").write_text(line(0, "session_meta", {"id": "t1"}) + prompt + counted(2, 100))
    follower = watched("codex")
    follower.look()
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": "t1"}}}
    child = line(3, "session_meta", {"id": "t2", "source": spawn}) + counted(5, 1_000) + counted(7, 2_000)
    (folder / "child.jsonl").write_text(child)
    follower.look()
    append(folder / "parent.jsonl", counted(9, 10))
    follower.look()
    assert rows(tmp_path, "requests") == [("t1", 3_110)]
