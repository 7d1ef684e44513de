"""Eleven questions to our store and to analytical engines beside it, in one run: warm, cold, memory, size.

    python bench/store.py [--events 200k|1M|10M|100M] [--engines duckdb,chdb] [--questions Q1,Q3] [--via sink|bulk]
                          [--data FOLDER] [--short | --while-writing]

The data are drawn by `load.py` (90 days of model calls) and kept in the data folder for the next run. Every answer is
compared with DuckDB's before anything is timed; a wrong one ends the bench. Each engine has a process of its own and 2
threads; they are asked in turns, in whole rounds. A time ends with Python values: our Table (which also holds totals),
their tuples; in brackets stands the processor time of all threads. DuckDB takes quantile_disc, chDB quantileExact on a
MergeTree (its rank is the next one, so its quantiles are not compared).

Cold is the first answer of a fresh process whose files were dropped from the page cache where the system allows that:
opening and asking, with the imports made; in brackets from the start of the process, imports and interpreter included.
`--while-writing` asks alone and while 20,000 events a second arrive, in turns. Prints; judges nothing but equality.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import writing
from engines import ENGINES, Agentgauge, Engine, loaded
from load import DAYS, SIZES, Via
from questions import QUESTIONS
from worker import Worker

Times = Mapping[str, Mapping[str, float]]
"""Per question and engine, ms."""

OURS = "agentgauge"
PATIENCE_MS = 1_000.0
"""An answer that takes longer is asked once a round."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often things are measured."""

    rounds: int
    runs: int
    cold: int


def check(workers: Mapping[str, Worker], names: Sequence[str]) -> dict[str, int]:
    """How many rows each answer has, once every engine gives the same ones."""
    sizes: dict[str, int] = {}
    for name in names:
        ours = workers[OURS].rows(name)
        for other, worker in workers.items():
            if other != OURS:
                exact = ENGINES[other]().spelling.exact_rank
                if difference := QUESTIONS[name].difference(ours, worker.rows(name), quantiles=exact):
                    raise SystemExit(f"{name}: {OURS} and {other} disagree: {difference}")
        sizes[name] = len(ours)
    return sizes


def warm(workers: Mapping[str, Worker], names: Sequence[str], effort: Effort) -> tuple[Times, Times]:
    """Per question and engine, the median ms of time and of processor time."""
    times: dict[str, dict[str, list[tuple[float, float]]]] = {name: {each: [] for each in workers} for name in names}
    for _ in range(effort.rounds):
        for name, by_engine in times.items():
            for engine, worker in workers.items():
                found = worker.times(name, 1)
                if found[0][0] < PATIENCE_MS and effort.runs > 1:
                    found += worker.times(name, effort.runs - 1)
                by_engine[engine] += found
    return _medians(times, 0), _medians(times, 1)


def _medians(times: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], which: int) -> Times:
    return {
        name: {engine: statistics.median(each[which] for each in found) for engine, found in by_engine.items()}
        for name, by_engine in times.items()
    }


def cold(homes: Mapping[str, Path], names: Sequence[str], rounds: int) -> tuple[Times, Times]:
    """Per question and engine, the median ms of a first answer: without imports, and from the start of the process."""
    times: dict[str, dict[str, list[tuple[float, float]]]] = {name: {each: [] for each in homes} for name in names}
    for name, by_engine in times.items():
        for _ in range(rounds):
            for engine, home in homes.items():
                _forget(home)
                with Worker(engine, home) as worker:
                    by_engine[engine].append(worker.first(name))
    return _medians(times, 0), _medians(times, 1)


