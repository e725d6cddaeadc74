package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/redact"
)

// ErrBusy says that more rows are under way than fit in memory: whoever sent
// some should send them again later.
var ErrBusy = errors.New("too many rows are under way")

// Bounds of what is under way.
const (
	maxPending   = 200_000                // rows that wait for the store, of all senders
	maxOffered   = 20_000                 // rows that were offered and not taken yet
	offeredEvery = 100 * time.Millisecond // an offered row waits no longer
	maxFuture    = 10 * time.Minute       // a row from later than that has a wrong clock
	maxPast      = 90 * 24 * time.Hour    // likewise
	maxFollowers = 64
	followed     = 1024 // records that one follower may be behind
)

// Options are what a Room is made with.
type Options struct {
	Store   Store
	Log     *slog.Logger     // receives what an operator should know; nil: nothing
	Forward func(Batch)      // is given what was kept; must not block, nor change it. Nil: nobody
	Now     func() time.Time // nil: time.Now
}

// Rules say what is secret, beside what always is.
type Rules struct {
	Names    []string         // parts of names whose values are secret
	Patterns []*regexp.Regexp // what matches is secret
}

// Room takes rows in and finds them again. All methods are safe for concurrent
// use.
type Room struct {
	store    Store
	log      *slog.Logger
	forward  func(Batch)
	now      func() time.Time
	redactor atomic.Pointer[redact.Redactor]
	pending  atomic.Int64
	redacted atomic.Uint64 // by redactors before this one
	busy     atomic.Uint64 // rows refused
	shifted  atomic.Uint64
	missed   atomic.Uint64 // records that followers were too slow for
	lost     atomic.Uint64 // offered rows that were dropped

	mu        sync.Mutex // guards what follows
	offered   Batch
	followers map[*follower]bool
	failing   error // of the store, told once
}

type follower struct {
	q     LogQuery
	terms Terms
	to    chan Log
}

// New makes a room over a store.
func New(o Options) *Room {
	r := &Room{store: o.Store, log: o.Log, forward: o.Forward, now: o.Now, followers: map[*follower]bool{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.redactor.Store(redact.New(nil, nil))
	return r
}

// SetRules replaces the plan's rules of redaction; rows that come in from now
// on follow them.
func (r *Room) SetRules(rules Rules) {
	old := r.redactor.Swap(redact.New(rules.Names, rules.Patterns))
	r.redacted.Add(old.Count())
}

// Take makes rows safe and keeps them. It fails with an error of ErrBusy when
// too many are under way, and with the store's own.
func (r *Room) Take(ctx context.Context, b Batch) error {
	rows := int64(b.Rows())
	if rows == 0 {
		return nil
	}
	if r.pending.Add(rows) > maxPending {
		r.pending.Add(-rows)
		r.busy.Add(uint64(rows)) // #nosec G115 -- not negative
		return ErrBusy
	}
	defer r.pending.Add(-rows)
	r.settleTimes(b)
	redactor{r.redactor.Load()}.batch(b)
	if err := r.store.Append(ctx, b); err != nil {
		return err
	}
	r.tell(b.Logs)
	if r.forward != nil {
		r.forward(b)
	}
	return nil
}

// AttributeTime has the time that a row came with, where that was wrong.
const AttributeTime = "plat.time_told"

// settleTimes gives rows that lack a time the time of now, and moves those
// from the future, or from long ago, to it.
func (r *Room) settleTimes(b Batch) {
	now := r.now()
	earliest, latest := now.Add(-maxPast).UnixNano(), now.Add(maxFuture).UnixNano()
	for i := range b.Spans {
		if s := &b.Spans[i]; s.Start <= 0 || s.Start < earliest || s.Start > latest || s.Duration < 0 || s.End() > latest {
			s.Attributes = append(s.Attributes, told(s.Start))
			s.Duration = max(min(s.Duration, int64(24*time.Hour)), 0)
			s.Start = now.UnixNano() - s.Duration
			r.shifted.Add(1)
		}
	}
	for i := range b.Logs {
		if l := &b.Logs[i]; l.Time <= 0 || l.Time < earliest || l.Time > latest {
			if l.Time != 0 {
				l.Attributes = append(l.Attributes, told(l.Time))
			}
			l.Time = now.UnixNano()
			r.shifted.Add(1)
		}
	}
}

func told(ns int64) Attribute {
	return Attribute{Key: AttributeTime, Value: time.Unix(0, ns).UTC().Format(time.RFC3339Nano)}
}

// OfferSpan keeps a span without waiting: it is taken within 100 ms, or
// dropped and counted when too many wait already.
func (r *Room) OfferSpan(s Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.offered.Rows() >= maxOffered {
		r.lost.Add(1)
		return
	}
	r.offered.Spans = append(r.offered.Spans, s)
}

// OfferLog is OfferSpan for a record.
func (r *Room) OfferLog(l Log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.offered.Rows() >= maxOffered {
		r.lost.Add(1)
		return
	}
	r.offered.Logs = append(r.offered.Logs, l)
}

// Run takes what was offered until ctx ends, and then what is left.
func (r *Room) Run(ctx context.Context) error {
	tick := time.NewTicker(offeredEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.takeOffered(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			r.takeOffered(ctx)
		}
	}
}

func (r *Room) takeOffered(ctx context.Context) {
	r.mu.Lock()
	b := r.offered
	r.offered = Batch{}
	r.mu.Unlock()
	if b.Rows() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := r.Take(ctx, b)
	if err != nil {
		r.lost.Add(uint64(b.Rows())) // #nosec G115 -- not negative
	}
	r.mu.Lock()
	first := (err != nil) != (r.failing != nil)
	r.failing = err
	r.mu.Unlock()
	switch {
	case first && err != nil:
		r.log.ErrorContext(ctx, "telemetry is dropped", "error", err)
	case first:
		r.log.InfoContext(ctx, "telemetry is kept again")
	}
}

// Follow gives the records that match from now on, until ctx ends; then the
// channel is closed. Who is too slow misses some, which is counted. At most 64
// may follow at once.
func (r *Room) Follow(ctx context.Context, q LogQuery) (<-chan Log, error) {
	f := &follower{q: q, terms: ParseText(q.Text), to: make(chan Log, followed)}
	f.q.From, f.q.To = time.Time{}, time.Time{}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.followers) >= maxFollowers {
		return nil, fault.Newf(fault.APIBusy, "%d programs follow the logs already, the limit", maxFollowers).Fix("end one of them")
	}
	r.followers[f] = true
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.followers, f)
		close(f.to) // INVARIANT: tell sends with the lock held, so nobody sends after this
	})
	return f.to, nil
}

