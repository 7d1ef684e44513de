"""OTLP requests in: a body of one of three signals, in one of two encodings, to events; and what to answer.

Above: `serving`, for the HTTP receiver. Below: `protobuf` and `json` read the records, `rules` says which are taken,
`mapping` and `metrics` turn them into events, and an Intake checks and stores those. No record costs another: what
cannot be read, mapped or stored is counted and told, and the rest is kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias

from agentgauge.ingest.otlp import json, protobuf
from agentgauge.ingest.otlp.rules import (
    R,
    Rejections,
    Unreadable,
    flaw_of_log_record,
    flaw_of_point,
    flaw_of_span,
    kept,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agentgauge.ingest.otlp.records import LogRecord, MetricPoint, Span
    from agentgauge.ingest.run import Intake, Memo

log = logging.getLogger(__name__)

Event: TypeAlias = "Mapping[str, Any]"
Signal: TypeAlias = Literal["traces", "metrics", "logs"]

CHUNK = 4_096
"""How many records are held at once; a body of 64 MiB has half a million."""
TOLD = 5
"""How many different reasons an answer tells."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a request spells its messages, and its answer too."""

    media_type: str
    spans: Callable[[bytes], Iterator[Span | Unreadable]]
    metric_points: Callable[[bytes], Iterator[MetricPoint | Unreadable]]
    log_records: Callable[[bytes], Iterator[LogRecord | Unreadable]]
    partial_success: Callable[[int, str, str], bytes]
    status: Callable[[str], bytes]
    success: bytes
    """The response whose partial_success is unset."""


PROTOBUF = Encoding(
    protobuf.MEDIA_TYPE,
    protobuf.spans,
    protobuf.metric_points,
    protobuf.log_records,
    protobuf.partial_success,
    protobuf.status,
    b"",
)
JSON = Encoding(
    json.MEDIA_TYPE, json.spans, json.metric_points, json.log_records, json.partial_success, json.status, b"{}"
)
ENCODINGS: Mapping[str, Encoding] = {each.media_type: each for each in (PROTOBUF, JSON)}


@dataclass(frozen=True, slots=True)
class _Way(Generic[R]):
    """From a body of one signal to events."""

    decoder: Callable[[Encoding], Callable[[bytes], Iterator[R | Unreadable]]]
    flaw: Callable[[R], str]
    mapper: Callable[[Intake], Callable[[Sequence[R]], Iterable[Event | Memo]]]
    """How records become events, for one request."""
    records: str
    """What its records are called."""
    counted: str
    """The field of a partial success that counts those rejected."""

    def events(self, encoding: Encoding, body: bytes, intake: Intake, rejections: Rejections) -> Iterator[Event | Memo]:
        """The events of a body; records that give none for a fault are added to `rejections`."""
        records = kept(self.decoder(encoding)(body), self.flaw, rejections)
        while chunk := list(islice(records, CHUNK)):
            rejections.passed += len(chunk)
            yield from self._mapped(chunk, intake, rejections)

    def _mapped(self, chunk: Sequence[R], intake: Intake, rejections: Rejections) -> list[Event | Memo]:
        try:
            return list(self.mapper(intake)(chunk))
        except Exception:
            log.exception("%d %s could not be mapped together; each is tried alone", len(chunk), self.records)
        found: list[Event | Memo] = []
        alone = self.mapper(intake)
        for record in chunk:
            try:
                found += alone([record])
            except Exception:
                rejections.add("a fault of agentgauge; its log says more.")
        return found


def _of_spans(_: Intake) -> Callable[[Sequence[Span]], Iterable[Event]]:
    from agentgauge.ingest.otlp.mapping import spans_to_events

    return spans_to_events


def _of_log_records(intake: Intake) -> Callable[[Sequence[LogRecord]], Iterable[Event | Memo]]:
    from agentgauge.ingest.local_keys import Ordinals
    from agentgauge.ingest.otlp.mapping import logs_to_events
    from agentgauge.ingest.run import Memo

    ordinals = Ordinals(intake.recall)
    return lambda records: chain(logs_to_events(records, ordinals), (Memo(*each) for each in ordinals.memos()))


def _of_points(intake: Intake) -> Callable[[Sequence[MetricPoint]], Iterable[Event | Memo]]:
    from agentgauge.ingest.otlp.cumulative import Series
    from agentgauge.ingest.otlp.metrics import points_to_events

    series = Series(intake.recall)
    return lambda points: points_to_events(points, series)


_WAYS: Mapping[Signal, _Way[Any]] = {
    "traces": _Way(lambda each: each.spans, flaw_of_span, _of_spans, "spans", "rejectedSpans"),
    "metrics": _Way(lambda each: each.metric_points, flaw_of_point, _of_points, "data points", "rejectedDataPoints"),
    "logs": _Way(
        lambda each: each.log_records, flaw_of_log_record, _of_log_records, "log records", "rejectedLogRecords"
    ),
}


def take(signal: Signal, encoding: Encoding, body: bytes, intake: Intake) -> Rejections:
    """Takes a request in, and says which of its records were rejected.

    Args:
        signal: what the body holds.
        encoding: how it is spelt.
        body: the bytes, unpacked.
        intake: made for this request; what it rejects counts as a record rejected.

    Raises:
        InvalidValue: the body is no request of that signal in that encoding; nothing was taken.
        StoreError: the same request may be sent again, what was stored before counts as duplicate.
    """
    rejections = Rejections()
    intake.events(_WAYS[signal].events(encoding, body, intake, rejections))
    report = intake.report
    rejections.count += min(report.rejected, rejections.passed)  # of one record, several events may be rejected
    for each in report.rejections:
        rejections.tell(f"{each.field}: {each.reason}")
    return rejections


def answer(signal: Signal, encoding: Encoding, rejections: Rejections) -> bytes:
    """The body of a response with status 200."""
    if not rejections.count:
        return encoding.success
    way = _WAYS[signal]
    message = f"{rejections.count} {way.records} were rejected. {' '.join(rejections.reasons[:TOLD])}"
    return encoding.partial_success(rejections.count, message, way.counted)
