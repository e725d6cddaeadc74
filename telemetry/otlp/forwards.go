package otlp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/plat-dev/plat/telemetry"
)

// Forwards pass telemetry on to several backends, which may change while they
// run. Their methods are safe for concurrent use. The zero value is ready.
type Forwards struct {
	mu      sync.Mutex
	all     []*forwarding // in the order in which they were set
	changed chan struct{} // of Run; nil before
}

// forwarding is one of them. Only Run uses stop and done.
type forwarding struct {
	*Forward
	options ForwardOptions
	stop    context.CancelFunc // nil: it does not run yet
	done    chan struct{}
}

// Set says where telemetry is passed on to from now on. Those that were there
// before go on with what waits for them; one that is gone sends for two seconds
// more. With an error nothing has changed.
func (f *Forwards) Set(list []ForwardOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*forwarding
	var errs []error
	for _, o := range list {
		if i := slices.IndexFunc(f.all, func(old *forwarding) bool {
			return old.options.URL == o.URL && old.options.Protocol == o.Protocol && maps.Equal(old.options.Headers, o.Headers) && !slices.Contains(all, old)
		}); i >= 0 {
			all = append(all, f.all[i])
			continue
		}
		made, err := NewForward(o)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.URL, err))
			continue
		}
		all = append(all, &forwarding{Forward: made, options: o, done: make(chan struct{})})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	f.all = all
	if f.changed != nil {
		select {
		case f.changed <- struct{}{}:
		default: // it will look anyway
		}
	}
	return nil
}

// list is those that are set.
func (f *Forwards) list() []*forwarding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// Run sends until ctx ends, and returns nil.
func (f *Forwards) Run(ctx context.Context) error {
	f.mu.Lock()
	f.changed = make(chan struct{}, 1)
	f.mu.Unlock()
	var running []*forwarding
	for ctx.Err() == nil {
		running = settle(ctx, running, f.list())
		select {
		case <-ctx.Done():
		case <-f.changed:
		}
	}
	settle(ctx, running, nil)
	return nil
}

// settle stops those that are not wanted any more, starts those that are new,
// and waits for those that end.
func settle(ctx context.Context, running, wanted []*forwarding) []*forwarding {
	var ending []*forwarding
	for _, one := range running {
		if !slices.Contains(wanted, one) {
			one.stop()
			ending = append(ending, one)
		}
	}
	for _, one := range wanted {
		if one.stop == nil {
			one.start(ctx)
		}
	}
	for _, one := range ending {
		<-one.done
	}
	return wanted
}

func (one *forwarding) start(ctx context.Context) {
	ctx, one.stop = context.WithCancel(ctx)
	go func() {
		defer close(one.done)
		_ = one.Run(ctx) // it returns nil
	}()
}

// Take passes rows on to each, as Forward.Take does.
func (f *Forwards) Take(b telemetry.Batch) {
	for _, one := range f.list() {
		one.Take(b)
	}
}

// TakeMetrics passes metrics on to each, as Forward.TakeMetrics does.
func (f *Forwards) TakeMetrics(request []byte) {
	for _, one := range f.list() {
		one.TakeMetrics(request)
	}
}

// Stats tells what was passed on, by address.
func (f *Forwards) Stats() []ForwardStats {
	var all []ForwardStats
	for _, one := range f.list() {
		s := one.Stats()
		s.URL = one.o.URL
		all = append(all, s)
	}
	return all
}
