// Package reference is the plan's reference: every key of plat.yaml and
// service.yaml with what it takes, as a table that feeds docs/reference.md and
// `plat explain FIELD`. The table is made from the file types of plan and their
// tags, so it cannot lag behind what is read; only the examples are its own.
//
// It must never import another room than plan.
package reference

import (
	"reflect"
	"slices"
	"strings"

	"github.com/plat-dev/plat/plan"
)

// The files that the plan consists of.
const (
	SystemFile  = "plat.yaml"
	ServiceFile = "service.yaml"
)

// Field is one key of a file of the plan.
type Field struct {
	File string `json:"file"` // SystemFile or ServiceFile
	// Path leads to the key from the file's root: keys with dots between, <name>,
	// <type> or <percentile> for any, [] after the key of a list, as in
	// gateways.<name>.routes[].path.
	Path        string   `json:"path"`
	Type        string   `json:"type"` // in words: duration, list of text, keys, …
	Required    bool     `json:"required,omitempty"`
	Default     string   `json:"default,omitempty"` // as one would write it; empty: none, or the description says it
	Values      []string `json:"values,omitempty"`  // all that are allowed; empty: any of the type
	Minimum     string   `json:"minimum,omitempty"` // of a number
	Maximum     string   `json:"maximum,omitempty"`
	Description string   `json:"description"`
	Example     string   `json:"example,omitempty"` // the key with a value, in YAML, of one line or several
}

// Fields lists all keys: those of plat.yaml, then those of service.yaml, each
// before the keys below it, in the order in which the files usually have them.
func Fields() []Field {
	b := builder{examples: examples()}
	b.file = SystemFile
	b.keys(reflect.TypeFor[plan.SystemFile](), "")
	b.file = ServiceFile
	b.keys(reflect.TypeFor[plan.ServiceFile](), "")
	return b.fields
}

// set is the part of plat.yaml that repeats keys of service.yaml.
const set = "environments.<name>.set.<name>."

// builder walks the file types.
type builder struct {
	file     string
	fields   []Field
	examples map[string]string
}

// keys adds the keys of a struct, whose path ends with a dot unless it is the
// root's, and all below them.
func (b *builder) keys(t reflect.Type, path string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		field := Field{File: b.file, Path: path + name, Type: typeName(f.Type), Description: f.Tag.Get("jsonschema_description")}
		for _, option := range strings.Split(f.Tag.Get("jsonschema"), ",") {
			field.option(option)
		}
		if strings.HasPrefix(field.Path, set) {
			field.Default = "" // what the service says
		}
		field.Example = b.examples[b.file+" "+field.Path]
		b.fields = append(b.fields, field)
		b.below(f.Type, path+name)
	}
}

func (f *Field) option(option string) {
	key, value, _ := strings.Cut(option, "=")
	switch key {
	case "required":
		f.Required = true
	case "enum":
		f.Values = append(f.Values, value)
	case "default":
		f.Default = value
	case "minimum":
		f.Minimum = value
	case "maximum":
		f.Maximum = value
	}
}

// below adds what a value of the type has below it.
func (b *builder) below(t reflect.Type, path string) {
	switch {
	case t.Kind() == reflect.Pointer:
		b.below(t.Elem(), path)
	case t == reflect.TypeFor[plan.Latency]():
		for _, f := range []Field{
			{Path: "<percentile>", Type: "duration", Description: "The response time at that percentile, such as p50, p95 or p99.9."},
			{Path: "concurrent", Type: "whole number", Minimum: "1", Description: "Requests at once under which it holds."},
		} {
			f.File, f.Path = b.file, path+"."+f.Path
			f.Example = b.examples[b.file+" "+f.Path]
			b.fields = append(b.fields, f)
		}
	case t == reflect.TypeFor[plan.Expected]():
		b.keys(t, path+".")
	case single(t) != "":
	case t.Kind() == reflect.Struct:
		b.keys(t, path+".")
	case t.Kind() == reflect.Map:
		name := ".<name>"
		if strings.HasSuffix(path, ".events") {
			name = ".<type>"
		}
		b.below(t.Elem(), path+name)
	case t.Kind() == reflect.Slice:
		b.below(t.Elem(), path+"[]")
	}
}

