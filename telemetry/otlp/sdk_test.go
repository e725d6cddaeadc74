package otlp_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

// exporters are those of the official SDK of Go, to one receiver.
type exporters struct {
	traces  sdktrace.SpanExporter
	metrics sdkmetric.Exporter
	logs    sdklog.Exporter
}

func overHTTP(t *testing.T, base string, zipped bool) exporters {
	t.Helper()
	host := strings.TrimPrefix(base, "http://")
	traceOptions := []otlptracehttp.Option{otlptracehttp.WithEndpoint(host), otlptracehttp.WithInsecure(), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: time.Minute})}
	metricOptions := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpoint(host), otlpmetrichttp.WithInsecure()}
	logOptions := []otlploghttp.Option{otlploghttp.WithEndpoint(host), otlploghttp.WithInsecure()}
	if zipped {
		traceOptions = append(traceOptions, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		metricOptions = append(metricOptions, otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
		logOptions = append(logOptions, otlploghttp.WithCompression(otlploghttp.GzipCompression))
	}
	traces, err1 := otlptrace.New(ctx(t), otlptracehttp.NewClient(traceOptions...))
	metrics, err2 := otlpmetrichttp.New(ctx(t), metricOptions...)
	logs, err3 := otlploghttp.New(ctx(t), logOptions...)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return exporters{traces, metrics, logs}
}

func overGRPC(t *testing.T, address string, zipped bool) exporters {
	t.Helper()
	traceOptions := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(address), otlptracegrpc.WithInsecure(), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: time.Minute})}
	metricOptions := []otlpmetricgrpc.Option{otlpmetricgrpc.WithEndpoint(address), otlpmetricgrpc.WithInsecure()}
	logOptions := []otlploggrpc.Option{otlploggrpc.WithEndpoint(address), otlploggrpc.WithInsecure()}
	if zipped {
		traceOptions = append(traceOptions, otlptracegrpc.WithCompressor("gzip"))
		metricOptions = append(metricOptions, otlpmetricgrpc.WithCompressor("gzip"))
		logOptions = append(logOptions, otlploggrpc.WithCompressor("gzip"))
	}
	traces, err1 := otlptracegrpc.New(ctx(t), traceOptions...)
	metrics, err2 := otlpmetricgrpc.New(ctx(t), metricOptions...)
	logs, err3 := otlploggrpc.New(ctx(t), logOptions...)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return exporters{traces, metrics, logs}
}

// TestTheGoSDK sends a trace of two spans, a metric and a log record with the
// official SDK of Go, over every transport it has.
func TestTheGoSDK(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(*testing.T, *sink) exporters{
		"http": func(t *testing.T, s *sink) exporters {
			_, base := serve(t, s, otlp.Limits{})
			return overHTTP(t, base, false)
		},
		"http, gzip": func(t *testing.T, s *sink) exporters {
			_, base := serve(t, s, otlp.Limits{})
			return overHTTP(t, base, true)
		},
		"grpc": func(t *testing.T, s *sink) exporters {
			_, address := serveGRPC(t, s, otlp.Limits{})
			return overGRPC(t, address, false)
		},
		"grpc, gzip": func(t *testing.T, s *sink) exporters {
			_, address := serveGRPC(t, s, otlp.Limits{})
			return overGRPC(t, address, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sink{}
			tell(t, dial(t, s))
			told(t, s)
		})
	}
}

// tell uses the SDK as a program does.
func tell(t *testing.T, e exporters) {
	t.Helper()
	who := resource.NewSchemaless(attribute.String("service.name", "order"), attribute.String("service.instance.id", "order-1"), attribute.String("service.version", "v1"))
	spans := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e.traces), sdktrace.WithResource(who))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(e.metrics)), sdkmetric.WithResource(who))
	logs := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(e.logs)), sdklog.WithResource(who))

	parent, server := spans.Tracer("shop").Start(ctx(t), "POST /api/orders", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("plat.correlation_id", "c-7"), attribute.IntSlice("lines", []int{1, 2})))
	within, client := spans.Tracer("shop").Start(parent, "GET", trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(trace.LinkFromContext(parent)))
	client.RecordError(errors.New("refused"))
	client.SetStatus(codes.Error, "refused")
	client.End()
	server.End()
	counter, err := meters.Meter("shop").Int64Counter("orders")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(within, 3)
	var record log.Record
	record.SetTimestamp(time.Unix(7, 0))
	record.SetSeverity(log.SeverityWarn)
	record.SetBody(attribute.StringValue("it was refused"))
	logs.Logger("shop").Emit(within, record)
	if err := errors.Join(spans.Shutdown(ctx(t)), meters.Shutdown(ctx(t)), logs.Shutdown(ctx(t))); err != nil {
		t.Fatal(err)
	}
}

