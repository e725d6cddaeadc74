package nats_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/store/nats"
)

func messages(ids ...string) []event.Message {
	var all []event.Message
	for _, id := range ids {
		all = append(all, event.Event{ID: id, Source: "/s", SpecVersion: "1.0", Type: "order.placed", Data: []byte(id)}.Message())
	}
	return all
}

func TestABatchIsStoredAsOne(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	got, err := srv.PublishAll(ctx(t), messages("a", "b", "c"))
	want := []event.Receipt{{Stream: "order", Sequence: 1}, {Stream: "order", Sequence: 2}, {Stream: "order", Sequence: 3}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	for i, id := range []string{"a", "b", "c"} {
		m, err := srv.Read(ctx(t), "order", uint64(i+1)) // #nosec G115 -- small
		if err != nil || string(m.Data) != id {
			t.Errorf("%d: %q, %v", i, m.Data, err)
		}
	}
	if got, err := srv.PublishAll(ctx(t), nil); err != nil || len(got) != 0 {
		t.Errorf("an empty batch: %v, %v", got, err)
	}
	ids := make([]string, event.MaxBatch)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	if got, err := srv.PublishAll(ctx(t), messages(ids...)); err != nil || len(got) != event.MaxBatch || got[event.MaxBatch-1].Sequence != 3+event.MaxBatch {
		t.Errorf("the largest batch: %d, %v", len(got), err)
	}
	for name, batch := range map[string][]event.Message{
		"one known":    messages("x", "a"),
		"one twice":    messages("x", "x"),
		"two streams":  append(messages("x"), event.Message{Subject: "event.payment.taken"}),
		"one too many": append(messages(ids...), messages("x")...),
	} {
		if got, err := srv.PublishAll(ctx(t), batch); !errors.Is(err, event.ErrSingly) && !fault.Is(err, fault.EventUnavailable) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if m, err := srv.Read(ctx(t), "order", 4+event.MaxBatch); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("after what was refused: %q, %v", m.Data, err)
	}
}

func TestNextHandsOutAndIsAnswered(t *testing.T) {
	t.Parallel()
	srv, room := house(t, nats.Options{})
	run(t, room)
	short, cancel := context.WithTimeout(ctx(t), 50*time.Millisecond)
	defer cancel()
	if d, err := srv.Next(short, "order", "finance_order_placed"); err == nil {
		t.Fatalf("of nothing: %+v", d.Message())
	}
	if _, err := srv.Next(ctx(t), "order", "nobody"); err == nil {
		t.Error("a consumer that is not there")
	}
	if _, err := srv.PublishAll(ctx(t), messages("a", "b")); err != nil {
		t.Fatal(err)
	}
	next := func(id string, attempt int) event.Delivery {
		t.Helper()
		d, err := srv.Next(ctx(t), "order", "finance_order_placed")
		if err != nil {
			t.Fatal(err)
		}
		if m := d.Message(); string(m.Data) != id || m.Attempt != attempt || m.Subject != "event.order.placed" || m.Stream != "order" {
			t.Fatalf("next = %+v, want %s for the %dth time", m, id, attempt)
		}
		return d
	}
	a := next("a", 1)
	if err := a.Working(); err != nil {
		t.Error(err)
	}
	if err := a.Again(0); err != nil {
		t.Error(err)
	}
	a = next("a", 2)
	if err := a.Acknowledge(ctx(t)); err != nil {
		t.Error(err)
	}
	if err := next("b", 1).GiveUp("no such\nalbum"); err != nil {
		t.Error(err)
	}
	eventually(t, "b is a dead letter", func() bool {
		letters, err := room.DeadLetters(ctx(t), 10)
		return err == nil && len(letters) == 1 && letters[0].Reason == "no such album"
	})
	if c := report(t, room).Consumers[0]; c.Lag != 0 || c.Unhandled != 0 {
		t.Errorf("consumer = %+v", c)
	}
}

// The pauses of a consumer that is pushed to are the worker's alone: the
// engine would add its own back-off to each but the first.
func TestThePausesOfAPushedConsumer(t *testing.T) {
	t.Parallel()
	srv, room := house(t, nats.Options{})
	streams, consumers, _ := system()
	consumers[0].Push = "/placed"
	for _, c := range [][]plan.Consumer{consumers, {consumers[1]}, consumers} { // also when it was there
		if err := room.Apply(ctx(t), streams, c); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := srv.PublishAll(ctx(t), messages("a")); err != nil {
		t.Fatal(err)
	}
	for attempt := 1; attempt < 6; attempt++ { // more than it has retries
		d, err := srv.Next(ctx(t), "order", "finance_order_placed")
		if err != nil || d.Message().Attempt != attempt {
			t.Fatalf("attempt %d: %v", attempt, err)
		}
		if err := d.Again(20 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheOldestThatIsNotHandled tells since when an event waits, delivered or
// not.
func TestTheOldestThatIsNotHandled(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	state := func() event.ConsumerState {
		t.Helper()
		states, err := srv.Consumers(ctx(t), "order")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			if s.Name == "finance_order_placed" {
				return s
			}
		}
		t.Fatal("the consumer is not there")
		return event.ConsumerState{}
	}
	if s := state(); !s.Oldest.IsZero() {
		t.Errorf("of nothing: %s", s.Oldest)
	}
	var stored []time.Time
	for i, id := range []string{"a", "b"} {
		if _, err := srv.PublishAll(ctx(t), messages(id)); err != nil {
			t.Fatal(err)
		}
		m, err := srv.Read(ctx(t), "order", uint64(i+1)) // #nosec G115 -- small
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, m.Time)
	}
	for i, want := range append(stored, time.Time{}) {
		eventually(t, fmt.Sprintf("after %d are handled, the oldest is of %s", i, want), func() bool { return state().Oldest.Equal(want) })
		if want.IsZero() {
			break
		}
		d, err := srv.Next(ctx(t), "order", "finance_order_placed")
		if err != nil {
			t.Fatal(err)
		}
		if got := state().Oldest; !got.Equal(want) {
			t.Errorf("delivered and not handled: %s, want %s", got, want)
		}
		if err := d.Acknowledge(ctx(t)); err != nil {
			t.Fatal(err)
		}
	}
}
