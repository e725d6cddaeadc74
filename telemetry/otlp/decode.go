package otlp

import (
	"math"
	"strings"

	"github.com/plat-dev/plat/telemetry"
)

// Cut counts what was left out of rows that were taken, since it was beyond
// their bounds.
type Cut struct {
	Strings    int // shortened
	Attributes int // beyond 128
	Events     int // of spans, beyond 256
	Links      int // of spans, beyond 128
	Nested     int // values that lie too deep within others
}

// decoded is what a request came to.
type decoded struct {
	batch    telemetry.Batch
	rejected int64  // rows that cannot be taken
	why      string // of the first rejected
	cut      Cut
}

// decoder reads one request.
type decoder struct {
	body
	now int64
	decoded
	attributes []telemetry.Attribute // a block, of which rows get their parts
	wasted     int                   // bytes of the body that no row keeps
	parts      int                   // attributes, events and links so far
	before     []alike               // the attributes of the row before
	place      int                   // of the next attribute within its row
	found      []part                // the attributes of the row; those beyond all bounds are counted alone
}

// alike is an attribute with the bytes that it was read from. Rows of one
// program are alike: what has the same bytes at the same place is not read
// again.
type alike struct {
	bytes string
	telemetry.Attribute
}

const (
	maxAlike      = 32
	maxAlikeBytes = maxKey // so that nothing of it is cut
	maxFound      = 2 * maxAttributes
)

// find remembers where an attribute of a row stands.
func (d *decoder) find(p part) {
	if len(d.found) < maxFound {
		d.found = append(d.found, p)
	} else {
		d.cut.Attributes++
	}
}

// takeFound reads the attributes that were found.
func (d *decoder) takeFound(at int, correlation *string) error {
	d.place = 0
	for _, p := range d.found {
		if err := d.take(p, at, correlation); err != nil {
			return err
		}
	}
	return nil
}

const (
	requestResources = 1 << 3 // of all three signals, by asBytes

	groupResource = 1<<3 | asBytes
	groupScopes   = 2<<3 | asBytes

	scopeScope = 1<<3 | asBytes
	scopeRows  = 2<<3 | asBytes

	scopeName          = 1<<3 | asBytes
	resourceAttributes = 1<<3 | asBytes
)

// decode reads an ExportTraceServiceRequest, or an ExportLogsServiceRequest.
// The error is that of a malformed message: then nothing is taken.
func decode(raw []byte, logs bool, now int64) (decoded, error) {
	d := &decoder{body: body{raw, string(raw)}, now: now}
	c := d.fields(d.whole())
	for c.next() {
		if c.tag == requestResources|asBytes {
			if err := d.group(c.bytes, logs); err != nil {
				return decoded{}, err
			}
		}
	}
	if c.err != nil {
		return decoded{}, c.err
	}
	if d.wasted > len(raw)/2 && d.wasted > maxBody { // rows must not keep the whole body in memory
		d.detach()
	}
	return d.decoded, nil
}

