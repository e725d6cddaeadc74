package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/plat-dev/plat/registry"
)

func packed(t testing.TB, name string, edit func(*dns.Msg)) []byte {
	t.Helper()
	m := new(dns.Msg).SetQuestion(name, dns.TypeA)
	m.Id = 0x1234
	if edit != nil {
		edit(m)
	}
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestMalformedPackets: each is answered shortly or not at all, and the next
// good query is answered.
func TestMalformedPackets(t *testing.T) {
	t.Parallel()
	d := shop(t)
	good := packed(t, "web.service.plat.", nil)
	pointer := append(append([]byte(nil), good[:12]...), 0xC0, 12, 0, 1, 0, 1) // a name that is itself
	label64 := append(append([]byte(nil), good[:12]...), 64)
	label64 = append(append(label64, strings.Repeat("x", 64)...), 0, 0, 1, 0, 1)
	long := append([]byte(nil), good[:12]...)
	for range 5 { // 320 bytes of name
		long = append(append(long, 63), strings.Repeat("x", 63)...)
	}
	long = append(long, 0, 0, 1, 0, 1)
	for name, test := range map[string]struct {
		packet   []byte
		answered bool
	}{
		"empty":           {nil, false},
		"one byte":        {[]byte{1}, false},
		"half a header":   {good[:11], false},
		"header alone":    {good[:12], true},
		"cut name":        {good[:20], true},
		"cut question":    {good[:len(good)-1], true},
		"endless name":    {pointer, true},
		"label of 64":     {label64, true},
		"name too long":   {long, true},
		"counts too high": {append([]byte{0x12, 0x34, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255}, good[12:]...), true},
		"a response":      {append([]byte{0x12, 0x34, 0x81, 0x80}, good[4:]...), false},
		"a bad response":  {[]byte{0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 99}, false},
		"trailing bytes":  {append(append([]byte(nil), good...), "more"...), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("udp", d.udp)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write(test.packet); err != nil {
				t.Fatal(err)
			}
			query := packed(t, "web.service.plat.", func(m *dns.Msg) { m.Id = 0x4321 })
			if _, err := c.Write(query); err != nil {
				t.Fatal(err)
			}
			buffer, answered := make([]byte, 4096), false
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			for fine := false; !fine || answered != test.answered; {
				n, err := c.Read(buffer)
				if err != nil {
					t.Fatalf("answered %v, want %v, then %v", answered, test.answered, err)
				}
				if n > 12 && name != "trailing bytes" && binary.BigEndian.Uint16(buffer) == 0x1234 {
					t.Errorf("answered by %d bytes: %x", n, buffer[:n])
				}
				switch binary.BigEndian.Uint16(buffer) {
				case 0x1234:
					answered = true
				case 0x4321:
					fine = true
				}
			}
			// Nothing is answered twice, and what is not to be answered is not:
			// an answer would be among those of a second good query.
			if _, err := c.Write(query); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(buffer); err != nil || binary.BigEndian.Uint16(buffer) != 0x4321 {
				t.Fatalf("after it %x, %v", buffer[:2], err)
			}
		})
	}
}

// TestSlowTCP: a client that hangs or sends byte by byte holds nobody up; one
// that sends several queries at once has each answered, in order.
func TestSlowTCP(t *testing.T) {
	t.Parallel()
	d := shop(t)
	for range MaxConnections / 2 {
		c, err := net.Dial("tcp", d.tcp)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := net.Dial("tcp", d.tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all []byte
	for i := range 20 {
		q := packed(t, "web.service.plat.", func(m *dns.Msg) { m.Id = uint16(i) })
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(q))), q...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatal(err)
	}
	framed := &dns.Conn{Conn: c}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	for i := range 20 {
		r, err := framed.ReadMsg()
		if err != nil || r.Id != uint16(i) || short(r.Answer) != "A 127.0.0.1" {
			t.Fatalf("answer %d = %v, %v", i, r, err)
		}
	}
	for _, bad := range [][]byte{{0, 0}, {0, 3, 1, 2, 3}, append([]byte{0, 29}, packed(t, "x.service.plat.", func(m *dns.Msg) { m.Response = true })...)} {
		c, err := net.Dial("tcp", d.tcp)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(bad); err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%x is not answered by the end of the connection but %v", bad, err)
		}
		c.Close()
	}
}

