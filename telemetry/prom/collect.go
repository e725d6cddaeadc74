package prom

import (
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Samples turns what a Gatherer of Prometheus's client library gave into
// samples of one moment. Summaries and native histograms are left out: nothing
// of plat's own makes them.
func Samples(families []*dto.MetricFamily, at time.Time) []Sample {
	var all []Sample
	for _, f := range families {
		for _, m := range f.GetMetric() {
			ls := make([]Label, 0, len(m.GetLabel()))
			for _, l := range m.GetLabel() {
				ls = append(ls, Label{l.GetName(), l.GetValue()})
			}
			switch {
			case m.GetCounter() != nil:
				all = append(all, Sample{f.GetName(), ls, m.GetCounter().GetValue(), at, "counter", f.GetHelp()})
			case m.GetGauge() != nil:
				all = append(all, Sample{f.GetName(), ls, m.GetGauge().GetValue(), at, "gauge", f.GetHelp()})
			case m.GetHistogram() != nil:
				h := m.GetHistogram()
				bounds, counts, before := []float64{}, []uint64{}, uint64(0)
				for _, b := range h.GetBucket() {
					bounds = append(bounds, b.GetUpperBound())
					counts = append(counts, b.GetCumulativeCount()-before)
					before = b.GetCumulativeCount()
				}
				counts = append(counts, h.GetSampleCount()-before)
				all = append(all, Histogram(f.GetName(), f.GetHelp(), ls, bounds, counts, h.GetSampleSum(), at)...)
			}
		}
	}
	return all
}
