"""AgentMessage: outbound and inbound message metrics, webhook deliveries (contract `agentmessage`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.agentmessage.contract import ErrorBody, refuse
from agentgauge.dialects.agentmessage.operations import OPERATIONS, guard
from agentgauge.dialects.agentmessage.tools import GET_MESSAGE_METRICS

if TYPE_CHECKING:
    from agentgauge.core.upstream import Upstream


def _upstream() -> Upstream:
    from agentgauge.dialects.agentmessage.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="agentmessage",
    tools=(GET_MESSAGE_METRICS,),
    guard=guard,
    operations=OPERATIONS,
    prefix="/v1/metrics",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(401, 403, 404, 405, 413, 422, 500, 503),
    request_id_header="X-Request-Id",
    upstream=_upstream,
)
