package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plat-dev/plat/cli"
)

// plat runs one command line in this process, without a machine.
func plat(t *testing.T, width int, args ...string) (out, said string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Main(t.Context(), args, cli.IO{Out: &stdout, Err: &stderr, Width: width}, "test", cli.Machine{})
	return stdout.String(), stderr.String(), code
}

// walk visits every command that people see.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			walk(c, visit)
		}
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	seen := 0
	walk(cli.Root(), func(cmd *cobra.Command) {
		seen++
		at := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: Short is %q: a line without a full stop", at, cmd.Short)
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", at)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "plat ") {
				t.Errorf("%s: the example %q is none of plat", at, line)
			}
		}
		if parent := cmd.Parent(); parent != nil && !parent.HasParent() && cmd.GroupID == "" {
			t.Errorf("%s is in no group", at)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: what it does is %q: words without a full stop", at, f.Name, f.Usage)
			}
		})
		for line := range strings.Lines(cmd.Long) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 90 {
				t.Errorf("%s: a line of its help has %d characters", at, n)
			}
		}
		help := append([]string{"help"}, strings.Fields(at)[1:]...)
		out, said, code := plat(t, 0, help...)
		if code != 0 || !strings.Contains(out, "\nExamples:\n") {
			t.Errorf("plat %s: exit %d, %s%s", strings.Join(help, " "), code, said, out)
		}
		if again, _, _ := plat(t, 0, append(help[1:], "--help")...); again != out {
			t.Errorf("%s --help differs from plat help (-help +flag):\n%s", at, cmp.Diff(out, again))
		}
	})
	if seen < 28 {
		t.Errorf("only %d commands were seen", seen)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	out, _, code := plat(t, 0)
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	at := 0
	for _, title := range []string{"App", "Resources", "Monitoring", "Release", "Tools"} {
		i := strings.Index(out, "\n"+title+"\n")
		if i <= at {
			t.Errorf("%s is not where it should be:\n%s", title, out)
		}
		at = i
	}
	if strings.Contains(out, "Additional Commands") {
		t.Errorf("a verb is in no group:\n%s", out)
	}
}

// TestMistakes answers what is mistyped by what may have been meant: exit 2.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, want string
	}{
		{"upp", "did you mean plat up?"},
		{"status", "did you mean plat ps?"},
		{"members", "did you mean plat get instances?"},
		{"frobnicate", "plat --help lists the commands"},
		{"plan ad order", "did you mean plat plan add?"},
		{"new sistem shop", "did you mean plat new system?"},
		{"help lgos", "did you mean plat logs?"},
		{"help plan ad", "did you mean plat plan add?"},
		{"logs --taill 3", "unknown flag: --taill [bad-argument]\n  fix: did you mean --tail?"},
		{"ps --outptu json", "did you mean --output?"},
		{"ps --directori x", "did you mean --directory?"},
		{"ps --frobnicate", "fix: plat ps --help"},
		{"ps -x", "unknown flag: -x"},
		{"ps -o csv", "-o csv is not one of table, wide, json, yaml, name"},
		{"plan -o wide", "-o wide is not one of"},
		{"logs --tail x", "--tail x is not a number"},
		{"logs --since 5", "is not a duration with its unit, as 5s, 10m or 2d"},
		{"logs --tail", "--tail wants a value: a number"},
		{"ps -o", "--output wants a value"},
		{"completion bsh", "bsh is none of bash, zsh, fish, powershell"},
		{"completion", "takes one shell"},
		{"get", "plat get takes a kind, and names, not none [bad-argument]\n  fix: for example: plat get services"},
		{"get sevices", "did you mean services?"},
		{"call order", "not 1 (order)"},
		{"call order GTE /", "did you mean GET?"},
		{"call order GET x", "begins with a slash"},
		{"api GET /v2/x", "begins with /v1/"},
		{"scale order", "is not SERVICE=N"},
		{"publish order.placed", "-d says what the event tells"},
		{"explain plan-unknown-feild", "did you mean plan-unknown-field?"},
		{"explain consumes.servces", "did you mean"},
		{"schema order", "it is plat, service or experiment"},
		{"mail --raw", "--raw wants one ID"},
		{"-C nowhere ps", "nowhere is not a folder"},
		{"plan add order calls catalog", "the second word is consumes"},
	} {
		out, said, code := plat(t, 0, strings.Fields(c.line)...)
		if code != 2 || out != "" || !strings.Contains(said, c.want) {
			t.Errorf("plat %s: exit %d, want 2 and %q; it said:\n%s%s", c.line, code, c.want, said, out)
		}
	}
}

