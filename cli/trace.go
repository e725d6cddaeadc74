package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/lines"
	"github.com/plat-dev/plat/cli/waterfall"
)

func (a *app) traces() *cobra.Command {
	var (
		q     api.TraceQuery
		since time.Duration
	)
	cmd := &cobra.Command{
		Use:   "traces [SERVICE]",
		Short: "List what happened, a line a trace",
		Long: "Lists the newest traces, or those with a span of one service: when a customer or a\njourney asked for something, how long it took, and through how many services it went.\n\n" +
			"The other flags narrow to traces with a span that matches all of them.",
		Example:           "  plat traces\n  plat traces order --errors --since 15m\n  plat traces --min 300ms\n  plat traces --where order=01a219e5-d841-7177-958e-65b5a382d1aa\n  plat trace $(plat traces --errors --limit 1 -o name)",
		GroupID:           "monitoring",
		Args:              args(0, 1, "a service"),
		ValidArgsFunction: a.serviceNames,
	}
	lengthVar(cmd, &since, "since", 0, "only of this last time, as 15m, 2h or 3d")
	cmd.Flags().BoolVar(&q.Errors, "errors", false, "with a span that failed")
	lengthVar(cmd, &q.Min, "min", 0, "with a span that took at least so long")
	lengthVar(cmd, &q.Max, "max", 0, "with a span that took at most so long")
	cmd.Flags().StringVar(&q.Name, "name", "", "with a span of this name")
	cmd.Flags().StringVar(&q.Text, "text", "", "words in a span's name, status or attributes")
	cmd.Flags().StringArrayVar(&q.Where, "where", nil, "attribute=value, or attribute!=value; may be repeated")
	cmd.Flags().IntVar(&q.Limit, "limit", 20, "how many, at most 1500")
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if q.Limit < 1 || q.Limit > 1500 {
			return usage(cmd, "--limit is 1 to 1500")
		}
		if len(names) == 1 {
			q.Service = names[0]
		}
		if since > 0 {
			q.From = time.Now().Add(-since)
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		found, err := client.Traces(cmd.Context(), q)
		if err != nil {
			return err
		}
		if len(found.Traces) == 0 { // else it is a program that the plan need not know
			if _, err := a.known(cmd.Context(), client, names); err != nil {
				return err
			}
		}
		if err := a.print(found, traceTable(found.Traces)); err != nil {
			return err
		}
		if len(found.Traces) == 0 {
			a.words("no trace matches; plat telemetry tells how far back they are kept")
		}
		return nil
	}
	return cmd
}

func traceTable(list []api.TraceSummary) table {
	t := table{header: []string{"TRACE", "TIME", "TOOK", "SPANS", "ERRORS", "SERVICE", "ROOT", "SERVICES", "CORRELATION"}, wide: 7}
	for _, s := range list {
		t.rows = append(t.rows, []string{
			s.TraceID, s.Start.Local().Format("2006-01-02 15:04:05"), waterfall.Short(time.Duration(s.Duration)), strconv.Itoa(s.Spans), strconv.Itoa(s.Errors),
			lines.Harmless(s.Service, `\n`), lines.Harmless(s.Root, `\n`), strconv.Itoa(len(s.Services)), s.CorrelationID,
		})
	}
	return t
}

func (a *app) trace() *cobra.Command {
	var logs bool
	cmd := &cobra.Command{
		Use:   "trace ID",
		Short: "Print one trace as a tree with its times",
		Long: "Prints the spans of a trace, each below the one that caused it, with how long it took.\nOn a terminal a bar shows where it lies; thick ones and bold names are the critical\npath: the trace would be shorter if they were. Failed ones are red.\n\n" +
			"The ID is a trace's, a correlation ID, the ID of an event, or the value of a business\nkey that the plan declares, such as an order's number.",
		Example: "  plat trace 657db9c045a3a6afd528136cbcb86402\n  plat trace --logs 01a209a4-da91-7a07-934e-ba0fc7291175\n  plat trace -o json ID | jq '.spans[] | select(.status == \"error\")'",
		GroupID: "monitoring",
		Args:    args(1, 1, "one ID"),
	}
	cmd.Flags().BoolVar(&logs, "logs", false, "with the log records, where they were written")
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, given []string) error {
		t, err := client.Trace(cmd.Context(), given[0])
		if err != nil {
			return err
		}
		if a.output != "table" {
			var rows [][]string
			for _, s := range t.Spans {
				rows = append(rows, []string{s.ID})
			}
			return a.print(t, table{header: []string{"SPAN"}, rows: rows})
		}
		return a.drawTrace(t, logs)
	})
	return cmd
}

func (a *app) drawTrace(t api.Trace, logs bool) error {
	failed := 0
	for _, s := range t.Spans {
		if s.Status == "error" {
			failed++
		}
	}
	a.words("%s", a.paint.dim(fmt.Sprintf("trace %s  %s  %s, %d failed  %s", t.TraceID, waterfall.Short(time.Duration(t.Duration)), count(len(t.Spans), "span"), failed, t.Start.Local().Format("2006-01-02 15:04:05.000"))))
	if err := waterfall.Print(a.Out, t, waterfall.Options{Width: a.width(), Paint: newPainter(a.Out).paint, Logs: logs}); err != nil {
		return err
	}
	for _, w := range t.Warnings {
		a.words("%s", a.paint.yellow("note: ")+lines.Harmless(w, `\n`))
	}
	if len(t.Linked) > 0 {
		a.words("%s", a.paint.dim("linked: "+strings.Join(t.Linked, " ")))
	}
	return nil
}

