package kittest_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

var (
	orderGrant   = grant{publish: []string{"order.placed", "order.changed"}}
	financeFrom  = consumer{Stream: "order", Consumer: "finance_order_placed", Retries: 3}
	financeGrant = grant{publish: []string{"payment.taken"}, consume: map[string]consumer{"order.placed": financeFrom}}
)

// shop is a wire with an order service and a finance service.
func shop(t *testing.T) *wire {
	t.Helper()
	w := newWire(t, map[string]grant{"order": orderGrant, "finance": financeGrant})
	w.stream("order", orderGrant.publish...)
	w.stream("finance", financeGrant.publish...)
	return w
}

func numbered(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("event ", i)
	}
	return all
}

func TestAnEventReachesItsHandlerWithCorrelationAndTrace(t *testing.T) {
	t.Parallel()
	w := shop(t)
	w.consumer(financeFrom, "order.placed")
	received := make(chan [3]string, 1)
	finance := run(t, w.env("finance", financeGrant), database(t), func(p *program) error {
		p.bus.Subscribe("order.placed", func(ctx context.Context, tx *sql.Tx, e message.Event) error {
			journey, _ := kit.Synthetic(ctx)
			received <- [3]string{kit.CorrelationID(ctx), e.TraceParent, journey}
			next, err := message.New("payment.taken", e.Subject, map[string]string{"text": "paid"})
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
	order := run(t, w.env("order", orderGrant), database(t), func(p *program) error {
		p.s.HandleFunc("POST /orders", func(rw http.ResponseWriter, r *http.Request) {
			if err := p.tryPublish(r.Context(), "order.placed", "an album"); err != nil {
				kit.WriteProblem(rw, r, kit.ProblemFrom(err))
			}
		})
		return nil
	})
	req, err := http.NewRequest(http.MethodPost, order.s.URL()+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	req.Header.Set("X-Correlation-ID", "journey-7")
	req.Header.Set("Plat-Test", "1.purchase.r1.1800000060.x")
	req.Header.Set("traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", resp.StatusCode, body)
	}
	select {
	case got := <-received:
		if got[0] != "journey-7" || !strings.Contains(got[1], trace) || got[2] != "purchase" {
			t.Errorf("handler got correlation %q, trace %q, journey %q", got[0], got[1], got[2])
		}
	case <-time.After(patience):
		t.Fatal("the event does not arrive")
	}
	await(t, "the effect", func() bool { return slices.Equal(finance.effects(), []string{"an album"}) })
	await(t, "the answering event", func() bool { return w.count("finance") == 1 })
	for stream, source := range map[string]string{"order": "/services/order", "finance": "/services/finance"} {
		h := w.messages(stream)[0].Headers()
		got := map[string]string{}
		for _, k := range []string{"ce-specversion", "ce-source", "ce-subject", "ce-correlationid", "content-type", "ce-plattest"} {
			got[k] = h.Get(k)
		}
		want := map[string]string{"ce-specversion": "1.0", "ce-source": source, "ce-subject": "key", "ce-correlationid": "journey-7", "content-type": "application/json", "ce-plattest": "1.purchase.r1.1800000060.x"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("headers in %s (-want +got):\n%s", stream, d)
		}
		if h.Get("ce-id") == "" || h.Get("ce-id") != h.Get("Nats-Msg-Id") || !strings.Contains(h.Get("traceparent"), trace) {
			t.Errorf("headers in %s: %v", stream, h)
		}
	}
	await(t, "empty outboxes", func() bool { return order.outbox()+finance.outbox() == 0 })
}

func TestWhatIsRolledBackIsNeverSent(t *testing.T) {
	t.Parallel()
	w := shop(t)
	order := run(t, w.env("order", orderGrant), database(t), nil)
	tx, err := order.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	e, _ := message.New("order.placed", "", "never")
	if err := order.bus.Publish(t.Context(), tx, e); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	order.publish(t.Context(), "order.placed", "after")
	await(t, "the second event", func() bool { return w.count("order") == 1 })
	if got := string(w.messages("order")[0].Data()); got != `{"text":"after"}` {
		t.Errorf("sent: %s", got)
	}
}

func TestOrderIsKeptSinglyAndInBatches(t *testing.T) {
	t.Parallel()
	w := shop(t)
	order := run(t, w.env("order", orderGrant), database(t), nil)
	want := numbered(1200) // two batches
	order.publish(t.Context(), "order.placed", want[:3]...)
	await(t, "three events", func() bool { return w.count("order") == 3 })
	order.publish(t.Context(), "order.placed", want[3:]...)
	await(t, "all events", func() bool { return w.count("order") == uint64(len(want)) })
	batched := 0
	for i, m := range w.messages("order") {
		if got := fmt.Sprintf(`{"text":"%s"}`, want[i]); got != string(m.Data()) {
			t.Fatalf("message %d: got %s, want %s", i, m.Data(), got)
		}
		if m.Headers().Get("Nats-Batch-Id") != "" {
			batched++
		}
	}
	if batched != len(want)-3 {
		t.Errorf("%d events came in batches, want %d", batched, len(want)-3)
	}
	await(t, "an empty outbox", func() bool { return order.outbox() == 0 })
}

// A crash between commit and send leaves rows in the outbox, one between the
// server's acknowledgement and the removal leaves rows that were sent.
func TestACrashLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	w := shop(t)
	path := database(t)
	env := w.env("order", orderGrant)
	delete(env, "NATS_URL")
	want := numbered(60)
	detached := run(t, env, path, nil)
	detached.publish(t.Context(), "order.placed", want[:40]...)
	if err := detached.stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(detached.log.String(), "no NATS_URL") || detached.outbox() != 40 {
		t.Fatalf("%d events wait; log:\n%s", detached.outbox(), detached.log)
	}
	db := open(t, path)
	if _, err := db.Exec(`CREATE TABLE copy AS SELECT * FROM plat_outbox WHERE id BETWEEN 15 AND 30`); err != nil {
		t.Fatal(err)
	}
	first := run(t, w.env("order", orderGrant), path, nil)
	await(t, "40 events", func() bool { return w.count("order") == 40 && first.outbox() == 0 })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO plat_outbox SELECT * FROM copy`); err != nil {
		t.Fatal(err)
	}
	second := run(t, w.env("order", orderGrant), path, nil)
	second.publish(t.Context(), "order.placed", want[40:]...)
	await(t, "an empty outbox", func() bool { return second.outbox() == 0 })
	got := []string{}
	for _, m := range w.messages("order") {
		got = append(got, strings.TrimSuffix(strings.TrimPrefix(string(m.Data()), `{"text":"`), `"}`))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("stream (-want +got):\n%s", d)
	}
}

func TestAnUndeclaredPublishFailsAtOnce(t *testing.T) {
	t.Parallel()
	w := shop(t)
	order := run(t, w.env("order", orderGrant), database(t), nil)
	err := order.tryPublish(t.Context(), "order.lost", "x")
	const want = `event "order.lost" is not declared: add provides.events.order.lost to service.yaml`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if n := order.outbox(); n != 0 {
		t.Errorf("%d rows in the outbox", n)
	}
}

// The server knows less than the declaration: what it refuses waits with the
// reason, which is the server's and no time-out, and holds up nothing else.
func TestARefusedPublishIsKnownAtOnceAndHoldsUpNothingElse(t *testing.T) {
	t.Parallel()
	w := shop(t)
	wide := grant{publish: []string{"order.placed", "order.secret"}}
	order := run(t, w.env("order", wide), database(t), nil)
	order.publish(t.Context(), "order.placed", "one")
	await(t, "the first event", func() bool { return w.count("order") == 1 })
	order.publish(t.Context(), "order.secret", "forbidden")
	await(t, "the reason in the outbox", func() bool {
		return len(texts(t, order.db, `SELECT error FROM plat_outbox WHERE error LIKE '%Permissions Violation%'`)) == 1
	})
	order.publish(t.Context(), "order.placed", numbered(20)...)
	await(t, "what is granted", func() bool { return w.count("order") == 21 })
	await(t, "an outbox that holds the refused one", func() bool { return order.outbox() == 1 })
}

func TestEventsLeaveSoonAfterTheirCommit(t *testing.T) {
	t.Parallel()
	w := shop(t)
	order := run(t, w.env("order", orderGrant), database(t), nil)
	order.publish(t.Context(), "order.placed", "warm")
	await(t, "the connection", func() bool { return w.count("order") == 1 })
	sub, err := w.admin.SubscribeSync("event.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.admin.Flush(); err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for range 20 {
		order.publish(t.Context(), "order.placed", "x")
		begun := time.Now()
		if _, err := sub.NextMsg(patience); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	t.Logf("from commit to the wire: median %s, worst %s", took[10], took[19])
	if took[5] > 500*time.Millisecond { // by the fallback of a second all but the first would take that long
		t.Errorf("median %s", took[10])
	}
}
