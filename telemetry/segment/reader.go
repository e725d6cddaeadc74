package segment

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
)

// damage is an error of a file's content.
type damage struct{ what string }

// Error tells what is wrong.
func (d damage) Error() string { return d.what }

// blocks reads a file and holds each block that it gives to its checksum.
type blocks struct {
	file *os.File
	size int64
	sums []uint32
}

// ReadAt reads as io.ReaderAt does, only what is as it was written.
func (b *blocks) ReadAt(p []byte, off int64) (int, error) {
	var spare []byte
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= b.size {
			return done, io.EOF
		}
		i := at / blockSize
		start := i * blockSize
		n := min(blockSize, b.size-start)
		into := p[done:]
		if at != start || int64(len(into)) < n {
			if spare == nil {
				spare = make([]byte, blockSize)
			}
			into = spare
		}
		into = into[:n]
		if _, err := b.file.ReadAt(into, start); err != nil {
			return done, damage{fmt.Sprintf("cannot be read at %d: %v", start, err)}
		}
		if i >= int64(len(b.sums)) || castagnoli(into) != b.sums[i] {
			return done, damage{fmt.Sprintf("its checksum is wrong between %d and %d", start, start+n)}
		}
		if at != start || &into[0] != &p[done] {
			done += copy(p[done:], into[at-start:])
		} else {
			done += int(n)
		}
	}
	return done, nil
}

// reader is an open sealed file.
type reader struct {
	os     *os.File
	pq     *parquet.File
	index  [columns]int // of the column in the file, -1 if it has none
	groups [][]pageInfo
}

// pageInfo is what is known of a page without reading it.
type pageInfo struct {
	first    int64 // row in its group
	rows     int
	min, max int64 // time
	words    bloom
}

// openReader opens a file that the manifest lists.
func openReader(dir string, f *file) (_ *reader, err error) {
	in, err := os.Open(filepath.Join(dir, f.Name)) // #nosec G304 -- named by the manifest
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, damage{"is missing"}
		}
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = damage{fmt.Sprint(r)}
		}
		if err != nil {
			_ = in.Close() // only read
		}
	}()
	st, err := in.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != f.Bytes {
		return nil, damage{fmt.Sprintf("has %d bytes where %d were written", st.Size(), f.Bytes)}
	}
	r := &reader{os: in}
	r.pq, err = parquet.OpenFile(&blocks{in, f.Bytes, f.Sums}, f.Bytes, parquet.ReadBufferSize(blockSize))
	if err != nil {
		return nil, asDamage(err)
	}
	return r, r.describe(f.kind)
}

// asDamage makes damage of an error that came while a file was decoded.
func asDamage(err error) error {
	var d damage
	if errors.As(err, &d) {
		return d
	}
	return damage{err.Error()}
}

func (r *reader) describe(k kind) error {
	for i := range r.index {
		r.index[i] = -1
	}
	for _, d := range definitions(k) {
		if leaf, ok := r.pq.Schema().Lookup(d.name); ok {
			r.index[d.column] = leaf.ColumnIndex
		}
	}
	if r.index[colTime] < 0 {
		return damage{"has no column of times"}
	}
	text, _ := r.pq.Lookup(wordsKey)
	sets, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return damage{"its words cannot be read"}
	}
	r.pq.Metadata().KeyValueMetadata = nil // decoded, and long
	for _, g := range r.pq.RowGroups() {
		chunk := g.ColumnChunks()[r.index[colTime]]
		offsets, err := chunk.OffsetIndex()
		if err != nil {
			return asDamage(err)
		}
		bounds, err := chunk.ColumnIndex()
		if err != nil {
			return asDamage(err)
		}
		pages := make([]pageInfo, offsets.NumPages())
		for i := range pages {
			next := g.NumRows()
			if i+1 < len(pages) {
				next = offsets.FirstRowIndex(i + 1)
			}
			p := &pages[i]
			p.first = offsets.FirstRowIndex(i)
			p.rows = int(next - p.first)
			p.min, p.max = bounds.MinValue(i).Int64(), bounds.MaxValue(i).Int64()
			size, n := binary.Uvarint(sets)
			if n <= 0 || size > bloomMost || size&(size-1) != 0 || size == 0 || uint64(len(sets)-n) < size { // #nosec G115 -- a length
				return damage{"its words cannot be read"}
			}
			p.words, sets = sets[n:n+int(size)], sets[n+int(size):]
		}
		r.groups = append(r.groups, pages)
	}
	return nil
}

func (r *reader) close() error { return r.os.Close() }

// vector is the values of one column in one page.
type vector struct {
	page    parquet.Page
	rows    int
	places  []int32 // of a row's value, -1 for null; nil: the row's own number
	numbers []int64
	codes   []int32 // into the dictionary
	words   *dictionary
	data    []byte
	offsets []uint32
	size    int // of a value of fixed length
	narrow  []int32
	missing bool // the file has no such column: all null
}

// dictionary is a column's dictionary of one row group, as text where that was
// asked for.
type dictionary struct {
	of   parquet.Dictionary
	text []string
	made []bool
}

func (d *dictionary) at(code int32) string {
	if !d.made[code] {
		d.text[code] = string(d.of.Index(code).ByteArray())
		d.made[code] = true
	}
	return d.text[code]
}

