package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

func (a *app) chaos() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "chaos",
		Short:   "Break things on purpose, and see that customers do not notice",
		Long:    "An experiment is a file that says what must hold (steady), what is to fail (faults)\nand for how long. plat looks whether all holds, lets things fail, stops by itself when\ncustomers are hurt beyond the limit, undoes everything whatever happens, and keeps a\nreport with the evidence. Experiments lie in the folder experiments beside plat.yaml.",
		Example: "  plat chaos list\n  plat chaos run web-without-stock\n  plat chaos report",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.chaosList(), a.chaosShow(), a.chaosRun(), a.chaosReport(), a.chaosStop(), a.chaosSchedule())
	return cmd
}

func (a *app) experimentNames(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
	return a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
		known, err := client.Chaos(cmd.Context())
		return names(known.Experiments, func(x api.Experiment) string { return x.Name + "\t" + x.About }), err
	})(cmd, given, start)
}

func (a *app) chaosList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the experiments, and how each came out last",
		Long:    "Lists the experiments that lie beside the live plan with their last result, and those\nthat ran from elsewhere. What is wrong with a file that cannot be used is said below.",
		Example: "  plat chaos list\n  plat chaos list -o json | jq '.reports[0]'",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		known, err := client.Chaos(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.print(known, experimentTable(known)); err != nil {
			return err
		}
		if a.output != "table" && a.output != "wide" {
			return nil
		}
		for _, f := range known.Findings {
			a.printFault(a.Err, f)
		}
		if len(known.Experiments)+len(known.Reports)+len(known.Findings) == 0 {
			a.words("there are no experiments: a file in the folder experiments beside plat.yaml makes one")
		}
		return nil
	})
	return cmd
}

func experimentTable(known api.Chaos) table {
	t := table{header: []string{"EXPERIMENT", "LAST", "AGE", "EVERY", "OWNER", "ABOUT", "FILE", "REPORT"}, wide: 6, cuts: true}
	row := func(x api.Experiment) []string {
		every := "by hand"
		if x.Every > 0 {
			every = time.Duration(x.Every).String()
		}
		r := []string{x.Name, "", "", every, x.Owner, x.About, x.File, ""}
		if i := slices.IndexFunc(known.Reports, func(r api.ChaosReport) bool { return r.Experiment.Name == x.Name }); i >= 0 {
			r[1], r[2], r[7] = outcomeOf(known.Reports[i]), age(known.Reports[i].Started), known.Reports[i].ID
		}
		return r
	}
	listed := map[string]bool{}
	for _, x := range known.Experiments {
		listed[x.Name] = true
		t.rows = append(t.rows, row(x))
	}
	for _, r := range known.Reports {
		if !listed[r.Experiment.Name] {
			listed[r.Experiment.Name] = true
			t.rows = append(t.rows, row(r.Experiment))
		}
	}
	return t
}

// outcomeOf is how an experiment came out, in a word or two.
func outcomeOf(r api.ChaosReport) string {
	switch {
	case r.State != "done":
		return strings.ReplaceAll(r.State, "-", " ")
	case r.Verdict == "hurt":
		return "customers hurt"
	}
	return strings.ReplaceAll(r.Verdict, "-", " ")
}

func (a *app) chaosShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Say what an experiment does",
		Long:              "Prints an experiment that lies beside the live plan: what must hold, what fails for\nwhom, how long, and when it ends by itself.",
		Example:           "  plat chaos show web-without-stock",
		Args:              args(1, 1, "one experiment"),
		ValidArgsFunction: a.experimentNames,
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		known, err := client.Chaos(cmd.Context())
		if err != nil {
			return err
		}
		for _, x := range known.Experiments {
			if x.Name != given[0] {
				continue
			}
			if a.output != "table" {
				return a.print(x, table{header: []string{"EXPERIMENT"}, rows: [][]string{{x.Name}}})
			}
			a.showExperiment(x)
			return nil
		}
		return fault.New(fault.ChaosUnknown, "there is no experiment "+given[0]+" beside the plan")
	})
	return cmd
}

