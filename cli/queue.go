package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
)

func (a *app) queue() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Calls that failed and are done later, and those that were given up",
		Long: "Lists the queues: the calls of one service to another that failed and are done\n" +
			"later, where the plan says on-failure: queue. A call that is refused for good, or\n" +
			"is too old, becomes a dead letter, until somebody retries or drops it.",
		Example: "  plat queue\n  plat queue list --dead\n  plat queue retry --dead order finance",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		all, err := client.Queues(cmd.Context())
		if err != nil {
			return err
		}
		if len(all.Queues) == 0 {
			a.words("no call is declared with on-failure: queue")
		}
		if all.Damaged > 0 {
			a.words("%s", a.paint.red(count(all.Damaged, "kept call")+" cannot be read, and stays where it is: .plat/plat.log names it"))
		}
		t := table{header: []string{"QUEUE", "WAITING", "OLDEST", "DEAD", "DELIVERED", "REFUSED", "NEXT", "WHY", "KEPT", "BYTES", "DROPPED", "TRIES"}, wide: 8, cuts: true}
		dead := 0
		for _, q := range all.Queues {
			name, oldest, next, refused := q.Caller+"→"+q.Service, "-", "-", uint64(0)
			if q.Test {
				name += " (test)"
			}
			if q.Oldest != nil {
				oldest = age(*q.Oldest)
			}
			if q.Next != nil {
				next = soon(*q.Next)
			}
			for _, n := range q.Refused {
				refused += n
			}
			dead += q.Dead
			t.rows = append(t.rows, []string{
				name, strconv.Itoa(q.Waiting), oldest, strconv.Itoa(q.Dead), strconv.FormatUint(q.Delivered, 10), strconv.FormatUint(refused, 10), next, q.Why,
				strconv.FormatUint(q.Kept, 10), strconv.FormatInt(q.Bytes, 10), strconv.FormatUint(q.Dropped, 10), strconv.Itoa(q.Tries),
			})
		}
		if err := a.print(all, t); err != nil {
			return err
		}
		if dead > 0 && (a.output == "table" || a.output == "wide") {
			a.words("%s", a.paint.yellow(count(dead, "dead letter")+": plat queue list --dead"))
		}
		return nil
	})
	cmd.AddCommand(a.queueList(), a.queueShow(),
		a.queueChange("retry", "Try calls at once; dead letters go to the end of their queue", "Tries a call that waits at once, as soon as it is its turn. A dead letter goes to the\nend of its queue, and has its whole age again.", "retried", (*api.Client).RetryKeptCall),
		a.queueChange("drop", "Remove calls for good", "Removes a call: it will not be done. There is no way back.", "dropped", (*api.Client).DropKeptCall))
	return cmd
}

// soon is how long it takes until a time.
func soon(at time.Time) string {
	if d := time.Until(at); d > 0 {
		return "in " + d.Round(100*time.Millisecond).String()
	}
	return "now"
}

func (a *app) queueList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the calls that wait, in their order, and the dead letters",
		Long:    "Lists the calls that wait, queue by queue in the order in which they are done, and\nthe dead letters with the reason of each.",
		Example: "  plat queue list\n  plat queue list --dead\n  plat queue list -o name",
		Args:    args(0, 0, "no arguments"),
	}
	dead := cmd.Flags().Bool("dead", false, "only dead letters")
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		all, err := client.KeptCalls(cmd.Context(), *dead)
		if err != nil {
			return err
		}
		switch {
		case len(all.Calls) > 0:
		case *dead:
			a.words("there are no dead letters")
		default:
			a.words("no call waits")
		}
		t := table{header: []string{"ID", "QUEUE", "STATE", "REQUEST", "KEPT", "TRIES", "WHY", "SIZE", "CORRELATION ID"}, wide: 7, cuts: true}
		for _, c := range all.Calls {
			t.rows = append(t.rows, []string{c.ID, c.Caller + "→" + c.Service, stateOf(c), c.Request, age(*c.Kept), strconv.Itoa(c.Tries), c.Why, strconv.FormatInt(c.Size, 10), c.CorrelationID})
		}
		return a.print(all, t)
	})
	return cmd
}

