package gateway_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// step is one request through the gateway, what the service would answer, and
// who is to answer: the cache, the service, or the service when it is asked
// whether what is kept still holds.
type step struct {
	method string // GET
	path   string // /thing
	ask    []string
	body   string
	status int      // of the service's answer; 200
	say    []string // its header
	text   string   // its body; the step's number
	from   string   // kept, origin, validated
	want   int      // the status that the client gets; that of the service's answer
	has    []string // header lines that the client must get
	lacks  []string // header fields that it must not get
	reads  string   // the body; not looked at when empty
}

const (
	kept      = "kept"
	origin    = "origin"
	validated = "validated"
	past      = "Thu, 01 Jan 2026 00:00:00 GMT"
	future    = "Thu, 01 Jan 2099 00:00:00 GMT"
)

func get(from string, say ...string) step { return step{from: from, say: say} }

// head is a HEAD that the cache passes on.
func head(say ...string) step {
	if !slices.Contains(say, "Content-Length") {
		say = append(slices.Clip(say), "Content-Length", "8")
	}
	return step{method: http.MethodHead, ask: []string{"Cache-Control", "no-cache"}, from: origin, say: say}
}

// play plays the steps of one story against a gateway with a cache.
func play(t *testing.T, rule *plan.RouteCache, steps []step) {
	t.Helper()
	var now atomic.Pointer[step]
	var reached atomic.Int64
	var mu sync.Mutex
	var seen http.Header
	shop := backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		mu.Lock()
		seen = r.Header.Clone()
		mu.Unlock()
		s := now.Load()
		for i := 0; i+1 < len(s.say); i += 2 {
			w.Header().Add(s.say[i], s.say[i+1])
		}
		if s.from == validated && (r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if s.status != 0 {
			w.WriteHeader(s.status)
		}
		_, _ = w.Write([]byte(s.text))
	})
	rig := newRig(t, gateway.Options{}, shop)
	if rule == nil {
		rule = &plan.RouteCache{Longest: plan.Duration(7 * 24 * time.Hour), StaleIfError: plan.Duration(time.Minute)}
	}
	all := route("/", "shop")
	all.Cache = rule
	rig.SetRoutes("public", []plan.Route{all})
	rig.SetCache("public", &plan.Cache{Memory: 4 << 20, Object: 1 << 20})
	c := client(t, false)
	for i := range steps {
		s := &steps[i]
		if s.text == "" {
			s.text = "answer " + string(rune('1'+i))
		}
		now.Store(s)
		before := reached.Load()
		method, path := s.method, s.path
		if method == "" {
			method = http.MethodGet
		}
		if path == "" {
			path = "/thing"
		}
		got := do(t, c, method, "http://"+rig.addr+path, s.body, s.ask...)
		asked := reached.Load() - before
		switch {
		case s.from == kept && asked != 0:
			t.Errorf("step %d came from the service, Cache-Status %q", i+1, got.Header.Get("Cache-Status"))
		case s.from != kept && s.from != "" && asked != 1:
			t.Errorf("step %d reached the service %d times, Cache-Status %q", i+1, asked, got.Header.Get("Cache-Status"))
		}
		mu.Lock()
		if conditional := seen.Get("If-None-Match") + seen.Get("If-Modified-Since"); s.from == validated && conditional == "" {
			t.Errorf("step %d asked the service without a condition", i+1)
		}
		mu.Unlock()
		want := s.want
		if want == 0 {
			want = max(s.status, http.StatusOK)
			if s.from == kept {
				want = max(steps[0].status, http.StatusOK)
			}
		}
		if got.StatusCode != want {
			t.Errorf("step %d: status %d, want %d", i+1, got.StatusCode, want)
		}
		for _, line := range s.has {
			name, value, _ := strings.Cut(line, ": ")
			if has := got.Header.Get(name); has != value && (name != "Age" || !somewhatOlder(has, value)) {
				t.Errorf("step %d: %s is %q, want %q", i+1, name, has, value)
			}
		}
		for _, name := range s.lacks {
			if got.Header.Get(name) != "" {
				t.Errorf("step %d has %s: %s", i+1, name, got.Header.Get(name))
			}
		}
		if s.reads != "" && got.body != s.reads {
			t.Errorf("step %d: body %q, want %q", i+1, got.body, s.reads)
		}
	}
}

