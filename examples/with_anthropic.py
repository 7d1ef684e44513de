"""The Anthropic SDK, which traces its calls by itself as soon as there is a tracer provider.

Install and run:

    pip install 'anthropic>=2.11,<3' 'opentelemetry-sdk>=1.40,<2' 'opentelemetry-exporter-otlp-proto-http>=1.40,<2'
    python examples/offline.py python examples/with_anthropic.py
"""

from anthropic import Anthropic
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
trace.set_tracer_provider(provider)

client = Anthropic()
for question in ("What is the weather in Paris?", "And tomorrow?"):
    reply = client.messages.create(
        model="claude-opus-4-8", max_tokens=100, messages=[{"role": "user", "content": question}]
    )
    print(*(block.text for block in reply.content if block.type == "text"))
provider.shutdown()  # sends what is waiting
