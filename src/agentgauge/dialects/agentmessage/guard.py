"""Who may ask AgentMessage's questions how finely: the tiers of contract `agentmessage` 1.5.

Above: the local desk runs it on every question. Below: `contract`, loaded only where it refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.time import ROUGH, Unit

if TYPE_CHECKING:
    from agentgauge.core.operation import Principal
    from agentgauge.core.query import Query

FINEST: dict[str, Unit] = {"starter": "day", "payg": "day", "growth": "hour"}
"""Tier -> the finest granularity it may ask (1.5); the other tiers have the finest that the wire can say."""


def guard(query: Query, who: Principal) -> Query:
    """Refuses buckets finer than the tier allows, whoever asks for them and through whichever tool.

    Raises:
        GranularityNotAvailable: with the finest granularity of the tier.
    """
    finest = FINEST.get(who.tier)
    counted_here = query.dataset in ("messages", "webhooks")
    if finest and counted_here and query.bucket is not None and query.bucket.rough_ms < ROUGH[finest]:
        from agentgauge.dialects.agentmessage.contract import GranularityNotAvailable

        raise GranularityNotAvailable(
            f"the tier {who.tier} has no buckets finer than a {finest}.",
            hint=f"Take an interval of a {finest} or more.",
            details={"max_granularity": finest},
        )
    return query
