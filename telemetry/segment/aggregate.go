package segment

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
)

// The bounds of an aggregation's answer.
const (
	mostGroups = 500    // values of the keys; the rest is one group
	mostCells  = 20_000 // groups times steps
	mostSteps  = 2_000
)

// field is a key by which rows are grouped.
type field struct {
	key    string
	column column
	has    bool   // a column
	also   bool   // it may stand among the attributes when the column is null
	needle []byte // as JSON has the key
}

func fields(keys []string) []field {
	list := make([]field, len(keys))
	for i, key := range keys {
		f := field{key: key, needle: append(appendString(nil, key), ':')}
		switch key {
		case "name":
			f.column, f.has = colName, true
		case "kind":
			f.column, f.has = colKind, true
		case "status":
			f.column, f.has = colStatus, true
		case "stream":
			f.column, f.has = colStream, true
		case "severity":
			f.column, f.has = colSeverity, true
		default:
			f.column, f.has = named(key)
			_, f.also = promoted(key)
		}
		list[i] = f
	}
	return list
}

// value is a row's value by columns alone. Where only the whole row can tell,
// it is not sure.
func (f *field) value(s *scan, page, row int) (value string, sure bool) {
	if f.has {
		switch v := s.load(f.column, page); f.column {
		case colCode:
			if n, ok := v.number(row); ok {
				return strconv.FormatInt(n, 10), true
			}
		case colSeverity:
			n, _ := v.number(row)
			return telemetry.Severity(n).String(), true // #nosec G115 -- was written from one
		default:
			if text := v.text(row); text != "" {
				return text, true
			}
		}
		if !f.also {
			return "", true
		}
	}
	return "", !s.mentions(f.needle, page, row)
}

// code tells rows apart as value does, within one row group; sure as there.
func (f *field) code(s *scan, page, row int) (code int32, sure bool) {
	if !f.has {
		return -1, !s.mentions(f.needle, page, row)
	}
	v := s.load(f.column, page)
	if v.missing || v.words == nil {
		return -1, v.missing
	}
	code = v.code(row)
	if code < 0 && f.also {
		return -1, !s.mentions(f.needle, page, row)
	}
	return code, true
}

// found is a row's value where code was not sure: it stands among the other
// attributes or in the resource.
func (f *field) found(s *scan, page, row int) string {
	var err error
	s.others, err = parseObject(string(s.load(colAttributes, page).raw(row)), s.others[:0])
	if err != nil {
		panic(asDamage(err))
	}
	if v, ok := telemetry.Find(s.others, f.key); ok {
		return v
	}
	v, _ := telemetry.Find(s.resource(page, row).Attributes, f.key)
	return v
}

func (f *field) ofSpan(s *telemetry.Span) string {
	switch {
	case !f.has || f.also:
	case f.column == colName:
		return s.Name
	case f.column == colKind:
		return s.Kind.String()
	case f.column == colStatus:
		return statusName(s.Status)
	}
	v, _ := telemetry.LookUp(f.key, s.Resource, s.CorrelationID, s.Attributes)
	return v
}

func (f *field) ofLog(l *telemetry.Log) string {
	switch {
	case !f.has || f.also:
	case f.column == colStream:
		return l.Stream
	case f.column == colSeverity:
		return l.Severity.String()
	}
	v, _ := telemetry.LookUp(f.key, l.Resource, l.CorrelationID, l.Attributes)
	return v
}

// groups is the aggregation of spans while it is made.
type groups struct {
	fields []field
	step   int64
	most   int
	byKey  map[string]*series
	other  *series
	in     *scan // whose codes are in byCode
	byCode map[[3]int32]*series
}

// series is one value of the keys over all steps.
type series struct {
	key   []string
	count uint64
	cells map[int64]*telemetry.Group
	last  *telemetry.Group // the cell of the step lastAt
	at    int64
}

func (g *groups) series(key []string) *series {
	text := strings.Join(key, "\x00")
	if s := g.byKey[text]; s != nil {
		return s
	}
	if len(g.byKey) >= g.most {
		if g.other == nil {
			g.other = &series{cells: map[int64]*telemetry.Group{}}
		}
		return g.other
	}
	s := &series{key: slices.Clone(key), cells: map[int64]*telemetry.Group{}}
	g.byKey[text] = s
	return s
}

