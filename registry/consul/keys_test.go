package consul_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/plat-dev/plat/registry/consul"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	stored, _, _ := keys(t, t.TempDir())
	r := open(t, stored)
	kv := r.api.KV()
	if p, meta, err := kv.Get("nothing", nil); err != nil || p != nil || meta.LastIndex == 0 {
		t.Fatalf("a key that is not there: %v, %+v, %v", p, meta, err)
	}
	for _, key := range []string{"app/a", "app/b/1", "app/b/2", "app/c d/ä", "app//..//x", "other"} {
		_, err := kv.Put(&api.KVPair{Key: key, Value: []byte("value of " + key), Flags: 42}, nil)
		ok(t, err)
		p, _, err := kv.Get(key, nil)
		ok(t, err)
		if p == nil || string(p.Value) != "value of "+key || p.Flags != 42 || p.Key != key || p.CreateIndex == 0 || p.LockIndex != 0 || p.Session != "" {
			t.Fatalf("%q came back as %+v", key, p)
		}
	}
	_, err := kv.Put(&api.KVPair{Key: "empty"}, nil)
	ok(t, err)
	if p, _, err := kv.Get("empty", nil); err != nil || p == nil || len(p.Value) != 0 {
		t.Fatalf("an empty value: %+v, %v", p, err)
	}
	list, meta, err := kv.List("app/", nil)
	ok(t, err)
	if len(list) != 5 || meta.LastIndex == 0 {
		t.Fatalf("below app/ are %v", list)
	}
	for separator, want := range map[string]string{"": "[app//..//x app/a app/b/1 app/b/2 app/c d/ä]", "/": "[app// app/a app/b/ app/c d/]"} {
		if names, _, err := kv.Keys("app/", separator, nil); err != nil || fmt.Sprint(names) != want {
			t.Errorf("keys with separator %q: %v, %v", separator, names, err)
		}
	}
	if code, h, body := r.do("GET", "/v1/kv/app/a?raw", ""); code != 200 || body != "value of app/a" || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") || h.Get("X-Consul-Index") == "" {
		t.Errorf("raw: %d %q %v", code, body, h)
	}
	if code, _, body := r.do("GET", "/v1/kv/other?pretty", ""); code != 200 || !strings.Contains(body, "\n    ") {
		t.Errorf("pretty: %d %q", code, body)
	}
	_, err = kv.DeleteTree("app/b", nil)
	ok(t, err)
	if names, _, err := kv.Keys("app/b", "", nil); err != nil || len(names) != 0 {
		t.Errorf("deleted below app/b, there is %v, %v", names, err)
	}
	_, err = kv.Delete("other", nil)
	ok(t, err)
	if p, _, err := kv.Get("other", nil); err != nil || p != nil {
		t.Errorf("deleted, it is %v, %v", p, err)
	}
}

