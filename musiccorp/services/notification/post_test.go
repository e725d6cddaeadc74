package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
)

func ada() customerRegistered {
	return customerRegistered{Customer: uuid.NewString(), Name: "Zoë Ångström", Email: "zoe@example.com"}
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	b := openBox(t, "")
	r := start(t, b.address)
	e := event(t, "customer.registered", ada())
	e.CorrelationID = "trail-7"
	for range 3 { // the inbox keeps repetitions away; the outbox does so too
		if err := r.deliver(t, e); err != nil {
			t.Fatal(err)
		}
	}
	m := b.take(t, 1)[0]
	for header, want := range map[string]string{
		"From": `"MusicCorp" <shop@musiccorp.example>`, "To": "Zoë Ångström <zoe@example.com>",
		"Subject":    "Welcome to MusicCorp, Zoë Ångström",
		"Message-Id": "<" + e.ID + "@musiccorp.example>", "Auto-Submitted": "auto-generated",
		"X-Correlation-Id": "trail-7",
	} {
		if got := m.head(t, header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if date, err := m.header.Date(); err != nil || time.Since(date) > time.Minute {
		t.Errorf("date %v, %v", date, err)
	}
	for _, part := range []string{m.text, m.html} {
		if !strings.Contains(part, "Hello Zoë Ångström,") || !strings.Contains(part, "points") {
			t.Errorf("the mail says: %s", part)
		}
	}
	if len(m.to) != 1 || m.to[0] != "zoe@example.com" {
		t.Errorf("sent to %v", m.to)
	}
	await(t, "the mark", func() bool { return len(r.mails(t, "status=sent")) == 1 })
	if line := r.lines.find(t, "mail sent"); line["correlation_id"] != "trail-7" || line["customer"] == "" {
		t.Errorf("logged %v", line)
	}
}

// TestEventsInAnyOrder shows that mail waits for an address.
func TestEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	b := openBox(t, "")
	r := start(t, b.address)
	zoe := ada()
	sent := orderDispatched{Order: "01900000-0000-7000-8000-00000000beef", Customer: zoe.Customer, Parcel: uuid.NewString()}
	r.happens(t, "order.dispatched", sent)
	if worked, err := r.sendNext(t.Context()); worked || err != nil {
		t.Errorf("mail to nowhere: %t, %v", worked, err)
	}
	r.happens(t, "customer.registered", zoe)
	mails := b.take(t, 2)
	if got := mails[0].head(t, "Subject"); got != "Your order 00000000beef is on its way" {
		t.Errorf("subject %q", got)
	}
	for _, part := range []string{mails[0].text, mails[0].html} {
		if !strings.Contains(part, sent.Order) || !strings.Contains(part, sent.Parcel) {
			t.Errorf("the mail says: %s", part)
		}
	}
}

// TestNamesCannotAddHeaders sends to people with names that were made to be
// more than a name.
func TestNamesCannotAddHeaders(t *testing.T) {
	t.Parallel()
	b := openBox(t, "")
	r := start(t, b.address)
	names := []string{
		"Eve\r\nBcc: evil@example.com", "Eve\nX-Evil: yes\n\nbody", "Eve\rBcc: evil@example.com", "Eve\u2028Bcc: x", "\u0000Eve\u0085",
		`Eve" <evil@example.com>, "`, "Eve <script>alert(1)</script>", "=?utf-8?q?Eve=0D=0ABcc:_evil?=", strings.Repeat("Eve é", 300),
	}
	for _, name := range names {
		r.happens(t, "customer.registered", customerRegistered{uuid.NewString(), name, "eve@example.com"})
	}
	for _, m := range b.take(t, len(names)) {
		for header := range m.header {
			switch header {
			case "From", "To", "Subject", "Date", "Message-Id", "Mime-Version", "Content-Type", "Auto-Submitted", "X-Correlation-Id":
			default:
				t.Errorf("there is a header %s: %v", header, m.header[header])
			}
		}
		to, err := m.header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Address != "eve@example.com" {
			t.Errorf("To %q: %v, %v", m.header.Get("To"), to, err)
		}
		if len(m.to) != 1 || strings.Contains(m.html, "<script>") || strings.ContainsAny(m.head(t, "Subject"), "\r\n") {
			t.Errorf("%q to %v: %s", m.head(t, "Subject"), m.to, m.html)
		}
	}
}

// TestServerAway begins without a mail server: the events are taken, and the
// mail goes when it has come.
func TestServerAway(t *testing.T) {
	t.Parallel()
	var l net.Listener
	err := errors.New("not tried")
	for range 100 { // below the ports that are given to others, since it is closed and opened again
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(2000))); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // holds the port, and never answers
	r := start(t, l.Addr().String())
	r.happens(t, "customer.registered", ada())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the failure", func() bool { return strings.Contains(r.mails(t, "")[0].Error, "the mail server is away") })
	if m := r.mails(t, "status=waiting"); len(m) != 1 || m[0].Attempts > 1 {
		t.Errorf("%+v", m)
	}
	b := openBox(t, l.Addr().String())
	b.take(t, 1)
	await(t, "the mark", func() bool { m := r.mails(t, "status=sent"); return len(m) == 1 && m[0].Error == "" })
}

