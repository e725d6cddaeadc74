package nats

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

var _ registry.Keys = (*Keys)(nil)

const (
	keysPrefix  = "plat_keys_" // of the names of streams that hold keys
	headFlags   = "Plat-Flags"
	headCreated = "Plat-Created"
	headDeleted = "Plat-Deleted" // the message says that its key is gone
	headBelow   = "Plat-Below"   // the message says that all keys that begin with its key are gone
)

// KeysOptions of one set of keys. Name is required: lower-case letters.
type KeysOptions struct {
	Name     string
	MaxKeys  int   // default 20,000
	MaxBytes int64 // keys and values together; default 64 MiB
	MaxValue int   // bytes; default 512 KiB
	MaxKey   int   // bytes; default 1,024
	MaxGone  int   // deleted keys whose own index is remembered; default 10,000
}

// Keys is a set of keys in a stream of its own, all of it mirrored in memory:
// reading costs no disk, writing one synced message. Its methods are safe for
// concurrent use.
//
// INVARIANT: the stream's sequence is the index. It is the order of all writes,
// and the engine keeps it over restarts.
type Keys struct {
	o      KeysOptions
	server *Server
	stream string

	writing sync.Mutex // one write at a time, so that what it expects stays true
	doubt   bool       // a write failed that may be in the stream all the same

	mu       sync.Mutex
	entries  []entry // by key; also those that are gone, for their index
	last     uint64  // newest message that entries know
	floor    uint64  // index of what has no entry
	held     int     // entries that are not gone
	bytes    int64
	watchers map[chan struct{}]string // their prefix
}

// unmarked tells whether messages go from the middle of a stream by design, so
// that a hole in it is no damage.
func unmarked(stream string) bool {
	return stream == probeStream || strings.HasPrefix(stream, keysPrefix) || strings.HasPrefix(stream, pilePrefix)
}

type entry struct {
	registry.Pair
	gone bool
}

// OpenKeys opens a set of keys, made if missing. Errors: event-unavailable, and
// event-store-damaged for a message in it that plat did not write.
func (s *Server) OpenKeys(ctx context.Context, o KeysOptions) (*Keys, error) {
	o.MaxKeys, o.MaxBytes = cmp.Or(o.MaxKeys, 20_000), cmp.Or(o.MaxBytes, 64<<20)
	o.MaxValue, o.MaxKey = cmp.Or(o.MaxValue, 512<<10), cmp.Or(o.MaxKey, 1024)
	o.MaxGone = cmp.Or(o.MaxGone, 10_000)
	k := &Keys{o: o, server: s, stream: keysPrefix + o.Name, watchers: map[chan struct{}]string{}}
	limit := 3*o.MaxBytes + 64<<20 // base64, headers, and what is replaced
	s.putting.Lock()
	_, err := s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: k.stream, Subjects: []string{k.subjects()}, Storage: jetstream.FileStorage, Replicas: 1,
		MaxMsgsPerSubject: 1, MaxBytes: limit, MaxMsgs: -1, Discard: jetstream.DiscardNew,
		Metadata: map[string]string{noteLimit: strconv.FormatInt(limit, 10)},
	})
	s.putting.Unlock()
	if err != nil {
		return nil, fault.Newf(fault.EventUnavailable, "the stream of the keys %s cannot be opened", o.Name).Because(err)
	}
	stale, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	// What was deleted before this start has no entry: it changed at the latest
	// with the newest message.
	k.floor = max(1, k.last)
	k.mu.Unlock()
	k.sweep(ctx, stale)
	return k, nil
}

