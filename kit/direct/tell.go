package direct

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds of what is told.
const (
	maxKept     = 1 << 14               // calls that wait to be told
	maxBatch    = 512 << 10             // bytes of a telling, about
	tellEvery   = time.Second           // at most so often, unless a whole batch waits
	tellSoon    = 20 * time.Millisecond // after the first call since a while
	tellAnyhow  = 10 * time.Second      // how the policies stand
	tellTimeout = 3 * time.Second
	tellLast    = time.Second // a program that ends does not wait for long
)

// book keeps what is to be told. Its methods are safe for concurrent use.
type book struct {
	full chan struct{} // something is to be told soon

	mu      sync.Mutex // guards what follows
	calls   []Told
	dropped uint64
}

// note keeps a call to be told.
func (b *book) note(t Told) {
	t.Path, t.Error = t.Path[:min(len(t.Path), MaxText)], t.Error[:min(len(t.Error), MaxText)]
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.calls) >= maxKept {
		b.dropped++
		return
	}
	b.calls = append(b.calls, t)
	if n := len(b.calls); n == 1 || n == MaxTold {
		b.kick()
	}
}

// kick says that something is to be told soon.
func (b *book) kick() {
	select {
	case b.full <- struct{}{}:
	default: // it is said already
	}
}

func (b *book) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

// take gives the next batch.
func (b *book) take() (calls []Told, dropped uint64, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, bytes := 0, 0
	for n < len(b.calls) && n < MaxTold && bytes < maxBatch {
		bytes += 512 + len(b.calls[n].Path) + len(b.calls[n].Error)
		n++
	}
	calls = slices.Clone(b.calls[:n])
	b.calls = slices.Delete(b.calls, 0, n)
	return calls, b.dropped, len(b.calls) > 0
}

// giveBack keeps a batch that could not be told, where there is room.
func (b *book) giveBack(calls []Told) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := max(0, maxKept-len(b.calls))
	if len(calls) > room {
		b.dropped += uint64(len(calls) - room) // #nosec G115 -- a count
		calls = calls[len(calls)-room:]
	}
	b.calls = append(calls, b.calls...)
}

// drop counts a batch that nobody will take.
func (b *book) drop(calls []Told) {
	b.mu.Lock()
	b.dropped += uint64(len(calls))
	b.mu.Unlock()
}

// tellAll tells of calls until ctx ends, and then the last of them.
func (c *Caller) tellAll(ctx context.Context) {
	tick := time.NewTimer(tellAnyhow)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			c.tell(context.WithoutCancel(ctx), true)
			return
		case <-c.book.full:
		case <-tick.C:
		}
		tick.Reset(max(tellSoon, tellEvery-time.Since(last)))
		for waits := true; waits && !c.batchWaits(); { // the rest of a second, or a moment for those that come together
			select {
			case <-c.book.full: // look again
			case <-tick.C:
				waits = false
			case <-ctx.Done():
				waits = false
			}
		}
		last = time.Now()
		c.tell(ctx, false)
		tick.Reset(c.pause())
	}
}

// batchWaits tells whether so many calls wait that no more should. An instance
// that is free now should be said at once, too.
func (c *Caller) batchWaits() bool {
	if c.book.waiting() >= MaxTold {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.leaving, func(i *instance) bool { return i.busy() == 0 })
}

// pause is how long nothing needs to be told without a reason.
func (c *Caller) pause() time.Duration {
	if c.book.waiting() > 0 {
		return tellEvery // it could not be told just now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.all {
		if slices.ContainsFunc(d.now.Load().instances, func(i *instance) bool { return i.busy() > 0 }) {
			return tellEvery
		}
	}
	return tellAnyhow
}

// tell tells all that waits. What cannot be told now is kept for later.
func (c *Caller) tell(ctx context.Context, ends bool) {
	most := tellTimeout
	if ends {
		most = tellLast
	}
	for more := true; more; {
		t := c.telling()
		t.Calls, t.Dropped, more = c.book.take()
		t.Ends = ends && !more
		text, err := json.Marshal(t)
		if err != nil {
			c.book.drop(t.Calls)
			c.o.Log.Warn("calls are not told", "error", err.Error())
			continue
		}
		if _, err = c.send(ctx, most, http.MethodPost, "", text); err == nil {
			continue
		}
		if refused, ok := errors.AsType[*statusError](err); ok && refused.status < http.StatusInternalServerError && refused.status != http.StatusTooManyRequests {
			c.book.drop(t.Calls)
			continue
		}
		c.book.giveBack(t.Calls)
		return
	}
}

// telling is how it stands, without the calls.
func (c *Caller) telling() Telling {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Telling{Instance: c.o.Instance, Revision: c.revision, InFlight: map[string]int{}}
	count := func(i *instance) bool {
		n := int(i.busy())
		if n > 0 {
			t.InFlight[i.ID] += n
		}
		return n == 0
	}
	c.leaving = slices.DeleteFunc(c.leaving, count)
	for name, d := range c.all {
		for _, i := range d.now.Load().instances {
			count(i)
		}
		if d.used.Load() {
			t.States = append(t.States, State{
				Service: name, Guard: d.guard.Snapshot(), Ejection: d.outliers.Line(), Ejected: d.outliers.Snapshot(), Degraded: d.degraded.Load(), Last: d.last.Load(),
			})
		}
	}
	return t
}
