package main

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/plat-dev/plat/musiccorp/services/web/stockv1/stockv1connect"
)

// visitor is a browser without JavaScript: it keeps cookies and follows the
// redirect after a form.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
}

// seen is a page as the visitor sees it.
type seen struct {
	status int
	path   string
	header http.Header
	text   string // without markup, white space collapsed
	source string
	dom    *html.Node
}

func (v *visitor) get(path string) seen {
	v.t.Helper()
	return v.do(http.MethodGet, path, nil, nil)
}

// submit sends a form as the browser would from our own page.
func (v *visitor) submit(path string, form ...string) seen {
	v.t.Helper()
	return v.do(http.MethodPost, path, form, http.Header{"Sec-Fetch-Site": {"same-origin"}})
}

func (v *visitor) do(method, path string, form []string, header http.Header) seen {
	v.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(values.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header = header.Clone()
	if header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("X-Correlation-ID", "trail-7")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusSeeOther {
		return v.get(resp.Header.Get("Location"))
	}
	source, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	s := seen{status: resp.StatusCode, path: path, header: resp.Header, source: string(source)}
	if s.dom, err = html.Parse(strings.NewReader(s.source)); err != nil {
		v.t.Fatal(err)
	}
	var words []string
	for n := range s.dom.Descendants() {
		if n.Type == html.TextNode {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	s.text = strings.Join(words, " ")
	return s
}

// field is the value of the form's field.
func (s seen) field(name string) string {
	for n := range s.dom.Descendants() {
		if n.Data == "input" && attribute(n, "name") == name {
			return attribute(n, "value")
		}
	}
	return ""
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// expect fails the test unless the page has the status and all the texts.
func (s seen) expect(t *testing.T, status int, texts ...string) {
	t.Helper()
	if s.status != status {
		t.Errorf("%s: status %d, want %d: %s", s.path, s.status, status, s.text)
	}
	for _, text := range texts {
		if !strings.Contains(s.text, text) {
			t.Errorf("%s: %q is not on the page: %s", s.path, text, s.text)
		}
	}
}

func (s seen) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(s.text, text) {
			t.Errorf("%s: %q is on the page: %s", s.path, text, s.text)
		}
	}
}

func TestJourney(t *testing.T) {
	t.Parallel()
	stubs, v := serve(t)
	v.get("/").expect(t, 200, "Hip & Hop", "Less <3 More", `Ivy "M" & Co.`, "€12.99", "€1,200.50", "Register")
	v.get("/search?q=less+%3C3").expect(t, 200, "Results for “less <3”", "2 albums, page 2 of 3", "← Previous", "Next →")
	v.get("/search?genre=Pop").expect(t, 200, "Pop – MusicCorp")
	v.get("/albums/MC-0001").expect(t, 200, "Only 3 left", "2 tracks, 4 min", "1:01", "3:07", "Customers also bought Hum Fog Librarian €1,200.50")
	page := v.get("/albums/MC-0002")
	page.expect(t, 200, "Sold out")
	page.lacks(t, "also bought") // nobody knows what
	v.get("/basket").expect(t, 200, "It is empty")

	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "1").expect(t, 200, "Less <3 More", "Total €12.99")
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "1").expect(t, 200, "Total €25.98", "Basket 2")
	v.submit("/basket", "do", "add", "sku", "MC-0002", "quantity", "1").expect(t, 200, "Total €1,226.48", "Sold out")
	v.submit("/basket", "do", "remove", "sku", "MC-0002").lacks(t, "Hum")
	v.submit("/basket", "do", "set", "sku", "MC-0001", "quantity", "4").expect(t, 200, "Total €51.96", "Only 3 left")

	page = v.get("/checkout")
	if page.path != "/register?next=/checkout" {
		t.Errorf("checkout leads a stranger to %q", page.path)
	}
	page.expect(t, 200, "Name", "E-mail")
	page = v.submit("/register", "next", page.field("next"), "name", "Ada", "email", "ada@example.com")
	page.expect(t, 200, "Checkout", "Ada <b>", "ada@example.com", "€51.96")
	key := page.field("key")

	page = v.submit("/checkout", "key", key)
	page.expect(t, 200, "Order 0rder", "placed", "paid (not yet)", "follows your order", "Less <3 More", "€51.96")
	if got := page.header.Get("Refresh"); got != "2" {
		t.Errorf("the page of an order under way has Refresh %q", got)
	}
	page = v.get("/orders/1-0rder?pause")
	page.expect(t, 200, "This page stands still")
	if got := page.header.Get("Refresh"); got != "" {
		t.Errorf("the paused page has Refresh %q", got)
	}
	v.get("/basket").expect(t, 200, "It is empty")
	stubs.moveOn("dispatched", "")
	page = v.get("/orders/1-0rder")
	page.expect(t, 200, "It is on its way to you")
	page.lacks(t, "(not yet)", "follows your order")
	if got := page.header.Get("Refresh"); got != "" {
		t.Errorf("the page of a dispatched order has Refresh %q", got)
	}
	v.get("/orders").expect(t, 200, "Order 0rder", "dispatched", "€51.96", "14 November 2023", "You have 1234 points")
}

