package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/plan"
)

func (a *app) describe() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "describe SERVICE",
		Short:             "Say all that plat knows of one service",
		Long:              "Prints one service with its declaration, its instances and their checks, its\nroutes, who calls it and whom it calls (declared and seen), how these calls are\nprotected and why each policy last acted, its events, what its processes are given\n(secrets masked), and what differs from the plan.",
		Example:           "  plat describe order\n  plat describe order -o json | jq .environment",
		GroupID:           "resources",
		Args:              args(1, 1, "one service"),
		ValidArgsFunction: a.serviceNames,
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		if _, err := a.known(cmd.Context(), client, given); err != nil {
			return err
		}
		d, err := client.Describe(cmd.Context(), given[0])
		if err != nil {
			return err
		}
		if a.output != "table" {
			return a.print(d, table{header: []string{"SERVICE"}, rows: [][]string{{d.Service.Name}}})
		}
		if err := a.description(d); err != nil {
			return err
		}
		a.sayFindings(d.Findings)
		if known, err := client.Rehearsal(cmd.Context()); err == nil { // without it all else is told
			a.sayStale(given[0], known.Promises)
		}
		if d.Service.Fault != nil {
			a.printFault(a.Err, d.Service.Fault)
		}
		return nil
	})
	return cmd
}

// sayStale tells which promises of a service were rehearsed with another plan
// or other versions than those that run.
func (a *app) sayStale(service string, promises []api.Promise) {
	old := false
	for _, p := range promises {
		if p.Caller == service && p.Stale != "" {
			a.words("%s", a.paint.yellow(fmt.Sprintf("what customers see when %s fails was rehearsed, and is out of date: %s", p.Dependency, p.Stale)))
			old = true
		}
	}
	if old {
		a.words("plat rehearse %s finds out anew", service)
	}
}

// description prints a Description for a person.
func (a *app) description(d api.Description) error {
	s := d.Service
	tw := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	field := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(tw, "%s:\t%s\n", name, value) // Flush reports
		}
	}
	field("Service", s.Name)
	field("About", s.About)
	field("Owner", owner(s))
	field("Context", s.Context)
	field("File", d.File)
	field("State", s.State+", "+readiness(s)+" ready")
	field("Version", s.Version)
	spec := declaration(d)
	field("Limits", limits(spec.Limits))
	field("Objectives", objectives(spec.Objectives))
	if s.Errors != nil && s.Errors.Count > 0 {
		field("Errors", fmt.Sprintf("%d lines in 15 minutes, the last %s ago: %s", s.Errors.Count, age(s.Errors.Last), s.Errors.Text))
	}
	for _, r := range d.Routes {
		field("Route", strings.TrimSpace(strings.Join(r.Methods, ",")+" "+openable(r.URL)))
	}
	width := a.width()
	part := func(title string, t table) {
		if len(t.rows) == 0 {
			return
		}
		_, _ = fmt.Fprintf(a.Out, "\n%s\n", a.paint.bold(title)) // the table's write reports
		if t = t.harmless(); width > 0 {
			t, _ = t.fit(max(width-2, 1))
		}
		for _, line := range t.lines() {
			_, _ = fmt.Fprintf(a.Out, "  %s\n", line)
		}
	}
	_ = tw.Flush()
	part("Instances", instanceTable(s))
	part("Calls", callTable(d.Edges, func(e api.Edge) (string, bool) { return e.To, e.From == s.Name }))
	part("Policies", policyTable(d.Calls))
	part("Lets in", incomingTable(d.Incoming))
	part("Called by", callTable(d.Edges, func(e api.Edge) (string, bool) { return e.From, e.To == s.Name }))
	part("Publishes", publishedTable(s.Name, spec.Events, d.Edges))
	part("Receives", consumerTable(d.Consumers))
	part("Stores", storeTable(spec.Stores))
	env := table{header: []string{"VARIABLE", "FROM", "VALUE"}, cuts: true}
	for _, v := range d.Environment {
		env.rows = append(env.rows, []string{v.Name, v.Source, v.Value})
	}
	part("Environment", env)
	return nil
}

