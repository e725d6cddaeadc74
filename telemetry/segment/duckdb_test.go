package segment_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

// duckdb asks DuckDB, which tools/prepare installs. Each answer is a list of
// rows.
func duckdb(t *testing.T, queries ...string) [][]map[string]any {
	t.Helper()
	dir := filepath.Join("testdata", "duckdb")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@duckdb", "node-api")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("DuckDB for Node is not installed: `make prepare` does it")
		}
		t.Skip("DuckDB for Node is not installed: `make prepare`, or telemetry/segment/testdata/duckdb/install, does it")
	}
	run, err := filepath.Abs(filepath.Join("..", "..", "tools", "node"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), run, append([]string{"query.mjs"}, queries...)...) // #nosec G204 -- our own script
	c.Dir, c.Stderr, c.WaitDelay = dir, os.Stderr, 5*time.Second
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers [][]map[string]any
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var rows []map[string]any
		if err := json.Unmarshal(lines.Bytes(), &rows); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, rows)
	}
	if len(answers) != len(queries) {
		t.Fatalf("%d answers to %d queries: %s", len(answers), len(queries), out)
	}
	return answers
}

// micros is a time as DuckDB has it: its times with a zone are microseconds.
func micros(t int64) string { return strconv.FormatInt(t/1000*1000, 10) }

func TestDuckDBReadsTheFiles(t *testing.T) {
	t.Parallel()
	m := newMaker(14)
	b := m.batch(300, 300)
	quiet := &telemetry.Resource{Service: "quiet"}
	for range 9000 { // beyond one page
		b.Spans = append(b.Spans, telemetry.Span{Resource: quiet, TraceID: m.trace(), ID: m.id(), Start: m.tick(), Duration: 1000, Name: "n"})
		b.Logs = append(b.Logs, telemetry.Log{Resource: quiet, Time: m.tick(), Body: "n", TraceID: m.trace()})
	}
	dir := t.TempDir()
	s := open(t, segment.Options{Dir: dir})
	if err := errors.Join(s.Append(t.Context(), b), s.Seal(t.Context(), true)); err != nil {
		t.Fatal(err)
	}
	trace := b.Spans[0].TraceID
	spans, logs := "read_parquet('"+dir+"/spans-*.parquet')", "read_parquet('"+dir+"/logs-*.parquet')"
	answers := duckdb(t,
		"SELECT count(*)::INT n, sum(duration)::BIGINT d, min(epoch_ns(start)) a, max(epoch_ns(start)) b FROM "+spans,
		"SELECT count(*)::INT n FROM "+spans+fmt.Sprintf(" WHERE trace_id = '%s'", trace),
		"SELECT count(*)::INT n FROM "+logs+fmt.Sprintf(" WHERE trace_id = '%s'", trace),
		"SELECT count(*)::INT n FROM "+logs+" WHERE severity >= 17",
		"SELECT service, name, kind, status, epoch_ns(start) s, duration d, lower(hex(span_id)) i, http_status c, attributes a, events e FROM "+spans+" WHERE service <> 'quiet' ORDER BY start, span_id, duration",
		"SELECT service, body, epoch_ns(time) s, attributes->>'order.id' o FROM "+logs+" WHERE attributes->>'order.id' IS NOT NULL ORDER BY time, body",
		"SELECT column_name FROM (DESCRIBE SELECT * FROM "+spans+")",
	)
	var want struct {
		sum, first, last int64
		ofTrace, errors  int
		logs             int
		rows             []map[string]any
	}
	want.first = b.Spans[0].Start
	sorted := map[string]map[string]any{}
	for i := range b.Spans {
		r := &b.Spans[i]
		want.sum += r.Duration
		want.first, want.last = min(want.first, r.Start), max(want.last, r.Start)
		if r.TraceID == trace {
			want.ofTrace++
		}
		if r.Resource != quiet {
			sorted[r.ID.String()+micros(r.Start)] = map[string]any{"service": r.Resource.Service, "name": r.Name, "d": strconv.FormatInt(r.Duration, 10), "events": len(r.Events)}
		}
	}
	for i := range b.Logs {
		if b.Logs[i].TraceID == trace {
			want.logs++
		}
		if b.Logs[i].Severity >= telemetry.SeverityError {
			want.errors++
		}
	}
	one := func(i int) map[string]any {
		if len(answers[i]) != 1 {
			t.Fatalf("answer %d has %d rows", i, len(answers[i]))
		}
		return answers[i][0]
	}
	if d := cmp.Diff(map[string]any{"n": 9300.0, "d": strconv.FormatInt(want.sum, 10), "a": micros(want.first), "b": micros(want.last)}, one(0)); d != "" {
		t.Errorf("all spans: %s", d)
	}
	for i, n := range []int{want.ofTrace, want.logs, want.errors} {
		if got := one(i + 1)["n"]; got != float64(n) {
			t.Errorf("query %d: DuckDB counts %v, want %d", i+1, got, n)
		}
	}
	if len(answers[4]) != 300 {
		t.Errorf("%d spans are not quiet", len(answers[4]))
	}
	for _, row := range answers[4] {
		w := sorted[fmt.Sprint(row["i"])+fmt.Sprint(row["s"])]
		events := 0
		if text, ok := row["e"].(string); ok {
			var list []any
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				t.Fatal(err)
			}
			events = len(list)
		}
		if w == nil || w["service"] != row["service"] || w["name"] != row["name"] || w["d"] != row["d"] || w["events"] != events {
			t.Errorf("DuckDB has %v, want %v", row, w)
		}
		if text, ok := row["a"].(string); ok && !json.Valid([]byte(text)) {
			t.Errorf("attributes are no JSON: %s", text)
		}
	}
	if len(answers[5]) == 0 {
		t.Error("no log record has an order.id")
	}
	if len(answers[6]) != 23 {
		t.Errorf("spans have the columns %v", answers[6])
	}
}
