package prom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"
)

// maxForm is how many bytes the parameters of one question may have.
const maxForm = 1 << 20

// question answers one request of the API.
type question func(r *http.Request) (answer, error)

// Handler serves Prometheus's HTTP API v1. The caller strips the prefix that
// it mounts it under, and lets nobody in who may not ask.
func (s *Store) Handler() http.Handler {
	m := http.NewServeMux()
	for path, ask := range map[string]question{
		"query":           s.askQuery,
		"query_range":     s.askRange,
		"query_exemplars": s.askExemplars,
		"format_query":    s.askFormat,
		"series":          s.askSeries,
		"labels":          s.askLabels,
	} {
		m.Handle("GET /api/v1/"+path, ask)
		m.Handle("POST /api/v1/"+path, ask)
	}
	for path, ask := range map[string]question{
		"label/{name}/values": s.askValues,
		"metadata":            s.askMetadata,
		"rules":               s.askRules,
		"alerts":              s.askAlerts,
		"alertmanagers":       s.askAlertmanagers,
		"targets":             s.askTargets,
		"targets/metadata":    s.askTargetMetadata,
		"scrape_pools":        s.askPools,
		"status/buildinfo":    s.askBuild,
		"status/runtimeinfo":  s.askRuntime,
		"status/tsdb":         s.askTSDB,
		"status/tsdb/blocks":  s.askBlocks,
		"status/flags":        s.askFlags,
		"status/config":       s.askConfig,
		"status/walreplay":    s.askReplay,
	} {
		m.Handle("GET /api/v1/"+path, ask)
	}
	m.HandleFunc("GET /-/healthy", s.well("healthy"))
	m.HandleFunc("GET /-/ready", s.well("ready"))
	m.HandleFunc("/api/v1/admin/", func(w http.ResponseWriter, r *http.Request) {
		writeRefusal(w, r, &refusal{unavailable, errors.New("admin APIs disabled")}) // in Prometheus's words
	})
	m.HandleFunc("/api/v1/", func(w http.ResponseWriter, r *http.Request) {
		writeRefusal(w, r, &refusal{notFound, fmt.Errorf("there is no %s %s", r.Method, r.URL.Path)})
	})
	return m
}

// ServeHTTP answers a question of the API.
func (ask question) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		writeRefusal(w, r, &refusal{badData, fmt.Errorf("error parsing form values: %w", err)})
		return
	}
	a, err := ask(r)
	if err != nil {
		writeRefusal(w, r, refusalOf(err))
		return
	}
	a.write(w, r)
}

func (s *Store) well(how string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.closed {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "Prometheus Server is %s.\n", how) // what clients of Prometheus look for
	}
}

// limits are the parameters that questions for data have in common.
type limits struct {
	limit  int
	within context.Context
	end    context.CancelFunc
	opts   promql.QueryOpts
	stats  string
}

func queryLimits(r *http.Request) (l limits, err error) {
	if l.limit, err = limitParam(r, "limit"); err != nil {
		return l, err
	}
	lookback := time.Duration(0)
	if text := r.Form.Get("lookback_delta"); text != "" {
		if lookback, err = parseDuration(text); err != nil {
			return l, refuse(badData, "error parsing lookback delta duration: %w", err)
		}
	}
	l.stats = r.Form.Get("stats")
	l.opts = promql.NewPrometheusQueryOpts(l.stats == "all", lookback)
	l.within, l.end = r.Context(), func() {}
	if text := r.Form.Get("timeout"); text != "" {
		d, err := parseDuration(text)
		if err != nil {
			return l, badParam("timeout", err)
		}
		l.within, l.end = context.WithTimeout(l.within, d)
	}
	return l, nil
}

func (s *Store) askQuery(r *http.Request) (answer, error) {
	at, err := timeParam(r, "time", time.Now())
	if err != nil {
		return answer{}, err
	}
	l, err := queryLimits(r)
	if err != nil {
		return answer{}, err
	}
	defer l.end()
	q, err := s.engine.NewInstantQuery(l.within, s, l.opts, r.Form.Get("query"), at)
	if err != nil {
		return answer{}, badQuery(err)
	}
	return s.result(q, l)
}

