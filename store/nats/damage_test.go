package nats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/store/nats"
)

const events = 40

// filled is a folder whose stream order holds events, all acknowledged; half
// of them were handled by the consumer.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	srv, room := house(t, nats.Options{Dir: dir})
	for i := range events {
		if _, err := room.Publish(ctx(t), "order", event.Event{ID: fmt.Sprint(i), Type: "order.placed", Data: []byte(strings.Repeat("x", 500))}); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range fetch(t, stream(t, client(t, srv, "finance")), "order", "finance_order_placed", events/2) {
		if err := m.DoubleAck(ctx(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func find(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return files[len(files)-1]
}

func truncate(t *testing.T, path string, share float64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(share*float64(info.Size()))); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, share float64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[int(share*float64(len(data)-1))] ^= 0x10
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rename changes a key: a flipped bit may do that, and a store of a newer
// broker has keys that this one does not know.
func rename(t *testing.T, path, key, to string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(data, []byte(key), []byte(to), 1)
	if bytes.Equal(other, data) {
		t.Fatalf("%s has no %s", path, key)
	}
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// readable counts the events of stream order that can still be read.
func readable(t *testing.T, srv *nats.Server) int {
	t.Helper()
	n := 0
	for seq := uint64(1); seq <= events; seq++ {
		_, err := srv.Read(ctx(t), "order", seq)
		if err == nil {
			n++
		} else if !errors.Is(err, event.ErrNotFound) {
			t.Errorf("read %d: %v", seq, err)
		}
	}
	return n
}

func TestDamageIsReportedAndNothingIsWipedInSilence(t *testing.T) {
	t.Parallel()
	const block, index, meta, sum = "order/msgs/*.blk", "order/msgs/index.db", "order/meta.inf", "order/meta.sum"
	const consumer, consumerMeta, consumerSum = "order/obs/*/o.dat", "order/obs/*/meta.inf", "order/obs/*/meta.sum"
	for name, spoil := range map[string]func(*testing.T, string){
		"block truncated":                 func(t *testing.T, dir string) { truncate(t, find(t, dir, block), 0.5) },
		"block emptied":                   func(t *testing.T, dir string) { truncate(t, find(t, dir, block), 0) },
		"block removed":                   func(t *testing.T, dir string) { remove(t, find(t, dir, block)) },
		"bit in a block":                  func(t *testing.T, dir string) { flip(t, find(t, dir, block), 0.3) },
		"bit in the first record":         func(t *testing.T, dir string) { flip(t, find(t, dir, block), 0) },
		"bit at the end of a block":       func(t *testing.T, dir string) { flip(t, find(t, dir, block), 1) },
		"block and index truncated":       func(t *testing.T, dir string) { truncate(t, find(t, dir, block), 0.5); remove(t, find(t, dir, index)) },
		"bit in a block, no index":        func(t *testing.T, dir string) { flip(t, find(t, dir, block), 0.3); remove(t, find(t, dir, index)) },
		"index truncated":                 func(t *testing.T, dir string) { truncate(t, find(t, dir, index), 0.5) },
		"bit in the index":                func(t *testing.T, dir string) { flip(t, find(t, dir, index), 0.4) },
		"index removed":                   func(t *testing.T, dir string) { remove(t, find(t, dir, index)) },
		"description torn":                func(t *testing.T, dir string) { truncate(t, find(t, dir, meta), 0.5) },
		"bit in the description":          func(t *testing.T, dir string) { flip(t, find(t, dir, meta), 0.5) },
		"description removed":             func(t *testing.T, dir string) { remove(t, find(t, dir, meta)) },
		"checksum removed":                func(t *testing.T, dir string) { remove(t, find(t, dir, sum)) },
		"stream removed":                  func(t *testing.T, dir string) { remove(t, find(t, dir, "order")) },
		"consumer's position torn":        func(t *testing.T, dir string) { truncate(t, find(t, dir, consumer), 0.5) },
		"consumer's position emptied":     func(t *testing.T, dir string) { truncate(t, find(t, dir, consumer), 0) },
		"bit in a consumer's position":    func(t *testing.T, dir string) { flip(t, find(t, dir, consumer), 0.5) },
		"consumer's description torn":     func(t *testing.T, dir string) { truncate(t, find(t, dir, consumerMeta), 0.5) },
		"bit in a consumer's description": func(t *testing.T, dir string) { flip(t, find(t, dir, consumerMeta), 0.02) },
		"unknown key in a description":    func(t *testing.T, dir string) { rename(t, find(t, dir, meta), "num_replicas", "num_replicos") },
		"unknown key of a consumer":       func(t *testing.T, dir string) { rename(t, find(t, dir, consumerMeta), "max_waiting", "max_waiding") },
		"consumer's checksum removed":     func(t *testing.T, dir string) { remove(t, find(t, dir, consumerSum)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filled(t)
			spoil(t, dir)
			before := blockBytes(t, dir)
			srv, err := nats.Open(ctx(t), nats.Options{Dir: dir})
			if err != nil {
				if !fault.Is(err, fault.EventStoreDamaged) || !strings.Contains(err.Error(), dir) || fault.All(err)[0].Remedy == "" {
					t.Errorf("Open = %v", err)
				}
				if after := blockBytes(t, dir); after < before {
					t.Errorf("a refused store shrank from %d to %d bytes", before, after)
				}
				t.Log("refused:", err)
				return
			}
			t.Cleanup(func() { _ = srv.Close() })
			n := readable(t, srv)
			states, err := srv.Consumers(ctx(t), "order")
			if err != nil && n > 0 {
				t.Fatal(err)
			}
			lag := uint64(0)
			for _, c := range states {
				lag += c.Pending + uint64(c.Unhandled)
			}
			if n < events || lag < events/2 {
				eventually(t, fmt.Sprintf("%d of %d events are readable, lag %d: reported", n, events, lag), func() bool { return len(srv.Storage().Faults) > 0 })
			}
			t.Logf("%d readable, lag %d, findings %v", n, lag, srv.Storage().Faults)
			goesOn(t, srv)
		})
	}
}

// goesOn publishes after the damage: the consumer gets every new event.
func goesOn(t *testing.T, srv *nats.Server) {
	t.Helper()
	room := event.New(event.Options{Broker: srv})
	streams, consumers, grants := system()
	if err := room.Apply(ctx(t), streams, consumers); err != nil {
		t.Fatal(err)
	}
	if err := srv.SetGrants(grants); err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for i := range events {
		id := fmt.Sprint("new", i)
		if _, err := room.Publish(ctx(t), "order", event.Event{ID: id, Type: "order.placed"}); err != nil {
			t.Fatal(err)
		}
		missing[id] = true
	}
	finance := stream(t, client(t, srv, "finance"))
	c, err := finance.Consumer(ctx(t), "order", "finance_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	for len(missing) > 0 {
		m, err := c.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatalf("%d of %d new events were not delivered: %v", len(missing), events, err)
		}
		delete(missing, m.Headers().Get("ce-id"))
		if err := m.DoubleAck(ctx(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func blockBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", "*", "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if info, err := os.Stat(b); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// A finding stays until somebody dismisses it.
func TestAFindingStaysUntilDismissed(t *testing.T) {
	t.Parallel()
	dir := filled(t)
	truncate(t, find(t, dir, "order/msgs/*.blk"), 0.5)
	for range 2 {
		srv := open(t, nats.Options{Dir: dir})
		_, room := srv, event.New(event.Options{Broker: srv})
		streams, consumers, _ := system()
		if err := room.Apply(ctx(t), streams, consumers); err != nil {
			t.Fatal(err)
		}
		if _, err := room.Publish(ctx(t), "order", event.Event{ID: fmt.Sprint(time.Now().UnixNano()), Type: "order.placed"}); err != nil {
			t.Fatal(err)
		}
		r := report(t, room)
		// Beside it are those of single events, as soon as they have been read.
		if len(r.Storage.Faults) == 0 || r.Storage.Faults[0].Code != fault.EventStoreDamaged || !strings.Contains(r.Storage.Faults[0].What, "events between 1 and 40 of stream order are gone") {
			t.Fatalf("findings = %v", r.Storage.Faults)
		}
		if err := srv.Close(); err != nil {
			t.Fatal(err)
		}
	}
	remove(t, filepath.Join(dir, "watermarks.json"))
	if srv := open(t, nats.Options{Dir: dir}); len(srv.Storage().Faults) != 0 {
		t.Errorf("after the finding was dismissed: %v", srv.Storage().Faults)
	}
}

// Whatever is damaged, plat does not crash.
func TestRandomDamageNeverPanics(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) // #nosec G404 -- a repeatable test
	template := filled(t)
	for range rounds {
		dir := filepath.Join(t.TempDir(), "nats")
		if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
			t.Fatal(err)
		}
		var files []string
		err := filepath.WalkDir(filepath.Join(dir, "jetstream"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, path)
			}
			return err
		})
		if err != nil || len(files) == 0 {
			t.Fatal(len(files), err)
		}
		for range 1 + random.IntN(3) {
			path := files[random.IntN(len(files))]
			if info, err := os.Stat(path); err != nil || info.Size() == 0 {
				continue
			}
			if random.IntN(3) == 0 {
				truncate(t, path, random.Float64())
			} else {
				flip(t, path, random.Float64())
			}
		}
		c, cancel := context.WithTimeout(ctx(t), patience)
		srv, err := nats.Open(c, nats.Options{Dir: dir})
		cancel()
		if err != nil {
			if !fault.Is(err, fault.EventStoreDamaged) {
				t.Errorf("Open = %v", err)
			}
			continue
		}
		if n := readable(t, srv); n < events {
			eventually(t, "the loss is reported", func() bool { return len(srv.Storage().Faults) > 0 })
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}
}
