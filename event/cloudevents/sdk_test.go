package cloudevents_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ce "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/store/nats"
)

// The proof by the SDK of Go: what it sends is stored, whatever the mode.
func TestTheGoSDKPublishes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	url := serve(t, r.publisher.Service("order"))
	sdk, err := ce.NewClientHTTP(ce.WithTarget(url))
	if err != nil {
		t.Fatal(err)
	}
	placed := func(id string) ce.Event {
		e := ce.NewEvent()
		e.SetID(id)
		e.SetSource("/go/till")
		e.SetType("order.placed")
		e.SetSubject("customer-7")
		e.SetTime(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
		e.SetExtension("sequence", 12)
		if err := e.SetData(ce.ApplicationJSON, map[string]int{"total": 12}); err != nil {
			t.Fatal(err)
		}
		return e
	}
	send := func(ctx context.Context, e ce.Event, status int) {
		t.Helper()
		result := sdk.Send(ctx, e)
		var answer *cehttp.Result
		if !ce.ResultAs(result, &answer) || answer.StatusCode != status || ce.IsACK(result) != (status < 300) {
			t.Errorf("%s: %v, want %d", e.ID(), result, status)
		}
	}
	send(ctx(t), placed("binary"), 202)
	send(binding.WithForceStructured(ctx(t)), placed("structured"), 202)
	send(ctx(t), placed("binary"), 200)
	undeclared := placed("undeclared")
	undeclared.SetType("order.eaten")
	send(ctx(t), undeclared, 403)
	plain := placed("plain")
	if err := plain.SetData("text/plain", "12 €"); err != nil {
		t.Fatal(err)
	}
	send(ctx(t), plain, 202)
	raw := placed("raw")
	if err := raw.SetData("application/octet-stream", []byte{0, 255}); err != nil {
		t.Fatal(err)
	}
	send(binding.WithForceStructured(ctx(t)), raw, 202)

	req, err := cehttp.NewHTTPRequestFromEvents(ctx(t), url, []ce.Event{placed("batch-1"), placed("batch-2")})
	if err != nil {
		t.Fatal(err)
	}
	if resp, a := do(t, req); resp.StatusCode != 202 || len(a.Events) != 2 {
		t.Errorf("batch: %d %+v", resp.StatusCode, a)
	}

	for i, want := range []struct{ id, contentType, data string }{
		{"binary", "application/json", `{"total":12}`},
		{"structured", "application/json", `{"total":12}`},
		{"plain", "text/plain", "12 €"},
		{"raw", "application/octet-stream", "\x00\xff"},
		{"batch-1", "application/json", `{"total":12}`},
		{"batch-2", "application/json", `{"total":12}`},
	} {
		e := r.stored("order", uint64(i+1)) // #nosec G115 -- small
		if e.ID != want.id || e.Source != "/go/till" || e.Subject != "customer-7" || e.Extensions["sequence"] != "12" || !e.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)) ||
			e.DataContentType != want.contentType || string(e.Data) != want.data {
			t.Errorf("stored as %d: %+v", i+1, e)
		}
	}
}

// The proof by the SDK of Go: it receives what is pushed, and its errors bring
// the event again.
func TestTheGoSDKReceives(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sdk, err := ce.NewClientHTTP(cehttp.WithListener(listener), cehttp.WithPath("/welcome"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []ce.Event
	again := 0
	receiving, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- sdk.StartReceiver(receiving, func(e ce.Event) ce.Result {
			mu.Lock()
			defer mu.Unlock()
			if err := e.Validate(); err != nil {
				return ce.NewHTTPResult(http.StatusBadRequest, "%v", err)
			}
			if e.ID() == "again" {
				if again++; again < 3 {
					return ce.NewHTTPResult(http.StatusInternalServerError, "not now")
				}
			}
			got = append(got, e)
			return ce.ResultACK
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	r.target.set("welcome", "http://"+listener.Addr().String())
	r.apply(pushed(5))
	r.publish(event.Event{ID: "again", Source: "/till/7", Subject: "customer-7", Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), DataContentType: "application/json", Data: []byte(`{"total":12}`), Extensions: map[string]string{"sequence": "12", "traceparent": parent}})
	r.publish(event.Event{ID: "plain", DataContentType: "text/plain", Data: []byte("12 €")})
	r.publish(event.Event{ID: "empty"})
	if push := r.settled(); push.Delivered != 3 || push.Failed != 2 {
		t.Errorf("report = %+v", push)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.SortFunc(got, func(a, b ce.Event) int { return strings.Compare(a.ID(), b.ID()) })
	if len(got) != 3 {
		t.Fatalf("got %v", got)
	}
	e := got[0]
	if e.ID() != "again" || e.Source() != "/till/7" || e.Type() != "order.placed" || e.Subject() != "customer-7" || !e.Time().Equal(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)) ||
		e.DataContentType() != "application/json" || string(e.Data()) != `{"total":12}` || e.Extensions()["sequence"] != "12" || e.Extensions()["traceparent"] != parent {
		t.Errorf("got %v", e)
	}
	if string(got[2].Data()) != "12 €" || got[2].DataContentType() != "text/plain" || len(got[1].Data()) != 0 {
		t.Errorf("got %v", got[1:])
	}
}
