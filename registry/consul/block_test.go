package consul_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/registry/consul"
)

// A query on one service sleeps through what happens to another, and wakes for
// what happens to its own, also when its last instance goes.
func TestBlockingIsPerService(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.own("a-1", "a", 1, registry.Passing)
	r.own("b-1", "b", 2, registry.Passing)
	h := r.api.Health()
	_, meta, err := h.Service("a", "", false, nil)
	ok(t, err)
	type answer struct {
		n     int
		index uint64
	}
	ask := func(index uint64) chan answer {
		got := make(chan answer, 1)
		go func() {
			list, meta, err := h.Service("a", "", false, &api.QueryOptions{WaitIndex: index, WaitTime: time.Minute})
			if err != nil {
				t.Error(err)
				meta = &api.QueryMeta{}
			}
			got <- answer{len(list), meta.LastIndex}
		}()
		within(t, "the query waits", func() bool { return r.door.Stats().Waiting == 1 })
		return got
	}
	got, last := ask(meta.LastIndex), meta.LastIndex
	for i := range 50 {
		r.own(fmt.Sprint("b-", i), "b", 10+i, registry.Passing)
		r.reg.SetCheck("b-1", "ready", registry.Critical, fmt.Sprint(i))
	}
	if _, again, err := h.Service("a", "", false, nil); err != nil || again.LastIndex != last {
		t.Fatalf("changes of b moved the index of a from %d to %d", last, again.LastIndex)
	}
	select {
	case a := <-got:
		t.Fatalf("changes of b woke a query on a: %+v", a)
	default:
	}
	for _, change := range []struct {
		do   func()
		want int
	}{
		{func() { r.own("a-2", "a", 3, registry.Passing) }, 2},
		{func() { r.reg.SetCheck("a-2", "ready", registry.Critical, "x") }, 2},
		{func() { r.reg.Deregister("a-1") }, 1},
		{func() { r.reg.Deregister("a-2") }, 0},
		{func() { r.own("a-1", "a", 1, registry.Passing) }, 1},
	} {
		change.do()
		a := <-got
		if a.n != change.want || a.index <= last {
			t.Fatalf("woke with %+v after index %d, want %d instances", a, last, change.want)
		}
		last = a.index
		got = ask(last)
	}
	r.reg.Deregister("a-1")
	<-got
}

func TestBlockingEndsByItself(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.own("a-1", "a", 1, registry.Passing)
	_, meta, err := r.api.Health().Service("a", "", false, nil)
	ok(t, err)
	began := time.Now()
	_, again, err := r.api.Health().Service("a", "", false, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 50 * time.Millisecond})
	ok(t, err)
	if again.LastIndex != meta.LastIndex || time.Since(began) < 50*time.Millisecond {
		t.Errorf("after %s the index is %d, was %d", time.Since(began), again.LastIndex, meta.LastIndex)
	}
	// A client ahead of us, as after a clock set back, learns of it soon.
	_, ahead, err := r.api.Health().Service("a", "", false, &api.QueryOptions{WaitIndex: meta.LastIndex + 1_000_000, WaitTime: 10 * time.Minute})
	ok(t, err)
	if ahead.LastIndex != meta.LastIndex {
		t.Errorf("ahead, the index is %d, want %d", ahead.LastIndex, meta.LastIndex)
	}
	for _, bad := range []string{"index=x", "index=-1", "wait=x&index=1", "wait=-1s&index=1"} {
		if code, _, body := r.do("GET", "/v1/health/service/a?"+bad, ""); code != 400 {
			t.Errorf("%s: %d %s", bad, code, body)
		}
	}
	// Who leaves gives its place back.
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, _, err := r.api.Health().Service("a", "", false, (&api.QueryOptions{WaitIndex: meta.LastIndex}).WithContext(ctx))
		left <- err
	}()
	within(t, "it waits", func() bool { return r.door.Stats().Waiting == 1 })
	cancel()
	if err := <-left; err == nil {
		t.Error("a query that was left has an answer")
	}
	within(t, "its place is free", func() bool { return r.door.Stats().Waiting == 0 })
}

