package prom

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// disk tells whether it has less room than its reserve. It asks the system
// once a second at most.
type disk struct {
	dir     string
	reserve int64
	retain  atomic.Pointer[retention] // nil: as Options say

	mu    sync.Mutex
	asked time.Time
	is    bool
}

func (d *disk) full() bool {
	if d.reserve < 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.asked) >= time.Second {
		d.asked = now
		var fs syscall.Statfs_t
		if err := syscall.Statfs(d.dir, &fs); err == nil {
			free := fs.Bavail * uint64(fs.Bsize) //nolint:gosec // sizes of a file system are not negative
			d.is = free < uint64(d.reserve)
		}
	}
	return d.is
}
