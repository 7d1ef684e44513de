"""What is served of AgentMessage's API: its endpoints, and its errors."""

from agentgauge.core.operation import Served
from agentgauge.dialects.agentmessage.contract import ErrorBody, refuse
from agentgauge.dialects.agentmessage.operations import OPERATIONS

SERVED = Served(
    operations=OPERATIONS,
    prefix="/v1/metrics",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(401, 403, 404, 405, 413, 422, 500, 503),
    request_id_header="X-Request-Id",
)
