package plan

import (
	"cmp"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// field is what the tags of a file type say about one of its keys.
type field struct {
	name     string
	index    int
	enum     []string
	min, max *int
	positive bool
}

// shape is a file type as the decoder needs it.
type shape struct {
	fields map[string]field
	names  []string
}

// decoder fills file types from nodes and reports every mistake on the way.
// Its shapes are only read after newDecoder, so it may be shared.
type decoder struct {
	shapes     map[reflect.Type]*shape
	percentile *regexp.Regexp
}

func newDecoder() *decoder {
	d := &decoder{shapes: map[reflect.Type]*shape{}, percentile: regexp.MustCompile(percentilePattern)}
	d.learn(reflect.TypeFor[SystemFile]())
	d.learn(reflect.TypeFor[ServiceFile]())
	return d
}

const percentilePattern = `^p[1-9][0-9]?(\.[0-9]{1,3})?$`

// learn reads the tags of a type and of all types below it.
func (d *decoder) learn(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		d.learn(t.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	if d.shapes[t] != nil {
		return
	}
	s := &shape{fields: map[string]field{}}
	d.shapes[t] = s
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		s.fields[name] = newField(name, i, f.Tag)
		s.names = append(s.names, name)
		d.learn(f.Type)
	}
}

func newField(name string, index int, tag reflect.StructTag) field {
	f := field{name: name, index: index, positive: tag.Get("plan") == "positive"}
	for _, option := range strings.Split(tag.Get("jsonschema"), ",") {
		key, value, _ := strings.Cut(option, "=")
		number := func() *int { n, _ := strconv.Atoi(value); return &n }
		switch key {
		case "enum":
			f.enum = append(f.enum, value)
		case "minimum":
			f.min = number()
		case "maximum":
			f.max = number()
		}
	}
	return f
}

// decode fills the value that v points to from the document.
func (d *decoder) decode(doc *document, v any) {
	switch {
	case doc.root == nil || doc.root.Kind == yaml.Null:
		return
	case doc.root.Kind != yaml.Mapping:
		doc.broken = true
	}
	w := &walk{decoder: d, doc: doc}
	target := reflect.ValueOf(v).Elem()
	w.value(doc.root, target, field{})
}

// walk is one descent through one document.
type walk struct {
	*decoder
	doc   *document
	trail []string // keys above the current node
}

// report adds a finding about the node: "a.b.c problem".
func (w *walk) report(n *yaml.Node, code fault.Code, problem string) *fault.Fault {
	f := fault.New(code, strings.TrimPrefix(strings.Join(w.trail, ".")+" "+problem, " ")).At(w.doc.file, n.Line, n.Col)
	w.doc.faults.add(f)
	return f
}

func (w *walk) wrongType(n *yaml.Node, expected string) *fault.Fault {
	f := w.report(n, fault.PlanWrongType, "is "+n.Kind.String()).Why("expected " + expected)
	if len(w.trail) == 0 {
		f.What = "the file " + f.What
	}
	if n.Kind == yaml.Null {
		f.What = strings.Join(w.trail, ".") + " has no value"
		f.Fix("give it a value, or delete the key")
	}
	return f
}

func (w *walk) value(n *yaml.Node, v reflect.Value, f field) {
	if n.Kind == yaml.Bad {
		return
	}
	if v.Kind() == reflect.Pointer {
		w.pointer(n, v, f)
		return
	}
	switch target := v.Addr().Interface().(type) {
	case *Duration:
		read := unit(w, n, target, ParseDuration, "a duration with its unit, such as 200ms, 5s or 7d", "ms", "s", "m")
		if read && f.positive && *target == 0 {
			w.report(n, fault.PlanBadValue, "is 0").Why("expected a duration above 0").Fix("write one such as 500ms or 5s, or delete the key")
		}
		return
	case *Size:
		read := unit(w, n, target, ParseSize, "a size with its unit, such as 64KiB, 256MiB or 2GB", "MiB", "GiB")
		if read && *target == 0 {
			w.report(n, fault.PlanBadValue, "is 0").Why("expected a size above 0").Fix("delete the key for no limit")
		}
		return
	case *Percent:
		unit(w, n, target, ParsePercent, "a percentage with its sign, such as 99.9%", "%")
		return
	case *Scalar:
		w.scalar(n, target)
		return
	case *Latency:
		w.latency(n, target)
		return
	case *Value:
		target.V = w.anything(n)
		return
	case *Expected:
		if n.Kind != yaml.Mapping {
			target.Is = &Value{w.anything(n)}
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		w.fields(n, v)
	case reflect.Map:
		w.mapping(n, v)
	case reflect.Slice:
		w.list(n, v)
	case reflect.String:
		w.text(n, v, f)
	case reflect.Int:
		w.integer(n, v, f)
	case reflect.Float64:
		w.number(n, v)
	case reflect.Bool:
		w.boolean(n, v)
	default:
		panic("plan: no decoder for " + v.Type().String())
	}
}

// pointer reads a value that may be absent. One that was wrong is left absent,
// so that nothing follows from it.
func (w *walk) pointer(n *yaml.Node, v reflect.Value, f field) {
	t := v.Type().Elem()
	section := t.Kind() == reflect.Struct && t != reflect.TypeFor[Scalar]()
	if n.Kind == yaml.Null {
		if !section {
			w.wrongType(n, "a value")
		}
		return
	}
	before := w.doc.faults.count()
	v.Set(reflect.New(t))
	w.value(n, v.Elem(), f)
	if !section && w.doc.faults.count() > before {
		v.SetZero()
	}
}

// entries calls f for each key that is not an extension.
func (w *walk) entries(n *yaml.Node, f func(yaml.Entry)) {
	depth := len(w.trail)
	for _, e := range n.Entries {
		if strings.HasPrefix(e.Key, "x-") {
			continue
		}
		w.trail = append(w.trail[:depth], e.Key)
		f(e)
	}
	w.trail = w.trail[:depth]
}

func (w *walk) fields(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.Null {
		return
	}
	if n.Kind != yaml.Mapping {
		f := w.wrongType(n, "keys with values")
		if n.Kind == yaml.Text && strings.Contains(n.Text, ":") && !n.Quoted {
			f.Fix("put a space after the colon")
		} else if v.Type() == reflect.TypeFor[BuildFile]() {
			f.Fix("write build: {go: .}, build: {command: [make]} or build: {image: NAME}")
		}
		return
	}
	s := w.shapes[v.Type()]
	w.entries(n, func(e yaml.Entry) {
		f, known := s.fields[e.Key]
		if !known {
			w.unknownField(e, v.Type(), s.names)
			return
		}
		w.value(e.Value, v.Field(f.index), f)
	})
}

func (w *walk) unknownField(e yaml.Entry, in reflect.Type, known []string) {
	if w.doc.faults.full() {
		w.doc.faults.dropped++
		return
	}
	where := "here"
	if len(w.trail) > 1 {
		where = "in " + strings.Join(w.trail[:len(w.trail)-1], ".")
	}
	f := fault.Newf(fault.PlanUnknownField, "unknown field %q %s", e.Key, where).At(w.doc.file, e.Line, e.Col).
		Why("expected one of " + strings.Join(known, ", ") + ", or a key of your own that begins with x-")
	key, remedy := meant(in, e.Key, known)
	if len(w.trail) == 1 {
		w.doc.meant = append(w.doc.meant, key)
	}
	w.doc.faults.add(f.Fix(cmp.Or(remedy, "delete it, or begin it with x-")))
}

func (w *walk) mapping(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.Null {
		return
	}
	if n.Kind != yaml.Mapping {
		w.wrongType(n, "keys with values")
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Entries))
	w.entries(n, func(e yaml.Entry) {
		item := reflect.New(v.Type().Elem()).Elem()
		w.value(e.Value, item, field{})
		m.SetMapIndex(reflect.ValueOf(e.Key), item)
	})
	v.Set(m)
}

func (w *walk) list(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.List {
		f := w.wrongType(n, "a list, such as [a, b]")
		if n.Kind == yaml.Text && strings.TrimSpace(n.Text) != "" {
			f.Fix("write [" + strings.Join(strings.Fields(n.Text), ", ") + "]")
		}
		return
	}
	if len(n.Items) == 0 {
		w.report(n, fault.PlanBadValue, "is an empty list").Why("expected at least one item").Fix("fill it, or delete the key")
	}
	depth := len(w.trail)
	list := reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items))
	for i, item := range n.Items {
		w.trail = append(w.trail[:depth], strconv.Itoa(i))
		w.value(item, list.Index(i), field{})
	}
	w.trail = w.trail[:depth]
	v.Set(list)
}

