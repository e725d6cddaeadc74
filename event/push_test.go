package event_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/plan"
)

// broker hands out what a test queues, and notes the answers.
type broker struct {
	event.Broker // what is not needed
	queue        chan *given

	mu      sync.Mutex
	answers []string
	beats   int
}

func (b *broker) Streams(context.Context) ([]event.StreamState, error)             { return nil, nil }
func (b *broker) PutStream(context.Context, event.StreamConfig) error              { return nil }
func (b *broker) PutConsumer(context.Context, event.ConsumerConfig) error          { return nil }
func (b *broker) Consumers(context.Context, string) ([]event.ConsumerState, error) { return nil, nil }
func (b *broker) Storage() event.Storage                                           { return event.Storage{} }
func (b *broker) Violations() []event.Violation                                    { return nil }

func (b *broker) Work(ctx context.Context, _, _ string, _ func(context.Context, event.Message) error) error {
	<-ctx.Done()
	return nil
}

func (b *broker) Next(ctx context.Context, _, _ string) (event.Delivery, error) {
	select {
	case d := <-b.queue:
		d.broker = b
		return d, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *broker) note(answer string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = append(b.answers, answer)
	return nil
}

func (b *broker) noted() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.answers)
}

type given struct {
	broker  *broker
	message event.Message
}

func placedNow(id, subject string, attempt int) *given {
	m := event.Event{ID: id, Source: "/s", SpecVersion: "1.0", Type: "order.placed", Subject: subject}.Message()
	m.Attempt = attempt
	return &given{message: m}
}

func (d *given) id() string                        { return d.message.Header["ce-id"][0] }
func (d *given) Message() event.Message            { return d.message }
func (d *given) Acknowledge(context.Context) error { return d.broker.note("ack " + d.id()) }
func (d *given) GiveUp(reason string) error {
	return d.broker.note("give up " + d.id() + ": " + reason)
}
func (d *given) Again(after time.Duration) error {
	return d.broker.note("again " + d.id() + " after " + after.Round(time.Second).String())
}
func (d *given) Working() error {
	d.broker.mu.Lock()
	defer d.broker.mu.Unlock()
	d.broker.beats++
	return nil
}

// receiver answers as a test says.
type receiver struct {
	mu     sync.Mutex
	there  bool
	answer func(ctx context.Context, e event.Event) error
}

func (r *receiver) Ready(string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.there
}

func (r *receiver) set(there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.there = there
}

func (r *receiver) Receive(ctx context.Context, _, _ string, e event.Event, _ time.Time) error {
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	return answer(ctx, e)
}

// pushing runs a room that pushes order.placed to welcome, with 3 retries.
func pushing(t *testing.T, b *broker, r *receiver) (stop func()) {
	t.Helper()
	room := event.New(event.Options{Broker: b, Receiver: r})
	running, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- room.Run(running) }()
	consumer := plan.Consumer{Name: "welcome_order_placed", Stream: "order", Service: "welcome", Event: "order.placed", Subject: "event.order.placed", Push: "/welcome", Retries: 3}
	if err := room.Apply(t.Context(), []plan.Stream{{Name: "order", Provider: "order", Subjects: []string{"event.order.placed"}}}, []plan.Consumer{consumer}); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// An event whose service takes its time, and those that wait behind it, are
// kept from coming again.
func TestWhatIsInHandGetsASignOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &broker{queue: make(chan *given, 8)}
		r := &receiver{there: true, answer: func(context.Context, event.Event) error {
			time.Sleep(25 * time.Second)
			return nil
		}}
		stop := pushing(t, b, r)
		b.queue <- placedNow("1", "customer", 1)
		b.queue <- placedNow("2", "customer", 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		// 10 s, 20 s: two in hand; 30 s, 40 s, and perhaps at 50 s: one.
		if got := b.noted(); !slices.Equal(got, []string{"ack 1", "ack 2"}) || b.beats < 6 || b.beats > 7 {
			t.Errorf("answers %v, %d signs of life", got, b.beats)
		}
	})
}

func TestThePausesBetweenDeliveries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempt int
		err     error
		want    []string // one of them
	}{
		"the first":      {1, &event.Refusal{Reason: "no"}, []string{"again 1 after 1s"}},
		"the second":     {2, &event.Refusal{Reason: "no"}, []string{"again 1 after 4s", "again 1 after 5s"}},
		"the third":      {3, &event.Refusal{Reason: "no"}, []string{"again 1 after 20s", "again 1 after 21s", "again 1 after 22s", "again 1 after 23s", "again 1 after 24s", "again 1 after 25s"}},
		"the last":       {4, &event.Refusal{Reason: "no\nalbum"}, []string{"give up 1: no album"}},
		"beyond it":      {9, context.DeadlineExceeded, []string{"give up 1: context deadline exceeded"}},
		"as it asks for": {1, &event.Refusal{Reason: "no", After: 90 * time.Second}, []string{"again 1 after 1m30s"}},
		"far too long":   {1, &event.Refusal{Reason: "no", After: 24 * time.Hour}, []string{"again 1 after 10m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &broker{queue: make(chan *given, 1)}
				stop := pushing(t, b, &receiver{there: true, answer: func(context.Context, event.Event) error { return c.err }})
				b.queue <- placedNow("1", "", c.attempt)
				time.Sleep(time.Second)
				synctest.Wait()
				stop()
				if got := b.noted(); len(got) != 1 || !slices.Contains(c.want, got[0]) {
					t.Errorf("answers %q, want one of %q", got, c.want)
				}
			})
		})
	}
}

// A service that goes down with events in hand gets them when it is back; when
// plat ends first, they go back to the broker untried.
func TestAServiceThatGoesDown(t *testing.T) {
	t.Parallel()
	for _, returns := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := &broker{queue: make(chan *given, 8)}
			r := &receiver{there: true}
			r.answer = func(_ context.Context, e event.Event) error {
				if r.Ready("") && e.ID != "gone" {
					return nil
				}
				r.set(e.ID != "gone")
				return &event.Refusal{Reason: "nobody", Absent: true}
			}
			stop := pushing(t, b, r)
			b.queue <- placedNow("gone", "", 1)
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := b.noted(); len(got) != 0 || b.beats < 350 {
				t.Errorf("after an hour: answers %v, %d signs of life", got, b.beats)
			}
			want := []string{"again gone after 0s"}
			if returns {
				r.mu.Lock()
				r.there, r.answer = true, func(context.Context, event.Event) error { return nil }
				r.mu.Unlock()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				want = []string{"ack gone"}
			}
			stop()
			if got := b.noted(); !slices.Equal(got, want) {
				t.Errorf("answers %v, want %v", got, want)
			}
		})
	}
}

// What is under way when plat ends has five seconds to be answered.
func TestAReceiverThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &broker{queue: make(chan *given, 8)}
		r := &receiver{there: true, answer: func(ctx context.Context, _ event.Event) error { <-ctx.Done(); return ctx.Err() }}
		stop := pushing(t, b, r)
		b.queue <- placedNow("1", "", 4) // the last one, which does not make it a dead letter
		time.Sleep(time.Second)
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("the end took %v", took)
		}
		if got := b.noted(); !slices.Equal(got, []string{"again 1 after 0s"}) {
			t.Errorf("answers %v", got)
		}
	})
}
