// Package chart draws the map of a system: as Mermaid, as DOT, as SVG. It is
// pure: a map in, a text out.
//
// It must never import another room than api.
package chart

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/api"
)

// States of an edge: what the plan says of it, and what was seen.
const (
	Declared   = "declared"   // and not seen
	Seen       = "seen"       // and declared
	Undeclared = "undeclared" // seen, or refused, without being declared
)

// State tells what is declared and what was seen of an edge.
func State(e api.Edge) string {
	switch {
	case !e.Declared:
		return Undeclared
	case e.Count > 0:
		return Seen
	}
	return Declared
}

// Around keeps of a map one member, whom it uses and who uses it.
func Around(m api.Map, name string) api.Map {
	return only(m, func(e api.Edge) bool { return e.From == name || e.To == name }, name)
}

// OnlyUndeclared keeps of a map the calls that nobody declared, and between
// whom they are.
func OnlyUndeclared(m api.Map) api.Map {
	return only(m, func(e api.Edge) bool { return State(e) == Undeclared }, "")
}

// only keeps some edges, their ends, and one member whatever becomes of it.
func only(m api.Map, keep func(api.Edge) bool, member string) api.Map {
	out := m
	out.Nodes, out.Edges = []api.Node{}, []api.Edge{}
	ends := map[string]bool{member: true}
	for _, e := range m.Edges {
		if keep(e) {
			out.Edges = append(out.Edges, e)
			ends[e.From], ends[e.To] = true, true
		}
	}
	for _, n := range m.Nodes {
		if ends[n.Name] {
			out.Nodes = append(out.Nodes, n)
		}
	}
	return out
}

// line is all edges of one kind and state between two members, which are drawn
// as one.
type line struct {
	from, to, kind, state string
	labels                []string
	edges                 []api.Edge
}

// lines joins edges that would lie on one another, in the order of the map.
func lines(m api.Map) []line {
	type key struct{ from, to, kind, state string }
	at := map[key]int{}
	var all []line
	for _, e := range m.Edges {
		k := key{e.From, e.To, e.Kind, State(e)}
		if e.Kind != "call" {
			k.state = Declared // of routes and events the plan alone tells
		}
		i, ok := at[k]
		if !ok {
			i = len(all)
			at[k] = i
			all = append(all, line{from: k.from, to: k.to, kind: k.kind, state: k.state})
		}
		all[i].edges = append(all[i].edges, e)
		if e.Label != "" {
			all[i].labels = append(all[i].labels, e.Label)
		}
	}
	return all
}

// maxLabels bounds what is written beside one line.
const maxLabels = 3

// label is what stands beside a line.
func (l line) label() string {
	switch {
	case len(l.labels) > maxLabels:
		return strings.Join(l.labels[:maxLabels-1], ", ") + fmt.Sprintf(" and %d more", len(l.labels)-maxLabels+1)
	case len(l.labels) > 0:
		return strings.Join(l.labels, ", ")
	}
	var said []string
	if l.state == Undeclared {
		said = append(said, "undeclared")
	}
	if f := l.edges[0].Figures; f != nil && f.Last5.Count > 0 {
		said = append(said, Rate(f.Rate5), Seconds(f.Last5.P95))
		if f.Last5.Errors > 0 {
			said = append(said, Share(f.Last5.Errors, f.Last5.Count)+" errors")
		}
	}
	return strings.Join(said, ", ")
}

// wrong tells whether of late a hundredth or more of a line failed.
func (l line) wrong() bool {
	var failed, all uint64
	for _, e := range l.edges {
		if e.Figures != nil {
			failed, all = failed+e.Figures.Last5.Errors, all+e.Figures.Last5.Count
		}
	}
	return failed > 0 && 100*failed >= all
}

// Rate is a number of uses a second for a person to read.
func Rate(perSecond float64) string {
	switch {
	case perSecond >= 10:
		return strconv.FormatFloat(perSecond, 'f', 0, 64) + "/s"
	case perSecond >= 0.095:
		return strconv.FormatFloat(perSecond, 'f', 1, 64) + "/s"
	}
	return strconv.FormatFloat(60*perSecond, 'f', 1, 64) + "/min"
}

