package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner"
)

// TestNoProgram starts what cannot be started, each with its reason and its
// remedy.
func TestNoProgram(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	root := t.TempDir()
	unpack(t, root, `
-- order/server.js --
console.log("hello")
-- order/plain.sh --
echo no first line
-- order/noexec.sh --
#!/bin/sh
-- order/noexec --
#!/bin/sh
-- order/alien.py --
#!/usr/bin/nowhere/python9
-- order/windows.sh --
#!/bin/sh
-- order/tool --
#!/bin/sh
-- golang/go.mod --
module example.org/x
-- empty/service.yaml --
-- order/folder/x --
`)
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("order/noexec.sh", "#!/bin/sh\n", 0o600)
	write("order/noexec", "#!/bin/sh\n", 0o600)
	write("order/windows.sh", "#!/bin/sh\r\necho\r\n", 0o700)
	write("order/elf", "\x7fELF\x02\x00\x00\x00", 0o700)
	env := []string{"PATH=" + filepath.Join(root, "order") + ":/bin:/usr/bin"}
	for name, want := range map[string]struct {
		dir  string
		argv []string
		why  string
		fix  string
	}{
		"a slip of the pen":     {"order", []string{"./sever.js"}, "there is no file ROOT/order/sever.js", "did you mean server.js?"},
		"not built":             {"golang", []string{"./order"}, "there is no file ROOT/golang/order", "is build: missing? There is a go.mod: add build: {go: .} to its service.yaml"},
		"nothing there":         {"empty", []string{"bin/order"}, "there is no file ROOT/empty/bin/order", "correct run: in its service.yaml (paths are relative to the service's folder), or say by build: how the program is made"},
		"not on the PATH":       {"empty", []string{"plat-nothing-like-this"}, "not found on the PATH", "install it, or correct run: in its service.yaml; with needs: [plat-nothing-like-this] the service is skipped where it lacks"},
		"nearly on the PATH":    {"empty", []string{"toool"}, "not found on the PATH", "did you mean tool? Else install it, or correct run: in its service.yaml; with needs: [toool] the service is skipped where it lacks"},
		"without ./":            {"order", []string{"plain.sh", "-v"}, "not found on the PATH", "it is in the service's folder: write run: [./plain.sh, -v]"},
		"no folder":             {"nowhere", []string{"true"}, "its folder ROOT/nowhere is missing", "correct its place in plat.yaml, or bring the folder back"},
		"a folder":              {"order", []string{"./folder"}, "ROOT/order/folder is a folder", "let run: name the program in it"},
		"not executable":        {"order", []string{"./noexec.sh"}, "ROOT/order/noexec.sh is not executable", "chmod +x ROOT/order/noexec.sh, or write run: [sh, noexec.sh]"},
		"not executable either": {"order", []string{"./noexec"}, "ROOT/order/noexec is not executable", "chmod +x ROOT/order/noexec"},
		"no first line":         {"order", []string{"./plain.sh"}, "ROOT/order/plain.sh is a script without a first line such as #!/bin/sh", "add that line, or write run: [sh, plain.sh]"},
		"no interpreter":        {"order", []string{"./alien.py"}, "ROOT/order/alien.py wants the interpreter /usr/bin/nowhere/python9, which cannot be started", "install it, or correct the first line of the file"},
		"line ends of Windows":  {"order", []string{"./windows.sh"}, "the first line of ROOT/order/windows.sh ends as on Windows", "save the file with Unix line ends"},
		"another system":        {"order", []string{"./elf"}, "ROOT/order/elf is a program for another system", "build it for this one"},
		"no words":              {"order", nil, "no program is named", "add run: with the program and its arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := env
			if name == "without ./" {
				e = []string{"PATH=/bin"}
			}
			_, err := g.Launch(t.Context(), runner.Launch{Service: "order", Instance: "order-1", Argv: want.argv, Dir: filepath.Join(root, want.dir), Env: e})
			if !fault.Is(err, fault.RunNoProgram) {
				t.Fatalf("the error is %v", err)
			}
			f := fault.All(err)[0]
			why, fix := strings.ReplaceAll(f.Expected, root, "ROOT"), strings.ReplaceAll(f.Remedy, root, "ROOT")
			if why != want.why || fix != want.fix {
				t.Errorf("why %q\nfix %q\nwant\nwhy %q\nfix %q", why, fix, want.why, want.fix)
			}
		})
	}
}

func TestLacking(t *testing.T) {
	g, _ := open(t)
	if f := g.Lacking("sh"); f != nil {
		t.Errorf("sh lacks: %v", f)
	}
	t.Setenv("PATH", "/a:/b:/c:/d:/e:/f:/g:/h")
	for program, fix := range map[string]string{"node": "install node (nodejs.org)", "frobnicate": "install frobnicate"} {
		f := g.Lacking(program)
		if f == nil || f.Code != fault.RunToolMissing || f.Severity != fault.Warning || f.Remedy != fix ||
			f.Expected != "not found on the PATH: /a, /b, /c, /d, /e, /f and 2 more folders" {
			t.Errorf("%s: %+v", program, f)
		}
	}
}
