package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newServer(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestFirstAlbums(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "albums.db")
	store, err := openStore(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	albums, _, err := store.Albums(t.Context(), Search{Limit: 300})
	if err != nil {
		t.Fatal(err)
	}
	skus := map[string]bool{}
	for _, a := range albums {
		skus[a.SKU] = true
		if a.Price < 499 || a.Price > 3999 || a.Year < 1960 || a.Label == "" {
			t.Errorf("%+v", a)
		}
	}
	for i := 1; i <= 240; i++ {
		if sku := fmt.Sprintf("MC-%04d", i); !skus[sku] {
			t.Errorf("there is no %s", sku)
		}
	}
	for _, sku := range []string{"MC-0001", "MC-0120", "MC-0240"} {
		if a, err := store.Album(t.Context(), sku); err != nil || len(a.Tracks) < 7 {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if _, err := store.Album(t.Context(), "MC-0241"); !errors.Is(err, errNoAlbum) {
		t.Errorf("MC-0241: %v, want errNoAlbum", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := openStore(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if _, total, err := again.Albums(t.Context(), Search{Limit: 1}); total != 240 || err != nil {
		t.Errorf("opened again: %d albums, %v", total, err)
	}
}

// FuzzSearch: no text that a person can type makes the search fail.
func FuzzSearch(f *testing.F) {
	store, err := openStore(f.Context(), filepath.Join(f.TempDir(), "albums.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = store.Close() })
	for _, seed := range []string{"", " ", `"`, `'`, "*", "a AND", "NEAR(", "title:x", "-", "^", "\x00", "\xff", "ö", "{a b}", "ﷺ", "a\u0301"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if _, _, err := store.Albums(t.Context(), Search{Query: query, Limit: 10}); err != nil {
			t.Errorf("%q: %v", query, err)
		}
	})
}

func TestCoverIsWellFormed(t *testing.T) {
	t.Parallel()
	for i := range 100 {
		a := Album{SKU: fmt.Sprintf("MC-%04d", i), Title: `</svg><script>"Less" & 'More'`, Artist: "<b>Thröne</b>"}
		cover := drawCover(a)
		if !bytes.Equal(cover, drawCover(a)) {
			t.Fatalf("%s is drawn in two ways", a.SKU)
		}
		d := xml.NewDecoder(bytes.NewReader(cover))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v in %s", a.SKU, err, cover)
			}
			if start, ok := token.(xml.StartElement); ok && (start.Name.Local == "script" || start.Name.Local == "b") {
				t.Fatalf("%s: an element %s came from the title", a.SKU, start.Name.Local)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                    {""},
		"Hum":                                 {"Hum"},
		"Concerto for Two Umbrellas":          {"Concerto for Two", "Umbrellas"},
		"a b c d e f g h i j k l m n o p q r": {"a b c d e f g h", "i j k l m n o p", "q r"},
		strings.Repeat("long ", 12):           {"long long long", "long long long", "long long long long long long"},
	} {
		if diff := cmp.Diff(want, wrap(text, 16)); diff != "" {
			t.Errorf("wrap(%q) (-want +got):\n%s", text, diff)
		}
	}
}
