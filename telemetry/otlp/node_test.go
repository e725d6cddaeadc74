package otlp_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

// TestTheNodeSDK: the SDK of Node tells of the same two spans in JSON, in
// protobuf and by gRPC, and of a record and a metric.
func TestTheNodeSDK(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("testdata", "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@opentelemetry", "sdk-node")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the OpenTelemetry SDK of Node is not installed: `make prepare` does it")
		}
		t.Skip("the OpenTelemetry SDK of Node is not installed: `make prepare`, or telemetry/otlp/testdata/node/install, does it")
	}
	run, err := filepath.Abs(filepath.Join("..", "..", "tools", "node"))
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{}
	_, base := serve(t, s, otlp.Limits{})
	_, address := serveGRPC(t, s, otlp.Limits{})
	c := exec.CommandContext(ctx(t), run, "tell.mjs", base, "http://"+address) // #nosec G204 -- our own script
	c.Dir, c.WaitDelay = dir, 5*time.Second
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	spans, logs := s.rows()
	if len(spans) != 6 || len(logs) != 1 || len(s.metrics) != 1 || !bytes.Contains(s.metrics[0], []byte("recommendations")) {
		t.Fatalf("%d spans, %d records, metrics %q", len(spans), len(logs), s.metrics)
	}
	byKind := map[telemetry.SpanKind]telemetry.Span{}
	for _, span := range spans {
		if first, ok := byKind[span.Kind]; ok && (first.TraceID != span.TraceID || first.ID != span.ID || first.Start != span.Start || first.Duration != span.Duration || first.CorrelationID != span.CorrelationID) {
			t.Errorf("by another way another span: %+v, %+v", first, span)
		}
		byKind[span.Kind] = span
		if span.Kind == telemetry.KindServer {
			lines, _ := telemetry.Find(span.Attributes, "lines")
			weight, _ := telemetry.Find(span.Attributes, "weight")
			size, _ := telemetry.Find(span.Attributes, "größe")
			if lines != "[1,2]" || weight != "0.5" || size != "größer" || span.CorrelationID != "c-9" {
				t.Errorf("%+v", span)
			}
		} else if span.Status != telemetry.StatusError || span.StatusMessage != "refused" || len(span.Events) != 1 || len(span.Links) != 1 {
			t.Errorf("%+v", span)
		}
		if age := time.Since(time.Unix(0, span.Start)); age < -time.Second || age > time.Minute {
			t.Errorf("it began %v ago", age)
		}
		if r := span.Resource; r.Service != "recommendation" || r.Instance != "recommendation-1" || r.Version != "v2" {
			t.Errorf("%+v", r)
		}
	}
	server, client := byKind[telemetry.KindServer], byKind[telemetry.KindClient]
	if len(byKind) != 2 || client.Parent != server.ID || client.TraceID != server.TraceID || client.Links[0].SpanID != server.ID {
		t.Errorf("%+v", byKind)
	}
	if l := logs[0]; l.Body != `{"what":"refused"}` || l.Severity != telemetry.SeverityWarn || l.TraceID != client.TraceID || l.SpanID != client.ID {
		t.Errorf("%+v", l)
	}
}
