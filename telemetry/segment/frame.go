package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/plat-dev/plat/telemetry"
)

// What a frame of the write-ahead log holds.
const (
	frameSpans byte = 1
	frameLogs  byte = 2
	frameEnd   byte = 3 // the store was closed here
)

const (
	maxFrameRows  = 4096
	softFrameSize = 1 << 20  // a frame that is longer takes no further row
	maxRowSize    = 8 << 20  // of one row, encoded
	maxFrameSize  = 64 << 20 // what a reader believes
)

var errRowSize = fmt.Errorf("a row is longer than %d bytes", maxRowSize)

// frameWriter makes frames of rows. Names, scopes, keys and resources stand
// once in a frame, and rows point to them.
type frameWriter struct {
	rows      []byte
	scratch   []byte
	count     int
	strings   []string
	bytes     int // of strings
	byString  map[string]uint32
	keys      []keyAt // of the attributes of the row before, by their places
	resources []*telemetry.Resource
	byPointer map[*telemetry.Resource]uint32
	out       []byte // frames of a batch, as they were written last
}

// keyAt is the key of an attribute, and where it stands among the strings.
type keyAt struct {
	key string
	at  uint32
}

func newFrameWriter() *frameWriter {
	return &frameWriter{byString: map[string]uint32{}, byPointer: map[*telemetry.Resource]uint32{}}
}

func (w *frameWriter) reset() {
	w.rows, w.count, w.bytes = w.rows[:0], 0, 0
	clear(w.byString)
	clear(w.byPointer)
	clear(w.strings)
	clear(w.keys)
	clear(w.resources)
	w.strings, w.keys, w.resources = w.strings[:0], w.keys[:0], w.resources[:0]
}

func (w *frameWriter) full() bool {
	return w.count >= maxFrameRows || len(w.rows)+w.bytes >= softFrameSize
}

func (w *frameWriter) shared(b []byte, s string) []byte {
	return binary.AppendUvarint(b, uint64(w.at(s)))
}

// at is where a string stands among those of the frame, from now on.
func (w *frameWriter) at(s string) uint32 {
	i, ok := w.byString[s]
	if !ok {
		s = valid(s)
		i = uint32(len(w.strings)) // #nosec G115 -- bounded by the frame's size
		w.byString[s] = i
		w.strings = append(w.strings, s)
		w.bytes += len(s)
	}
	return i
}

// key is shared for the key of a row's attribute: mostly it is that of the row
// before at the same place.
func (w *frameWriter) key(b []byte, place int, key string) []byte {
	if place < len(w.keys) {
		if w.keys[place].key != key {
			w.keys[place] = keyAt{key, w.at(key)}
		}
		return binary.AppendUvarint(b, uint64(w.keys[place].at))
	}
	i := w.at(key)
	if place == len(w.keys) {
		w.keys = append(w.keys, keyAt{key, i})
	}
	return binary.AppendUvarint(b, uint64(i))
}

// valid makes text of what came: Parquet's readers refuse other bytes.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func appendText(b []byte, s string) []byte {
	s = valid(s)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func (w *frameWriter) resource(b []byte, r *telemetry.Resource) []byte {
	i, ok := w.byPointer[r]
	if !ok {
		i = uint32(len(w.resources)) // #nosec G115 -- bounded by the frame's rows
		w.byPointer[r] = i
		w.resources = append(w.resources, r)
	}
	return binary.AppendUvarint(b, uint64(i))
}

func (w *frameWriter) attributes(b []byte, list []telemetry.Attribute) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		b = w.key(b, i, list[i].Key)
		b = append(b, byte(list[i].Kind))
		b = appendText(b, list[i].Value)
	}
	return b
}

func time64(b []byte, t int64) []byte {
	return binary.LittleEndian.AppendUint64(b, uint64(t)) // #nosec G115 -- the same 64 bits
}

