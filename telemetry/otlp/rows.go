package otlp

import (
	"strings"

	"github.com/plat-dev/plat/telemetry"
)

const (
	spanTraceID    = 1<<3 | asBytes
	spanID         = 2<<3 | asBytes
	spanParent     = 4<<3 | asBytes
	spanName       = 5<<3 | asBytes
	spanKind       = 6<<3 | asVarint
	spanStart      = 7<<3 | asFixed64
	spanEnd        = 8<<3 | asFixed64
	spanAttributes = 9<<3 | asBytes
	spanEvents     = 11<<3 | asBytes
	spanLinks      = 13<<3 | asBytes
	spanStatus     = 15<<3 | asBytes

	statusMessage = 2<<3 | asBytes
	statusCode    = 3<<3 | asVarint

	eventTime       = 1<<3 | asFixed64
	eventName       = 2<<3 | asBytes
	eventAttributes = 3<<3 | asBytes

	linkTraceID    = 1<<3 | asBytes
	linkSpanID     = 2<<3 | asBytes
	linkAttributes = 4<<3 | asBytes

	logTime       = 1<<3 | asFixed64
	logSeverity   = 2<<3 | asVarint
	logLevel      = 3<<3 | asBytes
	logBody       = 5<<3 | asBytes
	logAttributes = 6<<3 | asBytes
	logTraceID    = 9<<3 | asBytes
	logSpanID     = 10<<3 | asBytes
	logObserved   = 11<<3 | asFixed64
	logEventName  = 12<<3 | asBytes
)

// span reads a span; one without valid IDs is rejected.
func (d *decoder) span(p part, resource *telemetry.Resource, scope string) error {
	s := telemetry.Span{Resource: resource, Scope: scope}
	var start, end uint64
	events, links := 0, 0
	d.found = d.found[:0]
	c := d.fields(p)
	for c.next() {
		switch c.tag {
		case spanTraceID:
			s.TraceID = traceID(d.raw[c.bytes.from:c.bytes.to])
		case spanID:
			s.ID = id(d.raw[c.bytes.from:c.bytes.to])
		case spanParent:
			s.Parent = id(d.raw[c.bytes.from:c.bytes.to])
		case spanName:
			s.Name = d.clip(d.string(c.bytes), maxName)
		case spanKind:
			if c.value <= uint64(telemetry.KindConsumer) {
				s.Kind = telemetry.SpanKind(c.value) // #nosec G115 -- just compared
			}
		case spanStart:
			start = c.value
		case spanEnd:
			end = c.value
		case spanAttributes:
			d.find(c.bytes)
		case spanEvents:
			events++
		case spanLinks:
			links++
		case spanStatus:
			if err := d.status(c.bytes, &s); err != nil {
				return err
			}
		}
	}
	if c.err != nil {
		return c.err
	}
	if s.TraceID.IsZero() || s.ID.IsZero() {
		d.reject("a span has no valid trace_id (16 bytes) or span_id (8 bytes)")
		return nil
	}
	s.Start, s.Duration = period(start, end, d.now)
	if len(d.found)+events+links > 0 {
		if err := d.spanMore(p, &s, events, links); err != nil {
			return err
		}
	}
	d.batch.Spans = append(d.batch.Spans, s)
	return nil
}

// period is start and duration of a span: one that ends before it starts takes
// no time, one without a start began when it ended, or now.
func period(start, end uint64, now int64) (from, took int64) {
	switch {
	case start == 0 && end == 0:
		return now, 0
	case start == 0:
		return moment(end), 0
	}
	from = moment(start)
	return from, max(moment(end)-from, 0)
}

func (d *decoder) status(p part, s *telemetry.Span) error {
	c := d.fields(p)
	for c.next() {
		switch c.tag {
		case statusMessage:
			s.StatusMessage = d.clip(d.string(c.bytes), maxValue)
		case statusCode:
			if c.value <= uint64(telemetry.StatusError) {
				s.Status = telemetry.Status(c.value) // #nosec G115 -- just compared
			}
		}
	}
	return c.err
}

