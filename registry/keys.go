package registry

import "context"

// Pair is a key and its value, as programs keep their configuration.
type Pair struct {
	Key      string // UTF-8, not empty
	Value    []byte
	Flags    uint64 // means what the program wants it to mean
	Created  uint64 // index of the write that made the key
	Modified uint64 // index of the last write
}

// Any is the expectation that always holds; see Keys.
const Any = ^uint64(0)

// Keys holds pairs, on disk before a write returns. Its methods are safe for
// concurrent use. An index never goes backwards, also over a restart, and is
// above zero; that of a prefix counts the writes and deletions below it, and
// may jump ahead of them after a restart.
//
// Put and Delete expect the key's Modified, 0 for a key that is not there, or
// Any; they tell whether it was as expected, and then alone have an effect.
// Errors: consul-full for what is too large or too much, consul-unavailable
// when the store does not answer, after which a write may or may not be there.
type Keys interface {
	// Get finds one pair, and the key's index whether it is there or not.
	Get(key string) (p Pair, found bool, index uint64)
	// List gives the pairs whose key begins with prefix, by key, and the
	// prefix's index. The values must not be changed.
	List(prefix string) ([]Pair, uint64)
	// Put writes Key, Value and Flags.
	Put(ctx context.Context, p Pair, expect uint64) (bool, error)
	// Delete removes a key, or, with below, whatever begins with it in one
	// step (then expect is Any). A key that is not there is removed already.
	Delete(ctx context.Context, key string, below bool, expect uint64) (bool, error)
	// Watch tells that something below the prefix may have changed: the
	// channel has a value at once and after each change that nobody received
	// yet. It is released when ctx ends.
	Watch(ctx context.Context, prefix string) <-chan struct{}
}
