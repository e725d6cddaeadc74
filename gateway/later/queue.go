package later

import (
	"cmp"
	"context"
	"crypto/sha256"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Store keeps records on the disk, in the order in which they were put. Its
// methods are safe for concurrent use.
type Store interface {
	// Put returns when the record is on the disk. The sequence grows.
	Put(ctx context.Context, data []byte) (sequence uint64, err error)
	// Get is false when the record is not there.
	Get(ctx context.Context, sequence uint64) (data []byte, ok bool, err error)
	// Remove removes a record for good; one that is not there is no error.
	Remove(ctx context.Context, sequence uint64) error
	// Each gives the records from a sequence on, in order.
	Each(ctx context.Context, from uint64, each func(sequence uint64, data []byte) error) error
}

// Options of Queues. Store and Deliver are required.
type Options struct {
	Store Store
	// Deliver makes one call, and returns when it is over.
	Deliver func(ctx context.Context, c Call) Outcome
	Log     *slog.Logger  // nil: nothing
	Pause   time.Duration // after the first failure of a call; 200ms
	Longest time.Duration // between two tries; 15s
}

// Bounds of what is remembered and waited for.
const (
	putTimeout = 3 * time.Second
	longestAsk = time.Minute // that a service may ask for
	maxEnded   = 1000        // calls that were done, whose outcome can be asked for
	doubtful   = time.Minute // for which a call that failed to be put may still appear
	starting   = time.Minute // in which services may come up, so that no call is too old yet
)

// Queues are all queues of a system. Its methods are safe for concurrent use.
//
// INVARIANT: a call is in memory when it was acknowledged, and leaves memory
// after it has left the store: what is lost with the process is on the disk.
type Queues struct {
	o       Options
	changed chan struct{}
	hand    sync.Mutex // one change by hand at a time; taken before mu

	mu      sync.Mutex // guards what follows, and all queues
	all     map[Key]*queue
	ids     map[string]*item
	ended   map[string]Ended
	endings []string         // IDs of ended, the oldest first
	doubts  map[string]doubt // by ID: calls that are perhaps in the store, and were not acknowledged
	stale   []uint64         // records that say nothing any more, and could not be removed
	last    uint64           // the newest record that is known
	damaged int              // records that cannot be read
	began   time.Time        // of Run
}

// queue is the calls of one service to another.
type queue struct {
	key     Key
	rules   Rules
	waiting []*item // in their order
	dead    []*item
	storing int   // calls on their way to the disk
	bytes   int64 // of all of these
	same    map[[sha256.Size]byte]*item
	wake    chan struct{}

	kept, delivered, died, dropped uint64
	refused                        map[string]uint64 // by reason
}

// item is what memory knows of a kept call.
type item struct {
	queue       *queue
	id          string
	sequence    uint64
	size        int64
	kept, since time.Time
	method      string
	path        string // without the query
	correlation string
	same        [sha256.Size]byte
	tries       int
	next        time.Time // of the next try
	why         string    // of the last try, or of the failure for which it was kept
	dead        bool
	done        bool // delivered, and yet to be removed
}

// doubt is a record of a call of which nobody knows whether it came to the disk.
type doubt struct {
	after uint64 // the newest record that was known then
	at    time.Time
}

// Ended is a call that was done.
type Ended struct {
	Key    Key
	Status int
	Time   time.Time
}

// Open reads what was kept before. Nothing is delivered until Run.
func Open(ctx context.Context, o Options) (*Queues, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Pause, o.Longest = cmp.Or(o.Pause, 200*time.Millisecond), cmp.Or(o.Longest, 15*time.Second)
	q := &Queues{
		o: o, changed: make(chan struct{}, 1), all: map[Key]*queue{}, ids: map[string]*item{}, ended: map[string]Ended{}, doubts: map[string]doubt{},
	}
	err := o.Store.Each(ctx, 1, func(sequence uint64, data []byte) error {
		q.last = sequence
		c, err := decode(data)
		if err != nil {
			q.damaged++
			o.Log.ErrorContext(ctx, "a kept call cannot be read and stays where it is", "record", sequence, "error", err)
			return nil
		}
		// INVARIANT: a call is where it was put last. One that was moved when
		// plat was killed is in two places.
		if old := q.ids[c.ID]; old != nil {
			q.stale = append(q.stale, old.sequence)
			q.forget(old)
		}
		q.take(c, sequence, int64(len(data)))
		return nil
	})
	return q, err
}

// take puts a call that is in the store into memory; q.mu is held, or nobody
// else knows q yet.
func (q *Queues) take(c Call, sequence uint64, size int64) *item {
	one := q.queue(c.Key())
	path, _, _ := strings.Cut(c.Target, "?")
	i := &item{
		queue: one, id: c.ID, sequence: sequence, size: size, kept: c.Kept, since: c.Since, method: c.Method, path: path,
		correlation: c.Header.Get("X-Correlation-Id"), same: c.same(), tries: c.Tries, why: c.Failure,
	}
	q.ids[c.ID] = i
	q.last = max(q.last, sequence)
	one.bytes += size
	list := &one.waiting
	if c.Dead != "" {
		i.dead, i.why, list = true, c.Dead, &one.dead
	} else {
		i.tries = 0
		one.same[i.same] = i
	}
	at, _ := slices.BinarySearchFunc(*list, sequence, func(o *item, s uint64) int { return cmp.Compare(o.sequence, s) })
	*list = slices.Insert(*list, at, i)
	return i
}

// forget takes an item out of memory; q.mu is held.
func (q *Queues) forget(i *item) {
	one := i.queue
	if q.ids[i.id] != i {
		return
	}
	delete(q.ids, i.id)
	if one.same[i.same] == i {
		delete(one.same, i.same)
	}
	one.bytes -= i.size
	same := func(o *item) bool { return o == i }
	one.waiting, one.dead = slices.DeleteFunc(one.waiting, same), slices.DeleteFunc(one.dead, same)
}

// queue finds or makes a queue; q.mu is held.
func (q *Queues) queue(key Key) *queue {
	one := q.all[key]
	if one == nil {
		one = &queue{
			key: key, same: map[[sha256.Size]byte]*item{}, wake: make(chan struct{}, 1), refused: map[string]uint64{},
			rules: Rules{Keep: 24 * time.Hour, Calls: 1000, Size: 64 << 20},
		}
		q.all[key] = one
	}
	return one
}

// SetRules says what holds for the calls of one service to another from now
// on. What waits is delivered by the last rules that were set, also when the
// plan keeps no calls any more; after a restart by the standard.
func (q *Queues) SetRules(caller, callee string, r Rules) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, test := range []bool{false, true} {
		q.queue(Key{caller, callee, test}).rules = r
	}
}

