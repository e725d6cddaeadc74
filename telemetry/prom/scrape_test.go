package prom_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/plat-dev/plat/telemetry/prom"
)

// quick are limits that a test can wait for.
func quick() prom.ScrapeLimits {
	return prom.ScrapeLimits{Interval: 200 * time.Millisecond, Timeout: 30 * time.Second, Body: 64 << 10, Samples: 100, Again: time.Hour}
}

// serve starts a program that answers h, as a target.
func serve(t *testing.T, job string, h http.HandlerFunc) prom.Target {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return prom.Target{Job: job, Instance: job + "-1", Address: strings.TrimPrefix(srv.URL, "http://")}
}

// one asks for the one value of an expression, now.
func one(t *testing.T, s *prom.Store, expr string) (float64, bool) {
	t.Helper()
	got, err := s.Query(t.Context(), expr, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		return 0, false
	}
	return got[0].Points[0].Value, true
}

func TestScrape(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{Scrape: quick()})
	run(t, s)
	reg := prometheus.NewRegistry()
	orders := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orders_total", Help: "Orders."}, []string{"job", "kind"})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Buckets: []float64{1, 2}, NativeHistogramBucketFactor: 1.1})
	reg.MustRegister(orders, took)
	orders.WithLabelValues("mine", "web").Add(7)
	orders.WithLabelValues("mine", "shop").Add(1)
	took.(prometheus.ExemplarObserver).ObserveWithExemplar(1.5, prometheus.Labels{"trace_id": "abc"})
	h := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
	target := serve(t, "order", h.ServeHTTP)
	target.Labels = []prom.Label{{"version", "v1"}}
	if err := s.SetTargets([]prom.Target{target}); err != nil {
		t.Fatal(err)
	}
	until(t, "a scrape", func() bool {
		v, found := one(t, s, `up{job="order",instance="order-1",version="v1"}`)
		return found && v == 1
	})
	for expr, want := range map[string]float64{
		`orders_total{job="order",exported_job="mine",kind="web"}`: 7,
		`took_seconds_bucket{le="2.0"}`:                            1, // with le as OpenMetrics writes it
		`histogram_count(took_seconds)`:                            1,
		`scrape_samples_scraped > bool 5`:                          1,
		`scrape_series_added >= bool 0`:                            1,
	} {
		if v, found := one(t, s, expr); !found || v != want {
			t.Errorf("%s: %v %v, want %v", expr, v, found, want)
		}
	}
	c := client(t, s)
	targets, err := c.Targets(t.Context())
	if err != nil || len(targets.Active) != 1 || targets.Active[0].Health != "up" || targets.Active[0].Labels["version"] != "v1" || targets.Active[0].ScrapePool != "order" {
		t.Errorf("%+v %v", targets, err)
	}
	about, err := c.TargetsMetadata(t.Context(), `{job="order"}`, "orders_total", "")
	if err != nil || len(about) != 1 || about[0].Help != "Orders." {
		t.Errorf("%+v %v", about, err)
	}
	found, err := c.QueryExemplars(t.Context(), `took_seconds`, time.Now().Add(-time.Minute), time.Now())
	if err != nil || len(found) == 0 {
		t.Errorf("%v %v", found, err)
	}

	// A series that is there no more ends at once, its sister goes on.
	orders.DeleteLabelValues("mine", "web")
	until(t, "the end of a series", func() bool {
		_, found := one(t, s, `orders_total{kind="web"}`)
		return !found
	})
	if _, found := one(t, s, `orders_total{kind="shop"}`); !found {
		t.Error("another series ended, too")
	}
	// So do all of a target that is one no more.
	if err := s.SetTargets(nil); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the target", func() bool {
		_, up := one(t, s, `up`)
		_, series := one(t, s, `orders_total`)
		return !up && !series
	})
}

// TestScrapeDown has a target that works fail: it is down, and its series end.
func TestScrapeDown(t *testing.T) {
	t.Parallel()
	limits := quick()
	limits.Interval, limits.Timeout = 100*time.Millisecond, time.Second // a target that hangs is waited for
	s := open(t, prom.Options{Scrape: limits})
	run(t, s)
	client := client(t, s)
	var broken atomic.Int32
	target := serve(t, "order", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		switch broken.Load() {
		case 0:
			fmt.Fprintln(w, "# TYPE a counter\na 1")
		case 1:
			w.WriteHeader(500)
		case 2:
			fmt.Fprintln(w, "a 1\nb{ 2\x00\xff")
		case 3:
			for i := range 101 {
				fmt.Fprintf(w, "a{n=\"%d\"} 1\n", i)
			}
		case 4:
			line := []byte(strings.Repeat("# much\n", 1000))
			for range 15_000 { // 100 MB
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		case 5:
			<-r.Context().Done()
		}
	})
	if err := s.SetTargets([]prom.Target{target}); err != nil {
		t.Fatal(err)
	}
	for how, want := range []string{"", "server returned HTTP status 500", "expected", "sample limit of 100 exceeded", "body size limit of 65536 bytes exceeded", "deadline exceeded"} {
		broken.Store(0)
		until(t, "it is up", func() bool {
			up, _ := one(t, s, `up`)
			_, found := one(t, s, `a`)
			return up == 1 && found
		})
		broken.Store(int32(how))
		if how == 0 {
			continue
		}
		until(t, want, func() bool {
			up, _ := one(t, s, `up`)
			_, found := one(t, s, `a`)
			targets, err := client.Targets(t.Context())
			return err == nil && up == 0 && !found && len(targets.Active) == 1 && targets.Active[0].Health == "down" &&
				strings.Contains(targets.Active[0].LastError, want)
		})
	}
}

// TestNoMetrics asks programs that expose none: nobody hears of them.
func TestNoMetrics(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{Scrape: quick(), SelfEvery: -1})
	run(t, s)
	var asked atomic.Int32
	var targets []prom.Target
	for job, answer := range map[string]http.HandlerFunc{
		"missing": http.NotFound,
		"page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintln(w, "<html>a 1</html>")
		},
		"text": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello, world of text!") },
		"bytes": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte{0, 1, 2, 0xff})
		},
		"liar": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
			_, _ = w.Write([]byte("\xff\xff\xff\xff\x0fwhat?"))
		},
		"empty": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/plain") },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		},
	} {
		targets = append(targets, serve(t, job, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			answer(w, r)
		}))
	}
	if err := s.SetTargets(targets); err != nil {
		t.Fatal(err)
	}
	until(t, "each is asked", func() bool { return asked.Load() >= 7 })
	// A target that works is scraped three times meanwhile.
	works := serve(t, "works", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintln(w, "b 1")
	})
	if err := s.SetTargets(append(targets, works)); err != nil {
		t.Fatal(err)
	}
	until(t, "three scrapes", func() bool {
		v, _ := one(t, s, `count_over_time(up{job="works"}[1m])`)
		return v >= 3
	})
	if n := asked.Load(); n != 7 {
		t.Errorf("asked %d times", n)
	}
	if v, _ := one(t, s, `count({__name__=~".+",job!="works"})`); v != 0 {
		t.Errorf("%v series of programs without metrics", v)
	}
	if n := s.Stats().Targets; n != 1 {
		t.Errorf("%d targets", n)
	}
}
