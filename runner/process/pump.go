package process

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/runner"
)

// pump carries one stream of a program's output, line by line. It holds at
// most one line and one buffer: a program that writes faster than the log is
// written waits, and nothing is dropped but the end of overlong lines, which
// is counted.
type pump struct {
	c       *child
	stream  string
	in      *os.File
	line    []byte // begun, at most runner.MaxLine
	cut     int    // bytes of it beyond
	hurried atomic.Bool
}

func (c *child) newPump(stream string, in *os.File) *pump {
	return &pump{c: c, stream: stream, in: in}
}

// run reads to the end of the stream.
func (p *pump) run() {
	defer func() { _ = p.in.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := p.in.Read(buf)
		p.feed(buf[:n])
		if err != nil {
			break
		}
		if wait := p.c.k.logs.of(p.c.m.Service).spend(n); wait > 0 && !p.hurried.Load() {
			time.Sleep(wait)
		}
	}
	if len(p.line) > 0 {
		p.c.lines(p.stream, [][]byte{p.whole()})
	}
}

// hurry gives the stream so long to end.
func (p *pump) hurry(timeout time.Duration) {
	p.hurried.Store(true)
	_ = p.in.SetReadDeadline(time.Now().Add(timeout))
}

func (p *pump) feed(b []byte) {
	var lines [][]byte
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			p.keep(b)
			break
		}
		line := b[:end] // most lines come whole, and are not copied
		if len(p.line) > 0 || end > runner.MaxLine {
			p.keep(line)
			line = p.whole()
		}
		lines = append(lines, bytes.TrimSuffix(line, []byte("\r")))
		b = b[end+1:]
	}
	if len(lines) > 0 {
		p.c.lines(p.stream, lines)
	}
}

func (p *pump) keep(b []byte) {
	room := min(len(b), runner.MaxLine-len(p.line))
	p.line = append(p.line, b[:room]...)
	p.cut += len(b) - room
}

// whole takes the line that is complete.
func (p *pump) whole() []byte {
	line := p.line
	if p.cut > 0 {
		line = fmt.Appendf(line, " [plat: %d bytes cut]", p.cut)
	}
	p.line, p.cut = nil, 0
	return line
}
