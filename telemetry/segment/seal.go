package segment

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/plat-dev/plat/telemetry"
)

// The layout of a sealed file.
const (
	pageRows     = 4096
	pageBytes    = 4 << 20 // of all columns of a page's rows, before compression
	groupRows    = 16 * pageRows
	fileRows     = 2 * groupRows
	wordsKey     = "plat.words" // key of the pages' sets of words in the footer
	versionKey   = "plat.version"
	version      = "1"
	blockSize    = 32 << 10 // what a checksum in the manifest covers
	pageBuffer   = 64 << 10 // begins with; a page is as long as its rows are
	bitsPerTrace = 10
)

// fileWriter makes one Parquet file of rows that come in order of time.
type fileWriter struct {
	kind    kind
	out     *parquet.GenericWriter[any]
	columns []column
	index   [columns]int             // where a column stands, -1 if not
	values  [columns][]parquet.Value // of the page
	arena   []byte                   // what the values point to
	words   bloom                    // of the page
	sets    []byte                   // of the pages before
	rows    int                      // of the page
	inGroup int
	total   int
	bytes   int // of the page
	min     int64
	max     int64
}

func newFileWriter(to io.Writer, k kind, level zstd.Level) *fileWriter {
	w := &fileWriter{kind: k, words: make(bloom, bloomMost)}
	for i := range w.index {
		w.index[i] = -1
	}
	for i, d := range definitions(k) {
		w.index[d.column] = i
		w.columns = append(w.columns, d.column)
	}
	w.out = parquet.NewGenericWriter[any](to, schema(k),
		parquet.CreatedBy("plat", version, ""),
		parquet.Compression(&zstd.Codec{Level: level}),
		parquet.PageBufferSize(pageBuffer),
		parquet.DataPageVersion(2),
		parquet.BloomFilters(parquet.SplitBlockFilter(bitsPerTrace, "trace_id")),
		parquet.SkipPageBounds("attributes"),
		parquet.SkipPageBounds("resource"),
		parquet.SkipPageBounds("trace_id"),
		parquet.SkipPageBounds("span_id"),
		parquet.KeyValueMetadata(versionKey, version),
	)
	return w
}

// keep copies bytes to where they stay until the page is written.
func (w *fileWriter) keep(s string) []byte {
	start := len(w.arena)
	w.arena = append(w.arena, s...)
	return w.arena[start:len(w.arena):len(w.arena)]
}

func (w *fileWriter) put(c column, v parquet.Value, null bool) {
	level := 0
	optional := c != colTime && c != colDuration && c != colSeverity
	if optional && !null {
		level = 1
	}
	if null {
		v = parquet.Value{}
	}
	w.values[c] = append(w.values[c], v.Level(0, level, w.index[c]))
}

func (w *fileWriter) text(c column, s string) {
	w.put(c, parquet.ByteArrayValue(w.keep(s)), s == "")
	w.bytes += len(s)
}

// searched is text that can be found by its words.
func (w *fileWriter) searched(c column, s string) {
	w.text(c, s)
	w.learn(s)
}

func (w *fileWriter) learn(s string) {
	for word := range telemetry.Words(s) {
		w.words.add(tokenHash(word))
	}
}

func (w *fileWriter) fixed(c column, id []byte) {
	null := true
	for _, b := range id {
		null = null && b == 0
	}
	w.put(c, parquet.FixedLenByteArrayValue(w.keep(string(id))), null)
}

func (w *fileWriter) json(c column, empty bool, fill func([]byte) []byte) {
	if empty {
		w.put(c, parquet.Value{}, true)
		return
	}
	start := len(w.arena)
	w.arena = fill(w.arena)
	made := w.arena[start:len(w.arena):len(w.arena)]
	w.put(c, parquet.ByteArrayValue(made), false)
	w.bytes += len(made)
}

// common puts the columns that both kinds have.
func (w *fileWriter) common(r *telemetry.Resource, scope, correlation string, trace telemetry.TraceID, span telemetry.SpanID, attributes []telemetry.Attribute) {
	w.text(colService, r.Service)
	w.text(colInstance, r.Instance)
	w.text(colVersion, r.Version)
	w.json(colResource, len(r.Attributes) == 0, func(b []byte) []byte { return appendObject(b, r.Attributes, 0) })
	w.text(colScope, scope)
	w.searched(colCorrelation, correlation)
	w.fixed(colTrace, trace[:])
	w.fixed(colSpan, span[:])
	skip, left := w.promote(attributes)
	w.json(colAttributes, left == 0, func(b []byte) []byte { return appendObject(b, attributes, skip) })
	for i := range attributes {
		w.learn(attributes[i].Value)
	}
}