func TestOrderSentTwiceIsOne(t *testing.T) {
	t.Parallel()
	stubs, v := serve(t)
	v.submit("/register", "name", "Ada", "email", "ada@example.com")
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "1")
	key := v.get("/checkout").field("key")
	v.submit("/checkout", "key", key).expect(t, 200, "Order 0rder")
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "1")
	v.submit("/checkout", "key", key).expect(t, 200, "Order 0rder")
	if len(stubs.orders) != 1 {
		t.Errorf("%d orders were placed, want 1", len(stubs.orders))
	}
	if other := v.get("/checkout").field("key"); other == key {
		t.Error("two forms have the same key")
	}
}

func TestCancelledOrderSaysWhy(t *testing.T) {
	t.Parallel()
	stubs, v := serve(t)
	v.submit("/register", "name", "Ada", "email", "ada@example.com")
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "1")
	v.submit("/checkout", "key", v.get("/checkout").field("key"))
	stubs.moveOn("cancelled", "MC-0001 is out of stock")
	v.get("/orders/1-0rder").expect(t, 200, "It was cancelled: MC-0001 is out of stock.")
}

func TestRegistrationMistakes(t *testing.T) {
	t.Parallel()
	_, v := serve(t)
	page := v.submit("/register", "name", " ", "email", `"><script>alert(1)</script>`)
	page.expect(t, 422, "Please give a name")
	if strings.Contains(page.source, "<script") || page.field("email") != `"><script>alert(1)</script>` {
		t.Errorf("the address is not kept as it was: %s", page.source)
	}
	v.submit("/register", "name", "Bob", "email", "taken@example.com").expect(t, 409, "registered with this address already")
	page = v.submit("/register", "name", "Ada", "email", "ada@example.com", "next", "//evil.example/")
	page.expect(t, 200, "Welcome! You are registered")
}

func TestForeignFormsAreRefused(t *testing.T) {
	t.Parallel()
	stubs, v := serve(t)
	for name, header := range map[string]http.Header{
		"cross-site":          {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":           {"Sec-Fetch-Site": {"same-site"}},
		"old browser, origin": {"Origin": {"https://evil.example"}},
	} {
		for _, path := range []string{"/basket", "/register", "/checkout"} {
			page := v.do(http.MethodPost, path, []string{"name", "Eve", "email", "eve@example.com"}, header)
			page.expect(t, 403, "That came from another site", "trail-7")
			if len(page.header["Set-Cookie"]) > 0 {
				t.Errorf("%s %s sets a cookie", name, path)
			}
		}
	}
	if n := stubs.requests["CUSTOMER"]; n != 0 {
		t.Errorf("customer was called %d times", n)
	}
}

func TestOrdersArePrivate(t *testing.T) {
	t.Parallel()
	_, v := serve(t)
	v.submit("/register", "name", "Ada", "email", "ada@example.com")
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "1")
	v.submit("/checkout", "key", v.get("/checkout").field("key"))
	v.get("/orders/1-0rder").expect(t, 200)

	stranger := newVisitor(t, v.base)
	stranger.get("/orders/1-0rder").expect(t, 404, "There is nothing here")
	forged := http.Header{"Cookie": {"customer=" + ada + "." + signer("another key").mac(ada)}}
	stranger.do(http.MethodGet, "/orders/1-0rder", nil, forged).expect(t, 404)
	unsigned := http.Header{"Cookie": {"customer=" + ada}}
	stranger.do(http.MethodGet, "/orders/1-0rder", nil, unsigned).expect(t, 404)
}