// place is where a row's value stands; -1 is null.
func (v *vector) place(row int) int {
	switch {
	case v.missing:
		return -1
	case v.places == nil:
		return row
	}
	return int(v.places[row])
}

// raw is a value's bytes, which are gone when the page is; nil for null.
func (v *vector) raw(row int) []byte {
	i := v.place(row)
	switch {
	case i < 0:
		return nil
	case v.words != nil:
		return v.words.of.Index(v.codes[i]).ByteArray()
	case v.offsets != nil:
		return v.data[v.offsets[i]:v.offsets[i+1]]
	}
	return v.data[i*v.size : (i+1)*v.size]
}

// text is a value; "" for null.
func (v *vector) text(row int) string {
	i := v.place(row)
	if i >= 0 && v.words != nil {
		return v.words.at(v.codes[i])
	}
	return string(v.raw(row))
}

// number is a value of a column of numbers.
func (v *vector) number(row int) (int64, bool) {
	i := v.place(row)
	switch {
	case i < 0:
		return 0, false
	case v.words != nil:
		value := v.words.of.Index(v.codes[i])
		if value.Kind() == parquet.Int32 {
			return int64(value.Int32()), true
		}
		return value.Int64(), true
	case v.narrow != nil:
		return int64(v.narrow[i]), true
	}
	return v.numbers[i], true
}

// code is a value's place in the dictionary; -1 for null.
func (v *vector) code(row int) int32 {
	if i := v.place(row); i >= 0 {
		return v.codes[i]
	}
	return -1
}

// groupReader reads pages of one row group, column by column as they are
// needed.
type groupReader struct {
	r            *reader
	group        int
	chunks       []parquet.ColumnChunk
	pages        [columns]parquet.Pages
	vectors      [columns]vector
	loaded       [columns]int // page, -1
	dictionaries [columns]*dictionary
	plain        [columns]bool // has none, as was found out
}

func (r *reader) open(group int) *groupReader {
	g := &groupReader{r: r, group: group, chunks: r.pq.RowGroups()[group].ColumnChunks()}
	for i := range g.loaded {
		g.loaded[i] = -1
	}
	return g
}

func (g *groupReader) close() {
	for c := range g.pages {
		parquet.Release(g.vectors[c].page)
		if g.pages[c] != nil {
			_ = g.pages[c].Close() // only read
		}
	}
}

// load is a column of a page. It panics with damage where it cannot be read:
// whoever reads files recovers, since the decoders panic as well.
func (g *groupReader) load(c column, page int) *vector {
	v := &g.vectors[c]
	if g.loaded[c] == page {
		return v
	}
	info := &g.r.groups[g.group][page]
	i := g.r.index[c]
	if i < 0 {
		*v = vector{missing: true, rows: info.rows}
		g.loaded[c] = page
		return v
	}
	if g.pages[c] == nil {
		g.pages[c] = g.chunks[i].Pages()
	}
	if err := g.pages[c].SeekToRow(info.first); err != nil {
		panic(asDamage(err))
	}
	p, err := g.pages[c].ReadPage()
	if err != nil {
		panic(asDamage(err))
	}
	if int(p.NumRows()) != info.rows {
		panic(damage{"its pages are not aligned"})
	}
	parquet.Release(v.page)
	g.fill(v, c, p)
	g.loaded[c] = page
	return v
}

func (g *groupReader) fill(v *vector, c column, p parquet.Page) {
	places := v.places[:0]
	*v = vector{page: p, rows: int(p.NumRows())}
	if levels := p.DefinitionLevels(); len(levels) > 0 && p.NumNulls() > 0 {
		next := int32(0)
		for _, level := range levels {
			if level == 0 {
				places = append(places, -1)
			} else {
				places = append(places, next)
				next++
			}
		}
		v.places = places
	}
	values := p.Data()
	if d := p.Dictionary(); d != nil {
		v.codes = values.Int32()
		if g.dictionaries[c] == nil {
			g.dictionaries[c] = &dictionary{of: d, text: make([]string, d.Len()), made: make([]bool, d.Len())}
		}
		v.words = g.dictionaries[c]
		return
	}
	switch p.Type().Kind() {
	case parquet.Int64:
		v.numbers = values.Int64()
	case parquet.Int32:
		v.narrow = values.Int32()
	case parquet.ByteArray:
		v.data, v.offsets = values.ByteArray()
	case parquet.FixedLenByteArray:
		v.data, _ = values.Data()
		v.size = p.Type().Length()
	default:
		panic(damage{"a column has a strange type"})
	}
}

// dictionary is a column's dictionary, read before any of its pages are.
func (g *groupReader) dictionary(c column) *dictionary {
	if g.dictionaries[c] == nil && !g.plain[c] && g.r.index[c] >= 0 && len(g.r.groups[g.group]) > 0 {
		if g.pages[c] == nil {
			g.pages[c] = g.chunks[g.r.index[c]].Pages()
		}
		p, ok := g.pages[c].(interface {
			ReadDictionary() (parquet.Dictionary, error)
		})
		if !ok {
			return nil
		}
		d, err := p.ReadDictionary()
		if err != nil {
			panic(asDamage(err))
		}
		if g.plain[c] = d == nil; d != nil {
			g.dictionaries[c] = &dictionary{of: d, text: make([]string, d.Len()), made: make([]bool, d.Len())}
		}
	}
	return g.dictionaries[c]
}
