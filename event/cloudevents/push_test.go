package cloudevents_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/store/nats"
)

// inbox is a service that keeps what it gets and answers as a test says.
type inbox struct {
	mu     sync.Mutex
	answer func(id string, attempt int) (status int, header http.Header, body string)
	got    []delivered
}

type delivered struct {
	path   string
	header http.Header
	body   string
	at     time.Time
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i.mu.Lock()
	i.got = append(i.got, delivered{r.Method + " " + r.URL.Path, r.Header.Clone(), string(body), time.Now()})
	attempt := 0
	for _, d := range i.got {
		if d.header.Get("Ce-Id") == r.Header.Get("Ce-Id") {
			attempt++
		}
	}
	answer := i.answer
	i.mu.Unlock()
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status, header, text := answer(r.Header.Get("Ce-Id"), attempt)
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (i *inbox) all() []delivered {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.got)
}

func (i *inbox) ids() []string {
	var ids []string
	for _, d := range i.all() {
		ids = append(ids, d.header.Get("Ce-Id"))
	}
	return ids
}

func (r *rig) publish(e event.Event) {
	r.t.Helper()
	if e.Type == "" {
		e.Type = "order.placed"
	}
	if _, err := r.room.Publish(ctx(r.t), "order", e); err != nil {
		r.t.Fatal(err)
	}
}

// settled waits until nothing is left to deliver.
func (r *rig) settled() event.PushReport {
	r.t.Helper()
	var push event.PushReport
	eventually(r.t, "everything is delivered", func() bool {
		report, err := r.room.Report(ctx(r.t))
		if err != nil || report.Dead.Waiting > 0 {
			return false
		}
		for _, c := range report.Consumers {
			if c.Push != nil {
				push = *c.Push
				return c.Lag == 0 && c.Unhandled == 0 && c.Push.InHand == 0
			}
		}
		return false
	})
	return push
}

func TestAnEventIsPushedInBinaryMode(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	box := &inbox{}
	r.target.set("welcome", serve(t, box))
	r.apply(pushed(5))
	r.publish(event.Event{
		ID: "7", Source: "/till/7", Subject: `größe "100%"`, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), DataContentType: "application/json",
		Extensions: map[string]string{"correlationid": "work-1", "traceparent": parent, "tracestate": "a=b", "key": "€"}, Data: []byte(`{"total":12}`),
	})
	r.publish(event.Event{ID: "8", Extensions: map[string]string{"traceparent": "broken", "correlationid": "with space"}})
	push := r.settled()
	if push.Delivered != 2 || push.Failed != 0 || push.Last.IsZero() || push.Error != "" || push.Waiting || push.Path != "/welcome" {
		t.Errorf("report = %+v", push)
	}
	got := box.all()
	slices.SortFunc(got, func(a, b delivered) int { return strings.Compare(a.header.Get("Ce-Id"), b.header.Get("Ce-Id")) })
	if len(got) != 2 || got[0].path != "POST /welcome" || got[0].body != `{"total":12}` || got[1].body != "" {
		t.Fatalf("got %+v", got)
	}
	for _, d := range got {
		d.header.Del("Accept-Encoding")
	}
	want := http.Header{
		"Content-Type": {"application/json"}, "Content-Length": {"12"}, "User-Agent": {"plat"},
		"Ce-Specversion": {"1.0"}, "Ce-Id": {"7"}, "Ce-Source": {"/till/7"}, "Ce-Type": {"order.placed"}, "Ce-Time": {"2026-01-02T03:04:05Z"},
		"Ce-Subject": {"gr%C3%B6%C3%9Fe%20%22100%25%22"}, "Ce-Key": {"%E2%82%AC"},
		"Ce-Correlationid": {"work-1"}, "X-Correlation-Id": {"work-1"}, "Ce-Traceparent": {parent}, "Traceparent": {parent}, "Ce-Tracestate": {"a=b"}, "Tracestate": {"a=b"},
	}
	if diff := cmp.Diff(want, got[0].header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if h := got[1].header; h.Get("Traceparent") != "" || h.Get("X-Correlation-Id") != "" || h.Get("Ce-Traceparent") != "broken" || h.Get("Content-Type") != "" {
		t.Errorf("headers = %v", h)
	}
}

