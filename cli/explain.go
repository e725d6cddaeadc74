package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

func (a *app) explain() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "explain [CODE]",
		Short:   "Say more about an error's code",
		Long:    "Says when an error happens, why it is one, and what to do. Works offline.\nWithout a code it lists them all.",
		Example: "  plat explain plan-unknown-field\n  plat explain\n  plat explain -o markdown > docs/errors.md",
		GroupID: "tools",
		Args:    args(0, 1, "one code"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return codes(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	a.outputs(cmd, "table", "json", "yaml", "name", "markdown")
	cmd.RunE = func(_ *cobra.Command, given []string) error {
		if len(given) == 1 {
			return a.explainOne(given[0])
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
		f := fault.New(fault.NoSuchCode, "there is no code "+code)
		if near := plan.Nearest(code, codes()); near != "" {
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
