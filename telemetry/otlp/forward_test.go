package otlp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

// forward runs a Forward until the test ends or the given function is called.
func forward(t *testing.T, o otlp.ForwardOptions) (*otlp.Forward, func()) {
	t.Helper()
	f, err := otlp.NewForward(o)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(running) }()
	end := sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return f, end
}

// rows has everything that rows can have.
func rows() telemetry.Batch {
	order := &telemetry.Resource{Service: "order", Instance: "order-1", Version: "v1", Attributes: []telemetry.Attribute{{Key: "host.name", Value: "h"}}}
	web := &telemetry.Resource{Service: "web"}
	attributes := []telemetry.Attribute{
		{Key: "text", Value: "größe"}, {Key: "empty"}, {Key: "int", Value: "0", Kind: telemetry.Int}, {Key: "negative", Value: "-7", Kind: telemetry.Int},
		{Key: "float", Value: "0.25", Kind: telemetry.Float}, {Key: "no", Value: "false", Kind: telemetry.Bool}, {Key: "bytes", Value: "AP8=", Kind: telemetry.Bytes},
		{Key: "json", Value: `[null,{"k":["v",1,2.5,true,{}]},[]]`, Kind: telemetry.JSON},
	}
	id, span, parent := telemetry.TraceID(aTrace), telemetry.SpanID(aSpan), telemetry.SpanID(bSpan)
	return telemetry.Batch{
		Spans: []telemetry.Span{
			{Resource: order, Scope: "net/http", TraceID: id, ID: span, Parent: parent, Start: 1000, Duration: 5, Name: "POST", Kind: telemetry.KindServer, Status: telemetry.StatusError, StatusMessage: "no", CorrelationID: "c",
				Attributes: attributes, Events: []telemetry.SpanEvent{{Time: 1001, Name: "e", Attributes: attributes[:1:1]}}, Links: []telemetry.Link{{TraceID: id, SpanID: parent, Attributes: attributes[1:2:2]}}},
			{Resource: order, Scope: "net/http", TraceID: id, ID: parent, Start: 900},
			{Resource: order, TraceID: id, ID: parent, Start: 900},
			{Resource: web, TraceID: id, ID: parent, Start: 900, Name: "x"},
		},
		Logs: []telemetry.Log{
			{Resource: web, Scope: "slog", Time: 7, Severity: 13, Body: "größe", TraceID: id, SpanID: span, CorrelationID: "c", Attributes: attributes},
			{Resource: web, Scope: "slog", Time: 8},
		},
	}
}

