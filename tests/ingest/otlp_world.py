"""An agentgauge that is sent telemetry, what it then answers, and requests made from records.

Requests go in as `serve` takes them (`ingest.otlp.take`), answers come from the tool that a model would ask.
"""

from __future__ import annotations

import functools
import gzip
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.ingest.local_keys import Ordinals
from agentgauge.ingest.otlp import JSON, PROTOBUF, take
from agentgauge.ingest.otlp.mapping import logs_to_events, spans_to_events
from agentgauge.ingest.otlp.records import LogRecord, Span, SpanEvent
from agentgauge.ingest.run import Intake

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentgauge.ingest.otlp import Encoding, Signal
    from agentgauge.ingest.run import Report

Event = dict[str, Any]
FIXTURES = Path(__file__).parents[1] / "fixtures" / "otlp"
NOON_NS = 1_795_176_000_000_000_000
"""2026-11-20T12:00Z, the day of all recorded requests."""
MS = 1_000_000
ORDINALS = Ordinals(lambda _: None)
"""Of all records that are given, one by one."""
TOKENS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}
"""What the captures' `EXPECTED.json` calls the sums of model calls, and their fields."""
YEAR = {"start": "2026-01-01T00:00Z", "end": "2027-01-01T00:00Z"}


@dataclass(frozen=True, slots=True)
class Request:
    """The body of an OTLP request, and what it is."""

    signal: Signal
    encoding: Encoding
    body: bytes


def recorded(path: Path) -> Request:
    """A request as an SDK sent it."""
    body = path.read_bytes()
    encoding = JSON if path.suffix == ".json" else PROTOBUF
    signal: Literal["traces", "logs"] = "traces" if "traces" in path.name else "logs"
    return Request(signal, encoding, gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)


def recordings(folder: str) -> list[Request]:
    """All recorded traces and logs of a folder."""
    found = sorted((FIXTURES / folder).iterdir())
    return [recorded(path) for path in found if path.stem.endswith(("traces", "logs")) and path.suffix != ".headers"]


def parts(request: Request) -> list[Request]:
    """The same records, each in a request of its own. JSON requests are left whole."""
    if request.encoding is JSON:
        return [request]
    found: list[Request] = []
    if request.signal == "traces":
        whole = ExportTraceServiceRequest.FromString(request.body)
        for resource in whole.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    one = ExportTraceServiceRequest()
                    group = one.resource_spans.add(resource=resource.resource)
                    group.scope_spans.add(scope=scope.scope).spans.append(span)
                    found.append(Request("traces", PROTOBUF, one.SerializeToString()))
        return found
    logs = ExportLogsServiceRequest.FromString(request.body)
    for resource in logs.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                one = ExportLogsServiceRequest()
                group = one.resource_logs.add(resource=resource.resource)
                group.scope_logs.add(scope=scope.scope).log_records.append(record)
                found.append(Request("logs", PROTOBUF, one.SerializeToString()))
    return found


class World:
    """A store of its own, in a folder that goes with it."""

    TOTALS = (
        *("llm_calls", "llm_errors", "tool_calls", "tool_errors", "agent_runs", "agent_errors", "points"),
        *TOKENS,
        "cost_usd",
    )
    """The keys of `totals`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.app = App(Settings(home=Path(self._folder.name), tz="UTC"), clock=lambda: (NOON_NS // MS) + 3_600_000)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def send(self, *requests: Request) -> None:
        """Takes requests in, one after the other."""
        with self.app.sink() as sink:
            for request in requests:
                with Intake(sink) as intake:
                    rejections = take(request.signal, request.encoding, request.body, intake)
                assert not rejections.count, rejections.reasons

    def give(self, *records: Span | LogRecord) -> Report:
        """Takes records in, in their order."""
        return self.take(event for record in records for event in events(record))

    def take(self, lines: Iterable[Mapping[str, Any]]) -> Report:
        """Takes events in."""
        with self.app.sink() as sink, Intake(sink) as intake:
            intake.events(lines)
        return intake.report

    def ask(self, dataset: str, *sums: str, filters: Iterable[Mapping[str, Any]] = ()) -> list[Any]:
        """How many events a dataset has, and the sums of fields."""
        asked: dict[str, Any] = {"datasource": dataset, "type": "distribution", "filters": list(filters), **YEAR}
        asked["aggregations"] = [{"type": "sum", "column": column} for column in sums]
        total = anyio.run(functools.partial(self.app.call, "query_datapoints", asked)).total
        return list(total.values()) if isinstance(total, dict) else [total]

    def totals(self) -> dict[str, Any]:
        """Everything that must not depend on how often, in what order and in which parts telemetry was sent."""
        failed = [{"field": "is_failure", "operator": "EQUAL", "value": True}]
        counts = [
            self.ask(dataset, filters=filters)[0]
            for dataset in ("model_calls", "tool_calls", "requests")
            for filters in ((), failed)
        ]
        sums = self.ask("model_calls", *TOKENS.values(), "cost_usd")[1:]
        sums[-1] = round(sums[-1], 12)
        return dict(zip(self.TOTALS, (*counts, *self.ask("points"), *sums), strict=True))


def events(record: Span | LogRecord) -> list[Event]:
    """The events of one record."""
    return list(spans_to_events([record]) if isinstance(record, Span) else logs_to_events([record], ORDINALS))


def event(record: Span | LogRecord) -> Event:
    """The one event of a record, without the fields that have no value."""
    (found,) = events(record)
    return {name: value for name, value in found.items() if value is not None}


def span(
    name: str = "",
    /,
    *,
    trace: int = 1,
    id: int = 1,
    scope: str = "",
    service: str = "shop",
    kind: int = 1,
    status: int = 0,
    at_ms: int = 0,
    lasts_ms: float = 5,
    exception: str = "",
    **attributes: Any,
) -> Span:
    """A span; attribute names have two underscores for a dot."""
    start = NOON_NS + at_ms * MS
    raised = SpanEvent("exception", start, {"exception.type": exception})
    return Span(
        trace_id=f"{trace:032x}",
        span_id=f"{id:016x}",
        parent_span_id="",
        name=name,
        kind=kind,
        start_ns=start,
        end_ns=start + int(lasts_ms * MS),
        status_code=status,
        status_message="",
        attributes=dotted(attributes),
        events=(raised,) if exception else (),
        resource={"service.name": service},
        scope=scope,
    )


def log(
    name: str, /, *, scope: str = "", body: Any = None, at_ms: int = 0, service: str = "cli", **attributes: Any
) -> LogRecord:
    """A log record whose attribute `event.name` is the name."""
    return LogRecord(
        time_ns=NOON_NS + at_ms * MS,
        severity=9,
        event_name="",
        body=body,
        attributes={"event.name": name, **dotted(attributes)},
        resource={"service.name": service},
        scope=scope,
    )


def dotted(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by their own names."""
    return {name.replace("__", "."): value for name, value in attributes.items()}