// declaration reads the resolved declaration. It is empty for a program that
// registered itself.
func declaration(d api.Description) plan.Service {
	var spec plan.Service
	if d.Service.Outside || json.Unmarshal(d.Declaration, &spec) != nil {
		return plan.Service{} // of a later plat, perhaps: -o json has it whole
	}
	return spec
}

func limits(l plan.Limits) string {
	var parts []string
	if l.Memory > 0 {
		parts = append(parts, l.Memory.String()+" memory")
	}
	if l.CPU > 0 {
		parts = append(parts, strconv.FormatFloat(l.CPU, 'g', -1, 64)+" CPU")
	}
	return strings.Join(parts, ", ")
}

func objectives(o plan.Objectives) string {
	var parts []string
	if o.Availability != nil {
		parts = append(parts, o.Availability.String()+" available")
	}
	if o.Latency != nil {
		for _, p := range slices.Sorted(maps.Keys(o.Latency.Percentiles)) {
			parts = append(parts, p+" within "+o.Latency.Percentiles[p].String())
		}
		if n := o.Latency.Concurrent; n > 0 && len(parts) > 0 {
			parts[len(parts)-1] += fmt.Sprintf(" at %d concurrent", n)
		}
	}
	return strings.Join(parts, ", ")
}

func storeTable(stores []plan.Store) table {
	t := table{header: []string{"STORE", "ENGINE", "HOLDS", "KEEP"}}
	for _, s := range stores {
		keep := ""
		if s.Keep != nil {
			keep = s.Keep.String()
		}
		t.rows = append(t.rows, []string{s.Name, s.Engine, strings.Join(s.Holds, ", "), keep})
	}
	return t
}

// publishedTable has a row an event, with all who receive it.
func publishedTable(service string, events []plan.ProvidedEvent, edges []api.Edge) table {
	receivers := map[string][]string{}
	for _, e := range events {
		receivers[e.Type] = nil
	}
	for _, e := range edges {
		if e.Kind == "event" && e.From == service {
			receivers[e.Label] = append(receivers[e.Label], e.To)
		}
	}
	t := table{header: []string{"EVENT", "RECEIVED BY"}, cuts: true}
	for _, event := range slices.Sorted(maps.Keys(receivers)) {
		slices.Sort(receivers[event])
		t.rows = append(t.rows, []string{event, strings.Join(receivers[event], ", ")})
	}
	return t
}

func instanceTable(s api.Service) table {
	t := table{header: []string{"INSTANCE", "STATE", "PID", "ADDR", "AGE", "RESTARTS", "CHECKS"}}
	for _, in := range s.Instances {
		checks := make([]string, len(in.Checks))
		for i, c := range in.Checks {
			checks[i] = c.ID + " " + c.Status
		}
		t.rows = append(t.rows, []string{in.ID, in.State, pid(in.PID), in.Addr, age(in.Started), strconv.Itoa(in.Restarts), strings.Join(checks, ", ")})
	}
	return t
}

// callTable lists those calls and routes that other picks, by the name at the
// other end.
func callTable(edges []api.Edge, other func(api.Edge) (string, bool)) table {
	t := table{header: []string{"NAME", "ROUTE", "DECLARED", "SEEN", "ERRORS", "LAST"}}
	for _, e := range edges {
		name, ok := other(e)
		if !ok || e.Kind == "event" {
			continue
		}
		t.rows = append(t.rows, []string{name, e.Label, declared(e), seen(e), strconv.FormatUint(e.Errors, 10), age(e.Last)})
	}
	return t
}

// incomingTable lists what is let in to a service.
func incomingTable(policies []api.PolicyState) table {
	t := table{header: []string{"POLICY", "SETTING", "STATE", "TURNED AWAY", "ACTED", "WHY"}, cuts: true}
	for _, p := range policies {
		acted := "-"
		if p.Acted != nil {
			acted = age(*p.Acted)
		}
		t.rows = append(t.rows, []string{p.Policy, p.Setting, p.State, strconv.FormatUint(p.Count, 10), acted, p.Why})
	}
	return t
}

