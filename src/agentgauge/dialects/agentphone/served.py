"""What is served of AgentPhone's API: its endpoints, and its errors."""

from agentgauge.core.operation import Served
from agentgauge.dialects.agentphone.contract import ErrorBody, refuse
from agentgauge.dialects.agentphone.operations import OPERATIONS

SERVED = Served(
    operations=OPERATIONS,
    prefix="/v1/usage",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(401, 403, 404, 405, 413, 422, 500, 503),
)
