package chart

import (
	"cmp"
	"slices"

	"github.com/plat-dev/plat/api"
)

// The layout is the usual one for directed graphs, from left to right: members
// stand in layers, so that calls lead to the right; what spans several layers
// has a place in each of those between; the places of a layer are put in an
// order with few crossings, and then moved towards what they are joined with.

// box is a place in a layer: a member, or where a line passes by.
type box struct {
	node          int // of the map; -1: a line passes by
	layer         int
	width, height float64
	x, y          float64 // its middle
	at, middle    float64 // where it is in its layer, and where what it is joined with is
	left, right   []*box  // what it is joined with, a layer on
}

// wire is a line with the boxes that it leads through, from its beginning to
// its end.
type wire struct {
	line
	way []*box
}

// Sizes of the drawing, in pixels.
const (
	boxHeight  = 44
	passHeight = 12
	portGap    = 10 // between the ends of two lines at one member
	rowGap     = 26
	passGap    = 8
	layerGap   = 130
	margin     = 28
	sweeps     = 12
)

type layout struct {
	boxes         []*box // of the members, as on the map
	layers        [][]*box
	wires         []wire
	width, height float64
}

// arrange lays a map out. The same map is laid out alike each time.
func arrange(m api.Map) *layout {
	l := &layout{width: 2 * margin, height: 2 * margin}
	if len(m.Nodes) == 0 {
		return l
	}
	index := map[string]int{}
	for i, n := range m.Nodes {
		index[n.Name] = i
		l.boxes = append(l.boxes, &box{node: i, width: textWidth(n.Name) + 36, height: boxHeight})
	}
	all := slices.DeleteFunc(lines(m), func(e line) bool {
		_, from := index[e.from]
		_, to := index[e.to]
		return !from || !to || e.from == e.to
	})
	l.layer(all, index)
	for _, e := range all {
		l.join(e, l.boxes[index[e.from]], l.boxes[index[e.to]])
	}
	for b, both := range l.sides() {
		b.height = max(boxHeight, portGap*float64(max(len(both[0]), len(both[1])))+14)
	}
	for _, layer := range l.layers {
		number(layer)
	}
	for i := range sweeps {
		l.order(i%2 == 0)
	}
	l.place()
	return l
}

// layer gives each member its layer: one more than the last of those that lead
// to it. What would close a circle does not count, nor do events where a route
// or a call leads to the member.
func (l *layout) layer(all []line, index map[string]int) {
	next, called := make([][]int, len(l.boxes)), make([]bool, len(l.boxes))
	rank := func(e line) int { return slices.Index([]string{"route", "call", "event"}, e.kind) }
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b line) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.state, b.state)) // declared, seen, undeclared
	})
	for _, e := range sorted {
		from, to := index[e.from], index[e.to]
		if e.kind == "event" && called[to] || reaches(next, to, from) {
			continue
		}
		next[from] = append(next[from], to)
		called[to] = called[to] || e.kind != "event"
	}
	before := make([][]int, len(l.boxes))
	for from, all := range next {
		for _, to := range all {
			before[to] = append(before[to], from)
		}
	}
	known := make([]bool, len(l.boxes))
	var find func(at int) int
	find = func(at int) int {
		if known[at] {
			return l.boxes[at].layer
		}
		known[at] = true
		for _, from := range before[at] {
			l.boxes[at].layer = max(l.boxes[at].layer, find(from)+1)
		}
		return l.boxes[at].layer
	}
	for i := range l.boxes {
		find(i)
	}
	last := 0
	for _, b := range l.boxes {
		last = max(last, b.layer)
	}
	l.layers = make([][]*box, last+1)
	for _, b := range l.boxes {
		l.layers[b.layer] = append(l.layers[b.layer], b)
	}
}

