package kit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plat-dev/plat/kit"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	defer close(block)
	broken := errors.New("no database")
	s := start(t, nil, func(s *kit.Service) error {
		s.Ready("fine", func(context.Context) error { return nil })
		s.Ready("database", func(context.Context) error { return broken })
		s.Ready("panics", func(context.Context) error { panic("oh") })
		s.Ready("hangs", func(context.Context) error { <-block; return nil })
		return nil
	})
	if a := ask(t, http.MethodGet, s.URL()+"/health/live", ""); a.status != http.StatusOK || a.body != `{"status":"live"}`+"\n" {
		t.Errorf("live: %d %s", a.status, a.body)
	}
	begun := time.Now()
	a := ask(t, http.MethodGet, s.URL()+"/health/ready", "")
	if took := time.Since(begun); took < time.Second { // else the one that hangs would be waited for
		t.Errorf("it took %s, the bound is 2s", took)
	}
	for _, part := range []string{
		`{"status":"failing","checks":[{"name":"fine","ok":true},{"name":"database","ok":false,"error":"no database"},{"name":"panics","ok":false,"error":"panic: oh`,
		`{"name":"hangs","ok":false,"error":"no answer within 2s"}]}`,
	} {
		if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, part) {
			t.Errorf("ready: %d %s, want %s", a.status, a.body, part)
		}
	}
	if outside := ask(t, http.MethodGet, s.URL()+"/health/ready", "", "X-Forwarded-For", "192.0.2.1"); strings.Contains(outside.body, "no database") {
		t.Errorf("the reason is told outside: %s", outside.body)
	}
}

func TestReadyWithoutFailingChecks(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.Ready("fine", func(context.Context) error { return nil })
		return nil
	})
	if a := ask(t, http.MethodGet, s.URL()+"/health/ready", ""); a.status != http.StatusOK || a.body != `{"status":"ready","checks":[{"name":"fine","ok":true}]}`+"\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestUntilSetupReturnsTheServiceIsLiveOnly(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) { t.Error("served before setup returned") })
		for path, want := range map[string]int{"/health/live": 200, "/health/ready": 503, "/": 503} {
			if a := ask(t, http.MethodGet, s.URL()+path, ""); a.status != want {
				t.Errorf("%s: %d %s, want %d", path, a.status, a.body, want)
			}
		}
		return nil
	})
	_ = s.stop()
}

func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("the card number is 4711") })
		s.HandleFunc("GET /late", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
			panic("too late")
		})
		return nil
	})
	a := ask(t, http.MethodGet, s.URL()+"/panic", "", "X-Correlation-ID", "c-9")
	want := kit.Problem{
		Title: "Internal Server Error", Status: 500, Code: kit.CodeInternal, Instance: "/panic", CorrelationID: "c-9",
		Detail: "an unforeseen error, see the log under the correlation ID",
	}
	if d := cmp.Diff(want, a.problem(t), cmpopts.IgnoreUnexported(kit.Problem{})); d != "" || a.status != 500 {
		t.Errorf("%d (-want +got):\n%s", a.status, d)
	}
	line := s.log.find(t, "panic in a handler")
	stack, _ := line["stack"].(string)
	if line["error"] != "the card number is 4711" || line["correlation_id"] != "c-9" || line["trace_id"] == nil || !strings.Contains(stack, "server_test.go") {
		t.Errorf("logged %v", line)
	}
	resp, err := http.Get(s.URL() + "/late")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("an answer that broke off looks whole")
	}
}

func TestTheCorrelationID(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, kit.CorrelationID(r.Context()), " ", kit.Caller(r.Context()))
		})
		return nil
	})
	for sent, kept := range map[string]bool{"abc-1": true, "": false, strings.Repeat("x", 129): false, "two words": false, "ü": false} {
		a := ask(t, http.MethodGet, s.URL(), "", "X-Correlation-ID", sent, "Plat-Caller", "web")
		got, caller, _ := strings.Cut(a.body, " ")
		if caller != "web" || got == "" || got != a.header.Get("X-Correlation-ID") || (got == sent) != kept {
			t.Errorf("sent %q: handler has %q, answered %q, caller %q", sent, got, a.header.Get("X-Correlation-ID"), caller)
		}
	}
}

func TestTheDeadlineOfTheCaller(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.HandleFunc("GET /left", func(w http.ResponseWriter, r *http.Request) {
			deadline, ok := r.Context().Deadline()
			_, _ = fmt.Fprint(w, ok && time.Until(deadline) > 10*time.Second && time.Until(deadline) < 50*time.Second)
		})
		s.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			kit.WriteProblem(w, r, kit.ProblemFrom(fmt.Errorf("query: %w", r.Context().Err())))
		})
		s.HandleFunc("GET /never", func(http.ResponseWriter, *http.Request) { t.Error("ran") })
		return nil
	})
	for header, want := range map[string]string{"50000": "true", "": "false", "soon": "false", "90000000000": "false"} {
		if a := ask(t, http.MethodGet, s.URL()+"/left", "", "Plat-Timeout", header); a.body != want {
			t.Errorf("Plat-Timeout %q: %s, want %s", header, a.body, want)
		}
	}
	for path, header := range map[string]string{"/slow": "20", "/never": "0", "/never?": "-9223372036854775808"} {
		a := ask(t, http.MethodGet, s.URL()+path, "", "Plat-Timeout", header)
		if p := a.problem(t); a.status != http.StatusGatewayTimeout || p.Code != kit.CodeDeadline {
			t.Errorf("%s: %d %+v", path, a.status, p)
		}
	}
}