// somewhatOlder tells whether an Age is the wanted one, on a machine that takes
// its time between two steps.
func somewhatOlder(age, want string) bool {
	seconds, err := strconv.Atoi(age)
	least, wrong := strconv.Atoi(want)
	return err == nil && wrong == nil && seconds >= least && seconds <= least+20
}

func TestCacheKeeps(t *testing.T) {
	fresh := []string{"Cache-Control", "max-age=3600"}
	for name, steps := range map[string][]step{
		"max-age":                   {get(origin, fresh...), {from: kept, reads: "answer 1"}},
		"s-maxage over max-age":     {get(origin, "Cache-Control", "max-age=0, s-maxage=60"), get(kept)},
		"capitals":                  {get(origin, "Cache-Control", "MaX-aGe=3600"), get(kept)},
		"leading zeros":             {get(origin, "Cache-Control", "max-age=003600"), get(kept)},
		"beyond all numbers":        {get(origin, "Cache-Control", "max-age=99999999999999999999"), get(kept)},
		"extension":                 {get(origin, "Cache-Control", "foo, max-age=60"), get(kept)},
		"Expires":                   {get(origin, "Expires", future), get(kept)},
		"Expires in other letters":  {get(origin, "Expires", "tHU, 01 JAN 2099 00:00:00 gmt"), get(kept)},
		"Expires with a bad Date":   {get(origin, "Expires", future, "Date", "soon"), get(kept)},
		"max-age over Expires":      {get(origin, "Expires", past, "Cache-Control", "max-age=60"), get(kept)},
		"heuristic":                 {get(origin, "Last-Modified", past), get(kept)},
		"heuristic 404":             {{from: origin, status: 404, say: []string{"Last-Modified", past}}, get(kept)},
		"410 with freshness":        {{from: origin, status: 410, say: fresh}, get(kept)},
		"301":                       {{from: origin, status: 301, say: fresh}, get(kept)},
		"599 with freshness":        {{from: origin, status: 599, say: fresh}, get(kept)},
		"CDN-Cache-Control":         {get(origin, "Cache-Control", "no-store", "CDN-Cache-Control", "max-age=600"), get(kept)},
		"bad CDN-Cache-Control":     {get(origin, "Cache-Control", "max-age=60", "CDN-Cache-Control", "no-store, &&"), get(kept)},
		"must-understand":           {get(origin, "Cache-Control", "max-age=60, no-store, must-understand"), get(kept)},
		"fresh must-revalidate":     {get(origin, "Cache-Control", "max-age=60, must-revalidate"), get(kept)},
		"authorized and public":     {{ask: []string{"Authorization", "me"}, from: origin, say: []string{"Cache-Control", "max-age=60, public"}}, get(kept)},
		"authorized and s-maxage":   {{ask: []string{"Authorization", "me"}, from: origin, say: []string{"Cache-Control", "s-maxage=60"}}, get(kept)},
		"but for its cookie":        {get(origin, "Cache-Control", `max-age=60, private="set-cookie"`, "Set-Cookie", "a=b"), {from: kept, lacks: []string{"Set-Cookie"}}},
		"a request with a cookie":   {get(origin, fresh...), {ask: []string{"Cookie", "a=b"}, from: kept}},
		"HEAD from GET":             {get(origin, fresh...), {method: "HEAD", from: kept, has: []string{"Content-Length: 8"}}},
		"Age of its own is counted": {get(origin, "Cache-Control", "max-age=60", "Age", "30"), {from: kept, has: []string{"Age: 30"}}},
		"Age that is none":          {get(origin, "Cache-Control", "max-age=60", "Age", "-7200"), get(kept)},
		"first Age counts":          {get(origin, "Cache-Control", "max-age=60", "Age", "0, 7200"), get(kept)},
		"the first of two max-age":  {get(origin, "Cache-Control", "max-age=60, max-age=0"), get(kept)},
		"private field":             {get(origin, "Cache-Control", `max-age=60, private="x-me"`, "X-Me", "1", "X-All", "2"), {from: kept, has: []string{"X-All: 2"}, lacks: []string{"X-Me"}}},
		"no-cache field":            {get(origin, "Cache-Control", `max-age=60, no-cache="x-me, x-you"`, "X-Me", "1", "X-All", "2"), {from: kept, has: []string{"X-All: 2"}, lacks: []string{"X-Me"}}},
		"query":                     {{path: "/thing?a=1", from: origin, say: fresh}, {path: "/thing?a=1", from: kept}, {path: "/thing?a=2", from: origin}},
		"POST that names itself":    {{method: "POST", body: "x", from: origin, say: []string{"Cache-Control", "max-age=60", "Content-Location", "/thing"}}, get(kept)},
		"of the connection":         {get(origin, "Cache-Control", "max-age=60", "Connection", "x-hop", "X-Hop", "1"), {from: kept, lacks: []string{"X-Hop", "Connection"}}},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, steps) })
	}
}

