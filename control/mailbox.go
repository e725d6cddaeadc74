package control

import (
	"context"
	"path/filepath"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/mail"
	"github.com/plat-dev/plat/mail/smtp"
)

// openMail opens the development mailbox and the address that it takes mail
// at.
func (p *plane) openMail(_ context.Context, run part, _ *closers) (err error) {
	if p.mail, err = mail.Open(filepath.Join(p.folder.Path, "mail"), mail.Options{Log: p.log}); err != nil {
		return err
	}
	l, err := freeListener()
	if err != nil {
		return err
	}
	p.smtp = l.Addr().String()
	run("mailbox", func(ctx context.Context) error { return smtp.Serve(ctx, l, p.mail, p.log) })
	return nil
}

// Mails lists the development mailbox, the newest first.
func (p *plane) Mails() (api.Mailbox, error) {
	box := api.Mailbox{Mails: []api.Mail{}, Dropped: p.mail.Stats().Dropped}
	for _, m := range p.mail.List() {
		box.Mails = append(box.Mails, mailOf(m))
	}
	return box, nil
}

// Mail reads one mail.
func (p *plane) Mail(id string) (api.MailContent, error) {
	c, err := p.mail.Get(id)
	if err != nil {
		return api.MailContent{}, err
	}
	out := api.MailContent{Mail: mailOf(c.Mail), Headers: []api.Header{}, Text: c.Text, HTML: c.HTML, Attachments: []api.Attachment{}, Problem: c.Problem}
	for _, h := range c.Headers {
		out.Headers = append(out.Headers, api.Header(h))
	}
	for _, part := range c.Attachments {
		out.Attachments = append(out.Attachments, api.Attachment(part))
	}
	return out, nil
}

// MailSource is one mail as it was sent.
func (p *plane) MailSource(id string) ([]byte, error) { return p.mail.Raw(id) }

// ClearMail throws all mails away.
func (p *plane) ClearMail() error { return p.mail.Clear() }

func mailOf(m mail.Mail) api.Mail {
	return api.Mail{ID: m.ID, Time: m.Time, From: m.From, To: m.To, Subject: m.Subject, Size: m.Size, CorrelationID: m.CorrelationID}
}
