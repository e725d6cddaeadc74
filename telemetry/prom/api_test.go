package prom_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry/prom"
)

// TestClient asks by Prometheus's own client whatever other tests do not.
func TestClient(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{Version: "v9"})
	now := requests(t, s)
	c := client(t, s)
	ctx := t.Context()
	from := now.Add(-time.Hour)

	names, _, err := c.LabelNames(ctx, []string{`{job="order"}`, `requests_total`}, from, now)
	if d := cmp.Diff(model.LabelNames{"__name__", "instance", "job"}, names); err != nil || d != "" {
		t.Error(err, d)
	}
	values, _, err := c.LabelValues(ctx, "instance", []string{`{job="order"}`, `requests_total`}, from, now)
	if d := cmp.Diff(model.LabelValues{"order-1", "order-2"}, values); err != nil || d != "" {
		t.Error(err, d)
	}
	values, warnings, err := c.LabelValues(ctx, "instance", nil, from, now, v1.WithLimit(1))
	if err != nil || len(values) != 1 || len(warnings) != 1 {
		t.Error(values, warnings, err)
	}
	series, _, err := c.Series(ctx, []string{`requests_total{instance="order-1"}`, `{job="order",instance="order-1"}`}, from, now)
	want := []model.LabelSet{{"__name__": "requests_total", "job": "order", "instance": "order-1"}}
	if d := cmp.Diff(want, series); err != nil || d != "" {
		t.Error(err, d)
	}
	series, warnings, err = c.Series(ctx, []string{`requests_total`}, from, now, v1.WithLimit(1))
	if err != nil || len(series) != 1 || len(warnings) != 1 {
		t.Error(series, warnings, err)
	}
	if about, err := c.Metadata(ctx, "", "1"); err != nil || len(about) != 1 {
		t.Error(about, err)
	}
	if b, err := c.Buildinfo(ctx); err != nil || !strings.HasPrefix(b.Version, "3.") || b.Revision != "v9" {
		t.Errorf("%+v %v", b, err)
	}
	if r, err := c.Runtimeinfo(ctx); err != nil || r.StartTime.IsZero() || r.StorageRetention == "" {
		t.Errorf("%+v %v", r, err)
	}
	if f, err := c.Flags(ctx); err != nil || f["query.timeout"] != "30s" {
		t.Errorf("%+v %v", f, err)
	}
	if conf, err := c.Config(ctx); err != nil || !strings.Contains(conf.YAML, "scrape_interval: 15s") {
		t.Errorf("%+v %v", conf, err)
	}
	if x, err := c.TSDB(ctx); err != nil || x.HeadStats.NumSeries != 2 || x.SeriesCountByMetricName[0].Name != "requests_total" {
		t.Errorf("%+v %v", x, err)
	}
	if w, err := c.WalReplay(ctx); err != nil || w.Current != 0 {
		t.Errorf("%+v %v", w, err)
	}
	if a, err := c.AlertManagers(ctx); err != nil || len(a.Active) != 0 {
		t.Errorf("%+v %v", a, err)
	}
	if r, err := c.Rules(ctx, nil); err != nil || len(r.Groups) != 0 {
		t.Errorf("%+v %v", r, err)
	}
	v, _, err := c.Query(ctx, `requests_total offset 1m`, now, v1.WithStats(v1.AllStatsValue), v1.WithLookbackDelta(time.Second), v1.WithTimeout(time.Second))
	if err != nil || v.(model.Vector)[0].Value != 120 {
		t.Error(v, err)
	}
	if b, err := c.TSDBBlocks(ctx); err != nil {
		t.Errorf("%+v %v", b, err)
	}
	if text, err := c.FormatQuery(ctx, "sum(a)by(b)"); err != nil || text != `"sum by (b) (a)"` {
		t.Error(text, err)
	}
	// Nothing is written from outside.
	_, snapshot := c.Snapshot(ctx, true)
	for what, err := range map[string]error{"delete": c.DeleteSeries(ctx, []string{"a"}, from, now), "clean": c.CleanTombstones(ctx), "snapshot": snapshot} {
		var e *v1.Error
		if !errors.As(err, &e) || e.Type != v1.ErrServer || e.Detail != `{"status":"error","errorType":"unavailable","error":"admin APIs disabled"}` {
			t.Errorf("%s: %+v", what, err)
		}
	}
}