func TestNeighboursFail(t *testing.T) {
	t.Parallel()
	kinds := map[string]http.HandlerFunc{
		"errors":  func(w http.ResponseWriter, r *http.Request) { refuse(w, r, http.StatusInternalServerError, "") },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"silence": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the caller gave up
			<-r.Context().Done()
		},
	}
	for service, pages := range map[string]map[string]int{
		"WAREHOUSE":      {"/albums/MC-0001": 200, "/basket": 200, "/checkout": 200},
		"RECOMMENDATION": {"/albums/MC-0001": 200},
		"LOYALTY":        {"/orders": 200},
		"ORDER":          {"/orders/1-0rder": 503, "POST /checkout": 503},
		"CUSTOMER":       {"POST /register": 503, "/checkout": 503, "/basket": 200},
		"CATALOG":        {"/": 503, "/search?q=x": 503, "/albums/MC-0001": 503, "/basket": 503, "/orders": 200},
	} {
		for kind, handler := range kinds {
			t.Run(service+" "+kind, func(t *testing.T) {
				t.Parallel()
				stubs, v := serve(t)
				v.submit("/register", "name", "Ada", "email", "ada@example.com")
				v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "4")
				key := v.get("/checkout").field("key")
				stubs.replace(service, handler)
				for page, status := range pages {
					got := v.endure(page, key, status)
					without := map[string]string{"WAREHOUSE": "Only 3 left", "RECOMMENDATION": "also bought", "LOYALTY": "points"}
					if text := without[service]; text != "" {
						got.lacks(t, text)
					}
				}
			})
		}
	}
}

// TestStockOfBefore: the last good answer is shown with its age.
func TestStockOfBefore(t *testing.T) {
	t.Parallel()
	stubs, v := serve(t)
	for age, want := range map[string]string{"0": "Only 3 left as of a moment ago", "75": "Only 3 left as of a minute ago", "185": "Only 3 left as of 3 minutes ago"} {
		mux := http.NewServeMux()
		mux.Handle(stockv1connect.NewStockServiceHandler(stubStock{stock: stubs.stock, age: age}))
		stubs.replace("WAREHOUSE", mux.ServeHTTP)
		v.get("/albums/MC-0001").expect(t, 200, want)
	}
	mux := http.NewServeMux()
	mux.Handle(stockv1connect.NewStockServiceHandler(stubStock{stock: stubs.stock, age: "old"}))
	stubs.replace("WAREHOUSE", mux.ServeHTTP)
	v.get("/albums/MC-0001").lacks(t, "Only 3 left")
	stubs.replace("WAREHOUSE", nil)
	v.get("/albums/MC-0001").lacks(t, "as of")
}

// endure looks at a page, or sends the form after "POST ", while a neighbour
// fails.
func (v *visitor) endure(page, key string, status int) seen {
	v.t.Helper()
	begun := time.Now()
	var got seen
	if path, isForm := strings.CutPrefix(page, "POST "); isForm {
		got = v.submit(path, "key", key, "name", "Bob", "email", "bob@example.com")
	} else {
		got = v.get(page)
	}
	if took := time.Since(begun); took > 20*time.Second {
		v.t.Errorf("%s took %s", page, took)
	}
	got.expect(v.t, status, "Basket 4") // which is kept, since nothing was bought
	if status == http.StatusServiceUnavailable {
		got.expect(v.t, status, "does not answer just now", "trail-7")
		if got.header.Get("Retry-After") == "" {
			v.t.Errorf("%s: 503 without Retry-After", page)
		}
	}
	return got
}

