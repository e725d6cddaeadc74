package cloudevents_test

import (
	"testing"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/store/nats"
)

const goodMark = "1.purchase.r1.1800000060.good"

// TestTheMarkOfATestCustomer goes with what is published in answer to a test
// customer, by header or by attribute, and only when it is believed.
func TestTheMarkOfATestCustomer(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	url := serve(t, r.publisher.Service("order"))
	for i, c := range []struct {
		header []string
		want   string
	}{
		{[]string{"Plat-Test", goodMark}, goodMark},
		{[]string{"Ce-Plattest", goodMark}, goodMark},
		{[]string{"Plat-Test", "1.purchase.r1.1800000060.forged"}, ""},
		{[]string{"Ce-Plattest", "forged", "Plat-Test", goodMark}, ""},
		{nil, ""},
	} {
		if resp, a := post(t, url, attributes(string(rune('a'+i)), c.header...), `{}`); resp.StatusCode != 202 {
			t.Fatalf("%v: %d %+v", c.header, resp.StatusCode, a)
		}
		if got := r.stored("order", uint64(i+1)).Extensions["plattest"]; got != c.want {
			t.Errorf("%v is stored with %q, want %q", c.header, got, c.want)
		}
	}
}

func TestTheMarkIsPushed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	box := &inbox{}
	r.target.set("welcome", serve(t, box))
	r.apply(pushed(5))
	r.publish(event.Event{ID: "7", Extensions: map[string]string{"plattest": goodMark}})
	r.settled()
	got := box.all()
	if len(got) != 1 || got[0].header.Get("Plat-Test") != goodMark || got[0].header.Get("Ce-Plattest") != goodMark {
		t.Errorf("got %+v", got)
	}
}
