"""VoiceRun: custom metrics with their tags (contract `voicerun`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.voicerun.tools import LIST_CUSTOM_METRICS, QUERY_CUSTOM_METRICS
from agentgauge.dialects.voicerun.translate import guard

if TYPE_CHECKING:
    from agentgauge.core.operation import Served
    from agentgauge.core.upstream import Upstream


def _served() -> Served:
    from agentgauge.dialects.voicerun.served import SERVED

    return SERVED


def _upstream() -> Upstream:
    from agentgauge.dialects.voicerun.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="voicerun",
    tools=(LIST_CUSTOM_METRICS, QUERY_CUSTOM_METRICS),
    guard=guard,
    served=_served,
    upstream=_upstream,
)