// spanMore reads what a span has several of, which were found or counted before.
func (d *decoder) spanMore(p part, s *telemetry.Span, events, links int) error {
	d.block(min(len(d.found), maxAttributes))
	at := len(d.attributes)
	if kept := min(events, maxEvents, max(maxParts-d.parts, 0)); events > 0 {
		s.Events = make([]telemetry.SpanEvent, 0, kept)
		d.parts += kept
		d.cut.Events += events - kept
	}
	if kept := min(links, maxLinks, max(maxParts-d.parts, 0)); links > 0 {
		s.Links = make([]telemetry.Link, 0, kept)
		d.parts += kept
		d.cut.Links += links - kept
	}
	if err := d.takeFound(at, &s.CorrelationID); err != nil {
		return err
	}
	s.Attributes = d.taken(at)
	if events+links == 0 {
		return nil
	}
	for c := d.fields(p); c.next(); {
		var err error
		switch {
		case c.tag == spanEvents && len(s.Events) < cap(s.Events): // as made above
			err = d.event(c.bytes, s)
		case c.tag == spanLinks && len(s.Links) < cap(s.Links):
			err = d.link(c.bytes, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) event(p part, s *telemetry.Span) error {
	e := telemetry.SpanEvent{Time: s.Start}
	at := d.begin()
	c := d.fields(p)
	for c.next() {
		switch c.tag {
		case eventTime:
			if c.value != 0 {
				e.Time = moment(c.value)
			}
		case eventName:
			e.Name = d.clip(d.string(c.bytes), maxName)
		case eventAttributes:
			if err := d.take(c.bytes, at, nil); err != nil {
				return err
			}
		}
	}
	e.Attributes = d.taken(at)
	s.Events = append(s.Events, e)
	return c.err
}

// link reads a link; one that points nowhere is left out.
func (d *decoder) link(p part, s *telemetry.Span) error {
	var l telemetry.Link
	at := d.begin()
	c := d.fields(p)
	for c.next() {
		switch c.tag {
		case linkTraceID:
			l.TraceID = traceID(d.raw[c.bytes.from:c.bytes.to])
		case linkSpanID:
			l.SpanID = id(d.raw[c.bytes.from:c.bytes.to])
		case linkAttributes:
			if err := d.take(c.bytes, at, nil); err != nil {
				return err
			}
		}
	}
	if l.TraceID.IsZero() || l.SpanID.IsZero() {
		d.cut.Links++
		return c.err
	}
	l.Attributes = d.taken(at)
	s.Links = append(s.Links, l)
	return c.err
}

// begin is where the attributes of an event or a link begin, of which nobody
// counted how many there are: the block grows as they come.
func (d *decoder) begin() int {
	d.block(8)
	return len(d.attributes)
}

// log reads a log record.
func (d *decoder) log(p part, resource *telemetry.Resource, scope string) error {
	l := telemetry.Log{Resource: resource, Scope: scope}
	var at, observed, severity uint64
	var level, name string
	d.found = d.found[:0]
	c := d.fields(p)
	for c.next() {
		switch c.tag {
		case logTime:
			at = c.value
		case logObserved:
			observed = c.value
		case logSeverity:
			severity = c.value
		case logLevel:
			level = d.string(c.bytes)
		case logBody:
			var err error
			if l.Body, _, err = d.value(c.bytes, maxBody); err != nil {
				return err
			}
		case logAttributes:
			d.find(c.bytes)
		case logTraceID:
			l.TraceID = traceID(d.raw[c.bytes.from:c.bytes.to])
		case logSpanID:
			l.SpanID = id(d.raw[c.bytes.from:c.bytes.to])
		case logEventName:
			name = d.clip(d.string(c.bytes), maxName)
		}
	}
	if c.err != nil {
		return c.err
	}
	if at == 0 {
		at = observed
	}
	if l.Time = moment(at); at == 0 {
		l.Time = d.now
	}
	if l.TraceID.IsZero() {
		l.SpanID = telemetry.SpanID{} // it says nothing alone
	}
	l.Severity = severityOf(severity, level)
	if err := d.logMore(&l, name); err != nil {
		return err
	}
	d.batch.Logs = append(d.batch.Logs, l)
	return nil
}

func (d *decoder) logMore(l *telemetry.Log, name string) error {
	d.block(min(len(d.found)+1, maxAttributes+1))
	at := len(d.attributes)
	if err := d.takeFound(at, &l.CorrelationID); err != nil {
		return err
	}
	if name != "" {
		d.attributes = append(d.attributes, telemetry.Attribute{Key: "event.name", Value: name})
	}
	l.Attributes = d.taken(at)
	return nil
}

// severityOf is the number, or what the level's name stands for.
func severityOf(number uint64, level string) telemetry.Severity {
	if number > 0 && number <= 24 {
		return telemetry.Severity(number) // #nosec G115 -- just compared
	}
	if len(level) > 16 {
		return 0
	}
	name := strings.TrimRight(strings.ToLower(level), "1234")
	var base telemetry.Severity
	switch name {
	case "trace", "finest", "finer", "verbose":
		base = telemetry.SeverityTrace
	case "debug", "fine", "dbg":
		base = telemetry.SeverityDebug
	case "info", "information", "notice", "inf", "log", "config":
		base = telemetry.SeverityInfo
	case "warn", "warning", "wrn":
		base = telemetry.SeverityWarn
	case "error", "err", "severe":
		base = telemetry.SeverityError
	case "fatal", "critical", "crit", "panic", "alert", "emerg", "emergency":
		base = telemetry.SeverityFatal
	default:
		return 0
	}
	if len(name) == len(level)-1 { // WARN2
		base += telemetry.Severity(level[len(level)-1] - '1')
	}
	return base
}

// traceID is zero for one of another length.
func traceID(raw []byte) (t telemetry.TraceID) {
	if len(raw) == len(t) {
		copy(t[:], raw)
	}
	return t
}

// id is zero for one of another length.
func id(raw []byte) (s telemetry.SpanID) {
	if len(raw) == len(s) {
		copy(s[:], raw)
	}
	return s
}
