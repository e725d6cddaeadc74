package control

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
)

// Bounds of what is asked at once.
const (
	defaultTraces  = 20
	defaultRecords = 100
	apiTraceLogs   = 10_000
	joinedTraces   = 50 // traces of one correlation ID or business key that are shown
)

// Telemetry tells what is kept of what the system tells of itself, and what
// was lost.
func (p *plane) Telemetry(context.Context) (api.Telemetry, error) {
	rows, metrics := p.rows.Stats(), p.metrics.Stats()
	out := api.Telemetry{
		Path: rows.Store.Path, Prometheus: p.api + "/prometheus", Jaeger: p.api + "/jaeger",
		OTLP:  []api.Listener{{Protocol: "grpc", URL: p.otlpGRPC}, {Protocol: "http", URL: p.otlpHTTP}},
		Files: rows.Store.Files, Bytes: rows.Store.Bytes + rows.Store.LogBytes, Spans: rows.Store.Spans, Logs: rows.Store.Logs, Oldest: rows.Store.Oldest,
		Series: int64(metrics.Series), DiskFull: rows.Store.DiskFull || metrics.DiskFull, LostUntil: rows.Store.LostUntil,
		Lost: []api.Lost{}, Faults: []*fault.Fault{}, Forwards: []api.Forward{},
	}
	for _, l := range []api.Lost{
		{What: "rows", Reason: "too many at once", Count: rows.Busy}, {What: "rows", Reason: "plat's own, too many at once or not kept", Count: rows.Lost},
		{What: "rows", Reason: "the disk is full", Count: rows.Store.Dropped}, {What: "logs", Reason: "a follower was too slow", Count: rows.Missed},
		{What: "samples", Reason: "the disk is full", Count: metrics.Refused.DiskFull}, {What: "samples", Reason: "too many series", Count: metrics.Refused.Capped},
		{What: "samples", Reason: "too late", Count: metrics.Refused.Late}, {What: "samples", Reason: "from the future", Count: metrics.Refused.Future},
	} {
		if l.Count > 0 {
			out.Lost = append(out.Lost, l)
		}
	}
	if rows.Shifted > 0 {
		out.Changed = []api.Lost{{What: "rows", Reason: "kept with the time of their coming, since theirs is of the future or long ago: " + telemetry.AttributeTime + " has it", Count: rows.Shifted}}
	}
	for _, d := range rows.Store.Damage {
		out.Faults = append(out.Faults, fault.New(fault.TelemetryDamaged, d.File+": "+d.What))
	}
	for _, d := range metrics.Damage {
		out.Faults = append(out.Faults, fault.New(fault.TelemetryDamaged, d.File+": "+d.What))
	}
	for _, st := range p.forwards.Stats() {
		out.Forwards = append(out.Forwards, api.Forward{URL: st.URL, Sent: st.Sent, Dropped: st.Dropped, Queued: st.Queued, Error: st.Error})
	}
	return out, nil
}

// within fills in the ends of a question's time.
func (p *plane) within(from, to time.Time) (time.Time, time.Time) {
	begin, end := p.reach()
	if !from.IsZero() {
		begin = from
	}
	if !to.IsZero() {
		end = to
	}
	return begin, end
}

// conditions reads attribute=value and attribute!=value.
func conditions(list []string) ([]telemetry.Match, error) {
	var all []telemetry.Match
	for _, text := range list {
		key, value, ok := strings.Cut(text, "=")
		m := telemetry.Match{Key: strings.TrimSuffix(key, "!"), Value: value, Not: strings.HasSuffix(key, "!")}
		if !ok || m.Key == "" {
			return nil, fault.Newf(fault.TelemetryBadQuery, "the condition %q is no attribute=value", text).Fix("write one such as http.response.status_code=500 or order!=42")
		}
		all = append(all, m)
	}
	return all, nil
}

// Traces lists traces, the newest first.
func (p *plane) Traces(ctx context.Context, q api.TraceQuery) (api.Traces, error) {
	where, err := conditions(q.Where)
	if err != nil {
		return api.Traces{}, err
	}
	s := telemetry.SpanQuery{Name: q.Name, ErrorsOnly: q.Errors, MinDuration: q.Min, MaxDuration: q.Max, Correlation: q.Correlation, Where: where, Text: q.Text}
	s.From, s.To = p.within(q.From, q.To)
	if q.Service != "" {
		s.Services = []string{q.Service}
	}
	limit := q.Limit
	if limit == 0 {
		limit = defaultTraces
	}
	list, more, err := p.rows.Traces(ctx, s, limit)
	out := api.Traces{Traces: []api.TraceSummary{}, More: more}
	for _, t := range list {
		out.Traces = append(out.Traces, summary(t))
	}
	return out, err
}

