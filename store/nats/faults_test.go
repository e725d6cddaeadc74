package nats_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/store/nats"
)

// puller is a plain client that pulls, keeps what comes, and acknowledges it.
type puller struct {
	mu  sync.Mutex // guards what follows
	got []received
}

type received struct {
	id        string
	subject   string
	delivered uint64
	at        time.Time
}

// pulls begins to pull n at a time until the test ends.
func pulls(t *testing.T, srv *nats.Server, n int) *puller {
	t.Helper()
	p := &puller{}
	consumer, err := stream(t, client(t, srv, "finance")).Consumer(ctx(t), "order", "finance_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for stopped.Err() == nil {
			// Long: what is on its way to a pull that just ended comes much later, as
			// the next delivery.
			within, cancel := context.WithTimeout(stopped, 10*patience)
			batch, err := consumer.Fetch(n, jetstream.FetchContext(within), jetstream.FetchHeartbeat(patience/2))
			if err != nil {
				cancel()
				continue
			}
			for m := range batch.Messages() {
				meta, err := m.Metadata()
				if err != nil {
					t.Error(err)
					continue
				}
				p.mu.Lock()
				p.got = append(p.got, received{m.Headers().Get("ce-id"), m.Subject(), meta.NumDelivered, time.Now()})
				p.mu.Unlock()
				if err := m.Ack(); err != nil {
					t.Error(err)
				}
			}
			cancel()
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return p
}

func (p *puller) all() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *puller) ids() (ids []string) {
	for _, r := range p.all() {
		ids = append(ids, r.id)
	}
	return ids
}

// until waits for something to be so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about", what)
		}
	}
}

// settled waits until the consumer has nothing more to give.
func settled(t *testing.T, srv *nats.Server) {
	t.Helper()
	until(t, "all is acknowledged", func() bool {
		states, err := srv.Consumers(ctx(t), "order")
		return err == nil && len(states) == 1 && states[0].Pending == 0 && states[0].Unhandled == 0
	})
}

func publish(t *testing.T, srv *nats.Server, ids ...string) {
	t.Helper()
	js := stream(t, client(t, srv, "order"))
	for _, id := range ids {
		m := placed(id)
		m.Header.Set("ce-correlationid", "c-"+id)
		m.Header.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		if _, err := js.PublishMsg(ctx(t), m); err != nil {
			t.Fatal(err)
		}
	}
}

func play(t *testing.T, srv *nats.Server, f nats.Fault) {
	t.Helper()
	f.ID, f.Stream, f.Consumer = "x/1", "order", "finance_order_placed"
	if err := srv.SetFaults([]nats.Fault{f}); err != nil {
		t.Fatal(err)
	}
}

// TestPulledEventsComeTwice: what is acknowledged comes once more, by the
// broker's own redelivery, until that is lifted.
func TestPulledEventsComeTwice(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 10} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			t.Parallel()
			srv, _ := house(t, nats.Options{})
			p := pulls(t, srv, batch)
			play(t, srv, nats.Fault{Kind: nats.FaultTwice})
			publish(t, srv, "a", "b", "c")
			until(t, "six deliveries", func() bool { return len(p.all()) == 6 })
			settled(t, srv)
			times := map[string]uint64{}
			for _, r := range p.all() {
				if times[r.id]++; r.delivered != times[r.id] || r.subject != "event.order.placed" {
					t.Errorf("%+v", r)
				}
			}
			count := srv.FaultCounts()["x/1"]
			if count.Played != 3 || len(count.Examples) != 3 || count.Examples[0].CorrelationID != "c-a" ||
				count.Examples[0].TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || count.Examples[0].Event != "order.placed a" {
				t.Errorf("%+v", count)
			}
			if err := srv.SetFaults(nil); err != nil {
				t.Fatal(err)
			}
			publish(t, srv, "d")
			until(t, "one more", func() bool { return len(p.all()) == 7 })
			settled(t, srv)
			if ids := p.ids(); len(ids) != 7 || ids[6] != "d" {
				t.Errorf("after it was lifted: %v", ids)
			}
		})
	}
}

