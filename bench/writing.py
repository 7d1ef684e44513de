"""What writing costs those who ask: the reader's times alone and while events arrive, in turns.

    python bench/writing.py FILE EVENTS RATE    the writer: so many events a second, until its input is closed

The writer builds the index in a thread beside, as `serve` does. Each question is asked about the bench's own window,
and about one that ends with the newest event, so that the answer holds what has just been written: from segments, and
from the rows that no segment has yet.

Above: `store.py --while-writing`, which starts this file as the writing process. Below: `load.py`, our Sink.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

from load import DATASET, DAY, DAYS, START, days, events
from questions import QUESTIONS
from worker import Worker

from agentgauge.serving import INDEX_EVERY_S
from agentgauge.stores.sqlite.builder import Builder
from agentgauge.stores.sqlite.sink import SqliteSink
from agentgauge.stores.sqlite.store import SqliteStore

RATE = 20_000
BATCHES = 20
"""Batches a second."""
ROUNDS = 3
SECONDS = 5.0
"""How long each phase lasts."""


Times = dict[str, dict[bool, list[float]]]
"""Per question, the ms it took alone (False) and while events arrived."""
KINDS = ("windows that ended before the writing began", "windows that end with the newest event")


def measure(file: Path, total: int, names: Sequence[str]) -> None:
    """Prints each question's median alone and while 20,000 events a second arrive, on a copy of the store."""
    both: tuple[Times, Times] = (
        {name: {False: [], True: []} for name in names},
        {n: {False: [], True: []} for n in names},
    )
    written: list[str] = []
    with tempfile.TemporaryDirectory(dir=file.parents[2]) as folder:
        copy = Path(folder) / "agentgauge" / "orgs" / file.name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(file, copy)
        with Worker("agentgauge", copy.parents[1]) as reader:
            for _ in range(ROUNDS):
                _phase(reader, both, is_writing=False)
                with _Writer(copy, total) as writer:
                    _phase(reader, both, is_writing=True)
                written.append(writer.said)
    for kind, times in zip(KINDS, both, strict=True):
        print(f"{kind + ', median ms':<58}{'alone':>12}{'writing':>12}{'ratio':>8}   (budget: at most 1.3)")
        medians = {name: [statistics.median(by[each]) for each in (False, True)] for name, by in times.items()}
        for name, (alone, beside) in medians.items():
            print(f"{name:<4}{QUESTIONS[name].text:<54}{alone:>12.2f}{beside:>12.2f}{beside / alone:>8.2f}")
        mean = statistics.geometric_mean(beside / alone for alone, beside in medians.values())
        print(f"{'    geometric mean':<82}{mean:>8.2f}")
    print("\n".join(written))


def _phase(reader: Worker, both: tuple[Times, Times], *, is_writing: bool) -> None:
    """Asks every question in turn, until the phase is over and each was asked."""
    until = time.perf_counter() + SECONDS
    before, newest = both
    while True:
        for name in before:
            before[name][is_writing] += [took for took, _ in reader.times(name, 1)]
            newest[name][is_writing].append(reader.newest(name))
        if time.perf_counter() > until:
            return


class _Writer:
    """The writing process, from its first batch on. A context manager."""

    def __init__(self, file: Path, total: int) -> None:
        command = [sys.executable, __file__, str(file), str(total), str(RATE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = ""

    def __enter__(self) -> _Writer:
        assert self._process.stdout
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        self.said = self._process.communicate()[0].strip()


def _arriving(total: int, first: int) -> Iterator[dict[str, Any]]:
    """The events of a day and of those after it."""
    for day in count(first):
        for part in days(max(total, 1_000_000), first=day, last=day + 1):
            yield from events(part)


def _build(sink: SqliteSink, ended: threading.Event) -> None:
    while not ended.wait(INDEX_EVERY_S):
        Builder(sink).build()


def write(file: Path, total: int, rate: int) -> None:
    """Writes until the input is closed, then says how it went."""
    size = rate // BATCHES
    took: list[float] = []
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    last = next(each.last or 0 for each in SqliteStore(file).extents() if each.dataset == DATASET.name)
    source = _arriving(total, (last - START) // DAY + 1)
    with SqliteSink(file, clock=lambda: START + 2 * DAYS * DAY) as sink:
        sink.write(list(islice(source, size)))
        print("writing", flush=True)
        building = threading.Thread(target=_build, args=(sink, ended))
        building.start()
        began = time.perf_counter()
        while not ended.is_set():
            batch = list(islice(source, size))
            time.sleep(max(0.0, began + len(took) / BATCHES - time.perf_counter()))
            start = time.perf_counter()
            sink.write(batch)
            took.append((time.perf_counter() - start) * 1e3)
        building.join()
        reached = len(took) * size / (time.perf_counter() - began)
    took.sort()
    p50, p99 = took[len(took) // 2], took[(len(took) * 99) // 100]
    print(f"writer: {reached:,.0f} events/s in batches of {size:,}; a batch p50 {p50:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    write(Path(sys.argv[1]), *map(int, sys.argv[2:]))
