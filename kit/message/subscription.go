package message

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/plat-dev/plat/kit"
)

const (
	handlerTimeout  = 25 * time.Second // below a consumer's acknowledgement wait of 30 s
	handlerLast     = 5 * time.Second  // of a handler when the service ends
	pullFor         = 30 * time.Second
	pullHeartbeat   = 5 * time.Second
	retryFirst      = 500 * time.Millisecond
	retryLongest    = 30 * time.Second
	lookupFirst     = 100 * time.Millisecond
	lookupLongest   = 5 * time.Second
	progressMost    = 10 * time.Second
	inboxKeeps      = 14 * 24 * time.Hour
	pruneEvery      = time.Hour
	pruneAtOnce     = 1000
	pruneRoundsMost = 10
)

// subscription receives the events of one type.
type subscription struct {
	bus       *Bus
	eventType string
	from      source
	handle    func(ctx context.Context, tx *sql.Tx, e Event) error

	mu      sync.Mutex
	problem error // why nothing is received
	bound   bool  // has been receiving
}

func (s *subscription) ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem == nil && !s.bound {
		return errors.New("not yet bound to its consumer")
	}
	return s.problem
}

func (s *subscription) set(problem error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if problem == nil {
		s.bound, s.problem = true, nil
		return
	}
	if s.problem == nil || s.problem.Error() != problem.Error() {
		s.bus.log.Warn("events are not received", "type", s.eventType, "error", problem.Error())
	}
	s.problem = problem
}

// run receives until ctx ends, one event at a time.
func (s *subscription) run(ctx context.Context) error {
	for pause := lookupFirst; ctx.Err() == nil; {
		came, up := s.bus.conn.connected()
		if !up {
			select {
			case <-came:
			case <-ctx.Done():
			}
			continue
		}
		err := s.receive(ctx, came)
		if err == nil {
			pause = lookupFirst
			continue
		}
		if _, up := s.bus.conn.connected(); up && ctx.Err() == nil {
			s.set(err)
		}
		select {
		case <-came:
		case <-time.After(pause/2 + rand.N(pause/2)): // #nosec G404 -- jitter, no secret
		case <-ctx.Done():
		}
		pause = min(2*pause, lookupLongest)
	}
	return nil
}

// receive binds to the consumer and handles what it gives, until something
// goes wrong or the connection has been made anew.
func (s *subscription) receive(ctx context.Context, anew <-chan struct{}) error {
	consumer, err := s.bind(ctx)
	if err != nil {
		return err
	}
	s.set(nil)
	every := progressEvery(consumer.CachedInfo().Config)
	for ctx.Err() == nil {
		msg, err := s.pull(ctx, consumer, anew)
		if err != nil {
			return err
		}
		if msg != nil {
			s.deliver(ctx, msg, every)
		}
		select {
		case <-anew:
			return nil
		default:
		}
	}
	return nil
}

func (s *subscription) bind(ctx context.Context) (jetstream.Consumer, error) {
	ctx, done := s.bus.conn.guard(ctx, "$JS.API.CONSUMER.INFO."+s.from.Stream+"."+s.from.Consumer)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	consumer, err := s.bus.conn.js.Consumer(ctx, s.from.Stream, s.from.Consumer)
	if err != nil {
		return nil, fmt.Errorf("consumer %s of stream %s: %w", s.from.Consumer, s.from.Stream, causeOf(ctx, err))
	}
	return consumer, nil
}

// pull asks for one event; nil means that none came. A new connection ends
// it, since the server has forgotten what was asked on the old one.
func (s *subscription) pull(ctx context.Context, consumer jetstream.Consumer, anew <-chan struct{}) (jetstream.Msg, error) {
	ctx, done := s.bus.conn.guard(ctx, "$JS.API.CONSUMER.MSG.NEXT."+s.from.Stream+"."+s.from.Consumer)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, pullFor)
	defer cancel()
	go func() {
		select {
		case <-anew:
			cancel()
		case <-ctx.Done():
		}
	}()
	batch, err := consumer.Fetch(1, jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(pullHeartbeat))
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", s.from.Consumer, err)
	}
	if msg, ok := <-batch.Messages(); ok {
		return msg, nil
	}
	err = causeOf(ctx, batch.Error())
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		return nil, nil
	}
	return nil, err
}

// progressEvery is how often the server is told that a handler still works:
// three times in the shortest wait for an acknowledgement.
func progressEvery(c jetstream.ConsumerConfig) time.Duration {
	wait := c.AckWait
	for _, d := range c.BackOff {
		wait = min(wait, d)
	}
	if wait <= 0 {
		return progressMost
	}
	return max(min(wait/3, progressMost), 10*time.Millisecond)
}

