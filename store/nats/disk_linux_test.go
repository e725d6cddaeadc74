package nats_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/store/nats"
)

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
		c, cancel := context.WithTimeout(ctx(t), 2*time.Second)
		m := placed(fmt.Sprint(i))
		m.Data = make([]byte, 64<<10)
		if _, err := js.PublishMsg(c, m); err == nil {
			acked[fmt.Sprint(i)] = true
		} else { // else the machine is slow, and nothing more
			var st unix.Statfs_t
			if err := unix.Statfs(root, &st); err != nil {
				t.Fatal(err)
			}
			stalled = int64(st.Bavail)*st.Bsize < 1<<20
		}
		cancel()
	}
	if !stalled || len(acked) == 0 {
		t.Fatalf("%d acknowledged, stalled = %v", len(acked), stalled)
	}
	release()
	eventually(t, "the engine is replaced and takes events again", func() bool {
		c, cancel := context.WithTimeout(ctx(t), 2*time.Second)
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
