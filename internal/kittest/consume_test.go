package kittest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/kit/message"
)

// raw publishes as a foreign program would.
func (w *wire) raw(messageID string, header map[string]string, data string) {
	w.t.Helper()
	m := nats.NewMsg("event.order.placed")
	m.Header.Set("Nats-Msg-Id", messageID)
	for k, v := range header {
		m.Header[k] = []string{v}
	}
	m.Data = []byte(data)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := w.js.PublishMsg(ctx, m); err != nil {
		w.t.Fatal(err)
	}
}

func cloudEvent(id string) map[string]string {
	return map[string]string{"ce-specversion": "1.0", "ce-id": id, "ce-type": "order.placed", "ce-source": "/services/order", "ce-time": "2026-01-02T03:04:05Z"}
}

// deadLetters gives the reasons of terminated deliveries.
func (w *wire) deadLetters() func() []string {
	w.t.Helper()
	sub, err := w.admin.SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.admin.Flush(); err != nil {
		w.t.Fatal(err)
	}
	reasons := []string{}
	return func() []string {
		for {
			m, err := sub.NextMsg(time.Millisecond)
			if err != nil {
				return reasons
			}
			var advisory struct {
				Deliveries int    `json:"deliveries"`
				Reason     string `json:"reason"`
			}
			if err := json.Unmarshal(m.Data, &advisory); err != nil {
				w.t.Fatal(err)
			}
			reasons = append(reasons, fmt.Sprintf("%d: %s", advisory.Deliveries, advisory.Reason))
		}
	}
}

func (w *wire) finance(handle func(context.Context, *sql.Tx, message.Event) error) *program {
	w.t.Helper()
	return run(w.t, w.env("finance", financeGrant), database(w.t), func(p *program) error {
		p.bus.Subscribe("order.placed", handle)
		return nil
	})
}

func TestADoubledEventHasOneEffect(t *testing.T) {
	t.Parallel()
	w := shop(t)
	w.consumer(financeFrom, "order.placed")
	finance := w.finance(record)
	for i := range 3 { // past the stream's own detection
		w.raw(fmt.Sprint("copy-", i), cloudEvent("same"), `{"text":"once"}`)
	}
	w.raw("other", cloudEvent("other"), `{"text":"last"}`)
	await(t, "the last event", func() bool { return slices.Contains(finance.effects(), "last") })
	if d := cmp.Diff([]string{"once", "last"}, finance.effects()); d != "" {
		t.Errorf("effects (-want +got):\n%s", d)
	}
	awaitAllAcknowledged(t, w, financeFrom)
}

// TestTenThousandCopiesHaveOneEffect sends one event again and again, as a
// publisher gone mad does, past the stream's own detection of duplicates.
func TestTenThousandCopiesHaveOneEffect(t *testing.T) {
	t.Parallel()
	copies := 10_000
	if raced {
		copies = 2_000
	}
	w := shop(t)
	w.consumer(financeFrom, "order.placed")
	finance := w.finance(record)
	for i := range copies {
		m := nats.NewMsg("event.order.placed")
		m.Header.Set("Nats-Msg-Id", fmt.Sprint("copy-", i))
		for k, v := range cloudEvent("same") {
			m.Header[k] = []string{v}
		}
		m.Data = []byte(`{"text":"once"}`)
		if _, err := w.js.PublishMsgAsync(m, jetstream.WithStallWait(patience)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-w.js.PublishAsyncComplete():
	case <-time.After(patience):
		t.Fatal("the copies are not stored")
	}
	w.raw("other", cloudEvent("other"), `{"text":"last"}`)
	for left := copies + 1; left > 0; { // so much work that only standing still is too slow
		next := left
		await(t, "more events are acknowledged", func() bool { next = unacknowledged(w, financeFrom); return next < left })
		left = next
	}
	if d := cmp.Diff([]string{"once", "last"}, finance.effects()); d != "" {
		t.Errorf("effects (-want +got):\n%s", d)
	}
	if n := w.count(financeFrom.Stream); n != uint64(copies)+1 { // #nosec G115 -- positive
		t.Errorf("the stream has %d events, want %d: they were no copies for the inbox", n, copies+1)
	}
}

// TestTwoSourcesMayCountAlike holds that an ID is unique in its source alone.
func TestTwoSourcesMayCountAlike(t *testing.T) {
	t.Parallel()
	w := shop(t)
	w.consumer(financeFrom, "order.placed")
	finance := w.finance(record)
	for _, source := range []string{"/till/1", "/till/2", "/till/1"} {
		header := cloudEvent("1")
		header["ce-source"] = source
		w.raw(source+fmt.Sprint(time.Now().UnixNano()), header, fmt.Sprintf(`{"text":%q}`, source))
	}
	w.raw("other", cloudEvent("1"), `{"text":"own"}`)
	await(t, "the last event", func() bool { return slices.Contains(finance.effects(), "own") })
	if d := cmp.Diff([]string{"/till/1", "/till/2", "own"}, finance.effects()); d != "" {
		t.Errorf("effects (-want +got):\n%s", d)
	}
	awaitAllAcknowledged(t, w, financeFrom)
}

func awaitAllAcknowledged(t *testing.T, w *wire, c consumer) {
	t.Helper()
	await(t, "all acknowledged", func() bool { return unacknowledged(w, c) == 0 })
}

// unacknowledged counts the events that are under way or to come; while the
// server does not say, there is no end to them.
func unacknowledged(w *wire, c consumer) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := w.js.Consumer(ctx, c.Stream, c.Consumer)
	if err != nil {
		return math.MaxInt
	}
	return found.CachedInfo().NumAckPending + int(found.CachedInfo().NumPending) // #nosec G115 -- small
}