func TestWhatAReceiverMayAnswer(t *testing.T) {
	t.Parallel()
	const retries = 2
	for name, c := range map[string]struct {
		answer     func(id string, attempt int) (int, http.Header, string)
		deliveries int
		reason     string // of the dead letter; empty: none
	}{
		"200 with a body": {func(string, int) (int, http.Header, string) { return 200, nil, strings.Repeat("x", 1<<20) }, 1, ""},
		"202":             {func(string, int) (int, http.Header, string) { return 202, nil, "" }, 1, ""},
		"500, then 200": {func(_ string, attempt int) (int, http.Header, string) {
			if attempt < 3 {
				return 500, nil, ""
			}
			return 200, nil, ""
		}, 3, ""},
		"500 for ever":  {func(string, int) (int, http.Header, string) { return 500, nil, "no such\n\talbum\x00" }, 3, "POST /welcome answered 500: no such album"},
		"404 for ever":  {func(string, int) (int, http.Header, string) { return 404, nil, "" }, 3, "POST /welcome answered 404"},
		"a large error": {func(string, int) (int, http.Header, string) { return 500, nil, strings.Repeat("x", 1<<20) }, 3, "POST /welcome answered 500: xxxx"},
		"a redirect": {func(string, int) (int, http.Header, string) {
			return 302, http.Header{"Location": {"/elsewhere"}}, ""
		}, 3, "POST /welcome answered 302, and redirects are not followed"},
		"503 that is its own": {func(string, int) (int, http.Header, string) {
			return 503, http.Header{"Content-Type": {"application/problem+json"}}, `{"code":"sleepy"}`
		}, 3, `POST /welcome answered 503: {"code":"sleepy"}`},
		"closes the connection": {func(string, int) (int, http.Header, string) { panic(http.ErrAbortHandler) }, 3, "POST /welcome: the connection was closed without an answer"},
		"nobody answers for it": {func(_ string, attempt int) (int, http.Header, string) {
			if attempt < 4 {
				return 503, http.Header{"Content-Type": {"application/problem+json"}}, `{"code":"gateway-no-instance"}`
			}
			return 200, nil, ""
		}, 4, ""}, // one more than it has deliveries
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nats.Options{}, 0)
			box := &inbox{answer: c.answer}
			r.target.set("welcome", serve(t, box))
			r.apply(pushed(retries))
			r.publish(event.Event{ID: "1"})
			push := r.settled()
			if got := box.all(); len(got) != c.deliveries || got[0].path != "POST /welcome" {
				t.Errorf("%d deliveries, want %d", len(got), c.deliveries)
			}
			letters, err := r.room.DeadLetters(ctx(t), 10)
			if err != nil {
				t.Fatal(err)
			}
			if c.reason == "" {
				if len(letters) != 0 || push.Delivered != 1 {
					t.Errorf("dead letters %+v, report %+v", letters, push)
				}
				return
			}
			eventually(t, "the dead letter is there", func() bool {
				letters, err = r.room.DeadLetters(ctx(t), 10)
				return err == nil && len(letters) == 1
			})
			if got := letters[0]; !strings.HasPrefix(got.Reason, c.reason) || len(got.Reason) > 1100 || got.Deliveries != retries+1 || got.ID != "order.welcome_order_placed.1" {
				t.Errorf("dead letter = %+v", got)
			}
			if push.Failed != retries+1 || push.Delivered != 0 || !strings.HasPrefix(push.Error, c.reason) || push.LastFailure.IsZero() {
				t.Errorf("report = %+v", push)
			}
		})
	}
}

