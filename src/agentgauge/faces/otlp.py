"""The OTLP receiver: what any OpenTelemetry exporter sends over HTTP, taken at the paths of the specification.

Above: the REST face, which guards these routes as it does all. Below: `bodies`, and a Backend that stores. A response
is spelt as its request is, in protobuf or JSON, errors included: a google.rpc.Status. Exporters try again on 503 (after
Retry-After) and drop their batch on 400, 413 and 500, so whatever goes wrong on our side is 503.

Source: opentelemetry-proto 1.11, docs/specification.md "OTLP/HTTP"; facts/telemetry.md 1.1 and 2.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from agentgauge.core.errors import WrongMediaType, quote
from agentgauge.core.operation import WRITE, Principal, Refusal
from agentgauge.faces import bodies
from agentgauge.ingest.otlp import ENCODINGS, JSON, Encoding, Signal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

PATHS: Mapping[str, Signal] = {
    "/v1/traces": "traces",
    "/v1/metrics": "metrics",
    "/v1/logs": "logs",
    "/api/public/otel/v1/traces": "traces",
}
"""Where each signal is sent; the last is where an SDK of facts 2.5 looks for it on whatever host it is given."""
STATUSES = (400, 401, 403, 413, 415, 503)
"""What a request may be refused with."""
RETRY_AFTER_S = "1"
ENCODED = ("", "identity", "gzip")
"""The content encodings that are taken."""


class Backend(Protocol):
    """What the receiver needs of the composition root."""

    async def export(self, who: Principal, signal: Signal, encoding: Encoding, body: bytes) -> bytes:
        """Stores the records of a request, and gives the body of its answer."""
        ...


def endpoint(
    backend: Backend, admit: Callable[[Request, str], Principal], signal: Signal
) -> Callable[[Request], Awaitable[Response]]:
    """The route of a signal; `admit` says who may write."""

    async def export(request: Request) -> Response:
        who = admit(request, WRITE)
        encoding = ENCODINGS.get(_media_type(request))
        if encoding is None:
            hint = f"Valid: {' and '.join(ENCODINGS)}."
            raise WrongMediaType(f"Content-Type: {quote(_media_type(request))} is not taken.", hint=hint)
        packed = request.headers.get("content-encoding", "").strip().lower()
        if packed not in ENCODED:
            raise WrongMediaType(f"Content-Encoding: {quote(packed)} is not taken.", hint="Valid: gzip, or none.")
        answer = await backend.export(who, signal, encoding, await bodies.read(request))
        return Response(answer, media_type=encoding.media_type)

    return export


def refused(request: Request, refusal: Refusal) -> Response:
    """Our own refusal as an exporter reads it, with a status that makes it try again unless its data was at fault."""
    encoding = ENCODINGS.get(_media_type(request), JSON)
    error = refusal.body["error"]
    status = refusal.status if refusal.status < 500 else 503
    headers = {**refusal.headers, "Retry-After": RETRY_AFTER_S} if status == 503 else dict(refusal.headers)
    message = " ".join(filter(None, (error["message"], error.get("hint"))))
    return Response(encoding.status(message), status, headers, encoding.media_type)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