func (w *walk) text(n *yaml.Node, v reflect.Value, f field) {
	if n.Kind != yaml.Text {
		fault := w.wrongType(n, "text")
		if n.Kind == yaml.Integer || n.Kind == yaml.Number || n.Kind == yaml.Boolean {
			fault.Fix(`put it in quotes: "` + n.Text + `"`)
		}
		return
	}
	if n.Text == "" && f.name != "" {
		w.report(n, fault.PlanBadValue, "is empty").Why("expected text").Fix("fill it, or delete the key")
		return
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, n.Text) {
		w.report(n, fault.PlanUnknownValue, "cannot be "+strconv.Quote(n.Text)).
			Why("expected one of " + strings.Join(f.enum, ", ")).Fix(didYouMean(n.Text, f.enum))
		return
	}
	v.SetString(n.Text)
}

func (w *walk) integer(n *yaml.Node, v reflect.Value, f field) {
	if n.Kind != yaml.Integer {
		fault := w.wrongType(n, "a whole number")
		if n.Kind == yaml.Text && digits(n.Text) {
			fault.Fix("write it without quotes")
		}
		return
	}
	i, err := strconv.Atoi(n.Text)
	if errors.Is(err, strconv.ErrRange) && n.Text[0] != '0' && digits(n.Text) {
		w.report(n, fault.PlanBadValue, "is too large").Why("expected a whole number of at most 18 digits").Fix("write a smaller number")
		return
	}
	if err != nil || strconv.Itoa(i) != n.Text {
		w.ambiguous(n, "a whole number in plain digits, such as 8 or 10")
		return
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, n.Text) {
		return // the plan's version, which has a finding of its own
	}
	if f.min != nil && i < *f.min || f.max != nil && i > *f.max || f.min == nil && i < 0 {
		lowest := 0
		if f.min != nil {
			lowest = *f.min
		}
		why, fix := "expected at least "+strconv.Itoa(lowest), "write "+strconv.Itoa(lowest)+" or more"
		if f.max != nil {
			why = "expected " + strconv.Itoa(lowest) + " to " + strconv.Itoa(*f.max)
			fix = "write a number from " + strconv.Itoa(lowest) + " to " + strconv.Itoa(*f.max)
		}
		w.report(n, fault.PlanBadValue, "is "+n.Text).Why(why).Fix(fix)
		return
	}
	v.SetInt(int64(i))
}

