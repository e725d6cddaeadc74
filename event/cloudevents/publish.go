// Package cloudevents owns the HTTP protocol binding of CloudEvents 1.0: it
// answers programs that publish by POST, and hands events to services that
// have them pushed. See docs/events-over-http.md.
//
// It maps between HTTP and event.Event and decides nothing of its own about
// events. It must never import the engine that keeps them, or another room.
package cloudevents

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
)

// Bounds of a request that publishes.
const (
	// MaxBatchBody is the largest batch, in bytes of its body.
	MaxBatchBody = 4 << 20
	// maxEventBody is the largest body with one event as JSON: its data may be
	// in base64, or escaped.
	maxEventBody = 2 << 20
	// atOnce is how many requests of one service are under way at most.
	atOnce = 16

	turnWait  = 2 * time.Second  // for a turn, when atOnce are under way
	bodyWait  = 10 * time.Second // for the body
	storeWait = 12 * time.Second // for the broker
)

// Options of a Publisher.
type Options struct {
	Room *event.Room  // required
	Log  *slog.Logger // nil: discard
	// Synthetic tells whether the mark of a test customer is believed; nil:
	// none is.
	Synthetic func(mark string, entering bool) (journey string, ok bool)
	// Tell is told of the spans that plat makes for publishers, and must not
	// block; nil: it makes none.
	Tell func(Span)
}

// Publisher makes the handlers by which events are published.
type Publisher struct {
	room   *event.Room
	log    *slog.Logger
	marked func(mark string, entering bool) (journey string, ok bool)
	tell   func(Span)
}

// NewPublisher makes a Publisher.
func NewPublisher(o Options) *Publisher {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Publisher{room: o.Room, log: o.Log, marked: o.Synthetic, tell: o.Tell}
}

// Service is what answers POST /events on a service's own listener: it stores
// the event in the name of that service. Requests of web pages, which say an
// Origin, are refused. Make it once for each service, since it counts the
// requests under way. It may be used at any time: what is declared is looked
// up with each request.
func (p *Publisher) Service(name string) http.Handler {
	return &publishing{Publisher: p, service: name, turns: make(chan struct{}, atOnce)}
}

// Operator is what answers POST /v1/events: it stores the event in the name of
// the service that provides its type. It looks at no Origin and no credentials:
// that is for whoever stands before it.
func (p *Publisher) Operator() http.Handler {
	return &publishing{Publisher: p, turns: make(chan struct{}, atOnce)}
}

type publishing struct {
	*Publisher
	service string // empty: the provider of the event's type
	turns   chan struct{}
}

// published is what is answered for an event. Its first fields are those of
// api.Publication.
type published struct {
	ID        string `json:"id"`
	Source    string `json:"source"`
	Type      string `json:"type"`
	Provider  string `json:"provider"`
	Duplicate bool   `json:"duplicate,omitempty"`
}

// ServeHTTP stores what was posted. It answers 202 when it was stored, 200 when
// all of it had been stored before, and a problem (RFC 9457) otherwise.
func (p *publishing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	correlation := correlationOf(r.Header)
	stored, status, err := p.publish(w, r, correlation)
	if err != nil {
		p.refuse(w, r, correlation, stored, err)
		return
	}
	w.Header().Set("X-Correlation-Id", correlation)
	answer(w, status, "application/json", stored)
}

// publish returns what is stored even with an error: then it is the first
// events of a batch.
func (p *publishing) publish(w http.ResponseWriter, r *http.Request, correlation string) (stored any, status int, err error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, 0, fault.Newf(fault.EventMethod, "%.20q is not answered here", r.Method).Fix("send a POST with the event")
	}
	if p.service != "" && len(r.Header["Origin"]) > 0 {
		return nil, 0, fault.New(fault.EventOrigin, "events are not taken from web pages").
			Why("the request says an Origin, as browsers do").Fix("publish from the service itself")
	}
	if err := p.turn(r.Context()); err != nil {
		return nil, 0, err
	}
	defer func() { <-p.turns }()
	body, err := readBody(w, r)
	if err != nil {
		return nil, 0, err
	}
	events, batch, err := Parse(r.Header, body)
	if err != nil {
		return nil, 0, err
	}
	var faults []error
	own := make([]bool, len(events))
	for i := range events {
		own[i] = place(&events[i], r.Header, correlation)
		p.mark(&events[i], r.Header)
		// The room would fill in a specversion and a source.
		if err := events[i].Validate(); err != nil && batch {
			faults = append(faults, event.InBatch(i, err))
		} else if err != nil {
			return nil, 0, err
		}
	}
	if len(faults) > 0 {
		return nil, 0, errors.Join(faults...)
	}
	// What was accepted is stored even if the sender has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeWait)
	defer cancel()
	provider, err := p.provider(events)
	if err != nil {
		return nil, 0, err
	}
	spans := make([]*started, len(events))
	for i := range events {
		spans[i] = p.span(provider, &events[i], own[i])
	}
	if !batch {
		receipt, err := p.room.Publish(ctx, provider, events[0])
		if !receipt.Duplicate { // the one that is stored has its span
			spans[0].end(err)
		}
		if err != nil {
			return nil, 0, err
		}
		return result(events[0], provider, receipt), statusOf(receipt), nil
	}
	receipts, err := p.room.PublishAll(ctx, provider, events)
	all := make([]published, len(receipts))
	for i, receipt := range receipts {
		all[i] = result(events[i], provider, receipt)
	}
	for i, s := range spans {
		switch {
		case i >= len(receipts):
			s.end(err)
		case !receipts[i].Duplicate:
			s.end(nil)
		}
	}
	return struct {
		Events []published `json:"events"`
	}{all}, statusOf(receipts...), err
}

