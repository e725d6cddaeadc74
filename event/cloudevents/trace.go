package cloudevents

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/plat-dev/plat/event"
)

// place gives an event the trace and the correlation ID of the request that
// published it, unless it has its own. It tells whether it has a trace of its
// own, other than that of the request.
func place(e *event.Event, h http.Header, correlation string) (own bool) {
	set := func(name, value string) {
		if e.Extensions == nil {
			e.Extensions = map[string]string{}
		}
		e.Extensions[name] = value
	}
	if e.Extensions["correlationid"] == "" {
		set("correlationid", correlation)
	}
	parent, has := h.Get("Traceparent"), e.Extensions["traceparent"]
	if has == "" && validTraceparent(parent) {
		set("traceparent", parent)
		delete(e.Extensions, "tracestate") // it belongs to another parent
		if state := h.Get("Tracestate"); validTracestate(state) {
			set("tracestate", state)
		}
	}
	return has != "" && (has != parent || !validTraceparent(parent))
}

// Names of the mark of a test customer: as an attribute, and as a header field.
const (
	markAttribute = "plattest"
	markHeader    = "Plat-Test"
)

// mark gives an event the mark of the test customer whose request published
// it, unless it has one; one that is not believed is taken out.
func (p *Publisher) mark(e *event.Event, h http.Header) {
	mark := e.Extensions[markAttribute]
	if mark == "" {
		mark = h.Get(markHeader)
	}
	delete(e.Extensions, markAttribute)
	if mark == "" || p.marked == nil {
		return
	}
	if _, ok := p.marked(mark, false); ok {
		e.Extensions[markAttribute] = mark // place has made the map
	}
}

// validMark tells whether a header field can carry it.
func validMark(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// correlationOf is the correlation ID of a request, or a new one.
func correlationOf(h http.Header) string {
	if id := h.Get("X-Correlation-Id"); validCorrelation(id) {
		return id
	}
	var b [16]byte
	_, _ = rand.Read(b[:])                                                                                      // never fails
	binary.BigEndian.PutUint64(b[:], uint64(time.Now().UnixMilli())<<16|uint64(binary.BigEndian.Uint16(b[6:]))) // #nosec G115 -- after 1970
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

func validCorrelation(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// validTraceparent takes version 00 of W3C Trace Context.
func validTraceparent(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) != 4 || parts[0] != "00" {
		return false
	}
	for i, n := range []int{2, 32, 16, 2} {
		if len(parts[i]) != n || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return false
		}
	}
	return strings.Trim(parts[1], "0") != "" && strings.Trim(parts[2], "0") != ""
}

func validTracestate(s string) bool {
	return s != "" && len(s) <= 512 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
