package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
)

var update = flag.Bool("update", false, "write api/openapi.yaml anew")

// serve runs the whole service and returns where it listens.
func serve(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ctx = kit.WithOutput(kit.WithEnv(ctx, map[string]string{
		"PORT":              "0",
		"PLAT_STORE_ALBUMS": filepath.Join(t.TempDir(), "albums.db"),
	}), t.Output())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- kit.Run(ctx, "catalog", func(s *kit.Service) error {
			defer func() { ready <- s.URL() }()
			return setup(s)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with: %v", err)
		}
	})
	base := <-ready
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if resp, _ := get(t, base+"/health/ready"); resp.StatusCode == http.StatusOK {
			return base
		}
	}
	t.Fatal("the service is not ready after a minute")
	return ""
}

// get reads a URL; header is a list of names and values.
func get(t *testing.T, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func getPage(t *testing.T, url string) albumPage {
	t.Helper()
	resp, body := get(t, url)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d: %s", url, resp.StatusCode, body)
	}
	var p albumPage
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	base := serve(t)
	t.Run("pages hold every album once", func(t *testing.T) { testPages(t, base) })
	t.Run("search", func(t *testing.T) { testSearch(t, base) })
	t.Run("newest first", func(t *testing.T) {
		newest := getPage(t, base+"/api/albums?sort=newest&size=100").Embedded.Albums
		for i := 1; i < len(newest); i++ {
			if newest[i].Year > newest[i-1].Year {
				t.Errorf("%d stands after %d", newest[i].Year, newest[i-1].Year)
			}
		}
	})
	t.Run("genres count all albums", func(t *testing.T) { testGenres(t, base) })
	t.Run("album", func(t *testing.T) { testAlbum(t, base) })
	t.Run("several albums at once", func(t *testing.T) {
		p := getPage(t, base+"/api/albums?sku=MC-0002&sku=MC-9999&sku=MC-0001&sku=MC-0001&size=1")
		if p.Page.Total != 2 || len(p.Embedded.Albums) != 1 {
			t.Fatalf("%+v", p)
		}
		next := getPage(t, base+p.Links["next"].Href)
		got := []string{p.Embedded.Albums[0].SKU, next.Embedded.Albums[0].SKU}
		if slices.Sort(got); !slices.Equal(got, []string{"MC-0001", "MC-0002"}) {
			t.Errorf("%q", got)
		}
		if p := getPage(t, base+"/api/albums?sku="+url.QueryEscape(`'"],`)); p.Page.Total != 0 {
			t.Errorf("%+v", p)
		}
	})
	t.Run("caches ask again cheaply", func(t *testing.T) { testCaching(t, base) })
	t.Run("problems", func(t *testing.T) { testProblems(t, base) })
}

func testPages(t *testing.T, base string) {
	seen := map[string]bool{}
	p := getPage(t, base+"/api/albums?size=50")
	for {
		for _, a := range p.Embedded.Albums {
			if seen[a.SKU] {
				t.Errorf("%s is on two pages", a.SKU)
			}
			seen[a.SKU] = true
		}
		next, ok := p.Links["next"]
		if !ok {
			break
		}
		p = getPage(t, base+next.Href)
	}
	if len(seen) != 240 {
		t.Errorf("the pages hold %d albums, want 240", len(seen))
	}
	if want := (page{Number: 5, Size: 50, Total: 240, Pages: 5}); p.Page != want {
		t.Errorf("last page says %+v, want %+v", p.Page, want)
	}
	want := links{
		"self":  {"/api/albums?page=5&size=50&sort=title"},
		"first": {"/api/albums?page=1&size=50&sort=title"},
		"prev":  {"/api/albums?page=4&size=50&sort=title"},
		"last":  {"/api/albums?page=5&size=50&sort=title"},
	}
	if diff := cmp.Diff(want, p.Links); diff != "" {
		t.Errorf("links of the last page (-want +got):\n%s", diff)
	}
	beyond := getPage(t, base+"/api/albums?page=99&size=50")
	if len(beyond.Embedded.Albums) != 0 || beyond.Links["prev"].Href != "/api/albums?page=5&size=50&sort=title" {
		t.Errorf("beyond the last page: %+v", beyond)
	}
}

func testSearch(t *testing.T, base string) {
	for query, want := range map[string][]string{
		"kernel+panic":             {"Kernel Panic at the Disco Lift"},
		"PANIC+kern":               {"Kernel Panic at the Disco Lift"},
		"audit+metal+spread":       {"The Spreadsheet of Doom"},
		"thröne+minut":             {"Minutes of the Black Meeting"},
		"throne+minut":             {"Minutes of the Black Meeting"},
		"less+%3C3+more":           {"Less <3 More"},
		"kernel+lullabies":         nil,
		"%25":                      nil,
		"%22*+OR+title%3A":         nil,
		"%27%3BDROP+TABLE+albums-": nil,
		"%00":                      nil,
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, a := range getPage(t, base+"/api/albums?query="+query).Embedded.Albums {
				got = append(got, a.Title)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("titles (-want +got):\n%s", diff)
			}
		})
	}
	jazz := getPage(t, base+"/api/albums?genre=jazz&query=blue&size=100")
	if len(jazz.Embedded.Albums) == 0 {
		t.Error("no blue jazz")
	}
	for _, a := range jazz.Embedded.Albums {
		if a.Genre != "Jazz" {
			t.Errorf("%s is %s", a.SKU, a.Genre)
		}
	}
	if !strings.Contains(jazz.Links["self"].Href, "genre=jazz") || !strings.Contains(jazz.Links["self"].Href, "query=blue") {
		t.Errorf("self forgets the search: %s", jazz.Links["self"].Href)
	}
}