func TestAFailedEventComesAgainAfterAPauseAndLeavesNoTrace(t *testing.T) {
	t.Parallel()
	w := shop(t)
	w.consumer(financeFrom, "order.placed")
	var mu sync.Mutex
	var at []time.Time
	finance := w.finance(func(ctx context.Context, tx *sql.Tx, e message.Event) error {
		if err := record(ctx, tx, e); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		switch at = append(at, time.Now()); len(at) {
		case 1:
			return errors.New("not yet")
		case 2:
			panic("worse")
		}
		return nil
	})
	w.raw("1", cloudEvent("1"), `{"text":"third time"}`)
	await(t, "the effect", func() bool { return len(finance.effects()) > 0 })
	awaitAllAcknowledged(t, w, financeFrom)
	if d := cmp.Diff([]string{"third time"}, finance.effects()); d != "" {
		t.Errorf("effects (-want +got):\n%s", d)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(at) != 3 || at[1].Sub(at[0]) < 350*time.Millisecond || at[2].Sub(at[1]) < 700*time.Millisecond {
		t.Errorf("handled at %v", at)
	}
}

func TestTheLastFailureBecomesADeadLetterWithItsReason(t *testing.T) {
	t.Parallel()
	w := shop(t)
	from := financeFrom
	from.Retries = 1
	g := grant{consume: map[string]consumer{"order.placed": from}}
	w.consumer(from, "order.placed")
	dead := w.deadLetters()
	var calls atomic.Int32
	finance := run(t, w.env("finance", g), database(t), func(p *program) error {
		p.bus.Subscribe("order.placed", func(ctx context.Context, tx *sql.Tx, e message.Event) error {
			switch e.ID {
			case "poison":
				calls.Add(1)
				return errors.New("card\nrefused")
			case "rejected":
				return fmt.Errorf("wrapped: %w", message.Reject(errors.New("never")))
			}
			return record(ctx, tx, e)
		})
		return nil
	})
	w.raw("1", cloudEvent("poison"), `{}`)
	w.raw("2", cloudEvent("rejected"), `{}`)
	w.raw("3", cloudEvent("undecodable"), `{"text":7}`)
	w.raw("4", map[string]string{"ce-id": "x"}, `{}`)
	w.raw("5", cloudEvent("good"), `{"text":"good"}`)
	await(t, "four dead letters", func() bool { return len(dead()) == 4 })
	got := dead()
	slices.Sort(got)
	want := []string{
		"1: event order.placed: decode its data: json: cannot unmarshal number into Go struct field .Text of type string",
		`1: not a CloudEvent 1.0: ce-specversion is ""`,
		"1: wrapped: never",
		"2: card refused",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("dead letters (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"good"}, finance.effects()); d != "" || calls.Load() != 2 {
		t.Errorf("%d calls; effects (-want +got):\n%s", calls.Load(), d)
	}
	awaitAllAcknowledged(t, w, from)
}

func TestASlowHandlerKeepsItsEvent(t *testing.T) {
	t.Parallel()
	w := shop(t)
	w.consumer(financeFrom, "order.placed", func(c *jetstream.ConsumerConfig) {
		c.AckWait = 3 * time.Second // also for plat to say in that it is still at work
		c.BackOff = []time.Duration{3 * time.Second, 6 * time.Second}
	})
	var calls atomic.Int32
	finance := w.finance(func(ctx context.Context, tx *sql.Tx, e message.Event) error {
		calls.Add(1)
		select {
		case <-time.After(5 * time.Second): // longer than the wait
		case <-ctx.Done():
			return ctx.Err()
		}
		return record(ctx, tx, e)
	})
	w.raw("1", cloudEvent("1"), `{"text":"slow"}`)
	await(t, "the effect", func() bool { return len(finance.effects()) == 1 })
	awaitAllAcknowledged(t, w, financeFrom)
	if calls.Load() != 1 {
		t.Errorf("%d calls, want 1", calls.Load())
	}
}

func TestAHandlerFinishesWhenItsServiceEnds(t *testing.T) {
	t.Parallel()
	w := shop(t)
	w.consumer(financeFrom, "order.placed")
	begun, finish := make(chan struct{}), make(chan struct{})
	path := database(t)
	finance := run(t, w.env("finance", financeGrant), path, func(p *program) error {
		p.bus.Subscribe("order.placed", func(ctx context.Context, tx *sql.Tx, e message.Event) error {
			close(begun)
			<-finish
			next, err := message.New("payment.taken", "", "paid")
			if err != nil {
				return err
			}
			if err := p.bus.Publish(ctx, tx, next); err != nil {
				return err
			}
			return record(ctx, tx, e)
		})
		return nil
	})
	w.raw("1", cloudEvent("1"), `{"text":"finished"}`)
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- finance.stop() }()
	<-finance.s.Draining()
	close(finish)
	select {
	case err := <-stopped:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("it does not stop")
	}
	if d := cmp.Diff([]string{"finished"}, finance.effects()); d != "" {
		t.Errorf("effects (-want +got):\n%s", d)
	}
	awaitAllAcknowledged(t, w, financeFrom)
	if n := w.count("finance"); n != 1 {
		t.Errorf("%d events were sent before the end, want the handler's", n)
	}
}

func TestAnUndeclaredSubscriptionEndsSetup(t *testing.T) {
	t.Parallel()
	w := shop(t)
	p := run(t, w.env("finance", financeGrant), database(t), func(p *program) error {
		p.bus.Subscribe("order.lost", record)
		p.bus.Subscribe("order.placed", record)
		p.bus.Subscribe("order.placed", record)
		return nil
	})
	err := p.stop()
	want := "subscription to \"order.lost\" is not declared: add consumes.events.order.lost to service.yaml\n" +
		"there are two subscriptions to \"order.placed\" in one service"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func ready(t *testing.T, p *program) (int, string) {
	t.Helper()
	resp, err := http.Get(p.s.URL() + "/health/ready")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAMissingConsumerIsToldByReadinessAndFoundWhenItComes(t *testing.T) {
	t.Parallel()
	w := shop(t)
	finance := w.finance(record)
	await(t, "the reason", func() bool {
		status, body := ready(t, finance)
		return status == http.StatusServiceUnavailable && strings.Contains(body, "consumer finance_order_placed of stream order")
	})
	w.consumer(financeFrom, "order.placed")
	await(t, "readiness", func() bool { status, _ := ready(t, finance); return status == http.StatusOK })
	w.raw("1", cloudEvent("1"), `{"text":"late"}`)
	await(t, "the effect", func() bool { return len(finance.effects()) == 1 })
}

func TestAConsumerThatIsNotGrantedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	w := shop(t)
	g := grant{consume: map[string]consumer{"order.changed": {Stream: "order", Consumer: "finance_order_changed", Retries: 1}}}
	finance := run(t, w.env("finance", g), database(t), func(p *program) error {
		p.bus.Subscribe("order.changed", record)
		return nil
	})
	// The server's own words: who waits for an answer hears of a time-out.
	await(t, "the reason", func() bool { _, body := ready(t, finance); return strings.Contains(body, "Permissions Violation") })
}

func TestARestartOfTheServerLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	w := shop(t)
	// What was on its way when the server went comes again after AckWait; so
	// does, on a slow machine, what waits for its turn.
	w.consumer(financeFrom, "order.placed", func(c *jetstream.ConsumerConfig) { c.AckWait, c.MaxDeliver = time.Second, -1 })
	finance := w.finance(record)
	order := run(t, w.env("order", orderGrant), database(t), nil)
	want := numbered(200)
	for i, text := range want {
		order.publish(t.Context(), "order.placed", text)
		switch i {
		case 50:
			w.stop()
		case 100:
			w.start()
		case 150:
			w.stop()
			w.start()
		}
	}
	await(t, "all effects", func() bool { return len(finance.effects()) >= len(want) })
	await(t, "an empty outbox", func() bool { return order.outbox() == 0 })
	awaitAllAcknowledged(t, w, financeFrom)
	got := finance.effects()
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("effects (-want +got):\n%s", d)
	}
}

func TestTwoInstancesShareTheWork(t *testing.T) {
	t.Parallel()
	w := shop(t)
	w.consumer(financeFrom, "order.placed")
	path := database(t)
	subscribe := func(p *program) error { p.bus.Subscribe("order.placed", record); return nil }
	first := run(t, w.env("finance", financeGrant), path, subscribe)
	run(t, w.env("finance", financeGrant), path, subscribe)
	orders := database(t)
	one, two := run(t, w.env("order", orderGrant), orders, nil), run(t, w.env("order", orderGrant), orders, nil)
	want := numbered(100)
	for i, text := range want {
		[]*program{one, two}[i%2].publish(t.Context(), "order.placed", text)
	}
	await(t, "all effects", func() bool { return len(first.effects()) >= len(want) })
	awaitAllAcknowledged(t, w, financeFrom)
	got := first.effects()
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("effects (-want +got):\n%s", d)
	}
	sent := []string{}
	for _, m := range w.messages("order") {
		sent = append(sent, strings.TrimSuffix(strings.TrimPrefix(string(m.Data()), `{"text":"`), `"}`))
	}
	if d := cmp.Diff(numbered(100), sent); d != "" {
		t.Errorf("order in the stream (-want +got):\n%s", d)
	}
}
