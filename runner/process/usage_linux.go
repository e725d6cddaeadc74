package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is how many a second has in /proc: the kernel's interface fixes it.
const ticks = 100

// ProcessUsage tells what one process uses, without those below it; false
// when there is no such process or the system does not tell. It takes some
// tens of microseconds.
func ProcessUsage(pid int) (Usage, bool) { //nolint:revive // beside TreeUsage
	return usage(pid, bootTime)
}

func usage(pid int, boot func() time.Time) (Usage, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // #nosec G304 -- /proc
	if err != nil {
		return Usage{}, false
	}
	return parseStat(string(text), boot)
}

// TreeUsage tells what a process and all below it use together; false when
// there is no such process or the system does not tell.
func TreeUsage(pid int) (Usage, bool) {
	sum, ok := ProcessUsage(pid)
	if !ok {
		return Usage{}, false
	}
	for _, p := range descendants(pid) {
		if u, ok := usage(p, func() time.Time { return time.Time{} }); ok {
			sum.Memory += u.Memory
			sum.CPU += u.CPU
		}
	}
	return sum, true
}

// parseStat reads /proc/PID/stat. The second field, the program's name in
// parentheses, may hold anything, parentheses too.
func parseStat(text string, boot func() time.Time) (Usage, bool) {
	end := strings.LastIndex(text, ") ")
	if end < 0 {
		return Usage{}, false
	}
	fields := strings.Fields(text[end+2:]) // from the third field, the state
	if len(fields) < 22 || fields[0] == "Z" {
		return Usage{}, false
	}
	var n [4]int64
	for k, field := range []int{14, 15, 22, 24} { // utime, stime, starttime, rss, as proc(5) counts
		v, err := strconv.ParseInt(fields[field-3], 10, 64)
		if err != nil {
			return Usage{}, false
		}
		n[k] = v
	}
	const tick = time.Second / ticks
	return Usage{
		Memory: n[3] * int64(os.Getpagesize()), CPU: time.Duration(n[0]+n[1]) * tick,
		Started: boot().Add(time.Duration(n[2]) * tick),
	}, true
}

// bootTime is when the system started, to the second.
func bootTime() time.Time {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(text)) {
		if s, ok := strings.CutPrefix(line, "btime "); ok {
			if sec, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
				return time.Unix(sec, 0)
			}
		}
	}
	return time.Time{}
}
