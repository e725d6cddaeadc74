package segment_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

// model is a store as one would write it without thinking of time and space.
type model struct{ batch telemetry.Batch }

func anyOf(q func(string) bool, attributes []telemetry.Attribute, texts ...string) bool {
	for _, a := range attributes {
		texts = append(texts, a.Value)
	}
	return slices.ContainsFunc(texts, func(s string) bool { return q(clean(s)) })
}

// words splits at all that is no letter, digit or underscore.
func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
}

// hasText knows queries of plain words and of one quoted phrase of whole words.
func hasText(q string, attributes []telemetry.Attribute, texts ...string) bool {
	if phrase, ok := strings.CutPrefix(q, `"`); ok {
		return anyOf(func(s string) bool { return strings.Contains(s, strings.TrimSuffix(phrase, `"`)) }, attributes, texts...)
	}
	for _, w := range words(q) {
		if !anyOf(func(s string) bool { return slices.Contains(words(s), w) }, attributes, texts...) {
			return false
		}
	}
	return true
}

func hasMatch(m telemetry.Match, r *telemetry.Resource, correlation string, attributes []telemetry.Attribute) bool {
	all := append([]telemetry.Attribute{}, attributes...)
	all = append(all, r.Attributes...)
	all = append([]telemetry.Attribute{{Key: "service.name", Value: r.Service}, {Key: "service.version", Value: r.Version}, {Key: "plat.correlation_id", Value: correlation}}, all...)
	v, ok := telemetry.Find(all, m.Key)
	if strings.HasPrefix(m.Key, "service.") || strings.HasPrefix(m.Key, "plat.") {
		ok = v != ""
	}
	return (ok && clean(v) == m.Value) != m.Not
}

func within(t int64, from, to time.Time) bool {
	return (from.IsZero() || t >= from.UnixNano()) && (to.IsZero() || t < to.UnixNano())
}

func (m *model) spans(q telemetry.SpanQuery) (rows []string) {
	for i := range m.batch.Spans {
		s := &m.batch.Spans[i]
		ok := within(s.Start, q.From, q.To) && (q.TraceID.IsZero() || q.TraceID == s.TraceID) &&
			(len(q.Services) == 0 || slices.Contains(q.Services, s.Resource.Service)) && (q.Name == "" || q.Name == s.Name) &&
			(len(q.Kinds) == 0 || slices.Contains(q.Kinds, s.Kind)) && (!q.ErrorsOnly || s.Status == telemetry.StatusError) &&
			s.Duration >= int64(q.MinDuration) && (q.MaxDuration == 0 || s.Duration <= int64(q.MaxDuration)) &&
			(q.Correlation == "" || q.Correlation == s.CorrelationID) &&
			!slices.ContainsFunc(q.Where, func(m telemetry.Match) bool { return !hasMatch(m, s.Resource, s.CorrelationID, s.Attributes) }) &&
			hasText(q.Text, s.Attributes, s.Name, s.StatusMessage, s.CorrelationID)
		if ok {
			rows = append(rows, plain(s))
		}
	}
	slices.Sort(rows)
	return rows
}

func (m *model) logs(q telemetry.LogQuery) (rows []string) {
	for i := range m.batch.Logs {
		l := &m.batch.Logs[i]
		ok := within(l.Time, q.From, q.To) && (q.TraceID.IsZero() || q.TraceID == l.TraceID) && (q.SpanID.IsZero() || q.SpanID == l.SpanID) &&
			(len(q.Services) == 0 || slices.Contains(q.Services, l.Resource.Service)) && (q.Instance == "" || q.Instance == l.Resource.Instance) &&
			l.Severity >= q.MinSeverity && (q.Correlation == "" || q.Correlation == l.CorrelationID) &&
			!slices.ContainsFunc(q.Where, func(m telemetry.Match) bool { return !hasMatch(m, l.Resource, l.CorrelationID, l.Attributes) }) &&
			hasText(q.Text, l.Attributes, l.Body, l.CorrelationID)
		if ok {
			rows = append(rows, plain(l))
		}
	}
	slices.Sort(rows)
	return rows
}

