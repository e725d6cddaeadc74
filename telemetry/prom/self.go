package prom

import (
	"context"
	"time"
)

// The names under which a Store writes its own figures.
const (
	seriesDropped  = "plat_telemetry_series_dropped_total"
	samplesRefused = "plat_telemetry_samples_refused_total"
	samplesKept    = "plat_telemetry_samples_total"
	seriesLive     = "plat_telemetry_series"
	seriesMost     = "plat_telemetry_series_limit"
)

// tellSelf writes the store's own figures, until ctx ends.
func (s *Store) tellSelf(ctx context.Context) {
	if s.opts.SelfEvery < 0 {
		return
	}
	seen := make(map[family]bool)
	every := time.NewTicker(s.opts.SelfEvery)
	defer every.Stop()
	for {
		if err := s.Append(ctx, s.self(time.Now(), seen)); err != nil && ctx.Err() == nil {
			s.opts.Log.Debug("metrics: own figures", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// self makes them. A counter that appears for the first time is preceded by
// zero, so that increase() sees its first step, too.
func (s *Store) self(now time.Time, seen map[family]bool) []Sample {
	st := s.Stats()
	all := []Sample{
		{Name: samplesKept, Value: float64(st.Samples), Time: now, Type: "counter", Help: "Samples that were kept."},
		{Name: seriesLive, Value: float64(st.Series), Time: now, Type: "gauge", Help: "Series that are live."},
		{Name: seriesMost, Value: float64(s.opts.MaxSeries), Time: now, Type: "gauge", Help: "Series that may be live."},
	}
	for reason, n := range map[string]uint64{
		"disk-full": st.Refused.DiskFull, "capped": st.Refused.Capped, "future": st.Refused.Future,
		"late": st.Refused.Late, "twice": st.Refused.Twice, "malformed": st.Refused.Malformed,
	} {
		all = append(all, Sample{Name: samplesRefused, Labels: []Label{{"reason", reason}}, Value: float64(n), Time: now, Type: "counter", Help: "Samples that were not kept, by the reason."})
	}
	for _, c := range s.Capped() {
		x := Sample{Name: seriesDropped, Labels: []Label{{"metric", c.Metric}, {"job", c.Job}}, Value: float64(c.Dropped), Time: now,
			Type: "counter", Help: "Samples of series beyond the cap of their metric, which were dropped."}
		if f := (family{c.Metric, c.Job}); !seen[f] {
			seen[f] = true
			zero := x
			zero.Value, zero.Time = 0, now.Add(-s.opts.SelfEvery)
			all = append(all, zero)
		}
		all = append(all, x)
	}
	return all
}
