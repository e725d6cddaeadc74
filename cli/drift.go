package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

func (a *app) drift() *cobra.Command {
	var (
		patch  bool
		unused time.Duration
	)
	cmd := &cobra.Command{
		Use:     "drift",
		Short:   "Say where reality and the plan differ",
		Long:    "Lists what was seen in the running system and is not as the plan says, with the\nplace in the plan, how often it was seen, and what settles it. The exit code is 1\nwhen there is any, so that a pipeline can stop. --patch prints the changes of the\nplan that settle findings as one diff for git apply, and changes nothing.",
		Example: "  plat drift\n  plat drift -o wide\n  plat drift -o name | xargs -n1 plat why\n  plat drift -o json | jq '.[].remedy'\n  plat drift --patch | git apply\n  plat drift --unused 5m                   # after a test that uses everything",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.Flags().BoolVar(&patch, "patch", false, "print the changes of the plan that settle findings, as one diff")
	lengthVar(cmd, &unused, "unused", 0, "how long a caller may be in use without a call that it declares (default 1h)")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		all, err := client.Drift(cmd.Context(), unused)
		if err != nil {
			return err
		}
		findings := all.Findings
		if patch {
			return a.printPatch(all)
		}
		if findings == nil {
			findings = []api.Finding{}
		}
		if err := a.print(findings, driftTable(findings)); err != nil {
			return err
		}
		if a.output == "table" || a.output == "wide" {
			a.notJudged(all.NotJudged)
		}
		if differs(findings) {
			if a.output == "table" || a.output == "wide" {
				a.words("%s: plat why ID has the evidence", count(len(findings), "finding"))
			}
			return errAnswered
		}
		if len(findings) == 0 && (a.output == "table" || a.output == "wide") {
			a.words("the system is as the plan says")
		}
		return nil
	})
	return cmd
}

// maxNotJudged is how many calls are named that are not judged yet.
const maxNotJudged = 5

// notJudged names the declared calls of which nothing can be said yet, and for
// how long their callers were in use.
func (a *app) notJudged(calls []api.NotJudged) {
	if len(calls) == 0 {
		return
	}
	var named []string
	for _, c := range calls[:min(len(calls), maxNotJudged)] {
		named = append(named, fmt.Sprintf("%s → %s (%s of %s)", c.Caller, c.Callee, inUse(c.Used), inUse(c.Of)))
	}
	if more := len(calls) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("%d more", more))
	}
	a.words("%s not judged yet, since their callers were in use too shortly: %s", count(len(calls), "unused declaration"), strings.Join(named, ", "))
}

// inUse is a time of so many seconds, as short as it can be said.
func inUse(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	text := d.Round(max(d.Round(time.Second)/100, 100*time.Millisecond)).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// printPatch prints what settles findings, and tells which it does not. That
// there are some is no failure here: the answer is the patch.
func (a *app) printPatch(all api.Findings) error {
	for _, f := range all.Findings {
		switch {
		case f.Part:
			a.words("%s: no change of the plan alone settles it: %s", f.ID, f.Remedy)
		case f.Diff == "":
			a.words("%s: no change of a file settles it: %s", f.ID, f.What)
		}
	}
	if all.Patch == "" {
		a.words("there is nothing to change in the plan")
	}
	_, err := fmt.Fprint(a.Out, all.Patch)
	return err
}

// differs tells whether one of the findings is more than information.
func differs(findings []api.Finding) bool {
	for _, f := range findings {
		if f.Severity == fault.Error || f.Severity == fault.Warning {
			return true
		}
	}
	return false
}

// driftTable has a row a finding.
func driftTable(findings []api.Finding) table {
	t := table{header: []string{"ID", "WHAT", "SEEN", "PLACE", "FIX", "SEVERITY", "CODE", "FIRST", "LAST", "WHY"}, wide: 5, spare: []string{"SEEN", "PLACE"}}
	for _, f := range findings {
		t.rows = append(t.rows, []string{f.ID, f.What, strconv.FormatUint(f.Count, 10), place(f), f.Remedy, string(f.Severity), string(f.Code), age(f.First), age(f.Last), f.Why})
	}
	return t
}

// place is file:line of a finding, as far as it is known.
func place(f api.Finding) string {
	return strings.TrimSuffix(f.File+":"+strconv.Itoa(f.Line), ":0")
}
