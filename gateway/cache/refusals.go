package cache

import "sync"

// refusals remember why the last answers were not kept, for who asks; a
// ring, so that it stays small.
type refusals struct {
	mu   sync.Mutex // guards what follows
	ring [512]struct{ key, why string }
	next int
}

func (r *refusals) note(key, why string) {
	if len(key) > 2048 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := (r.next + len(r.ring) - 1) % len(r.ring); r.ring[last].key == key && r.ring[last].why == why {
		return
	}
	r.ring[r.next].key, r.ring[r.next].why = key, why
	r.next = (r.next + 1) % len(r.ring)
}

func (r *refusals) of(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ring {
		if at := &r.ring[(r.next-1-i+2*len(r.ring))%len(r.ring)]; at.key == key {
			return at.why
		}
	}
	return ""
}
