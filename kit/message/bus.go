package message

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/internal/uuid"
)

const (
	// MaxData bounds the data of one event, in bytes: NATS takes 1 MiB with
	// the headers.
	MaxData = 1<<20 - 16<<10
	// MaxPending bounds the events that wait in the outbox; beyond it Publish
	// fails with ErrOutboxFull.
	MaxPending = 100_000
)

// ErrOutboxFull is the error of [Bus.Publish] when MaxPending events wait to
// be sent: the event wire has been away for long.
var ErrOutboxFull = errors.New("the outbox is full: events cannot be sent")

// Bus publishes and receives the events of one service. Its methods are safe
// for concurrent use.
type Bus struct {
	service   *kit.Service
	log       *slog.Logger
	tracer    trace.Tracer
	propagate propagation.TextMapPropagator
	db        *sql.DB
	sql       dialect
	declared  declaration
	conn      *connection   // nil: detached
	woken     chan struct{} // takes a signal from Publish
	consumers sync.WaitGroup

	mu            sync.Mutex
	subscriptions map[string]bool
}

// Open joins the service to the event wire at NATS_URL and starts sending
// what waits in the outbox. It creates the tables plat_outbox and plat_inbox
// in db, the service's own database, if they are missing. The connection is
// made in the background and for ever made anew; the service is not ready
// before it stands, nor when it has been away for ten seconds.
//
// Without NATS_URL the bus is detached: events stay in the outbox (at most
// MaxPending) and subscriptions receive nothing; one line in the log says so.
//
// With SQLite open db with _txlock=immediate and a busy_timeout; a handler
// holds the database's only write lock, so it should not wait for others.
// Several instances may share one database.
func Open(s *kit.Service, db *sql.DB) (*Bus, error) {
	d, err := declared(s)
	if err != nil {
		return nil, err
	}
	b := &Bus{
		service: s, log: s.Log(), db: db, sql: sqlite(), declared: d,
		tracer:        s.TracerProvider().Tracer("github.com/plat-dev/plat/kit/message"),
		propagate:     propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
		woken:         make(chan struct{}, 1),
		subscriptions: map[string]bool{},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.sql.create(ctx, db); err != nil {
		return nil, fmt.Errorf("event tables: %w", err)
	}
	if s.Env("NATS_URL") == "" {
		b.log.Warn("no NATS_URL: events stay in the outbox and none are received")
	} else {
		if b.conn, err = connect(s); err != nil {
			return nil, err
		}
		s.OnStop("events", func(context.Context) error { b.conn.close(); return nil })
		s.Ready("events", b.conn.ready)
		s.Go("outbox", b.relay)
	}
	s.Go("inbox", b.prune)
	return b, nil
}

// Publish writes the events to the outbox in the caller's transaction: they
// are sent, in order, once it has been committed, and never if it is rolled
// back. It fails at once, and writes nothing, when an event's type is not
// declared under provides.events in service.yaml, its data are no JSON or
// larger than MaxData, or the outbox is full (ErrOutboxFull). Correlation ID
// and trace are taken from ctx.
func (b *Bus) Publish(ctx context.Context, tx *sql.Tx, events ...Event) error {
	var errs []error
	for _, e := range events {
		errs = append(errs, b.check(e))
	}
	if err := errors.Join(errs...); err != nil || len(events) == 0 {
		return err
	}
	if err := b.sql.room(ctx, tx); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	ctx = kit.WithCorrelationID(ctx, kit.CorrelationID(ctx)) // a new one where the work begins here
	for _, e := range events {
		if err := b.publish(ctx, tx, e); err != nil {
			return fmt.Errorf("publish %s: %w", e.Type, err)
		}
	}
	b.wake()
	return nil
}

// publish writes one event to the outbox, in a span that those who receive it
// have as their parent.
func (b *Bus) publish(ctx context.Context, tx *sql.Tx, e Event) error {
	ctx, e = b.complete(ctx, e)
	ctx, span := b.tracer.Start(ctx, "publish "+e.Type, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.type", "send"),
		attribute.String("messaging.destination.name", subjectOf(e.Type)),
		attribute.String("messaging.message.id", e.ID),
	))
	defer span.End()
	err := b.sql.put(ctx, tx, e, e.headers(ctx, b.propagate))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

// complete fills in what the event lacks, and gives the context of the work
// that it belongs to.
func (b *Bus) complete(ctx context.Context, e Event) (context.Context, Event) {
	e.Source = "/services/" + b.service.Name()
	if e.ID == "" {
		e.ID = uuid.New()
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.CorrelationID != "" {
		ctx = kit.WithCorrelationID(ctx, e.CorrelationID)
	}
	e.CorrelationID = kit.CorrelationID(ctx)
	if e.TraceParent != "" && !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = b.propagate.Extract(ctx, propagation.MapCarrier{headerTraceParent: e.TraceParent})
	}
	return ctx, e
}

func (b *Bus) check(e Event) error {
	if !validType(e.Type) {
		return fmt.Errorf("event type %q is wrong, expected one such as order.placed", e.Type)
	}
	if !validID(e.ID) {
		return fmt.Errorf("event %s: its ID is wrong, expected at most %d characters of printable ASCII without spaces", e.Type, maxID)
	}
	if err := b.declared.mayPublish(e.Type); err != nil {
		return err
	}
	if len(e.Data) > MaxData {
		return fmt.Errorf("event %s: its data are %d bytes, the limit is %d", e.Type, len(e.Data), MaxData)
	}
	if !json.Valid(e.Data) {
		return fmt.Errorf("event %s: its data are not JSON", e.Type)
	}
	return nil
}

// wake tells the relay that something is, or will soon be, in the outbox.
func (b *Bus) wake() {
	select {
	case b.woken <- struct{}{}:
	default: // it is told already
	}
}

// Subscribe reacts to events of one type, one at a time for this instance,
// from when setup has returned. The handler has 25 s; it runs in a
// transaction that also records the event in the inbox, so that a repeated
// delivery has no second effect. Its error (or panic) rolls the transaction
// back, and the event comes again after a growing pause, as often as
// service.yaml's retries say; after the last time, or at once for [Reject],
// it becomes a dead letter with the error as its reason. While one event
// waits for its next time, those after it are handled.
//
// ctx carries the event's correlation ID and trace, so that what the handler
// publishes or calls belongs to the same work. A type that is not declared
// under consumes.events in service.yaml, or a second subscription to one
// type, ends the service when setup returns.
func (b *Bus) Subscribe(eventType string, handle func(ctx context.Context, tx *sql.Tx, e Event) error) {
	if err := b.declared.mayConsume(eventType); err != nil {
		b.service.Fail(err)
		return
	}
	b.mu.Lock()
	twice := b.subscriptions[eventType]
	b.subscriptions[eventType] = true
	b.mu.Unlock()
	if twice {
		b.service.Fail(fmt.Errorf("there are two subscriptions to %q in one service", eventType))
		return
	}
	if b.conn == nil {
		return
	}
	from, ok := b.declared.consume[eventType]
	if !ok {
		b.service.Fail(fmt.Errorf("subscription to %q: PLAT_EVENTS does not say where its events come from", eventType))
		return
	}
	sub := &subscription{bus: b, eventType: eventType, from: from, handle: handle}
	b.service.Ready("events "+eventType, sub.ready)
	b.consumers.Add(1)
	b.service.Go("events "+eventType, func(ctx context.Context) error {
		defer b.consumers.Done()
		return sub.run(ctx)
	})
}
