package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// The events that this service publishes; api/ has their schemas.
type (
	paymentTaken struct {
		Order   string `json:"order" format:"uuid"`
		Payment string `json:"payment" format:"uuid"`
		Amount  Money  `json:"amount"`
	}
	paymentDeclined struct {
		Order  string `json:"order" format:"uuid"`
		Reason string `json:"reason" doc:"Why, for people."`
	}
	paymentRefunded struct {
		Order   string `json:"order" format:"uuid"`
		Payment string `json:"payment" format:"uuid"`
		Amount  Money  `json:"amount"`
	}
)

// The events that this service consumes, as far as it reads them.
type (
	orderPlaced struct {
		Order string `json:"order"`
		Total Money  `json:"total"`
	}
	orderCancelled struct {
		Order string `json:"order"`
	}
	stockReserved struct {
		Order string `json:"order"`
	}
)

func (s *service) subscribe(bus *message.Bus) {
	bus.Subscribe("order.placed", s.orderPlaced)
	bus.Subscribe("order.cancelled", s.orderCancelled)
	bus.Subscribe("stock.reserved", s.stockReserved)
}

func (s *service) orderPlaced(ctx context.Context, tx *sql.Tx, e message.Event) error {
	placed, err := message.Decode[orderPlaced](e)
	if err == nil && placed.Total.Currency == "" {
		err = errors.New("an order without total")
	}
	if err != nil {
		return message.Reject(err)
	}
	return s.learn(ctx, tx, placed.Order, func(p *Payment) {
		if p.Due.Currency == "" {
			p.Due = placed.Total
		}
	})
}

func (s *service) orderCancelled(ctx context.Context, tx *sql.Tx, e message.Event) error {
	cancelled, err := message.Decode[orderCancelled](e)
	if err != nil {
		return err
	}
	return s.learn(ctx, tx, cancelled.Order, func(p *Payment) { p.Cancelled = true })
}

func (s *service) stockReserved(ctx context.Context, tx *sql.Tx, e message.Event) error {
	reserved, err := message.Decode[stockReserved](e)
	if err != nil {
		return err
	}
	return s.learn(ctx, tx, reserved.Order, func(p *Payment) { p.Reserved = true })
}

// learn adds a fact to what is known of an order and does what follows.
func (s *service) learn(ctx context.Context, tx *sql.Tx, order string, fact func(*Payment)) error {
	p, err := findPayment(ctx, tx, order)
	if errors.Is(err, errNotFound) {
		p = &Payment{Order: order, Status: Waiting}
	} else if err != nil {
		return err
	}
	before := p.Status
	if _, test := kit.Synthetic(ctx); test {
		p.Test = true
	}
	fact(p)
	if err := p.settle(s.limit); err != nil {
		return err
	}
	if before == Waiting && p.Status == Taken {
		if err := s.askProvider(ctx); err != nil {
			return err
		}
	}
	if err := savePayment(ctx, tx, p); err != nil {
		return err
	}
	if p.Status == before {
		return nil
	}
	s.log.InfoContext(ctx, "payment changed", "order", order, "payment", p.ID, "from", before, "to", p.Status)
	return s.publishChange(ctx, tx, p)
}

// askProvider is where a payment provider would take the money. MusicCorp's is
// simulated: it agrees, after a while. The transaction stays open meanwhile, so
// a slow provider makes whoever else writes here wait.
func (s *service) askProvider(ctx context.Context) error {
	if s.latency == 0 {
		return nil
	}
	answer := time.NewTimer(s.latency)
	defer answer.Stop()
	select {
	case <-answer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publishChange publishes the event of a status just reached.
func (s *service) publishChange(ctx context.Context, tx *sql.Tx, p *Payment) error {
	var e message.Event
	var err error
	switch p.Status {
	case Taken:
		e, err = message.New("payment.taken", p.Order, paymentTaken{Order: p.Order, Payment: p.ID, Amount: p.Due})
	case Declined:
		e, err = message.New("payment.declined", p.Order, paymentDeclined{Order: p.Order, Reason: p.Reason})
	case Refunded:
		e, err = message.New("payment.refunded", p.Order, paymentRefunded{Order: p.Order, Payment: p.ID, Amount: p.Due})
	default: // of the others nobody needs to hear
		return nil
	}
	if err != nil {
		return err
	}
	return s.publish(ctx, tx, e)
}