func (a *app) say(key, format string, args ...any) {
	if key != "" {
		key += ":"
	}
	if text := fmt.Sprintf(format, args...); text != "" {
		fmt.Fprintf(a.Out, "%-12s %s\n", key, text)
	}
}

func (a *app) showExperiment(x api.Experiment) {
	a.say("experiment", "%s", x.Name)
	a.say("about", "%s", x.About)
	a.say("owner", "%s", x.Owner)
	a.say("file", "%s", x.File)
	for _, j := range x.Journeys {
		a.say("steady", "the journey %s passes", j)
	}
	for _, s := range x.Objectives {
		a.say("steady", "no alert of %s fires", s)
	}
	if x.Answers > 0 {
		a.say("steady", "%.4g%% of the requests at the entrances are answered below 500", 100*x.Answers)
	}
	for _, f := range x.Faults {
		a.say("fails", "%s", faultWords(f))
	}
	for _, h := range x.Harms {
		who := "one instance of " + h.Service
		if h.Instance != "" {
			who = h.Instance
		}
		a.say("fails", "%s %s", h.Do, who)
	}
	a.say("for", "%s", time.Duration(x.Duration))
	var ends []string
	if len(x.Journeys) > 0 {
		ends = append(ends, counted(x.Failures, "failed journey", "failed journeys"))
	}
	if x.Least > 0 {
		ends = append(ends, fmt.Sprintf("less than %.4g%% good answers", 100*x.Least))
	}
	if len(x.Objectives) > 0 {
		ends = append(ends, "an alert")
	}
	a.say("ends early", "at %s", strings.Join(ends, ", or "))
	if x.Every > 0 {
		a.say("every", "%s, when it is scheduled", time.Duration(x.Every))
	}
}

// faultWords says what fails, for whom.
func faultWords(f api.ChaosFault) string {
	what := f.Kind
	switch f.Kind {
	case "latency":
		what = "held back for " + time.Duration(f.Delay).String()
		if f.Jitter > 0 {
			what += " and up to " + time.Duration(f.Jitter).String() + " more"
		}
	case "error":
		what = "answered " + strconv.Itoa(f.Status)
	case "slow":
		what = fmt.Sprintf("answered at %d bytes a second", f.Rate)
	case "reorder":
		what = "the last first of what comes within " + time.Duration(f.Delay).String()
	}
	aim := []string{"requests"}
	if f.Event != "" { // its caller and header follow from that
		aim, f.Caller, f.Header = []string{"events", f.Event}, "", ""
	}
	add := func(word, value string) {
		if value != "" {
			aim = append(aim, word+" "+value)
		}
	}
	add("of", f.Caller)
	add("at the gateway", f.Gateway)
	add("by the route", f.Route)
	add("to", f.Service)
	add("at", f.Instance)
	if f.Header != "" {
		add("with", strings.TrimSuffix(f.Header+": "+f.Value, ": "))
	}
	who := "of all customers"
	if f.TestCustomers {
		who = "of the experiment's own customers"
	}
	if f.Share > 0 && f.Share < 1 {
		who = fmt.Sprintf("%.4g%% %s", 100*f.Share, who)
	}
	return strings.Join(aim, " ") + ", " + who + ": " + what
}

func (a *app) chaosRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "run FILE|NAME",
		Short:             "Run an experiment, and undo it",
		Long:              "Runs one experiment: a file, or by its name one that lies beside the plan. The answer\nis no (exit 1) when what must hold did not, or customers were hurt beyond the limit;\n4 when --timeout was over. Ctrl-C ends it early and undoes everything; so does the end\nof plat, however it comes.",
		Example:           "  plat chaos run web-without-stock\n  plat chaos run ./slow.yaml\n  plat chaos run web-without-stock -o json | jq .verdict",
		Args:              args(1, 1, "one file or experiment"),
		ValidArgsFunction: a.experimentNames,
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	var timeout time.Duration
	lengthVar(cmd, &timeout, "timeout", 15*time.Minute, "give up, and undo, after this time")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		ask, err := experimentOf(given[0])
		if err != nil {
			return err
		}
		started, err := client.Experiment(cmd.Context(), ask)
		if err != nil {
			return err
		}
		broken := a.followExperiment(cmd.Context(), client, started.ID, timeout)
		report, err := client.ChaosReport(context.WithoutCancel(cmd.Context()), started.ID)
		if err != nil {
			return errors.Join(broken, err)
		}
		if err := a.sayReport(report); err != nil {
			return err
		}
		switch {
		case broken != nil:
			return broken
		case report.Fault != nil:
			return report.Fault
		case report.Verdict != "steady":
			return errAnswered
		}
		return nil
	})
	return cmd
}

