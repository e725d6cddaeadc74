package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/plat-dev/plat/telemetry"
)

// Protocols by which a Forward sends.
const (
	ProtocolHTTP = "http/protobuf"
	ProtocolGRPC = "grpc"
)

// ForwardOptions say where telemetry is passed on to.
type ForwardOptions struct {
	// URL is the backend's base, such as https://otlp.example or
	// http://127.0.0.1:4317. By HTTP, /v1/traces and the like are appended; by
	// gRPC its path must be empty.
	URL      string
	Headers  map[string]string // sent along, such as Authorization
	Protocol string            // "": ProtocolHTTP
	Bytes    int               // that may wait; 0: 32 MiB
	Log      *slog.Logger      // nil: discard

	Timeout  time.Duration // of one try; 0: 10 s
	Pause    time.Duration // after the first failure, doubled by each; 0: 1 s
	MaxPause time.Duration // 0: 30 s
	GiveUp   time.Duration // after so much trying a request is dropped; 0: 5 min
}

// Forward passes telemetry on to another backend. What the backend is too slow
// for waits in memory within bounds; then the oldest is dropped and counted.
// Its methods are safe for concurrent use.
type Forward struct {
	o    ForwardOptions
	send sender
	wake chan struct{} // something waits

	mu      sync.Mutex
	queue   []parcel
	waiting int // bytes in queue
	stats   ForwardStats
	told    bool // the log knows that it fails
}

// ForwardStats counts what was passed on since the start. Metrics count by
// data points, spans and records by rows.
type ForwardStats struct {
	URL     string // set by Forwards
	Sent    uint64 // taken by the backend
	Dropped uint64 // too many waited, or tried for too long, or refused for good
	Refused uint64 // of requests that the backend took, rejected within
	Queued  int    // rows that wait
	Bytes   int    // that wait
	Error   string // of the last try, while it fails
}

// parcel is a request, or several in one: requests of OTLP that are put one
// behind the other are one request.
type parcel struct {
	signal signal
	body   []byte
	rows   int
}

// sender is how one request is sent.
type sender interface {
	// Send gives the backend's answer: a partial success in protobuf. An error
	// that is no *refusal is worth another try.
	Send(ctx context.Context, s signal, body []byte) (answer []byte, err error)
	Close() error
}

// refusal is an answer that says more than that it failed.
type refusal struct {
	what  string
	again bool          // the request may be sent again
	after time.Duration // not before; 0: not said
}

func (r *refusal) Error() string { return r.what }

const (
	forwardBytes = 32 << 20
	forwardOnce  = 1 << 20         // bytes of what is sent in one request, unless one row alone is larger
	forwardAfter = 5 * time.Minute // what a backend may ask us to wait at most
	forwardLast  = 2 * time.Second // for what waits when Run ends
)

// NewForward makes a Forward. It fails when the URL or the protocol cannot be
// used.
func NewForward(o ForwardOptions) (*Forward, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Bytes, o.Timeout, o.Pause = or(o.Bytes, forwardBytes), or(o.Timeout, 10*time.Second), or(o.Pause, time.Second)
	o.MaxPause, o.GiveUp = or(o.MaxPause, 30*time.Second), or(o.GiveUp, 5*time.Minute)
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("the URL to forward to must be http://… or https://…")
	}
	o.URL = base.Redacted() // for the log
	f := &Forward{o: o, wake: make(chan struct{}, 1)}
	switch o.Protocol {
	case "", ProtocolHTTP:
		f.send = newHTTPSender(base, o.Headers)
	case ProtocolGRPC:
		f.send, err = newGRPCSender(base, o.Headers)
	default:
		err = fmt.Errorf("the protocol to forward by must be %s or %s", ProtocolHTTP, ProtocolGRPC)
	}
	return f, err
}

// Take passes rows on. It never waits, and never fails: what cannot be sent is
// dropped and counted.
func (f *Forward) Take(b telemetry.Batch) {
	if len(b.Spans) > 0 {
		f.add(parcel{traces, encodeSpans(b.Spans), len(b.Spans)})
	}
	if len(b.Logs) > 0 {
		f.add(parcel{logs, encodeLogs(b.Logs), len(b.Logs)})
	}
}

// TakeMetrics passes on an ExportMetricsServiceRequest, which it copies. As
// Take, it never waits and never fails.
func (f *Forward) TakeMetrics(request []byte) {
	points, err := countPoints(request)
	if err != nil || points == 0 {
		return // nothing that a backend would take
	}
	f.add(parcel{metrics, append([]byte(nil), request...), int(points)})
}

