package kit_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/plat-dev/plat/kit"
)

// collector is an OTLP/HTTP endpoint. TracesData has the wire format of
// ExportTraceServiceRequest.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	got      []*tracepb.ResourceSpans
	header   http.Header
	path     string
	requests int
	refuse   []int // statuses of the first answers
}

func newCollector(t *testing.T, refuse ...int) *collector {
	t.Helper()
	c := &collector{refuse: refuse}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests++
		if len(c.refuse) > 0 {
			w.WriteHeader(c.refuse[0])
			c.refuse = c.refuse[1:]
			return
		}
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		var data tracepb.TracesData
		if err := (proto.UnmarshalOptions{}).Unmarshal(b, &data); err != nil {
			t.Error(err)
		}
		if unknown := data.ProtoReflect().GetUnknown(); len(unknown) > 0 {
			t.Errorf("unknown fields %x", unknown)
		}
		c.got = append(c.got, data.GetResourceSpans()...)
		c.header, c.path = r.Header.Clone(), r.URL.Path
	}))
	t.Cleanup(c.Close)
	return c
}

func attributes(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		m[kv.GetKey()] = kv.GetValue().GetStringValue()
	}
	return m
}

func TestSpansAreExported(t *testing.T) {
	t.Parallel()
	c := newCollector(t, http.StatusServiceUnavailable) // tried again
	env := map[string]string{
		"PLAT_INSTANCE": "order-1", "PLAT_VERSION": "1.2", "PLAT_ENVIRONMENT": "prod",
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL + "/otlp", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, x = y",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
		"OTEL_SERVICE_NAME": "order", "OTEL_RESOURCE_ATTRIBUTES": "team=ordering,deployment.environment.name=staging%2C1",
	}
	s := start(t, env, func(s *kit.Service) error {
		s.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		return nil
	})
	ask(t, http.MethodGet, s.URL()+"/orders/1", "", "X-Correlation-ID", "c-1", "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate", "a=b")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if len(c.got) != 1 || c.requests != 2 {
		t.Fatalf("%d resources in %d requests", len(c.got), c.requests)
	}
	if c.path != "/otlp/v1/traces" || c.header.Get("Content-Type") != "application/x-protobuf" || c.header.Get("Api-Key") != "a b" || c.header.Get("X") != "y" {
		t.Errorf("path %s, header %v", c.path, c.header)
	}
	got := attributes(c.got[0].GetResource().GetAttributes())
	maps.DeleteFunc(got, func(k, _ string) bool { return strings.HasPrefix(k, "telemetry.sdk.") })
	want := map[string]string{
		"service.name": "order", "service.version": "1.2", "service.instance.id": "order-1",
		"deployment.environment.name": "staging,1", "team": "ordering",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("resource (-want +got):\n%s", d)
	}
	span := c.got[0].GetScopeSpans()[0].GetSpans()[0]
	now := time.Now().UnixNano()
	if begun := int64(span.GetStartTimeUnixNano()); begun > int64(span.GetEndTimeUnixNano()) || now-begun > int64(time.Minute) {
		t.Errorf("span from %d to %d", begun, span.GetEndTimeUnixNano())
	}
	if len(span.GetSpanId()) != 8 {
		t.Errorf("span ID %x", span.GetSpanId())
	}
	span.SpanId, span.StartTimeUnixNano, span.EndTimeUnixNano = nil, 0, 0
	text := func(key, value string) *common.KeyValue {
		return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
	}
	wantSpan := &tracepb.Span{
		TraceId:      []byte("\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36"),
		ParentSpanId: []byte("\x00\xf0\x67\xaa\x0b\xa9\x02\xb7"),
		TraceState:   "a=b", Name: "GET /orders/{id}", Kind: tracepb.Span_SPAN_KIND_SERVER, Flags: 0x301,
		Attributes: []*common.KeyValue{
			text("http.request.method", "GET"), text("url.path", "/orders/1"), text("plat.correlation_id", "c-1"), text("http.route", "/orders/{id}"),
			{Key: "http.response.status_code", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: 502}}},
		},
		Status: &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "Bad Gateway"},
	}
	if d := cmp.Diff(wantSpan, span, protocmp.Transform()); d != "" {
		t.Errorf("span (-want +got):\n%s", d)
	}
}

