package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// resource is something that plat get lists; the first column of its table is
// its name.
type resource struct {
	name, aliases string // aliases are separated by spaces
	about         string
	topic         string // of GET /v1/changes
	list          func(ctx context.Context, client *api.Client) (values []any, t table, err error)
}

// resources are all that plat get knows.
func resources() []resource {
	return []resource{
		{"services", "svc", "what runs", "services", getServices},
		{"instances", "inst in", "each running copy", "services", getInstances},
		{"calls", "", "who calls whom, declared and seen", "map", getEdges("call")},
		{"routes", "rt", "what leads in from outside, and how often it was used", "map", getEdges("route")},
		{"events", "ev", "who receives which event from whom", "map", getEdges("event")},
		{"consumers", "cons", "subscriptions and their lag", "events", getConsumers},
		{"deadletters", "dl dead", "events that a consumer could not take", "events", getDead},
		{"findings", "find", "where reality and the plan differ", "map", getFindings},
		{"mail", "mails", "the development mailbox", "mail", getMail},
		{"doors", "", "compatibility listeners", "plan", getDoors},
	}
}

// is tells whether a kind is meant, which may be said in the singular or short.
func (r resource) is(kind string) bool {
	return r.name == kind || strings.TrimSuffix(r.name, "s") == kind || slices.Contains(strings.Fields(r.aliases), kind)
}

func (a *app) get() *cobra.Command {
	var (
		kinds []string
		watch bool
	)
	long := "Lists one kind of thing in the running system, or the named ones of it. A kind may be\nsaid in the singular, or short:\n\n"
	for _, r := range resources() {
		kinds = append(kinds, r.name)
		long += fmt.Sprintf("  %-13s%-9s%s\n", r.name, strings.ReplaceAll(r.aliases, " ", ","), r.about)
	}
	cmd := &cobra.Command{
		Use:     "get KIND [NAME…]",
		Short:   "List services, instances, calls, events, mail and more",
		Long:    strings.TrimRight(long, "\n"),
		Example: "  plat get services\n  plat get svc order catalog\n  plat get instances -o wide\n  plat get calls -o json | jq '.[] | select(.declared | not)'\n  plat get findings -o name\n  plat get services -w\n  plat get instances -w -o json",
		GroupID: "resources",
		Args:    args(1, -1, "a kind, and names"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(given) == 0 {
				return kinds, cobra.ShellCompDirectiveNoFileComp
			}
			return a.resourceNames(cmd, given)
		},
	}
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on with each row that changes; with -o json one object a line")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		r, err := findResource(cmd, given[0], kinds)
		if err != nil {
			return err
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		if watch {
			return a.follow(cmd, client, r, given[1:])
		}
		values, t, err := r.list(cmd.Context(), client)
		if err != nil {
			return err
		}
		if wanted := given[1:]; len(wanted) > 0 {
			if values, t, err = only(r.name, wanted, values, t); err != nil {
				return err
			}
		}
		if values == nil {
			values = []any{}
		}
		if err := a.print(values, t); err != nil {
			return err
		}
		if len(t.rows) == 0 && (a.output == "table" || a.output == "wide") {
			a.words("%s", r.none())
		}
		return nil
	}
	return cmd
}

// none says that there is nothing of this kind.
func (r resource) none() string {
	if strings.HasSuffix(r.name, "s") {
		return "there are no " + r.name
	}
	return "there is no " + r.name
}

// findResource takes the singular as well, as kubectl does.
func findResource(cmd *cobra.Command, kind string, kinds []string) (resource, error) {
	for _, r := range resources() {
		if r.is(kind) {
			return r, nil
		}
	}
	f := fault.Newf(fault.BadArgument, "%s is none of %s", kind, strings.Join(kinds, ", ")).Fix(cmd.CommandPath() + " --help")
	if near := plan.Nearest(kind, kinds); near != "" {
		f.Fix("did you mean " + near + "?")
	}
	return resource{}, f
}

// only keeps the rows of these names; a name without a row is a fault.
func only(kind string, wanted []string, values []any, t table) ([]any, table, error) {
	kept := table{header: t.header, wide: t.wide, key: t.key, spare: t.spare}
	var keptValues []any
	for _, name := range wanted {
		found := false
		for i, row := range t.rows {
			if row[0] == name {
				found = true
				kept.rows = append(kept.rows, row)
				keptValues = append(keptValues, values[i])
			}
		}
		if !found {
			f := fault.Newf(fault.NotFound, "among the %s there is no %s", kind, name).Fix("plat get " + kind + " lists them")
			if near := plan.Nearest(name, names(t.rows, func(row []string) string { return row[0] })); near != "" {
				f.Fix("did you mean " + near + "?")
			}
			return nil, kept, f
		}
	}
	return keptValues, kept, nil
}

