"""How a vendor's own API is asked in place of a store: what a dialect declares, and a question as requests.

Above: a dialect's `upstream` module declares an Upstream; the upstream desk follows it. Below: `operation`, `query`. No
HTTP here: a Plan is one endpoint and one request, and the endpoint's `decode` reads what came back (design section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from agentgauge.core.errors import Unsupported

if TYPE_CHECKING:
    from agentgauge.core.catalog import Dataset
    from agentgauge.core.operation import Endpoint
    from agentgauge.core.query import Filter, Query, Values
    from agentgauge.core.table import Table
    from agentgauge.core.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One or several questions side by side as one request, and where their measures stand in its answer.

    The answer may be finer than the question (smaller buckets, more groups): what adds is added up, and what does not
    is combined only where `weights` says how.
    """

    endpoint: Endpoint[Any]
    request: Wire
    columns: Mapping[str, str | None]
    """Label of each measure asked -> the column of the decoded Table; None: the vendor counts it in another column."""
    groups: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field grouped by -> what the decoded Table calls it, where that differs."""
    weights: Mapping[str, str] = field(default_factory=dict[str, str])
    """Column of averages -> the column of how many each was taken over, by which they combine."""
    notes: tuple[str, ...] = ()
    """What the answer must say beside its numbers."""
    running: bool = False
    """Whether the vendor decides the window, by its own clock: then the period that it states is the answer's."""
    otherwise: Plan | None = None
    """What to ask where the vendor has no such endpoint (404)."""
    absent: str = ""
    """What a 404 means where there is nothing else to ask, and what to do then."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests of some endpoints in so many seconds, counted by the vendor over the whole organisation."""

    endpoints: frozenset[str]
    """Names of endpoints."""
    requests: int
    seconds: int
    why: str = ""
    """Which of the vendor's rules it is."""


Planner = Callable[["Sequence[Query]", int], Plan]
Lister = Callable[[str, str, "Sequence[Filter]", int], "Listing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The values of a field, or the entries of a registry, as one request and how its Table says them."""

    endpoint: Endpoint[Any]
    request: Wire
    read: Callable[[Table], Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One vendor's API as a source."""

    base_url: str
    """Where it is; empty where every customer has a host of their own."""
    offers: Mapping[str, str]
    """Tool -> what it can be asked here, in one line."""
    datasets: tuple[str, ...]
    """What it holds numbers of."""
    plan: Planner
    """(questions side by side, now) -> Plan. Raises Unsupported with the reason and what can be asked instead."""
    check: tuple[Endpoint[Any], Wire]
    """A cheap request that shows whether address and key are right."""
    check_finds: bool = True
    """Whether what `check` asks for exists. Where it does not, a 404 shows that address and key were taken."""
    auth: Literal["bearer", "basic"] = "bearer"
    refusals: Mapping[str, str] = field(default_factory=dict[str, str])
    """The vendor's error code -> what to do, where its own words do not say."""
    list_values: Lister | None = None
    """(dataset, field, filters, now) -> how its values are listed, or Unsupported."""
    max_age_s: int = 30
    """How long an answer may be used again where the vendor's Cache-Control does not say."""
    intervals: tuple[str, ...] = ()
    """What to choose an interval from where a question names none; empty: any from a minute on."""
    limits: tuple[Limit, ...] = ()
    """Those that nobody is above, whatever they pay: no question that the vendor would take is held back."""
    limits_at: str = ""
    """How the vendor's own hosts end, where the limits hold only there; a host of the customer's has none."""
    tiers: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict[str, tuple[Limit, ...]])
    """The limits by what the customer pays for, in place of `limits` where the configuration names it."""


def cannot(vendor: str, what: str, instead: str) -> Unsupported:
    """An Unsupported in one voice: `AgentMessage cannot group by agent.` and what can be asked instead."""
    return Unsupported(f"{vendor} cannot {what}.", hint=instead)


def only_filters(vendor: str, holder: Dataset, where: Sequence[Filter], allowed: Sequence[str]) -> None:
    """Nothing, when every filter is on one of those fields.

    Raises:
        Unsupported: naming the fields that the vendor filters by.
    """
    for each in where:
        if each.field not in allowed:
            listed = f"It filters {holder.name} by {', '.join(allowed)}." if allowed else "It takes no filters."
            raise cannot(vendor, f"filter {holder.name} by {each.field}", f"{listed} source=local takes every field.")
