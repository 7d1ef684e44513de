"""Our own tools: what is here, and writing custom metric points."""

from agentgauge.core.operation import Dialect
from agentgauge.dialects.own.describe import DESCRIBE_METRICS
from agentgauge.dialects.own.record import RECORD_METRICS

DIALECT = Dialect(name="own", tools=(DESCRIBE_METRICS, RECORD_METRICS))
