// Package api is the control plane's interface: wire types and a client. The
// command line, the console and other programs see a running plat through it
// alone. Its handlers are in api/serve.
//
// It is public: what stands here is kept compatible. It must never import a
// room of plat but fault.
package api

import (
	"encoding/json"
	"time"

	"github.com/plat-dev/plat/fault"
)

// System is what runs: GET /v1/system.
type System struct {
	Name        string         `json:"name"`
	Environment string         `json:"environment"`
	Revision    string         `json:"revision" doc:"of the live plan"`
	PID         int            `json:"pid"`
	Guard       int            `json:"guard"`
	Started     time.Time      `json:"started"`
	Root        string         `json:"root" doc:"the folder with plat.yaml"`
	Logs        string         `json:"logs" doc:"the folder with the log files"`
	Gateways    []Gateway      `json:"gateways"`
	API         string         `json:"api"`
	Console     string         `json:"console" doc:"address of the console, without a key"`
	Access      string         `json:"access" enum:"observe,enforce" doc:"what happens to undeclared calls"`
	Only        []string       `json:"only,omitempty" doc:"the services that plat up was asked for, with what they need"`
	Watch       bool           `json:"watch,omitempty" doc:"saved files are built and started"`
	Doors       []Door         `json:"doors" doc:"compatibility listeners"`
	Plan        PlanState      `json:"plan"`
	Warnings    []*fault.Fault `json:"warnings" doc:"what plat cannot do here, such as enforcing limits"`
}

// Gateway is one public entrance.
type Gateway struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Door is one compatibility listener.
type Door struct {
	Name string `json:"name" enum:"dns,consul"`
	Addr string `json:"addr"`
}

// PlanState tells whether the files are what runs.
type PlanState struct {
	State    string         `json:"state" enum:"live,refused" doc:"refused: the files have errors, the last good plan stays live"`
	Since    time.Time      `json:"since"`
	Findings []*fault.Fault `json:"findings" doc:"errors of the refused files, or warnings of the live ones"`
}

// Service is one service as it runs: GET /v1/services.
type Service struct {
	Name      string       `json:"name"`
	Owner     string       `json:"owner"`
	Context   string       `json:"context,omitempty" doc:"bounded context"`
	About     string       `json:"about,omitempty"`
	Outside   bool         `json:"outside,omitempty" doc:"not in the plan: it registered itself"`
	OpenAPI   bool         `json:"openapi,omitempty" doc:"GET /v1/services/{name}/openapi has its document"`
	Errors    *ErrorCount  `json:"errors,omitempty" doc:"lines of its output that tell of errors"`
	State     string       `json:"state" doc:"pending, building, build-failed, starting, ready, degraded, unready, crash-looping, stopping or stopped"`
	Desired   int          `json:"desired"`
	Ready     int          `json:"ready"`
	Override  bool         `json:"override,omitempty" doc:"the number of instances was set by hand"`
	Restarts  int          `json:"restarts"`
	Version   string       `json:"version,omitempty"`
	URL       string       `json:"url,omitempty" doc:"public address, for a service with a route"`
	Settled   bool         `json:"settled" doc:"nothing is on its way: it is ready, or it failed"`
	Fault     *fault.Fault `json:"fault,omitempty"`
	LastLines []string     `json:"lastLines,omitempty" doc:"last output before the failure"`
	Instances []Instance   `json:"instances"`
}

// ErrorCount counts lines of output that tell of errors: of level error in
// structured output, or on standard error with a word like ERROR or panic.
type ErrorCount struct {
	Count int       `json:"count" doc:"in the last 15 minutes"`
	Last  time.Time `json:"last"`
	Text  string    `json:"text" doc:"the last one"`
}

// Instance is one running copy of a service.
type Instance struct {
	ID       string    `json:"id"`
	PID      int       `json:"pid"`
	Addr     string    `json:"addr"`
	Version  string    `json:"version,omitempty"`
	State    string    `json:"state"`
	Started  time.Time `json:"started"`
	Restarts int       `json:"restarts"`
	LastExit string    `json:"lastExit,omitempty"`
	Memory   int64     `json:"memory,omitempty" doc:"resident bytes of its processes, where the system tells"`
	Checks   []Check   `json:"checks"`
}

