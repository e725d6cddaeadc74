package later

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plat-dev/plat/fault"
)

// Receipt tells whose call was kept what it can know of it.
type Receipt struct {
	ID       string
	Position int           // in its queue, from 1
	Next     time.Duration // until the queue's next try
}

// receipt tells of an item that waits; q.mu is held.
func (q *Queues) receipt(i *item) Receipt {
	one := i.queue
	return Receipt{i.id, slices.Index(one.waiting, i) + 1, max(0, time.Until(one.waiting[0].next))}
}

// The states of a call.
const (
	Waiting   = "waiting"
	Dead      = "dead"
	Delivered = "delivered"
)

// State is how a queue stands. Counters are since plat started.
type State struct {
	Caller    string            `json:"caller"`
	Service   string            `json:"service"`
	Test      bool              `json:"test,omitempty"`
	Waiting   int               `json:"waiting"`
	Dead      int               `json:"dead"`
	Bytes     int64             `json:"bytes"`
	Oldest    *time.Time        `json:"oldest,omitempty"`  // when the first that waits was kept
	Request   string            `json:"request,omitempty"` // of the first that waits
	Kept      uint64            `json:"kept"`
	Delivered uint64            `json:"delivered"`
	Died      uint64            `json:"died"`
	Dropped   uint64            `json:"dropped"`
	Refused   map[string]uint64 `json:"refused"`
	Tries     int               `json:"tries"` // of the first that waits
	Next      *time.Time        `json:"next,omitempty"`
	Why       string            `json:"why,omitempty"` // of its last failure
}

// State is how one queue stands.
func (q *Queues) State(key Key) State {
	q.mu.Lock()
	defer q.mu.Unlock()
	if one := q.all[key]; one != nil {
		return one.state()
	}
	return State{Caller: key.Caller, Service: key.Callee, Test: key.Test, Refused: map[string]uint64{}}
}

// States are how all queues stand, sorted; and how many records cannot be read.
func (q *Queues) States() (all []State, damaged int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, one := range q.all {
		if s := one.state(); !s.Test || s.Waiting+s.Dead+int(s.Kept) > 0 { // #nosec G115 -- a count
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b State) int {
		return strings.Compare(Key{a.Caller, a.Service, a.Test}.String(), Key{b.Caller, b.Service, b.Test}.String())
	})
	return all, q.damaged
}

// state reads a queue; the mutex of Queues is held.
func (one *queue) state() State {
	s := State{
		Caller: one.key.Caller, Service: one.key.Callee, Test: one.key.Test, Waiting: len(one.waiting), Dead: len(one.dead), Bytes: one.bytes,
		Kept: one.kept, Delivered: one.delivered, Died: one.died, Dropped: one.dropped, Refused: maps.Clone(one.refused),
	}
	if len(one.waiting) > 0 {
		i := one.waiting[0]
		kept, next := i.kept, i.next
		if next.IsZero() {
			next = time.Now().UTC()
		}
		s.Oldest, s.Next, s.Why, s.Tries, s.Request = &kept, &next, i.why, i.tries, i.method+" "+i.path
	}
	return s
}

// Letter is what is told of one kept call.
type Letter struct {
	ID            string     `json:"id"`
	Caller        string     `json:"caller"`
	Service       string     `json:"service"`
	Test          bool       `json:"test,omitempty"`
	State         string     `json:"state"`
	Position      int        `json:"position,omitempty"` // of one that waits, from 1
	Request       string     `json:"request,omitempty"`  // method and path
	Size          int64      `json:"size,omitempty"`
	Kept          *time.Time `json:"kept,omitempty"`
	Tries         int        `json:"tries"`
	Next          *time.Time `json:"next,omitempty"`
	Why           string     `json:"why,omitempty"` // of the last failure
	CorrelationID string     `json:"correlationId,omitempty"`
	Status        int        `json:"status,omitempty"` // of the answer, when it was delivered
	Ended         *time.Time `json:"ended,omitempty"`
}

// Content is a letter, opened.
type Content struct {
	Letter
	Header   map[string][]string `json:"header"`
	Body     string              `json:"body"`
	Encoding string              `json:"encoding"` // of Body: text, or base64
	Cut      bool                `json:"cut,omitempty"`
}

// shownBody bounds the body that is shown.
const shownBody = 64 << 10

