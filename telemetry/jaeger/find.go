package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/telemetry"
)

// question is a search for traces.
type question struct {
	spans    telemetry.SpanQuery
	limit    int
	noErrors bool // error=false
	raw      bool // clocks are left as they are
}

// parse reads the parameters of /api/traces.
func (h *handler) parse(form url.Values) (q question, err error) {
	q.limit, q.raw = defaultTraces, form.Get("raw") == "true"
	if text := form.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 0 {
			return q, wrong("unable to parse param 'limit': expected a number")
		}
	}
	if q.limit == 0 {
		q.limit = defaultTraces
	}
	q.limit = min(q.limit, maxTraces)
	service := form.Get("service")
	if service == "" {
		return q, wrong("parameter 'service' is required")
	}
	q.spans.Services, q.spans.Name = []string{service}, form.Get("operation")
	if q.spans.To, err = micros(form, "end", h.now().Add(time.Second)); err != nil {
		return q, err
	}
	back := 2 * 24 * time.Hour
	if text := form.Get("lookback"); text != "" && text != "custom" {
		if back, err = lookback(text); err != nil {
			return q, err
		}
	}
	if q.spans.From, err = micros(form, "start", q.spans.To.Add(-back)); err != nil {
		return q, err
	}
	if q.spans.MinDuration, err = duration(form, "minDuration"); err != nil {
		return q, err
	}
	if q.spans.MaxDuration, err = duration(form, "maxDuration"); err != nil {
		return q, err
	}
	if q.spans.MaxDuration > 0 && q.spans.MaxDuration < q.spans.MinDuration {
		return q, wrong("'maxDuration' should be greater than 'minDuration'")
	}
	tags, err := tagsOf(form)
	if err != nil {
		return q, err
	}
	q.tagged(tags)
	return q, nil
}

func micros(form url.Values, name string, otherwise time.Time) (time.Time, error) {
	text := form.Get(name)
	if text == "" {
		return otherwise, nil
	}
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return otherwise, wrong("unable to parse param '" + name + "': expected microseconds since 1970")
	}
	return time.UnixMicro(us), nil
}

func duration(form url.Values, name string) (time.Duration, error) {
	text := form.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, wrong("unable to parse param '" + name + "': expected a duration such as 1.2s, 100ms or 500us")
	}
	return d, nil
}

