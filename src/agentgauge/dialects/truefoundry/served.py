"""What is served of TrueFoundry's API: its endpoints, and its errors."""

from agentgauge.core.operation import Served
from agentgauge.dialects.truefoundry.contract import ErrorBody, refuse
from agentgauge.dialects.truefoundry.operations import OPERATIONS

SERVED = Served(
    operations=OPERATIONS,
    prefix="/api/svc/v1/llm-gateway/metrics",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(400, 401, 403, 404, 405, 413, 500, 503),
)
