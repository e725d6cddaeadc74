package cache

import (
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Rule is what the plan says of one route.
type Rule struct {
	HideOrigin           bool     // a miss fails at once, while the answer is fetched behind
	Tags                 []string // of every answer
	StaleIfError         time.Duration
	StaleWhileRevalidate time.Duration
	Longest              time.Duration // no answer is fresh for longer; 0: a week
}

const (
	aWeek        = 7 * 24 * time.Hour
	maxHeuristic = 24 * time.Hour
	briefly      = 10 * time.Second // an error's freshness when none was said
	maxHeader    = 32 << 10
	maxVary      = 12
	maxTags      = 64
)

// verdict is what was decided about an answer.
type verdict struct {
	keep     bool
	why      string // which rule decided
	lifetime time.Duration
	basis    string // what the lifetime comes from
	explicit bool
	noCache  bool // ask before every use
	strict   bool // never stale: must-revalidate and its kin
	swr, sie time.Duration
	vary     []string
	tags     []string
}

// understood are the final statuses whose meaning this cache knows.
func understood(status int) bool { return http.StatusText(status) != "" && status >= 200 }

// heuristic are the statuses that may be kept without being told how long
// (RFC 9110, 15.1).
func heuristic(status int) bool {
	switch status {
	case 200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// judge decides whether an answer may be kept, and how long it is fresh.
func judge(r *http.Request, status int, h http.Header, now time.Time, rule *Rule) verdict {
	d, forCDNs := toUs(h)
	v := verdict{noCache: d.has("no-cache") || d.said("no-cache") && len(d.fields("no-cache")) == 0, tags: tagsOf(h, rule)}
	v.strict = d.said("must-revalidate") || d.said("proxy-revalidate") || d.said("s-maxage") || v.noCache
	v.vary, v.why = varyOf(h)
	v.freshness(status, h, d, !forCDNs, now, rule)
	if v.noCache {
		v.lifetime, v.basis = 0, "no-cache"
	}
	if v.why == "" {
		v.why = refusal(r, status, h, d, &v)
	}
	v.keep = v.why == ""
	return v
}

// refusal is why an answer may not be kept; empty: it may.
func refusal(r *http.Request, status int, h http.Header, d directives, v *verdict) string {
	public := d.said("public")
	switch {
	case parseDirectives(r.Header["Cache-Control"]).said("no-store"):
		return "the request says no-store"
	case d.said("must-understand") && !understood(status):
		return "must-understand, and the status is unknown"
	case d.said("no-store") && !d.said("must-understand"):
		return "the answer says no-store"
	case d.has("private") || d.said("private") && len(d.fields("private")) == 0:
		return "the answer is private"
	case len(h["Set-Cookie"]) > 0 && !slices.Contains(without(d), "Set-Cookie"):
		return "the answer sets a cookie, which would go to others"
	case len(r.Header["Cookie"]) > 0 && !v.explicit && !public && !v.noCache:
		return "the request had a cookie, and the answer does not say that it is for others"
	case len(r.Header["Authorization"]) > 0 && !public && !d.said("s-maxage") && !d.said("must-revalidate"):
		return "the request was authorized, and the answer does not say that it is for others"
	case status == http.StatusNotModified || status == http.StatusRequestedRangeNotSatisfiable || status < 200:
		return "an answer of this status stands for no whole"
	case !v.explicit && !heuristic(status) && !public:
		return "no freshness is said, and the status has none by itself"
	case !validatable(h) && (v.noCache || v.lifetime <= 0 && (!v.explicit || v.swr <= 0 && v.sie <= 0)):
		return "it is not fresh by itself and cannot be validated"
	case headerSize(h) > maxHeader:
		return "its header is over the limit"
	case !public && disguisedPath(r.URL.EscapedPath()):
		return "the path holds what services read in several ways"
	case !public && deceived(r.URL.Path, h.Get("Content-Type")):
		return "its type is not that of the path's extension"
	}
	return ""
}

func validatable(h http.Header) bool { return h.Get("Etag") != "" || h.Get("Last-Modified") != "" }

// freshness computes how long the answer is fresh, and what may follow.
func (v *verdict) freshness(status int, h http.Header, d directives, expires bool, now time.Time, rule *Rule) {
	v.swr, v.sie = rule.StaleWhileRevalidate, rule.StaleIfError
	if t, ok := d.seconds("stale-while-revalidate"); ok {
		v.swr = min(t, aWeek)
	}
	if t, ok := d.seconds("stale-if-error"); ok {
		v.sie = min(t, aWeek)
	}
	date, dated := dateOf(h, "Date", now)
	if !dated {
		date = now
	}
	modified, known := dateOf(h, "Last-Modified", now)
	if t, ok := d.seconds("s-maxage"); ok {
		v.lifetime, v.basis, v.explicit = t, "s-maxage", true
	} else if t, ok := d.seconds("max-age"); ok {
		v.lifetime, v.basis, v.explicit = t, "max-age", true
	} else if expires && len(h["Expires"]) > 0 {
		at, ok := dateOf(h, "Expires", now)
		if v.basis, v.explicit = "Expires", true; ok {
			v.lifetime = at.Sub(date)
		}
	} else if known && (heuristic(status) || d.said("public")) && date.After(modified) {
		v.lifetime, v.basis = min(date.Sub(modified)/10, maxHeuristic), "a tenth of the time since Last-Modified"
		if status >= 400 {
			v.lifetime = min(v.lifetime, briefly)
		}
	}
	longest := rule.Longest
	if longest <= 0 {
		longest = aWeek
	}
	if v.lifetime > longest {
		v.lifetime, v.basis = longest, v.basis+", cut to the longest"
	}
	v.lifetime = max(v.lifetime, 0)
}

// tagsOf are the tags of an answer and its route. Surrogate-Key is parted by
// spaces, Cache-Tag by commas.
func tagsOf(h http.Header, rule *Rule) []string {
	tags := rule.Tags[:len(rule.Tags):len(rule.Tags)]
	for _, tag := range Tags(h) {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// Tags are the tags that an answer says.
func Tags(h http.Header) (tags []string) {
	add := func(tag string) {
		if tag = strings.TrimSpace(tag); tag != "" && len(tag) <= 256 && len(tags) < maxTags {
			tags = append(tags, tag)
		}
	}
	for _, line := range h["Surrogate-Key"] {
		for tag := range strings.FieldsSeq(line) {
			add(tag)
		}
	}
	for _, line := range h["Cache-Tag"] {
		for tag := range strings.SplitSeq(line, ",") {
			add(tag)
		}
	}
	return tags
}

func headerSize(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

// disguisedPath finds what some services take for the end or a part of the
// path and others do not: by it an answer of one resource can be kept under
// the name of another (cache deception).
func disguisedPath(escaped string) bool {
	if strings.IndexByte(escaped, ';') >= 0 || strings.IndexByte(escaped, '\\') >= 0 {
		return true
	}
	for rest := escaped; ; {
		at := strings.IndexByte(rest, '%')
		if at < 0 || at+2 >= len(rest) {
			return false
		}
		switch code := strings.ToLower(rest[at+1 : at+3]); {
		case code[0] == '0' || code[0] == '1', code == "2f", code == "5c", code == "3b", code == "3f", code == "23", code == "7f", code == "2e":
			return true
		}
		rest = rest[at+3:]
	}
}

// assetType tells whether an extension is one that a page or data never has,
// and how the types of such files begin; empty: in many ways.
func assetType(extension string) (begins string, asset bool) {
	switch extension {
	case ".css":
		return "text/css", true
	case ".map":
		return "application/json", true
	case ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".ico":
		return "image/", true
	case ".pdf":
		return "application/pdf", true
	case ".mp3":
		return "audio/", true
	case ".mp4":
		return "video/", true
	case ".txt", ".csv":
		return "text/", true
	case ".js", ".mjs", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".webm", ".zip", ".gz":
		return "", true
	}
	return "", false
}

// deceived tells whether an answer is a page or data under an asset's name: a
// service that overlooks what it does not know of a path answers /account to
// /account/x.css, and the next who asks for that would get it.
func deceived(p, contentType string) bool {
	want, asset := assetType(strings.ToLower(path.Ext(p)))
	if !asset {
		return false
	}
	got, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return contentType != ""
	}
	if want != "" {
		return !strings.HasPrefix(got, want) && got != "application/octet-stream" || got == "text/html"
	}
	return got == "text/html" || got == "application/xhtml+xml" || got == "application/json"
}

// unkeyed finds the fields by which some frameworks take another host, path
// or method than the request's: an answer to such a request is for nobody else.
// To CGI and what descends from it an underscore is a hyphen.
func unkeyed(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	}
	switch name {
	case "X-Original-Url", "X-Rewrite-Url", "X-Original-Uri", "X-Original-Host", "X-Host", "X-Http-Method", "X-Http-Method-Override",
		"X-Method-Override", "X-Http-Host-Override", "X-Http-Destinationurl", "X-Http-Path-Override":
		return true
	}
	return false
}
