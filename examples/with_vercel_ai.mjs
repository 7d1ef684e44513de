// The Vercel AI SDK (JavaScript), with its OpenTelemetry integration.
//
//     npm install --prefix examples
//     python examples/offline.py node examples/with_vercel_ai.mjs

import { createOpenAI } from "@ai-sdk/openai";
import { OpenTelemetry } from "@ai-sdk/otel";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { generateText, isStepCount, jsonSchema, registerTelemetry, tool } from "ai";

const sdk = new NodeSDK({ serviceName: "weather", traceExporter: new OTLPTraceExporter() }); // to $OTEL_EXPORTER_OTLP_ENDPOINT
sdk.start();
registerTelemetry(new OpenTelemetry());

const weather = tool({
  description: "The weather in a city.",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => `sunny in ${city}`,
});

const { text } = await generateText({
  model: createOpenAI().chat("gpt-4o-mini"),
  tools: { weather },
  stopWhen: isStepCount(3),
  prompt: "What is the weather in Paris?",
  telemetry: { isEnabled: true, functionId: "weather" },
});
console.log(text);
await sdk.shutdown(); // sends what is waiting
