package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// How programs that people need often are got.
const toolHints = `
bun      bun.sh
cargo    rustup.rs
deno     deno.com
docker   docs.docker.com/get-docker
dotnet   dot.net
elixir   elixir-lang.org/install
go       go.dev/dl
java     adoptium.net
mvn      maven.apache.org
node     nodejs.org
npm      nodejs.org
npx      nodejs.org
php      php.net
pnpm     pnpm.io/installation
poetry   python-poetry.org
python   python.org
python3  python.org
ruby     ruby-lang.org
uv       docs.astral.sh/uv
yarn     yarnpkg.com`

// Lacking tells why a program cannot be run: see runner.Launcher. It looks
// where programs are started from: the PATH of plat.
func (g *Guard) Lacking(program string) *fault.Fault {
	path := os.Getenv("PATH")
	if _, err := lookup(program, ".", []string{"PATH=" + path}); err == nil {
		return nil
	}
	folders := filepath.SplitList(path)
	const shown = 6
	where := strings.Join(folders[:min(len(folders), shown)], ", ")
	if more := len(folders) - shown; more > 0 {
		where += fmt.Sprintf(" and %d more folders", more)
	}
	f := fault.Newf(fault.RunToolMissing, "%s is not installed", program).
		Why("not found on the PATH: " + where).Fix("install " + program).Warn()
	for line := range strings.Lines(toolHints) {
		if name, site, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == program {
			f.Remedy = fmt.Sprintf("install %s (%s)", program, strings.TrimSpace(site))
		}
	}
	return f
}

// noProgram says why a program could not be started, as far as its folder
// tells: text is what the guard said.
func noProgram(m message, text string) *fault.Fault {
	if len(m.Argv) == 0 {
		return fault.Newf(fault.RunNoProgram, "service %q names no program", m.Service).
			Why(text).Fix("add run: with the program and its arguments")
	}
	name := m.Argv[0]
	f := fault.Newf(fault.RunNoProgram, "the program %q of service %q cannot be started", name, m.Service).Why(text)
	if info, err := os.Stat(m.Dir); err != nil || !info.IsDir() {
		return f.Why("its folder " + m.Dir + " is missing").Fix("correct its place in plat.yaml, or bring the folder back")
	}
	if !strings.ContainsRune(name, '/') {
		return f.Why("not found on the PATH").Fix(onPath(name, m))
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(m.Dir, path)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.Why("there is no file " + path).Fix(instead(path, m))
	case err != nil:
		return f.Fix("correct run: in its service.yaml")
	case info.IsDir():
		return f.Why(path + " is a folder").Fix("let run: name the program in it")
	}
	head := firstBytes(path)
	script, isScript := bytes.CutPrefix(head, []byte("#!"))
	switch {
	case info.Mode()&0o111 == 0:
		return f.Why(path + " is not executable").Fix("chmod +x " + path + interpreter(", or ", name))
	case isScript:
		line, _, _ := bytes.Cut(script, []byte("\n"))
		if bytes.HasSuffix(line, []byte("\r")) {
			return f.Why("the first line of " + path + " ends as on Windows").Fix("save the file with Unix line ends")
		}
		return f.Why(fmt.Sprintf("%s wants the interpreter %s, which cannot be started", path, strings.TrimSpace(string(line)))).Fix("install it, or correct the first line of the file")
	case strings.Contains(text, "exec format error") && bytes.IndexByte(head, 0) < 0:
		return f.Why(path + " is a script without a first line such as #!/bin/sh").Fix("add that line" + interpreter(", or ", name))
	case strings.Contains(text, "exec format error"):
		return f.Why(path + " is a program for another system").Fix("build it for this one")
	}
	return f.Fix("correct run: in its service.yaml, or install the program")
}

// onPath is the remedy for a program that is not on the PATH.
func onPath(name string, m message) string {
	if executable(filepath.Join(m.Dir, name)) == nil {
		return fmt.Sprintf("it is in the service's folder: write run: [./%s]", strings.Join(append([]string{name}, m.Argv[1:]...), ", "))
	}
	fix := "install it, or correct run: in its service.yaml"
	if near := plan.Nearest(name, programs(m.Env)); near != "" {
		fix = fmt.Sprintf("did you mean %s? Else %s", near, fix)
	}
	return fix + "; with needs: [" + name + "] the service is skipped where it lacks"
}

// instead is the remedy for a file that is not there: another name, or how it
// might be made.
func instead(path string, m message) string {
	var names []string
	entries, err := os.ReadDir(filepath.Dir(path))
	if err == nil {
		for _, e := range entries {
			if !e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	if near := plan.Nearest(filepath.Base(path), names); near != "" {
		return fmt.Sprintf("did you mean %s?", filepath.Join(filepath.Dir(m.Argv[0]), near))
	}
	for _, sign := range []struct{ file, build string }{
		{"go.mod", "{go: .}"}, {"main.go", "{go: .}"}, {"package.json", "{command: [npm, run, build]}"},
		{"Makefile", "{command: [make]}"}, {"Cargo.toml", "{command: [cargo, build]}"}, {"pom.xml", "{command: [mvn, package]}"},
	} {
		if _, err := os.Stat(filepath.Join(m.Dir, sign.file)); err == nil {
			return fmt.Sprintf("is build: missing? There is a %s: add build: %s to its service.yaml", sign.file, sign.build)
		}
	}
	return "correct run: in its service.yaml (paths are relative to the service's folder), or say by build: how the program is made"
}

// interpreter is another way to run a script: by the program that its name
// tells of.
func interpreter(sep, name string) string {
	with := map[string]string{".sh": "sh", ".py": "python3", ".js": "node", ".mjs": "node", ".cjs": "node", ".rb": "ruby", ".pl": "perl", ".php": "php"}[filepath.Ext(name)]
	if with == "" {
		return ""
	}
	return fmt.Sprintf("%swrite run: [%s, %s]", sep, with, strings.TrimPrefix(name, "./"))
}

// programs are the names on the PATH of an environment.
func programs(env []string) (names []string) {
	for _, v := range env {
		list, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, folder := range filepath.SplitList(list) {
			entries, err := os.ReadDir(folder)
			if err != nil {
				continue
			}
			for _, e := range entries {
				names = append(names, e.Name())
			}
		}
	}
	return names
}

func firstBytes(path string) []byte {
	f, err := os.Open(path) // #nosec G304 -- the program that the plan names
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head) // a short file is what it is
	return head[:n]
}
