package probe

import (
	"time"

	"github.com/plat-dev/plat/fault"
)

// Result is one run of a journey.
type Result struct {
	Journey   string
	Run       string // ID of the run
	Owner     string
	Scheduled bool // else somebody asked for it
	Start     time.Time
	Duration  time.Duration
	Passed    bool
	TraceID   string // of all its requests, where the gateway continues it; else empty
	SpanID    string // of the run, the parent of its requests' spans
	Steps     []StepResult
}

// Failed is the first step that failed; nil when all passed.
func (r *Result) Failed() *StepResult {
	for i := range r.Steps {
		if r.Steps[i].Failure != nil {
			return &r.Steps[i]
		}
	}
	return nil
}

// StepResult is one step of a run.
type StepResult struct {
	Name          string
	Request       string // method and path as they were sent last; empty when nothing was
	Status        int    // of the last answer; 0: none
	Requests      int    // how often it was sent; 0: it was not reached
	Duration      time.Duration
	Last          time.Duration // until the last answer, or until none came
	CorrelationID string        // of the last answer
	ContentType   string        // of the last answer
	Failure       *Failure
}

// Failure is why a step failed, with what was found.
type Failure struct {
	Code  fault.Code
	What  string // what was expected and what was found
	Body  string // beginning of the last answer's body, redacted; empty: none
	Count int    // assertions that did not hold
}
