package doctor_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plat-dev/plat/doctor"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// system writes a system to disk: its service.yaml files by name.
func system(t *testing.T, files map[string]string) doctor.Options {
	t.Helper()
	dir := t.TempDir()
	list := ""
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(name) == "service.yaml" {
			list += "  - path: " + filepath.Dir(name) + "\n"
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "plat.yaml"), []byte("system: s\nowners:\n  team: {}\nservices:\n"+list), 0o600); err != nil {
		t.Fatal(err)
	}
	return doctor.Options{
		Root: dir, Environment: "local", Plan: plan.Check(os.DirFS(dir), plan.Options{Environment: "local"}),
		PortHolder: func(string) string { return "somebody (pid 7)" },
		Answers:    func(context.Context) error { return fault.New(fault.Unreachable, "nobody answers") },
	}
}

// diagnosis finds the one that says a text.
func diagnosis(t *testing.T, found []doctor.Diagnosis, check, part string) doctor.Diagnosis {
	t.Helper()
	for _, d := range found {
		if d.Check == check && strings.Contains(d.What, part) {
			return d
		}
	}
	t.Fatalf("nothing of %s says %q: %+v", check, part, found)
	return doctor.Diagnosis{}
}

func TestTools(t *testing.T) {
	t.Parallel()
	found := doctor.Examine(t.Context(), system(t, map[string]string{
		"hard/service.yaml": "service: hard\nowner: team\nrun: [no-such-program-1]\n",
		"soft/service.yaml": "service: soft\nowner: team\nrun: [sh]\nneeds: [no-such-program-2]\n",
		"both/service.yaml": "service: both\nowner: team\nbuild: {command: [no-such-program-3]}\nrun: [./x]\n",
	}))
	for program, want := range map[string]doctor.Result{"no-such-program-1": doctor.Fail, "no-such-program-2": doctor.Warning, "no-such-program-3": doctor.Fail, "sh is /": doctor.Pass} {
		if d := diagnosis(t, found, "toolchain", program); d.Result != want || (want == doctor.Pass) != (d.Fix == "") {
			t.Errorf("%s: %+v, want %s", program, d, want)
		}
	}
}

// TestPorts names the holder of a port that must be free, and says nothing of
// one that a service may choose.
func TestPorts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	found := doctor.Examine(t.Context(), system(t, map[string]string{
		"fixed/service.yaml": "service: fixed\nowner: team\nrun: [sh]\nport: " + port + "\n",
	}))
	d := diagnosis(t, found, "ports", "127.0.0.1:"+port)
	if d.Result != doctor.Fail || !strings.Contains(d.What, "somebody (pid 7)") || !strings.Contains(d.What, "the service fixed needs it") || d.Fix == "" {
		t.Errorf("%+v", d)
	}
}

// TestEngines compares what a package.json wants with the Node there is.
func TestEngines(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "node"), []byte("#!/bin/sh\necho v18.19.0\n"), 0o700); err != nil { // #nosec G306 -- a program
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, wanted := range map[string]string{"older": ">=16", "same": ">=18.0.0", "later": ">=20", "odd": "^20 || 21", "none": ""} {
		files[name+"/service.yaml"] = "service: " + name + "\nowner: team\nrun: [node, .]\n"
		files[name+"/package.json"] = `{"engines": {"node": "` + wanted + `"}}`
	}
	files["damaged/service.yaml"] = "service: damaged\nowner: team\nrun: [node, .]\n"
	files["damaged/package.json"] = "{"
	o := system(t, files)
	o.LookPath = func(program string) (string, error) { return filepath.Join(bin, program), nil }
	found := doctor.Examine(t.Context(), o)
	if d := diagnosis(t, found, "toolchain", "later wants >=20"); d.Result != doctor.Warning || d.Fix != "install Node 20" {
		t.Errorf("%+v", d)
	}
	diagnosis(t, found, "toolchain", "node, v18.19.0")
	for _, d := range found {
		if strings.Contains(d.What, "wants") && !strings.Contains(d.What, "later") {
			t.Errorf("%+v", d)
		}
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	o := system(t, map[string]string{"a/service.yaml": "service: a\nowner: team\nrun: [sh]\n"})
	if d := diagnosis(t, doctor.Examine(t.Context(), o), "state", "nothing ran here yet"); d.Result != doctor.Pass {
		t.Errorf("%+v", d)
	}
	entries, err := os.ReadDir(o.Root)
	if err != nil || len(entries) != 2 {
		t.Errorf("the doctor left something: %v %v", entries, err)
	}
	folder := filepath.Join(o.Root, ".plat")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		run  string
		want doctor.Result
		part string
	}{
		{`{"pid": 4194999, "api": "http://127.0.0.1:1"}`, doctor.Warning, "process 4194999"},
		{`{"pid"`, doctor.Fail, ""},
	} {
		if err := os.WriteFile(filepath.Join(folder, "run.json"), []byte(c.run), 0o600); err != nil {
			t.Fatal(err)
		}
		if d := diagnosis(t, doctor.Examine(t.Context(), o), "state", c.part); d.Result != c.want || d.Fix == "" {
			t.Errorf("%s: %+v, want %s", c.run, d, c.want)
		}
	}
}

// TestAPlanWithErrors names the first error and its place, not a warning before it.
func TestAPlanWithErrors(t *testing.T) {
	t.Parallel()
	o := system(t, map[string]string{"a/service.yaml": "service: a\nowner: team\nrun: [sh]\ninstance: 3\n"})
	o.In = " -C shop"
	d := diagnosis(t, doctor.Examine(t.Context(), o), "plan", "a/service.yaml:4:1: ")
	if d.Result != doctor.Fail || d.Fix != "plat check -C shop" {
		t.Errorf("%+v", d)
	}
}

// TestNoPlan says how to have one, and sends nobody to a check that says no
// more.
func TestNoPlan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	found := doctor.Examine(t.Context(), doctor.Options{
		Root: dir, Environment: "local", Plan: plan.Check(os.DirFS(dir), plan.Options{Environment: "local"}),
	})
	d := diagnosis(t, found, "plan", "there is no plat.yaml here")
	if want := "plat init proposes a plan for the programs here; plat new system NAME makes a new one"; d.Result != doctor.Fail || d.Fix != want {
		t.Errorf("%+v, want the fix %s", d, want)
	}
}