// span adds a span. A row begins with its length and its time, so that a
// reader can skip it.
func (w *frameWriter) span(s *telemetry.Span) error {
	b := time64(w.scratch[:0], s.Start)
	b = append(b, s.TraceID[:]...)
	b = append(b, s.ID[:]...)
	b = append(b, s.Parent[:]...)
	b = time64(b, s.Duration)
	b = append(b, byte(s.Kind), byte(s.Status))
	b = w.resource(b, s.Resource)
	b = w.shared(b, s.Name)
	b = w.shared(b, s.Scope)
	b = appendText(b, s.StatusMessage)
	b = appendText(b, s.CorrelationID)
	b = w.attributes(b, s.Attributes)
	b = binary.AppendUvarint(b, uint64(len(s.Events)))
	for i := range s.Events {
		b = time64(b, s.Events[i].Time)
		b = w.shared(b, s.Events[i].Name)
		b = w.attributes(b, s.Events[i].Attributes)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Links)))
	for i := range s.Links {
		b = append(b, s.Links[i].TraceID[:]...)
		b = append(b, s.Links[i].SpanID[:]...)
		b = w.attributes(b, s.Links[i].Attributes)
	}
	return w.row(b)
}

func (w *frameWriter) log(l *telemetry.Log) error {
	b := time64(w.scratch[:0], l.Time)
	b = append(b, l.TraceID[:]...)
	b = append(b, l.SpanID[:]...)
	b = append(b, byte(l.Severity))
	b = w.resource(b, l.Resource)
	b = w.shared(b, l.Scope)
	b = w.shared(b, l.Stream)
	b = appendText(b, l.Body)
	b = appendText(b, l.CorrelationID)
	b = w.attributes(b, l.Attributes)
	return w.row(b)
}

func (w *frameWriter) row(b []byte) error {
	w.scratch = b[:0]
	if len(b) > maxRowSize || w.bytes > maxRowSize+softFrameSize {
		return errRowSize
	}
	w.rows = binary.LittleEndian.AppendUint32(w.rows, uint32(len(b))) // #nosec G115 -- compared above
	w.rows = append(w.rows, b...)
	w.count++
	return nil
}

