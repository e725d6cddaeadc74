package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/waterfall"
)

// topEvery is how often figures are shown anew: as often as they are kept.
const topEvery = 2 * time.Second

func (a *app) top() *cobra.Command {
	var (
		window time.Duration
		once   bool
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show rate, errors, duration and load of everything, live",
		Long: "Shows requests a second, the share that failed, how long they took, how many wait now,\nand processor and memory: first of the gateways, then of each service. On a terminal it\ngoes on until Ctrl-C; in a pipe, and with --once, it prints once.\n\n" +
			"An error is an answer of 5xx, or none.",
		Example: "  plat top\n  plat top --window 5m --once\n  plat top -o json | jq '.services[] | select(.errors > 0.01)'",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	lengthVar(cmd, &window, "window", time.Minute, "the last time that rates are over, 15s to 24h")
	cmd.Flags().BoolVar(&once, "once", false, "print once")
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		if once || a.output != "table" || !isTerminal(a.Out) {
			f, err := client.Traffic(cmd.Context(), window)
			if err != nil {
				return err
			}
			return a.print(f, figuresTable(f))
		}
		return a.topLive(cmd.Context(), client, window)
	})
	return cmd
}

// topLive draws over what it drew before, until ctx ends.
func (a *app) topLive(ctx context.Context, client *api.Client, window time.Duration) error {
	const home, rest, line = "\x1b[H", "\x1b[J", "\x1b[K\n"
	if _, err := fmt.Fprint(a.Out, "\x1b[2J"); err != nil {
		return err
	}
	tick := time.NewTicker(topEvery)
	defer tick.Stop()
	for {
		f, err := client.Traffic(ctx, window)
		if err != nil {
			return err
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s  the last %s\n\n", f.At.Local().Format("15:04:05"), window)
		t, _ := figuresTable(f).harmless().fit(a.width())
		if err := t.write(&b); err != nil {
			return err
		}
		if _, err := fmt.Fprint(a.Out, home+strings.ReplaceAll(b.String(), "\n", line)+rest); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func figuresTable(f api.Traffic) table {
	t := table{header: []string{"NAME", "REQ/S", "ERRORS", "P50", "P95", "P99", "WAITING", "CPU", "MEMORY"}, spare: []string{"P50", "P99", "WAITING"}}
	row := func(name string, s api.ServiceFlow, processes bool) {
		r := []string{name, perSecond(s.Rate), share(s.Flow), quantile(s.P50), quantile(s.P95), quantile(s.P99), "-", "-", "-"}
		if processes {
			r[6], r[7], r[8] = fmt.Sprintf("%.0f", s.InFlight), fmt.Sprintf("%.2f", s.CPU), size(int64(s.Memory))
		}
		t.rows = append(t.rows, r)
	}
	for _, g := range f.Gateways {
		row("gateway "+g.Name, api.ServiceFlow{Flow: g}, false)
	}
	for _, s := range f.Services {
		row(s.Name, s, true)
	}
	return t
}

// perSecond has a digit that is not zero where there are requests at all.
func perSecond(rate float64) string {
	if rate > 0 && rate < 1 {
		return fmt.Sprintf("%.2g", rate)
	}
	return fmt.Sprintf("%.1f", rate)
}

func share(t api.Flow) string {
	if t.Rate == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*t.Errors)
}

func quantile(v *float64) string {
	if v == nil {
		return "-"
	}
	return waterfall.Short(time.Duration(*v * float64(time.Second)))
}
