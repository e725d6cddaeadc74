package fresh

import (
	"container/list"
	"sync"
)

const (
	maxCopies = 1024
	maxBytes  = 8 << 20 // of all copies
	maxBody   = 1 << 20 // of one
)

// copies are what a reader keeps, the least recently read go first.
type copies struct {
	mu      sync.Mutex // guards what follows
	entries map[string]*list.Element
	order   *list.List // of *entity, the latest first
	bytes   int64
	counted Stats
}

func newCopies() *copies {
	return &copies{entries: map[string]*list.Element{}, order: list.New()}
}

// get finds the copy of an entity; nil where there is none.
func (c *copies) get(uri string) *entity {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.entries[uri]
	if at == nil {
		return nil
	}
	c.order.MoveToFront(at)
	return of(at)
}

func of(at *list.Element) *entity {
	return at.Value.(*entity) //nolint:errcheck,forcetypeassert // the list holds nothing else
}

// put keeps a copy, if it may be kept, and counts how it came.
func (c *copies) put(e *entity, same bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if same {
		c.counted.Revalidated++
	} else {
		c.counted.Fetched++
	}
	c.remove(e.ref.URI)
	if !e.keep || len(e.body) > maxBody {
		return
	}
	c.entries[e.ref.URI] = c.order.PushFront(e)
	c.bytes += int64(len(e.body))
	for c.order.Len() > maxCopies || c.bytes > maxBytes {
		c.remove(of(c.order.Back()).ref.URI)
		c.counted.Dropped++
	}
}

func (c *copies) drop(uri string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(uri)
}

// remove forgets a copy; c.mu is held.
func (c *copies) remove(uri string) {
	at := c.entries[uri]
	if at == nil {
		return
	}
	delete(c.entries, uri)
	c.order.Remove(at)
	c.bytes -= int64(len(of(at).body))
}

func (c *copies) served() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted.Served++
}

func (c *copies) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.counted
	s.Copies, s.Bytes = len(c.entries), c.bytes
	return s
}
