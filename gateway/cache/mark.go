package cache

import (
	"slices"
	"strings"
)

// mark is on one fetch under way. What is purged meanwhile reaches it, since
// its answer may be from before: then it is not kept.
type mark struct {
	key  string
	gone bool     // its key was purged
	tags []string // that were purged
}

// maxPurges bounds the tags that a mark remembers; after more nothing that
// bears a tag is kept.
const maxPurges = 64

// begin marks a fetch of a key, which is ended in the end. It gives e back if
// that is still kept: what was purged just now is not validated.
func (c *Cache) begin(key string, e *entry) (*mark, *entry) {
	m := &mark{key: key}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.marks[key] = append(c.marks[key], m)
	if kept := c.get(key); e != nil && (kept == nil || !slices.Contains(kept.variants, e)) {
		e = nil
	}
	return m, e
}

// end takes the mark away; more than one call does no harm.
func (c *Cache) end(m *mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := slices.DeleteFunc(c.marks[m.key], func(other *mark) bool { return other == m })
	if c.marks[m.key] = left; len(left) == 0 {
		delete(c.marks, m.key)
	}
}

// forget takes out the resource of a key, also what is kept of it for test
// customers, and what is fetched of it will not be kept, but for that of one
// mark. It tells whether there was one.
func (c *Cache) forget(key string, but *mark) (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keysOf(key) {
		for _, m := range c.marks[key] {
			m.gone = m.gone || m != but
		}
		_, one := c.kept.Invalidate(key)
		was = was || one
	}
	return was
}

// forgetTag does the same with whatever bears a tag, and tells how many
// resources that were. It looks at all that is
// kept: tags are purged rarely.
func (c *Cache) forgetTag(tag string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, marks := range c.marks {
		for _, m := range marks {
			if len(m.tags) <= maxPurges {
				m.tags = append(m.tags, tag)
			}
		}
	}
	var keys []string
	for key, r := range c.kept.All() {
		if slices.ContainsFunc(r.variants, func(e *entry) bool { return slices.Contains(e.tags, tag) }) {
			keys = append(keys, key)
		}
	}
	resources := map[string]bool{}
	for _, key := range keys {
		c.kept.Invalidate(key)
		resources[strings.TrimPrefix(key, testPrefix)] = true
	}
	return len(resources)
}

// put keeps an entry that was fetched under a mark, in place of another where it
// is that one brought up to date, unless it may be what was purged since.
func (c *Cache) put(m *mark, e, instead *entry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.gone || c.closed || m.purged(e.tags) {
		return false
	}
	c.kept.Set(m.key, c.get(m.key).with(e, instead, c.o.Object))
	c.counts.stored.Add(1)
	c.refusals.drop(m.key)
	return true
}

func (m *mark) purged(tags []string) bool {
	if len(m.tags) > maxPurges {
		return len(tags) > 0
	}
	return slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(m.tags, tag) })
}
