"""Google's Agent Development Kit, which is instrumented already.

Install and run:

    pip install 'google-adk>=2,<3' 'opentelemetry-exporter-otlp-proto-http>=1.40,<2'
    python examples/offline.py python examples/with_google_adk.py
"""

import asyncio

from google.adk.agents import Agent
from google.adk.runners import InMemoryRunner
from google.genai import types
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
trace.set_tracer_provider(provider)


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


async def main() -> None:
    """One run."""
    runner = InMemoryRunner(agent=Agent(name="weather", model="gemini-2.5-flash", tools=[weather]), app_name="weather")
    session = await runner.session_service.create_session(app_name="weather", user_id="me")
    asked = types.Content(role="user", parts=[types.Part(text="What is the weather in Paris?")])
    async for event in runner.run_async(user_id="me", session_id=session.id, new_message=asked):
        for part in event.content.parts if event.content and event.content.parts else ():
            if part.text:
                print(part.text)


asyncio.run(main())
provider.shutdown()  # sends what is waiting
