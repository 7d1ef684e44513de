"""AgentPhone: usage by agent, by number, by day and month (contract `agentphone`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.agentphone.tools import GET_USAGE
from agentgauge.dialects.agentphone.usage import USAGE_BY_AGENT

if TYPE_CHECKING:
    from agentgauge.core.operation import Served
    from agentgauge.core.upstream import Upstream


def _served() -> Served:
    from agentgauge.dialects.agentphone.served import SERVED

    return SERVED


def _upstream() -> Upstream:
    from agentgauge.dialects.agentphone.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="agentphone",
    tools=(USAGE_BY_AGENT, GET_USAGE),
    served=_served,
    upstream=_upstream,
)
