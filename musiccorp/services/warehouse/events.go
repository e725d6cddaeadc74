package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// The events that this service publishes; api/ has their schemas.
type (
	stockReserved struct {
		Order string `json:"order" format:"uuid"`
	}
	stockRejected struct {
		Order  string `json:"order" format:"uuid"`
		SKU    string `json:"sku" doc:"The album that is short."`
		Reason string `json:"reason" doc:"Why, for people."`
	}
	parcelDispatched struct {
		Order  string `json:"order" format:"uuid"`
		Parcel string `json:"parcel" format:"uuid"`
	}
)

// The events that this service consumes, as far as it reads them.
type (
	orderPlaced struct {
		Order string `json:"order"`
		Lines []Line `json:"lines"`
	}
	orderCancelled struct {
		Order string `json:"order"`
	}
	paymentTaken struct {
		Order string `json:"order"`
	}
)

func (s *service) subscribe(bus *message.Bus) {
	bus.Subscribe("order.placed", s.orderPlaced)
	bus.Subscribe("order.cancelled", s.orderCancelled)
	bus.Subscribe("payment.taken", s.paymentTaken)
}

func (s *service) orderPlaced(ctx context.Context, tx *sql.Tx, e message.Event) error {
	placed, err := message.Decode[orderPlaced](e)
	if err == nil && len(placed.Lines) == 0 {
		err = errors.New("an order without lines")
	}
	if err != nil {
		return message.Reject(err)
	}
	return s.learn(ctx, tx, placed.Order, func(r *Reservation) {
		if len(r.Lines) == 0 {
			r.Lines = placed.Lines
		}
	})
}

func (s *service) orderCancelled(ctx context.Context, tx *sql.Tx, e message.Event) error {
	cancelled, err := message.Decode[orderCancelled](e)
	if err != nil {
		return err
	}
	return s.learn(ctx, tx, cancelled.Order, func(r *Reservation) { r.Cancelled = true })
}

func (s *service) paymentTaken(ctx context.Context, tx *sql.Tx, e message.Event) error {
	taken, err := message.Decode[paymentTaken](e)
	if err != nil {
		return err
	}
	return s.learn(ctx, tx, taken.Order, func(r *Reservation) { r.Paid = true })
}

// learn adds a fact to what is known of an order and does what follows.
func (s *service) learn(ctx context.Context, tx *sql.Tx, order string, fact func(*Reservation)) error {
	r, err := findReservation(ctx, tx, order)
	if err != nil {
		return err
	}
	before := r.Status
	if _, test := kit.Synthetic(ctx); test {
		r.Test = true
	}
	fact(r)
	events, err := r.settle(ctx, tx)
	if err != nil {
		return err
	}
	if err := saveReservation(ctx, tx, r); err != nil {
		return err
	}
	if r.Status != before {
		s.log.InfoContext(ctx, "reservation changed", "order", order, "from", before, "to", r.Status)
	}
	return s.publish(ctx, tx, events...)
}
