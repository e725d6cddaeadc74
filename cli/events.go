package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
)

func (a *app) events() *cobra.Command {
	var dead bool
	cmd := &cobra.Command{
		Use:     "events",
		Short:   "List streams, consumers, lag and dead letters",
		Long:    "Lists each event with the stream that holds it and the services that consume\nit: lag counts events that a consumer has not been given yet. With --dead, the\nevents that a consumer could not take, with the reason.",
		Example: "  plat events\n  plat events --dead\n  plat events -o json",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	cmd.Flags().BoolVar(&dead, "dead", false, "list the dead letters")
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		events, err := client.Events(cmd.Context())
		if err != nil {
			return err
		}
		t := eventTable(events)
		if dead {
			t = deadTable(events)
		}
		if err := a.print(events, t); err != nil {
			return err
		}
		if a.output == "table" || a.output == "wide" {
			a.sayEvents(events, dead)
		}
		return nil
	})
	return cmd
}

func eventTable(events api.Events) table {
	t := table{header: []string{"EVENT", "PROVIDER", "CONSUMER", "LAG", "UNACKED", "REDELIVERED", "STREAM", "KEPT", "DURABLE"}, wide: 6}
	for _, st := range events.Streams {
		for _, event := range st.Events {
			consumed := false
			for _, c := range events.Consumers {
				if c.Event != event || c.Stream != st.Name {
					continue
				}
				consumed = true
				t.rows = append(t.rows, []string{event, st.Provider, c.Service, strconv.FormatUint(c.Lag, 10), strconv.Itoa(c.Unacked), strconv.Itoa(c.Redelivered), st.Name, strconv.FormatUint(st.Messages, 10), c.Name})
			}
			if !consumed {
				t.rows = append(t.rows, []string{event, st.Provider, "", "", "", "", st.Name, strconv.FormatUint(st.Messages, 10), ""})
			}
		}
	}
	return t
}

func deadTable(events api.Events) table {
	t := table{header: []string{"ID", "TIME", "EVENT", "CONSUMER", "DELIVERIES", "REASON"}}
	for _, d := range events.DeadLetters {
		t.rows = append(t.rows, []string{d.ID, d.Time.Local().Format(time.DateTime), d.Event, d.Service, strconv.Itoa(d.Deliveries), d.Reason})
	}
	return t
}

// sayEvents tells what the table does not show.
func (a *app) sayEvents(events api.Events, dead bool) {
	if len(events.Streams) == 0 {
		a.words("no service declares an event")
	}
	if events.Refusing != "" {
		a.words("%s", a.paint.red("publishing is refused: "+events.Refusing))
	}
	for _, f := range events.Faults {
		a.printFault(a.Err, f)
	}
	for _, v := range events.Violations {
		a.words("%s tried to %s %s %s, last %s ago: the plan does not declare it", v.Service, v.Action, v.Subject, count(int(v.Count), "time"), age(v.Last))
	}
	for _, o := range events.Orphans {
		a.words("not in the plan any more, kept: %s", o)
	}
	if dead && events.Dead == 0 {
		a.words("there are no dead letters")
	}
	if !dead && events.Dead > 0 {
		a.words("%s", a.paint.yellow(fmt.Sprintf("%d dead letters: plat events --dead", events.Dead)))
	}
}
