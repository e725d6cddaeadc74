package prom_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry/prom"
)

// requests keeps a counter of two instances over two minutes, and gives the
// time of the last sample.
func requests(t *testing.T, s *prom.Store) time.Time {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	for i := range 9 {
		at := now.Add(time.Duration(i-8) * 15 * time.Second)
		for _, instance := range []string{"order-1", "order-2"} {
			keep(t, s, prom.Sample{Name: "requests_total", Labels: []prom.Label{{"job", "order"}, {"instance", instance}},
				Value: float64(i * 30), Time: at, Type: "counter", Help: "Requests."})
		}
	}
	return now
}

func TestQuery(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{})
	now := requests(t, s)
	got, err := s.Query(t.Context(), `round(sum by (job) (rate(requests_total[1m])), 0.001)`, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []prom.Series{{Labels: map[string]string{"job": "order"}, Points: []prom.Point{{Time: now, Value: 4}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got, err = s.QueryRange(t.Context(), `requests_total{instance="order-2"}`, now.Add(-30*time.Second), now, 15*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want = []prom.Series{{
		Labels: map[string]string{"__name__": "requests_total", "job": "order", "instance": "order-2"},
		Points: []prom.Point{{now.Add(-30 * time.Second), 180}, {now.Add(-15 * time.Second), 210}, {now, 240}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := s.Query(t.Context(), `sum(`, now); !fault.Is(err, fault.TelemetryBadQuery) {
		t.Error(err)
	}
	if _, err := s.QueryRange(t.Context(), `1`, now, now.Add(24*time.Hour), time.Second); !fault.Is(err, fault.TelemetryBadQuery) {
		t.Error(err)
	}
}

func TestClientQueries(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{})
	now := requests(t, s)
	c := client(t, s)
	v, warnings, err := c.Query(t.Context(), `sum(requests_total)`, now)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if got, want := v.String(), (model.Vector{{Metric: model.Metric{}, Value: 480, Timestamp: model.TimeFromUnix(now.Unix())}}).String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	v, _, err = c.QueryRange(t.Context(), `sum(requests_total)`, v1.Range{Start: now.Add(-time.Minute), End: now, Step: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	m, ok := v.(model.Matrix)
	if !ok || len(m) != 1 || len(m[0].Values) != 3 || m[0].Values[2].Value != 480 {
		t.Errorf("got %s", v)
	}
	_, _, err = c.Query(t.Context(), `sum(`, now)
	var e *v1.Error
	if !asError(err, &e) || e.Type != v1.ErrBadData || e.Msg != `invalid parameter "query": 1:5: parse error: unclosed left parenthesis` {
		t.Errorf("got %v", err)
	}
	v, warnings, err = c.Query(t.Context(), `requests_total`, now, v1.WithLimit(1))
	if err != nil || len(v.(model.Vector)) != 1 || len(warnings) != 1 {
		t.Error(v, warnings, err)
	}
}

// TestAnswers holds what is printed on the wire to what Prometheus prints.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	for _, c := range []struct {
		path, form string
		status     int
		want       string
	}{
		{"query", "query=1%2B1&time=1.5", 200, `{"status":"success","data":{"resultType":"scalar","result":[1.500,"2"]}}`},
		{"query", `query="a%26b"&time=2`, 200, `{"status":"success","data":{"resultType":"string","result":[2,"a\u0026b"]}}`},
		{"query", "query=nothing", 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{"query", "query=vector(Inf)&time=3", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[3,"+Inf"]}]}}`},
		{"query", "query=&time=3", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": unknown position: parse error: no expression found in input"}`},
		{"query", "query=1&time=yesterday", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": invalid time value for 'time': cannot parse \"yesterday\" to a valid timestamp"}`},
		{"query", "query=1&limit=-1", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"limit\": limit must be non-negative"}`},
		{"query_range", "query=1&start=0&end=1&step=0", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"}`},
		{"query_range", "query=1&start=2&end=1&step=1", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"end\": end timestamp must not be before start time"}`},
		{"query_range", "query=1&start=0&end=86400&step=1", 400, `{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"}`},
		{"query_range", "query=1&start=0&end=2&step=1s", 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[1,"1"],[2,"1"]]}]}}`},
		{"series", "", 400, `{"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}`},
		{"series", "match[]={a=%22%22}", 400, `{"status":"error","errorType":"bad_data","error":"match[] must contain at least one non-empty matcher"}`},
		{"labels", "", 200, `{"status":"success","data":[]}`},
		{"format_query", "query=sum(a)by(b)", 200, `{"status":"success","data":"sum by (b) (a)"}`},
		{"query_exemplars", "query=a&start=0&end=1", 200, `{"status":"success","data":[]}`},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"GET", "POST"} {
			var r *http.Response
			if method == "GET" {
				r, err = srv.Client().Get(srv.URL + "/api/v1/" + c.path + "?" + form.Encode())
			} else {
				r, err = srv.Client().PostForm(srv.URL+"/api/v1/"+c.path, form)
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || r.StatusCode != c.status || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s?%s: %v %s", method, c.path, c.form, err, r.Status)
			}
			if d := cmp.Diff(c.want, string(body)); d != "" {
				t.Errorf("%s %s?%s: %s", method, c.path, c.form, d)
			}
		}
	}
}
