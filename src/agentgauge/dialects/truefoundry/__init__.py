"""TrueFoundry: the gateway's metrics query over six datasources (contract `truefoundry`)."""

from agentgauge.core.operation import Dialect
from agentgauge.dialects.truefoundry.tools import QUERY_DATAPOINTS
from agentgauge.dialects.truefoundry.translate import guard

DIALECT = Dialect(name="truefoundry", tools=(QUERY_DATAPOINTS,), guard=guard)
