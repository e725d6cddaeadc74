package cloudevents

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/plat-dev/plat/event"
)

// Span is one that plat makes for a service that makes none of its own: for an
// event that was published by POST, and for one that is pushed so late that a
// trace begins with it. IDs are in hex, as in a traceparent.
type Span struct {
	Service       string
	Event         event.Event
	Producer      bool // else it is of who receives the event
	Trace, ID     string
	Parent        string // empty: the trace begins with it
	LinkTrace     string // of the span that it follows from; empty: of none
	LinkID        string
	Start         time.Time
	Duration      time.Duration
	CorrelationID string
	Err           error
}

// sameTrace is how long after an event what follows from it is part of its
// trace, as it is for services that pull: a trace is what a person would wait
// for.
const sameTrace = time.Minute

// started is a span that goes on.
type started struct {
	Span
	tell func(Span)
}

// span begins the span of an event that is published in the name of a
// service, and has the event carry it on. An event that brought a trace of its
// own keeps that: its sender made a span. nil: there is none to be told.
func (p *Publisher) span(service string, e *event.Event, own bool) *started {
	parent := e.Extensions["traceparent"]
	if p.tell == nil || own {
		return nil
	}
	s := &started{tell: p.tell, Span: Span{Service: service, Producer: true, ID: newID(8), Start: time.Now(), CorrelationID: e.Extensions["correlationid"]}}
	flags := "01"
	if parent == "" {
		s.Trace = newID(16)
	} else {
		s.Trace, s.Parent, flags = parent[3:35], parent[36:52], parent[53:55]
	}
	if !sampled(flags) {
		return nil
	}
	e.Extensions["traceparent"] = "00-" + s.Trace + "-" + s.ID + "-" + flags // place has made the map
	s.Event = *e
	return s
}

// late begins the span of an event that is pushed long after it was published:
// a new trace, linked to the publisher's span. nil: it belongs to the trace of
// its publisher, or to none.
func (r *Receiver) late(service string, e event.Event, published time.Time) *started {
	parent := e.Extensions["traceparent"]
	if published.IsZero() || time.Since(published) <= sameTrace || !validTraceparent(parent) || !sampled(parent[53:55]) {
		return nil
	}
	return &started{tell: r.tell, Span: Span{
		Service: service, Event: e, Trace: newID(16), ID: newID(8), LinkTrace: parent[3:35], LinkID: parent[36:52],
		Start: time.Now(), CorrelationID: e.Extensions["correlationid"],
	}}
}

// traceparent is what those who come after the span have as their parent.
func (s *started) traceparent() string { return "00-" + s.Trace + "-" + s.ID + "-01" }

// end tells of the span.
func (s *started) end(err error) {
	if s == nil || s.tell == nil {
		return
	}
	s.Duration, s.Err = time.Since(s.Start), err
	s.tell(s.Span)
}

// sampled reads the flags of a traceparent.
func sampled(flags string) bool { return strings.ContainsAny(flags[1:], "13579bdf") }

// newID is an ID of so many bytes, in hex, and never all zero.
func newID(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	b[0] |= 1
	return hex.EncodeToString(b)
}
