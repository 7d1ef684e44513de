"""Prices of model calls, offline, from the price list that ships with genai-prices.

Above it are the decoders of this package, which ask for a price where a source reports no cost of its own. Below it is
only the library. It knows no event and no store. An unknown price is None, never zero: zero is what a free model costs.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLION = Decimal(1_000_000)
NOTHING = Decimal(0)

# What a price list may hold and still be a price per token that is the same for every call. Web searches are counted
# apart from tokens; a key outside this set (a price per request, per second of audio) is left to the library.
PLAIN_KEYS = frozenset(
    ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "web_searches_kcount")
)


class _Tokens(NamedTuple):
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int

    def are_possible(self) -> bool:
        return (
            min(self) >= 0
            and self.cache_write_1h <= self.cache_write
            and self.cache_read + self.cache_write <= self.input
        )


def price(
    provider: str | None,
    model: str,
    ts_ms: int,
    *,
    input_tokens: int,
    output_tokens: int,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    speed: str | None = None,
) -> float | None:
    """The cost of one call in USD; None when the model, or its price at this speed, is not known.

    `input_tokens` is all of the input, cached or not; `cache_write_tokens` is all that was written to the cache, and
    `cache_write_1h_tokens` the part of it written for an hour. Token counts that contradict this have no price.
    """
    tokens = _Tokens(input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens)
    found = _resolve(provider, model)
    if found is None or not tokens.are_possible():
        return None
    try:
        when = EPOCH + timedelta(milliseconds=ts_ms)
    except OverflowError:
        return None
    prices = _prices_at(*found, when, speed)
    if prices is None:
        return None
    cost = _cost(prices, tokens)
    return None if cost is None else float(cost)


@lru_cache(maxsize=4096)
def _resolve(provider: str | None, model: str) -> "tuple[Provider, ModelInfo] | None":
    """The library's entry of a model: 100 us the first time, so it is kept."""
    from genai_prices.data_snapshot import get_snapshot  # imported here because it takes 250 ms

    snapshot = get_snapshot()
    for provider_id in _spellings(provider):
        try:
            snapshot.find_provider(model, provider_id, None)
        except LookupError:
            continue
        try:
            return snapshot.find_provider_model(model, None, provider_id, None)
        except LookupError:
            return None  # a known provider without this model: what another one asks for the name would be a guess
    return None


def _spellings(provider: str | None) -> tuple[str | None, ...]:
    """What to look a provider up by: telemetry writes `x_ai` for `x-ai`, and frameworks put their own names there."""
    return (provider, provider.replace("_", "-"), None) if provider else (None,)


def _prices_at(provider: "Provider", model: "ModelInfo", when: datetime, speed: str | None) -> "ModelPrice | None":
    if speed in (None, "standard"):
        return model.get_prices(when)
    # Fast mode costs a multiple that differs by model. Where the list has none, the standard price would be too low
    # and a multiple of our own would be a guess; prices borrowed from another provider do not carry their variants.
    context = {"speed": speed or ""}
    offered = any(
        variant.when == context and (variant.constraint is None or variant.constraint.active(when))
        for variant in model.price_variants or ()
    )
    return model.get_prices(when, context) if offered and any(own is model for own in provider.models) else None


def _cost(prices: "ModelPrice", tokens: _Tokens) -> Decimal | None:
    rates = {key: rate for key, rate in vars(prices).items() if rate is not None}
    # The library charges nothing for what its list does not price (179 models have an empty list).
    priced = {key for key, count in (("input_mtok", tokens.input), ("output_mtok", tokens.output)) if count}
    if not rates or not priced <= rates.keys():
        return None
    plain = {key: rate for key, rate in rates.items() if isinstance(rate, Decimal)}
    if len(plain) == len(rates) and plain.keys() <= PLAIN_KEYS:
        return _plain_cost(plain, tokens)
    return _library_cost(prices, tokens)


def _plain_cost(rates: dict[str, Decimal], tokens: _Tokens) -> Decimal:
    """The cost by five multiplications, where the library's own way takes 120 us; a class without a rate of its own
    is charged as the class that it is part of."""
    uncached = rates.get("input_mtok", NOTHING)
    read = rates.get("cache_read_mtok", uncached)
    write = rates.get("cache_write_mtok", uncached)
    write_1h = rates.get("cache_write_1h_mtok", write)
    return (
        uncached * (tokens.input - tokens.cache_read - tokens.cache_write)
        + rates.get("output_mtok", NOTHING) * tokens.output
        + read * tokens.cache_read
        + write * (tokens.cache_write - tokens.cache_write_1h)
        + write_1h * tokens.cache_write_1h
    ) / MILLION


def _library_cost(prices: "ModelPrice", tokens: _Tokens) -> Decimal:
    from genai_prices import Usage

    usage = Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        cache_write_1h_tokens=tokens.cache_write_1h,
    )
    return prices.calc_price(usage)["total_price"]
