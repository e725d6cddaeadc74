package later_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/later"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute // of a wait in a test; on a busy machine everything is slow

// disk is a Store in memory that outlives the Queues on it.
type disk struct {
	mu      sync.Mutex
	last    uint64
	records map[uint64][]byte
	broken  error         // of Put: the record is not stored
	silent  chan struct{} // of Put, when there is one: it is stored, and fails all the same when this is closed
	stuck   error         // of Remove
}

func newDisk() *disk { return &disk{records: map[uint64][]byte{}} }

func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *disk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.records)
}

func (d *disk) Put(_ context.Context, data []byte) (uint64, error) {
	d.mu.Lock()
	if d.broken != nil {
		defer d.mu.Unlock()
		return 0, d.broken
	}
	d.last++
	d.records[d.last] = slices.Clone(data)
	sequence, silent := d.last, d.silent
	d.mu.Unlock()
	if silent != nil {
		<-silent
		return 0, errors.New("no acknowledgement")
	}
	return sequence, nil
}

func (d *disk) Get(_ context.Context, sequence uint64) ([]byte, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, ok := d.records[sequence]
	return data, ok, nil
}

func (d *disk) Remove(_ context.Context, sequence uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stuck != nil {
		return d.stuck
	}
	delete(d.records, sequence)
	return nil
}

func (d *disk) Each(_ context.Context, from uint64, each func(uint64, []byte) error) error {
	d.mu.Lock()
	records := maps.Clone(d.records)
	d.mu.Unlock()
	for _, sequence := range slices.Sorted(maps.Keys(records)) {
		if sequence >= from {
			if err := each(sequence, records[sequence]); err != nil {
				return err
			}
		}
	}
	return nil
}

// finance is who is called: it answers what the test says, and remembers.
type finance struct {
	mu     sync.Mutex
	answer func(c later.Call, try int) later.Outcome
	tries  map[string]int
	done   []string // paths, as they were done
}

func (f *finance) deliver(_ context.Context, c later.Call) later.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tries == nil {
		f.tries = map[string]int{}
	}
	f.tries[c.ID]++
	o := later.Outcome{Status: 200}
	if f.answer != nil {
		o = f.answer(c, f.tries[c.ID])
	}
	if o.Status == 200 {
		f.done = append(f.done, c.Target)
	}
	return o
}

func (f *finance) set(answer func(c later.Call, try int) later.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *finance) did() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.done)
}

func down(later.Call, int) later.Outcome { return later.Outcome{Status: 503, Why: "503"} }