func (g *groups) add(s *series, start, duration int64, failed bool) {
	at := int64(0)
	if g.step > 0 {
		if at = start / g.step; start%g.step < 0 {
			at--
		}
	}
	if s.last == nil || s.at != at {
		if s.last = s.cells[at]; s.last == nil {
			s.last = &telemetry.Group{Key: s.key, Other: s == g.other}
			if g.step > 0 {
				s.last.Start = time.Unix(0, at*g.step).UTC()
			}
			s.cells[at] = s.last
		}
		s.at = at
	}
	s.count++
	s.last.Count++
	if failed {
		s.last.Errors++
	}
	s.last.Durations.Add(duration)
}

func (g *groups) span(s *telemetry.Span) {
	key := make([]string, len(g.fields))
	for i := range g.fields {
		key[i] = g.fields[i].ofSpan(s)
	}
	g.add(g.series(key), s.Start, s.Duration, s.Status == telemetry.StatusError)
}

// page counts the chosen rows of a page.
func (g *groups) page(s *scan, page int) error {
	if g.in != s {
		g.in, g.byCode = s, map[[3]int32]*series{}
	}
	times, durations, statuses := s.load(colTime, page), s.load(colDuration, page), s.load(colStatus, page)
	failed := statusName(telemetry.StatusError)
	var whole telemetry.Span
	for _, r := range s.rows {
		row := int(r)
		if s.unsure[row] {
			if s.span(page, row, &whole); s.f.spanMatches(&whole) {
				g.span(&whole)
			}
			continue
		}
		codes := [3]int32{-1, -1, -1}
		sure := true
		for i := 0; sure && i < len(g.fields); i++ {
			codes[i], sure = g.fields[i].code(s, page, row)
		}
		var to *series
		if sure {
			to = g.byCode[codes]
		}
		if to == nil {
			key := make([]string, len(g.fields))
			for i := range g.fields {
				if value, sure := g.fields[i].value(s, page, row); sure {
					key[i] = value
				} else {
					key[i] = g.fields[i].found(s, page, row)
				}
			}
			if to = g.series(key); sure {
				g.byCode[codes] = to
			}
		}
		start, _ := times.number(row)
		duration, _ := durations.number(row)
		g.add(to, start, duration, statuses.text(row) == failed)
	}
	return nil
}

// result lists the groups: the largest first, each step by step, others last.
func (g *groups) result() []telemetry.Group {
	list := make([]*series, 0, len(g.byKey)+1)
	for _, s := range g.byKey {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *series) int {
		return cmp.Or(cmp.Compare(b.count, a.count), slices.Compare(a.key, b.key))
	})
	if g.other != nil {
		list = append(list, g.other)
	}
	var result []telemetry.Group
	for _, s := range list {
		from := len(result)
		for _, cell := range s.cells {
			result = append(result, *cell)
		}
		slices.SortFunc(result[from:], func(a, b telemetry.Group) int { return a.Start.Compare(b.Start) })
	}
	return result
}

func badQuery(format string, args ...any) error {
	return fault.Newf(fault.TelemetryBadQuery, format, args...)
}

// Aggregate counts spans by up to three keys: attributes as Match has them, or
// name, kind and status. With a step, each group is told for each part of time
// that has any of it. There are up to 500 groups, fewer when there are many
// steps; what has no place is counted in one more, Other.
func (s *Store) Aggregate(ctx context.Context, q telemetry.SpanQuery, by []string, step time.Duration) ([]telemetry.Group, error) {
	if len(by) > 3 {
		return nil, badQuery("spans are grouped by up to 3 keys, not %d", len(by))
	}
	g := &groups{fields: fields(by), step: step.Nanoseconds(), most: mostGroups, byKey: map[string]*series{}}
	if step < 0 || step > 0 && (q.From.IsZero() || q.To.IsZero()) {
		return nil, badQuery("steps need a time from and to")
	}
	if step > 0 {
		steps := int64(q.To.Sub(q.From)/step) + 2
		if steps > mostSteps {
			return nil, badQuery("a step of %v makes more than %d of that time", step, mostSteps)
		}
		g.most = int(min(mostGroups, mostCells/max(steps, 1)))
	}
	f := spanFilter(q)
	err := each(ctx, s, f, access[telemetry.Span]{spans, (*frame).span, f.spanMatches, (*scan).span},
		func(row *telemetry.Span) error { g.span(row); return nil }, g.page)
	return g.result(), err
}

