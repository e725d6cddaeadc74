// Package console serves plat's dashboard: a single-page application that is
// built from console/web, committed in dist and embedded here, so that users
// need no Node. It holds no data of a system: the pages ask the control API of
// their own origin for it.
//
// It owns how the assets are answered (compression, caching, the content
// security policy). It must never import another package of plat, and it never
// authenticates: the API behind it does.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// Every asset but the page itself is kept compressed, as name.gz.
//
//go:embed all:dist
var dist embed.FS

const (
	page       = "index.html"
	gzipSuffix = ".gz"

	// noncePlaceholder stands in the page where each answer has a fresh nonce,
	// by which the pages' own style elements are known.
	noncePlaceholder = "CSP_NONCE"
)

// Handler answers GET and HEAD with the console's assets, and every other path
// with its page, which routes by itself. It is safe for concurrent use and
// holds about a megabyte.
func Handler() http.Handler {
	h := &handler{assets: map[string]asset{}}
	root, err := fs.Sub(dist, "dist")
	if err == nil {
		err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return h.add(root, name)
		})
	}
	if err != nil {
		panic("console: the embedded assets cannot be read: " + err.Error()) // INVARIANT: reading what is in the binary does not fail
	}
	return h
}

type handler struct {
	page   []byte
	assets map[string]asset // by path without the leading slash
}

type asset struct {
	kind       string // content type
	etag       string
	compressed []byte
}

func (h *handler) add(root fs.FS, name string) error {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	if name == page {
		h.page = text
		return nil
	}
	name, ok := strings.CutSuffix(name, gzipSuffix)
	if !ok {
		return nil // what the build notes about itself
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "text/plain; charset=utf-8"
	}
	sum := sha256.Sum256(text)
	h.assets[name] = asset{kind: kind, etag: `"` + hex.EncodeToString(sum[:16]) + `"`, compressed: text}
	return nil
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "the console answers GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name == "favicon.ico" { // browsers ask for it where a page names no other
		name = "favicon.svg"
	}
	switch a, ok := h.assets[name]; {
	case ok:
		a.serve(w, r, strings.HasPrefix(name, "assets/"))
	case strings.HasPrefix(name, "assets/"), path.Ext(name) == ".map":
		http.NotFound(w, r)
	default:
		h.servePage(w, r)
	}
}

// servePage answers the application's page with a policy of its own nonce.
func (h *handler) servePage(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	text := bytes.ReplaceAll(h.page, []byte(noncePlaceholder), []byte(nonce))
	head := w.Header()
	head.Set("Content-Security-Policy", policy(nonce))
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	head.Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(text) // the reader went away: nobody to tell
}

// policy lets the page load from plat alone. Style elements need the nonce;
// style attributes are free, since mails, which are shown in a frame without
// scripts that inherits this policy, are written with them.
func policy(nonce string) string {
	return strings.Join([]string{
		"default-src 'self'",
		"script-src 'self'",
		"style-src 'self' 'nonce-" + nonce + "'",
		"style-src-attr 'unsafe-inline'",
		"img-src 'self' data:",
		"font-src 'self' data:",
		"connect-src 'self'",
		"worker-src 'self'",
		"frame-src 'self'",
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; ")
}

// serve answers one asset; a hashed name never changes its content.
func (a asset) serve(w http.ResponseWriter, r *http.Request, hashed bool) {
	head := w.Header()
	head.Set("Content-Type", a.kind)
	head.Set("ETag", a.etag)
	head.Add("Vary", "Accept-Encoding")
	head.Set("Cache-Control", "no-cache")
	if hashed {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if matches(r.Header.Get("If-None-Match"), a.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if takesGzip(r.Header.Get("Accept-Encoding")) {
		head.Set("Content-Encoding", "gzip")
		head.Set("Content-Length", strconv.Itoa(len(a.compressed)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(a.compressed) // the reader went away: nobody to tell
		}
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	plain, err := gzip.NewReader(bytes.NewReader(a.compressed))
	if err == nil {
		_, err = io.Copy(w, plain) //nolint:gosec // our own asset, not somebody's bomb
	}
	_ = err // the reader went away: nobody to tell
}

func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimPrefix(strings.TrimSpace(part), "W/"); part == etag || part == "*" {
			return true
		}
	}
	return false
}

// takesGzip reads Accept-Encoding: gzip must be named, and not by q=0.
func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
		return err != nil || q > 0
	}
	return false
}
