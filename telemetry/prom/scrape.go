package prom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// formats are what is asked for, the best first: only protobuf has native
// histograms, only it and OpenMetrics have exemplars.
const formats = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," +
	"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
	"text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"

// outcome of asking a target.
type outcome int

const (
	kept      outcome = iota // its metrics are kept
	failed                   // it exposes metrics, or may, and could not be asked
	noMetrics                // it exposes none
)

// notMetrics is an answer that is no exposition of metrics.
type notMetrics struct{ error }

// overLimit is an exposition that is too large.
type overLimit struct{ error }

func is[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// watcher scrapes one target; one goroutine alone uses it.
type watcher struct {
	c      *scraper
	t      *target
	series map[string]*scraped // by their text in the exposition
	round  uint64
	told   bool // up and its like were written
}

// scraped is a series of a target.
type scraped struct {
	ref    storage.SeriesRef
	labels labels.Labels
	round  uint64 // in which it was seen last
	stale  bool   // it ends when it is not seen: it has no time of its own
}

// once asks the target once, and keeps what it says.
func (w *watcher) once(ctx context.Context, within time.Duration) outcome {
	start := time.Now()
	within2, end := context.WithTimeout(ctx, within)
	body, kind, err := w.fetch(within2)
	end()
	if ctx.Err() != nil {
		return failed
	}
	w.t.mu.Lock()
	exposes := w.t.exposes
	w.t.mu.Unlock()
	got := counts{}
	if err == nil {
		got, err = w.take(ctx, body, kind, start)
	}
	took := time.Since(start)
	if !exposes {
		switch {
		case is[notMetrics](err), err == nil && got.samples == 0:
			return noMetrics
		case err != nil && !is[overLimit](err):
			return failed // it may be starting, and is asked again soon; nobody hears of it
		}
	}
	w.t.mu.Lock()
	w.t.exposes, w.t.last, w.t.took, w.t.err = true, start, took, err
	w.t.mu.Unlock()
	if err != nil {
		got = counts{}
		w.end(ctx, start)
	}
	w.tell(ctx, start, took, err == nil, got)
	if err != nil {
		return failed
	}
	return kept
}

// fetch reads what the target says.
func (w *watcher) fetch(ctx context.Context) ([]byte, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.t.url(), http.NoBody)
	if err != nil {
		return nil, "", err
	}
	deadline, _ := ctx.Deadline()
	r.Header.Set("Traceparent", notTraced)
	r.Header.Set("Accept", formats)
	r.Header.Set("User-Agent", "plat")
	r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(time.Until(deadline).Seconds(), 'f', 3, 64))
	a, err := w.c.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer a.Body.Close()
	kind := a.Header.Get("Content-Type")
	switch {
	case a.StatusCode == http.StatusTooManyRequests || a.StatusCode >= 500:
		return nil, "", fmt.Errorf("server returned HTTP status %s", a.Status)
	case a.StatusCode != http.StatusOK:
		return nil, "", notMetrics{fmt.Errorf("server returned HTTP status %s", a.Status)}
	case !isMetrics(kind):
		return nil, "", notMetrics{fmt.Errorf("received unsupported Content-Type %q", kind)}
	}
	most := w.c.store.opts.Scrape.Body
	body, err := io.ReadAll(io.LimitReader(a.Body, most+1))
	if err != nil {
		return nil, "", err
	}
	if int64(len(body)) > most {
		err := fmt.Errorf("body size limit of %d bytes exceeded", most)
		if strings.Contains(kind, "version") || !strings.HasPrefix(kind, "text/plain") {
			return nil, "", overLimit{err}
		}
		return nil, "", notMetrics{err} // a large text, as far as anybody can tell
	}
	return body, kind, nil
}

// isMetrics tells whether a content type is one of an exposition of metrics.
// Plain text may be one.
func isMetrics(kind string) bool {
	media, _, err := mime.ParseMediaType(kind)
	return err == nil && (media == "text/plain" || media == "application/openmetrics-text" || media == "application/vnd.google.protobuf")
}

// counts of one scrape.
type counts struct{ samples, kept, added int }

// take keeps the samples of an exposition, all of them or none.
func (w *watcher) take(ctx context.Context, body []byte, kind string, at time.Time) (n counts, err error) {
	p, err := textparse.New(body, kind, labels.NewSymbolTable(), textparse.ParserOptions{
		KeepClassicOnClassicAndNativeHistograms: true,
		OpenMetricsSkipSTSeries:                 true,
		FallbackContentType:                     "text/plain",
	})
	if p == nil {
		return n, notMetrics{err}
	}
	a, err := w.c.store.intake(ctx, 0)
	if err != nil {
		return n, err
	}
	defer a.done()
	w.round++
	e := exposition{w: w, p: p, a: a, at: at.UnixMilli()}
	if err := e.read(); err != nil {
		return n, err
	}
	for text, s := range w.series {
		if s.round == w.round {
			continue
		}
		delete(w.series, text)
		if s.stale {
			_, _ = a.Append(s.ref, s.labels, 0, e.at, stale(), nil, nil, storage.AOptions{})
		}
	}
	return e.n, a.Commit()
}

func stale() float64 { return math.Float64frombits(value.StaleNaN) }

// exposition is what one scrape reads.
type exposition struct {
	w    *watcher
	p    textparse.Parser
	a    *intake
	at   int64
	n    counts
	name string // of the family
	meta metadata.Metadata
}

