package control

import (
	"context"
	"slices"
	"time"
)

const (
	gather = 200 * time.Millisecond // changes within it are told as one
	tick   = 2 * time.Second        // for what is counted and not announced
)

// changes tells the topics of what changed until ctx ends, several at once
// and each at most every 200 ms.
func (p *plane) changes(ctx context.Context) <-chan []string {
	out := make(chan []string)
	plans, forget := p.watchPlan()
	runs, registered, mails := p.runner.Watch(ctx), p.registry.Watch(ctx, ""), p.mail.Watch(ctx)
	go func() {
		defer close(out)
		defer forget()
		every := time.NewTicker(tick)
		defer every.Stop()
		pause := time.NewTimer(0)
		defer pause.Stop()
		var changed []string
		for {
			var due <-chan time.Time
			if len(changed) > 0 {
				due = pause.C
			}
			var say []string
			select {
			case <-ctx.Done():
				return
			case <-runs:
				say = []string{"services", "map"}
			case <-registered:
				say = []string{"services", "map"}
			case <-plans:
				say = []string{"plan", "services", "map"}
			case <-mails:
				say = []string{"mail"}
			case <-every.C:
				say = []string{"map", "events"}
			case <-due:
				select {
				case <-ctx.Done():
					return
				case out <- changed:
				}
				changed = nil
				continue
			}
			if len(changed) == 0 {
				pause.Reset(gather)
			}
			for _, topic := range say {
				if !slices.Contains(changed, topic) {
					changed = append(changed, topic)
				}
			}
		}
	}()
	return out
}

// watchPlan is poked whenever another plan, or other findings, are there.
func (p *plane) watchPlan() (poke <-chan struct{}, forget func()) {
	c := make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.planWatchers == nil {
		p.planWatchers = map[chan struct{}]bool{}
	}
	p.planWatchers[c] = true
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.planWatchers, c)
	}
}
