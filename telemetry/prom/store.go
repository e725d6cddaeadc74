package prom

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// ErrClosed is what a Store answers that was closed.
var ErrClosed = errors.New("the metrics are closed")

// Options say where metrics are kept and within which bounds. Everything but
// Dir has a default.
type Options struct {
	Dir                string
	Log                *slog.Logger                         // of what an operator should know; default: nowhere
	Keep               time.Duration                        // how long samples are kept; default 15 days
	Size               int64                                // bytes of sealed blocks that are kept, the oldest go first; default 2 GiB
	Reserve            int64                                // samples are refused while the disk has fewer bytes free; default 256 MiB, negative: never
	MaxSeries          int                                  // live series in all; default 50,000
	MaxSeriesPerMetric int                                  // live series of one metric of one job, see Store.Capped; default 2,000
	OutOfOrder         time.Duration                        // how late a sample may come; default 10 minutes
	Ahead              time.Duration                        // how far in the future a sample may be; default 10 minutes
	Query              QueryLimits                          //
	SelfEvery          time.Duration                        // how often the store writes its own figures; default 15 s, negative: never
	Scrape             ScrapeLimits                         //
	Client             *http.Client                         // asks targets; default: one without proxy and redirects
	Notify             func(ctx context.Context, a []Alert) // told of alerts that fire and that end; default: nobody
	URL                string                               // of the console, for the links and templates of alerts
	Version            string                               // of plat, told by status/buildinfo
}

// QueryLimits bound what PromQL may cost.
type QueryLimits struct {
	Timeout    time.Duration // of one query; default 30 s
	MaxSamples int           // that one query may hold in memory; default 5,000,000
	Concurrent int           // queries at once, others wait; default 4
	Lookback   time.Duration // how old a sample may be to count as the value now; default 5 minutes
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Keep = or(o.Keep, 15*24*time.Hour)
	o.Size = or(o.Size, 2<<30)
	o.Reserve = or(o.Reserve, 256<<20)
	o.MaxSeries = or(o.MaxSeries, 50_000)
	o.MaxSeriesPerMetric = or(o.MaxSeriesPerMetric, 2_000)
	o.OutOfOrder = or(o.OutOfOrder, 10*time.Minute)
	o.Ahead = or(o.Ahead, 10*time.Minute)
	o.SelfEvery = or(o.SelfEvery, 15*time.Second)
	o.Query.Timeout = or(o.Query.Timeout, 30*time.Second)
	o.Query.MaxSamples = or(o.Query.MaxSamples, 5_000_000)
	o.Query.Concurrent = or(o.Query.Concurrent, 4)
	o.Query.Lookback = or(o.Query.Lookback, 5*time.Minute)
	o.Scrape = o.Scrape.withDefaults()
	return o
}

// or is value, or otherwise where value is zero.
func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Store keeps metrics and answers questions about them. Its methods are safe
// for concurrent use.
type Store struct {
	opts    Options
	started time.Time
	db      *tsdb.DB
	figures *prometheus.Registry // what the TSDB tells of itself
	parser  parser.Parser
	engine  *promql.Engine
	rules   *ruler
	scraper *scraper
	cap     *limiter
	deltas  *deltas
	known   *families
	disk    *disk
	damage  *damage
	heard   *heard
	log     *slog.Logger // of the libraries, see heard
	refused refused
	samples atomic.Uint64
	running atomic.Bool

	mu     sync.RWMutex // held for reading by whoever uses db
	closed bool
}

// Open opens the metrics in o.Dir, or begins them there. What a crash left is
// replayed; a block or a log that is damaged is mended or set aside, which is
// logged and told by Stats. It fails only where the folder cannot be used at
// all, or another process has it.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{
		opts:    o,
		started: time.Now(),
		parser:  parser.NewParser(parser.Options{}),
		cap:     newLimiter(o.MaxSeries, o.MaxSeriesPerMetric),
		deltas:  newDeltas(o.MaxSeries),
		known:   newFamilies(),
		disk:    &disk{dir: o.Dir, reserve: o.Reserve},
		damage:  newDamage(o.Dir, o.Log),
	}
	s.heard = newHeard(o.Log, s.damage.suspect)
	s.log = slog.New(s.heard)
	if err := s.openDB(ctx); err != nil {
		return nil, err
	}
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger:               s.log,
		MaxSamples:           o.Query.MaxSamples,
		Timeout:              o.Query.Timeout,
		ActiveQueryTracker:   make(turnstile, o.Query.Concurrent),
		LookbackDelta:        o.Query.Lookback,
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
		EnablePerStepStats:   true,
		Parser:               s.parser,
		NoStepSubqueryIntervalFn: func(int64) int64 {
			return o.SelfEvery.Abs().Milliseconds()
		},
	})
	s.rules = newRuler(s, rules.EngineQueryFunc(s.engine, s))
	s.scraper = newScraper(s)
	return s, nil
}

// Run evaluates rules, scrapes targets and writes the store's own figures
// until ctx ends. It is called once.
func (s *Store) Run(ctx context.Context) error {
	if s.running.Swap(true) {
		return errors.New("the metrics run already")
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.rules.run(ctx) })
	wg.Go(func() { s.scraper.run(ctx) })
	wg.Go(func() { s.tellSelf(ctx) })
	wg.Go(func() { s.damage.watch(ctx, s) })
	wg.Wait()
	return nil
}

// Close writes what is pending and lets go of the folder. Run must have
// ended. A Store that was closed answers ErrClosed.
func (s *Store) Close() error {
	s.rules.stop()
	s.scraper.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.db.Close(), s.engine.Close())
}

// turnstile lets so many queries through at once as it has places.
type turnstile chan struct{}

// GetMaxConcurrent is the number of places.
func (t turnstile) GetMaxConcurrent() int { return cap(t) }

// Insert waits for a place, or until ctx ends.
func (t turnstile) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case t <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Delete gives the place back.
func (t turnstile) Delete(int) { <-t }

// Close does nothing: places need no closing.
func (t turnstile) Close() error { return nil }