// TestPulledEventsComeTwiceForSome: a fault meets those events alone that it is
// aimed at, and the same ones each time.
func TestPulledEventsComeTwiceForSome(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	p := pulls(t, srv, 1)
	play(t, srv, nats.Fault{Kind: nats.FaultTwice, Meets: func(h map[string][]string) bool { return h["ce-id"][0] == "b" }})
	publish(t, srv, "a", "b", "c")
	until(t, "four deliveries", func() bool { return len(p.all()) == 4 })
	settled(t, srv)
	if got := p.ids(); !slices.Equal(got, []string{"a", "b", "b", "c"}) && !slices.Equal(got, []string{"a", "b", "c", "b"}) {
		t.Errorf("%v", got)
	}
	play(t, srv, nats.Fault{Kind: nats.FaultTwice, Share: 0.5})
	var ids []string
	for i := range 40 {
		ids = append(ids, fmt.Sprint(i))
	}
	publish(t, srv, ids...)
	until(t, "all came", func() bool { return slices.Contains(p.ids(), "39") })
	settled(t, srv)
	if n := srv.FaultCounts()["x/1"].Played; n < 8 || n > 32 || len(p.all()) != 44+int(n) { // #nosec G115 -- small
		t.Errorf("of 40 events %d came twice, %d deliveries", n, len(p.all()))
	}
}

// TestNoDeadLetterOfADuplicate: the last delivery that a consumer allows is
// acknowledged as it is.
func TestNoDeadLetterOfADuplicate(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{}) // three deliveries
	consumer, err := stream(t, client(t, srv, "finance")).Consumer(ctx(t), "order", "finance_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	play(t, srv, nats.Fault{Kind: nats.FaultTwice})
	publish(t, srv, "a")
	next := func(delivered uint64) jetstream.Msg {
		t.Helper()
		m, err := consumer.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatal(err)
		}
		if meta, err := m.Metadata(); err != nil || meta.NumDelivered != delivered {
			t.Fatalf("%+v, %v, want delivery %d", meta, err, delivered)
		}
		return m
	}
	for i := range 2 {
		if err := next(uint64(i + 1)).Nak(); err != nil { // #nosec G115 -- small
			t.Fatal(err)
		}
	}
	if err := next(3).DoubleAck(ctx(t)); err != nil {
		t.Fatal(err)
	}
	settled(t, srv)
	if n := srv.FaultCounts()["x/1"].Played; n != 0 {
		t.Errorf("played %d times", n)
	}
	publish(t, srv, "b")
	if err := next(1).DoubleAck(ctx(t)); err != nil { // who asks whether it was noted hears so
		t.Fatal(err)
	}
	if err := next(2).TermWithReason("enough"); err != nil {
		t.Fatal(err)
	}
	settled(t, srv)
}

// TestPulledEventsComeLate: each event comes so long after it was stored, in
// its order, and those that wait come when it is lifted.
func TestPulledEventsComeLate(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 3} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			t.Parallel()
			srv, _ := house(t, nats.Options{})
			p := pulls(t, srv, batch)
			publish(t, srv, "first")
			until(t, "the first comes", func() bool { return len(p.all()) == 1 })
			const delay = 600 * time.Millisecond
			play(t, srv, nats.Fault{Kind: nats.FaultLatency, Delay: delay})
			var want []string
			stored := map[string]time.Time{}
			for i := range 5 {
				id := fmt.Sprint(i)
				want, stored[id] = append(want, id), time.Now()
				publish(t, srv, id)
			}
			until(t, "all come", func() bool { return len(p.all()) == 6 })
			settled(t, srv)
			for _, r := range p.all()[1:] {
				if late := r.at.Sub(stored[r.id]); late < delay || r.delivered != 1 || r.subject != "event.order.placed" {
					t.Errorf("%+v came after %s, expected %s", r, late, delay)
				}
			}
			if got := p.ids()[1:]; !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			if n := srv.FaultCounts()["x/1"].Played; n != 5 {
				t.Errorf("played %d times", n)
			}
			play(t, srv, nats.Fault{Kind: nats.FaultLatency, Delay: time.Hour})
			publish(t, srv, "later")
			time.Sleep(100 * time.Millisecond) // enough to come, were it not held
			if ids := p.ids(); slices.Contains(ids, "later") {
				t.Errorf("%v", ids)
			}
			if err := srv.SetFaults(nil); err != nil {
				t.Fatal(err)
			}
			until(t, "what waited comes", func() bool { return slices.Contains(p.ids(), "later") })
			settled(t, srv)
		})
	}
}

