package edit_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/plan/edit"
)

// writer writes declarations in any of the ways in which people do.
type writer struct {
	*rand.Rand
	b    strings.Builder
	step int
}

func (w *writer) one(choices ...string) string { return choices[w.IntN(len(choices))] }

func (w *writer) noise(indent int) {
	for w.IntN(4) == 0 {
		w.b.WriteString(w.one("\n", "   \n", strings.Repeat(" ", w.IntN(9))+"# } a: {b: #\n", strings.Repeat(" ", indent)+"# ü\n"))
	}
}

func (w *writer) key(name string) string { return w.one(name, name, name, `"`+name+`"`, "'"+name+"'") }

func (w *writer) comment() string { return w.one("", "", "", " # }, {", "   #") }

// leaf is the value of a call or subscription, which is a mapping.
func (w *writer) leaf() string {
	return w.one("{}", "{ }", "", "~", "{x-a: b}", "{ x-a: {b: [c, '}']} , }", "{\"x-a\": \"}\"}")
}

// mapping writes keys with leaves, or with what write says.
func (w *writer) mapping(indent int, flow bool, names []string, write func(name string, indent int, flow bool)) {
	if flow {
		open, sep, end := "{", w.one(", ", ",", " , "), w.one("}", " }", ", }")
		if len(names) == 0 {
			end = w.one("}", " }")
		}
		lines := w.IntN(4) == 0
		w.b.WriteString(open)
		for i, name := range names {
			if i > 0 {
				w.b.WriteString(sep)
			}
			if lines {
				w.b.WriteString(w.one("", " # {") + "\n" + strings.Repeat(" ", indent+1))
			}
			w.b.WriteString(w.key(name) + ": ")
			write(name, indent+1, true)
		}
		w.b.WriteString(end)
		return
	}
	for _, name := range names {
		w.noise(indent)
		w.b.WriteString(strings.Repeat(" ", indent) + w.key(name) + ":")
		write(name, indent, false)
	}
}

// below writes a mapping as the value of a key.
func (w *writer) below(indent int, flow bool, names []string, write func(string, int, bool)) {
	switch flow = flow || w.IntN(3) == 0 || len(names) == 0; {
	case flow:
		w.b.WriteString(" ")
		w.mapping(indent+1, true, names, write)
	default:
		w.b.WriteString(w.comment() + "\n")
		w.mapping(indent+w.step, false, names, write)
	}
}

func (w *writer) some(names ...string) []string {
	w.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:w.IntN(len(names)+1)]
}

// declaration writes a service.yaml that declares neither catalog nor
// order.placed.
func (w *writer) declaration() string {
	w.step = 1 + w.IntN(4)
	end := func(flow bool) {
		if !flow {
			w.b.WriteString(w.comment() + "\n")
		}
	}
	leaf := func(_ string, _ int, flow bool) { w.b.WriteString(" " + w.leaf()); end(flow) }
	consumes := func(name string, indent int, flow bool) {
		if w.IntN(6) == 0 {
			w.b.WriteString(w.one("", " ", " ~", " null", " {}"))
		} else if w.below(indent, flow, map[string][]string{"services": w.some("customer", "web", "a1"), "events": w.some("payment.taken", "a.b-c")}[name], leaf); flow || !strings.HasSuffix(w.b.String(), "}") {
			return
		}
		end(flow)
	}
	keys := []string{"service", "owner", "run", "x-text", "consumes", "about"}[:5+w.IntN(2)]
	if w.IntN(3) == 0 {
		w.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	if w.IntN(4) == 0 {
		keys = keys[:len(keys)-2]
	}
	flow := w.IntN(6) == 0
	w.mapping(0, flow, keys, func(name string, indent int, flow bool) {
		switch {
		case name == "x-text" && !flow:
			w.b.WriteString(w.one(" |+\n   # text\n\n   }\n\n", " >\n   a\n   # b\n", " \"a\n   # b\n\n   c\"\n", " [{a: b},\n   # c\n   d]\n"))
		case name == "consumes" && w.IntN(6) > 0:
			if w.below(indent, flow, w.some("services", "events"), consumes); !flow && strings.HasSuffix(w.b.String(), "}") {
				end(flow)
			}
		case name == "consumes":
			w.b.WriteString(w.one("", " ", " ~", " null", " {}"))
			end(flow)
		case name == "run":
			w.b.WriteString(" [./order, '}']")
			end(flow)
		default:
			w.b.WriteString(w.one(" order", ` "order"`, " order-é"))
			end(flow)
		}
	})
	w.noise(0)
	text := w.b.String()
	if w.IntN(4) == 0 {
		text = strings.TrimRight(text, "\n")
	}
	if w.IntN(3) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// TestAnyStyle holds that however a declaration is written, the call is added,
// and nothing else is changed: what is read of the file is the same but for it,
// and all that was written is there still, in its order.
func TestAnyStyle(t *testing.T) {
	t.Parallel()
	for part := range uint64(4) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			anyStyle(t, 100*part, 100*(part+1))
		})
	}
}

