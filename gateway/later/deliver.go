package later

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Run makes the calls of each queue, one after the other, until ctx ends. What
// is under way then is made again at the next start.
func (q *Queues) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	q.mu.Lock()
	q.began = time.Now()
	q.mu.Unlock()
	started := map[*queue]bool{}
	tick := time.NewTicker(q.o.Longest / 3)
	defer tick.Stop()
	for {
		q.mu.Lock()
		for _, one := range q.all {
			if len(one.waiting) > 0 && !started[one] {
				started[one] = true
				workers.Go(func() { q.work(ctx, one) })
			}
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-q.changed:
		case <-tick.C:
			q.settle(ctx)
		}
	}
}

// Wake tries what waits for a service at once: it has come back.
func (q *Queues) Wake(callee string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, one := range q.all {
		if key.Callee == callee && len(one.waiting) > 0 {
			one.waiting[0].next = time.Time{}
			tell(one.wake)
		}
	}
}

// work makes the calls of one queue.
func (q *Queues) work(ctx context.Context, one *queue) {
	for ctx.Err() == nil {
		i, pause := q.head(one)
		if i != nil && pause <= 0 {
			q.try(ctx, i)
			continue
		}
		var over <-chan time.Time
		var timer *time.Timer
		if i != nil {
			timer = time.NewTimer(pause)
			over = timer.C
		}
		select {
		case <-ctx.Done():
		case <-over:
		case <-one.wake:
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// head is the call whose turn it is, and when.
//
// INVARIANT: it stays the head until it was done, given up or dropped: no later
// one overtakes it.
func (q *Queues) head(one *queue) (*item, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(one.waiting) == 0 {
		return nil, 0
	}
	return one.waiting[0], time.Until(one.waiting[0].next)
}

// try makes one call once, and sees to what comes of it.
func (q *Queues) try(ctx context.Context, i *item) {
	if i.done {
		q.finish(ctx, i)
		return
	}
	c, ok, err := q.read(ctx, i)
	switch {
	case err != nil:
		if i.tries++; i.tries == 1 {
			q.o.Log.ErrorContext(ctx, "a kept call cannot be read, and holds up its queue", "id", i.id, "queue", i.queue.key.String(), "error", err)
		}
		q.again(i, Outcome{Why: "it cannot be read from the disk: " + err.Error()})
		return
	case !ok:
		q.o.Log.ErrorContext(ctx, "a kept call is gone from the disk", "id", i.id, "queue", i.queue.key.String())
		q.mu.Lock()
		q.forget(i)
		i.queue.dropped++
		q.mu.Unlock()
		return
	}
	o := q.o.Deliver(ctx, c)
	if ctx.Err() != nil && o.Status == 0 {
		return // plat ends: nothing was learnt
	}
	q.mu.Lock()
	i.tries++
	i.why = o.Why
	old := time.Since(i.since) > i.queue.rules.Keep && time.Since(q.began) > starting
	q.mu.Unlock()
	switch {
	case o.done():
		i.done = true
		q.note(i, o)
		q.finish(ctx, i)
	case !o.hopeful():
		q.bury(ctx, i, c, "refused for good: "+o.Why)
	case old:
		q.bury(ctx, i, c, fmt.Sprintf("too old, at last: %s", o.Why))
	default:
		q.again(i, o)
	}
}

// again lets a call wait for its next try.
func (q *Queues) again(i *item, o Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	pause := q.o.Pause
	for n := 1; n < i.tries && pause < q.o.Longest; n++ {
		pause *= 2
	}
	pause = min(pause, q.o.Longest)
	pause -= rand.N(pause/5 + 1) // #nosec G404 -- jitter, no secret
	i.next, i.why = time.Now().Add(max(pause, min(o.After, longestAsk))), o.Why
}

// note remembers how a call ended, for whoever asks.
func (q *Queues) note(i *item, o Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i.queue.delivered++
	q.ended[i.id] = Ended{i.queue.key, o.Status, time.Now().UTC()}
	if q.endings = append(q.endings, i.id); len(q.endings) > maxEnded {
		delete(q.ended, q.endings[0])
		q.endings = slices.Delete(q.endings, 0, 1)
	}
}

// finish takes a call that was done out of the store, then out of memory. One
// that is killed in between is made again, with the same idempotency key.
func (q *Queues) finish(ctx context.Context, i *item) {
	removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
	defer cancel()
	err := q.o.Store.Remove(removing, i.sequence)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.o.Log.WarnContext(ctx, "a call that was done cannot be taken from the disk yet", "id", i.id, "error", err)
		i.next = time.Now().Add(q.o.Longest / 15)
		return
	}
	q.forget(i)
}

// bury sets a call aside as a dead letter, unless it was dropped by hand while
// it was tried.
func (q *Queues) bury(ctx context.Context, i *item, c Call, why string) {
	q.hand.Lock()
	defer q.hand.Unlock()
	if q.item(i.id) != i {
		return
	}
	c.Dead, c.Tries = why, i.tries
	if err := q.move(ctx, i, c); err != nil {
		q.again(i, Outcome{Why: why + "; it cannot be set aside yet: " + err.Error()})
		return
	}
	q.mu.Lock()
	i.queue.died++
	q.mu.Unlock()
	q.o.Log.WarnContext(ctx, "a call that was to be done later is a dead letter", "id", i.id, "queue", i.queue.key.String(), "reason", why)
}

// move puts a call to the end of the store in another state, and takes away
// what it was before; q.hand is held.
func (q *Queues) move(ctx context.Context, i *item, c Call) error {
	data, err := c.encode()
	if err != nil {
		return err
	}
	q.mu.Lock()
	before := q.last
	q.mu.Unlock()
	putting, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
	defer cancel()
	sequence, err := q.o.Store.Put(putting, data)
	if err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.doubts[c.ID] = doubt{before, time.Now()}
		return err
	}
	gone := q.o.Store.Remove(putting, i.sequence)
	q.mu.Lock()
	defer q.mu.Unlock()
	if gone != nil {
		q.stale = append(q.stale, i.sequence)
	}
	q.forget(i)
	q.take(c, sequence, int64(len(data)))
	return nil
}

// read reads a call from the store.
func (q *Queues) read(ctx context.Context, i *item) (Call, bool, error) {
	data, ok, err := q.o.Store.Get(ctx, i.sequence)
	if err != nil || !ok {
		return Call{}, ok, err
	}
	c, err := decode(data)
	return c, err == nil, err
}
