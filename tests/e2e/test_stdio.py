"""The server as clients run it: a process of its own, spoken to over stdin and stdout."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client
from running import COMMAND, COUNTED, ERAS, Era, Finished, Machine, messages, structured, text

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.faces.mcp import build
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = Path(__file__).parents[2] / "examples/events.jsonl"
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
INITIALIZED: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty home."""
    return Machine(tmp_path)


def calls(number: int, tool: str, **words: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": words}}


def conversation(
    machine: Machine, *lines: dict[str, Any] | bytes, answers: int
) -> tuple[list[dict[str, Any]], Finished]:
    """What the server says to these lines, until it has said so much and the client hangs up."""
    with machine.start() as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdin.write(spoken(*lines))
        server.stdin.flush()
        heard = [json.loads(server.stdout.readline()) for _ in range(answers)]
        server.stdin.close()
        rest, err = server.stdout.read(), server.stderr.read()
    return heard, Finished(server.returncode, rest.decode(), err.decode())


def spoken(*lines: dict[str, Any] | bytes) -> bytes:
    return b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)


@pytest.mark.parametrize("era", ERAS)
async def test_the_official_client_gets_its_answers(machine: Machine, era: Era) -> None:
    assert machine.run("import", str(EVENTS)).code == 0
    async with machine.connect(era) as client:
        assert client.server_info is not None
        assert client.server_info.name == "agentgauge"
        assert "get_message_metrics" in [each.name for each in (await client.list_tools()).tools]
        found = structured(await client.call_tool("get_message_metrics", COUNTED | {"group_by": "channel"}))
        assert found["total"] == 4
        assert (await client.read_resource("metrics://datasets")).contents
        assert (await client.get_prompt("morning_report")).messages
        refused = await client.call_tool("get_message_metrics", COUNTED | {"chanel": "sms"})
        assert refused.is_error
        assert text(refused).startswith('UNKNOWN_NAME: "chanel" is not an argument of get_message_metrics.')


def test_stdout_carries_the_protocol_and_nothing_else(machine: Machine) -> None:
    heard, done = conversation(
        machine,
        INITIALIZE,
        INITIALIZED,
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        calls(3, "describe_metrics"),
        calls(4, "usage_by_agent", period="century"),
        calls(5, "no_such_tool"),
        {"jsonrpc": "2.0", "id": 6, "method": "no/such/method"},
        {"jsonrpc": "2.0", "id": 7, "method": "ping"},
        answers=7,
    )
    assert {each["jsonrpc"] for each in heard} == {"2.0"}
    assert sorted(each["id"] for each in heard) == [1, 2, 3, 4, 5, 6, 7]
    assert {each["id"] for each in heard if "error" in each} == {5, 6}
    assert done == Finished(0, "", "")


def test_lines_that_are_no_json_are_passed_over(machine: Machine) -> None:
    rubbish = [b"hello?", b'{"half": ', b"", b"\xff\xfe\x00", b"x" * 100_000]
    heard, done = conversation(
        machine, *rubbish, INITIALIZE, b"]", INITIALIZED, *rubbish, calls(2, "describe_metrics"), answers=2
    )
    assert [each["id"] for each in heard] == [1, 2]
    assert not heard[1]["result"].get("isError")
    assert (done.code, done.out) == (0, "")
    assert "Traceback" not in done.err


def test_a_client_that_hangs_up_at_once_ends_the_server_quietly(machine: Machine) -> None:
    done = machine.run()
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_client_that_is_gone_before_its_answer_ends_the_server_quietly(machine: Machine) -> None:
    with machine.start() as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdout.close()
        server.stdin.write(spoken(INITIALIZE, INITIALIZED, calls(2, "describe_metrics")))
        server.stdin.close()
        err = server.stderr.read()
    assert (server.returncode, err) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_the_server_quietly(machine: Machine) -> None:
    with machine.start() as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdin.write(spoken(INITIALIZE))
        server.stdin.flush()
        assert server.stdout.readline()
        server.send_signal(signal.SIGINT)
        err = server.stderr.read()
    assert (server.returncode, err) == (-signal.SIGINT, b"")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AGENTGAUGE_TZ", "Europe/Berlim", "AGENTGAUGE_TZ is not valid"),
        ("AGENTGAUGE_ALLOW_WRITE", "perhaps", "AGENTGAUGE_ALLOW_WRITE is not valid"),
        ("AGENTGAUGE_ORG", "../acme", '"../acme" is not a name for an organisation'),
    ],
)
def test_a_wrong_setting_stops_the_server_with_a_word_on_stderr(
    machine: Machine, name: str, value: str, said: str
) -> None:
    machine.variables[name] = value
    done = machine.run(given=spoken(INITIALIZE, INITIALIZED, calls(2, "describe_metrics")))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


