package prom_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/prom"
)

// sdkOf is OpenTelemetry's own SDK, whose exporter reaches s.
func sdkOf(t *testing.T, s *prom.Store, how metricdata.Temporality) (*sdk.MeterProvider, *sync.Map) {
	t.Helper()
	var said sync.Map
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		rejected, message, err := s.TakeOTLP(r.Context(), body)
		if err != nil {
			t.Error(err)
		}
		said.Store(message, rejected)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(srv.Close)
	exporter, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL(srv.URL),
		otlpmetrichttp.WithTemporalitySelector(func(sdk.InstrumentKind) metricdata.Temporality { return how }))
	if err != nil {
		t.Fatal(err)
	}
	p := sdk.NewMeterProvider(
		sdk.WithReader(sdk.NewPeriodicReader(exporter, sdk.WithInterval(time.Hour))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "order"),
			attribute.String("service.instance.id", "order-1"), attribute.String("service.version", "v1"))),
		sdk.WithView(sdk.NewView(sdk.Instrument{Name: "exponential"},
			sdk.Stream{Aggregation: sdk.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}})),
	)
	t.Cleanup(func() {
		if err := p.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p, &said
}

func TestOTLP(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]metricdata.Temporality{"cumulative": metricdata.CumulativeTemporality, "delta": metricdata.DeltaTemporality} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, prom.Options{})
			p, said := sdkOf(t, s, how)
			m := p.Meter("test")
			orders, err := m.Int64Counter("orders", metric.WithDescription("Orders."))
			if err != nil {
				t.Fatal(err)
			}
			took, err := m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(0.1, 1))
			if err != nil {
				t.Fatal(err)
			}
			fine, err := m.Float64Histogram("exponential")
			if err != nil {
				t.Fatal(err)
			}
			ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID{0xab}, SpanID: trace.SpanID{0xcd}, TraceFlags: trace.FlagsSampled}))
			for range 3 {
				orders.Add(ctx, 5, metric.WithAttributes(attribute.String("shop.kind", "web")))
				took.Record(ctx, 0.05)
				took.Record(ctx, 2)
				for _, v := range []float64{0.001, 1, 1000} {
					fine.Record(ctx, v)
				}
				if err := p.ForceFlush(ctx); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Millisecond) // a delta of another millisecond
			}
			if _, well := said.Load(""); !well {
				t.Error("something was rejected")
			}
			now := time.Now()
			for expr, want := range map[string]float64{
				`orders_total{job="order",instance="order-1",shop_kind="web"}`:     15,
				`increase(orders_total[1m]) > bool 0`:                              1,
				`http_server_request_duration_seconds_bucket{le="0.1"}`:            3,
				`http_server_request_duration_seconds_bucket{le="+Inf"}`:           6,
				`http_server_request_duration_seconds_count`:                       6,
				`http_server_request_duration_seconds_sum`:                         6.15,
				`histogram_count(exponential)`:                                     9,
				`round(histogram_quantile(0.5, exponential))`:                      1,
				`round(histogram_quantile(0.999, exponential), 100)`:               1000,
				`target_info{job="order",instance="order-1",service_version="v1"}`: 1,
			} {
				got, err := s.Query(t.Context(), expr, now)
				if err != nil || len(got) != 1 {
					t.Errorf("%s: %v %v", expr, got, err)
					continue
				}
				if v := got[0].Points[0].Value; v < want-1e-9 || v > want+1e-9 {
					t.Errorf("%s: got %v, want %v", expr, v, want)
				}
			}
			found, err := client(t, s).QueryExemplars(t.Context(), `http_server_request_duration_seconds_bucket`, now.Add(-time.Minute), now)
			if err != nil || len(found) == 0 || len(found[0].Exemplars) == 0 || !strings.HasPrefix(string(found[0].Exemplars[0].Labels["trace_id"]), "ab00") {
				t.Errorf("exemplars: %v %v", found, err)
			}
			about, err := client(t, s).Metadata(t.Context(), "orders_total", "")
			if err != nil || len(about["orders_total"]) != 1 || about["orders_total"][0].Help != "Orders." || about["orders_total"][0].Type != "counter" {
				t.Errorf("metadata: %v %v", about, err)
			}
		})
	}
}

// points makes a request of gauges with one point for each name.
func points(t *testing.T, at time.Time, names ...string) []byte {
	t.Helper()
	m := pmetric.NewMetrics()
	r := m.ResourceMetrics().AppendEmpty()
	r.Resource().Attributes().PutStr("service.name", "order")
	g := r.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	g.SetName("load")
	points := g.SetEmptyGauge().DataPoints()
	for _, name := range names {
		p := points.AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetDoubleValue(1)
		p.Attributes().PutStr("name", name)
	}
	body, err := pmetricotlp.NewExportRequestFromMetrics(m).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestOTLPPartly(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{MaxSeriesPerMetric: 2})
	rejected, message, err := s.TakeOTLP(t.Context(), points(t, time.Now(), "a", "b", "c", "d", "e"))
	if err != nil || rejected != 3 || message != "3 of 5 data points were not kept: this metric has as many series as it may" {
		t.Errorf("%d %q %v", rejected, message, err)
	}
	rejected, message, err = s.TakeOTLP(t.Context(), points(t, time.Now().Add(time.Hour), "a"))
	if err != nil || rejected != 1 || message != "1 of 1 data points were not kept: the sample is too far in the future" {
		t.Errorf("%d %q %v", rejected, message, err)
	}
	rejected, _, err = s.TakeOTLP(t.Context(), points(t, time.Now().Add(-time.Hour), "a"))
	if err != nil || rejected != 1 {
		t.Errorf("%d %v", rejected, err)
	}
	if _, _, err := s.TakeOTLP(t.Context(), []byte("what is this")); !errors.Is(err, telemetry.ErrMalformed) {
		t.Error(err)
	}
	st := s.Stats()
	if d := cmp.Diff(prom.Refused{Capped: 3, Future: 1, Late: 1}, st.Refused); d != "" {
		t.Error(d)
	}
}

func FuzzOTLP(f *testing.F) {
	s, err := prom.Open(f.Context(), prom.Options{Dir: f.TempDir(), Reserve: -1, MaxSeries: 1000})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	m := pmetric.NewMetrics()
	all := m.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	x := all.AppendEmpty()
	x.SetName("x")
	e := x.SetEmptyExponentialHistogram()
	e.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	p := e.DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	p.SetCount(3)
	p.Positive().SetOffset(-1 << 31)
	p.Positive().BucketCounts().FromRaw([]uint64{1, 2})
	q := e.DataPoints().AppendEmpty()
	p.CopyTo(q)
	q.Positive().SetOffset(1<<31 - 2)
	q.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(time.Second)))
	body, err := pmetricotlp.NewExportRequestFromMetrics(m).MarshalProto()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Fuzz(func(t *testing.T, request []byte) {
		rejected, message, err := s.TakeOTLP(t.Context(), request)
		if err == nil && (rejected == 0) != (message == "") {
			t.Errorf("%d %q", rejected, message)
		}
	})
}
