package culprit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/runner/culprit"
)

func TestFind(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "order")
	for _, name := range []string{"order/src/app.ts", "order/Main.java", "order/app.py", "order/main.go", "other/src/app.ts"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type want = culprit.Error
	for name, c := range map[string]struct {
		output string
		want   want
	}{
		"tsc": {
			"> order@1.0.0 build\n> tsc --noEmitOnError\n\nsrc/app.ts(17,59): error TS2552: Cannot find name 'greting'. Did you mean 'greeting'?\nsrc/app.ts(20,1): error TS1005: ';' expected.",
			want{"error TS2552: Cannot find name 'greting'. Did you mean 'greeting'?", "src/app.ts", 17, 59},
		},
		"tsc, pretty": {
			"\x1b[96msrc/app.ts\x1b[0m:\x1b[93m17\x1b[0m:\x1b[93m59\x1b[0m - \x1b[91merror\x1b[0m TS2552: no name",
			want{"error TS2552: no name", "src/app.ts", 17, 59},
		},
		"esbuild": {
			"✘ [ERROR] Could not resolve \"x\"\n\n    src/app.ts:1:7:\n      1 │ import \"x\"",
			want{"✘ [ERROR] Could not resolve \"x\"", "src/app.ts", 1, 7},
		},
		"vite": {
			"vite v7 building\nerror during build:\nsrc/app.ts (1:9): \"x\" is not exported",
			want{"error during build: src/app.ts (1:9): \"x\" is not exported", "src/app.ts", 1, 9},
		},
		"javac":  {"Main.java:5: error: ';' expected", want{"error: ';' expected", "Main.java", 5, 0}},
		"maven":  {"[INFO] compiling\n[ERROR] DIR/Main.java:[10,5] cannot find symbol", want{"[ERROR] DIR/Main.java:[10,5] cannot find symbol", "Main.java", 10, 5}},
		"kotlin": {"error: file://DIR/Main.java:3:5 unresolved", want{"error: file://DIR/Main.java:3:5 unresolved", "Main.java", 3, 5}},
		"rustc":  {"error[E0425]: cannot find value `x`\n --> src/app.ts:4:5\n  |", want{"error[E0425]: cannot find value `x`", "src/app.ts", 4, 5}},
		"python": {"  File \"app.py\", line 3\n    f(\n     ^\nSyntaxError: '(' was never closed", want{"SyntaxError: '(' was never closed", "app.py", 3, 0}},
		"go":     {"# example.org/order\n./main.go:3:15: undefined: greet", want{"undefined: greet", "main.go", 3, 15}},
		"a warning first": {
			"src/app.ts:1:1: warning: unused variable error\nMain.java:2: error: no",
			want{"error: no", "Main.java", 2, 0},
		},
		"a file elsewhere":     {"../other/src/app.ts(1,2): error TS1: no", want{"../other/src/app.ts(1,2): error TS1: no", "", 0, 0}},
		"a file that is not":   {"src/none.ts(1,2): error TS1: no", want{"src/none.ts(1,2): error TS1: no", "", 0, 0}},
		"a time and a host":    {"12:30:45 error: cannot reach http://127.0.0.1:4873", want{"12:30:45 error: cannot reach http://127.0.0.1:4873", "", 0, 0}},
		"a number beyond":      {"Main.java:99999999999999999999: error: no", want{"error: no", "Main.java", 0, 0}},
		"no error, only notes": {"all is well\n0 errors\nsrc/app.ts:1:1: note: well done", want{}},
		"nothing":              {"", want{}},
		"a long line":          {"error: " + strings.Repeat("ü", 400), want{"error: " + strings.Repeat("ü", 146) + "…", "", 0, 0}},
	} {
		got := culprit.Find(dir, strings.Split(strings.ReplaceAll(c.output, "DIR", dir), "\n"))
		if got.File != "" {
			got.File, _ = filepath.Rel(dir, got.File)
		}
		c.want.Text = strings.ReplaceAll(c.want.Text, "DIR", dir)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
