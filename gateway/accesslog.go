package gateway

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	logFlush = 500 * time.Millisecond // a line waits no longer
	logChunk = 64 << 10               // or until so much is there
	logBound = 1 << 20                // beyond that, lines are dropped
)

// accessLog gathers lines and writes them by a goroutine of its own, so that
// a slow disk slows no request.
type accessLog struct {
	w       io.Writer
	slog    *slog.Logger
	dropped atomic.Uint64
	begun   chan struct{} // the buffer is no longer empty
	full    chan struct{} // the buffer holds a chunk
	stop    chan struct{}
	stopped chan struct{}
	scratch sync.Pool // of *[]byte: lines being encoded

	mu     sync.Mutex // guards what follows
	buf    []byte
	lines  uint64
	closed bool
}

func openAccessLog(w io.Writer, log *slog.Logger) *accessLog {
	a := &accessLog{
		w: w, slog: log,
		begun: make(chan struct{}, 1), full: make(chan struct{}, 1),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go a.run()
	return a
}

// close writes what is left; it may be called once.
func (a *accessLog) close() {
	a.mu.Lock()
	again := a.closed
	a.closed = true
	a.mu.Unlock()
	if !again {
		close(a.stop)
	}
	<-a.stopped
}

// log adds a line.
func (a *accessLog) log(x *Exchange) {
	b, ok := a.scratch.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	*b = appendLine((*b)[:0], x)
	a.add(*b)
	a.scratch.Put(b)
}

func (a *accessLog) add(line []byte) {
	a.mu.Lock()
	if a.closed || len(a.buf)+len(line) > logBound {
		a.mu.Unlock()
		a.dropped.Add(1)
		return
	}
	first := len(a.buf) == 0
	a.buf = append(a.buf, line...)
	a.lines++
	full := len(a.buf) >= logChunk
	a.mu.Unlock()
	if first {
		signal(a.begun)
	}
	if full {
		signal(a.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes until close.
func (a *accessLog) run() {
	defer close(a.stopped)
	var spare []byte
	broken := false
	timer := time.NewTimer(logFlush)
	for {
		stop := false
		select {
		case <-a.begun:
			timer.Reset(logFlush)
			select {
			case <-timer.C:
			case <-a.full:
			case <-a.stop:
				stop = true
			}
		case <-a.stop:
			stop = true
		}
		a.mu.Lock()
		chunk, lines := a.buf, a.lines
		a.buf, a.lines = spare[:0], 0
		a.mu.Unlock()
		if len(chunk) > 0 {
			_, err := a.w.Write(chunk)
			if err != nil {
				a.dropped.Add(lines)
			}
			if (err != nil) != broken {
				if broken = err != nil; broken {
					a.slog.Error("access log cannot be written, its lines are dropped", "err", err)
				} else {
					a.slog.Info("access log is written again")
				}
			}
		}
		if spare = chunk; stop {
			return
		}
	}
}