// TestEmptyArguments refuses what a variable without a value makes.
func TestEmptyArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"why", ""}, {"get", "services", ""}, {"call", "", "GET", "/"}, {"new", "service", ""}} {
		if _, said, code := plat(t, 0, args...); code != 2 || !strings.Contains(said, "is empty") {
			t.Errorf("plat %q: exit %d: %s", args, code, said)
		}
	}
}

// TestUnwritable tells of a file, and not of a defect of plat.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "file", "")
	write(t, dir, "repo/web/package.json", `{"scripts": {"start": "node ."}}`)
	if err := os.Mkdir(filepath.Join(dir, "repo", "plat.yaml"), 0o750); err != nil { // a folder in its place
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"schema", "--write", filepath.Join(dir, "file", "x")},
		{"new", "system", "shop", "-t", "node", "-C", filepath.Join(dir, "file")},
	} {
		if _, said, code := plat(t, 0, args...); code != 1 || !strings.Contains(said, "cannot be written [file-unwritable]\n  why: not a directory") {
			t.Errorf("plat %q: exit %d: %s", args, code, said)
		}
	}
	if _, said, code := plat(t, 0, "init", "-C", filepath.Join(dir, "repo")); code != 0 || strings.Contains(said, "internal") {
		t.Errorf("plat init: exit %d: %s", code, said)
	}
}

// TestRemediesRepeatTheFolder lets people copy what a remedy says.
func TestRemediesRepeatTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "plat.yaml", "system: shop\nowners: {team: {}}\nservices: [{path: a}]\n")
	write(t, dir, "a/service.yaml", "service: a\nowner: team\nrun: [a]\n")
	if _, said, code := plat(t, 0, "ps", "-C", dir); code != 3 || !strings.Contains(said, "fix: plat -C "+dir+" up\n") {
		t.Errorf("exit %d: %s", code, said)
	}
	if _, said, _ := plat(t, 0, "explain", "state-lock", "-C", dir); !strings.Contains(said, "? plat explain state-locked\n") {
		t.Errorf("explain needs no folder: %s", said)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	good, bad, none := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{good, bad} {
		write(t, dir, "plat.yaml", "system: shop\nowners: {team: {}}\nservices: [{path: a}]\n")
		write(t, dir, "a/service.yaml", "service: a\nowner: team\nrun: [a]\n")
	}
	write(t, bad, "a/service.yaml", "servise: a\n")
	for line, want := range map[string]int{ // 4 is a wait that ends: see testdata/stories/faults.txtar
		"check -C " + good: 0, "plan -C " + good: 0, "version": 0, "down -C " + good: 0,
		"check -C " + bad: 1, "plan -C " + bad: 1, "doctor -C " + bad: 1, "init -C " + none: 1,
		"check -C " + good + " x": 2, "chek": 2,
		"ps -C " + good: 3, "wait -C " + good: 3, "logs -C " + none: 3, "get services -w -C " + good: 3,
	} {
		if _, said, code := plat(t, 0, strings.Fields(line)...); code != want {
			t.Errorf("plat %s: exit %d, want %d; it said:\n%s", line, code, want, said)
		}
	}
}

// TestTablesFit leaves out what a narrow terminal has no room for, cuts texts,
// and does neither in a pipe.
func TestTablesFit(t *testing.T) {
	t.Parallel()
	all, said, _ := plat(t, 0, "explain", "--fields")
	if said != "" {
		t.Errorf("in a pipe it said %q", said)
	}
	header, _, _ := strings.Cut(all, "\n")
	if got := strings.Fields(header); !cmp.Equal(got, []string{"KEY", "FILE", "TYPE", "DEFAULT", "MEANING"}) {
		t.Errorf("header %q", header)
	}
	for _, width := range []int{200, 120, 80, 60, 40, 20, 1} {
		out, said, code := plat(t, width, "explain", "--fields")
		if code != 0 || strings.Count(out, "\n") != strings.Count(all, "\n") {
			t.Errorf("width %d: exit %d and %d lines, want %d", width, code, strings.Count(out, "\n"), strings.Count(all, "\n"))
		}
		columns := strings.Fields(strings.SplitN(out, "\n", 2)[0])
		if columns[0] != "KEY" {
			t.Errorf("width %d: the name is left out: %q", width, columns)
		}
		if len(columns) == 1 {
			continue // the name stays, even where it wraps
		}
		for line := range strings.Lines(out) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("width %d: a line of %d: %q", width, n, line)
			}
		}
		if (len(columns) < 5) != strings.Contains(said, "no room for ") {
			t.Errorf("width %d: columns %q, and it said %q", width, columns, said)
		}
	}
}
