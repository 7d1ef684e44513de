"""What is declared: a tool, a wire endpoint, a dialect; and the desk a handler may touch.

Above: faces render these values. Below: `query`, `table`, `answer`. A dialect's folder declares them; no face holds a
vendor's name. Shapes: design section 5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.errors import GaugeError
    from agentgauge.core.parse import Params
    from agentgauge.core.query import Extent, Filter, Query, Values
    from agentgauge.core.table import Table
    from agentgauge.core.upstream import Upstream
    from agentgauge.core.wire import Wire

P = TypeVar("P", bound="Params")
Q = TypeVar("Q", bound="Wire")

LOCAL = "local"
"""The source that is the store of this machine."""
READ = "metrics:read"
WRITE = "metrics:write"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the organisation, and what the key allows."""

    org: str = "default"
    scopes: frozenset[str] = frozenset({READ, WRITE})
    role: str = "owner"
    tier: str = "scale"
    user: str | None = None
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What became of lines that a tool wrote."""

    accepted: int
    duplicate: int
    rejections: Sequence[tuple[int, str, str]]
    """Line (from 1), field and reason of each line that was not taken."""


class Desk(Protocol):
    """Where a question is put: all that a handler may touch. Local and upstream are two desks."""

    @property
    def who(self) -> Principal:
        """Who asks."""
        ...

    @property
    def now(self) -> int:
        """The instant of the question, in ms UTC."""
        ...

    @property
    def tz(self) -> str:
        """The zone to use when the question names none."""
        ...

    @property
    def name(self) -> str:
        """The source that it asks: `local`, or the name of a configured upstream."""
        ...

    @property
    def sources(self) -> Sequence[str]:
        """The names that `source` may take."""
        ...

    @property
    def offers(self) -> Mapping[str, str] | None:
        """Tool -> what it can be asked here, in words; None where every tool can be asked everything."""
        ...

    @property
    def intervals(self) -> Sequence[str]:
        """What an interval is chosen from where a question names none, finest first."""
        ...

    def default(self, tool: str) -> Sequence[str]:
        """The sources of a tool whose call names none."""
        ...

    def at(self, source: str, question: str) -> Desk:
        """The desk of another source, for one question: the same text is the same question.

        Raises:
            UnknownName: with the valid sources.
        """
        ...

    async def ask(self, query: Query) -> Table:
        """The answer to a question.

        Raises:
            Unsupported: where the source cannot answer it exactly, saying what it can.
        """
        ...

    async def ask_together(self, queries: Sequence[Query]) -> Table:
        """The answers to several questions over one window, in the same buckets and groups, side by side."""
        ...

    async def call(self, operation: Operation[Q], request: Q) -> Table:
        """The answer of a wire endpoint, for what no single question says."""
        ...

    async def extents(self) -> Sequence[Extent]:
        """What is here, a row per dataset that has events."""
        ...

    async def values(self, dataset: str, field: str, where: Sequence[Filter] = (), *, most: int = 10) -> Values:
        """The values a field takes."""
        ...

    async def keys(self, dataset: str, field: str, where: Sequence[Filter] = ()) -> Mapping[str, int]:
        """The keys of a map field."""
        ...

    async def registry(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """The newest entry of each id of a registry."""
        ...

    async def rows(self, dataset: str, where: Sequence[Filter], *, most: int) -> Sequence[Mapping[str, Any]]:
        """Events themselves, for what is a listing and not a sum."""
        ...

    def sign(self, text: bytes) -> str:
        """A signature that only this home's servers can make, for cursors."""
        ...

    async def write(self, lines: Sequence[Mapping[str, Any]]) -> Written:
        """Checks and stores event lines; refused where writing is off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Generic[P]):
    """One thing a model can call."""

    name: str
    title: str
    description: str
    params: type[P]
    run: Callable[[P, Desk], Awaitable[Answer]]
    scope: str = READ
    anywhere: bool = False
    """Whether every source answers it, without offering it."""

    @property
    def writes(self) -> bool:
        """Whether a call changes the store."""
        return self.scope == WRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[Q]):
    """One wire endpoint as a client sees it: how it is asked, and how its answer is read."""

    name: str
    """The operation's id in OpenAPI."""
    method: str
    path: str
    """`{x}` is a path parameter, `{x:path}` one that may hold slashes. The rest is query (GET) or body (POST)."""
    request: type[Q]
    decode: Callable[[Q, Sequence[Any]], Table] | None = None
    """The vendor's pages, parsed, as the Table that `answer` gives. Pure and lenient: optional fields, older shapes,
    numbers as strings. Raises KeyError, TypeError or ValueError where a page cannot be read. None: never asked."""
    next_page: Callable[[Q, Any], Q | None] | None = None
    """The request of the page after this one; None after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Endpoint[Q]):
    """One wire endpoint that we serve too: how it is answered from our store, and how the answer is spelled."""

    summary: str
    body: Any
    """A TypedDict of the 200 body: for OpenAPI, tests and pyright; never run per point."""
    answer: Callable[[Q, Desk], Awaitable[Table]]
    encode: Callable[[Q, Table, Desk], Any]
    """The Table as their body. Pure; the desk is only for the organisation, the instant and signing."""
    scope: str = READ
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers of a success."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error in a vendor's own envelope."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is served of one vendor's API, and how it spells errors."""

    operations: tuple[Operation[Any], ...] = ()
    prefix: str = ""
    """Unknown paths below it are answered in its envelope."""
    refuse: Callable[[GaugeError, str], Refusal] | None = None
    """(error, request id) -> their envelope; takes every GaugeError, unforeseen ones too."""
    error_body: Any = None
    """A TypedDict of the error body, for OpenAPI."""
    statuses: tuple[int, ...] = ()
    """The error statuses it may answer with."""
    request_id_header: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One vendor: what it calls things, who may ask what, and the two ends of its API.

    A server over stdio needs neither end, so each is loaded when it is first asked for.
    """

    name: str
    tools: tuple[Tool[Any], ...]
    guard: Callable[[Query, Principal], Query] | None = None
    """Role, tier and row scope; run on every local question of every tool and operation."""
    served: Callable[[], Served] = Served
    """Loads what we serve of it."""
    upstream: Callable[[], Upstream] | None = None
    """Loads how its real API is asked in place of a store (never, where no source is configured); None: it is not."""

    @property
    def operations(self) -> tuple[Operation[Any], ...]:
        """The endpoints that we serve."""
        return self.served().operations
