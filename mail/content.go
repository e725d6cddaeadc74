package mail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // gives go-message the charsets beyond UTF-8
	formats "github.com/emersion/go-message/mail"
	"github.com/emersion/go-message/textproto"
)

// Bounds of what is shown of one mail; its source is always there whole.
const (
	maxHeader   = 256 << 10 // bytes of the header of a mail
	maxFields   = 500       // fields of the header
	maxText     = 2 << 20   // bytes of Text, and of HTML
	maxParts    = 500       // parts of a multipart mail
	maxDepth    = 20        // multiparts within multiparts
	maxProblems = 5         // sentences in Problem
)

// Content is one mail, read.
type Content struct {
	Mail
	Headers     []Header     // in the order of the mail, decoded
	Text        string       // of its text/plain parts
	HTML        string       // of its text/html parts, as it was sent: not to be trusted
	Attachments []Attachment // all other parts, in order
	Problem     string       // why the mail could not be read whole; empty when it could
}

// Header is one field of a mail's header, decoded.
type Header struct {
	Name, Value string
}

// Attachment is a part of a mail that is not its text.
type Attachment struct {
	Name string // as the mail says, may be empty; never to be used as a path
	Type string // its media type
	Size int    // bytes, decoded
}

// describe fills in what the header tells: the subject and the correlation ID;
// empty where there is none that can be read.
func (m *Mail) describe(source io.Reader) {
	header, _ := textproto.ReadHeader(bufio.NewReader(io.LimitReader(source, maxHeader))) // of a damaged header what was read so far
	h := message.Header{Header: header}
	text, _ := h.Text("Subject") // raw where it cannot be decoded
	m.Subject = clean(text, 1000)
	m.CorrelationID = clean(h.Get("X-Correlation-ID"), 128)
}

// reader collects the content of one mail.
type reader struct {
	c        Content
	parts    int
	problems []string
}

// errEnough ends the walk over a mail that is bounded.
var errEnough = errors.New("too many parts")

// read reads a mail as far as it can be read.
func read(source []byte) Content {
	r := reader{c: Content{Headers: []Header{}, Attachments: []Attachment{}}}
	limited := &io.LimitedReader{R: bytes.NewReader(source), N: maxHeader}
	buffered := bufio.NewReader(limited)
	fields, err := textproto.ReadHeader(buffered)
	header := message.Header{Header: fields}
	r.headers(header)
	switch {
	case err != nil && limited.N == 0:
		r.problem("the header is longer than %d bytes", maxHeader)
	case err != nil:
		r.problem("the header cannot be read to its end: %s", strings.TrimSpace(strings.TrimPrefix(err.Error(), "message: ")))
	default:
		limited.N = int64(len(source))
		r.body(header, buffered)
	}
	r.c.Problem = strings.Join(r.problems, "; ")
	return r.c
}

func (r *reader) problem(format string, args ...any) {
	text := clean(fmt.Sprintf(format, args...), 300)
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, text)
	}
}

func (r *reader) headers(h message.Header) {
	for fields := h.Fields(); fields.Next(); {
		if len(r.c.Headers) == maxFields {
			r.problem("the header has more than %d fields", maxFields)
			return
		}
		value, err := fields.Text()
		if err != nil {
			r.problem("the field %s cannot be decoded: %v", fields.Key(), err)
		}
		r.c.Headers = append(r.c.Headers, Header{clean(fields.Key(), 1000), clean(value, maxHeader)})
	}
}

func (r *reader) body(header message.Header, body io.Reader) {
	entity, err := message.New(header, body)
	if err != nil {
		r.problem("%v", err)
	}
	err = entity.Walk(func(path []int, part *message.Entity, err error) error {
		if r.parts++; r.parts > maxParts || len(path) > maxDepth {
			return errEnough
		}
		if err != nil {
			r.problem("part %d: %v", r.parts, err)
		}
		kind, parameters, err := part.Header.ContentType()
		if err != nil {
			r.problem("part %d: its content type %q cannot be read: %v", r.parts, clean(kind, 100), err)
		}
		if !strings.HasPrefix(kind, "multipart/") {
			r.part(part, kind)
		} else if parameters["boundary"] == "" {
			return errors.New("a multipart without a boundary")
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		r.problem("it has more than %d parts, or parts within parts deeper than %d", maxParts, maxDepth)
	case err != nil && strings.HasSuffix(err.Error(), "EOF"): // which the library does not wrap
		r.problem("it ends before its last part does")
	case err != nil:
		r.problem("%v", err)
	}
}

// part takes in one part that is no multipart.
func (r *reader) part(part *message.Entity, kind string) {
	disposition, _, _ := part.Header.ContentDisposition() // absent or damaged: not an attachment
	name, _ := (&formats.AttachmentHeader{Header: part.Header}).Filename()
	into := (*string)(nil)
	if disposition != "attachment" && name == "" {
		switch kind {
		case "text/plain":
			into = &r.c.Text
		case "text/html":
			into = &r.c.HTML
		}
	}
	if into == nil {
		size, err := io.Copy(io.Discard, part.Body)
		r.c.Attachments = append(r.c.Attachments, Attachment{clean(name, 255), clean(kind, 255), int(size)})
		r.broken(err)
		return
	}
	if *into != "" && !strings.HasSuffix(*into, "\n") {
		*into += "\r\n"
	}
	text, err := io.ReadAll(io.LimitReader(part.Body, int64(maxText-len(*into)+1)))
	*into += strings.ToValidUTF8(string(text), "\uFFFD")
	if len(*into) > maxText {
		*into = clean(*into, maxText)
		r.problem("a text is longer than %d bytes and was cut", maxText)
	}
	r.broken(err)
}

func (r *reader) broken(err error) {
	if err != nil {
		r.problem("part %d cannot be read to its end: %v", r.parts, err)
	}
}

// clean makes UTF-8 of at most limit bytes of a text.
func clean(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
		for len(text) > 0 && text[len(text)-1]&0xC0 == 0x80 {
			text = text[:len(text)-1]
		}
		if len(text) > 0 && text[len(text)-1]&0x80 != 0 {
			text = text[:len(text)-1]
		}
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
