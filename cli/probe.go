package cli

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/lines"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

func (a *app) probe() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "probe",
		Short:   "List and run the journeys of test customers",
		Long:    "Lists the journeys that plat.yaml declares with their last result: what a test\ncustomer does through the gateway, on a schedule or when it is asked for, and how\nmany of the last 50 runs passed.",
		Example: "  plat probe\n  plat probe run\n  plat probe run purchase\n  plat probe show purchase",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		journeys, err := client.Journeys(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.print(journeys, journeyTable(journeys)); err != nil {
			return err
		}
		if len(journeys) == 0 && (a.output == "table" || a.output == "wide") {
			a.words("the plan declares no journeys: plat explain journeys")
		}
		return nil
	})
	cmd.AddCommand(a.probeRun(), a.probeShow())
	return cmd
}

func journeyTable(journeys []api.Journey) table {
	t := table{header: []string{"JOURNEY", "LAST", "AGE", "PASSED", "P95", "EVERY", "OWNER", "FAILED", "SKIPPED", "GATEWAY"}, wide: 7}
	for _, j := range journeys {
		last, when := "", ""
		if j.Running {
			last = "running"
		}
		if len(j.Runs) > 0 {
			when = age(j.Runs[0].Start)
			if !j.Running {
				last = outcome(j.Runs[0].Passed)
			}
		}
		every := j.Every
		if every == "" {
			every = "by hand"
		}
		t.rows = append(t.rows, []string{j.Name, last, when, passedShare(j), seconds(j.P95), every, j.Owner, strconv.FormatUint(j.Failed, 10), strconv.FormatUint(j.Skipped, 10), j.Gateway})
	}
	return t
}

func outcome(passed bool) string {
	if passed {
		return "passed"
	}
	return "failed"
}

// passedShare is how many of the remembered runs passed, as a percentage that
// is 100% only when all did.
func passedShare(j api.Journey) string {
	if j.Share == nil {
		return ""
	}
	return fmt.Sprintf("%d%% of %d", int(math.Floor(100**j.Share)), len(j.Runs))
}

// seconds is a duration for a person.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d <= 0:
		return ""
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func (a *app) journeyNames(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
	return a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
		journeys, err := client.Journeys(cmd.Context())
		return names(journeys, func(j api.Journey) string { return j.Name + "\t" + j.About }), err
	})(cmd, given, start)
}

func (a *app) probeRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "run [JOURNEY…]",
		Short:             "Run journeys now, as an end-to-end test",
		Long:              "Runs the named journeys, or all, one after the other, and prints what each step\nfound. The answer is no (exit 1) when one fails, with the reason, the answer that\ncame and the correlation ID that leads to the services behind it.",
		Example:           "  plat probe run\n  plat probe run purchase\n  plat probe run purchase -o json | jq '.[0].steps[] | select(.failure)'",
		Args:              args(0, -1, "journeys"),
		ValidArgsFunction: a.journeyNames,
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, wanted []string) error {
		wanted, err := knownJourneys(cmd.Context(), client, wanted)
		if err != nil {
			return err
		}
		if len(wanted) == 0 {
			return fault.New(fault.ProbeUnknown, "the plan declares no journeys").Fix("plat explain journeys tells how one is declared")
		}
		runs, failed := []api.JourneyRun{}, false
		for _, name := range wanted {
			run, err := client.RunJourney(cmd.Context(), name)
			if err != nil {
				return err
			}
			runs, failed = append(runs, run), failed || !run.Passed
			if a.output == "table" {
				if err := a.sayRun(run); err != nil {
					return err
				}
			}
		}
		if a.output != "table" {
			t := table{header: []string{"RUN"}}
			for _, run := range runs {
				t.rows = append(t.rows, []string{run.Run})
			}
			if err := a.print(runs, t); err != nil {
				return err
			}
		}
		if failed {
			return errAnswered
		}
		return nil
	})
	return cmd
}

// knownJourneys are those that are wanted, or all; one that the plan does not
// have is a fault before any runs.
func knownJourneys(ctx context.Context, client *api.Client, wanted []string) ([]string, error) {
	journeys, err := client.Journeys(ctx)
	if err != nil {
		return nil, err
	}
	all := names(journeys, func(j api.Journey) string { return j.Name })
	if len(wanted) == 0 {
		return all, nil
	}
	for _, name := range wanted {
		if _, err := findJourney(journeys, name); err != nil {
			return nil, err
		}
	}
	return wanted, nil
}

