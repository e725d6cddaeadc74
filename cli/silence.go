package cli

import (
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

func (a *app) silence() *cobra.Command {
	var match []string
	var lasts time.Duration
	var reason, by string
	cmd := &cobra.Command{
		Use:     "silence [ALERT]",
		Short:   "Tell nobody of an alert for a while",
		Long:    "Silences an alert, by its ID or its name, or what --match names: label=value,\nlabel!=value, label=~pattern or label!~pattern, all of which must hold. A silence has\na reason, an author and an end, within 30 days; plat alerts goes on to list what it\nsilences.",
		Example: "  plat silence 5f2b9c01d7a4e683 --for 2h --reason 'the fix is on its way'\n  plat silence --match service=order --match severity=ticket --for 1d --reason 'load test'\n  plat silence list\n  plat silence end a7k2m9qd",
		GroupID: "monitoring",
		Args:    args(0, 1, "at most one alert"),
		ValidArgsFunction: a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
			list, err := client.Alerts(cmd.Context())
			return names(list.Alerts, func(x api.Alert) string { return x.ID + "\t" + x.Summary }), err
		}),
	}
	cmd.Flags().StringArrayVar(&match, "match", nil, "a condition on a label, as service=order; may be repeated")
	lengthVar(cmd, &lasts, "for", 0, "how long, as 30m, 2h or 3d")
	cmd.Flags().StringVar(&reason, "reason", "", "why nobody need be told")
	cmd.Flags().StringVar(&by, "by", "", "who answers for it (default: you)")
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if len(given) == 0 && len(match) == 0 {
			return usage(cmd, "expected an alert, or --match")
		}
		if lasts <= 0 || reason == "" {
			return usage(cmd, "expected --for and --reason: a silence has an end and a reason")
		}
		wanted := api.NewSilence{By: by, Reason: reason, Ends: time.Now().Add(lasts)}
		if wanted.By == "" {
			wanted.By = me()
		}
		for _, text := range match {
			m, ok := matcher(text)
			if !ok {
				return usage(cmd, "--match "+text+": expected label=value, label!=value, label=~pattern or label!~pattern")
			}
			wanted.Matchers = append(wanted.Matchers, m)
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		if len(given) == 1 {
			if err := a.aim(cmd, client, given[0], &wanted); err != nil {
				return err
			}
		}
		made, err := client.Silence(cmd.Context(), wanted)
		if err != nil {
			return err
		}
		return a.print(made, silenceTable([]api.Silence{made}))
	}
	cmd.AddCommand(a.silenceList(), a.silenceEnd())
	return cmd
}

// aim has a silence meet the alert of an ID or of a name.
func (a *app) aim(cmd *cobra.Command, client *api.Client, given string, s *api.NewSilence) error {
	list, err := client.Alerts(cmd.Context())
	if err != nil {
		return err
	}
	for _, x := range list.Alerts {
		switch given {
		case x.ID:
			s.Alert = x.ID
			return nil
		case x.Name:
			s.Matchers = append(s.Matchers, api.Matcher{Label: "alertname", Value: x.Name})
			return nil
		}
	}
	f := fault.New(fault.NoSuchAlert, "there is no alert "+given).Fix("plat alerts lists them; --match alertname=" + given + " silences what does not fire yet")
	if near := plan.Nearest(given, names(list.Alerts, func(x api.Alert) string { return x.Name })); near != "" {
		f.Fix("did you mean " + near + "?")
	}
	return f
}

// matcher reads a condition as Alertmanager writes it.
func matcher(text string) (api.Matcher, bool) {
	at := strings.IndexAny(text, "=!")
	if at <= 0 {
		return api.Matcher{}, false
	}
	for _, op := range []struct {
		text       string
		not, regex bool
	}{{"!~", true, true}, {"=~", false, true}, {"!=", true, false}, {"=", false, false}} {
		if value, ok := strings.CutPrefix(text[at:], op.text); ok {
			return api.Matcher{Label: strings.TrimSpace(text[:at]), Value: strings.Trim(value, `"`), Not: op.not, Regex: op.regex}, true
		}
	}
	return api.Matcher{}, false
}

// condition writes a matcher as matcher reads it.
func condition(m api.Matcher) string {
	op := map[[2]bool]string{{false, false}: "=", {true, false}: "!=", {false, true}: "=~", {true, true}: "!~"}[[2]bool{m.Not, m.Regex}]
	return m.Label + op + m.Value
}

// me is who sits before the terminal.
func me() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return os.Getenv("USER")
}

func silenceTable(silences []api.Silence) table {
	t := table{header: []string{"ID", "MATCHES", "BY", "STATE", "ENDS", "REASON"}, cuts: true}
	for _, s := range silences {
		state := "ended"
		if s.Active {
			state = "active"
		}
		t.rows = append(t.rows, []string{s.ID, strings.Join(names(s.Matchers, condition), " "), s.By, state, s.Ends.Local().Format(time.DateTime), s.Reason})
	}
	return t
}

func (a *app) silenceList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List what is kept silent", Long: "Lists the silences, what ends first first, with those that ended within a day.",
		Example: "  plat silence list\n  plat silence list -o json", Args: args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		list, err := client.Silences(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.print(list, silenceTable(list)); err != nil {
			return err
		}
		if len(list) == 0 && a.output == "table" {
			a.words("nothing is silenced")
		}
		return nil
	})
	return cmd
}

func (a *app) silenceEnd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "end ID", Short: "End a silence now", Long: "Ends a silence now; what it silenced and still fires is told soon.",
		Example: "  plat silence end a7k2m9qd", Args: args(1, 1, "one ID"),
		ValidArgsFunction: a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
			list, err := client.Silences(cmd.Context())
			return names(list, func(s api.Silence) string { return s.ID + "\t" + s.Reason }), err
		}),
	}
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		if err := client.EndSilence(cmd.Context(), given[0]); err != nil {
			return err
		}
		a.words("%s: ended", given[0])
		return nil
	})
	return cmd
}
