"""One engine in a process of its own, told what to do line by line, so that engines share no memory and no lock.

    python bench/worker.py ENGINE FOLDER

Each line in is a JSON object, each line out its answer. Above: `store.py`, through `Worker`. Below: `engines.py`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from engines import ENGINES, Agentgauge, Engine
from questions import QUESTIONS, Question


class Worker:
    """The other end: a process that holds one engine. A context manager."""

    def __init__(self, engine: str, folder: Path) -> None:
        self._began = time.perf_counter()
        pipe = subprocess.PIPE
        command = [sys.executable, str(Path(__file__)), engine, str(folder)]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """The rows of an answer."""
        return [tuple(row) for row in self._say({"do": "rows", "question": question})]

    def times(self, question: str, count: int) -> list[tuple[float, float]]:
        """How long answers took, one after another: ms of time, and of processor time of all threads."""
        return [tuple(each) for each in self._say({"do": "time", "question": question, "count": count})]

    def newest(self, question: str) -> float:
        """How long an answer took, in ms, about a window that ends with the newest event; our engine only."""
        return self._say({"do": "newest", "question": question})

    def first(self, question: str) -> tuple[float, float]:
        """The first answer of this process, in ms: opening and asking, and everything since the process was begun."""
        [(took, _)] = self.times(question, 1)
        opened: float = self._say({"do": "opened"})
        return opened + took, (time.perf_counter() - self._began) * 1e3

    def memory(self) -> float:
        """What the process holds in memory now, in MiB."""
        return self._say({"do": "memory"})

    def _say(self, line: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(orjson.dumps(line) + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process that asks {self._process.args} ended")
        return orjson.loads(answer)


def answers(engine: Engine, folder: Path) -> None:
    """Does what each line says until there are no more."""
    engine.imports()
    began = time.perf_counter()
    engine.open(folder)
    opened = (time.perf_counter() - began) * 1e3
    for line in sys.stdin.buffer:
        said = orjson.loads(line)
        question = QUESTIONS.get(said.get("question", ""))
        if said["do"] == "memory":
            answer: Any = _memory()
        elif said["do"] == "opened" or question is None:
            answer = opened
        elif said["do"] == "newest":
            assert isinstance(engine, Agentgauge)
            answer = _once(engine, question.until(engine.newest()))[0]
        elif said["do"] == "rows":
            answer = [list(row) for row in engine.rows(question, engine.ask(question))]
        else:
            answer = [_once(engine, question) for _ in range(said["count"])]
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


def _once(engine: Engine, question: Question) -> tuple[float, float]:
    began, used = time.perf_counter(), time.process_time()
    engine.ask(question)
    return (time.perf_counter() - began) * 1e3, (time.process_time() - used) * 1e3


def _memory() -> float:
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * 4_096 / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS: the most it ever held, in bytes


def main(arguments: Sequence[str]) -> None:
    """Holds the engine that the command line names."""
    engine, folder = arguments
    answers(ENGINES[engine](), Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