func anyStyle(t *testing.T, from, to uint64) {
	t.Helper()
	tried := uint64(0)
	for seed := from; seed < to; seed++ {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 7))}
		text := w.declaration()
		before := plan.ParseService("service.yaml", []byte(text))
		if !sound(text) {
			continue // the writer wrote no YAML
		}
		tried++
		call, err := edit.AddCall("service.yaml", []byte(text), "catalog")
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		event, err := edit.AddSubscription("service.yaml", []byte(text), "order.placed")
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		for i, e := range []edit.Edit{call, event} {
			after := plan.ParseService("service.yaml", e.Source)
			consumes := &after.File.Consumes
			_, hasCall := consumes.Services["catalog"]
			_, hasEvent := consumes.Events["order.placed"]
			if hasCall != (i == 0) || hasEvent != (i == 1) {
				t.Errorf("seed %d: not declared\n%s\n---\n%s", seed, text, e.Source)
			}
			delete(consumes.Services, "catalog")
			delete(consumes.Events, "order.placed")
			if d := cmp.Diff(tidy(before.File), tidy(after.File)); d != "" {
				t.Errorf("seed %d: something else changed:\n%s\n%s\n---\n%s", seed, d, text, e.Source)
			}
			keeps(t, text, e)
			if again, err := edit.AddCall("service.yaml", e.Source, "catalog"); (i == 0) != fault.Is(err, fault.EditAlreadyDeclared) {
				t.Errorf("seed %d: a second time: %v, %v", seed, again, err)
			}
		}
	}
	if most := to - from; tried < most*9/10 {
		t.Errorf("only %d of %d texts were YAML", tried, most)
	}
}

// sound reports whether the text is a strict plan file, whatever it says.
func sound(text string) bool {
	files := fstest.MapFS{"plat.yaml": {Data: []byte("system: s\nowners: {order: {}}\nservices: [{path: a}]\n")}, "a/service.yaml": {Data: []byte(text)}}
	for _, f := range plan.Check(files, plan.Options{}).Findings {
		if f.Code == fault.PlanSyntax || f.Code == fault.PlanDuplicateKey || f.Code == fault.PlanNotPlain || f.Code == fault.PlanAmbiguousValue || f.Code == fault.PlanNotText {
			return false
		}
	}
	return true
}

// tidy takes an empty map for none.
func tidy(f plan.ServiceFile) plan.ServiceFile {
	if len(f.Consumes.Services) == 0 {
		f.Consumes.Services = nil
	}
	if len(f.Consumes.Events) == 0 {
		f.Consumes.Events = nil
	}
	return f
}

// keeps holds that nothing was taken away, that lines end alike, and that the
// patch says what it does.
func keeps(t *testing.T, before string, e edit.Edit) {
	t.Helper()
	after := string(e.Source)
	rest := after
	for _, c := range strings.NewReplacer("~", "", "null", "").Replace(before) {
		i := strings.IndexRune(rest, c)
		if i < 0 {
			t.Fatalf("something is gone from\n%s\n---\n%s", before, after)
		}
		rest = rest[i+1:]
	}
	if crlf := strings.Count(after, "\r\n"); crlf > 0 && crlf != strings.Count(after, "\n") {
		t.Errorf("lines end in two ways: %q", after)
	}
	older, newer := split(before), split(after)
	at := e.Line - 1
	if at < 0 || at+len(e.Lines) > len(newer) || at+e.Replaced > len(older) {
		t.Fatalf("lines %d+%d instead of %d", e.Line, len(e.Lines), e.Replaced)
	}
	applied := append(append(append([]string{}, older[:at]...), e.Lines...), older[at+e.Replaced:]...)
	if d := cmp.Diff(newer, applied); d != "" || e.Replaced > 1 || len(e.Lines) == 0 || len(e.Lines) > 3 {
		t.Errorf("the patch %+v does not make the file:\n%s\n%s\n---\n%s", e.Lines, d, before, after)
	}
	for _, l := range e.Lines {
		if e.Replaced == 0 && strings.TrimRight(l, " ") != l {
			t.Errorf("a space at the end of %q", l)
		}
	}
}

