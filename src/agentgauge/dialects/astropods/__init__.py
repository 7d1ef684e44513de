"""Astropods: runs, latency, tokens and errors of one agent (contract `astropods`)."""

from agentgauge.core.operation import Dialect
from agentgauge.dialects.astropods.contract import ErrorBody, refuse
from agentgauge.dialects.astropods.operations import OPERATIONS
from agentgauge.dialects.astropods.tools import GET_TRACE_METRICS

DIALECT = Dialect(
    name="astropods",
    tools=(GET_TRACE_METRICS,),
    operations=OPERATIONS,
    prefix="/api/v1",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(400, 401, 403, 404, 405, 413, 500, 503),
)
