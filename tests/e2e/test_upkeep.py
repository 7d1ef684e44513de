"""`index` and `prune`: what they say, and that an answer stays what it was."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from running import COUNTED, Machine, messages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A store of 2,000 messages, one a second, of which the import has made a segment."""
    found = Machine(tmp_path)
    assert found.run("import", str(found.file("events.jsonl", messages(range(2_000))))).code == 0
    return found


def segments(machine: Machine) -> int:
    with closing(sqlite3.connect(machine.store)) as connection:
        (count,) = connection.execute("select count(*) from index_segments").fetchone()
    return count


def sent(machine: Machine) -> int:
    words = [f"{key}={value}" for key, value in COUNTED.items()]
    return json.loads(machine.run("ask", "get_message_metrics", "--json", *words).out)["total"]


def test_an_import_builds_the_index_and_index_builds_what_is_left(machine: Machine) -> None:
    assert (segments(machine), sent(machine)) == (1, 2_000)
    assert machine.run("index").out == "0 segments built of 0 events\n"
    assert machine.run("index", "--rebuild").out == "1 segments built of 2,000 events\n"
    assert (segments(machine), sent(machine)) == (1, 2_000)


def test_a_damaged_segment_is_answered_from_the_rows_and_built_anew_by_index(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.store, isolation_level=None)) as connection:
        connection.execute("update index_blobs set data = zeroblob(length(data))")
    assert sent(machine) == 2_000
    said = machine.run("index")
    assert said.out == "1 damaged segments found and built anew\n1 segments built of 2,000 events\n"
    assert machine.run("index").out == "0 segments built of 0 events\n"
    assert sent(machine) == 2_000


def test_pruning_asks_first_and_says_what_it_dropped(machine: Machine) -> None:
    before = "2026-05-05T10:10:00Z"
    question = "Drop 600 events (messages 600) before 2026-05-05 10:10:00 UTC? [y/N]: "
    declined = machine.run("prune", "--before", before, given=b"n\n")
    assert (declined.code, declined.out) == (0, f"{question}nothing was dropped\n")
    unanswered = machine.run("prune", "--before", before)
    assert unanswered.code == 2
    assert unanswered.err.endswith("nobody answered; nothing was dropped. Give --yes to drop without asking.\n")
    assert sent(machine) == 2_000
    assert machine.run("prune", "--before", before, "--yes").out == (
        "dropped 600 events (messages 600) before 2026-05-05 10:10:00 UTC; the space is used again for new events\n"
    )
    assert sent(machine) == 1_400
    assert machine.run("prune", "--before", before).out == "there are no events before 2026-05-05 10:10:00 UTC\n"
    wrong = machine.run("prune", "--before", "whenever")
    assert (wrong.code, wrong.out) == (2, "")
    assert "is not a time" in wrong.err
