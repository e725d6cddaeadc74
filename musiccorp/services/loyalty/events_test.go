package main

import (
	"testing"

	"github.com/google/uuid"
)

// TestEventsInAnyOrder delivers the events of a customer and an order in
// every order, each of them twice.
func TestEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, events := range [][]string{
		{"customer.registered", "order.placed", "order.dispatched"},
		{"customer.registered", "order.dispatched", "order.placed"},
		{"order.placed", "customer.registered", "order.dispatched"},
		{"order.placed", "order.dispatched", "customer.registered"},
		{"order.dispatched", "customer.registered", "order.placed"},
		{"order.dispatched", "order.placed", "customer.registered"},
	} {
		ada, order := uuid.NewString(), uuid.NewString()
		data := orderPlaced{Order: order, Customer: ada, Total: Money{1299, "EUR"}} // the others have fewer of these fields
		heard := map[string]bool{}
		for _, e := range events {
			r.mustDeliver(t, e, data)
			r.mustDeliver(t, e, data)
			heard[e] = true
			want := int64(0)
			if heard["customer.registered"] {
				want += welcome
			}
			if heard["order.placed"] && heard["order.dispatched"] {
				want += 12
			}
			if got := r.points(t, ada).Points; got != want {
				t.Errorf("%v, until %s: %d points, want %d", events, e, got, want)
			}
		}
	}
}

// TestOrdersAddUp shows that each order earns its own points, and that
// another's earn this customer nothing.
func TestOrdersAddUp(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada, bob := uuid.NewString(), uuid.NewString()
	for _, o := range []struct {
		customer string
		amount   int64
	}{{ada, 1000}, {ada, 2599}, {bob, 9900}, {ada, 99}, {ada, 0}} {
		order := uuid.NewString()
		r.mustDeliver(t, "order.placed", orderPlaced{order, o.customer, Money{o.amount, "EUR"}})
		r.mustDeliver(t, "order.dispatched", orderDispatched{order, o.customer})
	}
	if got := r.points(t, ada).Points; got != 35 {
		t.Errorf("ada has %d points, want 35", got)
	}
	if got := r.points(t, bob).Points; got != 99 {
		t.Errorf("bob has %d points, want 99", got)
	}
}

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	for event, bad := range map[string][]any{
		"customer.registered": {"nonsense", customerRegistered{}},
		"order.placed":        {1, orderPlaced{Order: "1", Customer: "2"}, orderPlaced{Customer: "2", Total: Money{1, "EUR"}}, orderPlaced{Order: "1", Total: Money{1, "EUR"}}},
		"order.dispatched":    {[]int{1}, orderDispatched{Order: "1"}, orderDispatched{Customer: "2"}},
	} {
		for _, data := range bad {
			if err := r.deliver(t, event, data); err == nil {
				t.Errorf("%s: %v is taken", event, data)
			}
		}
	}
}
