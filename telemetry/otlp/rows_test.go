package otlp_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func list(values ...*common.AnyValue) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: values}}}
}

func table(pairs ...*common.KeyValue) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: pairs}}}
}

func kv(key string, v *common.AnyValue) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: v}
}

func integer(v int64) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: v}}
}

func float(v float64) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: v}}
}

var (
	aTrace = []byte("0123456789abcdef")
	aSpan  = []byte("01234567")
	bSpan  = []byte("76543210")
)

// inTraces is a request with these spans of the service order.
func inTraces(spans ...*tracepb.Span) *tracepb.TracesData {
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{kv("service.name", text("order")), kv("host.name", text("h"))}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "net/http", Version: "1"}, Spans: spans}},
	}}}
}

func inLogs(records ...*logspb.LogRecord) *logspb.LogsData {
	return &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{kv("service.name", text("order"))}},
		ScopeLogs: []*logspb.ScopeLogs{{Scope: &common.InstrumentationScope{Name: "slog"}, LogRecords: records}},
	}}}
}

var order = &telemetry.Resource{Service: "order", Attributes: []telemetry.Attribute{{Key: "host.name", Value: "h"}}}

func TestASpan(t *testing.T) {
	t.Parallel()
	s, w := taken(t, "/v1/traces", inTraces(&tracepb.Span{
		TraceId: aTrace, SpanId: aSpan, ParentSpanId: bSpan, Name: "POST /api/orders", Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: 1000, EndTimeUnixNano: 3500, TraceState: "a=b", Flags: 1,
		Attributes: []*common.KeyValue{
			kv("text", text("größe")), kv("int", integer(-7)), kv("float", float(1.5)), kv("nan", float(math.NaN())),
			kv("bool", &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}),
			kv("bytes", &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{0, 255}}}),
			kv("list", list(text("a\"\n\x01"), integer(2), nil, list())),
			kv("map", table(kv("k", float(0.25)), kv("deep", table(kv("x", list(integer(1))))))),
			kv("empty", &common.AnyValue{}), kv("none", nil),
			kv("plat.correlation_id", text("c-1")),
		},
		Events: []*tracepb.Span_Event{{TimeUnixNano: 1200, Name: "exception", Attributes: []*common.KeyValue{kv("exception.type", text("io"))}}, {Name: "untimed"}},
		Links: []*tracepb.Span_Link{
			{TraceId: []byte("fedcba9876543210"), SpanId: bSpan, Attributes: []*common.KeyValue{kv("why", text("batch"))}},
			{TraceId: []byte("short"), SpanId: bSpan},
		},
		Status: &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "no"},
	}))
	if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "application/x-protobuf" {
		t.Fatalf("%d %q %v", w.Code, w.Body, w.Header())
	}
	want := []telemetry.Span{{
		Resource: order, Scope: "net/http", TraceID: telemetry.TraceID(aTrace), ID: telemetry.SpanID(aSpan), Parent: telemetry.SpanID(bSpan),
		Start: 1000, Duration: 2500, Name: "POST /api/orders", Kind: telemetry.KindServer, Status: telemetry.StatusError, StatusMessage: "no", CorrelationID: "c-1",
		Attributes: []telemetry.Attribute{
			{Key: "text", Value: "größe"}, {Key: "int", Value: "-7", Kind: telemetry.Int}, {Key: "float", Value: "1.5", Kind: telemetry.Float}, {Key: "nan", Value: "NaN", Kind: telemetry.Float},
			{Key: "bool", Value: "true", Kind: telemetry.Bool}, {Key: "bytes", Value: "AP8=", Kind: telemetry.Bytes},
			{Key: "list", Value: `["a\"\n\u0001",2,null,[]]`, Kind: telemetry.JSON}, {Key: "map", Value: `{"k":0.25,"deep":{"x":[1]}}`, Kind: telemetry.JSON},
			{Key: "empty"}, {Key: "none"},
		},
		Events: []telemetry.SpanEvent{{Time: 1200, Name: "exception", Attributes: []telemetry.Attribute{{Key: "exception.type", Value: "io"}}}, {Time: 1000, Name: "untimed"}},
		Links:  []telemetry.Link{{TraceID: telemetry.TraceID([]byte("fedcba9876543210")), SpanID: telemetry.SpanID(bSpan), Attributes: []telemetry.Attribute{{Key: "why", Value: "batch"}}}},
	}}
	if diff := cmp.Diff(want, s.spans); diff != "" {
		t.Error(diff)
	}
}