// Waits tells whether a call would overtake others.
func (q *Queues) Waits(key Key) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	one := q.all[key]
	return one != nil && len(one.waiting)+one.storing > 0
}

// Why a call is not kept.
const (
	Full        = "full"        // of calls or bytes
	TooLarge    = "too-large"   // its body
	Credentials = "credentials" // it bears some, and the plan refuses that
	Unstored    = "store"       // the disk did not take it
)

// Refusal is why a call is not kept.
type Refusal struct {
	Reason string
	Detail string // in words
}

// Error is the reason in words.
func (r *Refusal) Error() string { return r.Detail }

// Refused counts a call that is not kept, for a reason that its caller found.
func (q *Queues) Refused(key Key, reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue(key).refused[reason]++
}

// Keep keeps a call; when it returns without an error, the call is on the disk.
// The same call with the same idempotency key, which waits already, is kept
// once. The error is a *Refusal, and counted.
func (q *Queues) Keep(ctx context.Context, c Call) (Receipt, error) {
	c.Kept = time.Now().UTC()
	c.Since = c.Kept
	data, err := c.encode()
	if err != nil {
		return Receipt{}, q.refuse(c.Key(), Unstored, "it cannot be written down: "+err.Error())
	}
	size := int64(len(data))
	q.mu.Lock()
	one := q.queue(c.Key())
	if waits := one.same[c.same()]; waits != nil {
		r := q.receipt(waits)
		q.mu.Unlock()
		return r, nil
	}
	if len(one.waiting)+len(one.dead)+one.storing >= one.rules.Calls || one.bytes+size > one.rules.Size {
		q.mu.Unlock()
		return Receipt{}, q.refuse(c.Key(), Full, "as many calls are kept as the plan allows")
	}
	one.storing++
	one.bytes += size
	before := q.last
	q.mu.Unlock()

	// Whoever asked may leave; what is on the disk and what is known must agree.
	putting, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
	defer cancel()
	sequence, err := q.o.Store.Put(putting, data)

	q.mu.Lock()
	one.storing--
	one.bytes -= size
	if err != nil {
		q.doubts[c.ID] = doubt{before, time.Now()}
		q.mu.Unlock()
		q.o.Log.ErrorContext(ctx, "a call that failed could not be kept", "queue", c.Key().String(), "error", err)
		return Receipt{}, q.refuse(c.Key(), Unstored, "the disk did not take it")
	}
	i := q.take(c, sequence, size)
	i.next = i.kept.Add(q.o.Pause) // it failed just now
	one.kept++
	r := q.receipt(i)
	q.mu.Unlock()
	tell(q.changed)
	tell(one.wake)
	return r, nil
}

func (q *Queues) refuse(key Key, reason, detail string) error {
	q.Refused(key, reason)
	return &Refusal{reason, detail}
}

// settle removes what could not be removed when it should have been, and calls
// that came to the disk though their caller was told otherwise.
func (q *Queues) settle(ctx context.Context) {
	q.mu.Lock()
	stale, doubts := slices.Clone(q.stale), maps.Clone(q.doubts)
	q.mu.Unlock()
	for _, sequence := range stale {
		if q.o.Store.Remove(ctx, sequence) != nil {
			return
		}
		q.mu.Lock()
		q.stale = slices.DeleteFunc(q.stale, func(s uint64) bool { return s == sequence })
		q.mu.Unlock()
	}
	if len(doubts) == 0 {
		return
	}
	from := ^uint64(0)
	for _, d := range doubts {
		from = min(from, d.after+1)
	}
	q.hand.Lock() // a call that moves has a record that memory does not know yet
	defer q.hand.Unlock()
	err := q.o.Store.Each(ctx, from, func(sequence uint64, data []byte) error {
		c, err := decode(data)
		if _, in := doubts[c.ID]; err != nil || !in {
			return nil //nolint:nilerr // it is another's
		}
		if i := q.item(c.ID); i != nil && i.sequence == sequence {
			return nil // where it is
		}
		if err := q.o.Store.Remove(ctx, sequence); err != nil {
			return err
		}
		delete(doubts, c.ID)
		q.mu.Lock()
		delete(q.doubts, c.ID)
		q.mu.Unlock()
		return nil
	})
	if err != nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.DeleteFunc(q.doubts, func(_ string, d doubt) bool { return time.Since(d.at) > doubtful })
}

func tell(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // one is noted already
	}
}
