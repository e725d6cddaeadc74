// Tells of a trace of two spans with the OpenTelemetry SDK of Node, three
// times: in JSON, in protobuf and by gRPC; and of a record and a metric.
// tell.mjs HTTP-URL GRPC-URL
import { SpanKind, SpanStatusCode, metrics, trace, context } from "@opentelemetry/api";
import { logs, SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter as OverGRPC } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as InJSON } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as InProtobuf } from "@opentelemetry/exporter-trace-otlp-proto";
import { NodeSDK, logs as sdkLogs, metrics as sdkMetrics, resources, tracing } from "@opentelemetry/sdk-node";

const [http, grpc] = process.argv.slice(2);
const sdk = new NodeSDK({
  resource: resources.resourceFromAttributes({ "service.name": "recommendation", "service.instance.id": "recommendation-1", "service.version": "v2" }),
  resourceDetectors: [],
  spanProcessors: [
    new InJSON({ url: `${http}/v1/traces` }),
    new InProtobuf({ url: `${http}/v1/traces`, compression: "gzip" }),
    new OverGRPC({ url: grpc }),
  ].map((exporter) => new tracing.BatchSpanProcessor(exporter)),
  logRecordProcessors: [new sdkLogs.BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${http}/v1/logs` }) })],
  metricReaders: [new sdkMetrics.PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `${http}/v1/metrics` }) })],
});
sdk.start();

const tracer = trace.getTracer("shop");
tracer.startActiveSpan("GET /api/recommendations", { kind: SpanKind.SERVER, attributes: { "plat.correlation_id": "c-9", lines: [1, 2], weight: 0.5, "größe": "größer" } }, (server) => {
  const client = tracer.startSpan("GET", { kind: SpanKind.CLIENT, links: [{ context: server.spanContext() }] });
  client.recordException(new Error("refused"));
  client.setStatus({ code: SpanStatusCode.ERROR, message: "refused" });
  logs.getLogger("shop").emit({ severityNumber: SeverityNumber.WARN, body: { what: "refused" }, context: trace.setSpan(context.active(), client) });
  client.end();
  server.end();
});
metrics.getMeter("shop").createCounter("recommendations").add(3);
await sdk.shutdown();
