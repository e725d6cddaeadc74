package adopt_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/plat-dev/plat/adopt"
	"github.com/plat-dev/plat/plan"
)

func repository(t *testing.T, files string) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, f := range txtar.Parse([]byte(files)).Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return fsys
}

func look(t *testing.T, fsys fs.FS) adopt.Survey {
	t.Helper()
	survey, err := adopt.Look(fsys, "My Shop")
	if err != nil {
		t.Fatal(err)
	}
	return survey
}

// text of the proposal for one file.
func text(t *testing.T, s adopt.Survey, file string) string {
	t.Helper()
	for _, p := range append(s.Services, s.System) {
		if p.File == file {
			_, body, _ := strings.Cut(p.Text, "by what stands in ")
			if body == "" {
				return p.Text
			}
			return body
		}
	}
	t.Fatalf("%s is not proposed; notes: %q", file, s.Notes)
	return ""
}

const shop = `
-- go.mod --
module example.com/acme/shop/v2

go 1.26
-- internal/serve/serve.go --
package serve

import "net/http"

var _ http.Handler
-- cmd/api/main.go --
package main

import "example.com/acme/shop/v2/internal/serve"

func main() { serve.Listen(":8080") }
-- cmd/migrate/main.go --
package main

func main() {}
-- cmd/other/gen.go --
//go:build ignore

package main

import _ "net/http"

func main() {}
-- frontend/package.json --
{"name": "@acme/web", "scripts": {"start": "node server.js"}, "dependencies": {"express": "1"}}
-- frontend/package-lock.json --
{}
-- frontend/server.js --
require("http").createServer().listen(process.env.PORT)
-- frontend/Dockerfile --
FROM node
EXPOSE 3000
CMD ["node", "server.js"]
-- frontend/node_modules/express/package.json --
{"name": "express", "scripts": {"start": "node ."}}
-- lib/package.json --
{"name": "lib"}
-- py/app.py --
serve(port=5000)
-- py/Dockerfile --
FROM python:3 AS build
EXPOSE 1
FROM python:3
EXPOSE 5000/tcp
CMD ["python3", "app.py"]
-- image/Dockerfile --
FROM scratch
CMD ["/srv"]
-- jobs/Procfile --
# how it runs
web: ./serve --port $PORT
worker: ./work --queue=a
release: ./migrate
-- docker-compose.yml --
x-base: &base {restart: always}
services:
  db: {image: "postgres:16"}
  storefront:
    <<: *base
    build: ./frontend
    ports: ["80:3000"]
    depends_on: [recs, db]
    environment:
      RECS_URL: http://recs:5000
      SESSION_SECRET: abc
      THEME: "dark: yes"
      PORT: "3000"
  recs:
    build: {context: py}
    environment: [LOG_LEVEL=debug]
`

func TestARepositoryOfSeveralLanguages(t *testing.T) {
	t.Parallel()
	s := look(t, repository(t, shop))
	for file, want := range map[string]string{
		"cmd/api/service.yaml": `cmd/api/main.go.
service: api
owner: team
build: {go: .}
port: 8080 # by cmd/api/main.go:5; a program that listens on PORT needs none
`,
		"frontend/service.yaml": `frontend/package.json, frontend/Dockerfile, docker-compose.yml.
# RECS_URL was the address of recs: plat gives it as PLAT_URL_RECS.
service: storefront
owner: team
build: {command: [npm, ci]}
run: [node, server.js]
needs: [node, npm]
consumes:
  services:
    recs: {}
config:
  session-secret: {secret: true}
  theme: {type: string, default: 'dark: yes'}
`,
		"py/service.yaml": `py/Dockerfile, docker-compose.yml.
# what the image installs (RUN in the Dockerfile) must be on this machine.
service: recs
owner: team
run: [python3, app.py]
port: 5000 # by py/Dockerfile; a program that listens on PORT needs none
config:
  log-level: {type: string, default: debug}
`,
		"jobs/service.yaml": `jobs/Procfile.
service: jobs
owner: team
run: [sh, -c, exec ./serve --port $PORT]
`,
		"plat.yaml": `system: my-shop
owners:
  team: {} # who answers for the services: mail, chat, url
services:
  - path: cmd/api
  - path: frontend
  - path: jobs
  - path: jobs/procs/worker
  - path: py
gateways:
  public:
    routes:
      - {path: /, service: storefront}
      - {host: api.localhost, path: /, service: api}
      - {host: jobs.localhost, path: /, service: jobs}
      - {host: recs.localhost, path: /, service: recs}
`,
	} {
		if d := cmp.Diff(want, text(t, s, file)); d != "" {
			t.Errorf("%s (-want +got):\n%s", file, d)
		}
	}
	for _, part := range []string{"cmd/migrate is a Go program that listens nowhere", "lib/package.json", "image/Dockerfile", "db is the image postgres:16", "release is run once"} {
		if !strings.Contains(strings.Join(s.Notes, "\n"), part) {
			t.Errorf("no note says %q: %q", part, s.Notes)
		}
	}
}

