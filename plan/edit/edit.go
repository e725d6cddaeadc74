// Package edit puts one more line into a declaration: the smallest patch that
// declares a call or a subscription and keeps every other byte as it is
// written. It is pure: text in, text out.
//
// It must never import another room than plan, and knows YAML through
// plan/yaml alone.
package edit

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/plan/yaml"
)

// Edit is a patch of one file of the plan.
type Edit struct {
	File   string   `json:"file"`  // as it was named
	Source []byte   `json:"-"`     // the whole file with the patch
	Line   int      `json:"line"`  // where the patch begins in Source, from 1
	Lines  []string `json:"lines"` // the lines of Source that are new or changed, without line ends
	// Replaced is how many lines of the old source Lines stand for: 0 when
	// lines were added alone.
	Replaced int `json:"replaced,omitempty"`
}

// Consume declares in a service's own file that it calls another service, or
// receives an event where the name has a dot. It reads the file from fsys, the
// folder of the system s, and writes nothing.
//
// The error is a fault: plan-unknown-service or plan-unknown-event for names
// that the system does not have, edit-already-declared, edit-by-hand where the
// file is not here or leaves no place for the line; or those of the file
// itself, joined.
func Consume(fsys fs.FS, s *plan.System, service, name string) (Edit, error) {
	svc, known := s.Service(service)
	if !known {
		return Edit{}, unknown(fault.PlanUnknownService, "service", service, services(s))
	}
	event := strings.Contains(name, ".")
	switch {
	case event && !slices.Contains(events(s), name):
		return Edit{}, unknown(fault.PlanUnknownEvent, "event", name, events(s))
	case !event && !slices.Contains(callable(s), name):
		f := unknown(fault.PlanUnknownService, "service", name, callable(s))
		if plan.ValidService(name) == nil {
			f.Why("expected a service of this system or an external one; what registers itself is declared under external, as http://" + name + ".internal")
		}
		return Edit{}, f
	}
	file := path.Join(svc.Dir, "service.yaml")
	if svc.Artifact != "" {
		return Edit{}, byHand(svc.Artifact, "the declaration is inside the artefact", keys(name, event))
	}
	source, err := fs.ReadFile(fsys, file)
	if err != nil {
		return Edit{}, byHand(file, "it cannot be read", keys(name, event)).Because(err)
	}
	return add(file, source, keys(name, event))
}

// AddCall declares in the text of a service.yaml that the service calls
// another; file is its name in faults. The text is left alone. The error is a
// fault: plan-bad-name, plan-self-call, edit-already-declared with the line,
// edit-by-hand; or those of a text that is no plan, joined.
func AddCall(file string, source []byte, callee string) (Edit, error) {
	if err := plan.ValidService(callee); err != nil {
		return Edit{}, err
	}
	return add(file, source, keys(callee, false))
}

// AddSubscription declares in the text of a service.yaml that the service
// receives an event; otherwise it is as AddCall.
func AddSubscription(file string, source []byte, eventType string) (Edit, error) {
	if err := plan.ValidEvent(eventType); err != nil {
		return Edit{}, err
	}
	return add(file, source, keys(eventType, true))
}

// Add declares what the keys lead to, as an empty mapping, in the text of a
// file; otherwise it is as AddCall, without a look at the names.
func Add(file string, source []byte, keys ...string) (Edit, error) {
	if len(keys) != 3 {
		return Edit{}, fault.Newf(fault.EditByHand, "cannot declare %s in %s", strings.Join(keys, "."), file).At(file, 0, 0).Why("three keys lead to what can be added").Fix("write it by hand, then run plat check")
	}
	return add(file, source, keys)
}

// keys lead to the declaration.
func keys(name string, event bool) []string {
	if event {
		return []string{"consumes", "events", name}
	}
	return []string{"consumes", "services", name}
}

