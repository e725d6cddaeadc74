package runner

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/plat-dev/plat/severity"
)

// ErrorWindow is how far back ErrorLines counts.
const ErrorWindow = 15 * time.Minute

const (
	errorEvery  = time.Second // between two looks at the logs
	errorBytes  = 1 << 20     // of one service in one look; what is beyond is left out
	errorBehind = 4 << 20     // of a service's log when it is first looked at
	errorText   = 300         // bytes of the last line that are kept
)

// ErrorCount is how many lines of a service's output told of errors in the
// last 15 minutes.
type ErrorCount struct {
	Count   int
	Last    time.Time // of the last of them
	Text    string    // the last of them, at most 300 bytes
	Skipped int64     // bytes that were not looked at, since they came too fast
}

// ErrorLines counts lines of the services' output that tell of errors: of
// level error or worse in structured output, or with a word such as ERROR,
// panic: or Traceback in other output, on either stream. It follows the log
// files in one folder; it is safe for concurrent use.
type ErrorLines struct {
	dir string

	mu       sync.Mutex // guards what follows
	services map[string]*errorLog
}

// errorLog is what is known of one service. Minutes are counted apart, so
// that they can be forgotten.
type errorLog struct {
	minutes [int(ErrorWindow/time.Minute) + 1]minute
	last    time.Time
	text    string
	skipped int64
}

type minute struct {
	at    int64 // Unix minutes
	count int
}

// NewErrorLines makes an ErrorLines for the log files in a folder, which need
// not be there yet.
func NewErrorLines(dir string) *ErrorLines {
	return &ErrorLines{dir: dir, services: map[string]*errorLog{}}
}

// Run follows the logs until ctx ends. It reads what was written before, as
// far as it is new enough, and at most 4 MiB of each service.
func (e *ErrorLines) Run(ctx context.Context) error {
	m := &merge{dir: e.dir, logs: map[string]*logReader{}, q: LogQuery{Follow: true}, begin: errorBehind}
	defer m.close()
	tick := time.NewTicker(errorEvery)
	defer tick.Stop()
	for {
		if err := m.open(true); err == nil { // a log that cannot be opened now may be at the next look
			for _, l := range m.logs {
				e.look(l, time.Now())
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Count tells of one service; of one that wrote nothing it is zero.
func (e *ErrorLines) Count(service string) ErrorCount { return e.countAt(service, time.Now()) }

func (e *ErrorLines) countAt(service string, now time.Time) ErrorCount {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.services[service]
	if l == nil {
		return ErrorCount{}
	}
	c := ErrorCount{Skipped: l.skipped}
	oldest := now.Add(-ErrorWindow).Unix() / 60
	for _, m := range l.minutes {
		if m.at > oldest {
			c.Count += m.count
		}
	}
	if c.Count > 0 {
		c.Last, c.Text = l.last, l.text
	}
	return c
}

// look reads what is new in one log.
func (e *ErrorLines) look(l *logReader, now time.Time) {
	since := now.Add(-ErrorWindow)
	for begun := l.read; ; {
		if l.read-begun >= errorBytes {
			e.skip(l)
			return
		}
		line, ok := l.next(since)
		if !ok {
			return
		}
		if line.Stream != "plat" && severity.IsError(line.Text) {
			e.add(line)
		}
	}
}

// skip leaves out what is left of a log that grows faster than it is read.
func (e *ErrorLines) skip(l *logReader) {
	n := l.toEnd()
	if n == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.of(l.service).skipped += n
}

// of is called with the mutex held.
func (e *ErrorLines) of(service string) *errorLog {
	l := e.services[service]
	if l == nil {
		l = &errorLog{}
		e.services[service] = l
	}
	return l
}

func (e *ErrorLines) add(line Line) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.of(line.Service)
	at := line.Time.Unix() / 60
	m := &l.minutes[int(at)%len(l.minutes)]
	if m.at != at {
		*m = minute{at: at}
	}
	m.count++
	l.last, l.text = line.Time, cut(message(line.Text), errorText)
}

// message is what a structured line says to people: its message, and the
// error where it names one. Any other line is its own message.
func message(text string) string {
	var fields struct {
		Msg, Message, Error, Err string
	}
	if !strings.HasPrefix(strings.TrimLeft(text, " \t"), "{") {
		return text
	}
	if err := json.Unmarshal([]byte(text), &fields); err != nil && fields.Msg+fields.Message == "" {
		return text
	}
	said := cmp.Or(fields.Msg, fields.Message)
	why := cmp.Or(fields.Error, fields.Err)
	switch {
	case said == "":
		return text
	case why == "":
		return said
	}
	return said + ": " + why
}

// cut shortens a text to so many bytes of whole characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// lastWords is the line of a program's last output that most likely says why
// it ended: the last that tells of an error, or the last at all.
func lastWords(lines []string) string {
	last := ""
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if severity.IsError(line) {
			return cut(line, errorText)
		}
		if last == "" {
			last = cut(line, errorText)
		}
	}
	return last
}

// openNear opens the log so that reading begins at most so many bytes before
// the end of the newest file.
func (l *logReader) openNear(behind int64) error {
	file, err := os.Open(l.path)
	if err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(max(0, size-behind), io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	l.files, l.in = []*os.File{file}, bufio.NewReaderSize(file, 64<<10)
	return nil
}

// toEnd leaves unread what is written so far, and tells how many bytes.
func (l *logReader) toEnd() (skipped int64) {
	files, err := l.list(l.files[len(l.files)-1])
	if err == nil {
		l.files = append(l.files, files...)
	}
	l.lost = false
	for k, f := range l.files {
		info, err := f.Stat()
		if err != nil {
			continue
		}
		at := int64(0)
		if k == 0 {
			if at, err = f.Seek(0, io.SeekCurrent); err != nil {
				continue
			}
			at -= int64(l.in.Buffered())
		}
		skipped += max(0, info.Size()-at)
	}
	for len(l.files) > 1 {
		l.drop()
	}
	last := l.files[0]
	if _, err := last.Seek(0, io.SeekEnd); err != nil {
		return 0
	}
	l.partial = l.partial[:0]
	l.in.Reset(last)
	return skipped
}
