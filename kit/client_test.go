package kit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/internal/liar"
)

// neighbour is a service called catalog; its client belongs to a running
// service called hello.
func neighbour(t *testing.T, handle http.HandlerFunc) *kit.Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	var c *kit.Client
	start(t, map[string]string{"PLAT_URL_CATALOG": server.URL + "/base/"}, func(s *kit.Service) error {
		c = s.Client("catalog")
		return nil
	})
	return c
}

func TestACall(t *testing.T) {
	t.Parallel()
	type album struct {
		SKU   string `json:"sku"`
		Count int    `json:"count"`
	}
	c := neighbour(t, func(w http.ResponseWriter, r *http.Request) {
		var in album
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		got := []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key")}
		if d := cmp.Diff([]string{"PUT", "/base/albums/a%2Fb", "q=1", "application/json", "k"}, got); d != "" {
			t.Errorf("request (-want +got):\n%s", d)
		}
		w.Header().Set("Location", "/albums/a")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(album{in.SKU, in.Count + 1})
	})
	var out album
	var header http.Header
	err := c.Do(t.Context(), http.MethodPut, "/albums/a%2Fb?q=1", album{"a", 1}, &out, kit.Header("Idempotency-Key", "k"), kit.AnswerHeader(&header))
	if err != nil || out != (album{"a", 2}) || header.Get("Location") != "/albums/a" {
		t.Errorf("%v, %v, %v", out, header, err)
	}
}

// TestGRPCGoesByHTTP2 calls another service of the kit as a generated gRPC
// client does: by HTTP/2, with trailers after the answer.
func TestGRPCGoesByHTTP2(t *testing.T) {
	t.Parallel()
	catalog := start(t, nil, func(s *kit.Service) error {
		s.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "Grpc-Status")
			fmt.Fprint(w, r.Proto, " ", kit.CorrelationID(r.Context()))
			w.Header().Set("Grpc-Status", "0")
		})
		return nil
	})
	var c *kit.Client
	start(t, map[string]string{"PLAT_URL_CATALOG": catalog.URL()}, func(s *kit.Service) error {
		c = s.Client("catalog")
		return nil
	})
	for kind, want := range map[string]string{"application/grpc+proto": "HTTP/2.0 c-1", "application/grpc": "HTTP/2.0 c-1", "application/json": "HTTP/1.1 c-1"} {
		req, err := http.NewRequestWithContext(kit.WithCorrelationID(t.Context(), "c-1"), http.MethodPost, c.Base.String()+"/", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		resp, err := c.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != want || resp.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%s: %q, %v, trailer %v", kind, body, err, resp.Trailer)
		}
	}
}

func TestACallCarriesTheWorkItBelongsTo(t *testing.T) {
	t.Parallel()
	var last http.Header
	catalog := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.Header.Clone()
		_, _ = io.WriteString(w, "{}")
	}))
	defer catalog.Close()
	web := start(t, map[string]string{"PLAT_URL_CATALOG": catalog.URL}, func(s *kit.Service) error {
		c := s.Client("catalog")
		s.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(20 * time.Millisecond)
			if err := c.Get(r.Context(), "/", nil); err != nil {
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
			}
		})
		return nil
	})
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	headers := []string{"X-Correlation-ID", "c-5", "traceparent", "00-" + trace + "-00f067aa0ba902b7-01", "tracestate", "a=b", "baggage", "k=v"}
	a := ask(t, http.MethodGet, web.URL(), "", append(headers, "Plat-Timeout", "60000")...)
	left, err := strconv.Atoi(last.Get("Plat-Timeout"))
	if a.status != 200 || err != nil || left > 59_980 || left < 30_000 {
		t.Errorf("status %d, Plat-Timeout %q of 60000", a.status, last.Get("Plat-Timeout"))
	}
	parent := last.Get("traceparent")
	if last.Get("X-Correlation-ID") != "c-5" || !strings.HasPrefix(parent, "00-"+trace+"-") || strings.Contains(parent, "00f067aa0ba902b7") ||
		!strings.HasSuffix(parent, "-01") || last.Get("tracestate") != "a=b" || last.Get("baggage") != "k=v" {
		t.Errorf("headers %v", last)
	}
	ask(t, http.MethodGet, web.URL(), "")
	if left, err := strconv.Atoi(last.Get("Plat-Timeout")); err != nil || left > 5000 || left < 4000 {
		t.Errorf("without a deadline: Plat-Timeout %q", last.Get("Plat-Timeout"))
	}
	if id := last.Get("X-Correlation-ID"); id == "" || id == "c-5" {
		t.Errorf("without a correlation ID: %q", id)
	}
}