// TestRefusals: what the server refuses for now is tried again, what it
// refuses for good is not, and others are sent meanwhile.
func TestRefusals(t *testing.T) {
	t.Parallel()
	b := openBox(t, "")
	r := start(t, b.address)
	b.refuseWith(&smtp.SMTPError{Code: 451, Message: "later, zoe@example.com"})
	r.happens(t, "customer.registered", ada())
	await(t, "the refusal", func() bool { return r.mails(t, "")[0].Error != "" })
	if m := r.mails(t, "")[0]; m.Status != Waiting || m.Attempts != 1 || strings.Contains(m.Error, "zoe@") || !strings.Contains(m.Error, "451") {
		t.Errorf("%+v", m)
	}
	b.refuseWith(&smtp.SMTPError{Code: 550, Message: "never"})
	r.happens(t, "customer.registered", ada())
	await(t, "the failure", func() bool { return len(r.mails(t, "status=failed")) == 1 })
	b.refuseWith(nil)
	r.happens(t, "customer.registered", ada())
	b.take(t, 1)

	if _, err := r.db.ExecContext(t.Context(), `UPDATE mails SET due = 0`); err != nil { // the pause is over
		t.Fatal(err)
	}
	r.wake()
	b.take(t, 2)
	await(t, "the marks", func() bool { return len(r.mails(t, "status=sent")) == 2 })
	if failed := r.mails(t, "status=failed"); len(failed) != 1 || !strings.Contains(failed[0].Error, "550") {
		t.Errorf("failed: %+v", failed)
	}
}

// TestDeathAfterSending sends a mail as one would who dies before it is
// marked: it goes out again, and can be known by its Message-ID.
func TestDeathAfterSending(t *testing.T) {
	t.Parallel()
	b := openBox(t, "")
	r := start(t, b.address)
	r.happens(t, "customer.registered", ada())
	b.take(t, 1)
	await(t, "the mark", func() bool { return len(r.mails(t, "status=sent")) == 1 })
	if _, err := r.db.ExecContext(t.Context(), `UPDATE mails SET status = 'waiting', sent = 0, due = 0`); err != nil {
		t.Fatal(err)
	}
	r.wake()
	mails := b.take(t, 2)
	for _, header := range []string{"Message-Id", "Date", "Subject"} {
		if first, second := mails[0].header.Get(header), mails[1].header.Get(header); first != second {
			t.Errorf("%s: %q, then %q", header, first, second)
		}
	}
}

// TestClaims shows that a mail under way is nobody else's.
func TestClaims(t *testing.T) {
	t.Parallel()
	r := start(t, "127.0.0.1:1") // nobody is there
	zoe := ada()
	tx, err := r.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	later := now().Add(time.Hour) // so that the post leaves it alone
	if err := saveCustomer(t.Context(), tx, zoe); err != nil {
		t.Fatal(err)
	}
	if err := addMail(t.Context(), tx, Mail{Event: "1", Kind: Welcome, Customer: zoe.Customer, Created: later}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := claim(t.Context(), r.db, later.Add(-time.Second), lease); !errors.Is(err, errNotFound) {
		t.Errorf("before it is due: %v", err)
	}
	m, err := claim(t.Context(), r.db, later, lease)
	if err != nil || m.Attempts != 1 || m.email != zoe.Email {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := claim(t.Context(), r.db, later.Add(lease-time.Second), lease); !errors.Is(err, errNotFound) {
		t.Errorf("while it is claimed: %v", err)
	}
	if m, err = claim(t.Context(), r.db, later.Add(lease), lease); err != nil || m.Attempts != 2 {
		t.Errorf("after the lease: %+v, %v", m, err)
	}
}
