"""Which records of a request are taken, whatever their encoding, and the count of those that are not.

Above: `take`. Below: `records`. One record that breaks a rule is rejected with a reason and never costs another. The
reasons spell fields as OTLP's JSON does.

Source: the comments on the fields in opentelemetry-proto 1.11; facts/telemetry.md 1.1, 1.2 and 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, isfinite
from typing import TYPE_CHECKING, TypeVar

from agentgauge.core.errors import quote
from agentgauge.ingest.otlp.records import LogRecord, MetricPoint, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

REASONS = 100
"""How many rejections are told in full."""
TRACE_DIGITS, SPAN_DIGITS = 32, 16
_NO_TRACE, _NO_SPAN = "0" * TRACE_DIGITS, "0" * SPAN_DIGITS


R = TypeVar("R", Span, LogRecord, MetricPoint)


class Unreadable(ValueError):
    """Says what is wrong with a record that is not of the form its fields have; a decoder gives it in its place."""


@dataclass(slots=True)
class Rejections:
    """The records of a request that were not taken; whoever reads or maps records adds to it."""

    count: int = 0
    passed: int = 0
    """How many records were passed on to be mapped."""
    reasons: list[str] = field(default_factory=list[str])
    """The first hundred, each once."""

    def add(self, reason: str) -> None:
        """Counts a record that was rejected."""
        self.count += 1
        self.tell(reason)

    def tell(self, reason: str) -> None:
        """Keeps a reason."""
        if len(self.reasons) < REASONS and reason not in self.reasons:
            self.reasons.append(reason)


def kept(found: Iterable[R | Unreadable], flaw: Callable[[R], str], rejections: Rejections) -> Iterator[R]:
    """The records that can be taken; the others are added to `rejections` as they are met."""
    for record in found:
        if isinstance(record, Unreadable):
            rejections.add(str(record))
        elif reason := flaw(record):
            rejections.add(reason)
        else:
            yield record


def flaw_of_span(span: Span) -> str:
    """Why a span cannot be taken; empty when it can."""
    if len(span.trace_id) != TRACE_DIGITS or span.trace_id == _NO_TRACE:
        return "traceId: must be 16 bytes, not all zero."
    if len(span.span_id) != SPAN_DIGITS or span.span_id == _NO_SPAN:
        return "spanId: must be 8 bytes, not all zero."
    if span.parent_span_id and len(span.parent_span_id) != SPAN_DIGITS:
        return "parentSpanId: must be 8 bytes, or empty."
    if not span.start_ns:
        return "startTimeUnixNano: missing, and so is endTimeUnixNano."
    return ""


def flaw_of_log_record(record: LogRecord) -> str:
    """Why a log record cannot be taken; empty when it can."""
    return "" if record.time_ns else "timeUnixNano: missing, and so is observedTimeUnixNano."


def flaw_of_point(point: MetricPoint) -> str:
    """Why a data point cannot be taken; empty when it can."""
    if not point.name:
        return "a metric's name: missing."
    reason = _flaw_of_measure(point)
    return f"{quote(point.name)}: {reason}" if reason else ""


def _flaw_of_measure(point: MetricPoint) -> str:
    if not point.time_ns:
        return "timeUnixNano: missing."
    if point.type in ("gauge", "sum") and point.recorded and (point.value is None or not isfinite(point.value)):
        return "asDouble, asInt: there must be one, and it must be a finite number."
    if point.bucket_counts and len(point.bucket_counts) != len(point.bounds) + 1:
        return "bucketCounts: must be one more than explicitBounds."
    if not all(low < high for low, high in pairwise((-inf, *point.bounds))):
        return "explicitBounds: must be numbers that ascend."
    return ""


def parent(digits: str) -> str:
    """The id of a parent; one that is all zero is none."""
    return "" if digits == _NO_SPAN else digits


def reference(digits: str, length: int) -> str:
    """The id of the trace or span that a log record belongs to; an invalid one is none (logs.proto)."""
    return digits if len(digits) == length and digits.strip("0") else ""


def finite(value: float | None) -> float | None:
    """A sum, minimum or maximum; None where it is not a finite number, which spoils no count."""
    return value if value is not None and isfinite(value) else None
