package segment_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

var began = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

// thatDay lets a store believe that it is the day of the rows, which are too
// old some days later.
func thatDay(o segment.Options) segment.Options {
	if o.Now == nil {
		opened := time.Now()
		o.Now = func() time.Time { return began.Add(time.Since(opened)) }
	}
	return o
}

// open opens a store that the test's end closes.
func open(t testing.TB, o segment.Options) *segment.Store {
	t.Helper()
	s, err := segment.Open(t.Context(), thatDay(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// maker makes rows by a seed.
type maker struct {
	*rand.Rand
	now int64
}

func newMaker(seed uint64) *maker {
	return &maker{rand.New(rand.NewPCG(seed, 1)), began.UnixNano()} // #nosec G404 -- chosen randomness
}

func pick[T any](m *maker, of ...T) T { return of[m.IntN(len(of))] }

func (m *maker) trace() (t telemetry.TraceID) {
	t[15], t[0] = byte(m.IntN(40)), 1
	return t
}

func (m *maker) id() (s telemetry.SpanID) {
	s[0], s[7] = byte(m.IntN(256)), byte(m.IntN(256))
	return s
}

func (m *maker) resource() *telemetry.Resource {
	r := &telemetry.Resource{Service: pick(m, "order", "warehouse", "finance"), Instance: pick(m, "", "a", "b"), Version: pick(m, "", "1.2")}
	if m.IntN(2) == 0 {
		r.Attributes = []telemetry.Attribute{{Key: "host.name", Value: pick(m, "one", "two")}, {Key: "http.route", Value: "/resource"}}
	}
	return r
}

func (m *maker) attributes() []telemetry.Attribute {
	all := []telemetry.Attribute{
		{Key: "http.request.method", Value: pick(m, "GET", "POST")},
		{Key: "http.route", Value: pick(m, "/albums/{id}", "/orders", "")},
		{Key: "http.response.status_code", Value: pick(m, "200", "404", "500", "007"), Kind: telemetry.Int},
		{Key: "peer.service", Value: pick(m, "stripe", "order"), Kind: pick(m, telemetry.Text, telemetry.JSON)},
		{Key: "note", Value: pick(m, "Größe \"L\"\n\tnew", "a\\b \x01 c", "plain text here", "", "käse\xffbrot")},
		{Key: "size", Value: pick(m, "1", "-12", "9223372036854775807", "12x", "1e3"), Kind: telemetry.Int},
		{Key: "ratio", Value: pick(m, "0.5", "1", "NaN", "1e-7", "+Inf", ".5"), Kind: telemetry.Float},
		{Key: "ok", Value: pick(m, "true", "false", "TRUE"), Kind: telemetry.Bool},
		{Key: "tree", Value: pick(m, `{"a":[1,"}",{"b":"\""}]}`, `[]`, `{"$int":"1"}`, "broken", " {}", "{} "), Kind: telemetry.JSON},
		{Key: "raw", Value: pick(m, "AAEC", ""), Kind: telemetry.Bytes},
		{Key: "note", Value: "twice"},
		{Key: "", Value: "no name"},
		{Key: "order.id", Value: fmt.Sprintf("01a209a4-%04x", m.IntN(50))},
	}
	m.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:m.IntN(len(all))]
}

// tick moves time on, or sometimes back.
func (m *maker) tick() int64 {
	m.now += int64(m.IntN(1e9))
	if m.IntN(20) == 0 {
		return m.now - int64(m.IntN(20e9))
	}
	return m.now
}

func (m *maker) span() telemetry.Span {
	s := telemetry.Span{
		Resource: m.resource(), Scope: pick(m, "", "net/http"), TraceID: m.trace(), ID: m.id(), Start: m.tick(), Duration: int64(m.IntN(5e9)),
		Name: pick(m, "GET /albums/{id}", "charge card", "sql SELECT"), Kind: telemetry.SpanKind(m.IntN(6)), Status: telemetry.Status(m.IntN(3)),
		CorrelationID: pick(m, "", "c-1", "c-2"), Attributes: m.attributes(),
	}
	if s.Status == telemetry.StatusError {
		s.StatusMessage = pick(m, "card was declined", "Timeout exceeded", "")
	}
	if m.IntN(3) == 0 {
		s.Parent = m.id()
	}
	for range m.IntN(3) {
		s.Events = append(s.Events, telemetry.SpanEvent{Time: s.Start + 5, Name: "exception", Attributes: m.attributes()})
	}
	for range m.IntN(2) {
		s.Links = append(s.Links, telemetry.Link{TraceID: m.trace(), SpanID: m.id(), Attributes: m.attributes()})
	}
	return s
}

func (m *maker) log() telemetry.Log {
	l := telemetry.Log{
		Resource: m.resource(), Scope: pick(m, "", "slog"), Stream: pick(m, "", "out", "err"), Time: m.tick(), Severity: telemetry.Severity(m.IntN(25)),
		Body:          pick(m, "order placed", "Order changed: paid", "payment-taken for 7", "reorder", "", "line\nof two", "the card was declined"),
		CorrelationID: pick(m, "", "c-1", "c-2"), Attributes: m.attributes(),
	}
	if m.IntN(2) == 0 {
		l.TraceID, l.SpanID = m.trace(), m.id()
	}
	return l
}

func (m *maker) batch(spans, logs int) telemetry.Batch {
	var b telemetry.Batch
	for range spans {
		b.Spans = append(b.Spans, m.span())
	}
	for range logs {
		b.Logs = append(b.Logs, m.log())
	}
	return b
}

// plain is a row as text that does not depend on the order of its attributes.
func plain(row any) string {
	switch r := row.(type) {
	case *telemetry.Span:
		s := *r
		res := *s.Resource
		s.Resource = nil
		return clean(fmt.Sprintf("%+v %s %+v %s %v %v", res, sortedAttributes(res.Attributes), withoutSlices(s), sortedAttributes(s.Attributes), events(s.Events), links(s.Links)))
	case *telemetry.Log:
		l := *r
		res := *l.Resource
		l.Resource = nil
		attributes := sortedAttributes(l.Attributes)
		l.Attributes = nil
		return clean(fmt.Sprintf("%+v %s %+v %s", res, sortedAttributes(res.Attributes), l, attributes))
	}
	panic("neither span nor log")
}

// clean is text as the store keeps it.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func withoutSlices(s telemetry.Span) telemetry.Span {
	s.Attributes, s.Events, s.Links = nil, nil, nil
	return s
}

func sortedAttributes(list []telemetry.Attribute) string {
	list = slices.Clone(list)
	for i := range list {
		list[i].Value = clean(list[i].Value)
	}
	slices.SortStableFunc(list, func(a, b telemetry.Attribute) int { return cmp.Compare(a.Key, b.Key) })
	return fmt.Sprintf("%q", list)
}

func events(list []telemetry.SpanEvent) (texts []string) {
	for _, e := range list {
		texts = append(texts, fmt.Sprintf("%d %q %s", e.Time, e.Name, sortedAttributes(e.Attributes)))
	}
	return texts
}

func links(list []telemetry.Link) (texts []string) {
	for _, l := range list {
		texts = append(texts, fmt.Sprintf("%s %s %s", l.TraceID, l.SpanID, sortedAttributes(l.Attributes)))
	}
	return texts
}

// spansOf are the spans that a query finds, as sorted texts.
func spansOf(ctx context.Context, t testing.TB, s *segment.Store, q telemetry.SpanQuery) []string {
	t.Helper()
	var rows []string
	if err := s.Spans(ctx, q, func(r *telemetry.Span) error { rows = append(rows, plain(r)); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(rows)
	return rows
}

func logsOf(ctx context.Context, t testing.TB, s *segment.Store, q telemetry.LogQuery) []string {
	t.Helper()
	var rows []string
	if err := s.Logs(ctx, q, func(r *telemetry.Log) error { rows = append(rows, plain(r)); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(rows)
	return rows
}

func sortStrings(lists ...[]string) {
	for _, l := range lists {
		slices.Sort(l)
	}
}