// Histogram counts log records in parts of the query's time of equal length,
// by ranges of severity. Up to 2,000 parts.
func (s *Store) Histogram(ctx context.Context, q telemetry.LogQuery, buckets int) ([]telemetry.LogBucket, error) {
	if q.From.IsZero() || !q.To.After(q.From) || buckets < 1 || buckets > mostSteps {
		return nil, badQuery("a histogram needs a time from and to, and 1 to %d parts", mostSteps)
	}
	list := make([]telemetry.LogBucket, buckets)
	width := float64(q.To.Sub(q.From)) / float64(buckets)
	for i := range list {
		list[i].Start = q.From.Add(time.Duration(float64(i) * width))
	}
	f := logFilter(q)
	add := func(t int64, severity telemetry.Severity) {
		list[min(int(float64(t-f.from)/width), buckets-1)].Counts[severity.Range()]++
	}
	var whole telemetry.Log
	err := each(ctx, s, f, access[telemetry.Log]{logs, (*frame).log, f.logMatches, (*scan).log},
		func(row *telemetry.Log) error { add(row.Time, row.Severity); return nil },
		func(sc *scan, page int) error {
			times, severities := sc.load(colTime, page), sc.load(colSeverity, page)
			for _, r := range sc.rows {
				if sc.unsure[r] {
					if sc.log(page, int(r), &whole); !f.logMatches(&whole) {
						continue
					}
				}
				t, _ := times.number(int(r))
				n, _ := severities.number(int(r))
				add(t, telemetry.Severity(n)) // #nosec G115 -- was written from one
			}
			return nil
		})
	return list, err
}

// The bounds of facets.
const (
	mostFacets = 20
	mostValues = 5_000 // of one key that are told apart
)

// facet is a key's values while they are counted.
type facet struct {
	field
	counts map[string]*uint64
	none   uint64
	other  uint64
	in     *scan
	byCode []*uint64 // of in, by code
}

func (f *facet) counter(value string) *uint64 {
	switch n := f.counts[value]; {
	case value == "":
		return &f.none
	case n != nil:
		return n
	case len(f.counts) >= mostValues:
		return &f.other
	}
	n := new(uint64)
	f.counts[value] = n
	return n
}

// Facets counts the values that matching log records have for keys: attributes
// as Match has them, or severity and stream. It gives the top of each; up to 20
// keys. Of a key with more than 5,000 values, those seen later are others.
func (s *Store) Facets(ctx context.Context, q telemetry.LogQuery, keys []string, top int) ([]telemetry.Facet, error) {
	if len(keys) > mostFacets || top < 1 {
		return nil, badQuery("facets are of up to %d keys, and have at least one value each", mostFacets)
	}
	list := make([]*facet, len(keys))
	for i, f := range fields(keys) {
		list[i] = &facet{field: f, counts: map[string]*uint64{}}
	}
	f := logFilter(q)
	err := each(ctx, s, f, access[telemetry.Log]{logs, (*frame).log, f.logMatches, (*scan).log},
		func(row *telemetry.Log) error {
			for _, fc := range list {
				*fc.counter(fc.ofLog(row))++
			}
			return nil
		},
		func(sc *scan, page int) error { facetPage(list, sc, page); return nil })
	if err != nil {
		return nil, err
	}
	result := make([]telemetry.Facet, len(list))
	for i, fc := range list {
		result[i] = fc.result(top)
	}
	return result, nil
}

func facetPage(list []*facet, s *scan, page int) {
	var whole telemetry.Log
	for _, r := range s.rows {
		row := int(r)
		if s.unsure[row] {
			if s.log(page, row, &whole); !s.f.logMatches(&whole) {
				continue
			}
		}
		for _, f := range list {
			code, sure := f.code(s, page, row)
			if !sure {
				*f.counter(f.found(s, page, row))++
				continue
			}
			if f.in != s {
				f.in, f.byCode = s, f.byCode[:0]
			}
			for int(code)+1 >= len(f.byCode) {
				f.byCode = append(f.byCode, nil)
			}
			n := f.byCode[code+1]
			if n == nil {
				value, _ := f.value(s, page, row)
				n = f.counter(value)
				f.byCode[code+1] = n
			}
			*n++
		}
	}
}

func (f *facet) result(top int) telemetry.Facet {
	result := telemetry.Facet{Key: f.key, None: f.none, Other: f.other}
	for value, n := range f.counts {
		result.Values = append(result.Values, telemetry.ValueCount{Value: value, Count: *n})
	}
	slices.SortFunc(result.Values, func(a, b telemetry.ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	for len(result.Values) > top {
		last := len(result.Values) - 1
		result.Other += result.Values[last].Count
		result.Values = result.Values[:last]
	}
	return result
}
