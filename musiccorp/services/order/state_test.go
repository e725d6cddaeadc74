package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// moves are the facts that an order hears of.
var moves = map[string]func(*Order) error{
	"pay":      func(o *Order) error { return o.Pay("p-1", time.Unix(1, 0)) },
	"dispatch": func(o *Order) error { return o.Dispatch("c-1", time.Unix(2, 0)) },
	"reject":   func(o *Order) error { return o.Cancel("out-of-stock", "sold out", time.Unix(3, 0)) },
	"decline":  func(o *Order) error { return o.Cancel("payment-declined", "too much", time.Unix(4, 0)) },
}

func testOrder(t *testing.T) *Order {
	t.Helper()
	o, err := newOrder("c", []Line{
		{SKU: "MC-0001", Title: "One", Quantity: 2, Price: Money{1299, "EUR"}},
		{SKU: "MC-0002", Title: "Two", Quantity: 1, Price: Money{905, "EUR"}},
	}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOrderBegins(t *testing.T) {
	t.Parallel()
	o := testOrder(t)
	if want := (Money{3503, "EUR"}); o.Total != want {
		t.Errorf("total %v, want %v", o.Total, want)
	}
	want := []Entry{{Status: Placed, At: time.Unix(0, 0), Note: "for 35.03 EUR"}}
	if diff := cmp.Diff(want, o.History); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	_, err := newOrder("c", []Line{{SKU: "A", Price: Money{1, "EUR"}}, {SKU: "B", Price: Money{1, "USD"}}}, time.Unix(0, 0))
	if err == nil {
		t.Error("two currencies in one order are taken")
	}
}

func TestOrderTransitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		facts   []string
		want    []Status // the history
		refused *TransitionError
	}{
		{facts: []string{"pay"}, want: []Status{Placed, Paid}},
		{facts: []string{"pay", "dispatch"}, want: []Status{Placed, Paid, Dispatched}},
		{facts: []string{"dispatch"}, want: []Status{Placed}},
		{facts: []string{"dispatch", "pay"}, want: []Status{Placed, Paid, Dispatched}},
		{facts: []string{"dispatch", "dispatch", "pay", "pay", "dispatch"}, want: []Status{Placed, Paid, Dispatched}},
		{facts: []string{"reject"}, want: []Status{Placed, Cancelled}},
		{facts: []string{"decline", "decline"}, want: []Status{Placed, Cancelled}},
		{facts: []string{"pay", "reject"}, want: []Status{Placed, Paid, Cancelled}},
		{facts: []string{"reject", "pay"}, want: []Status{Placed, Cancelled}, refused: &TransitionError{From: Cancelled, To: Paid}},
		{facts: []string{"reject", "dispatch"}, want: []Status{Placed, Cancelled}, refused: &TransitionError{From: Cancelled, To: Dispatched}},
		{facts: []string{"pay", "dispatch", "decline"}, want: []Status{Placed, Paid, Dispatched}, refused: &TransitionError{From: Dispatched, To: Cancelled}},
	} {
		o := testOrder(t)
		var err error
		for _, f := range c.facts {
			err = errors.Join(err, moves[f](o))
		}
		if diff := cmp.Diff(c.want, statuses(o)); diff != "" {
			t.Errorf("%v: history (-want +got):\n%s", c.facts, diff)
		}
		refused, _ := errors.AsType[*TransitionError](err)
		if c.refused != nil {
			c.refused.Order = o.ID
		}
		if diff := cmp.Diff(c.refused, refused); diff != "" {
			t.Errorf("%v: refused (-want +got):\n%s", c.facts, diff)
		}
	}
}

// TestOrderInvariants walks every sequence of five facts.
func TestOrderInvariants(t *testing.T) {
	t.Parallel()
	walk(t, testOrder(t), nil, 5)
}

func walk(t *testing.T, o *Order, facts []string, left int) {
	if left == 0 {
		return
	}
	for name, move := range moves {
		next := *o
		next.History = slices.Clone(o.History)
		err := move(&next)
		path := append(slices.Clone(facts), name)
		check(t, path, o, &next, err)
		walk(t, &next, path, left-1)
	}
}

func check(t *testing.T, path []string, before, after *Order, err error) {
	t.Helper()
	if err != nil && !cmp.Equal(before, after) {
		t.Errorf("%v: refused, and yet the order changed", path)
	}
	if (before.Status == Dispatched || before.Status == Cancelled) && after.Status != before.Status {
		t.Errorf("%v: left the final state %s for %s", path, before.Status, after.Status)
	}
	for i, e := range after.History[1:] {
		if from := after.History[i].Status; !from.mayBecome(e.Status) {
			t.Errorf("%v: went from %s to %s", path, from, e.Status)
		}
	}
	if last := after.History[len(after.History)-1].Status; last != after.Status {
		t.Errorf("%v: is %s, history ends with %s", path, after.Status, last)
	}
	if (after.Status == Cancelled) != (after.Reason != "") {
		t.Errorf("%v: is %s, reason %q", path, after.Status, after.Reason)
	}
	if after.Status == Paid && after.Parcel != "" {
		t.Errorf("%v: the parcel has left, the order is still only paid", path)
	}
}

func statuses(o *Order) []Status {
	var s []Status
	for _, e := range o.History {
		s = append(s, e.Status)
	}
	return s
}
