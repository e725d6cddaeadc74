package prom

import (
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/tsdb/index"
)

// speaks is the version of Prometheus whose API this is: clients choose by it
// what they ask.
const speaks = "3.15.0"

func (s *Store) askBuild(*http.Request) (answer, error) {
	return answer{data: map[string]string{
		"version":   speaks,
		"revision":  s.opts.Version,
		"branch":    "plat",
		"buildUser": "",
		"buildDate": "",
		"goVersion": runtime.Version(),
	}}, nil
}

func (s *Store) askRuntime(*http.Request) (answer, error) {
	host, _ := os.Hostname()
	return answer{data: map[string]any{
		"startTime":           s.started.UTC(),
		"CWD":                 s.opts.Dir,
		"hostname":            host,
		"serverTime":          time.Now().UTC(),
		"reloadConfigSuccess": true,
		"lastConfigTime":      s.started.UTC(),
		"corruptionCount":     len(s.damage.all()),
		"goroutineCount":      runtime.NumGoroutine(),
		"GOMAXPROCS":          runtime.GOMAXPROCS(0),
		"GOMEMLIMIT":          0,
		"GOGC":                os.Getenv("GOGC"),
		"GODEBUG":             os.Getenv("GODEBUG"),
		"storageRetention":    s.kept().words(),
	}}, nil
}

// tsdbStat is a name with how often it occurs.
type tsdbStat struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

func statsOf(from []index.Stat) []tsdbStat {
	to := make([]tsdbStat, len(from))
	for i, x := range from {
		to[i] = tsdbStat{x.Name, x.Count}
	}
	return to
}

func (s *Store) askTSDB(r *http.Request) (answer, error) {
	limit := 10
	if text := r.Form.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return answer{}, refuse(badData, "limit must be a positive number")
		}
		if n > 10_000 {
			return answer{}, refuse(badData, "limit must not exceed 10000")
		}
		limit = n
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return answer{}, ErrClosed
	}
	x := s.db.Head().Stats(model.MetricNameLabel, limit)
	return answer{data: map[string]any{
		"headStats": map[string]any{
			"numSeries":     x.NumSeries,
			"numLabelPairs": x.IndexPostingStats.NumLabelPairs,
			"chunkCount":    int64(s.figure("prometheus_tsdb_head_chunks")),
			"minTime":       x.MinTime,
			"maxTime":       x.MaxTime,
		},
		"seriesCountByMetricName":     statsOf(x.IndexPostingStats.CardinalityMetricsStats),
		"labelValueCountByLabelName":  statsOf(x.IndexPostingStats.CardinalityLabelStats),
		"memoryInBytesByLabelName":    statsOf(x.IndexPostingStats.LabelValueStats),
		"seriesCountByLabelValuePair": statsOf(x.IndexPostingStats.LabelValuePairsStats),
	}}, nil
}

func (s *Store) askBlocks(*http.Request) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return answer{}, ErrClosed
	}
	return answer{data: map[string]any{"blocks": s.db.BlockMetas()}}, nil
}

// askFlags tells the bounds by the names that Prometheus has for them.
func (s *Store) askFlags(*http.Request) (answer, error) {
	return answer{data: map[string]string{
		"query.lookback-delta":        s.opts.Query.Lookback.String(),
		"query.max-concurrency":       strconv.Itoa(s.opts.Query.Concurrent),
		"query.max-samples":           strconv.Itoa(s.opts.Query.MaxSamples),
		"query.timeout":               s.opts.Query.Timeout.String(),
		"storage.tsdb.path":           s.opts.Dir,
		"storage.tsdb.retention.size": strconv.FormatInt(s.kept().size, 10) + "B",
		"storage.tsdb.retention.time": s.kept().keep.String(),
	}}, nil
}

// askConfig answers as far as there is one: plat has its plan instead of
// Prometheus's configuration, and Grafana looks here for the interval alone.
func (s *Store) askConfig(*http.Request) (answer, error) {
	return answer{data: map[string]string{
		"yaml": "global:\n  scrape_interval: " + s.opts.Scrape.Interval.String() + "\n",
	}}, nil
}

func (s *Store) askReplay(*http.Request) (answer, error) {
	return answer{data: map[string]int{"min": 0, "max": 0, "current": 0}}, nil
}
