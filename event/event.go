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
	Broker   Broker        // required
	Log      *slog.Logger  // nil: discard
	Receiver Receiver      // of events that are pushed; nil: none is
	Pause    time.Duration // before the second delivery of a pushed event, five times as long each time up to 10 minutes; default 1s
}

// Room keeps the broker true to the plan. It is safe for concurrent use.
type Room struct {
	broker    Broker
	log       *slog.Logger
	receiver  Receiver
	pushFirst time.Duration
	changed   chan struct{} // holds one when Apply changed what is pushed

	applying sync.Mutex // one Apply at a time

	mu        sync.Mutex
	streams   map[string]plan.Stream   // by name, of the last Apply
	consumers map[string]plan.Consumer // by stream/name
	workers   map[string]*worker       // that push, by stream/name
	refused   map[Violation]*Violation // what services may not publish, by service and subject
	dead      deadCount                // of the last look
	unnamed   int64                    // refused, and not kept apart
}

// New makes a room; Run and Apply make it work.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Pause <= 0 {
		o.Pause = pushFirst
	}
	return &Room{broker: o.Broker, log: o.Log, receiver: o.Receiver, pushFirst: o.Pause, changed: make(chan struct{}, 1)}
}

// Run pushes events and resolves dead letters until ctx ends, which is no
// error. It waits for a broker that does not answer. What is being pushed when
// ctx ends gets 5 s to be answered.
func (r *Room) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var pushing sync.WaitGroup
	pushing.Go(func() { r.pushing(ctx) })
	defer pushing.Wait()
	defer stop()
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
