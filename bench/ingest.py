"""Events per second into a store that already holds many, beside a bare executemany of the same rows, in one run.

    python bench/ingest.py [--events 200k|1M|10M|100M] [--data FOLDER] [--short]

On a copy of the store that `store.py` keeps. Everything is durable (synchronous=FULL, a commit every 10,000 events) and
deduplicated by (ts, id). Parsed events are what the check of a line gives. The import is `agentgauge import FILE`, a
process of its own, from its start to its end, reading JSON Lines with RFC 3339 times and indexing them; it works on one
core. Budgets (design section 10 and issue 5): parsed 100,000/s, import 60,000/s. Prints, never judges.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

import orjson
from engines import ORG, Agentgauge, loaded
from load import DATASET, DAY, DAYS, END, SIZES, Day, days, events, row_columns

from agentgauge.core.time import iso_z
from agentgauge.stores.sqlite.sink import BATCH, SqliteSink

PASS, ROUNDS = 100_000, 5
LINES = 500_000
FLOOR, PARSED, AGAIN = "bare executemany", "parsed events", "the same again"
IMPORT, LATE = "agentgauge import", "late, spread over 90 days"
Event = dict[str, Any]
Speeds = tuple[float, float]
"""Events per second of time, and of processor time."""


class Source:
    """Events that no store has yet, in the order of time: those after the 90 days."""

    def __init__(self) -> None:
        self._numbers = count(DAYS)

    def take(self, size: int) -> Day:
        """So many events of one day."""
        number = next(self._numbers)
        return next(days(size * DAYS, first=number, last=number + 1))


def bare(file: Path, day: Day) -> Speeds:
    """The floor: the same rows, with the same settings, and nothing else."""
    fields = row_columns(day)
    rows = list(zip(*fields.values(), strict=True))
    names = ", ".join(f'"{name}"' for name in fields)
    statement = f"insert or ignore into {DATASET.name} ({names}) values ({', '.join('?' * len(fields))})"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("pragma synchronous = full")
    connection.execute("pragma wal_autocheckpoint = 0")

    def write() -> None:
        for start in range(0, len(rows), BATCH):
            connection.execute("begin immediate")
            connection.executemany(statement, rows[start : start + BATCH])
            connection.execute("commit")

    found = _timed(write, len(rows))
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    return found


def parsed(file: Path, given: Sequence[Event], accepted: int) -> Speeds:
    """Our sink."""
    with SqliteSink(file, clock=lambda: END) as sink:
        taken: list[int] = []
        batches = [given[start : start + BATCH] for start in range(0, len(given), BATCH)]
        found = _timed(lambda: taken.extend(sink.write(batch).accepted for batch in batches), len(given))
    if sum(taken) != accepted:
        raise SystemExit(f"{sum(taken)} events were accepted, not {accepted}")
    return found


def imported(home: Path, given: Sequence[Event], lines: Path) -> Speeds:
    """The command."""
    with lines.open("wb") as stream:
        for event in given:
            stream.write(orjson.dumps({**event, "ts": iso_z(event["ts"], milliseconds=True)}) + b"\n")
    Agentgauge().ready(home)  # else the import would index what other ways in have left
    env = {**os.environ, "AGENTGAUGE_HOME": str(home)}
    command = [sys.executable, "-m", "agentgauge", "import", str(lines), "--org", ORG]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or f"{len(given):,}" not in done.stdout:
        raise SystemExit(f"the import did not take all: {done.stdout}{done.stderr}")
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return len(given) / took, len(given) / used


def _timed(work: Callable[[], object], size: int) -> Speeds:
    gc.collect()
    gc.freeze()  # what the bench holds is no business of what it measures
    began, used = time.perf_counter(), time.process_time()
    work()
    return size / (time.perf_counter() - began), size / (time.process_time() - used)


def _late(given: Sequence[Event]) -> list[Event]:
    """The same events, spread over the 90 days."""
    return [{**event, "ts": END - 1 - number * DAYS * DAY // len(given)} for number, event in enumerate(given)]


def measure(home: Path, rounds: int, size: int) -> Mapping[str, Sequence[Speeds]]:
    """Per way in, the speeds of each round; the ways take turns, but for late events, which unsettle the index."""
    file, source = Agentgauge.file(home), Source()
    found: dict[str, list[Speeds]] = {name: [] for name in (FLOOR, PARSED, AGAIN, IMPORT, LATE)}
    for _ in range(rounds):
        found[FLOOR].append(bare(file, source.take(size)))
        fresh = events(source.take(size))
        found[PARSED].append(parsed(file, fresh, size))
        found[AGAIN].append(parsed(file, fresh, 0))
        del fresh
        found[IMPORT].append(imported(home, events(source.take(size * LINES // PASS)), home / "lines.jsonl"))
    for _ in range(rounds):
        found[LATE].append(parsed(file, _late(events(source.take(size))), size))
    return found


def main() -> None:
    """Reads the command line, measures on a copy and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", choices=SIZES, default="10M", help="how many the store holds already")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "agentgauge-bench")
    parser.add_argument("--short", action="store_true", help="200k events, one round: for CI")
    given = parser.parse_args()
    held = "200k" if given.short else cast("str", given.events)
    rounds, size = (1, PASS // 5) if given.short else (ROUNDS, PASS)
    data = cast("Path", given.data) / held
    home = loaded(Agentgauge(), data, SIZES[held], lambda _: None)
    with tempfile.TemporaryDirectory(dir=data) as folder:
        copy = Path(folder)
        Agentgauge.file(copy).parent.mkdir()
        shutil.copyfile(Agentgauge.file(home), Agentgauge.file(copy))
        found = measure(copy, rounds, size)
    floor = statistics.median(wall for wall, _ in found[FLOOR])
    print(f"into a store of {SIZES[held]:,} events; medians of {rounds}")
    print(f"{'':<28}{'events/s':>12}{'of the floor':>14}{'per CPU second':>16}")
    for name, speeds in found.items():
        wall, used = (statistics.median(each) for each in zip(*speeds, strict=True))
        print(f"{name:<28}{wall:>12,.0f}{wall / floor:>14.0%}{used:>16,.0f}")


if __name__ == "__main__":
    main()
