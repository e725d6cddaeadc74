package kit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	tracerName    = "github.com/plat-dev/plat/kit"
	exportTimeout = 3 * time.Second
)

// tracing makes the service's spans.
type tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// newTracing exports spans by OTLP over HTTP when an endpoint is given;
// otherwise spans only have IDs.
func newTracing(ctx context.Context, s *Service) (*tracing, error) {
	res, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", s.name),
		attribute.String("service.version", s.version),
		attribute.String("service.instance.id", s.instance),
		attribute.String("deployment.environment.name", s.environment),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	options := []sdk.TracerProviderOption{sdk.WithResource(res)}
	if s.Env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || s.Env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
		}
		options = append(options, sdk.WithBatcher(exporter))
	}
	provider := sdk.NewTracerProvider(options...)
	return &tracing{provider: provider, tracer: provider.Tracer(tracerName)}, nil
}

// close exports what is left.
func (t *tracing) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), exportTimeout)
	defer cancel()
	return errors.Join(t.provider.Shutdown(ctx))
}