// tell gives records to those that follow.
func (r *Room) tell(logs []Log) {
	if len(logs) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for f := range r.followers {
		for i := range logs {
			if !f.q.Matches(&logs[i], f.terms) {
				continue
			}
			select {
			case f.to <- logs[i]:
			default:
				r.missed.Add(1)
			}
		}
	}
}

// Stats is the state of the room and its store.
type Stats struct {
	Store    StoreStats
	Redacted uint64 // values taken out
	Busy     uint64 // rows refused, since too many were under way
	Lost     uint64 // rows of plat's own that were dropped
	Shifted  uint64 // rows whose time was wrong and was set to that of their coming
	Missed   uint64 // records that followers were too slow for
}

// Stats tells what was kept and what was not.
func (r *Room) Stats() Stats {
	return Stats{
		Store: r.store.Stats(), Redacted: r.redacted.Load() + r.redactor.Load().Count(),
		Busy: r.busy.Load(), Lost: r.lost.Load(), Shifted: r.shifted.Load(), Missed: r.missed.Load(),
	}
}

// maxTraceSpans bounds a trace that is read as a whole.
const maxTraceSpans = 100_000

// Trace reads all spans of a trace, at most 100,000; more tells whether there are more. None is fault.TelemetryNotFound.
func (r *Room) Trace(ctx context.Context, id TraceID) (spans []Span, more bool, err error) {
	err = r.store.Spans(ctx, SpanQuery{TraceID: id}, func(s *Span) error {
		if len(spans) == maxTraceSpans {
			more = true
			return ErrEnough
		}
		spans = append(spans, s.Clone())
		return nil
	})
	if errors.Is(err, ErrEnough) {
		err = nil
	}
	if err == nil && len(spans) == 0 {
		err = r.Doubt(fault.New(fault.TelemetryNotFound, "no span of the trace "+id.String()+" is kept"))
	}
	return spans, more, err
}

// Doubt adds to the word that nothing is kept of something that it may have
// been in what is damaged or lost, where there is any.
func (r *Room) Doubt(f *fault.Fault) *fault.Fault {
	st := r.store.Stats()
	var why []string
	if f.Expected != "" {
		why = append(why, f.Expected)
	}
	switch n := len(st.Damage); {
	case n == 1:
		why = append(why, "a file of telemetry is damaged, which may have held it")
	case n > 1:
		why = append(why, fmt.Sprintf("%d files of telemetry are damaged, one of which may have held it", n))
	case !st.LostUntil.IsZero():
		why = append(why, "the last run ended by a crash, so that up to a second before "+st.LostUntil.UTC().Format(time.DateTime)+" UTC is lost")
	default:
		return f
	}
	f.Why(strings.Join(why, "; "))
	if f.Remedy == "" {
		f.Fix("plat telemetry lists what is damaged and lost")
	}
	return f
}

// Clone is a copy that shares nothing with what it was made of, but for the
// resource and the texts.
func (s *Span) Clone() Span {
	c := *s
	c.Attributes = slices.Clone(s.Attributes)
	c.Events = slices.Clone(s.Events)
	for i := range c.Events {
		c.Events[i].Attributes = slices.Clone(c.Events[i].Attributes)
	}
	c.Links = slices.Clone(s.Links)
	for i := range c.Links {
		c.Links[i].Attributes = slices.Clone(c.Links[i].Attributes)
	}
	return c
}

// Clone is a copy that shares nothing with what it was made of, but for the
// resource and the texts.
func (l *Log) Clone() Log {
	c := *l
	c.Attributes = slices.Clone(l.Attributes)
	return c
}
