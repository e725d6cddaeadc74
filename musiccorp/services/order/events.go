package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/plat-dev/plat/kit/message"
)

// The events that this service publishes; api/ has their schemas.
type (
	orderPlaced struct {
		Order    string `json:"order" format:"uuid"`
		Customer string `json:"customer" format:"uuid"`
		Lines    []Line `json:"lines" nullable:"false"`
		Total    Money  `json:"total"`
	}
	orderDispatched struct {
		Order    string `json:"order" format:"uuid"`
		Customer string `json:"customer" format:"uuid"`
		Parcel   string `json:"parcel" format:"uuid"`
	}
	orderCancelled struct {
		Order    string `json:"order" format:"uuid"`
		Customer string `json:"customer" format:"uuid"`
		Reason   string `json:"reason" doc:"Why, for people."`
		Code     string `json:"code" enum:"out-of-stock,payment-declined" doc:"Why, for programs."`
	}
)

// The events that this service consumes, as far as it reads them.
type (
	paymentTaken struct {
		Order   string `json:"order"`
		Payment string `json:"payment"`
	}
	parcelDispatched struct {
		Order  string `json:"order"`
		Parcel string `json:"parcel"`
	}
	stockRejected struct {
		Order  string `json:"order"`
		Reason string `json:"reason"`
	}
	paymentDeclined struct {
		Order  string `json:"order"`
		Reason string `json:"reason"`
	}
)

func (s *service) subscribe(bus *message.Bus) {
	bus.Subscribe("payment.taken", s.paymentTaken)
	bus.Subscribe("parcel.dispatched", s.parcelDispatched)
	bus.Subscribe("stock.rejected", s.stockRejected)
	bus.Subscribe("payment.declined", s.paymentDeclined)
}

func (s *service) paymentTaken(ctx context.Context, tx *sql.Tx, e message.Event) error {
	taken, err := message.Decode[paymentTaken](e)
	if err != nil {
		return err
	}
	return s.change(ctx, tx, taken.Order, func(o *Order) error {
		return o.Pay(taken.Payment, time.Now().UTC())
	})
}

func (s *service) parcelDispatched(ctx context.Context, tx *sql.Tx, e message.Event) error {
	parcel, err := message.Decode[parcelDispatched](e)
	if err != nil {
		return err
	}
	return s.change(ctx, tx, parcel.Order, func(o *Order) error {
		return o.Dispatch(parcel.Parcel, time.Now().UTC())
	})
}

func (s *service) stockRejected(ctx context.Context, tx *sql.Tx, e message.Event) error {
	rejected, err := message.Decode[stockRejected](e)
	if err != nil {
		return err
	}
	return s.change(ctx, tx, rejected.Order, func(o *Order) error {
		return o.Cancel("out-of-stock", rejected.Reason, time.Now().UTC())
	})
}

func (s *service) paymentDeclined(ctx context.Context, tx *sql.Tx, e message.Event) error {
	declined, err := message.Decode[paymentDeclined](e)
	if err != nil {
		return err
	}
	return s.change(ctx, tx, declined.Order, func(o *Order) error {
		return o.Cancel("payment-declined", declined.Reason, time.Now().UTC())
	})
}

// change moves an order on and tells others where it ended. What the state
// machine refuses can never succeed later, so the event goes to the dead
// letters, where the refusal is read.
func (s *service) change(ctx context.Context, tx *sql.Tx, id string, move func(*Order) error) error {
	o, err := findOrder(ctx, tx, id)
	if errors.Is(err, errNotFound) {
		return message.Reject(fmt.Errorf("order %s is unknown", id))
	}
	if err != nil {
		return err
	}
	before := o.Status
	if err := move(o); err != nil {
		return message.Reject(err)
	}
	if err := saveOrder(ctx, tx, o); err != nil {
		return err
	}
	if o.Status == before {
		return nil
	}
	s.log.InfoContext(ctx, "order changed", "order", o.ID, "from", before, "to", o.Status, "code", o.Code)
	return s.publishEnd(ctx, tx, o)
}

// publishEnd publishes the event of a final state.
func (s *service) publishEnd(ctx context.Context, tx *sql.Tx, o *Order) error {
	var e message.Event
	var err error
	switch o.Status {
	case Dispatched:
		e, err = message.New("order.dispatched", o.ID, orderDispatched{Order: o.ID, Customer: o.Customer, Parcel: o.Parcel})
	case Cancelled:
		e, err = message.New("order.cancelled", o.ID, orderCancelled{Order: o.ID, Customer: o.Customer, Reason: o.Reason, Code: o.Code})
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return s.publish(ctx, tx, e)
}
