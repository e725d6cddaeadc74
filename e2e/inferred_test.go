package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	plat "github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// TestARecordWithoutATraceFindsOne: a program that knows nothing of tracing
// prints a line while it answers. The line leads to the trace that plat's
// listener began, and back, and is nowhere told as a fact.
func TestARecordWithoutATraceFindsOne(t *testing.T) {
	t.Parallel()
	h := house.Up(t, calls(t))
	a := house.Call(t, http.MethodPost, h.Gateway+"/events", nil, "ce-type", "shy.line", "ce-id", "n-1")
	if a.Status >= 300 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	var line plat.LogRecord
	house.Until(t, "the line's trace", func() (bool, string) {
		text, code := h.Plat("logs", "--search", `"took shy.line n-1"`, "-o", "json")
		line = plat.LogRecord{}
		if code != 0 || json.Unmarshal([]byte(text), &line) != nil {
			return false, text
		}
		return line.Inferred, text
	})
	if line.TraceID == "" || line.OneOf != 1 || line.Instance == "" || line.CorrelationID != "" {
		t.Fatalf("%+v", line)
	}
	trace, err := operator(t, h).Trace(t.Context(), line.TraceID)
	if err != nil {
		t.Fatal(err)
	}
	if trace.CorrelationID != a.Header.Get("X-Correlation-Id") {
		t.Errorf("the trace is of %q, the request was %q", trace.CorrelationID, a.Header.Get("X-Correlation-Id"))
	}
	back := func(l plat.LogRecord) bool {
		return l.Body == line.Body && l.Inferred && l.OneOf == 1 && l.SpanID == line.SpanID
	}
	if !slices.ContainsFunc(trace.Logs, back) || !slices.ContainsFunc(trace.Spans, func(s plat.Span) bool { return s.ID == line.SpanID }) {
		t.Errorf("the trace does not lead to the line: %+v", trace.Logs)
	}
	found, err := operator(t, h).SearchLogs(t.Context(), plat.LogSearchQuery{Trace: line.TraceID})
	if err != nil || !slices.ContainsFunc(found.Records, back) {
		t.Errorf("the records of the trace lack the line: %v, %+v", err, found)
	}
	for _, c := range []struct {
		want string
		line []string
	}{
		{"took shy.line n-1 (inferred: trace " + line.TraceID + ")", []string{"logs", "-o", "wide", "--since", "1d"}},
		{"took shy.line n-1 (inferred)", []string{"logs", "--trace", line.TraceID}},
		{"· took shy.line n-1 (inferred)", []string{"trace", "--logs", line.TraceID}},
	} {
		if text, code := h.Plat(c.line...); code != 0 || !strings.Contains(text, c.want) {
			t.Errorf("plat %s: exit %d, lacks %q:\n%s", strings.Join(c.line, " "), code, c.want, text)
		}
	}
}
