package control

import (
	"sync"
	"time"

	"github.com/plat-dev/plat/runner/process"
)

// memoryFor is how long a figure of memory is good: who waits for services to
// be ready asks ten times a second, and each figure costs a walk through /proc.
const memoryFor = time.Second

// memory remembers what instances use. The zero value is ready.
type memory struct {
	mu    sync.Mutex // guards what follows
	since time.Time
	bytes map[int]int64 // by process ID
}

// of tells the resident bytes of a process with all below it; 0 where the
// system does not tell.
func (m *memory) of(pid int) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); now.Sub(m.since) > memoryFor {
		m.since, m.bytes = now, map[int]int64{}
	}
	bytes, known := m.bytes[pid]
	if !known {
		u, _ := process.TreeUsage(pid)
		bytes = u.Memory
		m.bytes[pid] = bytes
	}
	return bytes
}