func TestKeysCompareAndSet(t *testing.T) {
	t.Parallel()
	stored, _, _ := keys(t, t.TempDir())
	r := open(t, stored)
	kv := r.api.KV()
	p := &api.KVPair{Key: "n", Value: []byte("0")}
	if done, _, err := kv.CAS(p, nil); err != nil || !done {
		t.Fatalf("the first: %v, %v", done, err)
	}
	if done, _, err := kv.CAS(p, nil); err != nil || done {
		t.Fatalf("the first again: %v, %v", done, err)
	}
	// Two clients count; what the one has written, the other sees or is refused.
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for range 25 {
				for done := false; !done; {
					p, _, err := kv.Get("n", nil)
					if err != nil {
						t.Error(err)
						return
					}
					n, _ := strconv.Atoi(string(p.Value))
					p.Value = []byte(strconv.Itoa(n + 1))
					if done, _, err = kv.CAS(p, nil); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	p, _, err := kv.Get("n", nil)
	ok(t, err)
	if string(p.Value) != "50" || p.ModifyIndex <= p.CreateIndex {
		t.Fatalf("two times 25 are %s at %d", p.Value, p.ModifyIndex)
	}
	stale := *p
	stale.ModifyIndex--
	if done, _, err := kv.DeleteCAS(&stale, nil); err != nil || done {
		t.Fatalf("deleted by a stale index: %v, %v", done, err)
	}
	if done, _, err := kv.DeleteCAS(p, nil); err != nil || !done {
		t.Fatalf("not deleted by its index: %v, %v", done, err)
	}
}

func TestKeysBlock(t *testing.T) {
	t.Parallel()
	stored, _, _ := keys(t, t.TempDir())
	r := open(t, stored)
	kv := r.api.KV()
	put := func(key string) {
		t.Helper()
		_, err := kv.Put(&api.KVPair{Key: key, Value: []byte(time.Now().String())}, nil)
		ok(t, err)
	}
	put("a/1")
	put("b/1")
	_, meta, err := kv.List("a/", nil)
	ok(t, err)
	for _, change := range []func(){
		func() { put("a/2") },
		func() { _, err := kv.Delete("a/2", nil); ok(t, err) },
		func() { _, err := kv.DeleteTree("a/", nil); ok(t, err) },
		func() { put("a/3") },
	} {
		got := make(chan *api.QueryMeta, 1)
		go func() {
			_, next, err := kv.List("a/", &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Minute})
			if err != nil {
				t.Error(err)
			}
			got <- next
		}()
		within(t, "it waits", func() bool { return r.door.Stats().Waiting == 1 })
		put("b/1")
		select {
		case <-got:
			t.Fatal("a write to b/1 woke who waits on a/")
		default:
		}
		change()
		next := <-got
		if next.LastIndex <= meta.LastIndex {
			t.Fatalf("the index went from %d to %d", meta.LastIndex, next.LastIndex)
		}
		meta = next
	}
}

func TestKeysRefuse(t *testing.T) {
	t.Parallel()
	stored, _, _ := keys(t, t.TempDir())
	r := open(t, stored)
	big := strings.Repeat("x", consul.MaxBody)
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{"PUT", "/v1/kv/full", big, 200},
		{"PUT", "/v1/kv/k", big + "x", 413},
		{"PUT", "/v1/kv/k", strings.Repeat(big, 20), 413},
		{"PUT", "/v1/kv/", "x", 400},
		{"GET", "/v1/kv/", "", 400},
		{"DELETE", "/v1/kv/", "", 400},
		{"PUT", "/v1/kv/" + strings.Repeat("k", 1025), "x", 507},
		{"PUT", "/v1/kv/%ff", "x", 400},
		{"PUT", "/v1/kv/k?flags=-1", "x", 400},
		{"PUT", "/v1/kv/k?cas=x", "x", 400},
		{"PUT", "/v1/kv/k?cas=18446744073709551615", "x", 400},
		{"PUT", "/v1/kv/k?acquire=s", "x", 501},
		{"PUT", "/v1/kv/k?release=s", "x", 501},
		{"DELETE", "/v1/kv/k?recurse&cas=1", "", 400},
		{"GET", "/v1/kv/k?recurse=maybe", "", 400},
		{"POST", "/v1/kv/k", "x", 405},
		{"GET", "/v1/kv/k?dc=mars", "", 500},
	} {
		if code, _, body := r.do(c.method, c.path, c.body); code != c.code {
			t.Errorf("%s %.60s with %d bytes: %d %.200s; want %d", c.method, c.path, len(c.body), code, body, c.code)
		}
	}
	if _, h, body := r.do("PUT", "/v1/kv/k?acquire=s", ""); !strings.Contains(body, "trap") || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		t.Errorf("a lock is refused with %q", body)
	}
	if _, _, err := r.api.KV().Get("k", nil); err != nil {
		t.Error(err)
	}
	none := open(t)
	if code, _, _ := none.do("GET", "/v1/kv/k", ""); code != 501 {
		t.Errorf("without a store: %d", code)
	}
}

// Whatever a key is made of, it is kept or refused, and nothing else changes.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"a", "a/b", "../x", "%2e%2e", "\x00", "ä ö", "a?b#c", "//", ">*.", strings.Repeat("k", 1024)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		stored, _, _ := keys(t, t.TempDir())
		o := consul.Options{Registry: emptyRegistry()}
		stored(&o)
		door, err := consul.New(o)
		ok(t, err)
		req := httptest.NewRequest("PUT", "http://localhost/", bytes.NewReader([]byte("v")))
		req.URL.Path = "/v1/kv/" + key
		w := httptest.NewRecorder()
		door.ServeHTTP(w, req)
		p, there, _ := o.KV.Get(key)
		if there != (w.Code == 200) || there && string(p.Value) != "v" || w.Code >= 500 && w.Code != 507 {
			t.Fatalf("%q: %d %s, there: %v", key, w.Code, w.Body, there)
		}
	})
}
