package topology

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Observation is what was seen, at one moment.
type Observation struct {
	Since   time.Time `json:"since"`             // from when on
	Edges   []Edge    `json:"edges"`             // sorted by caller, then callee
	Routes  []Route   `json:"routes"`            // sorted by gateway, path, service
	Dropped uint64    `json:"dropped,omitempty"` // exchanges whose edge found no place

	// In memory alone:

	Chains         []Chain `json:"-"` // the longest first
	DroppedActions uint64  `json:"-"` // calls, and actions under way, that found no place
}

// Edge is the calls of one service by another: declared, or seen, or both.
type Edge struct {
	Caller     string     `json:"caller"`
	Callee     string     `json:"callee"`
	DeclaredAt time.Time  `json:"declaredAt,omitzero"` // when the declaration was first seen; zero: it is not declared
	Uses                  // all calls
	Refused    uint64     `json:"refused,omitempty"`   // of all
	Undeclared Undeclared `json:"undeclared,omitzero"` // since the edge was last declared
	Evidence   []Evidence `json:"evidence,omitempty"`  // of the undeclared, the newest first, at most MaxEvidence

	// Idle is how long the caller was in use while this declared edge never
	// was: see activity.
	Idle time.Duration `json:"idle,omitempty"`

	Figures Figures `json:"-"` // of calls that were not refused
	Actions Actions `json:"-"` // likewise
}

// Route is the use of one route of a gateway.
type Route struct {
	Gateway string `json:"gateway"`
	Path    string `json:"path"`
	Service string `json:"service"`
	Uses
	Figures Figures `json:"-"`
}

// Uses counts exchanges.
type Uses struct {
	Count  uint64    `json:"count"`
	Errors uint64    `json:"errors,omitempty"` // answered by 5xx or not at all
	First  time.Time `json:"first,omitzero"`
	Last   time.Time `json:"last,omitzero"`
}

// Undeclared counts calls that were not declared at their time.
type Undeclared struct {
	Uses
	Refused uint64 `json:"refused,omitempty"`
}

// Evidence is one undeclared call. Its texts are cut to 256 bytes.
type Evidence struct {
	ID            string    `json:"id"`
	Time          time.Time `json:"time"`
	Method        string    `json:"method"`
	Path          string    `json:"path"` // without query
	Status        int       `json:"status"`
	CorrelationID string    `json:"correlationId,omitempty"`
	Refused       bool      `json:"refused,omitempty"`
}

// Call is one undeclared call and whose it was.
type Call struct {
	Caller string `json:"caller"`
	Callee string `json:"callee"`
	Evidence
}

// maxText bounds what a caller chose.
const maxText = 256

func (s *Seen) evidence() Evidence {
	return Evidence{
		ID: s.ID, Time: s.Time, Method: bounded(s.Method), Path: bounded(s.Path), Status: s.Status,
		CorrelationID: bounded(s.CorrelationID), Refused: s.Refused,
	}
}

// bounded is a copy of its own, so that nothing longer is kept alive.
func bounded(s string) string {
	return strings.Clone(strings.ToValidUTF8(s[:min(len(s), maxText)], ""))
}

func (u *uses) add(at time.Time, failed bool) {
	u.count.Add(1)
	if failed {
		u.errors.Add(1)
	}
	n := at.UnixNano()
	move(&u.first, n, func(old int64) bool { return old == 0 || n < old })
	move(&u.last, n, func(old int64) bool { return n > old })
}

// move sets v to n as long as that is wanted instead of what is there.
func move(v *atomic.Int64, n int64, wanted func(old int64) bool) {
	for old := v.Load(); wanted(old) && !v.CompareAndSwap(old, n); old = v.Load() {
	}
}

// read gives the errors as they were no later than the count.
func (u *uses) read() Uses {
	r := Uses{Errors: u.errors.Load()}
	r.Count, r.First, r.Last = u.count.Load(), moment(u.first.Load()), moment(u.last.Load())
	return r
}

func (u *uses) set(from Uses) {
	u.count.Store(from.Count)
	u.errors.Store(from.Errors)
	u.first.Store(nanoseconds(from.First))
	u.last.Store(nanoseconds(from.Last))
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// keep adds to the evidence.
func (e *edge) keep(v Evidence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.evidence) == MaxEvidence {
		e.evidence = slices.Delete(e.evidence, 0, 1)
	}
	e.evidence = append(e.evidence, v)
}

// last is the evidence, the newest first.
func (e *edge) last() []Evidence {
	e.mu.Lock()
	defer e.mu.Unlock()
	newest := slices.Clone(e.evidence)
	slices.Reverse(newest)
	return newest
}

// settle forgets what was undeclared.
func (e *edge) settle() {
	e.undeclared.set(Uses{})
	e.undeclaredRefused.Store(0)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.evidence = nil
}

// stale tells whether an edge that nobody declares may be forgotten; the
// shard's lock is held. INVARIANT: an edge is counted on under that lock, so
// nothing is lost with it.
func (e *edge) stale(now time.Time) bool {
	return e.declaredAt.IsZero() && now.UnixNano()-e.all.last.Load() > int64(Forget)
}

// measure adds an exchange to the figures.
func (e *edge) measure(end time.Time, took time.Duration, failed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.windows == nil {
		e.windows = &windows{}
	}
	e.windows.add(end, took, failed)
}

func (e *edge) figures(now time.Time) Figures {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.windows.read(now)
}

// acted is what customers' actions made of the edge.
func (e *edge) acted() Actions {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.actions
	a.Last = slices.Clone(a.Last)
	return a
}
