package main

import (
	"fmt"

	"github.com/google/uuid"
)

// Status says what came of a payment.
type Status string

// A payment waits until order.placed and stock.reserved have arrived. One
// that is void was cancelled before it was taken; declined, refunded and void
// are final.
const (
	Waiting  Status = "waiting"
	Taken    Status = "taken"
	Declined Status = "declined"
	Refunded Status = "refunded"
	Void     Status = "void"
)

// Money is an amount in minor units, so that sums are exact.
type Money struct {
	Amount   int64  `json:"amount" doc:"In minor units: 1299 is 12.99."`
	Currency string `json:"currency" example:"EUR"`
}

// String prints the amount with two decimals, as "12.50 EUR".
func (m Money) String() string {
	return fmt.Sprintf("%d.%02d %s", m.Amount/100, m.Amount%100, m.Currency)
}

// Payment is what finance knows of an order. Due, Reserved and Cancelled are
// facts that events bring, in any order; Status follows from them by settle
// alone.
type Payment struct {
	Order     string
	Status    Status
	ID        string // empty until taken
	Reason    string // empty unless declined
	Due       Money  // without currency until order.placed arrived
	Reserved  bool
	Cancelled bool
	Test      bool // of a test customer: nobody's money is taken
}

// settle moves the payment as far as the known facts allow. An amount over
// the limit is declined. MusicCorp has no bank: what is not declined is
// taken, and there is none to leave out for a test.
func (p *Payment) settle(limit int64) error {
	switch {
	case p.Status == Taken && p.Cancelled:
		p.Status = Refunded
	case p.Status == Waiting && p.Cancelled:
		p.Status = Void
	case p.Status == Waiting && p.Reserved && p.Due.Currency != "":
		return p.take(limit)
	}
	return nil
}

func (p *Payment) take(limit int64) error {
	if p.Due.Amount > limit {
		p.Status = Declined
		p.Reason = fmt.Sprintf("%s is over the credit limit of %s", p.Due, Money{limit, p.Due.Currency})
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	p.Status, p.ID = Taken, id.String()
	return nil
}
