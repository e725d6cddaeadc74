package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, c := range []struct {
		name    string
		events  []string
		status  Status
		code    string
		publish []string
	}{
		{"nothing", nil, Placed, "", nil},
		{"paid", []string{"payment.taken"}, Paid, "", nil},
		{"paid, sent", []string{"payment.taken", "parcel.dispatched"}, Dispatched, "", []string{"order.dispatched"}},
		{"sent, paid", []string{"parcel.dispatched", "payment.taken"}, Dispatched, "", []string{"order.dispatched"}},
		{"everything twice", []string{"parcel.dispatched", "parcel.dispatched", "payment.taken", "payment.taken", "parcel.dispatched"}, Dispatched, "", []string{"order.dispatched"}},
		{"sold out", []string{"stock.rejected"}, Cancelled, "out-of-stock", []string{"order.cancelled"}},
		{"declined twice", []string{"payment.declined", "payment.declined"}, Cancelled, "payment-declined", []string{"order.cancelled"}},
		{"the first reason stays", []string{"payment.declined", "stock.rejected"}, Cancelled, "payment-declined", []string{"order.cancelled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := r.placed(t)
			for _, e := range c.events {
				if err := r.deliver(t, e, fact(o.ID)); err != nil {
					t.Fatalf("%s: %v", e, err)
				}
			}
			got := r.order(t, pathOf(o.ID))
			if got.Status != c.status || got.Code != c.code {
				t.Errorf("is %s %q, want %s %q", got.Status, got.Code, c.status, c.code)
			}
			if diff := cmp.Diff(append([]string{"order.placed"}, c.publish...), r.events(t, o.ID)); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	cancelled, sent := r.placed(t), r.placed(t)
	for _, err := range []error{
		r.deliver(t, "stock.rejected", fact(cancelled.ID)),
		r.deliver(t, "payment.taken", fact(sent.ID)),
		r.deliver(t, "parcel.dispatched", fact(sent.ID)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		event string
		data  any
		want  string
	}{
		{"payment.taken", fact(cancelled.ID), "order " + cancelled.ID + " is cancelled and cannot become paid"},
		{"parcel.dispatched", fact(cancelled.ID), "is cancelled and cannot become dispatched"},
		{"payment.declined", fact(sent.ID), "is dispatched and cannot become cancelled"},
		{"stock.rejected", fact(ada), "order " + ada + " is unknown"},
		{"payment.taken", "nonsense", "payment.taken"},
	} {
		if err := r.deliver(t, c.event, c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.event, err, c.want)
		}
	}
	if got := r.order(t, pathOf(cancelled.ID)); got.Status != Cancelled || len(got.History) != 2 {
		t.Errorf("the cancelled order became %s: %v", got.Status, got.History)
	}
}

// fact is data that any of the consumed events can carry.
func fact(order string) map[string]string {
	return map[string]string{"order": order, "payment": "p-1", "parcel": "c-1", "reason": "because"}
}
