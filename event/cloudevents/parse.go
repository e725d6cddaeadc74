package cloudevents

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
)

// mode is how a request holds its events.
type mode int

// The content modes of the binding.
const (
	inHeaders mode = iota
	inJSON
	inBatch
)

// modeOf is what the media type says, as the binding has it.
func modeOf(h http.Header) mode {
	mediaType := strings.ToLower(strings.TrimSpace(h.Get("Content-Type")))
	switch {
	case strings.HasPrefix(mediaType, "application/cloudevents-batch"):
		return inBatch
	case strings.HasPrefix(mediaType, "application/cloudevents"):
		return inJSON
	}
	return inHeaders
}

// Parse reads the events of a request in binary, structured or batched mode;
// batch tells that it is the last, which may hold none. The events are not
// validated yet, but Data and DataContentType belong together. Errors:
// event-invalid, event-media-type, event-too-large, of a batch several joined.
func Parse(h http.Header, body []byte) (events []event.Event, batch bool, err error) {
	mode := modeOf(h)
	if err := supported(h, mode); err != nil {
		return nil, false, err
	}
	if mode == inHeaders {
		e, err := fromHeaders(h, body)
		return []event.Event{e}, false, err
	}
	if !utf8.Valid(body) {
		return nil, false, malformed("the body is not UTF-8", "JSON in UTF-8")
	}
	if mode == inJSON {
		e, err := fromJSON(body)
		return []event.Event{e}, false, err
	}
	events, err = fromBatch(body)
	return events, true, err
}

// supported refuses what would be misunderstood later.
func supported(h http.Header, mode mode) error {
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fault.Newf(fault.EventMediaType, "the body is encoded as %.40q", encoding).Why("events are taken as they are").Fix("send it without Content-Encoding")
	}
	if len(h["Content-Type"]) > 1 {
		return malformed("Content-Type is there twice", "one")
	}
	text := h.Get("Content-Type")
	if text == "" {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(text)
	if err != nil || !strings.Contains(mediaType, "/") {
		return fault.Newf(fault.EventMediaType, "Content-Type %.100q is no media type", text).Fix("set the media type of the data, as application/json")
	}
	formats := map[string]bool{"application/cloudevents+json": true, "application/cloudevents-batch+json": true}
	switch charset := params["charset"]; {
	case mode != inHeaders && !formats[mediaType]:
		return fault.Newf(fault.EventMediaType, "events are not read as %.100q", mediaType).
			Why("the formats are application/cloudevents+json and application/cloudevents-batch+json").Fix("send it as JSON, or with its attributes in headers")
	case mode != inHeaders && charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii"):
		return fault.Newf(fault.EventMediaType, "the body is in %.40q", charset).Why("JSON is in UTF-8").Fix("send it in UTF-8")
	case mediaType == "application/x-www-form-urlencoded" || mediaType == "multipart/form-data":
		return fault.Newf(fault.EventMediaType, "the data is sent as %s", mediaType).
			Why("that is what forms and curl say when they are not told").Fix("set Content-Type: application/json")
	}
	return nil
}

// fromHeaders reads binary mode.
func fromHeaders(h http.Header, body []byte) (event.Event, error) {
	e := event.Event{DataContentType: h.Get("Content-Type")}
	if len(body) > 0 {
		e.Data = body
	}
	seen := 0
	for name, values := range h {
		attribute, is := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !is {
			continue
		}
		seen++
		switch {
		case len(values) != 1:
			return e, malformed(fmt.Sprintf("header %.100q is there %d times", name, len(values)), "each attribute once")
		case attribute == "datacontenttype":
			return e, malformed("header ce-datacontenttype is there", "Content-Type instead, which is the same attribute")
		case reserved(attribute):
			return e, malformed(fmt.Sprintf("header %.100q is there", name), "the data in the body")
		}
		value := event.Unescape(unquote(values[0]))
		if !utf8.ValidString(value) {
			return e, malformed(fmt.Sprintf("attribute %.100s, in a header, is not UTF-8", attribute), "what is not printable ASCII percent-encoded, as %C3%B6")
		}
		if value == "" && !required(attribute) {
			continue // an attribute without a value is none
		}
		if err := e.Set(attribute, value); err != nil {
			return e, err
		}
	}
	if seen == 0 {
		return e, malformed("it has no ce- headers, and its Content-Type is none of CloudEvents", "ce-specversion, ce-id, ce-source and ce-type, or application/cloudevents+json")
	}
	return e, checkData(e)
}

// unquote takes away the quotes of a quoted string, as older senders write it.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for inner := s[1 : len(s)-1]; inner != ""; {
		if inner[0] == '\\' && len(inner) > 1 {
			inner = inner[1:]
		}
		b.WriteByte(inner[0])
		inner = inner[1:]
	}
	return b.String()
}

