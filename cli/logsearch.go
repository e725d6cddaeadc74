package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/lines"
)

// keptQuery asks what telemetry keeps.
type keptQuery struct {
	trace, search, severity string
	where                   []string
}

func (k *keptQuery) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.trace, "trace", "", "records of this trace, correlation ID, event or business key")
	cmd.Flags().StringVar(&k.search, "search", "", "records with these words; \"phrases in quotes\" stand as they are")
	cmd.Flags().StringVar(&k.severity, "severity", "", "records of at least TRACE, DEBUG, INFO, WARN, ERROR or FATAL")
	cmd.Flags().StringArrayVar(&k.where, "where", nil, "records with attribute=value, or attribute!=value; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions([]string{"DEBUG", "INFO", "WARN", "ERROR", "FATAL"}, cobra.ShellCompDirectiveNoFileComp)) // the flag was just made
}

func (k *keptQuery) asked() bool {
	return k.trace != "" || k.search != "" || k.severity != "" || len(k.where) > 0
}

// mostRecords bounds what is printed without --tail.
const mostRecords = 10_000

// searchLogs prints records by time, or follows those that match.
func (a *app) searchLogs(cmd *cobra.Command, client *api.Client, k keptQuery, q api.LogQuery, times bool) error {
	ctx := cmd.Context()
	if k.trace != "" {
		if k.search != "" || k.severity != "" || len(k.where) > 0 || q.Follow {
			return usage(cmd, "--trace goes without --search, --severity, --where and -f: it prints all that belongs to the ID")
		}
		t, err := client.Trace(ctx, k.trace)
		if err != nil {
			return err
		}
		if q.Tail > 0 {
			t.Logs = t.Logs[max(len(t.Logs)-q.Tail, 0):]
		}
		return a.printRecords(t.Logs, times, true)
	}
	ask := api.LogSearchQuery{From: q.Since, Services: q.Services, Severity: k.severity, Where: k.where, Text: k.search}
	if q.Follow {
		each := a.recordPrinter(nil, times, false)
		return client.FollowLogs(ctx, ask, each)
	}
	records, more, err := findRecords(ctx, client, ask, q.Tail)
	if err != nil {
		return err
	}
	if len(records) == 0 && len(q.Services) > 0 && !a.sends(ctx, client, q.Services) {
		if _, err := a.known(ctx, client, q.Services); err != nil {
			return err
		}
	}
	if more && q.Tail == 0 {
		a.words("%s", a.paint.dim("there are older ones: narrow with --since, or take --tail N"))
	}
	return a.printRecords(records, times, false)
}

// findRecords reads page after page, and gives the records by time.
func findRecords(ctx context.Context, client *api.Client, ask api.LogSearchQuery, tail int) (records []api.LogRecord, more bool, err error) {
	most := mostRecords
	if tail > 0 {
		most = tail
	}
	for len(records) < most {
		ask.Limit = min(most-len(records), 1000)
		page, err := client.SearchLogs(ctx, ask)
		if err != nil {
			return nil, false, err
		}
		records, more = append(records, page.Records...), page.More
		if !page.More {
			break
		}
		ask.Before = page.Before
	}
	slices.Reverse(records)
	return records, more, nil
}

func (a *app) printRecords(records []api.LogRecord, times, ofTrace bool) error {
	each := a.recordPrinter(records, times, ofTrace)
	for _, l := range records {
		if err := each(l); err != nil {
			return err
		}
	}
	if len(records) == 0 {
		a.words("no record matches; plat telemetry tells how far back they are kept")
	}
	return nil
}

// recordPrinter prints records as the lines that they were; wide, with their
// traces. Of those of a trace it says which are inferred.
func (a *app) recordPrinter(records []api.LogRecord, times, ofTrace bool) func(api.LogRecord) error {
	if a.output == "json" {
		enc := json.NewEncoder(a.Out)
		enc.SetEscapeHTML(false)
		return func(l api.LogRecord) error { return enc.Encode(l) }
	}
	p := lines.Printer{Out: a.Out, Paint: newPainter(a.Out).paint, Person: isTerminal(a.Out), Times: times}
	for _, l := range records {
		p.Width = max(p.Width, len(l.Instance), len(l.Service))
	}
	return func(l api.LogRecord) error {
		line := api.LogLine{Time: l.Time, Service: l.Service, Instance: l.Instance, Stream: l.Stream, Text: l.Body}
		if line.Instance == "" {
			line.Instance = l.Service
		}
		if l.Severity != "" || len(l.Attributes) > 0 {
			if !strings.Contains(strings.ToUpper(l.Body), l.Severity) { // a line without structure says it itself
				line.Text = l.Severity + " " + l.Body
			}
			for _, key := range slices.Sorted(maps.Keys(l.Attributes)) {
				line.Text += " " + key + "=" + l.Attributes[key]
			}
		}
		line.Text = lines.Harmless(line.Text, lines.Under)
		switch {
		case a.output == "wide":
			line.Text += p.Paint("2", traceNote(l))
		case ofTrace && l.Inferred:
			line.Text += p.Paint("2", " (inferred)")
		}
		return p.Print(line)
	}
}

// traceNote says to which trace a record belongs, and whether that is inferred.
func traceNote(l api.LogRecord) string {
	switch {
	case l.TraceID == "" && l.Inferred:
		return fmt.Sprintf(" (inferred: one of %d traces)", l.OneOf)
	case l.TraceID == "":
		return ""
	case l.Inferred && l.OneOf > 1:
		return fmt.Sprintf(" (inferred: trace %s, one of %d)", l.TraceID, l.OneOf)
	case l.Inferred:
		return " (inferred: trace " + l.TraceID + ")"
	}
	return " (trace " + l.TraceID + ")"
}
