package gateway_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// echo answers with the request as the instance saw it.
func echo(w http.ResponseWriter, r *http.Request) {
	seen := map[string]any{"method": r.Method, "uri": r.RequestURI, "host": r.Host, "header": r.Header, "proto": r.Proto}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen)
}

type seen struct {
	Method, URI, Host, Proto string
	Header                   http.Header
}

func decode(t *testing.T, a answer) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		t.Fatalf("%v in %d %q", err, a.StatusCode, a.body)
	}
	return s
}

func TestRouting(t *testing.T) {
	t.Parallel()
	named := func(name string) gateway.Upstream {
		return backend(t, name+"-1", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(name + " " + r.RequestURI)) })
	}
	r := newRig(t, gateway.Options{})
	routes := []plan.Route{
		{Gateway: "public", Host: "admin.example", Path: "/", Service: "admin"},
		route("/api/albums/new", "catalog", "GET"),
		route("/api/albums", "writer", "POST", "PUT"),
		route("/api/albums", "catalog", "GET"),
		route("/api", "api"),
		{Gateway: "other", Path: "/api/other", Service: "admin"},
		route("/", "web"),
	}
	r.SetRoutes("public", routes)
	for _, service := range []string{"admin", "catalog", "writer", "api", "web"} {
		r.SetUpstreams(service, []gateway.Upstream{named(service)})
	}
	c := client(t, false)
	for _, tt := range []struct{ method, host, target, want string }{
		{"GET", "", "/", "web /"},
		{"GET", "", "/x?y=1&z", "web /x?y=1&z"},
		{"GET", "", "/?", "web /?"},
		{"GET", "", "/apis", "web /apis"},
		{"GET", "", "/api", "api /api"},
		{"GET", "", "/api/other", "api /api/other"},
		{"GET", "", "/api;v=1/x", "api /api;v=1/x"},
		{"GET", "", "/api/albums", "catalog /api/albums"},
		{"GET", "", "/api/albums/", "catalog /api/albums/"},
		{"GET", "", "/api/albums/AC%2FDC", "catalog /api/albums/AC%2FDC"},
		{"GET", "", "/api/albums/%41", "catalog /api/albums/%41"},
		{"GET", "", "/%61pi/albums", "catalog /%61pi/albums"},
		{"GET", "", "//api//albums", "catalog //api//albums"},
		{"GET", "", "/api%5Calbums", "catalog /api%5Calbums"},
		{"HEAD", "", "/api/albums", ""},
		{"POST", "", "/api/albums", "writer /api/albums"},
		{"DELETE", "", "/api/albums", "405 GET, HEAD, POST, PUT"},
		{"GET", "ADMIN.example:8000", "/api/albums", "admin /api/albums"},
		{"GET", "admin.example.", "/", "admin /"},
		{"GET", "", "/.well-known/x", "web /.well-known/x"},
		{"GET", "", "/a/...", "web /a/..."},
		{"GET", "", "/web/http://x/", "web /web/http://x/"},
		{"GET", "", "/api/albums/../../admin", "400"},
		{"GET", "", "/api/%2e%2e/admin", "400"},
		{"GET", "", "/api/..%2fadmin", "400"},
		{"GET", "", "/api/..%5cadmin", "400"},
		{"GET", "", "/api%5c..%5cadmin", "400"},
		{"GET", "", "/api/..;x=1/admin", "400"},
		{"GET", "", "/api/./x", "400"},
		{"GET", "", "/api/..", "400"},
		{"GET", "", "/a%00b", "400"},
		{"GET", "", "/a%0d%0ab", "400"},
	} {
		t.Run(tt.method+" "+tt.host+tt.target, func(t *testing.T) {
			host := tt.host
			if host == "" {
				host = "shop.example"
			}
			got := raw(t, r.addr, tt.method+" "+tt.target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n", patience)
			head, body, _ := strings.Cut(got, "\r\n\r\n")
			switch {
			case strings.HasPrefix(tt.want, "4"):
				if !strings.HasPrefix(head, "HTTP/1.1 "+tt.want[:3]) {
					t.Errorf("got %q, want %s", got, tt.want)
				}
				if allow := tt.want[3:]; allow != "" && !strings.Contains(head, "\r\nAllow:"+allow+"\r\n") {
					t.Errorf("Allow: got %q, want %s", head, allow)
				}
			case !strings.HasPrefix(head, "HTTP/1.1 200 ") || body != tt.want:
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	r.SetRoutes("public", routes[1:5])
	problem(t, do(t, c, "GET", "http://"+r.addr+"/", ""), 404, "gateway-no-route")
	problem(t, do(t, c, "PATCH", "http://"+r.addr+"/api/albums", ""), 405, "gateway-method-not-allowed")
	r.SetUpstreams("api", nil)
	a := do(t, c, "GET", "http://"+r.addr+"/api", "")
	problem(t, a, 503, "gateway-no-instance")
	if a.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", a.Header.Get("Retry-After"))
	}
}

func TestOutsideIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	spoofed := []string{
		"Host", "Shop.EXAMPLE:8000", "X-Forwarded", "for=6.6.6.6", "X-Scheme", "https", "X_url_scheme", "https", "Front-End-Https", "on",
		"Plat-Caller", "order", "Plat-Timeout", "1", "Plat-Anything", "x", "Plat_Caller", "order",
		"Baggage", "user=admin", "Forwarded", "for=6.6.6.6", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil",
		"X-Forwarded-Proto", "https", "X-Forwarded-Prefix", "/evil", "X_forwarded_for", "6.6.6.6", "X-Real-IP", "6.6.6.6",
		"Traceparent", parent, "Tracestate", "a=1", "X-Correlation-ID", "mine",
		"Connection", "X-Correlation-Id, X-Secret, Forwarded", "X-Secret", "hop", "Keep-Alive", "timeout=5",
		"Proxy-Authorization", "Basic x", "Te", "trailers, gzip", "Upgrade", "h2c", "Http2-Settings", "AAMAAABk",
		"X-Plain", "stays", "X-Plain", "twice", "Via", "1.0 front", "User-Agent", "",
	}
	for _, h2 := range []bool{false, true} {
		header := spoofed
		if h2 { // connection fields are errors there
			header = spoofed[:40]
		}
		a := do(t, client(t, h2), "GET", "http://"+r.addr+"/x", "", header...)
		s := decode(t, a)
		got := map[string]string{}
		for name, values := range s.Header {
			got[name] = strings.Join(values, "|")
		}
		trace, id := got["Traceparent"], got["X-Correlation-Id"]
		if !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).MatchString(trace) || trace[3:35] == parent[3:35] {
			t.Errorf("traceparent %q", trace)
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) || a.Header.Get("X-Correlation-ID") != id {
			t.Errorf("correlation %q, answered %q", id, a.Header.Get("X-Correlation-ID"))
		}
		delete(got, "Traceparent")
		delete(got, "X-Correlation-Id")
		delete(got, "User-Agent")
		want := map[string]string{
			"Forwarded": `for=127.0.0.1;host="shop.example:8000";proto=http`, "X-Forwarded-For": "127.0.0.1",
			"X-Forwarded-Host": "shop.example:8000", "X-Forwarded-Proto": "http", "Plat-Timeout": "60000", "Plat-Admitted": "1", "Via": "2.0 plat",
		}
		if !h2 {
			want["Via"], want["Te"], want["X-Plain"] = "1.0 front, 1.1 plat", "trailers", "stays|twice"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("h2 %v: headers (-want +got):\n%s", h2, diff)
		}
		if s.Host != "shop.example:8000" {
			t.Errorf("Host %q", s.Host)
		}
	}
}

func TestTrustedRouteContinuesTrace(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	trusted := route("/", "shop")
	trusted.Trust = true
	for _, observed := range []bool{false, true} {
		var o gateway.Options
		spans := make(chan gateway.Trace, 10)
		if observed {
			o.Observe = func(x *gateway.Exchange) { spans <- x.Trace }
		}
		r := newRig(t, o, backend(t, "shop-1", echo))
		r.SetRoutes("public", []plan.Route{trusted})
		url, c := "http://"+r.addr+"/", client(t, false)
		s := decode(t, do(t, c, "GET", url, "", "Traceparent", parent, "Tracestate", "a=1", "X-Correlation-ID", "mine-1", "Baggage", "a=b"))
		got := s.Header.Get("Traceparent")
		if got[:35] != parent[:35] || got[52:] != "-00" || (got == parent) == observed {
			t.Errorf("observed %v: traceparent %q", observed, got)
		}
		if observed {
			want := gateway.Trace{ID: parent[3:35], Span: got[36:52], Parent: parent[36:52]}
			if diff := cmp.Diff(want, <-spans); diff != "" {
				t.Errorf("span (-want +got):\n%s", diff)
			}
		}
		if s.Header.Get("Tracestate") != "a=1" || s.Header.Get("X-Correlation-ID") != "mine-1" || s.Header.Get("Baggage") != "" {
			t.Errorf("headers %v", s.Header)
		}
		for _, bad := range []string{"", "x", parent + "-", strings.ToUpper(parent), "ff" + parent[2:], "00-" + strings.Repeat("0", 32) + parent[35:], parent[:36] + strings.Repeat("0", 16) + parent[52:]} {
			s := decode(t, do(t, c, "GET", url, "", "Traceparent", bad, "Tracestate", "a=1", "X-Correlation-ID", strings.Repeat("x", 129)))
			if got := s.Header.Get("Traceparent"); len(got) != 55 || got[3:35] == parent[3:35] || s.Header.Get("Tracestate") != "" || len(s.Header.Get("X-Correlation-ID")) != 36 {
				t.Errorf("traceparent %q gave %v", bad, s.Header)
			}
		}
		later := "01" + parent[2:] + "-more"
		if got := decode(t, do(t, c, "GET", url, "", "Traceparent", later)).Header.Get("Traceparent"); got[3:35] != parent[3:35] || len(got) != 55 {
			t.Errorf("traceparent of a later version gave %q", got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	a := do(t, client(t, false), "POST", "http://"+r.addr+"/a%22b?password=secret", "four", "Host", "shop.example")
	eventually(t, "the line", func() bool { return len(r.log.all(t)) == 1 })
	got := r.log.all(t)[0]
	if _, err := time.Parse(time.RFC3339Nano, got["time"].(string)); err != nil {
		t.Error(err)
	}
	if us := got["duration_us"].(float64); us <= 0 || us > 1e7 {
		t.Errorf("duration %v", us)
	}
	if len(got["trace_id"].(string)) != 32 {
		t.Errorf("trace ID %v", got["trace_id"])
	}
	for _, name := range []string{"time", "duration_us", "trace_id"} {
		delete(got, name)
	}
	want := map[string]any{
		"gateway": "public", "client": "127.0.0.1", "method": "POST", "host": "shop.example", "path": "/a%22b", "proto": "HTTP/1.1", "status": 200.0,
		"bytes_in": 4.0, "bytes_out": 5.0, "service": "shop", "route": "/", "upstream": "shop-1", "correlation_id": a.Header.Get("X-Correlation-ID"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	s := r.Stats()
	if len(s.Routes) != 1 || s.Routes[0].Answers != (gateway.Answers{2: 1}) || s.InFlight != 0 {
		t.Errorf("stats %+v", s)
	}
}
