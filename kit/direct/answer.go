package direct

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/plat-dev/plat/kit/policy"
)

// What went wrong, in the words of plat's listeners, so that a caller need not
// know who made the call.
var texts = map[string]struct { //nolint:gochecknoglobals // a table
	status        int
	title, remedy string
}{
	codeBreaker:  {http.StatusServiceUnavailable, "The call was not made, since most of the last ones failed", "Look at the service that is called: `plat ps`, `plat logs SERVICE --errors`. `plat describe` of the caller shows the breaker, and since when."},
	codeBulkhead: {http.StatusServiceUnavailable, "The call was not made, since too many are under way", "Look why the service is slow: `plat top`, `plat trace`. Where more at once are meant, raise concurrent: under consumes.services."},
	codeNone:     {http.StatusServiceUnavailable, "No instance of the service is in rotation", "Look at `plat ps SERVICE` and `plat logs SERVICE`. The request can be repeated after the time in Retry-After."},
	codeTimeout:  {http.StatusGatewayTimeout, "The service did not answer in time", "Look at the service's log under the correlation ID. If the work really takes longer, raise timeout: under consumes:."},
	codeFailed:   {http.StatusBadGateway, "The service could not be reached or broke off", "Look at `plat ps` and the service's log under the correlation ID. A request that changes something may have had its effect: ask before repeating it."},
}

const (
	codeBreaker  = "gateway-breaker-open"
	codeBulkhead = "gateway-bulkhead-full"
	codeNone     = "gateway-no-instance"
	codeTimeout  = "gateway-timeout"
	codeFailed   = "gateway-upstream-failed"
	codeGone     = "gateway-client-gone"
)

// Codes are those of the answers that are made here; plat's table has them all.
func Codes() []string {
	return []string{codeBreaker, codeBulkhead, codeNone, codeTimeout, codeFailed, codeGone}
}

// failed answers for an instance that did not.
func (x *exchange) failed(err error) (*http.Response, error) {
	h := http.Header{}
	if refused, ok := errors.AsType[*policy.Rejection](err); ok {
		code, detail := codeBulkhead, "as many calls to "+x.name+" are under way as may be"
		switch refused.Reason {
		case policy.BreakerOpen:
			code, detail = codeBreaker, "the last calls to "+x.name+" failed, so no more are made for a while"
		case policy.LimitLowered:
			detail = x.name + " has become slow, and as many calls to it are under way as it can take"
		case policy.BulkheadFull:
		}
		h[headerRejected] = []string{string(refused.Reason)}
		h["Retry-After"] = []string{strconv.FormatInt(int64(math.Ceil(max(refused.RetryAfter, time.Second).Seconds())), 10)}
		return x.problem(h, code, detail, nil), nil
	}
	ended := x.r.Context().Err()
	switch {
	case errors.Is(err, errNone):
		return x.problem(h, codeNone, x.name+" has no instance in rotation", nil), nil
	case ended == nil && (x.late() || errors.Is(err, errTimeout) || errors.Is(err, errTryOver)):
		x.permit.Report(x.slow())
		return x.problem(h, codeTimeout, x.name+" did not answer in time", errTimeout), nil
	case errors.Is(ended, context.DeadlineExceeded):
		x.permit.Report(x.slow())
		x.told.Status, x.told.Code, x.told.Error = http.StatusGatewayTimeout, codeTimeout, errTimeout.Error()
	case ended != nil:
		x.told.Code, x.told.Error = codeGone, ended.Error()
	case x.body.failure() != nil: // the caller's own
		ended = x.body.failure()
		x.told.Code, x.told.Error = codeGone, ended.Error()
	default:
		x.permit.Report(policy.Failure)
		return x.problem(h, codeFailed, x.name+" could not be reached or broke off", err), nil
	}
	x.finish()
	return nil, ended
}

// problem makes an answer of what went wrong, and ends the call.
func (x *exchange) problem(h http.Header, code, detail string, cause error) *http.Response {
	text := texts[code]
	status := text.status
	switch x.terms.OnFailure {
	case onFail:
	case onDegrade:
		status = http.StatusServiceUnavailable
		x.degrade(h, detail)
	default:
		detail += "; what stands in for it (" + x.terms.OnFailure + ") is kept by plat, which does not answer"
	}
	if x.told.Retries > 0 {
		h[policy.MarkHeader] = []string{strconv.Itoa(x.told.Retries)}
	}
	if status != http.StatusBadGateway && h["Retry-After"] == nil {
		h["Retry-After"] = []string{"1"}
	}
	body, err := json.Marshal(struct {
		Title         string `json:"title"`
		Status        int    `json:"status"`
		Detail        string `json:"detail"`
		Code          string `json:"code"`
		CorrelationID string `json:"correlationId"`
		Remedy        string `json:"remedy"`
	}{text.title, status, detail, code, x.told.CorrelationID, text.remedy})
	if err != nil {
		body = []byte("{}") // texts alone: it cannot be
	}
	h["Content-Type"] = []string{"application/problem+json"}
	h["Cache-Control"] = []string{"no-store"}
	h[headerCorrelation] = []string{x.told.CorrelationID}
	x.told.Status, x.told.Code = status, code
	x.bytes.Store(int64(len(body)))
	if cause != nil {
		x.told.Error = cause.Error()
	}
	x.finish()
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Request: x.r, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}
}

// degrade marks an answer, since the plan says to go on without it.
func (x *exchange) degrade(h http.Header, why string) {
	h[headerDegraded] = []string{x.name}
	x.degraded.Add(1)
	x.last.Store(&policy.Act{Time: time.Now(), Why: "marked an answer as degraded: " + why})
}

// answered passes an answer on, whose body ends the call.
func (x *exchange) answered(res *http.Response) *http.Response {
	res.Request = x.r
	x.told.Status = res.StatusCode
	outcome := policy.OutcomeOf(res)
	x.permit.Report(outcome)
	if outcome != policy.Success && res.StatusCode >= http.StatusInternalServerError && x.terms.OnFailure == onDegrade {
		x.degrade(res.Header, x.name+" answered "+res.Status)
	}
	res.Header[headerCorrelation] = []string{x.told.CorrelationID}
	switch total := x.terms.Policy.Timeouts.Total; {
	case res.Body == http.NoBody || res.ContentLength == 0 || x.r.Method == http.MethodHead:
		_ = res.Body.Close() // there is nothing in it
		res.Body = http.NoBody
		x.finish()
		return res
	case policy.Lasting(res.Header.Get("Content-Type")):
		x.permit.Release() // it may last for days
		x.timer = nil
		if policy.Endless(res.Header.Get("Content-Type")) {
			x.endless = true
			x.with.streams.Add(1)
			x.free(x.with)
		}
	case total > 0:
		x.timer = time.AfterFunc(total-time.Since(x.told.Start), func() { x.cancel(errTimeout) })
	}
	res.Body = &answer{ReadCloser: res.Body, x: x}
	return res
}

// answer is the body of an answer: its end is the call's.
type answer struct {
	io.ReadCloser
	x *exchange
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	x := a.x
	x.bytes.Add(int64(n))
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		x.finish()
	default:
		if x.r.Context().Err() == nil {
			x.permit.Report(policy.Failure)
			x.told.Code, x.told.Error = codeFailed, err.Error()
		} else {
			x.told.Code, x.told.Error = codeGone, err.Error()
		}
		x.finish()
	}
	return n, err
}

// Close implements io.Closer.
func (a *answer) Close() error {
	err := a.ReadCloser.Close()
	a.x.finish()
	return err
}
