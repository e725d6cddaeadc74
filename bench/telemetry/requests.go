package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
	"github.com/plat-dev/plat/telemetry/segment"
)

// requests are made before anything is measured, and wait in a file.
type requests struct {
	name   string
	list   []request
	traces []telemetry.TraceID // some of them
}

// request is where the body of one stands in the file.
type request struct {
	path string
	size int
}

// made makes requests with rows in the order of time, half spans and half log
// records.
func made(name string, rows int, began time.Time) (q requests, err error) {
	q.name = name
	out, err := os.Create(name) //nolint:gosec // in the bench's own folder
	if err != nil {
		return q, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	m := newMaker(began)
	step := fullDay.Nanoseconds() / int64(rows)
	for done := 0; done < rows; done += batchRows {
		b := m.batch(min(batchRows, rows-done), step)
		if len(q.traces) < 200 && done/batchRows%8 == 0 {
			q.traces = append(q.traces, b.Spans[0].TraceID)
		}
		for path, message := range map[string]proto.Message{"/v1/traces": tracesOf(b), "/v1/logs": logsOf(b)} {
			body, err := proto.Marshal(message)
			if err != nil {
				return q, err
			}
			if _, err := out.Write(body); err != nil {
				return q, err
			}
			q.list = append(q.list, request{path, len(body)})
		}
	}
	return q, nil
}

// take gives the requests to the whole way in: OTLP, redaction, log. Only the
// socket is left out.
func (q requests) take(ctx context.Context, store *segment.Store) (err error) {
	in, err := os.Open(q.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	receiver := otlp.New(otlp.Options{Rows: telemetry.New(telemetry.Options{Store: store})}).HTTP()
	for _, r := range q.list {
		ask := httptest.NewRequestWithContext(ctx, http.MethodPost, r.path, io.LimitReader(in, int64(r.size)))
		ask.Header.Set("Content-Type", "application/x-protobuf")
		ask.ContentLength = int64(r.size)
		w := httptest.NewRecorder()
		if receiver.ServeHTTP(w, ask); w.Code != http.StatusOK {
			return fmt.Errorf("%s is answered by %d: %s", r.path, w.Code, w.Body)
		}
	}
	return nil
}

// tracesOf and logsOf make OTLP of rows, grouped by resource, as a collector
// sends them.
func tracesOf(b telemetry.Batch) *trace.TracesData {
	spans := &trace.TracesData{}
	for r, list := range grouped(b.Spans, func(s *telemetry.Span) *telemetry.Resource { return s.Resource }) {
		scope := &trace.ScopeSpans{Scope: &common.InstrumentationScope{Name: list[0].Scope}}
		for _, s := range list {
			scope.Spans = append(scope.Spans, &trace.Span{
				TraceId: s.TraceID[:], SpanId: s.ID[:], ParentSpanId: s.Parent[:], Name: s.Name, Kind: trace.Span_SpanKind(s.Kind),
				StartTimeUnixNano: uint64(s.Start), EndTimeUnixNano: uint64(s.End()), // #nosec G115 -- not negative
				Status:     &trace.Status{Code: trace.Status_StatusCode(s.Status)},
				Attributes: append(keyValues(s.Attributes), textOf("plat.correlation_id", s.CorrelationID)),
			})
		}
		spans.ResourceSpans = append(spans.ResourceSpans, &trace.ResourceSpans{Resource: resourceOf(r), ScopeSpans: []*trace.ScopeSpans{scope}})
	}
	return spans
}

func logsOf(b telemetry.Batch) *logs.LogsData {
	records := &logs.LogsData{}
	for r, list := range grouped(b.Logs, func(l *telemetry.Log) *telemetry.Resource { return l.Resource }) {
		scope := &logs.ScopeLogs{Scope: &common.InstrumentationScope{Name: list[0].Scope}}
		for _, l := range list {
			scope.LogRecords = append(scope.LogRecords, &logs.LogRecord{
				TimeUnixNano: uint64(l.Time), ObservedTimeUnixNano: uint64(l.Time), SeverityNumber: logs.SeverityNumber(l.Severity), SeverityText: l.Severity.String(), // #nosec G115 -- not negative
				Body: textOf("", l.Body).GetValue(), TraceId: l.TraceID[:], SpanId: l.SpanID[:],
				Attributes: append(keyValues(l.Attributes), textOf("plat.correlation_id", l.CorrelationID)),
			})
		}
		records.ResourceLogs = append(records.ResourceLogs, &logs.ResourceLogs{Resource: resourceOf(r), ScopeLogs: []*logs.ScopeLogs{scope}})
	}
	return records
}

// grouped gives the rows of each resource.
func grouped[T any](rows []T, of func(*T) *telemetry.Resource) map[*telemetry.Resource][]*T {
	groups := map[*telemetry.Resource][]*T{}
	for i := range rows {
		r := of(&rows[i])
		groups[r] = append(groups[r], &rows[i])
	}
	return groups
}

func resourceOf(r *telemetry.Resource) *resource.Resource {
	return &resource.Resource{Attributes: append(keyValues(r.Attributes),
		textOf("service.name", r.Service), textOf("service.instance.id", r.Instance), textOf("service.version", r.Version))}
}

func textOf(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func keyValues(list []telemetry.Attribute) []*common.KeyValue {
	made := make([]*common.KeyValue, 0, len(list)+3)
	for _, a := range list {
		kv := textOf(a.Key, a.Value)
		if n, err := strconv.ParseInt(a.Value, 10, 64); err == nil && a.Kind == telemetry.Int {
			kv.Value.Value = &common.AnyValue_IntValue{IntValue: n}
		}
		made = append(made, kv)
	}
	return made
}