func split(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// FuzzAdd holds that no text crashes an edit, and that one that succeeds
// declares the call and leaves the rest of the declaration as it was.
func FuzzAdd(f *testing.F) {
	for seed := range uint64(40) {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 11))}
		f.Add([]byte(w.declaration()))
	}
	for _, text := range []string{"", "---", "a: {", "consumes: {services: {", "? consumes\n: services: {}\n", "consumes:\n- services\n", "--- {a: b}\n...\n", "{consumes}", "{consumes,}", "{a: b,}", "a: b\r", "\xff", "consumes: |\n services:\n", "consumes:\n services: {a: \"}\n\"}"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		given := bytes.Clone(source)
		e, err := edit.AddCall("service.yaml", source, "catalog")
		if !bytes.Equal(given, source) {
			t.Fatal("the source was changed")
		}
		if err != nil {
			for _, found := range fault.All(err) {
				if found.Code == fault.Internal {
					t.Errorf("no fault: %v", err)
				}
			}
			return
		}
		before, after := plan.ParseService("f", source), plan.ParseService("f", e.Source)
		// A file of another version of the plan is not read any further.
		if _, declared := after.File.Consumes.Services["catalog"]; !declared && before.File.Service != "" {
			t.Errorf("not declared in %q", e.Source)
		}
		delete(after.File.Consumes.Services, "catalog")
		if d := cmp.Diff(tidy(before.File), tidy(after.File)); d != "" {
			t.Errorf("something else changed: %s", d)
		}
	})
}

func TestConsume(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"plat.yaml":           {Data: []byte("system: s\nowners: {us: {}}\nservices: [{path: '*'}, {artifact: shop/packed}]\nexternal: {stripe: {url: https://api.stripe.com, owner: us}}\n")},
		"order/service.yaml":  {Data: []byte("service: order\nowner: us\nrun: [x]\n")},
		"folder/service.yaml": {Data: []byte("service: catalog\nowner: us\nrun: [x]\nprovides: {events: {album.added: {}}}\n")},
	}
	s, err := plan.Load(files, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ service, name, want string }{
		{"order", "catalog", "order/service.yaml:4 consumes:/  services:/    catalog: {}"},
		{"order", "stripe", "order/service.yaml:4 consumes:/  services:/    stripe: {}"},
		{"order", "packed", "order/service.yaml:4 consumes:/  services:/    packed: {}"},
		{"order", "album.added", "order/service.yaml:4 consumes:/  events:/    album.added: {}"},
		{"catalog", "order", "folder/service.yaml:5 consumes:/  services:/    order: {}"},
		{"orders", "catalog", "plan-unknown-service did you mean order?"},
		{"order", "catalogue", "plan-unknown-service did you mean catalog?"},
		{"order", "legacy", "plan-unknown-service plat plan lists them"},
		{"order", "album.add", "plan-unknown-event did you mean album.added?"},
		{"packed", "order", "edit-by-hand join this with what is there: consumes: {services: {order: {}}}"},
		{"order", "order", "plan-self-call name the service that it calls"},
	} {
		e, err := edit.Consume(files, s, c.service, c.name)
		got := fmt.Sprintf("%s:%d %s", e.File, e.Line, strings.Join(e.Lines, "/"))
		if err != nil {
			f := fault.All(err)[0]
			got = string(f.Code) + " " + f.Remedy
		}
		if got != c.want {
			t.Errorf("%s consumes %s: %s, want %s", c.service, c.name, got, c.want)
		}
	}
	delete(files, "order/service.yaml")
	if _, err := edit.Consume(files, s, "order", "catalog"); !fault.Is(err, fault.EditByHand) {
		t.Error(err)
	}
}

func TestBadNames(t *testing.T) {
	t.Parallel()
	source := []byte("service: order\nowner: us\nrun: [x]\n")
	for _, name := range []string{"", "Catalog", "a: b", "a\nb", "x-a", "plat", "{}", strings.Repeat("a", 64), "a.b"} {
		if _, err := edit.AddCall("f", source, name); !fault.Is(err, fault.PlanBadName) && !fault.Is(err, fault.PlanReservedName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "placed", "Order.Placed", "a.b\nc", "a..b", "a.b: {}"} {
		if _, err := edit.AddSubscription("f", source, name); !fault.Is(err, fault.PlanBadName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
