"""What `agentgauge serve` stands on: the stores of every organisation behind keys, for the REST and MCP faces.

Above: the command line. Below: App for each organisation, the control file. Part of the composition root.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread

from agentgauge.app import App, wall_clock
from agentgauge.core.call import call, find_tool
from agentgauge.core.errors import Forbidden, InvalidValue, StoreBusy, StoreError, Unauthorized
from agentgauge.core.operation import READ, WRITE, Dialect, Principal, Tool
from agentgauge.dialects import DIALECTS
from agentgauge.ingest import events, otlp
from agentgauge.ingest.run import Intake
from agentgauge.ingest.together import Together
from agentgauge.stores.sqlite.control import Control
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from agentgauge.config import Settings
    from agentgauge.core.answer import Answer
    from agentgauge.core.query import Receipt
    from agentgauge.desks.local import LocalDesk
    from agentgauge.ingest.deliveries import Decode, Delivery, Reply
    from agentgauge.stores.sqlite.sink import SqliteSink

_log = logging.getLogger(__name__)

INDEX_EVERY_S = 0.5
"""How long new events wait before somebody looks whether they are enough for a segment."""
OWNER = Principal()
"""Who asks while there are no keys: the machine's owner, in the organisation `default`."""


SMALL = 1 << 20
"""The most bytes of an OTLP request that is small: all that exporters send, but for the very busiest."""
SMALL_EXPORTS, LARGE_EXPORTS = 16, 2
"""How many small OTLP requests are under way at once, to be stored together, and large ones, which take memory."""


@dataclass
class Serving:
    """Every organisation of a home. Implements the backends of the REST and MCP faces."""

    settings: Settings
    control: Control
    dialects: Sequence[Dialect] = DIALECTS
    clock: Callable[[], int] = wall_clock
    _organisations: dict[str, Organisation] = field(default_factory=dict[str, "Organisation"])
    _closing: threading.Event = field(default_factory=threading.Event)
    _indexing: threading.Thread | None = None
    _small: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(SMALL_EXPORTS))
    _large: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LARGE_EXPORTS))

    def principal(self, token: str | None) -> Principal:
        """Who a token is; the machine's owner as long as no key exists, whatever token a vendor's client must send.

        Raises:
            Unauthorized: for a token that is unknown or revoked, or when a key is needed.
        """
        if token is not None and (who := self.control.verify(token)):
            return who
        if not self.control.any_keys():
            return OWNER
        raise Unauthorized(
            "a valid key is needed.", hint="Send it as Authorization: Bearer <key>; agentgauge keys create makes one."
        )

    def organisation(self, name: str) -> Organisation:
        """An organisation's store and writer, opened at its first question."""
        if name not in self._organisations:
            settings = self.settings.model_copy(update={"org": name})
            self._organisations[name] = Organisation(App(settings, self.clock, self.dialects))
        return self._organisations[name]

    def desk(self, who: Principal) -> LocalDesk:
        """That caller's desk, now."""
        writes = self.settings.allow_write and WRITE in who.scopes
        own = self.organisation(who.org)
        desk = own.app.desk()
        return replace(desk, who=who, secret=self.secret, take=own.app.take if writes else None)

    def version(self, who: Principal) -> Hashable:
        """Changes whenever the organisation's store does."""
        return self.organisation(who.org).watch.version()

    async def take(self, who: Principal, body: bytes) -> dict[str, Any]:
        """Stores the event lines of a body."""
        return await to_thread.run_sync(partial(self.organisation(who.org).take, body))

    async def export(self, who: Principal, signal: otlp.Signal, encoding: otlp.Encoding, body: bytes) -> bytes:
        """Stores the records of an OTLP request, and gives the body of its answer.

        Raises:
            InvalidValue: the body is no such request.
            StoreError: the same request may be sent again.
        """
        taking = partial(self.organisation(who.org).export, signal, encoding, body)
        return await to_thread.run_sync(taking, limiter=self._small if len(body) <= SMALL else self._large)

    async def receive(self, who: Principal, decode: Decode, delivery: Delivery) -> Reply:
        """Stores what a decoder finds in a request of another program, and gives its answer.

        Raises:
            InvalidRequest: nothing of it could be read.
            StoreError: the same request may be sent again.
        """
        receiving = partial(self.organisation(who.org).receive, decode, delivery)
        return await to_thread.run_sync(receiving, limiter=self._small if len(delivery.body) <= SMALL else self._large)

    def now(self) -> int:
        """The instant, in ms UTC."""
        return self.clock()

    def setting(self, name: str) -> str | None:
        """A setting that is a text, by its name; None where it is not set."""
        return getattr(self.settings, name)

    def caller(self, request: Any) -> Caller:
        """The MCP face's backend for whoever sent that HTTP request."""
        return Caller(self, request.scope["state"]["principal"])

    @cached_property
    def secret(self) -> bytes:
        """What cursors are signed with; every server on this home has the same."""
        return self.control.secret("cursors")

    def start_indexing(self) -> None:
        """Builds what the indexes of the organisations lack, in a thread of its own, until `close`."""
        self._indexing = threading.Thread(target=self._index, name="index", daemon=True)
        self._indexing.start()

    def _index(self) -> None:
        while not self._closing.wait(INDEX_EVERY_S):
            for each in list(self._organisations.values()):
                each.index(self._closing.is_set)

    async def close(self) -> None:
        """Folds every write-ahead log into its file, and lets go of the vendors."""
        self._closing.set()
        if self._indexing is not None:
            await to_thread.run_sync(self._indexing.join)
        for each in self._organisations.values():
            async with each.app.open():
                each.close()


