package event

import (
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

// Bounds of an event's attributes, in bytes; all of them together as they are
// percent-encoded, since the engine keeps at most 64 KiB of headers.
const (
	maxAttribute  = 4096
	maxAttributes = 48 << 10
)

// Validate checks an event against CloudEvents 1.0: specversion, id, source
// and type are there, the source is a URI reference, names and values are
// within the specification's alphabet. The fault is event-invalid, or
// event-too-large.
func (e Event) Validate() error {
	switch {
	case e.SpecVersion != "1.0":
		return invalid("specversion", fmt.Sprintf("%q", shorten(e.SpecVersion)), "1.0")
	case e.ID == "":
		return invalid("id", "empty", "a text that is unique within the source")
	case !validType(e.Type):
		return invalid("type", fmt.Sprintf("%q", shorten(e.Type)), "words of lower-case letters, digits and hyphens, joined by dots, as order.placed")
	}
	if u, err := url.Parse(e.Source); err != nil || u.String() == "" || notURI(e.Source) {
		return invalid("source", fmt.Sprintf("%q", shorten(e.Source)), "a URI reference, as /services/order")
	}
	if u, err := url.Parse(e.DataSchema); e.DataSchema != "" && (err != nil || u.Scheme == "" || notURI(e.DataSchema)) {
		return invalid("dataschema", fmt.Sprintf("%q", shorten(e.DataSchema)), "an absolute URI")
	}
	size := 0
	for name, value := range e.Attributes() {
		if !validName(name) {
			return invalid(name, "not a name", "lower-case letters and digits, at most 20")
		}
		if len(value) > maxAttribute || strings.ToValidUTF8(value, "") != value || strings.ContainsFunc(value, control) {
			return invalid(name, "not a value", fmt.Sprintf("at most %d bytes of text without control characters", maxAttribute))
		}
		size += len(name) + len(Escape(value))
	}
	if size > maxAttributes {
		return fault.Newf(fault.EventTooLarge, "the attributes of event %q of type %s are %d bytes", shorten(e.ID), e.Type, size).
			Why(fmt.Sprintf("at most %d bytes, percent-encoded", maxAttributes)).
			Fix("put into the data what is not for finding the way")
	}
	if size += len(e.Data); size > MaxSize {
		return fault.Newf(fault.EventTooLarge, "event %q of type %s is %d bytes", shorten(e.ID), e.Type, size).
			Why(fmt.Sprintf("at most %d bytes with its attributes", MaxSize)).
			Fix("keep the large part in a store and refer to it")
	}
	return nil
}

// Message maps a valid event to the wire: NATS in binary mode.
func (e Event) Message() Message {
	header := map[string][]string{"Nats-Msg-Id": {e.ID}}
	for name, value := range e.Attributes() {
		switch name {
		case "datacontenttype":
			header["content-type"] = []string{value}
		case "traceparent", "tracestate":
			header[name] = []string{value}
		default:
			header["ce-"+name] = []string{Escape(value)}
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
			if err := e.Set(lower[3:], Unescape(value)); err != nil {
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

// Attributes lists the attributes that are set, each as text.
func (e Event) Attributes() map[string]string {
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

// Set sets one attribute from its text; event-invalid for a time that is none.
// Validate tells whether the name and the value may be.
func (e *Event) Set(name, value string) error {
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
		var t time.Time
		if err := t.UnmarshalText([]byte(value)); err != nil || t.IsZero() || t.UTC().Year() < 0 || t.UTC().Year() > 9999 {
			return invalid("time", fmt.Sprintf("%q", shorten(value)), "a time as RFC 3339 has it, as 2026-01-31T12:00:00Z")
		}
		e.Time = t
	default:
		if e.Extensions == nil {
			e.Extensions = map[string]string{}
		}
		e.Extensions[name] = value
	}
	return nil
}

func invalid(attribute, is, expected string) error {
	return fault.Newf(fault.EventInvalid, "attribute %s of the event is %s", shorten(attribute), is).
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

// notURI tells of a text that holds what no URI reference does (RFC 3986).
func notURI(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) })
}

// shorten keeps what a sender wrote from filling a message.
func shorten(s string) string {
	if len(s) <= 100 {
		return s
	}
	return strings.ToValidUTF8(s[:100], "") + "…"
}

// Escape writes a value as the HTTP binding of CloudEvents does: printable
// ASCII but space, quote and percent as it is, the rest percent-encoded.
func Escape(s string) string {
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

// Unescape reads what Escape wrote; what is no encoding stays.
func Unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}
