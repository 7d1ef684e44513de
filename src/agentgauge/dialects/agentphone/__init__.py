"""AgentPhone: usage by agent, by number, by day and month (contract `agentphone`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.agentphone.contract import ErrorBody, refuse
from agentgauge.dialects.agentphone.operations import OPERATIONS
from agentgauge.dialects.agentphone.tools import GET_USAGE
from agentgauge.dialects.agentphone.usage import USAGE_BY_AGENT

if TYPE_CHECKING:
    from agentgauge.core.upstream import Upstream


def _upstream() -> Upstream:
    from agentgauge.dialects.agentphone.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="agentphone",
    tools=(USAGE_BY_AGENT, GET_USAGE),
    operations=OPERATIONS,
    prefix="/v1/usage",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(401, 403, 404, 405, 413, 422, 500, 503),
    upstream=_upstream,
)
