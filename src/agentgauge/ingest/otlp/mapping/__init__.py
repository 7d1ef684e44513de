"""Spans and log records as the events of agents: each convention a declaration, interpreted by one small engine.

Above: `ingest.otlp`, which takes a request in. Below: `records`; `ingest.local_keys` and `ingest.prices`.

| module | what it is |
|---|---|
| `convention` | what a declaration says |
| `conventions`, `claude_code`, `codex`, `gemini` | the declarations |
| `spans`, `logs` | which declaration a record is read by |
| `shapes` | which attributes give which fields, worked out once for each set of names |
| `happening` | the engine: one record, one event |
| `identity`, `keys` | which records are copies of one happening, and which of them counts |
| `coerce`, `metadata` | values of fields; what is kept of the rest |

What counts: inference leaves are model calls, tool spans are tool calls, agent spans are runs. Everything else is kept
as a point, `otel.span.duration_ms` or `otel.log`, with its name in a label and its attributes in the metadata, so that
spans of HTTP or of a database are no runs. Prompts, replies, arguments and results are dropped (`metadata`).

Sources: facts/telemetry.md 0 and 2 and 3; design section 3.
"""

from agentgauge.ingest.otlp.mapping.logs import logs_to_events
from agentgauge.ingest.otlp.mapping.spans import spans_to_events

__all__ = ["logs_to_events", "spans_to_events"]
