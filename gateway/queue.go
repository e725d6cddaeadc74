package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/later"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
)

// queuedPath is where a caller asks, at the address by which it called, what
// became of a call that is done later.
const queuedPath = "/.well-known/plat/queue/"

// Times of calls that are done later.
const (
	deliverFor  = 10 * time.Second       // one try at least, since nobody waits
	queueMargin = 100 * time.Millisecond // of a caller's time, to keep the call and tell him
)

// SetLater gives the gateway what keeps calls that are to be done later. Without
// it, on-failure: queue is an error like any other.
func (g *Gateway) SetLater(q *later.Queues) { g.later.Store(q) }

// mayWait prepares the call to be done later, where the plan says so, and tells
// whether it is to be made now: else it was answered.
//
// INVARIANT: whatever may be kept bears an idempotency key from its first try
// on, so that one whose effect is unknown may be tried again.
func (x *exchange) mayWait(out *outgoing) bool {
	q := x.gateway.later.Load()
	if q == nil || x.delivery || x.terms == nil || x.terms.queue == nil || !later.Keepable(x.r) {
		return true
	}
	x.key = later.Key{Caller: x.Caller, Callee: x.Service, Test: x.Synthetic != ""}
	id := newCorrelation(x.Start)
	if len(out.Header["Idempotency-Key"]) == 0 {
		out.set("Idempotency-Key", `"`+id+`"`)
	}
	whole, err := x.holdBody(int64(x.terms.queue.Body))
	if err != nil {
		x.bodyFailed(err)
		return false
	}
	header, stripped, plain := later.Header(out.Header, x.r.RequestURI, x.terms.queue.Credentials)
	switch {
	case !whole:
		x.unkept = &later.Refusal{Reason: later.TooLarge, Detail: "its body has more than " + x.terms.queue.Body.String()}
	case !plain:
		x.unkept = &later.Refusal{Reason: later.Credentials, Detail: "it bears credentials, which are not written to the disk"}
	default:
		x.kept = &later.Call{
			ID: id, Caller: x.Caller, Callee: x.Service, Test: x.Synthetic, Method: x.r.Method, Target: x.r.URL.RequestURI(), Host: x.r.Host, Header: header, Body: x.held,
		}
		x.stripped = stripped
	}
	if !q.Waits(x.key) {
		return true
	}
	why := "earlier calls to " + x.Service + " wait to be done"
	if !x.standIn(why) {
		x.w.Header()["Retry-After"] = []string{"1"}
		x.problem(http.StatusServiceUnavailable, fault.GatewayNotKept, why+", and this one could not be kept: "+x.unkept.Detail)
	}
	return false
}

// holdBody takes the request's body into memory, and tells whether that is all
// of it. What is longer is left to be passed on.
func (x *exchange) holdBody(most int64) (whole bool, err error) {
	r := x.r
	most = min(most, x.bodyLimit())
	switch {
	case r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0:
		x.held = []byte{}
		return true, nil
	case r.ContentLength > most:
		return false, nil
	}
	_ = x.control.SetReadDeadline(x.Start.Add(x.gateway.limits.BodyStall)) // unsupported in tests' recorders alone
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	_ = x.control.SetReadDeadline(time.Time{})
	x.BytesIn = int64(len(body))
	switch {
	case isTimeout(err):
		return false, errBodyTooSlow
	case err != nil:
		return false, err
	case int64(len(body)) > most || len(r.Trailer) > 0:
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
		return false, nil
	}
	x.held = body
	return true, nil
}

// giveHeld gives the request its body from memory, for each try anew.
func (x *exchange) giveHeld(out *http.Request) {
	out.Body, out.ContentLength, out.GetBody, out.Trailer = nil, int64(len(x.held)), nil, nil
	if len(x.held) > 0 {
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.held)), nil }
		out.Body, _ = out.GetBody() // from memory: never fails
	}
}

// notNow tells whether an answer below 500 makes that the call is done later.
func (x *exchange) notNow(res *http.Response) bool {
	return x.kept != nil && later.NotNow(res.StatusCode)
}

// keep keeps the call, and answers 202 when that is done.
func (x *exchange) keep(why string) bool {
	q := x.gateway.later.Load()
	if q == nil || x.delivery {
		return false
	}
	if x.kept == nil {
		if x.unkept != nil {
			q.Refused(x.key, x.unkept.Reason)
		}
		return false
	}
	if x.stripped && x.Upstream != "" && (x.Retries > 0 || !dialing(x.Err)) {
		x.unkept = &later.Refusal{Reason: later.Credentials, Detail: "it may have had its effect, and without its credentials it would have another"}
		q.Refused(x.key, x.unkept.Reason)
		return false
	}
	x.kept.Failure = why
	receipt, err := q.Keep(x.r.Context(), *x.kept)
	if err != nil {
		if !errors.As(err, &x.unkept) {
			x.unkept = &later.Refusal{Reason: later.Unstored, Detail: err.Error()}
		}
		return false
	}
	f := &x.dependency.fallbacks
	f.note(&f.queued, "kept a call to be done later: "+why)
	x.giveQueued(receipt, why)
	return true
}

