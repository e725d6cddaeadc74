package event

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Event is a CloudEvent 1.0.
type Event struct {
	ID              string            `json:"id"`
	Source          string            `json:"source"`
	SpecVersion     string            `json:"specversion"`
	Type            string            `json:"type"`
	Subject         string            `json:"subject,omitempty"`
	Time            time.Time         `json:"time,omitzero"`
	DataContentType string            `json:"datacontenttype,omitempty"`
	DataSchema      string            `json:"dataschema,omitempty"`
	Extensions      map[string]string `json:"extensions,omitempty"` // correlationid, traceparent, …
	Data            []byte            `json:"data,omitempty"`
}

// maxAttribute bounds each attribute of an event.
const maxAttribute = 4096

// Validate checks an event against CloudEvents 1.0: specversion, id, source
// and type are there, the source is a URI reference, names and values are
// within the specification's alphabet. The fault is event-invalid, or
// event-too-large.
func (e Event) Validate() error {
	switch {
	case e.SpecVersion != "1.0":
		return invalid("specversion", fmt.Sprintf("%q", e.SpecVersion), "1.0")
	case e.ID == "":
		return invalid("id", "empty", "a text that is unique within the source")
	case !validType(e.Type):
		return invalid("type", fmt.Sprintf("%q", e.Type), "words of lower-case letters, digits and hyphens, joined by dots, as order.placed")
	}
	if u, err := url.Parse(e.Source); err != nil || u.String() == "" {
		return invalid("source", fmt.Sprintf("%q", e.Source), "a URI reference, as /services/order")
	}
	size := len(e.Data)
	for name, value := range e.attributes() {
		if !validName(name) {
			return invalid(name, "not a name", "lower-case letters and digits, at most 20")
		}
		if len(value) > maxAttribute || strings.ToValidUTF8(value, "") != value || strings.ContainsFunc(value, control) {
			return invalid(name, "not a value", fmt.Sprintf("at most %d bytes of text without control characters", maxAttribute))
		}
		size += len(name) + 3*len(value) // at worst, percent-encoded
	}
	if size > MaxSize {
		return fault.Newf(fault.EventTooLarge, "event %s of type %s is %d bytes", e.ID, e.Type, size).
			Why(fmt.Sprintf("at most %d bytes with its attributes", MaxSize)).
			Fix("keep the large part in a store and refer to it")
	}
	return nil
}

// Message maps a valid event to the wire: NATS in binary mode.
func (e Event) Message() Message {
	header := map[string][]string{"Nats-Msg-Id": {e.ID}}
	for name, value := range e.attributes() {
		switch name {
		case "datacontenttype":
			header["content-type"] = []string{value}
		case "traceparent", "tracestate":
			header[name] = []string{value}
		default:
			header["ce-"+name] = []string{encode(value)}
		}
	}
	return Message{Subject: subjectPrefix + e.Type, Header: header, Data: e.Data}
}

// FromMessage maps a message back to the event; event-invalid if it is none,
// or if its type is not that of its subject.
func FromMessage(subject string, header map[string][]string, data []byte) (Event, error) {
	e := Event{Data: data, Extensions: map[string]string{}}
	for name, values := range header {
		if len(values) == 0 {
			continue
		}
		value := values[0]
		lower := strings.ToLower(name)
		switch {
		case lower == "content-type":
			e.DataContentType = value
		case lower == "traceparent" || lower == "tracestate":
			e.Extensions[lower] = value
		case strings.HasPrefix(lower, "ce-"):
			if err := e.set(lower[3:], decode(value)); err != nil {
				return Event{}, err
			}
		}
	}
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	if e.Type != eventType(subject) {
		return Event{}, invalid("type", fmt.Sprintf("%q", e.Type), "the type of its subject "+subject)
	}
	return e, nil
}

// Publish stores an event in the name of a service; it is on disk when
// Publish returns. An empty SpecVersion is 1.0, an empty Source is the
// service's. Errors: event-undeclared when the service does not provide the
// type by the last Apply, event-invalid, event-too-large, event-store-full,
// event-unavailable.
func (r *Room) Publish(ctx context.Context, service string, e Event) (Receipt, error) {
	if e.SpecVersion == "" {
		e.SpecVersion = "1.0"
	}
	if e.Source == "" {
		e.Source = "/services/" + service
	}
	if err := e.Validate(); err != nil {
		return Receipt{}, err
	}
	if !r.declared(service, subjectPrefix+e.Type) {
		return Receipt{}, fault.Newf(fault.EventUndeclared, "service %s does not declare event %q", service, e.Type).
			Why("only declared events are published").
			Fix("add it under provides.events of " + service)
	}
	receipt, err := r.broker.Publish(ctx, e.Message())
	if err != nil {
		return Receipt{}, unavailable("take the event", err)
	}
	return receipt, nil
}

// attributes lists what is set, data apart.
func (e Event) attributes() map[string]string {
	all := map[string]string{"id": e.ID, "source": e.Source, "specversion": e.SpecVersion, "type": e.Type}
	for name, value := range e.Extensions {
		all[name] = value
	}
	for name, value := range map[string]string{"subject": e.Subject, "datacontenttype": e.DataContentType, "dataschema": e.DataSchema} {
		if value != "" {
			all[name] = value
		}
	}
	if !e.Time.IsZero() {
		all["time"] = e.Time.UTC().Format(time.RFC3339Nano)
	}
	return all
}

func (e *Event) set(name, value string) error {
	switch name {
	case "id":
		e.ID = value
	case "source":
		e.Source = value
	case "specversion":
		e.SpecVersion = value
	case "type":
		e.Type = value
	case "subject":
		e.Subject = value
	case "datacontenttype":
		e.DataContentType = value
	case "dataschema":
		e.DataSchema = value
	case "time":
		t, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return invalid("time", fmt.Sprintf("%q", value), "a time as RFC 3339 has it")
		}
		e.Time = t
	default:
		e.Extensions[name] = value
	}
	return nil
}

func invalid(attribute, is, expected string) error {
	return fault.Newf(fault.EventInvalid, "attribute %s of the event is %s", attribute, is).
		Why("expected " + expected).Fix("set " + attribute)
}

func validType(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return len(s) <= 200
}

func validName(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

func control(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// encode writes a value as the HTTP binding does: printable ASCII but space,
// quote and percent as it is, the rest percent-encoded.
func encode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c >= 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// decode reads what encode wrote; what is no encoding stays.
func decode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}
