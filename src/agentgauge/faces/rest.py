"""The REST face: every declared operation on its vendor's own path, with its vendor's own errors.

Above: `agentgauge serve`. Below: Starlette, and a Backend from the composition root. Holds no vendor's name: method,
path, parameters, envelope and headers are read off the declarations. Our own paths stand beside them: `/health`,
`POST /v1/events`, `/openapi.json`, its page at `/docs`, the OTLP receiver, the intakes of other programs, and MCP at
`/mcp`.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from agentgauge.core.errors import (
    CallerError,
    Forbidden,
    GaugeError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    StoreBusy,
    TooLarge,
    Unauthorized,
    UpstreamError,
    WrongMediaType,
)
from agentgauge.core.operation import READ, WRITE, Dialect, Operation, Principal, Refusal
from agentgauge.core.wire import read
from agentgauge.faces import bodies, intakes, openapi, otlp
from agentgauge.faces.cache import Answers
from agentgauge.ingest.wires import WIRES

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from agentgauge.core.operation import Desk
    from agentgauge.faces.trust import Trust
    from agentgauge.ingest.otlp import Signal
    from agentgauge.ingest.wires import Wire

log = logging.getLogger(__name__)

JSON = "application/json"
WRITE_TYPES = (JSON, "application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/ndjson")
"""The content types of a write: a browser's form cannot send them across sites without asking first."""
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _CROCKFORD for low in _CROCKFORD]


class Backend(otlp.Backend, intakes.Backend, Protocol):
    """What the face needs of the composition root."""

    @property
    def dialects(self) -> Sequence[Dialect]:
        """The vendors that are spoken."""
        ...

    def principal(self, token: str | None) -> Principal:
        """Who a bearer token is; without one, the machine's owner as long as there are no keys."""
        ...

    def desk(self, who: Principal) -> Desk:
        """That caller's desk, now."""
        ...

    def version(self, who: Principal) -> Hashable:
        """Something that changes whenever the organisation's store does."""
        ...

    async def take(self, who: Principal, body: bytes) -> dict[str, Any]:
        """Stores the event lines of a body, and says what became of each."""
        ...


def build(backend: Backend, trust: Trust, mcp: ASGIApp | None = None, lifespan: Lifespan | None = None) -> ASGIApp:
    """The application: our own paths, then every operation, then what answers below a vendor's prefix."""
    face = _Face(backend)
    described = cache(lambda: orjson.dumps(openapi.document(backend.dialects), option=orjson.OPT_INDENT_2))
    page = cache(lambda: openapi.page(backend.dialects))  # both take a while, and few ever ask for them

    async def document(request: Request) -> Response:
        face.admit(request, READ)
        return Response(described(), media_type=JSON)

    async def documentation(request: Request) -> Response:
        face.admit(request, READ)
        return HTMLResponse(page())

    routes = [
        _route("/health", _health, "GET"),
        _route("/openapi.json", face.own(document), "GET"),
        _route("/docs", face.own(documentation), "GET"),
        _route("/v1/events", face.own(face.events), "POST"),
    ]
    routes += [_route(path, face.export(signal), "POST") for path, signal in otlp.PATHS.items()]
    routes += [_route(wire.path, face.intake(wire), wire.method) for wire in WIRES]
    vendors = {dialect.served().prefix for dialect in backend.dialects}  # answer other methods there themselves
    ours = [each for each in routes if each.path not in vendors]
    otherwise = [_route(each.path, face.own(face.other(each.methods or ()))) for each in ours]
    if mcp is not None:
        routes.append(Route("/mcp", endpoint=_Keyed(face, mcp)))
    for dialect in backend.dialects:
        for path in dict.fromkeys(each.path for each in dialect.operations):
            here = [each for each in dialect.operations if each.path == path]
            made = [_route(path, face.endpoint(dialect, each), each.method) for each in here]
            routes += made
            methods = {method for each in made for method in each.methods or ()}
            otherwise.append(_route(path, face.in_words_of(dialect, face.other(methods))))
        if prefix := dialect.served().prefix:
            answer = face.in_words_of(dialect, face.nothing)
            otherwise += [_route(path, answer) for path in (prefix, prefix + "/{rest:path}")]
    otherwise.append(_route("/{rest:path}", face.own(face.nothing)))
    return trust.around(Starlette(routes=routes + otherwise, lifespan=lifespan))