func summary(t telemetry.Summary) api.TraceSummary {
	return api.TraceSummary{
		TraceID: t.ID.String(), CorrelationID: t.CorrelationID, Root: t.Root, Service: t.Service, Start: moment(t.Start),
		Duration: t.End - t.Start, Spans: t.Spans, Errors: t.Errors, Services: t.Services,
	}
}

func moment(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// tracesOf finds the traces that an ID stands for, in order of time: a
// trace's own, or all of a correlation ID, an event, or a business key's value.
func (p *plane) tracesOf(ctx context.Context, id string) (ids []telemetry.TraceID, is, key string, err error) {
	if t, bad := telemetry.ParseTraceID(id); bad == nil && len(id) == 32 {
		return []telemetry.TraceID{t}, "trace", "", nil
	}
	from, to := p.reach()
	if ids, err = p.rows.TracesOf(ctx, from, to, id, nil, ""); err != nil || len(ids) > 0 {
		return ids, "correlation", "", err
	}
	if ids, err = p.rows.TracesOf(ctx, from, to, "", []string{"messaging.message.id"}, id); err != nil || len(ids) > 0 {
		return ids, "event", "", err
	}
	keys := p.live().Telemetry.Keys
	for _, key := range slices.Sorted(maps.Keys(keys)) { // the same answer each time
		if ids, err = p.rows.TracesOf(ctx, from, to, "", keys[key], id); err != nil || len(ids) > 0 {
			return ids, "key", key, err
		}
	}
	return nil, "", "", p.rows.Doubt(fault.New(fault.TelemetryNotFound, "nothing is kept of "+id).
		Why("it is no trace, no correlation ID, no event, and no value of a business key").
		Fix("plat traces lists what is there; business keys are declared under telemetry: keys: in plat.yaml"))
}

// trees reads traces whole. Of a trace of which records alone are kept, the tree
// has no nodes; what is no trace any more is left out.
func (p *plane) trees(ctx context.Context, ids []telemetry.TraceID) (trees []telemetry.Tree, warnings []string, err error) {
	for i, id := range ids {
		if i == joinedTraces {
			warnings = append(warnings, fmt.Sprintf("%d more traces belong to it", len(ids)-i))
			break
		}
		spans, more, err := p.rows.Trace(ctx, id)
		if fault.Is(err, fault.TelemetryNotFound) {
			from, to := p.reach()
			bare, bad := p.rows.Bare(ctx, id, from, to)
			switch {
			case bad != nil:
				return nil, nil, bad
			case bare.ID == id:
				warnings = append(warnings, "no span of the trace "+id.String()+" is kept: these records name it")
				trees = append(trees, bare)
				continue
			case len(ids) > 1:
				continue
			}
		}
		if err != nil {
			return nil, nil, err
		}
		if more {
			warnings = append(warnings, fmt.Sprintf("the trace has more than %d spans: the oldest are left out", len(spans)))
		}
		tree := telemetry.Assemble(spans)
		warnings = append(warnings, tree.Warnings...)
		trees = append(trees, tree)
	}
	return trees, warnings, nil
}

// logsOf reads the records of traces, by time: those that name a trace, and
// those of workers that know no more than the correlation ID.
func (p *plane) logsOf(ctx context.Context, trees []telemetry.Tree) (logs []telemetry.Log, err error) {
	asked := map[string]bool{}
	for _, t := range trees {
		near := telemetry.LogQuery{From: moment(t.Start).Add(-time.Hour), To: moment(t.End).Add(time.Hour)}
		q := near
		q.TraceID = t.ID
		some, err := p.rows.LogsOf(ctx, q)
		if err != nil {
			return nil, err
		}
		logs = append(logs, some...)
		id := correlationOf(t)
		if id == "" || asked[id] {
			continue
		}
		asked[id] = true
		q = near
		q.Correlation = id
		if some, err = p.rows.LogsOf(ctx, q); err != nil {
			return nil, err
		}
		for i := range some {
			if some[i].TraceID.IsZero() { // the others are found by their trace
				logs = append(logs, some[i])
			}
		}
		if len(logs) > apiTraceLogs {
			break
		}
	}
	slices.SortStableFunc(logs, func(a, b telemetry.Log) int { return cmp.Compare(a.Time, b.Time) })
	return logs[:min(len(logs), apiTraceLogs)], nil
}

// correlationOf is the correlation ID of a trace; "" where no span has one.
func correlationOf(t telemetry.Tree) string {
	for _, n := range t.Nodes {
		if n.Span.CorrelationID != "" {
			return n.Span.CorrelationID
		}
	}
	return ""
}

// Trace reads one trace with its records; of a correlation ID, an event or a
// business key all its traces, one after another.
func (p *plane) Trace(ctx context.Context, id string) (api.Trace, error) {
	ids, _, _, err := p.tracesOf(ctx, id)
	if err != nil {
		return api.Trace{}, err
	}
	trees, warnings, err := p.trees(ctx, ids)
	if err != nil {
		return api.Trace{}, err
	}
	if len(trees) == 0 { // its records name a trace of which no span is kept
		return api.Trace{}, p.rows.Doubt(fault.New(fault.TelemetryNotFound, "no span of "+id+" is kept").Fix("plat logs --correlation " + id))
	}
	logs, err := p.logsOf(ctx, trees)
	if err != nil {
		return api.Trace{}, err
	}
	first := trees[0]
	out := api.Trace{TraceID: first.ID.String(), Start: moment(first.Start), Spans: []api.Span{}, Logs: []api.LogRecord{}, Linked: []string{}, Warnings: warnings}
	if out.Warnings == nil {
		out.Warnings = []string{}
	}
	out.CorrelationID = correlationOf(first)
	linked := map[string]bool{}
	link := func(id string) {
		if id != out.TraceID && !linked[id] {
			linked[id] = true
			out.Linked = append(out.Linked, id)
		}
	}
	end := first.End
	for _, t := range trees {
		end = max(end, t.End)
		link(t.ID.String())
		for _, n := range t.Nodes {
			out.Spans = append(out.Spans, spanOf(n))
			for _, l := range n.Span.Links {
				link(l.TraceID.String())
			}
		}
	}
	out.Duration = end - first.Start
	if out.Logs, err = p.recordsOf(ctx, trees, logs); err != nil {
		return api.Trace{}, err
	}
	if out.CorrelationID != "" {
		near := moment(first.Start)
		others, err := p.rows.TracesOf(ctx, near.Add(-time.Hour), near.Add(24*time.Hour), out.CorrelationID, nil, "")
		if err != nil {
			return api.Trace{}, err
		}
		for _, id := range others {
			link(id.String())
		}
	}
	return out, nil
}

func spanOf(n *telemetry.Node) api.Span {
	s := n.Span
	out := api.Span{
		ID: s.ID.String(), TraceID: s.TraceID.String(), Depth: n.Depth, Service: s.Resource.Service, Instance: s.Resource.Instance, Version: s.Resource.Version,
		CorrelationID: s.CorrelationID, Name: s.Name, Kind: s.Kind.String(), Start: moment(s.Start), Duration: s.Duration, StatusMessage: s.StatusMessage,
		Critical: n.Critical, Skew: n.Skew, Attributes: attributesOf(s.Attributes),
	}
	if !s.Parent.IsZero() {
		out.Parent = s.Parent.String()
	}
	switch s.Status {
	case telemetry.StatusOK:
		out.Status = "ok"
	case telemetry.StatusError:
		out.Status = "error"
	case telemetry.StatusUnset:
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, api.SpanEvent{Time: moment(e.Time + n.Skew), Name: e.Name, Attributes: attributesOf(e.Attributes)})
	}
	for _, l := range s.Links {
		out.Links = append(out.Links, api.SpanLink{TraceID: l.TraceID.String(), SpanID: l.SpanID.String()})
	}
	return out
}

