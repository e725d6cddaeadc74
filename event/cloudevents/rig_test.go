package cloudevents_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/event/cloudevents"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/store/nats"
)

// rig is a broker and a room with three services: order and shop publish,
// welcome has customer.registered pushed when a test asks for it.
type rig struct {
	t         *testing.T
	broker    *nats.Server
	room      *event.Room
	target    *target
	publisher *cloudevents.Publisher
	stop      func() // of the room
}

func newRig(t *testing.T, o nats.Options, timeout time.Duration) *rig {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	broker, err := nats.Open(ctx(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, broker: broker, target: &target{at: map[string]string{}}}
	receiver := cloudevents.NewReceiver(r.target, timeout, nil)
	t.Cleanup(receiver.Close)
	r.room = event.New(event.Options{Broker: broker, Receiver: receiver, Pause: 20 * time.Millisecond})
	r.apply()
	r.publisher = cloudevents.NewPublisher(cloudevents.Options{Room: r.room, Synthetic: func(mark string, entering bool) (string, bool) {
		return "purchase", mark == goodMark && !entering
	}})
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.room.Run(running) }()
	r.stop = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *rig) apply(consumers ...plan.Consumer) {
	r.t.Helper()
	streams := []plan.Stream{
		{Name: "order", Provider: "order", Subjects: []string{"event.order.placed", "event.order.cancelled"}},
		{Name: "shop", Provider: "shop", Subjects: []string{"event.shop.opened"}},
	}
	if err := r.room.Apply(ctx(r.t), streams, consumers); err != nil {
		r.t.Fatal(err)
	}
}

// pushed is the consumer of order.placed by the service welcome.
func pushed(retries int) plan.Consumer {
	return plan.Consumer{Name: "welcome_order_placed", Stream: "order", Service: "welcome", Event: "order.placed", Subject: "event.order.placed", Retries: retries, Push: "/welcome"}
}

// stored reads one event of a stream.
func (r *rig) stored(stream string, sequence uint64) event.Event {
	r.t.Helper()
	m, err := r.broker.Read(ctx(r.t), stream, sequence)
	if err != nil {
		r.t.Fatal(err)
	}
	e, err := event.FromMessage(m.Subject, m.Header, m.Data)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *rig) count(stream string) uint64 {
	r.t.Helper()
	streams, err := r.broker.Streams(ctx(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range streams {
		if s.Name == stream {
			return s.Stored
		}
	}
	return 0
}

func (r *rig) push() event.PushReport {
	r.t.Helper()
	report, err := r.room.Report(ctx(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range report.Consumers {
		if c.Push != nil {
			return *c.Push
		}
	}
	r.t.Fatalf("no consumer is pushed to: %+v", report.Consumers)
	return event.PushReport{}
}

// post publishes by plain HTTP.
func post(t *testing.T, url string, header map[string]string, body string) (*http.Response, answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx(t), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	return do(t, req)
}

// answer is what any of the handlers answers.
type answer struct {
	ID, Source, Type, Provider         string
	Duplicate                          bool
	Events                             []answer
	Title, Detail, Code, CorrelationID string
	Remedy                             string
	Status                             int
	Errors                             []struct{ Message, Code string }
	Stored                             *struct{ Events []answer }
}

func do(t *testing.T, req *http.Request) (*http.Response, answer) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("answer %q: %v", raw, err)
	}
	want := "application/json"
	if resp.StatusCode >= 400 {
		want = "application/problem+json"
		if a.Status != resp.StatusCode || a.Title == "" || a.Remedy == "" || a.CorrelationID == "" || a.CorrelationID != resp.Header.Get("X-Correlation-Id") {
			t.Errorf("problem = %s", raw)
		}
	}
	if got := resp.Header.Get("Content-Type"); got != want {
		t.Errorf("%d is answered as %s", resp.StatusCode, got)
	}
	return resp, a
}

// attributes are those of binary mode.
func attributes(id string, more ...string) map[string]string {
	h := map[string]string{"Ce-Specversion": "1.0", "Ce-Id": id, "Ce-Source": "/till/7", "Ce-Type": "order.placed", "Content-Type": "application/json"}
	for i := 0; i < len(more); i += 2 {
		if more[i+1] == "-" {
			delete(h, more[i])
		} else {
			h[more[i]] = more[i+1]
		}
	}
	return h
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// target is where services are.
type target struct {
	mu sync.Mutex
	at map[string]string
}

func (g *target) Address(service string) (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	base, ready := g.at[service]
	return base, ready
}

func (g *target) set(service, base string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at[service] = base; base == "" {
		delete(g.at, service)
	}
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return c
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
