package prom

import (
	"math"
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
				all = append(all, Sample{Name: f.GetName(), Labels: ls, Value: m.GetCounter().GetValue(), Time: at, Type: "counter", Help: f.GetHelp()})
			case m.GetGauge() != nil:
				all = append(all, Sample{Name: f.GetName(), Labels: ls, Value: m.GetGauge().GetValue(), Time: at, Type: "gauge", Help: f.GetHelp()})
			case m.GetHistogram() != nil:
				all = append(all, histogramOf(f, m.GetHistogram(), ls, at)...)
			}
		}
	}
	return all
}

func histogramOf(f *dto.MetricFamily, h *dto.Histogram, ls []Label, at time.Time) []Sample {
	bounds, counts, before := []float64{}, []uint64{}, uint64(0)
	for _, b := range h.GetBucket() {
		if math.IsInf(b.GetUpperBound(), 1) {
			continue // it is there only when it has an exemplar
		}
		bounds = append(bounds, b.GetUpperBound())
		counts = append(counts, b.GetCumulativeCount()-before)
		before = b.GetCumulativeCount()
	}
	counts = append(counts, h.GetSampleCount()-before)
	all := Histogram(f.GetName(), f.GetHelp(), ls, bounds, counts, h.GetSampleSum(), at)
	for i, b := range h.GetBucket() {
		for _, l := range b.GetExemplar().GetLabel() {
			if l.GetName() == "trace_id" {
				all[i].Exemplar = &Exemplar{l.GetValue(), b.GetExemplar().GetValue(), b.GetExemplar().GetTimestamp().AsTime()}
			}
		}
	}
	return all
}
