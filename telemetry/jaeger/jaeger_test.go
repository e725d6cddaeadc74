package jaeger_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/jaeger"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// kept is a source of spans in memory.
type kept struct {
	spans []telemetry.Span
	err   error
	asked []telemetry.SpanQuery
}

// Spans knows the conditions that the tests ask for.
func (k *kept) Spans(ctx context.Context, q telemetry.SpanQuery, yield func(*telemetry.Span) error) error {
	k.asked = append(k.asked, q)
	if k.err != nil {
		return k.err
	}
	sorted := slices.Clone(k.spans)
	slices.SortStableFunc(sorted, func(a, b telemetry.Span) int { return cmp.Compare(b.Start, a.Start) })
	for i := range sorted {
		s := &sorted[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if q.TraceID.IsZero() && q.From.IsZero() || !q.From.IsZero() && s.Start < q.From.UnixNano() || !q.To.IsZero() && s.Start >= q.To.UnixNano() ||
			!q.TraceID.IsZero() && s.TraceID != q.TraceID || len(q.Services) > 0 && !slices.Contains(q.Services, s.Resource.Service) ||
			q.Name != "" && s.Name != q.Name || q.ErrorsOnly && s.Status != telemetry.StatusError || len(q.Kinds) > 0 && !slices.Contains(q.Kinds, s.Kind) ||
			s.Duration < int64(q.MinDuration) || q.MaxDuration > 0 && s.Duration > int64(q.MaxDuration) || q.Correlation != "" && s.CorrelationID != q.Correlation {
			continue
		}
		matches := true
		for _, m := range q.Where {
			value, ok := telemetry.Find(s.Attributes, m.Key)
			matches = matches && (ok && value == m.Value) != m.Not
		}
		if !matches {
			continue
		}
		if err := yield(s); err != nil {
			return err
		}
	}
	return nil
}

func id(n byte) telemetry.TraceID { return telemetry.TraceID{15: n} }
func own(n byte) telemetry.SpanID { return telemetry.SpanID{7: n} }

// shop is two traces: an order, of which the warehouse's clock is 50 ms early
// and finance's span failed; and half of one, whose parent was lost.
func shop() []telemetry.Span {
	at := func(ms int64) int64 { return noon.UnixNano() + ms*int64(time.Millisecond) }
	const ms = int64(time.Millisecond)
	web := &telemetry.Resource{Service: "web", Instance: "web-1", Version: "v1", Attributes: []telemetry.Attribute{{Key: "host.name", Value: "h"}}}
	order := &telemetry.Resource{Service: "order", Instance: "order-1"}
	warehouse := &telemetry.Resource{Service: "warehouse", Instance: "warehouse-1"}
	finance := &telemetry.Resource{Service: "finance"}
	return []telemetry.Span{
		{Resource: web, Scope: "kit", TraceID: id(1), ID: own(1), Start: at(0), Duration: 100 * ms, Name: "POST /checkout", Kind: telemetry.KindServer, Status: telemetry.StatusOK, CorrelationID: "c-1",
			Attributes: []telemetry.Attribute{
				{Key: "http.route", Value: "/checkout"}, {Key: "http.response.status_code", Value: "202", Kind: telemetry.Int}, {Key: "big", Value: "9007199254740993", Kind: telemetry.Int},
				{Key: "share", Value: "0.5", Kind: telemetry.Float}, {Key: "not", Value: "NaN", Kind: telemetry.Float}, {Key: "test", Value: "false", Kind: telemetry.Bool},
				{Key: "raw", Value: "AP8=", Kind: telemetry.Bytes}, {Key: "lines", Value: `[1,{"a":null}]`, Kind: telemetry.JSON},
			}},
		{Resource: web, TraceID: id(1), ID: own(2), Parent: own(1), Start: at(10), Duration: 80 * ms, Name: "POST", Kind: telemetry.KindClient},
		{Resource: order, TraceID: id(1), ID: own(3), Parent: own(2), Start: at(12), Duration: 70 * ms, Name: "POST /api/orders", Kind: telemetry.KindServer,
			Links: []telemetry.Link{{TraceID: id(2), SpanID: own(9)}, {TraceID: id(1), SpanID: own(1), Attributes: []telemetry.Attribute{{Key: "opentracing.ref_type", Value: "child_of"}}}}},
		{Resource: warehouse, TraceID: id(1), ID: own(4), Parent: own(3), Start: at(-50), Duration: 20 * ms, Name: "reserve", Kind: telemetry.KindServer,
			Events: []telemetry.SpanEvent{{Time: at(-45), Name: "reserved", Attributes: []telemetry.Attribute{{Key: "sku", Value: "a"}}}}},
		{Resource: finance, TraceID: id(1), ID: own(5), Parent: own(3), Start: at(40), Duration: 30 * ms, Name: "pay", Kind: telemetry.KindServer, Status: telemetry.StatusError, StatusMessage: "declined"},
		{Resource: order, TraceID: id(2), ID: own(9), Parent: own(8), Start: at(5000), Duration: ms, Name: "sweep", Kind: telemetry.KindInternal},
	}
}

// get asks as a client does.
func get(t *testing.T, k *kept, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h := jaeger.Handler(k, jaeger.Options{Now: func() time.Time { return noon.Add(time.Minute) }})
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s: %d as %q", path, w.Code, got)
	}
	return w.Code, w.Body.String()
}