// turn waits until fewer than atOnce requests are under way. Nothing of a body
// has been read before.
func (p *publishing) turn(ctx context.Context) error {
	timer := time.NewTimer(turnWait)
	defer timer.Stop()
	select {
	case p.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	return fault.Newf(fault.EventBusy, "%d requests that publish are under way already", atOnce).Fix("send it again in a second")
}

// provider is in whose name the events are stored: the service's own, or that
// of who provides them, who must be the same for all of a batch.
func (p *publishing) provider(events []event.Event) (string, error) {
	if p.service != "" || len(events) == 0 {
		return p.service, nil
	}
	provider := p.room.Provider(events[0].Type)
	for i, e := range events {
		if other := p.room.Provider(e.Type); other != provider {
			return "", event.InBatch(i, fault.Newf(fault.EventUndeclared, "%s does not declare event %.200q", nobody(provider), e.Type).
				Why("all events of a batch belong to one service").Fix("send a batch for each service"))
		}
	}
	return provider, nil
}

func nobody(provider string) string {
	if provider == "" {
		return "nobody"
	}
	return provider
}

func result(e event.Event, provider string, receipt event.Receipt) published {
	return published{ID: e.ID, Source: e.Source, Type: e.Type, Provider: provider, Duplicate: receipt.Duplicate}
}

// statusOf is 200 when everything had been stored before.
func statusOf(receipts ...event.Receipt) int {
	for _, r := range receipts {
		if !r.Duplicate {
			return http.StatusAccepted
		}
	}
	return http.StatusOK
}

// readBody reads at most what the mode allows, and not for ever.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := int64(event.MaxSize)
	switch modeOf(r.Header) {
	case inJSON:
		limit = maxEventBody
	case inBatch:
		limit = MaxBatchBody
	case inHeaders:
	}
	tooLarge := func() error {
		return fault.Newf(fault.EventTooLarge, "the body is over %d bytes", limit).
			Why(fmt.Sprintf("an event holds at most %d bytes with its attributes, a batch %d", event.MaxSize, MaxBatchBody)).
			Fix("keep the large part in a store and refer to it")
	}
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	// Not every writer has deadlines; the server's own then bound the body.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWait))
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength))
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fault.New(fault.EventInvalid, "the body ended early").Fix("send all of it").Because(err)
	case err != nil:
		return nil, fault.New(fault.EventInvalid, "the body did not arrive").Why(fmt.Sprintf("it was not whole within %s", bodyWait)).Fix("send it again").Because(err)
	}
	// The next request on the connection has its own time.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body.Bytes(), nil
}

// statuses of the faults that a publisher can do something about.
func statusOfFault(f *fault.Fault) (status int, retry string) {
	switch f.Code {
	case fault.EventInvalid:
		return http.StatusBadRequest, ""
	case fault.EventUndeclared, fault.EventOrigin:
		return http.StatusForbidden, ""
	case fault.EventMethod:
		return http.StatusMethodNotAllowed, ""
	case fault.EventTooLarge:
		return http.StatusRequestEntityTooLarge, ""
	case fault.EventMediaType:
		return http.StatusUnsupportedMediaType, ""
	case fault.EventStoreFull:
		return http.StatusServiceUnavailable, "10"
	case fault.EventUnavailable, fault.EventBusy:
		return http.StatusServiceUnavailable, "1"
	}
	return http.StatusInternalServerError, ""
}

// problem is an answer as RFC 9457 has it.
type problem struct {
	Title         string    `json:"title"`
	Status        int       `json:"status"`
	Detail        string    `json:"detail"`
	Code          string    `json:"code"`
	CorrelationID string    `json:"correlationId"`
	Remedy        string    `json:"remedy,omitempty"`
	Errors        []mistake `json:"errors,omitempty"` // of a batch, at most 20
	Stored        any       `json:"stored,omitempty"` // of a batch: what was stored all the same
}

type mistake struct {
	Message string `json:"message"`
	Code    string `json:"code"`
	Remedy  string `json:"remedy,omitempty"`
}

const maxMistakes = 20

func (p *publishing) refuse(w http.ResponseWriter, r *http.Request, correlation string, stored any, err error) {
	all := fault.All(err)
	first := all[0]
	status, retry := statusOfFault(first)
	out := problem{Status: status, Code: string(first.Code), Detail: sentence(first), Remedy: first.Remedy, CorrelationID: correlation, Stored: stored}
	if entry, ok := fault.Lookup(first.Code); ok {
		out.Title = entry.Title
	}
	if status == http.StatusInternalServerError {
		p.log.ErrorContext(r.Context(), "an event was not published", "service", p.service, "correlation_id", correlation, "error", err)
		out.Detail = "the event was not stored; the log of plat has the cause under this correlation ID"
	}
	if len(all) > 1 {
		for _, f := range all[:min(len(all), maxMistakes)] {
			out.Errors = append(out.Errors, mistake{sentence(f), string(f.Code), f.Remedy})
		}
	}
	if retry != "" {
		w.Header().Set("Retry-After", retry)
	}
	p.log.InfoContext(r.Context(), "an event was refused", "service", p.service, "correlation_id", correlation, "status", status, "code", string(first.Code), "what", first.What)
	w.Header().Set("X-Correlation-Id", correlation)
	w.Header().Set("Cache-Control", "no-store")
	answer(w, status, "application/problem+json", out)
}

func sentence(f *fault.Fault) string {
	if f.Expected == "" {
		return f.What
	}
	return f.What + ": " + f.Expected
}

func answer(w http.ResponseWriter, status int, mediaType string, value any) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil { // of our own types: never
		http.Error(w, "internal", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, b.String()) // the sender has gone: nobody to tell
}