// single names the type of a single value; empty for others.
func single(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[plan.Duration]():
		return "duration"
	case reflect.TypeFor[plan.Size]():
		return "size"
	case reflect.TypeFor[plan.Percent]():
		return "percentage"
	case reflect.TypeFor[plan.Scalar]():
		return "text, number, or true or false"
	case reflect.TypeFor[plan.Value]():
		return "any value"
	case reflect.TypeFor[plan.Expected]():
		return "a value, or keys"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Int:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Bool:
		return "true or false"
	}
	return ""
}

// byName begins the type of a key whose value has names of one's own.
const byName = "by name: "

// typeName says in words what a key takes.
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return typeName(t.Elem())
	}
	if s := single(t); s != "" {
		return s
	}
	switch t.Kind() {
	case reflect.Map:
		if s := single(t.Elem()); s != "" {
			return byName + s
		}
		return byName + "keys"
	case reflect.Slice:
		if s := single(t.Elem()); s != "" {
			return "list of " + s
		}
		return "list of keys"
	}
	return "keys"
}

// Lookup finds the fields that a path may mean, as one types it or as a finding
// names it: the whole path of a key, with <name> or with any name in its place
// (consumes.services.catalog.timeout), list positions or not
// (gateways.public.routes.16.path), the name alone (consumes.services.catalog
// finds consumes.services); or failing that the end of paths, such as a single
// key (on-failure). Both files may have the key. It is empty for what the
// plan does not have, for longer than 256 bytes, and for what is no path.
func Lookup(path string) []Field {
	asked := segments(path)
	if len(asked) == 0 {
		return nil
	}
	var whole, ends []Field
	most := map[string]int{} // by file: the literal keys of the best match
	for _, f := range Fields() {
		have := segments(f.Path)
		literal, ok := match(have, asked)
		if !ok && strings.HasPrefix(f.Type, byName) {
			literal, ok = match(append(have, "<name>"), asked)
		}
		if ok {
			if literal > most[f.File] {
				whole = slices.DeleteFunc(whole, func(w Field) bool { return w.File == f.File })
				most[f.File] = literal
			}
			if literal == most[f.File] {
				whole = append(whole, f)
			}
			continue
		}
		for n := 1; n < len(have); n++ {
			if have[n] != asked[0] {
				continue
			}
			if _, ok := match(have[n:], asked); ok {
				ends = append(ends, f)
				break
			}
		}
	}
	if len(whole) > 0 {
		return whole
	}
	return ends
}

// maxPath bounds what is looked up.
const maxPath = 256

// segments are the keys of a path without its list positions.
func segments(path string) []string {
	var keys []string
	if len(path) > maxPath {
		return nil
	}
	for _, key := range strings.Split(strings.TrimSpace(path), ".") {
		key, position, indexed := strings.Cut(key, "[")
		if key == "" || indexed && !strings.HasSuffix(position, "]") {
			return nil
		}
		if strings.Trim(key, "0123456789") != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// match reports whether the keys lead to what is asked for, and how many of
// them stand there literally. What stands for a name may take several keys,
// since types of events and names of settings have dots.
func match(have, asked []string) (literal int, ok bool) {
	switch {
	case len(have) == 0:
		return 0, len(asked) == 0
	case len(asked) == 0:
		return 0, false
	case have[0] == asked[0]:
		literal, ok = match(have[1:], asked[1:])
		return literal + 1, ok
	case !strings.HasPrefix(have[0], "<"):
		return 0, false
	}
	for taken := 1; taken <= len(asked); taken++ {
		if l, fits := match(have[1:], asked[taken:]); fits {
			literal, ok = max(literal, l), true
		}
	}
	return literal, ok
}

// maxNear is how many paths Near gives at most.
const maxNear = 5

// Near lists up to five paths of keys that an unknown path may have meant,
// without repetition, short ones first; empty when nothing is near.
func Near(path string) []string {
	asked := segments(path)
	if len(asked) == 0 {
		return nil
	}
	var paths, keys []string
	for _, f := range Fields() {
		have := segments(f.Path)
		paths = append(paths, f.Path)
		if key := have[len(have)-1]; !strings.HasPrefix(key, "<") {
			keys = append(keys, key)
		}
	}
	if best := plan.Nearest(strings.Join(asked, "."), paths); best != "" {
		return []string{best}
	}
	best := plan.Nearest(asked[len(asked)-1], keys)
	if best == "" {
		return nil
	}
	var near []string
	for _, p := range paths {
		if have := segments(p); have[len(have)-1] == best && !slices.Contains(near, p) {
			near = append(near, p)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return strings.Count(a, ".") - strings.Count(b, ".") })
	return near[:min(len(near), maxNear)]
}
