package state

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// readingFile holds the token that lasts over restarts and opens figures and
// traces alone.
const readingFile = "reading-token"

// ReadingToken reads the reading token of a state folder; empty where there is
// none, or the file is not what was written.
func ReadingToken(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(path, readingFile)) //nolint:gosec // the path is the user's own system folder
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", denied(path, err)
	}
	token := strings.TrimSpace(string(text))
	if raw, err := hex.DecodeString(token); err != nil || len(raw) != 32 {
		return "", nil //nolint:nilerr // half a token opens nothing
	}
	return token, nil
}

// NewReadingToken makes a reading token in place of the one that was there,
// readable by its owner alone.
func NewReadingToken(path string) (string, error) {
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	token := hex.EncodeToString(raw[:])
	return token, (&Folder{Path: path}).write(readingFile, []byte(token+"\n"))
}

// EndReadingToken takes it away; there need not be one.
func EndReadingToken(path string) error {
	if err := os.Remove(filepath.Join(path, readingFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return denied(path, err)
	}
	return nil
}
