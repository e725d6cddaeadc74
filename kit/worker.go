package kit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// workers are the background workers of a service. Guarded by Service.mu.
type workers struct {
	waiting []worker       // registered before the start
	running map[int]string // name by number
	next    int            // number of the next
	start   func(worker)   // nil before the start
	cancel  context.CancelFunc
	failed  chan error    // takes the first error
	changed chan struct{} // takes a signal when one ends
}

type worker struct {
	name string
	run  func(context.Context) error
}

// Go runs a background worker of the service, from when setup has returned
// (at once if it has). Its ctx ends after the last requests have drained; it
// then has the drain time to return. An error or a panic before that ends
// the service with it; returning nil is the worker's own end.
func (s *Service) Go(name string, run func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := worker{name, run}
	if s.workers.start == nil {
		s.workers.waiting = append(s.workers.waiting, w)
		return
	}
	s.workers.start(w)
}

// startWorkers begins those that were registered in setup.
func (s *Service) startWorkers(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, s.workers.cancel = context.WithCancel(ctx)
	s.workers.start = func(w worker) { s.startWorker(ctx, w) }
	for _, w := range s.workers.waiting {
		s.workers.start(w)
	}
	s.workers.waiting = nil
}

func (s *Service) startWorker(ctx context.Context, w worker) {
	ws := &s.workers
	number := ws.next
	ws.next++
	ws.running[number] = w.name
	go func() {
		err := runWorker(ctx, w)
		if err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
			select {
			case ws.failed <- fmt.Errorf("worker %s: %w", w.name, err):
			default: // only the first counts; it ends the service
				s.log.Error("worker failed", "worker", w.name, "error", err.Error())
			}
		}
		s.mu.Lock()
		delete(ws.running, number)
		s.mu.Unlock()
		select {
		case ws.changed <- struct{}{}:
		default:
		}
	}()
}

func runWorker(ctx context.Context, w worker) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return w.run(ctx)
}

// stopWorkers ends their context and waits for them, bounded.
func (s *Service) stopWorkers(patience time.Duration) error {
	s.mu.Lock()
	cancel := s.workers.cancel
	s.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		names := s.runningWorkers()
		if len(names) == 0 {
			return nil
		}
		select {
		case <-s.workers.changed:
		case <-timer.C:
			return fmt.Errorf("workers did not stop within %s: %s", patience, strings.Join(names, ", "))
		}
	}
}

func (s *Service) runningWorkers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, name := range s.workers.running {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