// giveQueued answers that the call will be done later.
func (x *exchange) giveQueued(r later.Receipt, why string) {
	body, _ := json.Marshal(struct { // of texts and numbers: never fails
		Title         string `json:"title"`
		Status        int    `json:"status"`
		Detail        string `json:"detail"`
		ID            string `json:"id"`
		Position      int    `json:"position"`
		CorrelationID string `json:"correlationId"`
	}{"The call is kept and will be done later", http.StatusAccepted, why, r.ID, r.Position, x.CorrelationID})
	h := x.w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Cache-Control"] = []string{"no-store"}
	h["Location"] = []string{queuedPath + r.ID}
	h[fallbackMark] = []string{plan.OnQueue}
	delete(h, "Plat-Rejected")
	h["Retry-After"] = []string{strconv.FormatInt(int64(math.Ceil(max(r.Next, time.Second).Seconds())), 10)} // to ask at Location
	x.write(http.StatusAccepted, append(body, '\n'))
}

// toldOfQueued answers whoever asks what became of a call of his that is done
// later, and tells whether this was such a question.
func (x *exchange) toldOfQueued() bool {
	q := x.gateway.later.Load()
	id, ok := strings.CutPrefix(x.r.URL.Path, queuedPath)
	if q == nil || !ok || x.terms == nil || !x.terms.declared || x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return false
	}
	x.identify(true)
	letter, ok := q.Find(id)
	if !ok || letter.Caller != x.Caller || letter.Service != x.Service {
		x.problem(http.StatusNotFound, fault.NoSuchCall, "no call of "+x.Caller+" to "+x.Service+" has this ID")
		return true
	}
	body, _ := json.Marshal(letter) // of texts and numbers: never fails
	h := x.w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Cache-Control"] = []string{"no-store"}
	if letter.Next != nil {
		h["Retry-After"] = []string{strconv.FormatInt(int64(math.Ceil(max(time.Until(*letter.Next), time.Second).Seconds())), 10)}
	}
	x.write(http.StatusOK, append(body, '\n'))
	return true
}

// Deliver makes a call that was kept, by the edge by which it came.
func (g *Gateway) Deliver(ctx context.Context, c later.Call) (o later.Outcome) {
	g.mu.Lock()
	var e *edge
	if d := g.dependencies[edgeKey{c.Caller, c.Callee}]; d != nil && d.terms.Load() != nil && d.terms.Load().declared {
		e = d.edge.Load()
	}
	g.mu.Unlock()
	target, err := url.ParseRequestURI(c.Target)
	switch {
	case e == nil:
		return later.Outcome{Why: "the plan does not say any more that " + c.Caller + " calls " + c.Callee}
	case err != nil:
		return later.Outcome{Status: http.StatusBadRequest, Why: "its target is malformed"}
	case c.Test != "" && !g.believes(c.Header[testMark]): // it would have a real effect
		return later.Outcome{Status: http.StatusGone, Why: "the mark of its test customer is not believed any more"}
	}
	header := c.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	r := (&http.Request{
		Method: c.Method, URL: target, RequestURI: c.Target, Host: c.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, ContentLength: int64(len(c.Body)),
	}).WithContext(ctx)
	w := &noted{header: http.Header{}}
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint,err113 // as net/http compares it
			panic(p)
		} else if p != nil {
			o = later.Outcome{Why: "the answer broke off"}
		}
	}()
	x := g.begin(w, r)
	defer x.finish()
	x.takes(e)
	x.delivery, x.held, x.BytesIn = true, c.Body, int64(len(c.Body))
	if x.held == nil {
		x.held = []byte{}
	}
	if x.admit() {
		x.pass(e)
	}
	return w.outcome()
}

// believes tells whether these are the mark of a test customer.
func (g *Gateway) believes(marks []string) bool {
	if len(marks) != 1 || g.marked == nil {
		return false
	}
	_, ok := g.marked(marks[0], false)
	return ok
}

// noted is an answer of which its status is kept, and a little of its body.
type noted struct {
	header http.Header
	status int
	body   []byte
}

const notedBody = 2 << 10

// Header implements http.ResponseWriter.
func (w *noted) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *noted) WriteHeader(status int) {
	if w.status < http.StatusOK {
		w.status = status
	}
}

// Write implements http.ResponseWriter; it never fails.
func (w *noted) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p[:min(len(p), notedBody-len(w.body))]...)
	return len(p), nil
}

func (w *noted) outcome() later.Outcome {
	o := later.Outcome{Status: w.status}
	o.After, _ = policy.RetryAfter(w.header, time.Now())
	if w.status >= 200 && w.status <= 299 {
		return o
	}
	o.Why = fmt.Sprintf("%d %s", w.status, http.StatusText(w.status))
	var problem struct{ Title, Detail string }
	if strings.Contains(w.header.Get("Content-Type"), "json") && json.Unmarshal(w.body, &problem) == nil {
		if said := strings.Join(strings.Fields(cmp.Or(problem.Detail, problem.Title)), " "); said != "" {
			o.Why += ": " + strings.ToValidUTF8(said[:min(len(said), 300)], "")
		}
	}
	return o
}
