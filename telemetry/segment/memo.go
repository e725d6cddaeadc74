package segment

import (
	"hash/maphash"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/plat-dev/plat/telemetry"
)

// Most texts of a page come again within it: methods, routes, hosts, the
// correlation ID of a trace. What a file's writer made of them once it takes
// from here.
const (
	memoSize = 2048 // a power of two
	memoText = 256  // bytes of key and value; what is longer seldom comes again
)

// met is an attribute, or a text of a column, that was written before.
type met struct {
	text   []byte // key, value, and the attribute as a member of a JSON object
	key    int    // where the key ends
	value  int    // where the value ends
	kind   uint8
	column column        // of the key, or columns
	fits   bool          // the value into that column
	number int64         // the value, if that column is one of numbers
	page   int           // the value's words are in this page's set
	made   parquet.Value // for the page, if it has a column; else null
}

// memo has a place for each hash: what comes later takes it.
type memo struct {
	seed maphash.Seed
	met  []met
}

func newMemo() memo { return memo{maphash.MakeSeed(), make([]met, memoSize)} }

// textKind tells the texts of a column from attributes, whose kinds are few.
const textKind = 1 << 7

// find gives what is known of a text; fresh when that is nothing yet. It holds
// until the next call.
func (m *memo) find(key, value string, kind uint8) (k *met, fresh bool) {
	if len(key)+len(value) > memoText {
		return &met{kind: kind, column: columns}, true // it is not remembered
	}
	h := maphash.String(m.seed, value) + uint64(len(key))<<3 + uint64(kind)
	if key != "" {
		h += uint64(key[len(key)-1]) << 5
	}
	k = &m.met[h%memoSize]
	if k.kind == kind && k.key == len(key) && k.value == len(key)+len(value) && string(k.text[:k.key]) == key && string(k.text[k.key:k.value]) == value {
		return k, k.page == 0
	}
	text := append(append(k.text[:0], key...), value...)
	*k = met{text: text, key: len(key), value: len(text), kind: kind, column: columns}
	return k, true
}

// attribute gives what is known of an attribute, found out or remembered.
func (m *memo) attribute(a *telemetry.Attribute) *met {
	k, fresh := m.find(a.Key, a.Value, uint8(a.Kind))
	if !fresh {
		return k
	}
	k.text = appendMember(k.text, a)
	var own bool
	if k.column, own = promoted(a.Key); !own {
		k.column = columns
		return k
	}
	if k.column != colCode {
		k.fits = a.Kind == telemetry.Text && a.Value != ""
	} else if a.Kind == telemetry.Int && natural(a) {
		n, err := strconv.ParseInt(a.Value, 10, 64)
		k.number, k.fits = n, err == nil // natural has parsed it
	}
	return k
}

// member is the attribute as a member of a JSON object.
func (k *met) member() []byte { return k.text[k.value:] }
