// Package event owns what travels between services as events: the streams and
// durable subscriptions that derive from the plan, events as CloudEvents, dead
// letters, and the report on all of them.
//
// It speaks the plan's types and reaches the engine through Broker, which a
// door fulfils. It must never import an engine, a door or another room.
package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plat-dev/plat/plan"
)

// What every stream and consumer gets. They are part of the wire format; see
// docs/wire/events.md.
const (
	MaxAge     = 7 * 24 * time.Hour // events older than this are dropped
	MaxSize    = 1 << 20            // bytes of one event, its attributes included
	Duplicates = 2 * time.Minute    // within which an ID that was seen is not stored again
	AckWait    = 30 * time.Second   // after which an unacknowledged event is delivered again
	Unacked    = 64                 // events that one consumer may have in hand
)

const (
	subjectPrefix = "event."
	retiredPrefix = "plat.retired." // keeps a stream that has no subject left
)

// Options of a room.
type Options struct {
	Broker Broker       // required
	Log    *slog.Logger // nil: discard
}

// Room keeps the broker true to the plan. It is safe for concurrent use.
type Room struct {
	broker Broker
	log    *slog.Logger

	applying sync.Mutex // one Apply at a time

	mu        sync.Mutex
	streams   map[string]plan.Stream   // by name, of the last Apply
	consumers map[string]plan.Consumer // by stream/name
}

// New makes a room; Run and Apply make it work.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Room{broker: o.Broker, log: o.Log}
}

// Run resolves dead letters until ctx ends, which is no error. It waits for a
// broker that does not answer.
func (r *Room) Run(ctx context.Context) error {
	wait := 50 * time.Millisecond
	for err := r.ensureOwn(ctx); err != nil; err = r.ensureOwn(ctx) {
		if ctx.Err() == nil {
			r.log.WarnContext(ctx, "the dead-letter streams are not there yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
			wait = min(2*wait, 5*time.Second)
		}
	}
	err := r.broker.Work(ctx, advisoryStream, advisoryConsumer, r.bury)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return fmt.Errorf("dead letters: %w", err)
}

// declared tells whether a service provides an event, by the last Apply.
func (r *Room) declared(service, subject string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		if s.Provider != service {
			continue
		}
		for _, have := range s.Subjects {
			if have == subject {
				return true
			}
		}
	}
	return false
}
