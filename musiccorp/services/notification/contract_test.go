package main

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"testing"

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
