"""Cumulative points as what was added since: the newest point of each series is remembered, across requests and starts.

Above: `metrics`. Below: whatever remembers. A point that is older than the newest of its series is contained in it
already, and one of the same instant is the same point sent again; both add nothing, so that the totals are the same in
whatever order, and however often, points arrive. A new start is a new series; a value that fell is a reset and counts
whole (facts/telemetry.md 1.4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from agentgauge.ingest.otlp.histograms import Exponential

if TYPE_CHECKING:
    from agentgauge.ingest.otlp.records import MetricPoint

Recall = Callable[[str], bytes | None]
Numbers = dict[str, Any]
"""What a point has counted so far, by the names below."""


@dataclass(slots=True)
class Series:
    """The newest point of each series, as far as one request has read or moved them."""

    recall: Recall
    newest: dict[str, Numbers] = field(default_factory=dict[str, Numbers])

    def added(self, key: str, point: MetricPoint) -> Numbers | None:
        """What a cumulative point adds to the newest before it; None where it adds nothing. It is then the newest."""
        now, before = counted(point), self._before(key)
        if before is not None and point.time_ns <= before["time"]:
            return None
        self.newest[key] = now | {"time": point.time_ns}
        if before is None or _fell(now, before):
            return now
        return _less(now, before)

    def memo(self, key: str) -> bytes:
        """What is to be remembered of a series."""
        return orjson.dumps(_written(self.newest[key]))

    def _before(self, key: str) -> Numbers | None:
        if key not in self.newest:
            found = self.recall(key)
            if found is None:
                return None
            self.newest[key] = _read(orjson.loads(found))
        return self.newest[key]


def counted(point: MetricPoint) -> Numbers:
    """The numbers of a point that grow: a sum's value; count, sum and buckets of the others."""
    if point.type == "sum":
        return {"value": point.value}
    found: Numbers = {"count": point.count, "sum": point.sum}
    if point.type == "histogram":
        found["buckets"] = list(point.bucket_counts) or [point.count]
    if point.type == "exponential_histogram":
        found["exponential"] = Exponential(
            point.scale,
            point.zero_count,
            _indexed(point.positive.offset, point.positive.counts),
            _indexed(point.negative.offset, point.negative.counts),
        )
    return found


def _indexed(offset: int, counts: tuple[int, ...]) -> dict[int, int]:
    return {offset + index: count for index, count in enumerate(counts) if count}


def _fell(now: Numbers, before: Numbers) -> bool:
    """Whether it began again: a count or a sum is lower than it was."""
    name = "value" if "value" in now else "count"
    return now[name] < before[name]


def _less(now: Numbers, before: Numbers) -> Numbers:
    found = {name: _minus(now[name], before.get(name)) for name in ("value", "count", "sum") if name in now}
    if "buckets" in now:
        found["buckets"] = [n - was for n, was in zip(now["buckets"], before["buckets"], strict=True)]
    if "exponential" in now:
        found["exponential"] = now["exponential"].less(before["exponential"])
    return found


def _minus(now: Any, before: Any) -> Any:
    return None if now is None else now - (before or 0)


def _written(numbers: Numbers) -> Any:
    """As JSON; integers beyond 64 bits as their digits."""
    return {name: _plain(value) for name, value in numbers.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Exponential):
        return [value.scale, value.zero, list(value.positive.items()), list(value.negative.items())]
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def _read(found: Any) -> Numbers:
    numbers: Numbers = {name: int(value) if isinstance(value, str) else value for name, value in found.items()}
    if "exponential" in numbers:
        scale, zero, positive, negative = numbers["exponential"]
        numbers["exponential"] = Exponential(scale, zero, dict(positive), dict(negative))
    return numbers
