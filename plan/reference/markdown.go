package reference

import (
	"fmt"
	"strings"
)

// Markdown is the page docs/reference.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# The plan's reference

Every key of plat.yaml and service.yaml. ` + "[plan.md](plan.md) is the guide; `plat explain KEY`" + `
prints an entry of this page offline. This page is generated: ` + "`make generate`." + `

In a path, ` + "`<name>` and `<type>`" + ` stand for names of your own, and ` + "`[]`" + ` for each item of
a list. Keys that begin with ` + "`x-`" + ` are yours and may stand anywhere. Units are always
written: durations as 200ms, 5s, 2m, 7d or 1y, sizes as 64KiB, 256MiB or 2GB,
percentages as 99.9%.
`)
	file := ""
	for _, f := range Fields() {
		if f.File != file {
			file = f.File
			fmt.Fprintf(&b, "\n## %s\n", file)
		}
		if strings.HasPrefix(f.Path, set) {
			continue // as in service.yaml
		}
		fmt.Fprintf(&b, "\n### `%s`\n\n%s\n\n%s\n", f.Path, f.Description, f.facts())
		if strings.HasSuffix(set, strings.TrimPrefix(f.Path, "environments.<name>.")+".<name>.") {
			b.WriteString("\n" + overridable() + "\n")
		}
		if f.Example != "" {
			fmt.Fprintf(&b, "\n```yaml\n%s\n```\n", f.Example)
		}
	}
	return b.String()
}

// facts is what the table knows of the field, in one line.
func (f Field) facts() string {
	facts := []string{strings.ToUpper(f.Type[:1]) + f.Type[1:]}
	switch f.Type {
	case "keys":
		facts[0] = "The keys below"
	case "list of keys":
		facts[0] = "List of items, each with the keys below"
	case byName + "keys":
		facts[0] = "Names, each with the keys below"
	}
	if len(f.Values) > 1 {
		each := ""
		if strings.HasPrefix(f.Type, "list") {
			each = "each "
		}
		facts = append(facts, each+"one of `"+strings.Join(f.Values, "`, `")+"`")
	}
	if f.Minimum != "" && f.Maximum != "" {
		facts = append(facts, "from "+f.Minimum+" to "+f.Maximum)
	} else if f.Minimum != "" {
		facts = append(facts, "at least "+f.Minimum)
	}
	switch {
	case f.Required:
		facts = append(facts, "**required**")
	case f.Default != "":
		facts = append(facts, "default `"+f.Default+"`")
	}
	return strings.Join(facts, "; ") + "."
}

// overridable lists the keys that an environment may set for a service.
func overridable() string {
	var keys []string
	for _, f := range Fields() {
		if key, ok := strings.CutPrefix(f.Path, set); ok && !strings.HasPrefix(f.Type, "keys") && !strings.HasPrefix(f.Type, byName+"keys") {
			keys = append(keys, "`"+key+"`")
		}
	}
	return "For each service, with the meaning that they have in service.yaml: " + strings.Join(keys, ", ") + "."
}
