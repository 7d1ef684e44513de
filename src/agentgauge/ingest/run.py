"""From decoded lines to a store: check, batch, write, and say what became of each.

Above: the import command, `POST /v1/events`, OTLP, the demo. Below: `check`, and a Sink that it is handed. Nothing is
lost silently: every object is counted once, as accepted, duplicate, replaced or rejected.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgauge.core.alike import Alike
from agentgauge.core.catalog import BY_TYPE
from agentgauge.ingest.bulk import plain
from agentgauge.ingest.check import AS_OF, Rejected, Tally, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from agentgauge.core.query import Sink
    from agentgauge.ingest.events import Item

BATCH = 10_000
"""The most events a Sink takes at once."""
TOGETHER = 500
"""So many lines are checked at once."""
REJECTIONS = 100
"""How many rejections a report tells in full."""
_kind = itemgetter("type")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that was not taken."""

    source: str
    line: int | None
    """From 1; None for an event that a decoder derived."""
    field: str
    reason: str


class Memo(NamedTuple):
    """What a decoder wants to find again: it stands among events, and is stored with those before it. An empty one is
    forgotten."""

    key: str
    value: bytes


@dataclass(slots=True)
class Report:
    """What became of the objects of a delivery. Only what is durable is counted as accepted."""

    accepted: int = 0
    duplicate: int = 0
    replaced: int = 0
    rejected: int = 0
    cleaned: int = 0
    """How many of the events taken had characters removed or an unknown field cut."""
    rejections: list[Rejection] = field(default_factory=list[Rejection])
    """The first hundred."""
    datasets: Counter[str] = field(default_factory=Counter[str])
    """Events taken (accepted, duplicate or replaced) per dataset."""


class Intake:
    """Takes objects in, in batches that may span sources. A context manager: what is left is written at its end.

    A StoreError from the sink ends it; `report` then tells what was stored before.
    """

    def __init__(self, sink: Sink, on_progress: Callable[[Report], None] | None = None) -> None:
        self.report = Report()
        self._sink = sink
        self._on_progress = on_progress
        self._batch: list[Mapping[str, Any]] = []
        self._alike: list[Alike] = []
        """What waits instead, as long as it is of one type and was taken at once."""
        self._memos: dict[str, bytes] = {}
        self._cleaned = 0
        self._tally = Tally()

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.flush()

    def lines(self, items: Iterable[Item], source: str = "") -> None:
        """Takes what `events.decode` gives."""
        waiting = iter(items)
        while some := list(islice(waiting, min(TOGETHER, BATCH - self._waiting))):
            events = plain([value for _, value in some])
            if events is None:
                for number, value in some:
                    self._take(value, source, number)
                continue
            if self._batch or (self._alike and self._alike[0].type != events.type):
                self._one_by_one(events)
            else:
                self._alike.append(events)
            if self._waiting >= BATCH:
                self.flush()

    def events(self, events: Iterable[Mapping[str, Any] | Memo], source: str = "") -> None:
        """Takes events that a decoder derived, and what it wants to find again."""
        for event in events:
            if isinstance(event, Memo):
                self._memos[event.key] = event.value
            else:
                self._take(event, source, None)

    def recall(self, key: str) -> bytes | None:
        """The value of the last memo of that key, of this delivery or of one before; None where that was empty."""
        found = self._memos.get(key)
        return self._sink.recall(key) if found is None else found or None

    def reject(self, source: str, line: int | None, rejected: Rejected) -> None:
        """Counts an object that a decoder could not read."""
        self.report.rejected += 1
        if len(self.report.rejections) < REJECTIONS:
            self.report.rejections.append(Rejection(source, line, rejected.field, rejected.reason))

    def flush(self) -> None:
        """Writes what is waiting."""
        batch: Sequence[Mapping[str, Any]] = Alike.join(self._alike) if self._alike else self._batch
        self._alike, self._batch = [], []
        memos, self._memos = self._memos, {}
        cleaned, self._cleaned = self._cleaned, 0
        if not batch and not memos:
            return
        receipt = self._sink.write(batch, memos)
        report = self.report
        report.accepted += receipt.accepted
        report.duplicate += receipt.duplicate
        report.replaced += receipt.replaced
        report.cleaned += cleaned
        kinds = {batch.type: len(batch)} if isinstance(batch, Alike) else Counter(map(_kind, batch))
        for kind, count in kinds.items():
            report.datasets[kind if kind == AS_OF else BY_TYPE[kind].name] += count
        if self._on_progress is not None:
            self._on_progress(report)

    def _take(self, value: object, source: str, line: int | None) -> None:
        if isinstance(value, Rejected):
            self.reject(source, line, value)
            return
        try:
            event = check(value, self._tally)
        except Rejected as rejected:
            self._tally = Tally()
            self.reject(source, line, rejected)
            return
        if self._tally.cleaned:
            self._cleaned += 1
            self._tally = Tally()
        if self._alike:
            self._one_by_one(())
        self._batch.append(event)
        if len(self._batch) >= BATCH:
            self.flush()

    @property
    def _waiting(self) -> int:
        """How many events are to be written."""
        return len(self._batch) + sum(map(len, self._alike))

    def _one_by_one(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Takes events in after those that wait, all of them as events of their own."""
        waiting, self._alike = self._alike, []
        for each in (*waiting, events):
            self._batch += each


def run(
    items: Iterable[Item], sink: Sink, *, source: str = "", on_progress: Callable[[Report], None] | None = None
) -> Report:
    """Takes one source of lines in."""
    with Intake(sink, on_progress) as intake:
        intake.lines(items, source)
    return intake.report
