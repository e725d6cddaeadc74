package prom

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"

	"github.com/plat-dev/plat/fault"
)

// Target is a process that may expose metrics.
type Target struct {
	Job      string
	Instance string
	Address  string        // host:port
	Path     string        // default /metrics
	Labels   []Label       // added to all its series
	Interval time.Duration // default ScrapeLimits.Interval
}

// ScrapeLimits bound what one scrape may cost.
type ScrapeLimits struct {
	Interval time.Duration // default 15 s
	Timeout  time.Duration // of one scrape; default 5 s, never more than the interval
	Body     int64         // bytes, unpacked; default 8 MiB
	Samples  int           // default 10,000
	Again    time.Duration // how long until a target that exposed no metrics is asked again; default 10 minutes
	AtOnce   int           // scrapes at the same time; default 8
	Targets  int           // that are taken at most; default 1,000
}

func (l ScrapeLimits) withDefaults() ScrapeLimits {
	l.Interval = or(l.Interval, 15*time.Second)
	l.Timeout = or(l.Timeout, 5*time.Second)
	l.Body = or(l.Body, 8<<20)
	l.Samples = or(l.Samples, 10_000)
	l.Again = or(l.Again, 10*time.Minute)
	l.AtOnce = or(l.AtOnce, 8)
	l.Targets = or(l.Targets, 1_000)
	return l
}

// scraper asks targets for their metrics.
type scraper struct {
	store  *Store
	client *http.Client
	turn   chan struct{}

	changed chan struct{} // there are targets to begin

	mu      sync.Mutex
	targets map[targetID]*target
	wg      sync.WaitGroup
	stopped bool
}

type targetID struct{ job, instance string }

// target is one that is asked, and what was seen of it.
type target struct {
	Target
	labels labels.Labels      // job, instance and its own
	end    context.CancelFunc // nil until it is begun
	ended  chan struct{}
	after  <-chan struct{} // its forerunner's end; nil: it had none

	mu       sync.Mutex
	gone     bool // its series are to end with it
	exposes  bool // it has answered with metrics once
	last     time.Time
	took     time.Duration
	err      error
	families map[string]metadata.Metadata
}

func newScraper(s *Store) *scraper {
	c := s.opts.Client
	if c == nil {
		c = &http.Client{
			Transport: &http.Transport{
				MaxIdleConnsPerHost: 1,
				IdleConnTimeout:     5 * time.Minute,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &scraper{store: s, client: c, turn: make(chan struct{}, s.opts.Scrape.AtOnce), targets: make(map[targetID]*target), changed: make(chan struct{}, 1)}
}

// SetTargets makes these the targets, from now on. Each is asked at once
// whether it exposes metrics at all: one that does is scraped on its schedule
// and has its figure up; one that does not (it answers 404, or with something
// else) is no target, and is asked again rarely. A target that is as it was
// goes on undisturbed; the series of one that is not named any more end.
func (s *Store) SetTargets(targets []Target) error {
	if n := s.opts.Scrape.Targets; len(targets) > n {
		return fault.Newf(fault.TelemetryBadQuery, "%d targets", len(targets)).Why(fmt.Sprintf("at most %d are scraped", n))
	}
	return s.scraper.set(targets)
}

func (c *scraper) set(targets []Target) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return ErrClosed
	}
	wanted := make(map[targetID]bool)
	for _, to := range targets {
		id := targetID{to.Job, to.Instance}
		wanted[id] = true
		t := &target{Target: to, labels: labelsOf(to), families: make(map[string]metadata.Metadata), ended: make(chan struct{})}
		if now := c.targets[id]; now != nil {
			if reflect.DeepEqual(now.Target, to) {
				continue
			}
			if c.drop(now); now.end != nil {
				t.after = now.ended
			}
		}
		c.targets[id] = t
	}
	for id, t := range c.targets {
		if !wanted[id] {
			c.drop(t)
			delete(c.targets, id)
		}
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
	return nil
}

func labelsOf(t Target) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, l := range t.Labels {
		b.Set(l.Name, l.Value)
	}
	return b.Set("job", t.Job).Set("instance", t.Instance).Labels()
}

// drop ends a target and its series. c.mu is held.
func (c *scraper) drop(t *target) {
	t.mu.Lock()
	t.gone = true
	t.mu.Unlock()
	if t.end != nil {
		t.end()
	}
}

// run begins targets, and scrapes them until ctx ends.
func (c *scraper) run(ctx context.Context) {
	defer c.stop()
	for {
		c.mu.Lock()
		for _, t := range c.targets {
			if t.end == nil && !c.stopped {
				var within context.Context
				within, t.end = context.WithCancel(ctx)
				c.wg.Go(func() { c.watch(within, t) })
			}
		}
		c.mu.Unlock()
		select {
		case <-c.changed:
		case <-ctx.Done():
			return
		}
	}
}

// stop ends scraping for good. Series do not end: a plat that starts again
// goes on with them.
func (c *scraper) stop() {
	c.mu.Lock()
	c.stopped = true
	for _, t := range c.targets {
		if t.end != nil {
			t.end()
		}
	}
	c.mu.Unlock()
	c.wg.Wait()
	c.client.CloseIdleConnections()
}

// count is how many targets expose metrics.
func (c *scraper) count() (n int) {
	for _, t := range c.all() {
		t.mu.Lock()
		if t.exposes {
			n++
		}
		t.mu.Unlock()
	}
	return n
}

// all lists the targets by job and instance.
func (c *scraper) all() []*target {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*target, 0, len(c.targets))
	for _, t := range c.targets {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *target) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance))
	})
	return all
}