// payload appends the frame's content to b.
func (w *frameWriter) payload(b []byte, kind byte) []byte {
	head := w.scratch[:0]
	for _, r := range w.resources { // first, since they add strings
		for _, s := range []string{r.Service, r.Instance, r.Version} {
			head = w.shared(head, s)
		}
		head = w.attributes(head, r.Attributes)
	}
	w.scratch = head[:0]
	b = append(b, kind)
	b = binary.AppendUvarint(b, uint64(len(w.strings)))
	for _, s := range w.strings {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendUvarint(b, uint64(len(w.resources)))
	b = append(b, head...)
	b = binary.AppendUvarint(b, uint64(w.count)) // #nosec G115 -- never negative
	return append(b, w.rows...)
}

var errFrame = errors.New("a frame of the log does not hold rows")

// frame is decoded as far as rows need it; they are decoded one by one.
type frame struct {
	kind      byte
	data      string
	strings   []string
	resources []*telemetry.Resource
	first     int // where the rows begin
	count     int
}

// openFrame reads what stands before the rows.
func openFrame(data string) (*frame, error) {
	c := cursor{s: data}
	f := &frame{kind: c.byte(), data: data}
	if f.kind == frameEnd {
		return f, c.end()
	}
	f.strings = make([]string, c.count(1))
	for i := range f.strings {
		f.strings[i] = c.text()
	}
	c.strings = f.strings
	f.resources = make([]*telemetry.Resource, c.count(4))
	for i := range f.resources {
		r := &telemetry.Resource{Service: c.shared(), Instance: c.shared(), Version: c.shared()}
		r.Attributes = c.attributes(nil)
		f.resources[i] = r
	}
	f.count = c.count(12)
	f.first = c.i
	if c.bad || f.kind != frameSpans && f.kind != frameLogs || f.count > maxFrameRows {
		return nil, errFrame
	}
	return f, nil
}

// rowsAt tells where each row begins, and its time.
func (f *frame) rowsAt(yield func(at int, time int64)) error {
	c := cursor{s: f.data, i: f.first}
	for range f.count {
		n := int(c.uint32())
		at := c.i
		if c.bad || n < 8 || n > len(c.s)-at {
			return errFrame
		}
		yield(at, c.time())
		c.i = at + n
	}
	return c.end()
}

// Where the fixed fields of a row stand.
const (
	atTime  = 0
	atTrace = 8
	atSpan  = 24
)

// span decodes into s, whose slices are used again.
func (f *frame) span(at int, s *telemetry.Span) error {
	c := cursor{s: f.data, i: at, strings: f.strings}
	s.Start = c.time()
	c.bytes(s.TraceID[:])
	c.bytes(s.ID[:])
	c.bytes(s.Parent[:])
	s.Duration = c.time()
	s.Kind, s.Status = telemetry.SpanKind(c.byte()), telemetry.Status(c.byte())
	s.Resource = f.resource(&c)
	s.Name, s.Scope = c.shared(), c.shared()
	s.StatusMessage, s.CorrelationID = c.text(), c.text()
	s.Attributes = c.attributes(s.Attributes[:0])
	n := c.count(10)
	s.Events = s.Events[:0]
	for range n {
		e := telemetry.SpanEvent{Time: c.time(), Name: c.shared()}
		e.Attributes = c.attributes(nil)
		s.Events = append(s.Events, e)
	}
	n = c.count(25)
	s.Links = s.Links[:0]
	for range n {
		var l telemetry.Link
		c.bytes(l.TraceID[:])
		c.bytes(l.SpanID[:])
		l.Attributes = c.attributes(nil)
		s.Links = append(s.Links, l)
	}
	return c.err()
}

func (f *frame) log(at int, l *telemetry.Log) error {
	c := cursor{s: f.data, i: at, strings: f.strings}
	l.Time = c.time()
	c.bytes(l.TraceID[:])
	c.bytes(l.SpanID[:])
	l.Severity = telemetry.Severity(c.byte())
	l.Resource = f.resource(&c)
	l.Scope, l.Stream = c.shared(), c.shared()
	l.Body, l.CorrelationID = c.text(), c.text()
	l.Attributes = c.attributes(l.Attributes[:0])
	return c.err()
}

func (f *frame) resource(c *cursor) *telemetry.Resource {
	i := c.uvarint()
	if i >= uint64(len(f.resources)) {
		c.bad = true
		return nil
	}
	return f.resources[i]
}

// cursor reads a frame. Past the end, or against the rules, it turns bad and
// gives zeros.
type cursor struct {
	s       string
	i       int
	strings []string
	bad     bool
}

func (c *cursor) err() error {
	if c.bad {
		return errFrame
	}
	return nil
}

func (c *cursor) end() error {
	if c.i != len(c.s) {
		c.bad = true
	}
	return c.err()
}

func (c *cursor) take(n int) string {
	if c.bad || n > len(c.s)-c.i {
		c.bad = true
		return ""
	}
	c.i += n
	return c.s[c.i-n : c.i]
}

func (c *cursor) byte() byte {
	if s := c.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (c *cursor) bytes(into []byte) { copy(into, c.take(len(into))) }

func (c *cursor) uint32() uint32 {
	s := c.take(4)
	if len(s) < 4 {
		return 0
	}
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func (c *cursor) time() int64 {
	if s := c.take(8); len(s) == 8 {
		return timeAt(s, 0)
	}
	return 0
}

func timeAt(s string, at int) int64 {
	s = s[at : at+8]
	return int64(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56) // #nosec G115 -- the same 64 bits
}

func (c *cursor) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64 && c.i < len(c.s); shift += 7 {
		b := c.s[c.i]
		c.i++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.bad = true
	return 0
}

// count reads how many follow, each of at least size bytes.
func (c *cursor) count(size int) int {
	n := c.uvarint()
	if n > uint64(len(c.s)-c.i)/uint64(size) || n > math.MaxInt32 { // #nosec G115 -- lengths
		c.bad = true
		return 0
	}
	return int(n) // #nosec G115 -- compared above
}

func (c *cursor) text() string { return c.take(c.count(1)) }

func (c *cursor) shared() string {
	i := c.uvarint()
	if i >= uint64(len(c.strings)) {
		c.bad = true
		return ""
	}
	return c.strings[i]
}

func (c *cursor) attributes(into []telemetry.Attribute) []telemetry.Attribute {
	for range c.count(3) {
		a := telemetry.Attribute{Key: c.shared(), Kind: telemetry.ValueKind(c.byte())}
		a.Value = c.text()
		into = append(into, a)
	}
	return into
}
