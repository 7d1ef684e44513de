"""The OpenAI Agents SDK, traced by OpenInference.

Install and run:

    pip install 'openai-agents>=0.24,<1' 'openinference-instrumentation-openai-agents>=2.6,<3' \
        'opentelemetry-exporter-otlp-proto-http>=1.40,<2'
    python examples/offline.py python examples/with_openai_agents.py
"""

from agents import Agent, Runner, function_tool, set_trace_processors
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
set_trace_processors([])  # the SDK would send traces to its vendor
OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


agent = Agent(name="weather", model="gpt-4o-mini", tools=[weather])
print(Runner.run_sync(agent, "What is the weather in Paris?").final_output)
provider.shutdown()  # sends what is waiting
