"""Astropods: runs, latency, tokens and errors of one agent (contract `astropods`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.astropods.contract import ErrorBody, refuse
from agentgauge.dialects.astropods.operations import OPERATIONS
from agentgauge.dialects.astropods.tools import GET_TRACE_METRICS

if TYPE_CHECKING:
    from agentgauge.core.upstream import Upstream


def _upstream() -> Upstream:
    from agentgauge.dialects.astropods.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="astropods",
    tools=(GET_TRACE_METRICS,),
    operations=OPERATIONS,
    prefix="/api/v1",
    refuse=refuse,
    error_body=ErrorBody,
    statuses=(400, 401, 403, 404, 405, 413, 500, 503),
    upstream=_upstream,
)
