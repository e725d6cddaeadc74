package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The wire between plat and its guard: one socket, JSON lines both ways, see
// docs/wire/guard.md. Its end of file is the guard's signal that plat died.

// wireVersion changes with every change of the messages. Both ends are the
// same binary; it is checked all the same, since a binary may be replaced
// while plat runs.
const wireVersion = "4"

// maxMessage bounds one message, both ways.
const maxMessage = 1 << 20

// message is every message of the wire: what Do or Event says tells which
// fields are set.
type message struct {
	Do    string `json:"do,omitempty"`    // to the guard: launch, stop, pause, kill, note
	Event string `json:"event,omitempty"` // from the guard: hello, launched, failed, output, exit, gone
	Run   uint64 `json:"run,omitempty"`   // names one launched program; never used again

	// launch
	Instance string   `json:"instance,omitempty"`
	Service  string   `json:"service,omitempty"`
	Argv     []string `json:"argv,omitempty"`
	Dir      string   `json:"dir,omitempty"`
	Env      []string `json:"env,omitempty"`
	Memory   int64    `json:"memory,omitempty"` // bytes
	CPU      float64  `json:"cpu,omitempty"`    // cores
	Capture  bool     `json:"capture,omitempty"`

	Secrets *secretRules `json:"secrets,omitempty"` // launch: what is secret in its output, beside what always is

	GraceMS int64  `json:"grace_ms,omitempty"` // stop, pause
	Text    string `json:"text,omitempty"`     // note, output, failed, hello (the version)

	PID    int      `json:"pid,omitempty"`  // launched
	Code   int      `json:"code,omitempty"` // exit, gone
	Signal string   `json:"signal,omitempty"`
	Reason string   `json:"reason,omitempty"` // also launched: why limits are not held
	Reaped int64    `json:"reaped,omitempty"` // Unix nanoseconds
	Left   int      `json:"left,omitempty"`   // gone
	Lines  []string `json:"lines,omitempty"`  // gone
}

// secretRules say what is taken out of output beside what always is.
type secretRules struct {
	Names    []string `json:"names,omitempty"`    // parts of names whose values are secret
	Patterns []string `json:"patterns,omitempty"` // what matches is secret (RE2)
}

// reader reads messages.
type reader struct{ in *bufio.Reader }

func newReader(r io.Reader) reader { return reader{bufio.NewReaderSize(r, 64<<10)} }

// next reads one message; io.EOF at the end.
func (r reader) next() (message, error) {
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxMessage {
			return message{}, fmt.Errorf("message of more than %d bytes", maxMessage)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return message{}, err
		}
	}
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("malformed message: %w", err)
	}
	return m, nil
}

// encode makes a message's line; a message that is too long is an error.
func encode(m message) ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(b) >= maxMessage {
		return nil, fmt.Errorf("message of %d bytes, at most %d are possible", len(b), maxMessage)
	}
	return append(b, '\n'), nil
}
