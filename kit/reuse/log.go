package reuse

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// unasked is what net/http says, to the standard logger alone and with the
// bytes themselves, of each connection on which it found something left.
const unasked = "Unsolicited response received on idle HTTP channel"

// Log is an output of the standard logger by which net/http does not flood the
// log, nor put there what belongs to an answer: what servers sent beyond an
// answer's end is counted, and told once a minute at most. Everything else goes
// to next as it is.
func Log(next io.Writer) io.Writer { return &output{next: next} }

type output struct {
	next io.Writer

	mu    sync.Mutex // guards what follows
	count int        // since it was told
	told  time.Time
}

// Write implements io.Writer; the standard logger writes line by line.
func (o *output) Write(line []byte) (int, error) {
	at := bytes.Index(line[:min(len(line), 200)], []byte(unasked))
	if at < 0 {
		return o.next.Write(line)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count++
	if time.Since(o.told) < time.Minute {
		return len(line), nil
	}
	_, err := fmt.Fprintf(o.next, "%sservers sent more than they said, and their connections were closed: %d since this was last told\n", line[:at], o.count)
	o.count, o.told = 0, time.Now()
	return len(line), err
}
