package cache

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// What is private is nobody else's, by whichever header it is said; where it
// cannot be read what is, all is.
func TestPrivate(t *testing.T) {
	for name, c := range map[string]struct {
		header, value string
		keep          bool
	}{
		"one field":            {"Cache-Control", `max-age=60, private="X-User"`, true},
		"one field, for CDNs":  {"Cdn-Cache-Control", `max-age=60, private="X-User"`, true},
		"all of it":            {"Cache-Control", "max-age=60, private", false},
		"all of it, for CDNs":  {"Cdn-Cache-Control", "max-age=60, private", false},
		"no field":             {"Cache-Control", `max-age=60, private=""`, false},
		"no field, for CDNs":   {"Cdn-Cache-Control", `max-age=60, private=""`, false},
		"something else":       {"Cache-Control", "max-age=60, private=;", false},
		"nothing that is said": {"Cache-Control", "max-age=60", true},
	} {
		h := http.Header{c.header: {c.value}, "X-User": {"sam"}}
		v := judge(&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "shop.example", Path: "/a"}}, http.StatusOK, h, time.Now(), &Rule{})
		if v.keep != c.keep {
			t.Errorf("%s: kept is %v (%s), want %v", name, v.keep, v.why, c.keep)
		}
		if user := keptFields(h)["X-User"]; c.keep && c.value != "max-age=60" && user != nil {
			t.Errorf("%s: X-User is kept: %q", name, user)
		}
	}
}