// lookback reads what the user interface offers: 5m, 2h, 7d, 2w.
func lookback(text string) (time.Duration, error) {
	units := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	if unit, ok := units[text[len(text)-1:]]; ok {
		if n, err := strconv.Atoi(text[:len(text)-1]); err == nil && n >= 0 && n < 10_000 {
			return time.Duration(n) * unit, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, wrong("unable to parse param 'lookback': expected a duration such as 1h or 2d")
	}
	return d, nil
}

// tagsOf reads tag=key:value, and tags as a JSON object of strings.
func tagsOf(form url.Values) (map[string]string, error) {
	tags := map[string]string{}
	for _, tag := range form["tag"] {
		key, value, ok := strings.Cut(tag, ":")
		if !ok {
			return nil, wrong("malformed 'tag' parameter, expecting key:value, received: " + tag)
		}
		tags[key] = value
	}
	for _, text := range form["tags"] {
		var more map[string]string
		if err := json.Unmarshal([]byte(text), &more); err != nil {
			return nil, wrong("malformed 'tags' parameter, expecting a JSON object whose values are strings")
		}
		for key, value := range more {
			tags[key] = value
		}
	}
	if len(tags) > 64 {
		return nil, wrong("more than 64 tags")
	}
	return tags, nil
}

// tagged adds the conditions of tags. Some stand for columns.
func (q *question) tagged(tags map[string]string) {
	for key, value := range tags {
		kind := slices.IndexFunc(kinds[:], func(k telemetry.SpanKind) bool { return k.String() == strings.ToLower(value) })
		switch {
		case key == "error" && value == "true", key == "otel.status_code" && value == "ERROR":
			q.spans.ErrorsOnly = true
		case key == "error" && value == "false":
			q.noErrors = true
		case key == "span.kind" && kind >= 0:
			q.spans.Kinds = []telemetry.SpanKind{kinds[kind]}
		case key == "plat.correlation_id":
			q.spans.Correlation = value
		default:
			q.spans.Where = append(q.spans.Where, telemetry.Match{Key: key, Value: value})
		}
	}
}

var kinds = [...]telemetry.SpanKind{telemetry.KindInternal, telemetry.KindServer, telemetry.KindClient, telemetry.KindProducer, telemetry.KindConsumer} //nolint:gochecknoglobals // a constant table

// found is a trace that was read.
type found struct {
	id    telemetry.TraceID
	spans []telemetry.Span
	more  bool // there are more spans
}

// find searches, and reads the traces that it found. It ends with fewer when
// they have too many spans together.
func (h *handler) find(ctx context.Context, q question) ([]found, error) {
	at := map[telemetry.TraceID]int64{}
	var order []telemetry.TraceID
	scanned := 0
	err := h.source.Spans(ctx, q.spans, func(s *telemetry.Span) error {
		if scanned++; scanned > maxScanned {
			return telemetry.ErrEnough
		}
		if _, ok := at[s.TraceID]; ok || q.noErrors && s.Status == telemetry.StatusError {
			return nil
		}
		at[s.TraceID] = s.Start
		if order = append(order, s.TraceID); len(order) == q.limit {
			return telemetry.ErrEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, telemetry.ErrEnough) {
		return nil, err
	}
	traces, left := []found{}, h.spans
	for _, id := range order {
		start := time.Unix(0, at[id])
		f, err := h.read(ctx, telemetry.SpanQuery{TraceID: id, From: start.Add(-around), To: start.Add(around)}, left)
		if err != nil {
			return nil, err
		}
		if len(f.spans) > 0 {
			traces = append(traces, f)
		}
		if left -= len(f.spans); left <= 0 {
			break
		}
	}
	return traces, nil
}

// read reads a trace, no more of it than limit.
func (h *handler) read(ctx context.Context, q telemetry.SpanQuery, limit int) (found, error) {
	f := found{id: q.TraceID}
	err := h.source.Spans(ctx, q, func(s *telemetry.Span) error {
		if len(f.spans) == limit {
			f.more = true
			return telemetry.ErrEnough
		}
		f.spans = append(f.spans, s.Clone())
		return nil
	})
	if errors.Is(err, telemetry.ErrEnough) {
		err = nil
	}
	return f, err
}

func (h *handler) search(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return wrong("malformed parameters")
	}
	if ids := r.Form["traceID"]; len(ids) > 0 {
		return h.several(w, r, ids)
	}
	q, err := h.parse(r.Form)
	if err != nil {
		return err
	}
	traces, err := h.find(r.Context(), q)
	if err != nil {
		return err
	}
	writeTraces(w, traces, q.raw, nil)
	return nil
}

// several answers traceID=, which may be there more than once. Those that are
// not kept are told of as errors.
func (h *handler) several(w http.ResponseWriter, r *http.Request, ids []string) error {
	if len(ids) > maxTraces {
		return wrong(fmt.Sprintf("more than %d traces", maxTraces))
	}
	traces, left := []found{}, h.spans
	var lacking []mistake
	for _, text := range ids {
		id, err := telemetry.ParseTraceID(text)
		if err != nil {
			return wrong("cannot parse traceID param: " + err.Error())
		}
		if left <= 0 {
			break
		}
		f, err := h.read(r.Context(), telemetry.SpanQuery{TraceID: id}, left)
		if err != nil {
			return err
		}
		if len(f.spans) == 0 {
			lacking = append(lacking, mistake{Msg: notFound, TraceID: text})
			continue
		}
		traces = append(traces, f)
		left -= len(f.spans)
	}
	writeTraces(w, traces, r.Form.Get("raw") == "true", lacking)
	return nil
}

const notFound = "trace not found"

func (h *handler) trace(w http.ResponseWriter, r *http.Request) error {
	f, err := h.one(r)
	if err != nil {
		return err
	}
	writeTraces(w, []found{f}, r.FormValue("raw") == "true", nil)
	return nil
}

// one reads the trace that the path names. start and end, which help stores
// that need them, are checked and not needed.
func (h *handler) one(r *http.Request) (found, error) {
	if err := r.ParseForm(); err != nil {
		return found{}, wrong("malformed parameters")
	}
	for _, name := range [...]string{"start", "end"} {
		if _, err := micros(r.Form, name, time.Time{}); err != nil {
			return found{}, err
		}
	}
	return h.byID(r)
}

func (h *handler) byID(r *http.Request) (found, error) {
	id, err := telemetry.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return found{}, wrong("cannot parse the trace ID: " + err.Error())
	}
	f, err := h.read(r.Context(), telemetry.SpanQuery{TraceID: id}, h.spans)
	if err == nil && len(f.spans) == 0 {
		err = &asked{http.StatusNotFound, notFound}
	}
	return f, err
}
