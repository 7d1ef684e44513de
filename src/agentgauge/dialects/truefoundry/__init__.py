"""TrueFoundry: the gateway's metrics query over six datasources (contract `truefoundry`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgauge.core.operation import Dialect
from agentgauge.dialects.truefoundry.tools import QUERY_DATAPOINTS
from agentgauge.dialects.truefoundry.translate import guard

if TYPE_CHECKING:
    from agentgauge.core.operation import Served
    from agentgauge.core.upstream import Upstream


def _served() -> Served:
    from agentgauge.dialects.truefoundry.served import SERVED

    return SERVED


def _upstream() -> Upstream:
    from agentgauge.dialects.truefoundry.upstream import UPSTREAM

    return UPSTREAM


DIALECT = Dialect(
    name="truefoundry",
    tools=(QUERY_DATAPOINTS,),
    guard=guard,
    served=_served,
    upstream=_upstream,
)
