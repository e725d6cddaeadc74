package nats

import (
	"context"
	"testing"
	"time"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/plan"
)

// Whoever waits for a message outlives a restart of the engine.
func TestNextOutlivesARestart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	srv, err := Open(ctx, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}()
	room := event.New(event.Options{Broker: srv})
	consumer := plan.Consumer{Name: "b_a_done", Stream: "a", Service: "b", Event: "a.done", Subject: "event.a.done", Push: "/"}
	if err := room.Apply(ctx, []plan.Stream{{Name: "a", Provider: "a", Subjects: []string{"event.a.done"}}}, []plan.Consumer{consumer}); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		for ctx.Err() == nil {
			if d, err := srv.Next(ctx, "a", "b_a_done"); err == nil {
				got <- d.Message().Header["ce-id"][0]
				return
			}
		}
	}()
	if err := srv.restart("a test asks for it"); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err = room.Publish(ctx, "a", event.Event{ID: "1", Type: "a.done"}); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-got:
		if id != "1" {
			t.Errorf("got %q", id)
		}
	case <-ctx.Done():
		t.Fatal("nothing came after the restart")
	}
}
