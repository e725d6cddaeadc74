package telemetry_test

import (
	"slices"
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

// TestRedactRowsThatAreAlike has what the row before had at the same place:
// nothing is believed of a secret's name, an empty value or a number.
func TestRedactRowsThatAreAlike(t *testing.T) {
	t.Parallel()
	rows := [][2]telemetry.Attribute{
		{{Key: "password", Value: "[redacted]"}, {Key: "note", Value: "4111111111111111", Kind: telemetry.Float}},
		{{Key: "password", Value: "abc"}, {Key: "note", Value: "4111111111111111"}},
		{{Key: "token"}, {Key: "note", Value: "fine"}},
		{{Key: "token", Value: "abc"}, {Key: "note", Value: "password=abc"}},
		{{Key: "token", Value: "abc"}, {Key: "note", Value: "password=abc"}},
		{{Key: "path", Value: "/"}, {Key: "path", Value: "/"}},
		{{Key: "path", Value: "/"}, {Key: "secret", Value: "/"}},
		{{Key: "path", Value: "?token=abc"}, {Key: "secret", Value: "/", Kind: telemetry.Int}},
	}
	want := []string{
		"password=[redacted] note=4111111111111111", "password=[redacted] note=[redacted]", "token= note=fine", "token=[redacted] note=password=[redacted]",
		"token=[redacted] note=password=[redacted]", "path=/ path=/", "path=/ secret=[redacted]", "path=?token=[redacted] secret=[redacted]",
	}
	var b telemetry.Batch
	for _, pair := range rows {
		b.Logs = append(b.Logs, telemetry.Log{Resource: &telemetry.Resource{Service: "a"}, Time: 1, Attributes: slices.Clone(pair[:])})
		b.Spans = append(b.Spans, telemetry.Span{Resource: &telemetry.Resource{Service: "a"}, Start: 1, Attributes: slices.Clone(pair[:])})
	}
	store := &memory{}
	r := telemetry.New(telemetry.Options{Store: store, Now: func() time.Time { return time.Unix(1, 0) }})
	if err := r.Take(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	said := func(list []telemetry.Attribute) string {
		return list[0].Key + "=" + list[0].Value + " " + list[1].Key + "=" + list[1].Value
	}
	for i := range want {
		if got := said(store.rows.Logs[i].Attributes); got != want[i] {
			t.Errorf("log %d: %s, want %s", i, got, want[i])
		}
		if got := said(store.rows.Spans[i].Attributes); got != want[i] {
			t.Errorf("span %d: %s, want %s", i, got, want[i])
		}
	}
}
