package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// limiter makes control groups, below the first folder on the way up from
// plat's own group where that is allowed.
type limiter struct {
	mark    string
	once    sync.Once
	unified bool              // version 2: one folder for all controllers
	folders map[string]string // by controller, memory and cpu; empty: there is none
	why     string            // why one is missing
}

// group is the control group of one program, a folder for each hierarchy.
type group struct {
	dirs   []string
	v2     *os.File
	memory string // folder that counts memory
}

func newLimiter(mark string) *limiter { return &limiter{mark: mark} }

// group makes the control group of one program; the text says what is not
// enforced and why.
func (l *limiter) group(run string, memory int64, cpu float64) (*group, string) {
	l.once.Do(l.find)
	g := &group{}
	var missing []string
	if memory > 0 {
		if err := l.limitMemory(g, run, memory); err != nil {
			missing = append(missing, "memory: "+err.Error())
		}
	}
	if cpu > 0 {
		if err := l.limitCPU(g, run, cpu); err != nil {
			missing = append(missing, "cpu: "+err.Error())
		}
	}
	if l.unified && len(g.dirs) > 0 {
		f, err := os.Open(g.dirs[0])
		if err != nil {
			missing = append(missing, err.Error())
		}
		g.v2 = f
	}
	return g, strings.Join(missing, "; ")
}

func (l *limiter) limitMemory(g *group, run string, bytes int64) error {
	dir, err := l.folder(g, "memory", run)
	if err != nil {
		return err
	}
	g.memory = dir
	if !l.unified {
		return put(dir, "memory.limit_in_bytes", strconv.FormatInt(bytes, 10))
	}
	_ = put(dir, "memory.swap.max", "0") // without swap there is nothing to bound
	return put(dir, "memory.max", strconv.FormatInt(bytes, 10))
}

func (l *limiter) limitCPU(g *group, run string, cores float64) error {
	dir, err := l.folder(g, "cpu", run)
	if err != nil {
		return err
	}
	const period = 100_000 // µs, the kernel's default
	quota := strconv.Itoa(max(1000, int(cores*period)))
	if l.unified {
		return put(dir, "cpu.max", quota+" "+strconv.Itoa(period))
	}
	return put(dir, "cpu.cfs_quota_us", quota)
}

// folder makes a program's group in a controller's hierarchy.
func (l *limiter) folder(g *group, controller, run string) (string, error) {
	if l.folders[controller] == "" {
		return "", errors.New(l.why)
	}
	dir := filepath.Join(l.folders[controller], groupName(l.mark)+"."+run)
	if slices.Contains(g.dirs, dir) {
		return dir, nil
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		return "", err
	}
	g.dirs = append(g.dirs, dir)
	return dir, nil
}

func put(dir, file, text string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(text), 0) // #nosec G306 -- the kernel's file
}

// before has the kernel start the program inside its group, where it can.
func (g *group) before(sys *syscall.SysProcAttr) {
	if g != nil && g.v2 != nil {
		sys.UseCgroupFD, sys.CgroupFD = true, int(g.v2.Fd())
	}
}

// inside reports whether before had the program start in its group.
func (g *group) inside() bool { return g != nil && g.v2 != nil }

// after puts a started program into its groups of version 1: what it used in
// the moments before is not counted.
func (g *group) after(pid int) string {
	if g == nil {
		return ""
	}
	if g.v2 != nil {
		_ = g.v2.Close()
		return ""
	}
	var errs []error
	for _, dir := range g.dirs {
		errs = append(errs, put(dir, "cgroup.procs", strconv.Itoa(pid)))
	}
	if err := errors.Join(errs...); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err.Error()
	}
	return ""
}

// members are the processes in the group: what no mark finds is here.
func (g *group) members() []int {
	if g == nil {
		return nil
	}
	var pids []int
	for _, dir := range g.dirs {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")) // #nosec G304 -- the kernel's file
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// outOfMemory reports whether the kernel killed in the group for its limit.
func (g *group) outOfMemory() bool {
	if g == nil || g.memory == "" {
		return false
	}
	for _, file := range []string{"memory.events", "memory.oom_control"} {
		text, err := os.ReadFile(filepath.Join(g.memory, file)) // #nosec G304 -- the kernel's file
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
				return strings.TrimSpace(n) != "0"
			}
		}
	}
	return false
}

// remove takes the group away; it must be empty, which the kernel sees a
// moment after the last process is reaped.
func (g *group) remove() {
	if g == nil {
		return
	}
	if g.v2 != nil {
		_ = g.v2.Close() // it may be closed already
	}
	for _, dir := range g.dirs {
		for range 50 {
			if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// find looks for the folders to make groups in.
func (l *limiter) find() {
	l.folders = map[string]string{}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		l.why = "this kernel has no control groups"
		return
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		l.why = err.Error()
		return
	}
	l.why = "plat may not write to a control group with this controller"
	for line := range strings.Lines(string(own)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		if controllers == "" {
			l.findUnified(mountOf(string(mounts), "cgroup2", ""), path)
			continue
		}
		for name := range strings.SplitSeq(controllers, ",") {
			if name != "memory" && name != "cpu" {
				continue
			}
			mount := mountOf(string(mounts), "cgroup", name)
			if dir := filepath.Join(mount, path); mount != "" && writable(dir) {
				l.folders[name] = dir
			}
		}
	}
}

// findUnified is find for version 2, whose line is the last: where version 1
// has the controllers, there are none in it.
func (l *limiter) findUnified(mount, path string) {
	if len(l.folders) > 0 {
		return
	}
	for _, name := range []string{"memory", "cpu"} {
		if dir := delegated(mount, path, name); dir != "" {
			l.folders[name], l.unified = dir, true
		}
	}
	if l.folders["cpu"] != "" && l.folders["memory"] != "" {
		l.folders["memory"] = l.folders["cpu"] // what hands down cpu further up hands down memory too
	}
}

// mountOf finds where a hierarchy is mounted whole.
func mountOf(mounts, kind, controller string) string {
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(rest) < 3 || rest[0] != kind || fields[3] != "/" {
			continue
		}
		if controller == "" || strings.Contains(","+rest[2]+",", ","+controller+",") {
			return fields[4]
		}
	}
	return ""
}

// delegated walks up from plat's own group to the first that hands the
// controller to its children and may be written to. (Version 2 allows no
// children with controllers where there are processes, so it is not plat's
// own.)
func delegated(mount, path, controller string) string {
	if mount == "" {
		return ""
	}
	for dir := filepath.Join(mount, path); strings.HasPrefix(dir, mount); dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")) // #nosec G304 -- the kernel's file
		have := " " + strings.TrimSpace(string(text)) + " "
		if err == nil && strings.Contains(have, " "+controller+" ") && writable(dir) {
			return dir
		}
	}
	return ""
}

func writable(dir string) bool {
	probe := filepath.Join(dir, fmt.Sprintf("plat-probe-%d", os.Getpid()))
	if os.Mkdir(probe, 0o750) != nil {
		return false
	}
	return os.Remove(probe) == nil
}

// groupName is the name of a guard's groups, without the run: STATE.NONCE.
func groupName(mark string) string { return "plat-" + mark }

// removeGroups removes the groups that a killed guard left; mark may be the
// beginning of one.
func removeGroups(mark string) {
	l := newLimiter(mark)
	l.find()
	for _, dir := range l.folders {
		old, _ := filepath.Glob(filepath.Join(dir, groupName(mark)+"*")) // the pattern is well-formed
		for _, g := range old {
			_ = os.Remove(g)
		}
	}
}
