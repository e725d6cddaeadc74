package consul

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

// job is one check that is due.
type job struct {
	instance string
	probe    probe
	state    *state
}

// Run runs checks, ends TTLs and removes what was critical for too long, until
// ctx ends; then blocking queries are answered, too.
func (d *Door) Run(ctx context.Context) error {
	defer d.release()
	var group sync.WaitGroup
	defer group.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		jobs, over, next := d.due(time.Now())
		for _, j := range jobs {
			group.Go(func() {
				status, output := j.probe.ask(ctx)
				d.settle(j, status, output)
			})
		}
		for _, instance := range over {
			d.reap(ctx, instance)
		}
		d.erase(ctx)
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		case <-timer.C:
		}
	}
}

func (d *Door) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// due lists the checks to run and the instances to remove now, ends TTLs, and
// says how long until the next. When as many run as may, the rest wait for one
// to end.
func (d *Door) due(now time.Time) (jobs []job, over []string, next time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next = time.Hour
	for id, o := range d.outsiders {
		changed, dead := false, false
		for _, p := range o.Checks {
			s := o.states[p.ID]
			switch {
			case s.due.IsZero() || s.running:
			case s.due.After(now):
				next = min(next, s.due.Sub(now))
			case p.Kind == kindTTL:
				s.due = time.Time{}
				s.set(registry.Critical, "TTL expired: "+s.output)
				changed = true
			case d.probing < maxProbing:
				d.probing++
				s.running = true
				jobs = append(jobs, job{id, p, s})
			}
			if p.Reap > 0 && s.status == registry.Critical {
				left := s.since.Add(p.Reap).Sub(now)
				dead = dead || left <= 0
				next = min(next, max(left, 0))
			}
		}
		if dead {
			over = append(over, id)
		}
		if changed {
			d.tell(o)
		}
	}
	return jobs, over, max(next, time.Millisecond)
}

// settle takes a check's outcome.
func (d *Door) settle(j job, status registry.Status, output string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.probing--
	d.rouse()
	j.state.running = false
	o := d.outsiders[j.instance]
	if o == nil || o.states[j.probe.ID] != j.state {
		return
	}
	j.state.due = time.Now().Add(j.probe.Interval)
	p, s := j.probe, j.state
	if status == registry.Critical {
		s.good, s.bad = 0, s.bad+1
		switch {
		case s.bad >= p.Failures:
		case p.Warnings > 0 && s.bad >= p.Warnings:
			status = registry.Warning
		default:
			status = s.status
		}
	} else {
		s.good, s.bad = s.good+1, 0
		if s.good < p.Successes {
			status = s.status
		}
	}
	s.set(status, output)
	d.tell(o)
}

// hear takes what an outsider says of its TTL check, and tells whether the check
// is one.
func (d *Door) hear(instance, id string, status registry.Status, output string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.outsiders[instance]
	if o == nil {
		return false
	}
	for _, p := range o.Checks {
		if p.ID == id && p.Kind == kindTTL {
			s := o.states[id]
			// A TTL that begins later is found when the old one ends: thousands
			// who renew theirs need not wake anybody.
			if s.due.IsZero() || status == registry.Critical {
				d.rouse()
			}
			s.set(status, output[:min(len(output), registry.MaxOutput)])
			s.due = time.Now().Add(p.TTL)
			d.tell(o)
			return true
		}
	}
	return false
}

// reap removes an instance that was critical for as long as it said.
func (d *Door) reap(ctx context.Context, instance string) {
	err := d.change(ctx, instance, func(old *declared) (*declared, error) {
		if old == nil || !d.critical(instance) {
			return old, errStays // it changed meanwhile
		}
		return nil, nil
	})
	switch {
	case fault.Is(err, fault.ConsulProtected):
		d.yield(instance)
	case err == nil:
		d.log.Info("an instance that was registered from outside is removed: it was critical for too long", "instance", instance)
	case err != errStays: //nolint:errorlint // never wrapped
		d.log.Warn("an instance that was critical for too long could not be removed", "instance", instance, "error", err)
		d.postpone(instance)
	}
}

type constant string

func (c constant) Error() string { return string(c) }

const errStays = constant("it stays")

func (d *Door) critical(instance string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.outsiders[instance]
	if o == nil {
		return false
	}
	for _, p := range o.Checks {
		s := o.states[p.ID]
		if p.Reap > 0 && s.status == registry.Critical && time.Since(s.since) >= p.Reap {
			return true
		}
	}
	return false
}

// yield gives an ID to plat's own instance that took it.
func (d *Door) yield(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.outsiders[instance]; o != nil {
		d.tell(o)
	}
}

// postpone tries a removal again in a while.
func (d *Door) postpone(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.outsiders[instance]; o != nil {
		for _, p := range o.Checks {
			o.states[p.ID].since = time.Now().Add(time.Second - p.Reap)
		}
	}
}

// ask makes the check once.
func (p probe) ask(ctx context.Context) (registry.Status, string) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	secure := &tls.Config{ServerName: p.TLSServerName, InsecureSkipVerify: p.TLSSkipVerify, MinVersion: tls.VersionTLS12} // #nosec G402 -- whoever registers the check says so
	if p.Kind == kindTCP {
		return p.connect(ctx, secure)
	}
	transport := &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	if p.NoRedirects {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(p.Method, http.MethodGet), p.Target, strings.NewReader(p.Body))
	if err != nil {
		return registry.Critical, err.Error()
	}
	req.Header.Set("User-Agent", "plat health check")
	req.Header.Set("Accept", "text/plain, text/*, */*")
	for name, values := range p.Header {
		for _, value := range values {
			req.Header.Add(name, value)
		}
		if strings.EqualFold(name, "Host") && len(values) > 0 {
			req.Host = values[0]
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return registry.Critical, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, registry.MaxOutput)) // what came is shown
	output := fmt.Sprintf("HTTP %s %s: %s Output: %s", req.Method, p.Target, resp.Status, strings.ToValidUTF8(string(body), "?"))
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return registry.Passing, output
	case resp.StatusCode == http.StatusTooManyRequests:
		return registry.Warning, output
	}
	return registry.Critical, output
}

func (p probe) connect(ctx context.Context, secure *tls.Config) (registry.Status, string) {
	var conn net.Conn
	var err error
	if p.TLS {
		conn, err = (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp", p.Target)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", p.Target)
	}
	if err != nil {
		return registry.Critical, err.Error()
	}
	_ = conn.Close()
	return registry.Passing, "TCP connect " + p.Target + ": Success"
}
