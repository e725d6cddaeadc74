package telemetry

import (
	"cmp"
	"fmt"
	"slices"
)

// Tree is the spans of one trace, put in order.
type Tree struct {
	ID       TraceID
	Nodes    []*Node // parents before children, siblings by start
	Start    int64   // of the earliest span, nanoseconds of Unix time
	End      int64   // of the latest
	Warnings []string
}

// Node is a span at its place in a trace.
type Node struct {
	Span     *Span // Start is put right by Skew
	Parent   *Node // nil for a root
	Children []*Node
	Depth    int   // 0 for a root
	Skew     int64 // nanoseconds that were added to Start, since its clock differs from the parent's
	Critical bool  // the trace would be shorter if this span were
	Orphan   bool  // its parent is not among the spans
}

// Assemble orders the spans of one trace. It keeps a slice of its own, so
// that what was given stays as it is. Spans that came twice count once. Where
// a span of another instance does not lie within the call that caused it, its
// clock differs: it and what it caused are moved into the middle of the call.
// A warning says what lacks and what was moved.
func Assemble(spans []Span) Tree {
	kept := deduplicate(spans)
	t := Tree{}
	if len(kept) == 0 {
		return t
	}
	t.ID = kept[0].TraceID
	nodes := make([]Node, len(kept))
	byID := make(map[SpanID]*Node, len(kept))
	for i := range kept {
		nodes[i].Span = &kept[i]
		if byID[kept[i].ID] == nil { // a server may share its caller's ID (Zipkin): the first, the caller, is the parent of what follows
			byID[kept[i].ID] = &nodes[i]
		}
	}
	var roots []*Node
	lacking := 0
	for i := range nodes {
		n := &nodes[i]
		parent := byID[n.Span.Parent]
		switch {
		case n.Span.Parent.IsZero() || parent == n:
			roots = append(roots, n)
		case parent == nil:
			n.Orphan = true
			lacking++
			roots = append(roots, n)
		default:
			n.Parent = parent
			parent.Children = append(parent.Children, n)
		}
	}
	roots, circles := cutCircles(nodes, roots)
	if lacking > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%d spans name a parent that is not here: it was not sampled, was lost, or is still to come", lacking))
	}
	if circles > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%d spans are their own ancestors: their parents are left out", circles))
	}
	if moved := settleClocks(roots); moved > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%d spans lay outside of the call that caused them: clocks differ, and they were moved", moved))
	}
	t.order(roots, len(nodes))
	t.mark()
	return t
}

// deduplicate copies the spans in order of start, each once.
func deduplicate(spans []Span) []Span {
	type identity struct {
		id    SpanID
		kind  SpanKind
		start int64
		name  string
	}
	seen := make(map[identity]bool, len(spans))
	kept := make([]Span, 0, len(spans))
	for i := range spans {
		s := &spans[i]
		k := identity{s.ID, s.Kind, s.Start, s.Name}
		if !seen[k] {
			seen[k] = true
			kept = append(kept, *s)
		}
	}
	slices.SortStableFunc(kept, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Duration, a.Duration))
	})
	return kept
}

// cutCircles makes roots of those spans that no root leads to.
func cutCircles(nodes []Node, roots []*Node) (all []*Node, cut int) {
	reached := make(map[*Node]bool, len(nodes))
	walk := func(from *Node) {
		stack := []*Node{from}
		for len(stack) > 0 {
			n := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !reached[n] {
				reached[n] = true
				stack = append(stack, n.Children...)
			}
		}
	}
	for _, r := range roots {
		walk(r)
	}
	for i := range nodes {
		n := &nodes[i]
		if reached[n] {
			continue
		}
		n.Parent.Children = slices.DeleteFunc(n.Parent.Children, func(c *Node) bool { return c == n })
		n.Parent, n.Orphan = nil, true
		cut++
		roots = append(roots, n)
		walk(n)
	}
	return roots, cut
}

// settleClocks moves what lies outside of the call that caused it.
func settleClocks(roots []*Node) (moved int) {
	type step struct {
		node *Node
		skew int64 // of the parent's instance
	}
	var stack []step
	for _, r := range roots {
		stack = append(stack, step{r, 0})
	}
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := s.node
		skew := s.skew
		if p := n.Parent; p != nil && !sameClock(p.Span, n.Span) {
			skew = 0
			if n.Span.Kind != KindConsumer { // what comes later by design is not late by its clock
				skew = clockDifference(p.Span, n.Span)
			}
		}
		if skew != 0 {
			n.Skew = skew
			n.Span.Start += skew
			moved++
		}
		for _, c := range n.Children {
			stack = append(stack, step{c, skew})
		}
	}
	return moved
}

