// Command testsum makes the output of go test -json readable: a line a
// package, the whole output of what failed, the reason of what was skipped,
// and the numbers. With -add FILE it adds its numbers to that file, from which
// -total FILE prints one closing line of all runs.
//
// With -again FILE and no more than two failed packages it writes their names to
// that file and exits with 3: they are to run once more. What passes then is
// counted as flaky, and named. A data race, a failed build and a failure of the
// go command itself are never asked again.
//
// It must never import a room.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

func main() {
	add := flag.String("add", "", "append the numbers to this `file`")
	total := flag.String("total", "", "print the sum of the numbers in this `file` and do nothing else")
	again := flag.String("again", "", "write the packages that are to run once more to this `file`, and exit with 3")
	flag.Parse()
	code, err := run(files{*add, *total, *again}, os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// files are the flags: what is written to, or read.
type files struct{ add, total, again string }

// mostAgain bounds the packages that run once more: when more fail, it is not
// chance.
const (
	mostAgain = 2
	runAgain  = 3
)

func run(f files, in io.Reader, out io.Writer) (code int, err error) {
	if f.total != "" {
		sum, err := readCounts(f.total)
		if err != nil {
			return 1, err
		}
		_, err = fmt.Fprintln(out, sum)
		return 0, err
	}
	r := newReport(out)
	if err := r.read(in); err != nil {
		return 1, err
	}
	sum := r.sum()
	switch {
	case f.again != "" && len(r.failed) > 0 && len(r.failed) <= mostAgain && !r.certain:
		code = runAgain
		for _, pkg := range r.failed { // the second run counts their tests
			own := r.counts[pkg]
			sum.passed -= own.passed
			sum.skipped -= own.skipped
			sum.failed -= own.failed
			sum.flaky++
		}
		if err := os.WriteFile(f.again, []byte(strings.Join(r.failed, "\n")+"\n"), 0o600); err != nil {
			return 1, err
		}
	case len(r.failed) > 0 || sum.failed > 0 || r.certain:
		code = 1
	}
	if f.add != "" {
		if err := appendCounts(f.add, sum); err != nil {
			return 1, err
		}
	}
	return code, nil
}

// counts are the numbers of a run. flaky counts packages and browser files, the others tests.
type counts struct{ passed, failed, skipped, flaky int }

// String is the closing line.
func (c counts) String() string {
	s := fmt.Sprintf("%d passed, %d failed", c.passed, c.failed)
	if c.skipped > 0 {
		s += fmt.Sprintf(", %d skipped", c.skipped)
	}
	if c.flaky > 0 {
		s += fmt.Sprintf("; %d flaky: failed and passed when run once more, see above and mend it today", c.flaky)
	}
	return s
}

func appendCounts(name string, c counts) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the file that the caller names
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %d %d %d\n", c.passed, c.failed, c.skipped, c.flaky)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func readCounts(name string) (counts, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the file that the caller names
	if err != nil {
		return counts{}, err
	}
	var sum counts
	for line := range strings.Lines(string(text)) {
		var c counts
		if _, err := fmt.Sscan(line, &c.passed, &c.failed, &c.skipped, &c.flaky); err != nil {
			return counts{}, fmt.Errorf("%s: %q: %w", name, line, err)
		}
		sum.passed += c.passed
		sum.failed += c.failed
		sum.skipped += c.skipped
		sum.flaky += c.flaky
	}
	return sum, nil
}

// event is one line of go test -json, see go doc test2json.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// keep bounds what is remembered of one test's output: its end.
const keep = 256 << 10

// report reads events and prints what a person wants to know of them.
type report struct {
	out     io.Writer
	counts  map[string]*counts // by package
	failed  []string           // packages, whatever their tests
	certain bool               // what failed is no chance: a build, a race
	// output by package or build, then by test; "" is the package's own
	output map[string]map[string]string
	tests  map[string]int // finished tests by package
}

func newReport(out io.Writer) *report {
	return &report{out: out, counts: map[string]*counts{}, output: map[string]map[string]string{}, tests: map[string]int{}}
}

func (r *report) of(pkg string) *counts {
	if r.counts[pkg] == nil {
		r.counts[pkg] = &counts{}
	}
	return r.counts[pkg]
}

func (r *report) sum() counts {
	var sum counts
	for _, c := range r.counts {
		sum.passed += c.passed
		sum.failed += c.failed
		sum.skipped += c.skipped
	}
	return sum
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				r.print(line) // not of test2json: the go command itself speaks
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	switch e.Action {
	case "output":
		r.certain = r.certain || strings.Contains(e.Output, "WARNING: DATA RACE") || strings.Contains(e.Output, "fatal error: concurrent map")
		r.remember(e.Package, e.Test, e.Output)
	case "build-output":
		r.remember(e.ImportPath, "", e.Output)
	case "build-fail":
		r.certain = true
		r.print(r.output[e.ImportPath][""])
		delete(r.output, e.ImportPath)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
	}
}

func (r *report) endTest(e event) {
	r.tests[e.Package]++
	switch e.Action {
	case "pass":
		r.of(e.Package).passed++
	case "fail":
		r.of(e.Package).failed++
		r.print(fmt.Sprintf("\nFAIL %s %s\n%s\n", short(e.Package), e.Test, r.text(e)))
	case "skip":
		r.of(e.Package).skipped++
		r.print(fmt.Sprintf("skip %s %s: %s\n", short(e.Package), e.Test, whySkipped(r.text(e))))
	}
	delete(r.output[e.Package], e.Test)
}

// maxReason bounds the reason of a skipped test; a script that stops in its
// middle says all that it did before.
const maxReason = 300

func whySkipped(text string) string {
	reason := strings.Join(strings.Fields(text), " ")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return reason
}

func (r *report) endPackage(e event) {
	own := r.text(e)
	switch e.Action {
	case "fail":
		r.failed = append(r.failed, e.Package)
		var unfinished []string
		for test := range r.output[e.Package] {
			if test != "" {
				unfinished = append(unfinished, test)
			}
		}
		sort.Strings(unfinished)
		for _, test := range unfinished { // a panic or the time limit ended them
			r.of(e.Package).failed++
			r.print(fmt.Sprintf("\nFAIL %s %s (not finished)\n%s\n", short(e.Package), test, r.output[e.Package][test]))
		}
		r.print(own)
		r.certain = r.certain || e.FailedBuild != "" || len(unfinished) == 0 && r.of(e.Package).failed == 0
		r.print(fmt.Sprintf("FAIL %-32s %6.1fs\n", short(e.Package), e.Elapsed))
	case "pass":
		note := fmt.Sprintf("%6.1fs", e.Elapsed)
		if strings.Contains(own, "(cached)") {
			note = " cached"
		}
		r.print(fmt.Sprintf("ok   %-32s %s  %d tests\n", short(e.Package), note, r.tests[e.Package]))
	}
	delete(r.output, e.Package)
}

// text is what a test or package printed, without the marks of go test.
func (r *report) text(e event) string {
	var b strings.Builder
	for line := range strings.Lines(r.output[e.Package][e.Test]) {
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "=== ") || strings.HasPrefix(trimmed, "--- ") || trimmed == "PASS" || trimmed == "FAIL" {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

func (r *report) remember(pkg, test, output string) {
	if r.output[pkg] == nil {
		r.output[pkg] = map[string]string{}
	}
	text := r.output[pkg][test] + output
	if len(text) > 2*keep {
		text = fmt.Sprintf("(the first %d bytes are left out)\n", len(text)-keep) + text[len(text)-keep:]
	}
	r.output[pkg][test] = text
}

func (r *report) print(text string) {
	_, _ = io.WriteString(r.out, text) // a closed terminal shows nothing anyway
}

// short is the package's folder in this repository.
func short(pkg string) string {
	name := strings.TrimPrefix(strings.TrimPrefix(pkg, "github.com/plat-dev/plat"), "/")
	if name == "" {
		return "."
	}
	return name
}
