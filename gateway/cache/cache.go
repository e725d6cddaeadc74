package cache

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Options bound a Cache. A zero field means its default.
type Options struct {
	Memory   int64 // bytes of all that is kept; 64 MiB
	Object   int64 // bytes of one answer's body; an eighth of Memory, at most 8 MiB
	Waiters  int   // requests that wait for one fetch; 1000
	Patience time.Duration
	Fills    int // fetches behind at once; 32
	Now      func() time.Time
}

// Cache keeps answers in memory. All methods are safe for concurrent use.
type Cache struct {
	o        Options
	kept     *otter.Cache[string, *resource]
	counts   counts
	refusals refusals
	fetches  sync.WaitGroup // those behind
	ctx      context.Context
	cancel   context.CancelFunc

	mu      sync.Mutex // guards what follows, and that a resource is changed by one at a time
	flights map[string]*flight
	marks   map[string][]*mark // of what is fetched, by key
	behind  int
	closed  bool
}

type counts struct {
	hits, stale, misses, validated, collapsed, bypassed, stored, refused, tooLarge, evicted, purged, notFilled atomic.Uint64
}

// flight is one fetch that others wait for.
type flight struct {
	done    chan struct{}
	waiters int
}

// New makes an empty cache; it is closed in the end.
func New(o Options) *Cache {
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	if o.Object <= 0 {
		o.Object = min(o.Memory/8, 8<<20)
	}
	if o.Waiters <= 0 {
		o.Waiters = 1000
	}
	if o.Patience <= 0 {
		o.Patience = 5 * time.Second
	}
	if o.Fills <= 0 {
		o.Fills = 32
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{o: o, flights: map[string]*flight{}, marks: map[string][]*mark{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.kept = otter.Must(&otter.Options[string, *resource]{
		MaximumWeight: uint64(o.Memory),                                                                // #nosec G115 -- above 0
		Weigher:       func(key string, r *resource) uint32 { return uint32(min(r.size(key), 1<<31)) }, // #nosec G115 -- bounded
		Executor:      func(f func()) { f() },
		OnDeletion: func(e otter.DeletionEvent[string, *resource]) {
			if e.WasEvicted() {
				c.counts.evicted.Add(1)
			}
		},
	})
	return c
}

// Close ends the fetches behind and waits for them.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.fetches.Wait()
}

// Key names a resource: all of the request that the answer is chosen by,
// exactly as it is sent on.
func Key(r *http.Request) string {
	path, host := r.URL.EscapedPath(), strings.ToLower(r.Host)
	if path == "" {
		path = "/"
	}
	if r.URL.RawQuery == "" && !r.URL.ForceQuery {
		return "http://" + host + path
	}
	return "http://" + host + path + "?" + r.URL.RawQuery
}

// forTests is the key of what is kept of a resource for test customers: what
// they get while something is broken on purpose is for nobody else.
func forTests(key string) string { return testPrefix + key }

const testPrefix = "test "

// keysOf are both keys of a resource.
func keysOf(key string) [2]string {
	key = strings.TrimPrefix(key, testPrefix)
	return [...]string{key, forTests(key)}
}

// invalidate forgets what an unsafe request may have changed (RFC 9111, 4.4):
// its own resource and those of the same origin that the answer names. Its own
// answer may still be kept.
func (c *Cache) invalidate(r *http.Request, own *mark, h http.Header) {
	c.forget(own.key, own)
	for _, name := range []string{"Location", "Content-Location"} {
		if target, ok := sameOrigin(r, h.Get(name)); ok {
			c.forget(target, own)
		}
	}
}

// sameOrigin is the key of what a Location names, if it is of this origin.
func sameOrigin(r *http.Request, location string) (string, bool) {
	if location == "" {
		return "", false
	}
	u, err := r.URL.Parse(location)
	if err != nil || u.Scheme != "" && u.Scheme != "http" || u.Host != "" && !strings.EqualFold(u.Host, r.Host) {
		return "", false
	}
	return Key(&http.Request{Host: r.Host, URL: &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}}), true
}

func (c *Cache) get(key string) *resource {
	r, _ := c.kept.GetIfPresent(key)
	return r
}

// join finds the fetch of a key, or begins it: then it leads, and calls leave
// at its end.
func (c *Cache) join(key string) (f *flight, lead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f = c.flights[key]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		c.flights[key] = f
		return f, true
	}
	return f, false
}

// queue counts one more who waits, until it is done; false: too many wait.
func (c *Cache) queue(f *flight) (done func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiters >= c.o.Waiters {
		return nil, false
	}
	f.waiters++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		f.waiters--
	}, true
}

// leave lets those go on who wait for a fetch of the key; more than one call
// does no harm.
func (c *Cache) leave(key string, of *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[key]; f != nil && f == of {
		delete(c.flights, key)
		close(f.done)
	}
}

// fill fetches behind, with a bound; false: too much is under way.
func (c *Cache) fill(fetch func(ctx context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.behind >= c.o.Fills {
		c.counts.notFilled.Add(1)
		return false
	}
	c.behind++
	c.fetches.Go(func() {
		defer func() {
			c.mu.Lock()
			c.behind--
			c.mu.Unlock()
		}()
		fetch(c.ctx)
	})
	return true
}
