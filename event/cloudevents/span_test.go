package cloudevents_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/event/cloudevents"
	"github.com/plat-dev/plat/store/nats"
)

// heard remembers the spans that it is told of.
type heard struct {
	mu    sync.Mutex
	spans []cloudevents.Span
}

func (h *heard) tell(s cloudevents.Span) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spans = append(h.spans, s)
}

// take gives them, and forgets them.
func (h *heard) take() []cloudevents.Span {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.spans
	h.spans = nil
	return all
}

// TestAPublishedEventHasASpan: who publishes by POST has a span for each
// event, below the request's own, and the event carries it on.
func TestAPublishedEventHasASpan(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	var ear heard
	url := serve(t, cloudevents.NewPublisher(cloudevents.Options{Room: r.room, Tell: ear.tell}).Service("order"))

	if resp, _ := post(t, url, attributes("1", "X-Correlation-ID", "work-1", "traceparent", parent, "tracestate", "a=b"), "1"); resp.StatusCode != 202 {
		t.Fatal(resp.StatusCode)
	}
	spans := ear.take()
	if len(spans) != 1 {
		t.Fatalf("%d spans", len(spans))
	}
	s := spans[0]
	if s.Service != "order" || !s.Producer || s.Event.Type != "order.placed" || s.Event.ID != "1" || s.Trace != parent[3:35] || s.Parent != parent[36:52] || s.ID == s.Parent || s.CorrelationID != "work-1" || s.Err != nil || s.LinkTrace != "" || s.Duration <= 0 {
		t.Errorf("%+v", s)
	}
	if e := r.stored("order", 1).Extensions; e["traceparent"] != "00-"+s.Trace+"-"+s.ID+"-01" || e["tracestate"] != "a=b" {
		t.Errorf("it carries %v", e)
	}

	for what, headers := range map[string][]string{
		"the same again":     {"1", "traceparent", parent},
		"a trace of its own": {"2", "traceparent", parent, "Ce-Traceparent", strings.Replace(parent, "b7ad", "c7ad", 1)},
		"not sampled":        {"3", "traceparent", strings.TrimSuffix(parent, "1") + "0"},
		"undeclared":         {"4", "traceparent", parent, "Ce-Type", "order.lost"},
	} {
		post(t, url, attributes(headers[0], headers[1:]...), "1")
		for _, s := range ear.take() {
			if what != "undeclared" || s.Err == nil { // that one failed, and says so
				t.Errorf("%s: %+v", what, s)
			}
		}
	}
	for n := uint64(2); n <= r.count("order"); n++ {
		e := r.stored("order", n)
		if want := map[string]string{"2": strings.Replace(parent, "b7ad", "c7ad", 1), "3": strings.TrimSuffix(parent, "1") + "0"}[e.ID]; e.Extensions["traceparent"] != want {
			t.Errorf("%s carries %s", e.ID, e.Extensions["traceparent"])
		}
	}

	// Without a trace one begins with it; each of a batch has its own span.
	batch := `[{"specversion":"1.0","id":"b1","source":"/till/7","type":"order.placed"},{"specversion":"1.0","id":"b2","source":"/till/7","type":"order.placed"}]`
	if resp, _ := post(t, url, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, batch); resp.StatusCode != 202 {
		t.Fatal(resp.StatusCode)
	}
	spans = ear.take()
	if len(spans) != 2 || spans[0].Parent != "" || len(spans[0].Trace) != 32 || len(spans[0].ID) != 16 || spans[0].ID == spans[1].ID {
		t.Errorf("%+v", spans)
	}
}

// TestALatePushBeginsATrace: what is pushed a minute or more after it was
// published is a trace of its own with a link; what is pushed sooner goes on.
func TestALatePushBeginsATrace(t *testing.T) {
	t.Parallel()
	var ear heard
	box := &inbox{}
	target := &target{at: map[string]string{}}
	target.set("welcome", serve(t, box))
	receiver := cloudevents.NewReceiver(target, 0, ear.tell)
	t.Cleanup(receiver.Close)
	placed := func(traceparent string) event.Event {
		return event.Event{ID: "7", Source: "/till/7", SpecVersion: "1.0", Type: "order.placed", Extensions: map[string]string{"correlationid": "work-1", "traceparent": traceparent, "tracestate": "a=b"}}
	}
	got := func(e event.Event, ago time.Duration) http.Header {
		t.Helper()
		if err := receiver.Receive(t.Context(), "welcome", "/welcome", e, time.Now().Add(-ago)); err != nil {
			t.Fatal(err)
		}
		all := box.all()
		return all[len(all)-1].header
	}
	for what, e := range map[string]event.Event{"soon": placed(parent), "late without a trace": placed("broken"), "late, not sampled": placed(strings.TrimSuffix(parent, "1") + "0")} {
		ago := 2 * time.Hour
		if what == "soon" {
			ago = 50 * time.Second
		}
		h := got(e, ago)
		if want := e.Extensions["traceparent"]; want != "broken" && h.Get("Traceparent") != want || len(ear.take()) > 0 {
			t.Errorf("%s: %v", what, h)
		}
	}
	h := got(placed(parent), 61*time.Second)
	spans := ear.take()
	if len(spans) != 1 {
		t.Fatalf("%d spans", len(spans))
	}
	s := spans[0]
	if s.Service != "welcome" || s.Producer || s.LinkTrace != parent[3:35] || s.LinkID != parent[36:52] || s.Parent != "" || s.Trace == s.LinkTrace || s.CorrelationID != "work-1" || s.Err != nil {
		t.Errorf("%+v", s)
	}
	if h.Get("Traceparent") != "00-"+s.Trace+"-"+s.ID+"-01" || h.Get("Tracestate") != "" || h.Get("Ce-Traceparent") != parent || h.Get("X-Correlation-Id") != "work-1" {
		t.Errorf("it came with %v", h)
	}
	target.set("welcome", "")
	if err := receiver.Receive(t.Context(), "welcome", "/welcome", placed(parent), time.Now().Add(-time.Hour)); err == nil || len(ear.take()) > 0 {
		t.Errorf("nobody was there: %v", err)
	}
}
