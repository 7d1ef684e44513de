"""Pydantic AI, which is instrumented already.

Install and run:

    pip install 'pydantic-ai-slim[openai]>=2.68,<3' 'opentelemetry-exporter-otlp-proto-http>=1.40,<2'
    python examples/offline.py python examples/with_pydantic_ai.py
"""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent, InstrumentationSettings

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))

agent = Agent("openai-chat:gpt-4o-mini", name="weather")


@agent.tool_plain
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


print(agent.run_sync("What is the weather in Paris?").output)
provider.shutdown()  # sends what is waiting
