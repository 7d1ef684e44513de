"""AgentPhone: usage by agent, by number, by day and month (contract `agentphone`)."""

from agentgauge.core.operation import Dialect
from agentgauge.dialects.agentphone.tools import GET_USAGE
from agentgauge.dialects.agentphone.usage import USAGE_BY_AGENT

DIALECT = Dialect(name="agentphone", tools=(USAGE_BY_AGENT, GET_USAGE))
