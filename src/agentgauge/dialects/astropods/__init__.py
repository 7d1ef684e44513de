"""Astropods: runs, latency, tokens and errors of one agent (contract `astropods`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.astropods.tools import GET_TRACE_METRICS

if TYPE_CHECKING:
    from agentgauge.core.operation import Served
    from agentgauge.core.upstream import Upstream


def _served() -> Served:
    from agentgauge.dialects.astropods.served import SERVED

    return SERVED


def _upstream() -> Upstream:
    from agentgauge.dialects.astropods.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="astropods",
    tools=(GET_TRACE_METRICS,),
    served=_served,
    upstream=_upstream,
)