// reaches tells whether a way leads from one to another.
func reaches(next [][]int, from, to int) bool {
	seen := map[int]bool{from: true}
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == to {
			return true
		}
		for _, n := range next[queue[0]] {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	return false
}

// join leads a line through the layers between its ends.
func (l *layout) join(e line, from, to *box) {
	w := wire{line: e, way: []*box{from}}
	step := cmp.Compare(to.layer, from.layer)
	link := func(a, b *box) {
		if a.layer > b.layer {
			a, b = b, a
		}
		a.right, b.left = append(a.right, b), append(b.left, a)
	}
	at := from
	for layer := from.layer + step; step != 0 && layer != to.layer; layer += step {
		pass := &box{node: -1, layer: layer, height: passHeight}
		l.layers[layer] = append(l.layers[layer], pass)
		link(at, pass)
		w.way = append(w.way, pass)
		at = pass
	}
	if step != 0 {
		link(at, to)
	}
	w.way = append(w.way, to)
	l.wires = append(l.wires, w)
}

// order sorts each layer by the middle of what its boxes are joined with in
// the layer before, from left to right or the other way.
func (l *layout) order(rightwards bool) {
	for i := range l.layers {
		layer := l.layers[i]
		if !rightwards {
			layer = l.layers[len(l.layers)-1-i]
		}
		for _, b := range layer {
			joined := b.left
			if !rightwards {
				joined = b.right
			}
			b.middle = b.at
			if len(joined) > 0 {
				b.middle = 0
				for _, o := range joined {
					b.middle += o.at / float64(len(joined))
				}
			}
		}
		slices.SortStableFunc(layer, func(a, b *box) int { return cmp.Compare(a.middle, b.middle) })
		number(layer)
	}
}

// number tells the boxes of a layer where they are in it, from 0 to 1.
func number(layer []*box) {
	for i, b := range layer {
		b.at = float64(i) / float64(len(layer))
	}
}

// place gives every box its middle.
func (l *layout) place() {
	x := float64(margin)
	for _, layer := range l.layers {
		width := 0.0
		for _, b := range layer {
			width = max(width, b.width)
		}
		y := 0.0
		for _, b := range layer {
			b.x = x + width/2
			b.y = y + b.height/2
			y += b.height + rowGap
		}
		x += width + layerGap
	}
	l.width = x - layerGap + margin
	for i := range 2 * sweeps {
		for j := range l.layers {
			layer := l.layers[j]
			if i%2 == 1 {
				layer = l.layers[len(l.layers)-1-j]
			}
			settle(layer)
		}
	}
	top, bottom := 0.0, 0.0
	for i, layer := range l.layers {
		if first := layer[0]; i == 0 || first.y-first.height/2 < top {
			top = first.y - first.height/2
		}
		if last := layer[len(layer)-1]; i == 0 || last.y+last.height/2 > bottom {
			bottom = last.y + last.height/2
		}
	}
	for _, layer := range l.layers {
		for _, b := range layer {
			b.y += margin - top
		}
	}
	l.height = bottom - top + 2*margin
}

// settle moves the boxes of a layer to the middle of what they are joined
// with, as far as their order and the gaps allow: the nearest such places by
// least squares, found by joining neighbours that press on one another.
func settle(layer []*box) {
	type block struct {
		sum   float64
		count int
	}
	offsets := make([]float64, len(layer))
	var blocks []block
	for i, b := range layer {
		if i > 0 {
			gap := float64(rowGap)
			if b.node < 0 || layer[i-1].node < 0 {
				gap = passGap
			}
			offsets[i] = offsets[i-1] + layer[i-1].height/2 + gap + b.height/2
		}
		wanted, joined := b.y, 0.0
		for _, o := range slices.Concat(b.left, b.right) {
			joined += o.y
		}
		if n := len(b.left) + len(b.right); n > 0 {
			wanted = joined / float64(n)
		}
		blocks = append(blocks, block{wanted - offsets[i], 1})
		for n := len(blocks); n > 1 && blocks[n-2].sum/float64(blocks[n-2].count) > blocks[n-1].sum/float64(blocks[n-1].count); n-- {
			blocks[n-2].sum += blocks[n-1].sum
			blocks[n-2].count += blocks[n-1].count
			blocks = blocks[:n-1]
		}
	}
	i := 0
	for _, b := range blocks {
		for range b.count {
			layer[i].y = b.sum/float64(b.count) + offsets[i]
			i++
		}
	}
}

// textWidth is about how wide a text is, in a sans-serif font of 13 pixels.
func textWidth(s string) float64 {
	n := 0.0
	for _, r := range s {
		switch {
		case r > 0x2e80: // about where wide characters begin
			n += 14
		case r == 'i' || r == 'l' || r == 'j' || r == '.' || r == '-':
			n += 5
		default:
			n += 8
		}
	}
	return n
}
