"""The OpenTelemetry SDK for Python exports to a real server, and loses nothing while the store is busy."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

from exported import serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the versions of what they use
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

if TYPE_CHECKING:
    from pathlib import Path

COUNT = {"type": "count"}
INPUT = {"type": "sum", "column": "input_tokens"}


def calls(provider: TracerProvider, count: int) -> None:
    """Spans of model calls of 100 tokens."""
    tracer = provider.get_tracer("interop")
    for number in range(count):
        said: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.response.model": "gpt-4o-mini",
            "gen_ai.response.id": f"r{number}",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
        }
        tracer.start_span("chat gpt-4o-mini", attributes=said).end()


def test_batches_that_meet_a_busy_store_are_sent_again_and_counted_once(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, url):
        exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", compression=Compression.Gzip, timeout=60)
        provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
        calls(provider, 700)
        flushed: list[bool] = []
        flush = threading.Thread(target=lambda: flushed.append(provider.force_flush(60_000)))
        with server.busy():
            flush.start()
            assert server.until(r"POST /v1/traces: (STORE_BUSY)")
        flush.join(60)
        provider.shutdown()
        assert flushed == [True]
        assert server.total("model_calls", COUNT, INPUT) == {"count": 700, "sum_input_tokens": 70_000}