// open opens the queues on a disk; run delivers until stop.
func open(t *testing.T, d later.Store, f *finance) *later.Queues {
	t.Helper()
	q, err := later.Open(t.Context(), later.Options{Store: d, Deliver: f.deliver, Pause: time.Millisecond, Longest: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	q.SetRules("order", "finance", later.Rules{Keep: time.Hour, Calls: 1000, Size: 1 << 20})
	return q
}

func run(t *testing.T, q *later.Queues) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}

func call(n int) later.Call {
	id := strconv.Itoa(n)
	return later.Call{
		ID: "id-" + id, Caller: "order", Callee: "finance", Method: http.MethodPost, Target: "/payments/" + id,
		Header: http.Header{"Idempotency-Key": {`"key-` + id + `"`}, "X-Correlation-Id": {"c" + id}}, Body: []byte("body\n" + id), Failure: "it did not answer in time",
	}
}

func kept(t *testing.T, q *later.Queues, c later.Call) later.Receipt {
	t.Helper()
	r, err := q.Keep(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var queue = later.Key{Caller: "order", Callee: "finance"}

// TestInOrder: what fails again and again is not overtaken, and everything is
// done in the order in which it was kept.
func TestInOrder(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &finance{}
	f.set(func(c later.Call, try int) later.Outcome {
		if c.ID == "id-0" && try < 5 {
			return later.Outcome{Status: 500, Why: "500"}
		}
		return later.Outcome{Status: 200}
	})
	q := open(t, d, f)
	var want []string
	for n := range 20 {
		if r := kept(t, q, call(n)); r.Position != n+1 {
			t.Fatalf("call %d is number %d", n, r.Position)
		}
		want = append(want, call(n).Target)
	}
	if !q.Waits(queue) || q.Waits(later.Key{Caller: "order", Callee: "stock"}) {
		t.Error("whether calls wait is told wrong")
	}
	run(t, q)
	until(t, "all are done", func() bool { return !q.Waits(queue) })
	if diff := cmp.Diff(want, f.did()); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if d.count() != 0 {
		t.Errorf("%d records stay", d.count())
	}
	if l, ok := q.Find("id-7"); !ok || l.State != later.Delivered || l.Status != 200 {
		t.Errorf("what was done is told as %+v", l)
	}
	if s := q.State(queue); s.Kept != 20 || s.Delivered != 20 || s.Waiting != 0 || s.Bytes != 0 {
		t.Errorf("state %+v", s)
	}
}

// TestRemembered: what was acknowledged outlives the process, in its order and
// byte for byte; what was done and not removed is made again.
func TestRemembered(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &finance{}
	q := open(t, d, f)
	for n := range 3 {
		kept(t, q, call(n))
	}
	d.set(func(d *disk) { d.stuck = errors.New("the process was killed before it") })
	stop := run(t, q)
	until(t, "the first is done", func() bool { return len(f.did()) == 1 })
	stop()
	d.set(func(d *disk) { d.stuck = nil })

	var bodies []string
	f.set(func(c later.Call, _ int) later.Outcome {
		bodies = append(bodies, string(c.Body)+" "+c.Header.Get("Idempotency-Key"))
		return later.Outcome{Status: 200}
	})
	again := open(t, d, f)
	run(t, again)
	until(t, "all are done", func() bool { return !again.Waits(queue) })
	if diff := cmp.Diff([]string{"/payments/0", "/payments/0", "/payments/1", "/payments/2"}, f.did()); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"body\n0 \"key-0\"", "body\n1 \"key-1\"", "body\n2 \"key-2\""}, bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

// TestVerdicts: what may do better waits, what is refused for good is a dead
// letter and holds nobody up.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		outcome later.Outcome
		dead    bool
	}{
		{later.Outcome{Status: 503}, false}, {later.Outcome{Status: 500}, false}, {later.Outcome{}, false}, {later.Outcome{Status: 408}, false},
		{later.Outcome{Status: 425}, false}, {later.Outcome{Status: 429}, false}, {later.Outcome{Status: 409, After: time.Millisecond}, false},
		{later.Outcome{Status: 409}, true}, {later.Outcome{Status: 400}, true}, {later.Outcome{Status: 422}, true}, {later.Outcome{Status: 404}, true},
		{later.Outcome{Status: 501}, true}, {later.Outcome{Status: 307}, true},
	} {
		t.Run(fmt.Sprint(tt.outcome.Status, tt.outcome.After), func(t *testing.T) {
			t.Parallel()
			d, f := newDisk(), &finance{}
			f.set(func(c later.Call, try int) later.Outcome {
				if c.ID == "id-0" && try < 3 {
					return tt.outcome
				}
				return later.Outcome{Status: 200}
			})
			q := open(t, d, f)
			kept(t, q, call(0))
			kept(t, q, call(1))
			run(t, q)
			until(t, "nobody waits", func() bool { return !q.Waits(queue) })
			want := []string{"/payments/0", "/payments/1"}
			if tt.dead {
				want = want[1:]
			}
			if diff := cmp.Diff(want, f.did()); diff != "" {
				t.Errorf("done (-want +got):\n%s", diff)
			}
			if s := q.State(queue); (s.Dead == 1) != tt.dead || s.Died != uint64(s.Dead) || d.count() != s.Dead {
				t.Errorf("state %+v, %d records", s, d.count())
			}
		})
	}
}

// TestTooOld: a call that fails beyond its age is set aside, and one that plat
// slept through is tried once before that.
func TestTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, f := newDisk(), &finance{}
		f.set(down)
		q := open(t, d, f)
		kept(t, q, call(0))
		q.SetRules("order", "finance", later.Rules{Keep: time.Nanosecond, Calls: 10, Size: 1 << 20})
		stop := run(t, q)
		time.Sleep(50 * time.Second) // of the bubble's clock
		if s := q.State(queue); s.Dead != 0 || s.Tries < 10 {
			t.Errorf("while services may be coming up: %+v", s)
		}
		time.Sleep(20 * time.Second)
		l, ok := q.Find("id-0")
		if !ok || l.State != later.Dead || l.Tries < 10 || l.Why != "too old, at last: 503" {
			t.Errorf("the dead letter is %+v", l)
		}
		stop()
	})
}