// policyTable lists how the calls of a service are protected.
func policyTable(calls []api.CallState) table {
	t := table{header: []string{"CALLS", "POLICY", "SETTING", "STATE", "ACTED", "WHY"}, cuts: true}
	for _, c := range calls {
		calls := c.Service
		if c.By != "" {
			calls += " by " + c.By
		}
		for _, p := range c.Policies {
			acted := "-"
			if p.Acted != nil {
				acted = age(*p.Acted)
			}
			t.rows = append(t.rows, []string{calls, p.Policy, p.Setting, p.State, acted, p.Why})
		}
	}
	return t
}

func declared(e api.Edge) string {
	switch {
	case !e.Declared:
		return "no"
	case e.DeclaredAt.IsZero():
		return "yes"
	}
	return "yes, " + age(e.DeclaredAt)
}

// seen is how often an edge was used; of events nobody counts the uses.
func seen(e api.Edge) string {
	switch {
	case e.Kind == "event":
		return ""
	case e.Count+e.Refused == 0:
		return "never"
	case e.Refused > 0:
		return fmt.Sprintf("%d, %d refused", e.Count, e.Refused)
	}
	return strconv.FormatUint(e.Count, 10)
}

func consumerTable(consumers []api.Consumer) table {
	t := table{header: []string{"EVENT", "FROM", "BY", "LAG", "UNACKED", "REDELIVERED"}}
	for _, c := range consumers {
		by := "pull"
		if c.Push != "" {
			by = "push " + c.Push
		}
		t.rows = append(t.rows, []string{c.Event, c.Stream, by, strconv.FormatUint(c.Lag, 10), strconv.Itoa(c.Unacked), strconv.Itoa(c.Redelivered)})
	}
	return t
}

// sayFindings tells where reality and the plan differ.
func (a *app) sayFindings(findings []api.Finding) {
	for _, f := range findings {
		a.printFault(a.Err, findingFault(f))
		a.words("  see: plat why %s", f.ID)
	}
}

func (a *app) why() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "why ID",
		Short:   "Tell what is behind an ID",
		Long:    "Tells what is behind an ID that plat knows.\n\nOf a trace, a correlation ID (X-Correlation-ID of any answer), an event or a business\nkey that the plan declares, such as an order's number: everything that happened, by\ntime, over all services, and where it failed or took longest.\n\nOf a finding, or of a call that was answered 403: what was seen, why it is against the\nplan, the evidence, and the lines of the plan that would settle it.",
		Example: "  plat why f4c1d09a3\n  plat why 01a219e5-d841-7177-958e-65b5a382d1aa\n  plat get findings -o name | xargs -n1 plat why",
		GroupID: "monitoring",
		Args:    args(1, 1, "one ID"),
		ValidArgsFunction: a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
			findings, err := client.Findings(cmd.Context())
			return names(findings, func(f api.Finding) string { return f.ID + "\t" + f.What }), err
		}),
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		return a.explainID(cmd.Context(), client, given[0])
	})
	return cmd
}

func (a *app) explainFinding(f api.Finding) error {
	var b strings.Builder
	if strings.Contains(f.Remedy, "plat plan ") { // at its end
		f.Remedy += a.inDir()
	}
	fmt.Fprintf(&b, "%s [%s]\n\n  why: %s\n  fix: %s\n", f.What, f.Code, f.Why, f.Remedy)
	if f.Patch != "" {
		where := f.File
		if f.Line > 0 {
			where += ":" + strconv.Itoa(f.Line)
		}
		fmt.Fprintf(&b, "\nIn %s:\n\n%s\n", where, "  "+strings.ReplaceAll(strings.TrimRight(f.Patch, "\n"), "\n", "\n  "))
	}
	if f.Count > 0 {
		fmt.Fprintf(&b, "\nSeen %s, first %s ago, last %s ago:\n\n", count(int(f.Count), "time"), age(f.First), age(f.Last)) //nolint:gosec // for a person to read
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range f.Evidence {
		_, _ = fmt.Fprintln(tw, evidence(e)) // a strings.Builder takes everything
	}
	_ = tw.Flush()
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}
