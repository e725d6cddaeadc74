// Package liar is a server that sends more than it says, for tests.
package liar

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

const (
	planted = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted"
	short   = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
)

// Big is longer than what net/http reads ahead: what follows it stays in the
// socket.
var Big = strings.Repeat("x", 64<<10) //nolint:gochecknoglobals // a constant

// Serve serves HTTP on l: to /lie it answers more than it says, at /late in a
// second write (told on its channel), at /big behind a long body, and /close
// it answers and closes; to others it answers their path and body.
func Serve(t testing.TB, l net.Listener) (late chan struct{}) {
	t.Helper()
	late = make(chan struct{}, 1)
	var wg sync.WaitGroup
	var mu sync.Mutex
	open, over := map[net.Conn]bool{}, false
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if over {
				_ = c.Close()
			}
			open[c] = true
			mu.Unlock()
			wg.Go(func() { talk(c, late) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		over = true
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return late
}

// Compare asks by ask for paths of Serve's, many at a time, of which each second
// lies: nobody must get another's answer.
func Compare(t testing.TB, ask func(path string) (body string, err error)) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 100 {
				path := fmt.Sprintf("/own?%d.%d", i, n)
				want := path
				if (n+i)%2 == 0 {
					path, want = "/lie", "abc"
				}
				if got, err := ask(path); err != nil || got != want {
					t.Errorf("%s: %q, %v", path, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func talk(c net.Conn, late chan struct{}) {
	defer c.Close()
	br := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/lie":
			_, err = io.WriteString(c, short+planted)
		case "/big":
			_, err = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(Big), Big, planted)
		case "/late":
			if _, err = io.WriteString(c, short); err == nil {
				_, err = io.WriteString(c, planted)
			}
			late <- struct{}{}
		case "/close":
			_, _ = io.WriteString(c, short)
			return
		default:
			text := r.URL.RequestURI() + string(body)
			_, err = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
		if err != nil {
			return
		}
	}
}
