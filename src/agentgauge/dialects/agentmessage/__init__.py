"""AgentMessage: outbound and inbound message metrics, webhook deliveries (contract `agentmessage`)."""

from agentgauge.core.operation import Dialect
from agentgauge.dialects.agentmessage.tools import GET_MESSAGE_METRICS

DIALECT = Dialect(name="agentmessage", tools=(GET_MESSAGE_METRICS,))
