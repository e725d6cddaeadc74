package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/plat-dev/plat/plan"
)

// thousand is a plan of 1,000 services like the design's example.
func thousand() fstest.MapFS {
	files := fstest.MapFS{}
	system := "plat: 1\nsystem: large\nowners: {us: {mail: us@large.example}}\nservices: [{path: services/*}]\ndefaults: {timeout: 1s, objectives: {availability: 99.5%}}\ngateways:\n  public:\n    routes:\n"
	for i := range 1000 {
		name := fmt.Sprintf("service-%d", i)
		system += fmt.Sprintf("      - {path: /api/%s, service: %s}\n", name, name)
		text := fmt.Sprintf(`# yaml-language-server: $schema=../../service.schema.json
plat: 1
service: %s
owner: us
context: ordering                 # bounded context
about: Takes an order from basket to dispatch.
build: {go: .}
run: [./order]
provides:
  http: {openapi: api/openapi.yaml, ready: /health/ready}
  events:
    order-%d.placed: {schema: api/order-placed.json, key: /customer}
consumes:
  services:
    service-%d:        {timeout: 2s, on-failure: fail}
    service-%d: {timeout: 2s, on-failure: degrade, optional: true}
  events:
    order-%d.placed:  {retries: 5}
stores:
  orders: {engine: sqlite, holds: [personal], keep: 7y, may-lose: 0s}
config:
  currency: {type: string, default: EUR}
limits: {memory: 256MiB, cpu: 1}
objectives:
  availability: 99.9%%
  latency: {p90: 300ms, concurrent: 200}
`, name, i, (i+1)%1000, (i+7)%1000, (i+1)%1000)
		files["services/"+name+"/service.yaml"] = &fstest.MapFile{Data: []byte(text)}
		files["services/"+name+"/api/openapi.yaml"] = &fstest.MapFile{}
		files["services/"+name+"/api/order-placed.json"] = &fstest.MapFile{}
	}
	files["plat.yaml"] = &fstest.MapFile{Data: []byte(system)}
	return files
}

// BenchmarkCheck1000 checks 1,000 services on disk, as plat check does.
func BenchmarkCheck1000(b *testing.B) {
	dir := b.TempDir()
	for name, f := range thousand() {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if r := plan.Check(os.DirFS(dir), plan.Options{}); r.Err() != nil || len(r.System.Services) != 1000 {
			b.Fatal(r.Err())
		}
	}
}
