package serve

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/api"
)

// A code opens the console once, within its time. The oldest gives way when
// there are too many.
const (
	codeTime = 12 * time.Hour
	maxCodes = 64
)

// CookiePrefix begins the name of the console's cookie. Browsers send a
// cookie to every port of its host, so whoever serves another port of this
// machine to browsers must take it out of what he passes on.
const CookiePrefix = "plat-console-"

// sessions are the console's: a code in an address is changed for a cookie,
// whose value is derived from the token and lasts as long as this plat.
type sessions struct {
	base   string // of the console's address
	cookie string // the value

	mu    sync.Mutex
	codes []code // the oldest first
}

type code struct {
	text    string
	expires time.Time
}

func newSessions(base, token string) *sessions {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("console"))
	return &sessions{base: base, cookie: hex.EncodeToString(mac.Sum(nil))}
}

// opened is the answer to POST /v1/session.
type opened struct{ Body api.Session }

// open makes a code.
func (s *sessions) open(context.Context, *struct{}) (*opened, error) {
	c := code{text: rand.Text(), expires: time.Now().Add(codeTime)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codes = append(s.codes, c); len(s.codes) > maxCodes {
		s.codes = s.codes[1:]
	}
	return &opened{api.Session{URL: s.base + "/?code=" + c.text, Expires: c.expires}}, nil
}

// use takes a code, which is worth something once.
func (s *sessions) use(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.codes {
		if subtle.ConstantTimeCompare([]byte(c.text), []byte(text)) == 1 {
			s.codes = append(s.codes[:i:i], s.codes[i+1:]...)
			return time.Now().Before(c.expires)
		}
	}
	return false
}

// enter changes a code for a cookie on the way to the console, and takes it
// out of the address.
func (s *sessions) enter(console http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.Method != http.MethodGet || !query.Has("code") {
			console.ServeHTTP(w, r)
			return
		}
		if s.use(query.Get("code")) {
			http.SetCookie(w, &http.Cookie{ //nolint:gosec // not Secure: the API is on loopback, without TLS
				Name: cookieName(r), Value: s.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
			})
		}
		query.Del("code")
		to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, `/\`), RawQuery: query.Encode()} // never another host
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		// Whoever followed a link from another site is not sent his strict
		// cookie by a redirect; the page itself needs none.
		w.Header().Set("Location", to.RequestURI())
		w.WriteHeader(http.StatusSeeOther)
	})
}

// knows tells whether a page of the console made the request. Pages of other
// ports are of the same site for a browser, so the cookie alone proves
// nothing: the browser must say that the page is of this origin, or that the
// user typed the address.
func (s *sessions) knows(r *http.Request) bool {
	c, err := r.Cookie(cookieName(r))
	if err != nil || subtle.ConstantTimeCompare([]byte(c.Value), []byte(s.cookie)) != 1 {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true
	case "none":
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	return false
}

// cookieName has the port, since browsers keep cookies by host alone.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return CookiePrefix + port
}