// load reads what is in the stream beyond what is known, and lists messages
// that say nothing any more.
func (k *Keys) load(ctx context.Context) (stale []uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	unavailable := func(err error) error {
		return fault.Newf(fault.EventUnavailable, "the keys %s cannot be read", k.o.Name).Because(err)
	}
	stream, err := k.server.js.Stream(ctx, k.stream)
	if err != nil {
		return nil, unavailable(err)
	}
	state := stream.CachedInfo().State
	k.mu.Lock()
	next := k.last + 1
	k.mu.Unlock()
	if state.Msgs == 0 || state.LastSeq < next {
		k.mu.Lock()
		k.last = max(k.last, state.LastSeq)
		k.mu.Unlock()
		return nil, nil
	}
	for next <= state.LastSeq {
		// By subject: what lies between was replaced or deleted.
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(k.subjects()))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, unavailable(err)
		}
		more, err := k.replay(msg)
		if err != nil {
			return nil, err
		}
		stale = append(stale, more...)
		next = msg.Sequence + 1
	}
	k.mu.Lock()
	k.last = max(k.last, state.LastSeq)
	k.mu.Unlock()
	return stale, nil
}

// replay applies a message that was read from the stream.
func (k *Keys) replay(msg *jetstream.RawStreamMsg) (stale []uint64, err error) {
	key, err := k.key(msg.Subject)
	if err != nil {
		return nil, k.server.damaged(fmt.Sprintf("message %d of the keys %s is not plat's", msg.Sequence, k.o.Name), k.server.dir)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case msg.Header.Get(headBelow) != "":
		return append(k.below(key, msg.Sequence), msg.Sequence), nil
	case msg.Header.Get(headDeleted) != "":
		k.set(entry{Pair: registry.Pair{Key: key, Modified: msg.Sequence}, gone: true})
		return []uint64{msg.Sequence}, nil
	}
	p := registry.Pair{Key: key, Value: msg.Data, Created: msg.Sequence, Modified: msg.Sequence}
	if p.Flags, err = strconv.ParseUint(cmp.Or(msg.Header.Get(headFlags), "0"), 10, 64); err == nil && msg.Header.Get(headCreated) != "" {
		p.Created, err = strconv.ParseUint(msg.Header.Get(headCreated), 10, 64)
	}
	if err != nil {
		return nil, k.server.damaged(fmt.Sprintf("message %d of the keys %s is not plat's", msg.Sequence, k.o.Name), k.server.dir)
	}
	k.set(entry{Pair: p})
	return nil, nil
}

// Get finds one pair; see registry.Keys.
func (k *Keys) Get(key string) (registry.Pair, bool, uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.find(key)
	if !ok {
		return registry.Pair{}, false, k.floor
	}
	if e.gone {
		return registry.Pair{}, false, max(e.Modified, k.floor)
	}
	return e.Pair, true, max(e.Modified, k.floor)
}

// List gives the pairs below a prefix; see registry.Keys.
func (k *Keys) List(prefix string) ([]registry.Pair, uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	from, to := k.span(prefix)
	list, index := make([]registry.Pair, 0, min(to-from, 1024)), k.floor
	for _, e := range k.entries[from:to] {
		index = max(index, e.Modified)
		if !e.gone {
			list = append(list, e.Pair)
		}
	}
	return list, index
}

