package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const checkTimeout = 2 * time.Second

// check is one readiness check.
type check struct {
	name string
	run  func(context.Context) error

	mu      sync.Mutex
	current *checkRun // still running
}

type checkRun struct {
	done chan struct{}
	err  error // valid once done is closed
}

// ask runs the check, or joins the run under way, and waits for it at most
// checkTimeout.
func (c *check) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	run := c.start()
	select {
	case <-run.done:
		return run.err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %s", checkTimeout)
	}
}

// start gives the run under way, beginning one if there is none. The run has
// a context of its own: whoever asked first may leave early.
func (c *check) start() *checkRun {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		return c.current
	}
	run := &checkRun{done: make(chan struct{})}
	c.current = run
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		defer cancel()
		run.err = runWorker(ctx, worker{c.name, c.run})
		c.mu.Lock()
		c.current = nil
		c.mu.Unlock()
		close(run.done)
	}()
	return run
}

type healthAnswer struct {
	Status string        `json:"status"` // ready, failing, starting, draining
	Checks []healthCheck `json:"checks,omitempty"`
}

type healthCheck struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func (s *Service) live(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, http.StatusOK, healthAnswer{Status: "live"})
}

// ready runs all checks at the same time. What an error says is kept from
// requests that came through a gateway.
func (s *Service) ready(w http.ResponseWriter, r *http.Request) {
	switch s.phase.Load() {
	case phaseStarting:
		writeHealth(w, http.StatusServiceUnavailable, healthAnswer{Status: "starting"})
		return
	case phaseDraining:
		w.Header().Set("Connection", "close")
		writeHealth(w, http.StatusServiceUnavailable, healthAnswer{Status: "draining"})
		return
	}
	s.mu.Lock()
	checks := s.checks
	s.mu.Unlock()
	outside := r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != ""
	answers := make([]healthCheck, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			err := c.ask(r.Context())
			answers[i] = healthCheck{Name: c.name, OK: err == nil}
			if err != nil && !outside {
				answers[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	status, answer := http.StatusOK, healthAnswer{Status: "ready", Checks: answers}
	for _, a := range answers {
		if !a.OK {
			status, answer.Status = http.StatusServiceUnavailable, "failing"
		}
	}
	writeHealth(w, status, answer)
}

func writeHealth(w http.ResponseWriter, status int, answer healthAnswer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client has gone: nobody to tell
}
