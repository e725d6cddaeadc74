package otlp_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

// spans is a request of n spans with 20 attributes each.
func spans(n int) []byte {
	text := func(k, v string) *common.KeyValue { return kv(k, text(v)) }
	number := func(k string, v int64) *common.KeyValue { return kv(k, integer(v)) }
	scope := &trace.ScopeSpans{Scope: &common.InstrumentationScope{Name: "net/http"}}
	start := uint64(1_790_000_000_000_000_000)
	for i := range n {
		s := &trace.Span{
			TraceId: fmt.Appendf(nil, "%016d", i/10+1), SpanId: fmt.Appendf(nil, "%08d", i+1), ParentSpanId: fmt.Appendf(nil, "%08d", i),
			Name: "POST /api/orders", Kind: trace.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: start + uint64(i)*1000, EndTimeUnixNano: start + uint64(i)*1000 + 1_500_000,
			Attributes: []*common.KeyValue{
				text("http.request.method", "POST"), text("url.path", fmt.Sprintf("/api/orders/%d", i)), text("url.scheme", "http"),
				text("http.route", "/api/orders/{order}"), number("http.response.status_code", 200), text("server.address", "127.0.0.1"),
				number("server.port", 8000), text("client.address", "127.0.0.1"), text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
				text("network.protocol.version", "1.1"), text("network.peer.address", "127.0.0.1"), number("network.peer.port", int64(30000+i%9999)),
				text("plat.correlation_id", fmt.Sprintf("01a209a4-da91-7a07-934e-%012d", i/10)), text("customer", fmt.Sprintf("customer-%d", i%1000)),
				number("order.lines", int64(i%9)), number("order.total", int64(i%9999)), text("thread.name", "main"), number("thread.id", 1),
				text("feature", "checkout"), text("code.function", "order.Place"),
			},
		}
		scope.Spans = append(scope.Spans, s)
	}
	raw, err := proto.Marshal(&trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{text("service.name", "order"), text("service.instance.id", "order-1"), text("service.version", "87f9c4f27470"), text("telemetry.sdk.language", "go")}},
		ScopeSpans: []*trace.ScopeSpans{scope},
	}}})
	if err != nil {
		panic(err)
	}
	return raw
}

type nowhere struct{}

func (nowhere) Take(context.Context, telemetry.Batch) error { return nil }

// BenchmarkIntake is from an HTTP body to rows; beside it what the generated types
// cost alone, before anything is made of them.
func BenchmarkIntake(b *testing.B) {
	const n = 1000
	raw := spans(n)
	handler := otlp.New(otlp.Options{Rows: nowhere{}}).HTTP()
	perRow := func(b *testing.B) {
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(float64(len(raw))/n, "bytes/row")
	}
	b.Run("wire", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			q := httptest.NewRequest(http.MethodPost, "/v1/traces", bytes.NewReader(raw))
			q.Header.Set("Content-Type", "application/x-protobuf")
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, q); w.Code != http.StatusOK {
				b.Fatal(w.Code)
			}
		}
		perRow(b)
	})
	b.Run("generated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var data trace.TracesData
			if err := proto.Unmarshal(raw, &data); err != nil {
				b.Fatal(err)
			}
		}
		perRow(b)
	})
}