func attributesOf(list []telemetry.Attribute) map[string]string {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]string, len(list))
	for _, a := range list {
		m[a.Key] = a.Value
	}
	return m
}

func recordOf(l *telemetry.Log) api.LogRecord {
	out := api.LogRecord{
		Time: moment(l.Time), Service: l.Resource.Service, Instance: l.Resource.Instance, Version: l.Resource.Version, Stream: l.Stream,
		Severity: l.Severity.String(), Body: l.Body, CorrelationID: l.CorrelationID, Attributes: attributesOf(l.Attributes),
	}
	if !l.TraceID.IsZero() {
		out.TraceID = l.TraceID.String()
	}
	if !l.SpanID.IsZero() {
		out.SpanID = l.SpanID.String()
	}
	return out
}

// inferredOf is a record of which the trace is inferred.
func inferredOf(l *telemetry.Log, x telemetry.Inference) api.LogRecord {
	out := recordOf(l)
	if x.OneOf > 0 {
		out.Inferred, out.OneOf = true, x.OneOf
		if !x.TraceID.IsZero() {
			out.TraceID, out.SpanID = x.TraceID.String(), x.SpanID.String()
		}
	}
	return out
}

// recordsOf are the records of traces, those that are inferred among them, by
// time. What is inferred for two of them stands once.
func (p *plane) recordsOf(ctx context.Context, trees []telemetry.Tree, logs []telemetry.Log) ([]api.LogRecord, error) {
	records := make([]api.LogRecord, 0, len(logs))
	for i := range logs {
		records = append(records, recordOf(&logs[i]))
	}
	type line struct {
		at             int64
		instance, text string
	}
	seen := map[line]bool{}
	for i := range trees {
		more, inferred, err := p.rows.InferredLogs(ctx, &trees[i])
		if err != nil {
			return nil, err
		}
		for j := range more {
			l := &more[j]
			if key := (line{l.Time, l.Resource.Instance, l.Body}); !seen[key] {
				seen[key] = true
				records = append(records, inferredOf(l, inferred[j]))
			}
		}
		if len(records) >= apiTraceLogs {
			break
		}
	}
	slices.SortStableFunc(records, func(a, b api.LogRecord) int { return a.Time.Compare(b.Time) })
	return records[:min(len(records), apiTraceLogs)], nil
}

