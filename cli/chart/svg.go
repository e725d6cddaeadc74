package chart

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/plat-dev/plat/api"
)

// SVG draws a map, dark on light, from left to right; each line has a title
// with all that is known of it.
func SVG(m api.Map) string {
	l := arrange(m)
	var b strings.Builder
	width, height := max(l.width, 560), l.height+40
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n", width, height, width, height)
	b.WriteString("<title>Who calls whom</title>\n" + style + markers())
	fmt.Fprintf(&b, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n", width, height)
	var taken []area
	for _, at := range l.boxes {
		taken = append(taken, area{at.x - at.width/2, at.y - at.height/2, at.x + at.width/2, at.y + at.height/2})
	}
	ends := l.ends()
	for i, w := range l.wires {
		w.draw(&b, ends[i], &taken)
	}
	for i, n := range m.Nodes {
		drawNode(&b, n, l.boxes[i])
	}
	drawLegend(&b, height-22)
	b.WriteString("</svg>\n")
	return b.String()
}

const style = `<style>
.edge path { fill: none; stroke: #44546a; stroke-width: 1.5 }
.edge.declared path { stroke-dasharray: 2 4 }
.edge.event path { stroke: #6b5b95; stroke-dasharray: 7 4; stroke-width: 1.2 }
.edge.wrong path { stroke: #b45309; stroke-width: 2 }
.edge.undeclared path { stroke: #b3261e; stroke-width: 2.5 }
.edge:hover path { stroke-width: 4 }
.edge text { font-size: 10px; fill: #1f2937; paint-order: stroke; stroke: #ffffff; stroke-width: 3px }
.node rect { fill: #f4f6f8; stroke: #1f2937 }
.node.gateway rect { fill: #e0ecff }
.node.external rect, .node.outside rect { fill: #fff7e0; stroke-dasharray: 4 3 }
.node text { fill: #111827; text-anchor: middle }
.node .about { font-size: 10px; fill: #4b5563 }
.legend text { font-size: 11px; fill: #374151 }
</style>
`

// markers are the arrow heads, by class.
func markers() string {
	text := "<defs>\n"
	for _, c := range [][2]string{{"plain", "#44546a"}, {"event", "#6b5b95"}, {"wrong", "#b45309"}, {"undeclared", "#b3261e"}} {
		text += fmt.Sprintf("<marker id=\"%s\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"%s\"/></marker>\n", c[0], c[1])
	}
	return text + "</defs>\n"
}

// class is how a line is drawn.
func (l line) class() string {
	switch {
	case l.state == Undeclared:
		return "undeclared"
	case l.wrong():
		return "wrong"
	case l.kind == "event":
		return "event"
	case l.kind == "call" && l.state == Declared:
		return "declared"
	}
	return "plain"
}

// end is where a line touches a member: its first end is 0, its last 1.
type end struct {
	wire, which int
	next        *box
}

// sides are the ends at each member, left and right. What stays within a layer
// goes out and in on the right.
func (l *layout) sides() map[*box]*[2][]end {
	sides := map[*box]*[2][]end{}
	for i, w := range l.wires {
		last := len(w.way) - 1
		for which, at := range []int{0, last} {
			b, next := w.way[at], w.way[1]
			if at == last {
				next = w.way[last-1]
			}
			if sides[b] == nil {
				sides[b] = &[2][]end{}
			}
			side := 0
			if next.layer >= b.layer {
				side = 1
			}
			sides[b][side] = append(sides[b][side], end{i, which, next})
		}
	}
	return sides
}

// ends are where the lines touch their members: spread over a side, in the
// order in which they lead away, so that few cross.
func (l *layout) ends() [][2]point {
	ends := make([][2]point, len(l.wires))
	for b, both := range l.sides() {
		for side, all := range both {
			slices.SortStableFunc(all, func(p, q end) int {
				return cmp.Or(cmp.Compare(p.next.y, q.next.y), cmp.Compare(p.wire, q.wire), cmp.Compare(p.which, q.which))
			})
			x := b.x + b.width/2*float64(2*side-1)
			for i, e := range all {
				ends[e.wire][e.which] = point{x, b.y + portGap*(float64(i)-float64(len(all)-1)/2)}
			}
		}
	}
	return ends
}

type point struct{ x, y float64 }

// curve is a cubic Bézier curve.
type curve [4]point

// at is the point of the curve at a share of it.
func (c curve) at(t float64) point {
	s := 1 - t
	k := [4]float64{s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t}
	var p point
	for i := range c {
		p.x += k[i] * c[i].x
		p.y += k[i] * c[i].y
	}
	return p
}

// curves lead a line from one end through its boxes to the other.
func (w wire) curves(ends [2]point) []curve {
	points := []point{ends[0]}
	for _, pass := range w.way[1 : len(w.way)-1] {
		points = append(points, point{pass.x, pass.y})
	}
	points = append(points, ends[1])
	within := w.way[0].layer == w.way[len(w.way)-1].layer
	var all []curve
	for i := 1; i < len(points); i++ {
		p, q := points[i-1], points[i]
		bend := (q.x - p.x) / 2
		c := curve{p, {p.x + bend, p.y}, {q.x - bend, q.y}, q}
		if within { // out and back on the right side
			out := max(p.x, q.x) + layerGap/3
			c[1].x, c[2].x = out, out
		}
		all = append(all, c)
	}
	return all
}

// draw writes a line; what stands beside it is placed where nothing stands
// yet.
func (w wire) draw(b *strings.Builder, ends [2]point, taken *[]area) {
	class := w.class()
	head := class
	if head == "declared" {
		head = "plain"
	}
	curves := w.curves(ends)
	fmt.Fprintf(b, "<g class=\"edge %s %s\"><title>%s</title><path marker-end=\"url(#%s)\" d=\"M%.1f %.1f", w.kind, class, text(w.title()), head, ends[0].x, ends[0].y)
	for _, c := range curves {
		fmt.Fprintf(b, "C%.1f %.1f %.1f %.1f %.1f %.1f", c[1].x, c[1].y, c[2].x, c[2].y, c[3].x, c[3].y)
	}
	b.WriteString("\"/>")
	if label := w.label(); w.kind == "call" && label != "" {
		at := free(label, curves, taken)
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>", at.x, at.y, text(label))
	}
	b.WriteString("</g>\n")
}

// area is taken by a member, or by words.
type area struct{ left, top, right, bottom float64 }

// free finds a place for a label on its line that is not taken, as near to the
// middle as there is one, and takes it.
func free(label string, curves []curve, taken *[]area) point {
	half := textWidth(label) * 10 / 13 / 2
	var first area
	for i, t := range []float64{0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8} {
		t *= float64(len(curves))
		n := min(int(t), len(curves)-1)
		p := curves[n].at(t - float64(n))
		place := area{p.x - half, p.y - 13, p.x + half, p.y}
		if i == 0 {
			first = place
		}
		if !slices.ContainsFunc(*taken, func(a area) bool {
			return a.left < place.right && place.left < a.right && a.top < place.bottom && place.top < a.bottom
		}) {
			first = place
			break
		}
	}
	*taken = append(*taken, first)
	return point{(first.left + first.right) / 2, first.bottom - 3}
}

// title is all that is known of a line.
func (l line) title() string {
	all := []string{l.from + " → " + l.to + ", " + l.kind}
	for _, e := range l.edges {
		all = append(all, about(e))
	}
	return strings.Join(all, "\n")
}

func drawNode(b *strings.Builder, n api.Node, at *box) {
	round := 6
	if n.Kind == "gateway" {
		round = 20
	}
	about := n.Kind
	if n.Kind == "service" {
		about = n.State
	}
	fmt.Fprintf(b, "<g class=\"node %s\"><title>%s</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%d\"/><text x=\"%.1f\" y=\"%.1f\">%s</text><text class=\"about\" x=\"%.1f\" y=\"%.1f\">%s</text></g>\n",
		text(n.Kind), text(strings.TrimSpace(n.Name+"\n"+n.Owner)), at.x-at.width/2, at.y-at.height/2, at.width, at.height, round, at.x, at.y, text(n.Name), at.x, at.y+14, text(about))
}

func drawLegend(b *strings.Builder, y float64) {
	b.WriteString("<g class=\"legend\">")
	x := float64(margin)
	for _, c := range [][2]string{{"plain", "seen"}, {"declared", "declared, not seen"}, {"event", "event"}, {"wrong", "1% errors or more"}, {"undeclared", "undeclared"}} {
		fmt.Fprintf(b, "<g class=\"edge %s\"><path d=\"M%.0f %.0fh28\"/></g><text x=\"%.0f\" y=\"%.0f\">%s</text>", c[0], x, y, x+34, y+4, c[1])
		x += 34 + textWidth(c[1]) + 18
	}
	b.WriteString("</g>\n")
}

// text is a text in XML.
func text(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
