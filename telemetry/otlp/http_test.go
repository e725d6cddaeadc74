package otlp_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

// ofTheSpecification is a body as the examples of the specification of
// OTLP/JSON have it, with a field that nobody knows.
const ofTheSpecification = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]},
"scopeSpans":[{"scope":{"name":"my.library","version":"1.0.0","attributes":[{"key":"my.scope.attribute","value":{"stringValue":"some scope attribute"}}]},
"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","parentSpanId":"eee19b7ec3c1b173","name":"I'm a server span",
"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,"kind":2,"unheardOf":{"of":[1]},
"links":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b173"}],
"attributes":[{"key":"my.span.attr","value":{"stringValue":"some value"}},{"key":"n","value":{"intValue":"12"}},{"key":"m","value":{"intValue":13}},{"key":"b","value":{"bytesValue":"AP8="}}]}]}]}]}`

func TestJSON(t *testing.T) {
	t.Parallel()
	s, w := takenRaw(t, "/v1/traces", "application/json; charset=utf-8", []byte(ofTheSpecification))
	if w.Code != http.StatusOK || w.Body.String() != "{}" || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
	}
	id, err := telemetry.ParseTraceID("5b8efff798038103d269b633813fc60c")
	if err != nil {
		t.Fatal(err)
	}
	own, _ := telemetry.ParseSpanID("eee19b7ec3c1b174")
	parent, _ := telemetry.ParseSpanID("eee19b7ec3c1b173")
	want := []telemetry.Span{{
		Resource: &telemetry.Resource{Service: "my.service"}, Scope: "my.library", TraceID: id, ID: own, Parent: parent, Name: "I'm a server span",
		Start: 1544712660000000000, Duration: int64(time.Second), Kind: telemetry.KindServer,
		Attributes: []telemetry.Attribute{{Key: "my.span.attr", Value: "some value"}, {Key: "n", Value: "12", Kind: telemetry.Int}, {Key: "m", Value: "13", Kind: telemetry.Int}, {Key: "b", Value: "AP8=", Kind: telemetry.Bytes}},
		Links:      []telemetry.Link{{TraceID: id, SpanID: parent}},
	}}
	if diff := cmp.Diff(want, s.spans); diff != "" {
		t.Error(diff)
	}
	s, w = takenRaw(t, "/v1/logs", "application/json", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1544712660300000000","severityNumber":10,"body":{"stringValue":"Example"},"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174"}]}]}]}`))
	if w.Code != http.StatusOK || len(s.logs) != 1 || s.logs[0].TraceID != id || s.logs[0].SpanID != own || s.logs[0].Severity != 10 || s.logs[0].Body != "Example" {
		t.Errorf("%d %s %+v", w.Code, w.Body, s.logs)
	}
	s, w = takenRaw(t, "/v1/metrics", "application/json", []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asDouble":5,"timeUnixNano":"1","exemplars":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","asInt":"1"}]}]}}]}]}]}`))
	if w.Code != http.StatusOK || len(s.metrics) != 1 || !bytes.Contains(s.metrics[0], id[:]) || !bytes.Contains(s.metrics[0], own[:]) {
		t.Errorf("%d %s %q", w.Code, w.Body, s.metrics)
	}
}

func gzipped(t *testing.T, body io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.Copy(z, body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zeros gives that many zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHTTPAnswers(t *testing.T) {
	t.Parallel()
	s := &sink{}
	r, base := serve(t, s, otlp.Limits{Body: 1 << 20, Bytes: 8 << 20})
	const protobuf, asJSON = "application/x-protobuf", "application/json"
	bomb := gzipped(t, zeros(16<<20))
	for _, test := range []struct {
		name, path, media, encoding string
		body                        []byte
		status                      int
		code                        codes.Code
	}{
		{"an empty request", "/v1/traces", protobuf, "", nil, 200, 0},
		{"an empty request in JSON", "/v1/metrics", asJSON, "", []byte("{}"), 200, 0},
		{"gzip", "/v1/traces", asJSON, "gzip", gzipped(t, strings.NewReader(ofTheSpecification)), 200, 0},
		{"identity", "/v1/traces", asJSON, "identity", []byte(ofTheSpecification), 200, 0},
		{"malformed protobuf", "/v1/traces", protobuf, "", []byte("\x0a\xff"), 400, codes.InvalidArgument},
		{"malformed protobuf of metrics", "/v1/metrics", protobuf, "", []byte("\x0a\x02\x12\x7f"), 400, codes.InvalidArgument},
		{"field number 0", "/v1/logs", protobuf, "", []byte("\x00\x00"), 400, codes.InvalidArgument},
		{"malformed JSON", "/v1/logs", asJSON, "", []byte(`{"resourceLogs":[`), 400, codes.InvalidArgument},
		{"JSON of another shape", "/v1/logs", asJSON, "", []byte(`{"resourceLogs":7}`), 400, codes.InvalidArgument},
		{"no JSON", "/v1/logs", asJSON, "", nil, 400, codes.InvalidArgument},
		{"no gzip", "/v1/logs", asJSON, "gzip", []byte("{}"), 400, codes.InvalidArgument},
		{"half of a gzip", "/v1/logs", asJSON, "gzip", gzipped(t, strings.NewReader("{}"))[:15], 400, codes.InvalidArgument},
		{"another type", "/v1/logs", "text/plain", "", []byte("{}"), 415, codes.InvalidArgument},
		{"no type", "/v1/logs", "", "", []byte("{}"), 415, codes.InvalidArgument},
		{"another encoding", "/v1/logs", protobuf, "zstd", []byte("{}"), 415, codes.InvalidArgument},
		{"too large", "/v1/traces", protobuf, "", make([]byte, 1<<20+1), 413, codes.ResourceExhausted},
		{"too large in JSON", "/v1/traces", asJSON, "", make([]byte, 1<<20+1), 413, codes.ResourceExhausted},
		{"a bomb", "/v1/traces", protobuf, "gzip", bomb, 413, codes.ResourceExhausted},
	} {
		header := map[string]string{"Content-Encoding": test.encoding}
		if test.media != "" {
			header["Content-Type"] = test.media
		}
		resp, body := post(t, base+test.path, header, bytes.NewReader(test.body))
		if resp.StatusCode != test.status {
			t.Errorf("%s: %d %q", test.name, resp.StatusCode, body)
			continue
		}
		if test.status == 200 {
			continue
		}
		var status rpc.Status
		unmarshal := proto.Unmarshal
		if want := test.media; want == protobuf && resp.Header.Get("Content-Type") != protobuf {
			t.Errorf("%s: answered as %s", test.name, resp.Header.Get("Content-Type"))
		} else if want != protobuf {
			unmarshal = protojson.Unmarshal
		}
		if err := unmarshal([]byte(body), &status); err != nil || codes.Code(status.Code) != test.code || status.Message == "" {
			t.Errorf("%s: %q: %v", test.name, body, err)
		}
	}
	resp, err := http.Get(base + "/v1/traces")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := post(t, base+"/v1/other", nil, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("/v1/other: %d", resp.StatusCode)
	}
	if got := r.Stats(); got.Requests != 19 || got.Malformed != 15 || got.Spans != 2 || got.Metrics != 1 {
		t.Errorf("%+v", got)
	}
}

func TestBackPressure(t *testing.T) {
	t.Parallel()
	s := &sink{}
	r, base := serve(t, s, otlp.Limits{})
	for _, test := range []struct {
		err    error
		status int
		later  string
	}{
		{fmt.Errorf("the queue is full: %w", telemetry.ErrBusy), 503, "2"},
		{fault.New(fault.TelemetryDiskFull, "no room"), 503, "30"},
		{errors.New("secret"), 500, ""},
		{fmt.Errorf("no: %w", telemetry.ErrMalformed), 400, ""},
		{nil, 200, ""},
	} {
		s.fail(test.err)
		for _, path := range []string{"/v1/traces", "/v1/metrics"} {
			resp, body := post(t, base+path, map[string]string{"Content-Type": "application/json"}, strings.NewReader(ofTheSpecification))
			if resp.StatusCode != test.status || resp.Header.Get("Retry-After") != test.later || strings.Contains(body, "secret") {
				t.Errorf("%s: %v: %d %v %s", path, test.err, resp.StatusCode, resp.Header, body)
			}
		}
	}
	if got := r.Stats(); got.Refused != 4 || got.Failed != 2 || got.Malformed != 2 || got.Spans != 1 {
		t.Errorf("%+v", got)
	}
}

func TestPartialMetrics(t *testing.T) {
	t.Parallel()
	s := &sink{rejected: 3, message: "too many series"}
	_, base := serve(t, s, otlp.Limits{})
	_, body := post(t, base+"/v1/metrics", map[string]string{"Content-Type": "application/json"}, strings.NewReader("{}"))
	if body != `{"partialSuccess":{"errorMessage":"too many series","rejectedDataPoints":"3"}}` {
		t.Error(body)
	}
}

// TestSlowBody: a place is not held for ever by somebody who sends a byte now
// and then; and while all places are taken, others are told to come again.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	_, base := serve(t, &sink{}, otlp.Limits{Requests: 1, Read: 1500 * time.Millisecond, Wait: time.Millisecond})
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	crowded := false
	eventually(t, "a second request is refused, later one is taken", func() bool {
		resp, _ := post(t, base+"/v1/traces", map[string]string{"Content-Type": "application/json"}, strings.NewReader("{}"))
		crowded = crowded || resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "1"
		return crowded && resp.StatusCode == http.StatusOK
	})
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("%d", resp.StatusCode)
	}
}

// TestManyBytes: the bodies of all requests together are bounded.
func TestManyBytes(t *testing.T) {
	t.Parallel()
	s := &sink{hold: make(chan struct{})}
	_, base := serve(t, s, otlp.Limits{Body: 1 << 20, Bytes: 1<<20 + 1<<19})
	large := ofTheSpecification + strings.Repeat(" ", 1<<20-len(ofTheSpecification)-1)
	done := make(chan int, 1)
	send := func() int {
		resp, _ := post(t, base+"/v1/traces", map[string]string{"Content-Type": "application/json"}, strings.NewReader(large))
		return resp.StatusCode
	}
	go func() { done <- send() }()
	eventually(t, "the first is under way", s.holds)
	if resp, _ := post(t, base+"/v1/logs", map[string]string{"Content-Type": "application/json"}, strings.NewReader(`{}`+strings.Repeat(" ", 1<<20-10))); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the second: %d", resp.StatusCode)
	}
	close(s.hold)
	if got := <-done; got != http.StatusOK {
		t.Error(got)
	}
	if got := send(); got != http.StatusOK {
		t.Errorf("what was charged is not given back: %d", got)
	}
}

func FuzzHTTP(f *testing.F) {
	f.Add("/v1/traces", true, []byte(ofTheSpecification))
	f.Add("/v1/logs", true, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"AAAA","body":{"kvlistValue":{"values":[{"key":"k"}]}}}]}]}]}`))
	raw, err := proto.Marshal(inTraces(&tracepb.Span{TraceId: aTrace, SpanId: aSpan}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("/v1/traces", false, raw)
	f.Add("/v1/logs", false, raw)
	f.Add("/v1/metrics", false, raw)
	f.Fuzz(func(t *testing.T, path string, asJSON bool, body []byte) {
		if path != "/v1/traces" && path != "/v1/logs" && path != "/v1/metrics" {
			return
		}
		media := "application/x-protobuf"
		if asJSON {
			media = "application/json"
		}
		s, w := takenRaw(t, path, media, body)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest || w.Code != http.StatusOK && len(s.spans)+len(s.logs) > 0 {
			t.Fatalf("%d, %d spans, %d records", w.Code, len(s.spans), len(s.logs))
		}
		for _, span := range s.spans {
			if span.TraceID.IsZero() || span.ID.IsZero() || span.Duration < 0 || span.Resource == nil || span.End() < span.Start {
				t.Fatalf("%+v", span)
			}
			sound(t, span.Attributes, span.Name, span.StatusMessage, span.Scope, span.CorrelationID, span.Resource.Service)
		}
		for _, l := range s.logs {
			if l.Resource == nil || l.Severity > 24 {
				t.Fatalf("%+v", l)
			}
			sound(t, l.Attributes, l.Body, l.Scope, l.CorrelationID, l.Resource.Service)
		}
	})
}

func sound(t *testing.T, attributes []telemetry.Attribute, texts ...string) {
	t.Helper()
	for _, a := range attributes {
		texts = append(texts, a.Key, a.Value)
	}
	for _, s := range texts {
		if !utf8.ValidString(s) || len(s) > 64<<10 {
			t.Fatalf("%d bytes: %.40q", len(s), s)
		}
	}
}

func unzipped(t *testing.T, body io.Reader) []byte {
	t.Helper()
	z, err := gzip.NewReader(body)
	if err != nil {
		t.Error(err)
		return nil
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Error(err)
	}
	return raw
}
