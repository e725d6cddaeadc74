package nats_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/store/nats"
)

func openKeys(t *testing.T, dir string, o nats.KeysOptions) (*nats.Server, *nats.Keys) {
	t.Helper()
	srv, err := nats.Open(t.Context(), nats.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	o.Name = "test"
	keys, err := srv.OpenKeys(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return srv, keys
}

func put(t *testing.T, k *nats.Keys, key, value string) {
	t.Helper()
	ok, err := k.Put(t.Context(), registry.Pair{Key: key, Value: []byte(value)}, registry.Any)
	if err != nil || !ok {
		t.Fatalf("put %q: %v, %v", key, ok, err)
	}
}

func names(pairs []registry.Pair) string {
	var all []string
	for _, p := range pairs {
		all = append(all, p.Key)
	}
	return strings.Join(all, " ")
}

func TestKeysSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv, k := openKeys(t, dir, nats.KeysOptions{})
	for _, key := range []string{"a/1", "a/2", "a/3", "b", "größe mit leer/zeichen", "x//y/../z", "a.b*>"} {
		put(t, k, key, "value of "+key)
	}
	if ok, err := k.Put(t.Context(), registry.Pair{Key: "b", Value: []byte("new"), Flags: 42}, registry.Any); !ok || err != nil {
		t.Fatal(ok, err)
	}
	was, _, _ := k.Get("b")
	if was.Created == was.Modified || was.Created == 0 {
		t.Fatalf("after a second write b is %+v", was)
	}
	if ok, err := k.Delete(t.Context(), "a/", true, registry.Any); !ok || err != nil {
		t.Fatal(ok, err)
	}
	put(t, k, "a/2", "again")
	if ok, err := k.Delete(t.Context(), "x//y/../z", false, registry.Any); !ok || err != nil {
		t.Fatal(ok, err)
	}
	before, index := k.List("")
	_, gone := k.List("x")
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	srv, k = openKeys(t, dir, nats.KeysOptions{})
	after, again := k.List("")
	if names(after) != "a.b*> a/2 b größe mit leer/zeichen" || names(before) != names(after) || again < index {
		t.Fatalf("before the restart %q at %d, after it %q at %d", names(before), index, names(after), again)
	}
	if got, ok, _ := k.Get("b"); !ok || string(got.Value) != "new" || got.Flags != 42 || got.Created != was.Created || got.Modified != was.Modified {
		t.Fatalf("b came back as %+v, want %+v", got, was)
	}
	if _, now := k.List("x"); now < gone {
		t.Fatalf("the index of a deleted prefix went from %d to %d", gone, now)
	}
	if faults := srv.Storage().Faults; len(faults) > 0 {
		t.Fatalf("what was replaced and deleted is called damage: %v", faults)
	}
}

func TestKeysExpect(t *testing.T) {
	t.Parallel()
	_, k := openKeys(t, t.TempDir(), nats.KeysOptions{})
	pair := registry.Pair{Key: "k"}
	if ok, _ := k.Put(t.Context(), pair, 7); ok {
		t.Fatal("a key that is not there was as expected at 7")
	}
	if ok, _ := k.Put(t.Context(), pair, 0); !ok {
		t.Fatal("a key that is not there was not as expected at 0")
	}
	if ok, _ := k.Put(t.Context(), pair, 0); ok {
		t.Fatal("a key that is there was as expected at 0")
	}
	now, _, _ := k.Get("k")
	if ok, _ := k.Delete(t.Context(), "k", false, now.Modified+1); ok {
		t.Fatal("deleted at another index")
	}
	if ok, _ := k.Delete(t.Context(), "k", false, now.Modified); !ok {
		t.Fatal("not deleted at its index")
	}
	if ok, err := k.Delete(t.Context(), "k", false, 1); !ok || err != nil {
		t.Fatal("a key that is not there is not deleted already")
	}
}

// Eight writers count to 25 each; each count is made once.
func TestKeysRace(t *testing.T) {
	t.Parallel()
	_, k := openKeys(t, t.TempDir(), nats.KeysOptions{})
	put(t, k, "n", "0")
	var group sync.WaitGroup
	var lost atomic.Int64
	for range 8 {
		group.Go(func() {
			for range 25 {
				for {
					p, _, _ := k.Get("n")
					var n int
					_, _ = fmt.Sscan(string(p.Value), &n)
					ok, err := k.Put(t.Context(), registry.Pair{Key: "n", Value: fmt.Append(nil, n+1)}, p.Modified)
					if err != nil {
						t.Error(err)
						return
					}
					if ok {
						break
					}
					lost.Add(1)
				}
			}
		})
	}
	group.Wait()
	if p, _, _ := k.Get("n"); string(p.Value) != "200" {
		t.Fatalf("200 counts came to %s", p.Value)
	}
	if lost.Load() == 0 {
		t.Log("no two writers met")
	}
}

func TestKeysWatchAndIndexes(t *testing.T) {
	t.Parallel()
	_, k := openKeys(t, t.TempDir(), nats.KeysOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	put(t, k, "a/1", "")
	put(t, k, "b/1", "")
	_, a := k.List("a/")
	ch := k.Watch(ctx, "a/")
	<-ch
	put(t, k, "b/2", "")
	if _, now := k.List("a/"); now != a {
		t.Fatalf("a write to b/2 moved the index of a/ from %d to %d", a, now)
	}
	select {
	case <-ch:
		t.Fatal("a write to b/2 was told to who watches a/")
	default:
	}
	for _, change := range []func(){
		func() { put(t, k, "a/2", "") },
		func() { _, _ = k.Delete(t.Context(), "a/2", false, registry.Any) },
		func() { _, _ = k.Delete(t.Context(), "a", true, registry.Any) },
	} {
		_, before := k.List("a/")
		change()
		select {
		case <-ch:
		case <-time.After(patience):
			t.Fatal("a change was not told")
		}
		if _, now := k.List("a/"); now <= before {
			t.Fatalf("a change left the index at %d", now)
		}
	}
}

func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	_, k := openKeys(t, t.TempDir(), nats.KeysOptions{MaxKeys: 3, MaxBytes: 100, MaxValue: 60, MaxKey: 10})
	put(t, k, "a", strings.Repeat("x", 60))
	for name, p := range map[string]registry.Pair{
		"no key":       {},
		"a long key":   {Key: strings.Repeat("k", 11)},
		"a long value": {Key: "b", Value: bytes.Repeat([]byte("x"), 61)},
		"all too much": {Key: "b", Value: bytes.Repeat([]byte("x"), 40)},
	} {
		if ok, err := k.Put(t.Context(), p, registry.Any); ok || !fault.Is(err, fault.ConsulFull) {
			t.Errorf("%s: %v, %v; want consul-full", name, ok, err)
		}
	}
	put(t, k, "b", "")
	put(t, k, "c", "")
	if ok, err := k.Put(t.Context(), registry.Pair{Key: "d"}, registry.Any); ok || !fault.Is(err, fault.ConsulFull) {
		t.Errorf("one key too many: %v, %v; want consul-full", ok, err)
	}
	put(t, k, "a", "small") // replaced at the limit
	if ok, _ := k.Delete(t.Context(), "b", false, registry.Any); !ok {
		t.Fatal("not deleted")
	}
	put(t, k, "d", "")
}

// Keys that are gone are forgotten in the end, and no index falls.
func TestKeysForget(t *testing.T) {
	t.Parallel()
	_, k := openKeys(t, t.TempDir(), nats.KeysOptions{MaxGone: 5})
	indexes := map[string]uint64{}
	look := func() {
		t.Helper()
		for i := range 30 {
			key := fmt.Sprint("k", i)
			_, _, index := k.Get(key)
			if index < indexes[key] || index == 0 {
				t.Fatalf("the index of %s went from %d to %d", key, indexes[key], index)
			}
			indexes[key] = index
		}
		if _, index := k.List("k"); index < indexes["all"] {
			t.Fatalf("the index of all went from %d to %d", indexes["all"], index)
		}
	}
	for i := range 30 {
		put(t, k, fmt.Sprint("k", i), "x")
		look()
		if i%3 > 0 {
			if ok, err := k.Delete(t.Context(), fmt.Sprint("k", i), false, registry.Any); !ok || err != nil {
				t.Fatal(ok, err)
			}
			look()
		}
	}
	if list, _ := k.List("k"); len(list) != 10 {
		t.Fatalf("%d keys, want 10", len(list))
	}
}

// Without a broker nothing is acknowledged, and what was is still read.
func TestKeysWithoutABroker(t *testing.T) {
	t.Parallel()
	srv, k := openKeys(t, t.TempDir(), nats.KeysOptions{})
	put(t, k, "a", "1")
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if ok, err := k.Put(t.Context(), registry.Pair{Key: "a", Value: []byte("2")}, registry.Any); ok || !fault.Is(err, fault.ConsulUnavailable) {
			t.Fatalf("put: %v, %v; want consul-unavailable", ok, err)
		}
	}
	if ok, err := k.Delete(t.Context(), "a", false, registry.Any); ok || !fault.Is(err, fault.ConsulUnavailable) {
		t.Fatalf("delete: %v, %v; want consul-unavailable", ok, err)
	}
	if p, ok, _ := k.Get("a"); !ok || string(p.Value) != "1" {
		t.Fatalf("a is %q, %v", p.Value, ok)
	}
}

// A write whose acknowledgement was lost, or that somebody else made, is found
// before the next one is decided.
func TestKeysFindWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	srv, k := openKeys(t, t.TempDir(), nats.KeysOptions{})
	put(t, k, "a", "1")
	other, err := srv.OpenKeys(t.Context(), nats.KeysOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, other, "a", "2")
	put(t, other, "b/1", "x")
	put(t, other, "b/2", "x")
	if ok, err := other.Delete(t.Context(), "b/", true, registry.Any); !ok || err != nil {
		t.Fatal(ok, err)
	}
	put(t, other, "c", "3")
	before, _, _ := k.Get("a")
	if ok, err := k.Put(t.Context(), registry.Pair{Key: "a", Value: []byte("9")}, before.Modified); ok || err == nil {
		t.Fatal("a write over what it does not know was acknowledged")
	}
	if ok, err := k.Put(t.Context(), registry.Pair{Key: "a", Value: []byte("9")}, before.Modified); ok || err != nil {
		t.Fatalf("the second time it is decided by what is there: %v, %v; want false", ok, err)
	}
	if list, _ := k.List(""); names(list) != "a c" || string(list[0].Value) != "2" {
		t.Fatalf("it knows %+v", list)
	}
	put(t, k, "a", "9")
}
