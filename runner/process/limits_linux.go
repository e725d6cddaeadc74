package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// limiter makes control groups, below the first folder on the way up from
// plat's own group where that is allowed.
type limiter struct {
	mark string
	once sync.Once
	v2   string            // folder to make groups in; empty: there is none
	v1   map[string]string // controller → folder
	why  string            // why there is none
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
	name := groupName(l.mark) + "." + run
	switch {
	case l.v2 != "":
		dir := filepath.Join(l.v2, name)
		if err := os.Mkdir(dir, 0o750); err != nil {
			return nil, err.Error()
		}
		g.dirs, g.memory = []string{dir}, dir
		if err := g.limit(dir, memory, cpu, "memory.max", "cpu.max"); err != nil {
			g.remove()
			return nil, err.Error()
		}
		f, err := os.Open(dir) // #nosec G304 -- a folder just made
		if err != nil {
			g.remove()
			return nil, err.Error()
		}
		g.v2 = f
		return g, ""
	case l.v1 == nil:
		return nil, l.why
	}
	var missing []string
	for _, c := range []struct {
		name  string
		asked bool
	}{{"memory", memory > 0}, {"cpu", cpu > 0}} {
		if !c.asked {
			continue
		}
		dir := filepath.Join(l.v1[c.name], name)
		err := errors.New("there is no writable control group for it")
		if l.v1[c.name] != "" {
			err = os.Mkdir(dir, 0o750)
		}
		if err == nil {
			g.dirs = append(g.dirs, dir)
			if c.name == "memory" {
				g.memory = dir
				err = g.limit(dir, memory, 0, "memory.limit_in_bytes", "")
			} else {
				err = g.limit(dir, 0, cpu, "", "cpu.cfs_quota_us")
			}
		}
		if err != nil {
			missing = append(missing, c.name+": "+err.Error())
		}
	}
	return g, strings.Join(missing, "; ")
}

// limit writes the limits that are asked for.
func (g *group) limit(dir string, memory int64, cpu float64, memoryFile, cpuFile string) error {
	const period = 100_000 // µs, the kernel's default
	var errs []error
	if memory > 0 {
		errs = append(errs, put(dir, memoryFile, strconv.FormatInt(memory, 10)))
		if memoryFile == "memory.max" {
			_ = put(dir, "memory.swap.max", "0") // without swap accounting there is nothing to bound
		}
	}
	if cpu > 0 {
		quota := strconv.Itoa(max(1000, int(cpu*period)))
		if cpuFile == "cpu.max" {
			quota += " " + strconv.Itoa(period)
		}
		errs = append(errs, put(dir, cpuFile, quota))
	}
	return errors.Join(errs...)
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
	l.why = "plat may write to no control group with the memory and cpu controllers"
	for line := range strings.Lines(string(own)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		if controllers == "" {
			l.v2 = delegated(mountOf(string(mounts), "cgroup2", ""), path)
			continue
		}
		for name := range strings.SplitSeq(controllers, ",") {
			if name != "memory" && name != "cpu" {
				continue
			}
			mount := mountOf(string(mounts), "cgroup", name)
			if dir := filepath.Join(mount, path); mount != "" && writable(dir) {
				if l.v1 == nil {
					l.v1 = map[string]string{}
				}
				l.v1[name] = dir
			}
		}
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

// delegated walks up from plat's own group to the first that hands memory and
// cpu to its children and may be written to. (Version 2 allows no children
// with controllers where there are processes, so it is not plat's own.)
func delegated(mount, path string) string {
	if mount == "" {
		return ""
	}
	for dir := filepath.Join(mount, path); strings.HasPrefix(dir, mount); dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")) // #nosec G304 -- the kernel's file
		have := " " + strings.TrimSpace(string(text)) + " "
		if err == nil && strings.Contains(have, " memory ") && strings.Contains(have, " cpu ") && writable(dir) {
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
	for _, dir := range []string{l.v2, l.v1["memory"], l.v1["cpu"]} {
		if dir == "" {
			continue
		}
		old, _ := filepath.Glob(filepath.Join(dir, groupName(mark)+"*")) // the pattern is well-formed
		for _, g := range old {
			_ = os.Remove(g)
		}
	}
}