def _forget(home: Path) -> None:
    """Takes a folder's files out of the page cache, where the system lets us."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in _files(home):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _files(home: Path) -> list[Path]:
    return [each for each in home.rglob("*") if each.is_file() and not each.is_symlink()]


def print_times(title: str, times: Times, beside: Times, told: str) -> None:
    """A line per question: our time, and per other engine its time and how many of ours go into it; then the means."""
    others = [each for each in next(iter(times.values())) if each != OURS]
    print(f"\n{title:<48}{OURS:>16}" + "".join(f"{each:>16}{'ratio':>8}" for each in others))
    for name, by_engine in times.items():
        cells = {engine: f"{ms:.2f} ({beside[name][engine]:.0f})" for engine, ms in by_engine.items()}
        line = f"{name:<4}{QUESTIONS[name].text:<44}{cells[OURS]:>16}"
        print(line + "".join(f"{cells[each]:>16}{by_engine[each] / by_engine[OURS]:>8.2f}" for each in others))
    for label, found in (("geometric mean", times), (f"the same of what stands in brackets, {told}", beside)):
        means = [statistics.geometric_mean(by[each] / by[OURS] for by in found.values()) for each in others]
        print(f"    {label:<60}" + "".join(f"{'':>16}{mean:>8.2f}" for mean in means))


def print_figures(workers: Mapping[str, Worker], homes: Mapping[str, Path], total: int) -> None:
    """Memory and size of each engine."""
    print(f"\n{'':<48}" + "".join(f"{each:>16}" for each in workers))
    print(
        f"{'memory after the warm rounds, MiB':<48}" + "".join(f"{each.memory():>16,.0f}" for each in workers.values())
    )
    sizes = [sum(file.stat().st_size for file in _files(home)) / total for home in homes.values()]
    print(f"{'bytes per event on disk':<48}" + "".join(f"{each:>16.1f}" for each in sizes))


def prepare(engines: Sequence[str], folder: Path, total: int, via: Via) -> dict[str, Path]:
    """The folders of the engines, filled."""
    homes: dict[str, Path] = {}
    for name in engines:
        engine: Engine = Agentgauge(via) if name == OURS else ENGINES[name]()

        def progress(day: int, name: str = name) -> None:
            if sys.stderr.isatty():
                end = "\n" if day == DAYS else ""
                print(
                    f"\rloading {total:,} events into {name}: {day / DAYS:.0%} ", end=end, file=sys.stderr, flush=True
                )

        homes[name] = loaded(engine, folder, total, progress)
    return homes


def run(homes: Mapping[str, Path], names: Sequence[str], total: int, effort: Effort) -> None:
    """Everything but writing, printed."""
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name, home)) for name, home in homes.items()}
        sizes = check(workers, names)
        print(f"{total:,} events; {sum(sizes.values()):,} rows of {len(names)} answers are equal in {', '.join(homes)}")
        print_times(
            f"warm, median ms of {effort.rounds} x {effort.runs}", *warm(workers, names, effort), "processor ms"
        )
        print_figures(workers, homes, total)
    title = f"cold first answer, median ms of {effort.cold}"
    print_times(title, *cold(homes, names, effort.cold), "whole processes")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", choices=SIZES, default="1M")
    parser.add_argument("--engines", default="duckdb", help="duckdb, chdb; comma-separated")
    parser.add_argument("--questions", default=",".join(QUESTIONS), help="comma-separated")
    parser.add_argument("--via", choices=("sink", "bulk"), default="bulk", help="how our store is filled")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "agentgauge-bench")
    parser.add_argument("--short", action="store_true", help="200k events, few rounds: for CI")
    parser.add_argument("--while-writing", action="store_true")
    given = parser.parse_args()
    size = "200k" if given.short else cast("str", given.events)
    engines = [each for each in cast("str", given.engines).split(",") if each]
    for name in engines:
        if name not in ENGINES or not importlib.util.find_spec(name):
            parser.error(f"{name} is not installed; duckdb is in the extra dev, chdb in the extra bench")
    names = cast("str", given.questions).split(",")
    effort = Effort(2, 2, 1) if given.short else Effort(3, 4, 3)
    homes = prepare([OURS, *engines], cast("Path", given.data) / size, SIZES[size], cast("Via", given.via))
    if given.while_writing:
        writing.measure(Agentgauge.file(homes[OURS]), SIZES[size], names)
    else:
        run(homes, names, SIZES[size], effort)


if __name__ == "__main__":
    main()
