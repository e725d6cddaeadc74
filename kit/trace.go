package kit

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	tracerName    = "github.com/plat-dev/plat/kit"
	exportTimeout = 3 * time.Second
	batchDelay    = 500 * time.Millisecond
)

// attributeCorrelation has the correlation ID of the work that a span is of.
const attributeCorrelation = "plat.correlation_id"

// tracing makes the service's spans.
type tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// newTracing exports spans by OTLP over HTTP when an endpoint is given;
// otherwise spans only have IDs. Sampling is OpenTelemetry's own
// (OTEL_TRACES_SAMPLER, by default what the caller decided, else all).
func newTracing(ctx context.Context, s *Service) (*tracing, error) {
	attributes := []attribute.KeyValue{
		attribute.String("service.name", s.name),
		attribute.String("service.version", s.version),
		attribute.String("service.instance.id", s.instance),
		attribute.String("deployment.environment.name", s.environment),
	}
	given, err := pairs(s.Env("OTEL_RESOURCE_ATTRIBUTES"))
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	for _, kv := range given { // later ones count
		attributes = append(attributes, attribute.String(kv[0], kv[1]))
	}
	if name := s.Env("OTEL_SERVICE_NAME"); name != "" {
		attributes = append(attributes, attribute.String("service.name", name))
	}
	res, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attributes...))
	if err != nil {
		return nil, fmt.Errorf("trace resource: %w", err)
	}
	options := []sdk.TracerProviderOption{sdk.WithResource(res), sdk.WithSpanProcessor(correlated{})}
	exporter, err := newExporter(s.Env, s.log)
	if err != nil {
		return nil, err
	}
	if exporter != nil {
		batch := []sdk.BatchSpanProcessorOption{}
		if s.Env("OTEL_BSP_SCHEDULE_DELAY") == "" { // whoever looks for a span should not wait for it
			batch = append(batch, sdk.WithBatchTimeout(batchDelay))
		}
		options = append(options, sdk.WithBatcher(exporter, batch...))
	}
	provider := sdk.NewTracerProvider(options...)
	return &tracing{provider: provider, tracer: provider.Tracer(tracerName)}, nil
}

// close exports what is left.
func (t *tracing) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), exportTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// correlated gives every span, those of other instrumentation too, the
// correlation ID of its work.
type correlated struct{}

// OnStart implements the SDK's SpanProcessor.
func (correlated) OnStart(ctx context.Context, span sdk.ReadWriteSpan) {
	if id := CorrelationID(ctx); id != "" {
		span.SetAttributes(attribute.String(attributeCorrelation, id))
	}
}

// OnEnd implements the SDK's SpanProcessor.
func (correlated) OnEnd(sdk.ReadOnlySpan) {}

// Shutdown implements the SDK's SpanProcessor.
func (correlated) Shutdown(context.Context) error { return nil }

// ForceFlush implements the SDK's SpanProcessor.
func (correlated) ForceFlush(context.Context) error { return nil }
