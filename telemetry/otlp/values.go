package otlp

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/plat-dev/plat/telemetry"
)

// Bounds of a row. What is beyond is cut or left out, and counted.
const (
	maxBody       = 64 << 10 // of a log record, in bytes
	maxValue      = 8 << 10  // of an attribute, a status message
	maxKey        = 256      // of an attribute
	maxName       = 1 << 10  // of a span, an event, a scope, a service
	maxAttributes = 128      // of a span, a record, a resource, an event, a link
	maxEvents     = 256      // of a span
	maxLinks      = 128      // of a span
	maxNesting    = 16       // of lists and maps in a value
	maxRows       = 64 << 10 // of a request; those beyond are rejected
	maxParts      = 1 << 20  // attributes, events and links of a request together
)

const (
	keyKey   = 1<<3 | asBytes
	keyValue = 2<<3 | asBytes

	valueText  = 1<<3 | asBytes
	valueBool  = 2<<3 | asVarint
	valueInt   = 3<<3 | asVarint
	valueFloat = 4<<3 | asFixed64
	valueList  = 5<<3 | asBytes
	valueMap   = 6<<3 | asBytes
	valueBytes = 7<<3 | asBytes

	listValues = 1<<3 | asBytes
)

// attribute reads a KeyValue.
func (d *decoder) attribute(p part) (telemetry.Attribute, error) {
	var a telemetry.Attribute
	c := d.fields(p)
	for c.next() {
		switch c.tag {
		case keyKey:
			a.Key = d.clip(d.string(c.bytes), maxKey)
		case keyValue:
			var err error
			if a.Value, a.Kind, err = d.value(c.bytes, maxValue); err != nil {
				return a, err
			}
		}
	}
	return a, c.err
}

// value reads an AnyValue as text of at most limit bytes. A list or a map that
// is longer is no JSON any more once it is cut, nor are bytes base64: then its
// kind is text.
func (d *decoder) value(p part, limit int) (string, telemetry.ValueKind, error) {
	c := d.fields(p)
	var last cursor
	for c.next() {
		if c.tag >= valueText && c.tag <= valueBytes {
			last = c
		}
	}
	if c.err != nil {
		return "", 0, c.err
	}
	switch last.tag {
	case valueText:
		return d.clip(d.string(last.bytes), limit), telemetry.Text, nil
	case valueBool:
		return strconv.FormatBool(last.value != 0), telemetry.Bool, nil
	case valueInt:
		return strconv.FormatInt(int64(last.value), 10), telemetry.Int, nil // #nosec G115 -- two's complement, as protobuf has it
	case valueFloat:
		return strconv.FormatFloat(math.Float64frombits(last.value), 'g', -1, 64), telemetry.Float, nil
	case valueBytes:
		raw := d.raw[last.bytes.from:last.bytes.to]
		if base64.StdEncoding.EncodedLen(len(raw)) > limit {
			d.wasted += len(raw)
			return d.clip(base64.StdEncoding.EncodeToString(raw[:min(len(raw), limit)]), limit), telemetry.Text, nil
		}
		return base64.StdEncoding.EncodeToString(raw), telemetry.Bytes, nil
	case valueList, valueMap:
		j := jsonWriter{decoder: d, limit: limit}
		if err := j.value(last, 0); err != nil {
			return "", 0, err
		}
		if len(j.out) > limit {
			return d.clip(string(j.out), limit), telemetry.Text, nil
		}
		return string(j.out), telemetry.JSON, nil
	}
	return "", telemetry.Text, nil
}

// jsonWriter writes lists and maps as JSON. Beyond its limit it only looks
// whether the rest is well-formed.
type jsonWriter struct {
	*decoder
	limit int
	out   []byte
}

func (j *jsonWriter) value(v cursor, depth int) error {
	full := len(j.out) > j.limit
	switch v.tag {
	case valueText:
		if !full {
			j.quote(j.string(v.bytes))
		}
	case valueBool:
		j.out = strconv.AppendBool(j.out, v.value != 0)
	case valueInt:
		j.out = strconv.AppendInt(j.out, int64(v.value), 10) // #nosec G115 -- two's complement, as protobuf has it
	case valueFloat:
		f := math.Float64frombits(v.value)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			j.quote(strconv.FormatFloat(f, 'g', -1, 64))
		} else {
			j.out = strconv.AppendFloat(j.out, f, 'g', -1, 64)
		}
	case valueBytes:
		if !full {
			raw := j.raw[v.bytes.from:v.bytes.to]
			j.quote(base64.StdEncoding.EncodeToString(raw[:min(len(raw), j.limit)]))
		}
	case valueList, valueMap:
		if depth >= maxNesting || full {
			j.cut.Nested++
			j.out = append(j.out, "null"...)
			return nil
		}
		return j.items(v, depth)
	default:
		j.out = append(j.out, "null"...)
	}
	return nil
}

func (j *jsonWriter) items(v cursor, depth int) error {
	open, end := byte('['), byte(']')
	if v.tag == valueMap {
		open, end = '{', '}'
	}
	j.out = append(j.out, open)
	first := true
	c := j.fields(v.bytes)
	for c.next() && len(j.out) <= j.limit {
		if c.tag != listValues {
			continue
		}
		if !first {
			j.out = append(j.out, ',')
		}
		first = false
		if err := j.item(c.bytes, v.tag == valueMap, depth); err != nil {
			return err
		}
	}
	j.out = append(j.out, end)
	return c.err
}

// item writes an element of a list, or a key with its value.
func (j *jsonWriter) item(p part, keyed bool, depth int) error {
	value := p
	if keyed {
		key := part{}
		value = part{}
		c := j.fields(p)
		for c.next() {
			switch c.tag {
			case keyKey:
				key = c.bytes
			case keyValue:
				value = c.bytes
			}
		}
		if c.err != nil {
			return c.err
		}
		j.quote(j.string(key))
		j.out = append(j.out, ':')
	}
	var last cursor
	c := j.fields(value)
	for c.next() {
		if c.tag >= valueText && c.tag <= valueBytes {
			last = c
		}
	}
	if c.err != nil {
		return c.err
	}
	return j.value(last, depth+1)
}

const hexDigits = "0123456789abcdef"

// quote writes text as a JSON string, no more of it than is within the limit.
func (j *jsonWriter) quote(s string) {
	if len(s) > j.limit {
		j.wasted += len(s) - j.limit
		s = s[:j.limit]
	}
	j.out = append(j.out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			j.out = append(j.out, '\\', byte(r))
		case r == '\n':
			j.out = append(j.out, '\\', 'n')
		case r == '\t':
			j.out = append(j.out, '\\', 't')
		case r < ' ':
			j.out = append(j.out, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default: // U+FFFD where it was invalid
			j.out = append(j.out, string(r)...)
		}
	}
	j.out = append(j.out, '"')
}
