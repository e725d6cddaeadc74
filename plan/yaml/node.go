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
	Line, Col int
	Items     []*Node // of a list
	Entries   []Entry // of a mapping, each key once
}

// Entry is one key of a mapping with its place.
type Entry struct {
	Key       string
	Line, Col int
	Value     *Node
}

// Lookup finds the entry of a key.
func (n *Node) Lookup(key string) (Entry, bool) {
	for _, e := range n.Entries {
		if e.Key == key {
			return e, true
		}
	}
	return Entry{}, false
}
