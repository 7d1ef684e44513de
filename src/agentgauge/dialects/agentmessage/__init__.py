"""AgentMessage: outbound and inbound message metrics, webhook deliveries (contract `agentmessage`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.agentmessage.guard import guard
from agentgauge.dialects.agentmessage.tools import GET_MESSAGE_METRICS

if TYPE_CHECKING:
    from agentgauge.core.operation import Served
    from agentgauge.core.upstream import Upstream


def _served() -> Served:
    from agentgauge.dialects.agentmessage.served import SERVED

    return SERVED


def _upstream() -> Upstream:
    from agentgauge.dialects.agentmessage.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="agentmessage",
    tools=(GET_MESSAGE_METRICS,),
    guard=guard,
    served=_served,
    upstream=_upstream,
)
