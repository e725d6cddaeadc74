// Package doctor looks whether this machine and this folder can run a system:
// toolchain, ports, permissions, plan and state. It changes nothing, and must
// never import what runs a system.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/state"
)

// Result is how a check came out.
type Result string

// The results: it works, it works with a reservation, it does not work.
const (
	Pass    Result = "pass"
	Warning Result = "warning"
	Fail    Result = "fail"
)

// Diagnosis is one thing that was looked at.
type Diagnosis struct {
	Check  string `json:"check"` // plan, toolchain, ports, permissions, disk, state, limits
	Result Result `json:"result"`
	What   string `json:"what"`
	Fix    string `json:"fix,omitempty"`
}

// Options say what is looked at.
type Options struct {
	Root        string // folder with plat.yaml
	Environment string
	Plan        plan.Result // of Root
	In          string      // " -C FOLDER" for remedies; empty where the user is in Root
	PortHolder  func(addr string) (program string)
	Answers     func(context.Context) error          // whether the running plat does
	LookPath    func(program string) (string, error) // nil: on the PATH
}

// Examine makes all checks and changes nothing; those that need a plan are
// left out when there is none. It takes seconds at most.
func Examine(ctx context.Context, o Options) []Diagnosis {
	folder := filepath.Join(o.Root, state.Name)
	running := state.Held(folder)
	if o.LookPath == nil {
		o.LookPath = exec.LookPath
	}
	found := []Diagnosis{o.examinePlan()}
	if sys := o.Plan.System; sys != nil {
		found = append(found, o.examineTools(ctx, sys)...)
		found = append(found, o.examinePorts(sys, running)...)
	}
	found = append(found, examineFolder(o.Root, folder)...)
	return append(found, o.examineState(ctx, folder, running), examineFiles())
}

func (o Options) examinePlan() Diagnosis {
	result := o.Plan
	errs, warnings, first := 0, 0, ""
	for _, f := range result.Findings {
		if f.Severity == fault.Error {
			if errs++; errs == 1 {
				first = f.What
				if f.Place() != "" {
					first = f.Place() + ": " + f.What
				}
			}
		} else {
			warnings++
		}
	}
	switch {
	case len(result.Findings) > 0 && result.Findings[0].Code == fault.PlanNotFound: // plat check would say no more
		return Diagnosis{"plan", Fail, first, result.Findings[0].Remedy}
	case errs > 0:
		return Diagnosis{"plan", Fail, count(errs, "error") + " in the plan's files, the first: " + first, "plat check" + o.In}
	case warnings > 0:
		return Diagnosis{"plan", Warning, count(warnings, "warning") + " in the plan's files", "plat check" + o.In}
	}
	return Diagnosis{"plan", Pass, fmt.Sprintf("%s, %s, environment %s", result.System.Name, count(len(result.System.Services), "service"), o.Environment), ""}
}

// examineTools looks for the programs that building and running need.
func (o Options) examineTools(ctx context.Context, sys *plan.System) []Diagnosis {
	users := map[string][]string{} // services, by program
	use := func(program, service string) {
		if program != "" && !strings.Contains(program, "/") && !slices.Contains(users[program], service) {
			users[program] = append(users[program], service)
		}
	}
	for _, svc := range sys.Services {
		if svc.Build.Go != "" {
			use("go", svc.Name)
		}
		if len(svc.Build.Command) > 0 {
			use(svc.Build.Command[0], svc.Name)
		}
		if len(svc.Run) > 0 {
			use(svc.Run[0], svc.Name)
		}
		for _, need := range svc.Needs {
			use(need, svc.Name)
		}
	}
	var found []Diagnosis
	for _, program := range slices.Sorted(keys(users)) {
		path, err := o.LookPath(program)
		if err != nil {
			d := Diagnosis{"toolchain", Fail, program + " is not on the PATH; it is needed by " + strings.Join(users[program], ", "), "install " + program}
			if skippable(sys, program, users[program]) {
				d.Result = Warning
				d.What += ", which will be skipped"
			}
			found = append(found, d)
			continue
		}
		what := program + " is " + path
		switch program {
		case "go":
			what += ", " + version(ctx, o.Root, path, "env", "GOVERSION")
		case "node":
			node := version(ctx, o.Root, path, "--version")
			found = append(found, examineEngines(o.Root, sys, node)...)
			what += ", " + node
		}
		found = append(found, Diagnosis{"toolchain", Pass, what, ""})
	}
	return found
}

// atLeast is the form of engines.node that is compared: another says more
// than a look at it can answer.
var atLeast = regexp.MustCompile(`^>=\s*v?(\d+)[\d.]*$`)

// examineEngines warns where a package.json wants a later Node.
func examineEngines(root string, sys *plan.System, node string) []Diagnosis {
	major, err := strconv.Atoi(strings.TrimPrefix(strings.SplitN(node, ".", 2)[0], "v"))
	if err != nil {
		return nil
	}
	var found []Diagnosis
	for _, svc := range sys.Services {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(svc.Dir), "package.json")) //nolint:gosec // of a service of the plan
		if err != nil {
			continue // no Node program, or npm will say what is wrong with it
		}
		var p struct {
			Engines struct{ Node string } `json:"engines"`
		}
		if json.Unmarshal(text, &p) != nil {
			continue
		}
		wanted := atLeast.FindStringSubmatch(p.Engines.Node)
		if wanted == nil {
			continue
		}
		if least, err := strconv.Atoi(wanted[1]); err == nil && major < least {
			found = append(found, Diagnosis{"toolchain", Warning, fmt.Sprintf("node is %s, and %s wants %s (engines in its package.json)", node, svc.Name, p.Engines.Node), "install Node " + wanted[1]})
		}
	}
	return found
}

