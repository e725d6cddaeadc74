package process_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
)

const sourcesSystem = `
-- go.work --
go 1.26

use (
	./shop
	./kit
)
-- kit/go.mod --
module example.org/kit

go 1.26
-- kit/kit.go --
package kit
-- local/go.mod --
module example.org/local

go 1.26
-- local/sub/sub.go --
package sub
-- shop/go.mod --
module example.org/shop

go 1.26

require example.org/local v0.0.0

replace example.org/local => ../local
-- shop/common/common.go --
package common

import _ "example.org/local/sub"
-- shop/unused/unused.go --
package unused
-- shop/order/main.go --
package main

import (
	"embed"
	"net/http"

	"example.org/kit"
	"example.org/shop/common"
	"example.org/shop/not/there/yet"
)

//go:embed sql/*.sql page.html
var files embed.FS

func main() { http.NotFound(nil, nil); undefined() }
-- shop/order/sql/1.sql --
-- shop/order/page.html --
-- shop/web/main.go --
package main

func main() {}
-- shop/page/service.yaml --
-- shop/script/run.sh --
`

func TestSources(t *testing.T) {
	g, _ := open(t)
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	unpack(t, root, sourcesSystem)
	t.Setenv("GOWORK", "")
	t.Setenv("GOFLAGS", "-mod=readonly")
	b, err := process.NewBuilder(g, root)
	if err != nil {
		t.Fatal(err)
	}
	list := b.Sources(t.Context(), []plan.Service{
		{Name: "order", Dir: "shop/order", Build: plan.Build{Go: "."}},
		{Name: "web", Dir: "shop", Build: plan.Build{Go: "./web"}},
		{Name: "script", Dir: "shop/script", Run: []string{"./run.sh"}},
		{Name: "made", Dir: "shop/script", Build: plan.Build{Command: []string{"make"}}},
		{Name: "nothing", Dir: "shop/page", Build: plan.Build{Go: "./cmd"}},
		{Name: "image", Dir: "shop/page", Build: plan.Build{Image: "example.org/image"}},
		{Name: "elsewhere"},
	})
	slices.SortFunc(list, func(a, b runner.Sources) int { return strings.Compare(a.Service, b.Service) })
	for i := range list {
		for _, paths := range [][]string{list[i].Trees, list[i].Packages, list[i].Folders, list[i].Files} {
			for k, p := range paths {
				if paths[k], err = filepath.Rel(root, p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	want := []runner.Sources{
		{Service: "made", Trees: []string{"shop/script"}},
		{Service: "nothing", Trees: []string{"shop/page"}},
		{
			Service: "order", Packages: []string{"kit", "local/sub", "shop/common", "shop/order"}, Folders: []string{"shop/order/sql"},
			Files: []string{"go.work", "kit/go.mod", "local/go.mod", "shop/go.mod", "shop/go.sum", "shop/order/page.html", "shop/order/sql/1.sql"},
		},
		{Service: "script", Trees: []string{"shop/script"}},
		{Service: "web", Packages: []string{"shop/web"}, Files: []string{"go.work", "shop/go.mod", "shop/go.sum"}},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
}

func TestSourcesOfABrokenModule(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	root := t.TempDir()
	unpack(t, root, "-- go.mod --\nmodule !\n-- order/main.go --\npackage main\n")
	b, err := process.NewBuilder(g, root)
	if err != nil {
		t.Fatal(err)
	}
	list := b.Sources(t.Context(), []plan.Service{{Name: "order", Dir: "order", Build: plan.Build{Go: "."}}})
	if len(list) != 1 || !slices.Equal(list[0].Packages, []string{filepath.Join(root, "order")}) || !slices.Contains(list[0].Files, filepath.Join(root, "go.mod")) {
		t.Errorf("sources are %+v", list)
	}
}
