package framing_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/plat-dev/plat/gateway/framing"
)

// FuzzStrict: of a stream that Conn lets pass, net/http sees the same
// requests and the same ends as it does.
func FuzzStrict(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-T: v\r\n\r\nGET / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: a\r\n\r\nraw\nbytes", "GET / HTTP/1.1\nHost: x\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 1000)
	}
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if size < 1 || size > 4096 || bytes.Contains(bytes.ToLower(stream), []byte("upgrade")) || bytes.HasPrefix(stream, []byte("PRI")) {
			return
		}
		starts, ok := framing.Heads(stream)
		passed, err := io.ReadAll(&sized{framing.NewConn(&replay{r: bytes.NewReader(stream)}), size})
		if ok != (err == nil && bytes.Equal(passed, stream)) {
			t.Fatalf("in pieces of %d: passed %q of %q, in bytes: %v", size, passed, stream, ok)
		}
		for n, whole := 0, (&counting{r: bytes.NewReader(passed)}); ; n++ {
			at := whole.n // of the request that comes
			req, err := http.ReadRequest(whole.reader())
			if err != nil {
				return // malformed to net/http too, or the end
			}
			if n >= len(starts) || starts[n] != at {
				t.Fatalf("request %d of %q begins at %d, Conn saw %v", n, passed, at, starts)
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
		}
	})
}

// counting gives a reader that counts what is taken from it exactly: byte by
// byte.
type counting struct {
	r *bytes.Reader
	n int
	b *bufio.Reader
}

func (c *counting) reader() *bufio.Reader {
	if c.b == nil {
		c.b = bufio.NewReaderSize(c, 16)
	}
	return c.b
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(1, len(p))])
	c.n += n
	return n, err
}

// replay is a connection of which only reading works.
type replay struct {
	net.Conn
	r io.Reader
}

func (c *replay) Read(p []byte) (int, error) { return c.r.Read(p) }

// sized reads in pieces.
type sized struct {
	r io.Reader
	n int
}

func (s *sized) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.n)]) }
