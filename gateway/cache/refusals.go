package cache

import (
	"sync"
	"time"
)

// refusals remember of the last answers that were not kept why, and where they
// may be kept nevertheless; so many, the oldest go.
type refusals struct {
	mu   sync.Mutex // guards what follows
	last map[string]passed
	keys [512]string // in order
	next int
}

// passed is one such answer.
type passed struct {
	why        string
	received   time.Time
	aged       time.Duration // at that time
	downstream Downstream
}

func (r *refusals) note(key string, what passed) {
	if len(key) > 2048 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[string]passed{}
	}
	if _, known := r.last[key]; !known {
		delete(r.last, r.keys[r.next])
		r.keys[r.next] = key
		r.next = (r.next + 1) % len(r.keys)
	}
	r.last[key] = what
}

// drop forgets what a later answer, which was kept, makes untrue.
func (r *refusals) drop(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, key)
}

func (r *refusals) of(key string) (passed, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what, ok := r.last[key]
	return what, ok
}
