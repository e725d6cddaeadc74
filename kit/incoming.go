package kit

import (
	"context"
	"errors"
	"net/http"

	"github.com/plat-dev/plat/kit/admit"
)

// enter lets the request in by the gate, the same as on plat's listeners, for
// those who come without passing these; or it answers. Who has passed a gate of
// plat's is not asked again, but has a place, so that others see how much there
// is to do.
func (s *Service) enter(w *recorder, r *http.Request) (*admit.Pass, bool) {
	if r.Header.Get(admit.AdmittedHeader) != "" {
		return s.gate.Count(), true
	}
	pass, err := s.gate.Enter(r.Context(), w.marks.priority)
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
