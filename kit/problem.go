package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is an error as RFC 9457 has it (application/problem+json). As an
// error it is both what a handler answers with and what a [Client] returns for
// an answer that is not 2xx.
type Problem struct {
	Type          string       `json:"type,omitempty"`          // a URI that names the kind; empty means about:blank
	Title         string       `json:"title,omitempty"`         // the kind in words; default: the text of Status
	Status        int          `json:"status,omitempty"`        // HTTP status; default 500
	Detail        string       `json:"detail,omitempty"`        // what happened this time, for the reader of the answer
	Instance      string       `json:"instance,omitempty"`      // the path of the request, set by WriteProblem
	Code          string       `json:"code,omitempty"`          // the kind for programs, such as out-of-stock
	CorrelationID string       `json:"correlationId,omitempty"` // set by WriteProblem
	Errors        []FieldError `json:"errors,omitempty"`        // each mistake in the input

	service    string        // the neighbour that answered with it; empty for our own
	degraded   bool          // the plan says to go on without its answer
	queued     string        // the ID of the call, which is done later
	retryAfter time.Duration // that the neighbour asks for; 0: none
}

// FieldError is one mistake in a request.
type FieldError struct {
	Location string `json:"location,omitempty"` // such as body.lines[0].quantity
	Message  string `json:"message"`
}

// Codes of the problems that the kit itself answers with.
const (
	CodeInternal     = "internal"          // an error nobody mapped; its cause is in the log
	CodeDeadline     = "deadline-exceeded" // the time that the caller gave is over
	CodeUnavailable  = "unavailable"       // starting, draining, or a neighbour that cannot be reached
	CodeBadNeighbour = "bad-neighbour"     // a neighbour answered with an error that this service did not expect
	CodeTooLarge     = "body-too-large"    // the request's body is over the limit
	CodeOverloaded   = "overloaded"        // there is more to do than this service can; Retry-After says when to ask again
)

// NewProblem makes a problem of this status, code and detail.
func NewProblem(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
}

// Error is the problem in one line.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.service != "" {
		b.WriteString(p.service + ": ")
	}
	fmt.Fprintf(&b, "%d %s", p.status(), p.title())
	if p.Code != "" {
		b.WriteString(" [" + p.Code + "]")
	}
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	return b.String()
}

func (p *Problem) status() int {
	if p.Status < 400 || p.Status > 599 {
		return http.StatusInternalServerError
	}
	return p.Status
}

func (p *Problem) title() string {
	if p.Title != "" {
		return p.Title
	}
	return http.StatusText(p.status())
}

// StatusOf is the HTTP status of the problem that err is or wraps, 0 if it is
// none.
func StatusOf(err error) int {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.status()
	}
	return 0
}

// WriteProblem answers the request with a copy of p, its instance and
// correlation ID set; a nil p is an internal error. Nothing may have been
// written before.
func WriteProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	if p == nil {
		p = internalProblem()
	}
	out := *p
	out.Status, out.Title = p.status(), p.title()
	out.Instance, out.CorrelationID = r.URL.Path, CorrelationID(r.Context())
	body, err := json.Marshal(&out)
	if err != nil { // cannot be: strings and a number
		body = []byte(`{"status":500,"code":"internal"}`)
	}
	h := w.Header()
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if seconds := math.Ceil(p.retryAfter.Seconds()); seconds > 0 && h.Get("Retry-After") == "" {
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	w.WriteHeader(out.Status)
	_, _ = w.Write(append(body, '\n')) // the client has gone: nobody to tell
}

// ProblemFrom makes of any error the problem that may be shown outside: one
// made by this service stays as it is; an exceeded deadline is a 504; a body
// over the limit a 413; a neighbour's failure a 502, 503 or 504 that does not
// repeat what the neighbour said (to pass it on, give it to [WriteProblem]);
// anything else a 500 "internal" without the cause, which belongs in the log.
func ProblemFrom(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.outward()
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return NewProblem(http.StatusGatewayTimeout, CodeDeadline, "the time that the caller gave is over")
	case errors.Is(err, context.Canceled):
		return NewProblem(http.StatusServiceUnavailable, CodeUnavailable, "the request was cancelled")
	}
	if c, ok := errors.AsType[*callError](err); ok {
		return NewProblem(http.StatusServiceUnavailable, CodeUnavailable, c.service+" cannot be reached")
	}
	return internalProblem()
}

// outward hides what a neighbour said.
func (p *Problem) outward() *Problem {
	if p.service == "" {
		return p
	}
	switch p.status() {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		out := NewProblem(http.StatusServiceUnavailable, CodeUnavailable, p.service+" is not available")
		out.retryAfter = p.retryAfter
		return out
	case http.StatusGatewayTimeout:
		return NewProblem(http.StatusGatewayTimeout, CodeDeadline, p.service+" did not answer in time")
	}
	return NewProblem(http.StatusBadGateway, CodeBadNeighbour, p.service+" answered with an error")
}

func internalProblem() *Problem {
	return NewProblem(http.StatusInternalServerError, CodeInternal, "an unforeseen error, see the log under the correlation ID")
}

func tooLarge() *Problem {
	return NewProblem(http.StatusRequestEntityTooLarge, CodeTooLarge, "the request's body is over the limit")
}
