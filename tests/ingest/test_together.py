"""Many threads that write to one store: one transaction for all that wait, and one outcome for each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from agentgauge.core.errors import StoreBusy
from agentgauge.core.query import Receipt
from agentgauge.ingest.together import Together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Event = dict[str, Any]


class Recording:
    """A Sink that keeps each turn; the first lasts until it is let go, and turns that hold `bad` fail."""

    def __init__(self) -> None:
        self.turns: list[list[str]] = []
        self.memos: dict[str, bytes] = {}
        self.begun, self.go = threading.Event(), threading.Event()

    def write(self, events: Sequence[Mapping[str, Any]], memos: Mapping[str, bytes] | None = None) -> Receipt:
        """Keeps the ids of a turn."""
        self.begun.set()
        assert self.go.wait(10)
        if any(each["id"] == "bad" for each in events):
            raise StoreBusy("busy")
        self.turns.append([each["id"] for each in events])
        self.memos |= memos or {}
        return Receipt(accepted=len(events))

    def recall(self, key: str) -> bytes | None:
        """A memo."""
        return self.memos.get(key)


def events(*ids: str) -> list[Event]:
    return [{"id": each} for each in ids]


def waiting(together: Together, count: int) -> None:
    """Returns once so many shares wait for the next turn."""
    while len(together._waiting) < count:  # type: ignore[reportPrivateUsage]  # nothing else tells
        threading.Event().wait(0.001)


def test_what_arrives_during_a_turn_is_the_next_one() -> None:
    sink = Recording()
    together = Together(sink)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(together.write, events("a"))
        assert sink.begun.wait(10)
        others = [pool.submit(together.write, events(f"b{n}"), {f"k{n}": b"v"}) for n in range(5)]
        waiting(together, 5)
        sink.go.set()
        assert first.result(10).accepted == 1
        assert [each.result(10).accepted for each in others] == [5] * 5
    assert [sorted(each) for each in sink.turns] == [["a"], ["b0", "b1", "b2", "b3", "b4"]]
    assert together.recall("k3") == b"v"


def test_a_turn_that_fails_fails_for_all_in_it_and_for_nobody_else() -> None:
    sink = Recording()
    together = Together(sink)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(together.write, events("a"))
        assert sink.begun.wait(10)
        others = [pool.submit(together.write, events(each)) for each in ("bad", "b")]
        waiting(together, 2)
        sink.go.set()
        assert first.result(10).accepted == 1
        for each in others:
            with pytest.raises(StoreBusy):
                each.result(10)
        assert pool.submit(together.write, events("b")).result(10).accepted == 1
    assert sink.turns == [["a"], ["b"]]


def test_a_turn_takes_no_more_than_a_batch_unless_one_thread_brings_it() -> None:
    sink = Recording()
    together = Together(sink)
    many = events(*map(str, range(6_000)))
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(together.write, many * 2)
        assert sink.begun.wait(10)
        others = [pool.submit(together.write, many) for _ in range(3)]
        waiting(together, 3)
        sink.go.set()
        assert [each.result(10).accepted for each in (first, *others)] == [12_000, 6_000, 6_000, 6_000]
    assert list(map(len, sink.turns)) == [12_000, 6_000, 6_000, 6_000]
