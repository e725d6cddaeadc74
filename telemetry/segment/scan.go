package segment

import (
	"bytes"
	"strconv"

	"github.com/plat-dev/plat/telemetry"
)

// scan holds a filter against the pages of one row group.
type scan struct {
	*groupReader
	f          *filter
	kind       kind
	conditions []condition
	hits       []hit
	elsewhere  []telemetry.Match
	keys       [][]byte // of elsewhere and of conditions, as JSON has them
	condKeys   [][]byte
	tokens     []*token              // of the terms
	lower      []byte                // values in lower case, used again
	rows       []int32               // that match, in order
	unsure     []bool                // by row: only the whole row can tell
	others     []telemetry.Attribute // used again
	resources  map[[4]int32]*telemetry.Resource
}

// hit is what is known of a condition and the codes of a dictionary.
type hit struct {
	codes []int8 // 0 unknown, 1 matches, 2 does not
}

func newScan(g *groupReader, f *filter, k kind) *scan {
	s := &scan{groupReader: g, f: f, kind: k, conditions: f.conditions(), elsewhere: f.elsewhere(), resources: map[[4]int32]*telemetry.Resource{}}
	s.hits = make([]hit, len(s.conditions))
	for _, m := range s.elsewhere {
		s.keys = append(s.keys, append(appendString(nil, m.Key), ':'))
	}
	for _, c := range s.conditions {
		s.condKeys = append(s.condKeys, append(appendString(nil, c.key), ':'))
	}
	for _, t := range f.terms {
		for _, w := range t.Words {
			s.tokens = append(s.tokens, newToken(w))
		}
	}
	return s
}

// impossible tells whether no row of the group can match, by its bloom filter
// and its dictionaries.
func (s *scan) impossible() bool {
	if !s.f.trace.IsZero() && s.r.index[colTrace] >= 0 {
		if b := s.chunks[s.r.index[colTrace]].BloomFilter(); b != nil {
			if in, err := b.Check(uuid(s.f.trace)); err != nil {
				panic(asDamage(err))
			} else if !in {
				return true
			}
		}
	}
	for i := range s.conditions {
		c := &s.conditions[i]
		if c.not || c.key != "" || c.takesNull() {
			continue
		}
		d := s.dictionary(c.column)
		if d == nil {
			continue
		}
		possible := false
		for code := range d.text {
			possible = possible || c.has(d.of.Index(int32(code)).ByteArray()) // #nosec G115 -- a dictionary's size
		}
		if !possible {
			return true
		}
	}
	return false
}

func (c *condition) takesNull() bool { return c.has(nil) }

func (c *condition) has(value []byte) bool {
	for _, v := range c.values {
		if string(value) == v {
			return true
		}
	}
	return false
}

// skips tells by what is known of a page that no row of it can match.
func skips(f *filter, p *pageInfo) bool {
	if p.max < f.from || p.min >= f.to {
		return true
	}
	for _, w := range f.words {
		if !p.words.has(w) {
			return true
		}
	}
	return false
}

// choose finds the rows of a page that match, or may.
func (s *scan) choose(page int) {
	info := &s.r.groups[s.group][page]
	s.rows = s.rows[:0]
	if cap(s.unsure) < info.rows {
		s.unsure = make([]bool, info.rows)
	}
	s.unsure = s.unsure[:info.rows]
	clear(s.unsure)
	times := s.load(colTime, page)
	for i := range info.rows {
		if t, _ := times.number(i); t >= s.f.from && t < s.f.to {
			s.rows = append(s.rows, int32(i)) // #nosec G115 -- a page's rows
		}
	}
	for i := range s.conditions {
		if len(s.rows) == 0 {
			return
		}
		s.apply(i, page)
	}
	if s.kind == spans && (s.f.shortest > 0 || s.f.longest > 0) {
		v := s.load(colDuration, page)
		s.keepRows(func(row int) bool {
			d, _ := v.number(row)
			return d >= s.f.shortest && (s.f.longest == 0 || d <= s.f.longest)
		})
	}
	if s.kind == logs && s.f.severity > 0 {
		v := s.load(colSeverity, page)
		s.keepRows(func(row int) bool {
			n, _ := v.number(row)
			return n >= int64(s.f.severity)
		})
	}
	for i := range s.elsewhere {
		if len(s.rows) == 0 {
			return
		}
		s.attribute(i, page)
	}
	if len(s.rows) > 0 && len(s.f.terms) > 0 {
		s.texts(page)
	}
}

func (s *scan) keepRows(keep func(row int) bool) {
	kept := s.rows[:0]
	for _, row := range s.rows {
		if keep(int(row)) {
			kept = append(kept, row)
		}
	}
	s.rows = kept
}

// apply narrows by a condition on a column of text.
func (s *scan) apply(i, page int) {
	c := &s.conditions[i]
	v := s.load(c.column, page)
	null := c.takesNull() != c.not
	if v.words == nil || v.missing {
		s.keepRows(func(row int) bool {
			raw := v.raw(row)
			if raw == nil {
				return s.absent(c, i, page, row, null)
			}
			return c.has(raw) != c.not
		})
		return
	}
	h := &s.hits[i]
	if h.codes == nil {
		h.codes = make([]int8, len(v.words.text))
	}
	s.keepRows(func(row int) bool {
		code := v.code(row)
		if code < 0 {
			return s.absent(c, i, page, row, null)
		}
		if h.codes[code] == 0 {
			h.codes[code] = 2
			if c.has(v.words.of.Index(code).ByteArray()) != c.not {
				h.codes[code] = 1
			}
		}
		return h.codes[code] == 1
	})
}

// absent decides on a row whose column is null. A promoted attribute may still
// stand among the others, with another type, or in the resource.
func (s *scan) absent(c *condition, i, page, row int, null bool) bool {
	if c.key == "" {
		return null
	}
	if s.mentions(s.condKeys[i], page, row) {
		s.unsure[row] = true
		return true
	}
	return c.not
}

func (s *scan) mentions(key []byte, page, row int) bool {
	return bytes.Contains(s.load(colAttributes, page).raw(row), key) || bytes.Contains(s.load(colResource, page).raw(row), key)
}

// attribute narrows by a match that no column of text decides.
func (s *scan) attribute(i, page int) {
	m := &s.elsewhere[i]
	if c, ok := named(m.Key); ok && c == colCode {
		v := s.load(c, page)
		want, err := strconv.ParseInt(m.Value, 10, 64)
		exact := err == nil && strconv.FormatInt(want, 10) == m.Value
		s.keepRows(func(row int) bool {
			if n, ok := v.number(row); ok {
				return (exact && n == want) != m.Not
			}
			return s.other(m, i, page, row)
		})
		return
	}
	s.keepRows(func(row int) bool { return s.other(m, i, page, row) })
}

func (s *scan) other(m *telemetry.Match, i, page, row int) bool {
	if s.mentions(s.keys[i], page, row) {
		s.unsure[row] = true
		return true
	}
	return m.Not
}
