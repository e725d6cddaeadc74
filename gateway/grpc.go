package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Status codes of gRPC that plat answers with itself.
const (
	grpcDeadlineExceeded  = 4
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
)

// asGRPC tells whether the client reads gRPC's statuses.
func (x *exchange) asGRPC() bool { return x.r.ProtoMajor == 2 && grpc(x.r) }

// grpcProblem answers a gRPC request with an error of the gateway's own: 200,
// and the status in the header alone ("Trailers-Only").
func (x *exchange) grpcProblem(code fault.Code, detail, remedy string) {
	message := detail + " [" + string(code) + "]"
	if x.Refused {
		message = detail + ": " + remedy + " [" + string(code) + "]"
	}
	h := x.w.Header()
	h["Content-Type"] = []string{"application/grpc"}
	h["X-Correlation-Id"] = []string{x.CorrelationID}
	h["Grpc-Status"] = []string{strconv.Itoa(grpcStatus(x.Status, code))}
	h["Grpc-Message"] = []string{grpcMessage(message)}
	x.w.WriteHeader(http.StatusOK)
}

// grpcBroken ends a gRPC answer that broke off on its way, so that its client
// learns more than that the stream was reset.
func (x *exchange) grpcBroken(h http.Header) bool {
	if !x.asGRPC() {
		return false
	}
	h[http.TrailerPrefix+"Grpc-Status"] = []string{strconv.Itoa(grpcUnavailable)}
	h[http.TrailerPrefix+"Grpc-Message"] = []string{grpcMessage(x.Service + " broke off [" + string(x.Code) + "]")}
	return true
}

// grpcStatus is the gRPC status for an error of the gateway's own.
func grpcStatus(status int, code fault.Code) int {
	if code == fault.GatewayUnknownService {
		return grpcUnimplemented // to repeat it helps nobody
	}
	switch status {
	case http.StatusForbidden:
		return grpcPermissionDenied
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return grpcUnimplemented
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge, http.StatusTooManyRequests:
		return grpcResourceExhausted
	case http.StatusGatewayTimeout:
		return grpcDeadlineExceeded
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusRequestTimeout:
		return grpcUnavailable
	}
	return grpcInternal
}

// grpcLate tells whether the deadline that a gRPC request carries is over: who
// called knows that by itself, and the instance may say so a moment sooner.
func (x *exchange) grpcLate() bool {
	values := x.r.Header["Grpc-Timeout"]
	if len(values) != 1 || len(values[0]) < 2 || len(values[0]) > 9 || !grpc(x.r) {
		return false
	}
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}
	last := len(values[0]) - 1
	n, err := strconv.ParseUint(values[0][:last], 10, 31)
	unit, ok := units[values[0][last]]
	return err == nil && ok && time.Since(x.Start) >= time.Duration(n)*unit // #nosec G115 -- of at most eight digits
}

// grpcMessage encodes a message for its header: all but printable ASCII, and
// the percent sign, as %XX.
func grpcMessage(s string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}