func TestTheBodyLimit(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.SetLimits(kit.Limits{Body: 100})
		s.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
				return
			}
			_, _ = fmt.Fprint(w, len(b))
		})
		return nil
	})
	if a := ask(t, http.MethodPost, s.URL(), strings.Repeat("x", 100)); a.status != 200 || a.body != "100" {
		t.Errorf("at the limit: %d %s", a.status, a.body)
	}
	if a := ask(t, http.MethodPost, s.URL(), strings.Repeat("x", 101)); a.status != 413 || a.problem(t).Code != kit.CodeTooLarge {
		t.Errorf("announced: %d %s", a.status, a.body)
	}
	req, err := http.NewRequest(http.MethodPost, s.URL(), io.MultiReader(strings.NewReader(strings.Repeat("x", 101)))) // no length
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("not announced: %d", resp.StatusCode)
	}
}

func TestTheConnectionKeepsWhatItCanDo(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
			if _, ok := w.(http.Flusher); !ok {
				t.Error("no http.Flusher")
			}
			_, _ = io.WriteString(w, "data: 1\n\n")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-s.Draining():
			case <-r.Context().Done():
			}
		})
		hijack := func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
			_ = rw.Flush()
		}
		s.HandleFunc("GET /upgrade", hijack)
		s.HandleFunc("GET /upgrade-directly", func(w http.ResponseWriter, r *http.Request) {
			if _, ok := w.(http.Hijacker); !ok {
				t.Error("no http.Hijacker")
			}
			hijack(w, r)
		})
		s.HandleFunc("GET /hints", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNotFound)
		})
		return nil
	})
	resp, err := http.Get(s.URL() + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "data: 1\n" {
		t.Errorf("event %q, %v", line, err)
	}
	for _, path := range []string{"/upgrade", "/upgrade-directly"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", path)
		b, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || !strings.HasSuffix(string(b), "\r\n\r\nhello\n") {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	if a := ask(t, http.MethodGet, s.URL()+"/hints", ""); a.status != http.StatusNotFound {
		t.Errorf("after 103: %d", a.status)
	}
	await(t, "the access log", func() bool { return strings.Count(s.log.String(), `"msg":"request"`) == 3 })
	if !strings.Contains(s.log.String(), `"path":"/hints","status":404`) || !strings.Contains(s.log.String(), `"path":"/upgrade","status":101`) {
		t.Error("the access log has the wrong status")
	}
}

func TestHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
		return nil
	})
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &p}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "HTTP/2.0" {
		t.Errorf("%q, %v", b, err)
	}
	if a := ask(t, http.MethodGet, s.URL(), ""); a.body != "HTTP/1.1" {
		t.Errorf("%q", a.body)
	}
}

func TestHeadersAreLimited(t *testing.T) {
	t.Parallel()
	s := start(t, nil, nil)
	if a := ask(t, http.MethodGet, s.URL(), "", "X-Large", strings.Repeat("x", 80<<10)); a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", a.status)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	own := kit.NewProblem(http.StatusConflict, "out-of-stock", "no copies left")
	tests := []struct {
		name   string
		err    error
		status int
		code   string
		detail string
	}{
		{"its own", fmt.Errorf("place order: %w", own), 409, "out-of-stock", "no copies left"},
		{"no time", fmt.Errorf("x: %w", context.DeadlineExceeded), 504, kit.CodeDeadline, "the time that the caller gave is over"},
		{"cancelled", context.Canceled, 503, kit.CodeUnavailable, "the request was cancelled"},
		{"too large", &http.MaxBytesError{}, 413, kit.CodeTooLarge, "the request's body is over the limit"},
		{"unknown", errors.New("password is hunter2"), 500, kit.CodeInternal, "an unforeseen error, see the log under the correlation ID"},
		{"nonsense status", &kit.Problem{Status: 7}, 500, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/1?secret=x", nil)
			r = r.WithContext(kit.WithCorrelationID(r.Context(), "c-1"))
			kit.WriteProblem(w, r, kit.ProblemFrom(test.err))
			a := answer{w.Code, w.Header(), w.Body.String()}
			p := a.problem(t)
			want := kit.Problem{Title: http.StatusText(test.status), Status: test.status, Code: test.code, Detail: test.detail, Instance: "/orders/1", CorrelationID: "c-1"}
			if d := cmp.Diff(want, p, cmpopts.IgnoreUnexported(kit.Problem{})); d != "" || w.Code != test.status {
				t.Errorf("%d (-want +got):\n%s", w.Code, d)
			}
		})
	}
	w := httptest.NewRecorder()
	kit.WriteProblem(w, httptest.NewRequest(http.MethodGet, "/", nil), nil)
	if w.Code != 500 || own.Instance != "" {
		t.Errorf("nil: %d; the original has instance %q", w.Code, own.Instance)
	}
	if got, want := own.Error(), "409 Conflict [out-of-stock]: no copies left"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if kit.StatusOf(fmt.Errorf("x: %w", own)) != 409 || kit.StatusOf(errors.New("x")) != 0 {
		t.Error("StatusOf")
	}
}
