package gateway

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/policy"
)

// problemText is what the catalogue says of a code.
type problemText struct{ title, remedy string }

func problemTexts() map[fault.Code]problemText {
	texts := map[fault.Code]problemText{}
	for _, e := range fault.Catalogue() {
		texts[e.Code] = problemText{e.Title, e.Remedy}
	}
	return texts
}

// problem answers with an error of the gateway's own (RFC 9457; to gRPC in its
// form). Nothing may have been written before.
func (x *exchange) problem(status int, code fault.Code, detail string) {
	x.problemWith(status, code, detail, x.gateway.entries[code].remedy)
}

// problemWith is problem with a remedy of its own.
func (x *exchange) problemWith(status int, code fault.Code, detail, remedy string) {
	x.Status, x.Code = status, code
	if x.CorrelationID == "" {
		x.identify(false)
	}
	if x.asGRPC() {
		x.grpcProblem(code, detail, remedy)
		return
	}
	b := make([]byte, 0, 512)
	b = appendField(b, '{', "title", x.gateway.entries[code].title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = appendField(b, ',', "detail", detail)
	b = appendField(b, ',', "code", string(code))
	b = appendField(b, ',', "correlationId", x.CorrelationID)
	b = appendField(b, ',', "remedy", remedy)
	if x.Refused {
		b = appendField(b, ',', "id", x.ID)
	}
	b = append(b, "}\n"...)
	h := x.w.Header()
	h["Content-Type"] = []string{"application/problem+json"}
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Correlation-Id"] = []string{x.CorrelationID}
	x.w.WriteHeader(status)
	if x.r.Method == http.MethodHead {
		return
	}
	n, _ := x.w.Write(b) // #nosec G705 -- JSON, and said to be; the client has gone: nobody to tell
	x.BytesOut += int64(n)
}

// unavailable answers that the service has no instance.
func (x *exchange) unavailable() {
	if x.standIn(x.Service + " has no instance in rotation") {
		x.Code = fault.GatewayNoInstance
		return
	}
	x.w.Header()["Retry-After"] = []string{"1"}
	remedy := strings.ReplaceAll(x.gateway.entries[fault.GatewayNoInstance].remedy, "SERVICE", x.Service)
	x.problemWith(http.StatusServiceUnavailable, fault.GatewayNoInstance, x.Service+" has no instance in rotation", remedy)
}

// refused answers that a policy did not let the call through.
func (x *exchange) refused(r *policy.Rejection) {
	code, detail := fault.GatewayBulkheadFull, "as many calls to "+x.Service+" are under way as may be"
	switch r.Reason {
	case policy.BreakerOpen:
		code, detail = fault.GatewayBreakerOpen, "the last calls to "+x.Service+" failed, so no more are made for a while"
	case policy.LimitLowered:
		detail = x.Service + " has become slow, and as many calls to it are under way as it can take"
	case policy.BulkheadFull:
	}
	x.w.Header()["Plat-Rejected"] = []string{string(r.Reason)}
	x.w.Header()["Retry-After"] = []string{strconv.FormatInt(int64(math.Ceil(max(r.RetryAfter, time.Second).Seconds())), 10)}
	x.failed(http.StatusServiceUnavailable, code, detail)
}
