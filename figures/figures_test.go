package figures_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"

	"github.com/plat-dev/plat/figures"
)

// text is what is counted, in Prometheus's own format, without help and buckets
// that are empty.
func text(t *testing.T, f *figures.Figures) []string {
	t.Helper()
	families, err := f.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, " 0\n") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestObserve(t *testing.T) {
	t.Parallel()
	f := figures.New([]float64{20, 0.3})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			f.Observe(figures.Exchange{Service: "web", Gateway: "public", Route: "/", Status: 200, Duration: 15 * time.Second})
		})
	}
	wg.Wait()
	f.Observe(figures.Exchange{Service: "order", Caller: "web", Status: 0, Duration: 40 * time.Second, Synthetic: true})
	got := text(t, f)
	want := []string{
		`plat_request_duration_seconds_bucket{caller="",gateway="public",route="/",service="web",synthetic="false",le="20"} 2`,
		`plat_request_duration_seconds_bucket{caller="",gateway="public",route="/",service="web",synthetic="false",le="30"} 2`,
		`plat_request_duration_seconds_bucket{caller="",gateway="public",route="/",service="web",synthetic="false",le="+Inf"} 2`,
		`plat_request_duration_seconds_sum{caller="",gateway="public",route="/",service="web",synthetic="false"} 30`,
		`plat_request_duration_seconds_count{caller="",gateway="public",route="/",service="web",synthetic="false"} 2`,
		`plat_request_duration_seconds_bucket{caller="web",gateway="",route="",service="order",synthetic="true",le="+Inf"} 1`,
		`plat_request_duration_seconds_sum{caller="web",gateway="",route="",service="order",synthetic="true"} 40`,
		`plat_request_duration_seconds_count{caller="web",gateway="",route="",service="order",synthetic="true"} 1`,
		`plat_requests_total{caller="",code_class="2xx",gateway="public",route="/",service="web",synthetic="false"} 2`,
		`plat_requests_total{caller="web",code_class="none",gateway="",route="",service="order",synthetic="true"} 1`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f.SetBounds([]float64{0.3, 20, 0.3})
	if diff := cmp.Diff(want, text(t, f)); diff != "" {
		t.Errorf("the same bounds in another order began anew:\n%s", diff)
	}
	f.SetBounds([]float64{0.2})
	if got := text(t, f); len(got) != 0 {
		t.Errorf("new bounds did not begin anew: %q", got)
	}
}