func add(file string, source []byte, keys []string) (Edit, error) {
	root, err := parse(file, source)
	if err != nil {
		return Edit{}, err
	}
	if root == nil || root.Kind != yaml.Mapping {
		return Edit{}, byHand(file, "it is no declaration of a service yet", keys)
	}
	name := keys[len(keys)-1]
	if e, ok := root.Lookup("service"); ok && keys[1] == "services" && e.Value.Text == name {
		return Edit{}, fault.Newf(fault.PlanSelfCall, "%s would call itself", name).At(file, e.Line, e.Col).
			Why("a service reaches itself without a network").Fix("name the service that it calls")
	}
	t := &text{source: source, starts: lineStarts(source), root: root}
	places, err := t.places(file, keys)
	if err != nil {
		return Edit{}, err
	}
	want := graft(root, keys)
	for _, p := range places {
		patched := slices.Concat(source[:p.at], []byte(p.text), source[p.at+p.instead:])
		got, err := parse(file, patched)
		if err == nil && got != nil && same(want, got) {
			return describe(file, source, patched), nil
		}
	}
	return Edit{}, byHand(file, "there is no place in it where the line would change nothing else", keys)
}

// parse reads a file strictly: a finding of any kind is an error.
func parse(file string, source []byte) (*yaml.Node, error) {
	var errs []error
	root, ok := yaml.Parse(file, source, func(f *fault.Fault) { errs = append(errs, f) })
	if len(errs) > 0 || !ok {
		return nil, errors.Join(errs...)
	}
	return root, nil
}

// graft gives the tree as it is to be: with an empty mapping at the keys. What
// is not on the way there is shared.
func graft(n *yaml.Node, keys []string) *yaml.Node {
	out := &yaml.Node{Kind: yaml.Mapping}
	if len(keys) == 0 {
		return out
	}
	found := false
	for _, e := range n.Entries {
		if e.Key == keys[0] {
			found = true
			e.Value = graft(e.Value, keys[1:])
		}
		out.Entries = append(out.Entries, e)
	}
	if !found {
		out.Entries = append(out.Entries, yaml.Entry{Key: keys[0], Value: graft(&yaml.Node{}, keys[1:])})
	}
	return out
}

// same reports whether two trees say the same, wherever and however it is
// written.
func same(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Text != b.Text || len(a.Items) != len(b.Items) || len(a.Entries) != len(b.Entries) {
		return false
	}
	for i := range a.Items {
		if !same(a.Items[i], b.Items[i]) {
			return false
		}
	}
	values := make(map[string]*yaml.Node, len(b.Entries))
	for _, e := range b.Entries {
		values[e.Key] = e.Value
	}
	for _, e := range a.Entries {
		if v := values[e.Key]; v == nil || !same(e.Value, v) {
			return false
		}
	}
	return true
}

// describe tells what differs, in lines.
func describe(file string, before, after []byte) Edit {
	older, newer := lines(before), lines(after)
	head := 0
	for head < len(older) && head < len(newer) && older[head] == newer[head] {
		head++
	}
	tail := 0
	for tail < len(older)-head && tail < len(newer)-head && older[len(older)-1-tail] == newer[len(newer)-1-tail] {
		tail++
	}
	return Edit{File: file, Source: after, Line: head + 1, Lines: newer[head : len(newer)-tail], Replaced: len(older) - tail - head}
}

// lines are the lines of a text without their ends.
func lines(source []byte) []string {
	var all []string
	for l := range strings.Lines(string(source)) {
		all = append(all, strings.TrimRight(l, "\r\n"))
	}
	return all
}

func byHand(file, why string, keys []string) *fault.Fault {
	return fault.Newf(fault.EditByHand, "cannot declare %s in %s", strings.Join(keys, "."), file).At(file, 0, 0).Why(why).
		Fix("join this with what is there: " + keys[0] + ": {" + keys[1] + ": {" + keys[2] + ": {}}}")
}

func unknown(code fault.Code, what, name string, known []string) *fault.Fault {
	f := fault.Newf(code, "there is no %s %s", what, name).Why("expected one of the plan").Fix("plat plan lists them")
	if best := plan.Nearest(name, known); best != "" {
		f.Fix("did you mean " + best + "?")
	}
	return f
}

func services(s *plan.System) []string {
	var names []string
	for _, svc := range s.Services {
		names = append(names, svc.Name)
	}
	return names
}

func callable(s *plan.System) []string {
	names := services(s)
	for _, e := range s.External {
		names = append(names, e.Name)
	}
	return names
}

func events(s *plan.System) []string {
	var types []string
	for _, svc := range s.Services {
		for _, e := range svc.Events {
			types = append(types, e.Type)
		}
	}
	return types
}