func TestCacheDoesNotKeep(t *testing.T) {
	for name, first := range map[string]step{
		"nothing said":            get(origin),
		"max-age=0":               get(origin, "Cache-Control", "max-age=0"),
		"negative":                get(origin, "Cache-Control", "max-age=-60"),
		"single quotes":           get(origin, "Cache-Control", "max-age='60'"),
		"letters":                 get(origin, "Cache-Control", "max-age=60a"),
		"in quotes":               get(origin, "Cache-Control", `max-age=0, x="max-age=60"`),
		"past Expires":            get(origin, "Expires", past),
		"Expires 0":               get(origin, "Expires", "0"),
		"s-maxage=0 over max-age": get(origin, "Cache-Control", "max-age=60, s-maxage=0"),
		"aged":                    get(origin, "Cache-Control", "max-age=3600", "Age", "7200"),
		"aged beyond numbers":     get(origin, "Cache-Control", "max-age=3600", "Age", "99999999999999999999"),
		"old by Date":             get(origin, "Cache-Control", "max-age=3600", "Date", past),
		"private":                 get(origin, "Cache-Control", "max-age=60, private"),
		"no-store":                get(origin, "Cache-Control", "max-age=60, No-StOrE"),
		"no-cache":                get(origin, "Cache-Control", "max-age=60, no-cache"),
		"private for CDNs":        get(origin, "Cache-Control", "max-age=60", "CDN-Cache-Control", "private"),
		"short for CDNs":          get(origin, "Cache-Control", "max-age=60", "CDN-Cache-Control", "max-age=0"),
		"Vary: *":                 get(origin, "Cache-Control", "max-age=60", "Vary", "Accept, *"),
		"a cookie":                get(origin, "Cache-Control", "max-age=60", "Set-Cookie", "a=b"),
		"a cookie, though public": get(origin, "Cache-Control", "max-age=60, public", "Set-Cookie", "a=b"),
		"for a cookie, unsaid":    {ask: []string{"Cookie", "a=b"}, from: origin, say: []string{"Last-Modified", past}},
		"authorized":              {ask: []string{"Authorization", "me"}, from: origin, say: []string{"Cache-Control", "max-age=60"}},
		"request no-store":        {ask: []string{"Cache-Control", "no-store"}, from: origin, say: []string{"Cache-Control", "max-age=60"}},
		"fat GET":                 {body: "x", from: origin, say: []string{"Cache-Control", "max-age=60"}},
		"another URL in a field":  {ask: []string{"X-Original-URL", "/evil"}, from: origin, say: []string{"Cache-Control", "max-age=60"}},
		"another host, disguised": {ask: []string{"X_HOST", "evil"}, from: origin, say: []string{"Cache-Control", "max-age=60"}},
		"another method":          {ask: []string{"x_http_method_override", "POST"}, from: origin, say: []string{"Cache-Control", "max-age=60"}},
		"POST as another method":  {method: "POST", body: "x", ask: []string{"X-HTTP-Method-Override", "PATCH"}, from: origin, say: []string{"Cache-Control", "max-age=60", "Content-Location", "/thing"}},
		"HEAD":                    {method: "HEAD", from: origin, say: []string{"Cache-Control", "max-age=60"}},
		"a part of another place": {ask: []string{"Range", "bytes=0-3"}, status: 206, text: "evil", from: origin, say: []string{"Cache-Control", "max-age=60", "Content-Range", "bytes 0-3/4000"}},
		"unknown must-understand": {from: origin, status: 599, say: []string{"Cache-Control", "max-age=60, no-store, must-understand"}},
		"500 without freshness":   {from: origin, status: 500, say: []string{"Last-Modified", past}},
		"201 without freshness":   {from: origin, status: 201, say: []string{"Last-Modified", past}},
		"a header without end":    get(origin, "Cache-Control", "max-age=60", "X-Big", strings.Repeat("x", 40<<10)),
		"a part that is no such":  {ask: []string{"Range", "bytes=4-9"}, status: 206, text: "01234", from: origin, say: []string{"Cache-Control", "max-age=60", "Content-Range", "bytes 4-9/10"}},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, []step{first, get(origin)}) })
	}
}

