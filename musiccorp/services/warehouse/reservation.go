package main

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"

	"github.com/plat-dev/plat/kit/message"
)

// Status says what came of an order in the warehouse.
type Status string

// A reservation waits until order.placed arrived; rejected, released and
// dispatched are final.
const (
	Waiting    Status = "waiting"
	Reserved   Status = "reserved"
	Rejected   Status = "rejected"
	Released   Status = "released"
	Dispatched Status = "dispatched"
)

// Line is so many of one album.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Reservation is what the warehouse knows of an order. Lines, Paid and
// Cancelled are facts that events bring, in any order; Status follows from
// them by settle alone.
type Reservation struct {
	Order     string
	Status    Status
	Lines     []Line // none until order.placed arrived
	Paid      bool
	Cancelled bool
	Test      bool // of a test customer: all is done but what cannot be taken back
}

// settle moves the reservation, and the stock with it, as far as the known
// facts allow, and answers with the events to publish. A cancelled order is
// not sent, even if it was paid: whoever took the payment gives it back.
func (r *Reservation) settle(ctx context.Context, tx *sql.Tx) ([]message.Event, error) {
	var events []message.Event
	for {
		before := r.Status
		e, err := r.step(ctx, tx)
		if err != nil {
			return nil, err
		}
		events = append(events, e...)
		if r.Status == before {
			return events, nil
		}
	}
}

// step makes one move of settle, or none.
func (r *Reservation) step(ctx context.Context, tx *sql.Tx) ([]message.Event, error) {
	switch {
	case r.Status == Waiting && len(r.Lines) > 0 && r.Cancelled:
		r.Status = Released
		return nil, nil
	case r.Status == Waiting && len(r.Lines) > 0:
		return r.reserve(ctx, tx)
	case r.Status == Reserved && r.Cancelled:
		r.Status = Released
		return nil, r.giveBack(ctx, tx, r.Lines)
	case r.Status == Reserved && r.Paid:
		return r.dispatch()
	}
	return nil, nil
}

// take takes a line out of the stock; for a test it only looks.
func (r *Reservation) take(ctx context.Context, tx *sql.Tx, l Line) (available int, err error) {
	if r.Test {
		return availableOf(ctx, tx, l.SKU)
	}
	return take(ctx, tx, l)
}

// giveBack puts lines back that take has taken.
func (r *Reservation) giveBack(ctx context.Context, tx *sql.Tx, lines []Line) error {
	if r.Test {
		return nil
	}
	return giveBack(ctx, tx, lines)
}

// reserve takes all lines out of the stock, or none.
func (r *Reservation) reserve(ctx context.Context, tx *sql.Tx) ([]message.Event, error) {
	for i, l := range r.Lines {
		left, err := r.take(ctx, tx, l)
		if err != nil {
			return nil, err
		}
		if left >= l.Quantity {
			continue
		}
		if err := r.giveBack(ctx, tx, r.Lines[:i]); err != nil {
			return nil, err
		}
		r.Status = Rejected
		return event("stock.rejected", r.Order, stockRejected{Order: r.Order, SKU: l.SKU, Reason: shortage(l, left)})
	}
	r.Status = Reserved
	return event("stock.reserved", r.Order, stockReserved{Order: r.Order})
}

// dispatch sends the parcel: MusicCorp's are imaginary, and a test's not even
// packed.
func (r *Reservation) dispatch() ([]message.Event, error) {
	parcel, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	r.Status = Dispatched
	return event("parcel.dispatched", r.Order, parcelDispatched{Order: r.Order, Parcel: parcel.String()})
}

func shortage(l Line, left int) string {
	if left == 0 {
		return l.SKU + " is out of stock"
	}
	return fmt.Sprintf("only %d of %s left, %d were ordered", left, l.SKU, l.Quantity)
}

func event(eventType, order string, data any) ([]message.Event, error) {
	e, err := message.New(eventType, order, data)
	return []message.Event{e}, err
}
