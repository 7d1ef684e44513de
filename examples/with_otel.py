"""Any code of yours, with the OpenTelemetry SDK alone: a run, the calls of a model, and a tool, as spans.

Install and run:

    pip install 'opentelemetry-sdk>=1.40,<2' 'opentelemetry-exporter-otlp-proto-http>=1.40,<2'
    python examples/offline.py python examples/with_otel.py
"""

import json
import os
from typing import Any
from urllib.request import Request, urlopen

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
tracer = provider.get_tracer("weather")


def chat(question: str) -> str:
    """Asks the model, and says in a span which it was and what it used."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}
    request = Request(f"{os.environ['OPENAI_BASE_URL']}/chat/completions", json.dumps(body).encode())
    request.add_header("authorization", f"Bearer {os.environ['OPENAI_API_KEY']}")
    request.add_header("content-type", "application/json")
    with tracer.start_as_current_span("chat gpt-4o-mini") as span:
        with urlopen(request) as reply:
            said: dict[str, Any] = json.load(reply)
        usage = said["usage"]
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.response.model": said["model"],
                "gen_ai.response.id": said["id"],
                "gen_ai.usage.input_tokens": usage["prompt_tokens"],  # all of it, cached or not
                "gen_ai.usage.cache_read.input_tokens": usage["prompt_tokens_details"]["cached_tokens"],
                "gen_ai.usage.output_tokens": usage["completion_tokens"],
            }
        )
    return said["choices"][0]["message"]["content"]


def weather(city: str) -> str:
    """A tool."""
    about = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"}
    with tracer.start_as_current_span("execute_tool weather", attributes=about):
        return f"sunny in {city}"


with tracer.start_as_current_span(
    "invoke_agent weather", attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "weather"}
):
    chat("Which tool tells the weather?")
    print(chat(f"Say this nicely: {weather('Paris')}"))
provider.shutdown()  # sends what is waiting