// TestWhatIsGivenBackComesWhileEventsAreLate: a redelivery does not wait for the
// next event.
func TestWhatIsGivenBackComesWhileEventsAreLate(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	consumer, err := stream(t, client(t, srv, "finance")).Consumer(ctx(t), "order", "finance_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	play(t, srv, nats.Fault{Kind: nats.FaultLatency, Delay: 50 * time.Millisecond, Jitter: 50 * time.Millisecond})
	publish(t, srv, "a")
	for range 2 {
		m, err := consumer.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.NakWithDelay(100 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	m, err := consumer.Next(jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Ack(); err != nil {
		t.Fatal(err)
	}
	settled(t, srv)
}

// TestPulledEventsComeInAnotherOrder: those that are stored one soon after the
// other come the last first, each once, with one delivery counted beside.
func TestPulledEventsComeInAnotherOrder(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 4} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			t.Parallel()
			srv, _ := house(t, nats.Options{})
			p := pulls(t, srv, batch)
			play(t, srv, nats.Fault{Kind: nats.FaultReorder, Delay: time.Second})
			ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
			publish(t, srv, ids...)
			until(t, "all come", func() bool { return len(p.all()) == len(ids) })
			settled(t, srv)
			got := p.ids()
			if slices.Equal(got, ids) || srv.FaultCounts()["x/1"].Played == 0 {
				t.Errorf("in the old order: %v, %+v", got, srv.FaultCounts())
			}
			slices.Sort(got)
			if !slices.Equal(got, ids) {
				t.Errorf("not each once: %v", got)
			}
			for _, r := range p.all() {
				if r.delivered > 2 || r.subject != "event.order.placed" {
					t.Errorf("%+v", r)
				}
			}
			publish(t, srv, "alone")
			until(t, "one alone comes", func() bool { return slices.Contains(p.ids(), "alone") })
			settled(t, srv)
		})
	}
}

// TestPullsAreAnsweredWhileEventsAreHeld: by the words that the engine has for
// them, in the first line of a header, where every client looks.
func TestPullsAreAnsweredWhileEventsAreHeld(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	nc := client(t, srv, "finance")
	play(t, srv, nats.Fault{Kind: nats.FaultLatency, Delay: time.Hour})
	publish(t, srv, "a")
	ask := func(body string) (words []string) {
		t.Helper()
		inbox := nc.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.order.finance_order_placed", inbox, []byte(body)); err != nil {
			t.Fatal(err)
		}
		for {
			m, err := sub.NextMsg(patience)
			if err != nil {
				t.Fatalf("%s: %v after %v", body, err, words)
			}
			code := m.Header.Get("Status")
			words = append(words, code+" "+m.Header.Get("Description"))
			if code != "100" {
				return words
			}
		}
	}
	for body, want := range map[string]string{
		`{"batch":1,"no_wait":true}`:                 "404 No Messages",
		`{"batch":2,"expires":200000000}`:            "408 Request Timeout",
		`{"batch":1,"expires":1,"idle_heartbeat":1}`: "400 Bad Request - heartbeat value too large",
	} {
		if words := ask(body); words[len(words)-1] != want {
			t.Errorf("%s: %q, want %q", body, words, want)
		}
	}
	if words := ask(`{"batch":1,"expires":600000000,"idle_heartbeat":100000000}`); len(words) < 2 || words[0] != "100 Idle Heartbeat" || words[len(words)-1] != "408 Request Timeout" {
		t.Errorf("%q", words)
	}
}

// TestNothingIsLeftOfAFault: when the store ends while events are held, the next
// one delivers them, each once.
func TestNothingIsLeftOfAFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv, _ := house(t, nats.Options{Dir: dir})
	consumer, err := stream(t, client(t, srv, "finance", natsgo.NoReconnect())).Consumer(ctx(t), "order", "finance_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	before := consumer.CachedInfo().Config
	play(t, srv, nats.Fault{Kind: nats.FaultLatency, Delay: time.Hour})
	publish(t, srv, "a", "b")
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	srv, _ = house(t, nats.Options{Dir: dir})
	p := pulls(t, srv, 1)
	until(t, "all come", func() bool { return len(p.all()) == 2 })
	settled(t, srv)
	if got := p.ids(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%v", got)
	}
	consumer, err = stream(t, client(t, srv, "finance")).Consumer(ctx(t), "order", "finance_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	if after := consumer.CachedInfo().Config; fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the consumer was changed:\n%v\n%v", before, after)
	}
}

// TestAFaultOfNobody: a consumer that is not there is an error, and nothing stays.
func TestAFaultOfNobody(t *testing.T) {
	t.Parallel()
	srv, _ := house(t, nats.Options{})
	if err := srv.SetFaults([]nats.Fault{{ID: "x", Kind: nats.FaultTwice, Stream: "order", Consumer: "nobody"}}); err == nil {
		t.Error("it was taken")
	}
	if err := srv.SetFaults(nil); err != nil {
		t.Error(err)
	}
	p := pulls(t, srv, 1)
	publish(t, srv, "a")
	until(t, "it comes", func() bool { return len(p.all()) == 1 })
}
