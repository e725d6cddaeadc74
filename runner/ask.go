package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/plat-dev/plat/plan"
)

// asker asks instances whether they are ready and alive.
type asker struct {
	timeout time.Duration
	h1, h2c *http.Client
}

func newAsker(timeout time.Duration) *asker {
	client := func(set func(*http.Protocols)) *http.Client {
		protocols := new(http.Protocols)
		set(protocols)
		return &http.Client{
			// A new connection each time: accepting is part of the question,
			// and none is left to hold up a drain.
			Transport:     &http.Transport{DisableKeepAlives: true, Protocols: protocols, MaxResponseHeaderBytes: 64 << 10},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &asker{
		timeout: timeout,
		h1:      client(func(p *http.Protocols) { p.SetHTTP1(true) }),
		h2c:     client(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }),
	}
}

// question is one check of one instance.
type question struct {
	name   string // ready, live
	addr   string
	path   string // empty: a TCP connection is the answer
	client *http.Client
}

// questions are an instance's checks: readiness always, liveness apart from
// it when it asks something else.
func (a *asker) questions(svc plan.Service, addr string) (ready, live question) {
	ready, live = question{name: "ready", addr: addr, client: a.h1}, question{name: "live", addr: addr, client: a.h1}
	if svc.HTTP != nil {
		ready.path, live.path = svc.HTTP.Ready, svc.HTTP.Live
		if svc.HTTP.Protocol == "h2c" {
			ready.client, live.client = a.h2c, a.h2c
		}
	}
	return ready, live
}

func (q question) String() string {
	if q.path == "" {
		return "TCP " + q.addr
	}
	return "GET http://" + q.addr + q.path
}

// ask puts one question, within the timeout.
func (a *asker) ask(ctx context.Context, q question) Check {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	c := Check{Name: q.name, Target: q.String()}
	if q.path == "" {
		c.OK, c.Answer = dial(ctx, q.addr)
	} else {
		c.OK, c.Answer = get(ctx, q.client, "http://"+q.addr+q.path)
	}
	if ctx.Err() != nil && !c.OK {
		c.Answer = fmt.Sprintf("no answer within %s", a.timeout)
	}
	c.At = time.Now()
	return c
}

func dial(ctx context.Context, addr string) (ok bool, answer string) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, reason(err)
	}
	_ = conn.Close()
	return true, "connected"
}

func get(ctx context.Context, client *http.Client, url string) (ok bool, answer string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err.Error()
	}
	req.Header.Set("User-Agent", "plat")
	resp, err := client.Do(req)
	if err != nil {
		return false, reason(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // its head is for the eye; the status counts
	answer = resp.Status
	if text := Harmless(strings.Join(strings.Fields(string(body)), " ")); text != "" && resp.StatusCode/100 != 2 {
		answer += ": " + text
	}
	return resp.StatusCode/100 == 2, answer
}

// reason is the innermost cause: "connection refused" and not the URL again.
func reason(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}