func (s *Store) askRange(r *http.Request) (answer, error) {
	start, err := parseTime(r.Form.Get("start"))
	if err != nil {
		return answer{}, badParam("start", err)
	}
	end, err := parseTime(r.Form.Get("end"))
	if err != nil {
		return answer{}, badParam("end", err)
	}
	if end.Before(start) {
		return answer{}, badParam("end", errors.New("end timestamp must not be before start time"))
	}
	step, err := parseDuration(r.Form.Get("step"))
	if err != nil {
		return answer{}, badParam("step", err)
	}
	if step <= 0 {
		return answer{}, badParam("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	if end.Sub(start)/step > maxSteps {
		return answer{}, refuse(badData, "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	l, err := queryLimits(r)
	if err != nil {
		return answer{}, err
	}
	defer l.end()
	q, err := s.engine.NewRangeQuery(l.within, s, l.opts, r.Form.Get("query"), start, end, step)
	if err != nil {
		return answer{}, badQuery(err)
	}
	return s.result(q, l)
}

// result runs q and writes out what it answers, before the engine uses its
// memory again.
func (s *Store) result(q promql.Query, l limits) (answer, error) {
	defer q.Close()
	res := s.exec(l.within, q)
	if res.Err != nil {
		return answer{}, res.Err
	}
	a := answer{warnings: res.Warnings, query: q.String()}
	value := res.Value
	if cut, ok := truncate(value, l.limit); ok {
		value = cut
		a.warnings.Add(errTruncated)
	}
	a.raw = append(a.raw, `{"resultType":"`...)
	a.raw = append(append(a.raw, value.Type()...), `","result":`...)
	a.raw = appendResult(a.raw, value)
	if l.stats != "" {
		figures, err := json.Marshal(stats.NewQueryStats(q.Stats()))
		if err != nil {
			return answer{}, &refusal{internal, err}
		}
		a.raw = append(append(a.raw, `,"stats":`...), figures...)
	}
	a.raw = append(a.raw, '}')
	return a, nil
}

var errTruncated = errors.New("results truncated due to limit")

func truncate(v parser.Value, limit int) (parser.Value, bool) {
	switch v := v.(type) {
	case promql.Vector:
		if limit > 0 && len(v) > limit {
			return v[:limit], true
		}
	case promql.Matrix:
		if limit > 0 && len(v) > limit {
			return v[:limit], true
		}
	}
	return v, false
}

func (s *Store) askExemplars(r *http.Request) (answer, error) {
	start, err := timeParam(r, "start", minTime())
	if err != nil {
		return answer{}, err
	}
	end, err := timeParam(r, "end", maxTime())
	if err != nil {
		return answer{}, err
	}
	if end.Before(start) {
		return answer{}, refuse(badData, "end timestamp must not be before start timestamp")
	}
	expr, err := s.parser.ParseExpr(r.Form.Get("query"))
	if err != nil {
		return answer{}, &refusal{badData, err}
	}
	selectors := parser.ExtractSelectors(expr)
	if len(selectors) == 0 {
		return answer{raw: []byte("[]")}, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return answer{}, ErrClosed
	}
	q, err := s.db.ExemplarQuerier(r.Context())
	if err != nil {
		return answer{}, err
	}
	found, err := q.Select(start.UnixMilli(), end.UnixMilli(), selectors...)
	if err != nil {
		return answer{}, err
	}
	return answer{raw: appendExemplars(nil, found)}, nil
}

func (s *Store) askFormat(r *http.Request) (answer, error) {
	expr, err := s.parser.ParseExpr(r.Form.Get("query"))
	if err != nil {
		return answer{}, badParam("query", err)
	}
	return answer{data: expr.Pretty(0)}, nil
}

// badQuery is an expression that cannot be read, unless it never got its turn.
func badQuery(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return badParam("query", err)
}

// badParam is a parameter that cannot be understood.
func badParam(name string, err error) error {
	return &refusal{badData, fmt.Errorf("invalid parameter %q: %w", name, err)}
}

func limitParam(r *http.Request, name string) (int, error) {
	text := r.Form.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err == nil && n < 0 {
		err = errors.New("limit must be non-negative")
	}
	if err != nil {
		return 0, badParam(name, err)
	}
	return n, nil
}

// The times that stand for no bound: what Prometheus and its clients use.
func minTime() time.Time { return time.Unix(math.MinInt64/1000+62135596801, 0).UTC() }
func maxTime() time.Time { return time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC() }

func timeParam(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	text := r.Form.Get(name)
	if text == "" {
		return otherwise, nil
	}
	t, err := parseTime(text)
	if err != nil {
		return t, badParam(name, fmt.Errorf("invalid time value for '%s': %w", name, err))
	}
	return t, nil
}

// parseTime reads seconds of Unix time or RFC 3339.
func parseTime(text string) (time.Time, error) {
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 1<<53 {
		whole, part := math.Modf(f)
		return time.Unix(int64(whole), int64(math.Round(part*1000))*int64(time.Millisecond)).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, t := range [...]time.Time{minTime(), maxTime()} {
		if text == t.Format(time.RFC3339Nano) {
			return t, nil // their years have more digits than time.Parse reads
		}
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", text)
}

// parseDuration reads seconds, or Prometheus's 1h30m.
func parseDuration(text string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		ns := f * float64(time.Second)
		if math.IsNaN(ns) || ns > math.MaxInt64 || ns < math.MinInt64 {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", text)
		}
		return time.Duration(ns), nil
	}
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", text)
}

// matchers reads the parameters match[].
func (s *Store) matchers(r *http.Request) ([][]*labels.Matcher, error) {
	sets, err := s.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, &refusal{badData, err}
	}
	for _, set := range sets {
		narrow := false
		for _, m := range set {
			narrow = narrow || !m.Matches("")
		}
		if !narrow {
			return nil, refuse(badData, "match[] must contain at least one non-empty matcher")
		}
	}
	return sets, nil
}

// truncated cuts a list to the limit, with a warning.
func truncated[T any](list []T, limit int, a *annotations.Annotations) []T {
	if limit > 0 && len(list) > limit {
		a.Add(errTruncated)
		return list[:limit]
	}
	return list
}
