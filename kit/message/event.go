package message

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/internal/uuid"
)

// Event is something that has happened, as CloudEvents 1.0 has it.
type Event struct {
	ID            string          // unique in its source, by which a repeated delivery is known
	Type          string          // such as order.placed
	Source        string          // /services/<service>, set by Publish
	Subject       string          // the key: what it happened to, such as an order's ID; may be empty
	Time          time.Time       // when it happened
	Data          json.RawMessage // what happened
	CorrelationID string          // of the work it belongs to; Publish takes it from ctx when empty
	TraceParent   string          // W3C trace context, set when received; Publish prefers that of ctx
}

// New makes an event that happens now, with a new ID (UUID version 7) and
// data encoded as JSON. It fails when data cannot be encoded or the type is
// not of words with dots between them.
func New(eventType, subject string, data any) (Event, error) {
	if !validType(eventType) {
		return Event{}, fmt.Errorf("event type %q is wrong, expected one such as order.placed", eventType)
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return Event{}, fmt.Errorf("event %s: encode its data: %w", eventType, err)
	}
	return Event{ID: uuid.New(), Type: eventType, Subject: subject, Time: time.Now().UTC(), Data: encoded}, nil
}

// Decode gives the data of an event. Fields that T does not have are passed
// over. Data that does not fit T never will: the error is a [Reject], so that
// a handler that returns it sends the event to the dead letters at once.
func Decode[T any](e Event) (T, error) {
	var data T
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return data, Reject(fmt.Errorf("event %s: decode its data: %w", e.Type, err))
	}
	return data, nil
}

// Reject marks the error of a handler as permanent: the event is not
// delivered again but becomes a dead letter with the error as its reason.
// Reject(nil) is nil.
func Reject(err error) error {
	if err == nil {
		return nil
	}
	return &rejection{err}
}

type rejection struct{ err error }

func (r *rejection) Error() string { return r.err.Error() }
func (r *rejection) Unwrap() error { return r.err }

const maxID = 128

// validID accepts an empty one, which Publish fills in.
func validID(id string) bool {
	return len(id) <= maxID && strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// validType accepts words of letters, digits, hyphens and underscores with
// dots between them: what a subject of the wire can be.
func validType(eventType string) bool {
	for word := range strings.SplitSeq(eventType, ".") {
		if word == "" || strings.IndexFunc(word, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) >= 0 {
			return false
		}
	}
	return true
}

// Names of the headers on the wire (CloudEvents' NATS binding, binary mode).
const (
	headerSpec        = "ce-specversion"
	headerID          = "ce-id"
	headerType        = "ce-type"
	headerSource      = "ce-source"
	headerTime        = "ce-time"
	headerSubject     = "ce-subject"
	headerCorrelation = "ce-correlationid"
	headerTest        = "ce-plattest" // the mark of a test customer
	headerContent     = "content-type"
	headerTraceParent = "traceparent"
	headerMessageID   = "Nats-Msg-Id" // by which the stream knows a repeated publish
)

// headers are those of the event on the wire. ctx gives the trace.
func (e Event) headers(ctx context.Context, propagate propagation.TextMapPropagator) map[string]string {
	h := map[string]string{
		headerSpec: "1.0", headerID: e.ID, headerType: e.Type, headerSource: e.Source,
		headerTime: e.Time.UTC().Format(time.RFC3339Nano), headerContent: "application/json", headerMessageID: e.ID,
	}
	if e.Subject != "" {
		h[headerSubject] = encodeValue(e.Subject)
	}
	if e.CorrelationID != "" {
		h[headerCorrelation] = e.CorrelationID
	}
	if mark := kit.TestMark(ctx); mark != "" {
		h[headerTest] = mark
	}
	propagate.Inject(ctx, propagation.MapCarrier(h))
	return h
}

// parse reads an event from the wire.
func parse(get func(string) string, data []byte) (Event, error) {
	e := Event{
		ID: get(headerID), Type: get(headerType), Source: get(headerSource), Subject: decodeValue(get(headerSubject)),
		CorrelationID: get(headerCorrelation), TraceParent: get(headerTraceParent), Data: bytes.Clone(data),
	}
	switch {
	case !strings.HasPrefix(get(headerSpec), "1."):
		return e, fmt.Errorf("not a CloudEvent 1.0: %s is %q", headerSpec, get(headerSpec))
	case e.ID == "" || e.Type == "" || e.Source == "":
		return e, errors.New("not a CloudEvent 1.0: ce-id, ce-type or ce-source is missing")
	}
	if t := get(headerTime); t != "" {
		var err error
		if e.Time, err = time.Parse(time.RFC3339, t); err != nil {
			return e, fmt.Errorf("not a CloudEvent 1.0: ce-time %q is no time", t)
		}
	}
	return e, nil
}

// encodeValue percent-encodes what a header cannot hold, as the binding of
// CloudEvents to HTTP has it.
func encodeValue(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func decodeValue(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if b, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				out = append(out, b[0])
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