// deliver handles one delivery and answers it.
func (s *subscription) deliver(ctx context.Context, msg jetstream.Msg, progress time.Duration) {
	delivery := 1
	if meta, err := msg.Metadata(); err == nil {
		delivery = int(min(meta.NumDelivered, 1<<20)) // #nosec G115 -- bounded
	}
	e, err := parse(msg.Headers().Get, msg.Data())
	if err != nil {
		s.answer(ctx, msg, e, delivery, Reject(err))
		return
	}
	// The handler may finish what it has begun when the service ends.
	hctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handlerTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(handlerLast, cancel) })()
	hctx = s.bus.propagate.Extract(hctx, carrier(msg.Headers()))
	hctx = kit.WithCorrelationID(hctx, e.CorrelationID)
	hctx = kit.WithTestMark(hctx, msg.Headers().Get(headerTest))
	e.CorrelationID = kit.CorrelationID(hctx)
	hctx, span := s.bus.tracer.Start(hctx, "receive "+e.Type, append(continuation(hctx, e), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", msg.Subject()),
		attribute.String("messaging.message.id", e.ID),
		attribute.String("messaging.consumer.group.name", s.from.Consumer),
		attribute.Int("messaging.nats.delivery", delivery),
	))...)
	defer span.End()
	stop := heartbeat(msg, progress)
	err = s.effect(hctx, e)
	stop()
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	s.answer(hctx, msg, e, delivery, err)
}

// sameTrace is how long after an event what follows from it is part of its
// trace. What comes later is a trace of its own with a link to it, so that a
// trace is what a person would wait for.
const sameTrace = time.Minute

// continuation says how a span continues the trace in ctx.
func continuation(ctx context.Context, e Event) []trace.SpanStartOption {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() && !e.Time.IsZero() && time.Since(e.Time) > sameTrace {
		return []trace.SpanStartOption{trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: sc})}
	}
	return nil
}

// carrier reads trace context from NATS headers, which keep their case.
type carrier nats.Header

func (c carrier) Get(key string) string { return nats.Header(c).Get(key) }
func (c carrier) Set(key, value string) { c[key] = []string{value} }
func (c carrier) Keys() []string        { return slices.Collect(maps.Keys(c)) }

// heartbeat tells the server that the event is being worked on.
func heartbeat(msg jetstream.Msg, every time.Duration) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = msg.InProgress() // without a connection the event comes again
			case <-done:
				return
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// effect runs the handler in a transaction with the inbox.
// INVARIANT: an event's effect and its inbox row are committed together, so a
// second delivery, here or in another instance, has no second effect.
func (s *subscription) effect(ctx context.Context, e Event) (err error) {
	tx, err := s.bus.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() {
		if p := recover(); p != nil {
			s.bus.log.ErrorContext(ctx, "panic in a handler", "type", e.Type, "error", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
		if !committed {
			_ = tx.Rollback() // the first error counts
		}
	}()
	fresh, err := s.bus.sql.receive(ctx, tx, s.from.Consumer, s.identity(e))
	if err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	if !fresh {
		s.bus.log.DebugContext(ctx, "event came again: no second effect", "type", e.Type, "id", e.ID)
		return nil
	}
	if err := s.handle(ctx, tx, e); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	s.bus.wake() // what the handler published can be sent now
	return nil
}

// identity tells an event from every other. An ID is unique in its source
// (CloudEvents 1.0, section 3.1): that of the provider's own events stands for
// itself, any other comes with its source.
func (s *subscription) identity(e Event) string {
	if e.Source == "" || e.Source == "/services/"+s.from.Stream {
		return e.ID
	}
	return e.Source + " " + e.ID
}

// answer acknowledges, asks for another delivery, or gives up.
func (s *subscription) answer(ctx context.Context, msg jetstream.Msg, e Event, delivery int, err error) {
	var answered error
	_, rejected := errors.AsType[*rejection](err)
	switch {
	case err == nil:
		answered = msg.Ack()
	case rejected || delivery > s.from.Retries:
		s.bus.log.ErrorContext(ctx, "event becomes a dead letter", "type", e.Type, "id", e.ID, "deliveries", delivery, "error", err.Error())
		answered = msg.TermWithReason(reason(err))
	default:
		pause := retryPause(delivery)
		s.bus.log.WarnContext(ctx, "event will come again", "type", e.Type, "id", e.ID, "deliveries", delivery, "in", pause.String(), "error", err.Error())
		answered = msg.NakWithDelay(pause)
	}
	if answered != nil {
		s.bus.log.DebugContext(ctx, "answer not sent: the event will come again", "type", e.Type, "id", e.ID, "error", answered.Error())
	}
}

// retryPause doubles from delivery to delivery, with jitter.
func retryPause(delivery int) time.Duration {
	d := min(retryFirst<<min(delivery-1, 10), retryLongest)
	return (d*4/5 + rand.N(d/5)).Round(time.Millisecond) // #nosec G404 -- jitter, no secret
}

// reason is the error in one line of bounded length, as the wire wants it.
func reason(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	if text == "" {
		text = "error without a text"
	}
	return text
}

// prune forgets inbox rows that are older than any redelivery, hour by hour
// and with bounded work.
func (b *Bus) prune(ctx context.Context) error {
	for {
		for range pruneRoundsMost {
			n, err := b.sql.forget(ctx, b.db, time.Now().Add(-inboxKeeps), pruneAtOnce)
			if err != nil && ctx.Err() == nil {
				b.log.Warn("inbox not pruned", "error", err.Error())
			}
			if n < pruneAtOnce {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pruneEvery):
		}
	}
}

func waitAtMost(wg *sync.WaitGroup, patience time.Duration) {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
	}
}
