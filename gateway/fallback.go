package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/lastgood"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
)

// Marks of answers that something stands in for, or that stand in.
const (
	degradedMark = "Plat-Degraded" // the dependency that failed
	fallbackMark = "Plat-Fallback" // what stands in: default, last-good or queue
)

// fallbacks count what stood in for answers.
type fallbacks struct {
	degraded, standard, lastGood, queued atomic.Uint64
	last                                 atomic.Pointer[policy.Act]
}

func (f *fallbacks) note(n *atomic.Uint64, why string) {
	n.Add(1)
	f.last.Store(&policy.Act{Time: time.Now(), Why: why})
}

// standIn answers for a dependency that failed, as the plan says, and tells
// whether it did. What is not answered so is marked where the plan says
// degrade. Nothing may have been written before.
func (x *exchange) standIn(why string) bool {
	if x.terms == nil || x.Refused || grpc(x.r) {
		return false
	}
	f := &x.dependency.fallbacks
	safe := x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
	switch x.terms.onFailure {
	case plan.OnDegrade:
		x.w.Header()[degradedMark] = []string{x.Service}
		f.note(&f.degraded, "marked an answer as degraded: "+why)
	case plan.OnDefault:
		if !safe || x.terms.standard == nil {
			return false
		}
		f.note(&f.standard, "gave the default: "+why)
		x.giveDefault(x.terms.standard)
		return true
	case plan.OnLastGood:
		if x.terms.lastGood == nil {
			return false
		}
		a, ok := x.gateway.lastGood.Find(x.scope(), x.r, x.terms.lastGood.Keep.Std(), x.terms.lastGood.Private)
		if !ok {
			return false
		}
		f.note(&f.lastGood, fmt.Sprintf("gave the last good answer, %s old: %s", a.Age.Round(time.Second), why))
		x.giveLastGood(a)
		return true
	case plan.OnQueue:
		return x.keep(why)
	}
	return false
}

func (x *exchange) giveDefault(d *plan.DefaultAnswer) {
	h := x.w.Header()
	if d.Body != "" {
		h["Content-Type"] = []string{d.Type}
	}
	h["Cache-Control"] = []string{"no-store"}
	h[fallbackMark] = []string{plan.OnDefault}
	x.give(d.Status, []byte(d.Body))
}

func (x *exchange) giveLastGood(a lastgood.Answer) {
	h := x.w.Header()
	connection := a.Header["Connection"]
	for name, values := range a.Header {
		if !hopByHop(name) && (connection == nil || !listed(connection, name)) {
			h[name] = values
		}
	}
	h["Age"] = []string{strconv.FormatInt(int64(a.Age.Seconds()), 10)}
	h[fallbackMark] = []string{plan.OnLastGood}
	x.give(http.StatusOK, a.Body)
}

// give writes an answer of the gateway's own that is no error.
func (x *exchange) give(status int, body []byte) {
	h := x.w.Header()
	delete(h, "Retry-After") // of the error that it stands in for
	delete(h, "Plat-Rejected")
	x.write(status, body)
}

// write writes a small answer, but for its fields.
func (x *exchange) write(status int, body []byte) {
	h := x.w.Header()
	h["X-Correlation-Id"] = []string{x.CorrelationID}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.Status = status
	x.w.WriteHeader(status)
	if x.r.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		return
	}
	n, _ := x.w.Write(body) // the client has gone: nobody to tell
	x.BytesOut += int64(n)
}

func (x *exchange) scope() lastgood.Scope { return lastgood.Scope{Caller: x.Caller, Callee: x.Service} }

// record begins to keep an answer that may have to stand in for others.
func (x *exchange) record(res *http.Response) *lastgood.Recorder {
	standsIn := res.Header[degradedMark] != nil || res.Header[fallbackMark] != nil // itself
	if x.terms == nil || x.terms.lastGood == nil || lasting(x.r, res) || standsIn {
		return nil
	}
	return x.gateway.lastGood.Record(x.scope(), x.r, res, x.terms.lastGood.Private)
}

// failed answers for a dependency that did not: by what stands in for it, or an
// error. Whoever is retried by is told what was tried already.
func (x *exchange) failed(status int, code fault.Code, detail string) {
	if x.standIn(detail) {
		x.Code = code
		return
	}
	if x.unkept != nil {
		detail += "; and it could not be kept for later: " + x.unkept.Detail
	}
	h := x.w.Header()
	if x.terms != nil {
		if x.terms.onFailure == plan.OnDegrade && status >= http.StatusInternalServerError {
			status = http.StatusServiceUnavailable
		}
		if x.Retries > 0 {
			h[policy.MarkHeader] = []string{strconv.Itoa(x.Retries)}
		}
		if status != http.StatusBadGateway && h["Retry-After"] == nil {
			h["Retry-After"] = []string{"1"}
		}
	}
	x.problem(status, code, detail)
}
