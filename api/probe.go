package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Journeys is the answer of GET /v1/journeys.
type Journeys struct {
	Journeys []Journey `json:"journeys" nullable:"false"`
}

// Journey is what a test customer does, and how that went.
type Journey struct {
	Name     string          `json:"journey"`
	Owner    string          `json:"owner"`
	About    string          `json:"about,omitempty"`
	Gateway  string          `json:"gateway"`
	Every    string          `json:"every,omitempty" doc:"Absent: it runs only when somebody asks."`
	Next     *time.Time      `json:"next,omitempty"`
	Running  bool            `json:"running"`
	Passed   uint64          `json:"passed" doc:"Runs since plat started."`
	Failed   uint64          `json:"failed"`
	Skipped  uint64          `json:"skipped" doc:"Runs that were due while one went on."`
	Share    *float64        `json:"share,omitempty" doc:"Of the remembered runs, how many passed: 0 to 1."`
	P95      float64         `json:"p95" doc:"Seconds that 95% of the remembered runs which passed did not exceed; 0: none."`
	Runs     []JourneyRun    `json:"runs" nullable:"false" doc:"The newest first, at most 50."`
	Declared json.RawMessage `json:"declared" doc:"The resolved journey, as the plan has it."`
}

// JourneyRun is one run of a journey.
type JourneyRun struct {
	Journey   string        `json:"journey"`
	Run       string        `json:"run"`
	Owner     string        `json:"owner"`
	Scheduled bool          `json:"scheduled"`
	Start     time.Time     `json:"start"`
	Seconds   float64       `json:"seconds"`
	Passed    bool          `json:"passed"`
	TraceID   string        `json:"traceId,omitempty"`
	Steps     []JourneyStep `json:"steps" nullable:"false"`
}

// JourneyStep is one step of a run.
type JourneyStep struct {
	Name          string          `json:"step"`
	Request       string          `json:"request,omitempty"`
	Status        int             `json:"status,omitempty"`
	Requests      int             `json:"requests" doc:"How often it was sent; 0: it was not reached."`
	Seconds       float64         `json:"seconds"`
	CorrelationID string          `json:"correlationId,omitempty"`
	Failure       *JourneyFailure `json:"failure,omitempty"`
}

// JourneyFailure is why a step failed.
type JourneyFailure struct {
	Code  fault.Code `json:"code"`
	What  string     `json:"what"`
	Body  string     `json:"body,omitempty" doc:"Beginning of the answer, redacted."`
	Count int        `json:"count" doc:"Expectations that did not hold."`
}

// Journeys lists the journeys of test customers with their last runs.
func (c *Client) Journeys(ctx context.Context) ([]Journey, error) {
	list, err := get[Journeys](ctx, c, "/v1/journeys")
	return list.Journeys, err
}

// RunJourney runs a journey and returns when it is done; probe-unknown when
// the plan has none of the name, probe-running while a run goes on.
func (c *Client) RunJourney(ctx context.Context, name string) (JourneyRun, error) {
	var run JourneyRun
	err := c.call(ctx, http.MethodPost, "/v1/journeys/"+url.PathEscape(name)+"/runs", nil, &run)
	return run, err
}
