package cache

import (
	"slices"
	"strings"
)

// Kept is what is told of one resource in a list.
type Kept struct {
	Key      string
	Variants int
	Bytes    int // of memory, all variants together
	Latest   Answer
}

// List tells what is kept, but for test customers, under keys that contain a text, or bears a tag of
// this very name: so many at most, the latest received first, and how many
// there are. It looks at all that is kept.
func (c *Cache) List(like string, most int) (list []Kept, all int) {
	type found struct {
		key string
		r   *resource
	}
	var fits []found
	for key, r := range c.kept.All() {
		if strings.HasPrefix(key, testPrefix) {
			continue
		}
		if strings.Contains(key, like) || slices.ContainsFunc(r.variants, func(e *entry) bool { return slices.Contains(e.tags, like) }) {
			fits = append(fits, found{key, r})
		}
	}
	slices.SortFunc(fits, func(a, b found) int {
		if late := b.r.variants[0].received.Compare(a.r.variants[0].received); late != 0 {
			return late
		}
		return strings.Compare(a.key, b.key)
	})
	all = len(fits)
	now := c.o.Now()
	for _, f := range fits[:min(most, all)] {
		list = append(list, Kept{Key: f.key, Variants: len(f.r.variants), Bytes: f.r.size(f.key), Latest: f.r.variants[0].tell(now, false)})
	}
	return list, all
}
