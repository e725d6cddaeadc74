package smtp

import (
	"errors"
	"io"
	"log/slog"
	"sync"

	"github.com/emersion/go-sasl"
	smtp "github.com/emersion/go-smtp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/mail"
)

// session is one client's connection. The library calls Data from a goroutine
// of its own when a mail comes in chunks (BDAT), so the envelope has a lock.
type session struct {
	box *mail.Box
	log *slog.Logger
	end func() error // closes the connection

	mu     sync.Mutex
	from   string
	to     []string
	taking bool // Data is at work
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.to = from, nil
	return nil
}

// Rcpt adds a recipient; all are welcome.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	return nil
}

// Data takes the mail; it is on disk when there is no error.
func (s *session) Data(source io.Reader) error {
	s.mu.Lock()
	from, to := s.from, s.to
	s.taking = true
	s.mu.Unlock()
	_, err := s.box.Add(from, to, source)
	s.mu.Lock()
	s.taking = false
	s.mu.Unlock()
	if err == nil {
		return nil
	}
	if errors.Is(err, smtp.ErrDataReset) {
		_ = s.end() // as in Reset, which may have come before this
	}
	if answer := (*smtp.SMTPError)(nil); errors.As(err, &answer) {
		return answer // the library's own: larger than the limit, or reset
	}
	if errors.Is(err, smtp.ErrTooLongLine) {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "a line is too long"}
	}
	if fault.Is(err, fault.MailTooLarge) {
		return smtp.ErrDataTooLarge
	}
	if fault.Is(err, fault.MailStoreUnfit) {
		s.log.Warn("a mail cannot be kept", "from", from, "error", err.Error())
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "the mailbox cannot keep it: " + err.Error()}
	}
	return err
}

// Reset forgets the mail that was begun. One that was given up in the middle
// of its chunks ends the connection: the library would give the result of the
// old mail to the next one that comes in chunks.
func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.to = "", nil
	if s.taking {
		_ = s.end() // it is closed once more by the library
	}
}

// Logout ends the session.
func (s *session) Logout() error { return nil }

// AuthMechanisms are those that clients which insist on a login can use.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Auth accepts any credentials, and keeps none.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
	case sasl.Login:
		return &login{}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// login is the server's side of the LOGIN mechanism, which old clients use:
// it asks for a name and a password and is content with any.
type login struct{ answers int }

// Next takes an answer and gives the next question.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.answers++
	}
	switch l.answers {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	}
	return nil, true, nil
}
