"""Log records to events: which event each is, and by which convention it is read.

Above: the package's face. Below: the declarations of the coding agents, and `happening`, which interprets them. Only
their records are counted; those of SDKs repeat what their spans say (facts/telemetry.md 0, rule 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import NAME_LENGTH
from agentgauge.ingest.otlp.mapping import keys
from agentgauge.ingest.otlp.mapping.claude_code import CLAUDE_CODE_LOGS
from agentgauge.ingest.otlp.mapping.codex import CODEX_LOGS
from agentgauge.ingest.otlp.mapping.gemini import GEMINI_LOGS
from agentgauge.ingest.otlp.mapping.happening import Happening, Origin, event_of, origin_of
from agentgauge.ingest.otlp.mapping.shapes import Shapes
from agentgauge.ingest.otlp.mapping.spans import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agentgauge.ingest.local_keys import Ordinals
    from agentgauge.ingest.otlp.mapping.convention import Convention
    from agentgauge.ingest.otlp.records import LogRecord

LOGS: tuple[Convention, ...] = (CLAUDE_CODE_LOGS, CODEX_LOGS, GEMINI_LOGS)
_SHAPES: Shapes[Convention] = Shapes(lambda convention, _: convention)


def logs_to_events(logs: Iterable[LogRecord], ordinals: Ordinals) -> Iterator[dict[str, Any]]:
    """The events of log records, in their order, for `ingest.run.Intake`. What a record says in its body is dropped,
    but for the name of its event. `ordinals` tell equal ones apart."""
    resource: Mapping[str, Any] | None = None
    scope: str | None = None
    origin: Origin | None = None
    for log in logs:
        if origin is None or log.resource is not resource or log.scope != scope:
            resource, scope = log.resource, log.scope
            origin = origin_of(resource, scope)
        names = event_names(log)
        convention = _convention(log.scope, names)
        record_id = keys.record_id(log.time_ns, log.trace_id, log.span_id, names, log.attributes, log.body)
        happening = Happening(
            record_id,
            next((name for name in names if name in convention.roles), names[0] if names else ""),
            log.attributes,
            log.time_ns,
            log.time_ns,
            log.trace_id,
            keys.tie(record_id),
            origin,
            is_log=True,
            severity=log.severity,
            ordinal=ordinals.of,
        )
        event = event_of(_SHAPES.of(convention, log.attributes), happening)
        if event is not None:
            yield event


def event_names(log: LogRecord) -> Sequence[str]:
    """What a record's event may be called: by its attribute, its field, its body (facts 1.5). Where Codex puts a place
    in its source, or a body says something, there is a blank."""
    found = (log.attributes.get("event.name"), log.event_name, log.body)
    return [name for name in found if isinstance(name, str) and 0 < len(name) <= NAME_LENGTH and not _has_blank(name)]


def _has_blank(name: str) -> bool:
    return any(character.isspace() for character in name)


def _convention(scope: str, names: Sequence[str]) -> Convention:
    for convention in LOGS:
        if scope.startswith(convention.scopes) or any(name.startswith(convention.scopes) for name in names):
            return convention
    return PLAIN
