"""VoiceRun: custom metrics with their tags (contract `voicerun`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.voicerun.contract import ErrorBody, refuse
from agentgauge.dialects.voicerun.operations import OPERATIONS
from agentgauge.dialects.voicerun.tools import LIST_CUSTOM_METRICS, QUERY_CUSTOM_METRICS
from agentgauge.dialects.voicerun.translate import guard

if TYPE_CHECKING:
    from agentgauge.core.upstream import Upstream


def _upstream() -> Upstream:
    from agentgauge.dialects.voicerun.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="voicerun",
    tools=(LIST_CUSTOM_METRICS, QUERY_CUSTOM_METRICS),
    guard=guard,
    operations=OPERATIONS,
    prefix="/v1/custom-metrics",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(400, 401, 403, 404, 405, 413, 500, 503),
    upstream=_upstream,
)
