package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/lines"
)

func (a *app) mail() *cobra.Command {
	var raw, empty bool
	cmd := &cobra.Command{
		Use:     "mail [ID]",
		Short:   "Read what the services sent by mail",
		Long:    "Lists the development mailbox, which takes every mail that a service sends by\nSMTP_URL and passes none on; with an ID, prints that mail.",
		Example: "  plat mail\n  plat mail 0mwtkbg5p\n  plat mail --raw 0mwtkbg5p > welcome.eml\n  plat mail --clear",
		GroupID: "monitoring",
		Args:    args(0, 1, "at most one ID"),
		ValidArgsFunction: a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
			box, err := client.Mails(cmd.Context())
			return names(box.Mails, func(m api.Mail) string { return m.ID + "\t" + m.Subject }), err
		}),
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print the mail as it was sent")
	cmd.Flags().BoolVar(&empty, "clear", false, "throw all mails away")
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if empty && (raw || len(given) > 0) || raw && len(given) == 0 {
			return usage(cmd, "--raw wants one ID, and --clear none")
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		switch {
		case empty:
			return client.ClearMail(cmd.Context())
		case raw:
			return a.rawRequest(cmd, client, http.MethodGet, "/v1/mail/"+given[0]+"/raw", http.Header{}, nil, false)
		case len(given) == 1:
			return a.readMail(cmd, client, given[0])
		}
		box, err := client.Mails(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.print(box, mailTable(box.Mails)); err != nil {
			return err
		}
		if len(box.Mails) == 0 && a.output == "table" {
			a.words("the mailbox is empty")
		}
		if box.Dropped > 0 {
			a.words("%d older mails made room", box.Dropped)
		}
		return nil
	}
	return cmd
}

func (a *app) readMail(cmd *cobra.Command, client *api.Client, id string) error {
	m, err := client.Mail(cmd.Context(), id)
	if err != nil {
		return err
	}
	if a.output != "table" {
		return a.print(m, table{header: []string{"ID"}, rows: [][]string{{m.ID}}})
	}
	_, err = io.WriteString(a.Out, letter(m))
	return err
}

// letter is a mail for a person to read.
func letter(m api.MailContent) string {
	var b strings.Builder
	for _, h := range []struct{ name, value string }{{"Date", m.Time.Local().Format(time.RFC1123Z)}, {"From", m.From}, {"To", strings.Join(m.To, ", ")}, {"Subject", m.Subject}} {
		fmt.Fprintf(&b, "%s: %s\n", h.name, lines.Harmless(h.value, `\n`))
	}
	b.WriteByte('\n')
	switch {
	case m.Text != "":
		b.WriteString(lines.Harmless(strings.TrimRight(m.Text, "\r\n"), "\n") + "\n")
	case m.HTML != "":
		b.WriteString("(HTML alone: plat mail --raw " + m.ID + ", or the console)\n")
	}
	for _, part := range m.Attachments {
		fmt.Fprintf(&b, "[attachment %s, %s, %d bytes]\n", lines.Harmless(part.Name, `\n`), lines.Harmless(part.Type, `\n`), part.Size)
	}
	if m.Problem != "" {
		fmt.Fprintf(&b, "[%s]\n", m.Problem)
	}
	return b.String()
}
