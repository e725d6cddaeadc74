package edit

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// AddService adds a folder to the services of a plat.yaml, whose text is
// source; file is its name in faults. The text is left alone, and what is made
// of it says all that it said, and the folder after the others. Whether a
// pattern leads to the folder already is not looked at. The error is a fault:
// edit-already-declared with the line, edit-by-hand; or those of a text that
// is no plan, joined.
func AddService(file string, source []byte, dir string) (Edit, error) {
	root, err := parse(file, source)
	if err != nil {
		return Edit{}, err
	}
	hand := fault.Newf(fault.EditByHand, "cannot list %s in %s", dir, file).At(file, 0, 0).
		Why("there is no place in it where the line would change nothing else").Fix("add - path: " + dir + " under services in " + file)
	if root == nil || root.Kind != yaml.Mapping {
		return Edit{}, hand.Why("it is no declaration of a system yet")
	}
	at := slices.IndexFunc(root.Entries, func(e yaml.Entry) bool { return e.Key == "services" })
	if at < 0 || root.Entries[at].Value.Kind != yaml.List || len(root.Entries[at].Value.Items) == 0 {
		return Edit{}, hand.Why("it has no list of services yet")
	}
	services := root.Entries[at].Value
	for _, item := range services.Items {
		if e, ok := item.Lookup("path"); ok && e.Value.Text == dir {
			return Edit{}, fault.Newf(fault.EditAlreadyDeclared, "%s is listed already", dir).At(file, item.Line, item.Col).
				Why("the plan says each thing once").Fix("nothing is to be done")
		}
	}
	t := &text{source: source, starts: lineStarts(source), root: root}
	end := len(t.starts)
	if at+1 < len(root.Entries) {
		end = root.Entries[at+1].Line
	}
	places := t.afterItem(services, end, "path: "+scalar(dir))
	if services.Flow {
		places = t.afterFlowItem(services, "{path: "+scalar(dir)+"}")
	}
	want := listed(root, at, dir)
	for _, p := range places {
		patched := slices.Concat(source[:p.at], []byte(p.text), source[p.at+p.instead:])
		if got, err := parse(file, patched); err == nil && got != nil && same(want, got) {
			return describe(file, source, patched), nil
		}
	}
	return Edit{}, hand
}

// listed gives the tree as it is to be: with one more folder in the list of
// this entry.
func listed(root *yaml.Node, at int, dir string) *yaml.Node {
	path := yaml.Entry{Key: "path", Value: &yaml.Node{Kind: yaml.Text, Text: dir}}
	list := *root.Entries[at].Value
	list.Items = append(slices.Clone(list.Items), &yaml.Node{Kind: yaml.Mapping, Entries: []yaml.Entry{path}})
	out := *root
	out.Entries = slices.Clone(root.Entries)
	out.Entries[at].Value = &list
	return &out
}

// afterItem gives the places for one more item of a list that is written with
// a line an item, as the last one is; end is the line after the list.
func (t *text) afterItem(list *yaml.Node, end int, item string) []place {
	last := list.Items[len(list.Items)-1]
	begin := t.starts[last.Line-1]
	before := string(t.source[begin:t.offset(last.Line, last.Col)])
	indent := before[:len(before)-len(strings.TrimLeft(before, " "))]
	if strings.Trim(before, " -") != "" || strings.Count(before, "-") != 1 {
		return nil // the dash has a line of its own, or more stands beside it
	}
	if last.Flow {
		item = "{" + item + "}"
	}
	after := end - 1
	for after > last.Line && idle(t.line(after), len(indent)) {
		after--
	}
	line := []string{before + item}
	return []place{t.below(after, line), t.below(end-1, line)}
}

// afterFlowItem gives the places for one more item of a list in brackets:
// behind each of the brackets that may close the last one.
func (t *text) afterFlowItem(list *yaml.Node, item string) []place {
	last := list.Items[len(list.Items)-1]
	at := t.offset(last.Line, last.Col)
	between := ", "
	if before := t.source[t.starts[last.Line-1]:at]; len(bytes.TrimSpace(before)) == 0 {
		between = "," + t.lineEnd(last.Line) + string(before)
	}
	var all []place
	for len(all) < maxClosers {
		closer := bytes.IndexByte(t.source[at:], '}')
		if closer < 0 {
			break
		}
		at += closer + 1
		all = append(all, place{at: at, text: between + item})
	}
	return all
}

// scalar is a path as YAML writes it: plain where that is safe.
func scalar(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("./-_", r) || r >= '0' && r <= '9'
	}
	if path != "" && strings.TrimFunc(path, plain) == "" && path[0] >= 'A' {
		return path
	}
	return strconv.Quote(path)
}
