package policy

// bulkhead counts the calls that are under way and lets others wait, in their
// order. It is not safe for concurrent use.
type bulkhead struct {
	inUse    int
	queue    []*waiter
	rejected uint64
	last     moment
}

// waiter is a call that waits for its turn.
type waiter struct {
	turn    chan struct{} // closed when it may begin
	granted bool
}

// take lets a call begin, if there is room and nobody waits before it.
func (b *bulkhead) take(limit int) bool {
	if b.inUse >= limit || len(b.queue) > 0 {
		return false
	}
	b.inUse++
	return true
}

// wait puts a call at the end of the queue; nil when that is full.
func (b *bulkhead) wait(limit, queue int) *waiter {
	if len(b.queue) >= queue {
		return nil
	}
	w := &waiter{turn: make(chan struct{})}
	b.queue = append(b.queue, w)
	b.wake(limit)
	return w
}

// give ends a call.
func (b *bulkhead) give(limit int) {
	b.inUse--
	b.wake(limit)
}

// wake lets those begin that there is room for.
func (b *bulkhead) wake(limit int) {
	for len(b.queue) > 0 && b.inUse < limit {
		w := b.queue[0]
		b.queue[0] = nil
		b.queue = b.queue[1:]
		b.inUse++
		w.granted = true
		close(w.turn)
	}
	if len(b.queue) == 0 {
		b.queue = nil
	}
}

// abandon ends a wait. It tells whether the turn had come meanwhile: then the
// call holds a place.
func (b *bulkhead) abandon(w *waiter) (granted bool) {
	if w.granted {
		return true
	}
	for i := range b.queue {
		if b.queue[i] == w {
			b.queue = append(b.queue[:i], b.queue[i+1:]...)
			break
		}
	}
	return false
}
