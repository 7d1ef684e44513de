"""Prices of model calls, offline, from the price list that ships with genai-prices.

Above it are the decoders of this package, which ask for a price where a source reports no cost of its own. Below it is
only the library. It knows no event and no store. An unknown price is None, never zero: zero is what a free model costs.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BILLION = 10**9
PER_USD = BILLION * 1_000_000
"""What the rates of `_Rates` times tokens are divided by."""
MOST_MODELS = 10_000

PER_TOKEN = frozenset(("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"))
"""The prices that the counts of a call here are multiplied by."""
UNCOUNTED = frozenset(
    (
        "cache_audio_read_mtok",
        "cache_image_read_mtok",
        "input_audio_mtok",
        "input_image_mtok",
        "input_video_mtok",
        "output_audio_mtok",
        "output_image_mtok",
        "output_video_mtok",
        "storage_searches_kcount",
        "web_searches_kcount",
    )
)
"""The prices of what no call here counts, so that they add nothing. Any other (a price per request, per second of
audio) is left to the library."""


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
    return None if prices is None else _cost(prices, tokens)


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


def _cost(prices: "ModelPrice", tokens: _Tokens) -> float | None:
    tiers = _tiers(prices)
    if tiers is None:
        return _library_cost(prices, tokens)
    for above, rates in tiers:
        if tokens.input > above:
            # The library charges nothing for what its list does not price (179 models have an empty list).
            if (rates.input is None and tokens.input) or (rates.output is None and tokens.output):
                return None
            return _plain_cost(rates, tokens)
    return None


class _Rates(NamedTuple):
    """Prices in billionths of a USD for a million tokens, so that costs are computed exactly in integers. A class of
    tokens without a price of its own costs what the class costs that it is part of."""

    input: int | None
    output: int | None
    cache_read: int
    cache_write: int
    cache_write_1h: int


_Tiers: TypeAlias = tuple[tuple[int, _Rates], ...]
"""Rates, and the input above which they are those of all tokens of a call; the highest first."""


_known_tiers: "dict[int, tuple[ModelPrice, _Tiers | None]]" = {}
"""By the identity of the library's object, which is held here so that no other gets the same."""


def _tiers(prices: "ModelPrice") -> _Tiers | None:
    """The rates of a model: none where its list is empty, None where only the library can tell."""
    known = _known_tiers.get(id(prices))
    if known is None:
        if len(_known_tiers) >= MOST_MODELS:
            _known_tiers.clear()
        known = _known_tiers[id(prices)] = prices, _read_tiers(prices)
    return known[1]


def _read_tiers(prices: "ModelPrice") -> _Tiers | None:
    listed = {key: rate for key, rate in vars(prices).items() if rate is not None and key not in UNCOUNTED}
    if not listed.keys() <= PER_TOKEN:
        return None
    if not listed:
        return ()
    starts = {tier.start for rate in listed.values() for tier in getattr(rate, "tiers", ())}
    found: list[tuple[int, _Rates]] = []
    for above in sorted({-1, *starts}, reverse=True):
        scaled = {key: _rate_above(rate, above) * BILLION for key, rate in listed.items()}
        if any(rate != int(rate) for rate in scaled.values()):
            return None
        found.append((above, _rates({key: int(rate) for key, rate in scaled.items()})))
    return tuple(found)


def _rate_above(rate: "Decimal | TieredPrices", above: int) -> Decimal:
    if isinstance(rate, Decimal):
        return rate
    return next((tier.price for tier in reversed(rate.tiers) if above >= tier.start), rate.base)


def _rates(listed: dict[str, int]) -> _Rates:
    uncached = listed.get("input_mtok")
    write = listed.get("cache_write_mtok", uncached or 0)
    return _Rates(
        uncached,
        listed.get("output_mtok"),
        listed.get("cache_read_mtok", uncached or 0),
        write,
        listed.get("cache_write_1h_mtok", write),
    )


def _plain_cost(rates: _Rates, tokens: _Tokens) -> float:
    """The cost by five multiplications, where the library's own way takes 80 us."""
    return (
        (rates.input or 0) * (tokens.input - tokens.cache_read - tokens.cache_write)
        + (rates.output or 0) * tokens.output
        + rates.cache_read * tokens.cache_read
        + rates.cache_write * (tokens.cache_write - tokens.cache_write_1h)
        + rates.cache_write_1h * tokens.cache_write_1h
    ) / PER_USD


def _library_cost(prices: "ModelPrice", tokens: _Tokens) -> float | None:
    from genai_prices import Usage

    listed = vars(prices)
    if any(
        count and listed.get(key) is None for key, count in zip(("input_mtok", "output_mtok"), tokens, strict=False)
    ):
        return None
    usage = Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        cache_write_1h_tokens=tokens.cache_write_1h,
    )
    return float(prices.calc_price(usage)["total_price"])
