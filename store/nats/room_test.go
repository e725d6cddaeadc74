package nats_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/store/nats"
)

func run(t *testing.T, room *event.Room) {
	t.Helper()
	c, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- room.Run(c) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func report(t *testing.T, room *event.Room) event.Report {
	t.Helper()
	r, err := room.Report(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fetch(t *testing.T, js jetstream.JetStream, stream, consumer string, n int) []jetstream.Msg {
	t.Helper()
	c, err := js.Consumer(ctx(t), stream, consumer)
	if err != nil {
		t.Fatal(err)
	}
	var all []jetstream.Msg
	for len(all) < n {
		m, err := c.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatalf("after %d of %d events of %s: %v", len(all), n, consumer, err)
		}
		all = append(all, m)
	}
	return all
}

func TestApplyIsIdempotentAndReportsOrphans(t *testing.T) {
	t.Parallel()
	srv, room := house(t, nats.Options{})
	streams, consumers, _ := system()
	order := stream(t, client(t, srv, "order"))
	if _, err := order.PublishMsg(ctx(t), placed("a")); err != nil {
		t.Fatal(err)
	}
	before := report(t, room)
	for range 2 {
		if err := room.Apply(ctx(t), streams, consumers); err != nil {
			t.Fatal(err)
		}
	}
	after := report(t, room)
	before.Storage, after.Storage = event.Storage{}, event.Storage{}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("applying the same plan changed something (-before +after):\n%s", diff)
	}
	if len(after.Streams) != 2 || after.Streams[1].Name != "order" || after.Streams[1].Stored != 1 || after.Streams[1].Limit <= 0 {
		t.Errorf("streams = %+v", after.Streams)
	}
	if c := after.Consumers[0]; c.Name != "finance_order_placed" || c.Lag != 1 || c.Service != "finance" || c.Event != "order.placed" || c.Orphan {
		t.Errorf("consumer = %+v", c)
	}

	// A live change: more retries, fewer, and a new event.
	finance := stream(t, client(t, srv, "finance"))
	for _, retries := range []int{9, 0, 4} {
		consumers[0].Retries = retries
		if err := room.Apply(ctx(t), streams, consumers); err != nil {
			t.Fatal(err)
		}
		c, err := finance.Consumer(ctx(t), "order", "finance_order_placed")
		if err != nil || c.CachedInfo().Config.MaxDeliver != retries+1 || c.CachedInfo().Config.AckWait != event.AckWait {
			t.Errorf("after %d retries: %+v, %v", retries, c.CachedInfo().Config, err)
		}
	}
	streams[1].Subjects = append(streams[1].Subjects, "event.order.cancelled")
	if err := room.Apply(ctx(t), streams, consumers); err != nil {
		t.Fatal(err)
	}
	if _, err := room.Publish(ctx(t), "order", event.Event{ID: "c", Type: "order.cancelled"}); err != nil {
		t.Error(err)
	}
	if got := report(t, room).Consumers[0]; got.Lag != 1 {
		t.Errorf("after the changes the consumer's lag is %d, want 1", got.Lag)
	}
}

func TestWhatThePlanDropsIsKeptAsAnOrphan(t *testing.T) {
	t.Parallel()
	srv, room := house(t, nats.Options{})
	streams, _, _ := system()
	order := stream(t, client(t, srv, "order"))
	if _, err := order.PublishMsg(ctx(t), placed("a")); err != nil {
		t.Fatal(err)
	}
	streams[1].Subjects = []string{"event.order.cancelled"} // order.placed is declared no longer
	if err := room.Apply(ctx(t), streams[1:], nil); err != nil {
		t.Fatal(err)
	}
	got := report(t, room)
	for _, s := range got.Streams {
		if s.Orphan != (s.Name == "finance") {
			t.Errorf("stream %s: orphan = %v", s.Name, s.Orphan)
		}
	}
	if s := got.Streams[1]; s.Stored != 1 || !slices.Equal(s.Events, []string{"order.cancelled", "order.placed"}) {
		t.Errorf("stream order = %+v", s)
	}
	for _, c := range got.Consumers {
		if !c.Orphan {
			t.Errorf("consumer %s is no orphan", c.Name)
		}
	}
	if len(got.Consumers) != 2 {
		t.Errorf("consumers = %+v", got.Consumers)
	}
	// Back again: the position was kept.
	streams, consumers, _ := system()
	if err := room.Apply(ctx(t), streams, consumers); err != nil {
		t.Fatal(err)
	}
	if got := report(t, room); got.Consumers[0].Lag != 1 || got.Consumers[0].Orphan {
		t.Errorf("consumer = %+v", got.Consumers[0])
	}
}

func TestAnEventMovesOnlyWhenItsOldEventsAreHandled(t *testing.T) {
	t.Parallel()
	srv, room := house(t, nats.Options{})
	order, finance := stream(t, client(t, srv, "order")), stream(t, client(t, srv, "finance"))
	if _, err := order.PublishMsg(ctx(t), placed("a")); err != nil {
		t.Fatal(err)
	}
	// order was renamed to sales.
	streams := []plan.Stream{{Name: "sales", Provider: "sales", Subjects: []string{"event.order.placed"}}}
	consumers := []plan.Consumer{{Name: "finance_order_placed", Stream: "sales", Service: "finance", Event: "order.placed", Subject: "event.order.placed", Retries: 2}}
	err := room.Apply(ctx(t), streams, consumers)
	if !fault.Is(err, fault.EventMoved) || !strings.Contains(err.Error(), "finance") {
		t.Fatalf("a move with an event waiting: %v", err)
	}
	// A delivered and unacknowledged event waits as well.
	m := fetch(t, finance, "order", "finance_order_placed", 1)[0]
	if err := room.Apply(ctx(t), streams, consumers); !fault.Is(err, fault.EventMoved) {
		t.Fatalf("a move with an event in hand: %v", err)
	}
	if err := m.DoubleAck(ctx(t)); err != nil {
		t.Fatal(err)
	}
	if err := room.Apply(ctx(t), streams, consumers); err != nil {
		t.Fatalf("a move with nothing waiting: %v", err)
	}
	if err := srv.SetGrants([]plan.Grant{{Service: "sales", Publish: []string{"order.placed"}}}); err != nil {
		t.Fatal(err)
	}
	ack, err := stream(t, client(t, srv, "sales")).PublishMsg(ctx(t), placed("b"))
	if err != nil || ack.Stream != "sales" {
		t.Errorf("after the move: %+v, %v", ack, err)
	}
	if got := report(t, room); got.Streams[1].Name != "order" || !got.Streams[1].Orphan || got.Streams[1].Stored != 1 {
		t.Errorf("the old stream = %+v", got.Streams[1])
	}
}

func TestTwoProvidersOfOneEvent(t *testing.T) {
	t.Parallel()
	_, room := house(t, nats.Options{})
	streams, consumers, _ := system()
	streams[1].Subjects = append(streams[1].Subjects, "event.payment.taken")
	if err := room.Apply(ctx(t), streams, consumers); !fault.Is(err, fault.EventTwoProviders) {
		t.Errorf("Apply = %v", err)
	}
}

func TestDeadLettersKeepTheEventAndTheReason(t *testing.T) {
	t.Parallel()
	srv, room := house(t, nats.Options{})
	run(t, room)
	order, finance := stream(t, client(t, srv, "order")), stream(t, client(t, srv, "finance"))
	for _, id := range []string{"a", "b"} {
		msg := placed(id)
		msg.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		if _, err := order.PublishMsg(ctx(t), msg); err != nil {
			t.Fatal(err)
		}
	}
	// a: terminated at once with a reason; b: three deliveries, none acknowledged.
	in := fetch(t, finance, "order", "finance_order_placed", 2)
	if err := in[0].TermWithReason("no such\nalbum"); err != nil {
		t.Fatal(err)
	}
	if err := in[1].Nak(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := fetch(t, finance, "order", "finance_order_placed", 1)[0].Nak(); err != nil {
			t.Fatal(err)
		}
	}
	// The broker gives an event up when somebody asks for the next one.
	if c, err := finance.Consumer(ctx(t), "order", "finance_order_placed"); err != nil {
		t.Fatal(err)
	} else if m, err := c.Next(jetstream.FetchMaxWait(300 * time.Millisecond)); err == nil {
		t.Errorf("a fourth delivery: %v", m.Headers())
	}
	eventually(t, "both are dead letters", func() bool { return report(t, room).Dead.Count == 2 })
	for _, c := range report(t, room).Consumers {
		if want := map[string]uint64{"finance_order_placed": 2}[c.Name]; c.Dead != want {
			t.Errorf("%s has %d dead letters", c.Name, c.Dead)
		}
	}
	if _, err := srv.Subjects(ctx(t), "nobody", ">"); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("subjects of a stream that is not there: %v", err)
	}
	letters, err := room.DeadLetters(ctx(t), 10)
	if err != nil || len(letters) != 2 {
		t.Fatalf("%d dead letters, %v", len(letters), err)
	}
	if got := letters[0]; got.ID != "order.finance_order_placed.2" || got.Reason != "not acknowledged after 3 deliveries" || got.Deliveries != 3 {
		t.Errorf("newest = %+v", got)
	}
	got := letters[1]
	if got.ID != "order.finance_order_placed.1" || got.Reason != "no such album" || got.Deliveries != 1 || got.Subject != "event.order.placed" || got.Time.IsZero() || got.Stored.IsZero() || got.Lost {
		t.Errorf("oldest = %+v", got)
	}
	e, err := got.Event()
	if err != nil {
		t.Fatal(err)
	}
	want := event.Event{ID: "a", Source: "/services/order", SpecVersion: "1.0", Type: "order.placed", DataContentType: "application/json", Data: []byte(`{"n":1}`),
		Extensions: map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
	if one, err := room.DeadLetters(ctx(t), 1); err != nil || len(one) != 1 || one[0].ID != letters[0].ID {
		t.Errorf("limit 1 = %+v, %v", one, err)
	}
	if r := report(t, room); r.Dead.Last.IsZero() || r.Dead.Dropped != 0 {
		t.Errorf("dead = %+v", r.Dead)
	}

	// Again to the consumer, with its own ID.
	receipt, err := room.Requeue(ctx(t), got.ID)
	if err != nil || receipt.Duplicate || receipt.Stream != "order" {
		t.Fatalf("requeue = %+v, %v", receipt, err)
	}
	again := fetch(t, finance, "order", "finance_order_placed", 1)[0]
	if id := again.Headers().Get("ce-id"); id != "a" || again.Headers().Get("Plat-Dead-Reason") != "" {
		t.Errorf("requeued = %v", again.Headers())
	}
	if _, err := room.Requeue(ctx(t), "order.finance_order_placed.99"); !fault.Is(err, fault.EventUnknown) {
		t.Errorf("requeue of nothing = %v", err)
	}
}

// A dead letter outlives a crash between the advisory and its resolution, and
// is kept once.
func TestDeadLettersAreKeptOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv, _ := house(t, nats.Options{Dir: dir})
	order, finance := stream(t, client(t, srv, "order")), stream(t, client(t, srv, "finance"))
	if _, err := order.PublishMsg(ctx(t), placed("a")); err != nil {
		t.Fatal(err)
	}
	if err := fetch(t, finance, "order", "finance_order_placed", 1)[0].TermWithReason("bad"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the advisory is stored", func() bool {
		m, err := srv.Read(ctx(t), "plat_advisories", 1)
		return err == nil && m.Sequence == 1
	})
	// The same advisory twice: the broker may repeat it.
	m, err := srv.Read(ctx(t), "plat_advisories", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Publish(ctx(t), event.Message{Subject: m.Subject, Data: m.Data}); err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Publish(ctx(t), event.Message{Subject: m.Subject, Data: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, nats.Options{Dir: dir})
	room := event.New(event.Options{Broker: second})
	run(t, room)
	eventually(t, "all advisories are resolved", func() bool {
		d := report(t, room).Dead
		return d.Count > 0 && d.Waiting == 0
	})
	letters, err := room.DeadLetters(ctx(t), 10)
	if err != nil || len(letters) != 1 || letters[0].Reason != "bad" {
		t.Errorf("dead letters = %+v, %v", letters, err)
	}
}

func TestPublishInTheNameOfAService(t *testing.T) {
	t.Parallel()
	srv, room := house(t, nats.Options{})
	e := event.Event{ID: "1", Type: "order.placed", Subject: "customer größe", Data: []byte("{}"), Time: time.Now().UTC(), Extensions: map[string]string{"correlationid": "c"}}
	receipt, err := room.Publish(ctx(t), "order", e)
	if err != nil || receipt.Stream != "order" || receipt.Sequence != 1 {
		t.Fatalf("publish = %+v, %v", receipt, err)
	}
	if again, err := room.Publish(ctx(t), "order", e); err != nil || !again.Duplicate || again.Sequence != 1 {
		t.Errorf("publish again = %+v, %v", again, err)
	}
	m := fetch(t, stream(t, client(t, srv, "finance")), "order", "finance_order_placed", 1)[0]
	got, err := event.FromMessage(m.Subject(), m.Headers(), m.Data())
	e.SpecVersion, e.Source = "1.0", "/services/order"
	if diff := cmp.Diff(e, got); diff != "" || err != nil {
		t.Errorf("delivered, %v (-want +got):\n%s", err, diff)
	}
	for name, c := range map[string]struct {
		service string
		e       event.Event
		want    fault.Code
	}{
		"another's event": {"finance", event.Event{ID: "2", Type: "order.placed"}, fault.EventUndeclared},
		"an unknown one":  {"order", event.Event{ID: "2", Type: "order.eaten"}, fault.EventUndeclared},
		"no ID":           {"order", event.Event{Type: "order.placed"}, fault.EventInvalid},
		"too large":       {"order", event.Event{ID: "2", Type: "order.placed", Data: make([]byte, event.MaxSize)}, fault.EventTooLarge},
	} {
		if _, err := room.Publish(ctx(t), c.service, c.e); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	// The largest event can still become a dead letter.
	big := event.Event{ID: "big", Type: "order.placed", Data: make([]byte, event.MaxSize-300)}
	if _, err := room.Publish(ctx(t), "order", big); err != nil {
		t.Fatal(err)
	}
	run(t, room)
	finance := stream(t, client(t, srv, "finance"))
	if err := fetch(t, finance, "order", "finance_order_placed", 1)[0].TermWithReason(strings.Repeat("x", 900)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the large dead letter is kept", func() bool { return report(t, room).Dead.Count == 1 })
}
