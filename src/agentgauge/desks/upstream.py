"""The upstream desk: questions go to a vendor's own API, by the dialect's declarations.

Above: tools ask it exactly as they ask the local desk. Below: `core.reshape`, and a Channel that sends one request. The
vendor's own key decides what may be seen, so no guard runs here. What the vendor cannot answer is Unsupported, with the
reason; nothing is approximated (design section 6).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from agentgauge.core.errors import InvalidValue, SourceNotFound, Unsupported, UpstreamError, UpstreamGarbled
from agentgauge.core.fit import LADDER
from agentgauge.core.query import Extent, Filter, Query, Values
from agentgauge.core.reshape import shape, unknown

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk, Dialect, Endpoint, Operation, Principal, Q, Written
    from agentgauge.core.table import Cell, Table
    from agentgauge.core.upstream import Plan, Upstream

PAGES = 1_000
"""The most pages that are followed for one answer."""


class Channel(Protocol):
    """What carries requests to one vendor's API."""

    async def send(self, endpoint: Endpoint[Any], request: Any) -> Any:
        """The parsed body of the answer to one request."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamDesk:
    """One caller's view of a vendor's API, for one question."""

    name: str
    dialect: Dialect
    upstream: Upstream
    channel: Channel
    near: Desk
    """The local desk beside it: who asks, the zone, the names of the other sources."""
    now: int

    @property
    def who(self) -> Principal:
        """Who asks."""
        return self.near.who

    @property
    def tz(self) -> str:
        """The zone to use when the question names none."""
        return self.near.tz

    @property
    def sources(self) -> Sequence[str]:
        """The names that `source` may take."""
        return self.near.sources

    @property
    def offers(self) -> Mapping[str, str]:
        """Tool -> what it can be asked here."""
        return self.upstream.offers

    @property
    def intervals(self) -> Sequence[str]:
        """What an interval is chosen from: by default what has whole minutes, which every vendor has."""
        return self.upstream.intervals or [each for each in LADDER if not each.endswith("s")]

    def default(self, tool: str) -> Sequence[str]:
        """The sources of a tool whose call names none."""
        return self.near.default(tool)

    def at(self, source: str, question: str) -> Desk:
        """The desk of another source."""
        return self.near.at(source, question)

    async def ask(self, query: Query) -> Table:
        """The vendor's answer to the question.

        Raises:
            Unsupported: where the vendor cannot answer it exactly, saying what it can.
            SourceRefused, UpstreamError: what the vendor said, or that it said nothing.
        """
        plan, table = await self._answered((query,))
        missing = unknown(table, query.measures, plan)
        return await self._with_totals(table, query, missing) if missing else table

    async def ask_together(self, queries: Sequence[Query]) -> Table:
        """The answers to several questions over one window, in one request where the vendor has one."""
        _, table = await self._answered(queries)
        return table

    async def call(self, operation: Operation[Q], request: Q) -> Table:
        """The vendor's answer of one of its endpoints.

        Raises:
            Unsupported: if it is another vendor's.
        """
        if operation not in self.dialect.operations:
            raise self._unsupported(f"{self.name} has no {operation.name}")
        return await self._pages(operation, request)

    async def extents(self) -> Sequence[Extent]:
        """The datasets it holds numbers of. How many, and from when, no vendor states."""
        return [Extent(each, 1, None, None, None) for each in self.upstream.datasets]

    async def values(self, dataset: str, field: str, where: Sequence[Filter] = (), *, most: int = 10) -> Values:
        """The values of a field, where the vendor lists them."""
        if self.upstream.list_values is None:
            raise self._unsupported(f"{self.name} does not list the values of {field}")
        listing = self.upstream.list_values(dataset, field, where, self.now)
        found = listing.read(await self._pages(listing.endpoint, listing.request))
        return replace(found, counts=found.counts[:most])

    async def keys(self, dataset: str, field: str, where: Sequence[Filter] = ()) -> Mapping[str, int]:
        """No vendor lists the keys of its events."""
        return {}

    async def registry(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """No vendor keeps a registry that we read; names come with its numbers."""
        return {}

    async def rows(self, dataset: str, where: Sequence[Filter], *, most: int) -> Sequence[Mapping[str, Any]]:
        """Unsupported: no vendor lists its events here."""
        raise self._unsupported(f"{self.name} does not list events")

    def sign(self, text: bytes) -> str:
        """A signature for cursors; nothing is paged through this desk."""
        return self.near.sign(text)

    async def write(self, lines: Sequence[Mapping[str, Any]]) -> Written:
        """Unsupported: nothing is written to a vendor."""
        raise self._unsupported(f"{self.name} takes no events")

    async def _answered(self, queries: Sequence[Query]) -> tuple[Plan, Table]:
        plan: Plan | None = self.upstream.plan(queries, self.now)
        while True:
            try:
                raw = await self._pages(plan.endpoint, plan.request)
                break
            except SourceNotFound as error:
                if plan.otherwise is None:
                    raise SourceNotFound(error.message, hint=plan.absent or error.hint) from None
                plan = plan.otherwise
        return plan, shape(raw, plan, queries)

    async def _with_totals(self, table: Table, query: Query, missing: Sequence[Any]) -> Table:
        """The table with the totals of measures that do not add up, each asked for by itself."""
        labels = [each.label for each in missing]
        asked = replace(query, bucket=None, measures=tuple(missing), top=None)
        notes: list[str] = []

        async def totals(of: Query) -> Table | None:
            try:
                return (await self._answered((of,)))[1]
            except Unsupported:
                notes.append(f"{self.name} states no total of {', '.join(labels)}")
            except UpstreamError as error:  # the rows stand without it
                notes.append(f"the total of {', '.join(labels)} is not known: {error.message}")
            return None

        whole = await totals(replace(asked, group_by=()))
        each = whole
        if query.group_by:
            each = await totals(asked) if query.bucket else table
        return replace(
            table,
            total={**table.total, **({label: whole.total[label] for label in labels} if whole else {})},
            totals={**table.totals, **(_by_group(table, each, labels) if each else {})},
            notes=tuple(dict.fromkeys((*table.notes, *notes))),
        )

    async def _pages(self, endpoint: Endpoint[Q], request: Q) -> Table:
        """Every page of one endpoint's answer, read as one Table. A page that fails fails the whole."""
        if endpoint.decode is None:
            raise self._unsupported(f"{self.name} is never asked {endpoint.name}")
        pages: list[Any] = []
        seen: list[Q] = []
        asked: Q | None = request
        while asked is not None:
            if asked in seen or len(pages) >= PAGES:
                raise UpstreamGarbled(f"{self.name} gives the same page again and again.", hint=_SHORTER)
            seen.append(asked)
            pages.append(await self.channel.send(endpoint, asked))
            with reading(self.name, endpoint):
                asked = endpoint.next_page(asked, pages[-1]) if endpoint.next_page else None
        with reading(self.name, endpoint):
            return endpoint.decode(request, pages)

    def _unsupported(self, what: str) -> Unsupported:
        told = "; ".join(f"{tool}: {words}" for tool, words in self.upstream.offers.items())
        return Unsupported(f"{what}.", hint=f"It answers {told}. source=local takes every question.")


_SHORTER = "Ask a shorter window."


@contextmanager
def reading(name: str, endpoint: Endpoint[Any]) -> Generator[None]:
    """Within it, what a page turns out not to have is UpstreamGarbled by the source of that name."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, InvalidValue) as error:
        raise UpstreamGarbled(
            f"{name} answered {endpoint.name} in a form that is not its documented one ({_short(error)}).",
            hint="Its API may have changed: update agentgauge, or ask source=local.",
        ) from error


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:80]}"


def _by_group(table: Table, found: Table, labels: Sequence[str]) -> dict[str, list[Cell]]:
    place = {key: index for index, key in enumerate(found.groups)}
    return {
        label: [found.totals[label][place[key]] if key in place else None for key in table.groups] for label in labels
    }
