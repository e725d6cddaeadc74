package nats_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

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
	if took := time.Since(begin); took > 3*time.Second {
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
	batch, err := order.Conn().RequestMsg(&natsgo.Msg{Subject: "event.order.placed", Header: natsgo.Header{"Nats-Batch-Id": {"x"}, "Nats-Batch-Sequence": {"1"}, "Nats-Batch-Commit": {"1"}}}, 5*time.Second)
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

// mount makes a file system of a size, or skips.
func mount(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("plat", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the space but keep bytes.
func fill(t *testing.T, dir string, keep uint64) (release func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	if n := int64(st.Bavail)*st.Bsize - int64(keep); n > 0 {
		if err := unix.Fallocate(int(f.Fd()), 0, 0, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func TestARealSmallDiskNeverStalls(t *testing.T) {
	t.Parallel()
	root := mount(t, "64m")
	srv, room := house(t, nats.Options{Dir: filepath.Join(root, "nats"), Check: 5 * time.Millisecond})
	if st := srv.Storage(); st.Reserve > 7<<20 || st.Limit > 64<<20 {
		t.Errorf("storage = %+v", st)
	}
	release := fill(t, root, 9<<20)
	stored, refused := 0, 0
	for i := 0; refused < 3 && i < 400; i++ {
		_, err := room.Publish(ctx(t), "order", event.Event{ID: fmt.Sprint(i), Type: "order.placed", Data: make([]byte, 64<<10)})
		switch {
		case err == nil:
			stored++
		case fault.Is(err, fault.EventStoreFull):
			refused++
		default:
			t.Fatalf("after %d events: %v", i, err)
		}
	}
	if refused < 3 || srv.Storage().Restarts != 0 {
		t.Errorf("%d stored, %d refused, %d restarts", stored, refused, srv.Storage().Restarts)
	}
	release()
	eventually(t, "publishing resumes", func() bool {
		_, err := room.Publish(ctx(t), "order", event.Event{ID: "after", Type: "order.placed"})
		return err == nil
	})
	if got := report(t, room).Streams[1].Stored; got != uint64(stored)+1 {
		t.Errorf("%d events are there, %d were acknowledged", got, stored+1)
	}
}

// The disk runs full behind plat's back: the engine stops answering, is
// replaced on the same port as soon as there is room, and nothing acknowledged
// is lost.
func TestAStalledEngineIsReplaced(t *testing.T) {
	t.Parallel()
	root := mount(t, "48m")
	plenty := func(string) (uint64, uint64, error) { return 1 << 30, 10 << 30, nil }
	srv, room := house(t, nats.Options{Dir: filepath.Join(root, "nats"), Disk: plenty, Probe: 50 * time.Millisecond})
	run(t, room)
	addr := srv.Addr()
	nc := client(t, srv, "order")
	js := stream(t, nc)
	release := fill(t, root, 3<<20)
	acked := map[string]bool{}
	stalled := false
	for i := 0; i < 200 && !stalled; i++ {
		c, cancel := context.WithTimeout(ctx(t), 500*time.Millisecond)
		m := placed(fmt.Sprint(i))
		m.Data = make([]byte, 64<<10)
		if _, err := js.PublishMsg(c, m); err == nil {
			acked[fmt.Sprint(i)] = true
		} else {
			stalled = true
		}
		cancel()
	}
	if !stalled || len(acked) == 0 {
		t.Fatalf("%d acknowledged, stalled = %v", len(acked), stalled)
	}
	release()
	eventually(t, "the engine is replaced and takes events again", func() bool {
		c, cancel := context.WithTimeout(ctx(t), 200*time.Millisecond)
		defer cancel()
		_, err := js.PublishMsg(c, placed("after"))
		return err == nil && srv.Storage().Restarts > 0
	})
	acked["after"] = true
	if srv.Addr() != addr {
		t.Errorf("the port changed from %s to %s", addr, srv.Addr())
	}
	finance := stream(t, client(t, srv, "finance"))
	for _, m := range fetch(t, finance, "order", "finance_order_placed", 1) {
		delete(acked, m.Headers().Get("ce-id"))
		_ = m.Ack()
	}
	for len(acked) > 0 {
		for _, m := range fetch(t, finance, "order", "finance_order_placed", 1) {
			delete(acked, m.Headers().Get("ce-id"))
			_ = m.Ack()
		}
	}
}