@dataclass(frozen=True)
class Caller:
    """One caller's view: their organisation's store, and what their key allows. A backend of the MCP face."""

    serving: Serving
    who: Principal = OWNER

    @property
    def tools(self) -> tuple[Tool[Any], ...]:
        """The tools on offer; the same for everyone."""
        return self.serving.organisation(OWNER.org).app.tools

    def desk(self) -> LocalDesk:
        """The caller's desk, now.

        Raises:
            Forbidden: if the key may not ask.
        """
        if READ not in self.who.scopes:
            raise Forbidden(f"the key lacks the scope {READ}.", hint="Create one with keys create --scope.")
        return self.serving.desk(self.who)

    async def call(self, name: str, arguments: Mapping[str, Any] | None) -> Answer:
        """A tool's answer.

        Raises:
            GaugeError: whatever was wrong with the call, or went wrong with the store.
        """
        return await call(find_tool(self.tools, name), arguments, self.serving.desk(self.who))


@dataclass
class Organisation:
    """One organisation's application, with a writer that stays open while it serves. A Sink of several threads."""

    app: App
    _sink: SqliteSink | None = None
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _indexed: Hashable = None
    """The store's version when its index was last built."""
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _together: Together = field(init=False)

    def __post_init__(self) -> None:
        self._together = Together(self)

    @cached_property
    def watch(self) -> SqliteStore:
        """The store once more, which nobody asks: it can tell its version while a question runs on the other."""
        return SqliteStore(self.app.store_path)

    def take(self, body: bytes) -> dict[str, Any]:
        """Stores the event lines of a body, as one delivery."""
        with self._delivery() as sink, Intake(sink) as intake:
            intake.lines(events.decode_body(body))
        report = intake.report
        rejections = [{"line": each.line, "field": each.field, "reason": each.reason} for each in report.rejections]
        counts = {name: getattr(report, name) for name in ("accepted", "duplicate", "replaced", "rejected", "cleaned")}
        return {**counts, "rejections": rejections}

    def index(self, stop: Callable[[], bool]) -> None:
        """Builds what the index lacks, if anything was written since it was built last."""
        version = self.watch.version()
        if version is None or version == self._indexed:
            return
        self._indexed = version
        try:
            with self._opened() as sink:
                builder = self.app.builder(sink)
            builder.build(stop=stop)
        except StoreBusy:
            self._indexed = None  # writers go first
        except StoreError as error:
            _log.warning("the index was not built: %s", error)

    def export(self, signal: otlp.Signal, encoding: otlp.Encoding, body: bytes) -> bytes:
        """Stores the records of an OTLP request, and gives the body of its answer; others write while it decodes."""
        # What a metric added, and which of equal log records one is, depends on what was remembered: such requests
        # cannot count at once.
        with nullcontext() if signal == "traces" else self._counting, Intake(self._together) as intake:
            rejections = otlp.take(signal, encoding, body, intake)
        return otlp.answer(signal, encoding, rejections)

    def receive(self, decode: Decode, delivery: Delivery) -> Reply:
        """Stores what a decoder finds in a request of another program, and gives its answer."""
        # What a record's pieces come to depends on what was remembered of it, as with metrics.
        with self._counting, Intake(self) as intake:
            return decode(delivery, intake)

    def write(self, events: Sequence[Mapping[str, Any]], memos: Mapping[str, bytes] | None = None) -> Receipt:
        """Stores checked events as a delivery of their own, and memos with them."""
        with self._delivery() as sink:
            return sink.write(events, memos)

    def recall(self, key: str) -> bytes | None:
        """What was remembered last under a key."""
        with self._opened() as sink:
            return sink.recall(key)

    @contextmanager
    def _delivery(self) -> Generator[SqliteSink]:
        """The writer, for one delivery."""
        with self._opened() as sink:
            sink.deliver()
            yield sink

    @contextmanager
    def _opened(self) -> Generator[SqliteSink]:
        """The writer, for one thread at a time."""
        with self._writing:
            if self._sink is None:
                self._sink = self.app.sink().__enter__()
            yield self._sink

    def close(self) -> None:
        """Lets go of the files."""
        with self._writing:
            if self._sink:
                self._sink.close()
            self.app.store.close()
            self.watch.close()


