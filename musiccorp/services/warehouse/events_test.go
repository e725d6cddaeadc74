package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit/message"
)

// TestEventsInAnyOrder delivers every sequence of up to three of the events,
// each of them twice.
func TestEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	before := r.available(t, "MC-0001")
	kinds := []string{"order.placed", "payment.taken", "order.cancelled"}
	sequences := [][]string{{}}
	for i := 0; i < len(sequences); i++ {
		if len(sequences[i]) == 3 {
			continue
		}
		for _, k := range kinds {
			sequences = append(sequences, append(slices.Clone(sequences[i]), k))
		}
	}
	taken := 0
	for i, events := range sequences {
		order := fmt.Sprintf("order-%d", i)
		data := orderPlaced{Order: order, Lines: []Line{{SKU: "MC-0001", Quantity: 1}}}
		for _, e := range events {
			r.mustDeliver(t, e, data)
			r.mustDeliver(t, e, data)
		}
		status, published := expected(events)
		if got := r.status(t, order); got != status {
			t.Errorf("%v: %s, want %s", events, got, status)
		}
		if diff := cmp.Diff(published, r.events(order)); diff != "" {
			t.Errorf("%v: published (-want +got):\n%s", events, diff)
		}
		if status == Reserved || status == Dispatched {
			taken++
		}
		if got := r.available(t, "MC-0001"); got != before-taken {
			t.Fatalf("%v: %d in stock, want %d", events, got, before-taken)
		}
	}
}

// expected says what shall come of a sequence of events.
func expected(events []string) (Status, []string) {
	at := func(e string) int {
		if i := slices.Index(events, e); i >= 0 {
			return i
		}
		return len(events)
	}
	never := len(events)
	placed, paid, cancelled := at("order.placed"), at("payment.taken"), at("order.cancelled")
	switch {
	case placed == never:
		return Waiting, nil
	case cancelled < placed:
		return Released, nil
	case max(placed, paid) < cancelled:
		return Dispatched, []string{"stock.reserved", "parcel.dispatched"}
	case cancelled < never:
		return Released, []string{"stock.reserved"}
	}
	return Reserved, []string{"stock.reserved"}
}

func TestReserveAllOrNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	before := r.available(t, "MC-0001")
	for _, c := range []struct {
		name   string
		lines  []Line
		reason string
	}{
		{"sold out", []Line{{"MC-0001", 1}, {"MC-0013", 1}}, "MC-0013 is out of stock"},
		{"unknown", []Line{{"MC-0001", 1}, {"MC-9999", 1}}, "MC-9999 is out of stock"},
		{"too few", []Line{{"MC-0001", before + 1}}, fmt.Sprintf("only %d of MC-0001 left, %d were ordered", before, before+1)},
		{"too few for the second line", []Line{{"MC-0001", before}, {"MC-0001", 1}}, "MC-0001 is out of stock"},
	} {
		r.mustDeliver(t, "order.placed", orderPlaced{Order: c.name, Lines: c.lines})
		r.mustDeliver(t, "payment.taken", paymentTaken{c.name})
		r.mustDeliver(t, "order.cancelled", orderCancelled{c.name})
		if got := r.status(t, c.name); got != Rejected {
			t.Errorf("%s: %s", c.name, got)
		}
		if diff := cmp.Diff([]string{"stock.rejected"}, r.events(c.name)); diff != "" {
			t.Errorf("%s: published (-want +got):\n%s", c.name, diff)
		}
		if got := r.available(t, "MC-0001"); got != before {
			t.Errorf("%s: %d in stock, want %d", c.name, got, before)
		}
		rejected, err := message.Decode[stockRejected](r.published[c.name][0])
		if err != nil || rejected.Reason != c.reason {
			t.Errorf("%s: %+v, %v, want the reason %q", c.name, rejected, err, c.reason)
		}
	}
}

// TestReserveAtOnce sells the last albums to many at once.
func TestReserveAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	before := r.available(t, "MC-0002")
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = r.deliver(t, "order.placed", orderPlaced{Order: fmt.Sprint(i), Lines: []Line{{"MC-0002", 10}}})
		})
	}
	wg.Wait()
	reserved := 0
	for i, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
		if r.status(t, fmt.Sprint(i)) == Reserved {
			reserved++
		}
	}
	if left := r.available(t, "MC-0002"); reserved != before/10 || left != before%10 {
		t.Errorf("of %d albums %d orders of 10 were reserved, %d are left", before, reserved, left)
	}
}

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	for event, data := range map[string]any{
		"order.placed":    orderPlaced{Order: "1"},
		"payment.taken":   "nonsense",
		"order.cancelled": []int{1},
	} {
		if err := r.deliver(t, event, data); err == nil {
			t.Errorf("%s: %v is taken", event, data)
		}
	}
	err := r.deliver(t, "order.placed", orderPlaced{Order: "1"})
	if err == nil || !strings.Contains(err.Error(), "without lines") {
		t.Errorf("an order without lines: %v", err)
	}
}
