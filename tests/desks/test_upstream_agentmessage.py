"""AgentMessage as a source: the same numbers as from the store, its seed samples, and what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from served import HOUR, MINUTE, NOW, at, event, known_until, sent

from agentgauge.core.errors import Unsupported
from agentgauge.dialects.agentmessage.contract import InboundRequest
from agentgauge.dialects.agentmessage.decode import decode

if TYPE_CHECKING:
    from pair import Pair

DAY = {"start": "2026-05-19", "end": "2026-05-19"}


def traffic(pair: Pair) -> None:
    """Two days of messages on three channels, some of them failed."""
    start = at("2026-05-18")
    events: list[dict[str, Any]] = []
    for index in range(300):
        when = start + index * 9 * MINUTE + 1
        channel = ("sms", "mms", None)[index % 3]
        events.append(sent(when, channel, cost_cents=index % 7, message_id=f"m{index}"))
        if index % 4 == 0:
            failed: dict[str, Any] = {"status": "failed", "error_code": ("30003", "30005")[index % 8 // 4]}
            events.append(sent(when + MINUTE, channel, **failed))
    events.append(event("webhook", at("2026-05-19T03:00"), endpoint_id="e1", kind="org", status="delivered"))
    pair.vendor.give(*events, known_until("messages", NOW), known_until("webhooks", NOW))


QUESTIONS: tuple[dict[str, Any], ...] = (
    {"metric": "sent", "interval": "1h", **DAY},
    {"metric": "sent", "interval": "1h", "group_by": "channel", **DAY},
    {"metric": "failed", "interval": "6h", "group_by": "error_code", **DAY},
    {"metric": "cost_cents", "interval": "1d", "start": "2026-05-18", "end": "2026-05-19"},
    {"metric": "sent", "interval": "1d", "tz": "America/New_York", "start": "2026-05-18", "end": "2026-05-19"},
    {"metric": "sent", "interval": "15m", "start": "2026-05-19T06:00Z", "end": "2026-05-19T08:00Z"},
    {"metric": "sent", "interval": "1h", "compare_to": "prior_period", **DAY},
    {"metric": "delivered", "traffic": "webhooks", "interval": "1h", "group_by": "endpoint_id", **DAY},
)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_numbers_through_the_wire_are_those_of_the_store(pair: Pair, question: dict[str, Any]) -> None:
    traffic(pair)
    there = (await pair.upstream("get_message_metrics", "msg", **question)).structured()
    here = (await pair.local("get_message_metrics", **question)).structured()
    assert there == here