func (w *walk) ambiguous(n *yaml.Node, expected string) {
	w.report(n, fault.PlanAmbiguousValue, "is written as "+n.Text).
		Why("programs read that as different values; expected " + expected).Fix("write it in plain digits, or in quotes if it is text")
}

func (w *walk) number(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.Integer && n.Kind != yaml.Number {
		w.wrongType(n, "a number, such as 1 or 0.5")
		return
	}
	x, ok := decimal(n.Text)
	if !ok || len(n.Text) > 1 && n.Text[0] == '0' && n.Text[1] != '.' {
		w.ambiguous(n, "a number in plain digits, such as 1 or 0.5")
		return
	}
	if x == 0 {
		w.report(n, fault.PlanBadValue, "is 0").Why("expected a number above 0").Fix("delete the key for no limit")
		return
	}
	v.SetFloat(x)
}

func (w *walk) boolean(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.Boolean {
		w.wrongType(n, "true or false").Fix("write true or false, without quotes")
		return
	}
	if n.Text != "true" && n.Text != "false" {
		w.report(n, fault.PlanAmbiguousValue, "is written as "+n.Text).Why("expected true or false in lower case").Fix("write " + strings.ToLower(n.Text))
		return
	}
	v.SetBool(n.Text == "true")
}

// scalar keeps the value as it is written, for the setting's type to judge.
func (w *walk) scalar(n *yaml.Node, s *Scalar) {
	switch n.Kind {
	case yaml.Text:
		s.Kind = "text"
	case yaml.Integer:
		s.Kind = "integer"
	case yaml.Number:
		s.Kind = "number"
	case yaml.Boolean:
		s.Kind = "boolean"
	default:
		w.wrongType(n, "a single value")
	}
	s.Text = n.Text
}

// latency reads percentiles beside its own keys: {p90: 300ms, concurrent: 200}.
func (w *walk) latency(n *yaml.Node, l *Latency) {
	if n.Kind != yaml.Mapping {
		w.wrongType(n, "percentiles, such as {p95: 300ms}")
		return
	}
	l.Percentiles = map[string]Duration{}
	one := 1
	w.entries(n, func(e yaml.Entry) {
		switch {
		case e.Key == "concurrent":
			w.value(e.Value, reflect.ValueOf(&l.Concurrent).Elem(), field{min: &one})
		case w.percentile.MatchString(e.Key):
			var d Duration
			w.value(e.Value, reflect.ValueOf(&d).Elem(), field{positive: true})
			l.Percentiles[e.Key] = d
		default:
			w.unknownField(e, reflect.TypeFor[Latency](), []string{"p50", "p90", "p95", "p99", "p99.9", "concurrent"})
		}
	})
	if len(n.Entries) == 0 {
		w.report(n, fault.PlanMissingField, "names no percentile").Why("expected at least one, such as p95: 300ms")
	}
}

// unit reads a value that carries its unit, and reports whether it could.
func unit[T any](w *walk, n *yaml.Node, v *T, read func(string) (T, error), expected string, units ...string) bool {
	if n.Kind != yaml.Text && n.Kind != yaml.Integer && n.Kind != yaml.Number {
		w.wrongType(n, expected)
		return false
	}
	x, err := read(n.Text)
	if err == nil {
		*v = x
		return true
	}
	if !isNoUnit(err) {
		_, such, _ := strings.Cut(expected, "such as ")
		w.report(n, fault.PlanBadValue, "is "+strconv.Quote(n.Text)).Why("expected " + expected).Fix("write it like " + such)
		return false
	}
	var choices []string
	for _, u := range units {
		choices = append(choices, n.Text+u)
	}
	w.report(n, fault.PlanMissingUnit, "is "+n.Text+" without a unit").Why("expected " + expected).
		Fix("write " + strings.Join(choices, " or "))
	return false
}
