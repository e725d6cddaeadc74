package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Telemetry tells what is kept of spans, records and metrics, and what was lost.
func (c *Client) Telemetry(ctx context.Context) (Telemetry, error) {
	return get[Telemetry](ctx, c, "/v1/telemetry")
}

// Traces lists traces, the newest first.
func (c *Client) Traces(ctx context.Context, q TraceQuery) (Traces, error) {
	v := question{}
	v.between(q.From, q.To)
	v.text("service", q.Service)
	v.text("name", q.Name)
	if q.Errors {
		v.text("error", "true")
	}
	v.length("min", q.Min)
	v.length("max", q.Max)
	v.text("correlation", q.Correlation)
	v["where"] = q.Where
	v.text("text", q.Text)
	v.number("limit", q.Limit)
	return get[Traces](ctx, c, "/v1/traces?"+url.Values(v).Encode())
}

// Trace reads a trace with its log records, by its ID, a correlation ID, an
// event's ID or a business key; telemetry-not-found when nothing is kept of it.
func (c *Client) Trace(ctx context.Context, id string) (Trace, error) {
	return get[Trace](ctx, c, "/v1/traces/"+url.PathEscape(id))
}

// Story tells everything behind an ID; telemetry-not-found when nothing is kept
// of it.
func (c *Client) Story(ctx context.Context, id string) (Story, error) {
	return get[Story](ctx, c, "/v1/why/"+url.PathEscape(id))
}

// SearchLogs finds log records, the newest first.
func (c *Client) SearchLogs(ctx context.Context, q LogSearchQuery) (LogSearch, error) {
	return get[LogSearch](ctx, c, "/v1/logs/search?"+q.values().Encode())
}

// LogOverview tells how the records of a question spread over time and values.
func (c *Client) LogOverview(ctx context.Context, q LogSearchQuery) (LogOverview, error) {
	return get[LogOverview](ctx, c, "/v1/logs/overview?"+q.values().Encode())
}

// FollowLogs calls each with every record that comes and matches, until ctx
// ends or each returns an error, which it returns.
func (c *Client) FollowLogs(ctx context.Context, q LogSearchQuery, each func(LogRecord) error) error {
	resp, err := c.send(ctx, http.MethodGet, "/v1/logs/stream?"+q.values().Encode(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var l LogRecord
		if err := json.Unmarshal([]byte(data), &l); err != nil {
			return c.unreachable(err)
		}
		if err := each(l); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return c.unreachable(err)
	}
	return ctx.Err()
}

func (q LogSearchQuery) values() url.Values {
	v := question{}
	v.between(q.From, q.To)
	v["service"] = q.Services
	v.text("severity", q.Severity)
	v.text("trace", q.Trace)
	v.text("span", q.Span)
	v.text("correlation", q.Correlation)
	v["where"] = q.Where
	v.text("text", q.Text)
	v.number("limit", q.Limit)
	v.text("before", q.Before)
	return url.Values(v)
}

// question is the parameters of one; what is zero is left out.
type question url.Values

func (v question) text(name, value string) {
	if value != "" {
		v[name] = []string{value}
	}
}

func (v question) number(name string, n int) {
	if n != 0 {
		v.text(name, strconv.Itoa(n))
	}
}

func (v question) length(name string, d time.Duration) {
	if d != 0 {
		v.text(name, d.String())
	}
}

func (v question) between(from, to time.Time) {
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			v.text(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
}
