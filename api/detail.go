package api

import (
	"encoding/json"
	"time"
)

// Description is all that plat knows of one service:
// GET /v1/services/{name}/description.
type Description struct {
	Service     Service         `json:"service"`
	Declaration json.RawMessage `json:"declaration" doc:"resolved, as GET /v1/plan has it"`
	File        string          `json:"file,omitempty" doc:"of the declaration, relative to the system's folder"`
	Routes      []Route         `json:"routes" doc:"public addresses that lead to it"`
	Edges       []Edge          `json:"edges" doc:"of the map, both ways"`
	Consumers   []Consumer      `json:"consumers" doc:"its subscriptions"`
	Environment []Variable      `json:"environment" doc:"what its processes are given"`
	Findings    []Finding       `json:"findings"`
	Calls       []CallState     `json:"calls" doc:"how its calls of others are protected, and how that stands"`
	Incoming    []PolicyState   `json:"incoming" doc:"what is let in to it, and how that stands"`
}

// CallState is how the policies of one service's calls of another stand.
type CallState struct {
	Service   string        `json:"service" doc:"that is called"`
	By        string        `json:"by,omitempty" doc:"the instance that calls by itself; absent: plat's listener"`
	Declared  bool          `json:"declared"`
	OnFailure string        `json:"onFailure"`
	Policies  []PolicyState `json:"policies"`
}

// PolicyState is how one policy stands.
type PolicyState struct {
	Policy  string     `json:"policy" enum:"timeout,retries,breaker,bulkhead,adaptive,ejection,fallback,shedding,rate"`
	Setting string     `json:"setting" doc:"what the plan says, in words"`
	State   string     `json:"state" doc:"in words"`
	Count   uint64     `json:"count" doc:"how often it acted"`
	Acted   *time.Time `json:"acted,omitempty" doc:"when it acted last; absent: never"`
	Why     string     `json:"why,omitempty" doc:"what it did then, and why"`
	Holds   bool       `json:"holds,omitempty" doc:"it holds something back at this moment, or tries whether it still must"`
}

// Policies is how all services are protected: GET /v1/policies.
type Policies struct {
	Services []ServicePolicies `json:"services" nullable:"false" doc:"of the plan, by name"`
}

// ServicePolicies is how one service's calls are protected, and it itself.
type ServicePolicies struct {
	Service  string        `json:"service"`
	Calls    []CallState   `json:"calls" nullable:"false"`
	Incoming []PolicyState `json:"incoming" nullable:"false"`
}

// Route is one public address of a service.
type Route struct {
	URL     string   `json:"url"`
	Methods []string `json:"methods,omitempty" doc:"absent: any"`
}

// Variable is one variable of a process's environment.
type Variable struct {
	Name   string `json:"name"`
	Value  string `json:"value" doc:"secrets are masked as ••••"`
	Source string `json:"source" enum:"plat,config" doc:"who gives it"`
	Secret bool   `json:"secret,omitempty"`
}

// Platform is what plat itself costs: GET /v1/platform.
type Platform struct {
	Processes []Process `json:"processes"`
}

// Process is one process of plat's own.
type Process struct {
	Name    string        `json:"name" doc:"plat or guard"`
	PID     int           `json:"pid"`
	Memory  int64         `json:"memory" doc:"resident bytes"`
	CPU     time.Duration `json:"cpu" doc:"processor time since its start, nanoseconds"`
	Started time.Time     `json:"started"`
}

// Mailbox is what services sent by mail: GET /v1/mail.
type Mailbox struct {
	Mails   []Mail `json:"mails" doc:"the newest first"`
	Dropped uint64 `json:"dropped" doc:"the oldest, which had to make room"`
}

// Mail is one mail in the development mailbox.
type Mail struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time" doc:"of its arrival"`
	From    string    `json:"from" doc:"of the envelope"`
	To      []string  `json:"to" doc:"of the envelope"`
	Subject string    `json:"subject"`
	Size    int       `json:"size"`

	CorrelationID string `json:"correlationId,omitempty" doc:"of the work that sent it, where it has the header X-Correlation-ID"`
}

// MailContent is one mail, read: GET /v1/mail/{id}. GET /v1/mail/{id}/raw is
// its source (message/rfc822).
type MailContent struct {
	Mail
	Headers     []Header     `json:"headers"`
	Text        string       `json:"text,omitempty"`
	HTML        string       `json:"html,omitempty" doc:"as it was sent: not to be trusted"`
	Attachments []Attachment `json:"attachments"`
	Problem     string       `json:"problem,omitempty" doc:"why it could not be read whole"`
}

// Header is one field of a mail's header, decoded.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Attachment is a part of a mail that is no text.
type Attachment struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int    `json:"size"`
}

// Publication answers POST /v1/events, which takes a CloudEvent (HTTP
// binding) and publishes it in the name of the service that provides its type.
type Publication struct {
	ID       string `json:"id" doc:"of the event"`
	Type     string `json:"type"`
	Provider string `json:"provider"`
}

// Session answers POST /v1/session: an address that opens the console once.
type Session struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
}

// Change is one message of GET /v1/changes (server-sent events): what to ask
// anew.
type Change struct {
	Topics []string `json:"topics" doc:"of services, plan, map, events, mail"`
}
