package cli

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

func (a *app) alerts() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:     "alerts [ID]",
		Short:   "List what fires, with its owner",
		Long:    "Lists the alerts that fire, pages before tickets, and those that ended within a\nquarter of an hour; with an ID, all that is known of that one: the figures, the\nrunbook, the windows that show it and the commands to go on with. An objective has\none alert, over whatever windows its budget burns too fast. Nobody is told of an alert\nthat is silenced, or explained by another one. With --check the answer is no (exit 1)\nwhile something fires that is neither.",
		Example: "  plat alerts\n  plat alerts 5f2b9c01d7a4e683\n  plat alerts --check || echo 'something is wrong'\n  plat alerts -o json | jq '.alerts[] | select(.owner == \"ordering\")'",
		GroupID: "monitoring",
		Args:    args(0, 1, "at most one ID"),
		ValidArgsFunction: a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
			list, err := client.Alerts(cmd.Context())
			return names(list.Alerts, func(x api.Alert) string { return x.ID + "\t" + x.Summary }), err
		}),
	}
	cmd.Flags().BoolVar(&check, "check", false, "answer no (exit 1) while something fires")
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		list, err := client.Alerts(cmd.Context())
		if err != nil {
			return err
		}
		if len(given) == 1 {
			return a.alert(list.Alerts, given[0])
		}
		if err := a.print(list, a.alertTable(list.Alerts)); err != nil {
			return err
		}
		if a.output == "table" || a.output == "wide" {
			a.sayAlerts(list)
		}
		for _, x := range list.Alerts {
			if check && x.State == "firing" {
				return errAnswered
			}
		}
		return nil
	})
	return cmd
}

func (a *app) alertTable(alerts []api.Alert) table {
	t := table{header: []string{"ID", "SEVERITY", "ALERT", "SERVICE", "OWNER", "STATE", "AGE", "SUMMARY", "OBJECTIVE", "WINDOWS"}, wide: 8, cuts: true, spare: []string{"OWNER", "ALERT"}}
	for _, x := range alerts {
		severity := x.Severity
		if x.State == "firing" && severity == "page" {
			severity = a.paint.red(severity)
		}
		t.rows = append(t.rows, []string{x.ID, severity, x.Name, x.Service, x.Owner, x.State, age(x.Since), x.Summary, x.Objective, strings.Join(windows(x), ",")})
	}
	return t
}

// windows are those that show an alert now, or showed it while it lasted.
func windows(x api.Alert) []string {
	var all []string
	for _, w := range x.Windows {
		if w.State == "firing" || x.State == "ended" {
			all = append(all, w.Over)
		}
	}
	return all
}

// sayAlerts tells what the table does not show.
func (a *app) sayAlerts(list api.Alerts) {
	if len(list.Alerts) == 0 {
		a.words("nothing fires")
	}
	if list.Dropped > 0 {
		a.words("%s", a.paint.yellow(fmt.Sprintf("%d more alerts were not kept", list.Dropped)))
	}
	for _, d := range list.Deliveries {
		if d.Error != "" {
			a.words("%s", a.paint.yellow(fmt.Sprintf("%s could not be told: %s (%d given up)", d.Receiver, d.Error, d.Failed)))
		}
	}
}

// alert prints all of one alert.
func (a *app) alert(alerts []api.Alert, id string) error {
	for _, x := range alerts {
		if x.ID != id {
			continue
		}
		if a.output != "table" && a.output != "wide" {
			return a.print(x, table{header: []string{"ID"}, rows: [][]string{{x.ID}}})
		}
		fmt.Fprintf(a.Out, "%s\n", a.paint.bold(x.Summary))
		if x.Description != "" {
			fmt.Fprintf(a.Out, "%s\n", x.Description)
		}
		state := x.State + ", since " + x.Since.Local().Format(time.DateTime)
		if x.Until != nil {
			state += " until " + x.Until.Local().Format(time.DateTime)
		}
		for _, line := range []struct{ what, value string }{
			{"alert", x.Name + ", " + x.Severity}, {"state", state}, {"service", x.Service}, {"owner", x.Owner}, {"objective", x.Objective},
			{"silences", strings.Join(x.Silences, ", ")}, {"explained by", strings.Join(x.ExplainedBy, ", ")}, {"runbook", x.Runbook}, {"query", x.Query},
		} {
			if line.value != "" {
				fmt.Fprintf(a.Out, "%-13s %s\n", line.what, line.value)
			}
		}
		for _, w := range x.Windows {
			word := w.Severity
			if w.State != "firing" {
				word += ", " + map[string]string{"memory": "still holds what is over", "ended": "clean"}[w.State]
			}
			fmt.Fprintf(a.Out, "%-13s %s: %s of it bad (%s)\n", "window", w.Over, percent(w.Value), word)
		}
		fmt.Fprintln(a.Out, "next")
		for _, command := range nextCommands(x, time.Now()) {
			fmt.Fprintf(a.Out, "  %s\n", command)
		}
		return nil
	}
	return fault.New(fault.NoSuchAlert, "there is no alert "+id).Fix("plat alerts lists them")
}