// The time to send a request in is not the time to wait in.
func TestWaitingOutlastsTheReadTimeout(t *testing.T) {
	t.Parallel()
	door, err := consul.New(consul.Options{Registry: registry.New()})
	ok(t, err)
	server := httptest.NewUnstartedServer(door)
	server.Config.ReadTimeout = time.Second
	server.Config.IdleTimeout = time.Minute // else it is the read time-out, and closes the client's connection between two requests
	server.Start()
	defer server.Close()
	client, err := api.NewClient(&api.Config{Address: server.Listener.Addr().String()})
	ok(t, err)
	_, meta, err := client.Health().Service("a", "", false, nil)
	ok(t, err)
	began := time.Now()
	_, _, err = client.Health().Service("a", "", false, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 2 * time.Second})
	ok(t, err)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it waited %s, not two seconds", took)
	}
}

func TestTooManyQueriesAreRefused(t *testing.T) {
	t.Parallel()
	r := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	index, _ := r.reg.Index("a")
	door := r.door
	for range consul.MaxWaiting {
		group.Go(func() { call(ctx, door, fmt.Sprintf("/v1/health/service/a?index=%d", index)) })
	}
	within(t, "all places are taken", func() bool { return door.Stats().Waiting == consul.MaxWaiting })
	if code := call(ctx, door, fmt.Sprintf("/v1/health/service/a?index=%d", index)); code != 429 {
		t.Errorf("one query more than there are places is answered with %d", code)
	}
	if code := call(ctx, door, "/v1/health/service/a"); code != 200 {
		t.Errorf("a query that does not wait is refused with %d", code)
	}
}

// A thousand queries wait, the door and its registry end and begin again at the
// same address, all ask again: each is answered, no index has gone backwards,
// and then all of them wait again without a sound.
func TestAThousandQueriesOverARestart(t *testing.T) {
	t.Parallel()
	const n = 1000
	r := open(t)
	for i := range 20 {
		r.own(fmt.Sprint("s-", i), fmt.Sprint("s", i), 1+i, registry.Passing)
	}
	var seen [n]uint64
	round := func(r *rig, index func(i int) uint64) (answers *atomic.Int64, all *sync.WaitGroup) {
		answers, all = &atomic.Int64{}, &sync.WaitGroup{}
		for i := range n {
			all.Go(func() {
				_, meta, err := r.api.Health().Service(fmt.Sprint("s", i%20), "", false, &api.QueryOptions{WaitIndex: index(i), WaitTime: 5 * time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				if meta.LastIndex < seen[i] || meta.LastIndex == 0 {
					t.Errorf("query %d: the index went from %d to %d", i, seen[i], meta.LastIndex)
				}
				seen[i] = meta.LastIndex
				answers.Add(1)
			})
		}
		return answers, all
	}
	last := func(i int) uint64 { return seen[i] }
	_, all := round(r, func(int) uint64 { return 0 })
	all.Wait()
	_, all = round(r, last)
	within(t, "all wait", func() bool { return r.door.Stats().Waiting == n })
	r.stop()
	all.Wait() // answered with what there was
	again := reopen(t, r.addr)
	for i := range 20 {
		again.own(fmt.Sprint("s-", i), fmt.Sprint("s", i), 1+i, registry.Passing)
	}
	_, all = round(again, last)
	all.Wait() // the new registry is ahead of what they knew
	answers, all := round(again, last)
	within(t, "all wait again", func() bool { return again.door.Stats().Waiting == n })
	again.own("s-7b", "s7", 77, registry.Passing)
	within(t, "those who watch s7 are answered", func() bool { return answers.Load() == n/20 })
	if waiting := again.door.Stats().Waiting; waiting != n-n/20 {
		t.Errorf("%d wait, want %d", waiting, n-n/20)
	}
	again.stop()
	all.Wait()
}

// call asks a door without a network and gives the status.
func call(ctx context.Context, door *consul.Door, path string) int {
	w := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1:8500"+path, nil)
	door.ServeHTTP(w, req)
	return w.Code
}
