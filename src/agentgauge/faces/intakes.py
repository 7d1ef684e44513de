"""The requests of other programs, taken at the paths where their SDKs and webhooks send them.

Above: the REST face, which guards these routes as it does all. Below: `bodies`, the declarations of `ingest.wires`,
and a Backend that stores. Holds no program's name.

Who may send is said by a key, as everywhere. A program that can send none signs instead, where what its signatures are
checked with is configured: then an unsigned or wrongly signed request is refused, whatever key it has, and one that
is signed needs no key and belongs to the machine owner's organisation. Where it is not configured, a key is needed as
soon as one exists, like for any other write.

A form is a kind of body that a browser sends across sites without asking; that it may not is seen to by the check of
Origin, which is on every path (`trust`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from agentgauge.core.errors import Forbidden, WrongMediaType, quote
from agentgauge.core.operation import WRITE, Principal
from agentgauge.faces import bodies
from agentgauge.ingest.deliveries import Delivery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from agentgauge.ingest.deliveries import Decode, Reply
    from agentgauge.ingest.wires import Signature, Wire

    Admit = Callable[[Request, str, str], Principal]

SIGNED = Principal(scopes=frozenset({WRITE}))
"""Who sends what is signed and has no key."""
STATUSES = (400, 401, 403, 413, 415, 503)
"""What a request may be refused with."""


class Backend(Protocol):
    """What the intakes need of the composition root."""

    def now(self) -> int:
        """The instant, in ms UTC."""
        ...

    def setting(self, name: str) -> str | None:
        """A setting by its name; None where it is not set."""
        ...

    async def receive(self, who: Principal, decode: Decode, delivery: Delivery) -> Reply:
        """Stores what a decoder finds in a request, and gives its answer."""
        ...


def endpoint(backend: Backend, admit: Admit, wire: Wire) -> Callable[[Request], Awaitable[Response]]:
    """The route of a wire; `admit` says who may write, by the key in Authorization or in the header it is given."""

    async def take(request: Request) -> Response:
        signature = wire.signature
        secret = backend.setting(signature.setting) if signature else None
        who = None if secret else admit(request, WRITE, wire.key_header)
        if wire.method != "GET":
            _check_media_type(request, wire)
        delivery = Delivery(
            body=b"" if wire.method == "GET" else await bodies.read(request, wire.limit),
            now=backend.now(),
            headers=dict(request.headers),
            query=dict(request.query_params),
            path=dict(request.path_params),
            url=_address(request, backend.setting("public_url")),
        )
        if who is None:
            who = _signer(request, delivery, signature, secret, admit)
        reply = await backend.receive(who, wire.decode, delivery)
        return Response(reply.body, reply.status, media_type=reply.media_type)

    return take


def _signer(
    request: Request, delivery: Delivery, signature: Signature | None, secret: str | None, admit: Admit
) -> Principal:
    """Who sent a request that has to be signed: the holder of its key, if it has one.

    Raises:
        Forbidden: the signature is missing or wrong.
    """
    if signature is None or secret is None or not signature.is_genuine(delivery, secret):
        hint = f"It is checked for {quote(delivery.url)}; behind a proxy, set AGENTGAUGE_PUBLIC_URL."
        raise Forbidden("the signature is missing or wrong.", hint=hint)
    return admit(request, WRITE, "") if "authorization" in request.headers else SIGNED


def _check_media_type(request: Request, wire: Wire) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wire.media_type:
        raise WrongMediaType(f"Content-Type: {quote(given)} is not taken here.", hint=f"Valid: {wire.media_type}.")


def _address(request: Request, public_url: str | None) -> str:
    """What the sender asked for: here, or at the public address that a proxy answers for us."""
    path, query = request.scope.get("raw_path", b"").decode("latin-1") or request.url.path, request.url.query
    path = path.partition("?")[0] + (f"?{query}" if query else "")
    base = public_url.rstrip("/") if public_url else f"{request.url.scheme}://{request.headers.get('host', '')}"
    return base + path
