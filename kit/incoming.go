package kit

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/plat-dev/plat/kit/admit"
)

// incoming is what stands before the service's handlers: the same gate as on
// plat's listeners, for those who come without passing these.
type incoming struct {
	gate    *admit.Gate
	callers atomic.Pointer[admit.Rates] // by calling service; nil: as often as they like

	mu      sync.Mutex // guards what follows
	own     Limits
	planned admit.Config
}

// unlessPlanned takes the service's own limits for what the plan says nothing
// about.
func (in *incoming) unlessPlanned(l Limits) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.own = l
	in.renew()
}

// plan brings what the plan says for one instance. Zero fields are not said; a
// rate of limit 0 is none.
func (in *incoming) plan(c admit.Config, rate admit.Rate) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.planned = c
	in.renew()
	switch old := in.callers.Load(); {
	case rate.Limit <= 0:
		in.callers.Store(nil)
	case old != nil:
		old.Set(rate)
	default:
		in.callers.Store(admit.NewRates(rate))
	}
}

// renew sets the gate; in.mu is held.
func (in *incoming) renew() {
	c := in.planned
	if c.Concurrent == 0 {
		c.Concurrent = in.own.Concurrent
	}
	if c.Queue == 0 {
		c.Queue = in.own.Queue
	}
	in.gate.Set(c)
}

// enter lets the request in, or answers. Who has passed a gate of plat's is
// not asked again, but has a place, so that others see how much there is to do.
func (s *Service) enter(w *recorder, r *http.Request) (*admit.Pass, bool) {
	if r.Header.Get(admit.AdmittedHeader) != "" {
		return s.incoming.gate.Count(), true
	}
	if rates := s.incoming.callers.Load(); rates != nil {
		caller := Caller(r.Context())
		if caller != "" && caller != "plat" {
			if _, refused := rates.Take(caller); refused != nil {
				status := refused.Tell(w.Header(), rates)
				WriteProblem(w, r, NewProblem(status, CodeRateLimited, caller+" asks "+s.name+" more often than it may"))
				return nil, false
			}
		}
	}
	pass, err := s.incoming.gate.Enter(r.Context(), w.marks.priority)
	if err == nil {
		return pass, true
	}
	refused, ok := errors.AsType[*admit.Refusal](err)
	if !ok {
		WriteProblem(w, r, ProblemFrom(err))
		return nil, false
	}
	status := refused.Tell(w.Header(), nil)
	WriteProblem(w, r, NewProblem(status, CodeOverloaded, s.name+" has more to do than it can"))
	return nil, false
}

// late tells whether the caller's time was over before the answer was there:
// then there was too much to do.
func late(ctx context.Context) bool { return errors.Is(ctx.Err(), context.DeadlineExceeded) }
