package api

import (
	"context"
	"net/http"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Rehearsal is the answer of GET /v1/rehearsal: what the plan promises of
// failing dependencies, and what customers saw when each was let fail.
type Rehearsal struct {
	State    string       `json:"state" enum:"never,running,done,stopped,not-begun" doc:"Of the last run."`
	Started  time.Time    `json:"started,omitzero"`
	Ended    time.Time    `json:"ended,omitzero"`
	Now      string       `json:"now,omitempty" doc:"What is done at this moment."`
	Done     int          `json:"done" doc:"Failures that were played, of total."`
	Total    int          `json:"total"`
	Fault    *fault.Fault `json:"fault,omitempty" doc:"Why the last run did not go to its end."`
	Promises []Promise    `json:"promises" nullable:"false" doc:"Those of the live plan, by caller, then dependency."`
}

// Promise is what the plan says of one failing dependency, and what customers
// saw.
type Promise struct {
	Caller     string            `json:"caller"`
	Dependency string            `json:"dependency"`
	OnFailure  string            `json:"onFailure"`
	Optional   bool              `json:"optional,omitempty"`
	Verdict    string            `json:"verdict" enum:"kept,false,not-rehearsed"`
	Sees       string            `json:"sees,omitempty" doc:"What customers see when the dependency fails, in words."`
	Why        string            `json:"why,omitempty" doc:"Of a verdict other than kept."`
	Remedy     string            `json:"remedy,omitempty"`
	Ways       []FailureWay      `json:"ways" nullable:"false"`
	At         time.Time         `json:"at,omitzero"`
	Plan       string            `json:"plan" doc:"Hash of what it depends on in the plan."`
	Versions   map[string]string `json:"versions" doc:"Of the services that it depends on."`
	Stale      string            `json:"stale,omitempty" doc:"Why it says nothing of today; absent: it does."`
}

// FailureWay is one way in which a dependency failed.
type FailureWay struct {
	Way     string        `json:"way"`
	Verdict string        `json:"verdict" enum:"kept,false,not-rehearsed"`
	Why     string        `json:"why,omitempty"`
	Played  uint64        `json:"played" doc:"Calls that failed."`
	Runs    []CustomerRun `json:"runs" nullable:"false"`
}

// CustomerRun is how a journey went for one test customer while something
// failed.
type CustomerRun struct {
	Journey string       `json:"journey"`
	Passed  bool         `json:"passed"`
	Start   time.Time    `json:"start"`
	Seconds float64      `json:"seconds"`
	TraceID string       `json:"traceId,omitempty"`
	Failed  *CustomerSaw `json:"failed,omitempty"`
}

// CustomerSaw is the step at which a journey ended.
type CustomerSaw struct {
	Step          string  `json:"step"`
	Request       string  `json:"request,omitempty"`
	Status        int     `json:"status,omitempty" doc:"Absent: there was no whole answer."`
	ContentType   string  `json:"contentType,omitempty"`
	What          string  `json:"what"`
	Seconds       float64 `json:"seconds" doc:"Until the last answer, or until none came."`
	CorrelationID string  `json:"correlationId,omitempty"`
}

// NewRehearsal asks for a rehearsal.
type NewRehearsal struct {
	Services []string `json:"services,omitempty" maxItems:"1000" doc:"Callers whose dependencies are let fail; absent: all."`
}

// Rehearsal tells what is known of the promises of the plan.
func (c *Client) Rehearsal(ctx context.Context) (Rehearsal, error) {
	return get[Rehearsal](ctx, c, "/v1/rehearsal")
}

// Rehearse starts a rehearsal; it answers before that is done.
func (c *Client) Rehearse(ctx context.Context, services []string) error {
	return c.call(ctx, http.MethodPost, "/v1/rehearsal", NewRehearsal{Services: services}, nil)
}

// StopChaos ends the experiment or rehearsal that runs; chaos-not-running when
// none does.
func (c *Client) StopChaos(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/chaos/stop", nil, nil)
}
