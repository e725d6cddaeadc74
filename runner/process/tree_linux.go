package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// becomeGuard makes this process the heir of everything that loses its parent
// below it, and keeps what it holds open from its programs.
func becomeGuard() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	// What a shell left open in plat; kernels before 5.11 cannot, and then it
	// leaks as it would without plat.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	_ = os.WriteFile("/proc/self/comm", []byte("plat-guard"), 0) // for ps; not needed
	return nil
}

// killAll kills everything below this process until nothing is left: what is
// killed may have forked in the meantime, so it looks again.
func killAll(_ func() []int, reap func() (none bool)) {
	end := time.Now().Add(30 * time.Second)
	for pause := 200 * time.Microsecond; time.Now().Before(end); pause = min(2*pause, 20*time.Millisecond) {
		for _, pid := range descendants(os.Getpid()) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if reap() {
			return
		}
		time.Sleep(pause)
	}
}

// descendants lists every process below pid.
func descendants(pid int) []int {
	var all []int
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		children := childrenOf(queue[0])
		all = append(all, children...)
		queue = append(queue, children...)
	}
	return all
}

// childrenOf reads the children of each thread of a process.
func childrenOf(pid int) []int {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil // it ended
	}
	var pids []int
	for _, t := range threads {
		text, err := os.ReadFile(dir + "/" + t.Name() + "/children") // #nosec G304 -- /proc
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// leftovers are the processes below the guard that belong to a program which
// ended: of its session, or with its mark in their environment.
func leftovers(session int, mark []byte) []int {
	var left []int
	for _, pid := range descendants(os.Getpid()) {
		if sid, err := unix.Getsid(pid); err == nil && sid == session || marked(pid, mark) {
			left = append(left, pid)
		}
	}
	return left
}

// marked reports whether a process carries a variable, given as NAME=VALUE,
// in the environment that it was started with. A zombie has none.
func marked(pid int, variable []byte) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // #nosec G304 -- /proc
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(v, variable) {
			return true
		}
	}
	return false
}

// survivors lists the processes of this machine whose mark begins so, as far
// as one may see them, with the end of each one's mark.
func survivors(mark string) map[int]string {
	found := map[int]string{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return found
	}
	prefix := []byte(markEnv + "=" + mark)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || pid == os.Getppid() {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ") // #nosec G304 -- /proc
		if err != nil {
			continue
		}
		for v := range bytes.SplitSeq(env, []byte{0}) {
			if rest, ok := bytes.CutPrefix(v, prefix); ok {
				found[pid] = string(rest)
			}
		}
	}
	return found
}
