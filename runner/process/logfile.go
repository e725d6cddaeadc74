package process

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/plat-dev/plat/runner"
)

const (
	logBytes = 10 << 20 // of one file, before it is rotated
	logRate  = 16 << 20 // bytes a second that one service may write, on average
)

// logFiles are the logs of all services, opened when first written to.
type logFiles struct {
	dir string
	max int64

	mu    sync.Mutex
	files map[string]*logFile
}

func newLogFiles(dir string) *logFiles {
	return &logFiles{dir: dir, max: logBytes, files: map[string]*logFile{}}
}

func (l *logFiles) of(service string) *logFile {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.files[service]
	if f == nil {
		f = &logFile{path: filepath.Join(l.dir, service+".log"), max: l.max}
		l.files[service] = f
	}
	return f
}

// logFile is one service's log: SERVICE.log, and SERVICE.log.1 (newest) to .4
// before it.
type logFile struct {
	path string
	max  int64

	mu     sync.Mutex // guards what follows
	file   *os.File
	size   int64
	last   time.Time // INVARIANT: times in the file do not decrease
	buf    []byte
	lost   int // lines that could not be written
	credit float64
	paid   time.Time
}

// write appends whole lines. What cannot be written (a full disk) is counted,
// and the count is written when the disk takes it again.
func (f *logFile) write(instance, stream string, lines [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Before(f.last) {
		now = f.last
	}
	f.last = now
	f.buf = f.buf[:0]
	if f.lost > 0 {
		f.buf = runner.AppendLine(f.buf, now, "-", "plat", fmt.Sprintf("%d lines lost: the log could not be written", f.lost))
	}
	for _, line := range lines {
		f.buf = runner.AppendLine(f.buf, now, instance, stream, string(line))
	}
	if err := f.flush(); err != nil {
		f.lost += len(lines)
		return
	}
	f.lost = 0
}

func (f *logFile) flush() error {
	if f.file != nil && f.size > 0 && f.size+int64(len(f.buf)) > f.max {
		f.rotate()
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	n, err := f.file.Write(f.buf)
	if err != nil && n > 0 { // take the torn line back, so that the next is whole
		_ = f.file.Truncate(f.size)
		n = 0
	}
	f.size += int64(n)
	if cap(f.buf) > 1<<20 {
		f.buf = nil
	}
	return err
}

func (f *logFile) open() error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file, f.size = file, size
	// A guard that was killed may have left a line without its end.
	last := []byte{'\n'}
	if size > 0 {
		if _, err := file.ReadAt(last, size-1); err == nil && last[0] != '\n' {
			f.buf = append([]byte{'\n'}, f.buf...)
		}
	}
	return nil
}

// rotate moves each file one number up; the oldest goes.
func (f *logFile) rotate() {
	_ = f.file.Close()
	f.file = nil
	for n := runner.LogFiles - 1; n > 0; n-- {
		// A missing file is no fault; another error shows in the next write.
		_ = os.Rename(runner.LogPath(f.path, n-1), runner.LogPath(f.path, n))
	}
}

// spend takes n bytes from the service's allowance and tells how long its
// writer should wait: a flood is slowed down before it takes the disk and the
// processor from others.
func (f *logFile) spend(n int) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.credit = min(logRate, f.credit+now.Sub(f.paid).Seconds()*logRate) - float64(n)
	f.paid = now
	if f.credit >= 0 {
		return 0
	}
	return time.Duration(-f.credit / logRate * float64(time.Second))
}