func findJourney(journeys []api.Journey, name string) (api.Journey, error) {
	for _, j := range journeys {
		if j.Name == name {
			return j, nil
		}
	}
	f := fault.New(fault.ProbeUnknown, "there is no journey "+name).Fix("plat probe lists them")
	if near := plan.Nearest(name, names(journeys, func(j api.Journey) string { return j.Name })); near != "" {
		f.Fix("did you mean " + near + "?")
	}
	return api.Journey{}, f
}

// sayRun prints one run for a person: a line a step, and the evidence of the
// one that failed.
func (a *app) sayRun(run api.JourneyRun) error {
	t := table{header: []string{"STEP", "RESULT", "STATUS", "TIME", "REQUESTS", "REQUEST"}, cuts: true}
	var failed *api.JourneyStep
	for i, s := range run.Steps {
		row := []string{s.Name, "passed", strconv.Itoa(s.Status), seconds(s.Seconds), strconv.Itoa(s.Requests), s.Request}
		switch {
		case s.Failure != nil:
			row[1], failed = "failed", &run.Steps[i]
		case s.Requests == 0:
			row[1] = "not reached"
		}
		if s.Status == 0 {
			row[2] = ""
		}
		if s.Requests == 0 {
			row[3], row[4] = "", ""
		}
		t.rows = append(t.rows, row)
	}
	fmt.Fprintf(a.Out, "%s: %s in %s (run %s)\n", a.paint.bold(run.Journey), outcome(run.Passed), seconds(run.Seconds), run.Run)
	if err := a.print(run, t); err != nil {
		return err
	}
	if failed != nil {
		a.sayFailure(run, *failed)
	}
	return nil
}

func (a *app) sayFailure(run api.JourneyRun, s api.JourneyStep) {
	f := fault.New(s.Failure.Code, s.Name+": "+s.Failure.What).Fix("plat logs --since 1m shows what the services said, where correlation_id is " + s.CorrelationID)
	switch {
	case run.TraceID != "":
		f.Fix("plat trace " + run.TraceID + " shows its way through the services")
	case s.CorrelationID == "":
		f.Fix("plat ps tells what runs")
	}
	a.printFault(a.Out, f)
	if s.Failure.Body != "" {
		fmt.Fprintln(a.Out, "  the answer began:")
		for line := range strings.Lines(lines.Harmless(s.Failure.Body, "\n")) {
			fmt.Fprintln(a.Out, "    "+strings.TrimRight(line, "\r\n"))
		}
	}
}

func (a *app) probeShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show JOURNEY",
		Short:             "Say all that plat knows of one journey",
		Long:              "Prints a journey with its schedule, its last runs, and the steps of the last run\nthat failed, else of the last one.",
		Example:           "  plat probe show purchase\n  plat probe show purchase -o json | jq .declared",
		Args:              args(1, 1, "one journey"),
		ValidArgsFunction: a.journeyNames,
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		journeys, err := client.Journeys(cmd.Context())
		if err != nil {
			return err
		}
		j, err := findJourney(journeys, given[0])
		if err != nil {
			return err
		}
		if a.output != "table" {
			return a.print(j, table{header: []string{"JOURNEY"}, rows: [][]string{{j.Name}}})
		}
		return a.showJourney(j)
	})
	return cmd
}

// showJourney prints a journey for a person.
func (a *app) showJourney(j api.Journey) error {
	say := func(key, value string) {
		if value != "" {
			fmt.Fprintf(a.Out, "%-9s %s\n", key+":", value)
		}
	}
	say("journey", j.Name)
	say("about", j.About)
	say("owner", j.Owner)
	say("gateway", j.Gateway)
	say("every", j.Every)
	say("passed", passedShare(j))
	say("p95", seconds(j.P95))
	if len(j.Runs) == 0 {
		a.words("it has not run yet: plat probe run %s", j.Name)
		return nil
	}
	t := table{header: []string{"RUN", "RESULT", "AGE", "TIME", "STARTED", "FAILED STEP"}, cuts: true}
	shown := j.Runs[0]
	for _, r := range j.Runs {
		by, step := "by hand", ""
		if r.Scheduled {
			by = "on schedule"
		}
		for _, s := range r.Steps {
			if s.Failure != nil {
				step = s.Name + ": " + s.Failure.What
			}
		}
		if !r.Passed && shown.Passed {
			shown = r
		}
		t.rows = append(t.rows, []string{r.Run, outcome(r.Passed), age(r.Start), seconds(r.Seconds), by, step})
	}
	const most = 10
	if len(t.rows) > most {
		t.rows = t.rows[:most]
	}
	fmt.Fprintln(a.Out)
	if err := a.print(j, t); err != nil {
		return err
	}
	fmt.Fprintln(a.Out)
	return a.sayRun(shown)
}
