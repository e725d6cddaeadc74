package probe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/probe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journey reads a journey's steps as a plan has them.
func journey(t *testing.T, steps string) plan.Journey {
	t.Helper()
	files := fstest.MapFS{
		"plat.yaml":      {Data: []byte("system: s\nowners: {us: {}}\nservices: [{path: a}]\ngateways: {public: {routes: [{path: /, service: a}]}}\njourneys:\n  j:\n    owner: us\n    timeout: 2m\n    steps:\n" + steps)},
		"a/service.yaml": {Data: []byte("service: a\nowner: us\nrun: [./a]\n")},
	}
	s, err := plan.Load(files, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Journeys[0]
}

// serve runs a handler, and the transport to it, until the test ends.
func serve(t *testing.T, h http.HandlerFunc) probe.Options {
	t.Helper()
	server := httptest.NewServer(h)
	transport := &http.Transport{}
	t.Cleanup(func() { transport.CloseIdleConnections(); server.Close() })
	return probe.Options{Gateway: server.URL, Transport: transport}
}

func run(t *testing.T, steps string, h http.HandlerFunc) probe.Result {
	t.Helper()
	return probe.Run(t.Context(), journey(t, steps), serve(t, h))
}

func TestPurchase(t *testing.T) {
	t.Parallel()
	var asked []string
	polls := 0
	r := run(t, `
      - name: register
        post: /customers
        json: {name: "Probe {run}", n: [1, 0.5, true, null]}
        expect: {status: 201, header: {Location: {matches: ^/customers/}, X-Kind: plain}, json: {/id: 42, /tags/1: b, /a~1b/m~0n: null, /gone: {exists: false}, "": {matches: tags}}, time: 1m}
        capture: {id: {json: /id}, tag: {json: /tags/0}, home: {header: Location}, key: {text: "key='([^']+)'"}}
      - get: "{home}?tag={tag}"
        headers: {X-Id: "{id}", Host: shop.example}
        expect: {contains: ["Hello {key}"]}
      - {put: "/tags/{tag}", json: {id: "{id}", text: "no {id}", deep: [{of: "{tag}"}]}, expect: {status: 204}}
      - {post: /form, form: {tag: "{tag}", do: buy}}
      - {get: /order, expect: {json: {/status: dispatched}}, within: 1m}
`, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		cookie := ""
		if c, err := r.Cookie("session"); err == nil {
			cookie = c.Value
		}
		asked = append(asked, fmt.Sprintf("%s %s id=%q cookie=%q %s", r.Method, r.URL.RequestURI(), r.Header.Get("X-Id"), cookie, body))
		switch r.URL.Path {
		case "/customers":
			w.Header().Set("Set-Cookie", "session=s1")
			w.Header().Set("Location", "/customers/42")
			w.Header().Set("X-Kind", "plain")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"id": 42.0, "tags": ["a b/c", "b"], "a/b": {"m~n": null}, "html": "key='k1'"}`+" ")
		case "/customers/42":
			fmt.Fprintf(w, "Hello k1\\ at %s", r.Host)
			fmt.Fprint(w, "Hello k1")
		case "/form":
			http.Redirect(w, r, "/thanks", http.StatusSeeOther)
		case "/tags/a b/c":
			w.WriteHeader(http.StatusNoContent)
		case "/order":
			polls++
			status := "placed"
			if polls == 3 {
				status = "dispatched"
			}
			fmt.Fprintf(w, `{"status": %q}`, status)
		}
	})
	if !r.Passed {
		t.Fatalf("%+v: %+v", r.Failed(), r.Failed().Failure)
	}
	if polls != 3 || r.Steps[4].Requests != 3 {
		t.Errorf("polled %d times, %d told", polls, r.Steps[4].Requests)
	}
	want := []string{
		`POST /customers id="" cookie="" {"n":[1,0.5,true,null],"name":"Probe ` + r.Run + `"}`,
		`GET /customers/42?tag=a+b%2Fc id="42.0" cookie="" `, // another host, other cookies
		`PUT /tags/a%20b%2Fc id="" cookie="s1" {"deep":[{"of":"a b/c"}],"id":42.0,"text":"no 42.0"}`,
		`POST /form id="" cookie="s1" do=buy&tag=a+b%2Fc`,
		`GET /thanks id="" cookie="s1" `,
		`GET /order id="" cookie="s1" `,
	}
	if d := cmp.Diff(want, asked[:len(asked)-2]); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
}

// TestFailures holds each failure to what is said about it.
func TestFailures(t *testing.T) {
	t.Parallel()
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Correlation-ID", "c1")
		switch r.URL.Path {
		case "/json":
			fmt.Fprint(w, `{"state": "placed", "n": 7, "list": [1], "password": "hunter2"}`)
		case "/text":
			fmt.Fprint(w, "plain <p>")
		case "/deep":
			fmt.Fprint(w, strings.Repeat("[", 100_000))
		case "/two":
			fmt.Fprint(w, `{} {}`)
		case "/missing":
			http.Error(w, "no such thing", http.StatusNotFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/out":
			http.Redirect(w, r, "http://198.51.100.1/elsewhere", http.StatusFound)
		case "/huge":
			for range 40 {
				fmt.Fprint(w, strings.Repeat("x", 64<<10))
			}
		case "/cut":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "short")
		case "/slow":
			time.Sleep(20 * time.Millisecond) // what takes longer than a millisecond
		}
	}
	for name, c := range map[string]struct{ step, code, what string }{
		"status":        {`{get: /missing}`, "probe-failed", "the status is 404 Not Found, expected 2xx"},
		"other status":  {`{get: /json, expect: {status: 201}}`, "probe-failed", "the status is 200 OK, expected 201"},
		"value":         {`{get: /json, expect: {json: {/state: paid}}}`, "probe-failed", `/state is "placed", expected "paid"`},
		"type":          {`{get: /json, expect: {json: {/n: "7"}}}`, "probe-failed", `/n is 7, expected "7"`},
		"list":          {`{get: /json, expect: {json: {/list: [1, 2]}}}`, "probe-failed", `/list is [1], expected [1,2]`},
		"absent":        {`{get: /json, expect: {json: {/list/1: 1}}}`, "probe-failed", `/list/1 is not there, expected 1`},
		"leading zero":  {`{get: /json, expect: {json: {/list/00: {exists: true}}}}`, "probe-failed", `/list/00 is not there, expected it`},
		"there":         {`{get: /json, expect: {json: {/n: {exists: false}}}}`, "probe-failed", `/n is 7, expected not to be there`},
		"pattern":       {`{get: /json, expect: {json: {/state: {matches: ^pa}}}}`, "probe-failed", `/state is "placed", expected a match of ^pa`},
		"header":        {`{get: /json, expect: {header: {X-No: a}}}`, "probe-failed", `the header X-No is not there, expected "a"`},
		"several":       {`{get: /json, expect: {status: 202, json: {/n: 8, /state: x}}}`, "probe-failed", "the status is 200 OK, expected 202 (and 2 more)"},
		"no JSON":       {`{get: /text, expect: {json: {/n: 8}}}`, "probe-failed", "the body is no JSON: invalid character 'p' looking for beginning of value"},
		"too deep":      {`{get: /deep, expect: {json: {/n: 8}}}`, "probe-failed", "the body is no JSON: it is nested deeper than 200"},
		"two documents": {`{get: /two, expect: {json: {/n: 8}}}`, "probe-failed", "the body is no JSON: more follows its end"},
		"text":          {`{get: /text, expect: {contains: [fancy]}}`, "probe-failed", `the body does not contain "fancy"`},
		"no capture":    {`{get: /text, capture: {a: {text: "key=([a-z]+)"}}}`, "probe-failed", "a cannot be captured: the body has no match of key=([a-z]+)"},
		"no header":     {`{get: /text, capture: {a: {header: X-A}}}`, "probe-failed", "a cannot be captured: there is no header X-A"},
		"huge":          {`{get: /huge, expect: {contains: [y]}}`, "probe-failed", "the body has more than 1024 KiB"},
		"loop":          {`{get: /loop}`, "probe-failed", "more than 10 redirects, the last to /loop"},
		"out":           {`{get: /out}`, "probe-failed", "the redirect to http://198.51.100.1/elsewhere leads out of the gateway"},
		"cut off":       {`{get: /cut}`, "probe-no-answer", "no answer: unexpected EOF"},
		"slow":          {`{get: /slow, expect: {time: 1ms}}`, "probe-failed", "expected at most 1ms"},
		"never":         {`{get: /json, expect: {json: {/state: paid}}, within: 1s}`, "probe-failed", `/state is "placed", expected "paid", after `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, "      - "+c.step+"\n      - {get: /json}\n", answer)
			f := r.Steps[0].Failure
			if r.Passed || f == nil || string(f.Code) != c.code || !strings.Contains(f.What, c.what) {
				t.Fatalf("got %+v, want %s %q", f, c.code, c.what)
			}
			if r.Steps[1].Requests != 0 {
				t.Error("the journey went on after a failure")
			}
			if strings.Contains(f.Body, "hunter2") || len(f.Body) > 3<<10 {
				t.Errorf("evidence is not safe: %q", f.Body)
			}
			if c.code == "probe-failed" && !strings.Contains(f.What, "redirect") && r.Steps[0].CorrelationID != "c1" {
				t.Errorf("correlation ID %q", r.Steps[0].CorrelationID)
			}
		})
	}
}

func TestRedirectExpectedIsNotFollowed(t *testing.T) {
	t.Parallel()
	r := run(t, `      - {get: /a, expect: {status: 303, header: {Location: /b}}, capture: {to: {header: Location}}}
      - {get: "{to}", expect: {contains: [arrived]}}
`, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			http.Redirect(w, r, "/b", http.StatusSeeOther)
			return
		}
		fmt.Fprint(w, "arrived")
	})
	if !r.Passed {
		t.Fatalf("%+v", r.Failed().Failure)
	}
}

// TestCapturedAddressStaysInside: what an answer says cannot send the test
// customer, and plat's mark, elsewhere.
func TestCapturedAddressStaysInside(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"http://198.51.100.1/x", "//198.51.100.1/x", "https://198.51.100.1", "mailto:a@b", "x", "http://user@127.0.0.1/"} {
		r := run(t, `      - {get: /a, capture: {to: {header: Location}}}
      - {get: "{to}"}
`, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", to) })
		f := r.Steps[1].Failure
		if f == nil || f.Code != fault.ProbeNoAnswer || r.Steps[1].Requests != 0 {
			t.Errorf("%s: %+v", to, r.Steps[1])
		}
	}
}

// TestHanging: a journey's time-out ends a step that never answers, and one
// that is polled keeps what was found before.
func TestHanging(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		what string
	}{
		"at once": {hang, "no answer in time"},
		"later": {func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) > 1 {
				hang(w, r)
			}
			fmt.Fprint(w, `{"n": 1}`)
		}, "/n is 1, expected 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := journey(t, "      - {get: /, expect: {json: {/n: 2}}, within: 1m}\n")
			j.Timeout = plan.Duration(time.Second)
			began := time.Now()
			r := probe.Run(t.Context(), j, serve(t, c.h))
			if f := r.Steps[0].Failure; f == nil || !strings.Contains(f.What, c.what) {
				t.Errorf("got %+v", f)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestNoGateway(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "127.0.0.1:80", "ftp://a", "http://a/path", "http://127.0.0.1:1"} {
		r := probe.Run(t.Context(), journey(t, "      - {get: /}\n"), probe.Options{Gateway: address, Transport: &http.Transport{}})
		if f := r.Failed(); r.Passed || f == nil || f.Failure.Code != fault.ProbeNoAnswer {
			t.Errorf("%q: %+v", address, r)
		}
	}
}

func TestEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := probe.Run(ctx, journey(t, "      - {get: /, within: 4s}\n"), serve(t, func(http.ResponseWriter, *http.Request) {}))
	if f := r.Steps[0].Failure; f == nil || !strings.HasPrefix(f.What, "the run was broken off") {
		t.Errorf("%+v", f)
	}
}

func FuzzLookup(f *testing.F) {
	for _, p := range []string{"", "/", "/a", "/a/0", "/a~1b", "/~", "//", "/a/-1", "/a/01", "a"} {
		f.Add(p, `{"a": [1, {"b": null}], "": 1, "a/b": 2}`)
	}
	f.Fuzz(func(t *testing.T, pointer, document string) {
		var v any
		if json.Unmarshal([]byte(document), &v) != nil {
			return
		}
		found, ok := probe.Lookup(v, pointer)
		if !ok && found != nil {
			t.Errorf("%q finds %v and says that it does not", pointer, found)
		}
		if ok && !plan.ValidPointer(pointer) {
			t.Errorf("the malformed %q finds %v", pointer, found)
		}
	})
}
