package policy

import (
	"context"
	"sync"
	"time"
)

// deadline is context.WithDeadline whose timer is set when somebody waits for
// the end, and not before: most calls are over first, or wait for something of
// their own, and a timer costs more than all the policies together.
type deadline struct {
	context.Context // the parent
	at              time.Time

	mu     sync.Mutex // guards what follows
	inner  context.Context
	cancel context.CancelFunc
	over   bool
}

func withTimeout(parent context.Context, d time.Duration) *deadline {
	at := time.Now().Add(d)
	if earlier, ok := parent.Deadline(); ok && earlier.Before(at) {
		at = earlier
	}
	return &deadline{Context: parent, at: at}
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// armed sets the timer.
func (d *deadline) armed() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil {
		d.inner, d.cancel = context.WithDeadline(d.Context, d.at)
		if d.over {
			d.cancel()
		}
	}
	return d.inner
}

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} { return d.armed().Done() }

// Err implements context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.inner != nil:
		return d.inner.Err()
	case d.Context.Err() != nil:
		return d.Context.Err()
	case !time.Now().Before(d.at):
		return context.DeadlineExceeded
	case d.over:
		return context.Canceled
	}
	return nil
}

// Value implements context.Context. What asks for the end by it, as context
// does, finds the timer once it is set.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	inner := d.inner
	d.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return d.Context.Value(key)
}

// end ends it before its time.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.cancel != nil {
		d.cancel()
	}
}
