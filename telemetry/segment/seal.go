package segment

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"github.com/plat-dev/plat/telemetry"
)

// The layout of a sealed file.
const (
	pageRows     = 4096
	fewRows      = fileRows / 4 // a file of no more will soon be made one with others:
	fewPageRows  = pageRows / 4 // its pages are short, so that sealing takes little memory
	pageBytes    = 4 << 20      // of all columns of a page's rows, before compression
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
	nulls   [columns]parquet.Value   // a column's null
	arena   arena                    // what the values point to
	object  []byte                   // the attributes of a row
	memo    memo
	told    map[*telemetry.Resource]*teller // of the page
	words   bloom                           // of the page
	sets    []byte                          // of the pages before
	pages   int                             // with this one
	rows    int                             // of the page
	most    int                             // rows that a page may have
	inGroup int
	total   int
	bytes   int // of the page
	min     int64
	max     int64
}

// newFileWriter makes the writer of a file for so many rows.
func newFileWriter(to io.Writer, k kind, rows int, level zstd.EncoderLevel) *fileWriter {
	w := &fileWriter{kind: k, most: pageRows, words: make(bloom, bloomMost), memo: newMemo(), told: map[*telemetry.Resource]*teller{}, pages: 1}
	if rows <= fewRows {
		w.most = fewPageRows
	}
	for i := range w.index {
		w.index[i] = -1
	}
	for i, d := range definitions(k) {
		w.index[d.column] = i
		w.nulls[d.column] = parquet.Value{}.Level(0, 0, i)
		w.columns = append(w.columns, d.column)
		w.values[d.column] = make([]parquet.Value, 0, min(rows, w.most))
	}
	w.out = parquet.NewGenericWriter[any](to, options(k, level)...)
	return w
}

func options(k kind, level zstd.EncoderLevel) []parquet.WriterOption {
	list := []parquet.WriterOption{
		schema(k),
		parquet.CreatedBy("plat", version, ""),
		parquet.Compression(newCodec(level)),
		parquet.PageBufferSize(pageBuffer),
		parquet.DataPageVersion(2),
		parquet.DataPageStatistics(false), // they stand in the column index
		parquet.BloomFilters(parquet.SplitBlockFilter(bitsPerTrace, "trace_id")),
		parquet.KeyValueMetadata(versionKey, version),
	}
	for _, d := range definitions(k) {
		switch d.column {
		case colTime, colDuration, colSeverity, colService, colCode, colCorrelation:
		default:
			// Any values, or the same few, in every page: their bounds cost more to
			// find than they spare a reader.
			list = append(list, parquet.SkipPageBounds(d.name))
		}
	}
	return list
}

// arena holds bytes in pieces that stay where they are: one that grew would
// leave what it was before to the values that point there.
type arena struct {
	pieces [][]byte
	at     int // the piece that is filled
	size   int // of all pieces
}

const pieceSize = 64 << 10

// reset forgets what it holds, and keeps the room of a page or two.
func (a *arena) reset() {
	if a.at = 0; a.size > 2*pageBytes {
		a.pieces, a.size = nil, 0
	}
	for i := range a.pieces {
		a.pieces[i] = a.pieces[i][:0]
	}
}

// keep copies bytes to where they stay until the page is written.
func keep[T string | []byte](a *arena, b T) []byte {
	for a.at < len(a.pieces) && cap(a.pieces[a.at])-len(a.pieces[a.at]) < len(b) {
		a.at++
	}
	if a.at == len(a.pieces) {
		n := max(pieceSize, len(b))
		a.pieces, a.size = append(a.pieces, make([]byte, 0, n)), a.size+n
	}
	piece := &a.pieces[a.at]
	start := len(*piece)
	*piece = append(*piece, b...)
	return (*piece)[start:len(*piece):len(*piece)]
}

func (w *fileWriter) put(c column, v parquet.Value) { w.values[c] = append(w.values[c], v) }

func (w *fileWriter) null(c column) { w.put(c, w.nulls[c]) }

// level makes a value one of a column.
func (w *fileWriter) level(c column, v parquet.Value) parquet.Value {
	if c == colTime || c == colDuration || c == colSeverity { // which are never null
		return v.Level(0, 0, w.index[c])
	}
	return v.Level(0, 1, w.index[c])
}

func (w *fileWriter) value(c column, s string) parquet.Value {
	if s == "" {
		return w.nulls[c]
	}
	return w.level(c, parquet.ByteArrayValue(keep(&w.arena, s)))
}

// text puts a text, which can be found by its words if it is searched.
func (w *fileWriter) text(c column, s string, searched bool) {
	if s == "" {
		w.null(c)
		return
	}
	k, _ := w.memo.find("", s, textKind+uint8(c))
	if k.page != w.pages {
		k.page, k.made = w.pages, w.value(c, s)
		if searched {
			w.learn(s)
		}
	}
	w.put(c, k.made)
	w.bytes += len(s)
}

func (w *fileWriter) learn(s string) {
	for word := range telemetry.Words(s) {
		w.words.add(tokenHash(word))
	}
}

func (w *fileWriter) fixed(c column, id []byte, null bool) {
	if null {
		w.null(c)
		return
	}
	w.put(c, w.level(c, parquet.FixedLenByteArrayValue(keep(&w.arena, id))))
}

