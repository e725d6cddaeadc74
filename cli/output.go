package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"
	"golang.org/x/term"
)

// outputs adds -o to a verb; the first of the forms is the default.
func (a *app) outputs(cmd *cobra.Command, forms ...string) {
	output := cmd.Flags().StringP("output", "o", forms[0], "form of the answer: "+strings.Join(forms, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp)) // the flag was just made
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		a.output = *output
		if !slices.Contains(forms, a.output) {
			return usage(cmd, fmt.Sprintf("-o %s is not one of %s", a.output, strings.Join(forms, ", ")))
		}
		return nil
	}
}

// table is what -o table, wide and name print.
type table struct {
	header []string
	rows   [][]string
	wide   int      // columns from here on are for -o wide
	key    int      // the first columns that name a row; 0: one
	spare  []string // columns that a narrow terminal does without, the first first
	cuts   bool     // the last column is cut where it has no room, whatever it holds
}

// print answers in the form that -o asks for; value is the whole truth, for
// json and yaml.
func (a *app) print(value any, t table) error {
	switch a.output {
	case "json":
		enc := json.NewEncoder(a.Out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(value)
	case "yaml":
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		var doc yaml.Node // JSON is YAML: its keys keep their order
		if err := yaml.Load(text, &doc); err != nil {
			return err
		}
		plainStyle(&doc)
		enc := yaml.NewEncoder(a.Out)
		enc.SetIndent(2)
		return enc.Encode(&doc)
	}
	t = t.harmless()
	if a.output == "name" {
		for _, row := range t.rows {
			if _, err := fmt.Fprintln(a.Out, row[0]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(t.rows) == 0 {
		return nil // the verb says so in words
	}
	if a.output != "wide" && t.wide > 0 {
		t = t.first(t.wide)
	}
	if a.output != "wide" {
		var left []string
		if t, left = t.fit(a.width()); len(left) > 0 {
			a.words("%s", a.paint.dim("no room for "+strings.Join(left, ", ")+": widen the window, or take -o json"))
		}
	}
	return t.write(a.Out)
}

// plainStyle makes a document that was read from JSON look like YAML.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plainStyle(child)
	}
}

// painter colours words for a terminal, and leaves them plain elsewhere.
type painter struct{ on bool }

func newPainter(w io.Writer) painter {
	return painter{on: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p painter) paint(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) red(s string) string    { return p.paint("31", s) }
func (p painter) yellow(s string) string { return p.paint("33", s) }
func (p painter) bold(s string) string   { return p.paint("1", s) }
func (p painter) dim(s string) string    { return p.paint("2", s) }

// age is a short form of how long ago t was.
func age(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}