func TestTimesOfSpans(t *testing.T) {
	t.Parallel()
	future := uint64(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	for _, test := range []struct {
		name           string
		start, end     uint64
		from, duration int64 // from -1: now
	}{
		{"as it should be", 10, 15, 10, 5},
		{"ends before it starts", 15, 10, 15, 0},
		{"has no start", 0, 10, 10, 0},
		{"has no end", 10, 0, 10, 0},
		{"has neither", 0, 0, -1, 0},
		{"from the future", future, future + 5, int64(future), 5},
		{"beyond all time", math.MaxUint64, math.MaxUint64, math.MaxInt64, 0},
		{"for ever", 10, math.MaxUint64, 10, math.MaxInt64 - 10},
	} {
		before := time.Now().UnixNano()
		s, w := taken(t, "/v1/traces", inTraces(&tracepb.Span{TraceId: aTrace, SpanId: aSpan, StartTimeUnixNano: test.start, EndTimeUnixNano: test.end}))
		if w.Code != http.StatusOK || len(s.spans) != 1 {
			t.Fatalf("%s: %d, %d spans", test.name, w.Code, len(s.spans))
		}
		got := s.spans[0]
		if now := test.from == -1; got.Duration != test.duration || !now && got.Start != test.from || now && (got.Start < before || got.Start > time.Now().UnixNano()) || got.End() < got.Start {
			t.Errorf("%s: start %d, duration %d", test.name, got.Start, got.Duration)
		}
	}
}

func TestRejectedSpans(t *testing.T) {
	t.Parallel()
	message := inTraces(
		&tracepb.Span{TraceId: make([]byte, 16), SpanId: aSpan}, &tracepb.Span{TraceId: aTrace, SpanId: make([]byte, 8)}, &tracepb.Span{TraceId: aTrace[:15], SpanId: aSpan},
		&tracepb.Span{}, &tracepb.Span{TraceId: aTrace, SpanId: aSpan, ParentSpanId: []byte("x")},
	)
	s, w := taken(t, "/v1/traces", message)
	if len(s.spans) != 1 || !s.spans[0].Parent.IsZero() {
		t.Errorf("taken: %+v", s.spans)
	}
	partial := partialSuccess(t, w)
	if w.Code != http.StatusOK || partial.rejected != 4 || !strings.Contains(partial.message, "trace_id") {
		t.Errorf("%d %+v", w.Code, partial)
	}

	raw, err := protojson.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	_, w = takenRaw(t, "/v1/traces", "application/json", raw) // IDs as protojson has them are none of OTLP
	if want := `{"partialSuccess":{"errorMessage":"a span has no valid trace_id (16 bytes) or span_id (8 bytes)","rejectedSpans":"5"}}`; w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type partial struct {
	rejected uint64
	message  string
}

// partialSuccess reads the answer by the field numbers of the specification.
func partialSuccess(t *testing.T, w *httptest.ResponseRecorder) partial {
	t.Helper()
	var p partial
	number, kind, n := protowire.ConsumeTag(w.Body.Bytes())
	inner, m := protowire.ConsumeBytes(w.Body.Bytes()[max(n, 0):])
	if n < 0 || m < 0 || number != 1 || kind != protowire.BytesType || n+m != w.Body.Len() {
		t.Fatalf("answer %q", w.Body)
	}
	for len(inner) > 0 {
		number, _, n = protowire.ConsumeTag(inner)
		inner = inner[n:]
		if number == 1 {
			p.rejected, n = protowire.ConsumeVarint(inner)
		} else {
			p.message, n = protowire.ConsumeString(inner)
		}
		inner = inner[n:]
	}
	return p
}

func TestALogRecord(t *testing.T) {
	t.Parallel()
	s, w := taken(t, "/v1/logs", inLogs(
		&logspb.LogRecord{
			TimeUnixNano: 5, ObservedTimeUnixNano: 6, SeverityNumber: 18, SeverityText: "info", Body: text("order placed"), TraceId: aTrace, SpanId: aSpan,
			Attributes: []*common.KeyValue{kv("correlation_id", text("c-2")), kv("lines", integer(1))}, EventName: "placed",
		},
		&logspb.LogRecord{ObservedTimeUnixNano: 6, SeverityText: "Warning", Body: table(kv("a", integer(1))), SpanId: aSpan},
		&logspb.LogRecord{SeverityText: "ERROR3", SeverityNumber: 99, TraceId: []byte("short")},
		&logspb.LogRecord{TimeUnixNano: 7, SeverityText: "strange"},
	))
	if w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
	resource := &telemetry.Resource{Service: "order"}
	if len(s.logs) != 4 || time.Since(time.Unix(0, s.logs[2].Time)) > time.Minute {
		t.Fatalf("%+v", s.logs)
	}
	s.logs[2].Time = 0
	want := []telemetry.Log{
		{Resource: resource, Scope: "slog", Time: 5, Severity: 18, Body: "order placed", TraceID: telemetry.TraceID(aTrace), SpanID: telemetry.SpanID(aSpan), CorrelationID: "c-2",
			Attributes: []telemetry.Attribute{{Key: "correlation_id", Value: "c-2"}, {Key: "lines", Value: "1", Kind: telemetry.Int}, {Key: "event.name", Value: "placed"}}},
		{Resource: resource, Scope: "slog", Time: 6, Severity: 13, Body: `{"a":1}`},
		{Resource: resource, Scope: "slog", Severity: 19},
		{Resource: resource, Scope: "slog", Time: 7},
	}
	if diff := cmp.Diff(want, s.logs); diff != "" {
		t.Error(diff)
	}
}

// TestResources: rows without a name of their service, and resources that
// stand behind their rows on the wire.
func TestResources(t *testing.T) {
	t.Parallel()
	span := &tracepb.Span{TraceId: aTrace, SpanId: aSpan}
	s, _ := taken(t, "/v1/traces", &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{span, span}}}}}})
	if len(s.spans) != 2 || s.spans[0].Resource.Service != "unknown_service" || s.spans[0].Resource != s.spans[1].Resource {
		t.Errorf("%+v", s.spans)
	}
	head, err := proto.Marshal(&tracepb.ResourceSpans{Resource: &resource.Resource{Attributes: []*common.KeyValue{
		kv("service.name", text("order")), kv("service.instance.id", text("order-1")), kv("service.version", text("v1")), kv("service.namespace", text("shop")),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	tail, err := proto.Marshal(&tracepb.ResourceSpans{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{span}}}})
	if err != nil {
		t.Fatal(err)
	}
	s, _ = takenRaw(t, "/v1/traces", "application/x-protobuf", protowire.AppendBytes([]byte{1<<3 | 2}, append(tail, head...)))
	want := &telemetry.Resource{Service: "order", Instance: "order-1", Version: "v1", Attributes: []telemetry.Attribute{{Key: "service.namespace", Value: "shop"}}}
	if len(s.spans) != 1 {
		t.Fatalf("%+v", s.spans)
	}
	if diff := cmp.Diff(want, s.spans[0].Resource); diff != "" {
		t.Error(diff)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	deep := integer(1)
	for range 10_000 {
		deep = list(deep)
	}
	many := make([]*common.KeyValue, 200)
	for i := range many {
		many[i] = kv("k", text("v"))
	}
	events, links := make([]*tracepb.Span_Event, 300), make([]*tracepb.Span_Link, 200)
	for i := range events {
		events[i] = &tracepb.Span_Event{Name: "e", Attributes: many}
	}
	for i := range links {
		links[i] = &tracepb.Span_Link{TraceId: aTrace, SpanId: aSpan}
	}
	long := strings.Repeat("größe", 100_000)
	s, w := taken(t, "/v1/traces", inTraces(
		&tracepb.Span{TraceId: aTrace, SpanId: aSpan, Name: long, Attributes: many, Events: events, Links: links},
		&tracepb.Span{TraceId: aTrace, SpanId: bSpan, Attributes: []*common.KeyValue{
			kv(long, text(long)), kv("deep", deep), kv("list", list(text(long), text(long))),
			kv("bytes", &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte(long)}}),
		}},
	))
	if w.Code != http.StatusOK || len(s.spans) != 2 {
		t.Fatalf("%d, %d spans", w.Code, len(s.spans))
	}
	first, second := s.spans[0], s.spans[1]
	if len(first.Attributes) != 128 || len(first.Events) != 256 || len(first.Links) != 128 || len(first.Events[255].Attributes) != 128 {
		t.Errorf("%d attributes, %d events, %d links", len(first.Attributes), len(first.Events), len(first.Links))
	}
	valid(t, "name", first.Name, 1<<10)
	valid(t, "key", second.Attributes[0].Key, 256)
	for _, i := range []int{0, 2, 3} {
		valid(t, second.Attributes[i].Key, second.Attributes[i].Value, 8<<10)
		if second.Attributes[i].Kind != telemetry.Text {
			t.Errorf("%d is cut and yet of kind %d", i, second.Attributes[i].Kind)
		}
	}
	if want := strings.Repeat("[", 16) + "null" + strings.Repeat("]", 16); second.Attributes[1].Value != want {
		t.Errorf("deep = %q", second.Attributes[1].Value)
	}

	s, w = taken(t, "/v1/logs", inLogs(&logspb.LogRecord{Body: text(strings.Repeat("x", 1<<20))}, &logspb.LogRecord{Body: text("short")}))
	if w.Code != http.StatusOK || len(s.logs) != 2 || s.logs[1].Body != "short" {
		t.Fatalf("%d, %d records", w.Code, len(s.logs))
	}
	valid(t, "body", s.logs[0].Body, 64<<10)
}

