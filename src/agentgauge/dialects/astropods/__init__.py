"""Astropods: runs, latency, tokens and errors of one agent (contract `astropods`)."""

from agentgauge.core.operation import Dialect
from agentgauge.dialects.astropods.tools import GET_TRACE_METRICS

DIALECT = Dialect(name="astropods", tools=(GET_TRACE_METRICS,))
