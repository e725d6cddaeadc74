package main

import (
	"errors"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// box is a mail server that keeps what it takes.
type box struct {
	address string

	mu     sync.Mutex
	mails  []received
	refuse error // what the next mails are answered with
}

// received is a mail as it arrived.
type received struct {
	to     []string // of the envelope
	header mail.Header
	text   string
	html   string
}

// openBox opens a mail server until the test ends; address is where, "" is
// anywhere.
func openBox(t *testing.T, address string) *box {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b := &box{address: l.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{t: t, box: b}, nil }))
	server.ErrorLog = log.New(io.Discard, "", 0)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return b
}

func (b *box) refuseWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = err
}

func (b *box) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mails)
}

// take waits until so many mails have arrived and gives them all.
func (b *box) take(t *testing.T, n int) []received {
	t.Helper()
	await(t, "mail", func() bool { return b.count() >= n })
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mails) != n {
		t.Fatalf("%d mails arrived, want %d", len(b.mails), n)
	}
	return b.mails
}

type session struct {
	t   *testing.T
	box *box
	to  []string
}

func (s *session) Reset()                               { s.to = nil }
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if s.box.refuse != nil {
		return s.box.refuse
	}
	m, err := read(r)
	if err != nil {
		s.t.Errorf("a mail that cannot be read: %v", err)
		return err
	}
	m.to = s.to
	s.box.mails = append(s.box.mails, m)
	return nil
}

// read reads a mail by the standard library alone.
func read(r io.Reader) (received, error) {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return received{}, err
	}
	m := received{header: msg.Header}
	_, parameters, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return received{}, err
	}
	parts := multipart.NewReader(msg.Body, parameters["boundary"])
	for {
		part, err := parts.NextPart() // quoted-printable is decoded
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return received{}, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return received{}, err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			m.html = string(content)
		} else {
			m.text = string(content)
		}
	}
}

// head is a header with its encoded words decoded.
func (m received) head(t *testing.T, name string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(m.header.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestServerAddresses(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"127.0.0.1:25", "http://mail", "smtp://", "smtp://mail:x", "smtp://mail/folder", "smtp://ada:secret@:25"} {
		if _, err := newServer(wrong); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	for given, want := range map[string]string{"smtp://mail": "25", "smtps://mail": "465", "smtp://ada:secret@mail:587": "587"} {
		if s, err := newServer(given); err != nil || s.port != want {
			t.Errorf("%s: %+v, %v", given, s, err)
		}
	}
}

// TestPasswordsAreNotSentInTheOpen shows that a server that offers no
// encryption gets no password.
func TestPasswordsAreNotSentInTheOpen(t *testing.T) {
	t.Parallel()
	b := openBox(t, "")
	server, err := newServer("smtp://ada:secret@" + b.address)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := newLetters("shop@musiccorp.example")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := letters.message(Mail{Kind: Welcome, Event: "1", Created: time.Now(), name: "Ada", email: "ada@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.send(t.Context(), msg); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("sent: %v", err)
	}
}
