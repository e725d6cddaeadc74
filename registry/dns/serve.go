package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// maxQuery is what is read of a packet: a query is far smaller.
const maxQuery = 4096

// waiting is a packet that waits for its answer.
type waiting struct {
	packet []byte
	from   net.Addr
}

// Serve answers on a UDP socket and a TCP listener until ctx ends, and closes
// both; either may be nil. All that it started has ended when it returns. It
// is called once. The error is nil when ctx ended, else why one of the two
// failed.
func (s *Server) Serve(ctx context.Context, udp net.PacketConn, tcp net.Listener) error {
	s.own = ownAddress(udp, tcp)
	asked := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	if udp != nil {
		queue := make(chan waiting, MaxWaiting)
		for range max(2, runtime.GOMAXPROCS(0)) {
			wg.Go(func() { s.answerUDP(udp, queue) })
		}
		wg.Go(func() {
			defer close(queue)
			if err := s.readUDP(ctx, udp, queue); err != nil {
				cancel(fmt.Errorf("the DNS socket ended: %w", err))
			}
		})
		context.AfterFunc(ctx, func() { _ = udp.Close() }) // ends the reading
		defer udp.Close()
	}
	if tcp != nil {
		wg.Go(func() {
			if err := s.acceptTCP(ctx, tcp); err != nil {
				cancel(fmt.Errorf("the DNS listener ended: %w", err))
			}
		})
		context.AfterFunc(ctx, func() { _ = tcp.Close() })
		defer tcp.Close()
	}
	s.report(ctx)
	if asked.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// ownAddress is where a client of these finds the server.
func ownAddress(udp net.PacketConn, tcp net.Listener) netip.Addr {
	var text string
	switch {
	case udp != nil:
		text = udp.LocalAddr().String()
	case tcp != nil:
		text = tcp.Addr().String()
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Addr().IsUnspecified() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return at.Addr().Unmap().WithZone("")
}

// report says now and then that queries were dropped, until ctx ends.
func (s *Server) report(ctx context.Context) {
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	var said uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if lost := s.dropped.Load() + s.closed.Load(); lost > said {
			s.log.Warn("dns: more queries came than could be answered", "dropped", lost-said)
			said = lost
		}
	}
}

// pause waits a moment after an error that may pass; false when ctx ended.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(50 * time.Millisecond):
		return true
	}
}

// readUDP reads packets and puts them into the queue, or drops them when it is
// full. An error is one that does not pass.
func (s *Server) readUDP(ctx context.Context, udp net.PacketConn, queue chan<- waiting) error {
	buffer := make([]byte, maxQuery)
	for {
		n, from, err := udp.ReadFrom(buffer)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			if !pause(ctx) {
				return nil
			}
			continue
		}
		s.udp.Add(1)
		if len(queue) == cap(queue) { // only this goroutine fills it
			s.dropped.Add(1)
			continue
		}
		queue <- waiting{append([]byte(nil), buffer[:n]...), from}
	}
}

func (s *Server) answerUDP(udp net.PacketConn, queue <-chan waiting) {
	for w := range queue {
		if answer := s.reply(w.packet, true); answer != nil {
			_, _ = udp.WriteTo(answer, w.from) // who does not get it asks again
		}
	}
}

// acceptTCP serves connections, as many as there is room for. An error is one
// that does not pass.
func (s *Server) acceptTCP(ctx context.Context, tcp net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, MaxConnections)
	for {
		conn, err := tcp.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			if !pause(ctx) {
				return nil
			}
			continue
		}
		select {
		case room <- struct{}{}:
			wg.Go(func() {
				defer func() { <-room }()
				s.serveTCP(ctx, conn)
			})
		default:
			s.closed.Add(1)
			_ = conn.Close()
		}
	}
}

// serveTCP answers the queries of one connection, one after another.
func (s *Server) serveTCP(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	framed := &dns.Conn{Conn: conn}
	until := time.Now().Add(s.lifetime)
	for range MaxQueries {
		now := time.Now()
		if now.After(until) || conn.SetDeadline(now.Add(s.idle)) != nil {
			return
		}
		query, err := framed.ReadMsgHeader(nil)
		if err != nil {
			if errors.Is(err, dns.ErrShortRead) {
				s.tcp.Add(1)
				s.malformed.Add(1)
			}
			return
		}
		s.tcp.Add(1)
		answer := s.reply(query, false)
		if answer == nil {
			return
		}
		if _, err := framed.Write(answer); err != nil {
			return
		}
	}
}
