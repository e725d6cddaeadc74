package segment

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"unicode/utf8"
)

// token is a word that is looked for.
type token struct {
	word   []byte // in lower case
	ascii  bool
	number int64           // that it stands for
	digits bool            // whether it stands for one
	codes  [columns][]bool // by a dictionary's code: holds the word; empty: none does
	known  [columns]bool   // whether codes are
	rows   []bool          // of the page: hold the word
}

func newToken(word string) *token {
	t := &token{word: []byte(word), ascii: true}
	for _, b := range t.word {
		t.ascii = t.ascii && b < utf8.RuneSelf
	}
	n, err := strconv.ParseInt(word, 10, 64)
	t.number, t.digits = n, err == nil && strconv.FormatInt(n, 10) == word
	return t
}

// texts drops rows that lack one of the words; whether they stand as asked
// only the row can tell. It goes by columns: a dictionary is searched once,
// and its pages are read only if it holds the word; other columns are searched
// a page at a time.
func (s *scan) texts(page int) {
	list := []column{colBody, colAttributes, colCorrelation, colMethod, colRoute, colPeer, colDestination}
	if s.kind == spans {
		list = []column{colName, colMessage, colAttributes, colCorrelation, colMethod, colRoute, colPeer, colDestination}
	}
	for _, t := range s.tokens {
		if len(s.rows) == 0 {
			return
		}
		if rows := len(s.unsure); cap(t.rows) < rows {
			t.rows = make([]bool, rows)
		}
		t.rows = t.rows[:len(s.unsure)]
		clear(t.rows)
		for _, c := range list {
			s.look(t, c, page)
		}
		if t.digits {
			v := s.load(colCode, page)
			for _, row := range s.rows {
				if n, ok := v.number(int(row)); ok && (n == t.number || n == -t.number) {
					t.rows[row] = true
				}
			}
		}
		s.keepRows(func(row int) bool { return t.rows[row] })
	}
	for _, row := range s.rows {
		s.unsure[row] = true
	}
}

// look marks the rows in which a column holds a word.
func (s *scan) look(t *token, c column, page int) {
	if d := s.dictionary(c); d != nil {
		if !t.known[c] {
			t.known[c] = true
			values := d.of.Page().Data()
			data, offsets := values.ByteArray()
			s.eachHolding(t, data, offsets, func(code int) {
				if t.codes[c] == nil {
					t.codes[c] = make([]bool, d.of.Len())
				}
				t.codes[c][code] = true
			})
		}
		if t.codes[c] == nil {
			return
		}
		v := s.load(c, page)
		for _, row := range s.rows {
			if code := v.code(int(row)); code >= 0 && t.codes[c][code] {
				t.rows[row] = true
			}
		}
		return
	}
	v := s.load(c, page)
	if v.missing || len(v.offsets) == 0 {
		return
	}
	if v.places == nil {
		s.eachHolding(t, v.data, v.offsets, func(i int) { t.rows[i] = true })
		return
	}
	var hold []bool
	s.eachHolding(t, v.data, v.offsets, func(i int) {
		if hold == nil {
			hold = make([]bool, len(v.offsets))
		}
		hold[i] = true
	})
	for row := 0; hold != nil && row < len(t.rows); row++ {
		if i := v.place(row); i >= 0 && hold[i] {
			t.rows[row] = true
		}
	}
}

// eachHolding gives the values that hold a word in any case, anywhere. Values
// stand one after the other in data.
func (s *scan) eachHolding(t *token, data []byte, offsets []uint32, yield func(i int)) {
	values := len(offsets) - 1
	if values < 1 {
		return
	}
	if !t.ascii || foldsIntoASCII(data) { // lower case may be of another length
		for i := range values {
			if bytes.Contains(bytes.ToLower(data[offsets[i]:offsets[i+1]]), t.word) {
				yield(i)
			}
		}
		return
	}
	s.lower = lowerASCII(s.lower, data)
	i := 0
	for at := int(offsets[0]); ; {
		next := bytes.Index(s.lower[at:], t.word)
		if next < 0 {
			return
		}
		at += next
		for i < values && int(offsets[i+1]) <= at {
			i++
		}
		if i == values {
			return
		}
		if end := int(offsets[i+1]); at+len(t.word) <= end {
			yield(i)
			at = end
		} else { // the end of one value and the beginning of the next
			at++
		}
	}
}

// foldsIntoASCII tells whether a text has one of the only letters beyond ASCII
// whose lower case is within it: Kelvin, and I with a dot.
func foldsIntoASCII(text []byte) bool {
	return bytes.Contains(text, []byte("\u212a")) || bytes.Contains(text, []byte("\u0130"))
}

// lowerASCII is a text with the letters of ASCII in lower case, in the room of
// another where it fits. It goes by eight bytes at a time.
func lowerASCII(room, text []byte) []byte {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	to := slices.Grow(room[:0], len(text))[:len(text)]
	i := 0
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		low := x &^ highs
		fromA := low + (0x80-'A')*ones    // the high bit says: 'A' or above
		aboveZ := low + (0x80-'Z'-1)*ones // above 'Z'
		upper := fromA &^ aboveZ &^ x & highs
		binary.LittleEndian.PutUint64(to[i:], x|upper>>2)
	}
	for ; i < len(text); i++ {
		if to[i] = text[i]; 'A' <= text[i] && text[i] <= 'Z' {
			to[i] += 'a' - 'A'
		}
	}
	return to
}