// experimentOf tells a file from a name: a file has a slash or an ending, or
// lies here.
func experimentOf(given string) (api.NewExperiment, error) {
	text, err := os.ReadFile(given) // #nosec G304 -- the file that the user named
	switch {
	case err == nil:
		return api.NewExperiment{File: given, Text: string(text)}, nil
	case filepath.Ext(given) == "" && !strings.ContainsRune(given, filepath.Separator):
		return api.NewExperiment{Name: given}, nil
	}
	f := fault.Newf(fault.ChaosUnknown, "the file %s cannot be read", given).Because(err).Fix("name a file, or an experiment that plat chaos list lists")
	if errors.Is(err, fs.ErrNotExist) {
		f.Why("it is not there")
	}
	return api.NewExperiment{}, f
}

// followExperiment tells how far it has come.
func (a *app) followExperiment(ctx context.Context, client *api.Client, id string, timeout time.Duration) error {
	said := ""
	return a.attend(ctx, client, timeout, func(ctx context.Context) (bool, error) {
		r, err := client.ChaosReport(ctx, id)
		if err != nil {
			return false, err
		}
		now := map[string]string{
			"before": "looks whether all holds",
			"during": "things fail, for " + time.Duration(r.Experiment.Duration).String(),
			"after":  "all is undone; looks whether all holds again",
		}[r.Phase]
		if now != "" && now != said {
			said = now
			a.words("%s", a.paint.dim(now))
		}
		return r.State != "running", nil
	})
}

func (a *app) chaosReport() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "report [ID|NAME]",
		Short:             "Show what an experiment showed",
		Long:              "Prints the report of an ID, the newest of an experiment, or without one the newest of\nall: times, what failed how often, how the journeys went, and traces to look at.",
		Example:           "  plat chaos report\n  plat chaos report web-without-stock -o yaml",
		Args:              args(0, 1, "one report or experiment"),
		ValidArgsFunction: a.experimentNames,
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		report, err := client.ChaosReport(cmd.Context(), append(given, "last")[0])
		if err != nil {
			return err
		}
		return a.sayReport(report)
	})
	return cmd
}

// deedWords says what was done to an instance, and what plat did about it.
func deedWords(r api.ChaosReport, d api.HarmDone) string {
	after := func(at time.Time) string { return at.Sub(d.At).Round(10 * time.Millisecond).String() }
	words := d.Do + " " + d.Instance
	switch {
	case !d.Ready.IsZero():
		words += ": plat replaced it after " + after(d.Replaced) + ", it was in rotation again after " + after(d.Ready)
	case !d.Replaced.IsZero():
		words += ": plat replaced it after " + after(d.Replaced) + ", it was not seen in rotation again"
	case d.Do == "pause" && !r.Undone.IsZero():
		words += ": it stood still for " + after(r.Undone)
	case d.Do == "kill" && !r.Undone.IsZero():
		words += ": it did not come again while that was looked at"
	}
	return words
}

