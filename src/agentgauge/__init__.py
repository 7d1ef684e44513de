"""agentgauge: the metrics server for AI agents."""

from typing import Final

__version__: Final = "0.1.0"
