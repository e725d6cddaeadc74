package api

import (
	"time"

	"github.com/plat-dev/plat/fault"
)

// Map is the system as a graph: what is declared, and what was seen of it:
// GET /v1/map.
type Map struct {
	Since time.Time `json:"since" doc:"from when on calls were observed"`
	Nodes []Node    `json:"nodes"`
	Edges []Edge    `json:"edges"`

	Chains  []Chain `json:"chains" doc:"ways on which each service waited for the next, the longest first, since plat runs"`
	Dropped uint64  `json:"dropped,omitempty" doc:"exchanges, and customers' actions under way, that found no place to be counted"`
}

// Chain is a way on which each service waited for the next one, the first
// asked by a gateway.
type Chain struct {
	Services      []string  `json:"services" doc:"at least three"`
	Count         uint64    `json:"count"`
	Last          time.Time `json:"last"`
	CorrelationID string    `json:"correlationId" doc:"of the last"`
}

// Node is one member of the system.
type Node struct {
	Name    string `json:"name"`
	Kind    string `json:"kind" enum:"service,external,outside,gateway" doc:"outside: registered by itself, not in the plan"`
	Owner   string `json:"owner,omitempty"`
	Context string `json:"context,omitempty"`
	State   string `json:"state,omitempty" doc:"of a service"`
	Single  string `json:"single,omitempty" doc:"why much fails with it, since one instance runs by the plan"`
	Finding string `json:"finding,omitempty" doc:"ID of the finding that its number of instances was set by hand"`
}

// Edge is one way in which a member uses another: a call, an event from
// provider to consumer, a route from a gateway.
type Edge struct {
	From       string    `json:"from"`
	To         string    `json:"to"`
	Kind       string    `json:"kind" enum:"call,event,route"`
	Label      string    `json:"label,omitempty" doc:"the event's type, or the route's path"`
	Declared   bool      `json:"declared"`
	DeclaredAt time.Time `json:"declaredAt,omitzero" doc:"when plat first saw the declaration; calls only"`
	Count      uint64    `json:"count" doc:"uses that were seen; of events, those that the consumer has handled"`
	Errors     uint64    `json:"errors" doc:"of those, answered by 5xx or not at all"`
	Refused    uint64    `json:"refused,omitempty" doc:"undeclared calls that were answered 403"`
	First      time.Time `json:"first,omitzero"`
	Last       time.Time `json:"last,omitzero"`
	Finding    string    `json:"finding,omitempty" doc:"ID of the finding on this edge"`

	Figures *Figures `json:"figures,omitempty" doc:"of calls and routes that were used within the last hour, since plat runs"`
	Actions *Actions `json:"actions,omitempty" doc:"of calls: what customers' actions made of them, since plat runs"`
	Lag     uint64   `json:"lag,omitempty" doc:"of events: not delivered yet"`
	Unacked int      `json:"unacked,omitempty" doc:"of events: delivered, not acknowledged yet"`
	Oldest  float64  `json:"oldest,omitempty" doc:"of events: seconds for which the oldest waits that is not handled"`
	Fresh   float64  `json:"fresh,omitempty" doc:"of events: seconds within which the plan wants them handled"`
}

// Figures are how often, how slow and how wrong an edge was of late.
type Figures struct {
	Rate1    float64 `json:"rate1" doc:"uses a second over the last minute"`
	Rate5    float64 `json:"rate5" doc:"over the last 5 minutes"`
	Rate60   float64 `json:"rate60" doc:"over the last hour"`
	Last5    Window  `json:"last5" doc:"the last 5 minutes"`
	LastHour Window  `json:"lastHour"`
}

// Window is what an edge did over some minutes. Quantiles are right to an
// eighth; more than 40 s are told as 40.
type Window struct {
	Count  uint64  `json:"count"`
	Errors uint64  `json:"errors" doc:"answered by 5xx or not at all"`
	P50    float64 `json:"p50" doc:"seconds that half of all took at most"`
	P95    float64 `json:"p95"`
	P99    float64 `json:"p99"`
}

// Actions is what customers' actions made of a call: an action is a
// request that came in by a gateway, and all with its correlation ID until the
// next one that has the same.
type Actions struct {
	Count  uint64 `json:"count" doc:"actions that made the call"`
	Calls  uint64 `json:"calls" doc:"how often they did together"`
	Most   int    `json:"most" doc:"how often one of them did"`
	Chatty uint64 `json:"chatty" doc:"actions that made it more than 5 times"`
}

// Findings is where reality and the plan differ: GET /v1/findings.
type Findings struct {
	Findings  []Finding   `json:"findings"`
	Patch     string      `json:"patch,omitempty" doc:"all changes of the plan that settle findings, as one unified diff"`
	NotJudged []NotJudged `json:"notJudged,omitempty" doc:"declared calls that were never made, by callers that were not in use for long enough to say so"`
}

// NotJudged is a declared call that may be a finding later.
type NotJudged struct {
	Caller string  `json:"caller"`
	Callee string  `json:"callee"`
	Used   float64 `json:"used" doc:"seconds for which the caller was in use since"`
	Of     float64 `json:"of" doc:"from which on it is a finding"`
}

// Finding is one difference between the plan and what was seen, with its
// evidence and its remedy: GET /v1/findings/{id}, which also takes the ID of
// one refused call.
type Finding struct {
	ID       string         `json:"id" doc:"the same as long as the difference lasts"`
	Code     fault.Code     `json:"code" doc:"plat explain CODE says when it happens"`
	Severity fault.Severity `json:"severity"`
	Caller   string         `json:"caller"`
	Callee   string         `json:"callee" doc:"the other service that it is about; may be empty"`
	Services []string       `json:"services,omitempty" doc:"all whom it is about, in their order, where these are more: a circle, a chain"`
	What     string         `json:"what"`
	Why      string         `json:"why"`
	Remedy   string         `json:"remedy" doc:"the command that settles it"`
	File     string         `json:"file,omitempty" doc:"where it would be declared, or is"`
	Line     int            `json:"line,omitempty"`
	Patch    string         `json:"patch,omitempty" doc:"the lines for that file; where lines are taken out, a unified diff"`
	Diff     string         `json:"diff,omitempty" doc:"the change of the plan that settles it, as a unified diff"`
	Part     bool           `json:"part,omitempty" doc:"the diff is but a part of what settles it: the program must change, and first"`
	Refused  bool           `json:"refused,omitempty" doc:"calls were answered 403, by access: enforce"`
	Count    uint64         `json:"count"`
	First    time.Time      `json:"first,omitzero"`
	Last     time.Time      `json:"last,omitzero"`
	Evidence []Evidence     `json:"evidence" doc:"the newest first, at most 10"`
}

// Evidence is one thing that was seen: a call; an action, by its correlation
// ID; a file. What has no meaning for it is empty.
type Evidence struct {
	ID            string    `json:"id" doc:"of a call: plat why ID explains it"`
	Time          time.Time `json:"time,omitzero"`
	Method        string    `json:"method"`
	Path          string    `json:"path" doc:"of a call; of a file; or the name of a database"`
	Status        int       `json:"status"`
	CorrelationID string    `json:"correlationId"`
	Note          string    `json:"note,omitempty" doc:"what else is to be known of it"`
}
