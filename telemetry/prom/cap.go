package prom

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// maxCulprits is how many metrics beyond their cap are told apart; further
// ones count as one without a name.
const maxCulprits = 1_000

// bucketsPerSeries is how many buckets of classic histograms count as one
// series: a histogram of fifteen buckets is one figure, not fifteen.
const bucketsPerSeries = 10

var errCapped = errors.New("this metric has as many series as it may")

// Culprit is a metric of a job that has more series than it may.
type Culprit struct {
	Metric  string
	Job     string
	Series  int       // that are kept
	Dropped uint64    // samples of further series, since start
	Last    time.Time // when the last one was dropped
}

// family names a metric of a job.
type family struct{ metric, job string }

// limiter is told by the TSDB of each series that begins and ends, and refuses
// those beyond the caps.
type limiter struct {
	all, each int

	mu       sync.Mutex
	enforced bool
	total    int
	shares   map[family]int // each series is bucketsPerSeries shares, each bucket one
	dropped  map[family]*Culprit
}

func newLimiter(all, each int) *limiter {
	l := &limiter{all: all, each: each, dropped: make(map[family]*Culprit)}
	l.clear()
	return l
}

func (l *limiter) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total, l.shares, l.enforced = 0, make(map[family]int), false
}

func (l *limiter) enforce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enforced = true
}

func familyOf(ls labels.Labels) (f family, share int) {
	if share = bucketsPerSeries; ls.Has(labels.BucketLabel) {
		share = 1
	}
	return family{ls.Get(model.MetricNameLabel), ls.Get("job")}, share
}

// valid tells whether a series can be. It is asked once, when one begins.
func valid(ls labels.Labels) error {
	if !ls.Has(model.MetricNameLabel) || !ls.IsValid(model.UTF8Validation) {
		return errMalformed
	}
	return nil
}

// PreCreation refuses a series beyond the caps, and one that cannot be.
func (l *limiter) PreCreation(ls labels.Labels) error {
	f, share := familyOf(ls)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.enforced {
		return nil
	}
	if l.total < l.all && l.shares[f]+share <= l.each*bucketsPerSeries {
		return valid(ls)
	}
	c := l.dropped[f]
	if c == nil && len(l.dropped) >= maxCulprits {
		f = family{}
		c = l.dropped[f]
	}
	if c == nil {
		f = family{strings.Clone(f.metric), strings.Clone(f.job)}
		c = &Culprit{Metric: f.metric, Job: f.job}
		l.dropped[f] = c
	}
	c.Dropped++
	c.Last = time.Now()
	return errCapped
}

// PostCreation counts a series.
func (l *limiter) PostCreation(ls labels.Labels) {
	f, share := familyOf(ls)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	if _, known := l.shares[f]; !known {
		f = family{strings.Clone(f.metric), strings.Clone(f.job)}
	}
	l.shares[f] += share
}

// PostDeletion counts series no more.
func (l *limiter) PostDeletion(gone map[chunks.HeadSeriesRef]labels.Labels) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ls := range gone {
		f, share := familyOf(ls)
		l.total--
		if l.shares[f] -= share; l.shares[f] <= 0 {
			delete(l.shares, f)
		}
	}
}

// culprits lists them, the worst first.
func (l *limiter) culprits() []Culprit {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Culprit, 0, len(l.dropped))
	for f, c := range l.dropped {
		one := *c
		one.Series = (l.shares[f] + bucketsPerSeries - 1) / bucketsPerSeries
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Culprit) int {
		return cmp.Or(cmp.Compare(b.Dropped, a.Dropped), cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Job, b.Job))
	})
	return all
}

// Capped lists the metrics that had more series than they may since the store
// was opened, the worst first. A metric may have MaxSeriesPerMetric series in
// each job; ten buckets of a classic histogram count as one.
func (s *Store) Capped() []Culprit { return s.cap.culprits() }