func TestAnAnswerThatIsNotFine(t *testing.T) {
	t.Parallel()
	c := neighbour(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/base/problem":
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"title":"Unknown album","status":200,"detail":"no album a","code":"unknown-album","correlationId":"c","errors":[{"location":"path.sku","message":"unknown"}],"extra":1}`)
		case "/base/text":
			http.Error(w, "too many\xff", http.StatusTooManyRequests)
		case "/base/html":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<h1>nginx</h1>")
		case "/base/broken":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"title":`)
		case "/base/moved":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}
	})
	tests := map[string]struct {
		want    kit.Problem
		text    string
		outside int
	}{
		"/problem": {kit.Problem{
			Title: "Unknown album", Status: 404, Detail: "no album a", Code: "unknown-album", CorrelationID: "c",
			Errors: []kit.FieldError{{Location: "path.sku", Message: "unknown"}},
		}, "catalog: 404 Unknown album [unknown-album]: no album a", 502},
		"/text":   {kit.Problem{Status: 429, Detail: "too many"}, "catalog: 429 Too Many Requests: too many", 503},
		"/html":   {kit.Problem{Status: 502}, "catalog: 502 Bad Gateway", 502},
		"/broken": {kit.Problem{Status: 400}, "catalog: 400 Bad Request", 502},
		"/moved":  {kit.Problem{Title: "Unexpected answer", Status: 502, Detail: "status 302"}, "catalog: 502 Unexpected answer: status 302", 502},
	}
	for path, test := range tests {
		err := c.Get(t.Context(), path, nil)
		p, ok := errors.AsType[*kit.Problem](err)
		if !ok {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if d := cmp.Diff(test.want, *p, cmpopts.IgnoreUnexported(kit.Problem{})); d != "" || err.Error() != test.text {
			t.Errorf("%s: %s (-want +got):\n%s", path, err, d)
		}
		if out := kit.ProblemFrom(err); out.Status != test.outside || strings.Contains(out.Detail, "album") {
			t.Errorf("%s: outside %+v", path, out)
		}
	}
}

func TestAnAnswerThatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := neighbour(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/base/large":
			chunk := make([]byte, 1<<20)
			for range 11 {
				_, _ = w.Write(chunk)
			}
		case "/base/nojson":
			_, _ = io.WriteString(w, "hello")
		case "/base/nothing":
			w.WriteHeader(http.StatusNoContent)
		}
	})
	var out map[string]any
	for path, want := range map[string]string{
		"/large":  "call to catalog: GET /large: read the answer: it is over the limit of 10485760 bytes",
		"/nojson": "call to catalog: GET /nojson: read the answer: invalid character 'h' looking for beginning of value",
	} {
		if err := c.Get(t.Context(), path, &out); err == nil || err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := c.Get(t.Context(), "/nothing", &out); err != nil {
		t.Error(err)
	}
	if err := c.Get(t.Context(), "/large", nil); err != nil { // not read at all
		t.Error(err)
	}
}