// TestWhatIsProposedIsSound writes the proposals beside what is there and
// checks the plan that comes out.
func TestWhatIsProposedIsSound(t *testing.T) {
	t.Parallel()
	fsys := repository(t, shop)
	s := look(t, fsys)
	for _, p := range append(s.Services, s.System) {
		fsys[p.File] = &fstest.MapFile{Data: []byte(p.Text)}
	}
	result := plan.Check(fsys, plan.Options{})
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	if n := len(result.System.Services); n != 5 {
		t.Fatalf("%d services", n)
	}
	for _, p := range append(look(t, fsys).Services, look(t, fsys).System) { // a second time
		if !p.Exists {
			t.Errorf("%s would be written over", p.File)
		}
	}
}

func TestOddRepositories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files    string
		services int
		note     string
	}{
		"an empty one":             {"", 0, ""},
		"a damaged package.json":   {"-- package.json --\n{", 0, "package.json is no JSON"},
		"a damaged compose file":   {"-- compose.yaml --\n\t- [", 0, "no YAML"},
		"a compose file of a list": {"-- compose.yaml --\n- a\n", 0, "no YAML"},
		"Go that cannot be read":   {"-- go.mod --\nmodule m\n-- main.go --\npackage main {\n", 0, "no Go that can be read"},
		"a module without a name":  {"-- go.mod --\ngo 1.26\n", 0, "names no module"},
		"built from outside":       {"-- a/compose.yaml --\nservices: {x: {build: ../../y}}\n", 0, "outside the repository"},
		"twice the same name":      {"-- a/x/package.json --\n{\"name\":\"x\",\"scripts\":{\"start\":\"node .\"}}\n-- b/x/package.json --\n{\"name\":\"x\",\"scripts\":{\"start\":\"node .\"}}\n", 2, ""},
		"names that are none":      {"-- Ünlike_This/package.json --\n{\"scripts\":{\"start\":\"node .\"}}\n-- -/package.json --\n{\"scripts\":{\"start\":\"node .\"}}\n", 2, ""},
		"a name of 200 letters":    {"-- " + strings.Repeat("n", 200) + "/package.json --\n{\"scripts\":{\"start\":\"node .\"}}\n", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := repository(t, c.files)
			s := look(t, fsys)
			if len(s.Services) != c.services {
				t.Errorf("%d services, want %d: %+v", len(s.Services), c.services, s.Services)
			}
			if !strings.Contains(strings.Join(s.Notes, "\n"), c.note) {
				t.Errorf("notes %q, want %q", s.Notes, c.note)
			}
			if len(s.Services) == 0 {
				return
			}
			for _, p := range append(s.Services, s.System) {
				fsys[p.File] = &fstest.MapFile{Data: []byte(p.Text)}
			}
			if err := plan.Check(fsys, plan.Options{}).Err(); err != nil {
				t.Errorf("what is proposed is not sound: %v", err)
			}
		})
	}
}