// Put writes a pair; see registry.Keys.
func (k *Keys) Put(ctx context.Context, p registry.Pair, expect uint64) (bool, error) {
	if p.Key == "" || len(p.Key) > k.o.MaxKey {
		return false, fault.Newf(fault.ConsulFull, "the key is %d bytes long", len(p.Key)).Why(fmt.Sprintf("a key has 1 to %d bytes", k.o.MaxKey))
	}
	if len(p.Value) > k.o.MaxValue {
		return false, fault.Newf(fault.ConsulFull, "the value has %d bytes", len(p.Value)).Why(fmt.Sprintf("a value has at most %d bytes", k.o.MaxValue))
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	old, there, err := k.expected(ctx, p.Key)
	if err != nil {
		return false, err
	}
	if expect != registry.Any && expect != old.Modified {
		return false, nil
	}
	if err := k.fits(p, old, there); err != nil {
		return false, err
	}
	msg := natsgo.NewMsg(k.subject(p.Key))
	msg.Data = p.Value
	if p.Flags != 0 {
		msg.Header.Set(headFlags, strconv.FormatUint(p.Flags, 10))
	}
	if there {
		msg.Header.Set(headCreated, strconv.FormatUint(old.Created, 10))
	}
	if p.Modified, err = k.publish(ctx, msg); err != nil {
		return false, err
	}
	p.Created = p.Modified
	if there {
		p.Created = old.Created
	}
	p.Value = slices.Clone(p.Value)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.set(entry{Pair: p})
	k.tell(p.Key, false)
	return true, nil
}

// Delete removes a key or all below it; see registry.Keys.
func (k *Keys) Delete(ctx context.Context, key string, below bool, expect uint64) (bool, error) {
	k.writing.Lock()
	old, there, err := k.expected(ctx, key)
	if err != nil {
		k.writing.Unlock()
		return false, err
	}
	if below {
		k.mu.Lock()
		from, to := k.span(key)
		there = slices.ContainsFunc(k.entries[from:to], func(e entry) bool { return !e.gone })
		k.mu.Unlock()
	}
	if !there || expect != registry.Any && expect != old.Modified {
		k.writing.Unlock()
		return !there, nil
	}
	msg := natsgo.NewMsg(k.subject(key))
	msg.Header.Set(headDeleted, "1")
	if below {
		// INVARIANT: a deletion of many is one message, so that it is made
		// wholly or not at all; its subject is that of no key.
		msg.Subject = k.subject(key) + "." + strconv.FormatInt(time.Now().UnixNano(), 36)
		msg.Header = natsgo.Header{headBelow: {"1"}}
	}
	seq, err := k.publish(ctx, msg)
	if err != nil {
		k.writing.Unlock()
		return false, err
	}
	k.mu.Lock()
	var stale []uint64
	if below {
		stale = k.below(key, seq)
	} else {
		k.set(entry{Pair: registry.Pair{Key: key, Modified: seq}, gone: true})
	}
	k.tell(key, below)
	k.mu.Unlock()
	k.writing.Unlock()
	k.sweep(ctx, stale)
	return true, nil
}

// Watch tells of changes below a prefix; see registry.Keys.
func (k *Keys) Watch(ctx context.Context, prefix string) <-chan struct{} {
	ch := make(chan struct{}, 1)
	ch <- struct{}{}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watchers[ch] = prefix
	context.AfterFunc(ctx, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.watchers, ch)
	})
	return ch
}

// expected gives what a write finds; k.writing is held.
func (k *Keys) expected(ctx context.Context, key string) (registry.Pair, bool, error) {
	if k.doubt {
		if _, err := k.load(ctx); err != nil {
			return registry.Pair{}, false, fault.New(fault.ConsulUnavailable, "the store of the keys does not answer").Because(err)
		}
		k.doubt = false
		k.mu.Lock()
		for ch := range k.watchers {
			wake(ch)
		}
		k.mu.Unlock()
	}
	p, there, _ := k.Get(key)
	return p, there, nil
}

// fits tells whether there is room for a pair that replaces old.
func (k *Keys) fits(p, old registry.Pair, there bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !there && k.held >= k.o.MaxKeys:
		return fault.Newf(fault.ConsulFull, "there are %d keys, the limit", k.held)
	case k.bytes-size(old)+size(p) > k.o.MaxBytes:
		return fault.Newf(fault.ConsulFull, "the keys and their values would hold more than %d bytes, the limit", k.o.MaxBytes)
	}
	return nil
}

// publish stores a message and gives its sequence; k.writing is held.
func (k *Keys) publish(ctx context.Context, msg *natsgo.Msg) (uint64, error) {
	// Whoever asked may leave; the write and what is known of it must agree.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	ack, err := k.server.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(k.stream), jetstream.WithExpectLastSequence(k.newest()))
	if err != nil {
		k.doubt = true
		return 0, fault.New(fault.ConsulUnavailable, "the store of the keys did not acknowledge the write").
			Why("its disk may be full, or it is being restarted").Because(err)
	}
	return ack.Sequence, nil
}