// logQuery reads a question for records.
func (p *plane) logQuery(q api.LogSearchQuery) (out telemetry.LogQuery, err error) {
	if out.Where, err = conditions(q.Where); err != nil {
		return out, err
	}
	out.Services, out.Correlation, out.Text = q.Services, q.Correlation, q.Text
	out.From, out.To = p.within(q.From, q.To)
	if q.Severity != "" {
		if out.MinSeverity = telemetry.ParseSeverity(q.Severity); out.MinSeverity == 0 {
			return out, fault.Newf(fault.TelemetryBadQuery, "there is no severity %q", q.Severity).Fix("write TRACE, DEBUG, INFO, WARN, ERROR or FATAL")
		}
	}
	if q.Trace != "" {
		if out.TraceID, err = telemetry.ParseTraceID(q.Trace); err != nil {
			return out, fault.Newf(fault.TelemetryBadQuery, "%q is no trace ID", q.Trace).Why(err.Error())
		}
	}
	if q.Span != "" {
		if out.SpanID, err = telemetry.ParseSpanID(q.Span); err != nil {
			return out, fault.Newf(fault.TelemetryBadQuery, "%q is no span ID", q.Span).Why(err.Error())
		}
	}
	return out, nil
}

// SearchLogs finds records, the newest first, a page at a time.
func (p *plane) SearchLogs(ctx context.Context, q api.LogSearchQuery) (api.LogSearch, error) {
	out := api.LogSearch{Records: []api.LogRecord{}}
	query, err := p.logQuery(q)
	if err != nil {
		return out, err
	}
	limit := q.Limit
	if limit == 0 {
		limit = defaultRecords
	}
	page, err := p.rows.Page(ctx, query, q.Before, limit)
	for i := range page.Logs {
		out.Records = append(out.Records, inferredOf(&page.Logs[i], page.Inferred[i]))
	}
	out.More, out.Before = page.More, page.Before
	return out, err
}

// enough takes away the error of an asker that has enough.
func enough(err error) error {
	if err == telemetry.ErrEnough { //nolint:errorlint // the asker's own
		return nil
	}
	return err
}

// FollowLogs gives records as they come until ctx ends.
func (p *plane) FollowLogs(ctx context.Context, q api.LogSearchQuery) (<-chan api.LogRecord, error) {
	query, err := p.logQuery(q)
	if err != nil {
		return nil, err
	}
	logs, err := p.rows.Follow(ctx, query)
	if err != nil {
		return nil, err
	}
	records := make(chan api.LogRecord)
	go func() { // ends with logs, which ends with ctx
		defer close(records)
		for l := range logs {
			select {
			case records <- recordOf(&l):
			case <-ctx.Done():
			}
		}
	}()
	return records, nil
}