// promote puts attributes into columns of their own and tells which these
// were, as bits. Only the first of a key, and only with the column's type: so
// it comes back as it was.
func (w *fileWriter) promote(attributes []telemetry.Attribute) (taken uint64, left int) {
	var done uint32
	for i := range attributes {
		a := &attributes[i]
		c, ok := promoted(a.Key)
		if !ok || i >= 64 || done&(1<<c) != 0 {
			continue
		}
		done |= 1 << c
		switch {
		case c != colCode && a.Kind == telemetry.Text && a.Value != "":
			w.text(c, a.Value)
		case c == colCode && a.Kind == telemetry.Int && natural(a):
			n, err := strconv.ParseInt(a.Value, 10, 64)
			if err != nil { // natural has parsed it
				continue
			}
			w.put(c, parquet.Int64Value(n), false)
		default:
			w.put(c, parquet.Value{}, true)
			continue
		}
		taken |= 1 << i
		left--
	}
	for _, c := range [...]column{colMethod, colRoute, colPeer, colDestination, colCode} {
		if done&(1<<c) == 0 {
			w.put(c, parquet.Value{}, true)
		}
	}
	return taken, left + len(attributes)
}

func (w *fileWriter) span(s *telemetry.Span) error {
	w.put(colTime, parquet.Int64Value(s.Start), false)
	w.put(colDuration, parquet.Int64Value(s.Duration), false)
	w.common(s.Resource, s.Scope, s.CorrelationID, s.TraceID, s.ID, s.Attributes)
	w.searched(colName, s.Name)
	w.text(colKind, s.Kind.String())
	w.text(colStatus, statusName(s.Status))
	w.searched(colMessage, s.StatusMessage)
	w.fixed(colParent, s.Parent[:])
	w.json(colEvents, len(s.Events) == 0, func(b []byte) []byte { return appendEvents(b, s.Events) })
	w.json(colLinks, len(s.Links) == 0, func(b []byte) []byte { return appendLinks(b, s.Links) })
	return w.row(s.Start)
}

func (w *fileWriter) log(l *telemetry.Log) error {
	w.put(colTime, parquet.Int64Value(l.Time), false)
	w.put(colSeverity, parquet.Int32Value(int32(l.Severity)), false)
	w.common(l.Resource, l.Scope, l.CorrelationID, l.TraceID, l.SpanID, l.Attributes)
	w.text(colStream, l.Stream)
	w.searched(colBody, l.Body)
	return w.row(l.Time)
}

func (w *fileWriter) row(time int64) error {
	if w.total == 0 {
		w.min, w.max = time, time
	}
	w.min, w.max = min(w.min, time), max(w.max, time)
	w.rows++
	w.total++
	if w.rows == pageRows || w.bytes >= pageBytes {
		return w.page()
	}
	return nil
}

// page ends the page in every column at the same row.
//
// INVARIANT: each column gets the page's values by one call and is flushed, so
// that pages are aligned however large their values are.
func (w *fileWriter) page() error {
	if w.rows == 0 {
		return nil
	}
	writers := w.out.ColumnWriters()
	for i, c := range w.columns {
		n, err := writers[i].WriteRowValues(w.values[c])
		if err == nil && n != w.rows {
			err = errors.New("a column took fewer rows than it was given")
		}
		if err == nil {
			err = writers[i].Flush()
		}
		if err != nil {
			return err
		}
		clear(w.values[c])
		w.values[c] = w.values[c][:0]
	}
	set := w.words.fold()
	w.sets = binary.AppendUvarint(w.sets, uint64(len(set)))
	w.sets = append(w.sets, set...)
	clear(w.words[:bloomMost])
	w.inGroup += w.rows
	w.rows, w.bytes = 0, 0
	w.arena = w.arena[:0]
	if cap(w.arena) > 2*pageBytes {
		w.arena = nil
	}
	if w.inGroup >= groupRows {
		w.inGroup = 0
		return w.out.Flush()
	}
	return nil
}

// close writes what is left and the footer.
func (w *fileWriter) close() error {
	if err := w.page(); err != nil {
		return err
	}
	w.out.SetKeyValueMetadata(wordsKey, base64.StdEncoding.EncodeToString(w.sets))
	return w.out.Close()
}

// checked takes the checksum of each block of what goes through it.
type checked struct {
	to     io.Writer
	size   int64
	sum    uint32
	blocks []uint32
}

// Write passes on and sums.
func (c *checked) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	for rest := b[:n]; len(rest) > 0; {
		part := rest[:min(len(rest), blockSize-int(c.size%blockSize))]
		c.sum = update(c.sum, part)
		c.size += int64(len(part))
		if c.size%blockSize == 0 {
			c.blocks, c.sum = append(c.blocks, c.sum), 0
		}
		rest = rest[len(part):]
	}
	return n, err
}

// sums are the checksums of all blocks, the last one being shorter.
func (c *checked) sums() []uint32 {
	if c.size%blockSize != 0 {
		return append(c.blocks, c.sum)
	}
	return c.blocks
}