Lifespan = Callable[[Starlette], Any]
Endpoint = Callable[[Request], Awaitable[Response]]
Refused = Callable[[Request, GaugeError, str], Response]
"""What a request is answered that failed with an error; the text is the request's id."""


async def _health(_: Request) -> Response:
    return _json({"status": "ok"})


def _route(path: str, endpoint: Endpoint, *methods: str) -> Route:
    """A route of these methods, or of every one. Unlike Starlette's own, a line feed in a path is a character."""
    route = Route(path, endpoint, methods=methods)
    route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + r"\Z", re.DOTALL)
    return route


class _Face:
    """What the routes share: the backend and the cache of answers."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.answers = Answers()

    def admit(self, request: Request, scope: str, key_header: str = "") -> Principal:
        """Who asks, once the key allows it; some SDKs put it into a header of their own.

        Raises:
            Unauthorized: without a key that is valid.
            Forbidden: if the key lacks the scope.
        """
        token = request.headers.get(key_header) if key_header else None
        who = self.backend.principal(token or _token(request))
        if scope not in who.scopes:
            raise Forbidden(f"the key lacks the scope {scope}.", hint="Create one with keys create --scope.")
        return who

    def endpoint(self, dialect: Dialect, operation: Operation[Any]) -> Endpoint:
        """One operation's route."""

        async def answer(request: Request) -> Response:
            who = self.admit(request, operation.scope)
            body = await bodies.read(request) if operation.method == "POST" else b""
            key = (who, operation.name, request.scope["path"], request.scope["query_string"], body)
            version = self.backend.version(who)
            known = self.answers.get(key, version)
            if known is None:
                desk = self.backend.desk(who)
                known = await self.answers.once(key, version, partial(self._answer, operation, request, body, desk))
            return Response(known, media_type=JSON, headers=dict(operation.headers))

        return self.in_words_of(dialect, answer)

    async def _answer(self, operation: Operation[Any], request: Request, body: bytes, desk: Desk) -> bytes:
        paths = frozenset(request.path_params)
        given = _parsed(body) if operation.method == "POST" else _query(request)
        where = "body" if operation.method == "POST" else "query"
        asked = read(operation.request, {**given, **request.path_params}, where=where, paths=paths)
        return bodies.dumps(operation.encode(asked, await operation.answer(asked, desk), desk))

    async def nothing(self, request: Request) -> Response:
        """What answers where there is no operation."""
        self.admit(request, READ)
        raise NotFound(f"there is nothing at {request.url.path[:200]}.", hint="GET /openapi.json lists every path.")

    def other(self, methods: Iterable[str]) -> Endpoint:
        """What answers where there are operations, but of other methods."""
        allowed = sorted(methods)

        async def answer(request: Request) -> Response:
            self.admit(request, READ)
            raise MethodNotAllowed(request.method, allowed)

        return answer

    def own(self, endpoint: Endpoint) -> Endpoint:
        """One of our own paths, with errors in our own envelope."""
        return self._guarded(endpoint, _in_json(own_refusal), None)

    def in_words_of(self, dialect: Dialect, endpoint: Endpoint) -> Endpoint:
        """An endpoint with errors in a vendor's envelope."""
        served = dialect.served()
        return self._guarded(endpoint, _in_json(served.refuse or own_refusal), served.request_id_header)

    def export(self, signal: Signal) -> Endpoint:
        """The OTLP receiver of a signal, with errors as exporters read them."""

        def refused(request: Request, error: GaugeError, request_id: str) -> Response:
            return otlp.refused(request, own_refusal(error, request_id))

        return self._guarded(otlp.endpoint(self.backend, self.admit, signal), refused, None)

    def intake(self, wire: Wire) -> Endpoint:
        """Where another program sends what it has."""
        return self.own(intakes.endpoint(self.backend, self.admit, wire))

    def _guarded(self, endpoint: Endpoint, refused: Refused, header: str | None) -> Endpoint:
        async def guarded(request: Request) -> Response:
            request_id = ulid()
            try:
                response = await endpoint(request)
            except GaugeError as error:
                if not isinstance(error, CallerError):
                    log.warning("%s %s: %s", request.method, request.url.path, error)
                response = refused(request, error, request_id)
                if isinstance(error, MethodNotAllowed):
                    response.headers["Allow"] = ", ".join(error.allowed)
            except ClientDisconnect:
                response = Response(status_code=499)
            except Exception:
                log.exception("%s %s failed (%s)", request.method, request.url.path, request_id)
                response = refused(request, GaugeError("internal error"), request_id)
            if header:
                response.headers[header] = request_id
            return response

        return guarded

    async def events(self, request: Request) -> Response:
        """POST /v1/events: a JSON array or JSON Lines, plain or gzip."""
        who = self.admit(request, WRITE)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in WRITE_TYPES:
            message = f"must be one of {', '.join(WRITE_TYPES[:2])}"
            raise InvalidRequest([Problem("Content-Type", message, where="header", given=kind)])
        return _json(await self.backend.take(who, await bodies.read(request)))


