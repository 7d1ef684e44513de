"""LiteLLM, whose own OpenTelemetry callback also reports what a call cost.

Install and run:

    pip install 'litellm>=1.83,<2' 'opentelemetry-exporter-otlp-proto-http>=1.40,<2'
    python examples/offline.py python examples/with_litellm.py
"""

import litellm
from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
litellm.callbacks = [OpenTelemetry(config=OpenTelemetryConfig(), tracer_provider=provider)]

for question in ("What is the weather in Paris?", "And tomorrow?"):
    reply = litellm.completion("openai/gpt-4o-mini", [{"role": "user", "content": question}])
    print(reply.choices[0].message.content)
# LiteLLM reports calls from threads of its own; when Python ends they are waited for, then the provider sends the rest.
