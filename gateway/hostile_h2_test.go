package gateway_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
)

// Frames of HTTP/2 (RFC 9113, 6), as far as these tests need them.
const (
	frameData     = 0
	frameHeaders  = 1
	frameReset    = 3
	frameSettings = 4
	frameGoAway   = 7

	frameContinuation = 9

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4
)

func frame(kind, flags byte, stream uint32, payload string) string {
	head := make([]byte, 9)
	binary.BigEndian.PutUint32(head, uint32(len(payload))<<8|uint32(kind)) // #nosec G115 -- short
	head[4] = flags
	binary.BigEndian.PutUint32(head[5:], stream)
	return string(head) + payload
}

// fields are encoded as literals without a table and without compression, so
// that anything can be said.
func fields(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteByte(0)
		for _, text := range pairs[i : i+2] {
			if n := len(text); n < 127 {
				b.WriteByte(byte(n))
			} else {
				b.WriteByte(127)
				for n -= 127; n >= 128; n >>= 7 {
					b.WriteByte(byte(n&127 | 128))
				}
				b.WriteByte(byte(n))
			}
			b.WriteString(text)
		}
	}
	return b.String()
}

// answered speaks HTTP/2 to addr and tells how stream 1 ended: the answer's
// first bytes of the header, or reset, goaway, closed.
func answered(t *testing.T, addr, frames string) string {
	t.Helper()
	c := dial(t, addr)
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+frame(frameSettings, 0, 0, "")+frames); err != nil {
		return "closed"
	}
	br := bufio.NewReader(c)
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(br, head); err != nil {
			return "closed"
		}
		length := binary.BigEndian.Uint32(head) >> 8
		payload := make([]byte, length)
		if _, err := io.ReadFull(br, payload); err != nil {
			return "closed"
		}
		switch stream := binary.BigEndian.Uint32(head[5:]); {
		case head[3] == frameSettings && head[4]&flagAck == 0:
			if _, err := io.WriteString(c, frame(frameSettings, flagAck, 0, "")); err != nil {
				return "closed"
			}
		case head[3] == frameGoAway:
			return "goaway"
		case head[3] == frameReset && stream == 1:
			return "reset"
		case head[3] == frameHeaders && stream == 1 && len(payload) > 0:
			if payload[0] == 0x88 { // :status 200 of the static table
				return "200"
			}
			return "refused"
		}
	}
}

