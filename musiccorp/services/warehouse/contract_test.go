package main

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write api/ anew")

// TestContract holds api/, which others rely on, to what the code does.
func TestContract(t *testing.T) {
	t.Parallel()
	openapi, err := (&service{}).serve(http.NewServeMux()).YAML()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi.yaml", openapi)
	goldenEvent[stockReserved](t, "stock.reserved")
	goldenEvent[stockRejected](t, "stock.rejected")
	goldenEvent[parcelDispatched](t, "parcel.dispatched")
}

// goldenEvent compares the JSON Schema of an event's data. Fields may be added
// later, so it allows those that it does not know.
func goldenEvent[T any](t *testing.T, eventType string) {
	t.Helper()
	registry := huma.NewMapRegistry("#/$defs/", huma.DefaultSchemaNamer)
	schema := huma.SchemaFromType(registry, reflect.TypeFor[T]())
	schema.Title, schema.AdditionalProperties = eventType, nil
	for _, def := range registry.Map() {
		def.AdditionalProperties = nil
	}
	schema.Extensions = map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema"}
	if len(registry.Map()) > 0 {
		schema.Extensions["$defs"] = registry.Map()
	}
	raw, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, strings.ReplaceAll(eventType, ".", "-")+".json", append(raw, '\n'))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("api", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) // #nosec G304 -- a name from this file
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what the code does; if it shall be, run the tests with -update (-file +code):\n%s", path, diff)
	}
}
