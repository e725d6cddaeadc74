package figures_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/figures"
)

func TestJourneys(t *testing.T) {
	t.Parallel()
	j := figures.NewJourneys()
	end := time.Unix(1_800_000_000, 5e8)
	j.Observe(figures.Journey{Name: "purchase", Owner: "ordering", Passed: true, Duration: 40 * time.Millisecond, End: end})
	j.Observe(figures.Journey{Name: "purchase", Owner: "ordering", Duration: 15 * time.Second, End: end.Add(time.Minute)})
	j.Observe(figures.Journey{Name: "browse", Owner: "website", Passed: true, Duration: time.Millisecond, End: end})
	j.Forget("browse")
	got := map[string]float64{}
	families, err := j.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"plat_probe_success purchase ordering":                    0,
		"plat_probe_last_run_timestamp_seconds purchase ordering": 1_800_000_060.5,
		"plat_probe_runs_total purchase ordering passed":          1,
		"plat_probe_runs_total purchase ordering failed":          1,
		"plat_probe_duration_seconds purchase ordering":           1, // of the one that passed
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("figures (-want +got):\n%s", d)
	}
}
