package kit

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

const (
	otlpTimeout    = 10 * time.Second
	otlpRetryFirst = 200 * time.Millisecond
	otlpRetryMost  = 5 * time.Second
	otlpSayEvery   = time.Minute // at most one line in the log about lost spans
)

// exporter sends spans by OTLP over HTTP with protobuf, as the OTEL_EXPORTER_
// variables of OpenTelemetry's specification say.
type exporter struct {
	endpoint string
	header   http.Header
	gzip     bool
	timeout  time.Duration
	client   *http.Client
	log      *slog.Logger

	mu   sync.Mutex
	lost int       // spans since said
	said time.Time // when the log was last told
}

// newExporter makes an exporter, nil where no endpoint is given.
func newExporter(env func(string) string, log *slog.Logger) (*exporter, error) {
	of := func(name string) string {
		return or(env("OTEL_EXPORTER_OTLP_TRACES_"+name), env("OTEL_EXPORTER_OTLP_"+name))
	}
	endpoint := of("ENDPOINT")
	if endpoint == "" || env("OTEL_SDK_DISABLED") == "true" || env("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: expected an http URL such as http://127.0.0.1:4318")
	}
	if env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		u = u.JoinPath("v1/traces")
	}
	if p := of("PROTOCOL"); p != "" && p != "http/protobuf" {
		log.Warn("OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf is used", "value", p)
	}
	e := &exporter{endpoint: u.String(), header: http.Header{}, timeout: otlpTimeout, log: log, gzip: of("COMPRESSION") == "gzip"}
	if t := of("TIMEOUT"); t != "" {
		ms, err := strconv.Atoi(t)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT: %q is wrong, expected milliseconds", t)
		}
		e.timeout = time.Duration(ms) * time.Millisecond
	}
	headers, err := pairs(of("HEADERS"))
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: %w", err)
	}
	for _, kv := range headers {
		e.header.Set(kv[0], kv[1])
	}
	e.client = &http.Client{Transport: newTransport(false)}
	return e, nil
}

// pairs reads key=value,key=value with percent-encoded values.
func pairs(text string) ([][2]string, error) {
	var all [][2]string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
			return nil, fmt.Errorf("expected key=value,key=value with percent-encoded values")
		}
		all = append(all, [2]string{key, value})
	}
	return all, nil
}

// ExportSpans implements the SDK's SpanExporter. What cannot be sent is
// dropped, counted and said in the log.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	body := encodeSpans(spans)
	if e.gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // a bytes.Buffer takes everything
		_ = z.Close()
		body = b.Bytes()
	}
	for pause := otlpRetryFirst; ; pause = min(2*pause, otlpRetryMost) {
		again, after, err := e.post(ctx, body)
		if err == nil {
			return nil
		}
		if !again {
			e.drop(len(spans), err)
			return nil
		}
		select {
		case <-time.After(max(pause, after)):
		case <-ctx.Done():
			e.drop(len(spans), err)
			return nil
		}
	}
}

// post sends once and says whether another try may help, and after what time.
func (e *exporter) post(ctx context.Context, body []byte) (again bool, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	for k, v := range e.header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if e.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return true, 0, err
	}
	defer resp.Body.Close()
	drain(resp.Body)
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // none is 0
		return true, time.Duration(min(max(seconds, 0), 60)) * time.Second, fmt.Errorf("status %d", resp.StatusCode)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return false, 0, fmt.Errorf("status %d", resp.StatusCode)
	}
	return false, 0, nil
}

func (e *exporter) drop(spans int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost += spans
	if time.Since(e.said) < otlpSayEvery {
		return
	}
	e.log.Warn("spans are lost: the OTLP endpoint does not take them", "spans", e.lost, "error", err.Error())
	e.lost, e.said = 0, time.Now()
}

// Shutdown implements the SDK's SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost > 0 {
		e.log.Warn("spans are lost: the OTLP endpoint does not take them", "spans", e.lost)
		e.lost = 0
	}
	e.client.CloseIdleConnections()
	return nil
}
