package kit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/plat-dev/plat/kit"
)

const patience = time.Minute

func TestMain(m *testing.M) {
	if os.Getenv("KIT_TEST_PROGRAM") != "" {
		slowProgram()
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
		os.Exit(code)
	}))
}

// running is a service under test.
type running struct {
	*kit.Service
	log  *lines
	stop func() error // ends it and gives Run's error; may be called twice
}

// start runs a service and waits until it serves, or until Run has returned.
func start(t *testing.T, env map[string]string, setup func(*kit.Service) error) *running {
	t.Helper()
	all := map[string]string{"PORT": "0", "LOG_LEVEL": "debug"}
	maps.Copy(all, env)
	r := &running{log: &lines{}}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- kit.Run(kit.WithOutput(kit.WithEnv(ctx, all), r.log), "hello", func(s *kit.Service) error {
			r.Service = s
			s.Go("ready", func(context.Context) error { close(ready); return nil })
			if setup == nil {
				return nil
			}
			return setup(s)
		})
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			t.Error("the service does not end")
			return nil
		}
	})
	t.Cleanup(func() {
		_ = r.stop()
		if t.Failed() {
			t.Logf("log of the service:\n%s", r.log)
		}
	})
	select {
	case <-ready:
		await(t, "the service to serve", func() bool { return strings.Contains(r.log.String(), `"msg":"serving"`) })
	case err := <-done:
		done <- err
	case <-time.After(patience):
		t.Fatal("setup does not return")
	}
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request, with headers as key, value, key, value.
func ask(t *testing.T, method, url, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// problem decodes a problem+json answer.
func (a answer) problem(t *testing.T) kit.Problem {
	t.Helper()
	var p kit.Problem
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q of %s", got, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return p
}

// await waits for a condition.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// find gives the first line with this msg, decoded.
func (l *lines) find(t *testing.T, msg string) map[string]any {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("no JSON: %s", line)
		}
		if m["msg"] == msg {
			return m
		}
	}
	t.Fatalf("no line %q in the log:\n%s", msg, l)
	return nil
}
