"""Costs of model calls that are stored already, computed again from the price list that is installed now.

Above: the command `reprice`. Below: `prices`, and a store that lets computed fields be revised. A cost that a source
reported is never touched, and one that was known is not given up because the list no longer has its model.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from agentgauge.core.errors import quote
from agentgauge.ingest.prices import price

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
FIELDS = ("provider", "model_name", *TOKENS, "cache_status", "cost_usd", "cost_source", "metadata")
NAMED = 5
"""How many models without a price are named."""


class Reviser(Protocol):
    """A store that puts what a rule computes in the place of what it holds."""

    def revise(
        self,
        dataset: str,
        fields: Sequence[str],
        change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        *,
        since: int = 0,
    ) -> int:
        """How many events have other values now."""
        ...


@dataclass(slots=True)
class Repriced:
    """What became of the calls whose cost no source reported."""

    calls: int = 0
    """How many there are."""
    changed: int = 0
    """How many of them cost something else now, or something for the first time."""
    before: float = 0.0
    """What they cost together, in USD, as far as it was known."""
    after: float = 0.0
    unpriced: Counter[str] = field(default_factory=Counter[str])
    """Model -> its calls that used tokens and still have no cost."""

    def lines(self) -> list[str]:
        """The figures, as they are printed."""
        counts = f"model calls without a reported cost: {self.calls:,}, repriced: {self.changed:,}"
        said = [f"{counts}; {self.before:.6f} USD before, {self.after:.6f} USD now"]
        if self.unpriced:
            names = ", ".join(quote(name) for name, _ in self.unpriced.most_common(NAMED))
            more = f" and {len(self.unpriced) - NAMED} more" if len(self.unpriced) > NAMED else ""
            said.append(f"still without a price: {self.unpriced.total():,}, of {names}{more}")
        return said


def reprice(store: Reviser, since: int = 0) -> Repriced:
    """Computes the costs from `since` (ms UTC) on again.

    Raises:
        StoreError: what was repriced before stays so.
    """
    result = Repriced()
    before: list[float] = []
    after: list[float] = []

    def change(call: Mapping[str, Any]) -> Mapping[str, Any]:
        known = call["cost_usd"]
        if known is not None and call["cost_source"] != "computed":
            return {}
        result.calls += 1
        cost = _cost(call)
        if cost is None:
            cost = known
        if cost is None:
            if call["model_name"] is not None and (call["input_tokens"] or call["output_tokens"]):
                result.unpriced[call["model_name"]] += 1
            return {}
        before.append(known or 0.0)
        after.append(cost)
        return {} if cost == known else {"cost_usd": cost, "cost_source": "computed"}

    result.changed = store.revise("model_calls", FIELDS, change, since=since)
    result.before, result.after = math.fsum(before), math.fsum(after)
    return result


def _cost(call: Mapping[str, Any]) -> float | None:
    """What the list asks for a call. A hit in a gateway's cache has none: no model was called."""
    model, tokens = call["model_name"], {name: call[name] or 0 for name in TOKENS}
    if model is None or call["input_tokens"] is None or call["cache_status"] == "hit":
        return None
    about: Mapping[str, str] = call["metadata"] or {}
    return price(call["provider"], model, call["ts"], **tokens, speed=about.get("speed"))
