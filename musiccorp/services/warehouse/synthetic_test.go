package main

import (
	"context"
	"database/sql"
	"testing"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// TestTestCustomer holds that all goes its way for a test customer, and that
// nothing leaves the shelf.
func TestTestCustomer(t *testing.T) {
	t.Parallel()
	r := start(t)
	before := r.available(t, "MC-0001")
	ctx := kit.WithTestMark(t.Context(), "1.purchase.r1.1800000060.x")
	happens := func(handle func(context.Context, *sql.Tx, message.Event) error, eventType string, data any) {
		t.Helper()
		e, err := message.New(eventType, "", data)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := r.db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := handle(ctx, tx, e); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	order := orderPlaced{Order: "order-1", Lines: []Line{{SKU: "MC-0001", Quantity: before}}}
	happens(r.orderPlaced, "order.placed", order)
	if got := r.status(t, "order-1"); got != Reserved {
		t.Fatalf("%s, want %s", got, Reserved)
	}
	happens(r.paymentTaken, "payment.taken", order)
	if got := r.status(t, "order-1"); got != Dispatched {
		t.Fatalf("%s, want %s", got, Dispatched)
	}
	order.Order = "order-2"
	happens(r.orderPlaced, "order.placed", order)
	r.mustDeliver(t, "order.cancelled", order) // without the mark: it is remembered
	if got := r.status(t, "order-2"); got != Released {
		t.Fatalf("%s, want %s", got, Released)
	}
	order.Order, order.Lines = "order-3", []Line{{SKU: "MC-0001", Quantity: before + 1}}
	happens(r.orderPlaced, "order.placed", order)
	if got := r.status(t, "order-3"); got != Rejected {
		t.Fatalf("%s, want %s", got, Rejected)
	}
	if got := r.available(t, "MC-0001"); got != before {
		t.Errorf("%d in stock, want %d", got, before)
	}
}