class _Keyed:
    """An application that needs a key; its caller stands in the scope's state as `principal`."""

    def __init__(self, face: _Face, app: ASGIApp) -> None:
        self.face, self.app = face, app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)

        async def admitted(_: Request) -> Response:
            scope.setdefault("state", {})["principal"] = self.face.backend.principal(_token(request))
            return Response()

        response = await self.face.own(admitted)(request)
        if response.status_code == 200:
            await self.app(scope, receive, send)
        else:
            await response(scope, receive, send)


def _token(request: Request) -> str | None:
    """The key that a request carries: as a bearer token, or as the password of a client that knows only Basic."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        token = _password(token.strip())
    elif scheme.lower() != "bearer":
        return None
    return token.strip() or None


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _query(request: Request) -> dict[str, Any]:
    """The query parameters; one that is repeated is a list, so that a scalar field refuses it."""
    found: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        found[name] = value if name not in found else [*_listed(found[name]), value]
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # type: ignore[reportUnknownVariableType]  # strings only


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest([Problem("body", "must be valid JSON", where="body")]) from None
    if not isinstance(given, dict):
        raise InvalidRequest([Problem("body", "must be a JSON object", where="body", given=given)])
    return given  # type: ignore[reportUnknownVariableType]


STATUSES: tuple[tuple[type[GaugeError], int], ...] = (
    (Unauthorized, 401),
    (Forbidden, 403),
    (MethodNotAllowed, 405),
    (NotFound, 404),
    (TooLarge, 413),
    (WrongMediaType, 415),
    (CallerError, 400),
    (StoreBusy, 503),
    (UpstreamError, 502),
    (GaugeError, 500),
)


def own_refusal(error: GaugeError, request_id: str) -> Refusal:
    """An error in our own envelope; what is wrong with us is not told."""
    status = next(code for kind, code in STATUSES if isinstance(error, kind))
    message, hint = (error.message, error.hint) if status != 500 else ("internal error", "Its log says why.")
    body: dict[str, Any] = {"code": error.code, "message": message, "request_id": request_id}
    if hint:
        body["hint"] = hint
    headers = {"Retry-After": "1"} if status == 503 else {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Refusal(status, {"error": body}, headers)


def _in_json(refuse: Callable[[GaugeError, str], Refusal]) -> Refused:
    def refused(_: Request, error: GaugeError, request_id: str) -> Response:
        refusal = refuse(error, request_id)
        return _json(refusal.body, refusal.status, refusal.headers)

    return refused


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(bodies.dumps(body), status, dict(headers or {}), JSON)


def ulid() -> str:
    """A request id: 48 bits of time and 80 of chance, in Crockford's base 32."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
