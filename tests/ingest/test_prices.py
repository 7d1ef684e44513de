"""Prices are exact, and unknown is None: a wrong cost is worse than none."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import NotRequired, TypedDict

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgauge.ingest.prices import price

NOVEMBER_2026 = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000)
JANUARY_2026 = int(datetime(2026, 1, 20, tzinfo=UTC).timestamp() * 1000)


class Counts(TypedDict):
    input_tokens: int
    output_tokens: int
    cache_read_tokens: NotRequired[int]
    cache_write_tokens: NotRequired[int]
    cache_write_1h_tokens: NotRequired[int]


def test_a_call_with_both_kinds_of_cache_write_costs_what_the_cli_said():
    cost = price(
        "anthropic",
        "claude-opus-4-8",
        NOVEMBER_2026,
        input_tokens=43_024,
        output_tokens=174,
        cache_read_tokens=40_000,
        cache_write_tokens=3_000,
        cache_write_1h_tokens=1_000,
    )
    assert cost == 0.04697


def test_hour_long_cache_writes_cost_more_than_short_ones():
    short = price(
        "anthropic", "claude-opus-4-8", NOVEMBER_2026, input_tokens=1000, output_tokens=0, cache_write_tokens=1000
    )
    long = price(
        "anthropic",
        "claude-opus-4-8",
        NOVEMBER_2026,
        input_tokens=1000,
        output_tokens=0,
        cache_write_tokens=1000,
        cache_write_1h_tokens=1000,
    )
    assert (short, long) == (0.00625, 0.01)


def test_an_openai_call_with_cached_input_costs_what_is_computed_by_hand():
    cost = price("openai", "gpt-4o-mini", NOVEMBER_2026, input_tokens=1500, output_tokens=25, cache_read_tokens=1024)
    assert cost == pytest.approx(0.0001632, abs=1e-15)


def test_a_model_nobody_knows_has_no_price_rather_than_a_price_of_zero():
    assert price("anthropic", "no-such-model", NOVEMBER_2026, input_tokens=10, output_tokens=10) is None
    assert price(None, "no-such-model", NOVEMBER_2026, input_tokens=10, output_tokens=10) is None
    assert price("nobody", "no-such-model", NOVEMBER_2026, input_tokens=0, output_tokens=0) is None


def test_a_model_listed_without_any_price_has_no_price():
    assert price("github-copilot", "gpt-3.5-turbo", NOVEMBER_2026, input_tokens=10, output_tokens=10) is None


def test_a_model_that_its_provider_does_not_offer_has_no_price():
    assert price("openai", "claude-opus-4-8", NOVEMBER_2026, input_tokens=10, output_tokens=10) is None


def test_a_provider_name_of_a_framework_leaves_the_model_to_decide():
    known = price("anthropic", "claude-opus-4-8", NOVEMBER_2026, input_tokens=10, output_tokens=10)
    assert known is not None
    assert price("langchain", "claude-opus-4-8", NOVEMBER_2026, input_tokens=10, output_tokens=10) == known
    assert price(None, "claude-opus-4-8", NOVEMBER_2026, input_tokens=10, output_tokens=10) == known


def test_the_provider_names_of_telemetry_are_understood():
    hyphen = price("x-ai", "grok-4", NOVEMBER_2026, input_tokens=10, output_tokens=10)
    assert hyphen is not None
    assert price("x_ai", "grok-4", NOVEMBER_2026, input_tokens=10, output_tokens=10) == hyphen
    assert price("x_ai", "claude-opus-4-8", NOVEMBER_2026, input_tokens=10, output_tokens=10) is None


def test_a_model_name_with_a_context_suffix_is_the_same_model():
    assert price("anthropic", "claude-opus-4-8[1m]", NOVEMBER_2026, input_tokens=1_000_000, output_tokens=0) == 5.0


def test_fast_mode_has_its_own_price_where_the_list_knows_it():
    assert price("anthropic", "claude-opus-4-8", NOVEMBER_2026, input_tokens=1000, output_tokens=0) == 0.005
    assert (
        price("anthropic", "claude-opus-4-8", NOVEMBER_2026, input_tokens=1000, output_tokens=0, speed="fast") == 0.01
    )


def test_fast_mode_has_no_price_where_the_list_does_not_know_it():
    for model, speed in (("claude-haiku-4-5", "fast"), ("claude-opus-4-8", "ludicrous")):
        assert price("anthropic", model, NOVEMBER_2026, input_tokens=9, output_tokens=9, speed=speed) is None
    for reseller in ("aws", "azure"):
        assert price(reseller, "claude-opus-4-8", NOVEMBER_2026, input_tokens=9, output_tokens=9) is not None
        assert price(reseller, "claude-opus-4-8", NOVEMBER_2026, input_tokens=9, output_tokens=9, speed="fast") is None


def test_standard_speed_is_the_standard_price():
    plain = price("anthropic", "claude-haiku-4-5", NOVEMBER_2026, input_tokens=9, output_tokens=9)
    assert plain is not None
    assert (
        price("anthropic", "claude-haiku-4-5", NOVEMBER_2026, input_tokens=9, output_tokens=9, speed="standard")
        == plain
    )


def test_the_price_is_the_one_of_the_day_and_of_the_tier():
    def opus_4_6(ts_ms: int, tokens: int) -> float | None:
        return price("anthropic", "claude-opus-4-6", ts_ms, input_tokens=tokens, output_tokens=0)

    assert opus_4_6(JANUARY_2026, 100_000) == 0.5
    assert opus_4_6(JANUARY_2026, 300_000) == 3.0  # above 200,000 tokens every token cost twice as much then
    assert opus_4_6(NOVEMBER_2026, 300_000) == 1.5  # and since March 2026 no longer


@pytest.mark.parametrize(
    "counts",
    [
        {"input_tokens": 5, "output_tokens": 1, "cache_read_tokens": 6},
        {"input_tokens": 5, "output_tokens": 1, "cache_read_tokens": 3, "cache_write_tokens": 3},
        {"input_tokens": 5, "output_tokens": 1, "cache_write_tokens": 2, "cache_write_1h_tokens": 3},
        {"input_tokens": -1, "output_tokens": 1},
    ],
)
def test_token_counts_that_contradict_each_other_have_no_price(counts: Counts):
    assert price("anthropic", "claude-opus-4-8", NOVEMBER_2026, **counts) is None


def test_an_instant_beyond_the_calendar_has_no_price():
    assert price("anthropic", "claude-opus-4-8", 10**18, input_tokens=1, output_tokens=1) is None


MODELS = [
    ("anthropic", "claude-opus-4-8"),
    ("anthropic", "claude-opus-4-6"),
    ("anthropic", "claude-3-haiku-20240307"),
    ("anthropic", "claude-sonnet-4-5"),
    ("openai", "gpt-4o-mini"),
    ("google", "gemini-2.5-pro"),
    ("deepseek", "deepseek-chat"),
    ("aws", "claude-opus-4-8"),
]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(MODELS), st.sampled_from((JANUARY_2026, NOVEMBER_2026)), st.tuples(*[st.integers(0, 300_000)] * 5)
)
def test_every_price_is_the_one_that_the_library_computes(
    name: tuple[str, str], ts_ms: int, tokens: tuple[int, int, int, int, int]
):
    uncached, output, read, write_5m, write_1h = tokens
    counts: Counts = {
        "input_tokens": uncached + read + write_5m + write_1h,
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_write_tokens": write_5m + write_1h,
        "cache_write_1h_tokens": write_1h,
    }
    provider, model = name
    when = datetime.fromtimestamp(ts_ms / 1000, UTC)
    expected = calc_price(Usage.from_raw(counts), model, provider_id=provider, genai_request_timestamp=when).total_price
    assert price(provider, model, ts_ms, **counts) == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize("input_tokens", [200_000, 200_001, 2_000_000])
def test_every_model_of_the_list_costs_what_the_library_computes(input_tokens: int):
    when = datetime.fromtimestamp(NOVEMBER_2026 / 1000, UTC)
    counts: Counts = {"input_tokens": input_tokens, "output_tokens": 321, "cache_read_tokens": 100_000}
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            cost = price(provider.id, model.id, NOVEMBER_2026, **counts)
            if cost is not None:
                usage = Usage.from_raw(counts)
                computed = calc_price(usage, model.id, provider_id=provider.id, genai_request_timestamp=when)
                assert cost == pytest.approx(float(computed.total_price), rel=1e-14), (provider.id, model.id)
                compared += 1
    assert compared > 1_500


def test_the_price_list_is_not_loaded_before_the_first_price_is_asked_for():
    code = "import sys, agentgauge.ingest.prices; sys.exit('genai_prices' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode
        == 0
    )
