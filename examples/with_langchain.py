"""LangChain, traced by OpenInference.

Install and run:

    pip install 'langchain>=1.4,<2' 'langchain-openai>=1.7,<2' 'openinference-instrumentation-langchain>=0.1.80,<1' \
        'opentelemetry-exporter-otlp-proto-http>=1.40,<2'
    python examples/offline.py python examples/with_langchain.py
"""

from langchain.agents import create_agent
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
LangChainInstrumentor().instrument(tracer_provider=provider)


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


agent = create_agent("openai:gpt-4o-mini", tools=[weather], name="weather")
answer = agent.invoke({"messages": [{"role": "user", "content": "What is the weather in Paris?"}]})
print(answer["messages"][-1].content)
provider.shutdown()  # sends what is waiting