// TestForward: what is passed on from one plat to another is there the same.
func TestForward(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{otlp.ProtocolHTTP, otlp.ProtocolGRPC} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := &sink{}
			var url string
			if protocol == otlp.ProtocolHTTP {
				_, url = serve(t, s, otlp.Limits{})
			} else {
				_, address := serveGRPC(t, s, otlp.Limits{})
				url = "http://" + address
			}
			f, end := forward(t, otlp.ForwardOptions{URL: url, Protocol: protocol})
			b := rows()
			f.Take(b)
			f.TakeMetrics([]byte("\x0a\x0c\x12\x0a\x12\x08\x0a\x01m\x2a\x03\x0a\x01\x08"))
			f.TakeMetrics([]byte("\x0a\x0a\x12\x08\x12\x06\x0a\x01m\x2a\x02\x0a\x00"))
			f.TakeMetrics([]byte("malformed"))
			eventually(t, "all is sent", func() bool { return f.Stats().Sent == 7 })
			end()
			if diff := cmp.Diff(b.Spans, s.spans); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(b.Logs, s.logs); diff != "" {
				t.Error(diff)
			}
			if len(s.metrics) != 1 {
				t.Errorf("%d requests of metrics", len(s.metrics))
			}
			if got := f.Stats(); got != (otlp.ForwardStats{Sent: 7}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// backend is a collector of log records, by the generated code.
type backend struct {
	collector.UnimplementedLogsServiceServer
	got chan *collector.ExportLogsServiceRequest
	key chan []string
}

func (b *backend) Export(ctx context.Context, r *collector.ExportLogsServiceRequest) (*collector.ExportLogsServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	b.key <- md.Get("x-key")
	b.got <- r
	return &collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{RejectedLogRecords: 1, ErrorMessage: "one too old"}}, nil
}

func TestForwardToTheGeneratedServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{got: make(chan *collector.ExportLogsServiceRequest, 1), key: make(chan []string, 1)}
	server := grpc.NewServer()
	collector.RegisterLogsServiceServer(server, b)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	f, end := forward(t, otlp.ForwardOptions{URL: "http://" + l.Addr().String(), Protocol: otlp.ProtocolGRPC, Headers: map[string]string{"X-Key": "secret"}})
	f.Take(telemetry.Batch{Logs: []telemetry.Log{{Resource: &telemetry.Resource{Service: "order"}, Stream: "err", Time: 5, Severity: 17, Body: "b"}, {Resource: &telemetry.Resource{Service: "order"}}}})
	got := <-b.got
	record := got.ResourceLogs[0].ScopeLogs[0].LogRecords[0]
	if record.Body.GetStringValue() != "b" || record.SeverityNumber != logspb.SeverityNumber_SEVERITY_NUMBER_ERROR || record.SeverityText != "ERROR" || record.Attributes[0].Key != "log.iostream" || record.Attributes[0].Value.GetStringValue() != "stderr" {
		t.Errorf("%v", got)
	}
	if key := <-b.key; len(key) != 1 || key[0] != "secret" {
		t.Errorf("header %q", key)
	}
	eventually(t, "the partial success is counted", func() bool { return f.Stats() == otlp.ForwardStats{Sent: 1, Refused: 1} })
	end()
	server.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// answers serves HTTP by a function.
func answers(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func oneLog(body string) telemetry.Batch {
	return telemetry.Batch{Logs: []telemetry.Log{{Resource: &telemetry.Resource{Service: "order"}, Time: 1, Body: body}}}
}

func TestForwardTriesAgain(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	url := answers(t, func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		switch n := tries.Add(1); {
		case q.URL.Path != "/base/v1/logs" || q.Header.Get("Authorization") != "Bearer x" || q.Header.Get("Content-Type") != "application/x-protobuf":
			w.WriteHeader(http.StatusNotFound)
		case n < 4:
			w.WriteHeader([...]int{429, 502, 503}[n-1])
		}
	})
	f, _ := forward(t, otlp.ForwardOptions{URL: url + "/base/", Headers: map[string]string{"Authorization": "Bearer x"}, Pause: time.Millisecond})
	f.Take(oneLog("a"))
	eventually(t, "it is sent", func() bool { return f.Stats() == otlp.ForwardStats{Sent: 1} })
	if got := tries.Load(); got != 4 {
		t.Errorf("%d tries", got)
	}
}

// TestForwardHeedsRetryAfter: it does not come back before it was asked to.
func TestForwardHeedsRetryAfter(t *testing.T) {
	t.Parallel()
	var first atomic.Int64
	took := make(chan time.Duration, 1)
	url := answers(t, func(w http.ResponseWriter, _ *http.Request) {
		if first.CompareAndSwap(0, time.Now().UnixNano()) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		took <- time.Since(time.Unix(0, first.Load()))
	})
	f, _ := forward(t, otlp.ForwardOptions{URL: url, Pause: time.Millisecond})
	f.Take(oneLog("a"))
	if got := <-took; got < time.Second {
		t.Errorf("again after %v", got)
	}
}

func TestForwardGivesUp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		tries  int32 // at least
	}{{400, 1}, {401, 1}, {302, 1}, {500, 1}, {503, 2}} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			url := answers(t, func(w http.ResponseWriter, _ *http.Request) {
				tries.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
			})
			f, _ := forward(t, otlp.ForwardOptions{URL: url, Pause: 10 * time.Millisecond, GiveUp: 2 * time.Second})
			f.Take(oneLog("a"))
			eventually(t, "it is given up", func() bool { return f.Stats().Dropped == 1 && f.Stats().Error != "" })
			if got := tries.Load(); got < test.tries || test.tries == 1 && got != 1 {
				t.Errorf("%d tries", got)
			}
		})
	}
}