func (k *Keys) newest() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// sweep takes messages out of the stream that say nothing any more. What is
// left by a failure is found at the next start.
func (k *Keys) sweep(ctx context.Context, stale []uint64) {
	if len(stale) == 0 {
		return
	}
	stream, err := k.server.js.Stream(ctx, k.stream)
	if err != nil {
		return
	}
	last := k.newest()
	for _, seq := range stale {
		// INVARIANT: the newest message stays, and with it the index.
		if seq == last {
			continue
		}
		if err := stream.DeleteMsg(ctx, seq); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return
		}
	}
}

// find gives a key's entry; k.mu is held.
func (k *Keys) find(key string) (entry, bool) {
	at, ok := slices.BinarySearchFunc(k.entries, key, func(e entry, key string) int { return strings.Compare(e.Key, key) })
	if !ok {
		return entry{}, false
	}
	return k.entries[at], true
}

// span is the range of the entries that begin with prefix; k.mu is held.
func (k *Keys) span(prefix string) (from, to int) {
	from, _ = slices.BinarySearchFunc(k.entries, prefix, func(e entry, key string) int { return strings.Compare(e.Key, key) })
	n, _ := slices.BinarySearchFunc(k.entries[from:], true, func(e entry, _ bool) int {
		if strings.HasPrefix(e.Key, prefix) {
			return -1
		}
		return 1
	})
	return from, from + n
}

// set puts an entry in its place; k.mu is held.
func (k *Keys) set(e entry) {
	at, ok := slices.BinarySearchFunc(k.entries, e.Key, func(have entry, key string) int { return strings.Compare(have.Key, key) })
	if !ok {
		k.entries = slices.Insert(k.entries, at, entry{gone: true})
	}
	if !k.entries[at].gone {
		k.held--
		k.bytes -= size(k.entries[at].Pair)
	}
	if !e.gone {
		k.held++
		k.bytes += size(e.Pair)
	}
	k.entries[at] = e
	k.last = max(k.last, e.Modified)
	if len(k.entries) > k.held+k.o.MaxGone {
		k.forget()
	}
}

// below marks all entries that begin with prefix as gone and lists the
// messages that held them; k.mu is held.
func (k *Keys) below(prefix string, seq uint64) []uint64 {
	var stale []uint64
	from, to := k.span(prefix)
	for i := from; i < to; i++ {
		e := &k.entries[i]
		if e.gone {
			continue
		}
		k.held--
		k.bytes -= size(e.Pair)
		stale = append(stale, e.Modified)
		*e = entry{Pair: registry.Pair{Key: e.Key, Modified: seq}, gone: true}
	}
	k.last = max(k.last, seq)
	if len(k.entries) > k.held+k.o.MaxGone {
		k.forget()
	}
	return stale
}

// forget lets go of the entries that are gone: theirs, and that of whatever
// was never there, becomes the newest index of them; k.mu is held.
func (k *Keys) forget() {
	k.entries = slices.DeleteFunc(k.entries, func(e entry) bool {
		if e.gone {
			k.floor = max(k.floor, e.Modified)
		}
		return e.gone
	})
}

// tell wakes whoever watches a key, or anything below it; k.mu is held.
func (k *Keys) tell(key string, below bool) {
	for ch, prefix := range k.watchers {
		if strings.HasPrefix(key, prefix) || below && strings.HasPrefix(prefix, key) {
			wake(ch)
		}
	}
}

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// subject is where a key's messages go. A key holds what a subject cannot.
func (k *Keys) subject(key string) string {
	return "plat.keys." + k.o.Name + ".k" + base64.RawURLEncoding.EncodeToString([]byte(key))
}

// subjects is where all messages go.
func (k *Keys) subjects() string { return "plat.keys." + k.o.Name + ".>" }

func (k *Keys) key(subject string) (string, error) {
	rest, ok := strings.CutPrefix(subject, "plat.keys."+k.o.Name+".k")
	if !ok {
		return "", errors.New("another subject")
	}
	token, _, _ := strings.Cut(rest, ".")
	key, err := base64.RawURLEncoding.DecodeString(token)
	return string(key), err
}

func size(p registry.Pair) int64 { return int64(len(p.Key) + len(p.Value)) }
