"""AgentMessage: outbound and inbound message metrics, webhook deliveries (contract `agentmessage`)."""

from agentgauge.core.operation import Dialect
from agentgauge.dialects.agentmessage.contract import ErrorBody, refuse
from agentgauge.dialects.agentmessage.operations import OPERATIONS, guard
from agentgauge.dialects.agentmessage.tools import GET_MESSAGE_METRICS

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
)
