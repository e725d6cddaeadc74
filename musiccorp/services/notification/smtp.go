package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/wneessen/go-mail"
)

// server is where mail is handed in. It is safe for concurrent use.
type server struct {
	host, port string
	encrypted  bool // from the beginning, not by STARTTLS
	options    []mail.Option
}

// awayError says that the server cannot be reached, or talked to.
type awayError struct{ cause error }

func (e *awayError) Error() string { return "the mail server is away: " + e.cause.Error() }
func (e *awayError) Unwrap() error { return e.cause }

// newServer reads an address such as smtp://127.0.0.1:2525, with user and
// password in it where the server wants them. With smtp the connection is
// encrypted if the server offers it, and must be where a password is sent;
// with smtps it is from its beginning. No address is no server.
func newServer(address string) (*server, error) {
	if address == "" {
		return nil, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("SMTP_URL is wrong, expected an address such as smtp://127.0.0.1:2525") // without what may hold a password
	}
	s := &server{host: u.Hostname(), port: "25", encrypted: u.Scheme == "smtps"}
	policy := mail.TLSOpportunistic
	switch {
	case s.encrypted:
		s.port, policy = "465", mail.NoTLS // none on top of it
	case u.User != nil:
		policy = mail.TLSMandatory
	}
	if u.Port() != "" {
		s.port = u.Port()
	}
	if password, ok := u.User.Password(); ok {
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	s.options = append(s.options, mail.WithTLSPolicy(policy), mail.WithTimeout(sendTimeout))
	if _, err := mail.NewClient(s.host, s.options...); err != nil {
		return nil, fmt.Errorf("SMTP_URL is wrong: %w", err)
	}
	return s, nil
}

// send hands the message in and returns nil once the server has taken it. It
// is an *awayError where the server was not reached. The end of ctx ends the
// connection.
func (s *server) send(ctx context.Context, msg *mail.Msg) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return &awayError{err}
	}
	defer func() { _ = conn.Close() }() // Close of the client has said good-bye
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client, err := mail.NewClient(s.host, slices.Concat(s.options, []mail.Option{
		mail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }),
	})...)
	if err != nil {
		return &awayError{err}
	}
	if err := client.DialWithContext(ctx); err != nil {
		return &awayError{err}
	}
	err = client.Send(msg)
	_ = client.Close()
	if msg.IsDelivered() { // whatever went wrong after that
		return nil
	}
	return err
}

func (s *server) dial(ctx context.Context) (net.Conn, error) {
	address := net.JoinHostPort(s.host, s.port)
	if s.encrypted {
		d := tls.Dialer{Config: &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}}
		return d.DialContext(ctx, "tcp", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// permanent tells whether the server has said that it will never take this
// mail.
func permanent(err error) bool {
	refused, ok := errors.AsType[*mail.SendError](err)
	return ok && refused.ErrorCode() >= 500
}
