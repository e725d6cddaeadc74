package later_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/later"
)

// TestBounds: what has no room is refused and counted, and dead letters take
// room, since none is dropped by itself.
func TestBounds(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &finance{}
	f.set(func(later.Call, int) later.Outcome { return later.Outcome{Status: 400, Why: "400"} })
	q := open(t, d, f)
	q.SetRules("order", "finance", later.Rules{Keep: time.Hour, Calls: 2, Size: 1 << 20})
	refused := func(c later.Call, want string) {
		t.Helper()
		_, err := q.Keep(t.Context(), c)
		if r, ok := errors.AsType[*later.Refusal](err); !ok || r.Reason != want {
			t.Errorf("refused with %v, want %s", err, want)
		}
	}
	kept(t, q, call(0))
	kept(t, q, call(1))
	refused(call(2), later.Full)
	run(t, q)
	until(t, "both are dead", func() bool { return q.State(queue).Dead == 2 })
	refused(call(3), later.Full)
	q.SetRules("order", "finance", later.Rules{Keep: time.Hour, Calls: 10, Size: q.State(queue).Bytes + 10})
	refused(call(4), later.Full)
	q.SetRules("order", "finance", later.Rules{Keep: time.Hour, Calls: 10, Size: 1 << 20})
	d.set(func(d *disk) { d.broken = errors.New("no space left") })
	refused(call(5), later.Unstored)
	if diff := cmp.Diff(map[string]uint64{later.Full: 3, later.Unstored: 1}, q.State(queue).Refused); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if q.Waits(queue) {
		t.Error("what was refused waits")
	}
}

// TestRepeated: the same call under the same key, sent again while it waits, is
// kept once; another body is another call.
func TestRepeated(t *testing.T) {
	t.Parallel()
	q := open(t, newDisk(), &finance{})
	first := kept(t, q, call(0))
	twin := call(0)
	twin.ID = "another"
	if r := kept(t, q, twin); r != (later.Receipt{ID: first.ID, Position: 1, Next: r.Next}) {
		t.Errorf("the repetition got %+v, the first %+v", r, first)
	}
	twin.Body = []byte("more")
	if r := kept(t, q, twin); r.ID != "another" || r.Position != 2 {
		t.Errorf("another body got %+v", r)
	}
}

// TestUnacknowledged: what came to the disk though its caller was told that it
// failed is removed, not done.
func TestUnacknowledged(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &finance{}
	q := open(t, d, f)
	silent, failed := make(chan struct{}), make(chan error)
	d.set(func(d *disk) { d.silent = silent })
	go func() {
		_, err := q.Keep(t.Context(), call(0))
		failed <- err
	}()
	until(t, "it is on the disk", func() bool { return d.count() == 1 })
	d.set(func(d *disk) { d.silent = nil })
	kept(t, q, call(1)) // a newer record is known before the first has failed
	close(silent)
	if err := <-failed; err == nil {
		t.Fatal("it was acknowledged")
	}
	run(t, q)
	until(t, "it is removed", func() bool { return d.count() == 0 && !q.Waits(queue) })
	if diff := cmp.Diff([]string{"/payments/1"}, f.did()); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
}

// TestTestCustomers have queues of their own: a rehearsal holds nobody up.
func TestTestCustomers(t *testing.T) {
	t.Parallel()
	f := &finance{}
	f.set(func(c later.Call, _ int) later.Outcome {
		if c.Test != "" {
			return down(c, 0)
		}
		return later.Outcome{Status: 200}
	})
	q := open(t, newDisk(), f)
	test := call(0)
	test.Test = "checkout"
	kept(t, q, test)
	kept(t, q, call(1))
	run(t, q)
	until(t, "the real one is done", func() bool { return !q.Waits(queue) })
	if !q.Waits(later.Key{Caller: "order", Callee: "finance", Test: true}) {
		t.Error("the test customer's call does not wait")
	}
	f.set(nil)
	q.Wake("finance")
	until(t, "that of the test customer is done", func() bool { return len(f.did()) == 2 })
}

// TestDamaged: a record that cannot be read stays, is told, and holds nobody up.
func TestDamaged(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &finance{}
	for _, text := range []string{"", "{}\n", "no JSON\nbody", `{"version":2,"id":"a","caller":"b","callee":"c"}` + "\n"} {
		if _, err := d.Put(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	q := open(t, d, f)
	kept(t, q, call(0))
	run(t, q)
	until(t, "the good one is done", func() bool { return !q.Waits(queue) })
	if _, damaged := q.States(); damaged != 4 || d.count() != 4 {
		t.Errorf("%d are damaged, %d stay", damaged, d.count())
	}
}

// TestShow shows a call, but no credentials.
func TestShow(t *testing.T) {
	t.Parallel()
	q := open(t, newDisk(), &finance{})
	c := call(0)
	c.Header.Set("Authorization", "Bearer hidden")
	kept(t, q, c)
	binary := call(1)
	binary.Body = []byte{0xff, 0}
	kept(t, q, binary)
	got, err := q.Show(t.Context(), "id-0")
	if err != nil || got.Body != "body\n0" || got.Encoding != "text" || got.Header["Authorization"][0] != "••••" || got.State != later.Waiting || got.Position != 1 {
		t.Errorf("shown %+v, %v", got, err)
	}
	if got, err := q.Show(t.Context(), "id-1"); err != nil || got.Body != "/wA=" || got.Encoding != "base64" {
		t.Errorf("shown %+v, %v", got, err)
	}
	if _, err := q.Show(t.Context(), "none"); !fault.Is(err, fault.NoSuchCall) {
		t.Errorf("an unknown call: %v", err)
	}
}

// TestHeader: credentials are refused, dropped or kept, whatever they are called.
func TestHeader(t *testing.T) {
	t.Parallel()
	plain := http.Header{"Content-Type": {"application/json"}, "Via": {"1.1 plat"}, "Plat-Timeout": {"10"}, "Idempotency-Key": {`"a"`}}
	want := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {`"a"`}}
	for _, tt := range []struct {
		field, target, rule string
		ok, stays           bool
	}{
		{"", "/", later.Refuse, true, false}, {"Authorization", "/", later.Refuse, false, false}, {"Cookie", "/", later.Refuse, false, false},
		{"X-Api-Key", "/", later.Refuse, false, false}, {"X-Auth-Token", "/", later.Drop, true, false}, {"Authorization", "/", later.Keep, true, true},
		{"", "/?api_key=1", later.Refuse, false, false}, {"", "/?key=1", later.Refuse, false, false},
		{"X-Functions-Key", "/", later.Refuse, false, false}, {"X-Monkey", "/", later.Refuse, true, true},
		{"", "/?access_token=a%zz", later.Drop, false, false}, {"", "/?a=1;token=x", later.Refuse, false, false}, {"", "/?access_token=1", later.Drop, false, false}, {"", "/?access_token=1", later.Keep, true, false},
	} {
		out, expect := plain.Clone(), want.Clone()
		if tt.field != "" {
			out.Set(tt.field, "secret")
		}
		if tt.stays {
			expect.Set(tt.field, "secret")
		}
		got, stripped, ok := later.Header(out, tt.target, tt.rule)
		if ok != tt.ok || stripped != (ok && tt.field != "" && !tt.stays) || ok && cmp.Diff(expect, got) != "" {
			t.Errorf("%s with %q to %s: %v %v", tt.rule, tt.field, tt.target, got, ok)
		}
	}
}
