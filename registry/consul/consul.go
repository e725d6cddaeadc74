// Package consul is the door for clients of Consul: they read the registry,
// register programs that plat does not run, and keep keys, over Consul's HTTP
// API in the part that discovery and configuration need.
//
// It owns what outsiders registered, their checks, and the wire. It must never
// import a room other than the registry, and never change what plat runs.
package consul

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

// Source is what instances that came in by this door have as registry Source.
const Source = "consul"

// Limits of what one door holds and does.
const (
	MaxOutsiders = 5_000     // registrations, of the registry's 10,000 instances
	MaxProbes    = 2_000     // checks that plat runs
	MaxWaiting   = 4_096     // blocking queries at once
	MaxWait      = 600       // seconds that a query may block
	MaxBody      = 512 << 10 // bytes of a request
	maxProbing   = 32        // checks that run at once
	maxFilter    = 4 << 10   // bytes of a filter expression
)

// Options of a door. Registry is required.
type Options struct {
	Registry      *registry.Registry
	KV            registry.Keys // what programs keep; nil: the key-value API is refused
	Registrations registry.Keys // where registrations outlive plat; nil: they do not
	Datacenter    string        // default "dc1", as clients expect
	Node          string        // default "plat"
	Environment   string        // in the metadata of plat's instances; may be empty
	Version       string        // of plat, for agent/self
	Log           *slog.Logger  // nil: discard
	Grace         time.Duration // for answers under way when Serve ends; 3s
}

// Door answers Consul's HTTP API. Its methods are safe for concurrent use.
type Door struct {
	o       Options
	log     *slog.Logger
	reg     *registry.Registry
	mux     *http.ServeMux
	started time.Time
	waiting chan struct{} // a place for each blocking query
	refused counter

	changing sync.Mutex // one change of registrations at a time, with its write to disk

	// mu is held only in memory; the registry's own lock comes under it.
	mu        sync.Mutex
	outsiders map[string]*outsider // by instance ID of the registry
	owners    map[string]string    // instance ID by node and check ID
	gaveWay   []string             // instance IDs whose registration is still on disk
	probing   int
	wake      chan struct{} // tells Run that something is due sooner
	done      chan struct{} // closed when Run ends: nobody waits any more
	closing   sync.Once
}

// New makes a door and registers again what outsiders had registered. Checks
// start anew: what they said before plat ended is not believed. It serves at
// once; checks are run and ended while Run runs.
func New(o Options) (*Door, error) {
	if o.Registry == nil {
		return nil, errors.New("a Consul door needs a registry")
	}
	o.Datacenter, o.Node, o.Grace = cmp.Or(o.Datacenter, "dc1"), cmp.Or(o.Node, "plat"), cmp.Or(o.Grace, 3*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Door{
		o: o, log: o.Log, reg: o.Registry, started: time.Now(),
		waiting:   make(chan struct{}, MaxWaiting),
		outsiders: map[string]*outsider{}, owners: map[string]string{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	d.mux = d.routes()
	d.restore()
	return d, nil
}

// Serve answers on a listener until ctx ends; blocking queries are answered
// then with what there is. It closes the listener. Run must run beside it.
func (d *Door) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: d, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		// A blocking query may take MaxWait and its jitter to begin its answer.
		WriteTimeout: (MaxWait+MaxWait/16)*time.Second + 30*time.Second,
		IdleTimeout:  2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(stopped)
		d.release()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.o.Grace)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			_ = server.Close() // whoever still reads has had its time
		}
	})
	err := server.Serve(l)
	if !release() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fault.New(fault.ConsulUnavailable, "the Consul door ended").Because(err)
}

// release lets all blocking queries answer.
func (d *Door) release() { d.closing.Do(func() { close(d.done) }) }

// Stats tells what the door holds and what it refused.
type Stats struct {
	Outsiders int    `json:"outsiders"` // registrations
	Waiting   int    `json:"waiting"`   // blocking queries
	Refused   uint64 `json:"refused"`   // requests answered by an error
}

// Stats counts what there is now.
func (d *Door) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Stats{Outsiders: len(d.outsiders), Waiting: len(d.waiting), Refused: d.refused.Load()}
}
