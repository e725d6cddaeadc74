package plan

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/fault"
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
	case doc.root == nil || doc.root.kind == nullNode:
		return
	case doc.root.kind != mappingNode:
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
func (w *walk) report(n *node, code fault.Code, problem string) *fault.Fault {
	f := fault.New(code, strings.TrimPrefix(strings.Join(w.trail, ".")+" "+problem, " ")).At(w.doc.file, n.line, n.col)
	w.doc.faults.add(f)
	return f
}

func (w *walk) wrongType(n *node, expected string) *fault.Fault {
	f := w.report(n, codeWrongType, "is "+n.kind.what()).Why("expected " + expected)
	if len(w.trail) == 0 {
		f.What = "the file " + f.What
	}
	if n.kind == nullNode {
		f.What = strings.Join(w.trail, ".") + " has no value"
		f.Fix("give it a value, or delete the key")
	}
	return f
}

func (w *walk) value(n *node, v reflect.Value, f field) {
	if n.kind == badNode || w.doc.faults.full() {
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
			w.report(n, codeBadValue, "is 0").Why("expected a duration above 0")
		}
		return
	case *Size:
		read := unit(w, n, target, ParseSize, "a size with its unit, such as 64KiB, 256MiB or 2GB", "MiB", "GiB")
		if read && *target == 0 {
			w.report(n, codeBadValue, "is 0").Why("expected a size above 0").Fix("delete the key for no limit")
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
func (w *walk) pointer(n *node, v reflect.Value, f field) {
	t := v.Type().Elem()
	section := t.Kind() == reflect.Struct && t != reflect.TypeFor[Scalar]()
	if n.kind == nullNode {
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
func (w *walk) entries(n *node, f func(entry)) {
	depth := len(w.trail)
	for _, e := range n.entries {
		if strings.HasPrefix(e.key, "x-") {
			continue
		}
		w.trail = append(w.trail[:depth], e.key)
		f(e)
	}
	w.trail = w.trail[:depth]
}

func (w *walk) fields(n *node, v reflect.Value) {
	if n.kind == nullNode {
		return
	}
	if n.kind != mappingNode {
		f := w.wrongType(n, "keys with values")
		if n.kind == textNode && strings.Contains(n.text, ":") && !n.quoted {
			f.Fix("put a space after the colon")
		}
		return
	}
	s := w.shapes[v.Type()]
	w.entries(n, func(e entry) {
		f, known := s.fields[e.key]
		if !known {
			w.unknownField(e, s.names)
			return
		}
		w.value(e.value, v.Field(f.index), f)
	})
}

func (w *walk) unknownField(e entry, known []string) {
	where := "here"
	if len(w.trail) > 1 {
		where = "in " + strings.Join(w.trail[:len(w.trail)-1], ".")
	}
	f := fault.Newf(codeUnknownField, "unknown field %q %s", e.key, where).At(w.doc.file, e.line, e.col).
		Why("expected one of " + strings.Join(known, ", ") + ", or a key of your own that begins with x-")
	if best := nearest(e.key, known); best != "" {
		f.Fix("did you mean " + best + "?")
	} else {
		f.Fix("delete it, or begin it with x-")
	}
	w.doc.faults.add(f)
}

func (w *walk) mapping(n *node, v reflect.Value) {
	if n.kind == nullNode {
		return
	}
	if n.kind != mappingNode {
		w.wrongType(n, "keys with values")
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	w.entries(n, func(e entry) {
		item := reflect.New(v.Type().Elem()).Elem()
		w.value(e.value, item, field{})
		m.SetMapIndex(reflect.ValueOf(e.key), item)
	})
	v.Set(m)
}

func (w *walk) list(n *node, v reflect.Value) {
	if n.kind != listNode {
		w.wrongType(n, "a list, such as [a, b]")
		return
	}
	if len(n.items) == 0 {
		w.report(n, codeBadValue, "is an empty list").Why("expected at least one item").Fix("fill it, or delete the key")
	}
	depth := len(w.trail)
	list := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		w.trail = append(w.trail[:depth], strconv.Itoa(i))
		w.value(item, list.Index(i), field{})
	}
	w.trail = w.trail[:depth]
	v.Set(list)
}

func (w *walk) text(n *node, v reflect.Value, f field) {
	if n.kind != textNode {
		fault := w.wrongType(n, "text")
		if n.kind == integerNode || n.kind == numberNode || n.kind == booleanNode {
			fault.Fix(`put it in quotes: "` + n.text + `"`)
		}
		return
	}
	if n.text == "" && f.name != "" {
		w.report(n, codeBadValue, "is empty").Why("expected text").Fix("fill it, or delete the key")
		return
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, n.text) {
		w.report(n, codeUnknownValue, "cannot be "+strconv.Quote(n.text)).
			Why("expected one of " + strings.Join(f.enum, ", ")).Fix(didYouMean(n.text, f.enum))
		return
	}
	v.SetString(n.text)
}

func (w *walk) integer(n *node, v reflect.Value, f field) {
	if n.kind != integerNode {
		fault := w.wrongType(n, "a whole number")
		if n.kind == textNode && digits(n.text) {
			fault.Fix("write it without quotes")
		}
		return
	}
	i, err := strconv.Atoi(n.text)
	if errors.Is(err, strconv.ErrRange) && n.text[0] != '0' && digits(n.text) {
		w.report(n, codeBadValue, "is too large").Why("expected a whole number of at most 18 digits")
		return
	}
	if err != nil || strconv.Itoa(i) != n.text {
		w.ambiguous(n, "a whole number in plain digits, such as 8 or 10")
		return
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, n.text) {
		return // the plan's version, which has a finding of its own
	}
	if f.min != nil && i < *f.min || f.max != nil && i > *f.max || f.min == nil && i < 0 {
		lowest := 0
		if f.min != nil {
			lowest = *f.min
		}
		why := "expected at least " + strconv.Itoa(lowest)
		if f.max != nil {
			why = "expected " + strconv.Itoa(lowest) + " to " + strconv.Itoa(*f.max)
		}
		w.report(n, codeBadValue, "is "+n.text).Why(why)
		return
	}
	v.SetInt(int64(i))
}

func (w *walk) ambiguous(n *node, expected string) {
	w.report(n, codeAmbiguous, "is written as "+n.text).
		Why("programs read that as different values; expected " + expected).Fix("write it in plain digits, or in quotes if it is text")
}

func (w *walk) number(n *node, v reflect.Value) {
	if n.kind != integerNode && n.kind != numberNode {
		w.wrongType(n, "a number, such as 1 or 0.5")
		return
	}
	x, ok := decimal(n.text)
	if !ok || len(n.text) > 1 && n.text[0] == '0' && n.text[1] != '.' {
		w.ambiguous(n, "a number in plain digits, such as 1 or 0.5")
		return
	}
	if x == 0 {
		w.report(n, codeBadValue, "is 0").Why("expected a number above 0").Fix("delete the key for no limit")
		return
	}
	v.SetFloat(x)
}

func (w *walk) boolean(n *node, v reflect.Value) {
	if n.kind != booleanNode {
		w.wrongType(n, "true or false").Fix("write true or false, without quotes")
		return
	}
	if n.text != "true" && n.text != "false" {
		w.report(n, codeAmbiguous, "is written as "+n.text).Why("expected true or false in lower case").Fix("write " + strings.ToLower(n.text))
		return
	}
	v.SetBool(n.text == "true")
}

// scalar keeps the value as it is written, for the setting's type to judge.
func (w *walk) scalar(n *node, s *Scalar) {
	switch n.kind {
	case textNode:
		s.Kind = "text"
	case integerNode:
		s.Kind = "integer"
	case numberNode:
		s.Kind = "number"
	case booleanNode:
		s.Kind = "boolean"
	default:
		w.wrongType(n, "a single value")
	}
	s.Text = n.text
}

// latency reads percentiles beside its own keys: {p90: 300ms, concurrent: 200}.
func (w *walk) latency(n *node, l *Latency) {
	if n.kind != mappingNode {
		w.wrongType(n, "percentiles, such as {p95: 300ms}")
		return
	}
	l.Percentiles = map[string]Duration{}
	one := 1
	w.entries(n, func(e entry) {
		switch {
		case e.key == "concurrent":
			w.value(e.value, reflect.ValueOf(&l.Concurrent).Elem(), field{min: &one})
		case w.percentile.MatchString(e.key):
			var d Duration
			w.value(e.value, reflect.ValueOf(&d).Elem(), field{positive: true})
			l.Percentiles[e.key] = d
		default:
			w.unknownField(e, []string{"p50", "p90", "p95", "p99", "p99.9", "concurrent"})
		}
	})
	if len(n.entries) == 0 {
		w.report(n, codeMissingField, "names no percentile").Why("expected at least one, such as p95: 300ms")
	}
}

// unit reads a value that carries its unit, and reports whether it could.
func unit[T any](w *walk, n *node, v *T, read func(string) (T, error), expected string, units ...string) bool {
	if n.kind != textNode && n.kind != integerNode && n.kind != numberNode {
		w.wrongType(n, expected)
		return false
	}
	x, err := read(n.text)
	if err == nil {
		*v = x
		return true
	}
	if !isNoUnit(err) {
		w.report(n, codeBadValue, "is "+strconv.Quote(n.text)).Why("expected " + expected)
		return false
	}
	var choices []string
	for _, u := range units {
		choices = append(choices, n.text+u)
	}
	w.report(n, codeMissingUnit, "is "+n.text+" without a unit").Why("expected " + expected).
		Fix("write " + strings.Join(choices, " or "))
	return false
}
