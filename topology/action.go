package topology

import (
	"cmp"
	"container/list"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what is kept of customers' actions.
const (
	maxActions = 10_000      // under way, the last ones used
	maxPairs   = 32          // callers and callees of one action
	maxOpen    = 32          // calls of one action of which it is not known yet which request they belong to
	maxChains  = 256         // chains of all actions
	lasting    = time.Minute // how long an action may pause before it counts as over
)

// Actions is what customers' actions made of one edge: an action is a request
// that came in by a gateway, and all with its correlation ID until the next
// one that has the same: a journey of eight pages is eight actions.
type Actions struct {
	Count  uint64   // actions that used the edge
	Calls  uint64   // that they made
	Most   int      // that one of them made
	Chatty uint64   // actions that made more than Options.Chatty
	Last   []Sample // of the chatty ones, the newest first, at most MaxEvidence
}

// Sample is one action.
type Sample struct {
	CorrelationID string
	Time          time.Time // of its first call that is meant
	Calls         int
}

// Chain is a way on which each service waited for the next, the first one
// asked by a gateway.
type Chain struct {
	Services []string // at least three
	Count    uint64
	First    time.Time
	Last     time.Time
	Samples  []Sample // the newest first, at most MaxEvidence
}

// actions are those under way, and what they added up to.
type actions struct {
	chatty  int           // calls of a pair in one action, above which it is
	settle  time.Duration // for how long calls that ended before may still be told
	seed    maphash.Seed
	shards  [shards]actionShard
	dropped atomic.Uint64

	mu     sync.Mutex // guards what follows
	chains map[string]*Chain
}

// actionShard is a part of the actions.
type actionShard struct {
	mu    sync.Mutex // guards what follows; an edge's lock may be taken under it
	limit int
	byID  map[string]*list.Element // of *action
	used  list.List                // the last used first

	waiting waiting // for those that are told late
}

// action is one correlation ID that is under way, with the request of it that
// came in last.
type action struct {
	id      string
	entered bool      // it came in by a gateway
	end     time.Time // of the last request that did
	last    time.Time
	pairs   []pair
	open    []openCall // in the order in which they ended
}

// openCall is a call of the pair at an index that began after the last request
// had its answer. It follows from that one, or belongs to the next, of which
// nothing is known before it ends.
type openCall struct {
	pair  int
	start time.Time
}

// pair is what one service asked of another in an action.
type pair struct {
	caller, callee string
	edge           *edge
	count          int // for the last request
	chatty         bool
	start, end     time.Time // of the call that had the longest chain
	depth          int       // of that chain, 1: the callee asked nobody
}

func newActions(limit, chatty int, settle time.Duration) *actions {
	a := &actions{chatty: chatty, settle: settle, seed: maphash.MakeSeed(), chains: map[string]*Chain{}}
	for i := range a.shards {
		a.shards[i].limit = max(1, limit/shards)
		a.shards[i].byID = map[string]*list.Element{}
	}
	return a
}

// find gives the action of an ID, made where there is none. The shard's lock
// is held.
func (a *actions) find(sh *actionShard, id string, at time.Time) *action {
	if e := sh.byID[id]; e != nil {
		sh.used.MoveToFront(e)
		act := e.Value.(*action) //nolint:errcheck,forcetypeassert // it holds nothing else
		if at.After(act.last) {
			act.last = at
		}
		return act
	}
	if sh.used.Len() >= sh.limit {
		oldest := sh.used.Back()
		act := oldest.Value.(*action) //nolint:errcheck,forcetypeassert // it holds nothing else
		if at.Sub(act.last) < lasting {
			a.dropped.Add(1)
		}
		act.settle(at, a.chatty)
		sh.used.Remove(oldest)
		delete(sh.byID, act.id)
	}
	act := &action{id: bounded(id), last: at}
	sh.byID[act.id] = sh.used.PushFront(act)
	return act
}

// see adds an exchange to its action, in the order in which they ended; e is
// the edge of a call.
func (a *actions) see(s Seen, e *edge, now time.Time) {
	id := s.CorrelationID
	if id == "" || len(id) > maxText || s.Refused {
		return
	}
	sh := &a.shards[maphash.String(a.seed, id)%shards]
	sh.mu.Lock()
	sh.waiting.add(ended{s, e, s.Time.Add(s.Duration)})
	found := a.due(sh, now)
	sh.mu.Unlock()
	a.keepAll(found)
}

// catchUp adds what has waited long enough.
func (a *actions) catchUp(now time.Time) {
	for i := range a.shards {
		sh := &a.shards[i]
		sh.mu.Lock()
		found := a.due(sh, now)
		for e := sh.used.Front(); e != nil; e = e.Next() {
			act := e.Value.(*action) //nolint:errcheck,forcetypeassert // it holds nothing else
			act.settle(now.Add(-lasting), a.chatty)
		}
		sh.mu.Unlock()
		a.keepAll(found)
	}
}

// due adds what has waited long enough, and gives the chains that it ended.
// The shard's lock is held.
func (a *actions) due(sh *actionShard, now time.Time) (found []foundChain) {
	for len(sh.waiting) > maxWaiting || len(sh.waiting) > 0 && (a.settle <= 0 || !sh.waiting[0].at.Add(a.settle).After(now)) {
		x := sh.waiting.take()
		act := a.find(sh, x.seen.CorrelationID, x.at)
		switch {
		case x.seen.Gateway != "":
			if chain := act.enter(x.seen, x.at, a.chatty); len(chain) > 2 {
				found = append(found, foundChain{chain, Sample{CorrelationID: act.id, Time: x.seen.Time, Calls: len(chain) - 1}})
			}
		case !act.call(x.seen, x.at, x.edge, a.chatty):
			a.dropped.Add(1)
		}
	}
	return found
}

// foundChain is a chain with the action that made it.
type foundChain struct {
	services []string
	sample   Sample
}

func (a *actions) keepAll(found []foundChain) {
	for _, f := range found {
		a.keep(f.services, f.sample)
	}
}

// enter notes that a request came in by a gateway, and gives the longest chain
// of those that waited meanwhile.
func (act *action) enter(s Seen, end time.Time, limit int) []string {
	if act.entered {
		act.settle(s.Time, limit)
		for i := range act.pairs {
			act.pairs[i].count, act.pairs[i].chatty = 0, false
		}
	}
	act.entered, act.end = true, end
	for i := range act.pairs {
		if p := &act.pairs[i]; p.count > 0 { // for which there was no place among the open ones
			act.tell(p, p.count, limit)
		}
	}
	act.open = slices.DeleteFunc(act.open, func(c openCall) bool {
		if c.start.Before(s.Time) {
			return false // of another request that goes on
		}
		act.count(c.pair, limit)
		return true
	})
	chain := []string{s.Callee}
	// INVARIANT: the depth falls, so the chain ends.
	for p := act.longest(s.Callee, s.Time, end, maxPairs+1); p != nil; p = act.longest(p.callee, p.start, p.end, p.depth) {
		chain = append(chain, p.callee)
	}
	return chain
}

// settle counts the open calls that began before a time for the last request.
func (act *action) settle(before time.Time, limit int) {
	act.open = slices.DeleteFunc(act.open, func(c openCall) bool {
		if !c.start.Before(before) {
			return false
		}
		act.count(c.pair, limit)
		return true
	})
}

// count adds a call to its pair.
func (act *action) count(pair, limit int) {
	p := &act.pairs[pair]
	p.count++
	if act.entered {
		act.tell(p, 1, limit)
	}
}

// call counts a call, and tells whether there was a place for it.
func (act *action) call(s Seen, end time.Time, e *edge, limit int) bool {
	at := slices.IndexFunc(act.pairs, func(p pair) bool { return p.caller == s.Caller && p.callee == s.Callee })
	if at < 0 {
		if len(act.pairs) == maxPairs {
			return false
		}
		at = len(act.pairs)
		act.pairs = append(act.pairs, pair{caller: s.Caller, callee: s.Callee, edge: e})
	}
	depth := 1
	if next := act.longest(s.Callee, s.Time, end, maxPairs); next != nil {
		depth = next.depth + 1
	}
	after := !s.Time.Before(act.end)
	if p := &act.pairs[at]; depth >= p.depth || after && p.start.Before(act.end) {
		p.start, p.end, p.depth = s.Time, end, depth
	}
	if !after {
		act.count(at, limit)
		return true
	}
	if len(act.open) == maxOpen {
		act.count(act.open[0].pair, limit)
		act.open = slices.Delete(act.open, 0, 1)
	}
	act.open = append(act.open, openCall{at, s.Time})
	return true
}

// longest finds the call of a service with the longest chain, of less than a
// depth, that lies within a time in which somebody waited for that service;
// nil: it asked nobody.
func (act *action) longest(caller string, from, to time.Time, below int) *pair {
	var best *pair
	for i := range act.pairs {
		p := &act.pairs[i]
		if p.caller == caller && p.depth < below && !p.start.Before(from) && !p.end.After(to) && (best == nil || p.depth > best.depth) {
			best = p
		}
	}
	return best
}

// tell adds new calls of a pair to the figures of its edge.
func (act *action) tell(p *pair, calls, limit int) {
	e := p.edge
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &e.actions
	if p.count == calls { // the first
		s.Count++
	}
	s.Calls += uint64(calls) //nolint:gosec // a count
	s.Most = max(s.Most, p.count)
	if p.count <= limit {
		return
	}
	if p.chatty {
		if i := slices.IndexFunc(s.Last, func(l Sample) bool { return l.CorrelationID == act.id }); i >= 0 { // its newest request
			s.Last[i].Calls = p.count
		}
		return
	}
	p.chatty = true
	s.Chatty++
	s.Last = newest(s.Last, Sample{CorrelationID: act.id, Time: p.start, Calls: p.count})
}

// newest puts a sample before the others, of which the oldest goes.
func newest(all []Sample, s Sample) []Sample {
	if len(all) == MaxEvidence {
		all = all[:MaxEvidence-1]
	}
	return slices.Insert(all, 0, s)
}

// keep counts a chain.
func (a *actions) keep(services []string, s Sample) {
	key := strings.Join(services, "\n")
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.chains[key]
	if c == nil {
		if len(a.chains) == maxChains {
			a.dropped.Add(1)
			return
		}
		c = &Chain{Services: services, First: s.Time}
		a.chains[key] = c
	}
	c.Count++
	c.Last = s.Time
	c.Samples = newest(c.Samples, s)
}

// read gives the chains, the longest first.
func (a *actions) read() []Chain {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Chain
	for _, c := range a.chains {
		seen := *c
		seen.Samples = slices.Clone(c.Samples)
		all = append(all, seen)
	}
	slices.SortFunc(all, func(a, b Chain) int {
		return cmp.Or(cmp.Compare(len(b.Services), len(a.Services)), slices.Compare(a.Services, b.Services))
	})
	return all
}