// sameClock tells whether two spans were timed by the same process.
func sameClock(a, b *Span) bool {
	if a.Resource == nil || b.Resource == nil {
		return a.Resource == b.Resource
	}
	return a.Resource.Service == b.Resource.Service && a.Resource.Instance == b.Resource.Instance
}

// clockDifference is by how much a child must move to lie within its parent;
// 0 where it does, or where nothing can be said since it took longer.
func clockDifference(parent, child *Span) int64 {
	if child.Start >= parent.Start && child.End() <= parent.End() {
		return 0
	}
	if child.Duration > parent.Duration {
		if child.Start < parent.Start {
			return parent.Start - child.Start
		}
		return 0 // it went on when nobody waited any more
	}
	if child.Start >= parent.Start && child.Start <= parent.End() {
		return 0 // likewise
	}
	return parent.Start + (parent.Duration-child.Duration)/2 - child.Start
}

// order lists the nodes, parents first.
func (t *Tree) order(roots []*Node, n int) {
	byStart := func(a, b *Node) int { return cmp.Compare(a.Span.Start, b.Span.Start) }
	slices.SortStableFunc(roots, byStart)
	t.Nodes = make([]*Node, 0, n)
	stack := slices.Clone(roots)
	slices.Reverse(stack)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n.Parent != nil {
			n.Depth = n.Parent.Depth + 1
		}
		if len(t.Nodes) == 0 || n.Span.Start < t.Start {
			t.Start = n.Span.Start
		}
		t.End = max(t.End, n.Span.End())
		t.Nodes = append(t.Nodes, n)
		slices.SortStableFunc(n.Children, byStart)
		for _, c := range slices.Backward(n.Children) {
			stack = append(stack, c)
		}
	}
}

// mark finds the critical path: backwards from what ended last below the first
// root, what was waited for. That may be the handling of an event, long after
// the request that set it off was answered.
func (t *Tree) mark() {
	if len(t.Nodes) == 0 {
		return
	}
	last := t.Nodes[0]
	for _, n := range t.Nodes[1:] {
		if n.Parent == nil {
			break // the next root
		}
		if n.Span.End() > last.Span.End() {
			last = n
		}
	}
	type step struct {
		node *Node
		end  int64
	}
	stack := []step{{last, last.Span.End()}}
	for n := last; n.Parent != nil; n = n.Parent { // its cause waited for what ended before it began
		stack = append(stack, step{n.Parent, n.Span.Start})
	}
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		s.node.Critical = true
		children := slices.Clone(s.node.Children)
		slices.SortStableFunc(children, func(a, b *Node) int { return cmp.Compare(b.Span.End(), a.Span.End()) })
		at := min(s.end, s.node.Span.End())
		for _, c := range children {
			if c.Span.End() <= at && c.Span.End() > s.node.Span.Start {
				stack = append(stack, step{c, at})
				at = c.Span.Start
			}
		}
	}
}

// Self is how long a span took without those below it that it waited for.
func (n *Node) Self() int64 {
	var busy, until int64
	until = n.Span.Start
	for _, c := range n.Children { // sorted by start
		from, to := max(c.Span.Start, until), min(c.Span.End(), n.Span.End())
		if to > from {
			busy += to - from
			until = to
		}
	}
	return max(n.Span.Duration-busy, 0)
}

// ScopeProbe is the scope of the spans of plat's own test customers.
const ScopeProbe = "plat/probe"

// Culprit is the span that explains a trace: of those that failed the deepest
// one, whose cause lies in no other; when none failed, the one that took the
// most time by itself on the critical path. Nil for no spans.
func (t *Tree) Culprit() *Node {
	var worst *Node
	for _, n := range t.Nodes {
		if n.Span.Status != StatusError || slices.ContainsFunc(n.Children, func(c *Node) bool { return c.Span.Status == StatusError }) {
			continue
		}
		if worst == nil || n.Depth > worst.Depth {
			worst = n
		}
	}
	if worst != nil {
		return worst
	}
	for _, n := range t.Nodes {
		if n.Span.Scope == ScopeProbe {
			continue // it waits as a customer does
		}
		if n.Critical && (worst == nil || n.Self() > worst.Self()) {
			worst = n
		}
	}
	return worst
}
