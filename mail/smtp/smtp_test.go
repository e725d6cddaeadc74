package smtp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	client "net/smtp"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/mail"
)

// open serves a mailbox until the test ends.
func open(t *testing.T, o mail.Options, lim limits) (*mail.Box, string) {
	t.Helper()
	box, err := mail.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, box, slog.New(slog.DiscardHandler), lim) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serve ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("serve did not end")
		}
	})
	return box, l.Addr().String()
}

func usual() limits { return limits{IdleTimeout, Lifetime, MaxConnections} }

// dialogue is a client that says exactly what it is told to.
type dialogue struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *dialogue {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	d := &dialogue{t, c, bufio.NewReader(c)}
	d.expect("220")
	return d
}

func (d *dialogue) send(text string) {
	d.t.Helper()
	if _, err := io.WriteString(d.c, text); err != nil {
		d.t.Fatalf("sending %.40q: %v", text, err)
	}
}

// expect reads one answer, of as many lines as it has, and wants its code.
func (d *dialogue) expect(code string) string {
	d.t.Helper()
	var all strings.Builder
	for {
		line, err := d.r.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			d.t.Fatalf("the answer is %q and then %v, want %s", all.String(), err, code)
		}
		if len(line) > 3 && line[3] == ' ' {
			break
		}
	}
	if !strings.HasPrefix(all.String(), code) {
		d.t.Fatalf("the answer is %q, want %s", all.String(), code)
	}
	return all.String()
}

// say sends lines one after another and wants each line's answer.
func (d *dialogue) say(linesAndCodes ...string) {
	d.t.Helper()
	for i := 0; i < len(linesAndCodes); i += 2 {
		d.send(linesAndCodes[i] + "\r\n")
		d.expect(linesAndCodes[i+1])
	}
}

func (d *dialogue) begin() {
	d.t.Helper()
	d.say("EHLO test", "250", "MAIL FROM:<a@example.com>", "250", "RCPT TO:<b@example.com>", "250", "DATA", "354")
}

// raw is the source of the only mail.
func raw(t *testing.T, box *mail.Box) string {
	t.Helper()
	list := box.List()
	if len(list) != 1 {
		t.Fatalf("%d mails, want 1", len(list))
	}
	source, err := box.Raw(list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

func TestStandardClient(t *testing.T) {
	t.Parallel()
	box, addr := open(t, mail.Options{}, usual())
	host, _, _ := net.SplitHostPort(addr)
	for i, auth := range []client.Auth{nil, client.PlainAuth("", "anyone", "anything", host)} {
		source := fmt.Sprintf("From: shop@example.com\r\nTo: eve@example.com\r\nSubject: Welcome %d\r\n\r\n.hidden dot\r\nbye\r\n", i)
		if err := client.SendMail(addr, auth, "shop@example.com", []string{"eve@example.com", "copy@example.com"}, []byte(source)); err != nil {
			t.Fatal(err)
		}
		m := box.List()[0]
		if m.From != "shop@example.com" || strings.Join(m.To, " ") != "eve@example.com copy@example.com" || m.Subject != fmt.Sprint("Welcome ", i) {
			t.Fatalf("mail = %+v", m)
		}
		if got, _ := box.Raw(m.ID); string(got) != source {
			t.Fatalf("source = %q, want %q", got, source)
		}
	}
	d := dial(t, addr)
	d.send("EHLO test\r\n")
	greeting := d.expect("250")
	for _, extension := range []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN", "SIZE 10485760", "CHUNKING"} {
		if !strings.Contains(greeting, extension) {
			t.Errorf("%s is not offered in %q", extension, greeting)
		}
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	_, addr := open(t, mail.Options{}, usual())
	for _, steps := range [][]string{
		{"AUTH PLAIN AGEAYg==", "235"},
		{"AUTH PLAIN", "334", "AGEAYg==", "235"},
		{"AUTH LOGIN", "334 VXNlcm5hbWU6", "YQ==", "334 UGFzc3dvcmQ6", "Yg==", "235"},
		{"AUTH LOGIN YQ==", "334 UGFzc3dvcmQ6", "Yg==", "235"},
		{"AUTH LOGIN", "334", "*", "501"},
		{"AUTH PLAIN !!!", "454"},
		{"AUTH CRAM-MD5", "504"},
	} {
		d := dial(t, addr)
		d.say("EHLO test", "250")
		d.say(steps...)
		d.say("NOOP", "250", "QUIT", "221")
	}
}

func TestSMTPUTF8AndPipelining(t *testing.T) {
	t.Parallel()
	box, addr := open(t, mail.Options{}, usual())
	d := dial(t, addr)
	d.say("EHLO test", "250")
	d.send("MAIL FROM:<øyvind@blåbær.no> SMTPUTF8 BODY=8BITMIME\r\nRCPT TO:<用户@例え.jp>\r\nDATA\r\n")
	for _, code := range []string{"250", "250", "354"} {
		d.expect(code)
	}
	d.say("Subject: blåbær\r\n\r\nHei på deg\r\n.", "250", "QUIT", "221")
	m := box.List()[0]
	if m.From != "øyvind@blåbær.no" || m.To[0] != "用户@例え.jp" || m.Subject != "blåbær" {
		t.Fatalf("mail = %+v", m)
	}
	if c, err := box.Get(m.ID); err != nil || c.Text != "Hei på deg\r\n" || c.Problem != "" {
		t.Fatalf("content = %+v, %v", c, err)
	}
}

// TestSmuggling: nothing but CR LF . CR LF ends a mail, so that what looks like
// commands within one stays its text.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n\n.\r\r\n"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			t.Parallel()
			box, addr := open(t, mail.Options{}, usual())
			d := dial(t, addr)
			d.begin()
			inner := "MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n"
			d.say("Subject: outer\r\n\r\nouter"+end+inner+".", "250", "QUIT", "221")
			if got := raw(t, box); !strings.Contains(got, "MAIL FROM:<evil@example.com>") || box.List()[0].Subject != "outer" {
				t.Fatalf("the mail is %q", got)
			}
		})
	}
}

