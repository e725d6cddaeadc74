package nats

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// voice says to those who pull what the engine would say. nats.go cannot: a
// status stands in the first line of a message's header, which it writes
// itself, and some clients look for it nowhere else.
type voice struct {
	s *Server

	mu    sync.Mutex // guards what follows
	conn  net.Conn   // nil: none is open
	tasks sync.WaitGroup
}

// open connects to the engine that runs now; v.mu is held.
func (v *voice) open() error {
	conn, err := v.s.InProcessConn()
	if err != nil {
		return err
	}
	hello, err := json.Marshal(map[string]any{
		"verbose": false, "pedantic": false, "headers": true, "echo": false, "no_responders": false,
		"user": adminUser, "pass": v.s.admin, "name": "plat", "lang": "go", "version": "1", "protocol": 1,
	})
	if err != nil {
		panic("store/nats: a map is always JSON: " + err.Error())
	}
	v.conn = conn
	v.tasks.Go(func() { v.listen(conn) })
	return v.write("CONNECT " + string(hello) + "\r\n")
}

// listen answers the engine's signs of life until the connection ends.
func (v *voice) listen(conn net.Conn) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "PING") {
			v.mu.Lock()
			if v.conn == conn {
				_ = v.write("PONG\r\n") // who speaks next finds out
			}
			v.mu.Unlock()
		}
	}
}

// status tells one who pulls a status. One that is not heard is asked for
// again: all who pull have a time-out of their own.
func (v *voice) status(reply, line string, fields ...string) {
	header := "NATS/1.0 " + line + "\r\n"
	for i := 0; i+1 < len(fields); i += 2 {
		header += fields[i] + ": " + fields[i+1] + "\r\n"
	}
	header += "\r\n"
	text := fmt.Sprintf("HPUB %s %d %d\r\n%s\r\n", reply, len(header), len(header), header)
	v.mu.Lock()
	defer v.mu.Unlock()
	for range 2 { // the engine may be another one than last time
		if v.conn == nil && v.open() != nil {
			continue
		}
		if v.write(text) == nil {
			return
		}
	}
}

// timedOut is the answer to a pull whose time is over.
func (v *voice) timedOut(reply string, left int) {
	v.status(reply, "408 Request Timeout", "Nats-Pending-Messages", fmt.Sprint(left), "Nats-Pending-Bytes", "0")
}

// write closes the connection where it fails; v.mu is held.
func (v *voice) write(text string) error {
	_ = v.conn.SetWriteDeadline(time.Now().Add(nextLookup)) // a pipe knows it
	_, err := v.conn.Write([]byte(text))
	if err != nil {
		_ = v.conn.Close() // it is of no use any more
		v.conn = nil
	}
	return err
}

func (v *voice) close() {
	v.mu.Lock()
	if v.conn != nil {
		_ = v.conn.Close() // nothing is left to be said
		v.conn = nil
	}
	v.mu.Unlock()
	v.tasks.Wait()
}
