package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	htmltemplate "html/template"
	netmail "net/mail"
	"regexp"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"
)

//go:embed mails
var mailFiles embed.FS

// Kind says what a mail is about.
type Kind string

// What customers are told.
const (
	Welcome    Kind = "welcome"
	Dispatched Kind = "dispatched"
)

// Status says what came of a mail.
type Status string

// A mail waits until it is sent, or until trying again makes no sense.
const (
	Waiting Status = "waiting"
	Sent    Status = "sent"
	Failed  Status = "failed"
)

// Mail is one mail of the outbox.
type Mail struct {
	ID       int64
	Event    string // that it tells of
	Kind     Kind
	Customer string
	Order    string // empty for a welcome
	Parcel   string // empty for a welcome
	Work     string // the correlation ID of the event
	Status   Status
	Attempts int
	Error    string // of the last attempt
	Created  time.Time
	Sent     time.Time // zero until then

	name, email string // of the customer; only where it is to be sent
}

// maxName is how much of a name is used, in characters.
const maxName = 200

// letters makes messages of mails. It is safe for concurrent use.
type letters struct {
	from *netmail.Address
	text *texttemplate.Template
	html *htmltemplate.Template
}

// newLetters reads the templates; from is an address, with a name or without.
func newLetters(from string) (*letters, error) {
	address, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("FROM: %q is wrong, expected an address such as MusicCorp <shop@musiccorp.example>", from)
	}
	text, err := texttemplate.ParseFS(mailFiles, "mails/*.txt")
	if err != nil {
		return nil, err
	}
	html, err := htmltemplate.ParseFS(mailFiles, "mails/*.html")
	if err != nil {
		return nil, err
	}
	return &letters{from: address, text: text, html: html}, nil
}

// message is the mail as it is sent. The same mail is the same message each
// time: receivers know it by its Message-ID.
func (l *letters) message(m Mail) (*mail.Msg, error) {
	content := struct{ Name, Order, Parcel string }{plain(m.name), plain(m.Order), plain(m.Parcel)}
	var text, html bytes.Buffer
	if err := l.text.ExecuteTemplate(&text, string(m.Kind)+".txt", content); err != nil {
		return nil, err
	}
	if err := l.html.ExecuteTemplate(&html, string(m.Kind)+".html", content); err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(l.from)
	msg.ToMailAddress(&netmail.Address{Name: content.Name, Address: m.email})
	if m.Kind == Welcome {
		msg.Subject("Welcome to MusicCorp, " + content.Name)
	} else {
		msg.Subject("Your order " + content.Order[strings.LastIndex(content.Order, "-")+1:] + " is on its way")
	}
	msg.SetDateWithValue(m.Created)
	msg.SetMessageIDWithValue(l.messageID(m.Event))
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Work != "" { // so that plat why finds the mail that a customer's click led to
		msg.SetGenHeader("X-Correlation-ID", m.Work)
	}
	msg.SetBodyString(mail.TypeTextPlain, text.String())
	msg.AddAlternativeString(mail.TypeTextHTML, html.String())
	return msg, nil
}

var atomText = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// messageID derives from the event alone.
func (l *letters) messageID(event string) string {
	if !atomText.MatchString(event) { // the IDs of others may be any text
		sum := sha256.Sum256([]byte(event))
		event = hex.EncodeToString(sum[:])
	}
	return event + "@" + l.from.Address[strings.LastIndex(l.from.Address, "@")+1:]
}

// plain makes one line of a text that others chose: what could end a header,
// or hide in one, becomes a space, and an encoded word is none any more.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.ReplaceAll(text, "=?", "= ?")
	words := []rune(strings.Join(strings.Fields(text), " "))
	return strings.TrimSpace(string(words[:min(len(words), maxName)]))
}
