package plan

import (
	"encoding/json"
	"reflect"

	"github.com/invopop/jsonschema"
)

// Schemas gives the JSON Schemas of the plan's files, by the name of the
// schema's file, for editors. They are made from the file types, so they know
// every key; what spans keys or files only Check knows.
func Schemas() map[string][]byte {
	return map[string][]byte{
		"plat.schema.json":    Schema("plat.yaml, the file of a system", &SystemFile{}),
		"service.schema.json": Schema("service.yaml, the file of a service", &ServiceFile{}),
	}
}

// Schema gives the JSON Schema of a file of the plan, or of one that lies beside
// it, from a pointer to its type.
func Schema(title string, file any) []byte {
	r := &jsonschema.Reflector{Anonymous: true, RequiredFromJSONSchemaTags: true, ExpandedStruct: true, Mapper: mapType}
	s := r.Reflect(file)
	s.Title = title
	extend(s)
	for _, definition := range s.Definitions {
		extend(definition)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("plan: a schema is always JSON: " + err.Error())
	}
	return append(text, '\n')
}

// extend allows keys that begin with x- beside those of a struct.
func extend(s *jsonschema.Schema) {
	if s.Properties != nil && s.Properties.Len() > 0 {
		s.PatternProperties = map[string]*jsonschema.Schema{"^x-": jsonschema.TrueSchema}
	}
}

// mapType gives the schemas of types that are written as text with a unit, or
// whose keys are not those of the Go type.
func mapType(t reflect.Type) *jsonschema.Schema {
	text := func(pattern string, examples ...any) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern, Examples: examples}
	}
	duration := text(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^[0-9]+(\.[0-9]+)?[dwy]$`, "200ms", "5s", "7d")
	switch t {
	case reflect.TypeFor[Duration]():
		return duration
	case reflect.TypeFor[Size]():
		return text(`^[0-9]+(\.[0-9]+)?([KMGT]i?)?B$`, "64KiB", "256MiB")
	case reflect.TypeFor[Percent]():
		return text(`^[0-9]+(\.[0-9]+)?%$`, "99.9%")
	case reflect.TypeFor[Scalar]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
	case reflect.TypeFor[Value]():
		return &jsonschema.Schema{} // any JSON
	case reflect.TypeFor[Expected]():
		keys := jsonschema.NewProperties()
		keys.Set("is", &jsonschema.Schema{Description: "The value itself; for one that is a mapping."})
		keys.Set("matches", &jsonschema.Schema{Type: "string", Description: "Regular expression (RE2) that is found in it."})
		keys.Set("exists", &jsonschema.Schema{Type: "boolean", Description: "Whether it is there at all."})
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Not: &jsonschema.Schema{Type: "object"}},
			{Type: "object", Properties: keys, AdditionalProperties: jsonschema.FalseSchema, PatternProperties: map[string]*jsonschema.Schema{"^x-": jsonschema.TrueSchema}},
		}}
	case reflect.TypeFor[Latency]():
		properties := jsonschema.NewProperties()
		properties.Set("concurrent", &jsonschema.Schema{Type: "integer", Minimum: "1", Description: "Requests at once under which it holds."})
		return &jsonschema.Schema{
			Type: "object", Description: "Response time at percentiles.", Properties: properties,
			PatternProperties:    map[string]*jsonschema.Schema{percentilePattern: duration, "^x-": jsonschema.TrueSchema},
			AdditionalProperties: jsonschema.FalseSchema,
		}
	}
	return nil
}