func TestACallThatCannotBeMade(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	c := neighbour(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	defer close(hang)
	err := c.Do(t.Context(), http.MethodGet, "/", nil, nil, kit.Timeout(30*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "call to catalog: GET /: context deadline exceeded" || kit.ProblemFrom(err).Status != 504 {
		t.Errorf("hanging neighbour: %v, %v", err, kit.ProblemFrom(err))
	}
	for _, path := range []string{"", "albums", "//evil.example/x", "http://evil.example/", "/%zz"} {
		if err := c.Get(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "is no path") {
			t.Errorf("path %q: %v", path, err)
		}
	}
	if err := c.Do(t.Context(), http.MethodPost, "/", func() {}, nil); err == nil || !strings.Contains(err.Error(), "encode the body") {
		t.Errorf("body: %v", err)
	}
	start(t, map[string]string{"PLAT_URL_DEAD": "http://127.0.0.1:1", "PLAT_URL_ODD": "catalog:80"}, func(s *kit.Service) error {
		err := s.Client("dead").Get(t.Context(), "/", nil)
		if p := kit.ProblemFrom(err); p.Status != 503 || p.Detail != "dead cannot be reached" {
			t.Errorf("dead neighbour: %v, %+v", err, p)
		}
		for service, want := range map[string]string{
			"big-shop": "call to big-shop: no address: set PLAT_URL_BIG_SHOP, or run under plat and declare it: consumes.services.big-shop in service.yaml",
			"odd":      "call to odd: PLAT_URL_ODD is wrong, expected an http URL",
		} {
			if err := s.Client(service).Get(t.Context(), "/", nil); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		return nil
	})
	s := start(t, map[string]string{"PLAT_INSTANCE": "hello-1"}, func(s *kit.Service) error {
		const want = "call to shop: declare it: consumes.services.shop in service.yaml"
		if err := s.Client("shop").Get(t.Context(), "/", nil); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		return nil
	})
	if line := s.log.find(t, "a neighbour has no address: calls to it will fail"); line["callee"] != "shop" {
		t.Errorf("warned %v", line)
	}
}

// A caller may put its own RoundTripper around the kit's.
func TestTheSeamForRoundTrippers(t *testing.T) {
	t.Parallel()
	var spans []string
	c := neighbour(t, func(w http.ResponseWriter, r *http.Request) {
		spans = append(spans, r.Header.Get("traceparent"))
		if len(spans) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	c.HTTP.Transport = twice{c.HTTP.Transport}
	if err := c.Get(t.Context(), "/", nil); err != nil || len(spans) != 2 || spans[0] == spans[1] {
		t.Errorf("%v, spans %v", err, spans)
	}
}

type twice struct{ next http.RoundTripper }

func (t twice) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusServiceUnavailable {
		_ = resp.Body.Close()
		return t.next.RoundTrip(r)
	}
	return resp, err
}

func TestAnswersDoNotKeepConnections(t *testing.T) {
	t.Parallel()
	addresses := map[string]bool{}
	c := neighbour(t, func(w http.ResponseWriter, r *http.Request) {
		addresses[r.RemoteAddr] = true
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprint(w, strings.Repeat("x", 20_000))
	})
	for range 20 {
		_ = c.Get(t.Context(), "/", nil)
	}
	// net/http gives a connection up when its writer is not done 50 ms later.
	if len(addresses) > 10 {
		t.Errorf("%d connections for 20 calls one after another", len(addresses))
	}
}

// TestNobodyGetsAnothersAnswer: what a neighbour sends beyond an answer's end
// is nobody's.
func TestNobodyGetsAnothersAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	liar.Serve(t, l)
	var c *kit.Client
	start(t, map[string]string{"PLAT_URL_CATALOG": "http://" + l.Addr().String()}, func(s *kit.Service) error {
		c = s.Client("catalog")
		return nil
	})
	liar.Compare(t, func(path string) (string, error) {
		resp, err := c.HTTP.Get(c.Base.String() + path)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		return string(got), err
	})
}
