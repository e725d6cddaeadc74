package telemetry

import (
	"cmp"
	"slices"
	"strings"
)

// Step is one thing that happened, in words.
type Step struct {
	Time    int64
	Kind    string // request, call, event, handled, log
	Service string
	Text    string
	Failed  bool
	TraceID TraceID
	SpanID  SpanID
}

// Steps tells what spans and records say happened, by time: requests that came
// in, calls between services, events that were published and handled, and log
// records from info on. A call that plat's listener saw and its ends told as
// well is one step.
func Steps(trees []Tree, logs []Log) []Step {
	var steps []Step
	for _, t := range trees {
		for _, n := range t.Nodes {
			if s, ok := step(n); ok {
				steps = append(steps, s)
			}
		}
	}
	for i := range logs {
		l := &logs[i]
		if l.Severity != 0 && l.Severity < SeverityInfo {
			continue
		}
		text := l.Body
		if l.Severity >= SeverityWarn && !strings.HasPrefix(strings.ToUpper(text), l.Severity.String()) {
			text = l.Severity.String() + " " + text
		}
		for _, a := range l.Attributes {
			if a.Value != "" {
				text += " " + a.Key + "=" + shortened(a.Value)
			}
		}
		steps = append(steps, Step{l.Time, "log", l.Resource.Service, text, l.Severity >= SeverityError, l.TraceID, l.SpanID})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.Time, b.Time) })
	return steps
}

// longestValue is what a step shows of an attribute: an error whole, no stack.
const longestValue = 300

func shortened(s string) string {
	if len(s) <= longestValue {
		return s
	}
	return strings.ToValidUTF8(s[:longestValue], "") + "…"
}

// Wait is the longest time that passed between an event's publication and its
// handling.
type Wait struct {
	Event, Service string
	Length         int64 // nanoseconds
}

// LongestWait finds it; zero where nothing waited. Critical paths end with who
// waits for an answer, and nobody waits for an event.
func LongestWait(trees []Tree) (w Wait) {
	for _, t := range trees {
		for _, n := range t.Nodes {
			if n.Span.Kind != KindProducer {
				continue
			}
			for _, r := range received(trees, n) {
				if length := r.Span.Start - n.Span.End(); length > w.Length {
					w = Wait{strings.TrimPrefix(n.Span.Name, "publish "), r.Span.Resource.Service, length}
				}
			}
		}
	}
	return w
}

// received are the spans of those who received what a producer's span
// published: below it, or in traces of their own that link to it.
func received(trees []Tree, producer *Node) []*Node {
	all := slices.Clone(producer.Children)
	for _, t := range trees {
		for _, n := range t.Nodes {
			for _, l := range n.Span.Links {
				if l.SpanID == producer.Span.ID && l.TraceID == producer.Span.TraceID {
					all = append(all, n)
				}
			}
		}
	}
	return all
}

// Undelivered lists who has not received the events that were published: by
// event, those of the given subscribers of whom no span is below it or links to it.
func Undelivered(trees []Tree, subscribers map[string][]string) map[string][]string {
	lacking := map[string][]string{}
	for _, t := range trees {
		for _, n := range t.Nodes {
			event, ok := strings.CutPrefix(n.Span.Name, "publish ")
			if !ok || n.Span.Kind != KindProducer {
				continue
			}
			below := received(trees, n)
			for _, service := range subscribers[event] {
				if !slices.ContainsFunc(below, func(c *Node) bool { return c.Span.Resource.Service == service }) && !slices.Contains(lacking[event], service) {
					lacking[event] = append(lacking[event], service)
				}
			}
		}
	}
	return lacking
}

// step makes a step of a span; what goes on within a service makes none.
func step(n *Node) (Step, bool) {
	s := n.Span
	out := Step{Time: s.Start, Service: s.Resource.Service, Failed: s.Status == StatusError, TraceID: s.TraceID, SpanID: s.ID}
	status, _ := Find(s.Attributes, "http.response.status_code")
	if status != "" {
		status = " → " + status
	}
	switch s.Kind {
	case KindProducer:
		out.Kind, out.Text = "event", s.Name
	case KindConsumer:
		out.Kind, out.Text = "handled", s.Name
	case KindServer:
		caller, told := Find(s.Attributes, "plat.caller")
		if n.Parent != nil && n.Parent.Span.Kind == KindServer && n.Parent.Span.Resource.Service == s.Resource.Service {
			return Step{}, false // plat's listener told it already
		}
		out.Kind, out.Text = "request", s.Name+status
		if told {
			out.Kind, out.Text = "call", caller+" asks: "+s.Name+status
		}
	case KindUnset, KindInternal, KindClient:
		if n.Parent != nil || s.Kind == KindClient {
			return Step{}, false
		}
		out.Kind, out.Text = "request", s.Name
	}
	if out.Failed && s.StatusMessage != "" && !strings.Contains(out.Text, s.StatusMessage) {
		out.Text += ": " + s.StatusMessage
	}
	return out, true
}
