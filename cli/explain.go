package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/plan/reference"
)

func (a *app) explain() *cobra.Command {
	var fields, alerts bool
	cmd := &cobra.Command{
		Use:     "explain [CODE|ALERT|FIELD]",
		Short:   "Say more about an error's code, an alert, or a key of the plan",
		Long:    "Says when an error happens or an alert fires, why, and what to do; or what a key of\nplat.yaml or service.yaml takes, by its path or its name alone. Works offline.\nWithout any it lists all codes, with --alerts all alerts, with --fields all keys.",
		Example: "  plat explain plan-unknown-field\n  plat explain TooManyErrors\n  plat explain consumes.services.catalog.timeout\n  plat explain on-failure\n  plat explain --fields",
		GroupID: "tools",
		Args:    args(0, 1, "one code, alert or key"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return slices.Concat(codes(), names(fault.Alerts(), func(x fault.Alert) string { return x.Name }), names(reference.Fields(), func(f reference.Field) string { return f.Path })), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&fields, "fields", false, "list the keys of the plan's files")
	cmd.Flags().BoolVar(&alerts, "alerts", false, "list the alerts that plat raises")
	a.outputs(cmd, "table", "json", "yaml", "name", "markdown")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if fields && alerts {
			return usage(cmd, "--fields lists keys and --alerts alerts: one of them")
		}
		if len(given) == 1 {
			return a.explainOne(given[0])
		}
		if fields {
			return a.listFields(reference.Fields())
		}
		if alerts {
			return a.listAlerts(fault.Alerts())
		}
		catalogue := fault.Catalogue()
		if a.output == "markdown" {
			_, err := fmt.Fprint(a.Out, markdown(catalogue))
			return err
		}
		t := table{header: []string{"CODE", "MEANING"}}
		for _, e := range catalogue {
			t.rows = append(t.rows, []string{string(e.Code), e.Title})
		}
		return a.print(catalogue, t)
	}
	return cmd
}

func (a *app) explainOne(code string) error {
	e, ok := fault.Lookup(fault.Code(strings.Trim(code, "[]")))
	if !ok {
		for _, x := range fault.Alerts() {
			if strings.EqualFold(x.Name, code) {
				return a.explainAlert(x)
			}
		}
		if found := reference.Lookup(code); len(found) > 0 {
			return a.explainFields(found)
		}
		f := fault.New(fault.NoSuchCode, "there is no code, no alert and no key "+code)
		near := plan.Nearest(code, append(codes(), names(fault.Alerts(), func(x fault.Alert) string { return x.Name })...))
		if keys := reference.Near(code); near == "" && len(keys) > 0 {
			near = keys[0]
		}
		if near != "" {
			f.Fix("did you mean " + near + "? plat explain " + near)
		}
		return f
	}
	switch a.output {
	case "table":
		_, err := fmt.Fprintf(a.Out, "%s\n\n%s.\n\n%s\n\nWhat to do: %s\n", e.Code, e.Title, e.Why, e.Remedy)
		return err
	case "markdown":
		_, err := fmt.Fprint(a.Out, markdown([]fault.Entry{e}))
		return err
	}
	return a.print(e, table{header: []string{"CODE"}, rows: [][]string{{string(e.Code)}}})
}

// listAlerts prints the table of alerts, or their page of the documentation.
func (a *app) listAlerts(alerts []fault.Alert) error {
	if a.output == "markdown" {
		var b strings.Builder
		b.WriteString("# Alerts\n\nEvery alert that plat raises, what it means, and what to do. `plat explain NAME` prints the\nsame text, offline. [Objectives and alerts](objectives.md) has how they come about and who\nis told. This page is generated: `make generate`.\n")
		for _, x := range alerts {
			fmt.Fprintf(&b, "\n## %s\n\n*%s.* %s. %s\n\n**What to do:** %s\n\n```console\n", x.Name, x.Severity, x.Title, x.Why, x.Remedy)
			for _, next := range x.Next {
				fmt.Fprintf(&b, "$ %s\n", next)
			}
			b.WriteString("```\n")
		}
		_, err := fmt.Fprint(a.Out, b.String())
		return err
	}
	t := table{header: []string{"ALERT", "SEVERITY", "MEANING"}}
	for _, x := range alerts {
		t.rows = append(t.rows, []string{x.Name, x.Severity, x.Title})
	}
	return a.print(alerts, t)
}

func (a *app) explainAlert(x fault.Alert) error {
	switch a.output {
	case "table":
		_, err := fmt.Fprintf(a.Out, "%s (%s)\n\n%s.\n\n%s\n\nWhat to do: %s\n\nNext:\n  %s\n", x.Name, x.Severity, x.Title, x.Why, x.Remedy, strings.Join(x.Next, "\n  "))
		return err
	case "markdown":
		return a.listAlerts([]fault.Alert{x})
	}
	return a.print(x, table{header: []string{"ALERT"}, rows: [][]string{{x.Name}}})
}

func (a *app) listFields(fields []reference.Field) error {
	if a.output == "markdown" {
		_, err := fmt.Fprint(a.Out, reference.Markdown())
		return err
	}
	t := table{header: []string{"KEY", "FILE", "TYPE", "DEFAULT", "MEANING"}}
	for _, f := range fields {
		t.rows = append(t.rows, []string{f.Path, f.File, f.Type, f.Default, f.Description})
	}
	return a.print(fields, t)
}

// explainFields prints keys of the plan, one after the other.
func (a *app) explainFields(fields []reference.Field) error {
	if a.output != "table" {
		return a.listFields(fields)
	}
	for i, f := range fields {
		if i > 0 {
			_, _ = fmt.Fprintln(a.Out) // the next write reports
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s in %s: %s", f.Path, f.File, f.Type)
		if f.Required {
			b.WriteString(", required")
		}
		if f.Default != "" {
			b.WriteString(", default " + f.Default)
		}
		fmt.Fprintf(&b, "\n\n%s\n", f.Description)
		if len(f.Values) > 0 {
			fmt.Fprintf(&b, "\nOne of: %s\n", strings.Join(f.Values, ", "))
		}
		if f.Minimum != "" || f.Maximum != "" {
			fmt.Fprintf(&b, "\nFrom %s to %s\n", f.Minimum, f.Maximum)
		}
		if f.Example != "" {
			fmt.Fprintf(&b, "\nExample:\n\n  %s\n", strings.ReplaceAll(strings.TrimRight(f.Example, "\n"), "\n", "\n  "))
		}
		if _, err := fmt.Fprint(a.Out, b.String()); err != nil {
			return err
		}
	}
	return nil
}

func codes() []string {
	var list []string
	for _, e := range fault.Catalogue() {
		list = append(list, string(e.Code))
	}
	return list
}

func markdown(entries []fault.Entry) string {
	var b strings.Builder
	b.WriteString("# Errors\n\nEvery error of plat has a code that never changes. `plat explain CODE` prints the\nsame text, offline. This page is generated: `make generate`.\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "\n## %s\n\n%s. %s\n\n**What to do:** %s\n", e.Code, e.Title, e.Why, e.Remedy)
	}
	return b.String()
}
