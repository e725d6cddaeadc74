package fresh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/fresh"
)

type customer struct {
	Name string `json:"name"`
}

// owner is a service that owns one customer, and notes what it is asked.
type owner struct {
	mu     sync.Mutex
	name   string
	header map[string]string
	status int
	asked  []string // the validators of each request
}

func (o *owner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since"))
	for key, value := range o.header {
		w.Header().Set(key, value)
	}
	switch etag, modified := o.header["ETag"], o.header["Last-Modified"]; {
	case o.status != 0:
		w.WriteHeader(o.status)
	case etag != "" && r.Header.Get("If-None-Match") == etag, modified != "" && r.Header.Get("If-Modified-Since") == modified:
		w.WriteHeader(http.StatusNotModified)
	default:
		_ = json.NewEncoder(w).Encode(customer{o.name})
	}
}

func (o *owner) set(name string, status int, header ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.name, o.status, o.header = name, status, map[string]string{}
	for i := 0; i < len(header); i += 2 {
		o.header[header[i]] = header[i+1]
	}
}

// with runs a service that declares this staleness, and gives its reader.
func with(t *testing.T, o http.Handler, declared string, use func(*fresh.Reader)) (log string) {
	t.Helper()
	server := httptest.NewServer(o)
	defer server.Close()
	env := map[string]string{"PORT": "0", "PLAT_URL_CUSTOMER": server.URL, "PLAT_FRESH_CUSTOMER": declared}
	var out strings.Builder
	ctx, cancel := context.WithCancel(kit.WithEnv(t.Context(), env))
	defer cancel()
	var reader *fresh.Reader
	err := kit.Run(kit.WithOutput(ctx, &out), "order", func(s *kit.Service) error {
		reader = fresh.Open(s, "customer")
		s.Go("test", func(context.Context) error {
			defer cancel()
			use(reader)
			return nil
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return out.String()
}

// reads reads the customer, and tells its name, or the error.
func reads(t *testing.T, r *fresh.Reader, ref fresh.Reference, opts ...fresh.ReadOption) (string, fresh.Reference) {
	t.Helper()
	var c customer
	ref, err := r.Read(t.Context(), ref, &c, opts...)
	if err != nil {
		return fmt.Sprint(kit.StatusOf(err)), ref
	}
	return c.Name, ref
}

func TestWhatACopyMayAnswer(t *testing.T) {
	t.Parallel()
	const path = "/api/customers/1"
	const modified = "Thu, 26 Nov 2026 10:00:00 GMT"
	for name, c := range map[string]struct {
		declared string
		header   []string                                    // of the first answer
		ref      func(first fresh.Reference) fresh.Reference // of the second read
		opts     []fresh.ReadOption
		want     string // the second read gives: old from the copy, new from the owner
		asked    []string
	}{
		"within the staleness":           {declared: "1h", want: "old", asked: []string{""}},
		"nothing declared":               {want: "new", asked: []string{"", ""}},
		"nothing declared, a validator":  {header: []string{"ETag", `"1"`}, want: "old", asked: []string{"", `"1"`}},
		"too old":                        {declared: "1h", header: []string{"Age", "3600"}, want: "new", asked: []string{"", ""}},
		"too old, ETag":                  {declared: "1h", header: []string{"Age", "7200", "ETag", `"1"`}, want: "old", asked: []string{"", `"1"`}},
		"too old, Last-Modified":         {declared: "1h", header: []string{"Age", "7200", "Last-Modified", modified}, want: "old", asked: []string{"", modified}},
		"an age that is none":            {declared: "1h", header: []string{"Age", "-5"}, want: "old", asked: []string{""}},
		"an endless age":                 {declared: "1h", header: []string{"Age", "99999999999999999999"}, want: "old", asked: []string{""}},
		"no-store":                       {declared: "1h", header: []string{"Cache-Control", "max-age=60, No-Store"}, want: "new", asked: []string{"", ""}},
		"private":                        {declared: "1h", header: []string{"Cache-Control", "private=x"}, want: "new", asked: []string{"", ""}},
		"no-cache":                       {declared: "1h", header: []string{"Cache-Control", "no-cache", "ETag", `"1"`}, want: "old", asked: []string{"", `"1"`}},
		"asked for younger":              {declared: "1h", opts: []fresh.ReadOption{fresh.AtMost(0)}, want: "new", asked: []string{"", ""}},
		"asked for older than declared":  {declared: "1s", header: []string{"Age", "10"}, opts: []fresh.ReadOption{fresh.AtMost(time.Hour)}, want: "new", asked: []string{"", ""}},
		"told of a younger one":          {declared: "1h", ref: func(f fresh.Reference) fresh.Reference { f.Read = f.Read.Add(time.Second); return f }, want: "new", asked: []string{"", ""}},
		"told of the same version later": {declared: "1h", header: []string{"ETag", `"1"`}, ref: func(f fresh.Reference) fresh.Reference { f.Read = f.Read.Add(time.Second); return f }, want: "old", asked: []string{""}},
		"told of an older one":           {declared: "1h", ref: func(f fresh.Reference) fresh.Reference { f.Read = f.Read.Add(-time.Minute); return f }, want: "old", asked: []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &owner{}
			with(t, o, c.declared, func(r *fresh.Reader) {
				o.set("old", 0, c.header...)
				got, first := reads(t, r, fresh.At(path))
				if got != "old" || first.URI != path || first.Read.IsZero() {
					t.Errorf("first read: %q, %+v", got, first)
				}
				o.mu.Lock()
				o.name = "new" // under the same validators: a 304 then shows as the old name
				o.mu.Unlock()
				ref := fresh.At(path)
				if c.ref != nil {
					ref = c.ref(first)
				}
				if got, _ := reads(t, r, ref, c.opts...); got != c.want {
					t.Errorf("second read: %q, want %q", got, c.want)
				}
				if d := cmp.Diff(c.asked, o.asked); d != "" {
					t.Errorf("validators of the requests (-want +got):\n%s", d)
				}
			})
		})
	}
}

// TestA304IsYoungAgain: what the owner found right serves for its time again.
func TestA304IsYoungAgain(t *testing.T) {
	t.Parallel()
	o := &owner{}
	with(t, o, "1h", func(r *fresh.Reader) {
		o.set("old", 0, "ETag", `"1"`, "Age", "3600", "Cache-Control", "max-age=9")
		reads(t, r, fresh.At("/c"))
		o.set("old", 0, "ETag", `"1"`)
		_, second := reads(t, r, fresh.At("/c"))
		_, third := reads(t, r, fresh.At("/c"))
		if second.Age() > time.Minute || third != second || len(o.asked) != 2 {
			t.Errorf("%+v, %+v, asked %q", second, third, o.asked)
		}
		want := fresh.Stats{Served: 1, Revalidated: 1, Fetched: 1, Copies: 1}
		if d := cmp.Diff(want, r.Stats(), cmpopts.IgnoreFields(fresh.Stats{}, "Bytes")); d != "" {
			t.Error(d)
		}
	})
}

// TestAnOwnerThatFails: a copy that is too old is no answer.
func TestAnOwnerThatFails(t *testing.T) {
	t.Parallel()
	o := &owner{}
	with(t, o, "1h", func(r *fresh.Reader) {
		o.set("old", 0, "Age", "3600")
		reads(t, r, fresh.At("/c"))
		o.set("", http.StatusInternalServerError)
		if got, _ := reads(t, r, fresh.At("/c")); got != "500" || r.Stats().Copies != 1 {
			t.Errorf("%q with %d copies", got, r.Stats().Copies)
		}
		o.set("", http.StatusGone)
		if got, _ := reads(t, r, fresh.At("/c")); got != "410" || r.Stats().Copies != 0 {
			t.Errorf("%q with %d copies", got, r.Stats().Copies)
		}
		if _, err := r.Read(t.Context(), fresh.At("no path"), nil); err == nil {
			t.Error("what is no path was read")
		}
	})
	with(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"name":`) }), "1h", func(r *fresh.Reader) {
		if _, err := r.Read(t.Context(), fresh.At("/c"), &customer{}); err == nil || r.Stats().Copies != 0 {
			t.Errorf("half an answer: %v, %+v", err, r.Stats())
		}
	})
}

// TestCopiesAreBounded in number, in bytes, and each by itself.
func TestCopiesAreBounded(t *testing.T) {
	t.Parallel()
	sized := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.URL.Query().Get("bytes"), &n)
		_ = json.NewEncoder(w).Encode(strings.Repeat("x", n))
	})
	read := func(r *fresh.Reader, id, bytes int) {
		if _, err := r.Read(t.Context(), fresh.At(fmt.Sprintf("/%d?bytes=%d", id, bytes)), nil); err != nil {
			t.Error(err)
		}
	}
	with(t, sized, "1h", func(r *fresh.Reader) {
		for id := range 1030 {
			read(r, id, 1)
			read(r, 0, 1) // in use
		}
		if s := r.Stats(); s.Copies != 1024 || s.Dropped != 6 || s.Served != 1030 {
			t.Errorf("%+v", s)
		}
		read(r, 0, 2<<20)
		if s := r.Stats(); s.Copies != 1024 || s.Dropped != 6 {
			t.Errorf("after one of 2 MiB: %+v", s)
		}
		for id := range 10 {
			read(r, id, 1<<20-100)
		}
		if s := r.Stats(); s.Bytes > 8<<20 || s.Copies < 7 {
			t.Errorf("after ten of 1 MiB: %+v", s)
		}
	})
}

func TestAStalenessThatIsNone(t *testing.T) {
	t.Parallel()
	for _, declared := range []string{"soon", "-1s"} {
		o := &owner{}
		log := with(t, o, declared, func(r *fresh.Reader) {
			reads(t, r, fresh.At("/c"))
			reads(t, r, fresh.At("/c"))
		})
		if len(o.asked) != 2 || !strings.Contains(log, "PLAT_FRESH_CUSTOMER") {
			t.Errorf("%s: asked %q, log %s", declared, o.asked, log)
		}
	}
}

// TestManyReadAtOnce is for the race detector.
func TestManyReadAtOnce(t *testing.T) {
	t.Parallel()
	o := &owner{}
	o.set("old", 0, "ETag", `"1"`)
	with(t, o, "", func(r *fresh.Reader) {
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for i := range 20 {
					var c customer
					if _, err := r.Read(t.Context(), fresh.At(fmt.Sprintf("/%d", i%3)), &c); err != nil || c.Name != "old" {
						t.Error(c, err)
					}
				}
			})
		}
		all.Wait()
	})
}

func ExampleReference() {
	text, _ := json.Marshal(struct {
		Order    string          `json:"order"`
		Customer fresh.Reference `json:"customer"`
	}{"4711", fresh.Reference{URI: "/api/customers/42", Read: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC), ETag: `"7"`}})
	fmt.Println(string(text))
	text, _ = json.Marshal(fresh.At("/api/customers/42"))
	fmt.Println(string(text))
	// Output:
	// {"order":"4711","customer":{"uri":"/api/customers/42","read":"2026-11-26T10:00:00Z","etag":"\"7\""}}
	// {"uri":"/api/customers/42"}
}