func TestHostileInput(t *testing.T) {
	t.Parallel()
	stubs, v := serve(t)
	v.get("/search?q="+url.QueryEscape(`<script>alert(1)</script>`)).expect(t, 200, "<script>alert(1)</script>")
	v.get("/search?page=0").expect(t, 422, "We did not get that")
	v.get("/albums/MC-9999").expect(t, 404, "There is nothing here", "trail-7")
	v.get("/albums/..%2f..%2fadmin").expect(t, 404)
	v.get("/nowhere").expect(t, 404, "There is nothing here")
	v.get("/static/%2e%2e%2fmain.go").expect(t, 400)
	v.get("/static/none.css").expect(t, 404)
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "many").expect(t, 422, "as a number")
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "-3").expect(t, 422)
	v.submit("/basket", "do", "add", "sku", "a b;c=d", "quantity", "1").expect(t, 422)
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "9999999").expect(t, 200, "Total €129.90")
	v.submit("/basket", "sku", strings.Repeat("M", maxForm)).expect(t, 413)

	broken := http.Header{"Cookie": {"basket=MC-0001*2.MC-0001*5.%00*1.MC-9999*1.x*99999999999999999999; customer=..."}}
	v.client.Jar = nil
	v.do(http.MethodGet, "/basket", nil, broken).expect(t, 200, "Total €25.98", "MC-9999", "not sold any more", "Please remove")

	evil := stubs.albums["MC-0001"]
	evil.Title, evil.Cover = `<img src=x onerror=alert(1)>`, "javascript:alert(1)"
	stubs.albums["MC-0001"] = evil
	page := v.get("/albums/MC-0001")
	page.expect(t, 200, `<img src=x onerror=alert(1)>`)
	if strings.Contains(page.source, "javascript:") || strings.Contains(page.source, "<img src=x") {
		t.Errorf("the page carries the attack: %s", page.source)
	}
}

func TestEveryPageIsClosedAndWellMade(t *testing.T) {
	t.Parallel()
	_, v := serve(t)
	v.submit("/register", "name", "Ada", "email", "ada@example.com")
	v.submit("/basket", "do", "add", "sku", "MC-0001", "quantity", "1")
	outside := regexp.MustCompile(`(?i)(src|href|action)="(https?:)?//`)
	for _, path := range []string{"/", "/search", "/albums/MC-0001", "/basket", "/register", "/checkout", "/orders", "/nowhere"} {
		page := v.get(path)
		csp := page.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy is %q", path, csp)
		}
		if page.header.Get("X-Content-Type-Options") != "nosniff" || page.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: headers are %v", path, page.header)
		}
		if outside.MatchString(page.source) || strings.Contains(page.source, " style=") || strings.Contains(page.source, "<script") {
			t.Errorf("%s asks other sites, or has a style or script in it: %s", path, page.source)
		}
		if n := strings.Count(page.source, "<h1"); n != 1 {
			t.Errorf("%s has %d main headings", path, n)
		}
		checkLabels(t, page)
		if strings.Contains(page.source, "ZgotmplZ") {
			t.Errorf("%s: the template refused a value", path)
		}
	}
	style := regexp.MustCompile(`/static/style\.css\?v=[0-9a-f]{12}`).FindString(v.get("/").source)
	sheet := v.get(style)
	if sheet.status != http.StatusOK || !strings.HasPrefix(sheet.header.Get("Content-Type"), "text/css") || !strings.Contains(sheet.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%q: %d %v", style, sheet.status, sheet.header)
	}
	if strings.Contains(sheet.source, "url(") || strings.Contains(sheet.source, "@import") {
		t.Error("the style sheet loads something")
	}
}

// checkLabels fails the test for an input without a label.
func checkLabels(t *testing.T, page seen) {
	t.Helper()
	labelled := map[string]bool{}
	for n := range page.dom.Descendants() {
		if n.Data == "label" {
			labelled[attribute(n, "for")] = true
		}
	}
	for n := range page.dom.Descendants() {
		if n.Data == "input" && attribute(n, "type") != "hidden" && !labelled[attribute(n, "id")] {
			t.Errorf("%s: the input %q has no label", page.path, attribute(n, "name"))
		}
	}
}