// valueOf is what a row has for a key of a group or a facet.
func valueOf(key string, r *telemetry.Resource, correlation string, attributes []telemetry.Attribute, own map[string]string) string {
	own["service.name"], own["service.version"], own["plat.correlation_id"] = r.Service, r.Version, correlation
	if v, ok := own[key]; ok {
		return v
	}
	v, _ := telemetry.Find(append(slices.Clone(attributes), r.Attributes...), key)
	return clean(v)
}

func (m *model) groups(q telemetry.SpanQuery, by []string) map[string]string {
	found := map[string]bool{}
	for _, row := range m.spans(q) {
		found[row] = true
	}
	counts := map[string][3]int64{}
	for i := range m.batch.Spans {
		s := &m.batch.Spans[i]
		if !found[plain(s)] {
			continue
		}
		key := make([]string, len(by))
		for i, k := range by {
			key[i] = valueOf(k, s.Resource, s.CorrelationID, s.Attributes, map[string]string{"name": s.Name, "kind": s.Kind.String(), "status": [...]string{"", "ok", "error"}[s.Status]})
		}
		c := counts[strings.Join(key, "|")]
		c[0]++
		if s.Status == telemetry.StatusError {
			c[1]++
		}
		c[2] = max(c[2], s.Duration)
		counts[strings.Join(key, "|")] = c
	}
	texts := map[string]string{}
	for k, c := range counts {
		texts[k] = fmt.Sprint(c)
	}
	return texts
}

func groupsOf(t *testing.T, s *segment.Store, q telemetry.SpanQuery, by []string) map[string]string {
	t.Helper()
	list, err := s.Aggregate(t.Context(), q, by, 0)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, g := range list {
		texts[strings.Join(g.Key, "|")] = fmt.Sprint([3]int64{int64(g.Count), int64(g.Errors), g.Durations.Max})
	}
	return texts
}

func facetKeys() []string {
	return []string{"severity", "stream", "service.name", "http.route", "note", "http.response.status_code", "absent"}
}

func (m *model) facets(q telemetry.LogQuery) map[string]uint64 {
	found := map[string]bool{}
	for _, row := range m.logs(q) {
		found[row] = true
	}
	counts := map[string]uint64{}
	for i := range m.batch.Logs {
		l := &m.batch.Logs[i]
		if !found[plain(l)] {
			continue
		}
		for _, key := range facetKeys() {
			counts[key+"="+valueOf(key, l.Resource, l.CorrelationID, l.Attributes, map[string]string{"severity": l.Severity.String(), "stream": l.Stream})]++
		}
		counts["in all"]++
	}
	return counts
}

