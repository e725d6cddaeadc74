package gateway

import (
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"time"
)

// Trace is where an exchange stands in a trace (W3C Trace Context).
type Trace struct {
	ID      string // 32 hex digits
	Span    string // 16 hex digits: the parent of what follows
	Parent  string // the caller's span; empty at a trace's root
	Sampled bool
}

// identify gives the exchange its correlation ID and its place in a trace:
// those that came with the request, where they are believed and well formed,
// else new ones. It returns the traceparent to send on.
func (x *exchange) identify(believed bool) (traceparent string, continued bool) {
	h := x.r.Header
	if ids := h["X-Correlation-Id"]; believed && len(ids) == 1 && validCorrelation(ids[0]) {
		x.CorrelationID = ids[0]
	} else {
		x.CorrelationID = newCorrelation(x.Start)
	}
	if parents := h["Traceparent"]; believed && len(parents) == 1 && validTraceparent(parents[0]) {
		incoming := parents[0][:55]
		x.Trace = Trace{ID: incoming[3:35], Span: incoming[36:52], Sampled: incoming[54]&1 == 1}
		if x.gateway.observe == nil {
			return incoming, true
		}
		traceparent = newTraceparent(x.Trace.ID, incoming[52:55])
		x.Trace.Parent, x.Trace.Span = x.Trace.Span, traceparent[36:52]
		return traceparent, true
	}
	traceparent = newTraceparent("", "-01")
	x.Trace = Trace{ID: traceparent[3:35], Span: traceparent[36:52], Sampled: true}
	return traceparent, false
}

// validTraceparent takes version 00, and of later versions the part that
// version 00 defines, as the standard asks.
func validTraceparent(s string) bool {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" {
		return false
	}
	if len(s) > 55 && (s[:2] == "00" || s[55] != '-') {
		return false
	}
	return lowerHex(s[:2]) && lowerHex(s[3:35]) && lowerHex(s[36:52]) && lowerHex(s[53:55]) &&
		s[3:35] != "00000000000000000000000000000000" && s[36:52] != "0000000000000000"
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

const maxCorrelation = 128

func validCorrelation(s string) bool {
	if s == "" || len(s) > maxCorrelation {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// newTraceparent makes one with a new span; of a new trace when id is empty.
func newTraceparent(id, flags string) string {
	var b [55]byte
	copy(b[:], "00-")
	if id != "" {
		copy(b[3:], id)
	} else {
		putHex(b[3:], rand.Uint64()|1) // #nosec G404 -- unique, not secret; never all zero
		putHex(b[19:], rand.Uint64())  // #nosec G404 -- as above
	}
	b[35] = '-'
	putHex(b[36:], rand.Uint64()|1) // #nosec G404 -- as above
	copy(b[52:], flags)
	return string(b[:])
}

// newCorrelation makes a UUID of version 7: sortable by time.
func newCorrelation(now time.Time) string {
	high := uint64(now.UnixMilli())<<16 | 0x7000 | rand.Uint64()&0xfff // #nosec G404 G115 -- unique, not secret; after 1970
	low := 1<<63 | rand.Uint64()>>2                                    // #nosec G404 -- as above
	var h [32]byte
	putHex(h[:], high)
	putHex(h[16:], low)
	var b [36]byte
	copy(b[:], h[:8])
	b[8] = '-'
	copy(b[9:], h[8:12])
	b[13] = '-'
	copy(b[14:], h[12:16])
	b[18] = '-'
	copy(b[19:], h[16:20])
	b[23] = '-'
	copy(b[24:], h[20:])
	return string(b[:])
}

// putHex writes v as 16 lower-case hex digits.
func putHex(dst []byte, v uint64) {
	const digits = "0123456789abcdef"
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], v)
	for i, c := range raw {
		dst[2*i], dst[2*i+1] = digits[c>>4], digits[c&15]
	}
}

// tracestate is carried on only together with the traceparent it belongs to.
func tracestate(h http.Header, continued bool) []string {
	if !continued {
		return nil
	}
	return h["Tracestate"]
}
