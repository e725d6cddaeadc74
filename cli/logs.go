package cli

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/lines"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/state"
)

func (a *app) logs() *cobra.Command {
	var (
		q     api.LogQuery
		since time.Duration
		pick  lines.Filter
		times bool
		kept  keptQuery
	)
	cmd := &cobra.Command{
		Use:   "logs [SERVICE…]",
		Short: "Print the services' output",
		Long: "Prints the output of the named services, or of all, in the order of time.\nThe log files themselves are in .plat/logs.\n\n" +
			"--grep and --errors pick lines, and --tail counts those that they pick; with -f it\ncounts before. An error is a JSON line of level error or worse, or a line with a word\nsuch as ERROR, FATAL, panic: or Traceback; plat ps counts by the same rule.\n\n" +
			"--trace, --search, --where and --severity ask what telemetry keeps instead: for days,\nof everything that came by OTLP as well, and of one trace or piece of work over all\nservices. So does -o wide, which says to which trace each record belongs: a program\nwithout tracing names none, so it is inferred from what plat's listeners gave to that\ninstance at that moment.",

		Example:           "  plat logs\n  plat logs -f order warehouse\n  plat logs -t --since 5m --tail 100 web\n  plat logs --errors\n  plat logs -f --grep timeout order\n  plat logs -o json order | jq -r .text\n  plat logs --trace 657db9c045a3a6afd528136cbcb86402\n  plat logs --search '\"card declined\"' --since 24h\n  plat logs --where order=01a219e5-d841-7177-958e-65b5a382d1aa\n  plat logs -o wide --since 5m order",
		GroupID:           "monitoring",
		Args:              args(0, -1, "services"),
		ValidArgsFunction: a.serviceNames,
	}
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with what comes")
	lengthVar(cmd, &since, "since", 0, "only lines of this last time, as 5m, 2h or 3d")
	cmd.Flags().IntVar(&q.Tail, "tail", 0, "only this many last lines of each service")
	cmd.Flags().BoolVarP(&times, "timestamps", "t", false, "begin each line with its time")
	cmd.Flags().StringVar(&pick.Text, "grep", "", "only lines with this text, in upper or lower case")
	cmd.Flags().BoolVar(&pick.Errors, "errors", false, "only lines that tell of errors")
	kept.flags(cmd)
	a.outputs(cmd, "table", "wide", "json")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if q.Tail < 0 {
			return usage(cmd, "--tail counts backwards from now and is not negative")
		}
		q.Services = names
		if since > 0 {
			q.Since = time.Now().Add(-since)
		}
		client, _, err := a.connect()
		if kept.asked() || a.output == "wide" {
			if err != nil {
				return err
			}
			if pick != (lines.Filter{}) {
				return usage(cmd, "--grep and --errors pick lines of the log files: with --trace, --search, --where, --severity and -o wide take --search and --severity ERROR")
			}
			return a.searchLogs(cmd, client, kept, q, times)
		}
		if fault.Is(err, fault.NotRunning) && !q.Follow {
			return a.keptLogs(cmd.Context(), q, pick, times, err)
		}
		if err != nil {
			return err
		}
		services, err := a.known(cmd.Context(), client, names)
		if fault.Is(err, fault.NoSuchService) && a.sends(cmd.Context(), client, names) {
			return a.searchLogs(cmd, client, kept, q, times)
		}
		if err != nil {
			return err
		}
		return a.stream(cmd.Context(), pick.From(client.Logs), q, services, times)
	}
	return cmd
}

// sends tells whether there are records of a name that the plan lacks: a program
// elsewhere that sends its own.
func (a *app) sends(ctx context.Context, client *api.Client, names []string) bool {
	found, err := client.SearchLogs(ctx, api.LogSearchQuery{Services: names, Limit: 1})
	return err == nil && len(found.Records) > 0
}

// keptLogs prints what the last run left in the state folder; without any, it
// is as it was: nothing runs here.
func (a *app) keptLogs(ctx context.Context, q api.LogQuery, pick lines.Filter, times bool, notRunning error) error {
	root, err := a.system()
	if err != nil {
		return err
	}
	folder := filepath.Join(root, state.Name)
	if kept, err := filepath.Glob(filepath.Join(folder, "logs", "*.log")); err != nil || len(kept) == 0 {
		return notRunning
	}
	a.words("%s", a.paint.dim("nothing runs here now; this is what the last run said"))
	read := func(ctx context.Context, q api.LogQuery, each func(api.LogLine) error) error {
		return a.machine.Logs(ctx, folder, q, each)
	}
	return a.stream(ctx, pick.From(read), q, nil, times)
}

// stream prints the lines of a query until it ends; the services' names are as
// wide as the first column begins.
func (a *app) stream(ctx context.Context, read lines.Reader, q api.LogQuery, services []api.Service, times bool) error {
	p := lines.Printer{Out: a.Out, Paint: newPainter(a.Out).paint, Person: isTerminal(a.Out), Times: times}
	for _, s := range services {
		p.Width = max(p.Width, len(s.Name)+len("-1"))
	}
	each := p.Print
	if a.output == "json" {
		enc := json.NewEncoder(a.Out)
		enc.SetEscapeHTML(false)
		each = func(l api.LogLine) error { return enc.Encode(l) }
	}
	err := read(ctx, q, each)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
