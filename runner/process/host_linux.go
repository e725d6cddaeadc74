package process

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// HostUsage tells what the whole machine uses; false where the system does not
// tell.
func HostUsage() (Host, bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Host{}, false
	}
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Host{}, false
	}
	return parseHost(string(stat), string(memory))
}

// parseHost reads /proc/stat and /proc/meminfo, as proc(5) describes them.
func parseHost(stat, memory string) (h Host, ok bool) {
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 9 && fields[0] == "cpu":
			for i, field := range fields[1:9] { // guest time is within user's
				n, err := strconv.ParseInt(field, 10, 64)
				if err != nil {
					return Host{}, false
				}
				if i != 3 && i != 4 { // idle, and waiting for a disk
					h.Busy += time.Duration(n) * time.Second / ticks
				}
			}
		case len(fields) > 0 && fields[0] != "cpu" && strings.HasPrefix(fields[0], "cpu"):
			h.Cores++
		}
	}
	for line := range strings.Lines(memory) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			h.Memory = n << 10
		case "MemAvailable:":
			h.Available = n << 10
		}
	}
	return h, h.Cores > 0 && h.Memory > 0
}