// facetsOf are the facets, and how many the histogram counts.
func facetsOf(t *testing.T, s *segment.Store, q telemetry.LogQuery) map[string]uint64 {
	t.Helper()
	counts := map[string]uint64{}
	list, err := s.Facets(t.Context(), q, facetKeys(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		for _, v := range f.Values {
			counts[f.Key+"="+v.Value] = v.Count
		}
		if f.None > 0 {
			counts[f.Key+"="] = f.None
		}
	}
	if q.From.IsZero() {
		q.From = began.Add(-time.Hour)
	}
	if q.To.IsZero() {
		q.To = began.Add(time.Hour)
	}
	if !q.To.After(q.From) {
		return counts
	}
	parts, err := s.Histogram(t.Context(), q, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		for _, n := range p.Counts {
			if n > 0 {
				counts["in all"] += n
			}
		}
	}
	return counts
}

func (m *maker) times() (from, to time.Time) {
	if m.IntN(3) > 0 {
		from = began.Add(time.Duration(m.IntN(200)) * time.Second)
	}
	if m.IntN(3) > 0 {
		to = began.Add(time.Duration(m.IntN(400)) * time.Second)
	}
	return from, to
}

func (m *maker) where() (list []telemetry.Match) {
	for range m.IntN(3) {
		list = append(list, telemetry.Match{
			Key:   pick(m, "service.name", "service.version", "plat.correlation_id", "http.route", "http.request.method", "http.response.status_code", "peer.service", "note", "ok", "host.name", "order.id", "absent", "size"),
			Value: pick(m, "order", "1.2", "", "c-1", "/orders", "/resource", "GET", "404", "007", "stripe", "twice", "true", "one", "01a209a4-0001", "12x"),
			Not:   m.IntN(3) == 0,
		})
	}
	return list
}

func (m *maker) text() string {
	return pick(m, "", "", "", "ORDER", "größe", "card declined", "01a209a4", "get", "nowhere", `"card was"`, "404", "placed order", "trüe", "007")
}

func (m *maker) spanQuery() telemetry.SpanQuery {
	q := telemetry.SpanQuery{Where: m.where(), Text: m.text(), ErrorsOnly: m.IntN(4) == 0}
	q.From, q.To = m.times()
	switch m.IntN(8) {
	case 0:
		q.TraceID = m.trace()
	case 1:
		q.Services = []string{"order", pick(m, "finance", "nobody")}
	case 2:
		q.Name = pick(m, "charge card", "nothing")
	case 3:
		q.Kinds = []telemetry.SpanKind{pick(m, telemetry.KindUnset, telemetry.KindServer), telemetry.KindClient}
	case 4:
		q.MinDuration, q.MaxDuration = time.Second, time.Duration(m.IntN(4))*time.Second
	case 5:
		q.Correlation = pick(m, "c-1", "c-9")
	}
	return q
}

func (m *maker) logQuery() telemetry.LogQuery {
	q := telemetry.LogQuery{Where: m.where(), Text: m.text(), MinSeverity: pick(m, 0, telemetry.SeverityWarn)}
	q.From, q.To = m.times()
	switch m.IntN(6) {
	case 0:
		q.TraceID = m.trace()
	case 1:
		q.Services = []string{"order"}
	case 2:
		q.Instance = "a"
	case 3:
		q.Correlation = "c-2"
	}
	return q
}

// TestTheStoreIsLikeAPlainSlice does at random what can be done to a store, and
// asks at random.
func TestTheStoreIsLikeAPlainSlice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			likeASlice(t, seed)
		})
	}
}

func likeASlice(t *testing.T, seed uint64) {
	m := newMaker(seed)
	var want model
	dir := t.TempDir()
	options := segment.Options{Dir: dir, Rows: 150, Now: func() time.Time { return began }}
	s, err := segment.Open(t.Context(), thatDay(options))
	if err != nil {
		t.Fatal(err)
	}
	for step := range 40 {
		switch m.IntN(10) {
		case 0:
			err = s.Seal(t.Context(), true)
		case 1:
			s.Scrub()
			err = s.Compact(t.Context())
		case 2:
			if err = s.Close(); err == nil {
				s, err = segment.Open(t.Context(), thatDay(options))
			}
		case 3, 4:
			b := m.batch(m.IntN(40), m.IntN(40))
			want.batch.Spans, want.batch.Logs = append(want.batch.Spans, b.Spans...), append(want.batch.Logs, b.Logs...)
			if err = s.Seal(t.Context(), false); err == nil {
				err = s.Append(t.Context(), b)
			}
		case 5, 6:
			q := m.spanQuery()
			if d := cmp.Diff(want.spans(q), spansOf(t.Context(), t, s, q)); d != "" {
				t.Fatalf("seed %d, step %d, %+v (-want +got): %s", seed, step, q, d)
			}
			by := pick(m, nil, []string{"http.route", "service.name"}, []string{"name", "kind", "status"}, []string{"order.id"}, []string{"http.response.status_code"})
			if d := cmp.Diff(want.groups(q, by), groupsOf(t, s, q, by)); d != "" {
				t.Fatalf("seed %d, step %d, %+v by %q (-want +got): %s", seed, step, q, by, d)
			}
		default:
			q := m.logQuery()
			if d := cmp.Diff(want.logs(q), logsOf(t.Context(), t, s, q)); d != "" {
				t.Fatalf("seed %d, step %d, %+v (-want +got): %s", seed, step, q, d)
			}
			if d := cmp.Diff(want.facets(q), facetsOf(t, s, q)); d != "" {
				t.Fatalf("seed %d, step %d, %+v, facets (-want +got): %s", seed, step, q, d)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); len(st.Damage) > 0 || st.Dropped > 0 || st.Spans != int64(len(want.batch.Spans)) || st.Logs != int64(len(want.batch.Logs)) {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
