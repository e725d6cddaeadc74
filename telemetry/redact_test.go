package telemetry_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/telemetry"
)

func TestRedactBatch(t *testing.T) {
	t.Parallel()
	shared := &telemetry.Resource{Service: "a", Attributes: []telemetry.Attribute{{Key: "process.command_line", Value: "a --token=abc"}}}
	b := telemetry.Batch{
		Spans: []telemetry.Span{{
			Resource: shared, Start: 1, Name: "GET /?token=abc", StatusMessage: "password=abc",
			Attributes: []telemetry.Attribute{{Key: "http.request.header.authorization", Value: `["Bearer x"]`, Kind: telemetry.JSON}, {Key: "n", Value: "4111111111111111", Kind: telemetry.Int}, {Key: "url.path", Value: "/"}},
			Events:     []telemetry.SpanEvent{{Name: "e", Attributes: []telemetry.Attribute{{Key: "db.password", Value: "abc"}}}},
		}},
		Logs: []telemetry.Log{{Resource: shared, Time: 1, Body: "cookie: a=b", Attributes: []telemetry.Attribute{{Key: "Passwd", Value: "abc"}}}},
	}
	store := &memory{}
	r := telemetry.New(telemetry.Options{Store: store, Now: func() time.Time { return time.Unix(1, 0) }})
	if err := r.Take(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	clean := &telemetry.Resource{Service: "a", Attributes: []telemetry.Attribute{{Key: "process.command_line", Value: "a --token=[redacted]"}}}
	want := telemetry.Batch{
		Spans: []telemetry.Span{{
			Resource: clean, Start: 1, Name: "GET /?token=[redacted]", StatusMessage: "password=[redacted]",
			Attributes: []telemetry.Attribute{{Key: "http.request.header.authorization", Value: "[redacted]"}, {Key: "n", Value: "[redacted]"}, {Key: "url.path", Value: "/"}},
			Events:     []telemetry.SpanEvent{{Name: "e", Attributes: []telemetry.Attribute{{Key: "db.password", Value: "[redacted]"}}}},
		}},
		Logs: []telemetry.Log{{Resource: clean, Time: 1, Body: "cookie: [redacted]", Attributes: []telemetry.Attribute{{Key: "Passwd", Value: "[redacted]"}}}},
	}
	if diff := cmp.Diff(want, store.rows); diff != "" {
		t.Error(diff)
	}
	if shared.Attributes[0].Value != "a --token=abc" {
		t.Error("a shared resource was changed in place")
	}
	if store.rows.Spans[0].Resource != store.rows.Logs[0].Resource {
		t.Error("the rows share their resource no more")
	}
	if r.Stats().Redacted == 0 {
		t.Error("nothing was counted")
	}
}
