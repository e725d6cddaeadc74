package direct

import (
	"time"

	"github.com/plat-dev/plat/kit/policy"
)

// Path is where the control plane gives the view (GET) and takes what is told
// (POST). Both need the service's own token.
const Path = "/v1/self/calls"

// Who makes a call.
const (
	ByKit  = "kit"  // the program itself, with an instance that it chooses
	ByEdge = "edge" // plat's listener
)

// View is whom a service may call at this moment, and how. It is complete:
// the next one replaces it whole.
type View struct {
	Revision string `json:"revision"` // of its content; the same content has the same one
	Calls    []Call `json:"calls"`
}

// Call is how one service is called. Times are in nanoseconds, as Go has them.
type Call struct {
	Service   string          `json:"service"`
	By        string          `json:"by"`
	Why       string          `json:"why,omitempty"` // it is made by the edge
	Instances []Instance      `json:"instances"`
	Timeout   time.Duration   `json:"timeout"` // until the answer begins; 0: none
	Policy    policy.Config   `json:"policy"`
	Ejection  policy.Ejection `json:"ejection"`
	OnFailure string          `json:"onFailure"`
}

// Instance is one that is in rotation.
type Instance struct {
	ID      string `json:"id"`
	Addr    string `json:"addr"` // host:port
	Version string `json:"version,omitempty"`
}

// Telling is what a program tells of its calls.
type Telling struct {
	Instance string         `json:"instance"`           // who tells
	Revision string         `json:"revision"`           // of the view that is in force there
	InFlight map[string]int `json:"inFlight,omitempty"` // calls under way, by instance, those that the view has no more too; without streams that have no end
	Calls    []Told         `json:"calls,omitempty"`
	States   []State        `json:"states,omitempty"`
	Dropped  uint64         `json:"dropped,omitempty"` // calls that were not told, since the program began
	Ends     bool           `json:"ends,omitempty"`    // it calls nobody any more
}

// Bounds of a telling; what is beyond them is not taken.
const (
	MaxTold = 1000
	MaxText = 2048 // bytes of a path, or of an error's text
)

// Told is one call that has ended.
type Told struct {
	Service       string        `json:"service"`
	Instance      string        `json:"instance,omitempty"` // that was asked last
	Start         time.Time     `json:"start"`
	Duration      time.Duration `json:"duration"`
	Method        string        `json:"method"`
	Path          string        `json:"path"`             // without the query, whose values may be secret
	Status        int           `json:"status,omitempty"` // 0: the caller got no answer
	Retries       int           `json:"retries,omitempty"`
	BytesIn       int64         `json:"bytesIn,omitempty"`  // of the request's body
	BytesOut      int64         `json:"bytesOut,omitempty"` // of the answer's
	CorrelationID string        `json:"correlationId,omitempty"`
	Trace         string        `json:"trace,omitempty"` // its place in the trace, as W3C Trace Context has it
	Span          string        `json:"span,omitempty"`
	Parent        string        `json:"parent,omitempty"`
	Sampled       bool          `json:"sampled,omitempty"`
	Code          string        `json:"code,omitempty"`  // what went wrong, as the edge would say it
	Error         string        `json:"error,omitempty"` // the cause
}

// State is how the policies of a program's calls of one service stand.
type State struct {
	Service  string                        `json:"service"`
	Guard    policy.Snapshot               `json:"guard"`
	Ejected  map[string]policy.MemberState `json:"ejected,omitempty"`
	Ejection policy.Line                   `json:"ejection"`
	Degraded uint64                        `json:"degraded,omitempty"` // answers that were marked so
	Last     *policy.Act                   `json:"last,omitempty"`     // why the last one was
}
