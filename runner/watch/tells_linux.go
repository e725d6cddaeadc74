package watch

import (
	"fmt"
	"syscall"
)

// tells reports why the file system of a folder does not tell of changes: on
// those that show the folders of another system (Windows under WSL, the host
// of a virtual machine) nobody hears of what is saved over there.
func tells(folder string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return err
	}
	switch fs.Type {
	case 0x01021997:
		return fmt.Errorf("%s is on a 9P file system", folder)
	case 0x786f4256:
		return fmt.Errorf("%s is a shared folder of VirtualBox", folder)
	}
	return nil
}
