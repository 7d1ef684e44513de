"""Spans to events: by which convention each is read.

Above: the package's face. Below: `conventions` and `happening`, which interprets them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import VALUE_LENGTH
from agentgauge.ingest.otlp.mapping import coerce, keys
from agentgauge.ingest.otlp.mapping.convention import Convention
from agentgauge.ingest.otlp.mapping.conventions import SPANS, UNNAMED
from agentgauge.ingest.otlp.mapping.happening import Happening, Origin, event_of, origin_of
from agentgauge.ingest.otlp.mapping.shapes import Shapes
from agentgauge.ingest.otlp.records import STATUS_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agentgauge.ingest.otlp.mapping.convention import Names
    from agentgauge.ingest.otlp.records import Span

CLIENT = 3
"""The kind of a span that waits for another service's reply."""
PLAIN = Convention(name="otel")
"""Spans that are about no agent: they are kept as points."""

_MARKS = tuple((mark, convention) for convention in SPANS for mark in convention.marks)
_MODELS = frozenset({"gen_ai.request.model", "gen_ai.response.model"})


def spans_to_events(spans: Iterable[Span]) -> Iterator[dict[str, Any]]:
    """The events of spans, in their order, for `ingest.run.Intake`. Each span is read by itself: parents may be in
    another request, or never come. Nothing in a span makes it fail; what cannot be an event its check rejects."""
    resource: Mapping[str, Any] | None = None
    scope: str | None = None
    origin: Origin | None = None
    for span in spans:
        if origin is None or span.resource is not resource or span.scope != scope:
            resource, scope = span.resource, span.scope
            origin = origin_of(resource, scope)
        is_failure = span.status_code == STATUS_ERROR
        happening = Happening(
            f"{span.trace_id}:{span.span_id}",
            span.name[:VALUE_LENGTH],
            span.attributes,
            span.start_ns,
            max(span.end_ns, span.start_ns),
            span.trace_id,
            keys.tie(span.span_id),
            origin,
            is_failure,
            _exception(span) if is_failure else None,
        )
        about = (origin.scope, bool(span.scope_version), span.kind == CLIENT)
        event = event_of(_SHAPES.of(about, span.attributes), happening)
        if event is not None:
            yield event


def _convention(about: tuple[str, bool, bool], names: Names) -> Convention:
    """What a span follows, by its scope, whether that has a version, whether it is a client's, and its attributes."""
    scope, has_version, is_client = about
    found = _by_scope(scope, has_version)
    if found is not None:
        return found
    for mark, convention in _MARKS:
        if mark in names:
            return convention
    return UNNAMED if is_client and not _MODELS.isdisjoint(names) else PLAIN


_SHAPES: Shapes[tuple[str, bool, bool]] = Shapes(_convention)


@lru_cache(maxsize=1024)
def _by_scope(scope: str, has_version: bool) -> Convention | None:
    possible = (each for each in SPANS if each.scopes and not (has_version and each.is_unversioned))
    return next((each for each in possible if scope.startswith(each.scopes)), None)


def _exception(span: Span) -> str | None:
    """The type of the exception that a span recorded."""
    types = (coerce.text(event.attributes.get("exception.type")) for event in span.events if event.name == "exception")
    return next(filter(None, types), None)