func TestCacheIsStrictWithDates(t *testing.T) {
	for name, when := range map[string]string{
		"one figure for the hour": "Thu, 01 Jan 2099 2:01:18 GMT", "two spaces": "Thu, 01  Jan  2099 00:00:00 GMT", "another zone": "Thu, 01 Jan 2099 00:00:00 UTC", "no day": "Thu, 31 Feb 2099 00:00:00 GMT",
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, []step{get(origin, "Expires", when), get(origin)}) })
	}
}

func TestCacheDeception(t *testing.T) {
	page := []string{"Cache-Control", "max-age=60", "Content-Type", "text/html"}
	for path, from := range map[string]string{
		"/account/x.css": origin, "/account;x.css": origin, "/account%2Fx": origin, "/account%3fx": origin, "/logo.png": origin,
		"/account": kept, "/a/report.html": kept,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			play(t, nil, []step{{path: path, from: origin, say: page}, {path: path, from: from}})
		})
	}
}

func TestCacheValidates(t *testing.T) {
	tagged := []string{"Cache-Control", "max-age=60", "ETag", `"a"`, "X-V", "1"}
	aged := append([]string{"Age", "3600"}, tagged...)
	for name, steps := range map[string][]step{
		"stale with a tag":    {get(origin, aged...), {from: validated, say: []string{"X-V", "2", "ETag", `"a"`}, reads: "answer 1", has: []string{"X-V: 2"}}, {from: kept, has: []string{"X-V: 2"}}},
		"stale with a date":   {get(origin, "Cache-Control", "max-age=60", "Age", "100", "Last-Modified", past), {from: validated, reads: "answer 1"}},
		"no-cache with a tag": {get(origin, "Cache-Control", "no-cache", "ETag", `"a"`), {from: validated, reads: "answer 1"}, get(validated)},
		"request no-cache":    {get(origin, tagged...), {ask: []string{"Cache-Control", "no-cache"}, from: validated, reads: "answer 1"}},
		"Pragma":              {get(origin, tagged...), {ask: []string{"Pragma", "no-cache"}, from: validated}},
		"request max-age":     {get(origin, "Cache-Control", "max-age=60", "Age", "10", "ETag", `"a"`), {ask: []string{"Cache-Control", "max-age=5"}, from: validated}},
		"min-fresh":           {get(origin, tagged...), {ask: []string{"Cache-Control", "min-fresh=600"}, from: validated}},
		"max-stale":           {get(origin, aged...), {ask: []string{"Cache-Control", "max-stale=7200"}, from: kept}},
		"max-stale no more":   {get(origin, "Cache-Control", "max-age=60, must-revalidate", "Age", "100", "ETag", `"a"`), {ask: []string{"Cache-Control", "max-stale"}, from: validated}},
		"new instead of 304":  {get(origin, aged...), {from: origin, say: []string{"Cache-Control", "max-age=60"}, reads: "answer 2"}, {from: kept, reads: "answer 2"}},
		"HEAD freshens":       {get(origin, aged...), head(append(tagged, "X-V", "2")...), {from: kept, has: []string{"Age: 0"}, reads: "answer 1"}},
		"HEAD by its date":    {get(origin, "Cache-Control", "max-age=60", "Age", "100", "Last-Modified", past), head("Cache-Control", "max-age=60", "Last-Modified", past), get(kept)},
		"HEAD of another":     {get(origin, tagged...), head("Cache-Control", "max-age=60", "ETag", `"b"`), get(origin)},
		"HEAD, other length":  {get(origin, tagged...), head(append(tagged, "Content-Length", "9")...), get(origin)},
		"HEAD proves nothing": {get(origin, "Cache-Control", "max-age=60", "Age", "100"), head("Cache-Control", "max-age=60"), get(origin)},
		"HEAD says no-store":  {get(origin, tagged...), head("Cache-Control", "no-store", "ETag", `"a"`), get(origin)},
		"HEAD fails":          {get(origin, tagged...), {method: "HEAD", ask: []string{"Cache-Control", "no-cache"}, from: origin, status: 404}, get(kept)},
		"304 to the client":   {get(origin, tagged...), {ask: []string{"If-None-Match", `"x", W/"a"`}, from: kept, want: 304, has: []string{`ETag: "a"`}}},
		"200 to the client":   {get(origin, tagged...), {ask: []string{"If-None-Match", `"x"`}, from: kept}},
		"since":               {get(origin, "Cache-Control", "max-age=60", "Last-Modified", past), {ask: []string{"If-Modified-Since", "Thursday, 01-Jan-26 00:00:00 GMT"}, from: kept, want: 304}},
		"tag before since":    {get(origin, append(tagged, "Last-Modified", past)...), {ask: []string{"If-None-Match", `"x"`, "If-Modified-Since", past}, from: kept}},
		"304 after asking":    {get(origin, aged...), {ask: []string{"If-None-Match", `"a"`}, from: validated, want: 304}},
		"only-if-cached":      {{ask: []string{"Cache-Control", "only-if-cached"}, from: kept, want: 504}},
		"a cookie by 304":     {get(origin, aged...), {from: validated, say: []string{"Set-Cookie", "mine=1"}, has: []string{"Set-Cookie: mine=1"}}, {from: origin, lacks: []string{"Set-Cookie"}}},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, steps) })
	}
}

