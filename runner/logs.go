package runner

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// LogFiles is how many files a service's log has at most, the one that is
// written to included.
const LogFiles = 5

// LogPath is the n-th file of a log: SERVICE.log itself for 0, then the older
// ones.
func LogPath(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}

// LogQuery says which lines ReadLogs gives.
type LogQuery struct {
	Services []string  // none: all that have a log
	Since    time.Time // not older; zero: all
	Tail     int       // the last so many of each service; 0: all
	Follow   bool      // go on with what is written from now on
}

const (
	followEvery = 100 * time.Millisecond
	followBytes = 1 << 20 // of one service in one round
)

// ReadLogs gives the lines of the logs in dir to give, in order of time over
// all services. It reads files alone, so plat need not run. With Follow it
// ends, without error, when ctx ends; an error of give ends it too and is
// returned. A service without a log is run-log-unreadable, unless followed.
func ReadLogs(ctx context.Context, dir string, q LogQuery, give func(Line) error) error {
	m := &merge{dir: dir, q: q, logs: map[string]*logReader{}}
	defer m.close()
	if err := m.open(false); err != nil {
		return err
	}
	if err := m.past(ctx, give); err != nil || !q.Follow {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if err := m.news(give); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := m.open(true); err != nil {
			return err
		}
	}
}

// merge is the logs of several services as one.
type merge struct {
	dir   string
	q     LogQuery
	logs  map[string]*logReader
	begin int64 // read at most so many bytes of what is there; 0: all
}

func (m *merge) close() {
	for _, l := range m.logs {
		l.close()
	}
}

// open opens the logs that are there and not open yet.
func (m *merge) open(later bool) error {
	services := m.q.Services
	if len(services) == 0 {
		paths, err := filepath.Glob(filepath.Join(m.dir, "*.log"))
		if err != nil {
			return err
		}
		for _, p := range paths {
			services = append(services, strings.TrimSuffix(filepath.Base(p), ".log"))
		}
	}
	for _, name := range services {
		if m.logs[name] != nil {
			continue
		}
		l := &logReader{service: name, path: filepath.Join(m.dir, name+".log")}
		err := fs.ErrNotExist
		if name == filepath.Base(name) { // and no way out of the folder
			if m.begin > 0 {
				err = l.openNear(m.begin)
			} else {
				err = l.open(m.q, later)
			}
		}
		if errors.Is(err, fs.ErrNotExist) && (m.q.Follow || len(m.q.Services) == 0) {
			continue
		}
		if err != nil {
			return fault.Newf(fault.RunLogUnreadable, "the log of %q cannot be read", name).Why(plain(err)).Because(err).
				Fix("plat ps lists the services")
		}
		m.logs[name] = l
	}
	return nil
}

func plain(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// past gives what is there, always the oldest line of all logs next.
func (m *merge) past(ctx context.Context, give func(Line) error) error {
	heads := map[string]Line{}
	for name, l := range m.logs {
		if line, ok := l.next(m.q.Since); ok {
			heads[name] = line
		}
	}
	for n := 0; len(heads) > 0; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var first string
		for name, line := range heads {
			if first == "" || cmp.Or(line.Time.Compare(heads[first].Time), strings.Compare(name, first)) < 0 {
				first = name
			}
		}
		if err := give(heads[first]); err != nil {
			return err
		}
		if line, ok := m.logs[first].next(m.q.Since); ok {
			heads[first] = line
		} else {
			delete(heads, first)
		}
	}
	return nil
}

// news gives what was written since the last round.
func (m *merge) news(give func(Line) error) error {
	var lines []Line
	for _, l := range m.logs {
		for begun := l.read; l.read-begun < followBytes; {
			line, ok := l.next(m.q.Since)
			if !ok {
				break
			}
			lines = append(lines, line)
		}
	}
	slices.SortStableFunc(lines, func(a, b Line) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Service, b.Service))
	})
	for _, line := range lines {
		if err := give(line); err != nil {
			return err
		}
	}
	return nil
}

// logReader reads one service's log from its oldest file to the one that is
// written to, and on over rotations.
type logReader struct {
	service string
	path    string
	files   []*os.File // oldest first; the first is being read
	in      *bufio.Reader
	partial []byte // a line whose end is not written yet
	lost    bool   // rotation was faster than reading
	read    int64
}

func (l *logReader) close() {
	for _, f := range l.files {
		_ = f.Close()
	}
}

