"""What is served of Astropods's API: its endpoints, and its errors."""

from agentgauge.core.operation import Served
from agentgauge.dialects.astropods.contract import ErrorBody, refuse
from agentgauge.dialects.astropods.operations import OPERATIONS

SERVED = Served(
    operations=OPERATIONS,
    prefix="/api/v1",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(400, 401, 403, 404, 405, 413, 500, 503),
)
