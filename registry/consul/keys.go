package consul

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

// pair is a key as Consul's clients read it; an empty value is null.
type pair struct {
	LockIndex   uint64
	Key         string
	Flags       uint64
	Value       []byte
	CreateIndex uint64
	ModifyIndex uint64
}

// kv answers what is asked of one key, or of all below it.
func kv(q *request, key string) error {
	if q.d.o.KV == nil {
		return unsupported("the key-value store", "this plat runs without one")
	}
	if !utf8.ValidString(key) {
		return invalid("the key is not UTF-8")
	}
	for _, name := range []string{"acquire", "release"} {
		if q.query.Has(name) {
			return unsupported("?"+name, "a lock that one node keeps is lost with it, and then two hold it: a trap")
		}
	}
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return kvGet(q, key)
	case http.MethodPut:
		return kvPut(q, key)
	case http.MethodDelete:
		return kvDelete(q, key)
	}
	q.w.Header().Set("Allow", "GET, PUT, DELETE")
	return fail(http.StatusMethodNotAllowed, fault.Newf(fault.ConsulInvalid, "method %s not allowed on a key", q.Method))
}

func kvGet(q *request, key string) error {
	recurse, err := q.flag("recurse")
	if err != nil {
		return err
	}
	keys, err := q.flag("keys")
	if err != nil {
		return err
	}
	if key == "" && !recurse && !keys {
		return invalid("Missing key name")
	}
	store := q.d.o.KV
	index := func() uint64 {
		if recurse || keys {
			_, index := store.List(key)
			return index
		}
		_, _, index := store.Get(key)
		return index
	}
	if err := q.block(index, func(ctx context.Context) <-chan struct{} { return store.Watch(ctx, key) }); err != nil {
		return err
	}
	switch {
	case keys:
		list, index := store.List(key)
		return q.foundPairs(index, names(list, key, q.query.Get("separator")))
	case recurse:
		list, index := store.List(key)
		out := make([]pair, 0, len(list))
		for _, p := range list {
			out = append(out, wirePair(p))
		}
		return foundAny(q, index, out)
	}
	p, ok, at := store.Get(key)
	if !ok {
		return foundAny(q, at, []pair{})
	}
	raw, err := q.flag("raw")
	if err != nil {
		return err
	}
	if !raw {
		return foundAny(q, at, []pair{wirePair(p)})
	}
	q.meta(at)
	// A value is what a program wrote: no browser may run it.
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q.w.Header().Set("Content-Security-Policy", "sandbox")
	_, _ = q.w.Write(p.Value) // #nosec G705 -- plain text, nosniff, sandboxed; whoever asked may be gone
	return nil
}

func (q *request) foundPairs(index uint64, keys []string) error { return foundAny(q, index, keys) }

// foundAny answers with what there is, or with 404 and nothing but the index
// to wait from.
func foundAny[T any](q *request, index uint64, list []T) error {
	if len(list) == 0 {
		q.meta(index)
		q.w.WriteHeader(http.StatusNotFound)
		return nil
	}
	return q.found(index, list)
}

func wirePair(p registry.Pair) pair {
	out := pair{Key: p.Key, Flags: p.Flags, CreateIndex: p.Created, ModifyIndex: p.Modified}
	if len(p.Value) > 0 {
		out.Value = p.Value
	}
	return out
}

// names lists keys, each up to and with the first separator after the prefix,
// once.
func names(list []registry.Pair, prefix, separator string) []string {
	var keys []string
	for _, p := range list {
		key := p.Key
		if separator != "" {
			if at := strings.Index(key[len(prefix):], separator); at >= 0 {
				key = key[:len(prefix)+at+len(separator)]
			}
		}
		if len(keys) == 0 || keys[len(keys)-1] != key {
			keys = append(keys, key)
		}
	}
	return keys
}

func kvPut(q *request, key string) error {
	if key == "" {
		return invalid("Missing key name")
	}
	p := registry.Pair{Key: key}
	var err error
	if is := q.query.Get("flags"); is != "" {
		if p.Flags, err = strconv.ParseUint(is, 10, 64); err != nil {
			return invalid("flags: %q is no number from 0 to 18446744073709551615", is)
		}
	}
	expect, err := q.expect()
	if err != nil {
		return err
	}
	if p.Value, err = io.ReadAll(q.Body); err != nil {
		return err
	}
	if len(p.Value) > MaxBody {
		return &http.MaxBytesError{Limit: MaxBody}
	}
	ok, err := q.d.o.KV.Put(q.Context(), p, expect)
	if err != nil {
		return err
	}
	return q.json(http.StatusOK, ok)
}

func kvDelete(q *request, key string) error {
	below, err := q.flag("recurse")
	if err != nil {
		return err
	}
	expect, err := q.expect()
	if err != nil {
		return err
	}
	switch {
	case key == "" && !below:
		return invalid("Missing key name")
	case below && expect != registry.Any:
		return invalid("Conflicting flags: cas and recurse")
	}
	ok, err := q.d.o.KV.Delete(q.Context(), key, below, expect)
	if err != nil {
		return err
	}
	return q.json(http.StatusOK, ok)
}

// expect reads ?cas=.
func (q *request) expect() (uint64, error) {
	if !q.query.Has("cas") {
		return registry.Any, nil
	}
	n, err := strconv.ParseUint(q.query.Get("cas"), 10, 63)
	if err != nil {
		return 0, invalid("cas: %q is no index", q.query.Get("cas"))
	}
	return n, nil
}