// Seconds is a time for a person to read.
func Seconds(s float64) string {
	switch {
	case s >= 1:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	case s >= 0.01:
		return strconv.FormatFloat(1000*s, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(1000*s, 'f', 1, 64) + " ms"
}

// Share is a part of all for a person to read.
func Share(part, all uint64) string {
	if part == 0 || all == 0 {
		return "0%"
	}
	percent := 100 * float64(part) / float64(all)
	if percent < 1 {
		return strconv.FormatFloat(percent, 'g', 1, 64) + "%"
	}
	return strconv.FormatFloat(percent, 'f', 0, 64) + "%"
}

// Mermaid draws a map as a flowchart for Markdown. Undeclared calls are thick
// and red, what was declared and not seen is dotted, events are dotted too.
func Mermaid(m api.Map) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	ids := map[string]string{}
	for i, n := range m.Nodes {
		ids[n.Name] = "n" + strconv.Itoa(i)
		open, end := "[", "]"
		switch n.Kind {
		case "gateway":
			open, end = "([", "])"
		case "external", "outside":
			open, end = "{{", "}}"
		}
		fmt.Fprintf(&b, "  %s%s\"%s\"%s\n", ids[n.Name], open, mermaidText(n.Name), end)
	}
	var red []string
	n := 0
	for _, l := range lines(m) {
		from, to := ids[l.from], ids[l.to]
		if from == "" || to == "" {
			continue
		}
		arrow := "-->"
		switch {
		case l.state == Undeclared:
			arrow = "==>"
			red = append(red, strconv.Itoa(n))
		case l.kind == "event" || l.kind == "call" && l.state == Declared:
			arrow = "-.->"
		}
		n++
		if label := l.label(); label != "" {
			fmt.Fprintf(&b, "  %s %s|\"%s\"| %s\n", from, arrow, mermaidText(label), to)
			continue
		}
		fmt.Fprintf(&b, "  %s %s %s\n", from, arrow, to)
	}
	if len(red) > 0 {
		fmt.Fprintf(&b, "  linkStyle %s stroke:#b3261e,color:#b3261e\n", strings.Join(red, ","))
	}
	return b.String()
}

// mermaidText is a text within quotation marks: Mermaid has entity codes for
// what means something to it, or to HTML.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune("\"#&<>`{}|", r):
			fmt.Fprintf(&b, "#%d;", r)
		case r < ' ' || r == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// DOT draws a map for Graphviz.
func DOT(m api.Map) string {
	var b strings.Builder
	b.WriteString("digraph system {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	for _, n := range m.Nodes {
		shape := ""
		switch n.Kind {
		case "gateway":
			shape = " [shape=oval]"
		case "external", "outside":
			shape = " [shape=hexagon]"
		}
		fmt.Fprintf(&b, "  %s%s;\n", dotText(n.Name), shape)
	}
	for _, l := range lines(m) {
		var attrs []string
		if label := l.label(); label != "" {
			attrs = append(attrs, "label="+dotText(label))
		}
		switch {
		case l.state == Undeclared:
			attrs = append(attrs, "color=\"#b3261e\"", "fontcolor=\"#b3261e\"", "penwidth=2")
		case l.kind == "event":
			attrs = append(attrs, "style=dashed")
		case l.kind == "call" && l.state == Declared:
			attrs = append(attrs, "style=dotted")
		}
		tail := ""
		if len(attrs) > 0 {
			tail = " [" + strings.Join(attrs, ", ") + "]"
		}
		fmt.Fprintf(&b, "  %s -> %s%s;\n", dotText(l.from), dotText(l.to), tail)
	}
	b.WriteString("}\n")
	return b.String()
}

// dotText is a quoted ID of DOT, in which the quotation mark alone means
// something; a backslash would begin an escape of labels.
func dotText(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ", "\r", " ").Replace(s)
	return `"` + s + `"`
}

// about says in a line what is known of one edge.
func about(e api.Edge) string {
	all := []string{State(e)}
	if e.Kind == "event" {
		all[0] = "declared"
	}
	if e.Label != "" {
		all[0] = e.Label + ": " + all[0]
	}
	if e.Kind == "event" {
		all = append(all, fmt.Sprintf("%d handled", e.Count))
		if e.Lag > 0 {
			all = append(all, fmt.Sprintf("%d waiting", e.Lag))
		}
	} else {
		all = append(all, fmt.Sprintf("%d seen", e.Count))
		if e.Errors > 0 {
			all = append(all, fmt.Sprintf("%d failed", e.Errors))
		}
		if e.Refused > 0 {
			all = append(all, fmt.Sprintf("%d refused", e.Refused))
		}
	}
	if f := e.Figures; f != nil && f.Last5.Count > 0 {
		all = append(all, fmt.Sprintf("in the last 5 min %s, p50 %s, p95 %s, %s errors", Rate(f.Rate5), Seconds(f.Last5.P50), Seconds(f.Last5.P95), Share(f.Last5.Errors, f.Last5.Count)))
	}
	if a := e.Actions; a != nil {
		all = append(all, fmt.Sprintf("%.1f calls an action, %d at most", float64(a.Calls)/float64(max(a.Count, 1)), a.Most))
	}
	return strings.Join(all, ", ")
}