// Every kind of value and field survives the encoding by hand.
func TestTheWholeOfASpanIsExported(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	at := time.Unix(1_700_000_000, 5)
	other := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	s := start(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/exactly"}, func(s *kit.Service) error {
		tracer := s.TracerProvider().Tracer("mine", trace.WithInstrumentationVersion("v3"))
		_, span := tracer.Start(context.Background(), "all", trace.WithTimestamp(at), trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithLinks(trace.Link{SpanContext: other, Attributes: []attribute.KeyValue{attribute.Bool("l", true)}}),
			trace.WithAttributes(
				attribute.Bool("bool", true), attribute.Int64("int", -5), attribute.Float64("float", 2.5), attribute.String("empty", ""),
				attribute.BoolSlice("bools", []bool{true, false}), attribute.Int64Slice("ints", []int64{-1, 2}),
				attribute.Float64Slice("floats", []float64{0.5}), attribute.StringSlice("strings", []string{"a", "ü"}),
			))
		span.AddEvent("came", trace.WithTimestamp(at.Add(1)), trace.WithAttributes(attribute.String("k", "v")))
		span.RecordError(errors.New("oh"), trace.WithTimestamp(at.Add(2)))
		span.SetStatus(codes.Ok, "")
		span.End(trace.WithTimestamp(at.Add(3)))
		return nil
	})
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if len(c.got) != 1 || c.path != "/exactly" {
		t.Fatalf("%d resources at %s", len(c.got), c.path)
	}
	value := func(v *common.AnyValue, key string) *common.KeyValue { return &common.KeyValue{Key: key, Value: v} }
	text := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
	}
	boolean := func(b bool) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: b}}
	}
	integer := func(n int64) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}
	}
	float := func(f float64) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: f}}
	}
	list := func(v ...*common.AnyValue) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: v}}}
	}
	ns := uint64(at.UnixNano())
	want := &tracepb.ScopeSpans{
		Scope: &common.InstrumentationScope{Name: "mine", Version: "v3"},
		Spans: []*tracepb.Span{{
			Name: "all", Kind: tracepb.Span_SPAN_KIND_CONSUMER, StartTimeUnixNano: ns, EndTimeUnixNano: ns + 3, Flags: 0x101,
			Attributes: []*common.KeyValue{
				value(boolean(true), "bool"), value(integer(-5), "int"), value(float(2.5), "float"), value(text(""), "empty"),
				value(list(boolean(true), boolean(false)), "bools"), value(list(integer(-1), integer(2)), "ints"),
				value(list(float(0.5)), "floats"), value(list(text("a"), text("ü")), "strings"),
			},
			Events: []*tracepb.Span_Event{
				{TimeUnixNano: ns + 1, Name: "came", Attributes: []*common.KeyValue{value(text("v"), "k")}},
				{TimeUnixNano: ns + 2, Name: "exception", Attributes: []*common.KeyValue{
					value(text("*errors.errorString"), "exception.type"), value(text("oh"), "exception.message"),
				}},
			},
			Links: []*tracepb.Span_Link{{
				TraceId: append([]byte{1}, make([]byte, 15)...), SpanId: append([]byte{2}, make([]byte, 7)...), Flags: 0x100,
				Attributes: []*common.KeyValue{value(boolean(true), "l")},
			}},
			Status: &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK},
		}},
	}
	got := c.got[0].GetScopeSpans()[0]
	for _, span := range got.GetSpans() {
		span.TraceId, span.SpanId = nil, nil
	}
	if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestLostSpansAreSaidAndEndNothing(t *testing.T) {
	t.Parallel()
	c := newCollector(t, http.StatusBadRequest)
	s := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, nil)
	ask(t, http.MethodGet, s.URL()+"/nothing", "")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	line := s.log.find(t, "spans are lost: the OTLP endpoint does not take them")
	if line["spans"] != 1.0 || line["error"] != "status 400" {
		t.Errorf("said %v", line)
	}
	if line := s.log.find(t, "OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf is used"); line["value"] != "grpc" {
		t.Errorf("said %v", line)
	}
}

func TestNothingIsExportedUnasked(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	for _, off := range []string{"OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"} {
		key, value, _ := strings.Cut(off, "=")
		s := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, key: value}, nil)
		ask(t, http.MethodGet, s.URL(), "")
		_ = s.stop()
	}
	if c.requests != 0 {
		t.Errorf("%d requests", c.requests)
	}
}

func TestWrongTraceSettingsEndTheService(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=127.0.0.1:4318": "OTEL_EXPORTER_OTLP_ENDPOINT: expected an http URL such as http://127.0.0.1:4318",
		"OTEL_EXPORTER_OTLP_TIMEOUT=10s":             `OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is wrong, expected milliseconds`,
		"OTEL_EXPORTER_OTLP_HEADERS=secret":          "OTEL_EXPORTER_OTLP_HEADERS: expected key=value,key=value with percent-encoded values",
		"OTEL_RESOURCE_ATTRIBUTES=team":              "OTEL_RESOURCE_ATTRIBUTES: expected key=value,key=value with percent-encoded values",
	} {
		key, value, _ := strings.Cut(setting, "=")
		env := map[string]string{"PORT": "0", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
		env[key] = value
		err := kit.Run(kit.WithEnv(t.Context(), env), "hello", func(*kit.Service) error { return nil })
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", setting, err, want)
		}
	}
}
