package process

import "golang.org/x/sys/unix"

// Disk tells how many bytes the disk of a folder has free for plat, and in all.
func Disk(folder string) (free, size uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0, 0, err
	}
	block := uint64(st.Bsize) // #nosec G115 -- a size
	return st.Bavail * block, st.Blocks * block, nil
}