async def test_two_servers_and_an_import_share_one_home(machine: Machine) -> None:
    many = machine.file("many.jsonl", messages(range(25_000)))
    machine.hold(messages([25_000]))
    seen: dict[int, list[int]] = {0: [], 1: []}

    async def watch(number: int) -> None:
        async with machine.connect(ERAS[number]) as client:
            while 25_001 not in seen[number]:
                seen[number].append(structured(await client.call_tool("get_message_metrics", COUNTED))["total"])

    async def take() -> None:
        finished = await anyio.run_process([*COMMAND, "import", str(many)], env=machine.env)
        assert b"25,000 accepted, 0 duplicate, 0 rejected" in finished.stdout

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for number in seen:
                group.start_soon(watch, number)
            group.start_soon(take)
    for totals in seen.values():
        assert totals == sorted(totals)
        assert set(totals) <= {1, 10_001, 20_001, 25_001}  # whole batches, never a part of one


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_imported_while_the_server_runs_is_in_the_next_answer(machine: Machine, era: Era) -> None:
    async with machine.connect(era) as client:
        assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == 0
        for round_ in range(2):
            file = machine.file(f"{round_}.jsonl", messages(range(round_ * 3, round_ * 3 + 3)))
            await anyio.run_process([*COMMAND, "import", str(file)], env=machine.env)
            assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == (round_ + 1) * 3


async def test_a_store_that_is_replaced_removed_and_restored_is_seen_by_the_next_question(machine: Machine) -> None:
    machine.hold(messages(range(3)))
    beside = Machine(machine.home / "beside")
    beside.home.mkdir()
    beside.hold(messages(range(5)))
    kept = machine.home / "kept.db"
    async with machine.connect() as client:
        assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == 3
        shutil.copy(machine.store, kept)
        beside.store.replace(machine.store)
        assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == 5
        for each in machine.store.parent.glob("default.db*"):
            each.unlink()
        assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == 0
        kept.replace(machine.store)
        assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == 3


def scribble(path: Path) -> None:
    """Overwrites every page but the first, as a failing disk may."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xa5" * (size - 4_096))


def write_words(path: Path) -> None:
    path.write_text("dear diary, this is not a database\n" * 200)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def set_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma user_version=99")


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table songs(title)")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "code", "advice"),
    [
        (scribble, "STORE_CORRUPT", "Restore a copy, or move it aside and import again."),
        (write_words, "STORE_CORRUPT", "Restore a copy, or move it aside and import again."),
        (cut, "STORE_CORRUPT", "Restore a copy, or move it aside and import again."),
        (make_foreign, "STORE_CORRUPT", "Restore a copy, or move it aside and import again."),
        (set_newer, "STORE_CORRUPT", "Upgrade agentgauge."),
        (make_folder, "STORE", "Check the disk"),
    ],
    ids=["scribbled over", "not a database", "cut in half", "another program's", "of a newer version", "a folder"],
)
async def test_a_damaged_store_is_said_and_the_server_stays_up(
    machine: Machine, damage: Callable[[Path], None], code: str, advice: str
) -> None:
    machine.hold(messages(range(2_000)))
    copy = machine.home / "copy.db"
    shutil.copy(machine.store, copy)
    async with machine.connect() as client:
        assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == 2_000
        await client.call_tool("describe_metrics")
        fresh = machine.home / "fresh.db"
        shutil.copy(copy, fresh)
        damage(fresh)
        machine.store.unlink()
        fresh.replace(machine.store)
        refusals = [await client.call_tool("get_message_metrics", COUNTED) for _ in range(2)]
        (said,) = {text(each) for each in refusals if each.is_error}
        assert said.startswith(f"{code}: default.db")
        assert advice in said
        assert str(machine.home) not in said
        asked = machine.run("ask", "get_message_metrics", *(f"{key}={value}" for key, value in COUNTED.items()))
        assert asked == Finished(3, "", said + "\n")
        if machine.store.is_dir():
            machine.store.rmdir()
        copy.replace(machine.store)
        assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == 2_000


@pytest.mark.parametrize("damage", [write_words, make_foreign, set_newer])
def test_an_import_never_touches_a_file_that_is_not_its_own(machine: Machine, damage: Callable[[Path], None]) -> None:
    file = str(machine.file("three.jsonl", messages(range(3))))
    machine.run("import", file)
    damage(machine.store)
    before = machine.store.read_bytes()
    done = machine.run("import", file)
    assert done.code == 3
    assert done.err.startswith("STORE_CORRUPT: default.db ")
    assert "Traceback" not in done.err
    assert machine.store.read_bytes() == before


HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma locking_mode=exclusive")
db.execute("begin exclusive")
print("held", flush=True)
sys.stdin.read()
"""


class Hasty(App):
    """agentgauge that waits a moment for its store, not ten seconds."""

    @cached_property
    def store(self) -> SqliteStore:
        return SqliteStore(self.store_path, deadline_s=0.2)


@pytest.mark.parametrize("era", ERAS)
async def test_a_store_that_another_program_locks_is_said_and_answers_once_it_is_free(
    machine: Machine, era: Era
) -> None:
    machine.hold(messages(range(3)))
    app = Hasty(Settings(home=machine.home / "data"))
    async with (
        Client(build(app), mode=era) as client,
        await anyio.open_process([sys.executable, "-c", HOLD, str(machine.store)]) as holder,
    ):
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert (await holder.stdout.receive()).startswith(b"held")
        refused = await client.call_tool("get_message_metrics", COUNTED)
        assert refused.is_error
        assert text(refused).startswith("STORE_BUSY: default.db is ")
        assert "Try again" in text(refused)
        await holder.stdin.aclose()
        await holder.wait()
        assert structured(await client.call_tool("get_message_metrics", COUNTED))["total"] == 3