// valid: it was cut to the limit, near it, between characters, and says so.
func valid(t *testing.T, what, s string, limit int) {
	t.Helper()
	if len(s) > limit || len(s) < limit-4 || !utf8.ValidString(s) || !strings.HasSuffix(s, "… [cut]") || strings.ContainsRune(s, utf8.RuneError) {
		t.Errorf("%s: %d bytes, ends with %q", what, len(s), s[max(len(s)-30, 0):])
	}
}

// TestInvalidUTF8 costs a character, not the request.
func TestInvalidUTF8(t *testing.T) {
	t.Parallel()
	raw, err := proto.Marshal(inLogs(&logspb.LogRecord{Body: text("a???b"), Attributes: []*common.KeyValue{kv("key", list(text("l???")))}}))
	if err != nil {
		t.Fatal(err)
	}
	s, w := takenRaw(t, "/v1/logs", "application/x-protobuf", []byte(strings.ReplaceAll(string(raw), "???", "\xff\xfe\x80")))
	if w.Code != http.StatusOK || len(s.logs) != 1 || s.logs[0].Body != "a\uFFFDb" || s.logs[0].Attributes[0].Value != `["l`+strings.Repeat("\uFFFD", 3)+`"]` {
		t.Errorf("%d %+v", w.Code, s.logs)
	}
}