// TestGolden holds the answers to the calls that Jaeger's user interface and
// Grafana's data source make.
func TestGolden(t *testing.T) {
	t.Parallel()
	start, end := noon.Add(-time.Hour).UnixMicro(), noon.Add(time.Hour).UnixMicro()
	for name, path := range map[string]string{
		"services":     "/api/services",
		"names":        "/api/services/" + url.PathEscape("order") + "/operations",
		"operations":   "/api/operations?service=order",
		"server":       "/api/operations?service=order&spanKind=server",
		"search":       fmt.Sprintf("/api/traces?end=%d&limit=20&lookback=1h&maxDuration&minDuration&service=web&start=%d", end, start),
		"several":      "/api/traces?traceID=1&traceID=3",
		"trace":        fmt.Sprintf("/api/traces/%s?start=%d&end=%d", id(1), start, end),
		"raw":          "/api/traces/" + id(1).String() + "?raw=true",
		"half":         "/api/traces/2",
		"nothing":      "/api/traces/00000000000000000000000000000007",
		"dependencies": fmt.Sprintf("/api/dependencies?endTs=%d&lookback=604800000", noon.Add(time.Hour).UnixMilli()),
		"v3-services":  "/api/v3/services",
		"v3-operation": "/api/v3/operations?service=web&span_kind=client",
		"v3-trace":     "/api/v3/traces/" + id(1).String(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := get(t, &kept{spans: shop()}, path)
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			raw, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%d\n%s\n", status, raw)
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// traces asks and gives the IDs of the traces of the answer.
func traces(t *testing.T, k *kept, query string) (int, []string) {
	t.Helper()
	status, body := get(t, k, "/api/traces?"+query)
	var answer struct {
		Data   []struct{ TraceID string }
		Errors []struct {
			Code int
			Msg  string
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if status != http.StatusOK && (len(answer.Errors) != 1 || answer.Errors[0].Code != status || answer.Errors[0].Msg == "") {
		t.Errorf("%s: %s", query, body)
	}
	var ids []string
	for _, d := range answer.Data {
		ids = append(ids, strings.TrimLeft(d.TraceID, "0"))
	}
	return status, ids
}

func TestSearch(t *testing.T) {
	t.Parallel()
	us := func(d time.Duration) int64 { return noon.Add(d).UnixMicro() }
	tags := func(text string) string { return "service=web&tags=" + url.QueryEscape(text) }
	for query, want := range map[string]string{
		"service=web":                           "1",
		"service=order":                         "2 1",
		"service=order&limit=1":                 "2",
		"service=order&operation=sweep":         "2",
		"service=order&minDuration=2ms":         "1",
		"service=order&maxDuration=1.5ms":       "2",
		"service=finance&tag=error:true":        "1",
		"service=order&tag=error:true":          "",
		"service=finance&tag=error:false":       "",
		"service=web&tag=span.kind:client":      "1",
		"service=web&tag=plat.correlation_id:c": "",
		tags(`{"http.route":"/checkout"}`):      "1",
		tags(`{"http.route":"/"}`):              "",
		tags(`{"plat.correlation_id":"c-1","http.response.status_code":"202"}`):    "1",
		fmt.Sprintf("service=order&start=%d", us(time.Second)):                     "2",
		fmt.Sprintf("service=order&end=%d", us(time.Second)):                       "1",
		fmt.Sprintf("service=order&end=%d&lookback=5s", us(5*time.Second+1000)):    "2 1",
		fmt.Sprintf("service=order&end=%d&lookback=2s", us(5001*time.Millisecond)): "2",
		"service=order&lookback=7d":                                                "2 1",
		"service=order&lookback=custom":                                            "2 1",
		"service=nobody":                                                           "",
		"traceID=1&traceID=2&traceID=ff":                                           "1 2",
	} {
		status, got := traces(t, &kept{spans: shop()}, query)
		if status != http.StatusOK || strings.Join(got, " ") != want {
			t.Errorf("%s: %d %q, want %q", query, status, got, want)
		}
	}
	for _, query := range []string{
		"", "service=", "service=a&limit=x", "service=a&limit=-1", "service=a&start=x", "service=a&end=1.5", "service=a&minDuration=1", "service=a&minDuration=-1s",
		"service=a&minDuration=2s&maxDuration=1s", "service=a&lookback=soon", "service=a&tag=nocolon", "service=a&tags=[]", "service=a&tags={", "traceID=xyz", "traceID=0", "traceID=" + strings.Repeat("1", 33),
	} {
		k := &kept{spans: shop()}
		if status, _ := traces(t, k, query); status != http.StatusBadRequest || len(k.asked) > 0 {
			t.Errorf("%s: %d", query, status)
		}
	}
}

func TestOtherMistakes(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		"/api/operations": 400, "/api/dependencies": 400, "/api/dependencies?endTs=1&lookback=x": 400, "/api/traces/xyz": 400, "/api/traces/1?start=x": 400, "/api/traces/77": 404,
		"/api/metrics/latencies?service=web&quantile=0.95": 501, "/api/metrics/minstep": 501,
		"/api/v3/operations": 400, "/api/v3/traces": 400, "/api/v3/traces?query.service_name=web&query.start_time_min=x": 400, "/api/v3/traces/77": 404,
	} {
		if status, body := get(t, &kept{spans: shop()}, path); status != want || !strings.Contains(body, `"msg":"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	k := &kept{err: fmt.Errorf("secret")}
	if status, body := get(t, k, "/api/services"); status != http.StatusInternalServerError || strings.Contains(body, "secret") {
		t.Errorf("%d %s", status, body)
	}
	w := httptest.NewRecorder()
	jaeger.Handler(k, jaeger.Options{}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/traces", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestNamesGrow: after the first look only what came since is looked at, and
// what was known stays.
func TestNamesGrow(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Minute)
	k := &kept{spans: shop()[:1]}
	h := jaeger.Handler(k, jaeger.Options{Now: func() time.Time { return now }})
	ask := func() string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/services", nil))
		return w.Body.String()
	}
	if got := ask(); !strings.Contains(got, `["web"]`) {
		t.Error(got)
	}
	k.spans = []telemetry.Span{{Resource: &telemetry.Resource{Service: "new"}, TraceID: id(5), ID: own(1), Start: now.UnixNano()}}
	ask()
	if len(k.asked) != 1 {
		t.Errorf("asked %d times at once", len(k.asked))
	}
	now = now.Add(time.Minute)
	if got := ask(); !strings.Contains(got, `["new","web"]`) || len(k.asked) != 2 || k.asked[1].From.Before(noon.Add(-time.Minute)) {
		t.Errorf("%s %v", got, k.asked)
	}
}

// TestLargeTrace: no more spans of a trace are shown than the limit, and a
// warning says so.
func TestLargeTrace(t *testing.T) {
	t.Parallel()
	r := &telemetry.Resource{Service: "loop"}
	k := &kept{}
	for i := range 1005 {
		k.spans = append(k.spans, telemetry.Span{Resource: r, TraceID: id(1), ID: telemetry.SpanID{6: byte(i >> 8), 7: byte(i)}, Parent: own(1), Start: noon.UnixNano() + int64(i), Name: "x"})
	}
	h := jaeger.Handler(k, jaeger.Options{Spans: 1000, Now: func() time.Time { return noon.Add(time.Minute) }})
	for path, want := range map[string]int{"/api/traces/1": 1000, "/api/traces?service=loop": 1000, "/api/traces?traceID=1&traceID=1": 1000} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		var answer struct {
			Data []struct {
				Spans    []json.RawMessage
				Warnings []string
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusOK || len(answer.Data) != 1 || len(answer.Data[0].Spans) != want || !strings.Contains(strings.Join(answer.Data[0].Warnings, "\n"), "1000") {
			t.Errorf("%s: %d: %d traces", path, w.Code, len(answer.Data))
		}
	}
}

// TestV3Search by the parameters of version 3.
func TestV3Search(t *testing.T) {
	t.Parallel()
	query := url.Values{
		"query.service_name": {"finance"}, "query.start_time_min": {noon.Add(-time.Hour).Format(time.RFC3339)}, "query.start_time_max": {noon.Add(time.Hour).Format(time.RFC3339Nano)},
		"query.num_traces": {"5"}, "query.duration_min": {"20ms"}, "query.attributes": {`{"error":"true"}`},
	}
	status, body := get(t, &kept{spans: shop()}, "/api/v3/traces?"+query.Encode())
	if status != http.StatusOK || strings.Count(body, `"spanId"`) != 7 || !strings.Contains(body, `"message":"declined"`) {
		t.Errorf("%d %s", status, body)
	}
	query.Set("query.duration_min", "1s")
	if status, body := get(t, &kept{spans: shop()}, "/api/v3/traces?"+query.Encode()); status != http.StatusNotFound {
		t.Errorf("%d %s", status, body)
	}
}