func TestAReceiverThatHangs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 50*time.Millisecond)
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-hang:
		case <-req.Context().Done():
		}
	}))
	defer s.Close()
	defer close(hang)
	r.target.set("welcome", s.URL)
	r.apply(pushed(1))
	r.publish(event.Event{ID: "1", Data: []byte("{}")})
	eventually(t, "it is a dead letter", func() bool {
		letters, err := r.room.DeadLetters(ctx(t), 10)
		return err == nil && len(letters) == 1 && letters[0].Reason == "POST /welcome: no answer within 50ms" && letters[0].Deliveries == 2
	})
}

// A service that is down burns no delivery: nothing is pulled for it.
func TestAReceiverThatRestarts(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	r.apply(pushed(0))
	for i := range 20 {
		r.publish(event.Event{ID: fmt.Sprint(i)})
	}
	eventually(t, "the worker waits", func() bool { return r.push().Waiting })
	box := &inbox{}
	url := serve(t, box)
	r.target.set("welcome", url)
	if push := r.settled(); push.Delivered != 20 || push.Failed != 0 || push.Waiting {
		t.Errorf("report = %+v", push)
	}
	r.target.set("welcome", "")
	for i := range 5 {
		r.publish(event.Event{ID: fmt.Sprint("later", i)})
	}
	eventually(t, "the worker waits again", func() bool { return r.push().Waiting })
	if n := len(box.all()); n != 20 {
		t.Errorf("%d deliveries while it was down", n)
	}
	r.target.set("welcome", url)
	if push := r.settled(); push.Delivered != 25 || push.Failed != 0 {
		t.Errorf("report = %+v", push)
	}
	if report, err := r.room.Report(ctx(t)); err != nil || report.Dead.Count != 0 {
		t.Errorf("%d dead letters, %v", report.Dead.Count, err)
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	box := &inbox{answer: func(_ string, attempt int) (int, http.Header, string) {
		if attempt == 1 {
			return 429, http.Header{"Retry-After": {"1"}}, ""
		}
		return 200, nil, ""
	}}
	r.target.set("welcome", serve(t, box))
	r.apply(pushed(2))
	r.publish(event.Event{ID: "1"})
	r.settled()
	got := box.all()
	if len(got) != 2 {
		t.Fatalf("%d deliveries", len(got))
	}
	if pause := got[1].at.Sub(got[0].at); pause < 990*time.Millisecond {
		t.Errorf("the second came after %v", pause)
	}
}

// Events of one subject keep their order and are never under way together;
// others go on beside them, no more than PushAtOnce.
func TestOrderWithinASubject(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	var mu sync.Mutex
	busy := map[string]bool{}
	var now, most atomic.Int64
	box := &inbox{}
	r.target.set("welcome", serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		key := req.Header.Get("Ce-Subject")
		mu.Lock()
		if busy[key] {
			t.Errorf("two events of %q at once", key)
		}
		busy[key] = true
		mu.Unlock()
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond) // a handler at work
		now.Add(-1)
		mu.Lock()
		busy[key] = false
		mu.Unlock()
		box.ServeHTTP(w, req)
	})))
	want := map[string][]string{}
	for i := range 200 {
		key, id := fmt.Sprint("customer-", i%17), fmt.Sprint(i)
		want[key] = append(want[key], id)
		r.publish(event.Event{ID: id, Subject: key})
	}
	r.apply(pushed(0))
	r.settled()
	got := map[string][]string{}
	for _, d := range box.all() {
		got[d.header.Get("Ce-Subject")] = append(got[d.header.Get("Ce-Subject")], d.header.Get("Ce-Id"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := most.Load(); n < 2 || n > event.PushAtOnce {
		t.Errorf("%d under way at once", n)
	}
}

func TestWorkersFollowThePlan(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	box := &inbox{}
	r.target.set("welcome", serve(t, box))
	r.apply(pushed(0))
	r.publish(event.Event{ID: "a"})
	r.settled()

	// Another path.
	elsewhere := pushed(0)
	elsewhere.Push = "/other"
	r.apply(elsewhere)
	eventually(t, "the new worker runs", func() bool { return r.push().Path == "/other" })
	r.publish(event.Event{ID: "b"})
	eventually(t, "b comes to the new path", func() bool {
		got := box.all()
		return len(got) == 2 && got[1].path == "POST /other"
	})
	r.settled()

	// The service pulls by itself: plat takes nothing any more.
	pulled := pushed(3)
	pulled.Push = ""
	r.apply(pulled)
	eventually(t, "the report says so", func() bool {
		report, err := r.room.Report(ctx(t))
		return err == nil && report.Consumers[0].Push == nil
	})
	r.publish(event.Event{ID: "c"})
	d, err := r.broker.Next(ctx(t), "order", "welcome_order_placed")
	if err != nil || d.Message().Header["ce-id"][0] != "c" {
		t.Fatalf("next = %+v, %v", d, err)
	}
	if err := d.Again(0); err != nil {
		t.Fatal(err)
	}

	// And back, and dropped.
	r.apply(pushed(0))
	eventually(t, "c is pushed", func() bool { return slices.Equal(box.ids(), []string{"a", "b", "c"}) })
	r.settled()
	r.apply()
	eventually(t, "it is an orphan, and no worker runs", func() bool {
		report, err := r.room.Report(ctx(t))
		return err == nil && len(report.Consumers) == 1 && report.Consumers[0].Orphan && report.Consumers[0].Push == nil
	})
	r.publish(event.Event{ID: "d"})
	r.apply(pushed(0))
	eventually(t, "d is pushed", func() bool { return slices.Equal(box.ids(), []string{"a", "b", "c", "d"}) })
}

// What is under way when plat ends may finish; what was not delivered comes
// with the next plat, and an event that was in hand is no dead letter for it.
func TestPlatEndsWhileItPushes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRig(t, nats.Options{Dir: dir}, 0)
	begun, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	box := &inbox{answer: func(string, int) (int, http.Header, string) {
		once.Do(func() { close(begun); <-finish })
		return 200, nil, ""
	}}
	r.target.set("welcome", serve(t, box))
	for i := range 30 {
		r.publish(event.Event{ID: fmt.Sprint(i), Subject: "one"}) // one lane
	}
	r.apply(pushed(0))
	<-begun
	eventually(t, "others wait in hand", func() bool { return r.push().InHand == 16 })
	go close(finish)
	r.stop()
	if err := r.broker.Close(); err != nil {
		t.Fatal(err)
	}
	before := len(box.all())
	second := newRig(t, nats.Options{Dir: dir}, 0)
	second.target.set("welcome", serve(t, box))
	second.apply(pushed(0))
	second.settled()
	seen := map[string]int{}
	for _, id := range box.ids() {
		seen[id]++
	}
	if len(seen) != 30 || len(box.all()) != 30 {
		t.Errorf("%d deliveries before, %v after", before, seen)
	}
	if report, err := second.room.Report(ctx(t)); err != nil || report.Dead.Count != 0 {
		t.Errorf("%d dead letters, %v", report.Dead.Count, err)
	}
}

func TestAMessageThatIsNoEventIsGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	box := &inbox{}
	r.target.set("welcome", serve(t, box))
	r.apply(pushed(3), plan.Consumer{Name: "shop_order_cancelled", Stream: "order", Service: "shop", Event: "order.cancelled", Subject: "event.order.cancelled"})
	r.publish(event.Event{ID: "a"})
	r.settled()
	// A message that is no event at all is given up with a reason, at once.
	if _, err := r.broker.Publish(ctx(t), event.Message{Subject: "event.order.placed", Data: []byte("?")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is a dead letter", func() bool {
		letters, err := r.room.DeadLetters(ctx(t), 10)
		return err == nil && len(letters) == 1 && strings.HasPrefix(letters[0].Reason, "not a valid event") && letters[0].Deliveries == 1
	})
	if n := len(box.all()); n != 1 {
		t.Errorf("%d deliveries", n)
	}
}
