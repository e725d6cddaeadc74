package telemetry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/telemetry"
)

// span makes one by short words: its ID, its parent's, and when.
func span(service string, id, parent byte, start, duration int64, more ...func(*telemetry.Span)) telemetry.Span {
	s := telemetry.Span{
		Resource: &telemetry.Resource{Service: service, Instance: service + "-1"}, TraceID: telemetry.TraceID{1},
		ID: telemetry.SpanID{id}, Name: fmt.Sprint(service, id), Start: start, Duration: duration,
	}
	if parent != 0 {
		s.Parent = telemetry.SpanID{parent}
	}
	for _, m := range more {
		m(&s)
	}
	return s
}

func failed(s *telemetry.Span)   { s.Status = telemetry.StatusError }
func consumer(s *telemetry.Span) { s.Kind = telemetry.KindConsumer }

// drawn shows a tree by a line a span: depth, name, start, and marks.
func drawn(t telemetry.Tree) []string {
	var lines []string
	for _, n := range t.Nodes {
		line := fmt.Sprintf("%s%s %d+%d", strings.Repeat(" ", n.Depth), n.Span.Name, n.Span.Start, n.Span.Duration)
		if n.Critical {
			line += " critical"
		}
		if n.Skew != 0 {
			line += fmt.Sprint(" moved ", n.Skew)
		}
		if n.Orphan {
			line += " orphan"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAssemble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spans    []telemetry.Span
		want     []string
		culprit  string
		warnings int
	}{
		"none": {},
		"children in order, twice told, the critical path": {
			spans: []telemetry.Span{
				span("c", 4, 1, 60, 30), span("b", 2, 1, 10, 45), span("a", 1, 0, 0, 100), span("b", 2, 1, 10, 45), span("b", 3, 2, 20, 10), span("d", 5, 1, 10, 5),
			},
			want:    []string{"a1 0+100 critical", " b2 10+45 critical", "  b3 20+10 critical", " d5 10+5", " c4 60+30 critical"},
			culprit: "b2",
		},
		"half a trace": {
			spans:    []telemetry.Span{span("b", 2, 1, 10, 40), span("b", 3, 2, 20, 10)},
			want:     []string{"b2 10+40 critical orphan", " b3 20+10 critical"},
			culprit:  "b2",
			warnings: 1,
		},
		"another clock moves all of its instance, not what that calls": {
			spans: []telemetry.Span{
				span("a", 1, 0, 0, 100), span("b", 2, 1, 1000, 40), span("b", 3, 2, 1010, 20), span("c", 4, 3, 5000, 10),
			},
			want:     []string{"a1 0+100 critical", " b2 30+40 critical moved -970", "  b3 40+20 critical moved -970", "   c4 45+10 critical moved -4955"},
			culprit:  "a1",
			warnings: 1,
		},
		"what goes on after its caller is not moved, an event's consumer neither": {
			spans:   []telemetry.Span{span("a", 1, 0, 0, 100), span("b", 2, 1, 90, 40), span("c", 3, 1, 5000, 10, consumer)},
			want:    []string{"a1 0+100 critical", " b2 90+40", " c3 5000+10 critical"},
			culprit: "a1",
		},
		"an event's slow consumer, behind what published it": {
			spans: []telemetry.Span{
				span("a", 1, 0, 0, 100), span("b", 2, 1, 10, 20), span("a", 3, 1, 90, 5), span("c", 4, 3, 200, 4000, consumer), span("d", 5, 4, 300, 50), span("e", 6, 3, 120, 30, consumer),
			},
			want:    []string{"a1 0+100 critical", " b2 10+20 critical", " a3 90+5 critical", "  e6 120+30", "  c4 200+4000 critical", "   d5 300+50 critical"},
			culprit: "c4",
		},
		"a circle": {
			spans:    []telemetry.Span{span("a", 1, 2, 0, 10), span("a", 2, 1, 1, 5), span("a", 3, 3, 7, 1)},
			want:     []string{"a1 0+10 critical orphan", " a2 1+5 critical", "a3 7+1"},
			culprit:  "a1",
			warnings: 1,
		},
		"the deepest failure": {
			spans:   []telemetry.Span{span("a", 1, 0, 0, 100, failed), span("b", 2, 1, 10, 40, failed), span("c", 3, 2, 15, 30, failed), span("d", 4, 3, 16, 1)},
			want:    []string{"a1 0+100 critical", " b2 10+40 critical", "  c3 15+30 critical", "   d4 16+1 critical"},
			culprit: "c3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := telemetry.Assemble(c.spans)
			if diff := cmp.Diff(c.want, drawn(got)); diff != "" {
				t.Error(diff)
			}
			if len(got.Warnings) != c.warnings {
				t.Errorf("warnings: %q, want %d", got.Warnings, c.warnings)
			}
			if culprit := got.Culprit(); culprit != nil && culprit.Span.Name != c.culprit || culprit == nil && c.culprit != "" {
				t.Errorf("culprit: %v, want %s", culprit, c.culprit)
			}
		})
	}
}

// TestAssembleDeep takes a trace of a hundred thousand spans, each the child
// of the one before.
func TestAssembleDeep(t *testing.T) {
	t.Parallel()
	const n = 100_000
	spans := make([]telemetry.Span, n)
	for i := range spans {
		spans[i] = span("a", 0, 0, int64(i), int64(2*n-2*i))
		spans[i].ID = telemetry.SpanID{1, byte(i >> 16), byte(i >> 8), byte(i)}
		if i > 0 {
			spans[i].Parent = spans[i-1].ID
		}
	}
	tree := telemetry.Assemble(spans)
	if len(tree.Nodes) != n || tree.Nodes[n-1].Depth != n-1 || !tree.Nodes[n-1].Critical {
		t.Errorf("%d nodes, the last at depth %d", len(tree.Nodes), tree.Nodes[len(tree.Nodes)-1].Depth)
	}
}
