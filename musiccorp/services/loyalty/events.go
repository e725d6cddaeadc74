package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// The events that this service consumes, as far as it reads them.
type (
	customerRegistered struct {
		Customer string `json:"customer"`
	}
	orderPlaced struct {
		Order    string `json:"order"`
		Customer string `json:"customer"`
		Total    Money  `json:"total"`
	}
	orderDispatched struct {
		Order    string `json:"order"`
		Customer string `json:"customer"`
	}
)

func (s *service) subscribe(bus *message.Bus) {
	bus.Subscribe("customer.registered", s.customerRegistered)
	bus.Subscribe("order.placed", s.orderPlaced)
	bus.Subscribe("order.dispatched", s.orderDispatched)
}

func (s *service) customerRegistered(ctx context.Context, tx *sql.Tx, e message.Event) error {
	came, err := message.Decode[customerRegistered](e)
	if err == nil && came.Customer == "" {
		err = errors.New("a customer without ID")
	}
	if err != nil {
		return message.Reject(err)
	}
	if s.welcome <= 0 {
		return nil
	}
	return s.give(ctx, tx, Entry{Customer: came.Customer, Points: s.welcome, Reason: Welcome, Subject: came.Customer, At: now()})
}

// orderPlaced tells what the order costs: order.dispatched does not say it.
func (s *service) orderPlaced(ctx context.Context, tx *sql.Tx, e message.Event) error {
	placed, err := message.Decode[orderPlaced](e)
	if err == nil && (placed.Order == "" || placed.Customer == "" || placed.Total.Currency == "") {
		err = errors.New("an order without ID, customer or total")
	}
	if err != nil {
		return message.Reject(err)
	}
	return s.learn(ctx, tx, placed.Order, placed.Customer, func(o *Order) { o.Total = placed.Total })
}

func (s *service) orderDispatched(ctx context.Context, tx *sql.Tx, e message.Event) error {
	sent, err := message.Decode[orderDispatched](e)
	if err == nil && (sent.Order == "" || sent.Customer == "") {
		err = errors.New("an order without ID or customer")
	}
	if err != nil {
		return message.Reject(err)
	}
	return s.learn(ctx, tx, sent.Order, sent.Customer, func(o *Order) { o.Dispatched = true })
}

// learn adds a fact to what is known of an order, and gives the points that
// follow.
func (s *service) learn(ctx context.Context, tx *sql.Tx, id, customer string, fact func(*Order)) error {
	o, err := findOrder(ctx, tx, id)
	if errors.Is(err, errNotFound) {
		o = Order{ID: id, Customer: customer}
	} else if err != nil {
		return err
	}
	fact(&o)
	if err := saveOrder(ctx, tx, o); err != nil {
		return err
	}
	entry, ok := o.earned(now())
	if !ok {
		return nil
	}
	return s.give(ctx, tx, entry)
}

// give enters points into the ledger, unless what earned them is there, or was
// a test.
func (s *service) give(ctx context.Context, tx *sql.Tx, e Entry) error {
	if _, test := kit.Synthetic(ctx); test {
		return nil
	}
	fresh, err := enter(ctx, tx, e)
	if err == nil && fresh {
		s.log.InfoContext(ctx, "points given", "customer", e.Customer, "points", e.Points, "reason", e.Reason, "subject", e.Subject)
	}
	return err
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