// group reads ResourceSpans or ResourceLogs. The resource may stand behind its
// rows.
func (d *decoder) group(p part, logs bool) error {
	resource := &telemetry.Resource{}
	c := d.fields(p)
	for c.next() {
		if c.tag == groupResource {
			if err := d.resource(c.bytes, resource); err != nil {
				return err
			}
		}
	}
	if c.err != nil {
		return c.err
	}
	if resource.Service == "" {
		resource.Service = "unknown_service"
	}
	for c = d.fields(p); c.next(); {
		if c.tag == groupScopes {
			if err := d.scope(c.bytes, resource, logs); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *decoder) resource(p part, r *telemetry.Resource) error {
	c := d.fields(p)
	for c.next() {
		if c.tag != resourceAttributes {
			continue
		}
		a, err := d.attribute(c.bytes)
		if err != nil {
			return err
		}
		switch a.Key {
		case "service.name":
			r.Service = d.clip(a.Value, maxName)
		case "service.instance.id":
			r.Instance = d.clip(a.Value, maxName)
		case "service.version":
			r.Version = d.clip(a.Value, maxName)
		default:
			if len(r.Attributes) == maxAttributes {
				d.cut.Attributes++
				continue
			}
			r.Attributes = append(r.Attributes, a)
		}
	}
	return c.err
}

// scope reads ScopeSpans or ScopeLogs.
func (d *decoder) scope(p part, resource *telemetry.Resource, logs bool) error {
	name, rows := "", 0
	c := d.fields(p)
	for c.next() {
		switch c.tag {
		case scopeRows:
			rows++
		case scopeScope:
			s := d.fields(c.bytes)
			for s.next() {
				if s.tag == scopeName {
					name = d.clip(d.string(s.bytes), maxName)
				}
			}
			if s.err != nil {
				return s.err
			}
		}
	}
	if c.err != nil {
		return c.err
	}
	d.room(min(rows, maxRows-d.batch.Rows()), logs)
	for c = d.fields(p); c.next(); {
		if c.tag != scopeRows {
			continue
		}
		if d.batch.Rows() >= maxRows {
			d.reject("the request has more than 65,536 rows")
			continue
		}
		var err error
		if logs {
			err = d.log(c.bytes, resource, name)
		} else {
			err = d.span(c.bytes, resource, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// room makes room for rows that are counted already.
func (d *decoder) room(rows int, logs bool) {
	if b := &d.batch; logs && len(b.Logs)+rows > cap(b.Logs) {
		b.Logs = append(make([]telemetry.Log, 0, max(len(b.Logs)+rows, 2*cap(b.Logs))), b.Logs...)
	} else if !logs && len(b.Spans)+rows > cap(b.Spans) {
		b.Spans = append(make([]telemetry.Span, 0, max(len(b.Spans)+rows, 2*cap(b.Spans))), b.Spans...)
	}
}

// reject counts a row that cannot be taken.
func (d *decoder) reject(why string) {
	if d.rejected++; d.why == "" {
		d.why = why
	}
}

// take reads an attribute of a row and appends it, unless there are too many,
// or it is the correlation ID. at is where the row's attributes begin.
func (d *decoder) take(p part, at int, correlation *string) error {
	if len(d.attributes)-at >= maxAttributes || d.parts >= maxParts {
		d.cut.Attributes++
		return nil
	}
	d.parts++
	a, err := d.alike(p)
	if err != nil {
		return err
	}
	switch a.Key {
	case "plat.correlation_id":
		if correlation != nil {
			*correlation = d.clip(a.Value, maxName)
			return nil
		}
	case "correlation_id", "correlation.id":
		if correlation != nil && *correlation == "" {
			*correlation = d.clip(a.Value, maxName)
		}
	}
	d.attributes = append(d.attributes, a)
	return nil
}

// alike reads an attribute of a row, unless the row before has it as well.
func (d *decoder) alike(p part) (telemetry.Attribute, error) {
	if d.place >= maxAlike || p.to-p.from > maxAlikeBytes {
		d.place++
		return d.attribute(p)
	}
	for len(d.before) <= d.place {
		d.before = append(d.before, alike{})
	}
	known := &d.before[d.place]
	d.place++
	if bytes := d.string(p); known.bytes != bytes {
		a, err := d.attribute(p)
		if err != nil || a.Kind == telemetry.JSON { // of which each nested value is counted
			return a, err
		}
		known.bytes, known.Attribute = bytes, a
	}
	return known.Attribute, nil
}

// block makes room for the attributes of a row in the common block, so that
// each row does not need an allocation of its own.
func (d *decoder) block(n int) {
	if cap(d.attributes)-len(d.attributes) < n {
		d.attributes = make([]telemetry.Attribute, 0, max(n, min(1024, 16+len(d.raw)/32)))
	}
}

// taken gives the attributes from at on, which nobody appends to.
func (d *decoder) taken(at int) []telemetry.Attribute {
	if at == len(d.attributes) {
		return nil
	}
	return d.attributes[at:len(d.attributes):len(d.attributes)]
}

// moment is a time that fits.
func moment(nanoseconds uint64) int64 {
	if nanoseconds > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(nanoseconds)
}

// detach copies every text of the rows out of the body.
func (d *decoder) detach() {
	resources := map[*telemetry.Resource]bool{}
	resource := func(r *telemetry.Resource) {
		if !resources[r] {
			resources[r] = true
			r.Service, r.Instance, r.Version = strings.Clone(r.Service), strings.Clone(r.Instance), strings.Clone(r.Version)
			detach(r.Attributes)
		}
	}
	for i := range d.batch.Spans {
		s := &d.batch.Spans[i]
		resource(s.Resource)
		s.Scope, s.Name, s.StatusMessage, s.CorrelationID = strings.Clone(s.Scope), strings.Clone(s.Name), strings.Clone(s.StatusMessage), strings.Clone(s.CorrelationID)
		detach(s.Attributes)
		for j := range s.Events {
			s.Events[j].Name = strings.Clone(s.Events[j].Name)
			detach(s.Events[j].Attributes)
		}
		for j := range s.Links {
			detach(s.Links[j].Attributes)
		}
	}
	for i := range d.batch.Logs {
		l := &d.batch.Logs[i]
		resource(l.Resource)
		l.Scope, l.Body, l.CorrelationID = strings.Clone(l.Scope), strings.Clone(l.Body), strings.Clone(l.CorrelationID)
		detach(l.Attributes)
	}
	d.why = strings.Clone(d.why)
}

func detach(attributes []telemetry.Attribute) {
	for i := range attributes {
		a := &attributes[i]
		a.Key, a.Value = strings.Clone(a.Key), strings.Clone(a.Value)
	}
}
