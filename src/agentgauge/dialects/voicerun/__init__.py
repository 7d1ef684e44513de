"""VoiceRun: custom metrics with their tags (contract `voicerun`)."""

from agentgauge.core.operation import Dialect
from agentgauge.dialects.voicerun.tools import LIST_CUSTOM_METRICS, QUERY_CUSTOM_METRICS
from agentgauge.dialects.voicerun.translate import guard

DIALECT = Dialect(name="voicerun", tools=(LIST_CUSTOM_METRICS, QUERY_CUSTOM_METRICS), guard=guard)