// nextCommands are what shows more of an alert in the terminal: what its links
// show in the console.
func nextCommands(x api.Alert, now time.Time) []string {
	since := " --since " + strings.TrimSuffix((now.Sub(x.Since)+3*time.Minute).Truncate(time.Minute).String(), "0s")
	var all []string
	if _, query, ok := strings.Cut(x.Traces, "?"); ok {
		if asked, err := url.ParseQuery(query); err == nil {
			command := "plat traces"
			if service := asked.Get("service"); service != "" {
				command += " " + service
			}
			if asked.Get("error") == "true" {
				command += " --errors"
			}
			if least := asked.Get("min"); least != "" {
				command += " --min " + least
			}
			all = append(all, command+since)
		}
	}
	if x.Service != "" {
		all = append(all, "plat logs "+x.Service+" --severity error"+since, "plat describe "+x.Service)
	}
	if known, ok := fault.LookupAlert(x.Name); ok {
		for _, command := range known.Next { // what names nothing that would be left open
			if verb := strings.Join(strings.Fields(command)[:2], " "); command == strings.ToLower(command) && !slices.ContainsFunc(all, func(one string) bool { return strings.HasPrefix(one, verb) }) {
				all = append(all, command)
			}
		}
		all = append(all, "plat explain "+x.Name)
	}
	if x.State == "firing" {
		all = append(all, "plat silence "+x.ID+" --for 1h --reason WHY")
	}
	return all
}

func (a *app) objectives() *cobra.Command {
	var burning bool
	cmd := &cobra.Command{
		Use:     "objectives [SERVICE…]",
		Short:   "Tell how good the system is, and whose error budget burns",
		Long:    "Lists each objective that the plan declares with what was reached in the last four\nweeks (less where the system is younger), how much of its error budget is left, and\nhow many times too fast it goes now: at 1 it lasts exactly. What burns comes first;\nalerting is an objective whose alert stands while its budget goes slowly again.",
		Example: "  plat objectives\n  plat objectives order --burning\n  plat objectives -o json | jq '.[] | select(.left < 0.5)'",
		GroupID: "monitoring",
		Args:    args(0, -1, "services"), ValidArgsFunction: a.serviceNames,
	}
	cmd.Flags().BoolVar(&burning, "burning", false, "only what burns, alerts or is spent")
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, wanted []string) error {
		all, err := client.Objectives(cmd.Context())
		if err != nil {
			return err
		}
		list := pickObjectives(all, wanted, burning)
		t := table{header: []string{"SERVICE", "OBJECTIVE", "TARGET", "MET", "LEFT", "BURN", "STATE", "OWNER", "EVENTS", "BAD", "COUNTED"}, wide: 8, key: 2}
		for _, o := range list {
			t.rows = append(t.rows, a.objectiveRow(o))
		}
		if err := a.print(list, t); err != nil {
			return err
		}
		if len(list) == 0 && (a.output == "table" || a.output == "wide") {
			a.words("no such objective is declared: plat explain objectives")
		}
		return nil
	})
	return cmd
}

// pickObjectives are those that are wanted, what burns fastest first.
func pickObjectives(all []api.Objective, services []string, burning bool) []api.Objective {
	list := []api.Objective{}
	for _, o := range all {
		if len(services) > 0 && !slices.Contains(services, o.Service) || burning && !slices.Contains([]string{"burning", "alerting", "spent"}, o.State) {
			continue
		}
		list = append(list, o)
	}
	rank := map[string]int{"burning": -3, "alerting": -2, "spent": -1}
	slices.SortStableFunc(list, func(x, y api.Objective) int {
		return cmp.Or(rank[x.State]-rank[y.State], cmp.Compare(y.Burn, x.Burn))
	})
	return list
}

func (a *app) objectiveRow(o api.Objective) []string {
	state := o.State
	if state == "burning" || state == "spent" {
		state = a.paint.red(state)
	}
	met, left, burn := "", "", ""
	if o.State != "unknown" {
		met, left, burn = percent(o.Met), strconv.FormatFloat(o.Left*100, 'f', 0, 64)+"%", strconv.FormatFloat(o.Burn, 'f', 1, 64)+"x"
	}
	what := o.Name
	if o.Threshold > 0 {
		what += " <= " + seconds(o.Threshold)
	}
	return []string{o.Service, what, percent(o.Target), met, left, burn, state, o.Owner, strconv.FormatFloat(o.Events, 'f', 0, 64), strconv.FormatFloat(o.Bad, 'f', 0, 64), (time.Duration(o.Window) * time.Second).String()}
}

// percent is a share as a percentage that is 100% only when it is all.
func percent(share float64) string {
	text := strconv.FormatFloat(share*100, 'f', 3, 64)
	if share < 1 && strings.HasPrefix(text, "100") {
		text = "99.999"
	}
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + "%"
}