func stateOf(c api.KeptCall) string {
	state := c.State
	if c.Position > 0 {
		state = fmt.Sprintf("%s, no. %d", c.State, c.Position)
	}
	if c.Test {
		state += ", test"
	}
	return state
}

func (a *app) queueShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show one call: how it stands, its fields and its body",
		Long:              "Shows one call that waits or is a dead letter. Of one that was done, its outcome is\nknown for a while.",
		Example:           "  plat queue show 01a21ab4-fb20-73a6-bdab-43bcd2f1f454\n  plat queue show 01a21ab4-fb20-73a6-bdab-43bcd2f1f454 -o json | jq -r .body",
		Args:              args(1, 1, "an ID: plat queue list names them"),
		ValidArgsFunction: a.keptCalls,
	}
	a.outputs(cmd, "table", "json", "yaml")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		c, err := client.KeptCall(cmd.Context(), given[0])
		if err != nil {
			return err
		}
		t := table{header: []string{"FIELD", "VALUE"}}
		add := func(name, value string) {
			if value != "" {
				t.rows = append(t.rows, []string{name, value})
			}
		}
		add("id", c.ID)
		add("queue", c.Caller+"→"+c.Service)
		add("state", stateOf(c.KeptCall))
		add("request", c.Request)
		if c.Kept != nil {
			add("kept", c.Kept.Local().Format(time.DateTime))
		}
		add("tries", strconv.Itoa(c.Tries))
		add("why", c.Why)
		if c.Status > 0 {
			add("answer", strconv.Itoa(c.Status))
		}
		for _, name := range slices.Sorted(maps.Keys(c.Header)) {
			add(name, strings.Join(c.Header[name], ", "))
		}
		add("body", c.Body)
		if c.Cut {
			a.words("the body is longer: its beginning is shown")
		}
		return a.print(c, t)
	})
	return cmd
}

// queueChange is the verb that does something to calls: those that are named, or
// the dead letters of a queue.
func (a *app) queueChange(verb, short, long, done string, change func(*api.Client, context.Context, string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " (ID… | --dead CALLER SERVICE)",
		Short:             short,
		Long:              long,
		Example:           "  plat queue " + verb + " 01a21ab4-fb20-73a6-bdab-43bcd2f1f454\n  plat queue " + verb + " --dead order finance",
		Args:              args(1, 1000, "IDs, or --dead with caller and service"),
		ValidArgsFunction: a.keptCalls,
	}
	dead := cmd.Flags().Bool("dead", false, "all dead letters of the calls of CALLER to SERVICE")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if *dead && len(given) != 2 {
			return usage(cmd, "expected the caller and the service that it calls beside --dead")
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		if *dead {
			all, err := client.KeptCalls(cmd.Context(), true)
			if err != nil {
				return err
			}
			if _, err := a.known(cmd.Context(), client, given[:1]); err != nil {
				return err
			}
			caller, service := given[0], given[1]
			given = nil
			for _, c := range all.Calls {
				if c.Caller == caller && c.Service == service {
					given = append(given, c.ID)
				}
			}
		}
		var failed []error
		for _, id := range given {
			if err := change(client, cmd.Context(), id); err != nil {
				failed = append(failed, err)
			}
		}
		a.words("%s %s", count(len(given)-len(failed), "call"), done)
		return errors.Join(failed...)
	}
	return cmd
}

// keptCalls completes IDs of calls, with what they ask for.
func (a *app) keptCalls(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
	return a.live(func(cmd *cobra.Command, client *api.Client) ([]string, error) {
		all, err := client.KeptCalls(cmd.Context(), false)
		return names(all.Calls, func(c api.KeptCall) string {
			return c.ID + "\t" + c.Caller + "→" + c.Service + " " + c.Request + ", " + c.State
		}), err
	})(cmd, given, start)
}
