"""What is served of VoiceRun's API: its endpoints, and its errors."""

from agentgauge.core.operation import Served
from agentgauge.dialects.voicerun.contract import ErrorBody, refuse
from agentgauge.dialects.voicerun.operations import OPERATIONS

SERVED = Served(
    operations=OPERATIONS,
    prefix="/v1/custom-metrics",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(400, 401, 403, 404, 405, 413, 500, 503),
)
