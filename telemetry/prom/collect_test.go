package prom_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plat-dev/plat/telemetry/prom"
)

// TestExemplarsOfOurOwn: buckets keep the trace of what they counted last, the
// one without an upper bound included, however often they are read.
func TestExemplarsOfOurOwn(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{})
	reg := prometheus.NewRegistry()
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Buckets: []float64{1, 2}})
	reg.MustRegister(took)
	took.Observe(0.5)
	took.(prometheus.ExemplarObserver).ObserveWithExemplar(1.5, prometheus.Labels{"trace_id": "abc"})
	took.(prometheus.ExemplarObserver).ObserveWithExemplar(5, prometheus.Labels{"trace_id": "def"})
	now := time.Now()
	for i := range 3 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		keep(t, s, prom.Samples(families, now.Add(time.Duration(i)*time.Second))...)
	}
	if st := s.Stats(); st.Refused.Twice > 0 {
		t.Errorf("a bucket came twice: %+v", st.Refused)
	}
	for expr, want := range map[string]float64{`took_seconds_bucket{le="1"}`: 1, `took_seconds_bucket{le="2"}`: 2, `took_seconds_bucket{le="+Inf"}`: 3} {
		if got, err := s.Query(t.Context(), expr, now.Add(2*time.Second)); err != nil || len(got) != 1 || got[0].Points[0].Value != want {
			t.Errorf("%s: %v %v, want %v", expr, got, err, want)
		}
	}
	found, err := client(t, s).QueryExemplars(t.Context(), `took_seconds_bucket`, now.Add(-time.Minute), now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, x := range found {
		for _, e := range x.Exemplars {
			got[string(x.SeriesLabels["le"])] += string(e.Labels["trace_id"])
		}
	}
	if len(got) != 2 || got["2"] != "abc" || got["+Inf"] != "def" {
		t.Errorf("%v", got)
	}
}