func TestBadInputs(t *testing.T) {
	t.Parallel()
	box, addr := open(t, mail.Options{}, usual())
	for name, steps := range map[string][]string{
		"no greeting":          {"MAIL FROM:<a@b.c>", "502"},
		"no recipients":        {"EHLO x", "250", "MAIL FROM:<a@b.c>", "250", "DATA", "502"},
		"no sender":            {"EHLO x", "250", "RCPT TO:<a@b.c>", "502"},
		"unknown command":      {"EHLO x", "250", "JUMP high", "500", "NOOP", "250"},
		"NUL in a command":     {"EHLO x", "250", "MAIL\x00FROM:<a@b.c>", "501", "NOOP", "250"},
		"declared too large":   {"EHLO x", "250", "MAIL FROM:<a@b.c> SIZE=99999999", "552"},
		"relay to the outside": {"EHLO x", "250", "MAIL FROM:<a@b.c>", "250", "RCPT TO:<@relay.example:someone@far.example>", "250", "RSET", "250"},
		"no TLS":               {"EHLO x", "250", "STARTTLS", "502"},
		"chunk too large":      {"EHLO x", "250", "MAIL FROM:<a@b.c>", "250", "RCPT TO:<a@b.c>", "250", "RSET", "250", "QUIT", "221"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dial(t, addr).say(steps...)
		})
	}
	t.Run("too many recipients", func(t *testing.T) {
		t.Parallel()
		d := dial(t, addr)
		d.say("EHLO x", "250", "MAIL FROM:<a@b.c>", "250")
		for range MaxRecipients {
			d.say("RCPT TO:<a@b.c>", "250")
		}
		d.say("RCPT TO:<a@b.c>", "452")
	})
	t.Run("too long a line", func(t *testing.T) {
		t.Parallel()
		for _, start := range []func(d *dialogue){func(*dialogue) {}, (*dialogue).begin} {
			d := dial(t, addr)
			start(d)
			for range 3 {
				if _, err := io.WriteString(d.c, strings.Repeat("x", MaxLine)); err != nil {
					break // ended already
				}
			}
			_ = d.c.SetDeadline(time.Now().Add(time.Minute))
			if _, err := io.Copy(io.Discard, d.r); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the connection is still open")
			}
		}
	})
	t.Cleanup(func() {
		if n := len(box.List()); n != 0 {
			t.Errorf("%d mails came of nothing", n)
		}
	})
}

func TestOversize(t *testing.T) {
	t.Parallel()
	box, addr := open(t, mail.Options{MailBytes: 64 << 10}, usual())
	large := []byte("Subject: large\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", 8<<10))
	err := client.SendMail(addr, nil, "a@b.c", []string{"d@e.f"}, large)
	if err == nil || !strings.Contains(err.Error(), "552") {
		t.Fatalf("a mail beyond the box's limit: %v, want 552", err)
	}
	box2, addr2 := open(t, mail.Options{}, usual())
	large = append(large, bytes.Repeat([]byte("0123456789abcdef\r\n"), MaxBytes/18)...)
	err = client.SendMail(addr2, nil, "a@b.c", []string{"d@e.f"}, large)
	if err == nil || !strings.Contains(err.Error(), "552") {
		t.Fatalf("a mail beyond the door's limit: %v, want 552", err)
	}
	if len(box.List())+len(box2.List()) != 0 {
		t.Fatal("an oversize mail was kept")
	}
}

func TestOddContents(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"no header at all\r\n",
		"Subject: NUL \x00\r\n\r\n\x00\x01\xff\xfe\r\n",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n",
		" starts with a space\r\n\r\n",
		"Content-Type: text/html\r\n\r\n<p>" + strings.Repeat("one long line ", 40_000) + "\r\n",
		"",
	} {
		box, addr := open(t, mail.Options{}, usual())
		d := dial(t, addr)
		d.begin()
		d.say(body+".", "250", "QUIT", "221")
		if got := raw(t, box); got != body {
			t.Errorf("source = %.200q, want %.200q", got, body)
		}
	}
}

