"""CrewAI, traced by OpenInference.

Install and run:

    pip install 'crewai>=1.15,<2' 'openinference-instrumentation-crewai>=1,<2' \
        'openinference-instrumentation-openai>=0.1.66,<1' 'opentelemetry-exporter-otlp-proto-http>=1.40,<2'
    python examples/offline.py python examples/with_crewai.py
"""

from crewai import Agent, Crew, Task
from crewai.tools import tool
from openinference.instrumentation.crewai import CrewAIInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
CrewAIInstrumentor().instrument(tracer_provider=provider)  # agents, tasks and tools
OpenAIInstrumentor().instrument(tracer_provider=provider)  # model calls


@tool("weather")
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


agent = Agent(role="weather", goal="Say how the weather is.", backstory="", llm="gpt-4o-mini", tools=[weather])
task = Task(description="What is the weather in Paris?", expected_output="A sentence.", agent=agent)
print(Crew(agents=[agent], tasks=[task]).kickoff())
provider.shutdown()  # sends what is waiting
