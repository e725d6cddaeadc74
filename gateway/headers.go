package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/kit/admit"
)

// hopByHop are the fields that belong to one connection (RFC 9110, 7.6.1).
// The name is in canonical form.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// foreign are the fields that nobody outside may set: what plat says to
// services, and what only a gateway can know.
func foreign(name string) bool {
	switch name {
	case "Forwarded", "X-Forwarded", "X-Real-Ip", "X-Scheme", "X-Url-Scheme", "Front-End-Https",
		"Baggage", "Traceparent", "Tracestate", "X-Correlation-Id":
		return true
	}
	return strings.HasPrefix(name, "Plat-") || strings.HasPrefix(name, "X-Forwarded-")
}

// disguised finds fields spelt with underscores, which CGI and what descends
// from it cannot tell from hyphens: those that say where a message ends or
// belong to one connection, and from outside the foreign.
func disguised(name string, fromOutside bool) bool {
	if strings.IndexByte(name, '_') < 0 {
		return false
	}
	means := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	return means == "Content-Length" || hopByHop(means) || fromOutside && foreign(means)
}

// listed tells whether a Connection header names the field.
func listed(connection []string, name string) bool {
	for _, line := range connection {
		for line != "" {
			var token string
			token, line, _ = strings.Cut(line, ",")
			if strings.EqualFold(strings.TrimSpace(token), name) {
				return true
			}
		}
	}
	return false
}

// manyTokens tells whether it would take long to hold every field against a
// Connection header.
func manyTokens(connection []string) bool {
	n := len(connection)
	for _, line := range connection {
		n += strings.Count(line, ",")
	}
	return n > 64
}

// oddLength tells whether a request says its length twice, or in another way
// than by digits.
func oddLength(lengths []string) bool {
	if len(lengths) > 1 {
		return true
	}
	for _, length := range lengths {
		if length == "" || strings.Trim(length, "0123456789") != "" {
			return true
		}
	}
	return false
}

// hasToken tells whether a comma-separated header holds the token.
func hasToken(values []string, token string) bool { return listed(values, token) }

// outgoing are the fields of a request on its way to an instance. The values
// are shared with the request that came in and must not be changed.
type outgoing struct {
	http.Header
	spare []string // backs the values that are set
}

// passOn copies the end-to-end fields; from outside, without the foreign.
func passOn(r *http.Request, fromOutside bool) outgoing {
	out := outgoing{Header: make(http.Header, len(r.Header)+10), spare: make([]string, 0, 13)}
	connection := r.Header["Connection"]
	for name, values := range r.Header {
		if hopByHop(name) || fromOutside && foreign(name) || disguised(name, fromOutside) || connection != nil && listed(connection, name) {
			continue
		}
		out.Header[name] = values
	}
	if hasToken(r.Header["Te"], "trailers") {
		out.set("Te", "trailers")
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // else net/http names itself
	}
	if via := out.Header["Via"]; via != nil {
		out.set("Via", strings.Join(via, ", ")+", "+viaOf(r))
	} else {
		out.set("Via", viaOf(r))
	}
	return out
}

func viaOf(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2:
		return "2.0 plat"
	case r.ProtoMinor == 0:
		return "1.0 plat"
	}
	return "1.1 plat"
}

// set gives a field one value; name is in canonical form.
func (o *outgoing) set(name, value string) {
	if len(o.spare) == cap(o.spare) {
		o.Header[name] = []string{value}
		return
	}
	o.spare = append(o.spare, value)
	n := len(o.spare)
	o.Header[name] = o.spare[n-1 : n : n]
}

// forwarded tells an instance who asked (RFC 7239, and the older fields).
func (o *outgoing) forwarded(client, host string) {
	node, quoted := client, host
	if strings.IndexByte(client, ':') >= 0 {
		node = `"[` + client + `]"`
	}
	if strings.ContainsAny(host, ":;,=[]()") {
		quoted = `"` + host + `"`
	}
	if host == "" {
		o.set("Forwarded", "for="+node+";proto=http")
	} else {
		o.set("Forwarded", "for="+node+";host="+quoted+";proto=http")
		o.set("X-Forwarded-Host", host)
	}
	o.set("X-Forwarded-For", client)
	o.set("X-Forwarded-Proto", "http")
}

// budget tells an instance how long its answer is waited for. Streams have
// none: they last beyond their answer's beginning.
func (o *outgoing) budget(r *http.Request, left time.Duration) {
	if left <= 0 || streaming(r) {
		return
	}
	o.set("Plat-Timeout", strconv.FormatInt(max(1, left.Milliseconds()), 10))
}

// entered tells an instance how much the request matters, and that it has
// passed the service's gate here.
func (o *outgoing) entered(p admit.Priority) {
	delete(o.Header, admit.PriorityHeader)
	if p != admit.Normal {
		o.set(admit.PriorityHeader, p.String())
	}
	o.set(admit.AdmittedHeader, "1")
}

// streaming tells whether the request asks for a stream: its answer has no
// natural end.
func streaming(r *http.Request) bool {
	if upgradeOf(r) != "" || grpc(r) {
		return true
	}
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, "text/event-stream") {
			return true
		}
	}
	return false
}

// grpc tells whether the request is gRPC, which carries its own deadline.
func grpc(r *http.Request) bool {
	types := r.Header["Content-Type"]
	return len(types) == 1 && strings.HasPrefix(types[0], "application/grpc") && !strings.HasPrefix(types[0], "application/grpc-web")
}

// upgradeOf is the protocol that the connection is to become; empty when
// none is asked for, or one that is never passed on: a tunnel of HTTP/2
// would carry requests past the routes.
func upgradeOf(r *http.Request) string {
	up := r.Header["Upgrade"]
	if len(up) != 1 || up[0] == "" || r.ProtoMajor != 1 || r.ProtoMinor == 0 || r.ContentLength != 0 || !hasToken(r.Header["Connection"], "upgrade") {
		return ""
	}
	for protocol := range strings.SplitSeq(up[0], ",") {
		name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(protocol)), "/")
		if name == "h2c" || name == "http" || name == "tls" || name == "" {
			return ""
		}
	}
	return up[0]
}

// milliseconds reads a Plat-Timeout; anything that is not a whole number of
// at most a day is none.
func milliseconds(values []string) (time.Duration, bool) {
	if len(values) != 1 {
		return 0, false
	}
	ms, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || ms < 0 || ms > (24*time.Hour).Milliseconds() {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}