func TestChunks(t *testing.T) {
	t.Parallel()
	box, addr := open(t, mail.Options{}, usual())
	d := dial(t, addr)
	d.say("EHLO x", "250", "MAIL FROM:<a@b.c>", "250", "RCPT TO:<a@b.c>", "250")
	d.send("BDAT 5\r\nSubje")
	d.expect("250")
	d.send("RSET\r\n") // given up half way: nothing is kept, and the connection ends
	if rest, err := io.ReadAll(d.r); err != nil || len(rest) != 0 || len(box.List()) != 0 {
		t.Fatalf("after a mail that was given up: %q, %v, %d mails", rest, err, len(box.List()))
	}
	d = dial(t, addr)
	d.say("EHLO x", "250", "MAIL FROM:<a@b.c>", "250", "RCPT TO:<a@b.c>", "250")
	d.send("BDAT 10\r\nSubject: x")
	d.expect("250")
	d.send("BDAT 9 LAST\r\n\r\n\r\nfine.")
	d.expect("250")
	if got := raw(t, box); got != "Subject: x\r\n\r\nfine." {
		t.Fatalf("source = %q", got)
	}
}

// TestSlowClients: one that hangs and one that sends a byte now and then are
// ended, and so is one that is busy for ever; others are served meanwhile.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	_, busy := open(t, mail.Options{}, limits{time.Hour, time.Second, 20})
	box, idle := open(t, mail.Options{}, limits{2 * time.Second, time.Hour, 20})
	hangs, drips, never := dial(t, idle), dial(t, idle), dial(t, busy)
	drips.begin()
	var wg sync.WaitGroup
	defer wg.Wait()
	repeat := func(d *dialogue, text string) {
		for {
			if _, err := io.WriteString(d.c, text); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	wg.Go(func() { repeat(drips, "x") })
	wg.Go(func() { repeat(never, "NOOP\r\n") })
	if err := client.SendMail(idle, nil, "a@b.c", []string{"d@e.f"}, []byte("Subject: fast\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]*dialogue{"hangs": hangs, "drips": drips, "never ends": never} {
		if _, err := io.Copy(io.Discard, d.r); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a client that %s is not ended", name)
		}
		d.c.Close()
	}
	if list := box.List(); len(list) != 1 || list[0].Subject != "fast" {
		t.Fatalf("mails = %+v", list)
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	box, addr := open(t, mail.Options{}, limits{IdleTimeout, Lifetime, 3})
	var held []*dialogue
	for range 3 {
		held = append(held, dial(t, addr))
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if answer, _ := io.ReadAll(c); !strings.HasPrefix(string(answer), "421 ") {
		t.Fatalf("one connection too many is answered %q", answer)
	}
	held[0].say("QUIT", "221")
	if _, err := io.Copy(io.Discard, held[0].r); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for client.SendMail(addr, nil, "a@b.c", []string{"d@e.f"}, []byte("Subject: x\r\n\r\n")) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the place was not given free")
		}
	}
	if len(box.List()) != 1 {
		t.Fatal("the mail is not there")
	}
}

// TestManyMails: a thousand from ten clients; the newest are kept.
func TestManyMails(t *testing.T) {
	t.Parallel()
	box, addr := open(t, mail.Options{Mails: 200}, usual())
	var wg sync.WaitGroup
	for c := range 10 {
		wg.Go(func() {
			sender, err := client.Dial(addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer sender.Close()
			for i := range 100 {
				w, err := transaction(sender)
				if err == nil {
					_, err = fmt.Fprintf(w, "Subject: %d of %d\r\n\r\n", i, c)
				}
				if err == nil {
					err = w.Close()
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
			_ = sender.Quit()
		})
	}
	wg.Wait()
	if s := box.Stats(); s.Received != 1000 || s.Mails != 200 || s.Dropped != 800 {
		t.Fatalf("stats = %+v", s)
	}
	newest := map[string]bool{}
	for _, m := range box.List() {
		newest[m.Subject] = true
	}
	if len(newest) != 200 {
		t.Fatalf("%d different mails of 200", len(newest))
	}
}

func transaction(c *client.Client) (io.WriteCloser, error) {
	if err := c.Mail("a@b.c"); err != nil {
		return nil, err
	}
	if err := c.Rcpt("d@e.f"); err != nil {
		return nil, err
	}
	return c.Data()
}

func TestListenerFails(t *testing.T) {
	t.Parallel()
	box, err := mail.Open(t.TempDir(), mail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(context.Background(), l, box, slog.New(slog.DiscardHandler)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("Serve on a closed listener = %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := Serve(ctx, l, box, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("Serve after its end = %v", err)
	}
}
