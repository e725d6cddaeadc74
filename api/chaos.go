package api

import (
	"context"
	"net/http"
	"net/url"
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
	Later   uint64        `json:"later,omitempty" doc:"Calls that were accepted to be done later."`
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

// Chaos is the answer of GET /v1/chaos.
type Chaos struct {
	Experiments []Experiment   `json:"experiments" nullable:"false" doc:"Those that lie beside the live plan."`
	Findings    []*fault.Fault `json:"findings" nullable:"false" doc:"Why others that lie there cannot be used."`
	Reports     []ChaosReport  `json:"reports" nullable:"false" doc:"The newest first, at most 100; one that runs is among them."`
	Schedule    ChaosSchedule  `json:"schedule"`
}

// Experiment is what is to fail, and what must hold meanwhile.
type Experiment struct {
	Name       string         `json:"experiment"`
	Owner      string         `json:"owner"`
	About      string         `json:"about,omitempty"`
	File       string         `json:"file"`
	Journeys   []string       `json:"journeys" nullable:"false" doc:"That must pass."`
	Objectives []string       `json:"objectives,omitempty" doc:"Services none of whose alerts may fire."`
	Answers    float64        `json:"answers,omitempty" doc:"Share of the requests at the entrances that must be answered below 500."`
	Duration   int64          `json:"duration" doc:"Nanoseconds."`
	Failures   int            `json:"failures" doc:"Of journeys, at which it ends early."`
	Least      float64        `json:"leastAnswers,omitempty" doc:"Share of good answers below which it ends early."`
	Every      int64          `json:"every,omitempty" doc:"Nanoseconds; absent: by hand alone."`
	Faults     []ChaosFault   `json:"faults" nullable:"false" doc:"What fails of requests."`
	Harms      []InstanceHarm `json:"harms,omitempty" doc:"What is done to instances."`
}

// ChaosFault is a failure of requests.
type ChaosFault struct {
	ID            string  `json:"id"`
	Kind          string  `json:"kind"`
	Delay         int64   `json:"delay,omitempty" doc:"Nanoseconds."`
	Jitter        int64   `json:"jitter,omitempty" doc:"Nanoseconds."`
	Status        int     `json:"status,omitempty"`
	Rate          int64   `json:"rate,omitempty" doc:"Bytes a second."`
	Service       string  `json:"service,omitempty"`
	Caller        string  `json:"caller,omitempty"`
	Instance      string  `json:"instance,omitempty"`
	Gateway       string  `json:"gateway,omitempty"`
	Route         string  `json:"route,omitempty"`
	Header        string  `json:"header,omitempty"`
	Value         string  `json:"value,omitempty"`
	Journey       string  `json:"journey,omitempty"`
	TestCustomers bool    `json:"testCustomers"`
	Share         float64 `json:"share,omitempty"`
	Event         string  `json:"event,omitempty" doc:"Type of the events that the service receives; absent: requests are met."`
	Stream        string  `json:"stream,omitempty" doc:"From which the service pulls them."`
	Consumer      string  `json:"consumer,omitempty" doc:"By which it does; absent: plat pushes them."`
}

// InstanceHarm is what is done to an instance.
type InstanceHarm struct {
	Do       string `json:"do" enum:"kill,pause"`
	Service  string `json:"service"`
	Instance string `json:"instance,omitempty" doc:"Absent: any one."`
}

// ChaosReport is what an experiment showed.
type ChaosReport struct {
	ID         string                 `json:"id"`
	Experiment Experiment             `json:"experiment"`
	State      string                 `json:"state" enum:"running,done,stopped,not-begun"`
	Phase      string                 `json:"phase,omitempty" enum:"before,during,after" doc:"While it runs."`
	Verdict    string                 `json:"verdict,omitempty" enum:"steady,not-steady,hurt,unwell,unclear"`
	Scheduled  bool                   `json:"scheduled,omitempty"`
	Started    time.Time              `json:"started"`
	Injected   time.Time              `json:"injected,omitzero"`
	Undone     time.Time              `json:"undone,omitzero"`
	Recovered  time.Time              `json:"recovered,omitzero" doc:"When all held again."`
	Ended      time.Time              `json:"ended,omitzero"`
	Why        []string               `json:"why,omitempty" doc:"What did not hold."`
	Fault      *fault.Fault           `json:"fault,omitempty"`
	Journeys   []ChaosJourney         `json:"journeys" nullable:"false"`
	Answers    ChaosAnswers           `json:"answers" doc:"Requests at the entrances while things failed."`
	Played     map[string]FaultPlayed `json:"played" nullable:"false" doc:"By the fault's ID."`
	Done       []HarmDone             `json:"done,omitempty"`
}

// ChaosJourney is how a journey went while things failed.
type ChaosJourney struct {
	Journey string       `json:"journey"`
	Passed  int          `json:"passed"`
	Failed  int          `json:"failed"`
	Before  float64      `json:"before" doc:"Seconds that it took when nothing failed."`
	Slowest float64      `json:"slowest" doc:"Seconds that it took at most, where it passed."`
	First   *CustomerRun `json:"first,omitempty" doc:"The first run that failed."`
}

// ChaosAnswers counts requests at the entrances.
type ChaosAnswers struct {
	All uint64 `json:"all"`
	Bad uint64 `json:"bad" doc:"Answered by 500 and above, or not at all."`
}

// FaultPlayed is how often a fault was played.
type FaultPlayed struct {
	Played   uint64         `json:"played"`
	Failed   uint64         `json:"failed,omitempty" doc:"Of what was only watched."`
	Examples []FaultExample `json:"examples,omitempty" doc:"The first few."`
}

// FaultExample is one exchange in which a fault was played.
type FaultExample struct {
	Time          time.Time `json:"time"`
	TraceID       string    `json:"traceId,omitempty"`
	CorrelationID string    `json:"correlationId"`
	Request       string    `json:"request"`
}

// HarmDone is something that was done to an instance.
type HarmDone struct {
	At       time.Time `json:"at"`
	Do       string    `json:"do"`
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	Replaced time.Time `json:"replaced,omitzero" doc:"When plat began it anew, which ends a pause before its time."`
	Ready    time.Time `json:"ready,omitzero" doc:"When the new one was in rotation."`
}

// ChaosSchedule is which experiments run by themselves, and until when.
type ChaosSchedule struct {
	On        bool       `json:"on"`
	Until     time.Time  `json:"until,omitzero"`
	Next      []ChaosDue `json:"next" nullable:"false" doc:"The soonest first."`
	Started   int        `json:"started" doc:"Since it is on."`
	Postponed int        `json:"postponed" doc:"Times that something was due, and the system was not well."`
	Waits     string     `json:"waits,omitempty" doc:"Why something that is due does not run."`
}

// ChaosDue is when an experiment runs next.
type ChaosDue struct {
	Experiment string    `json:"experiment"`
	At         time.Time `json:"at"`
}

// NewExperiment asks for an experiment: one that lies beside the plan by its
// name, or any by its text.
type NewExperiment struct {
	Name string `json:"name,omitempty" maxLength:"63"`
	File string `json:"file,omitempty" maxLength:"1024" doc:"What the text is called in what is said about it."`
	Text string `json:"text,omitempty" maxLength:"262144"`
}

// ChaosStarted is the answer to NewExperiment.
type ChaosStarted struct {
	ID string `json:"id" doc:"Of the report."`
}

// NewSchedule lets experiments run by themselves.
type NewSchedule struct {
	For string `json:"for" maxLength:"32" doc:"A duration as 8h; 0s ends it."`
}

// Chaos tells which experiments there are, and what has run.
func (c *Client) Chaos(ctx context.Context) (Chaos, error) { return get[Chaos](ctx, c, "/v1/chaos") }

// ChaosReport is that of an ID, or the newest of an experiment's name; "last"
// is the newest of all. chaos-unknown when there is none.
func (c *Client) ChaosReport(ctx context.Context, which string) (ChaosReport, error) {
	return get[ChaosReport](ctx, c, "/v1/chaos/runs/"+url.PathEscape(which))
}

// Experiment starts an experiment; it answers before that is done.
func (c *Client) Experiment(ctx context.Context, ask NewExperiment) (ChaosStarted, error) {
	var started ChaosStarted
	err := c.call(ctx, http.MethodPost, "/v1/chaos/runs", ask, &started)
	return started, err
}

// ScheduleChaos lets experiments run by themselves for a while; 0 ends that.
func (c *Client) ScheduleChaos(ctx context.Context, d time.Duration) error {
	return c.call(ctx, http.MethodPost, "/v1/chaos/schedule", NewSchedule{For: d.String()}, nil)
}
