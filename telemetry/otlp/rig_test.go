package otlp_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is Rows and Metrics.
type sink struct {
	mu       sync.Mutex
	spans    []telemetry.Span
	logs     []telemetry.Log
	metrics  [][]byte
	err      error
	rejected int64
	message  string
	hold     chan struct{} // Take waits until it is closed
	held     int           // how many waited
}

func (s *sink) Take(ctx context.Context, b telemetry.Batch) error {
	s.mu.Lock()
	hold := s.hold
	if hold != nil {
		s.held++
	}
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.spans = append(s.spans, b.Spans...)
		s.logs = append(s.logs, b.Logs...)
	}
	return s.err
}

func (s *sink) TakeOTLP(_ context.Context, request []byte) (int64, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.metrics = append(s.metrics, bytes.Clone(request))
	}
	return s.rejected, s.message, s.err
}

func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *sink) holds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held > 0
}

func (s *sink) rows() ([]telemetry.Span, []telemetry.Log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spans, s.logs
}

// serve is a receiver that answers by HTTP; it gives the base URL.
func serve(t *testing.T, s *sink, limits otlp.Limits) (*otlp.Receiver, string) {
	t.Helper()
	r := otlp.New(otlp.Options{Rows: s, Metrics: s, Limits: limits})
	return r, "http://" + run(t, r.ServeHTTP)
}

// serveGRPC is a receiver that answers by gRPC; it gives its address.
func serveGRPC(t *testing.T, s *sink, limits otlp.Limits) (*otlp.Receiver, string) {
	t.Helper()
	r := otlp.New(otlp.Options{Rows: s, Metrics: s, Limits: limits})
	return r, run(t, r.ServeGRPC)
}

// run serves until the test ends, and gives the address.
func run(t *testing.T, serve func(context.Context, net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(running, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return c
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// post sends a body and gives the answer, whose body is read.
func post(t *testing.T, url string, header map[string]string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx(t), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(raw)
}

// taken is what comes of a request in protobuf, without a network.
func taken(t *testing.T, path string, message proto.Message) (*sink, *httptest.ResponseRecorder) {
	t.Helper()
	raw, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return takenRaw(t, path, "application/x-protobuf", raw)
}

func takenRaw(t *testing.T, path, media string, raw []byte) (*sink, *httptest.ResponseRecorder) {
	t.Helper()
	s := &sink{}
	q := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(raw))
	q.Header.Set("Content-Type", media)
	w := httptest.NewRecorder()
	otlp.New(otlp.Options{Rows: s, Metrics: s}).HTTP().ServeHTTP(w, q)
	return s, w
}
