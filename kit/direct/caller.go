package direct

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/kit/reuse"
)

// Times of the watch. The control plane answers each question within watchFor,
// so that one which is silent for longer than silence has gone, or hangs.
const (
	watchFor   = 2 * time.Second
	silence    = 6 * time.Second
	watchAgain = 500 * time.Millisecond // after a question that was not answered
	maxView    = 8 << 20
)

// Options say who calls, and where the control plane is.
type Options struct {
	API      string // http://host:port
	Token    string // of the service
	Service  string
	Instance string
	Log      *slog.Logger // nil: nothing is said
}

// Caller calls others by itself. All methods are safe for concurrent use.
type Caller struct {
	o       Options
	control *http.Client

	silent atomic.Bool // the control plane is
	called chan struct{}
	once   sync.Once // closes called
	book   book

	mu       sync.Mutex // guards what follows
	all      map[string]*dependency
	revision string
	leaving  []*instance // that the view has no more, and that may be with a call
}

// New makes one that knows no view yet: until then all calls pass plat's
// listeners.
func New(o Options) *Caller {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Caller{o: o, called: make(chan struct{}), all: map[string]*dependency{}}
	c.control = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second}, Timeout: watchFor + silence,
	}
	c.book.full = make(chan struct{}, 1)
	return c
}

// Run follows the view and tells of calls until ctx ends; then it tells the
// last of them and returns. It does nothing before the first RoundTripper is
// made.
func (c *Caller) Run(ctx context.Context) {
	defer c.close()
	select {
	case <-c.called:
	case <-ctx.Done():
		return
	}
	var watch sync.WaitGroup
	watch.Go(func() { c.follow(ctx) })
	c.tellAll(ctx)
	watch.Wait()
}

func (c *Caller) close() {
	c.control.CloseIdleConnections()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.all {
		for _, i := range d.now.Load().instances {
			i.transport.CloseIdleConnections()
		}
	}
	for _, i := range c.leaving {
		i.transport.CloseIdleConnections()
	}
}

// follow brings each view into force, as long as ctx lasts.
func (c *Caller) follow(ctx context.Context) {
	heard, has := time.Now(), ""
	for ctx.Err() == nil {
		v, err := c.ask(ctx, has)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			heard = time.Now()
			if c.silent.CompareAndSwap(true, false) {
				c.o.Log.Info("plat answers again")
			}
			if v.Revision != has {
				has = v.Revision
				c.apply(v)
			}
			continue
		}
		if _, answers := errors.AsType[*statusError](err); answers {
			heard = time.Now() // it is there, whatever it says
			c.silent.Store(false)
		}
		if time.Since(heard) > silence && has != "" && !c.silent.Swap(true) {
			c.o.Log.Warn("plat does not answer: calls go to the last known instances", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchAgain):
		}
	}
}

// ask asks for the view that follows the one that is in force.
func (c *Caller) ask(ctx context.Context, has string) (View, error) {
	q := url.Values{"instance": {c.o.Instance}, "revision": {has}, "wait": {strconv.FormatInt(watchFor.Milliseconds(), 10)}}
	if c.silent.Load() || has == "" {
		q.Set("wait", "0")
	}
	var v View
	text, err := c.send(ctx, silence, http.MethodGet, "?"+q.Encode(), nil)
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err == nil && v.Revision == "" {
		err = errors.New("a view without a revision")
	}
	return v, err
}

// send asks the control plane something.
func (c *Caller) send(ctx context.Context, most time.Duration, method, query string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.o.API+Path+query, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.o.Token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.control.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxView))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, &statusError{resp.StatusCode}
	}
	return text, nil
}

// statusError is an answer of the control plane that is none.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("the control plane answers %d", e.status) }

// apply brings a view into force.
func (c *Caller) apply(v View) {
	c.mu.Lock()
	defer c.mu.Unlock()
	there := map[string]bool{}
	for _, call := range v.Calls {
		there[call.Service] = true
		d := c.dependency(call.Service)
		d.guard.Set(call.Policy)
		d.outliers.Set(call.Ejection)
		old := d.now.Load()
		t := &terms{Call: call, known: true}
		var ids []string
		for _, i := range call.Instances {
			t.instances = append(t.instances, old.instanceOf(i, call.Policy.Timeouts.Connect))
			ids = append(ids, i.ID)
		}
		d.outliers.SetMembers(ids)
		c.replace(d, old, t)
	}
	for name, d := range c.all {
		if old := d.now.Load(); old.known && !there[name] {
			c.replace(d, old, &terms{}) // declared no more: as its edge says
		}
	}
	c.revision = v.Revision
	c.book.kick() // acknowledged by what is told, too
}

// replace swaps what holds for a dependency. c.mu is held.
func (c *Caller) replace(d *dependency, old, t *terms) {
	d.now.Store(t)
	for _, i := range old.instances {
		if !t.has(i) {
			i.removed.Store(true)
			i.transport.CloseIdleConnections()
			c.leaving = append(c.leaving, i)
		}
	}
}

// dependency finds or makes one; c.mu is held.
func (c *Caller) dependency(name string) *dependency {
	d := c.all[name]
	if d == nil {
		d = newDependency(c, name)
		c.all[name] = d
	}
	return d
}

// RoundTripper calls a service: an instance by itself, where the view says so,
// else by its edge at the given address, which next leads to.
func (c *Caller) RoundTripper(service string, edge *url.URL, next http.RoundTripper) http.RoundTripper {
	c.once.Do(func() { close(c.called) })
	c.mu.Lock()
	defer c.mu.Unlock()
	return &way{dependency: c.dependency(service), edge: edge.Host, next: next}
}

// newTransport makes the connections to one instance.
func newTransport(connect time.Duration) *http.Transport {
	if connect <= 0 {
		connect = time.Second
	}
	dialer := &net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:            reuse.Dialer(dialer.DialContext),
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        4 * time.Second, // below the 5s of common servers
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
