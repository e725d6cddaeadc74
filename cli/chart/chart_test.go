package chart_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/chart"
)

// shop has a call of each state, two routes that lie on one another, an event,
// and a program whose name means something to every format.
func shop() api.Map {
	return api.Map{
		Nodes: []api.Node{
			{Name: "catalog", Kind: "service"}, {Name: "order", Kind: "service"}, {Name: "web", Kind: "service"},
			{Name: "bank", Kind: "external"}, {Name: "public", Kind: "gateway"}, {Name: `old "<b>\n&#`, Kind: "outside"},
		},
		Edges: []api.Edge{
			{From: "order", To: "bank", Kind: "call", Declared: true},
			{
				From: "order", To: "catalog", Kind: "call", Declared: true, Count: 3, Errors: 1, Actions: &api.Actions{Count: 2, Calls: 3, Most: 2},
				Figures: &api.Figures{Rate5: 0.01, Last5: api.Window{Count: 3, Errors: 1, P50: 0.0042, P95: 1.26}},
			},
			{From: "web", To: "catalog", Kind: "call", Count: 1},
			{From: "web", To: `old "<b>\n&#`, Kind: "call", Refused: 1},
			{From: "web", To: "order", Kind: "call", Declared: true, Count: 1},
			{From: "public", To: "web", Kind: "route", Label: "/", Declared: true, Count: 1},
			{From: "public", To: "web", Kind: "route", Label: "/help", Declared: true},
			{From: "order", To: "web", Kind: "event", Label: "order.placed", Declared: true},
		},
	}
}

