"""What writing costs those who ask: the reader's times alone and while events arrive, in turns.

    python bench/writing.py FILE EVENTS RATE    the writer: so many events a second, until its input is closed

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

from load import DAY, DAYS, START, days, events
from questions import QUESTIONS
from worker import Worker

from agentgauge.stores.sqlite.sink import SqliteSink

RATE = 20_000
BATCHES = 20
"""Batches a second."""
ROUNDS = 3
SECONDS = 5.0
"""How long each phase lasts."""


def measure(file: Path, total: int, names: Sequence[str]) -> None:
    """Prints each question's median alone and while 20,000 events a second arrive, on a copy of the store."""
    times: dict[str, dict[bool, list[float]]] = {name: {False: [], True: []} for name in names}
    written: list[str] = []
    with tempfile.TemporaryDirectory(dir=file.parents[2]) as folder:
        copy = Path(folder) / "agentgauge" / "orgs" / file.name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(file, copy)
        with Worker("agentgauge", copy.parents[1]) as reader:
            for number in range(ROUNDS):
                _phase(reader, {name: times[name][False] for name in names})
                with _Writer(copy, total, number) as writer:
                    _phase(reader, {name: times[name][True] for name in names})
                written.append(writer.said)
    print(f"{'median ms':<48}{'alone':>12}{'writing':>12}{'ratio':>8}   (budget: at most 1.3)")
    for name, by in times.items():
        alone, beside = statistics.median(by[False]), statistics.median(by[True])
        print(f"{name:<4}{QUESTIONS[name].text:<44}{alone:>12.2f}{beside:>12.2f}{beside / alone:>8.2f}")
    ratios = [statistics.median(by[True]) / statistics.median(by[False]) for by in times.values()]
    print(f"{'    geometric mean':<72}{statistics.geometric_mean(ratios):>8.2f}")
    print("\n".join(written))


def _phase(reader: Worker, times: dict[str, list[float]]) -> None:
    """Asks every question in turn, until the phase is over and each was asked."""
    until = time.perf_counter() + SECONDS
    while True:
        for name, found in times.items():
            found += [took for took, _ in reader.times(name, 1)]
        if time.perf_counter() > until:
            return


class _Writer:
    """The writing process, from its first batch on. A context manager."""

    def __init__(self, file: Path, total: int, number: int) -> None:
        command = [sys.executable, __file__, str(file), str(total), str(RATE), str(number)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = ""

    def __enter__(self) -> _Writer:
        assert self._process.stdout
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        self.said = self._process.communicate()[0].strip()


def _arriving(total: int, number: int) -> Iterator[dict[str, Any]]:
    """Events that happen after those the store holds: a month for each writer."""
    for day in count(DAYS + 30 * number):
        for part in days(max(total, 1_000_000), first=day, last=day + 1):
            yield from events(part)


def write(file: Path, total: int, rate: int, number: int) -> None:
    """Writes until the input is closed, then says how it went."""
    size = rate // BATCHES
    took: list[float] = []
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    source = _arriving(total, number)
    with SqliteSink(file, clock=lambda: START + (DAYS + 30 * number) * DAY) as sink:
        sink.write(list(islice(source, size)))
        print("writing", flush=True)
        began = time.perf_counter()
        while not ended.is_set():
            batch = list(islice(source, size))
            time.sleep(max(0.0, began + len(took) / BATCHES - time.perf_counter()))
            start = time.perf_counter()
            sink.write(batch)
            took.append((time.perf_counter() - start) * 1e3)
        reached = len(took) * size / (time.perf_counter() - began)
    took.sort()
    p50, p99 = took[len(took) // 2], took[(len(took) * 99) // 100]
    print(f"writer: {reached:,.0f} events/s in batches of {size:,}; a batch p50 {p50:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    write(Path(sys.argv[1]), *map(int, sys.argv[2:]))