// TestTooManyRows: those beyond are rejected, since an empty record of two
// bytes takes a hundred times as much in memory.
func TestTooManyRows(t *testing.T) {
	t.Parallel()
	raw := protowire.AppendBytes([]byte{1<<3 | 2}, protowire.AppendBytes([]byte{2<<3 | 2}, []byte(strings.Repeat("\x12\x00", 100_000))))
	s, w := takenRaw(t, "/v1/logs", "application/x-protobuf", raw)
	if p := partialSuccess(t, w); len(s.logs) != 64<<10 || p.rejected != 100_000-64<<10 {
		t.Errorf("%d taken, %+v", len(s.logs), p)
	}
}

// TestRowsThatAreAlike: what is at the same place in the row before is taken
// from it only if it is the same, and what was left out is counted each time.
func TestRowsThatAreAlike(t *testing.T) {
	t.Parallel()
	deep := integer(1)
	for range 20 {
		deep = list(deep)
	}
	same := []*common.KeyValue{kv("a", text("1")), kv("plat.correlation_id", text("c1")), kv("b", integer(1)), kv("deep", deep)}
	rows := [][]*common.KeyValue{
		same, same,
		{kv("a", integer(1)), kv("plat.correlation_id", text("c2")), kv("b", text("1")), kv("deep", text("no"))},
		{kv("b", text("1"))},
		{},
		same,
	}
	want := []string{
		"c1 a=0:1 b=1:1 deep=4", "c1 a=0:1 b=1:1 deep=4", "c2 a=1:1 b=0:1 deep=0", " b=0:1", "", "c1 a=0:1 b=1:1 deep=4",
	}
	said := func(correlation string, attributes []telemetry.Attribute) string {
		for _, a := range attributes {
			correlation += fmt.Sprintf(" %s=%d", a.Key, a.Kind)
			if a.Key != "deep" {
				correlation += ":" + a.Value
			}
		}
		return correlation
	}
	var spans []*tracepb.Span
	var records []*logspb.LogRecord
	for _, attributes := range rows {
		spans = append(spans, &tracepb.Span{TraceId: aTrace, SpanId: aSpan, Attributes: attributes})
		records = append(records, &logspb.LogRecord{Attributes: attributes})
	}
	s, _ := taken(t, "/v1/traces", inTraces(spans...))
	l, _ := taken(t, "/v1/logs", inLogs(records...))
	for i := range want {
		if got := said(s.spans[i].CorrelationID, s.spans[i].Attributes); got != want[i] {
			t.Errorf("span %d: %q, want %q", i, got, want[i])
		}
		if got := said(l.logs[i].CorrelationID, l.logs[i].Attributes); got != want[i] {
			t.Errorf("log %d: %q, want %q", i, got, want[i])
		}
	}
	r := otlp.New(otlp.Options{Rows: &sink{}})
	raw, err := proto.Marshal(inLogs(records...))
	if err != nil {
		t.Fatal(err)
	}
	q := httptest.NewRequest(http.MethodPost, "/v1/logs", bytes.NewReader(raw))
	q.Header.Set("Content-Type", "application/x-protobuf")
	r.HTTP().ServeHTTP(httptest.NewRecorder(), q)
	if got := r.Stats().Cut.Nested; got != 3 {
		t.Errorf("%d values were left out as too deep, want 3", got)
	}
}
