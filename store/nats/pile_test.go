package nats_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/store/nats"
)

// TestPile: records stay in their order over a restart, go from anywhere, and
// what is removed is written over; a full pile refuses with a code.
func TestPile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv, err := nats.Open(t.Context(), nats.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	pile, err := srv.OpenPile(t.Context(), "later", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte("secret of one "), 50)
	for n := range 5 {
		data := fmt.Appendf(nil, "record %d", n)
		if n == 2 {
			data = secret
		}
		if sequence, err := pile.Put(t.Context(), data); err != nil || sequence != uint64(n+1) {
			t.Fatalf("record %d: %d, %v", n, sequence, err)
		}
	}
	for range 2 { // the second finds it gone
		if err := pile.Remove(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := pile.Get(t.Context(), 3); ok || err != nil {
		t.Errorf("what was removed: %v, %v", ok, err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	files := os.DirFS(dir)
	err = fs.WalkDir(files, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if bytes.Contains(text, []byte("secret of one")) {
			t.Errorf("%s still holds what was removed", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	srv, err = nats.Open(context.WithoutCancel(t.Context()), nats.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	if faults := srv.Storage().Faults; len(faults) > 0 {
		t.Errorf("a hole is taken for damage: %v", faults)
	}
	if pile, err = srv.OpenPile(t.Context(), "later", 1<<20); err != nil {
		t.Fatal(err)
	}
	got := map[uint64]string{}
	if err := pile.Each(t.Context(), 2, func(sequence uint64, data []byte) error {
		got[sequence] = string(data)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[uint64]string{2: "record 1", 4: "record 3", 5: "record 4"}, got); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	large := make([]byte, 900<<10)
	for range 20 {
		if _, err = pile.Put(t.Context(), large); err != nil {
			break
		}
	}
	if !fault.Is(err, fault.EventStoreFull) {
		t.Errorf("a full pile says %v", err)
	}
}