// Letters lists the calls that wait, queue by queue in their order, and the dead
// ones; or these alone.
func (q *Queues) Letters(dead bool) []Letter {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := []Letter{}
	for _, key := range slices.SortedFunc(maps.Keys(q.all), func(a, b Key) int { return strings.Compare(a.String(), b.String()) }) {
		one := q.all[key]
		if !dead {
			for at, i := range one.waiting {
				all = append(all, i.letter(at+1))
			}
		}
		for _, i := range one.dead {
			all = append(all, i.letter(0))
		}
	}
	return all
}

func (i *item) letter(position int) Letter {
	kept := i.kept
	l := Letter{
		ID: i.id, Caller: i.queue.key.Caller, Service: i.queue.key.Callee, Test: i.queue.key.Test, State: Waiting, Position: position,
		Request: i.method + " " + i.path, Size: i.size, Kept: &kept, Tries: i.tries, Why: i.why, CorrelationID: i.correlation,
	}
	if i.dead {
		l.State = Dead
	} else if next := i.next; !next.IsZero() {
		l.Next = &next
	}
	return l
}

// Find tells of one call, also of one that was done not long ago.
func (q *Queues) Find(id string) (Letter, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e, ok := q.ended[id]; ok {
		return Letter{ID: id, Caller: e.Key.Caller, Service: e.Key.Callee, Test: e.Key.Test, State: Delivered, Status: e.Status, Ended: &e.Time}, true
	}
	i := q.ids[id]
	if i == nil {
		return Letter{}, false
	}
	return i.letter(slices.Index(i.queue.waiting, i) + 1), true
}

// Show opens a call. Credentials are not shown.
func (q *Queues) Show(ctx context.Context, id string) (Content, error) {
	l, ok := q.Find(id)
	if !ok {
		return Content{}, unknown(id)
	}
	out := Content{Letter: l, Header: map[string][]string{}, Encoding: "text"}
	i := q.item(id)
	if i == nil {
		return out, nil // it was done
	}
	c, ok, err := q.read(ctx, i)
	if err != nil {
		return out, unavailable(err)
	}
	if !ok {
		return out, unknown(id)
	}
	for name, values := range c.Header {
		if credential(name) {
			values = []string{"••••"}
		}
		out.Header[name] = values
	}
	body := c.Body
	if out.Cut = len(body) > shownBody; out.Cut {
		body = body[:shownBody]
	}
	if out.Body = strings.ToValidUTF8(string(body), ""); !utf8.Valid(c.Body) {
		out.Body, out.Encoding = base64.StdEncoding.EncodeToString(body), "base64"
	}
	return out, nil
}

func (q *Queues) item(id string) *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ids[id]
}

// Retry tries a call that waits at once, as soon as it is its turn; a dead
// letter goes to the end of its queue and has its whole age again.
func (q *Queues) Retry(ctx context.Context, id string) error {
	q.hand.Lock()
	defer q.hand.Unlock()
	i := q.item(id)
	if i == nil {
		return unknown(id)
	}
	if i.dead {
		c, ok, err := q.read(ctx, i)
		if err != nil {
			return unavailable(err)
		}
		if !ok {
			return unknown(id)
		}
		c.Dead, c.Tries, c.Since = "", 0, time.Now().UTC()
		if err := q.move(ctx, i, c); err != nil {
			return unavailable(err)
		}
	}
	q.mu.Lock()
	if len(i.queue.waiting) > 0 {
		i.queue.waiting[0].next = time.Time{}
	}
	q.mu.Unlock()
	tell(q.changed)
	tell(i.queue.wake)
	return nil
}

// Drop removes a call for good.
func (q *Queues) Drop(ctx context.Context, id string) error {
	q.hand.Lock()
	defer q.hand.Unlock()
	i := q.item(id)
	if i == nil {
		return unknown(id)
	}
	if err := q.o.Store.Remove(ctx, i.sequence); err != nil {
		return unavailable(err)
	}
	q.mu.Lock()
	there := q.ids[id] == i // else it was done meanwhile
	if there {
		q.forget(i)
		i.queue.dropped++
	}
	q.mu.Unlock()
	if there {
		tell(i.queue.wake)
		q.o.Log.WarnContext(ctx, "a kept call was dropped by hand", "id", id, "queue", i.queue.key.String())
	}
	return nil
}

func unknown(id string) error {
	return fault.Newf(fault.NoSuchCall, "no kept call has the ID %s", id).Fix("plat queue list names those that there are")
}

func unavailable(err error) error {
	return fault.New(fault.EventUnavailable, "the store of the kept calls does not answer").Fix("try again; the log of plat names the cause").Because(err)
}