// TestSmugglingByHTTP2: what HTTP/2 can say and HTTP/1.1 would read in another
// way never reaches an instance, which speaks HTTP/1.1.
func TestSmugglingByHTTP2(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var reached []string
	r := newRig(t, gateway.Options{}, fake(t, "shop-1", func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return // began, and was broken off
			}
			mu.Lock()
			reached = append(reached, req.Method+" "+req.RequestURI)
			mu.Unlock()
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}))
	edge := r.serve(t, r.Edge("web", "shop", patience))
	with := func(more ...string) []string {
		return append([]string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x"}, more...)
	}
	const inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, test := range map[string]struct {
		header []string
		body   string
		good   bool
	}{
		"a good one":                {header: with("content-length", "2"), body: "ab", good: true},
		"a good one without":        {header: with(), good: true},
		"shorter than it says":      {header: with("content-length", "50"), body: "ab"},
		"longer than it says":       {header: with("content-length", "2"), body: "ab" + inner},
		"two lengths":               {header: with("content-length", "2", "content-length", "40"), body: "ab"},
		"odd length":                {header: with("content-length", "+2"), body: "ab"},
		"a transfer coding":         {header: with("transfer-encoding", "chunked"), body: "0\r\n\r\n" + inner},
		"a coding and a length":     {header: with("transfer-encoding", "chunked", "content-length", "5"), body: "0\r\n\r\n"},
		"a connection's field":      {header: with("connection", "transfer-encoding"), body: "ab"},
		"a line in a value":         {header: with("x-a", "b\r\nTransfer-Encoding: chunked"), body: "0\r\n\r\n"},
		"a line feed in a value":    {header: with("x-a", "b\nx-b: c")},
		"a NUL in a value":          {header: with("x-a", "b\x00c")},
		"a line in a name":          {header: with("x-a: b\r\nx-b", "c")},
		"a colon in a name":         {header: with("content-length:", "2")},
		"upper case in a name":      {header: with("Transfer-Encoding", "chunked")},
		"a space in a name":         {header: with("content-length ", "2")},
		"a request in the method":   {header: []string{":method", "GET / HTTP/1.1\r\nHost: y\r\n\r\nPOST", ":scheme", "http", ":path", "/", ":authority", "x"}},
		"a space in the method":     {header: []string{":method", "GET /a", ":scheme", "http", ":path", "/", ":authority", "x"}},
		"a request in the path":     {header: []string{":method", "GET", ":scheme", "http", ":path", "/ HTTP/1.1\r\nHost: y\r\n\r\nGET /smuggled", ":authority", "x"}},
		"a space in the path":       {header: []string{":method", "GET", ":scheme", "http", ":path", "/a HTTP/1.1", ":authority", "x"}},
		"a space in the query":      {header: []string{":method", "GET", ":scheme", "http", ":path", "/?a HTTP/1.1", ":authority", "x"}},
		"a line in the authority":   {header: []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x\r\nX-A: b"}},
		"two paths":                 {header: []string{":method", "GET", ":scheme", "http", ":path", "/a", ":path", "/b", ":authority", "x"}},
		"a pseudo field at the end": {header: []string{":method", "GET", ":scheme", "http", ":authority", "x", "x-a", "b", ":path", "/"}},
		"no path":                   {header: []string{":method", "GET", ":scheme", "http", ":authority", "x"}},
		"another authority":         {header: []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x", "host", "y"}},
		"an upgrade":                {header: with("upgrade", "h2c", "http2-settings", "AAMAAABk")},
	} {
		for _, addr := range []string{r.addr, edge} {
			mu.Lock()
			reached = nil
			mu.Unlock()
			frames := frame(frameHeaders, flagEndHeaders|flagEndStream, 1, fields(test.header...))
			if test.body != "" {
				frames = frame(frameHeaders, flagEndHeaders, 1, fields(test.header...)) + frame(frameData, flagEndStream, 1, test.body)
			}
			got := answered(t, addr, frames)
			eventually(t, "the instance's rest", func() bool { return r.Stats().InFlight == 0 })
			mu.Lock()
			if test.good != (got == "200") || test.good != (len(reached) == 1 && reached[0] == "POST /") || !test.good && len(reached) > 0 {
				t.Errorf("%s: %s, reached %q", name, got, reached)
			}
			mu.Unlock()
		}
	}
}

// TestHostileHTTP2Upstreams: the same of an instance that speaks HTTP/2.
func TestHostileHTTP2Upstreams(t *testing.T) {
	t.Parallel()
	ok := "\x88" // :status 200
	begin := frame(frameSettings, 0, 0, "") + frame(frameSettings, flagAck, 0, "")
	for name, test := range map[string]struct {
		says   string
		stays  bool // the connection stays open afterwards
		status int  // 0: the answer breaks off
		code   string
	}{
		"never answers":                {begin, true, 504, "gateway-timeout"},
		"says nothing at all":          {"", true, 504, "gateway-timeout"},
		"closes at once":               {begin, false, 502, "gateway-upstream-failed"},
		"goes away":                    {begin + frame(frameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x02"), false, 502, "gateway-upstream-failed"},
		"resets":                       {begin + frame(frameReset, 0, 1, "\x00\x00\x00\x02"), true, 502, "gateway-upstream-failed"},
		"closes in mid-body":           {begin + frame(frameHeaders, flagEndHeaders, 1, ok+fields("content-length", "100")) + frame(frameData, 0, 1, "half"), false, 0, ""},
		"resets in mid-body":           {begin + frame(frameHeaders, flagEndHeaders, 1, ok) + frame(frameData, 0, 1, "half") + frame(frameReset, 0, 1, "\x00\x00\x00\x02"), true, 0, ""},
		"promises more than it sends":  {begin + frame(frameHeaders, flagEndHeaders, 1, ok+fields("content-length", "100")) + frame(frameData, flagEndStream, 1, "half"), true, 0, ""},
		"promises less than it sends":  {begin + frame(frameHeaders, flagEndHeaders, 1, ok+fields("content-length", "2")) + frame(frameData, flagEndStream, 1, "ok and much more"), true, 0, ""},
		"no HTTP/2":                    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, 502, "gateway-upstream-failed"},
		"a line in a value":            {begin + frame(frameHeaders, flagEndHeaders|flagEndStream, 1, ok+fields("x-a", "b\r\nset-cookie: c")), true, 502, "gateway-upstream-failed"},
		"a header without an end":      {begin + frame(frameHeaders, 0, 1, ok), true, 504, "gateway-timeout"},
		"a header larger than allowed": {begin + frame(frameHeaders, 0, 1, ok) + strings.Repeat(frame(frameContinuation, 0, 1, strings.Repeat(fields("x-a", strings.Repeat("y", 1000)), 15)), 200), false, 502, "gateway-upstream-failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := fake(t, "shop-1", func(c net.Conn) {
				preface := make([]byte, 24)
				if _, err := io.ReadFull(c, preface); err != nil {
					return
				}
				for { // the request's header
					head := make([]byte, 9)
					if _, err := io.ReadFull(c, head); err != nil {
						return
					}
					if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head)>>8)); err != nil {
						return
					}
					if head[3] == frameHeaders {
						break
					}
				}
				_, _ = io.WriteString(c, test.says)
				if test.stays {
					_, _ = io.Copy(io.Discard, c) // until the gateway closes
				}
			})
			up.H2C = true
			r := newRig(t, gateway.Options{}, up)
			timeout := patience
			if test.status == http.StatusGatewayTimeout {
				timeout = 400 * time.Millisecond
			}
			edge := r.serve(t, r.Edge("web", "shop", timeout))
			res, err := client(t, false).Post("http://"+edge+"/", "text/plain", strings.NewReader("x"))
			if err != nil && test.status == 0 {
				return // it broke off before anything of it was passed on
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			switch {
			case test.status != 0:
				problem(t, answer{res, string(body)}, test.status, test.code)
			case err == nil && res.StatusCode == http.StatusOK:
				t.Errorf("a part looks like the whole: %d %q", res.StatusCode, body)
			}
			r.SetUpstreams("shop", nil) // and with it the connection
			eventually(t, "the instance to be free", func() bool { return r.Stats().InFlight == 0 })
		})
	}
}
