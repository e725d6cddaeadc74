package process

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// OpenStores lists the files below a folder, and the SQLite databases wherever
// they are, that a process and all below it have open, each once for a
// process. It looks at this moment alone.
func OpenStores(pid int, folder string) []OpenStore {
	var all []OpenStore
	for _, p := range append(descendants(pid), pid) {
		dir := fmt.Sprintf("/proc/%d/fd", p)
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it ended
		}
		for _, e := range entries {
			path, err := os.Readlink(dir + "/" + e.Name())
			if err != nil || !strings.HasPrefix(path, "/") || strings.HasSuffix(path, " (deleted)") {
				continue
			}
			for _, beside := range []string{"-wal", "-shm", "-journal"} {
				path = strings.TrimSuffix(path, beside)
			}
			store := OpenStore{p, path}
			if !slices.Contains(all, store) && (strings.HasPrefix(path, folder+"/") || isSQLite(path)) {
				all = append(all, store)
			}
		}
	}
	return all
}

// isSQLite tells whether a file begins as SQLite's databases do.
func isSQLite(path string) bool {
	if strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/sys/") {
		return false
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // to open a pipe would be to read it
		return false
	}
	f, err := os.Open(path) // #nosec G304 -- what a service has open
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}
