package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/gateway/later"
	"github.com/plat-dev/plat/plan"
)

// shelf is a store of kept calls in memory; gateway/later tests what a disk may
// do to it.
type shelf struct {
	mu      sync.Mutex
	records [][]byte // by sequence, less 1; nil: removed
	full    bool
}

func (s *shelf) Put(_ context.Context, data []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return 0, errors.New("no space left")
	}
	s.records = append(s.records, data)
	return uint64(len(s.records)), nil
}

func (s *shelf) Get(_ context.Context, sequence uint64) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.records[sequence-1]
	return data, data != nil, nil
}

func (s *shelf) Remove(_ context.Context, sequence uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[sequence-1] = nil
	return nil
}

func (s *shelf) Each(context.Context, uint64, func(uint64, []byte) error) error { return nil }

// bank is the service that is called: it notes what it was asked to do.
type bank struct {
	mu   sync.Mutex
	mode string // how it fails; empty: it does not
	done []string
	all  []http.Header // of every request that came
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	mode := b.mode
	b.all = append(b.all, r.Header.Clone())
	if mode == "" || mode == "late" {
		b.done = append(b.done, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	}
	b.mu.Unlock()
	switch mode {
	case "":
		w.WriteHeader(http.StatusCreated)
	case "late", "hang":
		<-r.Context().Done()
	case "reset":
		panic(http.ErrAbortHandler)
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
	case "429":
		w.WriteHeader(http.StatusTooManyRequests)
	case "422":
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"title":"No such account","detail":"A-1"}`)
	}
}

func (b *bank) set(mode string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mode = mode
}

func (b *bank) did() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.done...)
}

// queued is a gateway with an edge whose failed calls are done later; they are
// not, until run is called.
func queued(t *testing.T, rules plan.Queue) (r *rig, b *bank, up gateway.Upstream, edge string, s *shelf, run func() *later.Queues) {
	t.Helper()
	b, s = &bank{}, &shelf{}
	up = backend(t, "shop-1", b.ServeHTTP)
	r = newRig(t, gateway.Options{}, up)
	q, err := later.Open(t.Context(), later.Options{Store: s, Deliver: r.Deliver, Pause: time.Millisecond, Longest: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r.SetLater(q)
	rules.Keep, rules.Body = plan.Duration(time.Hour), max(rules.Body, 1<<10)
	rules.Calls, rules.Size = max(rules.Calls, 100), 1<<20
	edge = "http://" + r.guarded(t, plan.Edge{
		OnFailure: plan.OnQueue, Queue: &rules, Timeout: plan.Duration(patience),
		Policy: plan.CallPolicy{Concurrent: 100, Wait: plan.Duration(50 * time.Millisecond), Connect: plan.Duration(time.Second), Total: plan.Duration(patience)},
	})
	return r, b, up, edge, s, func() *later.Queues {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- q.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-ended })
		return q
	}
}

// TestQueue: what fails in any way is answered 202, and is done once, in order,
// when the service is there again.
func TestQueue(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"500", "429", "hang", "reset", "gone"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r, b, up, edge, _, run := queued(t, plan.Queue{})
			c := client(t, false)
			b.set(how)
			if how == "gone" {
				r.SetUpstreams("shop", nil)
			}
			header := []string{"X-Correlation-ID", "c-1", "Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}
			if how == "hang" { // what waits for it has little time, all others have enough
				header = append(header, "Plat-Timeout", "500")
			}
			a := do(t, c, "POST", edge+"/payments?a=b", "one", header...)
			var told struct {
				ID, CorrelationID string
				Position          int
			}
			if err := json.Unmarshal([]byte(a.body), &told); err != nil || a.StatusCode != 202 || a.Header.Get("Plat-Fallback") != "queue" || a.Header.Get("Retry-After") == "" ||
				a.Header.Get("Location") != "/.well-known/plat/queue/"+told.ID || told.Position != 1 || told.CorrelationID != "c-1" {
				t.Fatalf("the call got %d %v %s", a.StatusCode, a.Header, a.body)
			}
			// Later ones go behind, whatever their method, though the service is well.
			b.set("")
			r.SetUpstreams("shop", []gateway.Upstream{up})
			for _, method := range []string{"PUT", "PATCH", "DELETE"} {
				if a := do(t, c, method, edge+"/payments/2", "", "Idempotency-Key", `"mine"`); a.StatusCode != 202 {
					t.Fatalf("%s behind it: %d %s", method, a.StatusCode, a.body)
				}
			}
			if got := b.did(); len(got) > 0 {
				t.Fatalf("done before their turn: %v", got)
			}
			if a := do(t, c, "GET", edge+"/payments", ""); a.StatusCode != 201 {
				t.Errorf("a GET waits, too: %d", a.StatusCode)
			}
			if a := do(t, c, "GET", edge+a.Header.Get("Location"), ""); a.StatusCode != 200 || !strings.Contains(a.body, `"state":"waiting"`) || !strings.Contains(a.body, `"position":1`) {
				t.Errorf("asked what became of it: %d %s", a.StatusCode, a.body)
			}
			run()
			want := []string{"GET /payments ", "POST /payments?a=b one", "PUT /payments/2 ", "PATCH /payments/2 ", "DELETE /payments/2 "}
			eventually(t, "all are done", func() bool { return len(b.did()) >= len(want) })
			if diff := cmp.Diff(want, b.did()); diff != "" {
				t.Errorf("done (-want +got):\n%s", diff)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			with := b.all[len(b.all)-4]
			if with.Get("X-Correlation-ID") != "c-1" || !strings.HasPrefix(with.Get("Traceparent"), "00-0123456789abcdef0123456789abcdef-") ||
				with.Get("Plat-Caller") != "web" || with.Get("Idempotency-Key") != `"`+told.ID+`"` {
				t.Errorf("it was done with %v", with)
			}
			if own := b.all[len(b.all)-1].Get("Idempotency-Key"); own != `"mine"` {
				t.Errorf("the caller's own key became %s", own)
			}
			eventually(t, "the caller is told", func() bool {
				return strings.Contains(do(t, c, "GET", edge+a.Header.Get("Location"), "").body, `"state":"delivered"`)
			})
		})
	}
}

// TestQueueKey: a try whose effect is unknown has the key of those that follow.
func TestQueueKey(t *testing.T) {
	t.Parallel()
	_, b, _, edge, _, run := queued(t, plan.Queue{})
	b.set("late") // it does what it is asked, and does not say so
	if a := do(t, client(t, false), "POST", edge+"/payments", "one", "Plat-Timeout", "500"); a.StatusCode != 202 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	b.set("")
	run()
	eventually(t, "it is asked again", func() bool { return len(b.did()) == 2 })
	b.mu.Lock()
	defer b.mu.Unlock()
	if first, second := b.all[0].Get("Idempotency-Key"), b.all[1].Get("Idempotency-Key"); first == "" || first != second {
		t.Errorf("the keys are %s and %s", first, second)
	}
}

// TestQueueRefuses: what cannot be kept fails as it would have, and overtakes
// nobody.
func TestQueueRefuses(t *testing.T) {
	t.Parallel()
	r, b, _, edge, s, run := queued(t, plan.Queue{Body: 100})
	c := client(t, false)
	long := strings.Repeat("x", 2000)
	b.set("500")
	plainly := func(what string, status int, a answer) {
		t.Helper()
		if a.StatusCode != status || a.Header.Get("Plat-Fallback") != "" {
			t.Errorf("%s: %d %v %s", what, a.StatusCode, a.Header, a.body)
		}
	}
	plainly("a GET", 500, do(t, c, "GET", edge+"/", ""))
	plainly("a large body", 500, do(t, c, "POST", edge+"/", long))
	plainly("with credentials", 500, do(t, c, "POST", edge+"/", "x", "Authorization", "Bearer x"))
	chunked, err := http.NewRequest("POST", edge+"/", io.MultiReader(strings.NewReader(long)))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(chunked)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	plainly("a large body of unknown length", 500, answer{Response: res})
	s.mu.Lock()
	s.full = true
	s.mu.Unlock()
	b.set("reset")
	a := do(t, c, "POST", edge+"/", "x")
	problem(t, a, 502, "gateway-upstream-failed")
	if !strings.Contains(a.body, "it could not be kept for later: the disk did not take it") {
		t.Errorf("the caller is not told why: %s", a.body)
	}
	s.mu.Lock()
	s.full = false
	s.mu.Unlock()

	if a := do(t, c, "POST", edge+"/first", "x"); a.StatusCode != 202 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	b.set("")
	problem(t, do(t, c, "POST", edge+"/second", long), 503, "gateway-not-kept")
	q := run()
	eventually(t, "it is done", func() bool { return len(b.did()) == 1 && !q.Waits(later.Key{Caller: "web", Callee: "shop"}) })
	plainly("when nobody waits", 201, do(t, c, "POST", edge+"/third", long))
	if diff := cmp.Diff(map[string]uint64{later.TooLarge: 3, later.Credentials: 1, later.Unstored: 1}, q.State(later.Key{Caller: "web", Callee: "shop"}).Refused); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	for _, f := range r.Calls("web")[0].Figures {
		if f.Name == "plat_call_queue_delivered_total" && f.Value != 1 {
			t.Errorf("%s is %v", f.Name, f.Value)
		}
	}
}

// TestQueueCredentials: a call whose credentials are dropped is kept when it was
// not made at all; it would else be taken for another one.
func TestQueueCredentials(t *testing.T) {
	t.Parallel()
	r, b, up, edge, _, run := queued(t, plan.Queue{Credentials: later.Drop})
	c := client(t, false)
	b.set("500")
	if a := do(t, c, "POST", edge+"/", "x", "Authorization", "Bearer x"); a.StatusCode != 500 {
		t.Errorf("one that was made: %d %s", a.StatusCode, a.body)
	}
	r.SetUpstreams("shop", nil)
	if a := do(t, c, "POST", edge+"/", "x", "Authorization", "Bearer x"); a.StatusCode != 202 {
		t.Errorf("one that was not: %d %s", a.StatusCode, a.body)
	}
	b.set("")
	r.SetUpstreams("shop", []gateway.Upstream{up})
	run()
	eventually(t, "it is done", func() bool { return len(b.did()) == 1 })
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := b.all[len(b.all)-1]; last.Get("Authorization") != "" || last.Get("Plat-Caller") != "web" {
		t.Errorf("it was done with %v", last)
	}
}

// TestQueueDeadLetter: what the service refuses for good is said so to whoever
// asks.
func TestQueueDeadLetter(t *testing.T) {
	t.Parallel()
	_, b, _, edge, _, run := queued(t, plan.Queue{})
	c := client(t, false)
	b.set("500")
	a := do(t, c, "POST", edge+"/", "x")
	b.set("422")
	run()
	eventually(t, "it is a dead letter", func() bool {
		body := do(t, c, "GET", edge+a.Header.Get("Location"), "").body
		return strings.Contains(body, `"state":"dead"`) && strings.Contains(body, "refused for good: 422 Unprocessable Entity: A-1")
	})
	problem(t, do(t, c, "GET", edge+"/.well-known/plat/queue/none", ""), 404, "no-such-call")
}
