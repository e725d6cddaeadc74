package nats_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/store/nats"
)

// refusedAsFull publishes as a service and tells whether the answer was the
// clear one.
func refusedAsFull(t *testing.T, js jetstream.JetStream) bool {
	t.Helper()
	begin := time.Now()
	_, err := js.PublishMsg(ctx(t), placed(fmt.Sprint(time.Now().UnixNano())))
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("a publish took %v", took)
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		if api.ErrorCode != 10077 || !strings.Contains(api.Description, "maximum bytes") {
			t.Fatalf("publish: %v", err)
		}
		return true
	}
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	return false
}

func TestANearlyFullDiskRefusesPublishersAtOnce(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 30)
	dir := t.TempDir()
	options := nats.Options{Dir: dir, Check: 5 * time.Millisecond, Reserve: 100 << 20, Disk: func(string) (uint64, uint64, error) { return free.Load(), 10 << 30, nil }}
	srv, room := house(t, options)
	order, finance := stream(t, client(t, srv, "order")), stream(t, client(t, srv, "finance"))
	if refusedAsFull(t, order) {
		t.Fatal("refused with room")
	}
	free.Store(99 << 20)
	eventually(t, "publishing is refused", func() bool { return refusedAsFull(t, order) })
	_, err := room.Publish(ctx(t), "order", event.Event{ID: "c", Type: "order.placed"})
	if !fault.Is(err, fault.EventStoreFull) || !strings.Contains(err.Error(), "99 MiB are free") {
		t.Errorf("plat's own publish: %v", err)
	}
	batch, err := order.Conn().RequestMsg(&natsgo.Msg{Subject: "event.order.placed", Header: natsgo.Header{"Nats-Batch-Id": {"x"}, "Nats-Batch-Sequence": {"1"}, "Nats-Batch-Commit": {"1"}}}, patience)
	if err != nil || !strings.Contains(string(batch.Data), "10077") {
		t.Errorf("an atomic batch: %v, %v", batch, err)
	}
	if st := srv.Storage(); !st.Refusing || st.Free != 99<<20 || st.Reserve != 100<<20 {
		t.Errorf("storage = %+v", st)
	}
	// Consumers go on.
	if err := fetch(t, finance, "order", "finance_order_placed", 1)[0].DoubleAck(ctx(t)); err != nil {
		t.Error(err)
	}
	// A change of the plan gives no room back, and the report shows the real limit.
	streams, consumers, _ := system()
	if err := room.Apply(ctx(t), streams, consumers); err != nil {
		t.Fatal(err)
	}
	if !refusedAsFull(t, order) || report(t, room).Streams[1].Limit < 1<<20 {
		t.Errorf("after a change of the plan: %+v", report(t, room).Streams[1])
	}
	// Nor does a restart.
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, options)
	order = stream(t, client(t, second, "order"))
	eventually(t, "publishing is still refused", func() bool { return refusedAsFull(t, order) })
	// A little room is not enough, to avoid going back and forth.
	free.Store(110 << 20)
	time.Sleep(50 * time.Millisecond) // ten checks
	if !second.Storage().Refusing {
		t.Error("publishing resumed without room to spare")
	}
	free.Store(1 << 30)
	eventually(t, "publishing resumes", func() bool { return !refusedAsFull(t, order) })
}

func TestAStreamKeepsToItsShare(t *testing.T) {
	t.Parallel()
	srv, room := house(t, nats.Options{MaxStore: 1 << 20})
	for i := range 100 {
		_, err := room.Publish(ctx(t), "order", event.Event{ID: fmt.Sprint(i), Type: "order.placed", Data: make([]byte, 16<<10)})
		if fault.Is(err, fault.EventStoreFull) {
			if i < 5 || srv.Storage().Refusing || !strings.Contains(err.Error(), "share") {
				t.Errorf("after %d events: %v", i, err)
			}
			// The other provider is not concerned.
			if _, err := room.Publish(ctx(t), "finance", event.Event{ID: "x", Type: "payment.taken"}); err != nil {
				t.Error(err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the share has no end")
}