// told is whether it came.
func told(t *testing.T, s *sink) {
	t.Helper()
	spans, logs := s.rows()
	if len(spans) != 2 || len(logs) != 1 || len(s.metrics) != 1 {
		t.Fatalf("%d spans, %d records, %d requests of metrics", len(spans), len(logs), len(s.metrics))
	}
	client, server := spans[0], spans[1]
	if client.Parent != server.ID || client.TraceID != server.TraceID || !server.Parent.IsZero() || client.Kind != telemetry.KindClient || server.Kind != telemetry.KindServer {
		t.Errorf("%+v", spans)
	}
	if client.Status != telemetry.StatusError || client.StatusMessage != "refused" || len(client.Events) != 1 || client.Events[0].Name != "exception" || len(client.Links) != 1 || client.Links[0].SpanID != server.ID {
		t.Errorf("%+v", client)
	}
	if lines, _ := telemetry.Find(server.Attributes, "lines"); lines != "[1,2]" || server.CorrelationID != "c-7" || server.Name != "POST /api/orders" || server.Scope != "shop" {
		t.Errorf("%+v", server)
	}
	if age := time.Since(time.Unix(0, server.Start)); age < 0 || age > time.Minute || server.Duration <= 0 || server.Duration > int64(time.Minute) {
		t.Errorf("%+v", server)
	}
	if r := server.Resource; r.Service != "order" || r.Instance != "order-1" || r.Version != "v1" {
		t.Errorf("%+v", r)
	}
	if l := logs[0]; l.TraceID != client.TraceID || l.SpanID != client.ID || l.Body != "it was refused" || l.Severity != telemetry.SeverityWarn || l.Time != int64(7*time.Second) || l.Resource.Service != "order" {
		t.Errorf("%+v", l)
	}
	var m metricspb.MetricsData
	if err := proto.Unmarshal(s.metrics[0], &m); err != nil {
		t.Fatal(err)
	}
	if got := m.ResourceMetrics[0].ScopeMetrics[0].Metrics[0]; got.Name != "orders" || got.GetSum().DataPoints[0].GetAsInt() != 3 {
		t.Errorf("%v", &m)
	}
}

// TestTheGoSDKSendsAgain: what is refused since plat is busy comes once it is
// not, over both transports.
func TestTheGoSDKSendsAgain(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(*testing.T, *sink) (*otlp.Receiver, exporters){
		"http": func(t *testing.T, s *sink) (*otlp.Receiver, exporters) {
			r, base := serve(t, s, otlp.Limits{})
			return r, overHTTP(t, base, true)
		},
		"grpc": func(t *testing.T, s *sink) (*otlp.Receiver, exporters) {
			r, address := serveGRPC(t, s, otlp.Limits{})
			return r, overGRPC(t, address, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sink{err: telemetry.ErrBusy}
			r, e := dial(t, s)
			if err := errors.Join(e.metrics.Shutdown(ctx(t)), e.logs.Shutdown(ctx(t))); err != nil { // they are not needed
				t.Fatal(err)
			}
			spans := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e.traces))
			for i := range 10 {
				_, span := spans.Tracer("").Start(context.Background(), strconv.Itoa(i))
				span.End()
			}
			done := make(chan error, 1)
			go func() { done <- spans.Shutdown(ctx(t)) }()
			eventually(t, "it is refused", func() bool { return r.Stats().Refused > 0 })
			s.fail(nil)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if got, _ := s.rows(); len(got) != 10 {
				t.Errorf("%d spans came", len(got))
			}
		})
	}
}
