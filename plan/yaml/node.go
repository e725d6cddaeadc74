// Package yaml reads the strict subset of YAML that plans are written in into
// nodes with their places, and says in faults what it refuses. It knows
// nothing of what a plan means, and must never import plan or another room.
package yaml

// Kind is what a node is.
type Kind int

// Bad is a value that has a finding already: nothing more is said about it.
// Integer and Number are what any reader of YAML takes for one, however it is
// written; Number has a fraction or an exponent.
const (
	Null Kind = iota
	Bad
	Text
	Integer
	Number
	Boolean
	List
	Mapping
)

// String names the kind in messages.
func (k Kind) String() string {
	return [...]string{"nothing", "something unreadable", "text", "a whole number", "a number", "true or false", "a list", "keys with values"}[k]
}

// Node is one value of a file with its place.
type Node struct {
	Kind      Kind
	Text      string // of a single value: as written, without quotes and escapes
	Quoted    bool
	Flow      bool // of a list or mapping: written in brackets
	Line, Col int
	Items     []*Node // of a list
	Entries   []Entry // of a mapping, each key once

	index map[string]int // of entries, where they are many
}

// Entry is one key of a mapping with its place.
type Entry struct {
	Key       string
	Line, Col int
	Value     *Node
}

// Index prepares the node and all below it for quick Lookup in mappings of
// many keys. It is not safe beside other use of the node.
func (n *Node) Index() {
	if len(n.Entries) > 16 {
		n.index = make(map[string]int, len(n.Entries))
		for i, e := range n.Entries {
			n.index[e.Key] = i
		}
	}
	for _, e := range n.Entries {
		e.Value.Index()
	}
	for _, item := range n.Items {
		item.Index()
	}
}

// Lookup finds the entry of a key.
func (n *Node) Lookup(key string) (Entry, bool) {
	if n.index != nil {
		i, ok := n.index[key]
		if !ok {
			return Entry{}, false
		}
		return n.Entries[i], true
	}
	for _, e := range n.Entries {
		if e.Key == key {
			return e, true
		}
	}
	return Entry{}, false
}
