package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/state"
)

// diagnosis is one thing that plat doctor looked at.
type diagnosis struct {
	Check  string `json:"check"`
	Result string `json:"result"` // pass, warning, fail
	What   string `json:"what"`
	Fix    string `json:"fix,omitempty"`
}

const (
	pass = "pass"
	warn = "warning"
	fail = "fail"
)

func (a *app) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Look whether this machine and folder can run the system",
		Long:    "Looks at the toolchain, the ports, the permissions, the plan and the state\nfolder; each check passes, warns or fails, and says how to mend it. Changes\nnothing. Exit code 1 when a check fails.",
		Example: "  plat doctor\n  plat doctor -e prod\n  plat doctor -o json | jq '.[] | select(.result != \"pass\")'",
		GroupID: "tools",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	a.environment(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		found, err := a.examine(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.printDiagnoses(found); err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(d diagnosis) bool { return d.Result == fail }) {
			return errAnswered
		}
		return nil
	}
	return cmd
}

func (a *app) printDiagnoses(found []diagnosis) error {
	if a.output != "table" {
		t := table{header: []string{"CHECK"}}
		for _, d := range found {
			t.rows = append(t.rows, []string{d.Check})
		}
		return a.print(found, t)
	}
	paint := newPainter(a.Out)
	mark := map[string]string{pass: "pass   ", warn: paint.yellow("warning"), fail: paint.red("FAIL   ")}
	for _, d := range found {
		if _, err := fmt.Fprintf(a.Out, "%s  %-12s %s\n", mark[d.Result], d.Check, d.What); err != nil {
			return err
		}
		if d.Fix != "" {
			if _, err := fmt.Fprintf(a.Out, "%23sfix: %s\n", "", d.Fix); err != nil {
				return err
			}
		}
	}
	return nil
}

// examine makes all checks; those that need a plan are left out without one.
func (a *app) examine(ctx context.Context) ([]diagnosis, error) {
	root, err := a.system()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(root, state.Name)
	running := state.Held(folder)
	found := []diagnosis{a.examinePlan(root)}
	result := a.load(root)
	if sys := result.System; sys != nil {
		found = append(found, examineTools(ctx, root, sys)...)
		found = append(found, a.examinePorts(sys, running)...)
	}
	found = append(found, examineFolder(root, folder)...)
	return append(found, a.examineState(ctx, folder, running), examineFiles()), nil
}

func (a *app) examinePlan(root string) diagnosis {
	result := a.load(root)
	errs, warnings := 0, 0
	for _, f := range result.Findings {
		if f.Severity == fault.Error {
			errs++
		} else {
			warnings++
		}
	}
	switch {
	case errs > 0:
		return diagnosis{"plan", fail, count(errs, "error") + " in the plan's files, the first: " + result.Findings[0].What, "plat check" + a.inDir()}
	case warnings > 0:
		return diagnosis{"plan", warn, count(warnings, "warning") + " in the plan's files", "plat check" + a.inDir()}
	}
	return diagnosis{"plan", pass, fmt.Sprintf("%s, %s, environment %s", result.System.Name, count(len(result.System.Services), "service"), a.env), ""}
}

// examineTools looks for the programs that building and running need.
func examineTools(ctx context.Context, root string, sys *plan.System) []diagnosis {
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
	var found []diagnosis
	for _, program := range slices.Sorted(keys(users)) {
		path, err := exec.LookPath(program)
		if err != nil {
			d := diagnosis{"toolchain", fail, program + " is not on the PATH; it is needed by " + strings.Join(users[program], ", "), "install " + program}
			if skippable(sys, program, users[program]) {
				d.Result = warn
				d.What += ", which will be skipped"
			}
			found = append(found, d)
			continue
		}
		what := program + " is " + path
		if program == "go" {
			what += goVersion(ctx, root)
		}
		found = append(found, diagnosis{"toolchain", pass, what, ""})
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

func goVersion(ctx context.Context, root string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return ", but it does not run: " + err.Error()
	}
	return ", " + strings.TrimSpace(string(out))
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
func (a *app) examinePorts(sys *plan.System, running bool) []diagnosis {
	if running {
		return []diagnosis{{"ports", pass, "held by the running plat", ""}}
	}
	var found []diagnosis
	all := addresses(sys)
	for _, who := range slices.Sorted(keys(all)) {
		addr := all[who]
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close() // it was only asked for
			found = append(found, diagnosis{"ports", pass, addr + " is free for " + who, ""})
			continue
		}
		holder := a.machine.PortHolder(addr)
		if holder == "" {
			holder = "another program"
		}
		if who == "the gateway" || who == "the control API" {
			found = append(found, diagnosis{"ports", warn, addr + " is taken by " + holder + ": " + who + " will take another port", "end that program, or name an address with --gateway and --api"})
			continue
		}
		found = append(found, diagnosis{"ports", fail, addr + " is taken by " + holder + "; " + who + " needs it", "end that program, or change the plan"})
	}
	return found
}

// minFree is the space below which a warning is due: logs, events and
// telemetry need room.
const minFree = 2 << 30

func examineFolder(root, folder string) []diagnosis {
	var found []diagnosis
	dir := folder
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		dir = root
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return []diagnosis{{"permissions", fail, "nothing can be written in " + dir + ": " + err.Error(), "give yourself the permission with chown or chmod"}}
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name()) // the probe has told what it could
	found = append(found, diagnosis{"permissions", pass, dir + " can be written", ""})
	if info, err := os.Stat(folder); err == nil && info.Mode().Perm()&0o077 != 0 {
		found = append(found, diagnosis{"permissions", warn, "others may read " + folder + ", which holds the token", "chmod 700 " + folder})
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err == nil {
		free := int64(fs.Bavail) * int64(fs.Bsize) //nolint:gosec,unconvert // sizes differ by system
		d := diagnosis{"disk", pass, size(free) + " are free", ""}
		if free < minFree {
			d.Result, d.Fix = warn, "make room: plat stops to take events before the disk is full"
		}
		found = append(found, d)
	}
	return found
}

func (a *app) examineState(ctx context.Context, folder string, running bool) diagnosis {
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return diagnosis{"state", pass, "nothing ran here yet", ""}
	}
	run, err := state.ReadRun(folder)
	if err != nil {
		f := fault.All(err)[0]
		return diagnosis{"state", fail, f.What, f.Remedy}
	}
	if !running {
		if run != nil {
			return diagnosis{"state", warn, fmt.Sprintf("the last plat (process %d) did not end in order", run.PID), "plat up" + a.inDir() + " recovers; .plat/plat.log tells what happened"}
		}
		return diagnosis{"state", pass, "nothing runs now", ""}
	}
	client, _, err := a.connect()
	if err == nil {
		_, err = client.System(ctx)
	}
	if err != nil {
		return diagnosis{"state", fail, "a plat holds the folder and does not answer: " + fault.All(err)[0].What, "read .plat/plat.log"}
	}
	return diagnosis{"state", pass, fmt.Sprintf("runs as process %d, %s", run.PID, run.API), ""}
}

// minFiles is how many open files a system of some services needs.
const minFiles = 4096

func examineFiles() diagnosis {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return diagnosis{"limits", warn, "the limit of open files cannot be read: " + err.Error(), ""}
	}
	d := diagnosis{"limits", pass, fmt.Sprintf("%d open files", limit.Max), ""}
	if limit.Max < minFiles {
		d.Result, d.Fix = warn, fmt.Sprintf("ulimit -n %d", minFiles)
	}
	return d
}