// sayReport prints a report for a person.
func (a *app) sayReport(r api.ChaosReport) error {
	if a.output != "table" {
		return a.print(r, table{header: []string{"REPORT"}, rows: [][]string{{r.ID}}})
	}
	a.say("experiment", "%s: %s", r.Experiment.Name, a.paint.bold(outcomeOf(r)))
	a.say("report", "%s", r.ID)
	a.say("started", "%s", r.Started.Local().Format(time.DateTime))
	if !r.Undone.IsZero() {
		a.say("failing for", "%s", r.Undone.Sub(r.Injected).Round(10*time.Millisecond))
	}
	if !r.Recovered.IsZero() {
		a.say("well after", "%s", r.Recovered.Sub(r.Undone).Round(10*time.Millisecond))
	}
	for _, d := range r.Done {
		a.say("done", "%s", deedWords(r, d))
	}
	for _, f := range r.Experiment.Faults {
		played := r.Played[f.ID]
		a.say("failed", "%s, %s", counted(int(min(played.Played, 1<<31)), "time", "times"), faultWords(f)) // #nosec G115 -- bounded
		if len(played.Examples) > 0 && played.Examples[0].TraceID != "" {
			a.say("", "plat trace %s", played.Examples[0].TraceID)
		}
	}
	if r.Answers.All > 0 {
		a.say("entrances", "%s, %d of them answered by 500 and above or not at all", counted(int(min(r.Answers.All, 1<<31)), "request", "requests"), r.Answers.Bad) // #nosec G115 -- bounded
	}
	for _, why := range r.Why {
		a.say("why", "%s", why)
	}
	t := table{header: []string{"JOURNEY", "PASSED", "FAILED", "BEFORE", "SLOWEST", "TRACE OF THE FIRST THAT FAILED"}}
	for _, j := range r.Journeys {
		trace := ""
		if j.First != nil {
			trace = j.First.TraceID
		}
		t.rows = append(t.rows, []string{j.Journey, strconv.Itoa(j.Passed), strconv.Itoa(j.Failed), seconds(j.Before), seconds(j.Slowest), trace})
	}
	return a.print(r, t)
}

func (a *app) chaosStop() *cobra.Command {
	return &cobra.Command{
		Use:     "stop",
		Short:   "End the experiment or rehearsal that runs, and undo it",
		Long:    "Ends what runs. Everything that it let fail is undone at once.",
		Example: "  plat chaos stop",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.connect()
			if err != nil {
				return err
			}
			return client.StopChaos(cmd.Context())
		},
	}
}

func (a *app) chaosSchedule() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "schedule",
		Short:   "Let experiments run by themselves, or show which do",
		Long:    "Experiments that say every: run by themselves once the schedule is on: one at a time,\nat about that distance, never while an alert fires. The schedule ends after --for, by\n--off, and with plat. Without a flag it is shown.",
		Example: "  plat chaos schedule --for 8h\n  plat chaos schedule\n  plat chaos schedule --off",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	var long time.Duration
	lengthVar(cmd, &long, "for", 0, "switch it on for this long, at most 7d")
	off := cmd.Flags().Bool("off", false, "switch it off")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		given := cmd.Flags().Changed("for")
		if given && long <= 0 {
			return usage(cmd, "--for is how long, such as 8h: --off switches it off")
		}
		if *off || given {
			if *off && given {
				return usage(cmd, "--off and --for exclude each other")
			}
			if err := client.ScheduleChaos(cmd.Context(), long); err != nil {
				return err
			}
		}
		known, err := client.Chaos(cmd.Context())
		if err != nil {
			return err
		}
		t := table{header: []string{"EXPERIMENT", "NEXT"}}
		for _, d := range known.Schedule.Next {
			t.rows = append(t.rows, []string{d.Experiment, "in " + max(time.Until(d.At), 0).Round(time.Second).String()})
		}
		if err := a.print(known.Schedule, t); err != nil || a.output != "table" {
			return err
		}
		switch s := known.Schedule; {
		case !s.On:
			a.words("the schedule is off: plat chaos schedule --for 8h")
		case s.Waits != "":
			a.words("on until %s; %s, %s; waits: %s", s.Until.Local().Format(time.DateTime), counted(s.Started, "run", "runs"), counted(s.Postponed, "was postponed", "were postponed"), s.Waits)
		default:
			a.words("on until %s; %s, %s", s.Until.Local().Format(time.DateTime), counted(s.Started, "run", "runs"), counted(s.Postponed, "was postponed", "were postponed"))
		}
		return nil
	})
	return cmd
}
