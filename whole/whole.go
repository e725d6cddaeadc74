// Package whole writes small files whole or not at all, so that a crash leaves
// the old one or the new one. It must never import a room of plat.
package whole

import (
	"errors"
	"os"
	"path/filepath"
)

// Write replaces a file: when it returns nil, the data and the name are on the
// disk. It writes path.tmp first; two writers of one path must not run at once.
func Write(path string, data []byte) error {
	tmp := path + ".tmp"
	w, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // #nosec G304 -- a name of plat's own in the state folder
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
