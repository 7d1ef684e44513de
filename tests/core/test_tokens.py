"""The token estimate, held against the real o200k tokenizer over the kinds of text that answers are made of."""

from __future__ import annotations

import json
import random
import string
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import splintr
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.core.tokens import estimate

if TYPE_CHECKING:
    from collections.abc import Callable

O200K = splintr.Tokenizer.from_pretrained("o200k_base")
MODELS = (
    "claude-opus-4-1-20250805",
    "gpt-4o-mini-2024-07-18",
    "gemini-2.5-pro",
    "meta-llama/Llama-3.3-70B-Instruct",
    "o3",
)
ROLES = ("planner", "researcher", "support", "triage", "billing", "checkout", "retrieval", "summarizer", "onboarding")
PLACES = ("bot", "agent", "worker", "prod", "staging", "eu-west")
FOREIGN = (
    "Zoë Müller",
    "日本語エージェント",
    "поддержка клиентов",
    "客服机器人",
    "지원 봇",
    "👍 bot",
    "عامل الدعم",
    "ผู้ช่วย",
    "naïve café",
)
CHANNELS = ("sms", "mms", "whatsapp", "email", "rcs", "voice")


def count(text: str) -> int:
    return len(O200K.encode(text))


def name(rng: random.Random) -> str:
    kind = rng.randrange(7)
    if kind == 0:
        return str(uuid.UUID(int=rng.getrandbits(128)))
    if kind == 1:
        return "sess_" + "".join(rng.choice(string.ascii_lowercase + string.digits) for _ in range(16))
    if kind == 2:
        return rng.choice(MODELS)
    if kind == 3:
        return rng.choice(FOREIGN)
    return rng.choice(ROLES) + rng.choice("-_ ") + rng.choice(PLACES)


def number(rng: random.Random) -> float | None:
    kind = rng.randrange(6)
    if kind == 0:
        return None
    if kind == 1:
        return rng.random() * 10 ** rng.randint(-4, 5)
    return rng.randint(0, 10 ** rng.randint(1, 6))


def structured(rng: random.Random) -> dict[str, Any]:
    """An answer's structured form."""
    rows = [[name(rng), number(rng), f"{rng.randint(0, 999)}@{rng.randint(0, 23)}"] for _ in range(rng.randint(2, 10))]
    for row in rows:
        row.append([number(rng) for _ in range(24)])  # type: ignore[arg-type]  # a cell of JSON
    start = f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:00Z"
    return {
        "title": f"{rng.choice(('messages sent', 'model calls'))} by {rng.choice(('channel', 'agent', 'model_name'))}",
        "start": start,
        "end": "2026-12-31T00:00Z",
        "interval": "1h",
        "as_of": "2026-12-30T23:59:43Z",
        "total": number(rng),
        "prior": {"total": number(rng)},
        "columns": ["agent", "total", "peak", "values"],
        "rows": rows,
        "other": {"groups": rng.randint(1, 99), "total": number(rng), "values": [number(rng) for _ in range(24)]},
    }


def text_of(rng: random.Random) -> str:
    """An answer's text."""
    lines = [
        f"messages sent by channel, 2026-05-05 {rng.randint(0, 23):02}:00 to 2026-05-06 00:00 UTC, exact",
        f"total {rng.randint(0, 99_999)}; prior period {rng.randint(0, 99_999)} ({rng.uniform(-99, 99):+.1f} %)",
        "channel,total,peak,hourly from 00:00",
    ]
    for _ in range(rng.randint(2, 10)):
        cells = ["-" if (value := number(rng)) is None else f"{value:.4g}" for _ in range(24)]
        lines.append(f"{name(rng)},{rng.randint(0, 9_999)},88@14,{','.join(cells)}")
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(60))
def test_an_answers_forms_are_estimated_within_their_real_cost_and_a_half_more(seed: int) -> None:
    rng = random.Random(seed)
    answer = structured(rng)
    compact = json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
    for text in (text_of(rng), compact, json.dumps(answer), json.dumps(answer, indent=2, ensure_ascii=False)):
        assert 0.97 * count(text) <= estimate(text) <= 1.5 * count(text)


def repeated(make: Callable[[random.Random], object], lines: int = 60) -> str:
    rng = random.Random(7)
    return "\n".join(f"{make(rng)},{rng.randint(0, 999)}" for _ in range(lines))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("small counts", ",".join(str(number % 10) for number in range(300))),
        ("large counts", repeated(lambda rng: rng.randint(0, 10**12))),
        ("floats", repeated(lambda rng: rng.random() * 10 ** rng.randint(-6, 6))),
        ("negative numbers", repeated(lambda rng: -rng.randint(0, 5_000))),
        (
            "dates",
            repeated(
                lambda rng: f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:05:09+02:00"
            ),
        ),
        ("uuids", repeated(lambda rng: uuid.UUID(int=rng.getrandbits(128)))),
        ("hex ids", repeated(lambda rng: f"{rng.getrandbits(64):016x}")),
        (
            "mixed-case ids",
            repeated(lambda rng: "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(22))),
        ),
        (
            "ulids",
            repeated(lambda rng: "01J" + "".join(rng.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(23))),
        ),
        ("phone numbers", repeated(lambda rng: f"+4917{rng.randint(10**7, 10**8)}")),
        ("agents", repeated(lambda rng: rng.choice(ROLES) + "-" + rng.choice(PLACES))),
        ("foreign names", repeated(lambda rng: rng.choice(FOREIGN))),
        ("models", repeated(lambda rng: rng.choice(MODELS))),
        ("channels", repeated(lambda rng: rng.choice(CHANNELS))),
        ("nulls", json.dumps([None] * 200, separators=(",", ":"))),
        ("dashes", ",".join("-" * 200)),
        (
            "fields",
            "input_tokens,cache_read_tokens,time_to_first_token_ms,http_status_class,guardrail_name,costInUSD," * 4,
        ),
        ("error codes", "ERR_RATE_LIMIT,DELIVERED,UNDELIVERABLE,CARRIER_FILTERED,E30007\n" * 9),
    ],
)
def test_what_cells_hold_is_estimated_within_its_real_cost_and_a_half_more(kind: str, text: str) -> None:
    assert 0.97 * count(text) <= estimate(text) <= 1.5 * count(text), kind


@given(st.text())
def test_any_text_has_an_estimate_and_no_text_costs_nothing(text: str) -> None:
    assert (estimate(text) == 0) == (text == "")
