package objective

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/plan"
)

// Mailer sends a mail. On a developer's machine the development mailbox takes
// it.
type Mailer interface {
	SendMail(ctx context.Context, from string, to []string, message []byte) error
}

// Owners tells the owners of the plan by mail, each of what is theirs.
type Owners struct {
	system string
	mails  map[string]string // by owner
	shared []string          // of what belongs to nobody
	mailer Mailer
}

// NewOwners is the receiver of mails; nil when the plan wants none, or has no
// address.
func NewOwners(sys *plan.System, mailer Mailer) *Owners {
	o := &Owners{system: sys.Name, mails: map[string]string{}, mailer: mailer}
	if sys.Alerts != nil && !sys.Alerts.Mail {
		return nil
	}
	for name, owner := range sys.Owners {
		if owner.Mail != "" {
			o.mails[name] = owner.Mail
		}
	}
	if len(o.mails) == 0 {
		return nil
	}
	if sys.Alerts != nil && o.mails[sys.Alerts.Owner] != "" {
		o.shared = []string{o.mails[sys.Alerts.Owner]}
		return o
	}
	for _, mail := range o.mails {
		o.shared = append(o.shared, mail)
	}
	slices.Sort(o.shared)
	o.shared = slices.Compact(o.shared)
	return o
}

// Name is "mail".
func (o *Owners) Name() string { return "mail" }

// Deliver sends one mail. An owner without an address is not told.
func (o *Owners) Deliver(ctx context.Context, n Notification) error {
	to := o.shared
	if owner := n.GroupLabels["owner"]; owner != "" {
		mail, ok := o.mails[owner]
		if !ok {
			return nil
		}
		to = []string{mail}
	}
	from := "plat@" + o.system + ".plat.invalid"
	return o.mailer.SendMail(ctx, from, to, letter(from, to, n, time.Now()))
}

// letter is the mail as RFC 5322 has it.
func letter(from string, to []string, n Notification, at time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: plat <%s>\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\n", from, strings.Join(to, ", "), mime.QEncoding.Encode("utf-8", subject(n)), at.Format(time.RFC1123Z))
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\nAuto-Submitted: auto-generated\r\n\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(text(n), "\n", "\r\n"))) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

func subject(n Notification) string {
	first := n.Alerts[0]
	word := first.Labels["severity"]
	if n.Firing() == 0 {
		word = "over"
	}
	s := fmt.Sprintf("[%s] %s", word, line(summary(first)))
	if more := len(n.Alerts) - 1; more > 0 {
		s += fmt.Sprintf(" (and %d more)", more)
	}
	return s
}

func summary(e Entry) string {
	if s := e.Annotations["summary"]; s != "" {
		return s
	}
	return e.Name()
}

// line keeps what programs wrote from beginning a header of its own.
func line(s string) string { return strings.Join(strings.Fields(s), " ") }

func text(n Notification) string {
	var b strings.Builder
	for _, e := range n.Alerts {
		state := "since " + e.StartsAt.UTC().Format(time.DateTime) + " UTC"
		if !e.Firing() {
			state = "over since " + e.EndsAt.UTC().Format(time.DateTime) + " UTC"
		}
		over := e.Over()
		if over != "" {
			over = " over " + over
		}
		fmt.Fprintf(&b, "%s\n%s, %s%s, %s\n", summary(e), e.Name(), e.Labels["severity"], over, state)
		for _, part := range []struct{ what, key string }{{"", "description"}, {"Runbook: ", "runbook"}, {"Traces: ", "traces"}, {"Query: ", "query"}} {
			value := e.Annotations[part.key]
			if strings.HasPrefix(value, "/") {
				value = n.Console + value
			}
			if value != "" {
				fmt.Fprintf(&b, "%s%s\n", part.what, value)
			}
		}
		fmt.Fprintf(&b, "Silence it: plat silence %s --for 2h --reason WHY\n\n", e.ID)
	}
	return b.String()
}
