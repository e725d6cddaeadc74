package segment

import (
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/plat-dev/plat/telemetry"
)

func uuid(t telemetry.TraceID) parquet.Value { return parquet.FixedLenByteArrayValue(t[:]) }

// resource is a row's resource, made once for a row group.
func (s *scan) resource(page, row int) *telemetry.Resource {
	var key [4]int32
	for i, c := range [...]column{colService, colInstance, colVersion, colResource} {
		if v := s.load(c, page); v.missing {
			key[i] = -1
		} else {
			key[i] = v.code(row)
		}
	}
	if r := s.resources[key]; r != nil {
		return r
	}
	r := &telemetry.Resource{
		Service:  s.load(colService, page).text(row),
		Instance: s.load(colInstance, page).text(row),
		Version:  s.load(colVersion, page).text(row),
	}
	var err error
	if r.Attributes, err = parseObject(s.load(colResource, page).text(row), nil); err != nil {
		panic(asDamage(err))
	}
	s.resources[key] = r
	return r
}

// attributes are those with a column of their own, and the others.
func (s *scan) attributes(page, row int, into []telemetry.Attribute) []telemetry.Attribute {
	for _, c := range [...]column{colMethod, colRoute, colPeer, colDestination} {
		if text := s.load(c, page).text(row); text != "" {
			into = append(into, telemetry.Attribute{Key: promotedKey(c), Value: text})
		}
	}
	if n, ok := s.load(colCode, page).number(row); ok {
		into = append(into, telemetry.Attribute{Key: promotedKey(colCode), Value: strconv.FormatInt(n, 10), Kind: telemetry.Int})
	}
	into, err := parseObject(s.load(colAttributes, page).text(row), into)
	if err != nil {
		panic(asDamage(err))
	}
	return into
}

// span makes the whole row.
func (s *scan) span(page, row int, into *telemetry.Span) {
	into.Resource = s.resource(page, row)
	into.Scope = s.load(colScope, page).text(row)
	into.TraceID, into.ID, into.Parent = telemetry.TraceID{}, telemetry.SpanID{}, telemetry.SpanID{}
	copy(into.TraceID[:], s.load(colTrace, page).raw(row))
	copy(into.ID[:], s.load(colSpan, page).raw(row))
	copy(into.Parent[:], s.load(colParent, page).raw(row))
	into.Start, _ = s.load(colTime, page).number(row)
	into.Duration, _ = s.load(colDuration, page).number(row)
	into.Name = s.load(colName, page).text(row)
	into.Kind = parseKind(s.load(colKind, page).text(row))
	into.Status = parseStatus(s.load(colStatus, page).text(row))
	into.StatusMessage = s.load(colMessage, page).text(row)
	into.CorrelationID = s.load(colCorrelation, page).text(row)
	into.Attributes = s.attributes(page, row, into.Attributes[:0])
	var err error
	if into.Events, err = parseEvents(s.load(colEvents, page).text(row)); err != nil {
		panic(asDamage(err))
	}
	if into.Links, err = parseLinks(s.load(colLinks, page).text(row)); err != nil {
		panic(asDamage(err))
	}
}

func (s *scan) log(page, row int, into *telemetry.Log) {
	into.Resource = s.resource(page, row)
	into.Scope = s.load(colScope, page).text(row)
	into.Stream = s.load(colStream, page).text(row)
	into.TraceID, into.SpanID = telemetry.TraceID{}, telemetry.SpanID{}
	copy(into.TraceID[:], s.load(colTrace, page).raw(row))
	copy(into.SpanID[:], s.load(colSpan, page).raw(row))
	into.Time, _ = s.load(colTime, page).number(row)
	severity, _ := s.load(colSeverity, page).number(row)
	into.Severity = telemetry.Severity(severity) // #nosec G115 -- was written from one
	into.Body = s.load(colBody, page).text(row)
	into.CorrelationID = s.load(colCorrelation, page).text(row)
	into.Attributes = s.attributes(page, row, into.Attributes[:0])
}