// explainID prints what is behind any ID that plat knows.
func (a *app) explainID(ctx context.Context, client *api.Client, id string) error {
	s, err := client.Story(ctx, id)
	if err != nil {
		return err
	}
	if s.Finding != nil {
		if a.output != "table" {
			return a.print(s.Finding, table{header: []string{"ID"}, rows: [][]string{{s.Finding.ID}}})
		}
		return a.explainFinding(*s.Finding)
	}
	if a.output != "table" {
		rows := [][]string{}
		for _, t := range s.Traces {
			rows = append(rows, []string{t.TraceID})
		}
		return a.print(s, table{header: []string{"TRACE"}, rows: rows})
	}
	return a.tellStory(s)
}

func (a *app) tellStory(s api.Story) error {
	out := newPainter(a.Out)
	what := map[string]string{"trace": "trace", "correlation": "correlation ID", "event": "event", "key": s.Key}[s.Is]
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n\n", what, s.ID, count(len(s.Traces), "trace"))
	width := 0
	for _, step := range s.Steps {
		width = max(width, len(step.Service))
	}
	for _, step := range s.Steps {
		text := fmt.Sprintf("%s  %-*s  %-7s  %s", step.Time.Local().Format("15:04:05.000"), width, lines.Harmless(step.Service, `\n`), step.Kind, lines.Harmless(step.Text, `\n`))
		if step.Failed {
			text = out.red(text)
		}
		b.WriteString(text + "\n")
	}
	if s.Verdict != "" {
		b.WriteString("\n" + s.Verdict + "\n")
	}
	if _, err := a.Out.Write([]byte(b.String())); err != nil {
		return err
	}
	for _, w := range s.Warnings {
		a.words("%s", a.paint.yellow("note: ")+lines.Harmless(w, `\n`))
	}
	for _, t := range s.Traces {
		a.words("%s", a.paint.dim("plat trace "+t.TraceID))
	}
	return nil
}

func (a *app) telemetry() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "telemetry",
		Short:   "Tell what is kept of traces, logs and metrics, and what was lost",
		Long:    "Tells how many spans, log records and series are kept, since when, in how many bytes,\nwhere OTLP is taken, and what was dropped, forwarded or damaged.",
		Example: "  plat telemetry\n  plat telemetry -o json | jq .lost\n  plat telemetry path",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "json", "yaml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := a.askTelemetry(cmd.Context())
		if err != nil {
			return err
		}
		return a.print(t, telemetryTable(t))
	}
	path := &cobra.Command{
		Use:     "path",
		Short:   "Print the folder of the Parquet files",
		Long:    "Prints the folder that holds spans and log records as Parquet files, which DuckDB,\nPolars, ClickHouse and others read as they are.",
		Example: "  plat telemetry path\n  duckdb -c \"SELECT service, count(*) FROM '$(plat telemetry path)/spans-*.parquet' GROUP BY ALL\"",
		Args:    args(0, 0, "no arguments"),
	}
	path.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := a.askTelemetry(cmd.Context())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Out, t.Path)
		return err
	}
	cmd.AddCommand(path, a.telemetryToken())
	return cmd
}

func (a *app) askTelemetry(ctx context.Context) (api.Telemetry, error) {
	client, _, err := a.connect()
	if err != nil {
		return api.Telemetry{}, err
	}
	return client.Telemetry(ctx)
}

func telemetryTable(t api.Telemetry) table {
	rows := [][]string{
		{"spans", strconv.FormatInt(t.Spans, 10)}, {"log records", strconv.FormatInt(t.Logs, 10)}, {"series", strconv.FormatInt(t.Series, 10)},
		{"since", age(t.Oldest)}, {"on disk", size(t.Bytes) + " in " + count(t.Files, "file")}, {"files", t.Path},
	}
	for _, l := range t.OTLP {
		rows = append(rows, []string{"OTLP by " + l.Protocol, l.URL})
	}
	rows = append(rows, []string{"Prometheus", t.Prometheus}, []string{"Jaeger", t.Jaeger})
	for _, f := range t.Forwards {
		state := fmt.Sprintf("%s: %d rows sent, %d dropped", f.URL, f.Sent, f.Dropped)
		if f.Error != "" {
			state += ": " + f.Error
		}
		rows = append(rows, []string{"forward", state})
	}
	for _, l := range t.Lost {
		rows = append(rows, []string{"lost", fmt.Sprintf("%d %s: %s", l.Count, l.What, l.Reason)})
	}
	for _, l := range t.Changed {
		rows = append(rows, []string{"changed", fmt.Sprintf("%d %s: %s", l.Count, l.What, l.Reason)})
	}
	if t.DiskFull {
		rows = append(rows, []string{"lost", "the disk is full: nothing is kept now"})
	}
	if !t.LostUntil.IsZero() {
		rows = append(rows, []string{"lost", "the last run ended by a crash: up to a second before " + t.LostUntil.Local().Format("2006-01-02 15:04:05")})
	}
	for _, f := range t.Faults {
		rows = append(rows, []string{"damaged", f.What})
	}
	return table{header: []string{"WHAT", "STATE"}, rows: rows}
}