// watch asks a target until ctx ends.
func (c *scraper) watch(ctx context.Context, t *target) {
	defer close(t.ended)
	if t.after != nil {
		<-t.after
	}
	w := &watcher{c: c, t: t, series: make(map[string]*scraped)}
	defer w.farewell()
	interval := or(t.Interval, c.store.opts.Scrape.Interval)
	for {
		select {
		case c.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
		start := time.Now()
		next := interval
		if w.once(ctx, min(c.store.opts.Scrape.Timeout, interval)) == noMetrics {
			next = c.store.opts.Scrape.Again
		}
		<-c.turn
		select {
		case <-time.After(next - time.Since(start)):
		case <-ctx.Done():
			return
		}
	}
}

// url is where its metrics are.
func (t *target) url() string { return "http://" + t.Address + cmp.Or(t.Path, "/metrics") }

// wireTarget is a target as the API has it.
type wireTarget struct {
	DiscoveredLabels   labels.Labels `json:"discoveredLabels"`
	Labels             labels.Labels `json:"labels"`
	ScrapePool         string        `json:"scrapePool"`
	ScrapeURL          string        `json:"scrapeUrl"`
	GlobalURL          string        `json:"globalUrl"`
	LastError          string        `json:"lastError"`
	LastScrape         time.Time     `json:"lastScrape"`
	LastScrapeDuration float64       `json:"lastScrapeDuration"`
	Health             string        `json:"health"`
	ScrapeInterval     string        `json:"scrapeInterval"`
	ScrapeTimeout      string        `json:"scrapeTimeout"`
}

func (s *Store) askTargets(r *http.Request) (answer, error) {
	active, dropped := []wireTarget{}, []map[string]any{}
	without := make(map[string]int)
	state, pool := r.Form.Get("state"), r.Form.Get("scrapePool")
	for _, t := range s.scraper.all() {
		if pool != "" && pool != t.Job {
			continue
		}
		discovered := labels.NewBuilder(t.labels).Set(model.AddressLabel, t.Address).Set(model.MetricsPathLabel, cmp.Or(t.Path, "/metrics")).Labels()
		t.mu.Lock()
		if !t.exposes {
			without[t.Job]++
			if state != "active" {
				dropped = append(dropped, map[string]any{"discoveredLabels": discovered, "scrapePool": t.Job})
			}
		} else if state != "dropped" {
			w := wireTarget{discovered, t.labels, t.Job, t.url(), t.url(), "", t.last, t.took.Seconds(), "up",
				model.Duration(or(t.Interval, s.opts.Scrape.Interval)).String(), model.Duration(s.opts.Scrape.Timeout).String()}
			if t.err != nil {
				w.Health, w.LastError = "down", t.err.Error()
			}
			active = append(active, w)
		}
		t.mu.Unlock()
	}
	return answer{data: map[string]any{"activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": without}}, nil
}

func (s *Store) askTargetMetadata(r *http.Request) (answer, error) {
	limit := math.MaxInt
	if r.Form.Get("limit") != "" {
		n, err := limitParam(r, "limit")
		if err != nil {
			return answer{}, refuse(badData, "limit must be a number")
		}
		limit = n
	}
	var matchers []*labels.Matcher
	if text := r.Form.Get("match_target"); text != "" {
		var err error
		if matchers, err = s.parser.ParseMetricSelector(text); err != nil {
			return answer{}, badParam("match_target", err)
		}
	}
	metric := r.Form.Get("metric")
	found := []map[string]any{}
	for _, t := range s.scraper.all() {
		if slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(t.labels.Get(m.Name)) }) {
			continue
		}
		t.mu.Lock()
		for name, m := range t.families {
			if metric != "" && metric != name || len(found) >= limit {
				continue
			}
			one := map[string]any{"target": t.labels, "type": m.Type, "help": m.Help, "unit": m.Unit}
			if metric == "" {
				one["metric"] = name
			}
			found = append(found, one)
		}
		t.mu.Unlock()
	}
	return answer{data: found}, nil
}

func (s *Store) askPools(*http.Request) (answer, error) {
	pools := []string{}
	for _, t := range s.scraper.all() {
		pools = append(pools, t.Job)
	}
	return answer{data: map[string]any{"scrapePools": slices.Compact(pools)}}, nil
}

// askAlertmanagers lists none: alerts go to plat.
func (s *Store) askAlertmanagers(*http.Request) (answer, error) {
	return answer{data: map[string]any{"activeAlertmanagers": []any{}, "droppedAlertmanagers": []any{}}}, nil
}
