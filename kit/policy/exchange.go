package policy

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// OutcomeOf is what an answer's header says of who answered. A 503 with
// Retry-After, as a 429, sheds load: fewer calls help it, none would not.
func OutcomeOf(res *http.Response) Outcome {
	switch {
	case res.StatusCode == http.StatusTooManyRequests,
		res.StatusCode == http.StatusServiceUnavailable && res.Header["Retry-After"] != nil:
		return Refused
	case res.StatusCode == http.StatusNotImplemented:
		return Success
	case res.StatusCode >= http.StatusInternalServerError:
		return Failure
	}
	return GRPCOutcome(res.Header)
}

// GRPCOutcome is what a gRPC status says, in a header or a trailer.
func GRPCOutcome(h http.Header) Outcome {
	status := h["Grpc-Status"]
	if len(status) != 1 {
		return Success
	}
	switch status[0] {
	case "4": // deadline exceeded
		return Slow
	case "8": // resource exhausted
		return Refused
	case "13", "14", "15": // internal, unavailable, data loss
		return Failure
	}
	return Success
}

// Idempotent tells whether a request of a method may be sent twice.
func Idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// WorthAgain tells of an answer whether it says that another try may do better,
// and after what pause. What was retried below is not retried here.
func WorthAgain(res *http.Response) (asked time.Duration, ok bool) {
	if Retried(res.Header) > 0 {
		return 0, false
	}
	asked, said := RetryAfter(res.Header, time.Now())
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return asked, true
	case http.StatusTooManyRequests:
		return asked, said
	}
	return 0, false
}

// Lasting tells by an answer's type whether it is a stream, which has no
// natural end.
func Lasting(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
	case "text/event-stream", "application/x-ndjson", "application/jsonl", "application/json-seq", "multipart/x-mixed-replace":
		return true
	}
	return strings.HasPrefix(kind, "application/connect+") || strings.HasPrefix(kind, "application/grpc")
}

// Endless tells by an answer's type whether it goes on until one side goes
// away, so that nobody waits for its end.
func Endless(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.TrimSpace(kind)
	return strings.EqualFold(kind, "text/event-stream") || strings.EqualFold(kind, "multipart/x-mixed-replace")
}

// LessLoaded gives the less loaded of two random ones of n, or -1 of none.
func LessLoaded(n int, load func(i int) int64) int {
	if n < 2 {
		return n - 1
	}
	a := rand.IntN(n)     // #nosec G404 -- spreads load, protects nothing
	b := rand.IntN(n - 1) // #nosec G404 -- as above
	if b >= a {
		b++
	}
	if load(b) < load(a) {
		return b
	}
	return a
}
