package framing

import (
	"bytes"
	"io"
	"net"
	"strconv"
)

// Listener gives connections whose requests are read strictly.
type Listener struct{ net.Listener }

// Accept waits for the next connection.
func (l Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return NewConn(c), nil
}

// Conn reads along. A head that is refused is spoilt from there on, so
// that net/http answers 400 and closes; so is a chunk; a trailer breaks off.
//
// INVARIANT: wherever Conn and net/http could see a message's end
// differently, Conn refuses it: after a refusal nothing is delivered.
type Conn struct {
	net.Conn
	scan  scanner
	ended error // what Read gives when everything is delivered
	rest  string
}

// NewConn reads along on c.
func NewConn(c net.Conn) *Conn { return &Conn{Conn: c} }

// Read gives what came, up to what is refused.
func (c *Conn) Read(p []byte) (int, error) {
	if c.rest != "" && len(p) > 0 {
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	if c.ended != nil {
		return 0, c.ended
	}
	n, err := c.Conn.Read(p)
	if n == 0 || c.scan.state == scanOff {
		return n, err
	}
	at, ok := c.scan.feed(p[:n])
	if ok {
		return n, err
	}
	c.ended = io.ErrUnexpectedEOF
	if c.scan.state == scanTrailer { // where net/http takes what stands there
		if at == 0 {
			return 0, c.ended
		}
		return at, nil
	}
	p[at], c.rest = 0, "\r\n\r\n" // no request line, field or chunk size holds it
	return at + 1, nil
}

// CloseWrite ends this side's sending.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

const (
	scanLine    = iota // a request line
	scanField          // header fields
	scanOff            // no more requests: HTTP/2, or an upgrade
	scanBody           // a body of known length
	scanChunk          // a chunk's size line
	scanData           // a chunk's data
	scanEnd            // the line end after it
	scanTrailer        // trailer fields
)

// scanner follows the framing of HTTP/1.1 requests through the bytes of a
// connection.
type scanner struct {
	state int
	begun bool   // a request line has been seen
	line  []byte // of the line at the end of what came before
	left  int64  // bytes of a body or chunk

	old, coded, sized, upgrade bool // of the head: HTTP/1.0, the fields seen
	length                     int64
}

// feed follows b. At a byte that is refused it stops, and gives its place.
func (s *scanner) feed(b []byte) (at int, ok bool) {
	for i := 0; i < len(b); {
		switch s.state {
		case scanOff:
			return 0, true
		case scanBody, scanData:
			n := min(s.left, int64(len(b)-i))
			s.left -= n
			i += int(n)
			if s.left == 0 {
				if s.state++; s.state == scanChunk {
					s.state = scanLine
				}
			}
			continue
		}
		if (s.state == scanField || s.state == scanTrailer || s.state == scanLine) && len(s.line) == 0 && (b[i] == ' ' || b[i] == '\t') {
			return i, false // a folded line, or one before the first
		}
		end := bytes.IndexByte(b[i:], '\n')
		if s.state == scanChunk {
			// An extension has no use that anybody knows, and is read in more
			// ways than one: it is spoilt where it begins, since net/http looks
			// at none of it.
			if at := bytes.IndexByte(b[i:], ';'); at >= 0 && (end < 0 || at < end) {
				return i + at, false
			}
		}
		if end < 0 {
			if cr := bytes.IndexByte(b[i:], '\r'); cr >= 0 && i+cr != len(b)-1 {
				return i + cr, false
			}
			if n := len(s.line); n > 0 && s.line[n-1] == '\r' {
				return i, false
			}
			s.line = append(s.line, b[i:]...)
			return 0, true
		}
		line := b[i : i+end]
		if len(s.line) > 0 {
			s.line = append(s.line, line...)
			line = s.line
		}
		i += end
		if n := len(line); n == 0 || line[n-1] != '\r' || bytes.IndexByte(line[:n-1], '\r') >= 0 || !s.take(line[:n-1]) {
			return i, false
		}
		s.line = s.line[:0]
		i++
	}
	return 0, true
}

// take follows one line, without its end.
func (s *scanner) take(line []byte) bool {
	switch s.state {
	case scanLine:
		if !s.begun && string(line) == "PRI * HTTP/2.0" {
			s.state = scanOff
			return true
		}
		s.begun, s.old, s.coded, s.sized, s.upgrade, s.length = true, bytes.HasSuffix(line, []byte(" HTTP/1.0")), false, false, false, 0
		s.state = scanField
	case scanField:
		if len(line) == 0 {
			return s.endHead()
		}
		return s.field(line)
	case scanChunk:
		n, err := strconv.ParseUint(string(line), 16, 63)
		if err != nil {
			return false
		}
		if s.left, s.state = int64(n), scanData; n == 0 { // #nosec G115 -- 63 bits
			s.state = scanTrailer
		}
	case scanEnd:
		s.state = scanChunk
		return len(line) == 0
	case scanTrailer:
		if len(line) == 0 {
			s.state = scanLine
		}
	}
	return true
}

// field looks for those that tell where the message ends.
func (s *scanner) field(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return false
	}
	value := bytes.Trim(line[colon+1:], " \t")
	switch name := line[:colon]; {
	case len(name) == len("upgrade") && bytes.EqualFold(name, []byte("upgrade")):
		s.upgrade = true
	case len(name) == len("content-length") && bytes.EqualFold(name, []byte("content-length")):
		n, err := strconv.ParseUint(string(value), 10, 63)
		if err != nil || s.sized || s.coded {
			return false
		}
		s.sized, s.length = true, int64(n) // #nosec G115 -- 63 bits
	case len(name) == len("transfer-encoding") && bytes.EqualFold(name, []byte("transfer-encoding")):
		if s.sized || s.coded || s.old || !bytes.EqualFold(value, []byte("chunked")) {
			return false
		}
		s.coded = true
	}
	return true
}

// endHead goes on to what follows the head.
func (s *scanner) endHead() bool {
	switch {
	case s.upgrade:
		s.state = scanOff
	case s.coded:
		s.state = scanChunk
	case s.length > 0:
		s.state, s.left = scanBody, s.length
	default:
		s.state = scanLine
	}
	return true
}