func (w *fileWriter) json(c column, empty bool, fill func([]byte) []byte) {
	if empty {
		w.null(c)
		return
	}
	w.object = fill(w.object[:0])
	w.put(c, w.level(c, parquet.ByteArrayValue(keep(&w.arena, w.object))))
	w.bytes += len(w.object)
}

// teller is a resource as it stands in its columns.
type teller struct {
	service, instance, version, resource parquet.Value
	bytes                                int
}

func (w *fileWriter) teller(r *telemetry.Resource) {
	t, ok := w.told[r]
	if !ok {
		t = &teller{service: w.value(colService, r.Service), instance: w.value(colInstance, r.Instance), version: w.value(colVersion, r.Version), resource: w.nulls[colResource]}
		t.bytes = len(r.Service) + len(r.Instance) + len(r.Version)
		if len(r.Attributes) > 0 {
			text := string(appendObject(nil, r.Attributes))
			t.resource = w.value(colResource, text)
			t.bytes += len(text)
		}
		w.told[r] = t
	}
	w.put(colService, t.service)
	w.put(colInstance, t.instance)
	w.put(colVersion, t.version)
	w.put(colResource, t.resource)
	w.bytes += t.bytes
}

// common puts the columns that both kinds have.
func (w *fileWriter) common(r *telemetry.Resource, scope, correlation string, trace telemetry.TraceID, span telemetry.SpanID, attributes []telemetry.Attribute) {
	w.teller(r)
	w.text(colScope, scope, false)
	w.text(colCorrelation, correlation, true)
	w.fixed(colTrace, trace[:], trace.IsZero())
	w.fixed(colSpan, span[:], span.IsZero())
	w.attributes(attributes)
}

// attributes puts attributes into columns of their own, and the others into one
// of JSON. Only the first of a key, and only with the column's type: so it
// comes back as it was.
func (w *fileWriter) attributes(list []telemetry.Attribute) {
	var done uint32
	w.object = append(w.object[:0], '{')
	for i := range list {
		k := w.memo.attribute(&list[i])
		if k.page != w.pages {
			k.page, k.made = w.pages, parquet.Value{}
			w.learn(list[i].Value)
		}
		if c := k.column; c < columns && done&(1<<c) == 0 {
			done |= 1 << c
			if k.fits {
				if k.made.IsNull() && c == colCode {
					k.made = w.level(c, parquet.Int64Value(k.number))
				} else if k.made.IsNull() {
					k.made = w.value(c, list[i].Value)
				}
				w.put(c, k.made)
				w.bytes += len(list[i].Value)
				continue
			}
			w.null(c)
		}
		if len(w.object) > 1 {
			w.object = append(w.object, ',')
		}
		w.object = append(w.object, k.member()...)
	}
	for _, c := range [...]column{colMethod, colRoute, colPeer, colDestination, colCode} {
		if done&(1<<c) == 0 {
			w.null(c)
		}
	}
	if len(w.object) == 1 {
		w.null(colAttributes)
		return
	}
	w.object = append(w.object, '}')
	w.put(colAttributes, w.level(colAttributes, parquet.ByteArrayValue(keep(&w.arena, w.object))))
	w.bytes += len(w.object)
}

func (w *fileWriter) span(s *telemetry.Span) error {
	w.put(colTime, w.level(colTime, parquet.Int64Value(s.Start)))
	w.put(colDuration, w.level(colDuration, parquet.Int64Value(s.Duration)))
	w.common(s.Resource, s.Scope, s.CorrelationID, s.TraceID, s.ID, s.Attributes)
	w.text(colName, s.Name, true)
	w.text(colKind, s.Kind.String(), false)
	w.text(colStatus, statusName(s.Status), false)
	w.text(colMessage, s.StatusMessage, true)
	w.fixed(colParent, s.Parent[:], s.Parent.IsZero())
	w.json(colEvents, len(s.Events) == 0, func(b []byte) []byte { return appendEvents(b, s.Events) })
	w.json(colLinks, len(s.Links) == 0, func(b []byte) []byte { return appendLinks(b, s.Links) })
	return w.row(s.Start)
}

func (w *fileWriter) log(l *telemetry.Log) error {
	w.put(colTime, w.level(colTime, parquet.Int64Value(l.Time)))
	w.put(colSeverity, w.level(colSeverity, parquet.Int32Value(int32(l.Severity))))
	w.common(l.Resource, l.Scope, l.CorrelationID, l.TraceID, l.SpanID, l.Attributes)
	w.text(colStream, l.Stream, false)
	w.text(colBody, l.Body, true)
	return w.row(l.Time)
}

func (w *fileWriter) row(time int64) error {
	if w.total == 0 {
		w.min, w.max = time, time
	}
	w.min, w.max = min(w.min, time), max(w.max, time)
	w.rows++
	w.total++
	if w.rows == w.most || w.bytes >= pageBytes {
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
		w.values[c] = w.values[c][:0] // they point to the arena, which is used again
	}
	set := w.words.fold()
	w.sets = binary.AppendUvarint(w.sets, uint64(len(set)))
	w.sets = append(w.sets, set...)
	clear(w.words[:bloomMost])
	clear(w.told)
	w.inGroup += w.rows
	w.pages++
	w.rows, w.bytes = 0, 0
	w.arena.reset()
	if cap(w.object) > pageBytes {
		w.object = nil
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