// skippable tells whether all users declare that they need the program.
func skippable(sys *plan.System, program string, users []string) bool {
	for _, name := range users {
		svc, _ := sys.Service(name)
		if !slices.Contains(svc.Needs, program) {
			return false
		}
	}
	return true
}

// version is what a program says of itself.
func version(ctx context.Context, root string, argv ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // go or node
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "but it does not run: " + err.Error()
	}
	return strings.TrimSpace(string(out))
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Addresses that plat tries first, and those of its doors.
func addresses(sys *plan.System) map[string]string {
	all := map[string]string{"the gateway": "127.0.0.1:8000", "the control API": "127.0.0.1:8001"}
	for _, svc := range sys.Services {
		if svc.Port != 0 {
			all["the service "+svc.Name] = net.JoinHostPort("127.0.0.1", strconv.Itoa(svc.Port))
		}
	}
	for _, door := range sys.Doors {
		switch door {
		case "dns":
			all["the door dns"] = "127.0.0.1:8600"
		case "consul":
			all["the door consul"] = "127.0.0.1:8500"
		}
	}
	return all
}

// examinePorts looks whether the addresses are free. The gateway and the
// control API go to another port where theirs is taken; all others must have
// theirs.
func (o Options) examinePorts(sys *plan.System, running bool) []Diagnosis {
	if running {
		return []Diagnosis{{"ports", Pass, "held by the running plat", ""}}
	}
	var found []Diagnosis
	all := addresses(sys)
	for _, who := range slices.Sorted(keys(all)) {
		addr := all[who]
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close() // it was only asked for
			found = append(found, Diagnosis{"ports", Pass, addr + " is free for " + who, ""})
			continue
		}
		holder := o.PortHolder(addr)
		if holder == "" {
			holder = "another program"
		}
		if who == "the gateway" || who == "the control API" {
			found = append(found, Diagnosis{"ports", Warning, addr + " is taken by " + holder + ": " + who + " will take another port", "end that program, or name an address with --gateway and --api"})
			continue
		}
		found = append(found, Diagnosis{"ports", Fail, addr + " is taken by " + holder + "; " + who + " needs it", "end that program, or change the plan"})
	}
	return found
}

// minFree is the space below which a warning is due: logs, events and
// telemetry need room.
const minFree = 2 << 30

func examineFolder(root, folder string) []Diagnosis {
	var found []Diagnosis
	dir := folder
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		dir = root
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return []Diagnosis{{"permissions", Fail, "nothing can be written in " + dir + ": " + err.Error(), "give yourself the permission with chown or chmod"}}
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name()) // the probe has told what it could
	found = append(found, Diagnosis{"permissions", Pass, dir + " can be written", ""})
	if info, err := os.Stat(folder); err == nil && info.Mode().Perm()&0o077 != 0 {
		found = append(found, Diagnosis{"permissions", Warning, "others may read " + folder + ", which holds the token", "chmod 700 " + folder})
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err == nil {
		free := int64(fs.Bavail) * int64(fs.Bsize) //nolint:gosec,unconvert // sizes differ by system
		d := Diagnosis{"disk", Pass, fmt.Sprintf("%d MiB are free", free>>20), ""}
		if free < minFree {
			d.Result, d.Fix = Warning, "make room: plat stops to take events before the disk is full"
		}
		found = append(found, d)
	}
	return found
}

func (o Options) examineState(ctx context.Context, folder string, running bool) Diagnosis {
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return Diagnosis{"state", Pass, "nothing ran here yet", ""}
	}
	run, err := state.ReadRun(folder)
	if err != nil {
		f := fault.All(err)[0]
		return Diagnosis{"state", Fail, f.What, f.Remedy}
	}
	if !running {
		if run != nil {
			return Diagnosis{"state", Warning, fmt.Sprintf("the last plat (process %d) did not end in order", run.PID), "plat up" + o.In + " recovers; .plat/plat.log tells what happened"}
		}
		return Diagnosis{"state", Pass, "nothing runs now", ""}
	}
	if err := o.Answers(ctx); err != nil {
		return Diagnosis{"state", Fail, "a plat holds the folder and does not answer: " + fault.All(err)[0].What, "read .plat/plat.log"}
	}
	return Diagnosis{"state", Pass, fmt.Sprintf("runs as process %d, %s", run.PID, run.API), ""}
}

// minFiles is how many open files a system of some services needs.
const minFiles = 4096

func examineFiles() Diagnosis {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return Diagnosis{"limits", Warning, "the limit of open files cannot be read: " + err.Error(), ""}
	}
	d := Diagnosis{"limits", Pass, fmt.Sprintf("%d open files", limit.Max), ""}
	if limit.Max < minFiles {
		d.Result, d.Fix = Warning, fmt.Sprintf("ulimit -n %d", minFiles)
	}
	return d
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