func names[T any](items []T, name func(T) string) []string {
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = name(item)
	}
	return list
}

// asAny keeps each row's value beside the row.
func asAny[T any](items []T) []any {
	list := make([]any, len(items))
	for i, item := range items {
		list[i] = item
	}
	return list
}

func getServices(ctx context.Context, client *api.Client) ([]any, table, error) {
	answer, err := ask(ctx, client)
	return asAny(answer.Services), answer.table(), err
}

func getInstances(ctx context.Context, client *api.Client) ([]any, table, error) {
	services, err := client.Services(ctx)
	t := table{header: []string{"INSTANCE", "SERVICE", "STATE", "AGE", "RESTARTS", "MEMORY", "PID", "ADDR", "VERSION", "LAST EXIT"}, wide: 6}
	var values []any
	for _, s := range services {
		for _, in := range s.Instances {
			values = append(values, in)
			t.rows = append(t.rows, []string{in.ID, s.Name, in.State, age(in.Started), strconv.Itoa(in.Restarts), size(in.Memory), pid(in.PID), in.Addr, in.Version, in.LastExit})
		}
	}
	return values, t, err
}

func getEdges(kind string) func(context.Context, *api.Client) ([]any, table, error) {
	return func(ctx context.Context, client *api.Client) ([]any, table, error) {
		m, err := client.Map(ctx)
		t := table{header: []string{"FROM", "TO", "WHAT", "DECLARED", "SEEN", "ERRORS", "LAST", "FINDING"}, key: 3}
		var values []any
		for _, e := range m.Edges {
			if e.Kind != kind {
				continue
			}
			values = append(values, e)
			t.rows = append(t.rows, []string{e.From, e.To, e.Label, declared(e), seen(e), strconv.FormatUint(e.Errors, 10), age(e.Last), e.Finding})
		}
		return values, t, err
	}
}

func getConsumers(ctx context.Context, client *api.Client) ([]any, table, error) {
	events, err := client.Events(ctx)
	t := table{header: []string{"CONSUMER", "SERVICE", "EVENT", "STREAM", "LAG", "UNACKED", "REDELIVERED", "PUSH"}}
	for _, c := range events.Consumers {
		t.rows = append(t.rows, []string{c.Name, c.Service, c.Event, c.Stream, strconv.FormatUint(c.Lag, 10), strconv.Itoa(c.Unacked), strconv.Itoa(c.Redelivered), c.Push})
	}
	return asAny(events.Consumers), t, err
}

func getDead(ctx context.Context, client *api.Client) ([]any, table, error) {
	events, err := client.Events(ctx)
	return asAny(events.DeadLetters), deadTable(events), err
}

func getFindings(ctx context.Context, client *api.Client) ([]any, table, error) {
	findings, err := client.Findings(ctx)
	t := table{header: []string{"ID", "CODE", "WHAT", "COUNT", "LAST", "FIX"}}
	for _, f := range findings {
		t.rows = append(t.rows, []string{f.ID, string(f.Code), f.What, strconv.FormatUint(f.Count, 10), age(f.Last), f.Remedy})
	}
	return asAny(findings), t, err
}

func getMail(ctx context.Context, client *api.Client) ([]any, table, error) {
	box, err := client.Mails(ctx)
	return asAny(box.Mails), mailTable(box.Mails), err
}

func getDoors(ctx context.Context, client *api.Client) ([]any, table, error) {
	system, err := client.System(ctx)
	t := table{header: []string{"DOOR", "ADDR"}}
	for _, d := range system.Doors {
		t.rows = append(t.rows, []string{d.Name, d.Addr})
	}
	return asAny(system.Doors), t, err
}

func mailTable(mails []api.Mail) table {
	t := table{header: []string{"ID", "TIME", "FROM", "TO", "SUBJECT"}}
	for _, m := range mails {
		t.rows = append(t.rows, []string{m.ID, m.Time.Local().Format(time.DateTime), m.From, strings.Join(m.To, ","), m.Subject})
	}
	return t
}

// size is a number of bytes for a person to read.
func size(bytes int64) string {
	switch {
	case bytes <= 0:
		return ""
	case bytes < 1<<20:
		return strconv.FormatInt(bytes>>10, 10) + " KiB"
	}
	return strconv.FormatInt(bytes>>20, 10) + " MiB"
}
