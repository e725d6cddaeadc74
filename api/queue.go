package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Queues is the answer of GET /v1/queues: the calls that are done later.
type Queues struct {
	Queues  []Queue `json:"queues" nullable:"false" doc:"By caller, then the service that is called."`
	Damaged int     `json:"damaged" doc:"Kept calls that cannot be read; they stay where they are."`
}

// Queue is the calls of one service to another that are done later; counters
// are since plat started.
type Queue struct {
	Caller    string            `json:"caller"`
	Service   string            `json:"service" doc:"that is called"`
	Test      bool              `json:"test,omitempty" doc:"It holds calls of test customers, apart from all others."`
	Waiting   int               `json:"waiting"`
	Dead      int               `json:"dead" doc:"Dead letters: refused for good, or too old. They are kept until somebody retries or drops them."`
	Bytes     int64             `json:"bytes" doc:"On the disk."`
	Oldest    *time.Time        `json:"oldest,omitempty" doc:"When the first that waits was kept."`
	Request   string            `json:"request,omitempty" doc:"Method and path of the first that waits."`
	Kept      uint64            `json:"kept"`
	Delivered uint64            `json:"delivered"`
	Died      uint64            `json:"died"`
	Dropped   uint64            `json:"dropped" doc:"By hand."`
	Refused   map[string]uint64 `json:"refused" nullable:"false" doc:"Calls that failed and were not kept, by reason: full, too-large, credentials, store."`
	Tries     int               `json:"tries" doc:"Of the first that waits."`
	Next      *time.Time        `json:"next,omitempty" doc:"When it is tried next."`
	Why       string            `json:"why,omitempty" doc:"Why it was not done the last time."`
}

// KeptCalls is the answer of GET /v1/queues/calls.
type KeptCalls struct {
	Calls []KeptCall `json:"calls" nullable:"false" doc:"Queue by queue, in the order in which they are done; after these the dead letters."`
	More  int        `json:"more,omitempty" doc:"How many there are beyond the limit that was asked for."`
}

// KeptCall is a call that is done later.
type KeptCall struct {
	ID            string     `json:"id"`
	Caller        string     `json:"caller"`
	Service       string     `json:"service"`
	Test          bool       `json:"test,omitempty"`
	State         string     `json:"state" enum:"waiting,dead,delivered"`
	Position      int        `json:"position,omitempty" doc:"Of one that waits, from 1."`
	Request       string     `json:"request,omitempty" doc:"Method and path."`
	Size          int64      `json:"size,omitempty" doc:"Bytes."`
	Kept          *time.Time `json:"kept,omitempty"`
	Tries         int        `json:"tries"`
	Next          *time.Time `json:"next,omitempty"`
	Why           string     `json:"why,omitempty" doc:"Why it was not done the last time, or was given up."`
	CorrelationID string     `json:"correlationId,omitempty"`
	Status        int        `json:"status,omitempty" doc:"Of the answer, when it was delivered."`
	Ended         *time.Time `json:"ended,omitempty"`
}

// KeptCallContent is one of them, opened: GET /v1/queues/calls/{id}.
type KeptCallContent struct {
	KeptCall
	Header   map[string][]string `json:"header" nullable:"false" doc:"Credentials are masked."`
	Body     string              `json:"body"`
	Encoding string              `json:"encoding" enum:"text,base64"`
	Cut      bool                `json:"cut,omitempty" doc:"The body is longer than what is shown."`
}

// Queues tells how it stands with the calls that are done later.
func (c *Client) Queues(ctx context.Context) (Queues, error) {
	return get[Queues](ctx, c, "/v1/queues")
}

// KeptCalls lists the calls that wait and the dead letters, or these alone.
func (c *Client) KeptCalls(ctx context.Context, dead bool) (KeptCalls, error) {
	path := "/v1/queues/calls"
	if dead {
		path += "?dead=true"
	}
	return get[KeptCalls](ctx, c, path)
}

// KeptCall opens one.
func (c *Client) KeptCall(ctx context.Context, id string) (KeptCallContent, error) {
	return get[KeptCallContent](ctx, c, "/v1/queues/calls/"+url.PathEscape(id))
}

// RetryKeptCall tries one at once; a dead letter goes to the end of its queue.
func (c *Client) RetryKeptCall(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/v1/queues/calls/"+url.PathEscape(id)+"/retry", nil, nil)
}

// DropKeptCall removes one for good.
func (c *Client) DropKeptCall(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/queues/calls/"+url.PathEscape(id), nil, nil)
}
