package edit

import (
	"bytes"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// RemoveCall takes the declaration out of the text of a service.yaml by which
// the service calls another; file is its name in faults. What is left empty
// by that goes too, all else stays as it is written. The text is left alone.
// The error is a fault: edit-not-declared, edit-by-hand; or those of a text
// that is no plan, joined.
func RemoveCall(file string, source []byte, callee string) (Edit, error) {
	return Remove(file, source, keys(callee, false)...)
}

// Remove takes what the keys lead to out of the text of a file; otherwise it
// is as RemoveCall.
func Remove(file string, source []byte, keys ...string) (Edit, error) {
	root, err := parse(file, source)
	if err != nil {
		return Edit{}, err
	}
	hand := fault.Newf(fault.EditByHand, "cannot take %s out of %s", strings.Join(keys, "."), file).At(file, 0, 0).
		Why("there is no way to cut it out that would change nothing else").Fix("take it out by hand, then run plat check")
	n, end := root, 0
	var parent *yaml.Node // of what is cut out: the last with more than one key
	at, depth, stop := 0, 0, 0
	for i, key := range keys {
		j := -1
		if n != nil && n.Kind == yaml.Mapping {
			j = slices.IndexFunc(n.Entries, func(e yaml.Entry) bool { return e.Key == key })
		}
		if j < 0 {
			return Edit{}, fault.Newf(fault.EditNotDeclared, "%s does not declare %s", file, strings.Join(keys, ".")).At(file, 0, 0).
				Why("nothing of it stands in the file").Fix("nothing is to be done")
		}
		if i == 0 {
			end = len(lineStarts(source))
		}
		if !n.Flow && j+1 < len(n.Entries) {
			end = n.Entries[j+1].Line
		}
		if parent == nil || len(n.Entries) > 1 {
			parent, at, depth, stop = n, j, i, end
		}
		n = n.Entries[j].Value
	}
	if len(parent.Entries) == 1 && parent == root {
		return Edit{}, hand
	}
	t := &text{source: source, starts: lineStarts(source), root: root}
	want := prune(root, keys[:depth+1])
	for _, p := range t.cuts(parent, at, stop) {
		patched := slices.Concat(source[:p.at], source[p.at+p.instead:])
		if got, err := parse(file, patched); err == nil && got != nil && same(want, got) {
			return describe(file, source, patched), nil
		}
	}
	e := parent.Entries[at]
	return Edit{}, hand.At(file, e.Line, e.Col)
}

// prune gives the tree as it is to be: without what the keys lead to. What is
// not on the way there is shared.
func prune(n *yaml.Node, keys []string) *yaml.Node {
	out := *n
	out.Entries = nil
	for _, e := range n.Entries {
		if e.Key == keys[0] {
			if len(keys) == 1 {
				continue
			}
			e.Value = prune(e.Value, keys[1:])
		}
		out.Entries = append(out.Entries, e)
	}
	return &out
}

// cuts gives what may be cut out to be rid of an entry, the nicest first; end
// is the line after the last that can belong to it.
func (t *text) cuts(parent *yaml.Node, at, end int) []place {
	e := parent.Entries[at]
	from := t.offset(e.Line, e.Col)
	if parent.Flow {
		return t.flowCuts(parent, at, from)
	}
	begin := t.starts[e.Line-1]
	if len(bytes.TrimSpace(t.source[begin:from])) > 0 {
		return nil // something else stands before it on its line
	}
	last := end - 1
	for last > e.Line && idle(t.line(last), e.Col-1) {
		last--
	}
	cut := func(line int) place { return place{at: begin, instead: t.starts[min(line, len(t.starts)-1)] - begin} }
	return []place{cut(last), cut(end - 1), cut(e.Line)}
}

// flowCuts cuts within brackets: up to the next entry; or from the comma
// before it to one of the brackets that may be its mapping's.
func (t *text) flowCuts(parent *yaml.Node, at, from int) []place {
	var all []place
	if at+1 < len(parent.Entries) {
		next := parent.Entries[at+1]
		all = append(all, place{at: from, instead: t.offset(next.Line, next.Col) - from})
	}
	comma := bytes.LastIndexByte(t.source[:from], ',')
	if comma < 0 {
		return all
	}
	for to := from; len(all) < maxClosers; {
		closer := bytes.IndexByte(t.source[to:], '}')
		if closer < 0 {
			break
		}
		behind := len(bytes.TrimRight(t.source[:to+closer], " \t\r\n"))
		all = append(all, place{at: comma, instead: max(behind, from) - comma})
		to += closer + 1
	}
	return all
}