func (e *exposition) read() error {
	for {
		entry, err := e.p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return notMetrics{err}
		}
		switch entry {
		case textparse.EntryType:
			name, kind := e.p.Type()
			e.family(name)
			e.meta.Type = kind
			e.learn()
		case textparse.EntryHelp:
			name, help := e.p.Help()
			e.family(name)
			e.meta.Help = string(help)
			e.learn()
		case textparse.EntryUnit:
			name, unit := e.p.Unit()
			e.family(name)
			e.meta.Unit = string(unit)
			e.learn()
		case textparse.EntrySeries:
			text, at, v := e.p.Series()
			err = e.sample(text, at, v, nil, nil)
		case textparse.EntryHistogram:
			text, at, h, fh := e.p.Histogram()
			err = e.sample(text, at, 0, h, fh)
		}
		if err != nil {
			return err
		}
	}
}

func (e *exposition) family(name []byte) {
	if string(name) != e.name {
		e.name, e.meta = string(name), metadata.Metadata{}
	}
}

// learn remembers what is known of the family so far.
func (e *exposition) learn() {
	e.w.c.store.known.learn(e.name, e.meta)
	e.w.t.mu.Lock()
	defer e.w.t.mu.Unlock()
	if _, known := e.w.t.families[e.name]; known || len(e.w.t.families) < 1_000 {
		e.w.t.families[e.name] = e.meta
	}
}

func (e *exposition) sample(text []byte, own *int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) error {
	if e.n.samples++; e.n.samples > e.w.c.store.opts.Scrape.Samples {
		return overLimit{fmt.Errorf("sample limit of %d exceeded", e.w.c.store.opts.Scrape.Samples)}
	}
	at := e.at
	if own != nil {
		at = *own
	}
	s, known := e.w.series[string(text)]
	if !known {
		var ls labels.Labels
		e.p.Labels(&ls)
		s = &scraped{labels: e.w.t.label(ls)}
	}
	o := storage.AOptions{}
	var x exemplar.Exemplar
	for e.p.Exemplar(&x) {
		if !x.HasTs {
			x.Ts = at
		}
		o.Exemplars = append(o.Exemplars, x)
		x = exemplar.Exemplar{}
	}
	ref, err := e.a.Append(s.ref, s.labels, e.p.StartTimestamp(), at, v, h, fh, o)
	switch {
	case errors.Is(err, errMalformed):
		return notMetrics{err}
	case err != nil:
		return nil //nolint:nilerr // it was counted; the others are kept
	}
	e.n.kept++
	s.ref, s.round, s.stale = ref, e.w.round, own == nil
	if !known {
		e.n.added++
		e.w.series[strings.Clone(string(text))] = s
	}
	return nil
}

// label adds the target's labels to a series; where it has one of that name
// itself, its own is called exported_NAME, as Prometheus does.
func (t *target) label(ls labels.Labels) labels.Labels {
	b := labels.NewBuilder(ls)
	t.labels.Range(func(l labels.Label) {
		if own := ls.Get(l.Name); own != "" {
			name := model.ExportedLabelPrefix + l.Name
			for ls.Has(name) {
				name = model.ExportedLabelPrefix + name
			}
			b.Set(name, own)
		}
		b.Set(l.Name, l.Value)
	})
	return b.Labels()
}

// end ends all series of the target.
func (w *watcher) end(ctx context.Context, at time.Time) {
	if len(w.series) == 0 {
		return
	}
	a, err := w.c.store.intake(ctx, 0)
	if err != nil {
		return
	}
	defer a.done()
	for _, s := range w.series {
		if s.stale {
			_, _ = a.Append(s.ref, s.labels, 0, at.UnixMilli(), stale(), nil, nil, storage.AOptions{})
		}
	}
	clear(w.series)
	if err := a.Commit(); err != nil {
		w.c.store.opts.Log.Debug("metrics: end series", "job", w.t.Job, "instance", w.t.Instance, "err", err)
	}
}

// tell writes what Prometheus tells of each scrape.
func (w *watcher) tell(ctx context.Context, at time.Time, took time.Duration, up bool, n counts) {
	w.told = true
	w.report(ctx, at, [...]float64{truth(up), took.Seconds(), float64(n.samples), float64(n.kept), float64(n.added)})
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (w *watcher) report(ctx context.Context, at time.Time, values [5]float64) {
	a, err := w.c.store.intake(ctx, len(values))
	if err != nil {
		return
	}
	defer a.done()
	for i, name := range [...]string{"up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added"} {
		ls := labels.NewBuilder(w.t.labels).Set(model.MetricNameLabel, name).Labels()
		_, _ = a.Append(0, ls, 0, at.UnixMilli(), values[i], nil, nil, storage.AOptions{})
	}
	if err := a.Commit(); err != nil {
		w.c.store.opts.Log.Debug("metrics: report scrape", "job", w.t.Job, "instance", w.t.Instance, "err", err)
	}
}

// farewell ends the series of a target that is none any more. When plat ends,
// they do not.
func (w *watcher) farewell() {
	w.t.mu.Lock()
	gone := w.t.gone
	w.t.mu.Unlock()
	if !gone {
		return
	}
	ctx, at := context.Background(), time.Now() // the target's own context has ended
	w.end(ctx, at)
	if w.told {
		w.report(ctx, at, [...]float64{stale(), stale(), stale(), stale(), stale()})
	}
}

// notTraced tells instrumented programs that this request is not worth a trace:
// its flag sampled is not set (W3C Trace Context).
const notTraced = "00-706c61742d7363726170652d6f6e6c79-706c61742d736372-00"