func TestCacheVaries(t *testing.T) {
	vary := func(fields string) []string { return []string{"Cache-Control", "max-age=60", "Vary", fields} }
	ask := func(from string, header ...string) step {
		return step{ask: header, from: from, say: vary("Foo, Accept-Language")}
	}
	for name, steps := range map[string][]step{
		"same":           {ask(origin, "Foo", "1"), ask(kept, "Foo", "1", "Bar", "2")},
		"other":          {ask(origin, "Foo", "1"), ask(origin, "Foo", "2"), ask(kept, "Foo", "1"), ask(kept, "Foo", "2")},
		"absent":         {ask(origin, "Foo", "1"), ask(origin)},
		"absent before":  {ask(origin), ask(origin, "Foo", "1")},
		"white space":    {ask(origin, "Foo", "1,2"), ask(kept, "Foo", " 1, 2 ")},
		"language order": {ask(origin, "Accept-Language", "en, de"), ask(kept, "Accept-Language", "dE,  en")},
		"language wish":  {ask(origin, "Accept-Language", "de;q=0.1, en"), ask(origin, "Accept-Language", "de, en;q=0.1")},
		"language got": {
			{ask: []string{"Accept-Language", "en, de"}, from: origin, say: append(vary("Accept-Language"), "Content-Language", "de")},
			{ask: []string{"Accept-Language", "fr;q=0.5, de"}, from: kept}, {ask: []string{"Accept-Language", "fr"}, from: origin},
		},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, steps) })
	}
}

func TestCacheServesStaleOnError(t *testing.T) {
	old := func(more string) []string { return []string{"Cache-Control", "max-age=60" + more, "Age", "90"} }
	broken := func(from string, want int) step { return step{from: from, status: 503, want: want, ask: nil} }
	for name, steps := range map[string][]step{
		"by the plan":      {get(origin, old("")...), broken(origin, 200)},
		"as it says":       {get(origin, "Cache-Control", "max-age=60, stale-if-error=7200", "Age", "3600"), broken(origin, 200)},
		"not longer":       {get(origin, old(", stale-if-error=5")...), broken(origin, 503)},
		"must-revalidate":  {get(origin, old(", must-revalidate")...), broken(origin, 503)},
		"proxy-revalidate": {get(origin, old(", proxy-revalidate")...), broken(origin, 503)},
		"s-maxage":         {get(origin, old(", s-maxage=60")...), broken(origin, 503)},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, steps) })
	}
}