// TestTCPTimes: a connection on which nothing or too little comes is ended, and
// so is one that is busy for ever.
func TestTCPTimes(t *testing.T) {
	t.Parallel()
	s := New(Options{Registry: registry.New()})
	s.idle, s.lifetime = 200*time.Millisecond, time.Second
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = s.Serve(ctx, nil, l) })
	query := packed(t, "web.service.plat.", nil)
	framed := append([]byte{0, byte(len(query))}, query...)
	for name, chunk := range map[string][]byte{"hangs": nil, "drips": framed[:1], "never ends": framed} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if name != "hangs" {
			wg.Go(func() {
				for {
					if _, err := c.Write(chunk); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a client that %s is not ended", name)
		}
		c.Close()
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	d := shop(t)
	var held []net.Conn
	for range MaxConnections {
		c, err := net.Dial("tcp", d.tcp)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		held = append(held, c)
		if r, err := exchangeOn(c, packed(t, "web.service.plat.", nil)); err != nil || r.Rcode != 0 {
			t.Fatalf("%v, %v", r, err)
		}
	}
	c, err := net.Dial("tcp", d.tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("one connection too many is not closed: %v", err)
	}
	if s := d.server.Stats(); s.Closed != 1 {
		t.Fatalf("closed = %d", s.Closed)
	}
	held[0].Close()
	deadline := time.Now().Add(time.Minute)
	for {
		c, err := net.Dial("tcp", d.tcp)
		if err != nil {
			t.Fatal(err)
		}
		r, err := exchangeOn(c, packed(t, "web.service.plat.", nil))
		c.Close()
		if err == nil && r.Rcode == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the place was not given free: %v", err)
		}
	}
}

func exchangeOn(c net.Conn, query []byte) (*dns.Msg, error) {
	framed := &dns.Conn{Conn: c}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := framed.Write(query); err != nil {
		return nil, err
	}
	return framed.ReadMsg()
}

// TestStorm: more queries than can be answered are dropped and counted, and
// the server goes on.
func TestStorm(t *testing.T) {
	t.Parallel()
	d := shop(t)
	packets := [][]byte{
		packed(t, "web.service.plat.", nil), packed(t, "nobody.service.plat.", nil),
		packed(t, "example.com.", nil), {1, 2, 3}, packed(t, "web.service.plat.", nil)[:17],
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c, err := net.Dial("udp", d.udp)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range 5000 {
				_, _ = c.Write(packets[i%len(packets)])
			}
		})
	}
	wg.Wait()
	if got := short(d.exchange(t, "tcp", new(dns.Msg).SetQuestion("web.service.plat.", dns.TypeA)).Answer); got != "A 127.0.0.1" {
		t.Fatalf("after the storm, over TCP: %s", got)
	}
	deadline := time.Now().Add(time.Minute)
	for { // the first may still be dropped
		c := dns.Client{Timeout: time.Second}
		if r, _, err := c.Exchange(new(dns.Msg).SetQuestion("web.service.plat.", dns.TypeA), d.udp); err == nil && short(r.Answer) == "A 127.0.0.1" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("after the storm, over UDP: no answer")
		}
	}
	if s := d.server.Stats(); s.UDP == 0 || s.NoName == 0 || s.Refused == 0 || s.Malformed == 0 || s.Failed != 0 {
		t.Fatalf("stats = %+v", s)
	}
}

// TestQueueFull: a packet that finds the queue full is dropped and counted.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	s := New(Options{Registry: registry.New()})
	reader, writer := net.Pipe()
	defer writer.Close()
	queue := make(chan waiting, 2)
	done := make(chan error, 1)
	go func() { done <- s.readUDP(t.Context(), packets{reader}, queue) }()
	for range 5 {
		if _, err := writer.Write([]byte("query")); err != nil {
			t.Fatal(err)
		}
	}
	reader.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	if got := s.Stats(); got.UDP != 5 || got.Dropped != 3 || len(queue) != 2 {
		t.Fatalf("%+v, %d wait", got, len(queue))
	}
}

// packets makes a packet of each write into a pipe.
type packets struct{ net.Conn }

func (p packets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.Read(b)
	if errors.Is(err, io.ErrClosedPipe) {
		err = net.ErrClosed
	}
	return n, p.RemoteAddr(), err
}

func (p packets) WriteTo(b []byte, _ net.Addr) (int, error) { return p.Write(b) }

// TestDefectIsContained: a defect of what the server stands on costs one
// answer, not the process.
func TestDefectIsContained(t *testing.T) {
	t.Parallel()
	s := New(Options{Registry: broken{}})
	if answer := s.reply(packed(t, "web.service.plat.", nil), true); answer != nil || s.Stats().Failed != 1 {
		t.Fatalf("answer %x, %+v", answer, s.Stats())
	}
}

type broken struct{ Registry }

func (broken) Index(string) (uint64, uint64) { panic("broken") }

// FuzzReply: whatever comes, the answer is a small, well-formed response with
// the ID of the query, or nothing.
func FuzzReply(f *testing.F) {
	r := registry.New()
	for _, addr := range []string{"127.0.0.1:1", "[::1]:2", "host.example:3", "bad", `a\b..c:4`} {
		if err := r.Register(registry.Instance{ID: addr, Service: "web", Addr: addr, Tags: []string{"v1"}}, 0); err != nil {
			f.Fatal(err)
		}
	}
	s := New(Options{Registry: r, Environment: "local"})
	for _, name := range []string{"web.service.plat.", "_web._tcp.service.dc1.consul.", "v1.web.local.plat.", "7f000001.addr.dc1.plat.", "plat.", "ns.consul.", "example.com."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY, dns.TypeSOA, dns.TypeNS} {
			f.Add(packed(f, name, func(m *dns.Msg) { m.Question[0].Qtype = kind; m.SetEdns0(4096, true) }))
		}
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, udp := range []bool{true, false} {
			answer := s.reply(packet, udp)
			if answer == nil {
				if len(packet) >= 12 && packet[2]&0x80 == 0 {
					t.Fatalf("no answer, %+v", s.Stats())
				}
				continue
			}
			var m dns.Msg
			if err := m.Unpack(answer); err != nil {
				t.Fatalf("%x: %v", answer, err)
			}
			if !m.Response || m.Id != binary.BigEndian.Uint16(packet) || m.RecursionAvailable || udp && len(answer) > MaxUDP {
				t.Fatalf("%v, %d bytes", &m, len(answer))
			}
		}
	})
}