// TestForwardHangs: a backend that takes connections and never answers costs
// bounded memory, the oldest is dropped and counted, nobody waits, and Run ends.
func TestForwardHangs(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	release := make(chan struct{})
	url := answers(t, func(_ http.ResponseWriter, q *http.Request) {
		requests.Add(1)
		select {
		case <-release:
		case <-q.Context().Done():
		}
	})
	defer close(release)
	f, end := forward(t, otlp.ForwardOptions{URL: url, Bytes: 100_000, Timeout: 50 * time.Millisecond, Pause: time.Millisecond, MaxPause: 10 * time.Millisecond})
	f.Take(oneLog("the first"))
	eventually(t, "the backend hangs", func() bool { return requests.Load() > 0 })
	began := time.Now()
	for i := range 1000 {
		f.Take(oneLog(fmt.Sprintf("%04d%s", i, strings.Repeat("x", 996))))
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("who gives waits for %v", took)
	}
	got := f.Stats()
	if got.Bytes > 100_000 || got.Queued < 50 || got.Queued > 100 || got.Dropped+uint64(got.Queued) < 1000 {
		t.Errorf("%+v", got)
	}
	eventually(t, "it says why", func() bool { return f.Stats().Error != "" && requests.Load() > 2 })
	began = time.Now()
	end()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("Run ends after %v", took)
	}
	if got := f.Stats(); got.Dropped != 1001 || got.Queued != 0 || got.Sent != 0 || got.Bytes != 0 {
		t.Errorf("%+v", got)
	}
}

// TestForwardSendsWhatWaits when it ends, many rows in one request.
func TestForwardSendsWhatWaits(t *testing.T) {
	t.Parallel()
	var got atomic.Int32
	s := &sink{}
	handler := otlp.New(otlp.Options{Rows: s}).HTTP()
	url := answers(t, func(w http.ResponseWriter, q *http.Request) {
		got.Add(1)
		handler.ServeHTTP(w, q)
	})
	f, err := otlp.NewForward(otlp.ForwardOptions{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		f.Take(oneLog("a"))
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Run(ended); err != nil {
		t.Fatal(err)
	}
	if _, logs := s.rows(); len(logs) != 100 || got.Load() != 1 || f.Stats().Sent != 100 {
		t.Errorf("%d records in %d requests, %+v", len(logs), got.Load(), f.Stats())
	}
}

func TestForwardRefusesOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []otlp.ForwardOptions{{}, {URL: "otlp.example:4317"}, {URL: "ftp://x"}, {URL: "http://x", Protocol: "http/json"}, {URL: "http://x/path", Protocol: otlp.ProtocolGRPC}} {
		if _, err := otlp.NewForward(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// TestRequestsAreValid by the generated types.
func TestRequestsAreValid(t *testing.T) {
	t.Parallel()
	bodies := make(chan []byte, 4)
	url := answers(t, func(_ http.ResponseWriter, q *http.Request) { bodies <- unzipped(t, q.Body) })
	f, end := forward(t, otlp.ForwardOptions{URL: url})
	f.Take(rows())
	eventually(t, "all is sent", func() bool { return f.Stats().Sent == 6 })
	end()
	<-bodies
	var m logspb.LogsData
	if err := proto.Unmarshal(<-bodies, &m); err != nil || len(m.ProtoReflect().GetUnknown()) > 0 || m.ResourceLogs[0].ScopeLogs[0].LogRecords[0].Attributes[7].Value.GetArrayValue().Values[1].GetKvlistValue().Values[0].Value.GetArrayValue().Values[2].GetDoubleValue() != 2.5 {
		t.Errorf("%v: %v", err, &m)
	}
}
