"""TrueFoundry: the gateway's metrics query over six datasources (contract `truefoundry`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.truefoundry.contract import ErrorBody, refuse
from agentgauge.dialects.truefoundry.operations import OPERATIONS
from agentgauge.dialects.truefoundry.tools import QUERY_DATAPOINTS
from agentgauge.dialects.truefoundry.translate import guard

if TYPE_CHECKING:
    from agentgauge.core.upstream import Upstream


def _upstream() -> Upstream:
    from agentgauge.dialects.truefoundry.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="truefoundry",
    tools=(QUERY_DATAPOINTS,),
    guard=guard,
    operations=OPERATIONS,
    prefix="/api/svc/v1/llm-gateway/metrics",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(400, 401, 403, 404, 405, 413, 500, 503),
    upstream=_upstream,
)