func get(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestServe(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{})
	now := requests(t, s)
	h := s.Handler()
	w := get(t, h, "/api/v1/query_range?query=requests_total&step=1&start="+now.Add(-time.Minute).Format(time.RFC3339)+"&end="+now.Format(time.RFC3339),
		"Accept-Encoding", "deflate, gzip;q=0.5")
	if w.Code != 200 || w.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := get(t, h, "/api/v1/query?query=1", "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error(w.Header())
	}
	if w := get(t, h, "/-/ready"); w.Code != 200 || w.Body.String() != "Prometheus Server is ready.\n" {
		t.Error(w)
	}
	if w := get(t, h, "/api/v1/what"); w.Code != 404 || w.Body.String() != `{"status":"error","errorType":"not_found","error":"there is no GET /api/v1/what"}` {
		t.Error(w.Body)
	}
	// A warning and an info point into the query.
	w = get(t, h, `/api/v1/query?query=rate(requests_total[1m])%2Bhistogram_quantile(9,requests_total)`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"PromQL warning: quantile value should be between 0 and 1, got 9 (1:45)"`) {
		t.Error(w.Body)
	}
	w = get(t, h, `/api/v1/query?query=rate(requests[1m])`)
	if w.Code != 200 || strings.Contains(w.Body.String(), "warnings") {
		t.Error(w.Body)
	}
	w = get(t, h, `/api/v1/query?query=requests_total%2Bon()requests_total`)
	if w.Code != 422 || !strings.Contains(w.Body.String(), `"errorType":"execution"`) {
		t.Error(w.Code, w.Body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/query", io.LimitReader(endless{}, 2<<20))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 400 {
		t.Error(w.Code, w.Body)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
	}
	return len(b), nil
}

// TestLimits asks for too much.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{Query: prom.QueryLimits{MaxSamples: 1000, Timeout: time.Minute, Concurrent: 1}})
	now := requests(t, s)
	h := s.Handler()
	w := get(t, h, `/api/v1/query_range?query=requests_total&start=0&end=10000&step=1`)
	if w.Code != 200 { // nothing is that old
		t.Error(w.Code, w.Body)
	}
	w = get(t, h, `/api/v1/query?query=count_over_time(vector(1)[1h:1s])`)
	if w.Code != 422 || !strings.Contains(w.Body.String(), "query processing would load too many samples into memory") {
		t.Error(w.Code, w.Body)
	}
	if _, err := s.Query(t.Context(), `count_over_time(vector(1)[1h:1s])`, now); !fault.Is(err, fault.TelemetryBadQuery) {
		t.Error(err)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	if _, err := s.Query(ctx, `vector(1)`, now); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w = get(t, h, `/api/v1/query?query=vector(1)&timeout=0.0000001`)
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"errorType":"timeout"`) {
		t.Error(w.Code, w.Body)
	}
	// Who hung up is not waited for, and gives its place back.
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/query?query=vector(1)", http.NoBody)
	x := httptest.NewRecorder()
	if h.ServeHTTP(x, r); x.Code != 499 {
		t.Error(x.Code, x.Body)
	}
	if w := get(t, h, `/api/v1/query?query=vector(1)`); w.Code != 200 {
		t.Error(w.Code, w.Body)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := prom.Open(t.Context(), prom.Options{Dir: dir, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prom.Open(t.Context(), prom.Options{Dir: dir, Reserve: -1}); err == nil {
		t.Error("two stores have one folder")
	}
	keep(t, s, prom.Sample{Name: "a", Value: 1, Time: time.Now()})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	if _, err := s.Query(t.Context(), "a", now); !errors.Is(err, prom.ErrClosed) {
		t.Error(err)
	}
	if err := s.Append(t.Context(), []prom.Sample{{Name: "a", Time: now}}); !errors.Is(err, prom.ErrClosed) {
		t.Error(err)
	}
	if _, _, err := s.TakeOTLP(t.Context(), points(t, now, "a")); !errors.Is(err, prom.ErrClosed) {
		t.Error(err)
	}
	if err := s.SetRules(nil); !errors.Is(err, prom.ErrClosed) {
		t.Error(err)
	}
	if err := s.SetTargets(nil); !errors.Is(err, prom.ErrClosed) {
		t.Error(err)
	}
	for _, path := range []string{"query?query=a", "labels", "series?match[]=a", "query_exemplars?query=a", "status/tsdb"} {
		if w := get(t, s.Handler(), "/api/v1/"+path); w.Code != 503 {
			t.Error(path, w.Code, w.Body)
		}
	}
	s.Stats()
	again := open(t, prom.Options{Dir: dir})
	if v, found := one(t, again, "a"); !found || v != 1 {
		t.Error("it is not kept")
	}
}
