package adopt_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/adopt"
	"github.com/plat-dev/plat/fault"
)

// TestUnlisted finds declarations that no path leads to, and none that is not
// this system's.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	declaration := &fstest.MapFile{Data: []byte("service: x\nowner: team\nrun: [./x]\n")}
	files := fstest.MapFS{
		"plat.yaml":                        {Data: []byte("system: s\n")},
		"one/service.yaml":                 declaration,
		"two/service.yaml":                 declaration,
		"services/a/service.yaml":          declaration,
		"services/a/b/service.yaml":        declaration,
		"nobody/service.yaml":              {Data: []byte("owner: team\n")},
		"kube/service.yaml":                {Data: []byte("apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")},
		"torn/service.yaml":                {Data: []byte("service: [\n")},
		"other/plat.yaml":                  {Data: []byte("system: other\n")},
		"other/service.yaml":               declaration,
		"other/services/x/service.yaml":    declaration,
		"node_modules/p/service.yaml":      declaration,
		".hidden/service.yaml":             declaration,
		"a/testdata/service.yaml":          declaration,
		"a/vendor/dist/build/service.yaml": declaration,
	}
	var got []string
	for _, f := range adopt.Unlisted(files, []string{"./one/", "services/*", "[", ""}) {
		got = append(got, f.Place()+": "+f.Remedy)
		if f.Code != fault.PlanUnlistedService || f.Severity != fault.Warning {
			t.Errorf("%v is a %s", f, f.Severity)
		}
	}
	want := []string{
		"nobody/service.yaml: add - path: nobody under services in plat.yaml",
		"two/service.yaml: add - path: two under services in plat.yaml",
		"services/a/b/service.yaml: add - path: services/a/b under services in plat.yaml",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestBypass tells in which variables services looked for one another.
func TestBypass(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"compose.yaml":   {Data: []byte("services:\n  rec-ords:\n    build: a\n  web:\n    build: b\n    environment: {RECORDS: 'http://rec-ords:80/x', THEME: dark}\n")},
		"a/package.json": {Data: []byte(`{"scripts": {"start": "node a.js"}}`)},
		"b/package.json": {Data: []byte(`{"scripts": {"start": "node b.js"}}`)},
	}
	survey, err := adopt.Look(files, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]adopt.Bypass{{Service: "web", Variable: "RECORDS", Callee: "rec-ords", Instead: "PLAT_URL_REC_ORDS"}}, survey.Bypasses); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	files["b/service.yaml"] = &fstest.MapFile{Data: []byte("service: web\nowner: team\nrun: [node, b.js]\n")}
	if survey, err = adopt.Look(files, "shop"); err != nil || len(survey.Bypasses) != 0 {
		t.Errorf("what is declared already is not looked into: %v, %v", survey.Bypasses, err)
	}
}
