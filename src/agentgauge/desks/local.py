"""The local desk: questions go to a store of this machine, behind every dialect's guard.

Above: tools ask it. Below: a Store and a Sink from the composition root. SQLite and numpy block, so they run in a
worker thread; the event loop stays free for cancellation and the next message.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from anyio import to_thread

from agentgauge.core.catalog import BUCKETED
from agentgauge.core.errors import Forbidden, unknown_name
from agentgauge.core.fit import LADDER
from agentgauge.core.operation import LOCAL, Principal, Written
from agentgauge.core.query import Filter, Measure, Query, Values
from agentgauge.core.table import join
from agentgauge.core.time import EARLIEST, LATEST, Window

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk, Operation, Q
    from agentgauge.core.query import Extent, Store
    from agentgauge.core.table import Table

T = TypeVar("T")
SMALL = 1 << 20
"""The size, in bytes, below which any question takes less than a few milliseconds."""
EVER = Window(EARLIEST, LATEST)
COUNT = Measure("count", None, "count")
_BUCKETED = Filter("source", "EQUAL", BUCKETED)
Guard = Callable[["Query", Principal], "Query"]


class Elsewhere(Protocol):
    """The upstreams that one organisation may use."""

    @property
    def names(self) -> Sequence[str]:
        """Their names."""
        ...

    def default(self, tool: str) -> Sequence[str]:
        """The sources of a tool whose call names none."""
        ...

    def desk(self, source: str, question: str, near: Desk) -> Desk:
        """The desk of one of them, for a question put at another desk."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDesk:
    """One caller's view of a store at one instant."""

    store: Store
    now: int
    tz: str
    who: Principal = field(default_factory=Principal)
    guards: Sequence[Guard] = ()
    elsewhere: Elsewhere | None = None
    """The upstreams that the organisation may use."""
    secret: bytes = b""
    """What cursors are signed with."""
    take: Callable[[Sequence[Mapping[str, Any]]], Written] | None = None
    """Checks and stores event lines; None where writing is off."""

    @property
    def name(self) -> str:
        """What `source` calls it."""
        return LOCAL

    @property
    def offers(self) -> None:
        """Every tool can be asked everything."""
        return None

    @property
    def sources(self) -> Sequence[str]:
        """The names that `source` may take."""
        return (LOCAL, *(self.elsewhere.names if self.elsewhere else ()))

    @property
    def intervals(self) -> Sequence[str]:
        """Any interval."""
        return LADDER

    def default(self, tool: str) -> Sequence[str]:
        """The sources of a tool whose call names none."""
        return self.elsewhere.default(tool) if self.elsewhere else (LOCAL,)

    def at(self, source: str, question: str) -> Desk:
        """The desk of a source, for one question.

        Raises:
            UnknownName: with the valid sources.
        """
        if source == LOCAL:
            return self
        if self.elsewhere is None or source not in self.elsewhere.names:
            raise unknown_name("a source", source, self.sources)
        return self.elsewhere.desk(source, question, self)

    async def ask_together(self, queries: Sequence[Query]) -> Table:
        """The answers to several questions over one window, side by side."""
        return join([await self.ask(query) for query in queries])

    async def call(self, operation: Operation[Q], request: Q) -> Table:
        """The answer of a wire endpoint, from the store."""
        return await operation.answer(request, self)

    async def ask(self, query: Query) -> Table:
        """The store's answer to the question, once every guard has let it pass or narrowed it.

        A quantile of points that stand for histogram buckets is approximate, and so the table says.
        """
        query = self._guarded(query)
        table = await self._run(partial(self.store.query, query))
        if query.dataset == "points" and any(each.how == "quantile" for each in query.measures):
            bucketed = replace(
                query, measures=(COUNT,), bucket=None, group_by=(), top=None, where=(*query.where, _BUCKETED)
            )
            if (await self._run(partial(self.store.query, bucketed))).total[COUNT.label]:
                return replace(table, exact=False)
        return table

    async def extents(self) -> Sequence[Extent]:
        """What is here, a row per dataset that has events."""
        return await self._run(self.store.extents)

    async def values(self, dataset: str, field: str, where: Sequence[Filter] = (), *, most: int = 10) -> Values:
        """The values a field takes, as far as the caller may see them."""
        query = self._guarded(Query(dataset, EVER, (COUNT,), group_by=(field,), where=tuple(where)))
        if query.scope is None:
            return await self._run(partial(self.store.values, dataset, field, where, most=most))
        table = await self._run(partial(self.store.query, query))
        counts = [(key[0], int(count or 0)) for key, count in zip(table.groups, table.totals["count"], strict=True)]
        return Values(field, counts[:most], sum(value is not None for value, _ in counts))

    async def keys(self, dataset: str, field: str, where: Sequence[Filter] = ()) -> Mapping[str, int]:
        """The keys of a map field; none that a caller with a row scope could see are told."""
        if self._guarded(Query(dataset, EVER, (COUNT,), where=tuple(where))).scope is not None:
            return {}
        return await self._run(partial(self.store.keys, dataset, field, where))

    async def registry(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """The newest entry of each id of a registry."""
        return await self._run(partial(self.store.registry, name))

    async def rows(self, dataset: str, where: Sequence[Filter], *, most: int) -> Sequence[Mapping[str, Any]]:
        """Events themselves, oldest first. A caller with a row scope learns only whether there are any.

        Raises:
            Forbidden: if the caller may not see them.
        """
        query = self._guarded(Query(dataset, EVER, (COUNT,), where=tuple(where)))
        if query.scope is None:
            return await self._run(partial(self.store.rows, dataset, where, most=most))
        if most > 1:
            raise Forbidden("listing events needs the role admin or owner.", hint="Ask with a key of that role.")
        return [{}] if (await self._run(partial(self.store.query, query))).total["count"] else []

    def _guarded(self, query: Query) -> Query:
        for guard in self.guards:
            query = guard(query, self.who)
        return query

    def sign(self, text: bytes) -> str:
        """A signature over the text and the organisation."""
        return hmac.new(self.secret, self.who.org.encode() + b"\0" + text, hashlib.sha256).hexdigest()[:32]

    async def _run(self, read: Callable[[], T]) -> T:
        """Reads in a worker thread; a store so small that waking one takes longer is read at once."""
        if self.store.size() < SMALL:
            return read()
        return await to_thread.run_sync(read)

    async def write(self, lines: Sequence[Mapping[str, Any]]) -> Written:
        """Checks and stores event lines.

        Raises:
            Forbidden: if writing is off.
        """
        if self.take is None:
            raise Forbidden(
                "writing is off.", hint="Start agentgauge with AGENTGAUGE_ALLOW_WRITE=1 to allow record_metrics."
            )
        return await to_thread.run_sync(self.take, lines)