def control_of(home: Path) -> Control:
    """The control file of a home; no file means no keys."""
    return Control(home / "control.db")


def application(serving: Serving, hosts: Sequence[str] = ()) -> ASGIApp:
    """REST and MCP on one port, behind Host, Origin and keys."""
    from mcp.server.transport_security import TransportSecuritySettings

    from agentgauge.faces import mcp, rest
    from agentgauge.faces.trust import Trust

    server = mcp.build(Caller(serving), serving.caller)
    # Host and Origin are checked around everything, so the SDK's own check would only say it twice.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    endpoint = server.streamable_http_app(streamable_http_path="/mcp", json_response=True, transport_security=unchecked)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        serving.start_indexing()
        async with server.session_manager.run():
            yield
        await serving.close()

    return rest.build(serving, Trust(hosts), endpoint, lifespan)


async def serve(settings: Settings, host: str, port: int, hosts: Sequence[str], say: Callable[[str], None]) -> None:
    """Serves until it is told to stop.

    Raises:
        InvalidValue: for an address that others can reach as long as there are no keys, or one that is taken.
    """
    import uvicorn

    from agentgauge.faces.trust import is_loopback

    control = control_of(settings.home)
    if not is_loopback(host) and not control.any_keys():
        raise InvalidValue(
            f"{host} can be reached from other machines, and there are no keys.",
            hint="Create one first: agentgauge keys create --org default --scope metrics:read.",
        )
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InvalidValue(
            f"cannot listen on {host}:{port}: {error.strerror}.", hint="Choose another --port."
        ) from None
    # asyncio does so only for sockets it made itself; without, every answer on a kept connection waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    app = application(Serving(settings, control), hosts)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=30))
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listener.getsockname()[1]}"
    say(f"agentgauge serves {address} (REST: /docs, MCP: /mcp, events: POST /v1/events). Stop it with Ctrl-C.")
    say(f"OpenTelemetry: OTEL_EXPORTER_OTLP_ENDPOINT={address} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
    with listener:
        await server.serve([listener])