func testGenres(t *testing.T, base string) {
	_, body := get(t, base+"/api/genres")
	var list genreList
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, g := range list.Embedded.Genres {
		total += g.Albums
		if found := getPage(t, base+g.Links["albums"].Href).Page.Total; found != g.Albums {
			t.Errorf("%s has %d albums, its link leads to %d", g.Name, g.Albums, found)
		}
	}
	if total != 240 {
		t.Errorf("the genres have %d albums, want 240", total)
	}
}

func testAlbum(t *testing.T, base string) {
	_, body := get(t, base+"/api/albums/MC-0001")
	var got album
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.SKU != "MC-0001" || got.Title == "" || len(got.Tracks) < 7 || got.Price.Currency != "EUR" || got.Price.Amount < 499 {
		t.Errorf("album: %+v", got)
	}
	resp, cover := get(t, base+got.Cover)
	if ct := resp.Header.Get("Content-Type"); ct != "image/svg+xml" {
		t.Errorf("the cover's type is %q", ct)
	}
	if !strings.Contains(string(cover), got.Artist) {
		t.Error("the cover does not name the artist")
	}
}

func testCaching(t *testing.T, base string) {
	for _, path := range []string{"/api/albums?query=jazz", "/api/albums/MC-0007", "/api/albums/MC-0007/cover", "/api/genres"} {
		resp, _ := get(t, base+path)
		if cc := resp.Header.Get("Cache-Control"); cc != "public, max-age=60, stale-if-error=86400" {
			t.Errorf("%s: Cache-Control is %q", path, cc)
		}
		tag := resp.Header.Get("ETag")
		again, body := get(t, base+path, "If-None-Match", `"other", W/`+tag)
		if again.StatusCode != http.StatusNotModified || len(body) != 0 || again.Header.Get("ETag") != tag {
			t.Errorf("%s asked again: status %d, ETag %q (was %q), %d bytes", path, again.StatusCode, again.Header.Get("ETag"), tag, len(body))
		}
		if other, _ := get(t, base+path, "If-None-Match", `"other"`); other.StatusCode != http.StatusOK {
			t.Errorf("%s with another tag: status %d", path, other.StatusCode)
		}
	}
}

func testProblems(t *testing.T, base string) {
	for path, want := range map[string]struct {
		status int
		about  string
	}{
		"/api/albums/MC-9999":                               {404, "MC-9999"},
		"/api/albums/MC-9999/cover":                         {404, "MC-9999"},
		"/api/albums?page=0":                                {422, "query.page"},
		"/api/albums?page=two":                              {422, "query.page"},
		"/api/albums?size=101":                              {422, "query.size"},
		"/api/albums?sort=price":                            {422, "query.sort"},
		"/api/albums?query=" + strings.Repeat("x", 201):     {422, "query.query"},
		"/api/albums/" + strings.Repeat("M", 21) + "/cover": {422, "path.sku"},
	} {
		resp, body := get(t, base+path, "X-Correlation-ID", "trail-7")
		var p kit.Problem
		if err := json.Unmarshal(body, &p); err != nil {
			t.Errorf("%s: %v in %s", path, err, body)
		}
		if resp.StatusCode != want.status || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, want problem %d", path, resp.StatusCode, resp.Header.Get("Content-Type"), want.status)
		}
		if p.CorrelationID != "trail-7" || !strings.Contains(string(body), want.about) {
			t.Errorf("%s: want trail-7 and %q in %s", path, want.about, body)
		}
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	t.Parallel()
	store, err := openStore(t.Context(), filepath.Join(t.TempDir(), "albums.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	mux := http.NewServeMux()
	newAPI(mux, slog.New(slog.NewTextHandler(&log, nil)), store)
	server := newServer(t, mux)
	resp, body := get(t, server+"/api/albums/MC-0001")
	if resp.StatusCode != http.StatusInternalServerError || strings.Contains(string(body), "sql") {
		t.Errorf("answer is %d %s", resp.StatusCode, body)
	}
	if !strings.Contains(log.String(), "database is closed") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestOpenAPIIsCommitted(t *testing.T) {
	t.Parallel()
	got, err := newAPI(http.NewServeMux(), slog.New(slog.DiscardHandler), nil).YAML()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("api", "openapi.yaml")
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale: run go test -update (-file +code):\n%s", file, diff)
	}
}