func reserved(attribute string) bool { return attribute == "data" || attribute == "data_base64" }

func required(attribute string) bool {
	return attribute == "id" || attribute == "source" || attribute == "type" || attribute == "specversion"
}

// fromBatch reads batched mode: a JSON array of events.
func fromBatch(body []byte) ([]event.Event, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, malformed("the batch is no JSON array", "[{…}, {…}]")
	}
	events := []event.Event{}
	var faults []error
	for i := 0; d.More(); i++ {
		if i >= event.MaxBatch {
			return nil, fault.Newf(fault.EventTooLarge, "the batch has more than %d events", event.MaxBatch).Why(fmt.Sprintf("at most %d events at once", event.MaxBatch)).Fix("publish it in parts")
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, event.InBatch(i, notJSON(err))
		}
		e, err := fromJSON(raw)
		if err != nil {
			faults = append(faults, event.InBatch(i, err))
		}
		events = append(events, e)
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("something follows the batch", "one JSON array")
	}
	return events, errors.Join(faults...)
}

// fromJSON reads the JSON event format: one object, each member once.
func fromJSON(body []byte) (event.Event, error) {
	e := event.Event{}
	if !json.Valid(body) {
		return e, notJSON(json.Unmarshal(body, new(any)))
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return e, malformed("the event is no JSON object", `{"specversion": "1.0", …}`)
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return e, notJSON(err)
		}
		if _, twice := members[name]; twice {
			return e, malformed(fmt.Sprintf("member %.100q is there twice", name), "each attribute once")
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return e, notJSON(err)
		}
		members[name] = raw
	}
	for name, raw := range members {
		if reserved(name) || string(raw) == "null" {
			continue
		}
		text, err := attributeText(name, raw)
		if err == nil {
			err = e.Set(name, text)
		}
		if err != nil {
			return e, err
		}
	}
	if err := dataOf(&e, members); err != nil {
		return e, err
	}
	return e, checkData(e)
}

// attributeText is the canonical text of an attribute: a string, an integer or
// a boolean.
func attributeText(name string, raw json.RawMessage) (string, error) {
	var value any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return "", notJSON(err)
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		if !required(name) {
			return strconv.FormatBool(v), nil
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 32); err == nil && !required(name) {
			return strconv.FormatInt(n, 10), nil
		}
	}
	return "", malformed(fmt.Sprintf("attribute %.100q has the value %.40s", name, raw), "a string, a boolean or an integer of 32 bits; id, source, type and specversion are strings")
}

// dataOf takes the data from its member.
func dataOf(e *event.Event, members map[string]json.RawMessage) error {
	data, plain := members["data"]
	encoded, base := members["data_base64"]
	if base && string(encoded) == "null" {
		base = false
	}
	switch {
	case plain && base:
		return malformed("data and data_base64 are both there", "one of them")
	case base:
		var text string
		if err := json.Unmarshal(encoded, &text); err != nil {
			return malformed("data_base64 is no string", "the data in base64")
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return malformed("data_base64 is not base64", "the data in base64")
		}
		e.Data = raw
	case plain && (e.DataContentType == "" || isJSON(e.DataContentType)):
		if e.DataContentType == "" {
			e.DataContentType = "application/json"
		}
		e.Data = data
	case plain && string(data) != "null":
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return malformed(fmt.Sprintf("data is no string, and datacontenttype is %.100q", e.DataContentType), "a string, or data_base64")
		}
		e.Data = []byte(text)
	}
	return nil
}

// checkData holds the data to the media type where that is JSON: consumers
// would have to give up the event one by one.
func checkData(e event.Event) error {
	if e.DataContentType != "" {
		if mediaType, _, err := mime.ParseMediaType(e.DataContentType); err != nil || !strings.Contains(mediaType, "/") {
			return malformed(fmt.Sprintf("attribute datacontenttype is %.100q", e.DataContentType), "a media type, as application/json")
		}
	}
	if len(e.Data) > 0 && isJSON(e.DataContentType) && (!utf8.Valid(e.Data) || !json.Valid(e.Data)) {
		return malformed(fmt.Sprintf("the data is not JSON, as its media type %.100q says", e.DataContentType), "JSON in UTF-8")
	}
	return nil
}

// isJSON is what the JSON format of CloudEvents means by it.
func isJSON(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasSuffix(mediaType, "/json") || strings.HasSuffix(mediaType, "+json"))
}

func notJSON(err error) error {
	return fault.New(fault.EventInvalid, "the event is not JSON").Why(because(err)).Fix("send JSON as application/cloudevents+json has it").Because(err)
}

func because(err error) string {
	if err == nil {
		return "it cannot be read"
	}
	return err.Error()
}

func malformed(what, expected string) error {
	return fault.New(fault.EventInvalid, what).Why("expected " + expected).Fix("correct the event; docs/events-over-http.md shows one")
}
