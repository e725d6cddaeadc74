package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The write-ahead log: files of frames, see docs/wire/telemetry-files.md. A
// frame is a mark, the payload's length, a CRC32C over length and payload, and
// the payload.
const (
	walMagic   = "PLATWAL1"
	frameMark  = "\xf5Wr\x1e"
	frameSpace = len(frameMark) + 8
)

// File is what the store writes to.
type File interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

func createFile(name string) (File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // #nosec G304 -- in the store's folder
}

// update goes on with a CRC32C.
func update(sum uint32, b []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b) // a table that the library makes once
}

func castagnoli(parts ...[]byte) uint32 {
	var sum uint32
	for _, p := range parts {
		sum = update(sum, p)
	}
	return sum
}

// appendFrame appends a frame around what fill appends.
func appendFrame(b []byte, fill func([]byte) []byte) []byte {
	start := len(b)
	b = append(b, frameMark...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = fill(b)
	head := b[start+len(frameMark):]
	binary.LittleEndian.PutUint32(head, uint32(len(head)-8)) // #nosec G115 -- bounded by softFrameSize and maxRowSize
	binary.LittleEndian.PutUint32(head[4:], castagnoli(head[:4], head[8:]))
	return b
}

// frameAt is the payload of the frame at a place of data, if one is there and
// whole.
func frameAt(data []byte, at int) ([]byte, bool) {
	if len(data)-at < frameSpace || string(data[at:at+len(frameMark)]) != frameMark {
		return nil, false
	}
	head := data[at+len(frameMark):]
	n := binary.LittleEndian.Uint32(head)
	if n == 0 || n > maxFrameSize || int(n) > len(head)-8 {
		return nil, false
	}
	payload := head[8 : 8+n]
	return payload, castagnoli(head[:4], payload) == binary.LittleEndian.Uint32(head[4:])
}

// gap is a part of a log that holds no frame.
type gap struct{ from, to int }

// readLog reads a log. It gives each whole frame to yield, and tells where the
// last of them ends and which gaps lie between them. What lies behind the end
// is torn.
func readLog(data []byte, yield func(payload []byte)) (end int, gaps []gap) {
	if !strings.HasPrefix(string(data[:min(len(data), len(walMagic))]), walMagic) {
		if len(data) < len(walMagic) {
			return 0, nil // torn at its very beginning
		}
		gaps = append(gaps, gap{0, len(walMagic)})
	}
	end = len(walMagic)
	for at := end; ; {
		payload, ok := frameAt(data, at)
		if !ok {
			next := strings.Index(string(data[min(at+1, len(data)):]), frameMark)
			if next < 0 {
				return end, gaps
			}
			at += 1 + next
			continue
		}
		if at > end {
			gaps = append(gaps, gap{end, at})
		}
		yield(payload)
		at += frameSpace + len(payload)
		end = at
	}
}

// wal is one file of the log, which is written to.
type wal struct {
	name  string // within the folder
	file  File
	size  int64
	dirty bool // written to since the last sync
	torn  bool // what stands behind size could not be cut
}

func walName(seq uint64) string { return fmt.Sprintf("wal-%012d.log", seq) }

func walSeq(name string) (seq uint64, ok bool) {
	_, err := fmt.Sscanf(name, "wal-%d.log", &seq)
	return seq, err == nil && walName(seq) == name
}

// listed are the names in a folder that match, sorted.
func listed(dir, pattern string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, err
	}
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	slices.Sort(paths)
	return paths, nil
}

// write appends b whole or not at all. The caller then counts it in size.
func (w *wal) write(b []byte) error {
	if w.torn {
		if err := w.file.Truncate(w.size); err != nil {
			return err
		}
		w.torn = false
	}
	n, err := w.file.Write(b)
	if err != nil {
		// What was written of it is no row of ours; a reader after a crash would
		// take whole frames of it, so it is cut at once, or before the next write.
		w.torn = n > 0 && w.file.Truncate(w.size) != nil
		return err
	}
	return nil
}

// syncDir makes names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the store's own folder
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
