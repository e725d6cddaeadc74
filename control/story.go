package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/drift"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/telemetry"
)

// Story tells everything behind an ID.
func (p *plane) Story(ctx context.Context, id string) (api.Story, error) {
	out := api.Story{ID: id, Traces: []api.TraceSummary{}, Steps: []api.Step{}, Warnings: []string{}}
	// To compare the plan with reality takes long, and few IDs ask for it.
	var unknown error
	if _, call := p.topology.Call(id); call || drift.IsID(id) {
		f, err := p.Why(ctx, id)
		if err == nil {
			out.Is, out.Finding = "finding", &f
			if f.ID != id {
				out.Is = "call"
			}
			return out, nil
		}
		if unknown = err; !fault.Is(err, fault.NoSuchFinding) {
			return out, err
		}
	}
	ids, is, key, err := p.tracesOf(ctx, id)
	if fault.Is(err, fault.TelemetryNotFound) {
		return out, p.rows.Doubt(fault.New(fault.NoSuchFinding, "plat knows nothing of the ID "+id).
			Why("it is no trace, correlation ID, event or value of a business key of which something is kept, no finding and no refused call").
			Fix("plat get findings and plat traces list what there is; what has just happened needs a second").Because(unknown))
	}
	if err != nil {
		return out, err
	}
	out.Is, out.Key = is, key
	trees, warnings, err := p.trees(ctx, ids)
	if err != nil {
		return out, err
	}
	out.Warnings = append(out.Warnings, warnings...)
	logs, err := p.logsOf(ctx, trees)
	if err != nil {
		return out, err
	}
	for _, s := range telemetry.Steps(trees, logs) {
		step := api.Step{Time: moment(s.Time), Kind: s.Kind, Service: s.Service, Text: s.Text, Failed: s.Failed}
		if !s.TraceID.IsZero() {
			step.TraceID = s.TraceID.String()
		}
		if !s.SpanID.IsZero() {
			step.SpanID = s.SpanID.String()
		}
		out.Steps = append(out.Steps, step)
	}
	out.Steps = append(out.Steps, p.mailsOf(trees)...)
	slices.SortStableFunc(out.Steps, func(a, b api.Step) int { return a.Time.Compare(b.Time) })
	for i := range trees {
		t := &trees[i]
		out.Traces = append(out.Traces, summary(telemetry.Summarize(t)))
		if n := t.Culprit(); n != nil && (out.Culprit == nil || out.Culprit.Status != "error" && n.Span.Status == telemetry.StatusError) {
			c := spanOf(n)
			out.Culprit = &c
		}
	}
	out.Verdict = p.verdict(trees, out.Culprit)
	return out, nil
}

// stillComing is how long spans of what has just happened may be on their way.
const stillComing = 2 * time.Second

// verdict says in words what explains a story.
func (p *plane) verdict(trees []telemetry.Tree, culprit *api.Span) string {
	if len(trees) == 0 {
		return ""
	}
	if last := trees[len(trees)-1]; time.Since(moment(last.End)) < stillComing {
		return "it has just happened, and more may be on its way: ask again in a moment"
	}
	subscribers := map[string][]string{}
	for _, c := range plan.Consumers(p.live()) {
		subscribers[c.Event] = append(subscribers[c.Event], c.Service)
	}
	var waits []string
	for event, services := range telemetry.Undelivered(trees, subscribers) {
		for _, name := range services {
			_, ready := p.Address(name)
			why := ""
			if !ready {
				why = ": no instance of it is ready"
			}
			waits = append(waits, name+" has not received "+event+why)
		}
	}
	slices.Sort(waits)
	switch wait := telemetry.LongestWait(trees); {
	case len(waits) > 0:
		return strings.Join(waits, "; ")
	case culprit != nil && culprit.Status == "error":
		text := "the failure began in " + culprit.Service + ": " + culprit.Name
		if culprit.StatusMessage != "" {
			text += ": " + culprit.StatusMessage
		}
		return text
	case wait.Length > int64(time.Second) && (culprit == nil || wait.Length > culprit.Duration):
		return fmt.Sprintf("most time was spent waiting: %s received %s %s after it was published", wait.Service, wait.Event, time.Duration(wait.Length).Round(time.Millisecond))
	case culprit != nil:
		return fmt.Sprintf("most time went into %s: %s, %s", culprit.Service, culprit.Name, time.Duration(culprit.Duration).Round(time.Microsecond))
	}
	return ""
}

// mailsOf tells of the mails in the development mailbox that traces led to.
func (p *plane) mailsOf(trees []telemetry.Tree) []api.Step {
	traces := map[string]string{}
	for _, t := range trees {
		traces[correlationOf(t)] = t.ID.String()
	}
	delete(traces, "")
	var steps []api.Step
	for _, m := range p.mail.List() {
		if trace, ok := traces[m.CorrelationID]; ok {
			steps = append(steps, api.Step{Time: m.Time.UTC(), Kind: "mail", Service: "mailbox", Text: "to " + strings.Join(m.To, ", ") + ": " + m.Subject, TraceID: trace})
		}
	}
	return steps
}