// TestDroppedWhileItIsTried: what was dropped by hand does not come back as a
// dead letter.
func TestDroppedWhileItIsTried(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &finance{}
	asked, dropped := make(chan struct{}), make(chan struct{})
	f.set(func(c later.Call, _ int) later.Outcome {
		if c.ID == "id-0" {
			close(asked)
			<-dropped
			return later.Outcome{Status: 422, Why: "422"}
		}
		return later.Outcome{Status: 200}
	})
	q := open(t, d, f)
	run(t, q)
	kept(t, q, call(0))
	<-asked
	if err := q.Drop(t.Context(), "id-0"); err != nil {
		t.Error(err)
	}
	close(dropped)
	kept(t, q, call(1))
	until(t, "the next one is done", func() bool { return q.State(queue).Delivered == 1 })
	if s := q.State(queue); s.Dead != 0 || s.Dropped != 1 || d.count() != 0 {
		t.Errorf("%+v, %d records", s, d.count())
	}
}

// TestDeadLetters: one is kept over a restart, retried at the end of the queue
// with its whole age, or dropped.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &finance{}
	f.set(func(later.Call, int) later.Outcome { return later.Outcome{Status: 422, Why: "422: no such account"} })
	q := open(t, d, f)
	stop := run(t, q)
	for n := range 3 {
		kept(t, q, call(n))
	}
	until(t, "they are dead", func() bool { return q.State(queue).Dead == 3 })
	stop()
	f.set(nil)

	q = open(t, d, f)
	if s := q.State(queue); s.Dead != 3 || s.Waiting != 0 {
		t.Fatalf("after a restart: %+v", s)
	}
	letters := q.Letters(true)
	if len(letters) != 3 || letters[0].Why != "refused for good: 422: no such account" || letters[0].Request != "POST /payments/0" || letters[0].CorrelationID != "c0" {
		t.Errorf("letters %+v", letters)
	}
	if err := q.Drop(t.Context(), "id-1"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"id-2", "id-0"} {
		if err := q.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if d.count() != 2 {
		t.Errorf("%d records, want 2", d.count())
	}
	run(t, q)
	until(t, "they are done", func() bool { return len(f.did()) == 2 })
	if diff := cmp.Diff([]string{"/payments/2", "/payments/0"}, f.did()); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	for _, err := range []error{q.Drop(t.Context(), "id-1"), q.Retry(t.Context(), "none")} {
		if !fault.Is(err, fault.NoSuchCall) {
			t.Errorf("an unknown call: %v", err)
		}
	}
}

// TestKilledInMoving: a call that is in two places is where it was put last.
func TestKilledInMoving(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &finance{}
	f.set(func(later.Call, int) later.Outcome { return later.Outcome{Status: 400, Why: "400"} })
	q := open(t, d, f)
	kept(t, q, call(0))
	d.set(func(d *disk) { d.stuck = errors.New("killed") })
	stop := run(t, q)
	until(t, "it is dead", func() bool { return q.State(queue).Dead == 1 })
	stop()
	d.set(func(d *disk) { d.stuck = nil })
	if d.count() != 2 {
		t.Fatalf("%d records, want both", d.count())
	}
	q = open(t, d, f)
	if s := q.State(queue); s.Dead != 1 || s.Waiting != 0 {
		t.Errorf("state %+v", s)
	}
	run(t, q)
	until(t, "what it was before is removed", func() bool { return d.count() == 1 })
}
