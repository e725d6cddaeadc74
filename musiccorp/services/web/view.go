package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"

	"github.com/plat-dev/plat/kit"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// site answers with the pages of the website. It is safe for concurrent use.
type site struct {
	neighbours
	log       *slog.Logger
	signer    signer
	templates map[string]*template.Template // by file name
}

func newSite(log *slog.Logger, n neighbours, key []byte) (*site, error) {
	s := &site{neighbours: n, log: log, signer: key, templates: map[string]*template.Template{}}
	versions, err := assetVersions()
	if err != nil {
		return nil, err
	}
	layout, err := template.New("layout.html").Funcs(template.FuncMap{
		"asset": func(file string) string { return "/static/" + file + "?v=" + versions[file] },
	}).ParseFS(pageFiles, "pages/layout.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		t, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if s.templates[path.Base(file)], err = t.ParseFS(pageFiles, file); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// assetVersions names each file of the folder static by its content, so that
// a browser may keep it as long as the page asks for the same version.
func assetVersions() (map[string]string, error) {
	versions := map[string]string{}
	err := fs.WalkDir(staticFiles, "static", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := staticFiles.ReadFile(file)
		versions[path.Base(file)] = fmt.Sprintf("%x", sha256.Sum256(content))[:12]
		return err
	})
	return versions, err
}

// asset serves a file of the folder static.
func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("v") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, staticFiles, "static/"+r.PathValue("file"))
}

// secure sets the headers that keep a page from doing, or being used for,
// anything but what it is for.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// frame is what the layout around every page shows.
type frame struct {
	Title      string
	Query      string // in the search box
	InBasket   int
	Registered bool
	Content    any
}

// show answers with a page. It returns its error before anything is written.
func (s *site) show(w http.ResponseWriter, r *http.Request, status int, page, title string, content any) error {
	f := frame{Title: title, Query: r.URL.Query().Get("q"), InBasket: basketOf(r).count(), Registered: s.signer.customerID(r) != "", Content: content}
	var body bytes.Buffer
	if err := s.templates[page].Execute(&body, f); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // the visitor has gone: nobody to tell
	return nil
}

// failure is an error as a visitor reads it.
type failure struct {
	status int
	Title  string
	Text   string
	Trail  string // the correlation ID
	cause  error
}

// Error is for the log.
func (f *failure) Error() string {
	if f.cause != nil {
		return f.cause.Error()
	}
	return f.Title
}

// Unwrap is the cause.
func (f *failure) Unwrap() error { return f.cause }

func notFound(cause error) *failure {
	return &failure{status: http.StatusNotFound, Title: "There is nothing here", Text: "The page may have moved, or the address has a slip in it.", cause: cause}
}

// unanswered is the failure of a neighbour without whom there is no page.
func unanswered(cause error) *failure {
	return &failure{status: http.StatusServiceUnavailable, Title: "We are out of breath", Text: "A part of the shop does not answer just now. Nothing is lost: please try again in a moment.", cause: cause}
}

// page makes a handler of a function that shows a page or returns why not.
func (s *site) page(show func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := show(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// fail answers with a page that says what went wrong.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{status: http.StatusInternalServerError, Title: "Something broke", Text: "It is our mistake, not yours.", cause: err}
	}
	if f.status >= http.StatusInternalServerError {
		s.log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "error", f.Error())
		w.Header().Set("Retry-After", "2")
	}
	f.Trail = kit.CorrelationID(r.Context())
	if err := s.show(w, r, f.status, "failure.html", f.Title, f); err != nil {
		s.log.ErrorContext(r.Context(), "failure page failed", "error", err)
		kit.WriteProblem(w, r, nil)
	}
}
