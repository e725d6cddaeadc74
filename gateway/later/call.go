package later

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Key names a queue: the calls of one service to another. Those of test
// customers have their own, so that a rehearsal holds nobody up.
type Key struct {
	Caller string
	Callee string
	Test   bool
}

// String names the queue in logs.
func (k Key) String() string {
	if k.Test {
		return k.Caller + "→" + k.Callee + " (test)"
	}
	return k.Caller + "→" + k.Callee
}

// Rules are what the plan says of a queue.
type Rules struct {
	Keep  time.Duration // how long a call is tried
	Calls int           // at once, dead letters among them
	Size  int64         // bytes of them together
}

// What becomes of a call that bears credentials.
const (
	Refuse = "refuse"
	Drop   = "drop"
	Keep   = "keep"
)

// Call is one call as it is kept; docs/wire/later.md describes its form on the
// disk.
type Call struct {
	Version int         `json:"version"`
	ID      string      `json:"id"`
	Caller  string      `json:"caller"`
	Callee  string      `json:"callee"`
	Test    string      `json:"test,omitempty"` // the journey of the test customer whose call it is
	Kept    time.Time   `json:"kept"`
	Since   time.Time   `json:"since"` // from when its age counts: kept, or retried by hand
	Method  string      `json:"method"`
	Target  string      `json:"target"` // path and query
	Host    string      `json:"host,omitempty"`
	Header  http.Header `json:"header"`
	Failure string      `json:"failure"`         // why it was not made at once
	Dead    string      `json:"dead,omitempty"`  // why it was given up; empty: it waits
	Tries   int         `json:"tries,omitempty"` // until it was
	Body    []byte      `json:"-"`
}

const version = 1

// Key names the queue that the call belongs to.
func (c Call) Key() Key { return Key{c.Caller, c.Callee, c.Test != ""} }

// encode writes the call: a line of JSON, then the body as it is.
func (c Call) encode() ([]byte, error) {
	c.Version = version
	head, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return slices.Concat(head, []byte{'\n'}, c.Body), nil
}

func decode(data []byte) (Call, error) {
	head, body, ok := bytes.Cut(data, []byte{'\n'})
	if !ok {
		return Call{}, errors.New("no line of JSON in front of the body")
	}
	var c Call
	if err := json.Unmarshal(head, &c); err != nil {
		return Call{}, err
	}
	if c.Version != version || c.ID == "" || c.Caller == "" || c.Callee == "" {
		return Call{}, fmt.Errorf("version %d of a kept call, expected %d, with an ID and both ends", c.Version, version)
	}
	c.Body = body
	return c, nil
}

// same tells calls apart by what they ask for under which idempotency key: one
// that is repeated while it waits is kept once.
func (c Call) same() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range []string{c.Header.Get("Idempotency-Key"), c.Method, c.Host, c.Target, string(c.Body)} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash takes everything
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Keepable tells whether a request is one that can be made later: it changes
// something, so that its sender can do without the answer, and is a whole.
func Keepable(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return false
	}
	kind := r.Header.Get("Content-Type")
	for _, stream := range []string{"application/grpc", "application/connect+", "application/x-ndjson", "application/jsonl", "application/json-seq"} {
		if strings.HasPrefix(kind, stream) {
			return false
		}
	}
	return len(r.Trailer) == 0 && r.Header["Upgrade"] == nil && r.Header["Range"] == nil && r.Header["Content-Range"] == nil &&
		!strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// Header makes what is kept of the fields of a request on its way out: without
// what belongs to one try, and by the rule without credentials: then it is
// stripped. It is not ok when they are refused.
func Header(out http.Header, target, rule string) (kept http.Header, stripped, ok bool) {
	kept = maps.Clone(out)
	for _, name := range []string{"Via", "Te", "Expect", "Content-Length", "Plat-Caller", "Plat-Timeout", "Plat-Retry"} {
		delete(kept, name)
	}
	if rule == Keep {
		return kept, false, true
	}
	if _, query, found := strings.Cut(target, "?"); found {
		values, err := url.ParseQuery(query)
		if err != nil {
			return nil, false, false // what it holds is not known
		}
		for name := range values {
			if credential(name) {
				return nil, false, false // it cannot be taken out without another request coming of it
			}
		}
	}
	for name := range kept {
		if !credential(name) {
			continue
		}
		if rule != Drop {
			return nil, false, false
		}
		delete(kept, name)
		stripped = true
	}
	return kept, stripped, true
}

// credential tells whether a field or parameter of this name shows who somebody
// is: such things are no business of a disk.
func credential(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey", "api_key", "credential"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	word := name[strings.LastIndexAny(name, "-_")+1:]
	return word == "key" && name != "idempotency-key"
}

// Outcome is what became of one try.
type Outcome struct {
	Status int           // of the answer; 0: there was none
	Why    string        // of what is no success, one line
	After  time.Duration // the pause that was asked for; 0: none
}

func (o Outcome) done() bool { return o.Status >= 200 && o.Status <= 299 }

// hopeful tells whether a call that was not done may be done later. A 4xx that
// asks for patience is no refusal: a service that still works on an earlier try
// answers so.
func (o Outcome) hopeful() bool {
	switch o.Status {
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return o.Status == 0 || o.Status >= 500 || NotNow(o.Status) || o.Status >= 400 && o.After > 0
}

// NotNow tells whether a status below 500 says that the same request may
// succeed later.
func NotNow(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests
}