// Check is one health check as the registry has it.
type Check struct {
	ID     string    `json:"id"`
	Status string    `json:"status" enum:"passing,warning,critical"`
	Output string    `json:"output,omitempty"`
	Since  time.Time `json:"since"`
}

// Services is a list with the index of its last change.
type Services struct {
	Services []Service `json:"services"`
}

// Scale sets a service's number of instances.
type Scale struct {
	Instances int `json:"instances" minimum:"0" maximum:"100"`
}

// Self is what a service may know of itself with its own PLAT_TOKEN:
// GET /v1/self.
type Self struct {
	Service     string          `json:"service"`
	System      string          `json:"system"`
	Environment string          `json:"environment"`
	Owner       string          `json:"owner"`
	Declaration json.RawMessage `json:"declaration" doc:"the service's resolved declaration"`
	Instances   []Instance      `json:"instances"`
}

// Events is the state of the event engine: GET /v1/events.
type Events struct {
	Streams     []Stream       `json:"streams"`
	Consumers   []Consumer     `json:"consumers"`
	DeadLetters []DeadLetter   `json:"deadLetters" doc:"the newest first, at most 100"`
	Dead        uint64         `json:"dead" doc:"all dead letters that are kept"`
	Orphans     []string       `json:"orphans" doc:"streams and consumers that the plan no longer declares"`
	Refusing    string         `json:"refusing,omitempty" doc:"why publishing is refused now, as a full disk"`
	Violations  []Violation    `json:"violations" doc:"what services tried and may not do by the plan"`
	Faults      []*fault.Fault `json:"faults" doc:"what is wrong with the store itself"`
}

// Violation counts what one service tried on the event wire against the plan.
type Violation struct {
	Service string    `json:"service"`
	Action  string    `json:"action" enum:"publish,subscribe,connect"`
	Subject string    `json:"subject,omitempty"`
	Count   int64     `json:"count"`
	Last    time.Time `json:"last"`
}

// Stream holds all events of one provider.
type Stream struct {
	Name     string    `json:"name"`
	Provider string    `json:"provider"`
	Events   []string  `json:"events"`
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	Last     time.Time `json:"last,omitzero"`
}

// Consumer is one service's subscription to one event.
type Consumer struct {
	Name        string    `json:"name"`
	Service     string    `json:"service"`
	Event       string    `json:"event"`
	Stream      string    `json:"stream"`
	Lag         uint64    `json:"lag" doc:"events that were not delivered yet"`
	Unacked     int       `json:"unacked" doc:"delivered, not acknowledged yet"`
	Redelivered int       `json:"redelivered"`
	Push        string    `json:"push,omitempty" doc:"the path that plat delivers to"`
	Active      time.Time `json:"active,omitzero"`
}

// DeadLetter is an event that a consumer could not take.
type DeadLetter struct {
	ID         string            `json:"id"`
	Event      string            `json:"event"`
	EventID    string            `json:"eventId"`
	Service    string            `json:"service"`
	Consumer   string            `json:"consumer"`
	Reason     string            `json:"reason"`
	Deliveries int               `json:"deliveries"`
	Time       time.Time         `json:"time"`
	Headers    map[string]string `json:"headers,omitempty"`
	Data       json.RawMessage   `json:"data,omitempty"`
}

// LogLine is one line of a service's output: GET /v1/logs gives one a line
// (NDJSON).
type LogLine struct {
	Time     time.Time `json:"time"`
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	Stream   string    `json:"stream" enum:"out,err,plat"`
	Text     string    `json:"text"`
}

// LogQuery says which lines are wanted. The zero value is everything that is
// kept.
type LogQuery struct {
	Services []string
	Since    time.Time
	Tail     int // last lines of each service; 0: all
	Follow   bool
}

// Problem is an error on the wire (RFC 9457).
type Problem struct {
	Type          string         `json:"type"`
	Title         string         `json:"title"`
	Status        int            `json:"status"`
	Detail        string         `json:"detail,omitempty"`
	Code          fault.Code     `json:"code"`
	Remedy        string         `json:"remedy,omitempty"`
	CorrelationID string         `json:"correlationId,omitempty"`
	Faults        []*fault.Fault `json:"faults,omitempty" doc:"each thing that is wrong, where there are several"`
}