func TestMermaid(t *testing.T) {
	t.Parallel()
	want := `flowchart LR
  n0["catalog"]
  n1["order"]
  n2["web"]
  n3{{"bank"}}
  n4(["public"])
  n5{{"old #34;#60;b#62;\n#38;#35;"}}
  n1 -.-> n3
  n1 -->|"0.6/min, 1.3 s, 33% errors"| n0
  n2 ==>|"undeclared"| n0
  n2 ==>|"undeclared"| n5
  n2 --> n1
  n4 -->|"/, /help"| n2
  n1 -.->|"order.placed"| n2
  linkStyle 2,3 stroke:#b3261e,color:#b3261e
`
	if diff := cmp.Diff(want, chart.Mermaid(shop())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDOT(t *testing.T) {
	t.Parallel()
	want := `digraph system {
  rankdir=LR;
  node [shape=box, fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  "catalog";
  "order";
  "web";
  "bank" [shape=hexagon];
  "public" [shape=oval];
  "old \"<b>\\n&#" [shape=hexagon];
  "order" -> "bank" [style=dotted];
  "order" -> "catalog" [label="0.6/min, 1.3 s, 33% errors"];
  "web" -> "catalog" [label="undeclared", color="#b3261e", fontcolor="#b3261e", penwidth=2];
  "web" -> "old \"<b>\\n&#" [label="undeclared", color="#b3261e", fontcolor="#b3261e", penwidth=2];
  "web" -> "order";
  "public" -> "web" [label="/, /help"];
  "order" -> "web" [label="order.placed", style=dashed];
}
`
	if diff := cmp.Diff(want, chart.DOT(shop())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestParts: a part of the map has the edges that were asked for, and their
// ends alone.
func TestParts(t *testing.T) {
	t.Parallel()
	count := func(m api.Map) [2]int { return [2]int{len(m.Nodes), len(m.Edges)} }
	if got := count(chart.Around(shop(), "catalog")); got != [2]int{3, 2} {
		t.Errorf("around catalog: %v nodes and edges", got)
	}
	if got := count(chart.Around(shop(), "public")); got != [2]int{2, 2} {
		t.Errorf("around public: %v nodes and edges", got)
	}
	alone := api.Map{Nodes: []api.Node{{Name: "a"}, {Name: "b"}}}
	if got := count(chart.Around(alone, "a")); got != [2]int{1, 0} {
		t.Errorf("around one that is alone: %v nodes and edges", got)
	}
	if got := count(chart.OnlyUndeclared(shop())); got != [2]int{3, 2} {
		t.Errorf("undeclared: %v nodes and edges", got)
	}
}

// TestSVG: it is well-formed whatever the names are, each edge has its title,
// nothing lies on another, and nothing is outside the picture.
func TestSVG(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]api.Map{"shop": shop(), "nothing": {}, "thirty": large(30), "three hundred": large(300)} {
		drawn := chart.SVG(m)
		boxes, titles := read(t, drawn)
		if len(boxes) != len(m.Nodes)+1 { // and the ground
			t.Errorf("%s: %d boxes of %d members", name, len(boxes), len(m.Nodes))
		}
		ground := boxes[0]
		for i, a := range boxes[1:] {
			if a.x < 0 || a.y < 0 || a.x+a.width > ground.width || a.y+a.height > ground.height {
				t.Errorf("%s: %+v is outside of %+v", name, a, ground)
			}
			for _, b := range boxes[i+2:] {
				if a.x < b.x+b.width && b.x < a.x+a.width && a.y < b.y+b.height && b.y < a.y+a.height {
					t.Errorf("%s: %+v lies on %+v", name, a, b)
				}
			}
		}
		if chart.SVG(m) != drawn {
			t.Errorf("%s: drawn twice, it is not the same", name)
		}
		if name == "shop" {
			for _, want := range []string{"order → catalog, call\nseen, 3 seen, 1 failed, in the last 5 min 0.6/min, p50 4.2 ms, p95 1.3 s, 33% errors, 1.5 calls an action, 2 at most", "web → catalog, call\nundeclared, 1 seen", "public → web, route\n/: seen, 1 seen\n/help: declared, 0 seen", "web → old \"<b>\\n&#, call\nundeclared, 0 seen, 1 refused"} {
				if !slices.Contains(titles, want) {
					t.Errorf("no edge has the title %q: %q", want, titles)
				}
			}
		}
	}
}

type rect struct{ x, y, width, height float64 }

// read gives the boxes and titles of an SVG.
func read(t *testing.T, svg string) (boxes []rect, titles []string) {
	t.Helper()
	number := func(s string) float64 {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			t.Fatalf("%q is no number", s)
		}
		return n
	}
	dec := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return boxes, titles
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := map[string]string{"x": "0", "y": "0"}
		for _, a := range start.Attr {
			attr[a.Name.Local] = a.Value
		}
		switch start.Name.Local {
		case "rect":
			boxes = append(boxes, rect{number(attr["x"]), number(attr["y"]), number(attr["width"]), number(attr["height"])})
		case "title":
			var said string
			if err := dec.DecodeElement(&said, &start); err != nil {
				t.Fatal(err)
			}
			titles = append(titles, said)
		case "path":
			if strings.Contains(attr["d"], "NaN") || strings.Contains(attr["d"], "Inf") {
				t.Fatalf("path %s", attr["d"])
			}
		}
	}
}

// large has so many services, calls in layers, some backwards, and events.
func large(n int) api.Map {
	m := api.Map{Nodes: []api.Node{{Name: "public", Kind: "gateway"}}}
	name := func(i int) string { return fmt.Sprintf("service-%d", i%n) }
	for i := range n {
		m.Nodes = append(m.Nodes, api.Node{Name: name(i), Kind: "service", State: "ready"})
		m.Edges = append(m.Edges,
			api.Edge{From: name(i), To: name(3*i + 1), Kind: "call", Declared: i%4 > 0, Count: uint64(i % 3)},
			api.Edge{From: name(i), To: name(2*i + 7), Kind: "event", Label: "x.happened", Declared: true})
		if i%5 == 0 {
			m.Edges = append(m.Edges, api.Edge{From: "public", To: name(i), Kind: "route", Label: "/" + name(i), Declared: true})
		}
	}
	return m
}
