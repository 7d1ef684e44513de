// Sends model calls with the OpenTelemetry SDK for JavaScript: node send.mjs URL COUNT json|protobuf
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [url, count, encoding] = process.argv.slice(2);
const Exporter = encoding === "json" ? JsonExporter : ProtobufExporter;
const exporter = new Exporter({ url: `${url}/v1/traces`, compression: "gzip", timeoutMillis: 30_000 });
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": "shop" }),
  spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 60_000 })],
});
const tracer = provider.getTracer("interop");
for (let number = 0; number < Number(count); number++) {
  const attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o-mini",
    "gen_ai.response.id": `${encoding}-${number}`,
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
  };
  tracer.startSpan("chat gpt-4o-mini", { attributes }).end();
}
await provider.shutdown();