// Stats tells what was passed on.
func (f *Forward) Stats() ForwardStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Bytes = f.waiting
	for _, p := range f.queue {
		s.Queued += p.rows
	}
	return s
}

func (f *Forward) add(p parcel) {
	f.mu.Lock()
	f.queue = append(f.queue, p)
	f.waiting += len(p.body)
	for f.waiting > f.o.Bytes && len(f.queue) > 0 {
		f.stats.Dropped += uint64(f.queue[0].rows) // #nosec G115 -- a count
		f.shift()
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// shift takes the oldest out of the queue; mu is held.
func (f *Forward) shift() parcel {
	p := f.queue[0]
	f.queue[0] = parcel{}
	f.queue = f.queue[1:]
	f.waiting -= len(p.body)
	return p
}

// next takes the oldest out of the queue, with what may go in the same request.
func (f *Forward) next() (parcel, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return parcel{}, false
	}
	p := f.shift()
	p.body = p.body[:len(p.body):len(p.body)]
	for len(f.queue) > 0 && f.queue[0].signal == p.signal && len(p.body)+len(f.queue[0].body) <= forwardOnce {
		more := f.shift()
		p.body, p.rows = append(p.body, more.body...), p.rows+more.rows
	}
	return p, true
}

// Run sends what it was given until ctx ends, and for two seconds more what
// waits then. It returns nil.
func (f *Forward) Run(ctx context.Context) error {
	defer func() { _ = f.send.Close() }() // nothing is lost by it
	for ctx.Err() == nil {
		p, ok := f.next()
		if ok {
			f.deliver(ctx, p)
			continue
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), forwardLast)
	defer cancel()
	for last.Err() == nil {
		p, ok := f.next()
		if !ok {
			return nil
		}
		if err := f.try(last, p); err != nil {
			f.drop(p, err)
			break // the backend is away, and what waits is not worth waiting for
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) > 0 {
		f.stats.Dropped += uint64(f.shift().rows) // #nosec G115 -- a count
	}
	return nil
}

// deliver tries until the backend took it, refused it for good, or it is too
// old. When ctx ends meanwhile, it goes back to where it came from.
func (f *Forward) deliver(ctx context.Context, p parcel) {
	since, pause := time.Now(), f.o.Pause
	for {
		err := f.try(ctx, p)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			f.giveBack(p)
			return
		}
		wait := pause/2 + rand.N(pause) // #nosec G404 -- so that not all come back at once
		pause = min(2*pause, f.o.MaxPause)
		if no := (*refusal)(nil); errors.As(err, &no) {
			if !no.again {
				f.drop(p, err)
				return
			}
			wait = max(wait, min(no.after, forwardAfter))
		}
		if time.Since(since)+wait > f.o.GiveUp {
			f.drop(p, err)
			return
		}
		f.failing(err)
		again := time.NewTimer(wait)
		select {
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
	}
}

func (f *Forward) giveBack(p parcel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append([]parcel{p}, f.queue...)
	f.waiting += len(p.body)
}

// try sends once.
func (f *Forward) try(ctx context.Context, p parcel) error {
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	answer, err := f.send.Send(ctx, p.signal, p.body)
	if err != nil {
		return err
	}
	refused := min(rejectedIn(answer), uint64(p.rows)) // #nosec G115 -- a count
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Sent += uint64(p.rows) - refused // #nosec G115 -- a count
	f.stats.Refused += refused
	f.stats.Error = ""
	if f.told {
		f.told = false
		f.o.Log.InfoContext(ctx, "telemetry is forwarded again", "url", f.o.URL, "dropped", f.stats.Dropped)
	}
	return nil
}

// drop counts what will never be sent.
func (f *Forward) drop(p parcel, err error) {
	f.mu.Lock()
	f.stats.Dropped += uint64(p.rows) // #nosec G115 -- a count
	f.mu.Unlock()
	f.failing(err)
}

// failing notes why it fails, and tells the log once.
func (f *Forward) failing(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Error = err.Error()
	if !f.told {
		f.told = true
		f.o.Log.Warn("telemetry cannot be forwarded", "url", f.o.URL, "error", err)
	}
}

// rejectedIn is how many rows a partial success tells of.
func rejectedIn(answer []byte) uint64 {
	b := &body{raw: answer}
	c := b.fields(b.whole())
	for c.next() {
		if c.tag != 1<<3|asBytes {
			continue
		}
		for inner := b.fields(c.bytes); inner.next(); {
			if inner.tag == 1<<3|asVarint {
				return inner.value
			}
		}
	}
	return 0
}
