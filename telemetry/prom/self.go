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
		{samplesKept, nil, float64(st.Samples), now, "counter", "Samples that were kept."},
		{seriesLive, nil, float64(st.Series), now, "gauge", "Series that are live."},
		{seriesMost, nil, float64(s.opts.MaxSeries), now, "gauge", "Series that may be live."},
	}
	for reason, n := range map[string]uint64{
		"disk-full": st.Refused.DiskFull, "capped": st.Refused.Capped, "future": st.Refused.Future,
		"late": st.Refused.Late, "twice": st.Refused.Twice, "malformed": st.Refused.Malformed,
	} {
		all = append(all, Sample{samplesRefused, []Label{{"reason", reason}}, float64(n), now, "counter", "Samples that were not kept, by the reason."})
	}
	for _, c := range s.Capped() {
		x := Sample{seriesDropped, []Label{{"metric", c.Metric}, {"job", c.Job}}, float64(c.Dropped), now,
			"counter", "Samples of series beyond the cap of their metric, which were dropped."}
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
