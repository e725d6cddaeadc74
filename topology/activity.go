package topology

import (
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/plan"
)

// pause is what the time between two exchanges counts for at most: a service
// that nobody used over night was not active.
const pause = time.Minute

// activity is for how long a service was in use since plat looks: the time
// between its exchanges, each pause counted for a minute at most. So an hour of
// it takes an hour and sixty exchanges at least.
type activity struct {
	last, sum atomic.Int64 // nanoseconds
}

// follow has the activity of those who declare calls counted.
func (t *Topology) follow(edges []plan.Edge) {
	old := *t.active.Load()
	all := make(map[string]*activity, len(old))
	for _, e := range edges {
		if all[e.Caller] == nil {
			all[e.Caller] = old[e.Caller]
		}
		if all[e.Caller] == nil {
			all[e.Caller] = &activity{}
		}
	}
	t.active.Store(&all)
}

// tick notes that the services of an exchange were in use.
func (t *Topology) tick(s Seen) {
	all := *t.active.Load()
	end := s.Time.Add(s.Duration).UnixNano()
	for _, name := range [...]string{s.Caller, s.Callee} {
		a := all[name]
		if a == nil {
			continue
		}
		old := a.last.Load()
		if end > old && a.last.CompareAndSwap(old, end) && old != 0 {
			a.sum.Add(min(end-old, int64(pause)))
		}
	}
}

// activity is how long a service was in use.
func (t *Topology) activity(service string) time.Duration {
	if a := (*t.active.Load())[service]; a != nil {
		return time.Duration(a.sum.Load())
	}
	return 0
}