func TestCacheRanges(t *testing.T) {
	whole := step{from: origin, text: "0123456789", say: []string{"Cache-Control", "max-age=60", "ETag", `"a"`}}
	some := step{ask: []string{"Range", "bytes=4-8"}, from: origin, status: 206, text: "45678", say: []string{"Cache-Control", "max-age=60", "Content-Range", "bytes 4-8/10"}}
	ask := func(r string, want int, reads string) step {
		return step{ask: []string{"Range", "bytes=" + r}, from: kept, want: want, reads: reads}
	}
	for name, steps := range map[string][]step{
		"of the whole":       {whole, ask("0-1", 206, "01"), ask("8-", 206, "89"), ask("-3", 206, "789"), ask("9-99", 206, "9")},
		"beyond the whole":   {whole, ask("10-", 416, "")},
		"several parts":      {whole, ask("0-1,4-5", 200, "0123456789")},
		"malformed":          {whole, ask("5-2", 200, "0123456789"), ask("x-", 200, "0123456789"), ask("99999999999999999999-", 200, "")},
		"If-Range":           {whole, {ask: []string{"Range", "bytes=0-1", "If-Range", `"b"`}, from: kept, want: 200}, {ask: []string{"Range", "bytes=0-1", "If-Range", `"a"`}, from: kept, want: 206}},
		"of a part":          {some, ask("5-6", 206, "56"), {ask: []string{"Range", "bytes=0-5"}, from: origin}},
		"a part is no whole": {some, get(origin)},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, steps) })
	}
}

func TestCacheInvalidates(t *testing.T) {
	fresh := []string{"Cache-Control", "max-age=60"}
	for name, steps := range map[string][]step{
		"POST":            {get(origin, fresh...), {method: "POST", body: "x", from: origin}, get(origin)},
		"DELETE":          {get(origin, fresh...), {method: "DELETE", from: origin}, get(origin)},
		"unknown method":  {get(origin, fresh...), {method: "M-SEARCH", from: origin}, get(origin)},
		"failed":          {get(origin, fresh...), {method: "POST", body: "x", status: 500, from: origin}, get(kept)},
		"Location":        {get(origin, fresh...), {method: "POST", path: "/other", body: "x", from: origin, say: []string{"Location", "/thing"}}, get(origin)},
		"other Location":  {get(origin, fresh...), {method: "POST", path: "/other", body: "x", from: origin, say: []string{"Location", "http://elsewhere.example/thing"}}, get(kept)},
		"OPTIONS is safe": {get(origin, fresh...), {method: "OPTIONS", from: origin}, get(kept)},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, steps) })
	}
}

func TestCacheWhyVaries(t *testing.T) {
	t.Parallel()
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Foo")
	})
	do(t, client(t, false), "GET", "http://"+rig.addr+"/", "", "Foo", "1")
	u := &url.URL{Scheme: "http", Host: rig.addr, Path: "/"}
	for want, header := range map[string]http.Header{"hit": {"Foo": {"1"}}, "miss": nil} {
		if why, _, err := rig.CacheWhy("public", u, header); err != nil || why.Verdict != want || len(why.Variants) != 1 {
			t.Errorf("with %v: %+v %v, want a %s", header, why, err, want)
		}
	}
}

func TestCacheOff(t *testing.T) {
	rig := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "max-age=60") }))
	if got := do(t, client(t, false), "GET", "http://"+rig.addr+"/", ""); got.Header.Get("Cache-Status") != "" {
		t.Errorf("a gateway without a cache says Cache-Status: %s", got.Header.Get("Cache-Status"))
	}
	if _, _, err := rig.CacheWhy("public", &url.URL{Scheme: "http", Host: "x", Path: "/"}, nil); err == nil {
		t.Error("CacheWhy of a gateway without a cache has no error")
	}
}
