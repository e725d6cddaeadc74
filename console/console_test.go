package console_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/plat-dev/plat/console"
)

func ask(t *testing.T, h http.Handler, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

var asset = regexp.MustCompile(`/assets/index-[\w-]+\.js`)

// script finds the page's script.
func script(t *testing.T, h http.Handler) string {
	t.Helper()
	found := asset.FindString(text(t, ask(t, h, "GET", "/").Body))
	if found == "" {
		t.Fatal("the page names no script")
	}
	return found
}

func TestEveryPathOfAPageAnswersThePage(t *testing.T) {
	t.Parallel()
	h := console.Handler()
	for _, path := range []string{"/", "/index.html", "/services", "/services/order", "/mail/018f.2", "/a/../map"} {
		resp := ask(t, h, "GET", path)
		if got := text(t, resp.Body); resp.StatusCode != 200 || !strings.Contains(got, `<div id="root">`) {
			t.Errorf("%s: got %s, %q, want the page", path, resp.Status, got)
		}
	}
}

func TestThePageAllowsOnlyItsOwnOrigin(t *testing.T) {
	t.Parallel()
	h := console.Handler()
	nonces := map[string]bool{}
	for range 2 {
		resp := ask(t, h, "GET", "/")
		body := text(t, resp.Body)
		policy := resp.Header.Get("Content-Security-Policy")
		nonce := regexp.MustCompile(`'nonce-([^']+)'`).FindStringSubmatch(policy)
		if nonce == nil || !strings.Contains(body, `content="`+nonce[1]+`"`) {
			t.Fatalf("the nonce of %q is not in the page", policy)
		}
		nonces[nonce[1]] = true
		for _, want := range []string{"default-src 'self'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("got policy %q, want %s", policy, want)
			}
		}
		if inline := regexp.MustCompile(`<script[^>]*>[^<]|<style|https?://`).FindString(body); inline != "" {
			t.Errorf("the page has %q", inline)
		}
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("got Cache-Control %q, want no-store", got)
		}
		if got := resp.Header.Get("Referrer-Policy"); got != "no-referrer" {
			t.Errorf("got Referrer-Policy %q", got)
		}
	}
	if len(nonces) != 2 {
		t.Errorf("two answers have one nonce: %v", nonces)
	}
}

func TestAssetsAreCompressedAndKept(t *testing.T) {
	t.Parallel()
	h := console.Handler()
	path := script(t, h)
	packed := ask(t, h, "GET", path, "Accept-Encoding", "br, gzip;q=0.5")
	if got := packed.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("got Content-Encoding %q, want gzip", got)
	}
	unpacked, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, refuses := range []string{"", "identity", "gzip;q=0"} {
		plain := ask(t, h, "GET", path, "Accept-Encoding", refuses)
		if got := plain.Header.Get("Content-Encoding"); got != "" {
			t.Errorf("Accept-Encoding %q: got Content-Encoding %q", refuses, got)
		}
		if refuses == "" && text(t, plain.Body) != text(t, unpacked) {
			t.Error("compressed and plain differ")
		}
	}
	if got := packed.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("got Cache-Control %q, want immutable", got)
	}
	if got := packed.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/javascript") {
		t.Errorf("got Content-Type %q", got)
	}
	again := ask(t, h, "GET", path, "If-None-Match", `"other", W/`+packed.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || text(t, again.Body) != "" {
		t.Errorf("got %s for the same ETag, want 304 without a body", again.Status)
	}
	if icon := ask(t, h, "GET", "/favicon.ico"); icon.StatusCode != 200 || icon.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("got %s, %s for the icon", icon.Status, icon.Header.Get("Content-Type"))
	}
	if fresh := ask(t, h, "GET", "/favicon.svg"); fresh.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("got Cache-Control %q for a name without a hash", fresh.Header.Get("Cache-Control"))
	}
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	h := console.Handler()
	for _, path := range []string{"/assets/old-12345678.js", "/index.js.map", "/assets/../assets/x.css"} {
		if resp := ask(t, h, "GET", path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want 404", path, resp.Status)
		}
	}
	resp := ask(t, h, "POST", "/services")
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") == "" {
		t.Errorf("POST: got %s, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
	if head := ask(t, h, "HEAD", script(t, h)); head.StatusCode != 200 || text(t, head.Body) != "" {
		t.Errorf("HEAD: got %s with a body, want none", head.Status)
	}
}

// The budget of the first page: 400 KB of script, compressed.
func TestTheFirstPageIsSmall(t *testing.T) {
	t.Parallel()
	h := console.Handler()
	body := text(t, ask(t, h, "GET", "/").Body)
	total := 0
	for _, path := range regexp.MustCompile(`/assets/[\w-]+\.js`).FindAllString(body, -1) {
		total += len(text(t, ask(t, h, "GET", path, "Accept-Encoding", "gzip").Body))
	}
	if total == 0 || total > 350_000 { // the page's own part is loaded after these
		t.Errorf("the page names %d bytes of script, want at most 350000", total)
	}
}