// open opens the files that the query needs. A log that came to be later is
// read from its beginning.
func (l *logReader) open(q LogQuery, later bool) error {
	files, err := l.list(nil)
	if err != nil {
		return err
	}
	l.files = files
	if q.Tail > 0 && !later {
		return l.skipTo(q.Tail)
	}
	for len(l.files) > 1 { // whole files that are too old
		info, err := l.files[0].Stat()
		if err != nil {
			return err
		}
		if !info.ModTime().Before(q.Since) {
			break
		}
		l.drop()
	}
	l.in = bufio.NewReaderSize(l.files[0], 64<<10)
	return nil
}

// list opens the files newer than known, oldest first. It looks at the newest
// first: a rotation meanwhile shows one file twice, and hides none.
func (l *logReader) list(known *os.File) (files []*os.File, err error) {
	var infos []fs.FileInfo
	for n := range LogFiles {
		f, err := os.Open(LogPath(l.path, n)) // #nosec G304 -- the log that was asked for
		if errors.Is(err, fs.ErrNotExist) {
			continue // between two renames of a rotation, or the end of the list
		}
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		if known != nil {
			if k, err := known.Stat(); err == nil && os.SameFile(k, info) {
				_ = f.Close()
				return files, nil
			}
		}
		if slices.ContainsFunc(infos, func(i fs.FileInfo) bool { return os.SameFile(i, info) }) {
			_ = f.Close()
			continue
		}
		infos = append(infos, info)
		files = append([]*os.File{f}, files...)
	}
	if known != nil {
		l.lost = true
	}
	if len(files) == 0 {
		return nil, fs.ErrNotExist
	}
	return files, nil
}

// skipTo leaves the last n lines unread.
func (l *logReader) skipTo(n int) error {
	for k := len(l.files) - 1; n > 0; k-- {
		offset, found, err := lastLines(l.files[k], n)
		if err != nil {
			return err
		}
		n -= found
		if n > 0 && k > 0 {
			continue
		}
		for range k {
			l.drop()
		}
		if _, err := l.files[0].Seek(offset, io.SeekStart); err != nil {
			return err
		}
		n = 0
	}
	l.in = bufio.NewReaderSize(l.files[0], 64<<10)
	return nil
}

// lastLines finds where the last n whole lines of a file begin, and how many
// there are, at most n.
func lastLines(f *os.File, n int) (offset int64, found int, err error) {
	const block = 64 << 10
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, 0, err
	}
	buf := make([]byte, block)
	newlines := 0
	for start := end; start > 0; {
		size := min(block, start)
		start -= size
		if _, err := f.ReadAt(buf[:size], start); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		for b := buf[:size]; ; {
			i := bytes.LastIndexByte(b, '\n')
			if i < 0 {
				break
			}
			if newlines == n {
				return start + int64(i) + 1, n, nil
			}
			newlines++
			b = b[:i]
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return 0, newlines, err
}

func (l *logReader) drop() {
	_ = l.files[0].Close()
	l.files = l.files[1:]
}

// next gives the next line not older than since; ok is false at the end of
// what is written so far.
func (l *logReader) next(since time.Time) (line Line, ok bool) {
	for {
		if l.lost {
			l.lost = false
			return Line{Time: time.Now().UTC(), Service: l.service, Instance: "-", Stream: "plat", Text: "lines lost: the log was rotated faster than it was read"}, true
		}
		part, err := l.in.ReadBytes('\n')
		l.read += int64(len(part))
		l.partial = append(l.partial, part...)
		if err != nil {
			if !l.onward() {
				return Line{}, false
			}
			continue
		}
		text := string(l.partial[:len(l.partial)-1])
		l.partial = l.partial[:0]
		if line, ok := ParseLine(l.service, text); ok && !line.Time.Before(since) {
			return line, true
		}
	}
}

// onward goes to the next file at the end of one; false when there is none.
func (l *logReader) onward() bool {
	if len(l.files) == 1 {
		info, err := l.files[0].Stat()
		if err != nil {
			return false
		}
		now, err := os.Stat(l.path)
		if err != nil || os.SameFile(info, now) {
			return false
		}
		// Rotated. What was written between the last read and the rotation
		// comes first.
		at, err := l.files[0].Seek(0, io.SeekCurrent)
		if info, e := l.files[0].Stat(); err == nil && e == nil && at < info.Size() {
			return true
		}
		newer, err := l.list(l.files[0])
		if err != nil || len(newer) == 0 {
			return false
		}
		l.files = append(l.files, newer...)
	}
	l.drop()
	l.partial = l.partial[:0]
	l.in.Reset(l.files[0])
	return true
}
